/* Load both sides, walk the cells of the baseline, decide. */
#include <stdlib.h>
#include <string.h>

#include "results/gate/internal.h"

typedef sb_status (*check_fn)(sbi_gate *g, const sbi_gate_pair *pair);
static const struct {
    sb_gate_check check;
    check_fn      run;
} checks[] = {{SB_GATE_ACCURACY, sbi_gate_accuracy},
              {SB_GATE_LATENCY, sbi_gate_latency},
              {SB_GATE_MEMORY, sbi_gate_memory},
              {SB_GATE_DENSITY, sbi_gate_density}};

static sb_status check_pair(sbi_gate *g, const sbi_gate_pair *p)
{
    sb_status st = SB_OK;
    if ((p->bounds.skip & 1u << SB_GATE_COVERAGE) == 0)
        st = sbi_gate_coverage(g, p);
    if (p->new == NULL)
        return st;
    for (size_t i = 0; st == SB_OK && i < sizeof checks / sizeof *checks; i++)
        if ((p->bounds.skip & 1u << checks[i].check) == 0)
            st = checks[i].run(g, p);
    return st;
}

/* By method, task and length, as a reader looks for them. */
static int by_name(const void *pa, const void *pb)
{
    const sbi_gate_cell *a = ((const sbi_gate_pair *)pa)->base,
                        *b = ((const sbi_gate_pair *)pb)->base;
    int order              = strcmp(a->suite, b->suite);
    if (order == 0)
        order = strcmp(a->task, b->task);
    if (order == 0)
        order = (a->length_tokens > b->length_tokens) - (a->length_tokens < b->length_tokens);
    if (order == 0)
        order = strcmp(a->method, b->method);
    return order != 0 ? order : strcmp(a->hash, b->hash);
}

/* Cells that were asked for on the baseline's side; anchors alone are nobody's result. */
static sb_status make_pairs(sbi_gate *g, sbi_gate_pair **out, int64_t *n)
{
    sbi_gate_pair *pairs =
        calloc((size_t)(g->base->n_cells > 0 ? g->base->n_cells : 1), sizeof *pairs);
    sb_names  names = {0};
    sb_status st    = pairs == NULL ? sbi_gate_nomem() : sbi_gate_names(g, &names);
    int64_t   count = 0;
    for (int64_t i = 0; st == SB_OK && i < g->base->n_cells; i++)
        if (g->base->cells[i].n_samples > 0)
            pairs[count++].base = &g->base->cells[i];
    if (count > 1)
        qsort(pairs, (size_t)count, sizeof *pairs, by_name);
    for (int64_t i = 0; st == SB_OK && i < count; i++) {
        sbi_gate_pair *p = &pairs[i];
        p->place         = i;
        p->new           = sbi_gate_cell_find(g->new, p->base->hash);
        if (p->new != NULL && p->new->n_samples == 0)
            p->new = NULL;
        sbi_gate_bounds_of(g->rules, p->base, &p->bounds);
        p->label = sbi_gate_label(g, &names, p->base);
        if (p->label == NULL)
            st = sbi_gate_nomem();
    }
    sb_names_fini(&names);
    if (st != SB_OK) {
        free(pairs);
        return st;
    }
    *out = pairs;
    *n   = count;
    return SB_OK;
}

sb_status sbi_gate_sides(const sb_gate_rules *rules, const sbi_gate_side *base,
                         const sbi_gate_side *new, sb_gate_report        *report)
{
    sbi_gate       g     = {.rules = rules, .base = base, .new = new, .report = report};
    sbi_gate_pair *pairs = NULL;
    int64_t        n     = 0;
    sb_status      st    = make_pairs(&g, &pairs, &n);
    for (int64_t i = 0; st == SB_OK && i < n; i++)
        st = check_pair(&g, &pairs[i]);
    if (st == SB_OK && (rules->skip & 1u << SB_GATE_ACCURACY_MEAN) == 0)
        st = sbi_gate_accuracy_means(&g, pairs, n);
    if (st == SB_OK)
        st = sbi_gate_decide(&g);
    report->n_cells = n;
    for (int64_t i = 0; st == SB_OK && i < new->n_cells; i++) {
        const sbi_gate_cell *was = sbi_gate_cell_find(base, new->cells[i].hash);
        report->n_unmatched_new +=
            new->cells[i].n_samples > 0 && (was == NULL || was->n_samples == 0);
    }
    free(pairs);
    return st;
}

static char *side_name(const sb_gate_source *s)
{
    size_t bytes = strlen(s->name) + (s->commit == NULL ? 0 : strlen(s->commit)) + 16;
    char  *text  = malloc(bytes);
    if (text != NULL && s->commit == NULL)
        (void)snprintf(text, bytes, "%s", s->name);
    else if (text != NULL)
        (void)snprintf(text, bytes, "%s, commit %s", s->name, s->commit);
    return text;
}

sb_status sb_gate_compare(const sb_gate_rules *rules, const sb_gate_source *base,
                          const sb_gate_source *new, sb_gate_report       **out)
{
    sbi_gate_side   sides[2] = {{0}, {0}};
    sb_gate_report *r        = calloc(1, sizeof *r);
    sb_status       st       = r == NULL ? sbi_gate_nomem() : SB_OK;
    if (st == SB_OK) {
        r->gate = rules->name;
        r->base = side_name(base);
        r->new  = side_name(new);
        st      = r->base == NULL || r->new == NULL ? sbi_gate_nomem() : SB_OK;
    }
    if (st == SB_OK)
        st = sbi_gate_side_load(rules, base, &sides[0]);
    if (st == SB_OK)
        st = sbi_gate_side_load(rules, new, &sides[1]);
    if (st == SB_OK)
        st = sbi_gate_sides(rules, &sides[0], &sides[1], r);
    sbi_gate_side_fini(&sides[0]);
    sbi_gate_side_fini(&sides[1]);
    if (st != SB_OK) {
        sb_gate_report_free(r);
        return st;
    }
    *out = r;
    return SB_OK;
}

void sb_gate_report_free(sb_gate_report *r)
{
    if (r == NULL)
        return;
    for (int64_t i = 0; i < r->n_texts; i++)
        free(r->texts[i]);
    free(r->texts);
    free(r->findings);
    free(r->base);
    free(r->new);
    free(r);
}
