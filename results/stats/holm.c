/* Holm's step-down adjustment. */
#include <math.h>
#include <stdlib.h>

#include "results/stats/compare.h"

typedef struct ranked {
    double  p;
    int64_t at;
} ranked;

static int compare_ranked(const void *a, const void *b)
{
    double x = ((const ranked *)a)->p;
    double y = ((const ranked *)b)->p;
    return (x > y) - (x < y);
}

sb_status sb_stats_holm(const double *p, int64_t n, double *adjusted)
{
    for (int64_t i = 0; i < n; i++)
        if (!(p[i] >= 0 && p[i] <= 1))
            return sb_fail(SB_ERR_USAGE, "holm: p-value %lld is %g, allowed 0..1", (long long)i,
                           p[i]);
    if (n < 1)
        return SB_OK;
    ranked *order = malloc((size_t)n * sizeof *order);
    if (order == NULL)
        return sb_fail(SB_ERR_NOMEM, "holm: no memory for %lld p-values", (long long)n);
    for (int64_t i = 0; i < n; i++)
        order[i] = (ranked){p[i], i};
    qsort(order, (size_t)n, sizeof *order, compare_ranked);
    double least = 0;
    for (int64_t k = 0; k < n; k++) {
        least                 = fmax(least, fmin(1, (double)(n - k) * order[k].p));
        adjusted[order[k].at] = least;
    }
    free(order);
    return SB_OK;
}
