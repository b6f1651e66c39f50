/* The lines of the table: tasks, parts of them, and, from means.c, what is made over tasks. */
#include "harness/score/figures.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "results/stats/stats.h"
#include "workloads/base/text_groups.h"
#include "workloads/registry.h"

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "figures: no memory"); }

void sb_score_table_fini(sb_score_table *t)
{
    for (int64_t i = 0; i < t->n; i++) {
        free(t->lines[i].suite);
        free(t->lines[i].task);
        free(t->lines[i].metric);
        free(t->lines[i].reason);
    }
    free(t->lines);
    *t = (sb_score_table){0};
}

/* A new line, its numbers still missing. */
sb_status sbi_line_add(sb_score_table *t, const char *kind, const sbi_group *g, const char *task,
                       const char *metric, sb_score_line **out)
{
    sb_score_line *l = NULL;
    if (t->n == t->room) {
        int64_t room = t->room > 0 ? 2 * t->room : 32;
        if ((l = realloc(t->lines, (size_t)room * sizeof *l)) == NULL)
            return no_memory();
        t->lines = l;
        t->room  = room;
    }
    l    = &t->lines[t->n++];
    *l   = (sb_score_line){.kind          = kind,
                           .suite         = strdup(g->suite),
                           .task          = strdup(task),
                           .metric        = strdup(metric),
                           .group         = "",
                           .length_tokens = g->length_tokens,
                           .score         = NAN,
                           .lo            = NAN,
                           .hi            = NAN,
                           .interval      = ""};
    *out = l;
    return l->suite != NULL && l->task != NULL && l->metric != NULL ? SB_OK : no_memory();
}

sb_status sbi_line_reason(sb_score_line *l, const char *why)
{
    l->reason = strdup(why);
    return l->reason != NULL ? SB_OK : no_memory();
}

/* The order of rows in a file decides nothing. */
int sbi_by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

uint64_t sbi_line_seed(const sb_score_line *l)
{
    uint64_t    z       = (uint64_t)l->length_tokens;
    const char *texts[] = {l->suite, l->task, l->group, l->metric};
    for (int i = 0; i < 4; i++)
        for (const char *c = texts[i]; *c != '\0'; c++)
            z = sb_mix(z ^ (uint64_t)(unsigned char)*c);
    return z;
}

/* Mean and interval of n values, which are put in order. */
static sb_status fill(sb_score_line *l, double *values, int64_t n, int is_binary)
{
    double      sum = 0;
    sb_interval i   = {NAN, NAN};
    sb_status   st  = SB_OK;
    l->n            = n;
    if (n == 0)
        return SB_OK;
    qsort(values, (size_t)n, sizeof *values, sbi_by_value);
    for (int64_t k = 0; k < n; k++)
        sum += values[k];
    l->score = sum / (double)n;
    if (is_binary) {
        st          = sb_stats_wilson((int64_t)sum, n, &i);
        l->interval = "wilson";
    } else if (n >= 2) {
        st          = sb_stats_bootstrap_mean(values, n, sbi_line_seed(l), &i);
        l->interval = "bootstrap";
    }
    l->lo = i.lo;
    l->hi = i.hi;
    return st;
}

/* What the suite's own table shows; values in the order of the file, in which it sums them. */
void sbi_line_figure(sb_score_line *l, const sb_text_suite *suite, const double *values, int64_t n)
{
    double sum = 0;
    if (n < 1 || isnan(values[0]))
        return;
    for (int64_t i = 0; i < n; i++)
        sum += values[i];
    if (suite != NULL && strcmp(suite->name, "ruler") == 0)
        (void)snprintf(l->figure, sizeof l->figure, "%.2f", sb_ruler_task_figure(values, n));
    else
        sb_text_percent(sum, n, suite != NULL && suite->decimals > 0 ? suite->decimals : 2,
                        l->figure, sizeof l->figure);
}

/* values of those rows that are in group `bit`, -1: all. *copy is malloc'd. */
static sb_status select_values(const sbi_group *g, int bit, double **copy, int64_t *n)
{
    double *v = malloc((size_t)(g->n > 0 ? g->n : 1) * sizeof *v);
    if (v == NULL)
        return no_memory();
    *n = 0;
    for (int64_t i = 0; i < g->n; i++)
        if (bit < 0 || (g->members[i] >> bit & 1) != 0)
            v[(*n)++] = g->values[i];
    *copy = v;
    return SB_OK;
}

static sb_status add_part(sb_score_table *t, const sbi_group *g, int bit, const char *name)
{
    sb_score_line *l = NULL;
    double        *v = NULL;
    int64_t        n = 0;
    sb_status st     = sbi_line_add(t, bit < 0 ? "task" : "group", g, g->task, g->scorer->name, &l);
    if (st != SB_OK || (st = select_values(g, bit, &v, &n)) != SB_OK)
        return st;
    l->group = name;
    sbi_line_figure(l, g->known, v, n);
    if ((st = fill(l, v, n, g->is_binary)) == SB_OK) {
        if (bit < 0) {
            l->n_empty    = g->n_empty;
            l->n_null     = g->n_null;
            l->n_unscored = g->n_unscored;
        }
        if (bit < 0 && g->reason != NULL)
            st = sbi_line_reason(l, g->reason);
        else if (n == 0)
            st = sbi_line_reason(l, "no rows");
    }
    free(v);
    return st;
}

static sb_status add_group_lines(sb_score_table *t, const sbi_group *g)
{
    sb_status st = add_part(t, g, -1, "");
    if (g->known == NULL || g->known->groups == NULL)
        return st;
    for (int i = 0; st == SB_OK && g->known->groups->names[i] != NULL; i++)
        st = add_part(t, g, i, g->known->groups->names[i]);
    return st;
}

/* ---- all of it ---- */

static int task_place(const sbi_group *g)
{
    const sb_text_task *tasks = g->known == NULL ? NULL : g->known->tasks;
    int                 i     = 0;
    for (; tasks != NULL && tasks[i].name != NULL; i++)
        if (strcmp(tasks[i].name, g->task) == 0)
            return i;
    return i;
}

static int by_order(const void *a, const void *b)
{
    const sbi_group *x = a, *y = b;
    int              c = strcmp(x->suite, y->suite);
    if (c == 0)
        c = x->choice - y->choice;
    if (c == 0)
        c = (x->length_tokens > y->length_tokens) - (x->length_tokens < y->length_tokens);
    if (c == 0)
        c = task_place(x) - task_place(y);
    if (c == 0)
        c = strcmp(x->task, y->task);
    return c != 0 ? c : strcmp(x->scorer->name, y->scorer->name);
}

static int same_cell(const sbi_group *a, const sbi_group *b, int with_length)
{
    return strcmp(a->suite, b->suite) == 0 && a->choice == b->choice &&
           (!with_length || a->length_tokens == b->length_tokens);
}

/* An earlier --metric led to the same scorer: its lines say all. */
static int stands_before(const sbi_tally *all, const sbi_group *g)
{
    for (int64_t i = 0; i < all->n_groups; i++) {
        const sbi_group *o = &all->groups[i];
        if (o->choice < g->choice && o->scorer == g->scorer &&
            o->length_tokens == g->length_tokens && strcmp(o->task, g->task) == 0 &&
            strcmp(o->suite, g->suite) == 0)
            return 1;
    }
    return 0;
}

/* The groups of one suite and --metric, all lengths. */
static sb_status add_suite(sb_score_table *t, const sbi_tally *all, const sbi_group *g, int64_t n,
                           const char *metric)
{
    double    scores[SB_RULER_LENGTHS];
    sb_status st = SB_OK;
    for (int i = 0; i < SB_RULER_LENGTHS; i++)
        scores[i] = NAN;
    for (int64_t from = 0, to; st == SB_OK && from < n; from = to) {
        double mean = NAN;
        for (to = from; st == SB_OK && to < n && same_cell(&g[from], &g[to], 1); to++)
            if (!stands_before(all, &g[to]))
                st = add_group_lines(t, &g[to]);
        if (st == SB_OK && g->known != NULL && sbi_mean_tasks(g->known) > 1)
            st = sbi_mean_add(t, &g[from], to - from, metric, &mean);
        for (int i = 0; i < SB_RULER_LENGTHS; i++)
            if (g[from].length_tokens == (int64_t)4096 << i)
                scores[i] = mean;
    }
    if (st == SB_OK && strcmp(g->suite, "ruler") == 0)
        st = sbi_ruler_add(t, g, metric, scores);
    return st;
}

sb_status sbi_figures(sbi_tally *t, const sbi_choice *choices, sb_score_table *out)
{
    sb_status st = SB_OK;
    if (t->n_groups > 0)
        qsort(t->groups, (size_t)t->n_groups, sizeof *t->groups, by_order);
    for (int64_t from = 0, to; st == SB_OK && from < t->n_groups; from = to) {
        for (to = from; to < t->n_groups && same_cell(&t->groups[from], &t->groups[to], 0); to++)
            ;
        st = add_suite(out, t, &t->groups[from], to - from, choices[t->groups[from].choice].name);
    }
    return st;
}
