/* What plan works in: laid out beside the index, so that plan allocates nothing. */
#ifndef SB_KERNELS_XATTENTION_ROOM_H
#define SB_KERNELS_XATTENTION_ROOM_H

#include "kernels/base/method.h"
#include "kernels/exec/product.h"
#include "kernels/xattention/xattention.h"

enum {
    /* The rows of a row block are padded to this many: what the vector exp asks for. */
    SBI_XATTENTION_ROWS = 16,
    /* Query rows that should share one packing of the keys: it costs about as much as 8 of them. */
    SBI_XATTENTION_BATCH_ROWS = 64,
};

/* A local row block and where its tokens lie in the shard. */
typedef struct sbi_xattention_row {
    int64_t first_id; /* in a head's part of the index: sum of the earlier rows' (block + 1) */
    int64_t slot;     /* local slot of its first token that is here */
    int32_t run;      /* which lies in this run of q_gid */
} sbi_xattention_row;

/* One thread's, for a batch of row blocks and the query heads of one KV head. A row is a group of
 * queries of one head: [row block of the batch][head of the KV group][group in the block]; a row
 * block has block_rows of them after padding, the batch n_rows. */
typedef struct sbi_xattention_scratch {
    float   *q;       /* [n_rows][stride * d], each group's tokens in reverse order */
    float   *k;       /* [stride * d][SB_PRODUCT_LANES]: key groups, transposed */
    float   *raw;     /* [block_rows][SB_PRODUCT_LANES] sums of products */
    float   *x;       /* [n_rows][lanes] logits of one key block; lanes: groups, padded */
    float   *e;       /* [block_rows][lanes] their exponentials */
    float   *top;     /* [n_blocks][n_rows] largest logit of a row in a block */
    float   *sum;     /* [n_blocks][n_rows] sum of exp(logit - top), later over the row's maximum */
    float   *row_top; /* [n_rows] */
    double  *row_sum; /* [n_rows] */
    uint8_t *here;    /* [row blocks of the batch][groups] 1: some token of it is a local query */
    int32_t *order;   /* [2][n_blocks] sorting */
    uint8_t *keep;    /* [n_blocks] */
} sbi_xattention_scratch;

typedef struct sbi_xattention_room {
    int64_t                 block_tokens, stride_tokens, groups; /* groups of a block */
    int64_t                 heads_per_kv, lanes, n_blocks;
    int64_t                 batch; /* row blocks that share one packing of the keys */
    int64_t                 used_rows, block_rows, n_rows; /* used: rounded up to one pass only */
    int64_t                 ids_per_head;                  /* of the index before it is packed */
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
