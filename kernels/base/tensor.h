/* Tensors are [head][token][dim], dim fastest; a shard is such a tensor plus `gid`, its global token ids as runs.
 *
 *   gid of a zigzag shard, rank 1 of 2, N = 100:   local 0..24 -> 25..49,  local 25..49 -> 50..74
 *
 * Query i sees key j iff gid(j) <= gid(i). Runs are ascending and disjoint; local order is run order. */
#ifndef SB_KERNELS_BASE_TENSOR_H
#define SB_KERNELS_BASE_TENSOR_H

#include <stdint.h>

#include "kernels/base/bf16.h"

typedef enum sb_dtype { SB_BF16, SB_F32, SB_DTYPE_COUNT } sb_dtype;

typedef struct sb_run {
    int64_t start; /* global id of the first token */
    int64_t len;
} sb_run;

typedef struct sb_gid {
    const sb_run *run; /* borrowed */
    int32_t       n_runs;
    int64_t       n_tokens; /* sum of len */
} sb_gid;

typedef struct sb_tensor {
    void    *data;
    sb_dtype dtype;
    int64_t  heads, tokens, dim;
    int64_t  head_stride; /* elements between heads: >= tokens * dim (a cache has room for more tokens) */
    sb_gid   gid;
} sb_tensor;

static inline int64_t sb_dtype_bytes(sb_dtype t) { return t == SB_BF16 ? 2 : 4; }

/* First element of (head, local token); 64-bit offsets: 2^20 tokens x 32 heads x 128 overflows 32. */
static inline sb_bf16 *sb_tensor_bf16(const sb_tensor *t, int64_t head, int64_t token)
{
    return (sb_bf16 *)t->data + head * t->head_stride + token * t->dim;
}
static inline float *sb_tensor_f32(const sb_tensor *t, int64_t head, int64_t token)
{
    return (float *)t->data + head * t->head_stride + token * t->dim;
}

#endif
