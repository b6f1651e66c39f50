/* What the best selection of the same size would have kept: the most attention mass that n keys of
 * a row can hold [quality_metrics B2, oracle_gap]. */
#ifndef SB_KERNELS_EXEC_TOP_MASS_H
#define SB_KERNELS_EXEC_TOP_MASS_H

#include "kernels/base/method.h"

#ifdef __cplusplus
extern "C" {
#endif

/*   q        [heads][n][d] bf16, single rows packed together; its gid is not read
 *   row_gid  [n] their ids, ascending
 *   k        all keys of the sequence, in id order
 *   lse      [heads][n] of dense attention over the keys up to each row
 *   keep     [heads][n] how many keys; at least 1
 *   mass     [heads][n] sum of the keep largest probabilities exp(scale q k - lse)
 * Probabilities are sorted into bins of 1/64 in their logarithm, which hold exact sums; of the bin
 * that the last kept key falls into its share by number is taken: off by at most 1.6 % of that
 * bin's part. A row's result does not depend on the rows beside it, threads or the CPU's vector
 * width. Cost: 2 * d * heads * sum of (gid + 1) FLOP in plain fp32. Errors: SB_ERR_UNSUPPORTED
 * head_dim or heads, SB_ERR_INTERNAL keys that are not all there, SB_ERR_NOMEM (it allocates: made
 * for the untimed quality pass). */
sb_status sb_top_mass_cpu(sb_ctx *ctx, const sb_tensor *q, const int64_t *row_gid,
                          const sb_tensor *k, float scale, const float *lse, const int64_t *keep,
                          double *mass);

/* The same with k in device memory, all else in the host's; waits. Exponentials are the device's,
 * and what a bin holds is a sum of multiples of 2^-42, which depends on no order. Room of 25 MiB of
 * the executors' pool, whatever the number of rows. Errors: as above, SB_ERR_UNSUPPORTED head_dim
 * but 64 and 128, SB_ERR_DEVICE. */
sb_status sb_top_mass_cuda(sb_ctx *ctx, const sb_tensor *q, const int64_t *row_gid,
                           const sb_tensor *k, float scale, const float *lse, const int64_t *keep,
                           double *mass);

#ifdef __cplusplus
}
#endif

#endif
