/* What plan works in: laid out beside the index, so that plan allocates nothing. */
#ifndef SB_KERNELS_XATTENTION_ROOM_H
#define SB_KERNELS_XATTENTION_ROOM_H

#include "kernels/exec/antidiagonal.h"
#include "kernels/xattention/xattention.h"

/* One thread's. */
typedef struct sbi_xattention_scratch {
    sb_antidiagonal_scratch scores;
    int32_t                *order; /* [2][n_blocks] sorting */
    uint8_t                *keep;  /* [n_blocks] */
} sbi_xattention_scratch;

typedef struct sbi_xattention_room {
    sb_row_blocks           blocks;
    sb_antidiagonal         grid;
    int32_t                 threads;
    sbi_xattention_scratch *scratch; /* [threads] */
} sbi_xattention_room;

/* Index and room for the shape. plan->method_data is the room. The index starts with the place for
 * every causal block of every row: what tau = 1 selects, and where the scores stand until then. */
sb_status sbi_xattention_layout(sb_ctx *ctx, const sb_xattention_params *p, const sb_shape *shape,
                                sb_plan *plan);

#endif
