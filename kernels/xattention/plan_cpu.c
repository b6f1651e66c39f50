/* Scores, then choice, in the places of sb_row_blocks: first a row's scores stand there, then its
 * kept ids. Nothing is exchanged: a rank scores its own rows against all keys [xattention 8 A], so
 * a row's list does not know how many ranks there are. */
#include "kernels/xattention/plan_cpu.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "kernels/xattention/first_chunk.h"
#include "kernels/xattention/room.h"
#include "kernels/xattention/select.h"

static void score_all(const sbi_xattention_room *room, const sb_antidiagonal_in *in,
                      const sb_plan *plan, int32_t threads)
{
    const sb_antidiagonal *g        = &room->grid;
    int64_t                kv_heads = in->k->heads;
    int64_t                batches  = (plan->n_rows + g->batch - 1) / g->batch;
    /* Late rows cost most: they go first. */
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t job = 0; job < kv_heads * batches; job++) {
        int64_t first = (batches - 1 - job / kv_heads) * g->batch, left = plan->n_rows - first;
        sb_antidiagonal_scores(g, in, job % kv_heads * g->heads, &room->blocks, plan, first,
                               left < g->batch ? left : g->batch,
                               &room->scratch[omp_get_thread_num()].scores);
    }
}

/* fp32 patterns become bf16 patterns, as the scores are stored [3, step 3]. */
static void round_scores(int32_t *score, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        float a;
        memcpy(&a, score + i, sizeof a);
        score[i] = sb_bf16_from_f32(a);
    }
}

/* Lists in their own places; row_ptr[i + 1] = length of list i. */
static void select_all(const sbi_xattention_room *room, double tau, int64_t first_chunk,
                       const sb_plan *plan, int32_t threads)
{
    int64_t jobs = plan->tiles.n_heads * plan->n_rows;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 16)
    for (int64_t job = 0; job < jobs; job++) {
        const sbi_xattention_scratch *s = &room->scratch[omp_get_thread_num()];
        int64_t                       h = job / plan->n_rows, r = job % plan->n_rows;
        int32_t                      *id = sb_row_blocks_place(&room->blocks, plan, h, r);
        round_scores(id, plan->row_id[r] + 1);
        sbi_xattention_rule rule = plan->row_id[r] < first_chunk ? SBI_XATTENTION_RULE_FIRST_CHUNK
                                                                 : SBI_XATTENTION_RULE_PUBLISHED;
        plan->tiles.row_ptr[job + 1] =
            sbi_xattention_select(id, plan->row_id[r] + 1, tau, rule, s->order, s->keep, id);
    }
}

sb_status sbi_xattention_plan_cpu(sb_ctx *ctx, const sb_xattention_params *p, const sb_shape *shape,
                                  const sb_tensor *q, const sb_tensor *k, sb_plan *plan)
{
    const sbi_xattention_room *room = plan->method_data;
    double                     s = (double)p->stride_tokens, d = (double)shape->head_dim;
    sb_antidiagonal_in         in = {.q         = q,
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
    sb_row_blocks_name(&room->blocks, shape, plan);
    score_all(room, &in, plan, threads);
    sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
    t0 = sb_now_ns();
    select_all(room, p->tau, sbi_xattention_first_chunk_blocks(p, sb_shape_keys(shape)), plan,
               threads);
    sb_row_blocks_close(&room->blocks, plan);
    plan->parts          = SB_PART_TILES;
    plan->estimate_flops = shape->heads * sb_antidiagonal_flops(&room->grid, plan, shape->head_dim);
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return SB_OK;
}
