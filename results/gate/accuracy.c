/* Accuracy: non-inferiority on the same inputs [workloads 5.2]. Pass: the lower end of the 95 %
 * interval of new - base lies above -margin, or every output is the same. Fail: not so, and the
 * loss itself is shown (one-sided exact McNemar, or sign flips; Holm). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/gate/internal.h"
#include "results/stats/compare.h"

typedef struct paired {
    double *d; /* new - base, stratum behind stratum */
    int64_t n, capacity;
    int64_t b, c, n_other; /* base better, new better; pairs whose outputs differ */
    int64_t n_failed;      /* of new */
    double  base_sum, new_sum;
    int     all_binary;
} paired;

static const sbi_gate_score *score_of(const sbi_gate_sample *s, const char *metric)
{
    for (int64_t i = 0; i < s->n_scores; i++)
        if (strcmp(s->scores[i].metric, metric) == 0)
            return &s->scores[i];
    return NULL;
}

static int same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Same prediction by the same selection: nothing that the change could have done shows. */
static int same_output(const sbi_gate_sample *a, const sbi_gate_sample *b)
{
    return a->prediction != NULL && same_text(a->prediction, b->prediction) &&
           same_text(a->digest, b->digest) && strcmp(a->status, b->status) == 0;
}

static sb_status add_pairs(paired *p, const sbi_gate_cell *base, const sbi_gate_cell *new,
                           const char *metric)
{
    for (int64_t i = 0; i < base->n_samples; i++) {
        const sbi_gate_sample *was = &base->samples[i];
        const sbi_gate_sample *is  = sbi_gate_sample_find(new, was->sha);
        const sbi_gate_score  *x   = score_of(was, metric),
                             *y    = is == NULL ? NULL : score_of(is, metric);
        if (x == NULL || y == NULL)
            continue;
        double *grown = sbi_gate_grow(p->d, p->n, &p->capacity, sizeof *grown);
        if (grown == NULL)
            return sbi_gate_nomem();
        p->d         = grown;
        p->d[p->n++] = y->value - x->value;
        p->b += x->value > y->value;
        p->c += y->value > x->value;
        p->n_other += !same_output(was, is) || x->value != y->value;
        p->n_failed += strcmp(is->status, "failed") == 0;
        p->base_sum += x->value;
        p->new_sum += y->value;
        p->all_binary = p->all_binary && x->is_binary && y->is_binary;
    }
    return SB_OK;
}

typedef struct judged {
    double      difference, p;
    sb_interval interval;
} judged;

/* p of "new is no worse": half of the two-sided one where new is worse. */
static double one_sided(double p, double difference) { return difference < 0 ? fmin(1, p / 2) : 1; }

static sb_status judge(const paired *p, const int64_t *of, int64_t n_strata, uint64_t seed,
                       judged *j)
{
    double    sum = 0, two = 1;
    sb_status st;
    for (int64_t i = 0; i < p->n; i++)
        sum += p->d[i];
    j->difference = sum / (double)p->n;
    if (p->all_binary && n_strata == 1) {
        two = sb_stats_mcnemar(p->b, p->c);
        st  = sb_stats_paired_score(p->b, p->c, p->n, &j->interval);
    } else {
        st =
            sb_stats_bootstrap_strata(p->d, of, n_strata, (sb_interval){-1, 1}, seed, &j->interval);
        if (st == SB_OK)
            st = sb_stats_sign_flip(p->d, p->n, seed, &two);
    }
    j->p = one_sided(two, j->difference);
    return st;
}

/* Seeds come from the points' hashes alone: the same facts, the same figures. */
static uint64_t seed_of(const char *hash)
{
    char head[17];
    (void)snprintf(head, sizeof head, "%.16s", hash);
    return strtoull(head, NULL, 16);
}

static sb_status conclude(sbi_gate *g, const sbi_gate_pair *pair, sb_gate_check check,
                          const char *what, const paired *p, const int64_t *of, int64_t n_strata,
                          double margin)
{
    sb_gate_finding *f = NULL;
    judged           j = {0};
    double           n = (double)p->n;
    sb_status        st;
    if (p->n < 2 && !(p->all_binary && n_strata == 1)) /* no spread to see */
        return sbi_gate_add(g, pair, check, what,
                            p->n_other == 0 && !g->rules->test_identical ? SB_GATE_PASS
                                                                         : SB_GATE_INCONCLUSIVE,
                            NULL, p->n_other == 0 ? "1 pair, the same output" : "1 pair");
    st = judge(p, of, n_strata, seed_of(pair->base->hash), &j);
    if (st != SB_OK)
        return st;
    if (p->n_other == 0 && !g->rules->test_identical)
        st = sbi_gate_add(g, pair, check, what, SB_GATE_PASS, &f,
                          "%.4f, all %lld outputs and selections are the same", p->base_sum / n,
                          (long long)p->n);
    else
        st = sbi_gate_add(
            g, pair, check, what,
            sb_stats_non_inferior(j.interval.lo, margin) ? SB_GATE_PASS : SB_GATE_INCONCLUSIVE, &f,
            "%.4f -> %.4f, difference %+.4f [%+.4f, %+.4f], margin %.4g, %lld pairs: "
            "%lld worse, %lld better%s",
            p->base_sum / n, p->new_sum / n, j.difference, j.interval.lo, j.interval.hi, margin,
            (long long)p->n, (long long)p->b, (long long)p->c,
            p->n_failed > 0 ? ", failed ones among them" : "");
    if (st != SB_OK)
        return st;
    f->estimate = j.difference;
    f->lo       = j.interval.lo;
    f->hi       = j.interval.hi;
    f->bound    = -margin;
    f->n_base = f->n_new = p->n;
    /* pairs that all agree cannot reject at any level, so they are no test (Tarone 1990) */
    f->p = p->b + p->c > 0 ? j.p : NAN;
    return SB_OK;
}

static sb_status one_metric(sbi_gate *g, const sbi_gate_pair *pair, const char *metric)
{
    paired    p  = {.all_binary = 1};
    sb_status st = add_pairs(&p, pair->base, pair->new, metric);
    if (st == SB_OK && p.n > 0) /* none in common: coverage has told */
        st = conclude(g, pair, SB_GATE_ACCURACY, metric, &p, &p.n, 1, pair->bounds.margin);
    free(p.d);
    return st;
}

/* Metrics that some sample of the cell has, each once: they are few. */
static int seen_before(const sbi_gate_cell *c, int64_t sample, int64_t score)
{
    const char *metric = c->samples[sample].scores[score].metric;
    for (int64_t i = 0; i < sample; i++)
        if (score_of(&c->samples[i], metric) != NULL)
            return 1;
    return 0;
}

sb_status sbi_gate_accuracy(sbi_gate *g, const sbi_gate_pair *pair)
{
    sb_status st = SB_OK;
    for (int64_t i = 0; st == SB_OK && i < pair->base->n_samples; i++)
        for (int64_t k = 0; st == SB_OK && k < pair->base->samples[i].n_scores; k++)
            if (!seen_before(pair->base, i, k))
                st = one_metric(g, pair, pair->base->samples[i].scores[k].metric);
    return st;
}

/* ---- means over tasks ---- */

/* The metric of a cell in a mean: it has one, or none takes part. */
static const char *only_metric(const sbi_gate_cell *c)
{
    return c->n_samples > 0 && c->samples[0].n_scores == 1 ? c->samples[0].scores[0].metric : NULL;
}

static sb_status one_mean(sbi_gate *g, const sbi_gate_pair *const *of_group, int64_t n_tasks)
{
    const sbi_gate_pair *first = of_group[0];
    paired               p     = {.all_binary = 1};
    int64_t             *of    = calloc((size_t)n_tasks, sizeof *of);
    sb_status            st    = of == NULL ? sbi_gate_nomem() : SB_OK;
    int                  equal = 1;
    for (int64_t i = 0; st == SB_OK && i < n_tasks; i++) {
        int64_t before = p.n;
        st    = add_pairs(&p, of_group[i]->base, of_group[i]->new, only_metric(of_group[i]->base));
        of[i] = p.n - before;
        equal = equal && of[i] > 0 && of[i] == of[0];
    }
    if (st == SB_OK && !equal)
        st = sbi_gate_add(g, first, SB_GATE_ACCURACY_MEAN, "mean", SB_GATE_INCONCLUSIVE, NULL,
                          "mean over %lld tasks: they differ in pairs", (long long)n_tasks);
    else if (st == SB_OK)
        st = conclude(g, first, SB_GATE_ACCURACY_MEAN, "mean", &p, of, n_tasks,
                      g->rules->margin_mean);
    free(of);
    free(p.d);
    return st;
}

static int takes_part(const sbi_gate_pair *p)
{
    return p->new != NULL && p->base->group[0] != '\0' && only_metric(p->base) != NULL &&
           (p->bounds.skip & 1u << SB_GATE_ACCURACY_MEAN) == 0;
}

sb_status sbi_gate_accuracy_means(sbi_gate *g, const sbi_gate_pair *pairs, int64_t n_pairs)
{
    const sbi_gate_pair **members = calloc((size_t)(n_pairs > 0 ? n_pairs : 1), sizeof *members);
    unsigned char        *done    = calloc((size_t)(n_pairs > 0 ? n_pairs : 1), 1);
    sb_status             st      = members == NULL || done == NULL ? sbi_gate_nomem() : SB_OK;
    for (int64_t i = 0; st == SB_OK && i < n_pairs; i++) {
        int64_t n = 0;
        if (done[i] || !takes_part(&pairs[i]))
            continue;
        for (int64_t j = i; j < n_pairs; j++)
            if (takes_part(&pairs[j]) && strcmp(pairs[j].base->group, pairs[i].base->group) == 0) {
                members[n++] = &pairs[j];
                done[j]      = 1;
            }
        if (n > 1)
            st = one_mean(g, members, n);
    }
    free(members);
    free(done);
    return st;
}
