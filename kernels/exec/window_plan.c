#include "kernels/exec/window_plan.h"

#include "kernels/exec/shape_check.h"

sb_status sb_window_check(const void *params, const sb_shape *shape)
{
    (void)params;
    return sb_shape_check(shape, 1);
}

int64_t sb_window_quantum(const void *params)
{
    (void)params;
    return 1;
}

sb_status sb_window_layout(sb_ctx *ctx, const void *params, const sb_shape *shape, sb_plan *plan,
                           sb_cache *cache)
{
    (void)ctx;
    (void)params;
    (void)shape;
    (void)cache;
    *plan = (sb_plan){.row_tokens = 1};
    return SB_OK;
}

int64_t sb_window_row_keys(int64_t sink_tokens, int64_t window_tokens, int64_t row)
{
    int64_t near = window_tokens < row + 1 ? window_tokens : row + 1, rest = row + 1 - near;
    return near + (sink_tokens < rest ? sink_tokens : rest);
}

sb_status sb_window_plan(sb_ctx *ctx, int64_t sink_tokens, int64_t window_tokens, sb_plan *plan)
{
    int64_t t0          = sb_now_ns();
    plan->parts         = SB_PART_WINDOW;
    plan->sink_tokens   = sink_tokens;
    plan->window_tokens = window_tokens;
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return SB_OK;
}
