/* The results database. The only code that includes sqlite3.h is behind this header.
 *
 * Facts go in as plain records; one call of sb_store_put_sample is one transaction, so a killed job loses at most the sample
 * it was working on. Only rank 0 of a job opens a database for writing (journal_mode DELETE, synchronous FULL). */
#ifndef SB_RESULTS_STORE_STORE_H
#define SB_RESULTS_STORE_STORE_H

#include <stdint.h>
#include <stdio.h>

#include "kernels/base/status.h"

typedef struct sb_store sb_store;

typedef enum sb_store_mode { SB_STORE_WRITE, SB_STORE_READ, SB_STORE_MODE_COUNT } sb_store_mode;

/* WRITE creates the file and its directory when missing and applies the schema; refuses a file that is not ours (application_id), a newer
 * user_version, a damaged file, a file another process is writing. READ never creates. Errors name the path and the cause. */
sb_status sb_store_open(const char *path, sb_store_mode mode, sb_store **out);
void      sb_store_close(sb_store *s); /* NULL is fine */

/* ---- facts of one launch ---- */
typedef struct sb_run_facts {
    const char *commit_id, *build_json, *version; /* build_json: compiler, flags, library versions */
    const char *sweep_name, *config_text, *config_sha256;
    const char *command;                          /* argv joined */
    const char *hosts_json, *cpu, *device, *backend, *comm, *mpi_version, *env_json; /* env_json: SLURM_*, OMP_* */
    int32_t     ranks, threads, cores;
    int32_t     oversubscribed; /* ranks x threads > cores on some host: timings are flagged */
} sb_run_facts;
/* Writes a run row with a fresh uuid and the start time (UTC). */
sb_status sb_store_begin_run(sb_store *s, const sb_run_facts *f, int64_t *run_id);
/* A measured limit of the run's machine, all ranks together; a rate of 0 -> NULL. Once a run, kind
 * and dtype. */
typedef struct sb_ceiling_facts {
    const char *kind, *dtype; /* "matmul", "f32"; dtype "" where it does not matter */
    double      flops_per_s, bytes_per_s;
} sb_ceiling_facts;
sb_status sb_store_put_ceiling(sb_store *s, int64_t run_id, const sb_ceiling_facts *f);
/* status: "finished", "stopped", "failed". */
sb_status sb_store_end_run(sb_store *s, int64_t run_id, const char *status);

/* ---- what was asked: each put returns the id of the existing row when its natural key is known ---- */
typedef struct sb_point_facts {
    const char *hash, *identity_json;
    const char *experiment, *model, *model_json, *suite, *task, *task_json;
    int64_t     length_tokens;
    uint64_t    seed; /* stored as its signed 64-bit pattern */
    const char *method, *method_json, *decode, *scheme, *layout, *backend, *dtype;
    int32_t     ranks;
    int32_t     training_free;
    double      chance;
} sb_point_facts;
sb_status sb_store_put_point(sb_store *s, const sb_point_facts *f, int64_t *point_id);

typedef struct sb_dataset_facts {
    const char *suite, *task, *mode; /* native | compat | import */
    const char *generator_version, *params_json, *corpus, *corpus_sha256;
    int64_t     length_tokens;
    uint64_t    seed;
} sb_dataset_facts;
sb_status sb_store_put_dataset(sb_store *s, const sb_dataset_facts *f, int64_t *dataset_id);

typedef struct sb_span_facts {
    const char *kind;
    int64_t     ref_no; /* -1: none -> NULL */
    int64_t     tok_begin, tok_end;
    double      depth;
} sb_span_facts;
typedef struct sb_input_facts {
    int64_t              dataset_id, row_no;
    const char          *sha256;
    int64_t              n_prompt_tokens, n_context_tokens, n_gen_tokens;
    const char *const   *refs;
    int64_t              n_refs;
    const sb_span_facts *spans;
    int64_t              n_spans;
} sb_input_facts;
/* An input is stored before it is first run. Natural key: sha256. */
sb_status sb_store_put_input(sb_store *s, const sb_input_facts *f, int64_t *input_id);

/* ---- what was measured ---- */
typedef struct sb_timing_facts {
    int32_t     layer; /* -1 -> NULL: the whole model */
    const char *phase;
    int32_t     repetition, is_warmup;
    int64_t     ns; /* maximum over ranks */
} sb_timing_facts;
/* Columns of quality_metrics B6; schema/ says what each means. NaN -> NULL; -1 in an integer that
 * may be missing -> NULL; a pair (num, den) is NULL when den is 0. */
typedef struct sb_quality_facts {
    int32_t layer, head; /* head -1: summary over heads */
    int32_t def_version;
    int64_t rho_num, rho_den, tile_lanes, tile_lanes_dense;
    double  blocks_exec;
    int64_t blocks_dense;
    int64_t f_est, f_exec, f_dense;
    double  recall_mean, recall_se, recall_lo, recall_hi, recall_tail, recall_p05, recall_min,
        recall_w;
    int32_t recall_overflow;
    double  oracle_gap, needle_block_recall, needle_mass, needle_mass_kept;
    double  rel_l2, rel_l2_se;
    int32_t rel_l2_unreliable;
    double  rel_l2_p99, rel_l1, cos_row, floor;
    int64_t rows_sampled, rows_total;
} sb_quality_facts;
typedef struct sb_needle_facts {
    int32_t layer;
    int64_t span_no;
    double  key_recall, mass, mass_kept; /* key_recall NaN -> NULL */
} sb_needle_facts;
typedef struct sb_comm_facts {
    const char *phase; /* prefill | decode */
    int64_t     received_bytes, sent_bytes, calls, exposed_ns; /* maximum over ranks */
} sb_comm_facts;
/* How a layer's prefill was shared out over ranks; harness/shard/balance.h says in which units. */
typedef struct sb_balance_facts {
    int32_t layer;
    int64_t work_max, work_sum, step_work, lpt_max;
    int64_t keys_needed, keys_foreign; /* -1 -> NULL */
    int32_t fetched;                   /* likewise */
} sb_balance_facts;
typedef struct sb_memory_facts {
    const char *kind;  /* arena_high_water | rss_high_water | predicted | device_high_water */
    int64_t     bytes; /* maximum over ranks */
} sb_memory_facts;

/* A further score of a sample. */
typedef struct sb_score_facts {
    const char *metric;
    double      value;
    int32_t     is_binary;
} sb_score_facts;

/* How the device stood; -1 -> NULL. */
typedef struct sb_state_facts {
    const char *place; /* before | after: the timed repetitions */
    int32_t     sm_clock_mhz, memory_clock_mhz, temperature_c, ecc, mig, other_processes;
    int64_t     power_mw, throttle_reasons;
} sb_state_facts;

/* Of timed repetitions together, sum over devices. */
typedef struct sb_energy_facts {
    const char *phase; /* prefill | decode */
    int64_t     millijoules, repetitions, duration_ns, step_ns, idle_mw;
} sb_energy_facts;

/* Dense attention right before and right after a timed repetition. */
typedef struct sb_anchor_facts {
    int64_t     before_ns, after_ns;
    const char *kernel; /* NULL: not told */
} sb_anchor_facts;

typedef struct sb_sample_facts {
    int64_t                 run_id, point_id, input_id;
    int32_t                 is_anchor;   /* timed only so that others have a dense time of the same process */
    const char             *status;      /* ok | failed | unsupported | no_fit */
    const char             *error;       /* NULL when ok */
    const char             *prediction;  /* NULL when not run */
    const char             *plan_digest; /* hex, of all layers' selections; NULL when none */
    int32_t                 fallback;    /* the method ran dense here by its own rule */
    int64_t                 n_gen;
    const char             *metric;      /* NULL: no score (unsupported, no_fit) */
    double                  score;
    int32_t                 score_is_binary;
    const sb_score_facts   *more_scores; /* by other metrics */
    int64_t                 n_more_scores;
    const uint8_t          *hits; /* per reference; NULL none */
    int64_t                 n_hits;
    const sb_timing_facts  *timings;
    int64_t                 n_timings;
    const sb_quality_facts *quality;
    int64_t                 n_quality;
    const sb_needle_facts  *needles;
    int64_t                 n_needles;
    const sb_comm_facts    *comm;
    int64_t                 n_comm;
    const sb_balance_facts *balance;
    int64_t                 n_balance;
    const sb_memory_facts  *memory;
    int64_t                 n_memory;
    const char             *kernel; /* that attended last: avx2, sm90, cudnn; NULL: not told */
    /* Decode steps, and those of them that a graph ran; why there were no further ones, or NULL. */
    int64_t                 n_steps, graph_steps;
    const char             *graph_reason;
    const sb_state_facts   *states;
    int64_t                 n_states;
    const sb_energy_facts  *energy;
    int64_t                 n_energy;
    const sb_anchor_facts  *anchors; /* [n_anchors] of repetition 0, 1, ... */
    int64_t                 n_anchors;
} sb_sample_facts;
/* One transaction. unique(run, point, input): a second put for the same key is an error. */
sb_status sb_store_put_sample(sb_store *s, const sb_sample_facts *f);

/* Is there a sample of (point hash, input sha256) by this commit, in any run? *done: 0 no (or
 * failed ones only), 1 an ok one, 2 unsupported or no_fit. */
sb_status sb_store_sample_done(sb_store *s, const char *point_hash, const char *input_sha256, const char *commit_id, int *done);
/* Is this what the newest sample of (point hash, input sha256) says: status ok, its prediction and
 * scores (the n of `scores`, and no others)? *same: 0 or 1. prediction NULL: status unsupported. */
sb_status sb_store_sample_same(sb_store *s, const char *point_hash, const char *input_sha256,
                               const char *prediction, const sb_score_facts *scores, int64_t n,
                               int *same);

/* One transaction around many puts, which then make none of their own: all of it or nothing. end
 * commits when st is SB_OK, else rolls back and passes st on with its text. */
sb_status sb_store_begin(sb_store *s);
sb_status sb_store_end(sb_store *s, sb_status st);

/* A whole copy of the database as `path`, which is replaced in one step (a file beside it, written
 * to the disk, renamed): a reader sees the old one or the new one. s is open for writing and
 * between transactions. Errors: SB_ERR_IO, after which `path` is what it was. Cost: one pass over
 * the file. */
sb_status sb_store_publish(sb_store *s, const char *path);
/* The same from a file that nobody writes: a database at `path`, to go on with. */
sb_status sb_store_fetch(const char *published, const char *path);

/* Stored bytes a sample (file size / samples), for the end-of-run line. */
sb_status sb_store_size(sb_store *s, int64_t *bytes, int64_t *samples);

/* Compute what SQL cannot and what changed since: intervals of fractional metrics and of means over
 * tasks, every point beside dense (paired test, interval, Holm, non-inferiority). Cheap when
 * nothing changed: each figure is stored with a key of its rows. */
sb_status sb_store_refresh_intervals(sb_store *s);

/* ---- reading ---- */
typedef enum sb_format { SB_FORMAT_TABLE, SB_FORMAT_CSV, SB_FORMAT_JSON, SB_FORMAT_MARKDOWN, SB_FORMAT_COUNT } sb_format;
/* Run one read-only statement and print it. Anything that writes, attaches or sets a pragma is refused. */
sb_status sb_store_query(sb_store *s, const char *sql, sb_format format, FILE *out);
/* The same row by row, for figures that SQL cannot compute. A row lives until its function returns;
 * any status but SB_OK ends the walk and is passed on. texts are bound to ?1, ?2, ...; NULL binds
 * NULL. Of a NULL: int 0, real NaN, text NULL. */
typedef struct sb_row sb_row;
typedef sb_status (*sb_row_fn)(const sb_row *row, void *arg);
int         sb_row_is_null(const sb_row *row, int column);
int64_t     sb_row_int(const sb_row *row, int column);
double      sb_row_real(const sb_row *row, int column);
const char *sb_row_text(const sb_row *row, int column);
sb_status   sb_store_each(sb_store *s, const char *sql, const char *const *texts, int n_texts,
                          sb_row_fn fn, void *arg);
/* The rows of one such statement in memory. A cell is its text as CSV has it (every digit), NULL
 * for NULL; real is its number, NaN for NULL, text and blob. fini frees all; {0} is fine. */
typedef struct sb_answer {
    int     n_columns;
    int64_t n_rows;
    char  **names; /* [column] */
    char  **text;  /* [row][column] */
    double *real;  /* [row][column] */
} sb_answer;
sb_status sb_store_ask(sb_store *s, const char *sql, sb_answer *out);
void      sb_answer_fini(sb_answer *r);
/* Names and one-line descriptions of the public views. */
typedef struct sb_view {
    const char *name, *summary;
} sb_view;
extern const sb_view sb_views[]; /* ends with {0} */
/* Every table and view of the present schema with its columns, types, units and meanings, as
 * Markdown: results/SCHEMA.md. SB_ERR_INTERNAL: a column without a comment, which it names. */
sb_status   sb_store_schema(FILE *out);
const char *sb_store_library_version(void); /* of SQLite, for --version */

/* ---- whole files ---- */
/* integrity_check, foreign_key_check, application_id, user_version, and our own invariants;
 * findings go to `out`; SB_ERR_IO when any. A file that cannot be looked at is an error alone. */
sb_status sb_store_check(const char *path, FILE *out);
/* Copy every shard's rows into main by natural keys (run uuid, point hash, input hash); one transaction a shard; idempotent. */
sb_status sb_store_merge(const char *main_path, const char *const *shards, int64_t n_shards, FILE *out);
/* Compare facts (points, samples, predictions, scores, quality, plan digests, number of timing rows of the newest run of each (point,
 * input)); measured values, hosts and run ids may differ. *equal; differences to `out`. */
sb_status sb_store_diff(const char *a, const char *b, FILE *out, int *equal);
/* Put pseudonyms (host-1, user-1, path-1) in place of what names people and places, and leave no
 * page with an old text behind. Facts, keys and every figure stay. In place, or with out_path (of
 * one file) as a new file; either all of it or nothing. Several files share their pseudonyms. Rows
 * changed of each column go to `out`. SB_ERR_IO also where a file or its directory is read-only or
 * the disk is full; it needs room for two copies beside the result. */
sb_status sb_store_anonymize(const char *const *paths, int64_t n, const char *out_path, FILE *out);

#endif
