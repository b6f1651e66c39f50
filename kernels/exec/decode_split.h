/* Into how many parts decode cuts its keys: one rule for a call that knows how many there are, and
 * for kernels that find it in device memory (base/step.h), so that both sum in one order. */
#ifndef SB_KERNELS_EXEC_DECODE_SPLIT_H
#define SB_KERNELS_EXEC_DECODE_SPLIT_H

#include <stdint.h>

#include "kernels/base/host_device.h"

enum {
    SB_DECODE_SPLIT_KEYS = 256, /* fewer keys are no work for a CTA */
    SB_DECODE_STEP_CTAS  = 512  /* most of a step, whose room is counted without a device to ask:
                                   two an SM of 256 SMs */
};

/* `most`: what fits the device at once. */
static inline SB_HOST_DEVICE int64_t sb_decode_splits(int64_t n_keys, int64_t most)
{
    int64_t n = (n_keys + SB_DECODE_SPLIT_KEYS - 1) / SB_DECODE_SPLIT_KEYS;
    n         = n < most ? n : most;
    return n > 1 ? n : 1;
}

/* CTAs over the rows (queries x query heads) of a KV head. */
static inline SB_HOST_DEVICE int64_t sb_decode_row_tiles(int64_t rows)
{
    return rows > 16 ? (rows + 31) / 32 : 1;
}

#endif
