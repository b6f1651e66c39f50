/* Estimation of vertical_slash: how much attention the last queries give to each column and to each
 * diagonal [minference 3.3]. */
#ifndef SB_KERNELS_MINFERENCE_PROBE_H
#define SB_KERNELS_MINFERENCE_PROBE_H

#include "kernels/base/tensor.h"

enum { SBI_PROBE_ROWS = 64 };

typedef struct sbi_probe {
    const float     *q_t; /* [dim][64] the last n_rows queries of one head, transposed */
    const sb_tensor *k;   /* all keys in id order */
    int64_t          kv_head, n_rows; /* n_rows = min(64, keys) */
    int32_t          threads;
} sbi_probe;

/* vertical[c] = sum_i A[i][c];  slash[delta] = sum_i A[i][p_i - delta], p_i the position of query
 * i; both [keys], in units of 2^-40: sum vertical = sum slash = n_rows * 2^40 but for rounding. A =
 * softmax over the causal keys of bf16(bf16(q k) / sqrt(dim)), in fp32; its normaliser is the
 * integer sum of round(exp(x - max) * 2^40) and each A adds round(A * 2^40) [sharding 7.4], so
 * neither threads nor tiles change a bit. A logit that is no number counts as weight 0.
 * Three passes over K, 6 * 64 * keys * dim FLOP; no scratch of size keys but the two results. */
void sbi_minference_probe(const sbi_probe *p, uint64_t *vertical, uint64_t *slash);

/* Of one head: 2 * rows * keys * dim in each of the three passes; the spec's table names one
 * [minference 7]. */
static inline int64_t sbi_minference_probe_flops(int64_t n_rows, int64_t n_keys, int64_t dim)
{
    return 3 * 2 * n_rows * n_keys * dim;
}

#endif
