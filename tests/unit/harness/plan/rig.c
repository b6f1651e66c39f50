#include "tests/unit/harness/plan/rig.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "kernels/registry.h"
#include "tests/text_params.h"

sb_machine *rig_parse(const char *text)
{
    sb_machine *m = NULL;
    ck_assert_msg(sb_machine_parse("rig", text, strlen(text), stderr, &m) == SB_OK, "%s",
                  sb_error_text());
    return m;
}

sb_machine *rig_machine(const char *between)
{
    char text[2048];
    (void)snprintf(
        text, sizeof text,
        "machine: rig\nbackend: cuda\nprocessor: none\nranks_per_host: 8\n"
        "memory: {host_gib: 100, device_gib: 78, source: spec, from: test}\n"
        "links:\n"
        "  - {name: inside, latency_s: 12e-6, bytes_per_s: 360e9, source: seed, from: test}\n"
        "  - {name: between, latency_s: 25e-6, bytes_per_s: %s, source: seed, from: test}\n"
        "costs:\n"
        "  - {phase: compute, method: any, rate: 500e12, start_s: 0, source: seed, from: test}\n"
        "  - {phase: estimate, method: any, rate: 400e12, start_s: 0, source: seed, from: test}\n"
        "  - {phase: select, method: any, rate: 1e11, start_s: 0, source: seed, from: test}\n"
        "  - {phase: permute, method: any, rate: 1e12, start_s: 0, source: seed, from: test}\n"
        "  - {phase: decode_token, method: any, rate: 1e12, start_s: 0, source: seed, from: test}\n"
        "densities:\n"
        "  - {method: flexprefill, tokens: [8K, 128K], share: [0.4, 0.1], source: seed, from: "
        "test}\n"
        "  - {method: hip, tokens: [8K], share: [0.2], beyond: keys, source: seed, from: test}\n",
        between);
    return rig_parse(text);
}

sb_plan_case rig_case(const char *method, const char *params, int slot, int64_t n_tokens,
                      int32_t ranks, sb_scheme scheme, sb_layout_kind layout, int32_t layers)
{
    static _Alignas(16) unsigned char room[4][8192];
    const sb_method                  *m = sb_method_find(method);
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_le(m->params_bytes, sizeof room[0]);
    ck_assert_msg(text_params(m, params, room[slot]) == SB_OK, "%s", sb_error_text());
    return (sb_plan_case){.method    = m,
                          .params    = room[slot],
                          .n_tokens  = n_tokens,
                          .n_queries = n_tokens,
                          .heads     = 32,
                          .kv_heads  = 8,
                          .head_dim  = 128,
                          .n_layers  = layers,
                          .scheme    = scheme,
                          .layout    = layout,
                          .ranks     = ranks,
                          .threads   = 1};
}

sb_prediction rig_predict(const sb_machine *m, const sb_plan_case *c)
{
    sb_prediction p;
    ck_assert_msg(sb_plan_predict(m, c, &p) == SB_OK, "%s", sb_error_text());
    return p;
}
