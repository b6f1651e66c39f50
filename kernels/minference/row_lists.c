#include "kernels/minference/row_lists.h"

#include <assert.h>
#include <stddef.h>

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

static void flush(sbi_row_lists *out, int64_t begin, int64_t end, int64_t block_tokens)
{
    for (int64_t x = begin; x < end; x += block_tokens) {
        if (out->tile != NULL)
            out->tile[out->n_tiles] = (int32_t)x;
        out->n_tiles++;
    }
}

/* The official kernel, step for step: diagonals from the farthest to the nearest, so ranges ascend;
 * columns are merged in between. */
void sbi_minference_row(int64_t row, int64_t block_tokens, const int32_t *vertical,
                        int64_t n_vertical, const int32_t *slash, int64_t n_slash,
                        sbi_row_lists *out)
{
    int64_t end = (row + 1) * block_tokens; /* not cut to the sequence's length */
    int64_t s = n_slash - 1, v = 0, none = end + block_tokens;
    assert(n_slash > 0 && slash[0] == 0);
    out->n_tiles = out->n_tokens = 0;
    while (slash[s] >= end) /* farther than any key of this row block */
        s--;
    int64_t range_end = max_i64(end - slash[s--], block_tokens);
    int64_t range     = range_end - block_tokens;
    int64_t column    = v < n_vertical ? vertical[v++] : none;
    for (;;) {
        if (column < range_end) {
            if (column < range) { /* else covered by the range */
                if (out->token != NULL)
                    out->token[out->n_tokens] = (int32_t)column;
                out->n_tokens++;
            }
            column = v < n_vertical ? vertical[v++] : none;
            continue;
        }
        if (s < 0)
            break;
        int64_t e = max_i64(end - slash[s--], block_tokens);
        if (e > range_end + block_tokens) {
            flush(out, range, range_end, block_tokens);
            range     = e - block_tokens;
            range_end = e;
        } else if (e > range_end) {
            range_end += block_tokens;
        }
    }
    flush(out, range, range_end, block_tokens);
}
