#include "kernels/linear/linear.h"

#include <math.h>

#include "kernels/exec/linear_scan.h"

#define P(field) offsetof(sb_linear_params, field)
static const sb_param params[] = {
    {"kind", "elu1", "elu1|retnet|gla|gated_delta|aaren", "member of the family", SB_ENUM, P(kind)},
    {"chunk_tokens", "64", "[16,1024]",
     "tokens of a chunk, a multiple of 16; gla takes 16, aaren one", SB_I64, P(chunk_tokens)},
    {"force_mode", "auto", "auto|recurrent|chunked",
     "of a prefill; auto: token by token up to 64 tokens, else in chunks", SB_ENUM, P(force_mode)},
    {"scale", "0", "[0,)",
     "factor of the output, aaren: of the logits; 0: the model's, "
     "1/sqrt(head_dim)",
     SB_F64, P(scale)},
    {"feature_map", "elu1", "elu1|identity|relu|silu|sqrelu|dpfp|taylor",
     "elu1: what q and k go through", SB_ENUM, P(feature_map)},
    {"normalize", "true", "true|false", "elu1: divide by the sum of the weights", SB_ENUM,
     P(normalize)},
    {"qk_norm", "l2", "l2|none", "gated_delta: q and k to length 1 in each head", SB_ENUM,
     P(qk_norm)},
    {"gate", "0", "[-1e4,0]", "gla, gated_delta: log decay of a token where none is given", SB_F64,
     P(gate)},
    {"beta", "1", "[0,2]", "gated_delta: strength of a token where none is given", SB_F64, P(beta)},
    {0},
};

static sb_scan scan_of(const sb_linear_params *p)
{
    static const sb_scan_rule rules[] = {SB_SCAN_DECAY, SB_SCAN_DECAY, SB_SCAN_GATE, SB_SCAN_DELTA,
                                         SB_SCAN_MEAN};
    static const sb_scan_map  maps[]  = {SB_SCAN_ELU1,  SB_SCAN_IDENTITY, SB_SCAN_RELU,
                                         SB_SCAN_SILU,  SB_SCAN_SQRELU,   SB_SCAN_DPFP,
                                         SB_SCAN_TAYLOR};
    int                       elu1    = p->kind == SB_LINEAR_ELU1;
    return (sb_scan){.rule           = rules[p->kind],
                     .form           = (sb_scan_form)p->force_mode,
                     .map            = elu1 ? maps[p->feature_map] : SB_SCAN_IDENTITY,
                     .normalize      = elu1 && p->normalize == 0,
                     .unit_rows      = p->kind == SB_LINEAR_GATED_DELTA && p->qk_norm == 0,
                     .per_query_head = p->kind == SB_LINEAR_RETNET || p->kind == SB_LINEAR_AAREN,
                     .chunk_tokens   = p->chunk_tokens,
                     .scale          = p->scale,
                     .gate           = p->gate,
                     .beta           = p->beta};
}

static sb_status check(const void *params_, const sb_shape *shape)
{
    sb_scan scan = scan_of(params_);
    if (scan.normalize &&
        (scan.map == SB_SCAN_IDENTITY || scan.map == SB_SCAN_SILU || scan.map == SB_SCAN_DPFP))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "normalize: found true with a feature_map whose weights have both signs "
                       "(identity, silu, dpfp), allowed false");
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

double sb_linear_slope(const sb_linear_params *p, int64_t head)
{
    return p->kind == SB_LINEAR_RETNET ? -log1p(-exp2(-5.0 - (double)head)) : 0.0;
}

/* There is no index; retention's decay is written down. */
static sb_status plan_cpu(sb_ctx *ctx, const void *params_, const sb_shape *shape,
                          const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    const sb_linear_params *p      = params_;
    int64_t                 t0     = sb_now_ns(), n;
    double                 *slopes = sb_scan_slopes(plan, &n);
    (void)q;
    (void)k;
    (void)cache;
    for (int64_t h = 0; h < n; h++) /* retnet has a state for each query head */
        slopes[h] = sb_linear_slope(p, shape->first_head + h);
    plan->attend_flops = sb_scan_flops(plan, shape);
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return SB_OK;
}

const sb_method sb_linear = {
    .name    = "linear",
    .summary = "linear-attention family by `kind`; a state instead of keys",
    .source  = "arXiv 2006.16236, 2307.08621, 2312.06635, 2412.06464, 2405.13956; linear 3",
    .caps    = SB_CAP_PREFILL | SB_CAP_DECODE | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_NO_INDEX |
            SB_CAP_STATE,
    .plan_keys      = SB_PLAN_KEYS_LOCAL,
    .params         = params,
    .params_bytes   = sizeof(sb_linear_params),
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
