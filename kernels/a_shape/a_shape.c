#include "kernels/a_shape/a_shape.h"

#include "kernels/exec/attend.h"
#include "kernels/exec/window_plan.h"

#define P(field) offsetof(sb_a_shape_params, field)
static const sb_param params[] = {
    {"sink_tokens", "128", "[0,)", "first keys that every query sees (n_init), tokens", SB_I64,
     P(sink_tokens)},
    {"window_tokens", "3968", "[1,)",
     "last keys that a query sees, its own included (n_local), tokens", SB_I64, P(window_tokens)},
    {0},
};

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
    return sb_window_plan(ctx, a->sink_tokens, a->window_tokens, plan);
}

static int64_t row_lanes(const void *p, const sb_shape *shape, int64_t row)
{
    const sb_a_shape_params *a = p;
    return shape->heads * sb_window_row_keys(a->sink_tokens, a->window_tokens, row);
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
    .check          = sb_window_check,
    .quantum_tokens = sb_window_quantum,
    .row_lanes      = row_lanes,
    .layout         = sb_window_layout,
    .plan           = {[SB_CPU] = plan_cpu},
    .attend = {[SB_CPU] = sb_attend_window_cpu, [SB_CUDA] = SB_IF_CUDA(sb_attend_window_cuda)},
};
