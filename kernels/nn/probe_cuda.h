/* The probe's maths on the cuda backend: the same bits as probe_maps.h on the CPU, and the
 * embedding. All row data, tables and rotations are device memory; structs are host memory and may
 * go when a call returns. Everything is queued on `stream` (NULL: the backend's own).
 *
 * Errors: SB_ERR_DEVICE; SB_ERR_INTERNAL where said below. */
#ifndef SB_KERNELS_NN_PROBE_CUDA_H
#define SB_KERNELS_NN_PROBE_CUDA_H

#include "kernels/base/status.h"
#include "kernels/base/step.h"
#include "kernels/nn/probe_maps.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { SB_PROBE_CUDA_MAPS = 16, SB_PROBE_CUDA_TAKES = 8 };

/* sb_probe_maps_run of at most SB_PROBE_CUDA_MAPS maps in one launch. Rows of ROTATE, DOT
 * and PROJECT sources begin at multiples of 16 bytes, as do those of dst. Bound: device memory,
 * n_maps * n_rows * 256 bytes written, about as many read (sources that maps share: once).
 * Errors: SB_ERR_INTERNAL too many maps, rows out of line. */
sb_status sb_probe_maps_run_cuda(const sb_probe_map *map, sb_bf16 *const *dst, int32_t n_maps,
                                 int64_t row0, int64_t n_rows, void *stream);
/* The same of the one row row0 in a decode step whose place is in device memory: the first
 * n_stepped maps write row step->slot of theirs, the others row 0. */
sb_status sb_probe_maps_step_cuda(const sb_probe_map *map, sb_bf16 *const *dst, int32_t n_maps,
                                  int32_t n_stepped, int64_t row0, const sb_step *step,
                                  void *stream);

/* What one head leaves: dst [n_rows][dims] = the first dims of o [n_rows][128]. */
typedef struct sb_probe_take_item {
    const sb_bf16 *o;
    sb_bf16       *dst;
    int32_t        dims; /* a multiple of 8 */
} sb_probe_take_item;

/* sb_probe_take of at most SB_PROBE_CUDA_TAKES heads in one launch. Bound: device memory, 4 bytes
 * a dim. Errors: SB_ERR_INTERNAL too many heads, other dims. */
sb_status sb_probe_take_cuda(const sb_probe_take_item *item, int32_t n, int64_t n_rows,
                             void *stream);

/* What the embedding makes of a token id and its position. */
typedef struct sb_probe_embed_rule {
    int32_t value_first, value_n; /* ids that have a value code */
    int32_t agg_first, agg_n;     /* ids that are counted */
    int32_t none;                 /* written where an id is of no such class */
    int32_t vocabulary;           /* salience rows of the question segment come behind so many */
    int64_t n_context;            /* positions from here on are the question segment */
    double  w[SB_PROBE_PAIRS];    /* radians per token */
    double  topic_w[SB_PROBE_TOPIC / 2], topic_phase[SB_PROBE_TOPIC / 2];
} sb_probe_embed_rule;

typedef struct sb_probe_embed_rows {
    const int32_t *id; /* read */
    int32_t       *value_id, *agg_id, *salient;
    sb_bf16       *bos;   /* 1 at position 0 */
    sb_bf16       *phi;   /* [row][128] */
    sb_bf16       *topic; /* [row][14]; zeros at position 0 */
} sb_probe_embed_rows;

/* Rows [row0, row0 + n_rows), at positions pos0, pos0 + 1, ... Angles, sine and cosine in double,
 * then fp32, then bf16, as on the CPU; the device's sine is another one, so a value that lies
 * within 1e-15 of a rounding boundary may differ (none of the test's, up to 2^24, does). Bound:
 * sine and cosine of 71 angles a row in double, about a nanosecond a row. */
sb_status sb_probe_embed_cuda(const sb_probe_embed_rule *rule, const sb_probe_embed_rows *rows,
                              int64_t row0, int64_t pos0, int64_t n_rows, void *stream);

#ifdef __cplusplus
}
#endif
#endif
