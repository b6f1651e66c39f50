/* Which pattern this call takes, and the one exchange all ranks need first: the last 64 queries and
 * the number of queries. */
#include <string.h>

#include "kernels/exec/window_plan.h"
#include "kernels/minference/work.h"

static sb_status dense(sb_ctx *ctx, sb_plan *plan, int32_t fallback)
{
    plan->fallback = fallback;
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

/* This rank's part of the probe, zeros elsewhere, and its number of queries. */
static void fill_probe(const sb_shape *shape, const sb_tensor *q, sbi_minference_work *w)
{
    int64_t first = shape->n_keys - w->n_probe, at = 0;
    size_t  bytes = (size_t)q->dim * sizeof(sb_bf16);
    memset(w->probe, 0, (size_t)(w->probe_words + 1) * sizeof *w->probe);
    for (int32_t r = 0; r < shape->q_gid.n_runs; at += shape->q_gid.run[r++].len) {
        sb_run run = shape->q_gid.run[r];
        for (int64_t i = run.start > first ? 0 : first - run.start; i < run.len; i++)
            for (int64_t h = 0; h < q->heads && w->n_probe > 0; h++)
                memcpy((unsigned char *)w->probe +
                           (size_t)(h * w->n_probe + run.start + i - first) * bytes,
                       sb_tensor_bf16(q, h, at + i), bytes);
    }
    w->probe[w->probe_words] = shape->q_gid.n_tokens;
}

/* Every word of the probe is one rank's and zero on the others: their integer sum is the probe. */
static sb_status share_probe(sb_ctx *ctx, sbi_minference_work *w)
{
    if (ctx->comm == NULL || ctx->comm->size == 1)
        return SB_OK;
    int64_t   t0 = sb_now_ns();
    sb_status st = sb_comm_allreduce_i64(ctx->comm, w->probe, w->probe_words + 1, SB_REDUCE_SUM);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

sb_status sbi_minference_plan_cpu(sb_ctx *ctx, const void *params, const sb_shape *shape,
                                  const sb_tensor *q, const sb_tensor *k, sb_cache *cache,
                                  sb_plan *plan)
{
    const sb_minference_params *p = params;
    sbi_minference_work        *w = plan->method_data;
    sb_status                   st;
    (void)cache;
    plan->fallback = 0;
    if (shape->is_decode)
        return dense(ctx, plan, 1);
    if (ctx->layer < p->starting_layer) /* [3.1] */
        return dense(ctx, plan, 0);
    if (p->pattern == SB_MINFERENCE_A_SHAPE) /* [3.2] */
        return sb_window_plan(ctx, sbi_minference_scaled(p->sink_tokens, p->ratio),
                              sbi_minference_scaled(p->window_tokens, p->ratio), plan);
    /* the ranks hold the same keys here, so all of them fail or none */
    if (k->tokens != shape->n_keys)
        return sb_fail(SB_ERR_INTERNAL, "minference: plan reads all %lld keys, found %lld",
                       (long long)shape->n_keys, (long long)k->tokens);
    int64_t t0 = sb_now_ns();
    fill_probe(shape, q, w);
    sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
    if ((st = share_probe(ctx, w)) != SB_OK)
        return st;
    if (w->probe[w->probe_words] != shape->n_keys) /* queries of a part of the sequence [5] */
        return dense(ctx, plan, 1);
    st = name_rows(shape, w, plan);
    if (p->pattern == SB_MINFERENCE_BLOCK_SPARSE)
        return st == SB_OK ? sbi_minference_block_sparse(ctx, p, shape, q, k, plan) : st;
    /* one more collective call: a rank alone must not stay away from it */
    if (ctx->comm != NULL && ctx->comm->size > 1)
        st = sb_comm_agree(ctx->comm, st);
    return st == SB_OK ? sbi_minference_vertical_slash(ctx, shape, k, plan) : st;
}
