#include "tests/oracle/second/linear_second.h"

#include <math.h>
#include <stdlib.h>

static double *state_of(const lsecond_head *h)
{
    return calloc((size_t)(h->dk * h->dv), sizeof(double));
}

static void leave(const lsecond_head *h, double *s)
{
    for (int64_t i = 0; h->state != NULL && i < h->dk * h->dv; i++)
        h->state[i] = s[i];
    free(s);
}

/* o_t = scale * q_t S */
static void read_out(const lsecond_head *h, const double *s, int64_t t)
{
    for (int64_t e = 0; e < h->dv; e++) {
        double sum = 0;
        for (int64_t c = 0; c < h->dk; c++)
            sum += h->q[t * h->dk + c] * s[c * h->dv + e];
        h->o[t * h->dv + e] = h->scale * sum;
    }
}

static void add_outer(const lsecond_head *h, double *s, int64_t t, const double *value)
{
    for (int64_t c = 0; c < h->dk; c++)
        for (int64_t e = 0; e < h->dv; e++)
            s[c * h->dv + e] += h->k[t * h->dk + c] * value[e];
}

void lsecond_decay(const lsecond_head *h, double slope)
{
    double *s = state_of(h);
    for (int64_t t = 0; t < h->n; t++) {
        for (int64_t i = 0; i < h->dk * h->dv; i++)
            s[i] *= exp(-slope);
        add_outer(h, s, t, h->v + t * h->dv);
        read_out(h, s, t);
    }
    leave(h, s);
}

static double elu1(double x) { return x > 0 ? x + 1 : exp(x); }

void lsecond_elu1(const lsecond_head *h)
{
    double *s = state_of(h), *z = calloc((size_t)h->dk, sizeof *z);
    for (int64_t t = 0; t < h->n; t++) {
        double under = 0;
        for (int64_t c = 0; c < h->dk; c++) {
            double f = elu1(h->k[t * h->dk + c]);
            z[c] += f;
            under += elu1(h->q[t * h->dk + c]) * z[c];
            for (int64_t e = 0; e < h->dv; e++)
                s[c * h->dv + e] += f * h->v[t * h->dv + e];
        }
        for (int64_t e = 0; e < h->dv; e++) {
            double over = 0;
            for (int64_t c = 0; c < h->dk; c++)
                over += elu1(h->q[t * h->dk + c]) * s[c * h->dv + e];
            h->o[t * h->dv + e] = h->scale * over / (h->scale * under + 1e-10);
        }
    }
    free(z);
    leave(h, s);
}

void lsecond_gla(const lsecond_head *h)
{
    double *s = state_of(h);
    for (int64_t t = 0; t < h->n; t++) {
        for (int64_t c = 0; c < h->dk; c++)
            for (int64_t e = 0; e < h->dv; e++)
                s[c * h->dv + e] *= h->gate != NULL ? exp(h->gate[t * h->dk + c]) : 1;
        add_outer(h, s, t, h->v + t * h->dv);
        read_out(h, s, t);
    }
    leave(h, s);
}

void lsecond_gated_delta(const lsecond_head *h)
{
    double *s = state_of(h), *u = calloc((size_t)h->dv, sizeof *u);
    for (int64_t t = 0; t < h->n; t++) {
        for (int64_t i = 0; i < h->dk * h->dv; i++)
            s[i] *= h->gate != NULL ? exp(h->gate[t]) : 1;
        for (int64_t e = 0; e < h->dv; e++) {
            double held = 0;
            for (int64_t c = 0; c < h->dk; c++)
                held += h->k[t * h->dk + c] * s[c * h->dv + e];
            u[e] = (h->beta != NULL ? h->beta[t] : 1) * (h->v[t * h->dv + e] - held);
        }
        add_outer(h, s, t, u);
        read_out(h, s, t);
    }
    free(u);
    leave(h, s);
}

void lsecond_aaren(const lsecond_head *h)
{
    for (int64_t t = 0; t < h->n; t++) {
        double top = -INFINITY, under = 0;
        for (int pass = 0; pass < 2; pass++) {
            for (int64_t e = 0; pass == 1 && e < h->dv; e++)
                h->o[t * h->dv + e] = 0;
            for (int64_t i = 0; i <= t; i++) {
                double x = 0;
                for (int64_t c = 0; c < h->dk; c++)
                    x += h->scale * h->q[c] * h->k[i * h->dk + c];
                if (pass == 0) {
                    top = fmax(top, x);
                    continue;
                }
                under += exp(x - top);
                for (int64_t e = 0; e < h->dv; e++)
                    h->o[t * h->dv + e] += exp(x - top) * h->v[i * h->dv + e];
            }
        }
        for (int64_t e = 0; e < h->dv; e++)
            h->o[t * h->dv + e] /= under;
    }
}

double lsecond_alibi_slope(int64_t heads, int64_t head)
{
    int64_t p = 1;
    while (2 * p <= heads)
        p *= 2;
    if (head < p)
        return pow(2, -8.0 / (double)p * (double)(head + 1));
    return lsecond_alibi_slope(2 * p, 2 * (head - p));
}

double lsecond_retention_gamma(int64_t head) { return 1 - pow(2, -5.0 - (double)head); }
