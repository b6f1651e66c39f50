#include "kernels/lightning/lightning.h"

#include "kernels/exec/linear_scan.h"

#define P(field) offsetof(sb_lightning_params, field)
static const sb_param params[] = {
    {"chunk_tokens", "64", "[16,1024]", "tokens of a chunk, a multiple of 16", SB_I64,
     P(chunk_tokens)},
    {"slope_rule", "alibi_layer", "alibi_layer|paper|minimax",
     "decay of head and layer: as released; as in the paper's text; as in the transformers port of "
     "MiniMax",
     SB_ENUM, P(slope_rule)},
    {"slope_heads", "q", "q|kv",
     "with grouped heads: a decay and a state for each query head, or for each KV head", SB_ENUM,
     P(slope_heads)},
    {"act", "silu", "silu|relu|elu|1+elu|identity", "applied to q and k", SB_ENUM, P(act)},
    {"scale", "1", "[0,)", "factor of the output; 0: the model's, 1/sqrt(head_dim)", SB_F64,
     P(scale)},
    {0},
};

static sb_scan scan_of(const sb_lightning_params *p)
{
    static const sb_scan_map maps[] = {SB_SCAN_SILU, SB_SCAN_RELU, SB_SCAN_ELU, SB_SCAN_ELU1,
                                       SB_SCAN_IDENTITY};
    return (sb_scan){.rule           = SB_SCAN_DECAY,
                     .form           = SB_SCAN_CHUNKED,
                     .map            = maps[p->act],
                     .per_query_head = p->slope_heads == SB_LIGHTNING_PER_Q,
                     .chunk_tokens   = p->chunk_tokens,
                     .scale          = p->scale};
}

static sb_status check(const void *params_, const sb_shape *shape)
{
    sb_scan scan = scan_of(params_);
    return sb_scan_check(&scan, shape);
}

static int64_t state_bytes(const void *params_, const sb_shape *shape)
{
    sb_scan scan = scan_of(params_);
    return sb_scan_state_bytes(&scan, shape);
}

static int64_t record_bytes(const void *params_, const sb_shape *shape)
{
    sb_scan scan = scan_of(params_);
    return sb_scan_record_bytes(&scan, shape);
}

static int64_t device_bytes(const void *params_, const sb_shape *shape)
{
    sb_scan scan = scan_of(params_);
    return sb_scan_device_bytes(&scan, shape);
}

static sb_status layout(sb_ctx *ctx, const void *params_, const sb_shape *shape, sb_plan *plan,
                        sb_cache *cache)
{
    sb_scan scan = scan_of(params_);
    (void)cache;
    return sb_scan_layout(ctx, &scan, shape, plan);
}

/* There is no index; what depends on the layer is written down. */
static sb_status plan_cpu(sb_ctx *ctx, const void *params_, const sb_shape *shape,
                          const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    const sb_lightning_params *p      = params_;
    int64_t                    t0     = sb_now_ns(), n;
    double                    *slopes = sb_scan_slopes(plan, &n);
    (void)q;
    (void)k;
    (void)cache;
    int     per_q = p->slope_heads == SB_LIGHTNING_PER_Q;
    int64_t all   = per_q ? sb_shape_model_heads(shape) : sb_shape_model_kv_heads(shape);
    int64_t first = per_q ? shape->first_head : sb_shape_first_kv_head(shape);
    sb_lightning_slope_table((sb_lightning_slopes)p->slope_rule, all, ctx->layer, ctx->n_layers,
                             first, n, slopes);
    plan->attend_flops = sb_scan_flops(plan, shape);
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return SB_OK;
}

const sb_method sb_lightning = {
    .name    = "lightning",
    .summary = "linear attention with a constant decay a head; a state instead of keys",
    .source  = "arXiv 2401.04658, 2307.14995; lightning 3",
    .caps    = SB_CAP_PREFILL | SB_CAP_DECODE | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_NO_INDEX |
            SB_CAP_STATE,
    .plan_keys      = SB_PLAN_KEYS_LOCAL,
    .params         = params,
    .params_bytes   = sizeof(sb_lightning_params),
    .check          = check,
    .quantum_tokens = sb_scan_quantum,
    .state_bytes    = state_bytes,
    .record_bytes   = record_bytes,
    .device_bytes   = device_bytes,
    .layout         = layout,
    .plan           = {[SB_CPU] = plan_cpu},
    .attend =
        {[SB_CPU] = sb_attend_linear_scan_cpu, [SB_CUDA] = SB_IF_CUDA(sb_attend_linear_scan_cuda)},
};
