#include "harness/shard/heads.h"

sb_tensor sbi_heads_of(const sb_tensor *t, int64_t first, int64_t n)
{
    sb_tensor out = *t;
    out.data      = (unsigned char *)t->data + first * t->head_stride * sb_dtype_bytes(t->dtype);
    out.heads     = n;
    return out;
}

static void cut_lists(sb_csr *c, int64_t n_rows, int64_t first, int64_t n)
{
    if (c->n_heads <= 1)
        return; /* one list for all */
    c->row_ptr += first * n_rows;
    c->n_heads = n;
}

sb_plan sbi_plan_of_heads(const sb_plan *plan, int64_t first, int64_t n)
{
    sb_plan out = *plan;
    cut_lists(&out.tiles, plan->n_rows, first, n);
    cut_lists(&out.tokens, plan->n_rows, first, n);
    if (plan->slots.n_heads > 1) {
        out.slots.offset += first * plan->slots.n_slots;
        out.slots.n_heads = n;
    }
    if (plan->form.head != NULL) {
        out.form.head += first;
        out.form.n_heads = n;
    }
    return out;
}
