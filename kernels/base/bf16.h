/* bfloat16 as a 16-bit pattern; conversion rounds to nearest even and keeps NaN a NaN. */
#ifndef SB_KERNELS_BASE_BF16_H
#define SB_KERNELS_BASE_BF16_H

#include <stdint.h>
#include <string.h>

typedef uint16_t sb_bf16;

static inline float sb_bf16_to_f32(sb_bf16 x)
{
    uint32_t u = (uint32_t)x << 16;
    float    f;
    memcpy(&f, &u, sizeof f);
    return f;
}

static inline sb_bf16 sb_bf16_from_f32(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    if ((u & 0x7fffffffu) > 0x7f800000u)
        return (sb_bf16)((u >> 16) | 0x0040u); /* quiet NaN: rounding could carry it to infinity */
    return (sb_bf16)((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
}

static inline float sb_bf16_round(float x) { return sb_bf16_to_f32(sb_bf16_from_f32(x)); }

#endif
