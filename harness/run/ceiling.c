#include "harness/run/ceiling.h"

#include <stdlib.h>

#include "kernels/base/phase.h"

/* 512: operands of 3 MiB a thread, long enough to run at full speed, short enough for 20 of them.
 */
enum { SIZE = 512, WINDOWS = 5, WINDOW_NS = 15000000, MAX_REPETITIONS = 1000 };

static void multiply(sb_sgemm_fn sgemm, float *abc, int64_t n)
{
    const int64_t part = (int64_t)SIZE * SIZE;
    for (int64_t i = 0; i < n; i++)
        sgemm(SB_CBLAS_ROW_MAJOR, SB_CBLAS_NO_TRANS, SB_CBLAS_NO_TRANS, SIZE, SIZE, SIZE, 1.0f, abc,
              SIZE, abc + part, SIZE, 0.0f, abc + 2 * part, SIZE);
}

static int64_t window_ns(sb_sgemm_fn sgemm, float *abc, int32_t threads, int64_t n)
{
    int64_t t0 = sb_now_ns();
#pragma omp parallel for schedule(static, 1) num_threads(threads)
    for (int32_t t = 0; t < threads; t++)
        multiply(sgemm, abc + t * (int64_t)(3 * SIZE * SIZE), n);
    int64_t ns = sb_now_ns() - t0;
    return ns > 0 ? ns : 1;
}

double sbi_ceiling_rate(sb_sgemm_fn sgemm, int32_t threads)
{
    const int64_t numbers = (int64_t)threads * 3 * SIZE * SIZE;
    const double  flops   = 2.0 * SIZE * SIZE * SIZE * threads;
    double        best    = 0;
    float        *abc     = malloc((size_t)numbers * sizeof *abc);
    if (abc == NULL)
        return 0;
    for (int64_t i = 0; i < numbers; i++)
        abc[i] = (float)(i % 7) - 3.0f;
    (void)window_ns(sgemm, abc, threads, 1); /* first touch, the library's own set-up */
    int64_t n = WINDOW_NS / window_ns(sgemm, abc, threads, 1) + 1;
    n         = n < MAX_REPETITIONS ? n : MAX_REPETITIONS;
    for (int w = 0; w < WINDOWS; w++) {
        double rate = flops * (double)n * 1e9 / (double)window_ns(sgemm, abc, threads, n);
        best        = rate > best ? rate : best;
    }
    free(abc);
    return best;
}

sb_status sb_ceiling_cpu(sb_comm *comm, int32_t threads, double *flops_per_s)
{
    sb_sgemm_fn sgemm = NULL;
    /* a reference BLAS would be no ceiling, nor would a share of the threads */
    if (sb_sgemm_find(&sgemm) != SB_OK || threads > sb_sgemm_callers())
        sgemm = NULL;
    int64_t      all[] = {sgemm != NULL, 0};
    sb_status    st    = sb_comm_allreduce_i64(comm, all, 1, SB_REDUCE_MIN);
    if (st != SB_OK)
        return st;
    if (all[0] != 0) { /* the exchange above lets all start at once */
        all[1] = (int64_t)sbi_ceiling_rate(sgemm, threads > 1 ? threads : 1);
        if ((st = sb_comm_allreduce_i64(comm, all + 1, 1, SB_REDUCE_SUM)) != SB_OK)
            return st;
    }
    *flops_per_s = (double)all[1];
    return SB_OK;
}
