/* Tile lists from one bit a tile, for planners on a device.
 *
 *   bits   list (head, local row): | 0110 0001 ... |     written in any order, by any thread
 *   lists  row_ptr, ids                                  counted, summed up, written out
 *
 * Planners set bits with atomicOr, or store whole words. */
#ifndef SB_KERNELS_EXEC_PLAN_BITS_DEVICE_H
#define SB_KERNELS_EXEC_PLAN_BITS_DEVICE_H

#include "kernels/base/method.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_plan_bits {
    uint32_t *word;    /* device [lists][words]; bit t % 32 of word t / 32: tile t is listed */
    int64_t   lists;   /* plan->tiles.n_heads * plan->n_rows */
    int64_t   words;   /* of a list */
    int64_t   n_tiles; /* of all keys */
    void     *temp;    /* of the sum */
    int64_t   temp_bytes;
} sb_plan_bits;

/* Room from ctx->arena (device) for the tiles of `csr`: lists lists over n_tiles tiles. For
 * layout_device. lists * n_tiles / 8 bytes. */
sb_status sb_plan_bits_layout(sb_plan_bits *b, const sb_ctx *ctx, int64_t lists, int64_t n_tiles);

/* All bits to 0; queued. */
sb_status sb_plan_bits_clear(const sb_plan_bits *b, void *stream);

/* csr->row_ptr and csr->id from the bits; queued. The ids of all lists must fit csr->capacity:
 * what a caller cannot rule out it must not set. Bits past n_tiles must be 0. */
sb_status sb_plan_bits_list(const sb_plan_bits *b, sb_csr *csr, void *stream);

#ifdef __cplusplus
}
#endif
#endif
