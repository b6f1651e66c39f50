/* vertical_slash: columns and diagonals of each head, then the lists of each row block
 * [minference 3.3, 3.4]. Ranks share the heads: a head's scores come from one rank, and only the
 * chosen ids travel, so the choice does not depend on the number of ranks [sharding 7.4]. */
#include <string.h>

#include "kernels/exec/tiles.h"
#include "kernels/exec/top_k.h"
#include "kernels/minference/probe.h"
#include "kernels/minference/row_lists.h"
#include "kernels/minference/work.h"

static int32_t *chosen_of(const sbi_minference_work *w, int64_t head)
{
    return w->chosen + head * (w->n_vertical + w->n_slash);
}

static void force(uint64_t *score, int64_t n, int64_t n_forced)
{
    for (int64_t i = 0; i < n && i < n_forced; i++)
        score[i] = UINT64_MAX; /* +inf of [3.3] */
}

static void choose_head(sb_ctx *ctx, const sb_shape *s, const sb_tensor *k, sbi_minference_work *w,
                        int64_t head)
{
    int64_t   d = s->head_dim, t0 = sb_now_ns();
    sbi_probe p    = {.q_t     = w->q_t,
                      .k       = k,
                      .kv_head = head / (s->heads / s->kv_heads),
                      .n_rows  = w->probe.n_rows,
                      .threads = ctx->threads};
    int32_t  *list = chosen_of(w, head);
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
    (void)sbi_top_k(w->vertical, s->n_keys, w->n_vertical, 64, list);
    (void)sbi_top_k(w->slash, s->n_keys, w->n_slash, 64, list + w->n_vertical);
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
}

/* Heads [heads * rank / size, heads * (rank + 1) / size) are this rank's. */
static sb_status choose_heads(sb_ctx *ctx, const sb_shape *s, const sb_tensor *k,
                              sbi_minference_work *w, sb_plan *plan)
{
    int64_t rank = ctx->comm != NULL ? ctx->comm->rank : 0;
    int64_t size = ctx->comm != NULL ? ctx->comm->size : 1;
    int64_t each = (w->n_vertical + w->n_slash) * (int64_t)sizeof *w->chosen;
    for (int64_t h = s->heads * rank / size; h < s->heads * (rank + 1) / size; h++)
        choose_head(ctx, s, k, w, h);
    plan->estimate_flops = (s->heads * (rank + 1) / size - s->heads * rank / size) *
                           sbi_minference_probe_flops(w->probe.n_rows, s->n_keys, s->head_dim);
    if (size == 1)
        return SB_OK;
    int64_t t0 = sb_now_ns();
    for (int64_t r = 0; r < size; r++) {
        w->displ_bytes[r] = s->heads * r / size * each;
        w->count_bytes[r] = s->heads * (r + 1) / size * each - w->displ_bytes[r];
    }
    sb_status st = sb_comm_allgatherv(ctx->comm, (unsigned char *)w->chosen + w->displ_bytes[rank],
                                      w->chosen, w->count_bytes, w->displ_bytes);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

/* Lists of CSR row `at` = head * n_rows + row into the places that row_ptr gives, or, to count, its
 * two lengths into row_ptr[at + 1]. */
static void build_row(const sbi_minference_work *w, sb_plan *plan, int64_t at, int count)
{
    const int32_t *list  = chosen_of(w, at / plan->n_rows);
    sbi_row_lists  lists = {0};
    if (!count) {
        lists.tile  = plan->tiles.id + plan->tiles.row_ptr[at];
        lists.token = plan->tokens.id + plan->tokens.row_ptr[at];
    }
    sbi_minference_row(plan->row_id[at % plan->n_rows], SBI_MINFERENCE_BLOCK, list, w->n_vertical,
                       list + w->n_vertical, w->n_slash, &lists);
    if (count) {
        plan->tiles.row_ptr[at + 1]  = lists.n_tiles;
        plan->tokens.row_ptr[at + 1] = lists.n_tokens;
    }
}

/* Where lists start depends on the lengths of those before: once to count, once to fill. */
static sb_status build_lists(const sb_ctx *ctx, const sbi_minference_work *w, sb_plan *plan)
{
    int64_t *tile = plan->tiles.row_ptr, *token = plan->tokens.row_ptr;
    int64_t  n = plan->tiles.n_heads * plan->n_rows;
    tile[0] = token[0] = 0;
#pragma omp parallel for schedule(dynamic, 16) num_threads(ctx->threads)
    for (int64_t at = 0; at < n; at++)
        build_row(w, plan, at, 1);
    for (int64_t at = 0; at < n; at++) {
        tile[at + 1] += tile[at];
        token[at + 1] += token[at];
    }
    if (tile[n] > plan->tiles.capacity || token[n] > plan->tokens.capacity)
        return sb_fail(SB_ERR_INTERNAL,
                       "minference: %lld tiles and %lld tokens, laid out for %lld and %lld",
                       (long long)tile[n], (long long)token[n], (long long)plan->tiles.capacity,
                       (long long)plan->tokens.capacity);
#pragma omp parallel for schedule(dynamic, 16) num_threads(ctx->threads)
    for (int64_t at = 0; at < n; at++)
        build_row(w, plan, at, 0);
    return SB_OK;
}

sb_status sbi_minference_vertical_slash(sb_ctx *ctx, const sb_shape *shape, const sb_tensor *k,
                                        sb_plan *plan)
{
    sbi_minference_work *w  = plan->method_data;
    sb_status            st = choose_heads(ctx, shape, k, w, plan);
    if (st != SB_OK)
        return st;
    int64_t t0 = sb_now_ns();
    if ((st = build_lists(ctx, w, plan)) == SB_OK)
        plan->parts = SB_PART_TILES | SB_PART_TOKENS;
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return st;
}
