/* For the files of the Llama model. */
#ifndef SB_HARNESS_MODEL_CHECKPOINT_LLAMA_STATE_H
#define SB_HARNESS_MODEL_CHECKPOINT_LLAMA_STATE_H

#include "harness/model/checkpoint/llama.h"

typedef struct sbi_llama {
    sb_model             model; /* first: a sb_model of this kind is a sbi_llama */
    sb_model_ops         ops;   /* with row_values of this checkpoint */
    const sb_checkpoint *c;
    sb_checkpoint       *owned; /* c, or NULL: borrowed */
    sb_llama_params      par;
    int32_t              threads;

    /* of the present input; rows are local tokens, padded for products */
    int64_t rows, chunk;
    float  *x, *x1;       /* [rows][width] the residual; the scratch row */
    float  *turn, *turn1; /* [rows][cos pairs | sin pairs]; of the scratch row */
    float  *norm;         /* [chunk][width] */
    float  *q, *k, *v;    /* [chunk][heads * head_dim], [chunk][kv_heads * head_dim] */
    float  *gate, *up;    /* [chunk][mlp_width] */
    float  *scratch;      /* of products */
    float   inv_freq[SB_ROPE_MAX_PAIRS], multiplier;
} sbi_llama;

/* ---- llama_layer.c ---- */
sb_status sbi_llama_qkv(sb_model *m, int32_t layer, int one, sb_tensor *q, sb_tensor *k,
                        sb_tensor *v);
sb_status sbi_llama_absorb(sb_model *m, int32_t layer, int one, const sb_tensor *o);
sb_status sbi_llama_row(const sb_model *m, int64_t row, float *out);

#endif
