/* Where a decode step stands, in device memory: calls that read it from there, noted once
 * (backend.h graph_begin), serve the steps that follow. */
#ifndef SB_KERNELS_BASE_STEP_H
#define SB_KERNELS_BASE_STEP_H

#include <stdint.h>

typedef struct sb_step {
    int32_t slot;   /* row of a cache that the token's k and v go to */
    int32_t n_keys; /* the first n_keys rows are the keys that it sees, its own with them */
} sb_step;

#endif
