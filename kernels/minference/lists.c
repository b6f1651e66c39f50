/* A layer's heads may differ: lines give tiles and tokens [3.4], block_sparse tiles [3.6], a_shape
 * none. Where lines are about, a tile's id is its first key; whole blocks alone are numbered. */
#include "kernels/minference/lists.h"

#include <omp.h>

#include "kernels/minference/row_lists.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

static sbi_row_lists lines(const sbi_minference_work *w, const sb_plan *plan, int64_t at,
                           int32_t *tile, int32_t *token)
{
    const sbi_minference_head *h    = &w->head[at / plan->n_rows];
    const int32_t             *list = w->chosen + h->chosen_at;
    sbi_row_lists              out  = {.tile = tile, .token = token};
    sbi_minference_row(plan->row_id[at % plan->n_rows], SBI_MINFERENCE_BLOCK, list, h->n_vertical,
                       list + h->n_vertical, h->n_slash, &out);
    return out;
}

/* Lengths of CSR row `at` = head * n_rows + row. */
static sbi_row_lists lengths(const sb_minference_params *p, const sbi_minference_work *w,
                             const sb_plan *plan, int64_t at)
{
    switch ((sb_minference_pattern)w->head[at / plan->n_rows].pattern) {
    case SB_MINFERENCE_VERTICAL_SLASH:
        return lines(w, plan, at, NULL, NULL);
    case SB_MINFERENCE_BLOCK_SPARSE:
        return (sbi_row_lists){
            .n_tiles = min_i64(p->top_k_blocks, plan->row_id[at % plan->n_rows] + INT64_C(1))};
    default:
        return (sbi_row_lists){0};
    }
}

static void fill(const sb_shape *shape, const sb_tensor *q, const sbi_minference_work *w,
                 const sb_plan *plan, int64_t at)
{
    int32_t *tile    = plan->tiles.id + plan->tiles.row_ptr[at];
    int64_t  n       = plan->tiles.row_ptr[at + 1] - plan->tiles.row_ptr[at];
    int32_t  pattern = w->head[at / plan->n_rows].pattern;
    if (pattern == SB_MINFERENCE_VERTICAL_SLASH) {
        (void)lines(w, plan, at, tile, plan->tokens.id + plan->tokens.row_ptr[at]);
    } else if (pattern == SB_MINFERENCE_BLOCK_SPARSE) {
        sbi_minference_choose_blocks(
            shape, q, plan, at, n,
            w->score + omp_get_thread_num() * sbi_minference_blocks(shape->n_keys), tile);
        for (int64_t i = 0; i < n && plan->tiles.unit_tokens == 1; i++)
            tile[i] *= SBI_MINFERENCE_BLOCK;
    }
}

/* Where lists start depends on the lengths of those before: once to count, once to fill. */
sb_status sbi_minference_lists(sb_ctx *ctx, const sb_minference_params *p, const sb_shape *shape,
                               const sb_tensor *q, sb_plan *plan)
{
    const sbi_minference_work *w    = plan->method_data;
    int64_t                   *tile = plan->tiles.row_ptr, *token = plan->tokens.row_ptr;
    int64_t                    n = plan->tiles.n_heads * plan->n_rows, t0 = sb_now_ns();
    int                        has_tokens = w->n_heads[SB_MINFERENCE_VERTICAL_SLASH] > 0;
    tile[0]                               = 0;
    if (has_tokens)
        token[0] = 0;
#pragma omp parallel for schedule(dynamic, 16) num_threads(ctx->threads)
    for (int64_t at = 0; at < n; at++) {
        sbi_row_lists l = lengths(p, w, plan, at);
        tile[at + 1]    = l.n_tiles;
        if (has_tokens)
            token[at + 1] = l.n_tokens;
    }
    for (int64_t at = 0; at < n; at++) {
        tile[at + 1] += tile[at];
        if (has_tokens)
            token[at + 1] += token[at];
    }
    if (tile[n] > plan->tiles.capacity || (has_tokens && token[n] > plan->tokens.capacity))
        return sb_fail(SB_ERR_INTERNAL,
                       "minference: %lld tiles and %lld tokens, laid out for %lld and %lld",
                       (long long)tile[n], (long long)(has_tokens ? token[n] : 0),
                       (long long)plan->tiles.capacity, (long long)plan->tokens.capacity);
#pragma omp parallel for schedule(dynamic, 16) num_threads(ctx->threads)
    for (int64_t at = 0; at < n; at++)
        fill(shape, q, w, plan, at);
    plan->parts |= SB_PART_TILES | (has_tokens ? (uint32_t)SB_PART_TOKENS : 0);
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    return SB_OK;
}
