/* A decoder of the Llama family as it lies on disk: a folder of Hugging Face files (config.json,
 * safetensors) or one GGUF file, checked and mapped [models 1, 3, 4]. Weights stay in their file's
 * format; processes of a node share its pages. */
#ifndef SB_HARNESS_MODEL_CHECKPOINT_CHECKPOINT_H
#define SB_HARNESS_MODEL_CHECKPOINT_CHECKPOINT_H

#include "harness/model/checkpoint/config.h"
#include "kernels/nn/project.h"

typedef struct sb_layer_weights {
    const float *norm1, *norm2; /* [width]; NULL: norms have no weights */
    sb_matrix    q, k, v, o, gate, up, down;
    /* Of Gemma 3: behind attention and MLP [width], of q and k [head_dim]. NULL: there is none. */
    const float *post1, *post2, *q_norm, *k_norm;
    /* Of TransNormerLLM: the gate of attention's output, [heads * head_dim][width]; in layers with
     * LRPE its angles a position, [heads][head_dim]. */
    sb_matrix    u;
    const float *theta;
} sb_layer_weights;

typedef struct sb_checkpoint sb_checkpoint;

/* path: a folder with config.json, or a .gguf file; a name "owner/model" that is no path is looked
 * for in the user's cache of Hugging Face's hub ($HF_HUB_CACHE, $HF_HOME/hub,
 * ~/.cache/huggingface/hub). Every tensor that the shape asks for must be there with that shape, no
 * other may be; nothing is allocated before that is known. Errors name file and key or tensor:
 * SB_ERR_IO, SB_ERR_USAGE, SB_ERR_UNSUPPORTED, SB_ERR_NOMEM. Cost: headers, norms and biases;
 * weights are read when they are used. */
sb_status sb_checkpoint_open(const char *path, sb_checkpoint **out);

/* "random:DIR", a folder with a config.json alone: the shape of a model whose weights are drawn
 * where they are used, on a device (normal, sd the configuration's initializer_range, seeded). For
 * times; what such a model says means nothing. */
#define SB_CHECKPOINT_RANDOM "random:"
int       sb_checkpoint_is_random(const sb_checkpoint *c);
void      sb_checkpoint_close(sb_checkpoint *c); /* NULL is fine */

/* Where that is, malloc'd: path itself, or the newest snapshot of the hub's cache; nothing is
 * opened. SB_ERR_USAGE: neither is there. */
sb_status sb_checkpoint_locate(const char *path, char **out);

const sb_model_config  *sb_checkpoint_config(const sb_checkpoint *c);
const sb_layer_weights *sb_checkpoint_layer(const sb_checkpoint *c, int64_t layer);
const sb_matrix        *sb_checkpoint_embedding(const sb_checkpoint *c);
const sb_matrix        *sb_checkpoint_head(const sb_checkpoint *c); /* the embedding when tied */
const float            *sb_checkpoint_norm(const sb_checkpoint *c); /* the last, [width] */
/* 32 hex digits: xxh3-128 over config, headers and sizes of the files. */
const char *sb_checkpoint_identity(const sb_checkpoint *c);
int64_t     sb_checkpoint_bytes(const sb_checkpoint *c); /* of the files */
/* As found: the hub's resolved. sb_tok_open finds its tokenizer there. */
const char *sb_checkpoint_path(const sb_checkpoint *c);
/* Its chat template, "" where there is none: of tokenizer_config.json, chat_template.jinja or the
 * GGUF key. */
const char *sb_checkpoint_chat_template(const sb_checkpoint *c);

#endif
