#include "kernels/exec/plan_fetch.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/exec/plan_check.h"

typedef struct mover {
    const sb_backend *from;
    void             *stream;
    sb_fetched_plan  *f;
    int               n;
} mover;

/* Waits, as the host reads row pointers before it asks for ids. */
static sb_status fetch(mover *m, const char *what, const void *from, int64_t count,
                       size_t elem_bytes, void **to)
{
    size_t bytes = (size_t)count * elem_bytes;
    int    i     = m->n++;
    if (m->f->part[i] == NULL || m->f->bytes[i] < bytes) {
        free(m->f->part[i]);
        m->f->part[i]  = malloc(bytes + 1);
        m->f->bytes[i] = bytes;
    }
    *to = m->f->part[i];
    if (*to == NULL)
        return sb_fail(SB_ERR_NOMEM, "fetching a plan: no host memory for %zu bytes of %s", bytes,
                       what);
    sb_status st = SB_OK;
    if (count > 0)
        st = m->from->copy(*to, from, bytes, SB_COPY_TO_HOST, m->stream);
    return st == SB_OK ? m->from->sync(m->stream) : st;
}

static sb_status fetch_csr(mover *m, const sb_csr *c, int64_t n_rows, sb_csr *to)
{
    int64_t   n_lists = c->n_heads * n_rows;
    void     *ptr = NULL, *id = NULL;
    sb_status st = fetch(m, "row pointers", c->row_ptr, n_lists + 1, sizeof *c->row_ptr, &ptr);
    if (st != SB_OK)
        return st;
    to->row_ptr = ptr;
    int64_t n   = to->row_ptr[n_lists];
    if (n < 0 || n > c->capacity)
        return sb_fail(SB_ERR_INTERNAL, "fetched plan: %lld ids in room for %lld", (long long)n,
                       (long long)c->capacity);
    if ((st = fetch(m, "ids", c->id, n, sizeof *c->id, &id)) != SB_OK)
        return st;
    to->id       = id;
    to->capacity = n;
    return SB_OK;
}

static sb_status fetch_form(mover *m, const sb_window_form *f, sb_window_form *to)
{
    void     *p  = NULL;
    sb_status st = SB_OK;
    if (f->head != NULL) {
        st       = fetch(m, "windows", f->head, f->n_heads, sizeof *f->head, &p);
        to->head = p;
    }
    if (st == SB_OK && f->n_spans > 0) {
        st       = fetch(m, "spans", f->span, f->n_spans, sizeof *f->span, &p);
        to->span = p;
    }
    return st;
}

static sb_status fetch_all(mover *m, const sb_plan *plan, sb_plan *to)
{
    void     *p  = NULL;
    sb_status st = SB_OK;
    if (plan->parts & (SB_PART_TILES | SB_PART_TOKENS)) {
        st         = fetch(m, "rows", plan->row_id, plan->n_rows, sizeof *plan->row_id, &p);
        to->row_id = p;
    }
    if (st == SB_OK && (plan->parts & SB_PART_TILES))
        st = fetch_csr(m, &plan->tiles, plan->n_rows, &to->tiles);
    if (st == SB_OK && (plan->parts & SB_PART_TOKENS))
        st = fetch_csr(m, &plan->tokens, plan->n_rows, &to->tokens);
    if (st == SB_OK && (plan->parts & SB_PART_WINDOW))
        st = fetch_form(m, &plan->form, &to->form);
    if (st == SB_OK && plan->slots.n_heads > 0) {
        st = fetch(m, "slots", plan->slots.offset, plan->slots.n_heads * plan->slots.n_slots,
                   sizeof *plan->slots.offset, &p);
        to->slots.offset = p;
    }
    if (st == SB_OK && plan->estimate_flops_more != NULL) {
        int64_t more = 0;
        st           = m->from->copy(&more, plan->estimate_flops_more, sizeof more, SB_COPY_TO_HOST,
                                     m->stream);
        if (st == SB_OK)
            st = m->from->sync(m->stream);
        to->estimate_flops += more;
    }
    return st;
}

sb_status sb_plan_fetch(const sb_backend *from, void *stream, const sb_plan *plan, const sb_gid *q,
                        int64_t n_heads, int64_t n_keys, sb_fetched_plan *f)
{
    mover m                     = {from, stream, f, 0};
    f->plan                     = *plan;
    f->plan.method_data         = NULL;
    f->plan.estimate_flops_more = NULL;
    sb_status st                = fetch_all(&m, plan, &f->plan);
    if (st == SB_OK)
        st = sb_plan_check(&f->plan, q, n_heads, n_keys);
    if (st != SB_OK)
        sb_fetched_plan_fini(f);
    return st;
}

void sb_fetched_plan_fini(sb_fetched_plan *f)
{
    for (size_t i = 0; i < sizeof f->part / sizeof *f->part; i++)
        free(f->part[i]);
    memset(f, 0, sizeof *f);
}
