/* The probe's record: constants made once per instance, the rest in embed.c, layers.c and
 * readout.c. */
#include "harness/model/probe/probe.h"

#include <math.h>
#include <stdlib.h>

#include "harness/model/probe/state.h"
#include "kernels/base/backend.h"
#include "kernels/base/rng.h"
#include "workloads/probe/vocab.h"

#define CONTEXT_SHIFT 6.0 /* the context head looks at the six tokens around t - 6 */
#define CONTEXT_LOW 60.0
#define SLASH_SHIFT 1000.0

static const struct {
    double shift, high, low; /* amplitude of either band, nats */
} turns[SB_PROBE_TURN_COUNT] = {
    [SB_PROBE_TURN_PREV1]   = {1.0, 60.0, 10.0},
    [SB_PROBE_TURN_PREV2]   = {2.0, 60.0, 10.0},
    [SB_PROBE_TURN_PREV3]   = {3.0, 60.0, 10.0},
    [SB_PROBE_TURN_CONTEXT] = {CONTEXT_SHIFT, 0.0, CONTEXT_LOW},
    [SB_PROBE_TURN_LOCAL]   = {0.0, 0.0, 16.0},
    [SB_PROBE_TURN_SLASH]   = {SLASH_SHIFT, 28.0, 0.0},
};

static void permutation(int64_t seed, uint8_t out[SB_PROBE_DIM])
{
    sb_rng rng = {sb_mix((uint64_t)seed ^ 0x7065726D75746556ull)}; /* "permuteV" */
    for (int j = 0; j < SB_PROBE_DIM; j++)
        out[j] = (uint8_t)j;
    for (int j = SB_PROBE_DIM - 1; j > 0; j--) {
        int     k = (int)sb_rng_below(&rng, (uint64_t)j + 1);
        uint8_t t = out[j];
        out[j]    = out[k];
        out[k]    = t;
    }
}

static void destroy(sb_model *m)
{
    sb_probe *p;
    if (m == NULL)
        return;
    p = m->impl;
    sb_probe_codes_fini(&p->codes);
    sb_probe_codes_fini(&p->other);
    free(p->topic_map);
    free(p);
}

static sb_status create(const void *params, int32_t threads, sb_model **out)
{
    sb_probe *p = calloc(1, sizeof *p);
    sb_status st;
    if (p == NULL)
        return sb_fail(SB_ERR_NOMEM, "probe: no memory for the model");
    p->model   = (sb_model){&sb_model_probe, p};
    p->par     = *(const sb_probe_params *)params;
    p->threads = threads > 1 ? threads : 1;
    sb_probe_params_resolve(&p->par);
    st = sb_probe_codes_init(&p->codes, p->par.code_seed);
    if (st == SB_OK && p->par.ablate == SB_PROBE_ABLATE_READOUT_SEED)
        st = sb_probe_codes_init(&p->other, p->par.code_seed + 1);
    if (st != SB_OK) {
        destroy(&p->model);
        return st;
    }
    sb_probe_waves_init(&p->waves, p->par.freq_seed, p->par.halo_wavelength);
    for (int i = 0; i < SB_PROBE_TURN_COUNT; i++)
        sb_probe_rotation_init(&p->turn[i], &p->waves, turns[i].shift, turns[i].high, turns[i].low);
    p->context_peak = sb_probe_context_peak(&p->waves, CONTEXT_SHIFT, CONTEXT_LOW);
    for (int j = 0; j < SB_PROBE_DIM; j++)
        p->eq_code[j] =
            sb_bf16_to_f32(p->codes.content[(size_t)SB_TOK_EQ * SB_PROBE_DIM + (size_t)j]);
    permutation(p->par.code_seed, p->permute);
    *out = &p->model;
    return SB_OK;
}

static sb_status shape(const sb_model *m, const sb_input *in, sb_model_shape *out)
{
    (void)m;
    *out = (sb_model_shape){
        .heads    = SB_PROBE_HEADS,
        .kv_heads = SB_PROBE_KV_HEADS,
        .head_dim = SB_PROBE_DIM,
        .n_layers = sb_probe_n_layers(in->profile, in->hops),
        .scale    = (float)(1.0 / sqrt((double)SB_PROBE_DIM)),
    };
    return SB_OK;
}

static const char *const suites[] = {"probe", NULL};

const sb_model_ops sb_model_probe = {
    .name    = "probe",
    .summary = "analytic decoder built from seeds; dense attention answers suite probe exactly",
    .params  = sb_probe_param_table,
    .params_bytes = sizeof(sb_probe_params),
    .suites       = suites,
    .create       = create,
    .destroy      = destroy,
    .shape        = shape,
    .layout       = sb_probe_layout,
    .embed        = sb_probe_embed,
    .embed_one    = sb_probe_embed_one,
    .qkv          = sb_probe_qkv,
    .absorb       = sb_probe_absorb,
    .row_values   = SB_PROBE_ROW_VALUES,
    .row          = sb_probe_row,
    .argmax       = sb_probe_argmax,
    .cuda         = SB_IF_CUDA(&sb_model_probe_cuda),
};
