#include "tests/oracle/linear_judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t linear_map_dim(linear_map map, int64_t d)
{
    return map == MAP_DPFP ? 8 * d : map == MAP_TAYLOR ? 1 + d + d * (d + 1) / 2 : d;
}

void linear_map_row(linear_map map, const double *x, int64_t d, double *y)
{
    double  r[512];
    int64_t at = 0;
    switch (map) {
    case MAP_SILU:
        for (int64_t i = 0; i < d; i++)
            y[i] = x[i] / (1 + exp(-x[i]));
        return;
    case MAP_RELU:
    case MAP_SQRELU:
        for (int64_t i = 0; i < d; i++)
            y[i] = pow(fmax(x[i], 0), map == MAP_RELU ? 1 : 2);
        return;
    case MAP_ELU:
    case MAP_ELU1:
        for (int64_t i = 0; i < d; i++)
            y[i] = (x[i] > 0 ? x[i] : expm1(x[i])) + (map == MAP_ELU1);
        return;
    case MAP_DPFP: /* [linear 3.1]: both halves from relu(x), the second with a minus */
        for (int64_t i = 0; i < 2 * d; i++)
            r[i] = i < d ? fmax(x[i], 0) : -fmax(x[i - d], 0);
        for (int64_t j = 1; j <= 4; j++)
            for (int64_t i = 0; i < 2 * d; i++)
                y[at++] = r[i] * r[(i + 2 * d - j) % (2 * d)];
        return;
    case MAP_TAYLOR:
        y[at++] = 1;
        for (int64_t i = 0; i < d; i++)
            y[at++] = x[i] / pow((double)d, 0.25);
        for (int64_t i = 0; i < d; i++)
            y[at++] = x[i] * x[i] / sqrt(2 * (double)d);
        for (int64_t i = 0; i < d; i++)
            for (int64_t j = i + 1; j < d; j++)
                y[at++] = x[i] * x[j] / sqrt((double)d);
        return;
    default:
        memcpy(y, x, (size_t)d * sizeof *y);
    }
}

static void row_of(const linear_judge *j, const sb_tensor *t, int64_t head, int64_t i, double *y)
{
    double  x[256] = {0}, sum = 1e-6;
    int64_t n = linear_map_dim(j->map, t->dim);
    for (int64_t c = 0; c < t->dim; c++)
        x[c] = (double)sb_bf16_to_f32(sb_tensor_bf16(t, head, i)[c]);
    linear_map_row(j->map, x, t->dim, y);
    for (int64_t c = 0; c < n; c++)
        sum += y[c] * y[c];
    for (int64_t c = 0; j->unit && c < n; c++)
        y[c] /= sqrt(sum);
}

static double side(const sb_tensor *t, double constant, int64_t head, int64_t i, int64_t c)
{
    return t == NULL ? constant : (double)sb_tensor_f32(t, head, i)[t->dim == 1 ? 0 : c];
}

static void mean(const linear_judge *j, const sb_tensor *q, const sb_tensor *k, const sb_tensor *v,
                 int64_t head, double *o, double *state)
{
    int64_t d = q->dim, kv = head / (q->heads / k->heads);
    double *s = malloc((size_t)q->tokens * sizeof *s), top = -INFINITY;
    for (int64_t i = 0; i < q->tokens; i++) { /* all over again for every row */
        double sum = 0;
        s[i]       = 0;
        for (int64_t c = 0; c < d; c++)
            s[i] += j->scale * (double)sb_bf16_to_f32(sb_tensor_bf16(q, head, 0)[c]) *
                    (double)sb_bf16_to_f32(sb_tensor_bf16(k, kv, i)[c]);
        top = fmax(top, s[i]);
        memset(o + i * d, 0, (size_t)d * sizeof *o);
        for (int64_t t = 0; t <= i; t++) {
            sum += exp(s[t] - top);
            for (int64_t c = 0; c < d; c++)
                o[i * d + c] +=
                    exp(s[t] - top) * (double)sb_bf16_to_f32(sb_tensor_bf16(v, kv, t)[c]);
        }
        for (int64_t c = 0; c < d; c++)
            o[i * d + c] /= sum;
    }
    if (state != NULL)
        memcpy(state, o + (q->tokens - 1) * d, (size_t)d * sizeof *o);
    free(s);
}

void linear_judge_head(const linear_judge *j, const sb_tensor *q, const sb_tensor *k,
                       const sb_tensor *v, int64_t head, double *o, double *state)
{
    int64_t d = q->dim, dk = linear_map_dim(j->map, d), kv = head / (q->heads / k->heads);
    if (j->update == LINEAR_MEAN) {
        mean(j, q, k, v, head, o, state);
        return;
    }
    double *S = calloc((size_t)(dk * d), sizeof *S), *z = calloc((size_t)dk, sizeof *z);
    double *kt = malloc((size_t)dk * sizeof *kt), *qt = malloc((size_t)dk * sizeof *qt);
    for (int64_t i = 0; i < q->tokens; i++) {
        double vt[256], weight = 0;
        row_of(j, k, kv, i, kt);
        row_of(j, q, head, i, qt);
        for (int64_t c = 0; c < dk; c++) {
            double f = j->update == LINEAR_DECAY ? exp(-j->slope[head])
                                                 : exp(side(j->gate, j->gate0, kv, i, c));
            z[c]     = f * z[c] + kt[c];
            for (int64_t x = 0; x < d; x++)
                S[c * d + x] *= f;
        }
        for (int64_t x = 0; x < d; x++) {
            vt[x] = (double)sb_bf16_to_f32(sb_tensor_bf16(v, kv, i)[x]);
            for (int64_t c = 0; j->update == LINEAR_DELTA && c < dk; c++)
                vt[x] -= kt[c] * S[c * d + x];
            if (j->update == LINEAR_DELTA)
                vt[x] *= side(j->beta, j->beta0, kv, i, 0);
        }
        memset(o + i * d, 0, (size_t)d * sizeof *o);
        for (int64_t c = 0; c < dk; c++) {
            weight += j->scale * qt[c] * z[c];
            for (int64_t x = 0; x < d; x++) {
                S[c * d + x] += kt[c] * vt[x];
                o[i * d + x] += j->scale * qt[c] * S[c * d + x];
            }
        }
        for (int64_t x = 0; j->normalize && x < d; x++)
            o[i * d + x] /= weight + 1e-10;
    }
    if (state != NULL)
        memcpy(state, S, (size_t)(dk * d) * sizeof *S);
    free(S);
    free(z);
    free(kt);
    free(qt);
}
