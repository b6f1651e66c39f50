/* A question among documents that hold its answer and documents that do not [workloads 1.8]. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/ruler/generate.h"

/* Documents other than the question's own and its article's, n of them, by sample(). */
static sb_status draw_others(sbi_gen *g, const sb_ruler_question *q, int64_t n, int64_t *out,
                             sbi_draft *d)
{
    const sb_ruler_qa *qa    = g->spec.qa;
    char              *taken = calloc((size_t)qa->n_docs, 1);
    int64_t           *rest = malloc((size_t)qa->n_docs * sizeof *rest), n_rest = 0;
    sb_status          st = SB_OK;
    if (taken == NULL || rest == NULL) {
        st = sb_fail(SB_ERR_NOMEM, "ruler: no memory for %" PRId64 " documents", qa->n_docs);
        goto done;
    }
    for (int64_t i = 0; i < q->n_gold; i++)
        taken[q->gold[i]] = 1;
    for (int64_t i = 0; i < q->n_more; i++)
        taken[q->more[i]] = 1;
    for (int64_t i = 0; i < qa->n_docs; i++)
        if (!taken[i])
            rest[n_rest++] = i;
    if (n > n_rest) {
        d->raises = "fewer other documents than asked for";
        goto done;
    }
    if ((st = sb_mt_sample(&g->py, n_rest, n, out)) == SB_OK)
        for (int64_t i = 0; i < n; i++)
            out[i] = rest[out[i]];
done:
    free(taken);
    free(rest);
    return st;
}

static sb_status choose(sbi_gen *g, const sb_ruler_question *q, int64_t n, int64_t *list,
                        int64_t *n_list, sbi_draft *d)
{
    const sb_ruler_qa *qa    = g->spec.qa;
    int64_t            extra = n - q->n_gold;
    sb_status          st    = SB_OK;
    *n_list                  = 0;
    if (n >= qa->n_docs) {
        for (; *n_list < n; (*n_list)++)
            list[*n_list] = *n_list % qa->n_docs;
        return SB_OK;
    }
    if (extra < 0) {
        d->raises = "fewer documents than the question has";
        return SB_OK;
    }
    memcpy(list, q->gold, (size_t)q->n_gold * sizeof *list);
    *n_list = q->n_gold;
    if (extra > q->n_more) {
        if (q->n_more > 0)
            memcpy(list + *n_list, q->more, (size_t)q->n_more * sizeof *list);
        *n_list += q->n_more;
        st = draw_others(g, q, extra - q->n_more, list + *n_list, d);
        *n_list += extra - q->n_more;
        return st;
    }
    if ((st = sb_mt_sample(&g->py, q->n_more, extra, list + *n_list)) != SB_OK)
        return st;
    for (int64_t i = 0; i < extra; i++)
        list[*n_list + i] = q->more[list[*n_list + i]];
    *n_list += extra;
    return SB_OK;
}

static sb_ruler_span_kind kind_of(const sb_ruler_question *q, int64_t doc)
{
    for (int64_t i = 0; i < q->n_gold; i++)
        if (q->gold[i] == doc && q->supports[i])
            return SB_RULER_SPAN_NEEDLE;
    return SB_RULER_SPAN_DISTRACTOR;
}

static sb_status put_documents(sbi_gen *g, const sb_ruler_question *q, const int64_t *list,
                               int64_t n, sbi_draft *d)
{
    sb_status st     = SB_OK;
    sbi_text  number = {0};
    for (int64_t i = 0; i < n && st == SB_OK; i++) {
        const char *doc = g->spec.qa->docs[list[i]];
        int64_t     at;
        if (i > 0)
            sbi_text_puts(&d->context, "\n\n");
        at = d->context.n;
        sbi_text_reset(&number);
        sbi_text_put_i64(&number, i + 1);
        {
            sbi_field fields[2] = {{"i", sbi_text_str(&number), number.n, -1},
                                   {"document", doc, (int64_t)strlen(doc), -1}};
            st = sbi_py_format(&d->context, g->spec.templates->document_prompt, fields, 2);
        }
        sbi_draft_span(d, kind_of(q, list[i]), -1, at, d->context.n);
    }
    sbi_text_fini(&number);
    return st;
}

sb_status sbi_qa_make(sbi_gen *g, int64_t question, int64_t units, sbi_draft *d)
{
    const sb_ruler_qa       *qa = g->spec.qa;
    const sb_ruler_question *q;
    int64_t                 *list, n = 0;
    sb_status                st;
    if (question >= qa->n_questions)
        return sb_fail(SB_ERR_USAGE,
                       "%s: question %" PRId64 " was asked for, the file has %" PRId64,
                       g->spec.task->name, question + 1, qa->n_questions);
    q    = &qa->questions[question];
    list = malloc((size_t)(units + q->n_gold + q->n_more) * sizeof *list);
    if (list == NULL)
        return sb_fail(SB_ERR_NOMEM, "ruler: no memory for %" PRId64 " documents", units);
    st = choose(g, q, units, list, &n, d);
    if (st == SB_OK && d->raises == NULL) {
        sbi_seeded_shuffle(g, list, n, sizeof *list);
        st = put_documents(g, q, list, n, d);
    }
    free(list);
    if (st == SB_OK && d->raises == NULL) {
        sbi_field fields[2] = {{"context", sbi_text_str(&d->context), d->context.n, -1},
                               {"query", q->query, (int64_t)strlen(q->query), -1}};
        for (int64_t i = 0; i < q->n_answers; i++)
            sbi_draft_answer(d, q->answers[i], (int64_t)strlen(q->answers[i]));
        st = sbi_draft_format(d, g->prompt, fields, 2);
    }
    return st;
}
