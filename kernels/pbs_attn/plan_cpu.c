/* The stages in turn and what the ranks exchange between them: the last queries, the maxima and
 * sums of B rows a permutation, then orders and pooled keys [pbs_attn 8]. */
#include "kernels/pbs_attn/plan_cpu.h"

#include <math.h>
#include <string.h>

#include "kernels/exec/slots.h"

static int alone(const sb_ctx *ctx) { return ctx->comm == NULL || ctx->comm->size == 1; }

/* Local; ranks differ in nothing but their rows. A pooled query needs all queries of its block. */
static sb_status check_call(const sb_shape *shape, const sb_tensor *k, const sbi_pbs_room *room,
                            const sb_plan *plan)
{
    if (k->tokens != shape->n_keys)
        return sb_fail(SB_ERR_INTERNAL,
                       "pbs_attn: plan was given %lld keys, it needs all %lld of them",
                       (long long)k->tokens, (long long)shape->n_keys);
    for (int64_t r = 0; r < plan->n_rows; r++) {
        int64_t b = room->block_tokens, left = shape->n_keys - plan->row_id[r] * b;
        if (room->blocks.row[r].n_tokens != (left < b ? left : b))
            return sb_fail(SB_ERR_INTERNAL,
                           "pbs_attn: row block %d has %lld of its queries on this rank",
                           (int)plan->row_id[r], (long long)room->blocks.row[r].n_tokens);
    }
    return SB_OK;
}

/* [5]: the last block of queries is the last of the sequence, and it is read at once. */
static sb_status check_queries(const sb_shape *shape, const sb_last_queries *probe)
{
    int64_t n = sb_last_queries_total(probe);
    if (n == shape->n_keys)
        return SB_OK;
    return sb_fail(SB_ERR_UNSUPPORTED,
                   "pbs_attn: found %lld queries over %lld keys, allowed as many queries as keys: "
                   "the order of all keys hangs on the last block of queries",
                   (long long)n, (long long)shape->n_keys);
}

/* More collective calls follow: a rank alone must not stay away from them. */
static sb_status agree(sb_ctx *ctx, sb_status st)
{
    if (alone(ctx))
        return st;
    int64_t t0 = sb_now_ns();
    st         = sb_comm_agree(ctx->comm, st);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

static sb_status reduce(sb_ctx *ctx, const sbi_pbs_room *room, int64_t *data, sb_reduce_op op)
{
    if (alone(ctx))
        return SB_OK;
    int64_t   t0 = sb_now_ns();
    sb_status st = sb_comm_allreduce_i64(ctx->comm, data, room->perms * room->block_tokens, op);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

static sb_status importance(sb_ctx *ctx, sbi_pbs_room *room, const sbi_pbs_in *in)
{
    sb_status st;
    int64_t   t0            = sb_now_ns();
    room->counts.nan_scores = sbi_pbs_maxima(room, in);
    sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
    if ((st = reduce(ctx, room, room->top, SB_REDUCE_MAX)) != SB_OK)
        return st;
    t0 = sb_now_ns();
    sbi_pbs_sums(room, in);
    sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
    if ((st = reduce(ctx, room, room->sum, SB_REDUCE_SUM)) != SB_OK)
        return st;
    t0 = sb_now_ns();
    sbi_pbs_importance(room, in);
    sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
    return SB_OK;
}

/* In place: `all` is cut into pieces of `pieces` units, `per_segment` units a segment, and each
 * rank has written those of its range; the last piece may be a short one. */
static sb_status gather(sb_ctx *ctx, const sbi_pbs_room *room, void *all, int64_t per_segment,
                        int64_t pieces, int64_t piece_bytes)
{
    int64_t end = 0;
    for (int32_t r = 0; r < ctx->comm->size; r++) {
        int64_t units        = sbi_pbs_first_segment(room, r + 1, ctx->comm->size) * per_segment;
        int64_t begin        = end;
        end                  = (units + pieces - 1) / pieces;
        room->displ_bytes[r] = begin * piece_bytes;
        room->count_bytes[r] = (end - begin) * piece_bytes;
    }
    return sb_comm_allgatherv(ctx->comm, (unsigned char *)all + room->displ_bytes[ctx->comm->rank],
                              all, room->count_bytes, room->displ_bytes);
}

/* Orders and pooled keys of all ranks' segments. */
static sb_status exchange(sb_ctx *ctx, const sbi_pbs_room *room, const sb_slots *slots)
{
    int64_t   t0 = sb_now_ns(), group = room->perms * room->dim * SB_PRODUCT_LANES;
    sb_status st = SB_OK;
    if (alone(ctx))
        return SB_OK;
    for (int64_t p = 0; st == SB_OK && p < room->perms; p++)
        st = gather(ctx, room, sb_slots_of(slots, p * room->perm_heads), room->segment_tokens, 1,
                    (int64_t)sizeof *slots->offset);
    if (st == SB_OK)
        st = gather(ctx, room, room->k_pool, room->blocks_per_segment, SB_PRODUCT_LANES,
                    group * (int64_t)sizeof *room->k_pool);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

/* The tail stays as it is, heads of a group share their order, and f [3, step 5]. */
static void finish_slots(const sbi_pbs_room *room, int32_t force, const sb_slots *slots)
{
    int64_t sorted = room->n_segments * room->segment_tokens;
    for (int64_t p = 0; p < room->perms; p++) {
        uint16_t *of = sb_slots_of(slots, p * room->perm_heads);
        int64_t   f  = 0;
        for (int64_t s = sorted; s < slots->n_slots; s++)
            of[s] = (uint16_t)(s - sorted);
        for (int64_t h = 1; h < room->perm_heads; h++)
            memcpy(of + h * slots->n_slots, of, (size_t)slots->n_slots * sizeof *of);
        while (of[f] != 0)
            f++;
        room->first[p] = force ? (int32_t)(f / room->block_tokens) : -1;
    }
}

sb_status sbi_pbs_plan_cpu(sb_ctx *ctx, const sb_pbs_attn_params *p, const sb_shape *shape,
                           const sb_tensor *q, const sb_tensor *k, sb_plan *plan)
{
    sbi_pbs_room *room = plan->method_data;
    sbi_pbs_in    in   = {.q              = q,
                          .k              = k,
                          .factor         = (float)(1.0 / sqrt((double)shape->head_dim)),
                          .round          = p->compat == SB_PBS_ATTN_OFFICIAL,
                          .query_pool     = p->query_pool,
                          .key_pool       = p->key_pool,
                          .pool_div_valid = p->pool_div_valid,
                          .threads = ctx->threads < room->threads ? ctx->threads : room->threads};
    sb_status     st, chosen = sb_product_choose(&in.product);
    in.threads   = in.threads > 1 ? in.threads : 1;
    room->counts = (sb_pbs_attn_counts){0};
    if ((st = sb_last_queries_share(&room->probe, ctx, shape, q, SB_PHASE_ESTIMATE)) != SB_OK ||
        (st = check_queries(shape, &room->probe)) != SB_OK) /* the same on all ranks */
        return st;
    sb_row_blocks_name(&room->blocks, shape, plan);
    st = chosen != SB_OK ? chosen : check_call(shape, k, room, plan);
    st = agree(ctx, st);
    if (st != SB_OK || (st = importance(ctx, room, &in)) != SB_OK)
        return st;
    int64_t t0 = sb_now_ns();
    sbi_pbs_sort(room, &in, &plan->slots);
    sb_phase_add(ctx->phases, SB_PHASE_PERMUTE, t0);
    t0 = sb_now_ns();
    sbi_pbs_pool_keys(room, &in, &plan->slots);
    sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
    if ((st = exchange(ctx, room, &plan->slots)) != SB_OK)
        return st;
    t0 = sb_now_ns();
    finish_slots(room, p->force_first_block, &plan->slots);
    sb_phase_add(ctx->phases, SB_PHASE_PERMUTE, t0);
    sbi_pbs_choose(ctx, p, room, &in, plan);
    return SB_OK;
}
