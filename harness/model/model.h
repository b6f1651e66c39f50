/* A model as a record: it turns tokens into q, k, v of each layer and takes the attention output back. Everything between
 * (sharding, plan, attend, cache, decode) is shared by all models and lives in forward.h.
 *
 * State is per input and holds only the rows this rank owns, plus one scratch row that every rank computes alike in decode. */
#ifndef SB_HARNESS_MODEL_MODEL_H
#define SB_HARNESS_MODEL_MODEL_H

#include "harness/config/sweep.h"
#include "kernels/base/arena.h"
#include "kernels/base/method.h"
#include "kernels/base/param.h"
#include "kernels/base/tensor.h"
#include "workloads/base/input.h"
#include "workloads/base/tok.h"

typedef struct sb_model sb_model;

typedef struct sb_model_shape {
    int64_t heads, kv_heads, head_dim;
    int32_t n_layers; /* for this input (the probe runs only the layers a task needs) */
    float   scale;
} sb_model_shape;

/* How one of a model's layers attends. Not to be copied: params may point into it. */
typedef struct sb_model_layer {
    const sb_method *method;
    const void      *params;
    /* 1: by a method of the model's own, whatever the point's is (sliding windows). Nobody compares
     * such a layer with dense attention. */
    int32_t own;
    int32_t layer, n_layers;             /* what the method is told */
    _Alignas(16) unsigned char room[64]; /* for params of an own method */
} sb_model_layer;

typedef struct sb_model_ops {
    const char     *name, *summary;
    const sb_param *params;
    size_t          params_bytes;
    const char     *const *suites; /* suites this model can answer; NULL-terminated */
    /* Of models that lie in files (sb_model_desc); NULL: the others. */
    sb_status (*look)(const char *path, const char *wrapper, void *params, sb_model_seen *out);
    /* params: filled from the table, and by look. threads: OpenMP threads to use. */
    sb_status (*create)(const void *params, int32_t threads, sb_model **out);
    void (*destroy)(sb_model *m);
    sb_status (*shape)(const sb_model *m, const sb_input *in, sb_model_shape *out);
    /* layer, counted as n_layers of the shape counts. *out comes as a point has it that asks for
     * this method everywhere: change what is otherwise, to methods whose quantum is one token.
     * NULL: nothing is. SB_ERR_UNSUPPORTED: the model cannot attend by that method, with the
     * reason. */
    sb_status (*layer)(const sb_model *m, int32_t layer, sb_model_layer *out);
    /* Room for the rows of `rows` local tokens; runs over a counting arena and a real one. */
    sb_status (*layout)(sb_model *m, const sb_input *in, int64_t rows, sb_arena *a);
    /* Set the residual rows of local tokens gid from in->ids. */
    sb_status (*embed)(sb_model *m, const sb_input *in, const sb_gid *gid);
    /* Set the scratch row from one token at position pos (decode). */
    sb_status (*embed_one)(sb_model *m, const sb_input *in, int32_t id, int64_t pos);
    /* q [heads][rows][d], k, v [kv_heads][rows][d] (bf16, any head_stride) of a layer; one != 0: of the scratch row (rows = 1). */
    sb_status (*qkv)(sb_model *m, int32_t layer, int one, sb_tensor *q, sb_tensor *k, sb_tensor *v);
    /* Add the attention output o [heads][rows][d] bf16 to the residual. */
    sb_status (*absorb)(sb_model *m, int32_t layer, int one, const sb_tensor *o);
    /* What the next token is read from: row_values fp32 numbers of local row `row` (or of the scratch row, row = -1). */
    int64_t row_values;
    sb_status (*row)(const sb_model *m, int64_t row, float *out);
    /* Greedy choice among ids [lo, hi) without `exclude`, from such numbers; ties go to the lower id. */
    int32_t (*argmax)(const sb_model *m, const float *row, int32_t lo, int32_t hi, const int32_t *exclude, int64_t n_exclude);
    /* ---- of models that read text; NULL of others ---- */
    /* Its tokenizer, borrowed; what its chat wrapper and BOS add to a row that has one. */
    const sb_tok_ops *(*tok)(const sb_model *m, int64_t *wrapped_tokens);
    /* The row as the model's tokens, with a script of greedy decoding and the model's stops, spans
     * and references; sealed. row is copied nowhere: out->text is the caller's to set. */
    sb_status (*read)(sb_model *m, const struct sb_text_row *row, sb_input *out);
    /* The text of what was emitted (-1: left out) up to a stop, malloc'd, and its tokens. */
    sb_status (*say)(const sb_model *m, const int32_t *emitted, int64_t n, char **text,
                     int64_t *n_tokens);
    /* ---- what it costs beside attention; NULL: nothing that counts ---- */
    int64_t (*shared_bytes)(const sb_model *m); /* of files that the ranks of a host share */
    double (*token_flops)(const sb_model *m);   /* of all layers, a token of a prefill */
    double (*head_flops)(const sb_model *m);    /* of `row` */
    /* The same model with its rows on the cuda backend, NULL: it has none there. Of that record
     * layout, embed, embed_one, qkv, absorb and row count, and shape, unless NULL, where it refuses
     * what the model does not do there (SB_ERR_UNSUPPORTED). The arena is device memory and so are
     * tensors; ids, rows to read and all structs are host memory; what they run is queued on the
     * backend's own stream and only `row` waits. layout over a real arena copies the model's
     * constants there, and waits for that. */
    const struct sb_model_ops *cuda;
    /* Of the record `cuda`: qkv of the scratch row in a decode step whose place is told in device
     * memory: k and v are whole caches, of which row step->slot is written. With it nothing that
     * qkv_step and absorb are told changes from step to step. NULL: it has no such steps. */
    sb_status (*qkv_step)(sb_model *m, int32_t layer, const sb_step *step, sb_tensor *q,
                          sb_tensor *k, sb_tensor *v);
    /* Bytes of device memory that the model keeps there from its first input to destroy (weights);
     * told in any build, nothing is loaded for it. NULL: none. */
    int64_t (*kept_bytes)(const sb_model *m);
    /* Of the record `cuda`, of models that keep something; NULL: others. Puts it there unless it
     * is, and waits; beside: bytes of the device that the input needs
     * on top. SB_ERR_NO_FIT with the numbers where both are more than is free, before anything is
     * read; SB_ERR_UNSUPPORTED with the reason where the model cannot run there. Before layout over
     * a real arena. */
    sb_status (*load)(sb_model *m, size_t beside);
} sb_model_ops;

struct sb_model {
    const sb_model_ops *ops;
    void               *impl;
};

extern const sb_model_ops *const sb_models[]; /* NULL-terminated */
const sb_model_ops *sb_model_find(const char *name);
sb_model_desc                    sb_model_describe(const sb_model_ops *m); /* as sweeps see it */

#endif
