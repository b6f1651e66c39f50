#include "kernels/nn/rope.h"

#include <inttypes.h>
#include <math.h>

#define PI 3.14159265358979323846

const char *sb_rope_type_name(sb_rope_type t)
{
    static const char *const names[SB_ROPE_TYPE_COUNT] = {
        "default", "linear", "dynamic", "llama3", "yarn", "longrope", "divisors"};
    return names[t];
}

static sb_status check(const sb_rope_spec *s)
{
    int needs_factor = s->type == SB_ROPE_LINEAR || s->type == SB_ROPE_DYNAMIC ||
                       s->type == SB_ROPE_LLAMA3 || s->type == SB_ROPE_YARN;
    if (s->dims < 2 || s->dims % 2 != 0 || s->dims / 2 > SB_ROPE_MAX_PAIRS)
        return sb_fail(SB_ERR_USAGE, "rope: found %d rotated dims, allowed even ones up to %d",
                       s->dims, 2 * SB_ROPE_MAX_PAIRS);
    if (!isfinite(s->theta) || s->theta <= 1)
        return sb_fail(SB_ERR_USAGE, "rope: found theta %g, allowed a number above 1", s->theta);
    if (needs_factor && !(isfinite(s->factor) && s->factor >= 1))
        return sb_fail(SB_ERR_USAGE, "rope: found factor %g, allowed a number >= 1", s->factor);
    if (s->max_positions < 1 || s->original < 0)
        return sb_fail(SB_ERR_USAGE,
                       "rope: found %" PRId64 " positions, %" PRId64
                       " originally, allowed positive numbers",
                       s->max_positions, s->original);
    if (s->attention_factor < 0 || !isfinite(s->attention_factor))
        return sb_fail(SB_ERR_USAGE, "rope: found attention_factor %g, allowed a number > 0",
                       s->attention_factor);
    if (s->type == SB_ROPE_LLAMA3 && !(s->low > 0 && s->high > s->low && isfinite(s->high)))
        return sb_fail(SB_ERR_USAGE,
                       "rope: found low_freq_factor %g and high_freq_factor %g, allowed 0 < low < "
                       "high",
                       s->low, s->high);
    if (s->type == SB_ROPE_YARN &&
        !(s->beta_slow > 0 && s->beta_fast >= s->beta_slow && isfinite(s->beta_fast)))
        return sb_fail(SB_ERR_USAGE,
                       "rope: found beta_fast %g and beta_slow %g, allowed 0 < slow <= fast",
                       s->beta_fast, s->beta_slow);
    if (s->type == SB_ROPE_LONGROPE || s->type == SB_ROPE_DIVISORS)
        for (int i = 0; i < s->dims / 2; i++)
            if (!(s->short_factor[i] > 0 && isfinite(s->short_factor[i])) ||
                (s->type == SB_ROPE_LONGROPE &&
                 !(s->long_factor[i] > 0 && isfinite(s->long_factor[i]))))
                return sb_fail(SB_ERR_USAGE, "rope: factor %d is no positive number", i);
    return SB_OK;
}

/* theta^(-2i/dims) rounded as a reference in fp32 has it: 1 / fp32(power). */
static double plain(double theta, int i, int dims)
{
    return (double)(1.0f / (float)pow(theta, 2.0 * i / dims));
}

static double llama3(const sb_rope_spec *s, double f)
{
    double original = s->original > 0 ? (double)s->original : 8192;
    double lambda   = 2 * PI / f;
    if (lambda < original / s->high)
        return f;
    if (lambda > original / s->low)
        return f / s->factor;
    double smooth = (original / lambda - s->low) / (s->high - s->low);
    return (1 - smooth) * f / s->factor + smooth * f;
}

/* The pair that turns `rotations` times within the original length. */
static double yarn_pair(const sb_rope_spec *s, double rotations)
{
    double original = (double)(s->original > 0 ? s->original : s->max_positions);
    return s->dims * log(original / (2 * PI * rotations)) / (2 * log(s->theta));
}

static double yarn(const sb_rope_spec *s, int i, double f)
{
    double lo   = fmax(floor(yarn_pair(s, s->beta_fast)), 0);
    double hi   = fmin(ceil(yarn_pair(s, s->beta_slow)), s->dims - 1);
    double ramp = fmin(fmax((i - lo) / ((hi == lo ? hi + 0.001 : hi) - lo), 0), 1);
    return f * (1 - ramp) + f / s->factor * ramp;
}

static double dynamic_theta(const sb_rope_spec *s, int64_t n_tokens)
{
    double m = (double)s->max_positions, n = fmax((double)n_tokens, m);
    return s->theta * pow(s->factor * n / m - (s->factor - 1), s->dims / (s->dims - 2.0));
}

static double multiplier_of(const sb_rope_spec *s)
{
    if (s->type != SB_ROPE_YARN && s->type != SB_ROPE_LONGROPE)
        return 1;
    if (s->attention_factor > 0)
        return s->attention_factor;
    if (s->type == SB_ROPE_YARN)
        return s->factor <= 1 ? 1 : 0.1 * log(s->factor) + 1;
    double original = (double)(s->original > 0 ? s->original : s->max_positions);
    double ratio    = (double)s->max_positions / original;
    return ratio <= 1 ? 1 : sqrt(1 + log(ratio) / log(original));
}

sb_status sb_rope_frequencies(const sb_rope_spec *s, int64_t n_tokens, float *inv_freq,
                              float *multiplier)
{
    sb_status st = check(s);
    if (st != SB_OK)
        return st;
    int64_t      original = s->original > 0 ? s->original : s->max_positions;
    const float *factor =
        s->type == SB_ROPE_LONGROPE && n_tokens > original ? s->long_factor : s->short_factor;
    double theta =
        s->type == SB_ROPE_DYNAMIC && s->dims > 2 ? dynamic_theta(s, n_tokens) : s->theta;
    for (int i = 0; i < s->dims / 2; i++) {
        double f = plain(theta, i, s->dims);
        switch (s->type) {
        case SB_ROPE_LINEAR:
            f /= s->factor;
            break;
        case SB_ROPE_LLAMA3:
            f = llama3(s, f);
            break;
        case SB_ROPE_YARN:
            f = yarn(s, i, f);
            break;
        case SB_ROPE_LONGROPE:
        case SB_ROPE_DIVISORS:
            f /= (double)factor[i];
            break;
        default:
            break;
        }
        inv_freq[i] = (float)f;
    }
    *multiplier = (float)multiplier_of(s);
    return SB_OK;
}

void sb_rope_angles(const float *inv_freq, int64_t pairs, float multiplier, int64_t position,
                    float *cosine, float *sine)
{
    for (int64_t i = 0; i < pairs; i++)
        sb_rope_angle(inv_freq[i], multiplier, position, &cosine[i], &sine[i]);
}

void sb_rope_rotate(float *x, int64_t pairs, const float *cosine, const float *sine)
{
    for (int64_t i = 0; i < pairs; i++)
        sb_rope_turn(&x[i], &x[i + pairs], cosine[i], sine[i]);
}
