/* Where the released code's first chunk of queries ends. */
#ifndef SB_KERNELS_XATTENTION_FIRST_CHUNK_H
#define SB_KERNELS_XATTENTION_FIRST_CHUNK_H

#include "kernels/xattention/xattention.h"

/* Row blocks [0, this) lie in the released code's first chunk of queries [4, chunk_size C]: at
 * least 2048 tokens, and so many that scores of all keys fit 2^28 numbers. A chunk behind earlier
 * tokens is taken for a part of the whole sequence; n_keys: sb_shape_keys. */
static inline int64_t sbi_xattention_first_chunk_blocks(const sb_xattention_params *p,
                                                        int64_t                     n_keys)
{
    int64_t power = 2048, fit;
    if (p->compat != SB_XATTENTION_OFFICIAL)
        return 0;
    while (power < n_keys)
        power *= 2;
    fit = (INT64_C(1) << 28) / power;
    fit = fit > 2048 ? fit : 2048;
    return (power < fit ? power : fit) / p->block_tokens;
}

#endif
