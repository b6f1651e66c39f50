/* Which rules hold for a cell, what it is called, and the findings of a report. */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "results/gate/internal.h"

static int word_in(const sb_gate_words *words, const char *word)
{
    for (int64_t i = 0; i < words->n; i++)
        if (strcmp(words->v[i], word) == 0)
            return 1;
    return words->n == 0;
}

static int matches(const sb_gate_override *o, const sbi_gate_cell *c)
{
    int length = o->lengths.n == 0;
    for (int64_t i = 0; i < o->lengths.n; i++)
        length = length || o->lengths.v[i] == c->length_tokens;
    char   scheme[64];
    size_t n = strcspn(c->sharding, "/");
    (void)snprintf(scheme, sizeof scheme, "%.*s", (int)(n < 63 ? n : 63), c->sharding);
    return length && word_in(&o->methods, c->method) && word_in(&o->suites, c->suite) &&
           word_in(&o->tasks, c->task) && word_in(&o->models, c->model) &&
           word_in(&o->shardings, scheme) && word_in(&o->backends, c->backend);
}

void sbi_gate_bounds_of(const sb_gate_rules *rules, const sbi_gate_cell *cell, sbi_gate_bounds *out)
{
    *out = (sbi_gate_bounds){rules->margin, rules->latency_ratio, rules->memory_ratio,
                             rules->density_ratio, rules->skip};
    for (int64_t i = 0; i < rules->n_overrides; i++) {
        const sb_gate_override *o = &rules->overrides[i];
        if (!matches(o, cell))
            continue;
        out->margin        = isnan(o->margin) ? out->margin : o->margin;
        out->latency_ratio = isnan(o->latency_ratio) ? out->latency_ratio : o->latency_ratio;
        out->memory_ratio  = isnan(o->memory_ratio) ? out->memory_ratio : o->memory_ratio;
        out->density_ratio = isnan(o->density_ratio) ? out->density_ratio : o->density_ratio;
        out->skip |= o->skip;
    }
}

/* Labels and evidence live with the report. */
static char *report_keep(sb_gate_report *r, char *text)
{
    char **grown = sbi_gate_grow(r->texts, r->n_texts, &r->texts_capacity, sizeof *grown);
    if (grown != NULL)
        r->texts = grown;
    if (text == NULL || grown == NULL) {
        free(text);
        return NULL;
    }
    return r->texts[r->n_texts++] = text;
}

static char *print_text(const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int   n    = vsnprintf(NULL, 0, fmt, ap);
    char *text = n < 0 ? NULL : malloc((size_t)n + 1);
    if (text != NULL)
        (void)vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text;
}

static char *printed(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = print_text(fmt, ap);
    va_end(ap);
    return text;
}

sb_status sbi_gate_names(const sbi_gate *g, sb_names *out)
{
    const sbi_gate_side *const sides[] = {g->base, g->new};
    sb_name_facts             *facts =
        calloc((size_t)(3 * (g->base->n_cells + g->new->n_cells) + 1), sizeof *facts);
    int64_t n = 0;
    if (facts == NULL)
        return sbi_gate_nomem();
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < sides[k]->n_cells; i++) {
            const sbi_gate_cell *c = &sides[k]->cells[i];
            facts[n++]             = (sb_name_facts){'m', c->method, c->method_json, 0};
            facts[n++]             = (sb_name_facts){'o', c->model, c->model_json, 0};
            facts[n++]             = (sb_name_facts){'t', c->task, c->task_json, 0};
        }
    sb_status st = sb_names_make(facts, n, out);
    free(facts);
    return st;
}

const char *sbi_gate_label(sbi_gate *g, const sb_names *names, const sbi_gate_cell *c)
{
    const sb_name *method = sb_names_of(names, 'm', c->method, c->method_json);
    const sb_name *model  = sb_names_of(names, 'o', c->model, c->model_json);
    const sb_name *task   = sb_names_of(names, 't', c->task, c->task_json);
    return report_keep(g->report,
                       printed("%s | %s, %s %s %lld | %s %s x%lld", method->label, model->label,
                               c->suite, task->label, (long long)c->length_tokens, c->backend,
                               c->sharding, (long long)c->ranks));
}

sb_status sbi_gate_add(sbi_gate *g, const sbi_gate_pair *pair, sb_gate_check check,
                       const char *what, sb_gate_verdict verdict, sb_gate_finding **out,
                       const char *evidence, ...)
{
    sb_gate_report  *r = g->report;
    va_list          ap;
    sb_gate_finding *grown =
        sbi_gate_grow(r->findings, r->n_findings, &g->findings_capacity, sizeof *grown);
    if (grown == NULL)
        return sbi_gate_nomem();
    r->findings = grown;
    va_start(ap, evidence);
    char *text = report_keep(r, print_text(evidence, ap));
    va_end(ap);
    char *kept = report_keep(r, strdup(what));
    char *hash = report_keep(r, strdup(pair->base->hash));
    if (text == NULL || kept == NULL || hash == NULL)
        return sbi_gate_nomem();
    sb_gate_finding *f = &r->findings[r->n_findings++];
    *f                 = (sb_gate_finding){.check    = check,
                                           .verdict  = verdict,
                                           .cell     = pair->label,
                                           .hash     = hash,
                                           .what     = kept,
                                           .evidence = text,
                                           .estimate = NAN,
                                           .lo       = NAN,
                                           .hi       = NAN,
                                           .bound    = NAN,
                                           .p        = NAN,
                                           .p_holm   = NAN,
                                           .detects  = NAN,
                                           .log_se   = NAN,
                                           .nu       = NAN,
                                           .p_least  = 0,
                                           .rank     = (double)pair->place};
    if (out != NULL)
        *out = f;
    return SB_OK;
}
