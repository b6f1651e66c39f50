/* A sweep as typed axes: what the file says, before it is multiplied out. */
#ifndef SB_HARNESS_CONFIG_SPEC_H
#define SB_HARNESS_CONFIG_SPEC_H

#include "harness/config/fields.h"
#include "workloads/base/text_suite.h"

enum { SBI_MAX_POINTS = 100000 };

/* One choice of every parameter of a table. */
typedef struct sbi_variant {
    void *params;
    char *json; /* canonical, defaults included */
} sbi_variant;

typedef struct sbi_variants {
    sbi_variant *v;
    int64_t      n; /* 0 after an error */
} sbi_variants;

typedef struct sbi_values { /* distinct values of one axis, in file order */
    int64_t *v;
    int64_t  n;
} sbi_values;

/* A workload of questions as text, before it is multiplied out. */
typedef struct sbi_text_work {
    const sb_text_suite *suite;
    sbi_values           tasks, lengths, seeds; /* tasks: places in suite->tasks */
    sbi_variants         params;
    const char         **paths;      /* one a key of the suite, `~` expanded; NULL: not given */
    const char          *files_json; /* of the given paths as written */
    int64_t              samples;    /* 0: all */
} sbi_text_work;

typedef struct sbi_workload {
    const sbi_node      *node;
    const char          *suite;
    const sb_text_suite *text;  /* NULL: a suite of sb_tasks */
    const char *const   *paths; /* of text */
    sbi_values           tasks; /* places in sb_tasks, or in text->tasks */
    sbi_values      lengths, seeds;
    int64_t         samples;
    char           *corpus;
    sbi_variants         params; /* json with "corpus", or of text with "files" */
} sbi_workload;

/* One entry of `inputs`: distributions or files, the other half stays empty. */
typedef struct sbi_input_axis {
    const sbi_node *node;
    sbi_values      distributions; /* places in sb_distributions */
    sbi_variants   *params;        /* [distributions.n] */
    sbi_values      heads, kv_heads, head_dims, lengths, seeds;
    int64_t         samples;
    sb_point_input *files; /* keep pool */
    int64_t         n_files;
} sbi_input_axis;

typedef struct sbi_method_axis {
    const sbi_node  *node;
    const sb_method *method;
    sbi_variants     params;
} sbi_method_axis;

typedef struct sbi_sharding {
    const sbi_node *node;
    sb_scheme       scheme;
    sbi_values      layouts;
    sbi_values
        counts; /* usp: ranks that share heads out; allgather: KV heads at once; 0: not said */
} sbi_sharding;

typedef struct sbi_spec {
    const char          *name;
    int                  attention; /* the operator alone: inputs, not model and workloads */
    sbi_input_axis      *inputs;
    int64_t              n_inputs;
    char                *dump_dir;
    uint32_t             dump_what;
    const sb_model_desc *model; /* NULL after an error */
    sbi_variants         model_params;
    char               **model_names; /* [model_params.n] */
    sb_backend_id        backend;
    sbi_workload        *workloads;
    sbi_method_axis     *methods;
    sbi_sharding        *shardings;
    int64_t              n_workloads, n_methods, n_shardings;
    sbi_values           decodes;
    sb_quality_mode      quality;
    sb_quality_detail    detail;
    sb_graphs_mode       graphs;
    int64_t              warmup, repetitions;
    int32_t              dense_none;   /* 1: no dense time beside the methods' */
    int32_t              anchor;       /* 0: none, else 1 + impl of dense */
    int64_t              anchor_up_to; /* tokens; 0: any */
    sbi_node            *exclude; /* NULL: absent */
    const sbi_node      *root;
    int                  complete; /* no axis lost a value to an error */
} sbi_spec;

/* Read one value; 1 and *out when it is fine, else 0 and an error. */
typedef int (*sbi_value_fn)(sbi_ctx *c, const sbi_node *n, const void *arg, int64_t *out);

/* A list of distinct values, or one value. Bad ones are told and left out. */
void sbi_values_read(sbi_ctx *c, sbi_node *n, const char *allowed, sbi_value_fn read,
                     const void *arg, sbi_values *out);
int  sbi_value_enum(sbi_ctx *c, const sbi_node *n, const void *param,
                    int64_t *out); /* arg: sb_param */
int  sbi_value_i64(sbi_ctx *c, const sbi_node *n, const void *param,
                   int64_t *out); /* arg: sb_param */
int  sbi_value_length(sbi_ctx *c, const sbi_node *n, const void *unused,
                      int64_t *out); /* 4096, 4K, 1M */

/* Every combination of the parameters that the mapping gives (a list is an axis, the first key
 * varies slowest). map NULL: the defaults alone. Keys must be in `others` or in the table. m: whose
 * files the parameters may name; NULL: none. Stored in the keep pool. */
void sbi_variants_read(sbi_ctx *c, const sbi_node *map, const sb_method *m, const sb_param *table,
                       size_t params_bytes, const sbi_names *others, sbi_variants *out);

void sbi_spec_read(sbi_ctx *c, sbi_node *root, sbi_spec *s);
void sbi_workloads_read(sbi_ctx *c, sbi_node *list, sbi_spec *s);
/* Any model of text, whose suite it may be: 1; 0 after an error. */
int sbi_text_work_read(sbi_ctx *c, sbi_node *map, sbi_text_work *out);
/* The path at n, which must exist; NULL after an error. */
const char *sbi_existing_path(sbi_ctx *c, const sbi_node *n, const char *help);
void        sbi_inputs_read(sbi_ctx *c, sbi_node *list, sbi_spec *s);
void sbi_dump_read(sbi_ctx *c, sbi_node *n, sbi_spec *s);
void sbi_model_read(sbi_ctx *c, sbi_node *n, sbi_spec *s);
void sbi_methods_read(sbi_ctx *c, sbi_node *list, sbi_spec *s);
void sbi_sharding_read(sbi_ctx *c, sbi_node *list, sbi_spec *s); /* NULL: the default */

/* The seeds of `n`, the default when NULL. */
void sbi_seeds_read(sbi_ctx *c, sbi_node *n, sbi_values *out);

extern const sb_param sbi_param_scheme, sbi_param_layout, sbi_param_state_layout, sbi_param_team,
    sbi_param_at_once, sbi_param_decode, sbi_param_seed;
extern const sb_param sbi_param_heads, sbi_param_kv_heads;

#endif
