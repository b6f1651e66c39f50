/* Random numbers of the synthetic distributions, by counter: a row is drawn from its own key, so
 * any rank draws any row. Logarithm, exponential and sine are written out in sums and products that
 * IEEE 754 rounds exactly (the build contracts nothing): libm differs between machines in the last
 * bit, and an input is to be the same everywhere. */
#ifndef SB_WORKLOADS_SYNTHETIC_DRAW_H
#define SB_WORKLOADS_SYNTHETIC_DRAW_H

#include <stdint.h>

#include "kernels/base/rng.h"

/* What a stream is for: streams of different purpose, head or token never share a counter. */
typedef enum sbi_stream {
    SBI_STREAM_Q,      /* noise of a query row */
    SBI_STREAM_K,      /* noise of a key row */
    SBI_STREAM_V,      /* noise of a value row */
    SBI_STREAM_HEAD,   /* what a KV head draws once */
    SBI_STREAM_TARGET, /* what a query looks for */
    SBI_STREAM_TOPIC,  /* which cluster a run of keys belongs to */
    SBI_STREAM_CENTRE, /* directions of clusters and needles */
    SBI_STREAM_PLACE,  /* where needles stand */
    SBI_STREAM_COUNT
} sbi_stream;

/* A generator of its own for (seed, purpose, head, index). */
sb_rng sbi_stream_at(uint64_t seed, sbi_stream stream, int64_t head, int64_t index);

/* n independent N(0, 1) numbers, |x| <= 6.4: two of 32 bits from one step of the generator; the
 * inverse distribution function within 2e-7 (Wichura, AS 241, the short form). */
void sbi_normals(sb_rng *r, int64_t n, double *out);

double sbi_uniform_in(sb_rng *r, double lo, double hi); /* [lo, hi) */

/* +1 or -1 each, from bits of the stream. */
void sbi_signs(sb_rng *r, int64_t n, double *out);

double sbi_ln(double x);                                /* x > 0, normal; relative error < 1e-12 */
double sbi_exp(double x);                               /* |x| < 700; likewise */
void   sbi_sin_cos(double x, double *sin, double *cos); /* 0 <= x < 2^30; absolute error < 1e-9 */

#endif
