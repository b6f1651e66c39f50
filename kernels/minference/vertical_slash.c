/* vertical_slash: columns and diagonals of each head [minference 3.3]. Ranks share the heads: a
 * head's scores come from one rank, and only the chosen ids travel, so the choice does not depend
 * on the number of ranks [sharding 7.4]. */
#include <string.h>

#include "kernels/exec/tiles.h"
#include "kernels/exec/top_k.h"
#include "kernels/minference/probe.h"
#include "kernels/minference/work.h"

static void force(uint64_t *score, int64_t n, int64_t n_forced)
{
    for (int64_t i = 0; i < n && i < n_forced; i++)
        score[i] = UINT64_MAX; /* +inf of [3.3] */
}

static void choose_head(sb_ctx *ctx, const sb_shape *s, const sb_tensor *k, sbi_minference_work *w,
                        int64_t head)
{
    int64_t   d = s->head_dim, t0 = sb_now_ns();
    sbi_probe                  p    = {.q_t     = w->q_t,
                                       .k       = k,
                                       .kv_head = head / (s->heads / s->kv_heads),
                                       .n_rows  = w->probe.n_rows,
                                       .threads = ctx->threads};
    const sbi_minference_head *own  = &w->head[head];
    int32_t                   *list = w->chosen + own->chosen_at;
    memset(w->q_t, 0, (size_t)(d * SBI_PROBE_ROWS) * sizeof *w->q_t);
    for (int64_t i = 0; i < w->probe.n_rows; i++) {
        float row[SB_TILE_DIM_MAX];
        sb_last_queries_row(&w->probe, head, i, row);
        for (int64_t x = 0; x < d; x++)
            w->q_t[x * SBI_PROBE_ROWS + i] = row[x];
    }
    sbi_minference_probe(&p, w->vertical, w->slash);
    sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
    t0 = sb_now_ns();
    force(w->vertical, s->n_keys, SBI_MINFERENCE_SINK);
    force(w->slash, s->n_keys, SBI_MINFERENCE_LOCAL);
    (void)sbi_top_k(w->vertical, s->n_keys, own->n_vertical, 64, list);
    (void)sbi_top_k(w->slash, s->n_keys, own->n_slash, 64, list + own->n_vertical);
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
}

/* Heads [heads * rank / size, heads * (rank + 1) / size) are this rank's. */
sb_status sbi_minference_choose_lines(sb_ctx *ctx, const sb_shape *s, const sb_tensor *k,
                                      sb_plan *plan)
{
    sbi_minference_work *w    = plan->method_data;
    int64_t              rank = ctx->comm != NULL ? ctx->comm->rank : 0;
    int64_t              size = ctx->comm != NULL ? ctx->comm->size : 1;
    for (int64_t h = s->heads * rank / size; h < s->heads * (rank + 1) / size; h++)
        if (w->head[h].pattern == SB_MINFERENCE_VERTICAL_SLASH) {
            choose_head(ctx, s, k, w, h);
            plan->estimate_flops +=
                sbi_minference_probe_flops(w->probe.n_rows, s->n_keys, s->head_dim);
        }
    if (size == 1)
        return SB_OK;
    int64_t t0 = sb_now_ns(), each = (int64_t)sizeof *w->chosen;
    for (int64_t r = 0; r < size; r++) {
        int64_t first = s->heads * r / size, end = s->heads * (r + 1) / size;
        w->displ_bytes[r] = w->head[first].chosen_at * each;
        w->count_bytes[r] = w->head[end].chosen_at * each - w->displ_bytes[r];
    }
    sb_status st = sb_comm_allgatherv(ctx->comm, (unsigned char *)w->chosen + w->displ_bytes[rank],
                                      w->chosen, w->count_bytes, w->displ_bytes);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}
