/* What a decoder of the Llama family does with rows around attention, on a device: a table of
 * steps, so that the model above is the same code over a real device and over a test's.
 *
 *   embed -> norm -> product -> spread (bias, rotation)  ~ attention ~  gather -> product (adds)
 *         -> norm -> product -> gate -> product (adds)
 *
 * Rounding points: weights and what goes into a product are bf16, products accumulate in fp32;
 * residual rows, q, k, v before their one rounding, norms and logits are fp32; gate and up are
 * rounded once to bf16, and so is silu(gate) * up.
 *
 * All row data are device memory, structs and tensors' headers are host memory and may go when a
 * call returns. Everything is queued on `stream` (NULL: the backend's own). Rows begin at multiples
 * of 16 bytes: SB_ERR_INTERNAL where they do not. */
#ifndef SB_KERNELS_NN_DEVICE_ROWS_H
#define SB_KERNELS_NN_DEVICE_ROWS_H

#include "kernels/base/backend.h"
#include "kernels/base/step.h"
#include "kernels/base/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* y = x w^T, or y += x w^T. */
typedef struct sb_rows_product {
    const sb_bf16 *w; /* [rows][cols] */
    const sb_bf16 *x; /* [n][ldx], the first cols of each */
    void          *y; /* [n][rows] */
    int64_t        rows, cols, n, ldx;
    sb_dtype       y_type;
    int32_t        adds; /* 1: to what stands in y, fp32 */
} sb_rows_product;

/* Rows of a projection to their heads, q and k turned to their position. */
typedef struct sb_rows_spread {
    const float     *rows;     /* [n][(heads + 2 kv_heads) * dim]: q | k | v of a token */
    const float     *bias;     /* of such a row; NULL: none */
    const int32_t   *position; /* [n] */
    const float     *inv_freq; /* [dim / 2] of sb_rope_frequencies, as is the multiplier */
    float            multiplier;
    int64_t          n, first; /* the first row's place in the tensors */
    const sb_tensor *q, *k, *v;
    /* Device memory; not NULL: n is 1, and k and v go to row step->slot, whatever rows are in use
     * there. */
    const sb_step *step;
} sb_rows_spread;

typedef struct sb_device_rows {
    const sb_backend *backend;
    size_t            product_bytes; /* of device memory that a product works in */
    /* What products need beside memory. SB_ERR_UNSUPPORTED: its library is not there, with the
     * reason; SB_ERR_DEVICE. */
    sb_status (*open)(void **products);
    void (*close)(void *products); /* NULL is fine */
    /* work: product_bytes, shared by all products of a stream. Errors: SB_ERR_UNSUPPORTED a shape
     * that the library has no algorithm for. Bound: 2 n rows cols FLOP, of few rows the bytes of w.
     * What is summed in which order depends on n: a row's last bits differ with the chunk it is in,
     * not from run to run. */
    sb_status (*product)(void *products, const sb_rows_product *p, void *work, void *stream);
    /* x [n][width] fp32 = rows `ids` [n] of table [..][width]; position[i] = first + i. */
    sb_status (*embed)(const sb_bf16 *table, int64_t width, const int32_t *ids, int64_t first,
                       int64_t n, float *x, int32_t *position, void *stream);
    /* y [n][width] = bf16(x / sqrt(mean(x^2) + eps) * weight). */
    sb_status (*norm)(const float *x, int64_t n, int64_t width, const float *weight, double eps,
                      sb_bf16 *y, void *stream);
    sb_status (*spread)(const sb_rows_spread *s, void *stream);
    /* rows [n][heads * dim] = tokens [first, first + n) of o, heads side by side. */
    sb_status (*gather)(const sb_tensor *o, int64_t first, int64_t n, sb_bf16 *rows, void *stream);
    /* rows [n][2 width], gate | up: the first width = silu(gate) * up; bias [2 width] is added to
     * both before, NULL: none. */
    sb_status (*gate)(sb_bf16 *rows, const float *bias, int64_t n, int64_t width, void *stream);
    /* x [n][width] += bias [width]. */
    sb_status (*add)(float *x, const float *bias, int64_t n, int64_t width, void *stream);
    /* w [n], n even: normal numbers of standard deviation sd, drawn from the seed (Box and Muller
     * over sb_mix in counter form: sb_normal_pair). */
    sb_status (*draw)(sb_bf16 *w, int64_t n, uint64_t seed, float sd, void *stream);
} sb_device_rows;

extern const sb_device_rows sb_device_rows_cuda; /* only in builds with SB_HAVE_CUDA */

#ifdef __cplusplus
}
#endif
#endif
