/* Frequencies come from one splitmix64 stream. Angles are double and the math library reduces them
 * to the last bit, so that features of position 16 million are as good as those of position 16. */
#include "harness/model/probe/waves.h"

#include <math.h>

#include "kernels/base/rng.h"

#define TWO_PI 6.283185307179586476925286766559
#define BAND 32         /* pairs in each band */
#define LOW_RATIO 256.0 /* longest over shortest wavelength of the low band */
#define CONTEXT_OFFSETS                                                                            \
    128 /* the context kernel is a bump over D = 0..16; beyond 128 it is < e^-20 */

void sb_probe_waves_init(sb_probe_waves *w, int64_t seed, double halo_wavelength)
{
    /* one step ahead: the stream advances before its first draw */
    sb_rng rng = {(uint64_t)seed * 7919u + 128u + 0x9E3779B97F4A7C15ull};
    for (int j = 0; j < BAND; j++)
        w->w[j] = (double)(float)(0.3 + (TWO_PI / 2 - 0.3) * sb_rng_uniform(&rng));
    for (int j = 0; j < BAND; j++) {
        double f       = (j + 0.6 * sb_rng_uniform(&rng)) / BAND;
        w->w[BAND + j] = (double)(float)(TWO_PI / (halo_wavelength * pow(LOW_RATIO, f)));
    }
    for (int j = 0; j < SB_PROBE_TOPIC / 2; j++) {
        w->topic_w[j] =
            (double)(float)(TWO_PI / (300.0 * ldexp(1.0, j) * (1.0 + 0.3 * sb_rng_uniform(&rng))));
        w->topic_phase[j] = (double)(float)(TWO_PI * sb_rng_uniform(&rng));
    }
}

static void wave(double angle, sb_bf16 *out)
{
    out[0] = sb_bf16_from_f32((float)cos(angle));
    out[1] = sb_bf16_from_f32((float)sin(angle));
}

void sb_probe_phi(const sb_probe_waves *w, int64_t pos, sb_bf16 *out)
{
    for (int j = 0; j < SB_PROBE_PAIRS; j++)
        wave(w->w[j] * (double)pos, out + 2 * j);
}

void sb_probe_topic(const sb_probe_waves *w, int64_t pos, sb_bf16 *out)
{
    for (int j = 0; j < SB_PROBE_TOPIC / 2; j++) {
        wave(w->topic_w[j] * (double)pos + w->topic_phase[j], out + 2 * j);
        if (pos == 0)
            out[2 * j] = out[2 * j + 1] = 0;
    }
}

void sb_probe_rotation_init(sb_probe_rotation *r, const sb_probe_waves *w, double shift,
                            double high, double low)
{
    for (int j = 0; j < SB_PROBE_PAIRS; j++) {
        r->c[j]    = (float)cos(w->w[j] * shift);
        r->s[j]    = (float)sin(w->w[j] * shift);
        r->gain[j] = (float)((j < SB_PROBE_HIGH ? high : low) / BAND * sqrt((double)SB_PROBE_DIM));
    }
}

double sb_probe_context_peak(const sb_probe_waves *w, double shift, double low)
{
    double sum = 0.0, peak = 0.0;
    for (int offset = 0; offset < CONTEXT_OFFSETS; offset++) {
        double score = 0.0;
        for (int j = SB_PROBE_HIGH; j < SB_PROBE_PAIRS; j++)
            score += low / BAND * (cos(w->w[j] * (offset - shift)) - 1.0);
        double weight = exp(score);
        sum += weight;
        peak = fmax(peak, weight);
    }
    return peak / sum;
}
