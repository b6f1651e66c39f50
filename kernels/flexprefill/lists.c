#include "kernels/flexprefill/lists.h"

#include <string.h>

/* Next member of a set from `i` on; `end` if there is none before. */
static int64_t next_of(const uint64_t *set, int64_t i, int64_t end)
{
    while (i < end) {
        uint64_t left = set[i / 64] >> i % 64;
        if (left != 0) {
            i += __builtin_ctzll(left);
            break;
        }
        i = (i / 64 + 1) * 64;
    }
    return i < end ? i : end;
}

int64_t sbi_flex_list(const sbi_flex_row *r, int64_t row, uint8_t *keep, int32_t *ids)
{
    int64_t end = row + 1, ties = r->ties, n = 0;
    memset(keep, 0, (size_t)end);
    keep[0] = 1; /* where pairs outside the matrix alias to */
    for (int64_t i = next_of(r->columns, 0, end); i < end; i = next_of(r->columns, i + 1, end))
        keep[i] = 1;
    for (int64_t o = next_of(r->offsets, 0, end); o < end; o = next_of(r->offsets, o + 1, end)) {
        keep[row - o] = 1;
        if (r->cover == 2 && o < row)
            keep[row - o - 1] = 1;
    }
    for (int64_t i = 0; r->score != NULL && i < end; i++)
        if ((uint32_t)r->score[i] > r->cut || ((uint32_t)r->score[i] == r->cut && ties-- > 0))
            keep[i] = 1;
    for (int64_t i = 0; i < end; i++)
        if (keep[i])
            ids[n++] = (int32_t)i;
    return n;
}
