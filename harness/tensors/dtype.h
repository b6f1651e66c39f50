/* Element types, for the files of this folder. */
#ifndef SB_HARNESS_TENSORS_DTYPE_H
#define SB_HARNESS_TENSORS_DTYPE_H

#include "harness/tensors/safetensors.h"

int   sbi_file_dtype_find(const char *name, sb_file_dtype *out); /* 0: unknown */
float sbi_f16_to_f32(uint16_t h);
/* n values at any address; rounded to nearest even. */
void sbi_f16_to_bf16(const void *in, int64_t n, sb_bf16 *out);
void sbi_f32_to_bf16(const void *in, int64_t n, sb_bf16 *out);

/* The files are little-endian and are read as they stand. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "safetensors files are little-endian");

#endif
