#include "tests/cuda/device_case.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/plan_place.h"

enum { GUARD_BYTES = 4096, POISON = 0xFF };

static const sb_backend *const b = &sb_backend_cuda;

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

void *device_room(size_t bytes)
{
    void *p = NULL;
    must(b->alloc(bytes + GUARD_BYTES, &p));
    must(b->fill(p, POISON, bytes + GUARD_BYTES, NULL));
    return p;
}

static size_t bytes_of(const sb_tensor *t)
{
    return (size_t)(t->heads * t->head_stride * sb_dtype_bytes(t->dtype));
}

static void upload(sb_tensor *to, const sb_tensor *from)
{
    *to      = *from;
    to->data = device_room(bytes_of(from));
    must(b->copy(to->data, from->data, bytes_of(from), SB_COPY_TO_DEVICE, NULL));
    must(b->sync(NULL));
}

static size_t lse_bytes(const device_case *c) { return (size_t)(c->o.heads * c->o.tokens) * 4; }

void device_open(device_case *c, const sb_tensor *q, const sb_tensor *k, const sb_tensor *v,
                 sb_dtype dtype)
{
    *c = (device_case){0};
    upload(&c->q, q);
    upload(&c->k, k);
    upload(&c->v, v);
    c->o        = (sb_tensor){.dtype       = dtype,
                              .heads       = q->heads,
                              .tokens      = q->tokens,
                              .dim         = q->dim,
                              .head_stride = q->tokens * q->dim,
                              .gid         = q->gid};
    c->o.data   = device_room(bytes_of(&c->o));
    c->lse      = device_room(lse_bytes(c));
    c->got      = c->o;
    c->got.data = malloc(bytes_of(&c->o) + GUARD_BYTES);
    c->got_lse  = malloc(lse_bytes(c) + GUARD_BYTES);
    ck_assert(c->got.data != NULL && c->got_lse != NULL);
}

void device_close(device_case *c)
{
    void *on_device[] = {c->q.data, c->k.data, c->v.data,    c->o.data,
                         c->lse,    c->index,  c->gate.data, c->beta.data};
    for (size_t i = 0; i < sizeof on_device / sizeof *on_device; i++)
        b->free(on_device[i]);
    free(c->got.data);
    free(c->got_lse);
    *c = (device_case){0};
}

void device_sides(device_case *c, const sb_tensor *gate, const sb_tensor *beta)
{
    upload(&c->gate, gate);
    upload(&c->beta, beta);
}

void device_keys(device_case *c, const sb_tensor *k, const sb_tensor *v)
{
    b->free(c->k.data);
    b->free(c->v.data);
    upload(&c->k, k);
    upload(&c->v, v);
}

sb_status device_place(device_case *c, const sb_plan *plan, int64_t n_keys)
{
    sb_arena a;
    sb_arena_init_count(&a);
    sb_status st = sb_plan_place(b, NULL, &a, plan, &c->q.gid, c->q.heads, n_keys, &c->plan);
    if (st != SB_OK)
        return st;
    size_t bytes = a.high_water_bytes;
    b->free(c->index);
    c->index = device_room(bytes);
    sb_arena_init(&a, c->index, bytes, SB_ARENA_PLAIN);
    if ((st = sb_plan_place(b, NULL, &a, plan, &c->q.gid, c->q.heads, n_keys, &c->plan)) == SB_OK)
        must(b->sync(NULL));
    return st;
}

void device_guard(const void *device, size_t bytes, const char *what)
{
    unsigned char got[GUARD_BYTES];
    must(b->copy(got, (const char *)device + bytes, GUARD_BYTES, SB_COPY_TO_HOST, NULL));
    must(b->sync(NULL));
    for (int i = 0; i < GUARD_BYTES; i++)
        if (got[i] != POISON)
            ck_abort_msg("byte %d behind %s was written", i, what);
}

static void guard_intact(const void *room, size_t bytes, const char *what)
{
    const unsigned char *p = (const unsigned char *)room + bytes;
    for (int i = 0; i < GUARD_BYTES; i++)
        if (p[i] != POISON)
            ck_abort_msg("byte %d behind %s was written", i, what);
}

sb_status device_attend(device_case *c, sb_attend_fn attend, const sb_plan *plan, float scale,
                        sb_out_mode mode, const char *kernel)
{
    sb_ctx      ctx = {.backend = b,
                       .comm    = c->comm,
                       .link    = c->link,
                       .arena   = c->work,
                       .step    = c->step,
                       .threads = 1};
    sb_attn_in  in  = {.q     = &c->q,
                       .k     = &c->k,
                       .v     = &c->v,
                       .scale = scale,
                       .gate  = c->gate.data != NULL ? &c->gate : NULL,
                       .beta  = c->beta.data != NULL ? &c->beta : NULL};
    sb_attn_out out = {.o = &c->o, .lse = c->lse, .mode = mode};
    size_t      n = bytes_of(&c->o), m = lse_bytes(c);
    if (mode == SB_OUT_SET) {
        must(b->fill(c->o.data, POISON, n, NULL));
        must(b->fill(c->lse, POISON, m, NULL));
    }
    ck_assert_int_eq(setenv("SPAN_CUDA_KERNEL", kernel, 1), 0);
    sb_status st = attend(&ctx, NULL, &in, plan, c->cache, &out);
    unsetenv("SPAN_CUDA_KERNEL");
    if (st != SB_OK)
        return st;
    must(b->copy(c->got.data, c->o.data, n + GUARD_BYTES, SB_COPY_TO_HOST, NULL));
    must(b->copy(c->got_lse, c->lse, m + GUARD_BYTES, SB_COPY_TO_HOST, NULL));
    must(b->sync(NULL));
    guard_intact(c->got.data, n, "o");
    guard_intact(c->got_lse, m, "lse");
    return SB_OK;
}

device_error device_compare(const device_case *c, const sb_tensor *o, const float *lse)
{
    double num = 0, den = 0, worst = 0;
    for (int64_t h = 0; h < o->heads; h++)
        for (int64_t i = 0; i < o->tokens; i++) {
            double x = (double)c->got_lse[h * o->tokens + i], y = (double)lse[h * o->tokens + i];
            if (x != y)
                worst = isfinite(x) && isfinite(y) ? fmax(worst, fabs(x - y)) : INFINITY;
            const float *want = sb_tensor_f32(o, h, i);
            for (int64_t d = 0; d < o->dim; d++) {
                double got = c->got.dtype == SB_BF16
                                 ? (double)sb_bf16_to_f32(sb_tensor_bf16(&c->got, h, i)[d])
                                 : (double)sb_tensor_f32(&c->got, h, i)[d];
                num += (got - (double)want[d]) * (got - (double)want[d]);
                den += (double)want[d] * (double)want[d];
            }
        }
    double nmse = den > 0 ? num / den : num;
    return (device_error){isfinite(nmse) ? nmse : INFINITY, worst};
}
