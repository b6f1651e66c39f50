/* Portable: compiler vectors of 4 (SSE, NEON or scalars), 4 rows: 8 sums, 2 vectors of columns and
 * room for a product in 16 registers. */
#include "kernels/backend/cpu_isa.h"
#include "kernels/exec/product.h"

#define WIDTH 4
#define ROWS 4
#include "kernels/exec/product_impl.h"

void sbi_product_generic(const float *q, const float *k, int64_t wide, int64_t n_rows, float *out)
{
    product(q, k, wide, n_rows, out);
}

sb_status sb_product_choose(sb_product_fn *out)
{
    sb_cpu_isa isa;
    sb_status  st = sb_cpu_isa_choose(&isa);
    if (st != SB_OK)
        return st;
    *out = sbi_product_generic;
#if defined(__x86_64__)
    if (isa != SB_CPU_GENERIC)
        *out = sbi_product_avx2;
#endif
    return SB_OK;
}
