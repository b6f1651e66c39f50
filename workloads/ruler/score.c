#include "workloads/ruler/score.h"

#include <stdio.h>
#include <stdlib.h>

double sb_ruler_task_figure(const double *values, int64_t n)
{
    char   buf[64];
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    /* printf rounds the binary value correctly, as Python's round(x, 2) does */
    (void)snprintf(buf, sizeof buf, "%.2f", n > 0 ? sum / (double)n * 100 : 0.0);
    return strtod(buf, NULL);
}

sb_ruler_summary sb_ruler_summarise(const double scores[SB_RULER_LENGTHS])
{
    sb_ruler_summary s = {0, 0, 0, 0};
    for (int i = 0; i < SB_RULER_LENGTHS; i++) {
        s.mean += scores[i] / SB_RULER_LENGTHS;
        s.increasing += (i + 1) * scores[i] / 21;
        s.decreasing += (SB_RULER_LENGTHS - i) * scores[i] / 21;
        if (scores[i] > SB_RULER_EFFECTIVE)
            s.effective_tokens = (int64_t)4096 << i;
    }
    return s;
}
