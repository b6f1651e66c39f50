/* A checkpoint through the harness' own forward pass, and the same in plain double precision. */
#ifndef SB_TESTS_CHECKPOINT_LLAMA_RIG_H
#define SB_TESTS_CHECKPOINT_LLAMA_RIG_H

#include "harness/model/checkpoint/llama.h"
#include "harness/model/forward.h"
#include "kernels/nn/device_rows.h"

typedef struct llama_run {
    const char    *path;   /* of the checkpoint */
    const char    *method; /* NULL: dense */
    const char    *params; /* "key=value ..."; NULL: defaults */
    const char    *decode; /* NULL: dense; with those parameters if it is the method */
    sb_layout_kind layout;
    int64_t        n_tokens, max_new;
    uint64_t       seed; /* of the token ids, below 256 */
    const int32_t *ids;  /* NULL: drawn */
    int32_t        stop; /* an id that ends generation; 0: none */
    int32_t        extrapolate;
    int32_t        threads; /* 0: 1 */
    sb_link       *link;    /* of several ranks that carry a state */
    /* Where it runs; NULL: on the cpu. */
    const sb_device_rows *steps;
    sb_graphs_mode        graphs;
    sb_attend_fn          attend; /* of methods there, in place of their own; NULL: theirs */
} llama_run;

typedef struct llama_out {
    int64_t  vocab;
    float   *logits;  /* [n_tokens][vocab] after the prefill */
    int32_t *emitted; /* [max_new] */
    float          *last;    /* [vocab] after the last step */
    sb_graph_facts  graphs;
    sb_forward_room room;    /* counted */
    size_t          device_bytes; /* held at most */
} llama_out;

void llama_ids(const llama_run *r, int32_t *ids);
/* Collective. On error nothing is in *out. */
sb_status llama_forward(const llama_run *r, sb_comm *comm, llama_out *out);
llama_out llama_must(const llama_run *r, sb_comm *comm); /* an error fails the test */
void      llama_free(llama_out *o);

/* Dense attention, no rounding: logits [n_tokens][vocab]. */
void llama_oracle(const llama_run *r, double *logits);

/* |a - b|^2 / |b|^2 over n numbers. */
double llama_nmse(const float *a, const double *b, int64_t n);
double llama_nmse_f(const float *a, const float *b, int64_t n);

#endif
