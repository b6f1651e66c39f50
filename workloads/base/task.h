/* A task is one record: how its inputs are made and how its answers are scored. A suite is a set of tasks sharing parameters. */
#ifndef SB_WORKLOADS_BASE_TASK_H
#define SB_WORKLOADS_BASE_TASK_H

#include "kernels/base/param.h"
#include "workloads/base/corpus.h"
#include "workloads/base/input.h"

typedef struct sb_task sb_task;

typedef struct sb_gen_req {
    uint64_t         seed;
    int64_t          row;
    int64_t          length_tokens; /* the whole input, question included */
    const void      *params;        /* the suite's parameter struct */
    const sb_corpus *corpus;        /* filler words */
} sb_gen_req;

typedef struct sb_score {
    double   value;       /* [0,1], unrounded */
    int32_t  is_binary;
    uint8_t *hit;         /* caller gives room for n_refs: 1 where the reference was found; may be NULL */
} sb_score;

typedef struct sb_metric {
    const char *name; /* "exact@1": name@version, stored with every score */
    int32_t     is_binary;
    /* Pure. pred: answer groups joined by "; ", tokens of a group by one blank. */
    sb_status (*score)(const char *pred, const sb_input *in, sb_score *out);
} sb_metric;

struct sb_task {
    const char      *suite, *name;
    const char      *summary;
    const sb_param  *params; /* the suite's table */
    size_t           params_bytes;
    const sb_metric *metric;
    int64_t          min_length_tokens; /* at the default parameters */
    /* The shortest length that holds what these parameters ask for; every longer one does too. generate refuses shorter ones. */
    int64_t (*min_length)(const void *params); /* NULL: min_length_tokens whatever they are */
    /* Expected score of guessing inside the answer class (printed beside results). */
    double (*chance)(const void *params);
    sb_status (*generate)(const sb_task *t, const sb_gen_req *req, sb_input *out);
    /* Name of a token id, for predictions and references: "LEAD17". */
    void (*token_text)(int32_t id, char *buf, size_t buf_bytes);
    const char *generator_version; /* changes whenever the same request gives other tokens */
};

extern const sb_metric sb_metric_exact, sb_metric_fraction_set, sb_metric_fraction_ordered;

/* Render emitted tokens as prediction text through the script's groups. *out is malloc'd. */
sb_status sb_prediction_text(const sb_task *t, const sb_input *in, const int32_t *emitted, int64_t n_emitted, char **out);

#endif
