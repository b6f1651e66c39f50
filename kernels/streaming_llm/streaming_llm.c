#include "kernels/streaming_llm/streaming_llm.h"

#include "kernels/exec/attend.h"
#include "kernels/exec/window_plan.h"

#define P(field) offsetof(sb_streaming_llm_params, field)
static const sb_param params[] = {
    {"sink_tokens", "4", "[0,)", "first keys that are never evicted (start_size), tokens", SB_I64,
     P(sink_tokens)},
    {"window_tokens", "2001", "[1,)",
     "last keys, the query's own included (recent_size + 1), tokens", SB_I64, P(window_tokens)},
    {"pos", "orig", "orig|cache", "positions of RoPE: the original ones, or those inside the cache",
     SB_ENUM, P(pos)},
    {0},
};

static sb_status check(const void *p, const sb_shape *shape)
{
    const sb_streaming_llm_params *a = p;
    if (a->pos == SB_STREAMING_POS_CACHE)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "pos: found cache, allowed orig: cache positions turn the query back by the "
                       "model's RoPE, and no RoPE frequencies reach this operator");
    return sb_window_check(p, shape);
}

/* k < start or q - k <= recent [minference 12.4]: eviction comes after the forward, so C + 1 keys
 * with the query's own. */
static sb_status plan_cpu(sb_ctx *ctx, const void *p, const sb_shape *shape, const sb_tensor *q,
                          const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    const sb_streaming_llm_params *a = p;
    (void)shape;
    (void)q;
    (void)k;
    (void)cache;
    return sb_window_plan(ctx, a->sink_tokens, a->window_tokens, plan);
}

static int64_t row_lanes(const void *p, const sb_shape *shape, int64_t row)
{
    const sb_streaming_llm_params *a = p;
    return shape->heads * sb_window_row_keys(a->sink_tokens, a->window_tokens, row);
}

const sb_method sb_streaming_llm = {
    .name    = "streaming_llm",
    .summary = "sink and recent keys in prefill and decode (StreamingLLM, original positions)",
    .source  = "arXiv 2309.17453; minference 12",
    .caps    = SB_CAP_PREFILL | SB_CAP_DECODE | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_TRAINING_FREE,
    .plan_keys      = SB_PLAN_KEYS_LOCAL,
    .params         = params,
    .params_bytes   = sizeof(sb_streaming_llm_params),
    .check          = check,
    .quantum_tokens = sb_window_quantum,
    .row_lanes      = row_lanes,
    .layout         = sb_window_layout,
    .plan           = {[SB_CPU] = plan_cpu},
    .attend = {[SB_CPU] = sb_attend_window_cpu, [SB_CUDA] = SB_IF_CUDA(sb_attend_window_cuda)},
};
