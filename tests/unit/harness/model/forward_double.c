#include "tests/unit/harness/model/forward_double.h"

#include <check.h>

#include "harness/model/probe/state.h"
#include "tests/unit/harness/model/forward_rig.h"
#include "tests/unit/harness/run/fake_device.h"

int forward_double_holds(const sb_tensor *t)
{
    int64_t n = (t->heads - 1) * t->head_stride + t->tokens * t->dim;
    return t->tokens == 0 || fake_room_of(t->data, (size_t)n * sizeof(sb_bf16)) >= 0;
}

static const sb_probe *probe_of(const sb_model *m) { return m->impl; }

static sb_status left(sb_status st)
{
    fake_leave();
    return st;
}

static sb_status fake_layout(sb_model *m, const sb_input *in, int64_t rows, sb_arena *a)
{
    fake_enter(NULL);
    return left(sb_model_probe.layout(m, in, rows, a));
}

static sb_status fake_embed(sb_model *m, const sb_input *in, const sb_gid *gid)
{
    const sb_probe_residual *r = &probe_of(m)->res;
    ck_assert(fake_room_of(r->id, (size_t)(r->rows + 1) * sizeof *r->id) >= 0);
    fake_enter(NULL);
    return left(sb_probe_embed(m, in, gid));
}

static sb_status fake_embed_one(sb_model *m, const sb_input *in, int32_t id, int64_t pos)
{
    fake_enter(NULL);
    return left(sb_model_probe.embed_one(m, in, id, pos));
}

/* What a kernel gets. */
typedef struct call {
    sb_model      *m;
    int32_t        layer;
    int            one;
    const sb_step *step; /* NULL: none */
    sb_tensor      q, k, v;
} call;

static sb_tensor row_of(const sb_tensor *t, int64_t slot)
{
    sb_tensor r = *t;
    r.data      = sb_tensor_bf16(t, 0, slot);
    r.tokens    = 1;
    return r;
}

static sb_status run_qkv(void *arg)
{
    call *c = arg;
    if (c->step == NULL)
        return sb_probe_qkv(c->m, c->layer, c->one, &c->q, &c->k, &c->v);
    sb_tensor k = row_of(&c->k, c->step->slot), v = row_of(&c->v, c->step->slot);
    return sb_probe_qkv(c->m, c->layer, 1, &c->q, &k, &v);
}

static sb_status queue_qkv(call c)
{
    ck_assert(forward_double_holds(&c.q));
    ck_assert(forward_double_holds(&c.k));
    ck_assert(forward_double_holds(&c.v));
    return fake_kernel(NULL, run_qkv, &c, sizeof c);
}

static sb_status fake_qkv(sb_model *m, int32_t layer, int one, sb_tensor *q, sb_tensor *k,
                          sb_tensor *v)
{
    return queue_qkv((call){m, layer, one, NULL, *q, *k, *v});
}

static sb_status fake_qkv_step(sb_model *m, int32_t layer, const sb_step *step, sb_tensor *q,
                               sb_tensor *k, sb_tensor *v)
{
    ck_assert_int_ge(fake_room_of(step, sizeof *step), 0);
    return queue_qkv((call){m, layer, 1, step, *q, *k, *v});
}

static sb_status run_absorb(void *arg)
{
    call *c = arg;
    return sb_probe_absorb(c->m, c->layer, c->one, &c->q);
}

static sb_status fake_absorb(sb_model *m, int32_t layer, int one, const sb_tensor *o)
{
    call c = {.m = m, .layer = layer, .one = one, .q = *o};
    ck_assert(forward_double_holds(o));
    return fake_kernel(NULL, run_absorb, &c, sizeof c);
}

static sb_status fake_row(const sb_model *m, int64_t row, float *out)
{
    fake_enter(NULL);
    return left(sb_model_probe.row(m, row, out));
}

static sb_model_ops there, ops;

sb_model *forward_double_probe(void)
{
    sb_model *m     = forward_probe();
    there           = sb_model_probe;
    there.layout    = fake_layout;
    there.embed     = fake_embed;
    there.embed_one = fake_embed_one;
    there.qkv       = fake_qkv;
    there.qkv_step  = fake_qkv_step;
    there.absorb    = fake_absorb;
    there.row       = fake_row;
    ops             = sb_model_probe;
    ops.cuda        = &there;
    m->ops          = &ops;
    return m;
}

void forward_double_forget(sb_model *m)
{
    ck_assert_ptr_eq(m->ops, &ops);
    ops.cuda = NULL;
}
