/* The flash step in portable C: 4 floats a vector (compiler vectors: SSE, NEON or scalars), 6 x 8
 * register tile. Multiply and add round apart here, so the last bits differ from the FMA variants.
 */
#include <string.h>

#include "kernels/exec/flash.h"

#define VLEN 4
#define NV 2
typedef float    vf __attribute__((vector_size(16)));
typedef uint32_t vu __attribute__((vector_size(16)));

static inline vf vf_load(const float *p)
{
    vf a;
    memcpy(&a, p, sizeof a);
    return a;
}
static inline void vf_store(float *p, vf a) { memcpy(p, &a, sizeof a); }
static inline vf   vf_set1(float a) { return (vf){a, a, a, a}; }
static inline vf   vf_add(vf a, vf b) { return a + b; }
static inline vf   vf_sub(vf a, vf b) { return a - b; }
static inline vf   vf_mul(vf a, vf b) { return a * b; }
static inline vf   vf_fma(vf a, vf b, vf c) { return a * b + c; }

static inline vf select_vf(vu take_a, vf a, vf b)
{
    return (vf)(((vu)a & take_a) | ((vu)b & ~take_a));
}

static inline vf vf_max(vf a, vf b)
{
    return select_vf((vu)(a > b), a, b);
} /* b when one is NaN, as on x86 */
static inline vf vf_pow2(vf t) { return (vf)(((vu)t << 23) + 0x3f800000u); }
static inline vf vf_keep_ge(vf x, vf lo, vf y) { return (vf)((vu)y & ~(vu)(x < lo)); }

static inline vf vf_mask(vf s, uint32_t bits)
{
    const vu lane = {1, 2, 4, 8};
    vu       b    = (vu){bits, bits, bits, bits} & lane;
    return select_vf((vu)(b == lane), s, vf_set1(-__builtin_inff()));
}

static inline float vf_hmax(vf a)
{
    float x = a[0] > a[1] ? a[0] : a[1], y = a[2] > a[3] ? a[2] : a[3];
    return x > y ? x : y;
}

static inline float vf_hsum16(const vf *a)
{
    vf y = (a[0] + a[2]) + (a[1] + a[3]);
    return (y[0] + y[2]) + (y[1] + y[3]);
}

static inline vf vf_load_bf16(const sb_bf16 *p)
{
    return (vf){sb_bf16_to_f32(p[0]), sb_bf16_to_f32(p[1]), sb_bf16_to_f32(p[2]),
                sb_bf16_to_f32(p[3])};
}

enum { KEY_DIMS = 16 };

static inline void widen_keys(const sb_bf16 *const *k_row, int64_t x, int64_t n, vf t[KEY_DIMS])
{
    for (int64_t j = 0; j < n; j++)
        t[j] = (vf){sb_bf16_to_f32(k_row[0][x + j]), sb_bf16_to_f32(k_row[1][x + j]),
                    sb_bf16_to_f32(k_row[2][x + j]), sb_bf16_to_f32(k_row[3][x + j])};
}

#include "kernels/exec/flash_impl.h"

const sbi_flash_ops sbi_flash_generic = {
    .pack   = flash_pack,
    .block  = flash_block,
    .thin   = flash_thin,
    .exp    = flash_exp,
    .matmul = flash_matmul,
};
