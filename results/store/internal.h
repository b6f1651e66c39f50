/* What the files of results/store share: the handle, prepared statements, connections. Nobody else
 * includes this. */
#ifndef SB_RESULTS_STORE_INTERNAL_H
#define SB_RESULTS_STORE_INTERNAL_H

#include <sqlite3.h>

#include "results/store/store.h"

#define SBI_APPLICATION_ID 0x5350414E /* "SPAN" in the file's header */

/* How long an open waits for another process to let go of the file. Tests turn it down. */
extern int sbi_busy_timeout_ms;
/* 1: every commit reaches the disk before it returns (synchronous FULL). Tests that cut no power
 * turn it off. */
extern int sbi_synchronous;

/* ---- db.c: connections and plain SQL ---- */

/* Error text from the connection's last error: "PATH: cause". The status follows the cause. */
sb_status sbi_db_fail(sqlite3 *db, const char *path, const char *what);
sb_status sbi_exec(sqlite3 *db, const char *path, const char *sql);
/* First column of the first row; 0 when there is no row. */
sb_status sbi_scalar(sqlite3 *db, const char *path, const char *sql, int64_t *out);
/* Random version 4 uuid and the time, as the tables hold them. */
sb_status sbi_uuid(char out[37]);
void      sbi_utc_now(char out[32]);

/* Open for reading: recovers after a killed writer, refuses what is not ours. No authorizer: for
 * our own SQL. */
sb_status sbi_open_read(const char *path, sqlite3 **out);
/* The same for sbi_verify. */
sb_status sbi_open_check(const char *path, sqlite3 **out);
/* Open for writing under an exclusive lock; creates, migrates. */
sb_status sbi_open_write(const char *path, sqlite3 **out);

/* ---- files.c: the file system around a database ---- */
sb_status   sbi_make_parent(const char *path);
const char *sbi_network_fs(const char *path); /* its name, NULL when local or unknown */
int         sbi_is_wal(const char *path);     /* 1: the file says that it has a write-ahead log */
sb_status   sbi_file_bytes(const char *path, int64_t *bytes);
sb_status   sbi_file_sha256(const char *path, char hex[65]);
sb_status   sbi_text_sha256(const char *text, char hex[65]);

/* ---- migrate.c ---- */
int sbi_schema_version(void);
/* Bring the open transaction's database from user_version `from` to sbi_schema_version(). */
sb_status sbi_migrate(sqlite3 *db, const char *path, int from);
/* Re-create the views whose text differs; inside a transaction. */
sb_status sbi_views_refresh(sqlite3 *db, const char *path);
/* The views that a file of an earlier program does not have, for this connection alone; computed
 * from the facts at each use. */
sb_status sbi_views_lend(sqlite3 *db, const char *path);
/* A database in memory: what a sound file looks like, its facts' tables alone or with views and
 * their stored answers. */
typedef enum sbi_model_part { SBI_MODEL_FACTS, SBI_MODEL_WHOLE } sbi_model_part;
sb_status sbi_open_model(sbi_model_part part, sqlite3 **out);

/* ---- figures.c: stored answers of the public views ---- */
/* The table that says whether they hold; before the first view. */
sb_status sbi_figures_open(sqlite3 *db, const char *path);
/* The view `name` of text `sql`, a public one with its stored answers, made new unless it stands
 * there with this text. */
sb_status sbi_figures_view(sqlite3 *db, const char *path, const char *name, const char *sql);
/* *stale: 0 or 1. */
sb_status sbi_figures_are_stale(sqlite3 *db, const char *path, int64_t *stale);
/* Compute every public view and keep its answer; inside a transaction. Cost: each view once. */
sb_status sbi_figures_store(sqlite3 *db, const char *path);
/* Stored answers that are not what the facts say, as findings; none where they are out of date. */
sb_status sbi_figures_check(sqlite3 *db, const char *path, FILE *out, int64_t *n);

/* ---- verify.c: damage of a file. ---- */
typedef enum sbi_depth { SBI_QUICK, SBI_THOROUGH } sbi_depth;
/* Pages and indexes (quick_check or integrity_check), foreign keys, tables as this program makes
 * them, no triggers. One line a finding goes to `out`, `prefix` in front; *n counts them. */
sb_status sbi_verify(sqlite3 *db, const char *path, sbi_depth depth, const char *prefix, FILE *out,
                     int64_t *n);
/* Print the text rows of `sql` as findings: "PREFIX: WHAT: row". At most 20 lines, then their
 * number. */
sb_status sbi_findings(sqlite3 *db, const char *path, const char *sql, const char *prefix,
                       const char *what, FILE *out, int64_t *n);

/* ---- statements.c: prepared once, kept with the handle ---- */
typedef enum sbi_stmt {
    SBI_BEGIN,
    SBI_FIGURES_FORGET,
    SBI_COMMIT,
    SBI_RUN_INSERT,
    SBI_RUN_END,
    SBI_CEILING_INSERT,
    SBI_POINT_FIND,
    SBI_POINT_INSERT,
    SBI_DATASET_FIND,
    SBI_DATASET_INSERT,
    SBI_INPUT_FIND,
    SBI_INPUT_INSERT,
    SBI_REFERENCE_INSERT,
    SBI_SPAN_INSERT,
    SBI_SAMPLE_INSERT,
    SBI_SCORE_INSERT,
    SBI_HIT_INSERT,
    SBI_TIMING_INSERT,
    SBI_QUALITY_INSERT,
    SBI_NEEDLE_INSERT,
    SBI_COMM_INSERT,
    SBI_MEMORY_INSERT,
    SBI_STATE_INSERT,
    SBI_ENERGY_INSERT,
    SBI_ANCHOR_INSERT,
    SBI_BALANCE_INSERT,
    SBI_SAMPLE_DONE,
    SBI_SAMPLE_SAME,
    SBI_SCORE_COUNT,
    SBI_SCORE_SAME,
    SBI_INTERVAL_STALE,
    SBI_INTERVAL_VALUES,
    SBI_INTERVAL_PUT,
    SBI_INTERVAL_DROP,
    SBI_POINT_HASH,
    SBI_PAIR_PARTS_TASK,
    SBI_PAIR_PARTS_MEAN,
    SBI_PAIR_SCORES,
    SBI_COMPARISON_STALE_TASK,
    SBI_COMPARISON_STALE_MEAN,
    SBI_COMPARISON_PUT,
    SBI_COMPARISON_DROP_TASK,
    SBI_COMPARISON_DROP_MEAN,
    SBI_MEAN_STALE,
    SBI_MEAN_SCORES,
    SBI_MEAN_PUT,
    SBI_MEAN_DROP,
    SBI_FAMILY_LIST,
    SBI_FAMILY_PUT,
    SBI_STMT_COUNT
} sbi_stmt;

struct sb_store {
    sqlite3      *db;
    char         *path;
    sb_store_mode mode;
    int           batch; /* 1: between sb_store_begin and sb_store_end */
    sqlite3_stmt *stmts[SBI_STMT_COUNT];
};

typedef enum sbi_kind { SBI_NULL, SBI_INT, SBI_REAL, SBI_TEXT } sbi_kind;
typedef struct sbi_value {
    sbi_kind    kind;
    int64_t     i;
    double      d; /* NaN is stored as NULL */
    const char *t; /* NULL is stored as NULL */
} sbi_value;
static inline sbi_value   sbi_int(int64_t i) { return (sbi_value){.kind = SBI_INT, .i = i}; }
static inline sbi_value   sbi_real(double d) { return (sbi_value){.kind = SBI_REAL, .d = d}; }
static inline sbi_value   sbi_text(const char *t) { return (sbi_value){.kind = SBI_TEXT, .t = t}; }
static inline sbi_value   sbi_null(void) { return (sbi_value){.kind = SBI_NULL}; }
static inline const char *sbi_or_empty(const char *t) { return t == NULL ? "" : t; }
static inline sbi_value   sbi_int_or_null(int64_t i, int present)
{
    return present ? sbi_int(i) : sbi_null();
}

/* The statement, reset, with its values bound. */
sb_status sbi_prepare(sb_store *s, sbi_stmt id, const sbi_value *values, int n, sqlite3_stmt **out);
/* Run a statement that gives no rows. */
sb_status sbi_run(sb_store *s, sbi_stmt id, const sbi_value *values, int n);
/* Run one that gives at most one integer; *found says whether. */
sb_status sbi_find(sb_store *s, sbi_stmt id, const sbi_value *values, int n, int64_t *out,
                   int *found);
#define SBI_COUNT(a) ((int)(sizeof(a) / sizeof(a)[0]))

/* A text that is given must be JSON; NULL passes (the schema says where it may be missing). */
sb_status sbi_need_json(const char *column, const char *text);
sb_status sbi_need_writer(const sb_store *s, const char *what);
sb_status sbi_begin(sb_store *s);
/* Commit when st is SB_OK, else roll back and pass st on with its text. */
sb_status sbi_end(sb_store *s, sb_status st);

/* ---- print.c: rows of a statement in a format ---- */
sb_status sbi_print(sqlite3_stmt *stmt, const char *path, sb_format format, FILE *out);
/* A cell as malloc'd text, NULL value empty; NULL when out of memory. digits 15: as many as it
 * takes to read back the same number. */
char *sbi_cell_text(sqlite3_stmt *stmt, int c, int digits);
/* What the last step of a statement means: SB_OK when it came to its end. */
sb_status sbi_stepped(sqlite3_stmt *stmt, const char *path, int rc);

/* ---- rows.c, answer.c: every row of a statement to a function, and into memory ---- */
sb_status sbi_rows(sqlite3_stmt *stmt, const char *path, sb_row_fn fn, void *arg);
sb_status sbi_answer_read(sqlite3_stmt *stmt, const char *path, sb_answer *out);

/* ---- stale.c: stored figures that are out of date ---- */
typedef struct sbi_stale {
    int64_t point_id, base_id, n;
    char   *metric, *rows_key;
} sbi_stale;
typedef struct sbi_stale_list {
    sbi_stale *at;
    int64_t    n, room;
} sbi_stale_list;
/* Rows (point_id, metric, rows_key, base_id, n) of a statement. The list is to be finished on an
 * error too. */
sb_status sbi_stale_read(sb_store *s, sbi_stmt id, const sbi_value *key, int n_key,
                         sbi_stale_list *list);
void      sbi_stale_fini(sbi_stale_list *list);
typedef sb_status (*sbi_compute)(sb_store *s, const sbi_stale *w);
/* Compute all that a statement lists; *n_done grows by their number. */
sb_status sbi_stale_each(sb_store *s, sbi_stmt id, sbi_compute compute, int64_t *n_done);

/* ---- pairs.c: scores by input, in strata (tasks) ---- */
typedef struct sbi_values {
    double  *value; /* stratum behind stratum */
    int64_t *of;    /* [n_strata] how many each has */
    int64_t  n, n_strata;
    char    *names; /* of the strata, a line each: what a seed is made of */
} sbi_values;
sb_status sbi_values_stratum(sb_store *s, sbi_values *v, const char *named); /* begin one */
sb_status sbi_values_add(sb_store *s, sbi_values *v, double value);          /* into the last */
sb_status sbi_values_seed(const sbi_values *v, uint64_t *seed);
void      sbi_values_fini(sbi_values *v);

typedef struct sbi_pairs {
    sbi_values differences; /* candidate - base */
    int64_t    b, c;        /* pairs in which the base, the candidate scores higher */
    int64_t    n_unpaired;  /* inputs scored at one of both points */
    int64_t    n_differ;    /* row numbers that stand unpaired at both: other content */
    int        all_binary;  /* 1: every score is 0 or 1 (to begin with 1) */
} sbi_pairs;
/* Add the pairs of one metric of two points as a stratum. */
sb_status sbi_pairs_add(sb_store *s, sbi_pairs *p, int64_t point_id, int64_t base_id,
                        const char *metric, const char *named);

/* ---- intervals.c, comparisons.c, families.c ---- */
sb_status sbi_intervals_refresh(sb_store *s);
sb_status sbi_comparisons_refresh(sb_store *s);
sb_status
sbi_families_refresh(sb_store *s); /* p_holm of all; needs the temporary keys of comparisons.c */

/* ---- copy.c: one attached shard into main, inside a transaction ---- */
sb_status sbi_copy_shard(sqlite3 *db, const char *path, int64_t *n_new, int64_t *n_known);

#endif
