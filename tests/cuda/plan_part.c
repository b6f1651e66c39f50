#include "tests/cuda/plan_part.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/row_support.h"

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

static void upload(plan_part *t, const sb_tensor *from, sb_tensor *out)
{
    must(sb_device_call_upload(t->call, from, out));
}

static void fetch(plan_part *t, const sb_tensor *o)
{
    sb_tensor host = *o;
    t->o           = malloc((size_t)(o->heads * o->tokens * o->dim) * sizeof *t->o);
    ck_assert_ptr_nonnull(t->o);
    host.data = t->o;
    must(sb_device_fetch(&sb_backend_cuda, o, &host));
}

/* The sequence's last queries, for the methods that look at them beside their own rows. */
static void last_queries(plan_part *t, const sb_case *c, const sb_method *m, const sb_shape *shape,
                         sb_tensor *out)
{
    int64_t   n    = m->plan_last_queries(c->params, shape);
    sb_tensor last = c->q;
    ck_assert_int_le(n, c->shape.n_k);
    last.data   = sb_tensor_bf16(&c->q, 0, c->shape.n_k - n);
    last.tokens = n;
    upload(t, &last, out);
}

void plan_part_attend(plan_part *t, const sb_case *c, const sb_method *m, const sb_gid *gid)
{
    sb_shape  shape = c->seen;
    sb_ctx    ctx   = {.backend = &sb_backend_cuda, .threads = 1, .n_layers = 1};
    sb_tensor q, k, v, o, last;
    int       looks = m->plan_last_queries != NULL && gid->n_tokens < c->shape.n_k;
    *t              = (plan_part){.own = sb_case_take(&c->q, 0, gid)};
    shape.q_gid     = *gid;
    must(sb_device_call_open(&sb_backend_cuda, &t->call));
    upload(t, &t->own, &q);
    upload(t, &c->k, &k);
    upload(t, &c->v, &v);
    o = q;
    must(
        sb_device_call_take(t->call, (size_t)(q.heads * q.head_stride) * sizeof(sb_bf16), &o.data));
    if (looks) {
        shape.all_queries = c->shape.n_k;
        if (m->plan_last_queries(c->params, &shape) > 0) {
            last_queries(t, c, m, &shape, &last);
            ctx.last_q = &last;
        }
    }
    sb_attn_in  in  = {.q = &q, .k = &k, .v = &v, .scale = c->scale};
    sb_attn_out out = {.o = &o, .mode = SB_OUT_SET};
    for (int i = 0; i < 2; i++)
        must(sb_device_call_attend(t->call, &ctx, m, c->params, &in, &shape, &t->plan, NULL, &out));
    must(sb_device_call_fetch_plan(t->call, &t->plan, &t->got));
    fetch(t, &o);
}

void plan_part_close(plan_part *t)
{
    sb_device_call_close(t->call);
    free(t->own.data);
    free(t->o);
}

static void same_lists(const sb_csr *part, const sb_csr *whole, const sb_plan *p, const sb_plan *w)
{
    ck_assert_int_eq(part->n_heads, whole->n_heads);
    ck_assert_int_eq(part->unit_tokens, whole->unit_tokens);
    for (int64_t h = 0; h < part->n_heads; h++)
        for (int64_t r = 0; r < p->n_rows; r++) {
            int64_t row = p->row_id[r], a = part->row_ptr[h * p->n_rows + r];
            int64_t n = part->row_ptr[h * p->n_rows + r + 1] - a;
            int64_t b = whole->row_ptr[h * w->n_rows + row];
            ck_assert_int_eq(w->row_id[row], row);
            ck_assert_msg(n == whole->row_ptr[h * w->n_rows + row + 1] - b,
                          "head %lld, row block %lld: %lld ids, of all rows %lld", (long long)h,
                          (long long)row, (long long)n,
                          (long long)(whole->row_ptr[h * w->n_rows + row + 1] - b));
            ck_assert_msg(memcmp(part->id + a, whole->id + b, (size_t)n * sizeof *part->id) == 0,
                          "head %lld, row block %lld: other ids", (long long)h, (long long)row);
        }
}

void plan_part_is_of(const plan_part *part, const plan_part *whole)
{
    const sb_plan *p = part->got, *w = whole->got;
    ck_assert_uint_eq(p->parts, w->parts);
    ck_assert_int_eq(p->fallback, w->fallback);
    if (p->parts & SB_PART_TILES) {
        ck_assert_int_eq(p->row_tokens, w->row_tokens);
        ck_assert_int_eq(p->n_rows, (part->own.tokens + p->row_tokens - 1) / p->row_tokens);
        same_lists(&p->tiles, &w->tiles, p, w);
    }
    if (p->parts & SB_PART_TOKENS)
        same_lists(&p->tokens, &w->tokens, p, w);
    ck_assert_int_eq(p->slots.n_slots, w->slots.n_slots);
    ck_assert_int_eq(
        memcmp(p->slots.offset, w->slots.offset,
               (size_t)(p->slots.n_heads * p->slots.n_slots) * sizeof *p->slots.offset),
        0);
}

void plan_part_beside_cpu(const plan_part *part, const sb_case *c, int64_t step, int64_t *differ,
                          int64_t *listed)
{
    const sb_gid *g = &part->own.gid;
    int64_t       n = c->shape.n_k, *id = malloc((size_t)n * sizeof *id);
    uint8_t      *a = malloc((size_t)n), *b = malloc((size_t)n);
    ck_assert(id != NULL && a != NULL && b != NULL);
    for (int64_t i = 0; i < n; i++)
        id[i] = i;
    for (int64_t h = 0; h < c->shape.heads; h++)
        for (int32_t r = 0; r < g->n_runs; r++)
            for (int64_t i = g->run[r].start; i < g->run[r].start + g->run[r].len; i += step) {
                sb_row_support_of(&c->plan, h, i, id, i + 1, a);
                sb_row_support_of(part->got, h, i, id, i + 1, b);
                for (int64_t k = 0; k <= i; k++) {
                    *listed += a[k];
                    *differ += a[k] != b[k];
                }
            }
    free(id);
    free(a);
    free(b);
}

double plan_part_nmse(const plan_part *part, const plan_part *whole)
{
    const sb_gid *g = &part->own.gid;
    int64_t       d = part->own.dim, n = part->own.tokens, all = whole->own.tokens;
    double        error = 0, power = 0;
    for (int64_t h = 0; h < part->own.heads; h++)
        for (int64_t r = 0, at = 0; r < g->n_runs; at += g->run[r++].len)
            for (int64_t i = 0; i < g->run[r].len * d; i++) {
                double got  = (double)sb_bf16_to_f32(part->o[(h * n + at) * d + i]);
                double want = (double)sb_bf16_to_f32(whole->o[(h * all + g->run[r].start) * d + i]);
                error += (got - want) * (got - want);
                power += want * want;
            }
    return error / power;
}
