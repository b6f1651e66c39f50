#include "workloads/ruler/qa.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"
#include "workloads/ruler/file.h"

/* All texts point into the parsed file or into `made`. */
typedef struct owned {
    json_t *root;
    char  **made;
    int64_t n_made, cap_made;
} owned;

static sb_status no_memory(void)
{
    return sb_fail(SB_ERR_NOMEM, "questions and documents: no memory");
}

void sb_ruler_qa_close(sb_ruler_qa *qa)
{
    owned *o;
    if (qa == NULL)
        return;
    for (int64_t i = 0; i < qa->n_questions; i++) {
        free((void *)qa->questions[i].answers);
        free(qa->questions[i].gold);
        free(qa->questions[i].more);
        free(qa->questions[i].supports);
    }
    o = qa->owned;
    if (o != NULL) {
        for (int64_t i = 0; i < o->n_made; i++)
            free(o->made[i]);
        free(o->made);
        json_decref(o->root);
        free(o);
    }
    free((void *)qa->docs);
    free(qa->questions);
    free(qa);
}

/* ---- fields, with the place where they are wrong ---- */

typedef struct place {
    const char *path;
    char        at[160]; /* "data[3].paragraphs[0]." */
} place;

static sb_status wrong(const place *p, const char *name, const json_t *v, const char *want)
{
    return sb_fail(SB_ERR_USAGE, "%s: %s%s: %s, not %s", p->path, p->at, name, sbi_json_kind(v),
                   want);
}

static sb_status get_array(const place *p, const json_t *o, const char *name, const json_t **out)
{
    *out = json_object_get(o, name);
    return json_is_array(*out) ? SB_OK : wrong(p, name, *out, "an array");
}

static sb_status get_string(const place *p, const json_t *o, const char *name, const char **out)
{
    const json_t *v = json_object_get(o, name);
    if (!json_is_string(v))
        return wrong(p, name, v, "a string");
    *out = json_string_value(v);
    return SB_OK;
}

static sb_status grow_questions(sb_ruler_qa *qa, int64_t *cap)
{
    int64_t            want = *cap > 0 ? 2 * *cap : 1024;
    sb_ruler_question *more;
    if (qa->n_questions < *cap)
        return SB_OK;
    more = realloc(qa->questions, (size_t)want * sizeof *more);
    if (more == NULL)
        return no_memory();
    qa->questions = more;
    *cap          = want;
    return SB_OK;
}

/* ---- documents: sorted, without doubles ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void sort_docs(sb_ruler_qa *qa)
{
    int64_t kept = 0;
    qsort((void *)qa->docs, (size_t)qa->n_docs, sizeof *qa->docs, by_text);
    for (int64_t i = 0; i < qa->n_docs; i++)
        if (kept == 0 || strcmp(qa->docs[kept - 1], qa->docs[i]) != 0)
            qa->docs[kept++] = qa->docs[i];
    qa->n_docs = kept;
}

static int64_t doc_of(const sb_ruler_qa *qa, const char *text)
{
    const char **found =
        bsearch(&text, (const void *)qa->docs, (size_t)qa->n_docs, sizeof *qa->docs, by_text);
    return found - qa->docs;
}

/* ---- SQuAD ---- */

/* Paragraph texts of all articles into qa->docs; checks what is walked. */
static sb_status squad_docs(sb_ruler_qa *qa, place *p, const json_t *data)
{
    const json_t *paragraphs;
    int64_t       n = 0, cap = 0;
    sb_status     st;
    for (size_t i = 0; i < json_array_size(data); i++) {
        (void)snprintf(p->at, sizeof p->at, "data[%zu].", i);
        if ((st = get_array(p, json_array_get(data, i), "paragraphs", &paragraphs)) != SB_OK)
            return st;
        cap += (int64_t)json_array_size(paragraphs);
    }
    qa->docs = malloc((size_t)(cap + 1) * sizeof *qa->docs);
    if (qa->docs == NULL)
        return no_memory();
    for (size_t i = 0; i < json_array_size(data); i++) {
        paragraphs = json_object_get(json_array_get(data, i), "paragraphs");
        for (size_t j = 0; j < json_array_size(paragraphs); j++) {
            (void)snprintf(p->at, sizeof p->at, "data[%zu].paragraphs[%zu].", i, j);
            if ((st = get_string(p, json_array_get(paragraphs, j), "context", &qa->docs[n])) !=
                SB_OK)
                return st;
            n++;
        }
    }
    qa->n_docs = n;
    sort_docs(qa);
    return SB_OK;
}

static sb_status squad_question(sb_ruler_qa *qa, const place *p, const json_t *item,
                                const json_t *paragraphs, size_t own)
{
    sb_ruler_question *q = &qa->questions[qa->n_questions];
    const json_t      *answers;
    size_t             n = json_array_size(paragraphs);
    sb_status          st;
    *q = (sb_ruler_question){0};
    if ((st = get_string(p, item, "question", &q->query)) != SB_OK ||
        (st = get_array(p, item, "answers", &answers)) != SB_OK)
        return st;
    qa->n_questions++; /* from here on close() frees it */
    q->answers  = malloc((json_array_size(answers) + 1) * sizeof *q->answers);
    q->gold     = malloc(sizeof *q->gold);
    q->more     = malloc((n + 1) * sizeof *q->more);
    q->supports = malloc(1);
    if (q->answers == NULL || q->gold == NULL || q->more == NULL || q->supports == NULL)
        return no_memory();
    for (size_t i = 0; i < json_array_size(answers); i++)
        if ((st = get_string(p, json_array_get(answers, i), "text", &q->answers[q->n_answers])) ==
            SB_OK)
            q->n_answers++;
        else
            return st;
    if (q->n_answers == 0)
        return sb_fail(SB_ERR_USAGE,
                       "%s: %sanswers: none, though the question is said to be answerable", p->path,
                       p->at);
    q->gold[0] =
        doc_of(qa, json_string_value(json_object_get(json_array_get(paragraphs, own), "context")));
    q->supports[0] = 1;
    q->n_gold      = 1;
    for (size_t i = 0; i < n; i++) {
        int64_t d = doc_of(
            qa, json_string_value(json_object_get(json_array_get(paragraphs, i), "context")));
        if (d != q->gold[0])
            q->more[q->n_more++] = d;
    }
    return SB_OK;
}

static sb_status read_squad(sb_ruler_qa *qa, const char *path, const json_t *root)
{
    place         p = {path, ""};
    const json_t *data, *paragraphs, *items;
    int64_t       cap = 0;
    sb_status     st  = get_array(&p, root, "data", &data);
    if (st == SB_OK)
        st = squad_docs(qa, &p, data);
    for (size_t i = 0; st == SB_OK && i < json_array_size(data); i++) {
        paragraphs = json_object_get(json_array_get(data, i), "paragraphs");
        for (size_t j = 0; st == SB_OK && j < json_array_size(paragraphs); j++) {
            (void)snprintf(p.at, sizeof p.at, "data[%zu].paragraphs[%zu].", i, j);
            st = get_array(&p, json_array_get(paragraphs, j), "qas", &items);
            for (size_t k = 0; st == SB_OK && k < json_array_size(items); k++) {
                const json_t *item = json_array_get(items, k), *no;
                (void)snprintf(p.at, sizeof p.at, "data[%zu].paragraphs[%zu].qas[%zu].", i, j, k);
                no = json_object_get(item, "is_impossible");
                if (!json_is_boolean(no))
                    return wrong(&p, "is_impossible", no, "true or false");
                if (json_is_false(no) && (st = grow_questions(qa, &cap)) == SB_OK)
                    st = squad_question(qa, &p, item, paragraphs, j);
            }
        }
    }
    return st;
}

/* ---- HotpotQA ---- */

/* title "\n" and the sentences; kept in o->made. */
static sb_status hotpot_doc(owned *o, const place *p, const json_t *pair, const char **out)
{
    const json_t *title = json_array_get(pair, 0), *sentences = json_array_get(pair, 1);
    sbi_text      t = {0};
    if (!json_is_string(title))
        return wrong(p, "[0]", title, "a title");
    if (!json_is_array(sentences))
        return wrong(p, "[1]", sentences, "an array of sentences");
    if (o->n_made == o->cap_made) {
        int64_t want = o->cap_made > 0 ? 2 * o->cap_made : 4096;
        char  **more = realloc(o->made, (size_t)want * sizeof *more);
        if (more == NULL)
            return no_memory();
        o->made     = more;
        o->cap_made = want;
    }
    sbi_text_puts(&t, json_string_value(title));
    sbi_text_putc(&t, '\n');
    for (size_t i = 0; i < json_array_size(sentences); i++) {
        const json_t *s = json_array_get(sentences, i);
        if (!json_is_string(s)) {
            sbi_text_fini(&t);
            return wrong(p, "[1] holds a sentence that is", s, "a string");
        }
        sbi_text_puts(&t, json_string_value(s));
    }
    if ((o->made[o->n_made] = sbi_text_take(&t)) == NULL)
        return no_memory();
    *out = o->made[o->n_made++];
    return SB_OK;
}

/* Whether a paragraph's title is among the supporting facts; all are where the file does not say.
 */
static uint8_t is_supporting(const json_t *facts, const char *title)
{
    if (!json_is_array(facts) || json_array_size(facts) == 0)
        return 1;
    for (size_t i = 0; i < json_array_size(facts); i++) {
        const char *t = json_string_value(json_array_get(json_array_get(facts, i), 0));
        if (t != NULL && strcmp(t, title) == 0)
            return 1;
    }
    return 0;
}

static sb_status hotpot_docs(sb_ruler_qa *qa, place *p, const json_t *root)
{
    const json_t *context;
    int64_t       cap = 0;
    sb_status     st;
    for (size_t i = 0; i < json_array_size(root); i++) {
        (void)snprintf(p->at, sizeof p->at, "[%zu].", i);
        if ((st = get_array(p, json_array_get(root, i), "context", &context)) != SB_OK)
            return st;
        cap += (int64_t)json_array_size(context);
    }
    qa->docs = malloc((size_t)(cap + 1) * sizeof *qa->docs);
    if (qa->docs == NULL)
        return no_memory();
    for (size_t i = 0; i < json_array_size(root); i++) {
        context = json_object_get(json_array_get(root, i), "context");
        for (size_t j = 0; j < json_array_size(context); j++) {
            (void)snprintf(p->at, sizeof p->at, "[%zu].context[%zu]", i, j);
            if ((st = hotpot_doc(qa->owned, p, json_array_get(context, j),
                                 &qa->docs[qa->n_docs])) != SB_OK)
                return st;
            qa->n_docs++;
        }
    }
    return SB_OK;
}

static sb_status read_hotpotqa(sb_ruler_qa *qa, const char *path, const json_t *root)
{
    place     p   = {path, ""};
    owned    *o   = qa->owned;
    int64_t   cap = 0, made = 0;
    sb_status st;
    if (!json_is_array(root))
        return sb_fail(SB_ERR_USAGE, "%s: %s, not an array of questions", path,
                       sbi_json_kind(root));
    if ((st = hotpot_docs(qa, &p, root)) != SB_OK)
        return st;
    sort_docs(qa);
    for (size_t i = 0; i < json_array_size(root); i++) {
        const json_t *item = json_array_get(root, i), *context = json_object_get(item, "context");
        size_t        n = json_array_size(context);
        sb_ruler_question *q;
        const char        *answer = NULL;
        (void)snprintf(p.at, sizeof p.at, "[%zu].", i);
        if ((st = grow_questions(qa, &cap)) != SB_OK)
            return st;
        q  = &qa->questions[qa->n_questions];
        *q = (sb_ruler_question){0};
        if ((st = get_string(&p, item, "question", &q->query)) != SB_OK ||
            (st = get_string(&p, item, "answer", &answer)) != SB_OK)
            return st;
        qa->n_questions++;
        q->answers  = malloc(sizeof *q->answers);
        q->gold     = malloc((n + 1) * sizeof *q->gold);
        q->supports = malloc(n + 1);
        if (q->answers == NULL || q->gold == NULL || q->supports == NULL)
            return no_memory();
        q->answers[q->n_answers++] = answer;
        for (size_t j = 0; j < n; j++) {
            q->supports[j] =
                is_supporting(json_object_get(item, "supporting_facts"),
                              json_string_value(json_array_get(json_array_get(context, j), 0)));
            q->gold[q->n_gold++] = doc_of(qa, o->made[made++]);
        }
    }
    return SB_OK;
}

sb_status sb_ruler_qa_open(const char *path, sb_ruler_qa_kind kind, sb_ruler_qa **out)
{
    sb_ruler_qa *qa = calloc(1, sizeof *qa);
    owned       *o  = calloc(1, sizeof *o);
    sb_status    st;
    if (qa == NULL || o == NULL) {
        free(qa);
        free(o);
        return no_memory();
    }
    qa->kind  = kind;
    qa->owned = o;
    if ((st = sbi_file_json(path, &o->root, qa->sha256)) == SB_OK)
        st = kind == SB_RULER_SQUAD ? read_squad(qa, path, o->root)
                                    : read_hotpotqa(qa, path, o->root);
    if (st != SB_OK) {
        sb_ruler_qa_close(qa);
        return st;
    }
    *out = qa;
    return SB_OK;
}
