/* Mode native: the length fit and the rows.
 *
 * The fit of a row looks for the units whose prompt just fits: probes by secant between a number
 * that fits and one that does not, until these are neighbours. It starts from what two small
 * prompts of the set (not of a row before) say about tokens a unit, so a row is the same whatever
 * was asked before. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/tok_memo.h"
#include "workloads/ruler/native_draft.h"
#include "workloads/ruler/sample.h"

enum { ATTEMPTS = 64, SECANTS = 12, CALIBRATION_UNITS = 256 };

const sb_ruler_task sb_ruler_qa_synth = {.name      = "qa_synth",
                                         .generator = SB_RULER_QA,
                                         .metric    = SB_RULER_MATCH_PART,
                                         .haystack  = SB_RULER_NOISE,
                                         .key       = SB_RULER_WORDS,
                                         .value     = SB_RULER_NUMBERS};

struct sb_ruler_native {
    sb_ruler_native_spec spec;
    const sbi_kind      *kind;
    sb_tok_memo         *memo;
    sbi_row              row;
    uint64_t             key; /* of the set */
    int64_t              budget, gen_tokens;
    double               unit_tokens; /* what one unit more costs, about */
};

int sb_ruler_native_needs_lexicon(const sb_ruler_task *t)
{
    return t->generator == SB_RULER_CWE ||
           (t->generator == SB_RULER_NIAH && t->key == SB_RULER_WORDS);
}

int sb_ruler_native_needs_passages(const sb_ruler_task *t)
{
    return t == &sb_ruler_qa_synth || (t->needs & SB_RULER_NEEDS_ESSAY) != 0;
}

static const sbi_kind *kind_of(const sb_ruler_task *t)
{
    static const sbi_kind *const kinds[SB_RULER_GENERATORS] = {
        &sbi_native_niah, &sbi_native_vt, &sbi_native_cwe, &sbi_native_fwe, &sbi_native_qa};
    return t == &sb_ruler_qa_synth ? &sbi_native_qa_synth : kinds[t->generator];
}

/* The place of a task in sb_ruler_tasks, 13 for qa_synth: part of a row's key. */
static uint64_t number_of(const sb_ruler_task *t)
{
    return t == &sb_ruler_qa_synth ? 13 : (uint64_t)(t - sb_ruler_tasks);
}

/* ---- one prompt ---- */

static void reset(sbi_row *r)
{
    sbi_draft_reset(&r->d);
    sbi_text_reset(&r->query);
    sbi_text_reset(&r->shot);
}

static sb_status make(sb_ruler_native *s, int64_t units)
{
    reset(&s->row);
    return s->kind->make(&s->row, units);
}

static sb_status probe(sb_ruler_native *s, int64_t units, int64_t *n_tokens)
{
    const sb_tok_ops *t  = sb_tok_memo_ops(s->memo);
    sb_status         st = make(s, units);
    return st == SB_OK ? t->count(t->ctx, s->row.d.text.p, s->row.d.text.n, n_tokens) : st;
}

/* ---- the fit ---- */

/* What is known: `fits` units have fits_tokens, `not` do not fit (most + 1: nothing known). */
typedef struct bracket {
    int64_t fits, fits_tokens, not_units, not_tokens;
} bracket;

/* The next number to try, strictly between. */
static int64_t next_units(const sb_ruler_native *s, const bracket *b, int64_t most, int turn)
{
    double  left = (double)(s->budget - b->fits_tokens), step;
    int64_t u;
    if (turn > SECANTS)
        return b->fits + (b->not_units - b->fits) / 2;
    if (b->not_tokens < 0) /* nothing above yet: what a unit costs on average, and a little more */
        step = left / s->unit_tokens * (turn < 2 ? 1 : 1 + 0.01 * (1 << turn)) + (turn > 0);
    else
        step = left * (double)(b->not_units - b->fits) / (double)(b->not_tokens - b->fits_tokens);
    if (step > (double)(most - b->fits))
        return b->not_units - 1 > b->fits ? b->not_units - 1 : b->not_units;
    u = b->fits + (int64_t)step;
    if (u <= b->fits)
        u = b->fits + 1;
    return u < b->not_units ? u : b->not_units - 1;
}

static sb_status no_fit(const sb_ruler_native *s, int64_t units, int64_t n_tokens)
{
    return sb_fail(SB_ERR_NO_FIT,
                   "%s: no prompt fits %" PRId64 " tokens: with %" PRId64 " %s it has %" PRId64
                   ", and %" PRId64 " are to be generated",
                   s->spec.task->name, s->spec.length_tokens, units, s->kind->unit, n_tokens,
                   s->gen_tokens + s->spec.wrapped_tokens);
}

static sb_status find_units(sb_ruler_native *s, int64_t *units)
{
    int64_t   most = s->kind->most(&s->row), least = s->kind->least(&s->row), n = 0;
    bracket   b;
    sb_status st;
    if (least > most)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s: the words do not reach for the smallest prompt",
                       s->spec.task->name);
    if ((st = probe(s, least, &n)) != SB_OK)
        return st;
    if (n > s->budget)
        return no_fit(s, least, n);
    if (most > s->spec.length_tokens) /* a unit has a token at least */
        most = s->spec.length_tokens > least ? s->spec.length_tokens : least;
    b = (bracket){least, n, most + 1, -1};
    for (int turn = 0; b.not_units - b.fits > 1; turn++) {
        int64_t u = next_units(s, &b, most, turn);
        assert(u > b.fits && u < b.not_units);
        if ((st = probe(s, u, &n)) != SB_OK)
            return st;
        if (n <= s->budget) {
            b.fits        = u;
            b.fits_tokens = n;
        } else {
            b.not_units  = u;
            b.not_tokens = n;
        }
    }
    if (s->kind->bounded && b.not_tokens < 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "%s at %" PRId64 " tokens: the words end at %" PRId64
                       " %s: give longer lists (words)",
                       s->spec.task->name, s->spec.length_tokens, b.fits, s->kind->unit);
    *units = b.fits;
    return SB_OK;
}

/* ---- opening ---- */

static sb_status check(const sb_ruler_native_spec *p)
{
    const sb_ruler_task *t = p->task;
    if (t->generator == SB_RULER_QA && t != &sb_ruler_qa_synth && p->qa == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s needs %s; qa_synth needs no file", t->name,
                       (t->needs & SB_RULER_NEEDS_SQUAD) != 0 ? "squad (SQuAD's dev-v2.0.json)"
                                                              : "hotpotqa (HotpotQA's "
                                                                "hotpot_dev_distractor_v1.json)");
    if (t->generator == SB_RULER_QA && t != &sb_ruler_qa_synth && p->qa->n_questions == 0)
        return sb_fail(SB_ERR_USAGE, "%s: the file has no questions", t->name);
    if ((sb_ruler_native_needs_lexicon(t) && p->lexicon == NULL) ||
        (sb_ruler_native_needs_passages(t) && p->passages == NULL))
        return sb_fail(SB_ERR_UNSUPPORTED, "%s needs %s", t->name,
                       p->lexicon == NULL && sb_ruler_native_needs_lexicon(t) ? "words"
                                                                              : "a corpus");
    if (p->length_tokens < 1 || p->length_tokens > INT32_MAX || p->wrapped_tokens < 0 ||
        p->first_question < 0)
        return sb_fail(SB_ERR_USAGE,
                       "%s: length %" PRId64 ", wrapped tokens %" PRId64 ", first question %" PRId64
                       ": lengths from 1 to 2^31 - 1, others from 0",
                       t->name, p->length_tokens, p->wrapped_tokens, p->first_question);
    if (t->generator == SB_RULER_FWE &&
        p->length_tokens - p->wrapped_tokens - p->templates->text[SB_RULER_FWE].gen_tokens < 200)
        return sb_fail(SB_ERR_NO_FIT,
                       "fwe: %" PRId64 " tokens are too few: at least %" PRId64
                       " with those kept free",
                       p->length_tokens,
                       200 + p->wrapped_tokens + p->templates->text[SB_RULER_FWE].gen_tokens);
    return SB_OK;
}

static int one_value(const sb_ruler_task *t)
{
    return t->generator == SB_RULER_NIAH && t->n_queries * t->n_values == 1;
}

/* wrapper({shot}task) and the answer prefix, in the singular where one value is asked for. */
static sb_status build_prompt(sb_ruler_native *s)
{
    const sb_ruler_templates *t    = s->spec.templates;
    const sb_ruler_text      *x    = &t->text[s->spec.task->generator];
    sbi_text                  task = {0}, all = {0}, prefix = {0}, bare = {0};
    sbi_field                 f  = {.name = "task_template", .at = -1};
    sb_status                 st = SB_OK;
    sbi_text_puts(&bare, x->task);
    sbi_text_puts(&prefix, x->answer_prefix);
    if (one_value(s->spec.task)) {
        sbi_prompt_singular(&bare);
        sbi_prompt_singular(&prefix);
    }
    sbi_text_puts(&task, "{shot}");
    sbi_text_put(&task, sbi_text_str(&bare), bare.n);
    f.value   = sbi_text_str(&task);
    f.n_bytes = task.n;
    if (task.failed || bare.failed)
        st = sb_fail(SB_ERR_NOMEM, "ruler: no memory for a template");
    if (st == SB_OK && (st = sbi_py_format(&all, t->wrapper, &f, 1)) != SB_OK)
        sb_wrap(st, "chat wrapper %s", t->wrapper_name);
    if (st == SB_OK && (st = sbi_text_status(&all)) == SB_OK &&
        (st = sbi_text_status(&prefix)) == SB_OK) {
        s->row.input     = sbi_text_take(&all);
        s->row.prefix    = sbi_text_take(&prefix);
        s->row.bare_task = sbi_text_take(&bare);
    }
    sbi_text_fini(&task);
    sbi_text_fini(&all);
    sbi_text_fini(&prefix);
    sbi_text_fini(&bare);
    return st;
}

/* What a unit costs, from two prompts with a key of the set's own. */
static sb_status calibrate(sb_ruler_native *s)
{
    int64_t   least, most, few = 0, many = 0, more;
    sb_status st;
    s->row.key     = sb_mix(s->key ^ 0xCA11B8A7E0000000ull);
    least          = s->kind->least(&s->row);
    most           = s->kind->most(&s->row);
    more           = most - least < CALIBRATION_UNITS ? most - least : CALIBRATION_UNITS;
    s->unit_tokens = 1;
    if (more < 0)
        return SB_OK; /* the fit says what is wrong */
    if ((st = probe(s, least, &few)) != SB_OK)
        return st;
    if (few > s->budget)
        return no_fit(s, least, few);
    if (more == 0)
        return SB_OK;
    if ((st = probe(s, least + more, &many)) != SB_OK)
        return st;
    s->unit_tokens = (double)(many - few) / (double)more;
    if (s->unit_tokens < 1)
        s->unit_tokens = 1;
    return SB_OK;
}

sb_status sb_ruler_native_open(const sb_ruler_native_spec *spec, sb_ruler_native **out)
{
    sb_ruler_native *s;
    sb_status        st = check(spec);
    if (st != SB_OK)
        return st;
    if ((s = calloc(1, sizeof *s)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "ruler: no memory");
    s->spec       = *spec;
    s->kind       = kind_of(spec->task);
    s->row.spec   = &s->spec;
    s->gen_tokens = spec->templates->text[spec->task->generator].gen_tokens;
    s->budget     = spec->length_tokens - spec->wrapped_tokens - s->gen_tokens;
    s->key =
        sb_mix(sb_mix(sb_mix(spec->seed) ^ number_of(spec->task)) ^ (uint64_t)spec->length_tokens);
    if ((st = sb_tok_memo_create(&s->spec.tok, 0, &s->memo)) == SB_OK &&
        (st = build_prompt(s)) == SB_OK)
        st = calibrate(s);
    if (st != SB_OK) {
        sb_ruler_native_close(s);
        return st;
    }
    *out = s;
    return SB_OK;
}

void sb_ruler_native_close(sb_ruler_native *s)
{
    if (s == NULL)
        return;
    sbi_draft_fini(&s->row.d);
    sbi_text_fini(&s->row.query);
    sbi_text_fini(&s->row.shot);
    free(s->row.input);
    free(s->row.prefix);
    free(s->row.bare_task);
    sb_tok_memo_destroy(s->memo);
    free(s);
}

/* ---- rows ---- */

/* Does every answer stand in the input, and nowhere but in the spans that hold it? */
static int only_where_planted(const sbi_row *r)
{
    const sbi_draft *d = &r->d;
    for (int64_t a = 0; a < d->n_answers; a++) {
        const char *answer = d->answers[a], *at = d->text.p, *end = d->text.p + r->input_bytes;
        size_t      n     = strlen(answer);
        int64_t     found = 0;
        while ((at = memmem(at, (size_t)(end - at), answer, n)) != NULL) {
            int64_t place = at - d->text.p, inside = 0;
            for (int64_t i = 0; i < d->n_spans && !inside; i++)
                inside = d->spans[i].kind == SB_RULER_SPAN_NEEDLE &&
                         place >= d->spans[i].byte_begin &&
                         place + (int64_t)n <= d->spans[i].byte_end;
            if (!inside)
                return 0;
            found++;
            at++;
        }
        if (found == 0)
            return 0;
    }
    return 1;
}

static int by_place(const void *a, const void *b)
{
    const sb_ruler_span *x = a, *y = b;
    if (x->byte_begin != y->byte_begin)
        return x->byte_begin < y->byte_begin ? -1 : 1;
    return (x->kind > y->kind) - (x->kind < y->kind);
}

/* The draft becomes a sample; its tokens are counted whole, by the tokenizer itself. */
static sb_status finish(sb_ruler_native *s, int64_t row, int64_t units, sb_ruler_sample *out)
{
    sbi_draft      *d  = &s->row.d;
    sb_ruler_sample o  = {.row                   = row,
                          .units                 = units,
                          .index                 = row,
                          .answer_token          = -1,
                          .input_bytes           = s->row.input_bytes,
                          .gen_tokens            = s->gen_tokens,
                          .model_template_tokens = s->spec.wrapped_tokens};
    sb_status       st = s->spec.tok.count(s->spec.tok.ctx, d->text.p, d->text.n, &o.n_tokens);
    if (st == SB_OK && o.n_tokens > s->budget)
        st = sb_fail(SB_ERR_INTERNAL, "%s: counts of parts and whole differ: %" PRId64 " tokens",
                     s->spec.task->name, o.n_tokens);
    if (st != SB_OK)
        return st;
    for (int64_t i = 0; i < d->n_spans; i++) /* the input's end was not known before */
        if (d->spans[i].kind == SB_RULER_SPAN_QUERY)
            d->spans[i].byte_end = o.input_bytes;
    qsort(d->spans, (size_t)d->n_spans, sizeof *d->spans, by_place);
    o.text_bytes = d->text.n;
    if ((o.text = sbi_text_take(&d->text)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "ruler: no memory for a prompt");
    o.answers    = d->answers;
    o.n_answers  = d->n_answers;
    o.spans      = d->spans;
    o.n_spans    = d->n_spans;
    d->answers   = NULL;
    d->spans     = NULL;
    d->n_answers = d->cap_answers = d->n_spans = d->cap_spans = 0;
    if ((st = sbi_sample_hash(&o)) != SB_OK) {
        sb_ruler_sample_fini(&o);
        return st;
    }
    *out = o;
    return SB_OK;
}

sb_status sb_ruler_native_row(sb_ruler_native *s, int64_t row, sb_ruler_sample *out)
{
    sbi_row  *r     = &s->row;
    uint64_t  key   = sb_mix(s->key ^ (uint64_t)row);
    int64_t   units = 0;
    sb_status st    = SB_OK;
    if (row < 0)
        return sb_fail(SB_ERR_USAGE, "ruler: row %" PRId64, row);
    r->question = s->spec.first_question + row;
    if (s->kind == &sbi_native_qa && r->question >= s->spec.qa->n_questions)
        return sb_fail(SB_ERR_USAGE,
                       "%s: question %" PRId64 " was asked for, the file has %" PRId64,
                       s->spec.task->name, r->question + 1, s->spec.qa->n_questions);
    for (uint64_t attempt = 0; st == SB_OK && attempt < ATTEMPTS; attempt++) {
        r->key = sb_mix(key + attempt);
        if ((st = find_units(s, &units)) == SB_OK && (st = make(s, units)) == SB_OK &&
            (!s->kind->planted || only_where_planted(r)))
            return finish(s, row, units, out);
    }
    return st != SB_OK ? st
                       : sb_fail(SB_ERR_USAGE,
                                 "%s, row %" PRId64
                                 ": the answers drawn stand in the text or the template already",
                                 s->spec.task->name, row);
}
