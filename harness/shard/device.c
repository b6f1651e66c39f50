#include "harness/shard/device.h"

#include <stdlib.h>

#include "kernels/exec/plan_place.h"

struct sb_device_call {
    const sb_backend *backend;
    sb_tensor         q, k, v, o; /* data on the device; k's and v's ids are k_run */
    sb_run            k_run;
    float            *lse;
    struct room {
        void  *data;
        size_t bytes;
    } index, work; /* of the last call, and larger ones before */
    size_t bytes;
};

static sb_status take_room(sb_device_call *c, size_t bytes, void **out)
{
    sb_status st = c->backend->alloc(bytes, out);
    if (st == SB_ERR_NOMEM)
        return sb_fail(SB_ERR_NO_FIT,
                       "needs %.2f GiB more on the device, beside %.2f GiB in use there",
                       (double)bytes / 0x1p30, (double)c->bytes / 0x1p30);
    if (st == SB_OK)
        c->bytes += bytes;
    return st;
}

/* A dense copy of the tokens in use: a cache has room for more. */
static sb_status upload(sb_device_call *c, const sb_tensor *from, sb_tensor *to)
{
    size_t row      = (size_t)(from->tokens * from->dim) * sizeof(sb_bf16);
    *to             = *from;
    to->data        = NULL;
    to->head_stride = from->tokens * from->dim;
    sb_status st    = take_room(c, row * (size_t)from->heads, &to->data);
    for (int64_t h = 0; st == SB_OK && h < from->heads; h++)
        st = c->backend->copy(sb_tensor_bf16(to, h, 0), sb_tensor_bf16(from, h, 0), row,
                              SB_COPY_TO_DEVICE, NULL);
    return st == SB_OK ? c->backend->sync(NULL) : st;
}

static sb_status open_rooms(sb_device_call *c, const sb_tensor *q, const sb_tensor *k,
                            const sb_tensor *v)
{
    void     *lse = NULL;
    sb_status st  = upload(c, q, &c->q);
    if (st == SB_OK)
        st = upload(c, k, &c->k);
    if (st == SB_OK)
        st = upload(c, v, &c->v);
    c->o      = c->q;
    c->o.data = NULL;
    if (st == SB_OK)
        st = take_room(c, (size_t)(c->o.heads * c->o.head_stride) * sizeof(sb_bf16), &c->o.data);
    if (st == SB_OK)
        st = take_room(c, (size_t)(c->o.heads * c->o.tokens) * sizeof *c->lse, &lse);
    c->lse = lse;
    return st;
}

sb_status sb_device_call_open(const sb_backend *backend, const sb_tensor *q, const sb_tensor *k,
                              const sb_tensor *v, sb_device_call **out)
{
    sb_device_call *c = calloc(1, sizeof *c);
    if (c == NULL)
        return sb_fail(SB_ERR_NOMEM, "device: no memory for the handle");
    c->backend   = backend;
    sb_status st = open_rooms(c, q, k, v);
    if (st != SB_OK) {
        sb_device_call_close(c);
        return st;
    }
    c->k_run = (sb_run){0, k->tokens};
    c->k.gid = c->v.gid = (sb_gid){.run = &c->k_run, .n_runs = 1, .n_tokens = k->tokens};
    *out                = c;
    return SB_OK;
}

void sb_device_call_close(sb_device_call *c)
{
    if (c == NULL)
        return;
    void *rooms[] = {c->q.data, c->k.data,     c->v.data,   c->o.data,
                     c->lse,    c->index.data, c->work.data};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        if (rooms[i] != NULL)
            c->backend->free(rooms[i]);
    free(c);
}

static sb_status grow(sb_device_call *c, struct room *r, size_t bytes)
{
    if (bytes <= r->bytes)
        return SB_OK;
    if (r->data != NULL)
        c->backend->free(r->data);
    c->bytes -= r->bytes;
    *r           = (struct room){NULL, 0};
    sb_status st = take_room(c, bytes, &r->data);
    if (st == SB_OK)
        r->bytes = bytes;
    return st;
}

/* The index on the device. Waits: the host's arrays may change after this call. */
static sb_status place(sb_device_call *c, const sb_plan *plan, int64_t n_keys, sb_plan *placed)
{
    sb_arena a;
    sb_arena_init_count(&a);
    sb_status st = sb_plan_place(c->backend, NULL, &a, plan, &c->q.gid, c->q.heads, n_keys, placed);
    if (st != SB_OK || a.high_water_bytes == 0 ||
        (st = grow(c, &c->index, a.high_water_bytes)) != SB_OK)
        return st;
    sb_arena_init(&a, c->index.data, c->index.bytes, SB_ARENA_PLAIN);
    st = sb_plan_place(c->backend, NULL, &a, plan, &c->q.gid, c->q.heads, n_keys, placed);
    return st == SB_OK ? c->backend->sync(NULL) : st;
}

sb_status sb_device_call_attend(sb_device_call *c, const sb_ctx *ctx, const sb_method *m,
                                const void *params, const sb_shape *shape, const sb_plan *plan,
                                float scale)
{
    sb_plan     placed = *plan;
    sb_arena    work;
    sb_ctx      here = *ctx;
    sb_attn_in  in   = {.q = &c->q, .k = &c->k, .v = &c->v, .scale = scale};
    sb_attn_out out  = {.o = &c->o, .lse = c->lse, .mode = SB_OUT_SET};
    int64_t     t0   = sb_now_ns();
    int64_t     need = m->device_bytes != NULL ? m->device_bytes(params, shape) : 0;
    sb_status   st   = SB_OK;
    if ((m->caps & SB_CAP_NO_INDEX) == 0)
        st = place(c, plan, shape->n_keys, &placed);
    placed.method_data = plan->method_data;
    if (st == SB_OK)
        st = grow(c, &c->work, (size_t)need);
    sb_arena_init(&work, c->work.data, c->work.bytes, SB_ARENA_PLAIN);
    here.backend = c->backend;
    here.arena   = &work;
    sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
    if (st == SB_OK)
        st = m->attend[c->backend->id](&here, params, &in, &placed, NULL, &out);
    return st == SB_OK ? c->backend->sync(NULL) : st;
}

sb_status sb_device_call_fetch(const sb_device_call *c, const sb_tensor *o, float *lse)
{
    if (o->dtype != SB_BF16 || o->heads != c->o.heads || o->tokens != c->o.tokens ||
        o->dim != c->o.dim)
        return sb_fail(SB_ERR_INTERNAL, "device: results of another shape than the queries'");
    size_t    row = (size_t)(o->tokens * o->dim) * sizeof(sb_bf16);
    sb_status st  = SB_OK;
    for (int64_t h = 0; st == SB_OK && h < o->heads; h++)
        st = c->backend->copy(sb_tensor_bf16(o, h, 0), sb_tensor_bf16(&c->o, h, 0), row,
                              SB_COPY_TO_HOST, NULL);
    if (st == SB_OK)
        st = c->backend->copy(lse, c->lse, (size_t)(o->heads * o->tokens) * sizeof *lse,
                              SB_COPY_TO_HOST, NULL);
    return st == SB_OK ? c->backend->sync(NULL) : st;
}

size_t sb_device_call_bytes(const sb_device_call *c) { return c->bytes; }
