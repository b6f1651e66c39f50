/* What a look at a layer asks of a device, so that rows need not travel: dense attention of sampled
 * rows, what their best selection would have kept, whether the output holds numbers. The CPU's
 * functions (rows_cpu.h, top_mass.h, not_finite.h) do the same over host memory. */
#ifndef SB_KERNELS_EXEC_LOOK_H
#define SB_KERNELS_EXEC_LOOK_H

#include "kernels/base/method.h"
#include "kernels/exec/not_finite.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Rows of row_bytes of every head, a head `apart` rows behind the one before. row_bytes and data
 * are multiples of 4. */
typedef struct sb_look_rows {
    const void *data;
    int64_t     row_bytes, heads, apart;
} sb_look_rows;

/* Tensors called k, v and t, and rows' data, are in the device's memory, all else is in the host's.
 * Calls wait. ctx->stream is the device's. */
typedef struct sb_look_ops {
    /* o fp32 [heads][n][d], lse [heads][n]: as sb_dense_rows_cpu(), over keys that are all there */
    sb_status (*dense_rows)(sb_ctx *ctx, const sb_tensor *q, const int64_t *row_gid,
                            const sb_tensor *k, const sb_tensor *v, float scale, sb_tensor *o,
                            float *lse);
    /* as sb_top_mass_cpu() */
    sb_status (*top_mass)(sb_ctx *ctx, const sb_tensor *q, const int64_t *row_gid,
                          const sb_tensor *k, float scale, const float *lse, const int64_t *keep,
                          double *mass);
    /* as sb_not_finite_cpu() */
    sb_status (*not_finite)(const sb_ctx *ctx, const sb_tensor *t, sb_not_finite *out);
    /* to [heads][n][row_bytes]: rows local[0 .. n - 1] of each head */
    sb_status (*take_rows)(const sb_ctx *ctx, const sb_look_rows *from, const int64_t *local,
                           int64_t n, void *to);
} sb_look_ops;

/* By the executor `decode`, 16 queries at a time, by `portable` where the heads of a group are more
 * than 64: P in bf16 before its product with V, sums in fp32 (attend.h), so that the reference is
 * the device's own dense attention, not rounded to bf16. Cost at 16 queries: K and V are read once.
 * Errors: as sb_attend_dense_cuda(). */
sb_status sb_dense_rows_cuda(sb_ctx *ctx, const sb_tensor *q, const int64_t *row_gid,
                             const sb_tensor *k, const sb_tensor *v, float scale, sb_tensor *o,
                             float *lse);

/* One launch and one copy, wherever the rows lie: a copy a row costs 15 us of the host's time.
 * Errors: SB_ERR_INTERNAL row_bytes, SB_ERR_NOMEM, SB_ERR_DEVICE. */
sb_status sb_take_rows_cuda(const sb_ctx *ctx, const sb_look_rows *from, const int64_t *local,
                            int64_t n, void *to);

extern const sb_look_ops sb_look_cuda; /* only in builds with SB_HAVE_CUDA */

#ifdef __cplusplus
}
#endif
#endif
