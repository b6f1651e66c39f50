#include "kernels/backend/cuda_stream.h"
#include "kernels/random_blocks/plan_cuda.h"

#include "kernels/backend/cuda_status.cuh"
#include "kernels/exec/plan_bits_device.h"
#include "kernels/exec/row_blocks_device.h"
#include "kernels/random_blocks/draw.h"

namespace
{
enum { THREADS = 64 };

struct room {
    sb_row_blocks_device rows;
    sb_plan_bits         bits;
};

/* A thread a list. */
__global__ void draw_lists(sb_random_blocks_params p, int32_t layer, int64_t first_head,
                           const int32_t *row_id, int64_t n_rows, sb_plan_bits bits)
{
    int64_t list = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
    if (list >= bits.lists)
        return;
    int64_t        block = row_id[list % n_rows];
    uint32_t      *word  = bits.word + list * bits.words;
    sbi_block_draw d     = sbi_draw_begin(&p, layer, first_head + list / n_rows, block,
                                          sbi_random_blocks_seen(&p, block));
    for (int64_t j; (j = sbi_draw_next(&d)) >= 0;)
        word[j / 32] |= 1u << j % 32;
}
} // namespace

extern "C" sb_status sbi_random_blocks_layout_device(sb_ctx *ctx, const void *params,
                                                     const sb_shape *shape, sb_plan *plan,
                                                     sb_cache *cache)
{
    const auto *p = static_cast<const sb_random_blocks_params *>(params);
    room        r;
    sb_plan     made;
    void       *at = nullptr;
    (void)cache;
    sb_status st = sb_row_blocks_device_layout(&r.rows, ctx, shape, p->block_tokens,
                                               p->block_tokens, 1, &made);
    if (st == SB_OK)
        st = sb_plan_bits_layout(&r.bits, ctx, shape->heads * r.rows.n_rows, r.rows.n_blocks);
    if (st == SB_OK)
        st = sb_arena_alloc(ctx->host, 1, sizeof r, "random_blocks room", &at);
    if (st != SB_OK)
        return st;
    if (!ctx->host->counting)
        *static_cast<room *>(at) = r;
    made.method_data = at;
    *plan            = made;
    return SB_OK;
}

extern "C" sb_status sbi_random_blocks_plan_cuda(sb_ctx *ctx, const void *params,
                                                 const sb_shape *shape, const sb_tensor *q,
                                                 const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    const auto *p = static_cast<const sb_random_blocks_params *>(params);
    const room *r = static_cast<const room *>(plan->method_data);
    (void)q;
    (void)k;
    (void)cache;
    sb_status st = sb_ctx_enter(ctx, SB_PHASE_SELECT);
    if (st == SB_OK)
        st = sb_plan_bits_clear(&r->bits, ctx->stream);
    if (st == SB_OK && r->bits.lists > 0) {
        unsigned blocks = static_cast<unsigned>((r->bits.lists + THREADS - 1) / THREADS);
        draw_lists<<<blocks, THREADS, 0, sb_cuda_stream(ctx->stream)>>>(
            *p, ctx->layer, shape->first_head, r->rows.row_id, r->rows.n_rows, r->bits);
        st = sb_cuda_status(cudaGetLastError(), "launch of draw_lists");
    }
    if (st == SB_OK)
        st = sb_plan_bits_list(&r->bits, &plan->tiles, ctx->stream);
    plan->parts = SB_PART_TILES;
    return st;
}
