/* The judge of methods that carry a state: their recurrences token by token in fp64, from
 * lightning 2, 3.2 and linear 3.1 to 3.5. It knows nothing of chunks, records or ranks. */
#ifndef SB_TESTS_ORACLE_LINEAR_JUDGE_H
#define SB_TESTS_ORACLE_LINEAR_JUDGE_H

#include "kernels/base/tensor.h"

typedef enum linear_update {
    LINEAR_DECAY, /* S = e^-slope S + k'v */
    LINEAR_GATE,  /* S = diag(e^g) S + k'v */
    LINEAR_DELTA, /* S = e^g S; S += k' beta (v - k S) */
    LINEAR_MEAN   /* softmax of a constant query, that of row 0 */
} linear_update;

typedef enum linear_map {
    MAP_IDENTITY,
    MAP_SILU,
    MAP_RELU,
    MAP_SQRELU,
    MAP_ELU,
    MAP_ELU1,
    MAP_DPFP,
    MAP_TAYLOR
} linear_map;

typedef struct linear_judge {
    linear_update    update;
    linear_map       map;
    int              normalize, unit;
    double           scale;
    double           slope[128];  /* of each query head: LINEAR_DECAY */
    const sb_tensor *gate, *beta; /* [kv_heads][n][d or 1] fp32, or NULL: */
    double           gate0, beta0;
} linear_judge;

int64_t linear_map_dim(linear_map map, int64_t d);
void    linear_map_row(linear_map map, const double *x, int64_t d, double *y);

/* All n tokens of q, k, v (ids 0 .. n - 1) for one query head: o [n][d]; state [dk][d] after the
 * last token (MEAN: w / u in its first row), or NULL. */
void linear_judge_head(const linear_judge *j, const sb_tensor *q, const sb_tensor *k,
                       const sb_tensor *v, int64_t head, double *o, double *state);

#endif
