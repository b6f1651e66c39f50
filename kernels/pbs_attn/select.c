#include "kernels/pbs_attn/select.h"

#include <math.h>
#include <string.h>

#include "kernels/exec/falling_order.h"

static const double mass_units = 0x1p40;

static float value_of(int32_t pattern)
{
    float x;
    memcpy(&x, &pattern, sizeof x);
    return x;
}

static int64_t units_of(int32_t pattern)
{
    return (int64_t)rint((double)value_of(pattern) * mass_units);
}

/* What is no number, or below zero, counts as 0 [5]. */
static int64_t clean(int32_t *score, int64_t n)
{
    int64_t bad = 0;
    for (int64_t i = 0; i < n; i++) {
        float a = value_of(score[i]);
        bad += a != a;
        score[i] = a > 0 ? score[i] : 0;
    }
    return bad;
}

/* Length of the shortest prefix of order[0..n) that reaches tau; -1: none does. */
static int64_t prefix_clean(const sbi_pbs_rule *rule, const int32_t *score, const int32_t *order,
                            int64_t n)
{
    int64_t total = (int64_t)mass_units, kept = 0;
    if (rule->mass == SBI_PBS_MASS_TOTAL) {
        total = 0;
        for (int64_t i = 0; i < n; i++)
            total += units_of(score[i]);
    }
    if (total == 0)
        return -1;
    for (int64_t i = 0; i < n; i++) {
        kept += units_of(score[order[i]]);
        if ((double)kept >= rule->tau * (double)total)
            return i + 1;
    }
    return -1;
}

static int64_t prefix_official(const sbi_pbs_rule *rule, const int32_t *score, const int32_t *order,
                               int64_t n)
{
    float total = 1.0f, kept = 0;
    if (rule->mass == SBI_PBS_MASS_TOTAL) {
        total = 0;
        for (int64_t i = 0; i < n; i++)
            total += value_of(score[order[i]]);
    }
    for (int64_t i = 0; i < n && total > 0; i++) {
        kept += value_of(score[order[i]]);
        if (kept >= (float)rule->tau * total)
            return i + 1;
    }
    return -1;
}

int64_t sbi_pbs_select(const sbi_pbs_rule *rule, const sbi_pbs_row *row, int32_t *scores,
                       int32_t *order, uint8_t *keep, int32_t *ids, int *unreached,
                       int64_t *nan_scores)
{
    int64_t n = row->candidates, count = 0, all = rule->tau >= 1;
    *unreached = 0;
    memset(keep, all ? 1 : 0, (size_t)n);
    memset(keep + n, 1, (size_t)(row->end - n));
    if (n > 0 && !all) {
        *nan_scores += clean(scores, n);
        for (int64_t i = 0; i < n; i++)
            order[i] = (int32_t)i;
        sb_falling_order(scores, SB_SCORE_F32, n, order);
        int64_t most = rule->official ? prefix_official(rule, scores, order, n)
                                      : prefix_clean(rule, scores, order, n);
        *unreached   = most < 0;
        if (most < 0) /* the paper keeps all, the code none [11] */
            most = rule->official ? 0 : n;
        for (int64_t i = 0; i < most; i++)
            keep[order[i]] = 1;
    }
    if (row->forced >= 0)
        keep[row->forced] = 1;
    for (int64_t b = 0; b < row->end; b++)
        if (keep[b])
            ids[count++] = (int32_t)b;
    return count;
}
