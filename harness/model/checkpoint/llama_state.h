/* For the files of the Llama model. */
#ifndef SB_HARNESS_MODEL_CHECKPOINT_LLAMA_STATE_H
#define SB_HARNESS_MODEL_CHECKPOINT_LLAMA_STATE_H

#include "harness/model/checkpoint/llama.h"
#include "harness/model/checkpoint/prompt.h"
#include "kernels/nn/device_rows.h"

/* ---- on a device ---- */

/* A layer's weights, device memory: bf16, and norms and biases in fp32. Matrices of one input stand
 * behind one another: a product serves them all. */
typedef struct sbi_layer_there {
    sb_bf16 *qkv, *o;        /* [(heads + 2 kv_heads) head_dim][width], [width][heads head_dim] */
    sb_bf16 *gate_up, *down; /* [2 mlp_width][width], [width][mlp_width] */
    float   *norm1, *norm2;  /* [width] */
    float   *qkv_bias, *o_bias, *gate_up_bias, *down_bias; /* NULL: none */
} sbi_layer_there;

typedef struct sbi_llama_there {
    const sb_device_rows *steps;    /* NULL: this build has no device */
    void                 *products; /* of steps; NULL: not opened */
    /* weights, from the first load to destroy */
    void            *block; /* NULL: not loaded */
    sbi_layer_there *layers;
    sb_bf16         *embedding, *head; /* [vocab][width]; the same when tied */
    float           *norm;             /* [width] */
    float           *passing;          /* [vocab], pinned: logits on their way to the host */
    /* of the present input */
    int64_t  rows, chunk;
    float   *x, *x1;               /* [rows][width] the residual; the scratch row */
    int32_t *ids, *id1;            /* [rows]; of the scratch row */
    int32_t *position, *position1; /* likewise */
    sb_bf16 *act;                  /* [chunk][width or heads head_dim]: into products */
    void    *wide;                 /* q, k, v of a chunk, fp32; or gate and up, bf16 */
    float   *logits;               /* [vocab] */
    float   *inv_freq, multiplier; /* [head_dim / 2] */
    void    *work;                 /* of products */
    int32_t  id;                   /* on the way there */
} sbi_llama_there;

/* An attention call of the pass. A layer of TransNormerLLM with LRPE has two, of q and k times the
 * cosines and times the sines of its angles: their outputs add up [lightning 3.5]. */
typedef struct sbi_llama_call {
    int32_t layer;
    int32_t part; /* 0: the only one; 1, 2: the two */
} sbi_llama_call;

typedef struct sbi_llama {
    sb_model             model; /* first: a sb_model of this kind is a sbi_llama */
    sb_model_ops         ops;   /* with row_values of this checkpoint */
    const sb_checkpoint *c;
    sb_checkpoint       *owned;    /* c, or NULL: borrowed */
    sb_prompter         *prompter; /* NULL: texts are not read */
    sb_llama_params      par;
    int32_t              threads;
    sbi_llama_there      there;
    sb_model_ops         there_ops; /* with row_values too */

    sbi_llama_call call[2 * SB_CONFIG_MAX_LAYERS];
    int32_t        n_calls;

    /* of the present input; rows are local tokens, padded for products */
    int64_t rows, chunk;
    float  *x, *x1;       /* [rows][width] the residual; the scratch row */
    float  *turn, *turn1; /* [rows][cos pairs | sin pairs]; of the scratch row. TransNormerLLM: a
                             row's first number is its position */
    float *local, *local1; /* the same for windowed layers of Gemma 3 */
    float *first, *first1; /* [rows][heads * head_dim], of TransNormerLLM with LRPE: output of the
                              first call of two */
    float  *norm;         /* [chunk][width] */
    float  *q, *k, *v;    /* [chunk][heads * head_dim], [chunk][kv_heads * head_dim] */
    float  *gate, *up;    /* [chunk][mlp_width] */
    float  *scratch;      /* of products */
    float   inv_freq[SB_ROPE_MAX_PAIRS], multiplier;
    float   local_inv_freq[SB_ROPE_MAX_PAIRS], local_multiplier;
} sbi_llama;

/* ---- llama_calls.c ---- */
void      sbi_llama_calls(sbi_llama *l); /* call, n_calls */
sb_status sbi_llama_attends(const sb_model *m, int32_t call, sb_model_layer *out);
/* ---- llama.c ---- */
/* SB_ERR_USAGE: the vocabulary has no such id. */
sb_status sbi_llama_check_id(const sbi_llama *l, int32_t id, int64_t pos);
/* What the model has on devices: the steps of one; NULL: nothing. Before its first input. */
void sbi_llama_on_device(sbi_llama *l, const sb_device_rows *steps);

/* ---- llama_device_weights.c ---- */
int64_t   sbi_llama_kept_bytes(const sb_model *m);
sb_status sbi_llama_load(sb_model *m, size_t beside);
void      sbi_llama_there_fini(sbi_llama *l);

/* ---- llama_device.c ---- */
extern const sb_model_ops sbi_llama_device_ops; /* row_values 0 */
/* Rows that go through a layer at a time on a device: tests turn it down. */
extern int64_t sbi_llama_device_chunk_rows;

/* ---- llama_layer.c ---- */
/* Are these a layer's tensors, of at least so many rows? */
sb_status sbi_llama_check_qkv(const sbi_llama *l, int32_t layer, int64_t rows, const sb_tensor *q,
                              const sb_tensor *k, const sb_tensor *v);
sb_status sbi_llama_check_o(const sbi_llama *l, int32_t layer, int64_t rows, const sb_tensor *o);
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
double            sbi_llama_head_flops(const sb_model *m);

#endif
