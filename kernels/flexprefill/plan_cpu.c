/* The steps in order, with what the ranks exchange in between [flexprefill 8]:
 *
 *   last queries of all ranks  ->  pattern, columns, diagonals: each rank some heads, whole
 *   choice of all heads        ->  scores of query-aware heads: each rank its own rows
 *   masses of their digits     ->  one cut a head  ->  lists of the local rows */
#include "kernels/flexprefill/plan_cpu.h"

#include <omp.h>

#include "kernels/flexprefill/blocks.h"
#include "kernels/flexprefill/heads.h"
#include "kernels/flexprefill/lists.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

sb_status sbi_flex_part_of_sequence(int64_t n_queries, int64_t n_keys)
{
    return sb_fail(SB_ERR_UNSUPPORTED,
                   "queries: found %lld for %lld keys, allowed as many: flexprefill judges by the "
                   "last queries and cannot go on after a cached prefix",
                   (long long)n_queries, (long long)n_keys);
}

/* What one rank alone can find wrong: all keys, whole row blocks, a kernel for this CPU. */
static sb_status prepare(const sb_shape *shape, const sb_tensor *k, const sbi_flex_room *room,
                         const sb_plan *plan, sbi_flex_in *in)
{
    if (k->tokens != shape->n_keys)
        return sb_fail(SB_ERR_INTERNAL,
                       "flexprefill: plan was given %lld keys, it needs all %lld of them",
                       (long long)k->tokens, (long long)shape->n_keys);
    for (int64_t r = 0; r < plan->n_rows; r++) {
        int64_t left = shape->n_keys - plan->row_id[r] * room->block_tokens;
        if (room->rows.row[r].n_tokens != min_i64(room->block_tokens, left))
            return sb_fail(SB_ERR_INTERNAL,
                           "flexprefill: row block %d has %lld of its queries on this rank",
                           (int)plan->row_id[r], (long long)room->rows.row[r].n_tokens);
    }
    return sb_product_choose(&in->product);
}

static sbi_flex_in inputs(const sb_ctx *ctx, const sb_flexprefill_params *p,
                          const sbi_flex_room *room, const sb_tensor *q, const sb_tensor *k)
{
    int64_t b = p->block_tokens, most = room->n_blocks;
    if (p->max_budget_tokens > 0)
        most = min_i64((p->max_budget_tokens - 1) / b + 1, most);
    return (sbi_flex_in){.q           = q,
                         .k           = k,
                         .round       = p->compat == SB_FLEXPREFILL_OFFICIAL,
                         .gamma       = p->gamma,
                         .tau         = p->tau,
                         .min_blocks  = (p->min_budget_tokens - 1) / b + 1,
                         .max_blocks  = most,
                         .slash_cover = p->slash_cover,
                         .threads     = (int32_t)min_i64(ctx->threads, room->threads)};
}

/* Place of a head among the query-aware ones, -1: vertical-slash. */
static int64_t place_of(const sbi_flex_room *room, int64_t head)
{
    for (int64_t at = 0; at < room->n_aware && room->aware[at] <= head; at++)
        if (room->aware[at] == head)
            return at;
    return -1;
}

/* Lists in their own places; row_ptr[i + 1] = length of list i. */
static void list_all(const sbi_flex_room *room, const sbi_flex_in *in, const sb_plan *plan)
{
    int64_t jobs = plan->tiles.n_heads * plan->n_rows;
#pragma omp parallel for num_threads(in->threads) schedule(dynamic, 16)
    for (int64_t job = 0; job < jobs; job++) {
        int64_t      h = job / plan->n_rows, i = job % plan->n_rows, row = plan->row_id[i];
        int32_t     *ids = sb_row_blocks_place(&room->rows, plan, h, i);
        int64_t      at  = place_of(room, h);
        sbi_flex_row r   = {.columns = sbi_flex_columns(room, h),
                            .offsets = sbi_flex_offsets(room, h),
                            .cover   = in->slash_cover};
        if (at >= 0) {
            r.score = ids;
            r.cut   = room->cut[at].score;
            r.ties  = room->ties[at * room->n_blocks + row];
        }
        plan->tiles.row_ptr[job + 1] =
            sbi_flex_list(&r, row, room->scratch[omp_get_thread_num()].keep, ids);
    }
}

/* Per head of this rank two passes of the probe and the mean query against all block means; per
 * query-aware head the pairs of means of the local rows [7]. */
static int64_t estimate_flops(const sbi_flex_room *room, const sbi_flex_in *in, const sb_plan *plan)
{
    int64_t products = 2 * room->block_tokens * in->k->tokens + room->n_blocks, pairs = 0;
    for (int64_t i = 0; i < plan->n_rows; i++)
        pairs += plan->row_id[i] + 1;
    return 2 * in->k->dim *
           (products * (room->end_head - room->first_head) + pairs * room->n_aware);
}

/* Lists of the local rows, from what all ranks know. */
static sb_status select_blocks(sb_ctx *ctx, const sbi_flex_room *room, const sbi_flex_in *in,
                               sb_plan *plan)
{
    int64_t t0 = sb_now_ns();
    if (room->n_aware > 0) {
        sbi_flex_scores(room, in, plan);
        sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
        sb_status st = sbi_flex_find_cuts(ctx, room, in, plan);
        if (st != SB_OK)
            return st;
    }
    t0 = sb_now_ns();
    list_all(room, in, plan);
    sb_row_blocks_close(&room->rows, plan);
    plan->parts          = SB_PART_TILES;
    plan->estimate_flops = estimate_flops(room, in, plan);
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return SB_OK;
}

sb_status sbi_flex_plan_cpu(sb_ctx *ctx, const sb_flexprefill_params *p, const sb_shape *shape,
                            const sb_tensor *q, const sb_tensor *k, sb_plan *plan)
{
    sbi_flex_room *room = plan->method_data;
    sbi_flex_in    in   = inputs(ctx, p, room, q, k);
    sb_row_blocks_name(&room->rows, shape, plan);
    sb_status st = prepare(shape, k, room, plan, &in);
    if (ctx->comm != NULL && ctx->comm->size > 1) /* collective calls follow: all or none */
        st = sb_comm_agree(ctx->comm, st);
    if (st != SB_OK ||
        (st = sb_last_queries_share(&room->last, ctx, shape, q, SB_PHASE_ESTIMATE)) != SB_OK)
        return st;
    if (sb_last_queries_total(&room->last) != shape->n_keys)
        return sbi_flex_part_of_sequence(sb_last_queries_total(&room->last), shape->n_keys);
    int64_t t0 = sb_now_ns();
    sbi_flex_key_means(room, &in);
    sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
    if ((st = sbi_flex_choose_heads(ctx, room, &in)) != SB_OK)
        return st;
    return select_blocks(ctx, room, &in, plan);
}
