/* The probe: an analytic decoder whose weights are formulas of a seed, so that dense attention
 * answers every question of suite `probe` exactly and any loss under a method is that method's
 * doing [probe_model]. Not a language model. */
#ifndef SB_HARNESS_MODEL_PROBE_PROBE_H
#define SB_HARNESS_MODEL_PROBE_PROBE_H

#include "harness/model/model.h"

#define SB_PROBE_HEADS 8
#define SB_PROBE_KV_HEADS 4
#define SB_PROBE_ROW_VALUES 256 /* OUT 128 | AGR 128 */

typedef enum sb_probe_preset {
    SB_PROBE_PRESET_EASY,
    SB_PROBE_PRESET_DEFAULT,
    SB_PROBE_PRESET_HARD,
    SB_PROBE_PRESET_COUNT
} sb_probe_preset;

typedef enum sb_probe_background {
    SB_PROBE_BACKGROUND_NONE, /* unused heads have q = 0: uniform attention */
    SB_PROBE_BACKGROUND_MIX,  /* unused heads take the patterns of probe_model 10 */
    SB_PROBE_BACKGROUND_COUNT
} sb_probe_background;

/* Negative controls: each must bring every task down to chance. */
typedef enum sb_probe_ablate {
    SB_PROBE_ABLATE_NONE,
    SB_PROBE_ABLATE_PERMUTE_V, /* dims of V permuted in FINAL; permuting rows would leave averages,
                                  hence cwe and fwe, as they are */
    SB_PROBE_ABLATE_READOUT_SEED, /* read out with the codes of another seed */
    SB_PROBE_ABLATE_COUNT
} sb_probe_ablate;

typedef struct sb_probe_params {
    int32_t preset, background, ablate;
    double  g, halo, sigma_c; /* negative in a parameter file: the preset's value */
    double  sink, sigma_d, halo_wavelength;
    int64_t code_seed, freq_seed;
} sb_probe_params;

extern const sb_param     sb_probe_param_table[];
extern const sb_model_ops sb_model_probe;
extern const sb_model_ops sb_model_probe_cuda; /* only in builds with SB_HAVE_CUDA */

/* Put the preset's values where g, halo, sigma_c were left negative. */
void sb_probe_params_resolve(sb_probe_params *p);

#endif
