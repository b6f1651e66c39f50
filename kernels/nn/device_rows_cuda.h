/* The steps of device_rows.h on the cuda backend. */
#ifndef SB_KERNELS_NN_DEVICE_ROWS_CUDA_H
#define SB_KERNELS_NN_DEVICE_ROWS_CUDA_H

#include "kernels/nn/device_rows.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of work room; cuBLASLt wants it at a multiple of SBI_PRODUCT_ALIGN, arenas at less. */
enum { SBI_PRODUCT_BYTES = 32 << 20, SBI_PRODUCT_ALIGN = 256 };

/* ---- products_cuda.c ---- */
sb_status sbi_products_open(void **out);
void      sbi_products_close(void *products);
sb_status sbi_product_run(void *products, const sb_rows_product *p, void *work, void *stream);

/* ---- rows_cuda.cu ---- */
sb_status sbi_rows_embed(const sb_bf16 *table, int64_t width, const int32_t *ids, int64_t first,
                         int64_t n, float *x, int32_t *position, void *stream);
sb_status sbi_rows_norm(const float *x, int64_t n, int64_t width, const float *weight, double eps,
                        sb_bf16 *y, void *stream);
sb_status sbi_rows_gate(sb_bf16 *rows, const float *bias, int64_t n, int64_t width, void *stream);
sb_status sbi_rows_add(float *x, const float *bias, int64_t n, int64_t width, void *stream);

/* ---- heads_cuda.cu ---- */
sb_status sbi_rows_spread(const sb_rows_spread *s, void *stream);
sb_status sbi_rows_gather(const sb_tensor *o, int64_t first, int64_t n, sb_bf16 *rows,
                          void *stream);

#ifdef __cplusplus
}
#endif
#endif
