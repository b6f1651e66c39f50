/* The recurrences of linear attention written down from their specs alone, in fp64, for the tests.
 * Written by another hand than the methods. One head; token by token, post state. */
#ifndef SB_TESTS_ORACLE_SECOND_LINEAR_H
#define SB_TESTS_ORACLE_SECOND_LINEAR_H

#include <stdint.h>

typedef struct lsecond_head {
    int64_t       n, dk, dv;
    const double *q, *k; /* [n][dk] */
    const double *v;     /* [n][dv] */
    const double *gate;  /* gla: [n][dk], gated_delta: [n]; natural log, <= 0; NULL: 0 */
    const double *beta;  /* gated_delta: [n]; NULL: 1 */
    double        scale;
    double       *o;     /* [n][dv] */
    double       *state; /* [dk][dv], or NULL */
} lsecond_head;

/* S_t = exp(-slope) S_{t-1} + k^T v, o = scale q S [lightning 2; linear 3.2 with slope = -ln gamma]
 */
void lsecond_decay(const lsecond_head *h, double slope);
void lsecond_elu1(const lsecond_head *h); /* [linear 3.1], normalised */
void lsecond_gla(const lsecond_head *h);  /* [linear 3.3] */
/* [linear 3.4]; keys and queries as given: whoever wants them of unit length scales them */
void lsecond_gated_delta(const lsecond_head *h);
/* [linear 3.5]: running softmax mean for one constant query q[0..dk) */
void lsecond_aaren(const lsecond_head *h);

/* base(H)[h] [lightning 3.1] and gamma_h of retention [linear 3.2] */
double lsecond_alibi_slope(int64_t heads, int64_t head);
double lsecond_retention_gamma(int64_t head);

#endif
