#include "kernels/exec/segments_impl.h"

int64_t sb_plan_row(const sb_plan *plan, int64_t gid) { return sbi_plan_row(plan, gid); }

sb_row_window sb_plan_row_window(const sb_plan *plan, int64_t head, int64_t q)
{
    return sbi_plan_row_window(plan, head, q);
}

void sb_segments_begin(sb_segments *s, const sb_plan *plan, int64_t head, int64_t row,
                       int64_t first, int64_t last)
{
    sbi_segments_begin(s, plan, head, row, first, last);
}

void sb_segments_drop_listed(sb_segments *s)
{
    s->tile  = s->tile_end;
    s->token = s->token_end;
    s->next  = (sb_segment){0};
}

int sb_segments_next(sb_segments *s, sb_segment *out) { return sbi_segments_next(s, out); }
