#include "kernels/exec/plan_place.h"

#include "kernels/exec/plan_check.h"

typedef struct mover {
    const sb_backend *to;
    void             *stream;
    sb_arena         *a;
} mover;

static sb_status move(const mover *m, const char *what, const void *from, int64_t count,
                      size_t elem_bytes, void **to)
{
    void     *room = NULL;
    sb_status st   = sb_arena_alloc(m->a, count, elem_bytes, what, &room);
    if (st == SB_OK && !m->a->counting && count > 0)
        st = m->to->copy(room, from, (size_t)count * elem_bytes, SB_COPY_TO_DEVICE, m->stream);
    *to = room;
    return st;
}

static sb_status move_csr(const mover *m, const sb_csr *c, int64_t n_rows, sb_csr *to)
{
    int64_t   n_lists = c->n_heads * n_rows;
    void     *ptr, *id;
    sb_status st = move(m, "plan row pointers", c->row_ptr, n_lists + 1, sizeof *c->row_ptr, &ptr);
    if (st == SB_OK)
        st = move(m, "plan ids", c->id, c->row_ptr[n_lists], sizeof *c->id, &id);
    if (st != SB_OK)
        return st;
    to->row_ptr  = ptr;
    to->id       = id;
    to->capacity = c->row_ptr[n_lists];
    return SB_OK;
}

static sb_status move_form(const mover *m, const sb_window_form *f, sb_window_form *to)
{
    void     *p;
    sb_status st = SB_OK;
    if (f->head != NULL) {
        st       = move(m, "plan windows", f->head, f->n_heads, sizeof *f->head, &p);
        to->head = p;
    }
    if (st == SB_OK && f->n_spans > 0) {
        st       = move(m, "plan spans", f->span, f->n_spans, sizeof *f->span, &p);
        to->span = p;
    }
    return st;
}

sb_status sb_plan_place(const sb_backend *to, void *stream, sb_arena *a, const sb_plan *plan,
                        const sb_gid *q, int64_t n_heads, int64_t n_keys, sb_plan *placed)
{
    mover     m    = {to, stream, a};
    sb_plan   made = *plan;
    void     *p;
    sb_status st     = sb_plan_check(plan, q, n_heads, n_keys);
    made.method_data = NULL;
    if (st == SB_OK && (plan->parts & (SB_PART_TILES | SB_PART_TOKENS))) {
        st          = move(&m, "plan rows", plan->row_id, plan->n_rows, sizeof *plan->row_id, &p);
        made.row_id = p;
    }
    if (st == SB_OK && (plan->parts & SB_PART_TILES))
        st = move_csr(&m, &plan->tiles, plan->n_rows, &made.tiles);
    if (st == SB_OK && (plan->parts & SB_PART_TOKENS))
        st = move_csr(&m, &plan->tokens, plan->n_rows, &made.tokens);
    if (st == SB_OK && (plan->parts & SB_PART_WINDOW))
        st = move_form(&m, &plan->form, &made.form);
    if (st == SB_OK && plan->slots.n_heads > 0) {
        st = move(&m, "plan slots", plan->slots.offset, plan->slots.n_heads * plan->slots.n_slots,
                  sizeof *plan->slots.offset, &p);
        made.slots.offset = p;
    }
    if (st == SB_OK)
        *placed = made;
    return st;
}
