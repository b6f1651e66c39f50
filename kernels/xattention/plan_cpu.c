/* Scores, then choice. Row block b of a head owns b + 1 places of the id array, enough for any
 * choice: first its scores stand there, then its kept ids, at last the lists are moved together.
 * Nothing is exchanged: a rank scores its own rows against all keys [xattention 8 A], so a row's
 * list does not know how many ranks there are. */
#include "kernels/xattention/plan_cpu.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/xattention/room.h"
#include "kernels/xattention/scores.h"
#include "kernels/xattention/select.h"

static void score_all(const sbi_xattention_room *room, const sbi_xattention_in *in,
                      const sb_plan *plan, int32_t threads)
{
    int64_t kv_heads = in->k->heads, batches = (plan->n_rows + room->batch - 1) / room->batch;
    /* Late rows cost most: they go first. */
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t job = 0; job < kv_heads * batches; job++) {
        int64_t first = (batches - 1 - job / kv_heads) * room->batch, left = plan->n_rows - first;
        sbi_xattention_scores(room, in, job % kv_heads, plan->row_id, first,
                              left < room->batch ? left : room->batch,
                              &room->scratch[omp_get_thread_num()], plan->tiles.id);
    }
}

/* Lists in their own places; row_ptr[i + 1] = length of list i. */
static void select_all(const sbi_xattention_room *room, double tau, const sb_plan *plan,
                       int32_t threads)
{
    int64_t jobs = plan->tiles.n_heads * plan->n_rows;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 16)
    for (int64_t job = 0; job < jobs; job++) {
        const sbi_xattention_scratch *s = &room->scratch[omp_get_thread_num()];
        int64_t                       h = job / plan->n_rows, r = job % plan->n_rows;
        int32_t *id = plan->tiles.id + h * room->ids_per_head + room->row[r].first_id;
        plan->tiles.row_ptr[job + 1] =
            sbi_xattention_select(id, plan->row_id[r] + 1, tau, s->order, s->keep, id);
    }
}

static void move_together(const sbi_xattention_room *room, sb_plan *plan)
{
    int64_t *ptr = plan->tiles.row_ptr, jobs = plan->tiles.n_heads * plan->n_rows;
    ptr[0] = 0;
    for (int64_t job = 0; job < jobs; job++) {
        int64_t h = job / plan->n_rows, r = job % plan->n_rows, n = ptr[job + 1];
        memmove(plan->tiles.id + ptr[job],
                plan->tiles.id + h * room->ids_per_head + room->row[r].first_id,
                (size_t)n * sizeof *plan->tiles.id);
        ptr[job + 1] = ptr[job] + n;
    }
}

/* Antidiagonals of all pairs of a local row block and a key block it sees: 2 d B^2 / s FLOP each,
 * N^2 d / s a head in all [xattention 7]. */
static int64_t estimate_flops(const sb_xattention_params *p, const sb_shape *shape,
                              const sb_plan *plan)
{
    int64_t pairs = 0, b = p->block_tokens;
    for (int64_t r = 0; r < plan->n_rows; r++)
        pairs += plan->row_id[r] + 1;
    return shape->heads * pairs * 2 * shape->head_dim * b * (b / p->stride_tokens);
}

sb_status sbi_xattention_plan_cpu(sb_ctx *ctx, const sb_xattention_params *p, const sb_shape *shape,
                                  const sb_tensor *q, const sb_tensor *k, sb_plan *plan)
{
    const sbi_xattention_room *room = plan->method_data;
    double                     s = (double)p->stride_tokens, d = (double)shape->head_dim;
    sbi_xattention_in          in = {.q         = q,
                                     .k         = k,
                                     .factor    = (float)(1.0 / (sqrt(d) * s * p->norm)),
                                     .round_raw = p->compat == SB_XATTENTION_OFFICIAL};
    if (k->tokens != shape->n_keys)
        return sb_fail(SB_ERR_INTERNAL,
                       "xattention: plan was given %lld keys, it needs all %lld of them",
                       (long long)k->tokens, (long long)shape->n_keys);
    sb_status st = sb_product_choose(&in.product);
    if (st != SB_OK)
        return st;
    int32_t threads = ctx->threads < room->threads ? ctx->threads : room->threads;
    threads         = threads > 1 ? threads : 1;
    int64_t t0      = sb_now_ns();
    sbi_xattention_rows(shape, plan);
    score_all(room, &in, plan, threads);
    sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
    t0 = sb_now_ns();
    select_all(room, p->tau, plan, threads);
    move_together(room, plan);
    plan->parts          = SB_PART_TILES;
    plan->estimate_flops = estimate_flops(p, shape, plan);
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return SB_OK;
}
