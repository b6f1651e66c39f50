#include "harness/shard/device.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/exec/plan_fetch.h"
#include "kernels/exec/plan_place.h"

enum { MAX_TAKEN = 16 };

#if defined(SB_HAVE_CUDA)
static sb_status merge(const sb_partials *p, sb_dtype dtype, void *o, float *lse, void *stream)
{
    return sb_merge_lse_cuda(p, dtype, SB_MERGE_INTO_NOTHING, o, lse, stream);
}
#endif

sb_device_merge_fn sb_device_merge = SB_IF_CUDA(merge);

/* A merge of one part is its one rounding. */
sb_status sb_device_round_off(const sb_tensor *from, const float *lse, const sb_tensor *to,
                              void *stream)
{
    int64_t     rows = from->heads * from->tokens;
    sb_partials one  = {.o               = from->data,
                        .lse             = lse,
                        .o_part_stride   = rows * from->dim,
                        .o_row_stride    = from->dim,
                        .lse_part_stride = rows,
                        .lse_row_stride  = 1,
                        .n_parts         = 1,
                        .rows            = rows,
                        .dim             = from->dim};
    return sb_device_merge(&one, SB_BF16, to->data, NULL, stream);
}

struct sb_device_call {
    const sb_backend *backend;
    void             *taken[MAX_TAKEN];
    int               n_taken;
    struct room {
        void  *data;
        size_t bytes;
    } index, work, lse;     /* of the last call, and larger ones before */
    sb_tensor   gate, beta; /* data on the device, in their rooms; NULL: none */
    struct room gate_room, beta_room;
    struct room partial;
    struct room host; /* in host memory: what layout_device keeps there */
    struct laid {     /* the last call of layout_device: a call like it finds its plan here */
        const sb_method *method;
        void            *params; /* a copy, as is run */
        sb_run          *run;    /* of the queries */
        int64_t          n_keys, all_queries, heads, first_head;
        int32_t          n_runs, layer, n_layers, is_decode;
        sb_plan          plan;
    } laid;
    sb_timeline    *timeline;
    sb_fetched_plan fetched;
    sb_gid          q_gid; /* of the last call, as are the next three */
    int64_t         n_heads, n_keys;
    sb_plan         followed;    /* with its arrays on the device */
    int             planned;     /* 1: its plan was made on the device */
    size_t          placed_bytes; /* of its index, copied there */
    size_t          bytes, most; /* held now, and at most so far */
};

/* ---- memory ---- */

static sb_status take_room(sb_device_call *c, size_t bytes, void **out)
{
    sb_status st = c->backend->alloc(bytes, out);
    if (st == SB_ERR_NOMEM)
        return sb_fail(SB_ERR_NO_FIT,
                       "needs %.2f GiB more on the device, beside %.2f GiB in use there",
                       (double)bytes / 0x1p30, (double)c->bytes / 0x1p30);
    if (st == SB_OK)
        c->bytes += bytes;
    c->most = c->bytes > c->most ? c->bytes : c->most;
    return st;
}

sb_status sb_device_call_take(sb_device_call *c, size_t bytes, void **out)
{
    if (c->n_taken == MAX_TAKEN)
        return sb_fail(SB_ERR_INTERNAL, "device: more than %d rooms asked for", (int)MAX_TAKEN);
    sb_status st = take_room(c, bytes, &c->taken[c->n_taken]);
    if (st == SB_OK)
        *out = c->taken[c->n_taken++];
    return st;
}

static size_t head_bytes(const sb_tensor *t)
{
    return (size_t)(t->tokens * t->dim) * sizeof(sb_bf16);
}

sb_status sb_device_call_upload(sb_device_call *c, const sb_tensor *from, sb_tensor *out)
{
    sb_tensor to   = *from;
    to.data        = NULL;
    to.head_stride = from->tokens * from->dim;
    sb_status st   = sb_device_call_take(c, head_bytes(from) * (size_t)from->heads, &to.data);
    for (int64_t h = 0; st == SB_OK && h < from->heads; h++)
        st = c->backend->copy(sb_tensor_bf16(&to, h, 0), sb_tensor_bf16(from, h, 0),
                              head_bytes(from), SB_COPY_TO_DEVICE, NULL);
    if (st == SB_OK && (st = c->backend->sync(NULL)) == SB_OK)
        *out = to;
    return st;
}

static sb_status grow(sb_device_call *c, struct room *r, size_t bytes)
{
    if (bytes <= r->bytes)
        return SB_OK;
    if (r->data != NULL)
        c->backend->free(r->data);
    if (r == &c->index)
        c->laid.method = NULL; /* its plan stood there */
    c->bytes -= r->bytes;
    *r           = (struct room){NULL, 0};
    sb_status st = take_room(c, bytes, &r->data);
    if (st == SB_OK)
        r->bytes = bytes;
    return st;
}

static sb_status put_side(sb_device_call *c, struct room *r, const sb_tensor *from, sb_tensor *to)
{
    *to = (sb_tensor){0};
    if (from == NULL)
        return SB_OK;
    size_t    row     = (size_t)(from->tokens * from->dim) * sizeof(float);
    sb_tensor there   = *from;
    sb_status st      = grow(c, r, row * (size_t)from->heads);
    there.data        = r->data;
    there.head_stride = from->tokens * from->dim;
    for (int64_t h = 0; st == SB_OK && h < from->heads; h++)
        st = c->backend->copy(sb_tensor_f32(&there, h, 0), sb_tensor_f32(from, h, 0), row,
                              SB_COPY_TO_DEVICE, NULL);
    if (st == SB_OK)
        st = c->backend->sync(NULL);
    if (st == SB_OK)
        *to = there;
    return st;
}

sb_status sb_device_call_sides(sb_device_call *c, const sb_tensor *gate, const sb_tensor *beta)
{
    sb_status st = put_side(c, &c->gate_room, gate, &c->gate);
    return st == SB_OK ? put_side(c, &c->beta_room, beta, &c->beta) : st;
}

sb_status sb_device_fetch(const sb_backend *backend, const sb_tensor *from, const sb_tensor *to)
{
    sb_status st = SB_OK;
    if (to->dtype != SB_BF16 || from->dtype != SB_BF16 || to->heads != from->heads ||
        to->tokens != from->tokens || to->dim != from->dim)
        return sb_fail(SB_ERR_INTERNAL, "device: rows to fetch of another shape than their room");
    for (int64_t h = 0; st == SB_OK && h < to->heads; h++)
        st = backend->copy(sb_tensor_bf16(to, h, 0), sb_tensor_bf16(from, h, 0), head_bytes(to),
                           SB_COPY_TO_HOST, NULL);
    sb_status done = backend->sync(NULL);
    return st == SB_OK ? done : st;
}

sb_status sb_device_fetch_bytes(const sb_backend *backend, const void *from, size_t bytes, void *to)
{
    sb_status st   = backend->copy(to, from, bytes, SB_COPY_TO_HOST, NULL);
    sb_status done = backend->sync(NULL);
    return st == SB_OK ? done : st;
}

sb_status sb_device_call_partial(sb_device_call *c, int64_t heads, int64_t head_dim, float **out)
{
    sb_status st = grow(c, &c->partial, (size_t)(heads * (head_dim + 1)) * sizeof **out);
    if (st == SB_OK)
        *out = c->partial.data;
    return st;
}

sb_status sb_device_call_open(const sb_backend *backend, sb_device_call **out)
{
    sb_device_call *c  = calloc(1, sizeof *c);
    sb_status       st = SB_OK;
    if (c == NULL)
        return sb_fail(SB_ERR_NOMEM, "device: no memory for the handle");
    c->backend = backend;
    if (backend->timeline_open != NULL)
        st = backend->timeline_open(&c->timeline);
    if (st != SB_OK) {
        sb_device_call_close(c);
        return st;
    }
    *out = c;
    return SB_OK;
}

void sb_device_call_close(sb_device_call *c)
{
    if (c == NULL)
        return;
    void *rooms[] = {c->index.data,     c->work.data,      c->lse.data,
                     c->gate_room.data, c->beta_room.data, c->partial.data};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        if (rooms[i] != NULL)
            c->backend->free(rooms[i]);
    for (int i = 0; i < c->n_taken; i++)
        c->backend->free(c->taken[i]);
    if (c->timeline != NULL)
        c->timeline->close(c->timeline);
    sb_fetched_plan_fini(&c->fetched);
    free(c->host.data);
    free(c->laid.params);
    free(c->laid.run);
    free(c);
}

/* The index on the device. Waits: the host's arrays may change after this call. */
static sb_status place(sb_device_call *c, const sb_plan *plan, sb_plan *placed)
{
    sb_arena a;
    c->laid.method = NULL; /* its room is taken */
    sb_arena_init_count(&a);
    sb_status st =
        sb_plan_place(c->backend, NULL, &a, plan, &c->q_gid, c->n_heads, c->n_keys, placed);
    c->placed_bytes = a.high_water_bytes;
    if (st != SB_OK || a.high_water_bytes == 0 ||
        (st = grow(c, &c->index, a.high_water_bytes)) != SB_OK)
        return st;
    sb_arena_init(&a, c->index.data, c->index.bytes, SB_ARENA_PLAIN);
    st = sb_plan_place(c->backend, NULL, &a, plan, &c->q_gid, c->n_heads, c->n_keys, placed);
    return st == SB_OK ? c->backend->sync(NULL) : st;
}

int sb_device_plans(const sb_backend *backend, const sb_method *m)
{
    return backend->id != SB_CPU && m->plan[backend->id] != NULL;
}

/* Room that the host reads; aligned as arenas want it. */
static sb_status grow_host(struct room *r, size_t bytes)
{
    size_t whole = (bytes + SB_ARENA_ALIGN - 1) / SB_ARENA_ALIGN * SB_ARENA_ALIGN;
    if (whole <= r->bytes)
        return SB_OK;
    free(r->data);
    r->data  = aligned_alloc(SB_ARENA_ALIGN, whole);
    r->bytes = r->data != NULL ? whole : 0;
    return r->data != NULL
               ? SB_OK
               : sb_fail(SB_ERR_NOMEM, "device: no host memory for %zu bytes of a plan", whole);
}

static int same_runs(const sb_run *run, const sb_gid *gid)
{
    for (int32_t r = 0; r < gid->n_runs; r++)
        if (run[r].start != gid->run[r].start || run[r].len != gid->run[r].len)
            return 0;
    return 1;
}

/* Layout follows from method, parameters, shape and layer alone. */
static int is_laid(const sb_device_call *c, const sb_ctx *ctx, const sb_method *m,
                   const void *params, const sb_shape *shape)
{
    const struct laid *l = &c->laid;
    return l->method == m && l->n_keys == shape->n_keys && l->n_runs == shape->q_gid.n_runs &&
           l->all_queries == sb_shape_queries(shape) && l->heads == shape->heads &&
           l->first_head == shape->first_head && l->is_decode == shape->is_decode &&
           l->layer == ctx->layer && l->n_layers == ctx->n_layers &&
           memcmp(l->params, params, m->params_bytes) == 0 && same_runs(l->run, &shape->q_gid);
}

static void forget_laid(sb_device_call *c)
{
    free(c->laid.params);
    free(c->laid.run);
    c->laid = (struct laid){0};
}

static sb_status note_laid(sb_device_call *c, const sb_ctx *ctx, const sb_method *m,
                           const void *params, const sb_shape *shape, const sb_plan *plan)
{
    void   *copy = malloc(m->params_bytes + 1);
    sb_run *run  = calloc((size_t)shape->q_gid.n_runs + 1, sizeof *run);
    forget_laid(c);
    if (copy == NULL || run == NULL) {
        free(copy);
        free(run);
        return sb_fail(SB_ERR_NOMEM, "device: no memory for parameters and runs");
    }
    memcpy(copy, params, m->params_bytes);
    for (int32_t r = 0; r < shape->q_gid.n_runs; r++)
        run[r] = shape->q_gid.run[r];
    c->laid = (struct laid){.method      = m,
                            .params      = copy,
                            .n_keys      = shape->n_keys,
                            .run         = run,
                            .n_runs      = shape->q_gid.n_runs,
                            .all_queries = sb_shape_queries(shape),
                            .heads       = shape->heads,
                            .first_head  = shape->first_head,
                            .layer       = ctx->layer,
                            .n_layers    = ctx->n_layers,
                            .is_decode   = shape->is_decode,
                            .plan        = *plan};
    return SB_OK;
}

/* Index and room of a plan on the device: counted, then laid out. */
static sb_status lay_out_plan(sb_device_call *c, const sb_ctx *ctx, const sb_method *m,
                              const void *params, const sb_shape *shape, sb_plan *plan)
{
    sb_arena device, host;
    sb_ctx   here = *ctx;
    here.arena    = &device;
    here.host     = &host;
    if (is_laid(c, ctx, m, params, shape)) {
        *plan = c->laid.plan;
        return SB_OK;
    }
    c->laid.method = NULL;
    sb_arena_init_count(&device);
    sb_arena_init_count(&host);
    sb_status st = m->layout_device(&here, params, shape, plan, NULL);
    if (st == SB_OK)
        st = grow(c, &c->index, device.high_water_bytes);
    if (st == SB_OK)
        st = grow_host(&c->host, host.high_water_bytes);
    if (st != SB_OK)
        return st;
    sb_arena_init(&device, c->index.data, c->index.bytes, SB_ARENA_PLAIN);
    sb_arena_init(&host, c->host.data, c->host.bytes, SB_ARENA_PLAIN);
    *plan = (sb_plan){0};
    st    = m->layout_device(&here, params, shape, plan, NULL);
    return st == SB_OK ? note_laid(c, ctx, m, params, shape, plan) : st;
}

/* The last n rows. */
static sb_tensor last_rows(const sb_tensor *q, int64_t n)
{
    sb_tensor t = *q;
    t.tokens    = n < q->tokens ? n : q->tokens;
    t.data      = sb_tensor_bf16(q, 0, q->tokens - t.tokens);
    t.gid       = (sb_gid){0};
    return t;
}

static sb_status plan_there(sb_device_call *c, const sb_ctx *ctx, const sb_method *m,
                            const void *params, const sb_attn_in *in, const sb_shape *shape,
                            sb_cache *cache, sb_plan *plan)
{
    sb_ctx    here = *ctx;
    sb_tensor last;
    sb_status st = lay_out_plan(c, ctx, m, params, shape, plan);
    here.arena = here.host = NULL; /* plan finds its room in the plan, and allocates nothing */
    if (here.last_q == NULL && m->plan_last_queries != NULL && !shape->is_decode) {
        last        = last_rows(in->q, m->plan_last_queries(params, shape));
        here.last_q = &last;
    }
    if (st == SB_OK)
        st = sb_ctx_enter(&here, SB_PHASE_ESTIMATE);
    return st == SB_OK ? m->plan[c->backend->id](&here, params, shape, in->q, in->k, cache, plan)
                       : st;
}

static sb_status attend_there(sb_device_call *c, const sb_ctx *ctx, const sb_method *m,
                              const void *params, const sb_attn_in *in_, const sb_shape *shape,
                              const sb_plan *plan, sb_cache *cache, const sb_attn_out *out_)
{
    sb_arena    work;
    sb_ctx      here = *ctx;
    sb_attn_out out  = *out_;
    sb_attn_in  in   = *in_;
    in.gate          = c->gate.data != NULL ? &c->gate : NULL;
    in.beta          = c->beta.data != NULL ? &c->beta : NULL;
    int64_t   need   = ctx->step != NULL         ? m->step_bytes(params, shape)
                       : m->device_bytes != NULL ? m->device_bytes(params, shape)
                                                 : 0;
    sb_status st     = grow(c, &c->work, (size_t)need);
    if (st == SB_OK && out.lse == NULL) {
        st      = grow(c, &c->lse, (size_t)(out.o->heads * out.o->tokens) * sizeof *out.lse);
        out.lse = c->lse.data;
    }
    sb_arena_init(&work, c->work.data, c->work.bytes, SB_ARENA_PLAIN);
    here.arena = &work;
    return st == SB_OK ? m->attend[c->backend->id](&here, params, &in, plan, cache, &out) : st;
}

/* Also after an error: what was queued uses rooms that others get next. */
static sb_status settle(sb_device_call *c, const sb_ctx *ctx, sb_status st)
{
    sb_status done = c->timeline != NULL ? c->timeline->read(c->timeline, ctx->stream, ctx->phases)
                                         : c->backend->sync(ctx->stream);
    return st == SB_OK ? done : st;
}

sb_status sb_device_call_attend(sb_device_call *c, const sb_ctx *ctx, const sb_method *m,
                                const void *params, const sb_attn_in *in, const sb_shape *shape,
                                sb_plan *plan, sb_cache *cache, const sb_attn_out *out)
{
    sb_plan   placed = *plan;
    sb_ctx    here   = *ctx;
    sb_status st     = SB_OK;
    /* a decode step that nobody times: where kernels have all that they need by value, who reads
     * the output waits, once a token instead of once a layer */
    int untimed      = shape->is_decode && ctx->phases == NULL && !sb_device_plans(c->backend, m);
    here.backend     = c->backend;
    here.timeline    = untimed ? NULL : c->timeline;
    c->planned       = sb_device_plans(c->backend, m);
    c->q_gid         = in->q->gid;
    c->n_heads       = in->q->heads;
    c->n_keys        = shape->n_keys;
    c->placed_bytes  = 0;
    if (cache != NULL && cache->state_memory == NULL) /* of a cache they only know the state */
        cache = NULL;
    if (c->planned) {
        st     = plan_there(c, &here, m, params, in, shape, cache, plan);
        placed = *plan;
    } else if ((m->caps & SB_CAP_NO_INDEX) == 0) {
        int64_t t0 = sb_now_ns();
        st         = place(c, plan, &placed);
        sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0);
        placed.method_data = plan->method_data;
    }
    c->followed = placed;
    if (st == SB_OK)
        st = attend_there(c, &here, m, params, in, shape, &placed, cache, out);
    if (st == SB_OK && untimed && (m->caps & SB_CAP_STATE) == 0 && c->placed_bytes == 0)
        return SB_OK;
    return settle(c, ctx, st);
}

sb_status sb_device_call_again(sb_device_call *c, const sb_ctx *ctx, const sb_method *m,
                               const void *params, const sb_attn_in *in, const sb_shape *shape,
                               const sb_attn_out *out)
{
    sb_ctx here   = *ctx;
    here.backend  = c->backend;
    here.timeline = c->timeline;
    return settle(c, ctx, attend_there(c, &here, m, params, in, shape, &c->followed, NULL, out));
}

static void raise(size_t *to, size_t bytes) { *to = bytes > *to ? bytes : *to; }

sb_status sb_device_call_count(const sb_ctx *ctx, const sb_method *m, const void *params,
                               const sb_shape *shape, size_t host_index_bytes, int wants_lse,
                               sb_device_room *room)
{
    sb_arena  device, host;
    sb_ctx    here = *ctx;
    sb_plan   plan = {0};
    sb_status st   = SB_OK;
    here.arena     = &device;
    here.host      = &host;
    if (m->attend[ctx->backend->id] == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED, "method %s does not run on backend %s", m->name,
                       ctx->backend->name);
    sb_arena_init_count(&device);
    sb_arena_init_count(&host);
    if (sb_device_plans(ctx->backend, m))
        st = m->layout_device(&here, params, shape, &plan, NULL);
    else if ((m->caps & SB_CAP_NO_INDEX) == 0)
        device.high_water_bytes = host_index_bytes;
    if (st != SB_OK)
        return st;
    raise(&room->index, device.high_water_bytes);
    raise(&room->work, m->device_bytes != NULL ? (size_t)m->device_bytes(params, shape) : 0);
    if (ctx->step != NULL)
        raise(&room->work, (size_t)m->step_bytes(params, shape));
    if (shape->is_decode && ctx->comm != NULL && ctx->comm->size > 1)
        raise(&room->partial, (size_t)(shape->heads * (shape->head_dim + 1)) * sizeof(float));
    else if (!wants_lse)
        raise(&room->lse, (size_t)(shape->heads * shape->q_gid.n_tokens) * sizeof(float));
    return SB_OK;
}

sb_status sb_device_call_fetch_plan(sb_device_call *c, const sb_plan *plan, const sb_plan **out)
{
    *out = plan;
    if (!c->planned || plan->parts == 0) /* of no call */
        return SB_OK;
    sb_status st =
        sb_plan_fetch(c->backend, NULL, plan, &c->q_gid, c->n_heads, c->n_keys, &c->fetched);
    *out = &c->fetched.plan;
    return st;
}

size_t sb_device_call_bytes(const sb_device_call *c) { return c->most; }
