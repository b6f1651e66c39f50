/* A-shape: the first sink_tokens keys and the last window_tokens keys, for prefill
 * [minference 3.2]. */
#ifndef SB_KERNELS_A_SHAPE_A_SHAPE_H
#define SB_KERNELS_A_SHAPE_A_SHAPE_H

#include "kernels/base/method.h"

typedef struct sb_a_shape_params {
    int64_t sink_tokens;   /* n_init */
    int64_t window_tokens; /* n_local, the query's own token included */
} sb_a_shape_params;

extern const sb_method sb_a_shape;

#endif
