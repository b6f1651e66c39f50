/* What plan works in: laid out beside the index, so that plan allocates nothing. */
#ifndef SB_KERNELS_XATTENTION_ROOM_H
#define SB_KERNELS_XATTENTION_ROOM_H

#include "kernels/base/method.h"
#include "kernels/xattention/xattention.h"

enum {
    /* Key groups that one pass of the product takes: two SSE registers; 4 query rows of them leave
     * room for the keys in the 16 registers of the baseline. */
    SBI_XATTENTION_LANES = 8,
    /* Query rows are padded to this many: what the vector exp asks for; a multiple of the 4 rows of
     * one pass. */
    SBI_XATTENTION_ROWS = 16,
};

/* A local row block and where its tokens lie in the shard. */
typedef struct sbi_xattention_row {
    int64_t first_id; /* in a head's part of the index: sum of the earlier rows' (block + 1) */
    int64_t slot;     /* local slot of its first token that is here */
    int32_t run;      /* which lies in this run of q_gid */
} sbi_xattention_row;

/* One thread's. A row is a group of queries of one head: [head of the KV group][group in the
 * block], n_rows of them after padding. */
typedef struct sbi_xattention_scratch {
    float   *q;       /* [n_rows][stride * d], each group's tokens in reverse order */
    float   *k;       /* [stride * d][SBI_XATTENTION_LANES]: key groups, transposed */
    float   *x;       /* [n_rows][lanes] logits of one key block; lanes: groups, padded */
    float   *e;       /* the same size: their exponentials */
    float   *top;     /* [n_blocks][n_rows] largest logit of a row in a block */
    float   *sum;     /* [n_blocks][n_rows] sum of exp(logit - top), later over the row's maximum */
    float   *row_top; /* [n_rows] */
    double  *row_sum; /* [n_rows] */
    uint8_t *here;    /* [groups of a block] 1: at least one of its tokens is a local query */
    int32_t *order;   /* [2][n_blocks] sorting */
    uint8_t *keep;    /* [n_blocks] */
} sbi_xattention_scratch;

typedef struct sbi_xattention_room {
    int64_t                 block_tokens, stride_tokens, groups; /* groups of a block */
    int64_t                 heads_per_kv, n_rows, lanes, n_blocks;
    int64_t                 ids_per_head; /* of the index before it is packed */
    int32_t                 threads;
    sbi_xattention_row     *row;     /* [local row blocks] */
    sbi_xattention_scratch *scratch; /* [threads] */
} sbi_xattention_room;

/* Index and room for the shape. plan->method_data is the room. The index starts with the place for
 * every causal block of every row: what tau = 1 selects, and where the scores stand until then. */
sb_status sbi_xattention_layout(sb_ctx *ctx, const sb_xattention_params *p, const sb_shape *shape,
                                sb_plan *plan);

/* Name the local row blocks: plan->row_id, room->row. */
void sbi_xattention_rows(const sb_shape *shape, sb_plan *plan);

#endif
