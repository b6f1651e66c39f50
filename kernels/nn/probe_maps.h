/* The probe's projections as structured maps: residual rows -> rows of q, k or v (bf16)
 * [probe_model 4, 5].
 *
 * A projection matrix of the probe is almost empty: a row of q, k or v is a few runs of dims, each
 * copied, scaled, added, rotated or dotted from one residual subspace. A map is the list of those
 * runs ("terms"):
 *
 *   k of the n-gram head   | P1[0:26] | P2[26:52] | P3[52:78] |..| LK | bos |.| topic |     dims
 * without a term are 0
 *
 * Every term does its arithmetic in fp32 in one written order (build without contraction) and
 * rounds to bf16 once, so that another backend can give the same bits. */
#ifndef SB_KERNELS_NN_PROBE_MAPS_H
#define SB_KERNELS_NN_PROBE_MAPS_H

#include <stdint.h>

#include "kernels/base/bf16.h"

#ifdef __cplusplus
extern "C" {
#endif

#define SB_PROBE_DIM 128      /* head_dim = code length */
#define SB_PROBE_PAIRS 64     /* (cos, sin) pairs of a position row */
#define SB_PROBE_TOPIC 14     /* topic dims */
#define SB_PROBE_TOPIC_PAD 16 /* row length of a PROJECT table */
#define SB_PROBE_MAX_TERMS 8

/* A residual subspace: row r is data + (index ? index[r] : r) * stride. stride 0: one row for all.
 */
typedef struct sb_probe_source {
    const sb_bf16 *data;
    int64_t        stride;
    const int32_t *index; /* NULL: rows themselves; else rows of a table, e.g. codes by token id */
} sb_probe_source;

/* What a term writes to dst[at + i], 0 <= i < n; x = row of a, y = row of b. */
typedef enum sb_probe_op {
    SB_PROBE_SCALE,   /* gain * x[from + i] */
    SB_PROBE_SUM,     /* x[from + i] + y[from + i] */
    SB_PROBE_ROTATE,  /* all pairs of x turned back by table's angle: see sb_probe_rotation (at 0, n
                         128) */
    SB_PROBE_DOT,     /* n = 1: gain * sum_j table[j] * x[j], j = 0..127 ascending */
    SB_PROBE_PROJECT, /* gain * sum_j table[j * 16 + i] * x[j], j = 0..127 ascending; n = 14 */
    SB_PROBE_OP_COUNT
} sb_probe_op;

/* dst[2j] = gain_j * (c_j * x[2j] + s_j * x[2j+1]),  dst[2j+1] = gain_j * (c_j * x[2j+1] - s_j *
 * x[2j]): with x = phi(t), c = cos(w m), s = sin(w m) this is gain * phi(t - m). */
typedef struct sb_probe_rotation {
    float c[SB_PROBE_PAIRS], s[SB_PROBE_PAIRS], gain[SB_PROBE_PAIRS];
} sb_probe_rotation;

typedef struct sb_probe_term {
    sb_probe_op              op;
    int32_t                  at, n, from;
    float                    gain;
    sb_probe_source          a, b;
    const float             *table;    /* DOT, PROJECT */
    const sb_probe_rotation *rotation; /* ROTATE */
} sb_probe_term;

/* Terms must not overlap. permute (or NULL): the finished row's dim j becomes its dim permute[j].
 */
typedef struct sb_probe_map {
    sb_probe_term  term[SB_PROBE_MAX_TERMS];
    int32_t        n_terms;
    const uint8_t *permute; /* [128] */
} sb_probe_map;

/* Rows [row0, row0 + n_rows) of the residual through map[i], to dst[i] [n_rows][128] bf16, for
 * every i < n_maps; dst are disjoint. A row's result depends on nothing but its own residual.
 * threads: OpenMP threads, >= 1. Cost: n_maps * n_rows * 256 bytes written, about as many read;
 * PROJECT adds 4 kFLOP a row. */
void sb_probe_maps_run(const sb_probe_map *map, sb_bf16 *const *dst, int32_t n_maps, int64_t row0,
                       int64_t n_rows, int32_t threads);

/* Attention output back into a residual subspace (W_O is a selection): dst [n_rows][dims] = the
 * first `dims` dims of o [n_rows][128]. */
void sb_probe_take(const sb_bf16 *o, int64_t n_rows, int32_t dims, sb_bf16 *dst, int32_t threads);

#ifdef __cplusplus
}
#endif
#endif
