/* What a look reads and asks of a layer, wherever the layer lies. All of it local. */
#ifndef SB_HARNESS_RUN_QUALITY_SOURCE_H
#define SB_HARNESS_RUN_QUALITY_SOURCE_H

#include "harness/model/forward.h"

typedef enum sbi_side { SBI_Q, SBI_K, SBI_O } sbi_side;

/* Rows local[0 .. n - 1], ascending, of all heads at hand: *to is [heads][n][dim], its data the
 * caller's to free, also after an error. Rows that follow each other travel as one copy. */
sb_status sbi_take_rows(const sb_layer_view *v, sbi_side side, const int64_t *local, int64_t n,
                        sb_tensor *to);
sb_status sbi_take_lse(const sb_layer_view *v, const int64_t *local, int64_t n, float *to);

/* Dense attention of packed rows over the view's keys; as sb_dense_rows_cpu(). */
sb_status sbi_dense_rows(const sb_layer_view *v, const sb_tensor *q, const int64_t *gid,
                         sb_tensor *o, float *lse);
/* As sb_top_mass_cpu(). */
sb_status sbi_top_mass(const sb_layer_view *v, const sb_tensor *q, const int64_t *gid,
                       const float *lse, const int64_t *keep, double *mass);
/* Of the output; n 0 also where nobody compares and it was left on a device. */
sb_status sbi_not_finite(const sb_layer_view *v, sb_not_finite *out);

#endif
