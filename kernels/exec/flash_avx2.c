/* The flash step on AVX2 and FMA: 8 floats a vector, 6 x 16 register tile. */
#include <immintrin.h>

#define VLEN 8
#define NV 2
typedef __m256 vf;

#include "kernels/exec/flash.h"

static inline vf   vf_load(const float *p) { return _mm256_loadu_ps(p); }
static inline void vf_store(float *p, vf a) { _mm256_storeu_ps(p, a); }
static inline vf   vf_set1(float a) { return _mm256_set1_ps(a); }
static inline vf   vf_add(vf a, vf b) { return _mm256_add_ps(a, b); }
static inline vf   vf_sub(vf a, vf b) { return _mm256_sub_ps(a, b); }
static inline vf   vf_mul(vf a, vf b) { return _mm256_mul_ps(a, b); }
static inline vf   vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
static inline vf   vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }

static inline vf vf_pow2(vf t)
{
    __m256i n = _mm256_slli_epi32(_mm256_castps_si256(t), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(n, _mm256_set1_epi32(0x3f800000)));
}

static inline vf vf_keep_ge(vf x, vf lo, vf y)
{
    return _mm256_and_ps(_mm256_cmp_ps(x, lo, _CMP_NLT_UQ), y);
}

static inline vf vf_mask(vf s, uint32_t bits)
{
    const __m256i lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
    __m256i       b    = _mm256_and_si256(_mm256_set1_epi32((int)bits), lane);
    __m256        keep = _mm256_castsi256_ps(_mm256_cmpeq_epi32(b, lane));
    return _mm256_blendv_ps(_mm256_set1_ps(-__builtin_inff()), s, keep);
}

static inline float vf_hmax(vf a)
{
    __m128 y = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    y        = _mm_max_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_max_ss(y, _mm_movehdup_ps(y)));
}

static inline float vf_hsum16(const vf *a)
{
    __m256 x = _mm256_add_ps(a[0], a[1]);
    __m128 y = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    y        = _mm_add_ps(y, _mm_movehl_ps(y, y));
    return _mm_cvtss_f32(_mm_add_ss(y, _mm_movehdup_ps(y)));
}

/* 8 x 8 transpose of 32-bit words. */
static inline void transpose(__m256i r[8])
{
    __m256i t[8];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[2 * i]     = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        t[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        r[4 * i]     = _mm256_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 1] = _mm256_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
        r[4 * i + 2] = _mm256_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
        r[4 * i + 3] = _mm256_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        t[i]     = _mm256_permute2x128_si256(r[i], r[i + 4], 0x20);
        t[i + 4] = _mm256_permute2x128_si256(r[i], r[i + 4], 0x31);
    }
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        r[i] = t[i];
}

static inline vf vf_load_bf16(const sb_bf16 *p)
{
    __m256i w = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(w, 16));
}

enum { KEY_DIMS = 16 };

/* A 32-bit word holds dims 2j (low) and 2j + 1 (high): one transpose serves 16 dims of 8 keys. */
static inline void widen_keys(const sb_bf16 *const *k_row, int64_t x, int64_t n, vf t[KEY_DIMS])
{
    const __m256i high = _mm256_set1_epi32((int)0xffff0000u);
    __m256i       r[8];
    (void)n; /* always all 16 */
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        r[i] = _mm256_loadu_si256((const __m256i *)(const void *)(k_row[i] + x));
    transpose(r);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
        t[2 * j]     = _mm256_castsi256_ps(_mm256_slli_epi32(r[j], 16));
        t[2 * j + 1] = _mm256_castsi256_ps(_mm256_and_si256(r[j], high));
    }
}

#include "kernels/exec/flash_impl.h"

const sbi_flash_ops sbi_flash_avx2 = {
    .pack   = flash_pack,
    .block  = flash_block,
    .thin   = flash_thin,
    .exp    = flash_exp,
    .matmul = flash_matmul,
};
