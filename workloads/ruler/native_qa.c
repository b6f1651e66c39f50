/* Questions among documents, for mode native: a planted fact among passages of real text
 * (qa_synth), or SQuAD's and HotpotQA's own questions where their files were given. */
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/ruler/native_draft.h"

static sb_status begin_document(sbi_row *r, int64_t i, const char *document, int64_t n_bytes,
                                int64_t *at)
{
    sbi_text  number = {0};
    sb_status st;
    sbi_text_puts(&r->d.context, i > 0 ? "\n\n" : "");
    sbi_text_put_i64(&number, i + 1);
    if ((st = sbi_text_status(&number)) == SB_OK) {
        sbi_field f[2] = {{"i", number.p, number.n, -1}, {"document", document, n_bytes, -1}};
        st             = sbi_py_format(&r->d.context, r->spec->templates->document_prompt, f, 2);
        *at            = f[1].at;
    }
    sbi_text_fini(&number);
    return st;
}

/* ---- qa_synth ---- */

/* What is told of a person, and how it is asked; the answer is a town. */
static const struct relation {
    const char *fact[2], *question[2];
} relations[] = {
    {{" was born in the town of ", "."}, {"In which town was ", " born?"}},
    {{" went to school in the town of ", "."}, {"In which town did ", " go to school?"}},
    {{" keeps a garden in the town of ", "."}, {"In which town does ", " keep a garden?"}},
    {{" is buried in the town of ", "."}, {"In which town is ", " buried?"}},
    {{" got married in the town of ", "."}, {"In which town did ", " get married?"}},
    {{" owns a mill in the town of ", "."}, {"In which town does ", " own a mill?"}},
    {{" taught music in the town of ", "."}, {"In which town did ", " teach music?"}},
    {{" opened a bakery in the town of ", "."}, {"In which town did ", " open a bakery?"}},
};
enum {
    N_RELATIONS   = sizeof relations / sizeof *relations,
    SAME_PERSON   = 3, /* near misses: told of the person, but something else */
    SAME_RELATION = 5, /* told of others */
    N_FACTS       = 1 + SAME_PERSON + SAME_RELATION
};

/* Coined names, no two of a row equal. */
static void put_name(const sbi_row *r, int64_t i, sbi_text *out)
{
    static const char onset[] = "BDFGHKLMNPRSTVWZ", inner[] = "bdfgklmnprstvz", vowel[] = "aeiou",
                      coda[] = "klmnrst";
    enum { N = 16 * 5 * 7 * 14 * 5 * 7 };
    int64_t x = sbi_permuted(sbi_row_key(r, SBI_FOR_NAMES), N, i);
    sbi_text_putc(out, onset[x % 16]);
    sbi_text_putc(out, vowel[x / 16 % 5]);
    sbi_text_putc(out, coda[x / 80 % 7]);
    sbi_text_putc(out, inner[x / 560 % 14]);
    sbi_text_putc(out, vowel[x / 7840 % 5]);
    sbi_text_putc(out, coda[x / 39200]);
}

typedef struct fact {
    int     person, relation; /* its town is the fact's own */
    int64_t document, sentence;
} fact;

static void put_person(const sbi_row *r, int person, sbi_text *out)
{
    put_name(r, N_FACTS + 2 * person, out);
    sbi_text_putc(out, ' ');
    put_name(r, N_FACTS + 2 * person + 1, out);
}

static void put_fact(const sbi_row *r, const fact *facts, int i, sbi_text *out)
{
    const struct relation *t = &relations[facts[i].relation];
    put_person(r, facts[i].person, out);
    sbi_text_puts(out, t->fact[0]);
    put_name(r, i, out);
    sbi_text_puts(out, t->fact[1]);
}

/* Who, what, and at which share of the documents; shares do not depend on how many there are. */
static void draw_facts(const sbi_row *r, int64_t units, fact *facts)
{
    sb_rng g        = sbi_row_rng(r, SBI_FOR_PLACES);
    int    relation = (int)(sb_rng_next(&g) % N_RELATIONS);
    for (int i = 0; i < N_FACTS; i++) {
        uint64_t share    = sb_rng_next(&g);
        facts[i].person   = i <= SAME_PERSON ? 0 : i - SAME_PERSON;
        facts[i].relation = i <= SAME_PERSON ? (relation + i) % N_RELATIONS : relation;
        facts[i].document = (int64_t)((share >> 32) * (uint64_t)units >> 32);
        facts[i].sentence = (int64_t)(share & 0xffffffffu); /* a share of its sentences */
    }
}

static void put_passage(sbi_row *r, int64_t document, int64_t passage, const fact *facts)
{
    const sb_ruler_passages *c   = r->spec->passages;
    sbi_text                *out = &r->d.context;
    int64_t from = c->first[passage], n = c->first[passage + 1] - from, begin = out->n;
    for (int64_t i = 0; i <= n; i++) {
        for (int k = 0; k < N_FACTS; k++) {
            int64_t at;
            if (facts[k].document != document || facts[k].sentence * (n + 1) >> 32 != i)
                continue;
            sbi_text_puts(out, out->n > begin ? " " : "");
            at = out->n;
            put_fact(r, facts, k, out);
            sbi_draft_span(&r->d, k == 0 ? SB_RULER_SPAN_NEEDLE : SB_RULER_SPAN_DISTRACTOR,
                           k == 0 ? 0 : -1, at, out->n);
        }
        if (i < n) {
            const sb_range *s = &c->sentences[from + i];
            sbi_text_puts(out, out->n > begin ? " " : "");
            sbi_text_put(out, c->text + s->begin, s->end - s->begin);
        }
    }
}

/* The document's text is built behind its empty frame, then the frame's end is put after it. */
static sb_status put_document(sbi_row *r, int64_t i, const fact *facts)
{
    const sb_ruler_passages *c   = r->spec->passages;
    sbi_text                *out = &r->d.context, tail = {0};
    int64_t                  at = 0;
    sb_status                st = begin_document(r, i, "", 0, &at);
    if (st != SB_OK)
        return st;
    sbi_text_put(&tail, sbi_text_str(out) + at, out->n - at); /* mostly nothing */
    if (!out->failed)
        out->n = at;
    put_passage(r, i, sbi_permuted_round(sbi_row_key(r, SBI_FOR_TEXT), c->n_passages, i), facts);
    sbi_text_put(out, sbi_text_str(&tail), tail.n);
    out->failed |= tail.failed;
    sbi_text_fini(&tail);
    return SB_OK;
}

static sb_status synth_make(sbi_row *r, int64_t units)
{
    fact      facts[N_FACTS];
    sbi_text  town = {0};
    sb_status st   = SB_OK;
    draw_facts(r, units, facts);
    for (int64_t i = 0; i < units && st == SB_OK; i++)
        st = put_document(r, i, facts);
    sbi_text_puts(&r->query, relations[facts[0].relation].question[0]);
    put_person(r, facts[0].person, &r->query);
    sbi_text_puts(&r->query, relations[facts[0].relation].question[1]);
    put_name(r, 0, &town);
    if (st == SB_OK && (st = sbi_text_status(&town)) == SB_OK)
        sbi_draft_answer(&r->d, town.p, town.n);
    sbi_text_fini(&town);
    return st == SB_OK ? sbi_row_compose(r, "", "") : st;
}

static int64_t synth_least(const sbi_row *r)
{
    (void)r;
    return 1;
}

static int64_t no_most(const sbi_row *r)
{
    (void)r;
    return INT64_MAX;
}

const sbi_kind sbi_native_qa_synth = {synth_least, no_most, synth_make, "passages", 1, 0};

/* ---- qa_1, qa_2 ---- */

static const sb_ruler_question *question_of(const sbi_row *r)
{
    return &r->spec->qa->questions[r->question];
}

static int is_gold(const sb_ruler_question *q, int64_t doc)
{
    for (int64_t i = 0; i < q->n_gold; i++)
        if (q->gold[i] == doc)
            return 1;
    return 0;
}

/* The question's own documents, then others: all of them in a drawn order, again when they are used
 * up. */
static void choose(const sbi_row *r, int64_t units, int32_t *list)
{
    const sb_ruler_question *q   = question_of(r);
    uint64_t                 key = sbi_row_key(r, SBI_FOR_TEXT);
    int64_t                  n   = 0;
    sb_rng                   g   = sbi_row_rng(r, SBI_FOR_ORDER);
    for (; n < q->n_gold; n++)
        list[n] = (int32_t)q->gold[n];
    for (int64_t i = 0; n < units; i++) {
        int64_t doc = sbi_permuted_round(key, r->spec->qa->n_docs, i);
        if (!is_gold(q, doc))
            list[n++] = (int32_t)doc;
    }
    sbi_shuffle_i32(&g, list, units);
}

static sb_ruler_span_kind kind_of(const sb_ruler_question *q, int64_t doc)
{
    for (int64_t i = 0; i < q->n_gold; i++)
        if (q->gold[i] == doc && q->supports[i])
            return SB_RULER_SPAN_NEEDLE;
    return SB_RULER_SPAN_DISTRACTOR;
}

static sb_status qa_make(sbi_row *r, int64_t units)
{
    const sb_ruler_question *q    = question_of(r);
    int32_t                 *list = malloc((size_t)units * sizeof *list);
    sb_status                st   = SB_OK;
    if (list == NULL)
        return sb_fail(SB_ERR_NOMEM, "ruler: no memory for %" PRId64 " documents", units);
    choose(r, units, list);
    for (int64_t i = 0, at; i < units && st == SB_OK; i++) {
        const char *doc = r->spec->qa->docs[list[i]];
        st              = begin_document(r, i, doc, (int64_t)strlen(doc), &at);
        if (st == SB_OK)
            sbi_draft_span(&r->d, kind_of(q, list[i]), -1, at, at + (int64_t)strlen(doc));
    }
    free(list);
    sbi_text_puts(&r->query, q->query);
    for (int64_t i = 0; i < q->n_answers; i++)
        sbi_draft_answer(&r->d, q->answers[i], (int64_t)strlen(q->answers[i]));
    return st == SB_OK ? sbi_row_compose(r, "", "") : st;
}

static int64_t qa_least(const sbi_row *r) { return question_of(r)->n_gold; }

/* Where the file has no other documents, none are added. */
static int64_t qa_most(const sbi_row *r)
{
    const sb_ruler_question *q = question_of(r);
    return r->spec->qa->n_docs > q->n_gold ? INT64_MAX : q->n_gold;
}

const sbi_kind sbi_native_qa = {qa_least, qa_most, qa_make, "documents", 0, 0};
