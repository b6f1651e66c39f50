/* A row of the table T is kept as one bit a column: 0 where T grows by one over its left
 * neighbour. With M the columns equal to the row's number, the next row is
 *
 *     V' = (V + (V & M)) | (V & ~M)
 *
 * and where row and column differ, T[i-1][j] > T[i][j-1] exactly when T[i][j] > T[i][j-1]: the bit
 * of the row alone tells the way. So a walk needs no table, only the rows in falling order; every
 * `stride`-th is stored and the ones between are computed again, one stretch at a time. */
#include "workloads/metrics/lcs.h"

#include <string.h>

#define STORED_WORDS ((int64_t)1 << 20) /* 8 MB of rows are kept without recomputing */

sb_status sbi_lcs_begin(sbi_pool *p, const int32_t *col, int64_t n_cols, int32_t *head,
                        int32_t *dense, sbi_lcs *out)
{
    sbi_lcs   l = {.col = col, .n_cols = n_cols, .words = (n_cols + 63) / 64};
    int32_t  *count, n_dense = 0;
    sb_status st;
    l.head  = head;
    l.dense = dense;
    if ((st = sbi_pool_get(p, n_cols, sizeof *l.next, &l.next)) != SB_OK ||
        (st = sbi_pool_get(p, n_cols, sizeof *count, &count)) != SB_OK ||
        (st = sbi_pool_zero(p, l.words, sizeof *l.mask, &l.mask)) != SB_OK)
        return st;
    for (int64_t j = 0; j < n_cols; j++) { /* count[j]: how often the number stood up to j */
        int32_t last = head[col[j]];
        l.next[j]    = last;
        count[j]     = last < 0 ? 1 : count[last] + 1;
        head[col[j]] = (int32_t)j;
    }
    /* A number that stands more often than there are words costs less as a mask; there are at
     * most 64 such. */
    for (int64_t j = 0; j < n_cols; j++)
        if (head[col[j]] == j && count[j] > l.words)
            dense[col[j]] = n_dense++;
    if ((st = sbi_pool_zero(p, n_dense * l.words, sizeof *l.masks, &l.masks)) != SB_OK) {
        *out = l;
        sbi_lcs_end(&l);
        return st;
    }
    for (int64_t j = 0; j < n_cols; j++)
        if (dense[col[j]] >= 0)
            l.masks[dense[col[j]] * l.words + j / 64] |= 1ull << (j % 64);
    *out = l;
    return SB_OK;
}

void sbi_lcs_end(sbi_lcs *l)
{
    for (int64_t j = 0; j < l->n_cols; j++) {
        l->head[l->col[j]]  = -1;
        l->dense[l->col[j]] = -1;
    }
}

int64_t sbi_lcs_cost(const sbi_lcs *l, int64_t n_rows) { return n_rows * l->words; }

static void step(sbi_lcs *l, int32_t number, uint64_t *v)
{
    const uint64_t *m     = l->mask;
    uint64_t        carry = 0;
    int             own   = l->dense[number] < 0;
    if (l->head[number] < 0)
        return; /* no column equals it: the row is the one before */
    if (!own)
        m = l->masks + l->dense[number] * l->words;
    for (int32_t j = own ? l->head[number] : -1; j >= 0; j = l->next[j])
        l->mask[j / 64] |= 1ull << (j % 64);
    for (int64_t w = 0; w < l->words; w++) {
        uint64_t u    = v[w] & m[w], sum;
        uint64_t over = (uint64_t)__builtin_add_overflow(v[w], u, &sum);
        over |= (uint64_t)__builtin_add_overflow(sum, carry, &sum);
        carry = over;
        v[w]  = sum | (v[w] & ~m[w]);
    }
    for (int32_t j = own ? l->head[number] : -1; j >= 0; j = l->next[j])
        l->mask[j / 64] = 0;
}

sb_status sbi_lcs_length(sbi_pool *p, sbi_lcs *l, const int32_t *row, int64_t n_rows,
                         int64_t *length)
{
    uint64_t *v;
    int64_t   n  = 0;
    sb_status st = sbi_pool_get(p, l->words, sizeof *v, &v);
    if (st != SB_OK)
        return st;
    memset(v, 0xFF, (size_t)l->words * sizeof *v);
    for (int64_t i = 0; i < n_rows; i++)
        step(l, row[i], v);
    for (int64_t w = 0; w < l->words; w++) {
        uint64_t grew = ~v[w];
        if (w == l->words - 1 && l->n_cols % 64 != 0)
            grew &= (1ull << (l->n_cols % 64)) - 1;
        n += __builtin_popcountll(grew);
    }
    *length = n;
    return SB_OK;
}

static int64_t stride_of(int64_t n_rows, int64_t words)
{
    int64_t stride = 1;
    if (n_rows <= STORED_WORDS / words)
        return n_rows;
    while (stride * stride < n_rows)
        stride++;
    return stride;
}

sb_status sbi_lcs_trace(sbi_pool *p, sbi_lcs *l, const int32_t *row, int64_t n_rows,
                        int64_t max_steps, uint8_t *rows_taken, uint8_t *cols_taken, int64_t *steps)
{
    int64_t   i = n_rows, j = l->n_cols, moves = 0, stride, filled;
    uint64_t *marks, *rows, *v;
    size_t    row_bytes = (size_t)l->words * sizeof *v;
    sb_status st;
    *steps = 0;
    if (i == 0 || j == 0)
        return SB_OK;
    *steps = -1;
    if ((i < j ? i : j) > max_steps) /* every move shortens each side by one at most */
        return SB_OK;
    stride = stride_of(n_rows, l->words);
    if ((st = sbi_pool_get(p, ((n_rows - 1) / stride + 1) * l->words, sizeof *v, &marks)) !=
            SB_OK ||
        (st = sbi_pool_get(p, stride * l->words, sizeof *v, &rows)) != SB_OK ||
        (st = sbi_pool_get(p, l->words, sizeof *v, &v)) != SB_OK)
        return st;
    memset(v, 0xFF, row_bytes);
    for (int64_t r = 0; r < n_rows; r++) { /* marks[k]: the row after k * stride numbers */
        if (r % stride == 0)
            memcpy(marks + r / stride * l->words, v, row_bytes);
        step(l, row[r], v);
        if (stride == n_rows)
            memcpy(rows + r * l->words, v, row_bytes);
    }
    filled = stride == n_rows ? 0 : -1; /* which stretch `rows` holds */
    while (i > 0 && j > 0) {
        int64_t stretch = (i - 1) / stride;
        if (moves == max_steps)
            return SB_OK;
        if (stretch != filled) {
            memcpy(v, marks + stretch * l->words, row_bytes);
            for (int64_t r = stretch * stride; r < n_rows && r < (stretch + 1) * stride; r++) {
                step(l, row[r], v);
                memcpy(rows + (r - stretch * stride) * l->words, v, row_bytes);
            }
            filled = stretch;
        }
        moves++;
        if (row[i - 1] == l->col[j - 1]) {
            i--;
            j--;
            if (rows_taken != NULL)
                rows_taken[i] = 1;
            if (cols_taken != NULL)
                cols_taken[j] = 1;
        } else {
            const uint64_t *now = rows + ((i - 1) - stretch * stride) * l->words;
            if ((now[(j - 1) / 64] >> ((j - 1) % 64)) & 1)
                j--;
            else
                i--;
        }
    }
    *steps = moves;
    return SB_OK;
}
