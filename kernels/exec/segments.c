#include "kernels/exec/segments.h"

#include "kernels/exec/slots.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

int64_t sb_plan_row(const sb_plan *plan, int64_t gid)
{
    if (plan == NULL || !(plan->parts & (SB_PART_TILES | SB_PART_TOKENS)))
        return 0;
    int64_t want = gid / plan->row_tokens, lo = 0, hi = plan->n_rows;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (plan->row_id[mid] < want)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < plan->n_rows && plan->row_id[lo] == want ? lo : -1;
}

/* First key of the next listed tile or token, whichever comes first; INT64_MAX when there is none
 * before the limit. */
static int64_t peek(const sb_segments *s, int *is_tile)
{
    int64_t a = s->tile < s->tile_end ? *s->tile * s->unit_tokens : INT64_MAX;
    int64_t b = s->token < s->token_end ? *s->token : INT64_MAX;
    *is_tile  = a <= b;
    int64_t c = min_i64(a, b);
    return c < s->limit ? c : INT64_MAX;
}

/* s->next = the next run of listed keys, touching and overlapping ranges joined. */
static void advance(sb_segments *s)
{
    int     is_tile;
    int64_t begin = peek(s, &is_tile), end = begin;
    s->next = (sb_segment){.listed = 1};
    if (begin == INT64_MAX)
        return;
    for (int64_t b = begin; b <= end; b = peek(s, &is_tile)) {
        end = max_i64(end, b + (is_tile ? s->width_tokens : 1));
        if (is_tile)
            s->tile++;
        else
            s->token++;
    }
    s->next.begin = begin;
    s->next.end   = min_i64(end, s->limit);
}

static void list_of(const sb_csr *c, int64_t head, int64_t row, int64_t n_rows,
                    const int32_t **begin, const int32_t **end)
{
    int64_t at = (c->n_heads == 1 ? 0 : head) * n_rows + row;
    *begin     = c->id + c->row_ptr[at];
    *end       = c->id + c->row_ptr[at + 1];
}

void sb_segments_begin(sb_segments *s, const sb_plan *plan, int64_t head, int64_t row,
                       int64_t first, int64_t last)
{
    *s = (sb_segments){.limit =
                           sb_plan_has_slots(plan) ? sb_slots_end(&plan->slots, last) : last + 1};
    if (plan == NULL) {
        s->window[0] = (sb_segment){.begin = 0, .end = last + 1};
        return;
    }
    if (plan->parts & SB_PART_WINDOW) {
        sb_window w        = sb_plan_window(plan, head);
        int64_t   sink_end = min_i64(w.sink_tokens, s->limit);
        int64_t   recent   = max_i64(0, first - w.window_tokens + 1);
        if (w.window_tokens <= 0)
            recent = s->limit;
        if (recent <= sink_end) {
            s->window[0] = (sb_segment){.begin = 0, .end = s->limit};
        } else {
            s->window[0] = (sb_segment){.begin = 0, .end = sink_end};
            s->window[1] = (sb_segment){.begin = recent, .end = s->limit};
        }
    }
    if (plan->parts & SB_PART_TILES) {
        s->unit_tokens  = plan->tiles.unit_tokens;
        s->width_tokens = plan->tiles.width_tokens;
        list_of(&plan->tiles, head, row, plan->n_rows, &s->tile, &s->tile_end);
    }
    if (plan->parts & SB_PART_TOKENS)
        list_of(&plan->tokens, head, row, plan->n_rows, &s->token, &s->token_end);
    advance(s);
}

int sb_segments_next(sb_segments *s, sb_segment *out)
{
    sb_segment *w = s->window[0].begin < s->window[0].end ? &s->window[0] : &s->window[1];
    if (w->begin < w->end && (s->next.begin == s->next.end || w->begin < s->next.begin)) {
        *out = *w;
        if (s->next.begin < s->next.end)
            out->end = min_i64(out->end, s->next.begin);
        w->begin = out->end;
        return 1;
    }
    if (s->next.begin == s->next.end)
        return 0;
    *out = s->next;
    for (int i = 0; i < 2; i++) /* what the listed range covers is not the window's any more */
        s->window[i].begin = min_i64(max_i64(s->window[i].begin, out->end),
                                     max_i64(s->window[i].end, s->window[i].begin));
    advance(s);
    return 1;
}
