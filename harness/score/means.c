/* Means over the tasks of a suite, made only when every one of them is there [workloads 1.11, 5.1]:
 * otherwise the line says which are missing. And RULER over its lengths. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/score/figures.h"
#include "results/stats/stats.h"
#include "workloads/base/pytext.h"
#include "workloads/ruler/ruler.h"

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "figures: no memory"); }

/* Task i of those that a mean is over; NULL behind the last. RULER's own 13: ours beside them are
 * not its. */
static const char *task_of_mean(const sb_text_suite *s, int i)
{
    return strcmp(s->name, "ruler") == 0 ? sb_ruler_tasks[i].name : s->tasks[i].name;
}

static int is_of_mean(const sbi_group *g)
{
    const char *name;
    for (int i = 0; (name = task_of_mean(g->known, i)) != NULL; i++)
        if (strcmp(name, g->task) == 0)
            return 1;
    return 0;
}

int64_t sbi_mean_tasks(const sb_text_suite *s)
{
    int n = 0;
    while (task_of_mean(s, n) != NULL)
        n++;
    return n;
}

/* Groups [first, last) are one suite, metric and length. NULL text: a mean can be made. */
static sb_status why_no_mean(const sbi_group *g, int64_t n, int equal, sbi_text *why)
{
    const char *name;
    int64_t     first   = -1;
    int         missing = 0;
    for (int i = 0; (name = task_of_mean(g->known, i)) != NULL; i++) {
        int64_t there = 0;
        for (int64_t k = 0; k < n; k++)
            there += strcmp(g[k].task, name) == 0;
        if (there == 0) {
            sbi_text_puts(why, missing++ == 0 ? "missing: " : " ");
            sbi_text_puts(why, name);
        } else if (there > 1 && why->n == 0) {
            sbi_text_puts(why, name);
            sbi_text_puts(why, " stands here with two metrics");
            return sbi_text_status(why);
        }
    }
    for (int64_t k = 0; k < n && why->n == 0; k++) {
        if (!is_of_mean(&g[k]))
            continue;
        first = first < 0 ? k : first;
        if (g[k].n_unscored > 0) {
            sbi_text_puts(why, "rows of ");
            sbi_text_puts(why, g[k].task);
            sbi_text_puts(why, " were not scored");
        } else if (equal && g[k].n != g[first].n) {
            sbi_text_puts(why, "tasks differ in samples: ");
            sbi_text_put_i64(why, g[first].n);
            sbi_text_puts(why, " and ");
            sbi_text_put_i64(why, g[k].n);
        }
    }
    return sbi_text_status(why);
}

static sb_status fill_mean(sb_score_line *l, const sbi_group *g, int64_t n_groups)
{
    int64_t *n = malloc((size_t)n_groups * sizeof *n), total = 0, tasks = sbi_mean_tasks(g->known);
    double  *v = NULL, mean = 0;
    sb_interval i  = {NAN, NAN};
    sb_status   st = n != NULL ? SB_OK : no_memory();
    for (int64_t k = 0; k < n_groups; k++)
        total += g[k].n;
    if (st == SB_OK && (v = malloc((size_t)(total + 1) * sizeof *v)) == NULL)
        st = no_memory();
    total = 0;
    for (int64_t k = 0, at = 0; st == SB_OK && k < n_groups; k++) {
        double sum = 0;
        if (!is_of_mean(&g[k]))
            continue;
        memcpy(v + total, g[k].values, (size_t)g[k].n * sizeof *v);
        qsort(v + total, (size_t)g[k].n, sizeof *v, sbi_by_value);
        for (int64_t j = 0; j < g[k].n; j++)
            sum += g[k].values[j];
        mean += sum / (double)g[k].n / (double)tasks;
        total += g[k].n;
        n[at++] = g[k].n;
    }
    if (st == SB_OK && total >= 2)
        st = sb_stats_bootstrap_strata(v, n, tasks, (sb_interval){0, 1}, sbi_line_seed(l), &i);
    free(v);
    free(n);
    if (st != SB_OK)
        return st;
    l->n        = total;
    l->score    = mean;
    l->lo       = i.lo;
    l->hi       = i.hi;
    l->interval = total >= 2 ? "bootstrap" : "";
    return SB_OK;
}

/* *mean in per cent, NaN: none. */
sb_status sbi_mean_add(sb_score_table *t, const sbi_group *g, int64_t n, const char *metric,
                       double *mean)
{
    int            is_ruler = strcmp(g->suite, "ruler") == 0;
    char           name[64];
    sb_score_line *l   = NULL;
    sbi_text       why = {0};
    sb_status      st;
    *mean = NAN;
    (void)snprintf(name, sizeof name, "all %lld", (long long)sbi_mean_tasks(g->known));
    if ((st = sbi_line_add(t, "mean", g, name, metric, &l)) != SB_OK)
        return st;
    if ((st = why_no_mean(g, n, is_ruler, &why)) == SB_OK) {
        if (why.n > 0)
            st = sbi_line_reason(l, why.p);
        else if ((st = fill_mean(l, g, n)) == SB_OK)
            *mean = 100 * l->score;
    }
    sbi_text_fini(&why);
    if (st == SB_OK)
        sbi_line_figure(l, g->known, &l->score, 1);
    return st;
}

/* ---- RULER over its lengths ---- */

static sb_status add_ruler_line(sb_score_table *t, const sbi_group *g, const char *metric,
                                const char *what, double percent, int64_t tokens, const char *why)
{
    sb_score_line *l  = NULL;
    sb_status      st = sbi_line_add(t, "ruler", g, "all 13", metric, &l);
    if (st != SB_OK)
        return st;
    l->length_tokens = 0;
    l->group         = what;
    if (why != NULL)
        return sbi_line_reason(l, why);
    if (tokens < 0) {
        l->score = percent / 100;
        (void)snprintf(l->figure, sizeof l->figure, "%.2f", percent);
    } else if (tokens > 0) {
        (void)snprintf(l->figure, sizeof l->figure, "%lld", (long long)tokens);
    } else {
        return sbi_line_reason(l, "no length scores above 85.6");
    }
    return SB_OK;
}

sb_status sbi_ruler_add(sb_score_table *t, const sbi_group *g, const char *metric,
                        const double scores[SB_RULER_LENGTHS])
{
    char             why[128] = "";
    size_t           used     = 0;
    sb_ruler_summary s        = {0};
    sb_status        st;
    for (int i = 0; i < SB_RULER_LENGTHS; i++)
        if (isnan(scores[i]))
            used += (size_t)snprintf(why + used, sizeof why - used, "%s %d",
                                     used == 0 ? "no mean at" : "", 4096 << i);
    if (used == 0)
        s = sb_ruler_summarise(scores);
    const char *reason = used > 0 ? why : NULL;
    if ((st = add_ruler_line(t, g, metric, "average", s.mean, -1, reason)) != SB_OK ||
        (st = add_ruler_line(t, g, metric, "wavg_inc", s.increasing, -1, reason)) != SB_OK ||
        (st = add_ruler_line(t, g, metric, "wavg_dec", s.decreasing, -1, reason)) != SB_OK)
        return st;
    return add_ruler_line(t, g, metric, "effective_length", 0, s.effective_tokens, reason);
}
