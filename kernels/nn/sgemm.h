/* The matrix product of a BLAS made for speed (OpenBLAS, MKL, BLIS), found at run time. */
#ifndef SB_KERNELS_NN_SGEMM_H
#define SB_KERNELS_NN_SGEMM_H

#include <stdint.h>

#include "kernels/base/status.h"

/* cblas_sgemm. */
typedef void (*sb_sgemm_fn)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                            const float *a, int lda, const float *b, int ldb, float beta, float *c,
                            int ldc);

enum { SB_CBLAS_ROW_MAJOR = 101, SB_CBLAS_NO_TRANS = 111, SB_CBLAS_TRANS = 112 };

/* It computes on the thread that calls it: callers bring their own threads. Stays loaded. Not for
 * two threads at once. SB_ERR_UNSUPPORTED: none is installed. */
sb_status sb_sgemm_find(sb_sgemm_fn *out);

/* So many threads may call it at once: an OpenBLAS has room for a number that was fixed when it was
 * built (two for each thread that it knows, 128 in Debian's), and ends the process beyond. After
 * sb_sgemm_find; INT32_MAX: no bound is known. */
int32_t sb_sgemm_callers(void);

#endif
