/* Small checkpoints with random weights, as Hugging Face files and as GGUF [models 9.1]: the same
 * numbers in both, bf16 throughout (1-D tensors of GGUF F32). */
#ifndef SB_TESTS_CHECKPOINT_TINY_H
#define SB_TESTS_CHECKPOINT_TINY_H

#include <stdint.h>

#include "tests/unit/harness/model/checkpoint/bytes.h"

typedef struct tiny {
    const char *family; /* "llama", "qwen2", "gemma3"; "transnormer", as Hugging Face files alone */
    int64_t     layers, width, heads, kv_heads, head_dim, mlp, vocab;
    int         tied, zero_bias, o_bias; /* zero_bias: qwen2's biases are 0 */
    int         unpermuted;              /* GGUF of llama: rows left as they are, which is wrong */
    int         files;                   /* safetensors files; above 1 with an index */
    int         towers; /* gemma3, as Hugging Face files: 1, 2: names beside an image tower */
    const char *extra; /* more keys of config.json: ",\"sliding_window\": 8"; NULL */
    uint64_t    seed;
    float       gain; /* of the matrices, in 1 / sqrt(in); 0: 1 */
} tiny;

extern const tiny tiny_llama; /* 2 layers, GQA, heads * head_dim != width, tied */
extern const tiny tiny_gemma3;      /* 4 layers, every third global, window 24, head_dim 256 */
extern const tiny tiny_transnormer; /* 3 layers, LRPE in the first, swish */

/* tiny_llama as: 0 it is, 1 qwen2 with biases, 2 another head than the embedding and biases of o,
 * 3 yarn. */
enum { TINY_VARIANTS = 4 };
tiny tiny_variant(int i);

void tiny_folder(const tiny *t, const char *dir);
const char *tiny_hf(const tiny *t); /* that in the scratch folder */
void tiny_gguf_bytes(const tiny *t, bytes *out);
void tiny_gguf(const tiny *t, const char *path);

/* A scratch folder of the program, and paths in it; clean removes all. */
const char *tiny_path(const char *name);
void        tiny_clean(void);
void        tiny_write(const char *path, const void *data, size_t n);

#endif
