/* The flash step on AVX-512: 16 floats a vector, 6 x 64 register tile. */
#include <immintrin.h>

#define VLEN 16
#define NV 4
typedef __m512 vf;

#include "kernels/exec/flash.h"

static inline vf   vf_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm512_storeu_ps(p, a); }
static inline vf   vf_set1(float a) { return _mm512_set1_ps(a); }
static inline vf   vf_add(vf a, vf b) { return _mm512_add_ps(a, b); }
static inline vf   vf_sub(vf a, vf b) { return _mm512_sub_ps(a, b); }
static inline vf   vf_mul(vf a, vf b) { return _mm512_mul_ps(a, b); }
static inline vf   vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
static inline vf   vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }

static inline vf vf_pow2(vf t)
{
    __m512i n = _mm512_slli_epi32(_mm512_castps_si512(t), 23);
    return _mm512_castsi512_ps(_mm512_add_epi32(n, _mm512_set1_epi32(0x3f800000)));
}

static inline vf vf_keep_ge(vf x, vf lo, vf y)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, lo, _CMP_NLT_UQ), y);
}

static inline vf vf_mask(vf s, uint32_t bits)
{
    return _mm512_mask_mov_ps(_mm512_set1_ps(-__builtin_inff()), (__mmask16)bits, s);
}

static inline float vf_hmax(vf a) { return _mm512_reduce_max_ps(a); }

static inline float vf_hsum16(const vf *a)
{
    __m256 x = _mm256_add_ps(_mm512_castps512_ps256(a[0]), _mm512_extractf32x8_ps(a[0], 1));
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    y        = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}

/* 16 x 16 transpose of 32-bit words. */
static inline void transpose(__m512i r[16])
{
    __m512i t[16];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        t[2 * i]     = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        r[4 * i]     = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[i]      = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
        t[i + 4]  = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
        t[i + 8]  = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
        t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) {
        r[i]     = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
        r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    }
}

static inline vf vf_load_bf16(const sb_bf16 *p)
{
    __m512i w = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)(const void *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(w, 16));
}

enum { KEY_DIMS = 32 };

/* A 32-bit word holds dims 2j (low) and 2j + 1 (high): one transpose serves 32 dims of 16 keys. */
static inline void widen_keys(const sb_bf16 *const *k_row, int64_t x, int64_t n, vf t[KEY_DIMS])
{
    const __m512i high = _mm512_set1_epi32((int)0xffff0000u);
    __mmask16     in   = (__mmask16)((1u << (n / 2)) - 1);
    __m512i       r[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++)
        r[i] = _mm512_maskz_loadu_epi32(in, k_row[i] + x);
    transpose(r);
#pragma GCC unroll 16
    for (int j = 0; j < 16; j++) {
        t[2 * j]     = _mm512_castsi512_ps(_mm512_slli_epi32(r[j], 16));
        t[2 * j + 1] = _mm512_castsi512_ps(_mm512_and_si512(r[j], high));
    }
}

#include "kernels/exec/flash_impl.h"

const sbi_flash_ops sbi_flash_avx512 = {
    .pack   = flash_pack,
    .block  = flash_block,
    .thin   = flash_thin,
    .exp    = flash_exp,
    .matmul = flash_matmul,
};
