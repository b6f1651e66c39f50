/* The row blocks of a query shard in device memory, for planners that run there. They follow from
 * the shape alone, so that layout copies them and plan only reads. */
#ifndef SB_KERNELS_EXEC_ROW_BLOCKS_DEVICE_H
#define SB_KERNELS_EXEC_ROW_BLOCKS_DEVICE_H

#include "kernels/exec/row_blocks.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_row_blocks_device {
    int64_t       block_tokens, n_blocks; /* of all keys */
    int64_t       n_rows;                 /* local */
    int64_t       ids_per_head;           /* tiles that all rows of a head may list together */
    int32_t      *row_id;                 /* device [n_rows] */
    sb_row_block *row;                    /* device [n_rows] */
} sb_row_blocks_device;

/* For sb_method.layout_device. As sb_row_blocks_layout, with room from ctx->arena on the device:
 * plan becomes row_tokens, n_rows, row_id and tiles (one list a query head, with room for every
 * tile a row may list; nothing in it yet), the rest of *plan is cleared. tile_tokens: keys of a
 * tile, a divisor of block_tokens; segment_blocks as there. Over a real arena the rows are copied
 * to the device, and waited for. Host memory in passing: 36 bytes a row from the C heap. */
sb_status sb_row_blocks_device_layout(sb_row_blocks_device *r, const sb_ctx *ctx,
                                      const sb_shape *shape, int64_t block_tokens,
                                      int64_t tile_tokens, int64_t segment_blocks, sb_plan *plan);

#ifdef __cplusplus
}
#endif
#endif
