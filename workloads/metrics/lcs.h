/* The longest common subsequence of two number sequences, 64 columns a step, in memory linear in
 * their length (bit vectors of Hyyro 2004), and the one subsequence that a table walked from its
 * last corner gives. */
#ifndef SB_WORKLOADS_METRICS_LCS_H
#define SB_WORKLOADS_METRICS_LCS_H

#include "workloads/metrics/pool.h"

/* The columns, ready to be met by any number of row sequences. */
typedef struct sbi_lcs {
    const int32_t *col;
    int64_t        n_cols, words;
    int32_t       *head;  /* [vocabulary] last place of a number among the columns, -1: none */
    int32_t       *next;  /* [n_cols] the place before with the same number */
    int32_t       *dense; /* [vocabulary] which of `masks` is this number's, -1: none */
    uint64_t      *masks; /* [dense][words] */
    uint64_t      *mask;  /* [words] of the row at hand, for numbers without a dense one; kept 0 */
} sbi_lcs;

/* head and dense must be all -1 for [0, vocabulary) and belong to the caller, who may use them for
 * one column sequence after another: sbi_lcs_end makes them -1 again. */
sb_status sbi_lcs_begin(sbi_pool *p, const int32_t *col, int64_t n_cols, int32_t *head,
                        int32_t *dense, sbi_lcs *out);
void      sbi_lcs_end(sbi_lcs *l);

int64_t sbi_lcs_cost(const sbi_lcs *l, int64_t n_rows); /* in steps of one 64-column word */

sb_status sbi_lcs_length(sbi_pool *p, sbi_lcs *l, const int32_t *row, int64_t n_rows,
                         int64_t *length);

/* Walk from (n_rows, n_cols) until one of them is 0: where row and column are equal take the pair,
 * else up where the table is larger there than to the left, else left. rows_taken[i] (or
 * cols_taken[j]; either may be NULL) becomes 1 where a pair was taken, others stay. *steps is the
 * number of moves; past max_steps the walk stops, *steps is -1 and what was taken has no meaning.
 * Time n_rows * n_cols / 32, memory (n_rows + n_cols) and the square root of a row table. */
sb_status sbi_lcs_trace(sbi_pool *p, sbi_lcs *l, const int32_t *row, int64_t n_rows,
                        int64_t max_steps, uint8_t *rows_taken, uint8_t *cols_taken,
                        int64_t *steps);

#endif
