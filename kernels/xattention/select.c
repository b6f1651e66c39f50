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

int64_t sbi_xattention_select(const int32_t *scores, int64_t n, double tau,
                              sbi_xattention_rule rule, int32_t *order, uint8_t *keep, int32_t *ids)
{
    uint64_t total = 0, kept;
    int64_t  own = n - 1, first = rule == SBI_XATTENTION_RULE_PUBLISHED;
    int64_t  others = own > first ? own - first : 0, most = 0, count = 0;
    for (int64_t i = 0; i < n; i++)
        total += units(scores[i]);
    memset(keep, 0, (size_t)n);
    keep[0] = keep[own] = 1;
    kept                = units(scores[own]) + (first > 0 && own > 0 ? units(scores[0]) : 0);
    for (int64_t i = 0; i < others; i++)
        order[i] = (int32_t)(i + first);
    sb_falling_order(scores, SB_SCORE_BF16, others, order);
    double wanted = tau * (double)total;
    while (most < others && (double)kept < wanted)
        kept += units(scores[order[most++]]);
    if (rule == SBI_XATTENTION_RULE_FIRST_CHUNK && most < others && wanted > 0.0)
        most++;
    for (int64_t i = 0; i < most; i++)
        keep[order[i]] = 1;
    for (int64_t i = 0; i < n; i++)
        if (keep[i])
            ids[count++] = (int32_t)i;
    return count;
}
