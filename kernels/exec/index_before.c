#include "kernels/exec/index_before.h"

#include "kernels/exec/segments_impl.h"

void sbi_before_count(const sb_plan *plan, int64_t head, int64_t row, int64_t block_keys, int packs,
                      sbi_before *out)
{
    sb_segments it;
    sb_segment  s;
    *out = (sbi_before){.blocks = {.size = block_keys}};
    if (!(plan->parts & (SB_PART_TILES | SB_PART_TOKENS)) || sb_plan_has_slots(plan))
        return;
    int64_t first = plan->row_id[row] * plan->row_tokens, last = first + plan->row_tokens - 1;
    out->from = first;
    if (plan->parts & SB_PART_WINDOW) /* recent keys come and go with the rows */
        out->from = sbi_min_i64(first, sbi_segments_least_first(plan, head, first, last));
    if (out->from <= 0)
        return;
    sbi_segments_begin(&it, plan, head, row, first, last);
    while (sbi_segments_next(&it, &s) && s.begin < out->from) {
        s.end = sbi_min_i64(s.end, out->from);
        out->keys += s.end - s.begin;
        if (packs && s.listed)
            out->packed += s.end - s.begin;
        else
            sbi_touch(&out->blocks, &s);
    }
}

void sbi_segments_begin_from(sb_segments *s, const sb_plan *plan, int64_t head, int64_t row,
                             int64_t first, int64_t last, int64_t from)
{
    sbi_segments_begin(s, plan, head, row, first, last);
    if (from <= 0)
        return;
    for (int i = 0; i < 2; i++)
        s->window[i].begin = sbi_min_i64(sbi_max_i64(s->window[i].begin, from), s->window[i].end);
    if (plan->parts & SB_PART_TILES) {
        sbi_segments_list_of(&plan->tiles, head, row, plan->n_rows, &s->tile, &s->tile_end);
        /* the first that ends behind `from` */
        int64_t least = from - s->width_tokens + s->unit_tokens;
        s->tile += sbi_ids_below(s->tile, (int32_t)(s->tile_end - s->tile),
                                 least > 0 ? least / s->unit_tokens : 0);
    }
    if (plan->parts & SB_PART_TOKENS) {
        sbi_segments_list_of(&plan->tokens, head, row, plan->n_rows, &s->token, &s->token_end);
        s->token += sbi_ids_below(s->token, (int32_t)(s->token_end - s->token), from);
    }
    sbi_segments_advance(s);
    s->next.begin = sbi_min_i64(sbi_max_i64(s->next.begin, from), s->next.end);
}
