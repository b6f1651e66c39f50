#include "kernels/exec/rows_cpu.h"

#include "kernels/exec/flash_cpu.h"

static sb_status rows(const sb_ctx *ctx, const sb_plan *plan, const sb_tensor *q,
                      const int64_t *row_gid, const sb_tensor *k, const sb_tensor *v, float scale,
                      sb_tensor *o, float *lse)
{
    sb_attn_in in = {.q = q, .k = k, .v = v, .scale = scale};
    return sbi_flash_run(&(sbi_flash_job){.in      = &in,
                                          .plan    = plan,
                                          .row_gid = row_gid,
                                          .o       = o,
                                          .lse     = lse,
                                          .mode    = SB_OUT_SET,
                                          .threads = ctx->threads});
}

sb_status sb_dense_rows_cpu(sb_ctx *ctx, const sb_tensor *q, const int64_t *row_gid,
                            const sb_tensor *k, const sb_tensor *v, float scale, sb_tensor *o,
                            float *lse)
{
    return rows(ctx, NULL, q, row_gid, k, v, scale, o, lse);
}

sb_status sb_plan_rows_cpu(sb_ctx *ctx, const sb_plan *plan, const sb_tensor *q,
                           const int64_t *row_gid, const sb_tensor *k, const sb_tensor *v,
                           float scale, sb_tensor *o, float *lse)
{
    if (plan == NULL || plan->parts == 0)
        return sb_fail(SB_ERR_INTERNAL, "plan_rows: the plan has no part");
    return rows(ctx, plan, q, row_gid, k, v, scale, o, lse);
}
