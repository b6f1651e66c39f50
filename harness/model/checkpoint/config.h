/* What a decoder of the Llama family is made of, from config.json and generation_config.json or
 * from the keys of a GGUF file [models 1.2]. */
#ifndef SB_HARNESS_MODEL_CHECKPOINT_CONFIG_H
#define SB_HARNESS_MODEL_CHECKPOINT_CONFIG_H

#include "harness/model/checkpoint/gguf.h"
#include "kernels/nn/rope.h"

typedef enum sb_family {
    SB_FAMILY_LLAMA, /* Llama 2 and 3, Mistral, SmolLM2, Yi: no biases unless the file says so */
    SB_FAMILY_QWEN2, /* q, k, v have a bias */
    SB_FAMILY_COUNT
} sb_family;

const char *sb_family_name(sb_family f); /* GGUF's general.architecture: "llama", "qwen2" */

enum { SB_CONFIG_MAX_STOPS = 16, SB_CONFIG_MAX_LAYERS = 512 };

typedef struct sb_model_config {
    sb_family    family;
    int64_t      n_layers, width, heads, kv_heads, head_dim, mlp_width;
    int64_t      vocab;         /* rows of the embedding; 0: the file leaves it to the embedding */
    int64_t      max_positions; /* trained length, tokens */
    double       eps;           /* of RMSNorm */
    double       init_sd;       /* of weights before training (initializer_range) */
    sb_rope_spec rope;
    int32_t      tied; /* the head is the embedding; -1: as the tensors are */
    int32_t      qkv_bias, o_bias, mlp_bias;
    int64_t window_tokens; /* a key is seen by the next so many queries, own included; 0: all */
    /* Above so many tokens the original attends in chunks (dual chunk attention), which is not done
     * here; 0: it does not. */
    int64_t dual_chunk_tokens;
    int32_t bos; /* -1: none */
    int32_t stops[SB_CONFIG_MAX_STOPS];
    int32_t n_stops;
} sb_model_config;

/* text: config.json, generation: generation_config.json or NULL; the names stand in errors. Errors
 * name file, key, found and allowed: SB_ERR_USAGE; SB_ERR_UNSUPPORTED sound, but of a family, rope
 * type or feature that is not run here. */
sb_status sb_config_from_json(const char *name, const char *text, size_t bytes,
                              const char *generation_name, const char *generation,
                              size_t generation_bytes, sb_model_config *out);

/* Tensors that hold rope factors (rope_freqs, rope_factors_long, _short) are read, others are not.
 */
sb_status sb_config_from_gguf(const sb_gguf *g, sb_model_config *out);

/* What both have in common: ranges, H % H_kv, even head_dim. Errors start with `name`. */
sb_status sbi_config_check(const char *name, const sb_model_config *c);

#endif
