/* A sweep file, checked and expanded: a list of points ready to run. The only user of yaml.h is
 * behind this.
 *
 * A point is one cell: method x parameters x task x length x sharding x decode x model x seed, at a
 * given number of ranks and backend; of the operator alone, with the shape of its input for the
 * model and the distribution or file for the task. Its hash is SHA-256 of the canonical JSON of
 * exactly those (sorted keys, no blanks): not samples, timing, quality, graphs, dump, sweep name or
 * commit.
 *
 * Keys (* must be there; [list] marks an axis: one value or a list of distinct ones):
 *   sweep*       a name
 *   experiment*  task | attention
 *   backend      auto | cpu | cuda
 *   model*       NAME or {name, its parameters [list]}, or of a checkpoint {path* [list] a folder,
 *                a .gguf file or owner/model, wrapper auto | base | NAME, weights file | random (a
 *                folder with config.json alone, for suite random_ids), its parameters [list]}
 *   workloads*   list of {suite*, tasks* [list], lengths* [list], samples 20, seed [list] 42,
 *                corpus default | zipf | {path: DIR}, the suite's parameters [list]};
 *                a length is a number of tokens, or 4K (x 1024), 1M (x 1048576).
 *                A checkpoint answers suites of questions as text: as in gen_plan.h, but samples
 *                20 of files too (or as many as they have)
 *   methods*     list of NAME or {name, its parameters [list]}
 *   sharding     list of NAME or {name, layout [list] zigzag | contiguous | block_striped | lpt,
 *                and}; zigzag if not said, but where the line says contiguous
 *                  allgather  heads_at_once [list]: KV heads gathered while those before them are
 *                             attended to; all of them if not said. The default
 *                  ring       keys go round, for methods that choose without reading keys
 *                  ulysses    heads are shared out, tokens are whole; contiguous
 *                  usp        ulysses [list] U: heads are shared out in teams of U ranks, the
 *                             keys of teams go round; as many ranks of a host as can if not
 *                             said
 *                  fetch      keys that the selection needs, or all where it needs 0.6 of them;
 *                             contiguous
 *                  pass_q     queries go round, keys stay, for methods as under ring
 *                  state      of methods that carry a state (lightning, linear); contiguous only
 *                those methods run under state whatever stands here, as one point; what a scheme
 *                cannot do is an unsupported row
 *   decode       [list] method | dense
 *   quality      sampled | none | exact or {mode, detail: summary | per_head}
 *   timing       {warmup 1, repetitions 3, dense beside | none}; repetitions 0: accuracy and
 *                quality of one pass, nothing timed, no speed-ups. dense beside: a cell that has no
 *                dense time of this run gets one first; none: where that would take too long
 *   graphs       auto | off: decode steps on a device as one graph (harness/model/forward_step.c)
 *   exclude      list of mappings over method, its parameters, task, suite, length, seed, sharding,
 *                layout, decode; a point goes when all keys of one of them match, a list of values
 *                matches any of them
 *
 * experiment: attention (q, k, v without a model) has, instead of model, workloads and decode:
 *   inputs*      list of {distribution* [list] random | structured | clustered | needle,
 *                heads [list] 32, kv_heads [list] 8, head_dim [list] 128, lengths* [list],
 *                seed [list] 42, samples 1, beside a single distribution its parameters [list]}
 *                or {tensors* [list] FILE.safetensors, q NAME, k NAME, v NAME,
 *                scale (1/sqrt(head_dim))}
 *   dump         {dir*, what* [list] index | o | lse}: one file of tensors a sample
 * and there:
 *   timing       {warmup 5, repetitions 20, dense beside | none,
 *                anchor none | auto | native | cudnn, anchor_up_to};
 *                an anchor is dense attention of that `impl`, run right before and right after
 *                each repetition of every method but dense, at lengths up to anchor_up_to
 *   exclude      over method, its parameters, distribution, tensors, heads, kv_heads, head_dim,
 *                length, seed, sharding, layout
 *
 * Order of points: model, workload, suite's parameters, task, length, seed, sharding, layout,
 * decode (one cell), then methods, dense first, the rest as in the file; after the last sharding
 * the methods that carry a state, a cell of their own a decode. Likewise input, distribution, its
 * parameters, heads, kv_heads, head_dim, length, seed. */
#ifndef SB_HARNESS_CONFIG_SWEEP_H
#define SB_HARNESS_CONFIG_SWEEP_H

#include <stdint.h>
#include <stdio.h>

#include "harness/tensors/captured.h"
#include "kernels/base/method.h"
#include "workloads/base/operands.h"
#include "workloads/base/task.h"
#include "workloads/base/text_suite.h"

typedef enum sb_layout_kind {
    SB_LAYOUT_CONTIGUOUS,
    SB_LAYOUT_ZIGZAG,
    SB_LAYOUT_BLOCK_STRIPED,
    SB_LAYOUT_LPT,
    SB_LAYOUT_COUNT
} sb_layout_kind;
typedef enum sb_scheme {
    SB_SCHEME_ALLGATHER,
    SB_SCHEME_STATE,
    SB_SCHEME_RING,
    SB_SCHEME_ULYSSES,
    SB_SCHEME_USP,
    SB_SCHEME_FETCH,
    SB_SCHEME_PASS_Q,
    SB_SCHEME_COUNT
} sb_scheme;
typedef enum sb_decode_kind {
    SB_DECODE_METHOD,
    SB_DECODE_DENSE,
    SB_DECODE_NONE, /* experiment: attention */
    SB_DECODE_COUNT
} sb_decode_kind;
typedef enum sb_quality_mode { SB_QUALITY_NONE, SB_QUALITY_SAMPLED, SB_QUALITY_EXACT, SB_QUALITY_COUNT } sb_quality_mode;
/* Decode steps as graphs, where a device and all that a step calls can; off: call by call. */
typedef enum sb_graphs_mode { SB_GRAPHS_AUTO, SB_GRAPHS_OFF, SB_GRAPHS_COUNT } sb_graphs_mode;
typedef enum sb_quality_detail { SB_DETAIL_SUMMARY, SB_DETAIL_PER_HEAD, SB_DETAIL_COUNT } sb_quality_detail;

/* Where a sweep names no layout: zigzag, even under a causal mask and in the two runs of queries
 * that every kernel takes; contiguous where token order (state), whole heads (ulysses) or few
 * neighbours (fetch) ask for it. */
sb_layout_kind sb_layout_default(sb_scheme s);
/* The layout that dense attention runs best in under s: its default, or zigzag. */
sb_layout_kind sb_layout_of_dense(sb_scheme s);
const char *sb_layout_name(sb_layout_kind k);
const char *sb_scheme_name(sb_scheme s);
const char *sb_layout_summary(sb_layout_kind k); /* one line for `list shardings` */
const char *sb_scheme_summary(sb_scheme s); /* one line for `list shardings` */
const char *sb_decode_name(sb_decode_kind d);

/* What a point of experiment: attention attends to. */
typedef struct sb_point_input {
    const sb_distribution *distribution; /* NULL: a file */
    const void            *params;       /* the distribution's parameter struct, filled */
    int64_t                heads, kv_heads, head_dim, n_queries;
    const char            *path;    /* the file, `~` expanded */
    const char            *written; /* the same as it stands in the sweep */
    sb_capture_names       names;
    double                 scale; /* of the logits; 0: 1/sqrt(head_dim) */
    sb_captured            seen;  /* the file's content when the sweep was read */
} sb_point_input;

/* Which questions as text a point asks. */
typedef struct sb_point_text {
    const sb_text_suite *suite;
    const sb_text_task  *task;
    const void          *params; /* the suite's parameter struct */
    const char *const   *paths;  /* one a key of the suite, `~` expanded; NULL: not given */
} sb_point_text;

typedef struct sb_point {
    char        hash[65];
    char       *identity_json; /* what the hash is over */
    const char *experiment;    /* "task", "attention" */
    char       *model;         /* "probe", or a checkpoint's name; attention: "none" */
    const char *model_kind;    /* "probe", "checkpoint": name of its record */
    void       *model_params;  /* the model's parameter struct, filled */
    char *model_json; /* canonical JSON of every model knob, defaults included; attention: shape and
                         scale */
    const sb_point_input *input; /* NULL in experiment: task */
    const char           *suite,
        *task_name; /* attention: "synthetic" and the distribution, "tensors" and the file's name */
    const sb_point_text *text; /* NULL: no questions as text */
    const sb_task *
        task; /* NULL in experiment: attention, as are its parameters and the corpus, and of text */
    void            *task_params;
    char *task_json; /* canonical JSON of the suite's parameters and "corpus" ("zipf", "default",
                        {"path":...} as written), of text "files" instead */
    char            *corpus;        /* sb_corpus_open spec: "zipf", "default", or a directory with `~` expanded */
    int64_t          length_tokens; /* 0: of text as its rows are */
    uint64_t         seed;
    const sb_method *method;
    void            *method_params;
    char            *method_json;   /* canonical JSON, defaults included */
    sb_scheme        scheme;
    int32_t          team;          /* of usp: ranks that share heads out; 0: the launch decides */
    int64_t          heads_at_once; /* of allgather: KV heads gathered at a time; 0: all */
    sb_layout_kind   layout;
    sb_decode_kind   decode;
    sb_backend_id    backend;       /* `auto` resolved */
    int32_t          ranks;
    /* not part of the identity */
    int64_t           samples, warmup, repetitions;
    const sb_method  *anchor; /* runs before and after each repetition; NULL: none */
    const void       *anchor_params;
    sb_quality_mode   quality;
    sb_quality_detail detail;
    sb_graphs_mode    graphs;
    int32_t           dense_none;   /* 1: no dense time is taken beside, speed-ups are missing */
    int32_t           anchor_only;  /* 1: added by sb_sweep_anchor, not asked for by the file */
    int32_t           cell;         /* points with equal cell differ only in method and its parameters (and decode): same anchor */
} sb_point;

typedef enum sb_dump_what { SB_DUMP_INDEX = 1, SB_DUMP_O = 2, SB_DUMP_LSE = 4 } sb_dump_what;

typedef struct sb_sweep {
    char     *name, *path, *text; /* text: the file's bytes, stored with the run */
    char      hash[65];           /* over the ordered point hashes */
    sb_point *points;
    int64_t   n_points;
    char     *dump_dir;  /* `~` expanded; NULL: no dump */
    uint32_t  dump_what; /* OR of sb_dump_what */
} sb_sweep;

typedef struct sb_set { /* --set path=value */
    const char *path, *value;
} sb_set;

static inline int sb_point_asks(const sb_point *p)
{
    return p->input == NULL;
} /* questions, of a model */

/* What a look at a model's files tells. */
typedef struct sb_model_seen {
    char name[256]; /* what the database calls it */
    char *
        facts_json; /* an object: what decides about its answers, beside its parameters; malloc'd */
    int32_t wrapper_wrong; /* on error: it is the wrapper */
} sb_model_seen;

/* What a model offers to a sweep; the caller copies it from its models, which stand above this folder. */
typedef struct sb_model_desc {
    const char        *name;
    const sb_param    *params;
    size_t             params_bytes;
    const char *const *suites; /* suites it can answer; NULL-terminated */
    int32_t            reads_text; /* 1: it answers suites of questions as text, no others */
    /* Of models that lie in files: see that `path`, as a user names it, can be run with that chat
     * wrapper, and note both in params. NULL: models without files. */
    sb_status (*look)(const char *path, const char *wrapper, void *params, sb_model_seen *out);
} sb_model_desc;

/* What the file is checked against: facts of this launch. */
typedef struct sb_sweep_env {
    int32_t              ranks;
    sb_backend_id        auto_backend;
    const sb_model_desc *models; /* ends with name NULL; read during sb_sweep_load, names and tables must outlive the sweep */
} sb_sweep_env;

/* Read, check and expand. All errors of the file are collected; each is one line
 *   PATH:LINE:COL: KEY: found WHAT, allowed WHAT
 * and the whole text is written to `errors`. Returns SB_ERR_USAGE when there was any; the error
 * text is their number (errors NULL: and the first); *out is set on success only. A point whose
 * method cannot run at that shape is kept: it becomes an unsupported row later. */
sb_status sb_sweep_load(const char *path, const sb_set *sets, int64_t n_sets, const sb_sweep_env *env, FILE *errors, sb_sweep **out);
void      sb_sweep_free(sb_sweep *s);

/* The dense point beside p: method dense with defaults, decode and sharding as p (for sharding
 * state, where dense has no place, allgather). On several ranks it has the layout that dense runs
 * best in, whatever p's is; on one, where layouts play no part, p's. Index of an existing point, or
 * a new one appended with anchor_only = 1: in p's cell if only the method differs, else in one of
 * its own, the last so far plus one; p itself where no dense time is wanted (dense_none).
 * Invalidates pointers into s->points. */
sb_status sb_sweep_anchor(sb_sweep *s, int64_t point, int64_t *anchor);

/* --point: "7", "3-12" (places in s->points, counted from 0, both ends included), or a hash prefix (>= 6 hex digits, unique).
 * Digits alone are a place when there is such a place, else a prefix. SB_ERR_USAGE says what was found and what there is. */
sb_status sb_sweep_select(const sb_sweep *s, const char *what, int64_t *first, int64_t *last);

/* The sharding as identity and database have it: the scheme's name, "usp:4" where a number of ranks
 * is asked for, "allgather:1" where one of heads is. */
enum { SB_SHARDING_BYTES = 32 };
const char *sb_point_sharding(const sb_point *p, char buf[SB_SHARDING_BYTES]);

/* "a_shape window_tokens=256": the method and those of its parameters that are not at their defaults. Cut at buf_bytes. */
sb_status sb_point_label(const sb_point *p, char *buf, size_t buf_bytes);

const char *sb_sweep_library_version(void); /* of libyaml at run time */

#endif
