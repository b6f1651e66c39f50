/* Block scores by antidiagonals on a device [xattention 3, steps 1 to 3], of the queries here over
 * all keys. antidiagonal.h says what is computed; rows see what is causal.
 *
 * The groups of a head are the rows of a matrix [tokens / s][s * d] as they lie, so the sums are a
 * product of two such matrices in tiles of 128 x 256 groups, the tokens of a group of queries taken
 * from the last one on. Runs of queries lie one after the other in it, so that their number costs
 * nothing: groups of queries are counted as they lie, from the first one of the first row block on,
 * in sets of 128, and a table says which block of the sequence a row block is.
 *
 *   ids      . . 2 3 . . . . 8 9 . .      row blocks of a rank of a zigzag
 *   local        0 1         2 3          a set sees tiles of keys up to its last row's
 *
 * A row's normaliser is known at its end only. What a tile leaves behind:
 *
 *   top[h][row][tile]     largest logit of the row in the tile, base 2
 *   sum[h][row][block]    of exp2(logit - top) over the groups of a key block
 *
 * of a batch of rows, as many as the room holds: no array is N/s x N/s. */
#ifndef SB_KERNELS_EXEC_ANTIDIAGONAL_DEVICE_H
#define SB_KERNELS_EXEC_ANTIDIAGONAL_DEVICE_H

#include "kernels/base/host_device.h"
#include "kernels/exec/row_blocks_device.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SB_ANTIDIAGONAL_ROWS = 128, /* groups of queries of a tile, a set */
    SB_ANTIDIAGONAL_TILE = 256, /* groups of keys of a tile */
};

/* Bytes of sums that a batch may take, unless a single tile's rows need more. A variable so that
 * tests see more than one batch. */
extern int64_t sbi_antidiagonal_batch_bytes;

typedef struct sb_antidiagonal_device {
    int64_t  stride_tokens, groups; /* groups of a block: 8, 16 or 32 */
    int64_t  heads, kv_heads, dim;
    int64_t  n_keys, n_rows; /* row blocks here */
    sb_run   q;              /* the queries as they lie, from the begin of the first row block on */
    int64_t  pairs;          /* of a row block here and a key block up to it */
    int64_t  first_id;       /* row block of local row 0 */
    int32_t *row_id;         /* device [n_rows], borrowed; NULL: one run, so first_id and on */
    int32_t *set_id;         /* host: the last row block of each set */
    sb_bf16 *q_whole, *k_whole; /* device: copies with zeros around them, where a run of tokens
                                   does not begin and end with a group; else NULL */
    float *sum, *top;           /* device */
} sb_antidiagonal_device;

/* Rows that are scored together: local groups [first_group, first_group + n_groups), whole sets. */
typedef struct sb_antidiagonal_batch {
    int64_t first_group, n_groups;
    int64_t n_tiles;  /* of keys; zeros behind a row's own group, anything behind its own tile */
    int64_t n_blocks; /* of keys, those of n_tiles tiles: the stride of sum */
} sb_antidiagonal_batch;

/* For layout_device: room from ctx->arena, up to sbi_antidiagonal_batch_bytes and an eighth; copies
 * of q and k where they do not consist of whole groups. From ctx->host 4 bytes a set. rows: those
 * of the same shape; its row_id is borrowed. One run of queries may begin and end anywhere, several
 * are whole row blocks each but for the sequence's end. SB_ERR_UNSUPPORTED: they are not.
 * SB_ERR_UNSUPPORTED: several ranks, head_dim, groups, the device. */
sb_status sb_antidiagonal_device_layout(sb_antidiagonal_device *a, const sb_ctx *ctx,
                                        const sb_shape *shape, const sb_row_blocks_device *rows,
                                        int64_t stride_tokens);

/* Its host's part: what follows of *a from these queries, groups and stride_tokens, apart from
 * row_id. set_id: room for sbi_antidiagonal_sets of them. */
sb_status sbi_antidiagonal_rows(sb_antidiagonal_device *a, const sb_gid *q);
int64_t   sbi_antidiagonal_sets(const sb_antidiagonal_device *a);
void      sbi_antidiagonal_name(const sb_antidiagonal_device *a, const sb_gid *q, int32_t *set_id);

/* Tiles of keys that row block `id` looks at. */
SB_HOST_DEVICE static inline int32_t sb_antidiagonal_tiles(int32_t id, int32_t groups)
{
    return ((id + 1) * groups + SB_ANTIDIAGONAL_TILE - 1) / SB_ANTIDIAGONAL_TILE;
}

/* sb_antidiagonal_flops over the rows here, of all heads. */
int64_t sb_antidiagonal_device_flops(const sb_antidiagonal_device *a);

/* The batch after *b, the first one where b->n_groups is 0; 0: there is none. */
int sb_antidiagonal_device_next(const sb_antidiagonal_device *a, sb_antidiagonal_batch *b);

/* Queued, once before the batches: the copies, if any. */
sb_status sb_antidiagonal_device_begin(const sb_antidiagonal_device *a, const sb_tensor *q,
                                       const sb_tensor *k, void *stream);

/* sum and top of a batch; queued. factor: 1 / (sqrt(d) * s * norm). round_raw: sums of products
 * become bf16 first. Sums of products in fp32 by the matrix unit, of exponentials in fp32: last
 * bits differ from the CPU's. 2 * d * s FLOP a pair of groups; bound by the matrix unit. */
sb_status sb_antidiagonal_device_scores(const sb_antidiagonal_device *a,
                                        const sb_antidiagonal_batch *b, const sb_tensor *q,
                                        const sb_tensor *k, float factor, int32_t round_raw,
                                        void *stream);

#ifdef __cplusplus
}
#endif
#endif
