/* The ratio of two medians on a log scale, with Welch's standard error over independent looks. */
#include <math.h>
#include <stdlib.h>

#include "results/gate/internal.h"

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double sbi_gate_median(double *ns, int64_t n)
{
    qsort(ns, (size_t)n, sizeof *ns, compare_doubles);
    return (ns[(n - 1) / 2] + ns[n / 2]) / 2;
}

/* Mean, and the variance of the mean. */
static double mean_of(const sbi_gate_looks *l, double *variance)
{
    double mean = 0, squares = 0;
    for (int64_t i = 0; i < l->n; i++)
        mean += l->y[i] / (double)l->n;
    for (int64_t i = 0; i < l->n; i++)
        squares += (l->y[i] - mean) * (l->y[i] - mean);
    *variance = squares / (double)(l->n - 1) / (double)l->n;
    return mean;
}

sbi_gate_ratio sbi_gate_ratio_of(const sbi_gate_looks *base, const sbi_gate_looks *new,
                                 double                run_noise)
{
    double vb, vn,
        known = run_noise * run_noise * (1.0 / (double)base->n_runs + 1.0 / (double)new->n_runs);
    double mb = mean_of(base, &vb), mn = mean_of(new, &vn);
    double seen = vb * vb / (double)(base->n - 1) + vn * vn / (double)(new->n - 1);
    double all  = vb + vn + known;
    return (sbi_gate_ratio){.ln_ratio = mn - mb,
                            .se       = sqrt(all),
                            /* Satterthwaite: run_noise is given, so it has no error of its own */
                            .nu = seen > 0 ? all * all / seen : INFINITY};
}
