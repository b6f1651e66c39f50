#include "kernels/xattention/select.h"

#include <math.h>
#include <string.h>

#include "kernels/base/bf16.h"

static uint64_t units(int32_t score)
{
    double a = (double)sb_bf16_to_f32((sb_bf16)score);
    if (!(a > 0.0)) /* also what is no number */
        return 0;
    uint64_t u = (uint64_t)rint(a * 0x1p40);
    return u > 0 ? u : 1;
}

/* One stable counting pass over a byte of the scores, falling. Patterns of numbers >= 0 rise with
 * them. */
static void pass(const int32_t *scores, const int32_t *from, int64_t n, int shift, int32_t *to)
{
    int64_t place[257] = {0};
    for (int64_t i = 0; i < n; i++)
        place[256 - ((scores[from[i]] >> shift) & 255)]++;
    for (int b = 1; b <= 256; b++)
        place[b] += place[b - 1];
    for (int64_t i = 0; i < n; i++)
        to[place[255 - ((scores[from[i]] >> shift) & 255)]++] = from[i];
}

int64_t sbi_xattention_select(const int32_t *scores, int64_t n, double tau, int32_t *order,
                              uint8_t *keep, int32_t *ids)
{
    uint64_t total = 0, kept;
    int64_t  own = n - 1, others = n > 2 ? n - 2 : 0, count = 0;
    for (int64_t i = 0; i < n; i++)
        total += units(scores[i]);
    memset(keep, 0, (size_t)n);
    keep[0] = keep[own] = 1;
    kept                = units(scores[own]) + (own > 0 ? units(scores[0]) : 0);
    for (int64_t i = 0; i < others; i++)
        order[i] = (int32_t)(i + 1);
    pass(scores, order, others, 0, order + n);
    pass(scores, order + n, others, 8, order);
    double wanted = tau * (double)total;
    for (int64_t i = 0; i < others && (double)kept < wanted; i++) {
        keep[order[i]] = 1;
        kept += units(scores[order[i]]);
    }
    for (int64_t i = 0; i < n; i++)
        if (keep[i])
            ids[count++] = (int32_t)i;
    return count;
}
