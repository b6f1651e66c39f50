/* Weights as files hold them: plain numbers, and blocks of small integers with a scale [models 4].
 *
 *   Q4_1, 20 bytes for 32 values:  | d fp16 | m fp16 | 16 bytes: value j low, value j + 16 high |
 *
 * Expanding gives fp32 in the order of operations of the format's origin: every product and the one
 * subtraction rounded by themselves, no fused multiply-add. */
#ifndef SB_KERNELS_NN_BLOCKS_H
#define SB_KERNELS_NN_BLOCKS_H

#include <stdint.h>

typedef enum sb_block_type {
    SB_BLOCK_F32,
    SB_BLOCK_F16,
    SB_BLOCK_BF16,
    SB_BLOCK_F64,
    SB_BLOCK_Q8_0,
    SB_BLOCK_Q4_0,
    SB_BLOCK_Q4_1,
    SB_BLOCK_Q5_0,
    SB_BLOCK_Q5_1,
    SB_BLOCK_Q4_K,
    SB_BLOCK_Q5_K,
    SB_BLOCK_Q6_K,
    SB_BLOCK_TYPE_COUNT
} sb_block_type;

enum { SB_BLOCK_MAX_VALUES = 256 };

typedef struct sb_block_format {
    const char *name;
    int32_t     gguf_id; /* -1: GGUF has none */
    int32_t     values, bytes;
} sb_block_format;

extern const sb_block_format sb_block_formats[SB_BLOCK_TYPE_COUNT];

/* 1 and *out, or 0: no type that is read. */
int sb_block_find_gguf(uint32_t id, sb_block_type *out);

/* n values, a multiple of the block's, from any address. 1; 0: a block's scale is no finite number
 * (values are then whatever came out). Cost: bound by arithmetic, about a nanosecond a value. */
int sb_block_expand(sb_block_type type, const void *blocks, int64_t n, float *out);

float sb_f16_to_f32(uint16_t h);

#endif
