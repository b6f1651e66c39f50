/* One query, all heads in step: an iteration scores every head's halves over the keys of this rank,
 * one reduction makes the scores whole, and all ranks choose alike. */
#include <string.h>

#include "kernels/hip/plan_cpu.h"

static int is_sharded(const sb_ctx *ctx) { return ctx->comm != NULL && ctx->comm->size > 1; }

/* A maximum of maxima: exact, and the same in any order. *spent_ns grows. */
static sb_status make_whole(sb_ctx *ctx, int64_t *keys, int64_t n, int64_t *spent_ns)
{
    int64_t   t0 = sb_now_ns();
    sb_status st = sb_comm_allreduce_i64(ctx->comm, keys, n, SB_REDUCE_MAX);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    *spent_ns += sb_now_ns() - t0;
    return st;
}

static sb_status search(sb_ctx *ctx, const sb_hip_params *p, const sb_shape *shape,
                        const sb_tensor *q, const sb_tensor *k, const sbi_hip_room *room,
                        int64_t *spent_ns)
{
    const sbi_hip_row *row   = &room->row[0];
    int64_t            heads = shape->heads, m = sbi_hip_blocks(p), halvings;
    float              scale   = sbi_hip_scale(shape);
    int32_t            threads = ctx->threads > 1 ? ctx->threads : 1;
    for (int64_t h = 0; h < heads; h++) {
        sbi_hip_finder *f = &room->finder[h];
        sbi_hip_pack_queries(p, q, h, &row->at, &f->queries);
        f->n_kept = sbi_hip_first_chunks(p, row->span, f->kept);
    }
    halvings = sbi_hip_halvings(room->finder[0].kept, room->finder[0].n_kept); /* alike: from L */
    for (; halvings > 0; halvings--) {
        memset(room->keys, 0, (size_t)(2 * m * heads) * sizeof *room->keys);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
        for (int64_t h = 0; h < heads; h++) {
            sbi_hip_finder *f = &room->finder[h];
            f->n_halves       = sbi_hip_halve(f->kept, f->n_kept, f->half);
            f->pairs += sbi_hip_scores(p, room->product, &f->queries, k, h / room->heads_per_kv,
                                       f->half, f->n_halves, f->key);
        }
        if (is_sharded(ctx)) {
            sb_status st = make_whole(ctx, room->keys, 2 * m * heads, spent_ns);
            if (st != SB_OK)
                return st;
        }
        for (int64_t h = 0; h < heads; h++) {
            sbi_hip_finder *f = &room->finder[h];
            if (p->compat == SB_HIP_OFFICIAL)
                sbi_hip_official(f->key, f->n_halves, scale);
            f->n_kept = sbi_hip_keep(f->half, f->key, f->n_halves, m, f->kept);
        }
    }
    return SB_OK;
}

static void store_lists(const sb_hip_params *p, const sbi_hip_room *room, int64_t heads,
                        sb_hip_state *state)
{
    for (int64_t h = 0; h < heads; h++) {
        const sbi_hip_finder *f    = &room->finder[h];
        int32_t              *list = sbi_hip_state_list(state, p, h);
        *list                      = (int32_t)f->n_kept;
        for (int64_t i = 0; i < f->n_kept; i++)
            list[1 + i] = f->kept[i].start;
    }
    sbi_hip_state_searched(state, p, room->row[0].span);
}

static void write_index(const sb_hip_params *p, int64_t heads, sb_hip_state *state, sb_plan *plan)
{
    int64_t *ptr = plan->tiles.row_ptr;
    ptr[0]       = 0;
    for (int64_t h = 0; h < heads; h++) {
        const int32_t *list = sbi_hip_state_list(state, p, h);
        memcpy(plan->tiles.id + ptr[h], list + 1, (size_t)*list * sizeof *list);
        ptr[h + 1] = ptr[h] + *list;
    }
    plan->window_tokens = p->window_tokens + p->window_pad_tokens;
    plan->parts         = SB_PART_WINDOW | SB_PART_TILES;
}

sb_status sbi_hip_decode_cpu(sb_ctx *ctx, const sb_hip_params *p, const sb_shape *shape,
                             const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    const sbi_hip_room *room  = plan->method_data;
    sb_hip_state       *state = cache != NULL ? cache->state : room->state;
    int64_t             t0 = sb_now_ns(), spent_ns = 0;
    if (!is_sharded(ctx) && k->tokens != shape->n_keys)
        return sb_fail(SB_ERR_INTERNAL, "hip: one rank was given %lld keys, it needs all %lld",
                       (long long)k->tokens, (long long)shape->n_keys);
    if (cache == NULL)
        memset(state, 0, (size_t)sbi_hip_state_bytes(p, shape->heads));
    sbi_hip_rows(p, shape, plan);
    if (sbi_hip_state_due(state, p)) {
        sb_status st = search(ctx, p, shape, q, k, room, &spent_ns);
        if (st != SB_OK)
            return st;
        store_lists(p, room, shape->heads, state);
        sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0 + spent_ns);
    }
    t0 = sb_now_ns();
    write_index(p, shape->heads, state, plan);
    plan->estimate_flops = sbi_hip_flops(room, shape);
    sbi_hip_state_step(state, p, room->row[0].at.last + 1, 0);
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return SB_OK;
}

void sbi_hip_decode_dense(const sb_hip_params *p, const sb_shape *shape, sb_cache *cache)
{
    sb_hip_state *state = cache->state;
    if (sbi_hip_state_due(state, p))
        sbi_hip_state_all(state, p, shape->heads, sbi_hip_candidates(p, shape->n_keys));
    sbi_hip_state_step(state, p, shape->n_keys, 1);
}
