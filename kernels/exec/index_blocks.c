#include "kernels/exec/index_blocks.h"

#include "kernels/exec/index_before.h"
#include "kernels/exec/segments.h"

enum { B = SB_INDEX_BLOCK };

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* Key blocks touched by the ranges of rows [first, last]: each key of a range is visible to one of
 * them. Ranges ascend. Of slots they run to the end of the segment of `last`, as an executor does:
 * blocks of the own segment count whole, above the diagonal too [B1]. */
static int64_t touched(const sb_plan *plan, int64_t head, int64_t row, int64_t first, int64_t last,
                       const sbi_before *before)
{
    sb_segments it;
    sb_segment  s;
    sbi_touched all = before->blocks;
    sbi_segments_begin_from(&it, plan, head, row, first, last, before->from);
    while (sb_segments_next(&it, &s))
        sbi_touch(&all, &s);
    return all.n;
}

/* Which pieces of rows are counted: each n_parts-th. */
typedef struct share {
    int64_t part, n_parts, pieces; /* pieces: seen so far, of plans without row blocks */
} share;

/* One run, cut where blocks of 128 rows end and, for plans with lists, where row blocks do. */
static sb_status count_run(const sb_plan *plan, const sb_shape *shape, int64_t head, sb_run run,
                           share *mine, sb_index_blocks *sum)
{
    int     lists = (plan->parts & (SB_PART_TILES | SB_PART_TOKENS)) != 0;
    int64_t    end = run.start + run.len, counted = -1; /* row block that `before` is of */
    sbi_before before = {0};
    for (int64_t a = run.start, b; a < end; a = b) {
        int64_t first = a / B * B, last = first + B, row = sb_plan_row(plan, a);
        if (row < 0)
            return sb_fail(SB_ERR_INTERNAL, "index: the plan has no list for row %lld",
                           (long long)a);
        if (lists) {
            first = max_i64(first, a / plan->row_tokens * plan->row_tokens);
            last  = min_i64(last, (a / plan->row_tokens + 1) * plan->row_tokens);
        }
        last = min_i64(last, max_i64(shape->n_keys, end));
        b    = min_i64(last, end);
        if (shape->is_decode) {
            first = a;
            last  = b;
        }
        int64_t rows = b - a;
        if (shape->is_decode)
            rows = B;
        else if (b == shape->n_keys)
            rows += (B - b % B) % B;
        if ((lists ? row : mine->pieces++) % mine->n_parts != mine->part)
            continue;
        if (counted != row)
            sbi_before_count(plan, head, row, B, 0, &before);
        counted = row;
        sum->executed += rows * touched(plan, head, row, first, last - 1, &before);
        sum->dense += rows * ((last - 1) / B + 1);
    }
    return SB_OK;
}

sb_status sb_index_blocks_count(const sb_plan *plan, const sb_shape *shape, int64_t head,
                                sb_index_blocks *out)
{
    return sb_index_blocks_count_part(plan, shape, head, 0, 1, out);
}

sb_status sb_index_blocks_count_part(const sb_plan *plan, const sb_shape *shape, int64_t head,
                                     int64_t part, int64_t n_parts, sb_index_blocks *out)
{
    sb_index_blocks sum  = {0};
    share           mine = {.part = part, .n_parts = n_parts};
    for (int32_t r = 0; r < shape->q_gid.n_runs; r++) {
        sb_status st = count_run(plan, shape, head, shape->q_gid.run[r], &mine, &sum);
        if (st != SB_OK)
            return st;
    }
    *out = sum;
    return SB_OK;
}
