#include "kernels/nn/device_rows_cuda.h"

const sb_device_rows sb_device_rows_cuda = {.backend       = &sb_backend_cuda,
                                            .product_bytes = SBI_PRODUCT_BYTES + SBI_PRODUCT_ALIGN,
                                            .open          = sbi_products_open,
                                            .close         = sbi_products_close,
                                            .product       = sbi_product_run,
                                            .embed         = sbi_rows_embed,
                                            .norm          = sbi_rows_norm,
                                            .spread        = sbi_rows_spread,
                                            .gather        = sbi_rows_gather,
                                            .gate          = sbi_rows_gate,
                                            .add           = sbi_rows_add};
