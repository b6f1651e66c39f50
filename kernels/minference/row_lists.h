/* From chosen columns and diagonals to the lists of one row block [minference 3.4]. */
#ifndef SB_KERNELS_MINFERENCE_ROW_LISTS_H
#define SB_KERNELS_MINFERENCE_ROW_LISTS_H

#include <stdint.h>

typedef struct sbi_row_lists {
    int32_t *tile;  /* first keys of tiles of block_tokens keys, ascending, disjoint; NULL: count */
    int32_t *token; /* single keys outside the tiles, ascending, all before the row block */
    int64_t  n_tiles, n_tokens;
} sbi_row_lists;

/* Lists of queries [row * block_tokens, (row + 1) * block_tokens).
 *   vertical [n_vertical] key ids, slash [n_slash] distances q - k; both strictly ascending;
 *   slash[0] = 0: without it a row block may have no range at all, and the official kernel reads
 *   past its list.
 * Every diagonal gives each row block a range of block_tokens keys; ranges that touch or overlap
 * merge and grow in whole blocks, so up to block_tokens - 1 keys more than asked are covered, also
 * past the diagonal or the end: the executor's causal test removes those.
 * out->n_tiles <= min(n_slash, row + 1), out->n_tokens <= min(n_vertical, row * block_tokens).
 * Cost O(n_vertical + n_slash). */
void sbi_minference_row(int64_t row, int64_t block_tokens, const int32_t *vertical,
                        int64_t n_vertical, const int32_t *slash, int64_t n_slash,
                        sbi_row_lists *out);

#endif
