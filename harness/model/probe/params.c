/* Knobs of the probe and the presets behind them [probe_model 9]. */
#include <stddef.h>

#include "harness/model/probe/probe.h"

#define P(field) offsetof(sb_probe_params, field)

const sb_param sb_probe_param_table[] = {
    {"preset", "default", "easy|default|hard", "values of g, halo and sigma_c that are not given",
     SB_ENUM, P(preset)},
    {"g", "-1", "[-1,)", "gain of one matching slot, nats; negative: the preset's (14, 10, 10)",
     SB_F64, P(g)},
    {"halo", "-1", "[-1,)",
     "lift of a needle's neighbourhood, in units of g; negative: the preset's (1, 1, 0.5); 2 and "
     "more break dense",
     SB_F64, P(halo)},
    {"sigma_c", "-1", "[-1,)",
     "std of block-coherent topic noise, nats; negative: the preset's (0.1, 0.5, 1)", SB_F64,
     P(sigma_c)},
    {"sink", "2.3", "[0,)", "sink score, in units of g", SB_F64, P(sink)},
    {"sigma_d", "0.1", "[0,)", "std of topic noise of the aggregate head, nats", SB_F64,
     P(sigma_d)},
    {"background", "mix", "none|mix",
     "what heads that no task uses attend to: uniform, or a mix of common patterns", SB_ENUM,
     P(background)},
    {"halo_wavelength", "64", "[4,)", "shortest wavelength of the low position band, tokens",
     SB_F64, P(halo_wavelength)},
    {"code_seed", "7", "[0,)", "seed of the token codes and topic maps", SB_I64, P(code_seed)},
    {"freq_seed", "2", "[0,)", "seed of the position and topic frequencies", SB_I64, P(freq_seed)},
    {"ablate", "none", "none|permute_v|readout_seed",
     "negative control: every task must fall to chance", SB_ENUM, P(ablate)},
    {0},
};

static const struct {
    double g, halo, sigma_c;
} presets[SB_PROBE_PRESET_COUNT] = {
    [SB_PROBE_PRESET_EASY]    = {14.0, 1.0, 0.1},
    [SB_PROBE_PRESET_DEFAULT] = {10.0, 1.0, 0.5},
    [SB_PROBE_PRESET_HARD]    = {10.0, 0.5, 1.0},
};

void sb_probe_params_resolve(sb_probe_params *p)
{
    if (p->g < 0.0)
        p->g = presets[p->preset].g;
    if (p->halo < 0.0)
        p->halo = presets[p->preset].halo;
    if (p->sigma_c < 0.0)
        p->sigma_c = presets[p->preset].sigma_c;
}
