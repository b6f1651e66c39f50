#include "tests/property/quality_case.h"

#include <check.h>

#include "harness/comm/comms.h"
#include "kernels/registry.h"

sb_layer_view quality_view(const sb_case *c, const sb_method *m, sb_ctx *ctx)
{
    return (sb_layer_view){.n_layers = 1,
                           .method   = m,
                           .shape    = &c->seen,
                           .plan     = &c->plan,
                           .q        = &c->q,
                           .k        = &c->k,
                           .v        = &c->v,
                           .o        = &c->o,
                           .lse      = c->lse,
                           .ctx      = ctx,
                           .scale    = c->scale};
}

sb_quality quality_look_at(sb_case *c, const quality_look *how)
{
    sb_comm   *comm;
    sb_quality q;
    ck_assert_int_eq(sb_comm_self_create(&comm), SB_OK);
    sb_ctx ctx = {.backend = &sb_backend_cpu, .comm = comm, .arena = &c->arena, .threads = 2};
    sb_layer_view view = quality_view(c, how->method, &ctx);
    sb_quality_init(&q, SB_QUALITY_SAMPLED, how->detail, "00ff", how->input);
    ck_assert_msg(sb_quality_look(&q, &view) == SB_OK, "%s", sb_error_text());
    sb_comm_destroy(comm);
    return q;
}

sb_quality quality_of(sb_case *c, const char *method, const char *params)
{
    const sb_method *m = sb_method_find(method);
    ck_assert_msg(sb_case_attend(c, m, params, SB_BF16) == SB_OK, "%s", sb_error_text());
    return quality_look_at(c, &(quality_look){.method = m, .detail = SB_DETAIL_PER_HEAD});
}

const sb_quality_facts *quality_fact(const sb_quality *q, int32_t head)
{
    for (int64_t i = 0; i < q->n_facts; i++)
        if (q->facts[i].head == head)
            return &q->facts[i];
    ck_abort_msg("no record of head %d", head);
}
