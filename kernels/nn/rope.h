/* Rotary position embedding: frequencies of every scaling type, and the rotation [models 2].
 *
 * Half-split pairs: (i, i + d/2), angle = position * inv_freq[i], one pair the same in all heads.
 * Weights stored for interleaved pairs are put in order when they are read (project.h). */
#ifndef SB_KERNELS_NN_ROPE_H
#define SB_KERNELS_NN_ROPE_H

#include <math.h>
#include <stdint.h>

#include "kernels/base/host_device.h"
#include "kernels/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sb_rope_type {
    SB_ROPE_DEFAULT,
    SB_ROPE_LINEAR,
    SB_ROPE_DYNAMIC,
    SB_ROPE_LLAMA3,
    SB_ROPE_YARN,
    SB_ROPE_LONGROPE,
    SB_ROPE_DIVISORS, /* GGUF's rope_freqs: a divisor a pair */
    SB_ROPE_TYPE_COUNT
} sb_rope_type;

const char *sb_rope_type_name(sb_rope_type t); /* as rope_type says it: "llama3" */

enum { SB_ROPE_MAX_PAIRS = 256 };

typedef struct sb_rope_spec {
    sb_rope_type type;
    int32_t      dims; /* rotated dims, even; pairs = dims / 2 */
    double       theta;
    double       factor;
    double       low, high;            /* llama3: low_freq_factor, high_freq_factor */
    double       beta_fast, beta_slow; /* yarn */
    double       attention_factor;     /* 0: not given */
    int64_t      max_positions;        /* max_position_embeddings */
    int64_t      original;             /* original_max_position_embeddings; 0: not given */
    float        short_factor[SB_ROPE_MAX_PAIRS]; /* longrope; divisors of DIVISORS */
    float        long_factor[SB_ROPE_MAX_PAIRS];
} sb_rope_spec;

/* inv_freq [dims/2] and the multiplier of cosine and sine for a text of n_tokens in all (dynamic
 * and longrope depend on it, and are fixed for a text). Powers in double, then fp32, as Hugging
 * Face has them. Errors: SB_ERR_USAGE names the value out of its range. */
sb_status sb_rope_frequencies(const sb_rope_spec *s, int64_t n_tokens, float *inv_freq,
                              float *multiplier);

/* cos and sin of one pair at a position: the fp32 product position * inv_freq, its cosine and sine
 * in double with full range reduction, then fp32, times the multiplier. */
static inline SB_HOST_DEVICE void sb_rope_angle(float inv_freq, float multiplier, int64_t position,
                                                float *cosine, float *sine)
{
    const float angle = (float)position * inv_freq;
    *cosine           = (float)cos((double)angle) * multiplier;
    *sine             = (float)sin((double)angle) * multiplier;
}

/* The pair (a, b) turned. */
static inline SB_HOST_DEVICE void sb_rope_turn(float *a, float *b, float cosine, float sine)
{
    const float x = *a, y = *b;
    *a = x * cosine - y * sine;
    *b = y * cosine + x * sine;
}

/* cos, sin [pairs] at a position. */
void sb_rope_angles(const float *inv_freq, int64_t pairs, float multiplier, int64_t position,
                    float *cosine, float *sine);

/* Rotate the first 2 * pairs dims of x in place, in fp32. */
void sb_rope_rotate(float *x, int64_t pairs, const float *cosine, const float *sine);

#ifdef __cplusplus
}
#endif

#endif
