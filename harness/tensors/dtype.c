/* Element types of safetensors files, and their way to bf16. */
#include "harness/tensors/dtype.h"

#include <string.h>

static const struct {
    const char *name;
    int64_t     bytes;
} dtypes[SB_FILE_DTYPE_COUNT] = {
    [SB_FILE_BF16] = {"BF16", 2},       [SB_FILE_F16] = {"F16", 2},
    [SB_FILE_F32] = {"F32", 4},         [SB_FILE_F64] = {"F64", 8},
    [SB_FILE_I8] = {"I8", 1},           [SB_FILE_I16] = {"I16", 2},
    [SB_FILE_I32] = {"I32", 4},         [SB_FILE_I64] = {"I64", 8},
    [SB_FILE_U8] = {"U8", 1},           [SB_FILE_U16] = {"U16", 2},
    [SB_FILE_U32] = {"U32", 4},         [SB_FILE_U64] = {"U64", 8},
    [SB_FILE_BOOL] = {"BOOL", 1},       [SB_FILE_F8_E4M3] = {"F8_E4M3", 1},
    [SB_FILE_F8_E5M2] = {"F8_E5M2", 1},
};

const char *sb_file_dtype_name(sb_file_dtype t)
{
    return (unsigned)t < SB_FILE_DTYPE_COUNT ? dtypes[t].name : "unknown";
}

int64_t sb_file_dtype_bytes(sb_file_dtype t)
{
    return (unsigned)t < SB_FILE_DTYPE_COUNT ? dtypes[t].bytes : 0;
}

int sbi_file_dtype_find(const char *name, sb_file_dtype *out)
{
    for (int i = 0; i < SB_FILE_DTYPE_COUNT; i++)
        if (strcmp(dtypes[i].name, name) == 0) {
            *out = (sb_file_dtype)i;
            return 1;
        }
    return 0;
}

/* Exact: every half is a float. */
float sbi_f16_to_f32(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16, exponent = (h >> 10) & 31u, m = h & 0x3ffu, u;
    float    f;
    if (exponent == 31)
        u = sign | 0x7f800000u | m << 13;
    else if (exponent != 0)
        u = sign | (exponent + 112) << 23 | m << 13;
    else { /* subnormal: m * 2^-24 */
        f = (float)m * 0x1p-24f;
        memcpy(&u, &f, sizeof u);
        u |= sign;
    }
    memcpy(&f, &u, sizeof f);
    return f;
}

void sbi_f16_to_bf16(const void *in, int64_t n, sb_bf16 *out)
{
    for (int64_t i = 0; i < n; i++) {
        uint16_t h;
        memcpy(&h, (const char *)in + 2 * i, sizeof h);
        out[i] = sb_bf16_from_f32(sbi_f16_to_f32(h));
    }
}

void sbi_f32_to_bf16(const void *in, int64_t n, sb_bf16 *out)
{
    for (int64_t i = 0; i < n; i++) {
        float f;
        memcpy(&f, (const char *)in + 4 * i, sizeof f);
        out[i] = sb_bf16_from_f32(f);
    }
}
