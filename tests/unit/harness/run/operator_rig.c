#include "tests/unit/harness/run/operator_rig.h"
#include "tests/cut_operands.h"
#include "tests/text_params.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "kernels/registry.h"
#include "workloads/registry.h"

static sb_status take(void *arg, const sb_layer_view *v)
{
    rig_result *r = arg;
    r->n          = v->o->heads * v->o->tokens * v->o->dim;
    r->n_lse      = v->o->heads * v->o->tokens;
    r->o          = malloc((size_t)r->n * sizeof *r->o);
    r->lse        = malloc((size_t)r->n_lse * sizeof *r->lse);
    ck_assert(r->o != NULL && r->lse != NULL && v->ctx->backend == &sb_backend_cpu);
    memcpy(r->o, v->o->data, (size_t)r->n * sizeof *r->o);
    memcpy(r->lse, v->lse, (size_t)r->n_lse * sizeof *r->lse);
    return SB_OK;
}

static sb_status passes(const sb_operator_config *cfg, rig_result *out)
{
    sb_operator    *op    = NULL;
    void           *block = NULL;
    sb_forward_room room;
    sb_status       st = sb_operator_bytes(cfg, &room);
    if (st != SB_OK)
        return st;
    size_t bytes = room.host_bytes;
    block = aligned_alloc(SB_ARENA_ALIGN, (bytes + 63) / 64 * 64);
    ck_assert_ptr_nonnull(block);
    st = sb_operator_create(cfg, block, bytes, &op);
    for (int i = 0; st == SB_OK && i < 2; i++) {
        out->times = (sb_phase_times){0};
        st         = sb_operator_pass(op, &out->times);
    }
    if (st == SB_OK)
        st = sb_operator_look(op, take, out);
    if (st == SB_OK)
        ck_assert(sb_operator_canaries_intact(op));
    if (st == SB_OK)
        ck_assert_uint_le(sb_operator_device_bytes(op), room.device_bytes);
    sb_operator_destroy(op);
    free(block);
    return st;
}

sb_status rig_run(const rig_spec *s, const sb_method *m, const sb_backend *b, rig_result *out)
{
    _Alignas(16) unsigned char params[4096], drawn[128];
    const sb_distribution     *d     = sb_distribution_find("clustered");
    sb_operands               *whole = NULL, last;
    sb_comm                   *self  = NULL;
    *out                             = (rig_result){0};
    ck_assert_msg(text_params(m, s->params, params) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(sb_params_default(d->params, drawn), SB_OK);
    sb_draw draw = {.heads         = (int32_t)s->heads,
                    .kv_heads      = (int32_t)s->kv_heads,
                    .head_dim      = (int32_t)s->head_dim,
                    .length_tokens = s->n_tokens,
                    .seed          = 5,
                    .params        = drawn};
    ck_assert_int_eq(d->create(d, &draw, &whole), SB_OK);
    ck_assert_int_eq(sb_comm_self_create(&self), SB_OK);
    last                   = cut_operands(whole, s->n_queries);
    sb_operator_config cfg = {.operands    = &last,
                              .method      = m,
                              .params      = params,
                              .backend     = b,
                              .comm        = self,
                              .layout      = SB_LAYOUT_CONTIGUOUS,
                              .threads     = 2,
                              .arena_flags = SB_ARENA_GUARD};
    sb_status          st  = passes(&cfg, out);
    sb_comm_destroy(self);
    sb_operands_destroy(whole);
    return st;
}

void rig_free(rig_result *r)
{
    free(r->o);
    free(r->lse);
    *r = (rig_result){0};
}
