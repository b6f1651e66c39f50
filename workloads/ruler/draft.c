#include <stdlib.h>
#include <string.h>

#include "workloads/ruler/generate.h"

static void drop_answers(sbi_draft *d)
{
    for (int64_t i = 0; i < d->n_answers; i++)
        free(d->answers[i]);
    d->n_answers = 0;
}

void sbi_draft_reset(sbi_draft *d)
{
    sbi_text_reset(&d->text);
    sbi_text_reset(&d->context);
    drop_answers(d);
    d->n_spans = 0;
    d->raises  = NULL;
}

void sbi_draft_fini(sbi_draft *d)
{
    drop_answers(d);
    sbi_text_fini(&d->text);
    sbi_text_fini(&d->context);
    free(d->answers);
    free(d->spans);
    *d = (sbi_draft){0};
}

sb_status sbi_draft_status(const sbi_draft *d)
{
    return d->failed || d->text.failed || d->context.failed
               ? sb_fail(SB_ERR_NOMEM, "ruler: no memory for a prompt")
               : SB_OK;
}

/* Room for one more of *v; 0 when there is no memory. */
static int grow(void **v, int64_t n, int64_t *cap, size_t item_bytes)
{
    int64_t want = *cap > 0 ? 2 * *cap : 16;
    void   *more;
    if (n < *cap)
        return 1;
    more = realloc(*v, (size_t)want * item_bytes);
    if (more == NULL)
        return 0;
    *v   = more;
    *cap = want;
    return 1;
}

void sbi_draft_answer(sbi_draft *d, const char *s, int64_t n_bytes)
{
    void *v = d->answers;
    char *a;
    if (!grow(&v, d->n_answers, &d->cap_answers, sizeof *d->answers)) {
        d->failed = 1;
        return;
    }
    d->answers = v;
    a          = strndup(s, (size_t)n_bytes);
    if (a == NULL)
        d->failed = 1;
    else
        d->answers[d->n_answers++] = a;
}

void sbi_draft_span(sbi_draft *d, sb_ruler_span_kind kind, int32_t ref, int64_t begin, int64_t end)
{
    void *v = d->spans;
    if (!grow(&v, d->n_spans, &d->cap_spans, sizeof *d->spans)) {
        d->failed = 1;
        return;
    }
    d->spans               = v;
    d->spans[d->n_spans++] = (sb_ruler_span){begin, end, kind, ref};
}

sb_status sbi_draft_format(sbi_draft *d, const char *prompt, sbi_field *fields, int n_fields)
{
    sb_status st      = sbi_draft_status(d);
    int64_t   context = d->n_spans, base;
    if (st != SB_OK || (st = sbi_py_format(&d->text, prompt, fields, n_fields)) != SB_OK)
        return st;
    base = fields[0].at;
    for (int64_t i = 0; i < context; i++) {
        d->spans[i].byte_begin += base;
        d->spans[i].byte_end += base;
    }
    sbi_draft_span(d, SB_RULER_SPAN_QUERY, -1, base + fields[0].n_bytes, d->text.n);
    return sbi_draft_status(d);
}

void sbi_seeded_shuffle(const sbi_gen *g, void *items, int64_t n, size_t item_bytes)
{
    sb_mt r;
    sb_mt_seed_python(&r, g->spec.seed);
    sb_mt_shuffle(&r, items, n, item_bytes);
}

void sbi_prompt_singular(sbi_text *t)
{
    sbi_py_replace(t, "Some", "A");
    sbi_py_replace(t, "are all", "is");
    sbi_py_replace(t, "are", "is");
    sbi_py_replace(t, "answers", "answer");
}
