/* How fast this machine multiplies at best, measured once a run: the ceiling that dense_mfu and mfu
 * are shares of (gpu_targets 1, quality_metrics B4). On the CPU that is the sgemm of a BLAS made
 * for speed, one on each thread; without one there is no ceiling and the shares are NULL. */
#ifndef SB_HARNESS_RUN_CEILING_H
#define SB_HARNESS_RUN_CEILING_H

#include "kernels/base/comm.h"
#include "kernels/nn/sgemm.h"

/* Of one process: `threads` products at a time, the best of a few windows of 15 ms. 0 without
 * memory. */
double sbi_ceiling_rate(sb_sgemm_fn sgemm, int32_t threads);

/* fp32 FLOP per second of all ranks together, all of them at work at once; 0 where some rank finds
 * no OpenBLAS, MKL or BLIS. About 0.1 s. Collective. Errors: SB_ERR_COMM. */
sb_status sb_ceiling_cpu(sb_comm *comm, int32_t threads, double *flops_per_s);

#endif
