/* One list drawn, block by block: the same code on both sides. */
#ifndef SB_KERNELS_RANDOM_BLOCKS_DRAW_H
#define SB_KERNELS_RANDOM_BLOCKS_DRAW_H

#include <math.h>

#include "kernels/base/rng.h"
#include "kernels/random_blocks/random_blocks.h"

typedef struct sbi_block_draw {
    int64_t next, first, last, visible; /* [first, last) is drawn from, the rest is seen */
    int64_t want;                       /* still to be drawn */
    sb_rng  rng;
} sbi_block_draw;

SB_HOST_DEVICE static inline int64_t sbi_draw_min(int64_t a, int64_t b) { return a < b ? a : b; }

/* ceil(density * visible blocks). */
SB_HOST_DEVICE static inline int64_t sbi_random_blocks_seen(const sb_random_blocks_params *p,
                                                            int64_t                        block)
{
    return (int64_t)ceil(p->density * (double)(block + 1));
}

/* n_seen: as above. */
SB_HOST_DEVICE static inline sbi_block_draw sbi_draw_begin(const sb_random_blocks_params *p,
                                                           int32_t layer, int64_t head,
                                                           int64_t block, int64_t n_seen)
{
    sbi_block_draw d;
    d.next    = 0;
    d.visible = block + 1;
    d.first   = sbi_draw_min(p->sink_blocks, d.visible);
    d.last    = d.visible - sbi_draw_min(p->window_blocks, d.visible - d.first);
    d.want    = sbi_draw_min(n_seen - (d.visible - (d.last - d.first)), d.last - d.first);
    d.rng.state =
        sb_mix(sb_mix(sb_mix(sb_mix((uint64_t)p->seed) + (uint64_t)layer) + (uint64_t)head) +
               (uint64_t)block);
    return d;
}

/* The next block seen, ascending; -1: no more. Each of the left ones is taken with probability
 * want / left: exactly `want` come out. */
SB_HOST_DEVICE static inline int64_t sbi_draw_next(sbi_block_draw *d)
{
    while (d->next < d->visible) {
        int64_t j = d->next++;
        if (j < d->first || j >= d->last)
            return j;
        if (d->want <= 0) {
            d->next = d->last;
            continue;
        }
        if ((int64_t)sb_rng_below(&d->rng, (uint64_t)(d->last - j)) < d->want) {
            d->want--;
            return j;
        }
    }
    return -1;
}

#endif
