/* exp(x) for x <= 0 with the bits of the portable CPU kernel (flash_impl.h, flash_generic.c):
 * products and sums rounded apart. For scores that select. */
#ifndef SB_KERNELS_EXEC_EXP_CUDA_CUH
#define SB_KERNELS_EXEC_EXP_CUDA_CUH

static __device__ __forceinline__ float sbi_mul_add(float a, float b, float c)
{
    return __fadd_rn(__fmul_rn(a, b), c);
}

/* 0 below -87.33; NaN stays NaN. */
static __device__ __forceinline__ float sbi_exp_device(float x)
{
    const float lo = -87.3365447f;
    float       c  = x < lo ? lo : x;
    float       t  = sbi_mul_add(c, 1.44269504088896341f, 12582912.0f);
    float       n  = __fsub_rn(t, 12582912.0f);
    float       r  = sbi_mul_add(n, -0.693359375f, c);
    r              = sbi_mul_add(n, 2.12194440e-4f, r);
    float p        = 1.9875691500e-4f;
    p              = sbi_mul_add(p, r, 1.3981999507e-3f);
    p              = sbi_mul_add(p, r, 8.3334519073e-3f);
    p              = sbi_mul_add(p, r, 4.1665795894e-2f);
    p              = sbi_mul_add(p, r, 1.6666665459e-1f);
    p              = sbi_mul_add(p, r, 5.0000001201e-1f);
    p              = sbi_mul_add(p, __fmul_rn(r, r), __fadd_rn(r, 1.0f));
    /* 2^n from the low bits of t */
    float two_n = __int_as_float((__float_as_int(t) - __float_as_int(12582912.0f) + 127) << 23);
    return x < lo ? 0.0f : __fmul_rn(p, two_n);
}

#endif
