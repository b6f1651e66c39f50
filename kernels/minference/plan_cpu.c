/* What this call runs, and the one exchange all ranks need first: the last 64 queries and the
 * number of queries. */
#include "kernels/exec/window_plan.h"
#include "kernels/minference/lists.h"
#include "kernels/minference/work.h"

static sb_status dense(sb_ctx *ctx, sb_plan *plan, int32_t fallback)
{
    plan->fallback = fallback;
    plan->form     = (sb_window_form){0};
    return sb_window_plan(ctx, 0, SB_WINDOW_ALL, plan);
}

/* row_id, row_at: the local row blocks. A block that two runs share comes once; its queries follow
 * each other in the shard. */
static sb_status name_rows(const sb_shape *shape, sbi_minference_work *w, sb_plan *plan)
{
    int64_t next = 0, at = 0, n = 0;
    for (int32_t i = 0; i < shape->q_gid.n_runs; at += shape->q_gid.run[i++].len) {
        sb_run run = shape->q_gid.run[i];
        if (run.len == 0)
            continue;
        int64_t row  = run.start / SBI_MINFERENCE_BLOCK;
        int64_t last = (run.start + run.len - 1) / SBI_MINFERENCE_BLOCK;
        for (row = row > next ? row : next; row <= last; row++, n++) {
            int64_t begin = row * SBI_MINFERENCE_BLOCK;
            if (n == plan->n_rows)
                return sb_fail(SB_ERR_INTERNAL,
                               "minference: laid out for %lld row blocks, more came", (long long)n);
            plan->row_id[n] = (int32_t)row;
            w->row_at[n]    = at + (begin > run.start ? begin - run.start : 0);
        }
        next = last + 1;
    }
    if (n != plan->n_rows)
        return sb_fail(SB_ERR_INTERNAL, "minference: laid out for %lld row blocks, %lld came",
                       (long long)plan->n_rows, (long long)n);
    return SB_OK;
}

/* Estimates of the patterns that read q and k, then the lists. */
static sb_status plan_lists(sb_ctx *ctx, const sb_minference_params *p, const sb_shape *shape,
                            const sb_tensor *q, const sb_tensor *k, sb_plan *plan)
{
    sbi_minference_work *w     = plan->method_data;
    int                  slash = w->n_heads[SB_MINFERENCE_VERTICAL_SLASH] > 0;
    sb_status            st;
    /* the ranks hold the same keys here, so all of them fail or none */
    if (k->tokens != shape->n_keys)
        return sb_fail(SB_ERR_INTERNAL, "minference: plan reads all %lld keys, found %lld",
                       (long long)shape->n_keys, (long long)k->tokens);
    if ((st = sb_last_queries_share(&w->probe, ctx, shape, q, SB_PHASE_ESTIMATE)) != SB_OK)
        return st;
    if (sb_last_queries_total(&w->probe) !=
        shape->n_keys) /* queries of a part of the sequence [5] */
        return dense(ctx, plan, 1);
    st = name_rows(shape, w, plan);
    if (st == SB_OK && w->n_heads[SB_MINFERENCE_BLOCK_SPARSE] > 0)
        st = sbi_minference_key_means(ctx, shape, k, plan);
    /* one more collective call: a rank alone must not stay away from it */
    if (slash && ctx->comm != NULL && ctx->comm->size > 1)
        st = sb_comm_agree(ctx->comm, st);
    if (st == SB_OK && slash)
        st = sbi_minference_choose_lines(ctx, shape, k, plan);
    return st == SB_OK ? sbi_minference_lists(ctx, p, shape, q, plan) : st;
}

sb_status sbi_minference_plan_cpu(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                  const sb_tensor *q, const sb_tensor *k, sb_cache *cache,
                                  sb_plan *plan)
{
    const sb_minference_params *p  = params;
    sbi_minference_work        *w  = plan->method_data;
    sb_status                   st = SB_OK;
    (void)cache;
    plan->fallback       = 0;
    plan->estimate_flops = 0;
    if (shape->is_decode)
        return dense(ctx, plan, 1);
    if (ctx->layer < p->starting_layer) /* [3.1] */
        return dense(ctx, plan, 0);
    if (w == NULL) /* [3.2], for all heads alike */
        return sb_window_plan(ctx, sbi_minference_scaled(p->sink_tokens, p->ratio),
                              sbi_minference_scaled(p->window_tokens, p->ratio), plan);
    int64_t t0  = sb_now_ns();
    plan->parts = 0;
    for (int64_t h = 0; h < shape->heads && plan->form.head != NULL; h++)
        plan->form.head[h] = w->head[h].window;
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    if (w->n_heads[SB_MINFERENCE_A_SHAPE] < shape->heads &&
        (st = plan_lists(ctx, p, shape, q, k, plan)) != SB_OK)
        return st;
    if (plan->form.head != NULL)
        plan->parts |= SB_PART_WINDOW;
    return SB_OK;
}
