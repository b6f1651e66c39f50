/* Scores and choice of the local rows [pbs_attn 3, steps 3 to 5], in the places of sb_row_blocks:
 * first a row's scores stand there, then its kept ids. */
#include <omp.h>

#include "kernels/pbs_attn/plan_cpu.h"
#include "kernels/pbs_attn/select.h"

/* Scores of all rows into their places. Late rows cost most: they go first. */
static int64_t score_means(const sbi_pbs_room *room, const sbi_pbs_in *in, const sb_plan *plan)
{
    int64_t batches = (plan->n_rows + SB_PRODUCT_ROWS - 1) / SB_PRODUCT_ROWS, bad = 0;
#pragma omp parallel for num_threads(in->threads) schedule(dynamic, 1) reduction(+ : bad)
    for (int64_t job = 0; job < room->heads * batches; job++) {
        int64_t first = (batches - 1 - job / room->heads) * SB_PRODUCT_ROWS;
        int64_t left  = plan->n_rows - first;
        bad += sbi_pbs_mean_scores(room, in, plan, job % room->heads, first,
                                   left < SB_PRODUCT_ROWS ? left : SB_PRODUCT_ROWS,
                                   &room->scratch[omp_get_thread_num()]);
    }
    return bad;
}

static void score_antidiagonals(const sbi_pbs_room *room, const sbi_pbs_in *in, const sb_plan *plan)
{
    const sb_antidiagonal *g       = &room->grid;
    sb_antidiagonal_in     of      = {.q         = in->q,
                                      .k         = in->k,
                                      .slots     = &plan->slots,
                                      .factor    = in->factor / (float)g->stride_tokens,
                                      .round_raw = in->round,
                                      .product   = in->product};
    int64_t                batches = (plan->n_rows + g->batch - 1) / g->batch;
#pragma omp parallel for num_threads(in->threads) schedule(dynamic, 1)
    for (int64_t job = 0; job < room->perms * batches; job++) {
        int64_t first = (batches - 1 - job / room->perms) * g->batch, left = plan->n_rows - first;
        sb_antidiagonal_scores(g, &of, job % room->perms * room->perm_heads, &room->blocks, plan,
                               first, left < g->batch ? left : g->batch,
                               &room->scratch[omp_get_thread_num()].grid);
    }
}

/* Lists in their own places; row_ptr[i + 1] = length of list i. */
static void select_all(sbi_pbs_room *room, const sbi_pbs_rule *rule, const sbi_pbs_in *in,
                       const sb_plan *plan)
{
    int64_t jobs = room->heads * plan->n_rows, missed = 0, bad = 0;
#pragma omp parallel for num_threads(in->threads) schedule(dynamic, 16) reduction(+ : missed, bad)
    for (int64_t job = 0; job < jobs; job++) {
        const sbi_pbs_scratch *s = &room->scratch[omp_get_thread_num()];
        int64_t                h = job / plan->n_rows, r = job % plan->n_rows;
        int32_t               *id    = sb_row_blocks_place(&room->blocks, plan, h, r);
        int64_t                block = plan->row_id[r];
        sbi_pbs_row            row   = {.candidates = sbi_pbs_candidates(room, block),
                                        .end        = sb_row_blocks_end(&room->blocks, block),
                                        .forced     = room->first[h / room->perm_heads]};
        int                    unreached;
        plan->tiles.row_ptr[job + 1] =
            sbi_pbs_select(rule, &row, id, s->order, s->keep, id, &unreached, &bad);
        missed += unreached;
    }
    room->counts.unreached_rows = missed;
    room->counts.nan_scores += bad;
}

/* Both passes over this rank's segments, and the scores of its rows [7]. */
static int64_t estimate_flops(const sb_pbs_attn_params *p, const sbi_pbs_room *room,
                              const sb_plan *plan)
{
    int64_t own   = (room->end_segment - room->first_segment) * room->segment_tokens;
    int64_t flops = 2 * 2 * room->block_tokens * own * room->dim * room->perms;
    if (p->tau >= 1)
        return flops;
    if (p->selector == SB_PBS_ATTN_ANTIDIAGONAL)
        return flops + room->heads * sb_antidiagonal_flops(&room->grid, plan, room->dim);
    for (int64_t r = 0; r < plan->n_rows; r++)
        flops += room->heads * 2 * room->dim * sbi_pbs_candidates(room, plan->row_id[r]);
    return flops;
}

void sbi_pbs_choose(sb_ctx *ctx, const sb_pbs_attn_params *p, sbi_pbs_room *room,
                    const sbi_pbs_in *in, sb_plan *plan)
{
    sbi_pbs_rule rule = {.tau      = p->tau,
                         .mass     = p->selector == SB_PBS_ATTN_ANTIDIAGONAL ? SBI_PBS_MASS_TOTAL
                                                                             : SBI_PBS_MASS_ONE,
                         .official = in->round};
    int64_t      t0   = sb_now_ns();
    if (p->tau < 1 && p->selector == SB_PBS_ATTN_ANTIDIAGONAL)
        score_antidiagonals(room, in, plan);
    else if (p->tau < 1)
        room->counts.nan_scores += score_means(room, in, plan);
    sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
    t0 = sb_now_ns();
    select_all(room, &rule, in, plan);
    sb_row_blocks_close(&room->blocks, plan);
    plan->parts          = SB_PART_TILES;
    plan->estimate_flops = estimate_flops(p, room, plan);
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
}
