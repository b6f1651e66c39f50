#include "kernels/exec/not_finite.h"

#include <limits.h>

/* All ones in the exponent: an infinity or NaN. */
static int is_not_finite(sb_bf16 x) { return (x & 0x7f80) == 0x7f80; }

void sb_not_finite_cpu(const sb_ctx *ctx, const sb_tensor *t, sb_not_finite *out)
{
    int64_t n = 0, first = INT64_MAX;
#pragma omp parallel for num_threads(ctx->threads > 1 ? ctx->threads : 1) reduction(+ : n)         \
    reduction(min : first)
    for (int64_t r = 0; r < t->heads * t->tokens; r++) {
        const sb_bf16 *x    = sb_tensor_bf16(t, r / t->tokens, r % t->tokens);
        int64_t        here = 0;
        for (int64_t d = 0; d < t->dim; d++)
            here += is_not_finite(x[d]);
        n += here;
        first = here > 0 && r < first ? r : first;
    }
    *out = (sb_not_finite){.n = n};
    if (n > 0) {
        out->head = first / t->tokens;
        out->row  = first % t->tokens;
    }
}
