#include "kernels/exec/shape_check.h"

#include "kernels/exec/tiles.h"

sb_status sb_shape_check(const sb_shape *shape, int64_t unit_tokens)
{
    int64_t d = shape->head_dim;
    if (d < 16 || d > SB_TILE_DIM_MAX || d % 16 != 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "head_dim: found %lld, allowed a multiple of 16 up to %d", (long long)d,
                       (int)SB_TILE_DIM_MAX);
    if (shape->heads < 1 || shape->kv_heads < 1 || shape->heads % shape->kv_heads != 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "heads: found %lld query heads on %lld KV heads, allowed a multiple",
                       (long long)shape->heads, (long long)shape->kv_heads);
    if (shape->n_keys < 0 || shape->n_keys / unit_tokens >= INT32_MAX)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "length: found %lld tokens, allowed up to %lld with blocks of %lld",
                       (long long)shape->n_keys, (long long)unit_tokens * (INT32_MAX - 1),
                       (long long)unit_tokens);
    for (int32_t r = 0; r < shape->q_gid.n_runs; r++) {
        sb_run run = shape->q_gid.run[r];
        if (run.start < 0 || run.start + run.len > shape->n_keys)
            return sb_fail(SB_ERR_UNSUPPORTED,
                           "queries: found ids %lld to %lld, the sequence has %lld tokens",
                           (long long)run.start, (long long)(run.start + run.len - 1),
                           (long long)shape->n_keys);
    }
    return SB_OK;
}
