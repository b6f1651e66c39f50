#include "kernels/backend/cpu_isa.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/flash_cpu.h"

static sb_status attend(sb_ctx *ctx, const sb_attn_in *in, const sb_plan *plan, sb_attn_out *out)
{
    int64_t   t0 = sb_now_ns();
    sb_status st = sbi_flash_run(&(sbi_flash_job){.in      = in,
                                                  .plan    = plan,
                                                  .o       = out->o,
                                                  .lse     = out->lse,
                                                  .mode    = out->mode,
                                                  .threads = ctx->threads});
    sb_phase_add(ctx->phases, SB_PHASE_COMPUTE, t0);
    sb_cpu_isa isa;
    if (ctx->phases != NULL && st == SB_OK && sb_cpu_isa_choose(&isa) == SB_OK)
        ctx->phases->kernel = sb_cpu_isa_name(isa);
    return st;
}

sb_status sb_attend_dense_cpu(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                              const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    (void)params;
    (void)plan;
    (void)cache;
    return attend(ctx, in, NULL, out);
}

sb_status sb_attend_window_cpu(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                               const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    (void)params;
    (void)cache;
    if (plan == NULL || plan->parts != SB_PART_WINDOW)
        return sb_fail(SB_ERR_INTERNAL,
                       "attend_window: the plan has parts %u, wanted the window part alone",
                       plan == NULL ? 0u : plan->parts);
    return attend(ctx, in, plan, out);
}

sb_status sb_attend_block_csr_cpu(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                  const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    (void)params;
    (void)cache;
    if (plan == NULL || plan->parts == 0)
        return sb_fail(SB_ERR_INTERNAL, "attend_block_csr: the plan has no part");
    return attend(ctx, in, plan, out);
}
