#include "kernels/xattention/select.h"

#include <math.h>
#include <string.h>

#include "kernels/base/bf16.h"
#include "kernels/exec/falling_order.h"

static uint64_t units(int32_t score)
{
    double a = (double)sb_bf16_to_f32((sb_bf16)score);
    if (!(a > 0.0)) /* also what is no number */
        return 0;
    uint64_t u = (uint64_t)rint(a * 0x1p40);
    return u > 0 ? u : 1;
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
    sb_falling_order(scores, SB_SCORE_BF16, others, order);
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
