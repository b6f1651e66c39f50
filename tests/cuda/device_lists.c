#include "tests/cuda/device_lists.h"

#include <check.h>
#include <stdlib.h>

#include "kernels/base/rng.h"

static void list(sb_csr *c, sb_rng *r, const list_form *f, int64_t heads, int64_t rows,
                 int64_t n_keys, int64_t unit, int64_t width)
{
    int64_t n_ids = (n_keys + unit - 1) / unit;
    *c = (sb_csr){.n_heads = f->one_list ? 1 : heads, .unit_tokens = unit, .width_tokens = width};
    c->capacity = c->n_heads * rows * n_ids;
    c->row_ptr  = calloc((size_t)(c->n_heads * rows + 1), sizeof *c->row_ptr);
    c->id       = malloc((size_t)(c->capacity + 1) * sizeof *c->id);
    ck_assert(c->row_ptr != NULL && c->id != NULL);
    for (int64_t at = 0; at < c->n_heads * rows; at++) {
        int64_t n     = c->row_ptr[at];
        int     empty = sb_rng_below(r, 7) == 0; /* some see nothing */
        for (int64_t id = 0; id < n_ids && !empty; id++) {
            int64_t most = width == 1 && f->run > 0 ? f->run : 1;
            int64_t end =
                id + (sb_rng_below(r, 2) ? most : 1 + (int64_t)sb_rng_below(r, (uint64_t)most));
            if ((int)sb_rng_below(r, 100) >= f->percent)
                continue;
            for (; id < end && id < n_ids; id++)
                c->id[n++] = (int32_t)id;
            id--;
        }
        c->row_ptr[at + 1] = n;
    }
}

/* Every segment in an order of its own. */
static sb_slots random_slots(sb_rng *r, int64_t segment, int64_t heads, int64_t n_keys)
{
    sb_slots s = {.n_heads = heads, .n_slots = n_keys, .segment_tokens = segment};
    s.offset   = malloc((size_t)(heads * n_keys) * sizeof *s.offset);
    ck_assert_ptr_nonnull(s.offset);
    for (int64_t i = 0; i < heads * n_keys; i++) { /* each one into a place so far */
        int64_t at = i % n_keys % segment, to = (int64_t)sb_rng_below(r, (uint64_t)at + 1);
        s.offset[i]           = s.offset[i - at + to];
        s.offset[i - at + to] = (uint16_t)at;
    }
    return s;
}

sb_plan device_lists(const list_form *f, int64_t heads, int64_t first, int64_t end, int64_t n_keys,
                     uint64_t seed)
{
    sb_rng  r    = {seed};
    sb_plan p    = {.parts         = (uint32_t)f->parts,
                    .row_tokens    = f->row_tokens,
                    .sink_tokens   = f->sink,
                    .window_tokens = f->window};
    int64_t from = first / f->row_tokens;
    p.n_rows     = (end - 1) / f->row_tokens + 1 - from;
    p.row_id     = malloc((size_t)p.n_rows * sizeof *p.row_id);
    ck_assert_ptr_nonnull(p.row_id);
    for (int64_t i = 0; i < p.n_rows; i++)
        p.row_id[i] = (int32_t)(from + i);
    if (f->parts & SB_PART_TILES)
        list(&p.tiles, &r, f, heads, p.n_rows, n_keys, f->unit, f->width);
    if (f->parts & SB_PART_TOKENS)
        list(&p.tokens, &r, f, heads, p.n_rows, n_keys, 1, 1);
    if (f->segment > 0)
        p.slots = random_slots(&r, f->segment, f->one_list ? 1 : heads, n_keys);
    return p;
}

void device_lists_free(sb_plan *p)
{
    free(p->row_id);
    free(p->tiles.row_ptr);
    free(p->tiles.id);
    free(p->tokens.row_ptr);
    free(p->tokens.id);
    free(p->slots.offset);
}
