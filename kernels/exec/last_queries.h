/* The last queries of a sequence, on every rank: what methods probe the keys with. They may lie on
 * several ranks; every word of them is one rank's and zero on the others, so their integer sum is
 * the whole, in any layout. Where a caller has them already (sb_ctx.last_q) no rank is asked. */
#ifndef SB_KERNELS_EXEC_LAST_QUERIES_H
#define SB_KERNELS_EXEC_LAST_QUERIES_H

#include "kernels/base/method.h"

typedef struct sb_last_queries {
    int64_t  heads, n_rows, dim; /* n_rows: min(wanted, keys) */
    int64_t  n_words;
    int64_t *words; /* [heads][n_rows][dim] bf16, 4 a word; then the number of queries */
} sb_last_queries;

/* heads * rows * head_dim * 2 bytes; head_dim a multiple of 4. */
sb_status sb_last_queries_layout(sb_last_queries *l, sb_arena *a, const sb_shape *shape,
                                 int64_t rows);

/* Collect them: the caller's part is timed into `own`, the exchange as communicate. Collective. */
sb_status sb_last_queries_share(sb_last_queries *l, sb_ctx *ctx, const sb_shape *shape,
                                const sb_tensor *q, sb_phase own);

/* How many queries the ranks have together: all of the sequence, or this is a part of one. */
static inline int64_t sb_last_queries_total(const sb_last_queries *l)
{
    return l->words[l->n_words];
}

/* One of them as fp32, [dim]. */
void sb_last_queries_row(const sb_last_queries *l, int64_t head, int64_t row, float *out);

#endif
