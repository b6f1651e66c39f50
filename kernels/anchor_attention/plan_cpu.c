/* Means of all blocks, then stripes of all super-blocks. A super-block owns the place for all its
 * candidates in the ids of each head; at last the lists are moved together. */
#include "kernels/anchor_attention/plan_cpu.h"

#include <math.h>
#include <omp.h>
#include <string.h>

static const double log2_e = 1.4426950408889634;

/* The means of KV head `kv_head` and local row `r`: the first of mean_rows rows. */
static int64_t means_at(const sbi_anchor_room *room, const sb_plan *plan, int64_t kv_head,
                        int64_t r)
{
    return (kv_head * plan->n_rows + r) * room->mean_rows;
}

static void all_means(const sbi_anchor_room *room, const sbi_anchor_in *in, const sb_plan *plan,
                      int32_t threads)
{
    int64_t heads = in->q->heads, d = in->q->dim, steps = room->step_blocks;
    int64_t used = room->heads_per_kv * steps, padding = room->mean_rows - used;
    for (int64_t at = 0; at < in->k->heads * plan->n_rows; at++)
        memset(room->q_mean + (at * room->mean_rows + used) * d, 0,
               (size_t)(padding * d) * sizeof *room->q_mean);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t job = 0; job < plan->n_rows * heads * steps; job++) {
        int64_t               r = job / (heads * steps), h = job / steps % heads, a = job % steps;
        const sbi_anchor_row *row = &room->row[r];
        int64_t               at =
            means_at(room, plan, h / room->heads_per_kv, r) + h % room->heads_per_kv * steps + a;
        if (sbi_anchor_candidates(room, row) > 0)
            sbi_anchor_means(room, in, h, row, a, &room->scratch[omp_get_thread_num()],
                             room->q_mean + at * d, room->anchor_mean + at);
    }
}

/* Lists in their own places; row_ptr[i + 1] = length of list i. */
static void all_stripes(const sbi_anchor_room *room, const sbi_anchor_in *in, const sb_plan *plan,
                        int32_t threads)
{
    int64_t kv_heads = in->k->heads, n_rows = plan->n_rows;
    /* Late rows cost most: they go first. */
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t job = 0; job < kv_heads * n_rows; job++) {
        int64_t               r = n_rows - 1 - job / kv_heads, kv = job % kv_heads;
        const sbi_anchor_row *row = &room->row[r];
        int64_t               h = kv * room->heads_per_kv, at = means_at(room, plan, kv, r);
        int64_t              *n = plan->tokens.row_ptr + h * n_rows + r + 1;
        if (sbi_anchor_candidates(room, row) > 0)
            sbi_anchor_stripes(room, in, kv, row, room->q_mean + at * in->q->dim,
                               room->anchor_mean + at, &room->scratch[omp_get_thread_num()],
                               plan->tokens.id + h * room->ids_per_head + row->first_id,
                               room->ids_per_head, n, n_rows);
        else
            for (int64_t i = 0; i < room->heads_per_kv; i++)
                n[i * n_rows] = 0;
    }
}

static void move_together(const sbi_anchor_room *room, sb_plan *plan)
{
    int64_t *ptr = plan->tokens.row_ptr, jobs = plan->tokens.n_heads * plan->n_rows;
    ptr[0] = 0;
    for (int64_t job = 0; job < jobs; job++) {
        int64_t h = job / plan->n_rows, r = job % plan->n_rows, n = ptr[job + 1];
        memmove(plan->tokens.id + ptr[job],
                plan->tokens.id + h * room->ids_per_head + room->row[r].first_id,
                (size_t)n * sizeof *plan->tokens.id);
        ptr[job + 1] = ptr[job] + n;
    }
}

int64_t sbi_anchor_flops(const sbi_anchor_room *room, const sb_shape *shape, int64_t n_rows)
{
    int64_t b = room->block_tokens, steps = room->step_blocks, products = 0;
    int64_t always = room->released ? steps + 1 : 3; /* blocks beside the a earlier ones */
    for (int64_t r = 0; r < n_rows; r++) {
        int64_t candidates = sbi_anchor_candidates(room, &room->row[r]);
        if (candidates > 0)
            products += b * b * (always * steps + steps * (steps - 1) / 2) + steps * candidates;
    }
    return shape->heads * 2 * shape->head_dim * products;
}

sb_status sbi_anchor_plan_cpu(sb_ctx *ctx, const sb_anchor_attention_params *p,
                              const sb_shape *shape, const sb_tensor *q, const sb_tensor *k,
                              sb_plan *plan)
{
    const sbi_anchor_room *room = plan->method_data;
    sbi_anchor_in          in   = {.q      = q,
                                   .k      = k,
                                   .factor = (float)(log2_e / sqrt((double)shape->head_dim)),
                                   .theta2 = (float)(p->theta * log2_e),
                                   .round  = p->compat == SB_ANCHOR_COMPAT_OFFICIAL};
    if (k->tokens != shape->n_keys)
        return sb_fail(SB_ERR_INTERNAL,
                       "anchor_attention: plan was given %lld keys, it needs all %lld of them",
                       (long long)k->tokens, (long long)shape->n_keys);
    sb_status st = sb_product_choose(&in.product);
    if (st != SB_OK)
        return st;
    int32_t threads = ctx->threads < room->threads ? ctx->threads : room->threads;
    threads         = threads > 1 ? threads : 1;
    int64_t t0      = sb_now_ns();
    sbi_anchor_rows(shape, plan);
    all_means(room, &in, plan, threads);
    sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
    t0 = sb_now_ns();
    all_stripes(room, &in, plan, threads);
    move_together(room, plan);
    st                   = sbi_anchor_windows(ctx, shape, plan);
    plan->estimate_flops = sbi_anchor_flops(room, shape, plan->n_rows);
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return st;
}
