#include "kernels/random_blocks/random_blocks.h"

#include <stddef.h>

#include "kernels/exec/attend.h"
#include "kernels/exec/row_blocks.h"
#include "kernels/exec/shape_check.h"
#include "kernels/random_blocks/draw.h"
#include "kernels/random_blocks/plan_cuda.h"

#define P(field) offsetof(sb_random_blocks_params, field)
static const sb_param params[] = {
    {"density", "0.1", "(0,1]", "share of a query block's visible key blocks that it sees", SB_F64,
     P(density)},
    {"block_tokens", "128", "[1,1073741824]", "tokens of a block", SB_I64, P(block_tokens)},
    {"sink_blocks", "1", "[0,1073741824]", "first blocks, which every query sees", SB_I64,
     P(sink_blocks)},
    {"window_blocks", "1", "[1,1073741824]", "last blocks, the query's own included", SB_I64,
     P(window_blocks)},
    {"seed", "7", "[0,)", "of the draw", SB_I64, P(seed)},
    {0},
};

void sb_random_blocks_row(const sb_random_blocks_params *p, int32_t layer, int64_t head,
                          int64_t block, int32_t *ids, int64_t *n)
{
    sbi_block_draw d  = sbi_draw_begin(p, layer, head, block, sbi_random_blocks_seen(p, block));
    int64_t        at = 0;
    for (int64_t j; (j = sbi_draw_next(&d)) >= 0;)
        ids[at++] = (int32_t)j;
    *n = at;
}

static sb_status check(const void *p, const sb_shape *shape)
{
    return sb_shape_check(shape, ((const sb_random_blocks_params *)p)->block_tokens);
}

static int64_t quantum_tokens(const void *p)
{
    return ((const sb_random_blocks_params *)p)->block_tokens;
}

/* Blocks drawn, of the own one the keys up to the row. */
static int64_t row_lanes(const void *params_, const sb_shape *shape, int64_t row)
{
    const sb_random_blocks_params *p     = params_;
    int64_t                        block = row / p->block_tokens, own = row % p->block_tokens + 1;
    int64_t                        fixed = p->sink_blocks + p->window_blocks;
    int64_t                        n     = sbi_random_blocks_seen(p, block);
    n                                    = n > fixed ? n : fixed < block + 1 ? fixed : block + 1;
    return shape->heads * ((n - 1) * p->block_tokens + own);
}

static sb_status layout(sb_ctx *ctx, const void *params_, const sb_shape *shape, sb_plan *plan,
                        sb_cache *cache)
{
    const sb_random_blocks_params *p = params_;
    sb_row_blocks                  r;
    sb_plan                        made;
    void                          *room;
    (void)cache;
    sb_status st = sb_row_blocks_layout(&r, ctx->arena, shape, p->block_tokens, 1, &made);
    if (st == SB_OK)
        st = sb_arena_alloc(ctx->arena, 1, sizeof r, "random_blocks room", &room);
    if (st != SB_OK)
        return st;
    if (!ctx->arena->counting)
        *(sb_row_blocks *)room = r;
    made.method_data = room;
    *plan            = made;
    return SB_OK;
}

static sb_status plan_cpu(sb_ctx *ctx, const void *params_, const sb_shape *shape,
                          const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    const sb_random_blocks_params *p  = params_;
    const sb_row_blocks           *r  = plan->method_data;
    int64_t                        t0 = sb_now_ns(), lists = shape->heads * r->n_rows;
    (void)q;
    (void)k;
    (void)cache;
    sb_row_blocks_name(r, shape, plan);
#pragma omp parallel for schedule(dynamic, 16) num_threads(ctx->threads)
    for (int64_t i = 0; i < lists; i++) {
        int64_t h = i / r->n_rows, row = i % r->n_rows, n;
        sb_random_blocks_row(p, ctx->layer, shape->first_head + h, plan->row_id[row],
                             sb_row_blocks_place(r, plan, h, row), &n);
        plan->tiles.row_ptr[i + 1] = n;
    }
    sb_row_blocks_close(r, plan);
    plan->parts = SB_PART_TILES;
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return SB_OK;
}

const sb_method sb_random_blocks = {
    .name    = "random_blocks",
    .summary = "random key blocks, sink and window: the control for methods that choose",
    .source  = "arXiv 2007.14062 2 (random attention of BigBird, without global rows)",
    .caps    = SB_CAP_PREFILL | SB_CAP_DECODE | SB_CAP_GQA | SB_CAP_SHARDED | SB_CAP_TRAINING_FREE,
    .plan_keys       = SB_PLAN_KEYS_LOCAL,
    .plan_rows_apart = 1,
    .params          = params,
    .params_bytes    = sizeof(sb_random_blocks_params),
    .check           = check,
    .quantum_tokens  = quantum_tokens,
    .row_lanes       = row_lanes,
    .layout          = layout,
    .layout_device   = SB_IF_CUDA(sbi_random_blocks_layout_device),
    .plan            = {[SB_CPU] = plan_cpu, [SB_CUDA] = SB_IF_CUDA(sbi_random_blocks_plan_cuda)},
    .attend =
        {[SB_CPU] = sb_attend_block_csr_cpu, [SB_CUDA] = SB_IF_CUDA(sb_attend_block_csr_cuda)},
};
