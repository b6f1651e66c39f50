/* The rules of segments.h as inline functions, for every side that follows an index: segments.c
 * hands them to the CPU, portable_cuda.cu compiles them for the device. */
#ifndef SB_KERNELS_EXEC_SEGMENTS_IMPL_H
#define SB_KERNELS_EXEC_SEGMENTS_IMPL_H

#include "kernels/exec/segments.h"
#include "kernels/exec/slots.h"

static inline SB_HOST_DEVICE int64_t sbi_min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static inline SB_HOST_DEVICE int64_t sbi_max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

static inline SB_HOST_DEVICE sb_segment sbi_segment(int64_t begin, int64_t end, int32_t listed)
{
    sb_segment s;
    s.begin  = begin;
    s.end    = end;
    s.listed = listed;
    return s;
}

/* Ids below `id` in an ascending list. */
static inline SB_HOST_DEVICE int32_t sbi_ids_below(const int32_t *ids, int32_t count, int64_t id)
{
    int32_t lo = 0;
    while (lo < count) {
        const int32_t mid = lo + (count - lo) / 2;
        if (ids[mid] < id)
            lo = mid + 1;
        else
            count = mid;
    }
    return lo;
}

static inline SB_HOST_DEVICE int64_t sbi_plan_row(const sb_plan *plan, int64_t gid)
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

/* first(q) by units of one residue class [plan.h]. */
static inline SB_HOST_DEVICE int64_t sbi_segments_unit_first(const sb_window_form *f,
                                                             int64_t window_tokens, int64_t q)
{
    int64_t u = sbi_max_i64(f->unit_tokens, 1), e = sbi_max_i64(f->dilation_tokens, 1), r = q % e;
    int64_t g = q / e / u * u + u - 1; /* the last place of q's unit in its class */
    if (f->n_tokens > 0)
        g = sbi_min_i64(g, (f->n_tokens - r + e - 1) / e - 1);
    return r + sbi_max_i64(g - window_tokens + 1, 0) * e;
}

/* The last span whose row <= q. */
static inline SB_HOST_DEVICE int64_t sbi_segments_span_of(const sb_window_form *f, int64_t q)
{
    int64_t lo = 0, hi = f->n_spans - 1;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo + 1) / 2;
        if (f->span[mid].row <= q)
            lo = mid;
        else
            hi = mid - 1;
    }
    return lo;
}

static inline SB_HOST_DEVICE sb_row_window sbi_plan_row_window(const sb_plan *plan, int64_t head,
                                                               int64_t q)
{
    sb_head_window w = sb_plan_window(plan, head);
    sb_row_window  r;
    r.sink_end = w.sink_tokens;
    r.step     = 1;
    if (sb_plan_window_is_plain(plan))
        r.first = sbi_max_i64(0, q - w.window_tokens + 1);
    else if (plan->form.n_spans > 0)
        r.first = plan->form.span[sbi_segments_span_of(&plan->form, q)].first;
    else
        r.first = sbi_segments_unit_first(&plan->form, w.window_tokens, q);
    if (plan != NULL)
        r.step = sbi_max_i64(plan->form.dilation_tokens, 1);
    return r;
}

/* The least first(q) of rows [first, last]: in one residue class, and between spans, first(q) does
 * not fall. */
static inline SB_HOST_DEVICE int64_t sbi_segments_least_first(const sb_plan *plan, int64_t head,
                                                              int64_t first, int64_t last)
{
    int64_t least = sbi_plan_row_window(plan, head, first).first;
    int64_t end   = sbi_min_i64(last, first + sbi_max_i64(plan->form.dilation_tokens, 1) - 1);
    for (int64_t q = first + 1; q <= end && plan->form.n_spans == 0; q++)
        least = sbi_min_i64(least, sbi_plan_row_window(plan, head, q).first);
    for (int64_t i = plan->form.n_spans > 0 ? sbi_segments_span_of(&plan->form, first) + 1 : 0;
         i < plan->form.n_spans && plan->form.span[i].row <= last; i++)
        least = sbi_min_i64(least, plan->form.span[i].first);
    return least;
}

/* First key of the next listed tile or token, whichever comes first; INT64_MAX when there is none
 * before the limit. */
static inline SB_HOST_DEVICE int64_t sbi_segments_peek(const sb_segments *s, int *is_tile)
{
    int64_t a = s->tile < s->tile_end ? (int64_t)*s->tile * s->unit_tokens : INT64_MAX;
    int64_t b = s->token < s->token_end ? *s->token : INT64_MAX;
    *is_tile  = a <= b;
    int64_t c = sbi_min_i64(a, b);
    return c < s->limit ? c : INT64_MAX;
}

/* s->next = the next run of listed keys, touching and overlapping ranges joined. */
static inline SB_HOST_DEVICE void sbi_segments_advance(sb_segments *s)
{
    int     is_tile;
    int64_t begin = sbi_segments_peek(s, &is_tile), end = begin;
    s->next = sbi_segment(0, 0, 1);
    if (begin == INT64_MAX)
        return;
    for (int64_t b = begin; b <= end; b = sbi_segments_peek(s, &is_tile)) {
        end = sbi_max_i64(end, b + (is_tile ? s->width_tokens : 1));
        if (is_tile)
            s->tile++;
        else
            s->token++;
    }
    s->next.begin = begin;
    s->next.end   = sbi_min_i64(end, s->limit);
}

static inline SB_HOST_DEVICE void sbi_segments_list_of(const sb_csr *c, int64_t head, int64_t row,
                                                       int64_t n_rows, const int32_t **begin,
                                                       const int32_t **end)
{
    int64_t at = (c->n_heads == 1 ? 0 : head) * n_rows + row;
    int64_t b = c->row_ptr[at], e = c->row_ptr[at + 1];
#if defined(__CUDA_ARCH__) /* pointers that nobody checked must not lead out of the ids there */
    e = sbi_min_i64(sbi_max_i64(e, 0), c->capacity);
    b = sbi_min_i64(sbi_max_i64(b, 0), e);
#endif
    *begin = c->id + b;
    *end   = c->id + e;
}

static inline SB_HOST_DEVICE void sbi_segments_begin(sb_segments *s, const sb_plan *plan,
                                                     int64_t head, int64_t row, int64_t first,
                                                     int64_t last)
{
    s->limit     = sb_plan_has_slots(plan) ? sb_slots_end(&plan->slots, last) : last + 1;
    s->window[0] = s->window[1] = sbi_segment(0, 0, 0);
    s->next                     = sbi_segment(0, 0, 1);
    s->tile = s->tile_end = s->token = s->token_end = NULL;
    s->unit_tokens = s->width_tokens = 0;
    if (plan == NULL) {
        s->window[0] = sbi_segment(0, last + 1, 0);
        return;
    }
    if (plan->parts & SB_PART_WINDOW) {
        int64_t sink_end = sbi_min_i64(sb_plan_window(plan, head).sink_tokens, s->limit);
        int64_t recent   = sbi_min_i64(sbi_segments_least_first(plan, head, first, last), s->limit);
        if (recent <= sink_end) {
            s->window[0] = sbi_segment(0, s->limit, 0);
        } else {
            s->window[0] = sbi_segment(0, sink_end, 0);
            s->window[1] = sbi_segment(recent, s->limit, 0);
        }
    }
    if (plan->parts & SB_PART_TILES) {
        s->unit_tokens  = plan->tiles.unit_tokens;
        s->width_tokens = plan->tiles.width_tokens;
        sbi_segments_list_of(&plan->tiles, head, row, plan->n_rows, &s->tile, &s->tile_end);
    }
    if (plan->parts & SB_PART_TOKENS)
        sbi_segments_list_of(&plan->tokens, head, row, plan->n_rows, &s->token, &s->token_end);
    sbi_segments_advance(s);
}

static inline SB_HOST_DEVICE int sbi_segments_next(sb_segments *s, sb_segment *out)
{
    sb_segment *w = s->window[0].begin < s->window[0].end ? &s->window[0] : &s->window[1];
    if (w->begin < w->end && (s->next.begin == s->next.end || w->begin < s->next.begin)) {
        *out = *w;
        if (s->next.begin < s->next.end)
            out->end = sbi_min_i64(out->end, s->next.begin);
        w->begin = out->end;
        return 1;
    }
    if (s->next.begin == s->next.end)
        return 0;
    *out = s->next;
    for (int i = 0; i < 2; i++) /* what the listed range covers is not the window's any more */
        s->window[i].begin = sbi_min_i64(sbi_max_i64(s->window[i].begin, out->end),
                                         sbi_max_i64(s->window[i].end, s->window[i].begin));
    sbi_segments_advance(s);
    return 1;
}

#endif
