/* What a decoder of the Llama family is made of, from config.json and generation_config.json or
 * from the keys of a GGUF file [models 1.2]. */
#ifndef SB_HARNESS_MODEL_CHECKPOINT_CONFIG_H
#define SB_HARNESS_MODEL_CHECKPOINT_CONFIG_H

#include "harness/model/checkpoint/gguf.h"
#include "kernels/nn/activation.h"
#include "kernels/nn/rope.h"

typedef enum sb_family {
    SB_FAMILY_LLAMA, /* Llama 2 and 3, Mistral, SmolLM2, Yi: no biases unless the file says so */
    SB_FAMILY_QWEN2, /* q, k, v have a bias */
    /* Gemma 3, text: windows in most layers, norms of q and k and behind each block, GeGLU */
    SB_FAMILY_GEMMA3,
    SB_FAMILY_TRANSNORMER, /* TransNormerLLM: lightning attention, norms without weights, no rope */
    SB_FAMILY_COUNT
} sb_family;

/* GGUF's general.architecture, but for TransNormerLLM, which no GGUF file has: "llama", "qwen2",
 * "gemma3", "transnormer". */
const char *sb_family_name(sb_family f);

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
    /* Of Gemma 3: 1 where a layer attends within the window and turns by local_rope; the others see
     * everything. Of other families the window holds for all layers. */
    uint8_t      windowed[SB_CONFIG_MAX_LAYERS];
    sb_rope_spec local_rope;
    int32_t      towers; /* 1: a text model beside others (images), which are left out */
    double       scale;  /* of q k; 0: 1 / sqrt(head_dim) */
    int32_t embed_scale; /* 1: rows of the embedding are multiplied by sqrt(width), as a bf16 */
    /* Of TransNormerLLM. lrpe: q and k of a layer are turned by learned angles [lightning 3.5]. */
    uint8_t       lrpe[SB_CONFIG_MAX_LAYERS];
    sb_activation act; /* of q and k */
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

/* Gemma 3 in both: every pattern-th layer sees everything, the rest within the window; scores are
 * divided by the root of `scalar`. n_layers <= SB_CONFIG_MAX_LAYERS. */
enum { SB_GEMMA3_PATTERN = 6 };
void sbi_config_gemma3(sb_model_config *c, int64_t pattern, double scalar);

/* What both have in common: ranges, H % H_kv, even head_dim. Errors start with `name`. */
sb_status sbi_config_check(const char *name, const sb_model_config *c);

#endif
