/* Every query block of every head on its own: whole searches in parallel. A head's blocks follow
 * each other, so that its keys stay in the cache. */
#include <omp.h>
#include <string.h>

#include "kernels/hip/plan_cpu.h"

/* The ascending list of one head and query block; returns its length. */
static int64_t find(const sb_hip_params *p, const sbi_hip_room *room, const sb_tensor *q,
                    const sb_tensor *k, float scale, int64_t head, const sbi_hip_row *row,
                    sbi_hip_finder *f, int32_t *id)
{
    if (row->span.all) {
        for (int64_t i = 0; i < row->span.n; i++)
            id[i] = (int32_t)(row->span.first + i);
        return row->span.n;
    }
    sbi_hip_pack_queries(p, q, head, &row->at, &f->queries);
    f->n_kept = sbi_hip_first_chunks(p, row->span, f->kept);
    for (int64_t left = sbi_hip_halvings(f->kept, f->n_kept); left > 0; left--) {
        f->n_halves = sbi_hip_halve(f->kept, f->n_kept, f->half);
        f->pairs += sbi_hip_scores(p, room->product, &f->queries, k, head / room->heads_per_kv,
                                   f->half, f->n_halves, f->key);
        if (p->compat == SB_HIP_OFFICIAL)
            sbi_hip_official(f->key, f->n_halves, scale);
        f->n_kept = sbi_hip_keep(f->half, f->key, f->n_halves, sbi_hip_blocks(p), f->kept);
    }
    for (int64_t i = 0; i < f->n_kept; i++)
        id[i] = f->kept[i].start;
    return f->n_kept;
}

/* Lists from their own places to one after the other; row_ptr[i + 1] held the length of list i. */
static void move_together(const sbi_hip_room *room, sb_plan *plan)
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

sb_status sbi_hip_prefill_cpu(sb_ctx *ctx, const sb_hip_params *p, const sb_shape *shape,
                              const sb_tensor *q, const sb_tensor *k, sb_plan *plan)
{
    const sbi_hip_room *room    = plan->method_data;
    float               scale   = sbi_hip_scale(shape);
    int32_t             threads = ctx->threads < room->n_finders ? ctx->threads : room->n_finders;
    threads                     = threads > 1 ? threads : 1;
    if (k->tokens != shape->n_keys)
        return sb_fail(SB_ERR_INTERNAL, "hip: plan was given %lld keys, it needs all %lld of them",
                       (long long)k->tokens, (long long)shape->n_keys);
    int64_t t0 = sb_now_ns();
    sbi_hip_rows(p, shape, plan);
    int64_t jobs = shape->heads * plan->n_rows;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (int64_t job = 0; job < jobs; job++) {
        int64_t            h = job / plan->n_rows, r = job % plan->n_rows;
        const sbi_hip_row *row = &room->row[r];
        plan->tiles.row_ptr[job + 1] =
            find(p, room, q, k, scale, h, row, &room->finder[omp_get_thread_num()],
                 plan->tiles.id + h * room->ids_per_head + row->first_id);
    }
    sb_phase_add(ctx->phases, SB_PHASE_ESTIMATE, t0);
    t0 = sb_now_ns();
    move_together(room, plan);
    plan->parts          = SB_PART_WINDOW | SB_PART_TILES;
    plan->estimate_flops = sbi_hip_flops(room, shape);
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return SB_OK;
}
