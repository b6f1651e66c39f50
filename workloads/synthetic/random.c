/* q, k, v ~ N(0, 1) [gpu_targets 4]. */
#include "workloads/synthetic/common.h"

static const sb_param no_params[] = {{0}};

static int64_t min_length(const void *params)
{
    (void)params;
    return 1;
}

static sb_status fill(const sb_operands *o, sb_operand part, int64_t kv_head, int64_t first,
                      int64_t n, int64_t slot, const sb_tensor *out)
{
    static const sbi_stream stream[SB_OPERAND_COUNT] = {SBI_STREAM_Q, SBI_STREAM_K, SBI_STREAM_V};
    int64_t                 group = part == SB_OPERAND_Q ? o->shape.heads / o->shape.kv_heads : 1;
    for (int64_t h = kv_head * group; h < (kv_head + 1) * group; h++)
        sbi_fill_normal(o, stream[part], h, first, n, slot, out);
    return SB_OK;
}

static sb_status create(const sb_distribution *d, const sb_draw *draw, sb_operands **out)
{
    static const sb_operands_ops ops = {fill, sbi_synthetic_destroy};
    return sbi_synthetic_create(d, draw, &ops, sizeof(sbi_synthetic), out);
}

const sb_distribution sb_synthetic_random = {.name              = "random",
                                             .summary           = "q, k, v ~ N(0, 1)",
                                             .params            = no_params,
                                             .params_bytes      = 0,
                                             .min_length        = min_length,
                                             .create            = create,
                                             .generator_version = SB_SYNTHETIC_VERSION};
