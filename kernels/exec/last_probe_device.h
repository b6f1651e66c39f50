/* How the last queries of a sequence spread their attention over columns and over diagonals, on a
 * device: what methods probe the keys with.
 *
 *   row i of n_rows, query N - n_rows + i:   | A[i][0] .. A[i][N - n_rows + i] | 0 (future)
 *   column c                                 sum over i of A[i][c]
 *   distance t                               sum over i of A[i][N - n_rows + i - t] */
#ifndef SB_KERNELS_EXEC_LAST_PROBE_DEVICE_H
#define SB_KERNELS_EXEC_LAST_PROBE_DEVICE_H

#include "kernels/base/method.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sb_probe_rounding {
    SB_PROBE_EXACT,   /* logits q k / sqrt(d) in fp32 */
    SB_PROBE_QUERIES, /* bf16(q / sqrt(d)) k, to bf16 */
    SB_PROBE_LOGITS,  /* bf16(bf16(q k) / sqrt(d)); normalisers to fp32 */
    SB_PROBE_COUNT
} sb_probe_rounding;

/* All in device memory but the struct. Heads count here by their place in `head`. */
typedef struct sb_last_probe {
    int64_t  n_heads, n_keys, n_rows;
    int64_t  width; /* n_rows up to what the kernel takes: 32, 64, 128 */
    int64_t  n_chunks, seen_tokens, n_seen;
    int32_t *head;       /* [n_heads] query heads that are probed */
    float   *chunk_top;  /* [n_heads][n_chunks][width] largest logit of a row in a chunk of keys,
                            times log2(e) */
    double   *chunk_sum; /* the same: sum of 2^(logit - top) */
    float    *row_top;   /* [n_heads][width] */
    double   *row_unit;  /* [n_heads][width] 2^40 / normaliser */
    uint64_t *vertical;  /* [n_heads][n_keys] sums of round(A * 2^40), by column */
    uint64_t *slash;     /* [n_heads][n_keys] the same by distance */
    uint8_t  *seen;      /* [n_heads][n_seen] 1: some weight of these seen_tokens columns is above
                            0, even if it rounds to 0 */
} sb_last_probe;

/* Room for the last min(rows, n_keys) queries of the listed heads (host memory [n_heads]; NULL: all
 * of shape->heads), rows at most 128. From ctx->arena, which is device memory; over a real arena
 * the list is copied there and waited for. 16 bytes a key and head. */
sb_status sb_last_probe_layout(sb_last_probe *p, const sb_ctx *ctx, const sb_shape *shape,
                               int64_t rows, int64_t seen_tokens, const int32_t *heads,
                               int64_t n_heads);

/* vertical, slash and seen of all listed heads; queued on ctx->stream. q: all queries of the
 * sequence, k: all keys; head_dim 64 or 128, else SB_ERR_UNSUPPORTED. A is a softmax over the keys
 * that a row sees; sums are integers, so nothing depends on their order. From the CPU's sums they
 * differ by the last bits of fp32 products and exponentials (under rounding to bf16 a logit in
 * some ten thousand becomes its neighbour). A logit that is no number weighs nothing.
 * Two passes over k, 4 * width * keys * dim FLOP a head. */
sb_status sb_last_probe_run(const sb_last_probe *p, const sb_ctx *ctx, const sb_tensor *q,
                            const sb_tensor *k, sb_probe_rounding rounding);

#ifdef __cplusplus
}
#endif
#endif
