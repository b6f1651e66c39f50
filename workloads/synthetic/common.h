/* What the distributions of this folder share. */
#ifndef SB_WORKLOADS_SYNTHETIC_COMMON_H
#define SB_WORKLOADS_SYNTHETIC_COMMON_H

#include "workloads/synthetic/draw.h"
#include "workloads/synthetic/synthetic.h"

enum { SBI_MAX_HEAD_DIM = 256 };

/* The head of every `impl`. */
typedef struct sbi_synthetic {
    uint64_t seed; /* of the set and the row together */
} sbi_synthetic;

/* Operands with impl_bytes of zeroed impl, whose first member is an sbi_synthetic: checks the draw,
 * fills in shape, scale, seed and identity. */
sb_status sbi_synthetic_create(const sb_distribution *d, const sb_draw *draw,
                               const sb_operands_ops *ops, size_t impl_bytes, sb_operands **out);
void      sbi_synthetic_destroy(sb_operands *o); /* frees spans, impl and o */

static inline uint64_t sbi_seed_of(const sb_operands *o)
{
    return ((const sbi_synthetic *)o->impl)->seed;
}

/* n numbers into n bf16 ones. */
void sbi_to_bf16(const double *x, int64_t n, sb_bf16 *out);

/* Rows of N(0, 1) numbers of one head: V of all distributions. */
void sbi_fill_normal(const sb_operands *o, sbi_stream stream, int64_t head, int64_t first,
                     int64_t n, int64_t slot, const sb_tensor *out);

#endif
