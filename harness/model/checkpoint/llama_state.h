/* For the files of the Llama model. */
#ifndef SB_HARNESS_MODEL_CHECKPOINT_LLAMA_STATE_H
#define SB_HARNESS_MODEL_CHECKPOINT_LLAMA_STATE_H

#include "harness/model/checkpoint/llama.h"
#include "harness/model/checkpoint/prompt.h"

typedef struct sbi_llama {
    sb_model             model; /* first: a sb_model of this kind is a sbi_llama */
    sb_model_ops         ops;   /* with row_values of this checkpoint */
    const sb_checkpoint *c;
    sb_checkpoint       *owned;    /* c, or NULL: borrowed */
    sb_prompter         *prompter; /* NULL: texts are not read */
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

/* ---- llama_text.c: as sb_model_ops has them ---- */
sb_status sbi_llama_look(const char *path, const char *wrapper, void *params, sb_model_seen *out);
const sb_tok_ops *sbi_llama_tok(const sb_model *m, int64_t *wrapped_tokens);
sb_status         sbi_llama_read(sb_model *m, const struct sb_text_row *row, sb_input *out);
sb_status         sbi_llama_say(const sb_model *m, const int32_t *emitted, int64_t n, char **text,
                                int64_t *n_tokens);
int64_t           sbi_llama_shared_bytes(const sb_model *m);
double            sbi_llama_token_flops(const sb_model *m);

#endif
