#include "kernels/power_attention/power_attention.h"

#include "kernels/exec/attend.h"
#include "kernels/exec/shape_check.h"
#include "kernels/power_attention/patterns.h"

#define P(field) offsetof(sb_power_attention_params, field)
static const sb_param params[] = {
    {"pattern", "power",
     "power|sliding_window|stride_slash|dilated|longnet|moa|neighborhood|blockrank",
     "what a query sees: blocks (the first five), or a window", SB_ENUM, P(pattern)},
    {"block_tokens", "256", "[1,1073741824]", "tokens of a block", SB_I64, P(block_tokens)},
    {"window_blocks", "0", "[0,)",
     "blocks of the window, the query's own included; longnet: blocks of the shortest segment; 0: "
     "the pattern's own "
     "(power 5, sliding_window 9, stride_slash 6, dilated 20, longnet 8)",
     SB_I64, P(window_blocks)},
    {"sink_blocks", "-1", "[-1,)",
     "first blocks that every query sees; -1: the pattern's own (dilated, longnet 0, others 1)",
     SB_I64, P(sink_blocks)},
    {"stride_blocks", "32", "[1,)", "stride_slash: distance between slashes, blocks", SB_I64,
     P(stride_blocks)},
    {"dilation_blocks", "2", "[1,)", "dilated: distance between the window's blocks, blocks",
     SB_I64, P(dilation_blocks)},
    {"levels", "5", "[1,30]", "longnet: number of segment lengths, each twice the one before",
     SB_I64, P(levels)},
    {"plan_file", "none", "a JSON file {alphas, betas} or {sinks, windows} of [layers][heads]",
     "moa: spans of each layer and head; none: the next two for all", SB_FILE, P(plan_file)},
    {"alpha_tokens", "0", "[-1e12,1e12]", "moa: tokens of a span beside its share", SB_F64,
     P(alpha_tokens)},
    {"beta", "0.5", "[-1000,1000]",
     "moa: share of prompt and max_new_tokens that a head's span covers", SB_F64, P(beta)},
    {"max_new_tokens", "1024", "[0,1073741824]",
     "moa: tokens that spans reckon with behind the prompt", SB_I64, P(max_new_tokens)},
    {"granularity_tokens", "64", "[1,1073741824]",
     "moa: windows move on in steps of this many tokens; 1: with every token, as the ring buffer "
     "of "
     "a decoder does",
     SB_I64, P(granularity_tokens)},
    {"window_tokens", "256", "[1,1099511627776]",
     "neighborhood: keys a query sees, its own included, tokens", SB_I64, P(window_tokens)},
    {"stride_tokens", "1", "[1,1073741824]",
     "neighborhood: queries that share their window's end, tokens; up to window_tokens", SB_I64,
     P(stride_tokens)},
    {"dilation_tokens", "1", "[1,1073741824]",
     "neighborhood: distance between the keys, tokens; those between are masked, so the work is "
     "that "
     "of a window so many times as wide",
     SB_I64, P(dilation_tokens)},
    {"instruction_tokens", "160", "[0,1073741824]",
     "blockrank: first tokens, which every query sees", SB_I64, P(instruction_tokens)},
    {"document_tokens", "160", "[1,1073741824]",
     "blockrank: tokens of a document, the last one may be shorter", SB_I64, P(document_tokens)},
    {"documents", "0", "[0,1073741824]",
     "blockrank: number of documents of equal length, instead of document_tokens; 0: by that",
     SB_I64, P(documents)},
    {"query_tokens", "160", "[1,1073741824]",
     "blockrank: last tokens of the prompt, which see everything", SB_I64, P(query_tokens)},
    {0},
};

static sb_status check(const void *params_, const sb_shape *shape)
{
    const sb_power_attention_params *p = params_;
    sb_status                        st;
    if (p->pattern == SB_POWER_LONGNET) {
        int64_t w = sbi_power_window_blocks(p);
        if ((w & (w - 1)) != 0 || w > INT64_C(1) << 30)
            return sb_fail(
                SB_ERR_UNSUPPORTED,
                "window_blocks: found %lld, allowed for longnet a power of two up to 2^30",
                (long long)w);
    }
    if ((st = sbi_power_windows_check(p, shape)) != SB_OK)
        return st;
    return sb_shape_check(shape, sbi_power_is_window(p) ? 1 : p->block_tokens);
}

static int64_t quantum_tokens(const void *p)
{
    return sbi_power_is_window(p) ? 1 : ((const sb_power_attention_params *)p)->block_tokens;
}

static int64_t row_lanes(const void *params_, const sb_shape *shape, int64_t row)
{
    const sb_power_attention_params *p = params_;
    int64_t                          n = 0;
    if (sbi_power_is_window(p))
        return sbi_power_windows_row_lanes(p, shape, row);
    sb_power_attention_row(p, row / p->block_tokens, NULL, &n);
    /* of the own block, which is always listed, the keys up to the row */
    return shape->heads * ((n - 1) * p->block_tokens + row % p->block_tokens + 1);
}

/* The prompt's length, for moa's spans in decode. */
static int64_t state_bytes(const void *p, const sb_shape *shape)
{
    (void)shape;
    return ((const sb_power_attention_params *)p)->pattern == SB_POWER_MOA
               ? (int64_t)sizeof(int64_t)
               : 0;
}

static sb_status layout(sb_ctx *ctx, const void *p, const sb_shape *shape, sb_plan *plan,
                        sb_cache *cache)
{
    (void)cache;
    return sbi_power_is_window(p) ? sbi_power_windows_layout(ctx, p, shape, plan)
                                  : sbi_power_blocks_layout(ctx, p, shape, plan);
}

static sb_status plan_cpu(sb_ctx *ctx, const void *p, const sb_shape *shape, const sb_tensor *q,
                          const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    (void)q;
    (void)k;
    return sbi_power_is_window(p) ? sbi_power_windows_plan(ctx, p, shape, cache, plan)
                                  : sbi_power_blocks_plan(ctx, p, shape, plan);
}

const sb_method sb_power_attention = {
    .name    = "power_attention",
    .summary = "static patterns: power and other block patterns, MoA, neighborhood, BlockRank",
    .source = "arXiv 2503.03588, power_attention 3, 4; arXiv 2406.14909, NATTEN, arXiv 2510.05396, "
              "other_seed_methods",
    /* accuracy needs weights trained with the mask; timings do not [9] */
    .caps           = SB_CAP_PREFILL | SB_CAP_DECODE | SB_CAP_GQA | SB_CAP_SHARDED,
    .plan_keys      = SB_PLAN_KEYS_LOCAL,
    .params         = params,
    .params_bytes   = sizeof(sb_power_attention_params),
    .check          = check,
    .quantum_tokens = quantum_tokens,
    .row_lanes      = row_lanes,
    .read_file      = sbi_moa_read_file,
    .state_bytes    = state_bytes,
    .layout         = layout,
    .plan           = {[SB_CPU] = plan_cpu},
    .attend =
        {[SB_CPU] = sb_attend_block_csr_cpu, [SB_CUDA] = SB_IF_CUDA(sb_attend_block_csr_cuda)},
};
