/* AVX2, also where the CPU has AVX-512: 8 columns are one vector, and no FMA may be used. 8 rows
 * a pass hide the latency of the additions. */
#include "kernels/exec/product.h"

#define WIDTH 8
#define ROWS 8
#include "kernels/exec/product_impl.h"

void sbi_product_avx2(const float *q, const float *k, int64_t wide, int64_t n_rows, float *out)
{
    product(q, k, wide, n_rows, out);
}
