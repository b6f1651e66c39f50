#include "kernels/exec/plan_check.h"

#include "kernels/exec/segments.h"
#include "kernels/exec/slots.h"

static sb_status check_heads(const char *what, int64_t found, int64_t n_heads)
{
    if (found == 1 || found == n_heads)
        return SB_OK;
    return sb_fail(SB_ERR_INTERNAL, "plan: %s of %lld heads, allowed 1 or %lld", what,
                   (long long)found, (long long)n_heads);
}

/* Without a branch an id, so that compilers take many at a time: a plan has up to a billion. */
static int is_ascending(const int32_t *id, int64_t n, int64_t n_ids)
{
    int falls = 0;
    for (int64_t i = 1; i < n; i++)
        falls |= id[i] <= id[i - 1];
    return n == 0 || (!falls && id[0] >= 0 && id[n - 1] < n_ids);
}

static sb_status check_list(const sb_csr *c, const char *what, int64_t list, int64_t n_ids)
{
    int64_t before = -1, first = c->row_ptr[list];
    if (is_ascending(c->id + first, c->row_ptr[list + 1] - first, n_ids))
        return SB_OK;
    for (int64_t i = first; i < c->row_ptr[list + 1]; i++) {
        if (c->id[i] <= before || c->id[i] >= n_ids)
            return sb_fail(SB_ERR_INTERNAL,
                           "plan: %s list %lld holds id %lld after %lld, allowed ascending ids "
                           "below %lld",
                           what, (long long)list, (long long)c->id[i], (long long)before,
                           (long long)n_ids);
        before = c->id[i];
    }
    return SB_OK;
}

/* unit_tokens: keys from one id to the next; end: the first key that no list may name. */
static sb_status check_csr(const sb_csr *c, const char *what, int64_t unit_tokens, int64_t n_rows,
                           int64_t n_heads, int64_t end)
{
    sb_status st = check_heads(what, c->n_heads, n_heads);
    if (st != SB_OK)
        return st;
    int64_t n_lists = c->n_heads * n_rows, n_ids = (end + unit_tokens - 1) / unit_tokens;
    if (c->row_ptr[0] != 0 || c->row_ptr[n_lists] > c->capacity)
        return sb_fail(SB_ERR_INTERNAL, "plan: %s pointers go from %lld to %lld, allowed 0 to %lld",
                       what, (long long)c->row_ptr[0], (long long)c->row_ptr[n_lists],
                       (long long)c->capacity);
    for (int64_t i = 0; i < n_lists; i++)
        if (c->row_ptr[i] > c->row_ptr[i + 1])
            return sb_fail(SB_ERR_INTERNAL, "plan: %s pointer %lld falls from %lld to %lld", what,
                           (long long)i, (long long)c->row_ptr[i], (long long)c->row_ptr[i + 1]);
    for (int64_t i = 0; st == SB_OK && i < n_lists; i++)
        st = check_list(c, what, i, n_ids);
    return st;
}

static sb_status check_window(const sb_plan *plan, int64_t n_heads)
{
    const sb_window_form *f = &plan->form;
    if (f->head != NULL && f->n_heads != n_heads)
        return sb_fail(SB_ERR_INTERNAL, "plan: windows of %lld heads for %lld",
                       (long long)f->n_heads, (long long)n_heads);
    for (int64_t i = 0; i < f->n_spans; i++)
        if (f->span[i].row < 0 || (i == 0 && f->span[0].row != 0) ||
            (i > 0 && f->span[i].row <= f->span[i - 1].row) || f->span[i].first < 0 ||
            f->span[i].first > f->span[i].row)
            return sb_fail(SB_ERR_INTERNAL, "plan: span %lld starts at row %lld and key %lld",
                           (long long)i, (long long)f->span[i].row, (long long)f->span[i].first);
    return SB_OK;
}

static sb_status check_slots(const sb_slots *s, int64_t n_heads, int64_t n_keys)
{
    sb_status st = check_heads("slots", s->n_heads, n_heads);
    if (st == SB_OK && s->n_slots != n_keys)
        st = sb_fail(SB_ERR_INTERNAL, "plan: %lld slots for %lld keys", (long long)s->n_slots,
                     (long long)n_keys);
    for (int64_t i = 0; st == SB_OK && i < s->n_heads * s->n_slots; i++) {
        int64_t slot = i % s->n_slots, first = slot - slot % s->segment_tokens;
        int64_t end = sb_slots_end(s, slot);
        if (first + s->offset[i] >= end)
            st = sb_fail(SB_ERR_INTERNAL,
                         "plan: slot %lld stands for offset %d of a segment of "
                         "%lld",
                         (long long)slot, (int)s->offset[i], (long long)(end - first));
    }
    return st;
}

static sb_status check_rows(const sb_plan *plan, const sb_gid *q)
{
    for (int32_t r = 0; r < q->n_runs; r++)
        for (int64_t b = q->run[r].start / plan->row_tokens;
             b * plan->row_tokens < q->run[r].start + q->run[r].len; b++)
            if (q->run[r].len > 0 && sb_plan_row(plan, b * plan->row_tokens) < 0)
                return sb_fail(SB_ERR_INTERNAL, "plan: no list for row block %lld", (long long)b);
    return SB_OK;
}

sb_status sb_plan_check(const sb_plan *plan, const sb_gid *q, int64_t n_heads, int64_t n_keys)
{
    sb_status st    = sb_slots_check(plan);
    int       lists = (plan->parts & (SB_PART_TILES | SB_PART_TOKENS)) != 0;
    if (st == SB_OK && lists && plan->row_tokens < 1)
        st = sb_fail(SB_ERR_INTERNAL, "plan: row blocks of %lld tokens",
                     (long long)plan->row_tokens);
    for (int64_t i = 0; st == SB_OK && lists && i < plan->n_rows; i++)
        if (plan->row_id[i] < 0 || (i > 0 && plan->row_id[i] <= plan->row_id[i - 1]))
            st = sb_fail(SB_ERR_INTERNAL, "plan: row block %lld has number %lld", (long long)i,
                         (long long)plan->row_id[i]);
    if (st == SB_OK && lists && q != NULL)
        st = check_rows(plan, q);
    int64_t end = lists && st == SB_OK
                      ? (n_keys + plan->row_tokens - 1) / plan->row_tokens * plan->row_tokens
                      : n_keys;
    if (st == SB_OK && (plan->parts & SB_PART_WINDOW))
        st = check_window(plan, n_heads);
    if (st == SB_OK && (plan->parts & SB_PART_TILES) &&
        (plan->tiles.unit_tokens < 1 || plan->tiles.width_tokens < 1))
        st = sb_fail(SB_ERR_INTERNAL, "plan: tiles of %lld keys every %lld",
                     (long long)plan->tiles.width_tokens, (long long)plan->tiles.unit_tokens);
    if (st == SB_OK && (plan->parts & SB_PART_TILES))
        st = check_csr(&plan->tiles, "tiles", plan->tiles.unit_tokens, plan->n_rows, n_heads, end);
    if (st == SB_OK && (plan->parts & SB_PART_TOKENS))
        st = check_csr(&plan->tokens, "tokens", 1, plan->n_rows, n_heads, end);
    if (st == SB_OK && sb_plan_has_slots(plan))
        st = check_slots(&plan->slots, n_heads, n_keys);
    return st;
}
