#include "kernels/exec/row_blocks.h"

#include <string.h>

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

/* Rows and ids of the shard; plan NULL: count only. */
static void walk(const sb_row_blocks *r, const sb_shape *shape, sb_plan *plan, int64_t *n_rows,
                 int64_t *n_ids)
{
    int64_t last = -1, slot = 0, rows = 0, ids = 0;
    for (int32_t i = 0; i < shape->q_gid.n_runs; i++) {
        sb_run run = shape->q_gid.run[i];
        for (int64_t a = run.start, b; a < run.start + run.len; slot += b - a, a = b) {
            int64_t block = a / r->block_tokens;
            b             = min_i64((block + 1) * r->block_tokens, run.start + run.len);
            if (block != last) {
                if (plan != NULL) {
                    plan->row_id[rows] = (int32_t)block;
                    r->row[rows]       = (sb_row_block){.first_id = ids, .slot = slot, .run = i};
                }
                rows++;
                ids += sb_row_blocks_end(r, block);
                last = block;
            }
            if (plan != NULL)
                r->row[rows - 1].n_tokens += b - a;
        }
    }
    *n_rows = rows;
    *n_ids  = ids;
}

sb_status sb_row_blocks_layout(sb_row_blocks *r, sb_arena *a, const sb_shape *shape,
                               int64_t block_tokens, int64_t segment_blocks, sb_plan *plan)
{
    sb_row_blocks made = {.block_tokens   = block_tokens,
                          .segment_blocks = segment_blocks,
                          .n_blocks       = (shape->n_keys + block_tokens - 1) / block_tokens};
    void         *row_id, *row_ptr, *id, *row;
    sb_status     st;
    walk(&made, shape, NULL, &made.n_rows, &made.ids_per_head);
    int64_t lists = shape->heads * made.n_rows, ids = shape->heads * made.ids_per_head;
    if ((st = sb_arena_alloc(a, made.n_rows, sizeof(int32_t), "row ids", &row_id)) != SB_OK ||
        (st = sb_arena_alloc(a, lists + 1, sizeof(int64_t), "row pointers", &row_ptr)) != SB_OK ||
        (st = sb_arena_alloc(a, ids, sizeof(int32_t), "tile ids", &id)) != SB_OK ||
        (st = sb_arena_alloc(a, made.n_rows, sizeof(sb_row_block), "row blocks", &row)) != SB_OK)
        return st;
    made.row = row;
    *r       = made;
    *plan    = (sb_plan){.row_tokens = block_tokens,
                         .n_rows     = made.n_rows,
                         .row_id     = row_id,
                         .tiles      = {.n_heads      = shape->heads,
                                        .row_ptr      = row_ptr,
                                        .id           = id,
                                        .capacity     = ids,
                                        .unit_tokens  = block_tokens,
                                        .width_tokens = block_tokens}};
    return SB_OK;
}

void sb_row_blocks_name(const sb_row_blocks *r, const sb_shape *shape, sb_plan *plan)
{
    int64_t n_rows, n_ids;
    walk(r, shape, plan, &n_rows, &n_ids);
}

void sb_row_blocks_close(const sb_row_blocks *r, sb_plan *plan)
{
    int64_t *ptr = plan->tiles.row_ptr;
    ptr[0]       = 0;
    for (int64_t h = 0; h < plan->tiles.n_heads; h++)
        for (int64_t i = 0; i < plan->n_rows; i++) {
            int64_t at = h * plan->n_rows + i, n = ptr[at + 1];
            memmove(plan->tiles.id + ptr[at], sb_row_blocks_place(r, plan, h, i),
                    (size_t)n * sizeof *plan->tiles.id);
            ptr[at + 1] = ptr[at] + n;
        }
}
