#include "kernels/a_shape/a_shape.h"

#include "kernels/exec/attend.h"
#include "kernels/exec/shape_check.h"

#define P(field) offsetof(sb_a_shape_params, field)
static const sb_param params[] = {
    {"sink_tokens", "128", "[0,)", "first keys that every query sees (n_init), tokens", SB_I64,
     P(sink_tokens)},
    {"window_tokens", "3968", "[1,)",
     "last keys that a query sees, its own included (n_local), tokens", SB_I64, P(window_tokens)},
    {0},
};

static sb_status check(const void *p, const sb_shape *shape)
{
    (void)p;
    return sb_shape_check(shape, 1);
}

static int64_t quantum_tokens(const void *p)
{
    (void)p;
    return 1;
}

static sb_status layout(sb_ctx *ctx, const void *p, const sb_shape *shape, sb_plan *plan,
                        sb_cache *cache)
{
    (void)ctx;
    (void)p;
    (void)shape;
    (void)cache;
    *plan = (sb_plan){.row_tokens = 1};
    return SB_OK;
}

/* k visible to q iff k <= q and (q - k < n_local or k < n_init) [minference 3.2]; N <= n_local is
 * plain causal by itself. */
static sb_status plan_cpu(sb_ctx *ctx, const void *p, const sb_shape *shape, const sb_tensor *q,
                          const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    const sb_a_shape_params *a = p;
    (void)shape;
    (void)q;
    (void)k;
    (void)cache;
    int64_t t0          = sb_now_ns();
    plan->parts         = SB_PART_WINDOW;
    plan->sink_tokens   = a->sink_tokens;
    plan->window_tokens = a->window_tokens;
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return SB_OK;
}

const sb_method sb_a_shape = {
    .name    = "a_shape",
    .summary = "sink and window keys in prefill, dense decode (A-shape of MInference)",
    .source  = "arXiv 2407.02490; minference 3.2",
    /* a prefill mask: the papers keep the whole cache and decode densely */
    .caps           = SB_CAP_PREFILL | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_TRAINING_FREE,
    .plan_keys      = SB_PLAN_KEYS_LOCAL,
    .params         = params,
    .params_bytes   = sizeof(sb_a_shape_params),
    .check          = check,
    .quantum_tokens = quantum_tokens,
    .layout         = layout,
    .plan           = {[SB_CPU] = plan_cpu},
    .attend         = {[SB_CPU] = sb_attend_window_cpu},
};
