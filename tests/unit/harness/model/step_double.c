#include "tests/unit/harness/model/step_double.h"

#include <check.h>

#include "kernels/exec/attend.h"
#include "tests/unit/harness/run/fake_device.h"

typedef struct call {
    const sb_step *step;
    sb_tensor      q, k, v, o;
    float         *lse;
    float          scale;
    int32_t        threads;
} call;

static sb_status run(void *arg)
{
    call  *c   = arg;
    sb_run all = {0, c->step->n_keys}, own = {c->step->n_keys - 1, 1};
    c->k.tokens = c->v.tokens = all.len;
    c->k.gid = c->v.gid = (sb_gid){.run = &all, .n_runs = 1, .n_tokens = all.len};
    c->q.gid = c->o.gid = (sb_gid){.run = &own, .n_runs = 1, .n_tokens = 1};
    sb_ctx      ctx     = {.backend = &sb_backend_cpu, .threads = c->threads};
    sb_attn_in  in      = {.q = &c->q, .k = &c->k, .v = &c->v, .scale = c->scale};
    sb_attn_out out     = {.o = &c->o, .lse = c->lse, .mode = SB_OUT_SET};
    return sb_attend_dense_cpu(&ctx, NULL, &in, NULL, NULL, &out);
}

sb_status step_double_attend(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                             const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    (void)plan, (void)cache;
    fake_device.attends++;
    if (ctx->step == NULL) {
        fake_enter(ctx->stream);
        sb_status st = sb_attend_dense_cpu(ctx, params, in, NULL, NULL, out);
        fake_leave();
        return st;
    }
    void    *room  = NULL;
    sb_shape shape = {
        .heads = in->q->heads, .kv_heads = in->k->heads, .head_dim = in->q->dim, .is_decode = 1};
    int64_t bytes = sb_attend_step_bytes(&shape);
    ck_assert_int_ge(fake_room_of(ctx->step, sizeof *ctx->step), 0);
    ck_assert_int_eq(
        sb_arena_alloc(ctx->arena, bytes - (int64_t)SB_ARENA_ALIGN, 1, "partials", &room),
        SB_OK); /* a guard is part of what was counted */
    ck_assert_int_ge(fake_room_of(room, (size_t)bytes), 0);
    call c = {.step    = ctx->step,
              .q       = *in->q,
              .k       = *in->k,
              .v       = *in->v,
              .o       = *out->o,
              .lse     = out->lse,
              .scale   = in->scale,
              .threads = ctx->threads};
    return fake_kernel(ctx->stream, run, &c, sizeof c);
}
