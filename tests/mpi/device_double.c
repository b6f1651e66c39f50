#include "tests/mpi/device_double.h"

#include <math.h>
#include <string.h>

#include "harness/shard/device.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/linear_scan_room.h"
#include "tests/unit/harness/run/fake_device.h"

static const sb_method *of; /* whose plan runs */
static int              broken;

static sb_status done(sb_status st)
{
    fake_leave();
    return st;
}

static sb_ctx on_host(const sb_ctx *ctx)
{
    sb_ctx c  = *ctx;
    c.backend = &sb_backend_cpu;
    return c;
}

/* A plan that looks at all queries of the sequence: the CPU's would do so over ranks, so here it is
 * that of all rows, of which attend and looks follow some. *run: of the shape. */
static int of_all_rows(const void *params, sb_shape *shape, sb_run *run)
{
    if (of->plan_last_queries == NULL || shape->all_queries != shape->n_keys ||
        of->plan_last_queries(params, shape) < shape->n_keys)
        return 0;
    *run         = (sb_run){0, shape->n_keys};
    shape->q_gid = (sb_gid){.run = run, .n_runs = 1, .n_tokens = run->len};
    return 1;
}

/* The index of the CPU's layout, in room on the device. */
static sb_status layout(sb_ctx *ctx, const void *params, const sb_shape *shape, sb_plan *plan,
                        sb_cache *cache)
{
    sb_ctx   c    = on_host(ctx);
    sb_shape rows = *shape;
    sb_run   run;
    (void)of_all_rows(params, &rows, &run);
    fake_enter(ctx->stream);
    return done(of->layout(&c, params, &rows, plan, cache));
}

static sb_status plan(sb_ctx *ctx, const void *params, const sb_shape *shape, const sb_tensor *q,
                      const sb_tensor *k, sb_cache *cache, sb_plan *made)
{
    sb_ctx    c    = on_host(ctx);
    sb_shape  rows = *shape;
    sb_tensor all;
    sb_run    run;
    if (of_all_rows(params, &rows, &run)) {
        all     = *c.last_q;
        all.gid = rows.q_gid;
        q       = &all;
    }
    fake_enter(ctx->stream);
    return done(of->plan[SB_CPU](&c, params, &rows, q, k, cache, made));
}

/* Records go over a link between devices, so they are to be there. */
static sb_status take_records(sb_arena *a, int64_t bytes, void **out)
{
    return sb_arena_alloc(a, (1 + SB_SCAN_BATCH) * bytes, 1, "records", out);
}

static int64_t records_bytes(const void *params, const sb_shape *shape)
{
    sb_arena a;
    void    *unused;
    sb_arena_init_count(&a);
    return take_records(&a, of->record_bytes(params, shape), &unused) == SB_OK
               ? (int64_t)a.high_water_bytes
               : 0;
}

static sb_status attend_state(const sb_ctx *ctx, sb_ctx *host, const void *params,
                              const sb_attn_in *in, const sb_plan *made, sb_cache *cache,
                              sb_attn_out *out)
{
    sbi_scan_room *r  = made->method_data;
    void          *p  = NULL;
    sb_status      st = SB_OK;
    if (r->ranks > 1)
        st = take_records(ctx->arena, r->records_floats * (int64_t)sizeof(float), &p);
    r->own    = p;
    r->others = r->own != NULL ? r->own + r->records_floats : NULL;
    return st == SB_OK ? sb_attend_linear_scan_cpu(host, params, in, made, cache, out) : st;
}

/* A device reads whole blocks of keys, and multiplies those that a row does not see by 0. */
static int are_numbers(const sb_tensor *t)
{
    for (int64_t h = 0; h < t->heads; h++)
        for (int64_t i = 0; i < t->tokens * t->dim; i++)
            if (!isfinite(sb_bf16_to_f32(sb_tensor_bf16(t, h, 0)[i])))
                return 0;
    return 1;
}

static sb_status attend_keys(sb_ctx *host, const void *params, const sb_attn_in *in,
                             const sb_plan *made, sb_attn_out *out)
{
    if (!are_numbers(in->k) || !are_numbers(in->v))
        return sb_fail(SB_ERR_DEVICE, "double: found keys or values that are no numbers");
    return sb_attend_block_csr_cpu(host, params, in, made, NULL, out);
}

static sb_status attend(sb_ctx *ctx, const void *params, const sb_attn_in *in, const sb_plan *made,
                        sb_cache *cache, sb_attn_out *out)
{
    sb_ctx c = on_host(ctx);
    fake_device.attends++;
    if (broken)
        return sb_fail(SB_ERR_DEVICE, "double: a kernel fails");
    fake_enter(ctx->stream);
    return done(made->method_data != NULL && (of->caps & SB_CAP_STATE) != 0
                    ? attend_state(ctx, &c, params, in, made, cache, out)
                    : attend_keys(&c, params, in, made, out));
}

static sb_status merge(const sb_partials *p, sb_dtype dtype, void *o, float *lse, void *stream)
{
    fake_enter(stream);
    sb_merge_lse(p, dtype, o, lse);
    return done(SB_OK);
}

static int plans_there(const sb_method *m)
{
    static const char *const names[] = {"flexprefill",  "pbs_attn",   "hip",
                                        "xattention",   "minference", "anchor_attention",
                                        "random_blocks"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(m->name, names[i]) == 0)
            return 1;
    return 0;
}

void device_double(const sb_method *m, int fails, sb_method *out)
{
    of                   = m;
    broken               = fails;
    sb_device_merge      = merge;
    *out                 = *m;
    out->attend[SB_CUDA] = attend;
    out->plan[SB_CUDA]   = plans_there(m) ? plan : NULL;
    out->layout_device   = plans_there(m) ? layout : NULL;
    out->device_bytes    = (m->caps & SB_CAP_STATE) != 0 ? records_bytes : NULL;
}
