/* The row blocks that a query shard touches, one after the other: what a method with one list a row
 * block walks in its layout. A block that several runs share comes once; local order is id order,
 * so its queries lie together. */
#ifndef SB_KERNELS_EXEC_ROW_WALK_H
#define SB_KERNELS_EXEC_ROW_WALK_H

#include "kernels/base/status.h"
#include "kernels/base/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct sb_row_part {
    int64_t block;       /* global number: tokens [block * row_tokens, ...) */
    int64_t first, last; /* its first and last token that are here */
    int64_t slot;        /* local slot of `first` */
    int64_t n_tokens;    /* here; slots [slot, slot + n_tokens) */
    int32_t run;         /* `first` lies in this run */
} sb_row_part;

typedef struct sb_row_walk { /* an iterator: no storage */
    const sb_gid *gid;
    int64_t       row_tokens;
    int64_t       slot, in_run; /* tokens done, in all and of the current run */
    int32_t       run;
} sb_row_walk;

void sb_row_walk_begin(sb_row_walk *it, const sb_gid *gid, int64_t row_tokens);
/* 1 and the next block, ascending, or 0 at the end. */
int sb_row_walk_next(sb_row_walk *it, sb_row_part *out);

/* SB_OK, or SB_ERR_UNSUPPORTED with the reason: some run is not of whole row blocks (the sequence's
 * last one may be short). Where all are, as layouts deal them out, local row block i has the local
 * queries from i * row_tokens on. method: whose rule it is. */
sb_status sb_row_walk_whole(const char *method, const sb_gid *gid, int64_t row_tokens,
                            int64_t n_keys);

#ifdef __cplusplus
}
#endif

#endif
