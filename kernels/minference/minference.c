#include "kernels/minference/minference.h"

#include "kernels/exec/attend.h"
#include "kernels/exec/shape_check.h"
#include "kernels/minference/config_file.h"
#include "kernels/minference/device.h"
#include "kernels/minference/probe.h"
#include "kernels/minference/work.h"

#define P(field) offsetof(sb_minference_params, field)
static const sb_param params[] = {
    {"pattern", "vertical_slash", "vertical_slash|block_sparse|a_shape",
     "what every head of every layer attends to", SB_ENUM, P(pattern)},
    {"vertical_tokens", "1000", "[0,)",
     "vertical_slash: columns a head keeps (k_v; at least 30, the first ones), tokens", SB_I64,
     P(vertical_tokens)},
    {"slash_tokens", "6096", "[0,)",
     "vertical_slash: diagonals a head keeps (k_s; at least 50, the nearest 100 first), tokens",
     SB_I64, P(slash_tokens)},
    {"top_k_blocks", "100", "[1,)",
     "block_sparse: key blocks a row block keeps (k_b), blocks of 64", SB_I64, P(top_k_blocks)},
    {"sink_tokens", "128", "[0,)", "a_shape: first keys that every query sees (n_init), tokens",
     SB_I64, P(sink_tokens)},
    {"window_tokens", "3968", "[1,)",
     "a_shape: last keys that a query sees, its own included (n_local), tokens", SB_I64,
     P(window_tokens)},
    {"ratio", "1", "(0,)",
     "factor on vertical_tokens and slash_tokens, or on sink_tokens and window_tokens", SB_F64,
     P(ratio)},
    {"starting_layer", "-1", "[-1,)", "layers below this one are dense", SB_I64, P(starting_layer)},
    {"config_file", "none",
     "a JSON file: an array of layers {\"0\": [type, a, b, score], ...} as published",
     "pattern and budgets of each layer and head; heads it does not name follow the parameters "
     "above",
     SB_FILE, P(config_file)},
    {0},
};

/* Each head named for itself: a layer of the file, or (no file) the parameters alone. */
static sb_status check_head(const sb_minference_params *p, const sb_shape *shape, int64_t layer,
                            int64_t head)
{
    sbi_minference_head h = sbi_minference_head_of(p, layer, head, shape);
    if (h.pattern == SB_MINFERENCE_A_SHAPE && h.window.window_tokens < 1)
        return sb_fail(
            SB_ERR_UNSUPPORTED,
            "ratio: found %g, allowed what leaves of the window of layer %lld, head %lld "
            "at least 1 token",
            p->ratio, (long long)layer, (long long)(shape->first_head + head));
    if (h.pattern == SB_MINFERENCE_VERTICAL_SLASH && shape->n_keys >= INT64_C(1) << 24)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "length: found %lld tokens, allowed below 2^24: sums of weights are kept in "
                       "64 bits",
                       (long long)shape->n_keys);
    return SB_OK;
}

static sb_status check(const void *params_, const sb_shape *shape)
{
    const sb_minference_params  *p  = params_;
    const sbi_minference_config *f  = p->config_file.content;
    sb_status                    st = SB_OK;
    if (p->config_file.path[0] != '\0' && f == NULL)
        return sb_fail(SB_ERR_INTERNAL, "config_file: %.200s has not been read",
                       p->config_file.path);
    if (f != NULL && f->n_heads > sb_shape_model_heads(shape))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "config_file: found a head %lld, allowed the model's 0 to %lld",
                       (long long)f->n_heads - 1, (long long)sb_shape_model_heads(shape) - 1);
    for (int64_t l = 0; l < (f != NULL ? f->n_layers : 1); l++)
        for (int64_t h = 0; h < (f != NULL ? shape->heads : 1); h++)
            if ((st = check_head(p, shape, l, h)) != SB_OK)
                return st;
    return sb_shape_check(shape, 1);
}

static int64_t quantum_tokens(const void *p)
{
    const sb_minference_params *m = p;
    return m->pattern == SB_MINFERENCE_A_SHAPE && m->config_file.path[0] == '\0'
               ? 1
               : SBI_MINFERENCE_BLOCK;
}

/* Lines of all heads come from these; a file may name some for any layer. */
static int64_t plan_last_queries(const void *p, const sb_shape *shape)
{
    const sb_minference_params *m = p;
    (void)shape;
    return m->config_file.path[0] != '\0' || m->pattern == SB_MINFERENCE_VERTICAL_SLASH
               ? SBI_PROBE_ROWS
               : 0;
}

const sb_method sb_minference = {
    .name    = "minference",
    .summary = "vertical and slash lines, or blocks, chosen at run time; dense decode",
    .source  = "arXiv 2407.02490; minference 3",
    /* a prefill mask: official runs keep the whole cache and decode densely [6] */
    .caps              = SB_CAP_PREFILL | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_TRAINING_FREE,
    .plan_keys         = SB_PLAN_KEYS_ALL,
    .params            = params,
    .params_bytes      = sizeof(sb_minference_params),
    .check             = check,
    .quantum_tokens    = quantum_tokens,
    .plan_last_queries = plan_last_queries,
    .row_lanes         = sbi_minference_row_lanes,
    .read_file         = sbi_minference_read_file,
    .layout            = sbi_minference_layout,
    .layout_device     = SB_IF_CUDA(sbi_minference_layout_device),
    .plan = {[SB_CPU] = sbi_minference_plan_cpu, [SB_CUDA] = SB_IF_CUDA(sbi_minference_plan_cuda)},
    .attend =
        {[SB_CPU] = sb_attend_block_csr_cpu, [SB_CUDA] = SB_IF_CUDA(sb_attend_block_csr_cuda)},
};
