/* The probe's waves: position features, topic features, and the kernels that heads make of them
 * [probe_model 4, 5, 8]. */
#ifndef SB_HARNESS_MODEL_PROBE_WAVES_H
#define SB_HARNESS_MODEL_PROBE_WAVES_H

#include <stdint.h>

#include "kernels/nn/probe_maps.h"

#define SB_PROBE_HIGH 32 /* pairs [0, 32) are the high band, [32, 64) the low band */

typedef struct sb_probe_waves {
    double w[SB_PROBE_PAIRS]; /* radians per token; fp32 numbers held in double */
    double topic_w[SB_PROBE_TOPIC / 2], topic_phase[SB_PROBE_TOPIC / 2];
} sb_probe_waves;

/* halo_wavelength: shortest wavelength of the low band, tokens (64). */
void sb_probe_waves_init(sb_probe_waves *w, int64_t seed, double halo_wavelength);

/* phi(pos): out[128] = (cos w_j pos, sin w_j pos), in double with range reduction, then bf16. */
void sb_probe_phi(const sb_probe_waves *w, int64_t pos, sb_bf16 *out);
/* topic(pos): out[14], likewise; zero at position 0 (BOS). */
void sb_probe_topic(const sb_probe_waves *w, int64_t pos, sb_bf16 *out);

/* Query map of a positional head: score(D) = sum_j a_j cos w_j (D - shift), D = t - i; a_j =
 * high/32 or low/32. sqrt(d) is folded into the gains. */
void sb_probe_rotation_init(sb_probe_rotation *r, const sb_probe_waves *w, double shift,
                            double high, double low);

/* Largest weight p* of the context kernel (low band `low`, shifted): what the halo gain is
 * normalised by. */
double sb_probe_context_peak(const sb_probe_waves *w, double shift, double low);

#endif
