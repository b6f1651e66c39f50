/* The length fit and the rows, in the original's order: every probe of the fit is a whole prompt
 * and uses up random numbers, so do prompts that turn out too long [workloads 1.9]. */
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/ruler/generate.h"
#include "workloads/ruler/sample.h"

enum {
    SHORT_TOKENS   = 4096, /* below it smaller steps are used */
    SHOT_TOKENS    = 500,  /* budget of vt's example */
    SHOT_STEP      = 5,
    CUT_CHARACTERS = 10,
    FLOOR_TRIES = 100, /* prompts of the smallest size that may be too long before we give up; the
                          original never does */
    FWE_MIN_WORDS = 4  /* noise and three answers */
};

struct sb_ruler_set {
    sbi_gen   gen;
    sbi_draft draft;
    int64_t   step, units, shot_units;
    int64_t   budget; /* length less the wrapper's tokens */
    int64_t   gen_tokens;
    sb_mt     py0, np0; /* behind the fit */
    int64_t   next_row;
};

/* How one fit goes; the example of vt has its own. */
typedef struct fit {
    int64_t step, trial_units, budget, gen_tokens, extra_tokens;
    int     cwe;
} fit;

static const sb_ruler_spec *spec_of(const sb_ruler_set *s) { return &s->gen.spec; }

static sb_status count(const sb_ruler_set *s, const char *text, int64_t n_bytes, int64_t *n)
{
    const sb_tok_ops *c = &spec_of(s)->counter;
    return c->count(c->ctx, text, n_bytes, n);
}

static sb_status make(sb_ruler_set *s, int64_t question, int64_t units)
{
    sbi_gen   *g = &s->gen;
    sbi_draft *d = &s->draft;
    sbi_draft_reset(d);
    switch (g->spec.task->generator) {
    case SB_RULER_NIAH:
        return sbi_niah_make(g, units, d);
    case SB_RULER_VT:
        return sbi_vt_make(g, units, d);
    case SB_RULER_CWE:
        return sbi_cwe_make(g, units, d);
    default:
        return sbi_qa_make(g, question, units, d);
    }
}

/* One probe: a prompt of so many units, and its tokens. */
static sb_status probe(sb_ruler_set *s, int64_t units, int64_t *n_tokens)
{
    sb_status st = make(s, 0, units);
    if (st != SB_OK)
        return st;
    if (s->draft.raises != NULL)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "%s at %" PRId64 " tokens: the original fails here too: %s",
                       spec_of(s)->task->name, spec_of(s)->length_tokens, s->draft.raises);
    return count(s, s->draft.text.p, s->draft.text.n, n_tokens);
}

/* Python's a // b of two positive floats. */
static double floor_divide(double a, double b)
{
    double rest = fmod(a, b), quotient = (a - rest) / b, whole = floor(quotient);
    return quotient - whole > 0.5 ? whole + 1 : whole;
}

static sb_status find_units(sb_ruler_set *s, const fit *f, int64_t *units)
{
    int64_t   n = 0, low = f->step, high, found = 0;
    double    per_unit;
    sb_status st = probe(s, f->trial_units, &n);
    if (st != SB_OK)
        return st;
    if (n < 1)
        return sb_fail(SB_ERR_USAGE, "%s: the counter finds no token in a prompt",
                       spec_of(s)->counter.name);
    per_unit = (double)n / (double)f->trial_units;
    high     = f->cwe ? (int64_t)floor_divide((double)f->budget, per_unit) * 2
                      : (int64_t)((double)f->budget / per_unit * 3);
    if (high < 2 * f->step)
        high = 2 * f->step;
    while (low <= high) {
        int64_t mid = (low + high) / 2;
        if ((st = probe(s, mid, &n)) != SB_OK)
            return st;
        if (n + f->extra_tokens + f->gen_tokens <= f->budget) {
            found = mid;
            low   = mid + 1;
        } else {
            high = mid - 1;
        }
    }
    *units = found > 0 ? found : f->step;
    return SB_OK;
}

/* A prompt that fits: shorter ones while it does not. Leaves it in s->draft. */
static sb_status make_fitting(sb_ruler_set *s, const fit *f, int64_t question, int64_t *units,
                              int64_t *n_tokens)
{
    const char *why   = NULL;
    int64_t     tries = 0, n = 0;
    for (;;) {
        sb_status st = make(s, question, *units);
        if (st != SB_OK)
            return st;
        if (s->draft.raises == NULL) {
            if (s->gen.shot != NULL && (st = sbi_vt_insert_shot(&s->gen, &s->draft)) != SB_OK)
                return st;
            if ((st = count(s, s->draft.text.p, s->draft.text.n, &n)) != SB_OK)
                return st;
            if (n + f->gen_tokens <= f->budget) {
                *n_tokens = n;
                return SB_OK;
            }
        }
        why = s->draft.raises;
        if (*units > f->step)
            *units -= f->step;
        else if (++tries == FLOOR_TRIES)
            return sb_fail(SB_ERR_NO_FIT,
                           "%s: no prompt fits %" PRId64 " tokens: with %" PRId64
                           " units %s%s (%" PRId64 " tokens of prompt, %" PRId64 " to generate)",
                           spec_of(s)->task->name, f->budget, *units,
                           why != NULL ? "the original fails: " : "it is too long",
                           why != NULL ? why : "", n, f->gen_tokens);
    }
}

/* ---- opening ---- */

static sb_status check_inputs(const sb_ruler_spec *p)
{
    const struct need {
        unsigned    bit;
        const void *have;
        const char *what;
    } needs[] = {
        {SB_RULER_NEEDS_WORDS, p->words, "the word lists of wonderwords"},
        {SB_RULER_NEEDS_ESSAY, p->essay,
         "an essay text and NLTK's Punkt data (or import RULER's own validation.jsonl)"},
        {SB_RULER_NEEDS_SQUAD, p->qa,
         "SQuAD's dev-v2.0.json (or import RULER's own validation.jsonl)"},
        {SB_RULER_NEEDS_HOTPOTQA, p->qa,
         "hotpot_dev_distractor_v1.json (or import RULER's own validation.jsonl)"},
    };
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if ((p->task->needs & needs[i].bit) != 0 && needs[i].have == NULL)
            return sb_fail(SB_ERR_UNSUPPORTED, "%s needs %s", p->task->name, needs[i].what);
    if ((p->task->needs & SB_RULER_NEEDS_SQUAD) != 0 && p->qa->kind != SB_RULER_SQUAD)
        return sb_fail(SB_ERR_USAGE, "%s asks SQuAD, another file was given", p->task->name);
    if ((p->task->needs & SB_RULER_NEEDS_HOTPOTQA) != 0 && p->qa->kind != SB_RULER_HOTPOTQA)
        return sb_fail(SB_ERR_USAGE, "%s asks HotpotQA, another file was given", p->task->name);
    if ((p->task->needs & (SB_RULER_NEEDS_SQUAD | SB_RULER_NEEDS_HOTPOTQA)) != 0 &&
        p->qa->n_questions == 0)
        return sb_fail(SB_ERR_USAGE, "%s: the file has no questions", p->task->name);
    if (p->length_tokens < 1 || p->model_template_tokens < 0 || p->first_question < 0 ||
        p->seed > UINT32_MAX)
        return sb_fail(SB_ERR_USAGE,
                       "%s: length %" PRId64 ", template tokens %" PRId64
                       ", first question %" PRId64 ", seed %" PRIu64
                       ": lengths from 1, others from 0, seeds up to 2^32 - 1 (numpy's limit)",
                       p->task->name, p->length_tokens, p->model_template_tokens, p->first_question,
                       p->seed);
    return SB_OK;
}

/* wrapper.format(task_template=task) + answer prefix; in the singular where one value is asked for
 * [1.4]. */
static sb_status build_prompt(sbi_gen *g)
{
    const sb_ruler_task *t     = g->spec.task;
    const sb_ruler_text *texts = &g->spec.templates->text[t->generator];
    sbi_field            field = {"task_template", texts->task, (int64_t)strlen(texts->task), -1};
    sbi_text             p     = {0};
    sb_status            st    = sbi_py_format(&p, g->spec.templates->wrapper, &field, 1);
    sbi_text_puts(&p, texts->answer_prefix);
    if (st == SB_OK && t->generator == SB_RULER_NIAH && t->n_queries * t->n_values == 1)
        sbi_prompt_singular(&p);
    if (st == SB_OK)
        st = sbi_text_status(&p);
    if (st != SB_OK) {
        sbi_text_fini(&p);
        return sb_wrap(st, "chat wrapper %s", g->spec.templates->wrapper_name);
    }
    g->prompt = sbi_text_take(&p);
    return SB_OK;
}

static int64_t step_of(const sb_ruler_spec *p)
{
    switch (p->task->generator) {
    case SB_RULER_NIAH:
        if (p->task->haystack == SB_RULER_ESSAY)
            return 500;
        return p->length_tokens < SHORT_TOKENS ? 5 : 25;
    case SB_RULER_VT:
        return p->length_tokens < SHORT_TOKENS ? 5 : 10;
    default:
        return 10;
    }
}

/* vt's solved example: the same fit and one row, with a small budget and nothing to generate. */
static sb_status make_shot(sb_ruler_set *s, int64_t *n_tokens)
{
    const fit f = {SHOT_STEP, SHOT_STEP, SHOT_TOKENS - spec_of(s)->model_template_tokens, 0, 0, 0};
    sbi_text  shot = {0};
    sb_status st   = find_units(s, &f, &s->shot_units);
    if (st == SB_OK)
        st = make_fitting(s, &f, 0, &s->shot_units, n_tokens);
    if (st != SB_OK)
        return sb_wrap(st, "the example of");
    sbi_text_put(&shot, s->draft.text.p, s->draft.text.n);
    for (int64_t i = 0; i < s->draft.n_answers; i++) {
        sbi_text_putc(&shot, ' ');
        sbi_text_puts(&shot, s->draft.answers[i]);
    }
    sbi_text_putc(&shot, '\n');
    if ((st = sbi_text_status(&shot)) == SB_OK &&
        (st = count(s, shot.p, shot.n, n_tokens)) == SB_OK)
        s->gen.shot = sbi_text_take(&shot);
    sbi_text_fini(&shot);
    return st;
}

static sb_status fwe_trial(sb_ruler_set *s, const sbi_coded *c, int64_t n_words, int64_t *n_tokens)
{
    sb_status st;
    sbi_draft_reset(&s->draft);
    if ((st = sbi_fwe_make(&s->gen, c, n_words, &s->draft)) != SB_OK)
        return st;
    return count(s, s->draft.text.p, s->draft.text.n, n_tokens);
}

/* The first prompt grows until it is too long; the last that was not gives the number of words
 * [1.7]. */
static sb_status fit_fwe(sb_ruler_set *s)
{
    int64_t    n_vocabulary = s->budget / 50, n = 0;
    sbi_coded *c = NULL;
    sb_status  st;
    s->step  = s->budget / 32;
    s->units = s->budget / 6;
    if (s->budget < 50 * FWE_MIN_WORDS)
        return sb_fail(
            SB_ERR_NO_FIT,
            "fwe: %" PRId64 " tokens are too few: at least %d with the answer's %" PRId64,
            spec_of(s)->length_tokens, 50 * FWE_MIN_WORDS + (int)s->gen_tokens, s->gen_tokens);
    if ((st = sbi_fwe_vocabulary(&s->gen, n_vocabulary, &c)) != SB_OK)
        return st;
    while ((st = fwe_trial(s, c, s->units, &n)) == SB_OK && n < s->budget)
        s->units += s->step;
    s->units -= s->step;
    sbi_fwe_close(c);
    return st;
}

static sb_status fit_set(sb_ruler_set *s)
{
    const sb_ruler_spec *p  = spec_of(s);
    fit                  f  = {s->step, s->step, s->budget, s->gen_tokens, 0, 0};
    sb_status            st = SB_OK;
    if (p->task->generator == SB_RULER_FWE)
        return fit_fwe(s);
    if (p->task->generator == SB_RULER_CWE) {
        f.cwe         = 1;
        f.trial_units = 4096;
        st            = sbi_cwe_open(&s->gen);
    }
    if (p->task->generator == SB_RULER_VT)
        st = make_shot(s, &f.extra_tokens);
    return st == SB_OK ? find_units(s, &f, &s->units) : st;
}

sb_status sb_ruler_open(const sb_ruler_spec *spec, sb_ruler_set **out)
{
    sb_ruler_set *s;
    sb_status     st = check_inputs(spec);
    if (st != SB_OK)
        return st;
    s = calloc(1, sizeof *s);
    if (s == NULL)
        return sb_fail(SB_ERR_NOMEM, "ruler: no memory");
    s->gen.spec   = *spec;
    s->step       = step_of(spec);
    s->gen_tokens = spec->templates->text[spec->task->generator].gen_tokens;
    s->budget     = spec->length_tokens - spec->model_template_tokens;
    if (spec->task->generator == SB_RULER_FWE)
        s->budget -= s->gen_tokens;
    sb_mt_seed_python(&s->gen.py, spec->seed);
    sb_mt_seed_numpy(&s->gen.np, (uint32_t)spec->seed);
    if ((st = build_prompt(&s->gen)) == SB_OK)
        st = fit_set(s);
    if (st != SB_OK) {
        sb_ruler_close(s);
        return st;
    }
    s->py0 = s->gen.py;
    s->np0 = s->gen.np;
    *out   = s;
    return SB_OK;
}

void sb_ruler_close(sb_ruler_set *s)
{
    if (s == NULL)
        return;
    sbi_draft_fini(&s->draft);
    free(s->gen.prompt);
    free(s->gen.cwe_order);
    free(s->gen.shot);
    free(s);
}

int64_t sb_ruler_units(const sb_ruler_set *s) { return s->units; }
int64_t sb_ruler_shot_units(const sb_ruler_set *s) { return s->shot_units; }

sb_ruler_facts sb_ruler_set_facts(const sb_ruler_set *s)
{
    const sb_ruler_spec *p = spec_of(s);
    sb_ruler_facts       f = {SB_RULER_VERSION,
                              p->templates->sha256,
                              p->templates->wrapper_name,
                              p->templates->wrapper_sha256,
                              "",
                              "",
                              "",
                              "",
                              p->counter.name,
                              p->counter.sha256};
    if ((p->task->needs & SB_RULER_NEEDS_WORDS) != 0) {
        f.words_version = sb_ruler_words_version(p->words);
        f.words_sha256  = sb_ruler_words_identity(p->words);
    }
    if ((p->task->needs & SB_RULER_NEEDS_ESSAY) != 0) {
        f.corpus_sha256 = sb_ruler_essay_sha256(p->essay);
        f.splitter      = sb_ruler_essay_splitter(p->essay);
    }
    if ((p->task->needs & (SB_RULER_NEEDS_SQUAD | SB_RULER_NEEDS_HOTPOTQA)) != 0)
        f.corpus_sha256 = p->qa->sha256;
    return f;
}

/* ---- rows ---- */

static sb_status row_fwe(sb_ruler_set *s, int64_t *units, int64_t *n_tokens)
{
    sbi_coded *c  = NULL;
    sb_status  st = sbi_fwe_vocabulary(&s->gen, s->budget / 50, &c);
    if (st != SB_OK)
        return st;
    while ((st = fwe_trial(s, c, *units, n_tokens)) == SB_OK && *n_tokens > s->budget) {
        if (*units <= 0) {
            st = sb_fail(SB_ERR_NO_FIT,
                         "fwe: the prompt without any word has %" PRId64
                         " tokens, more than %" PRId64,
                         *n_tokens, s->budget);
            break;
        }
        *units -= s->step;
    }
    sbi_fwe_close(c);
    return st;
}

static sb_status next_row(sb_ruler_set *s, int64_t *units, int64_t *n_tokens)
{
    const fit f = {s->step, 0, s->budget, s->gen_tokens, 0, 0};
    sb_status st;
    *units = s->units;
    st     = spec_of(s)->task->generator == SB_RULER_FWE
                 ? row_fwe(s, units, n_tokens)
                 : make_fitting(s, &f, spec_of(s)->first_question + s->next_row, units, n_tokens);
    if (st == SB_OK)
        s->next_row++;
    return st;
}

static int by_place(const void *a, const void *b)
{
    const sb_ruler_span *x = a, *y = b;
    if (x->byte_begin != y->byte_begin)
        return x->byte_begin < y->byte_begin ? -1 : 1;
    return (x->kind > y->kind) - (x->kind < y->kind);
}

/* Where the prompt is cut: the last place of the answer prefix's first characters, as in the
 * original. */
static sb_status cut(const sb_ruler_set *s, int64_t *at)
{
    const char *prefix = spec_of(s)->templates->text[spec_of(s)->task->generator].answer_prefix;
    int64_t     n      = sbi_utf8_prefix(prefix, (int64_t)strlen(prefix), CUT_CHARACTERS);
    *at                = sbi_text_rfind(s->draft.text.p, s->draft.text.n, prefix, n);
    return *at >= 0
               ? SB_OK
               : sb_fail(SB_ERR_USAGE,
                         "%s: the prompt does not hold the start of its answer prefix; where one "
                         "value is asked for, "
                         "\"are\" and \"answers\" are changed in it, so they cannot stand there",
                         spec_of(s)->task->name);
}

/* niah: index and token_position_answer say where the first answer stands. */
static sb_status locate_answer(const sb_ruler_set *s, sb_ruler_sample *out)
{
    const char *text   = s->draft.text.p;
    const char *answer = s->draft.answers[0];
    int64_t     at     = sbi_text_find(text, out->input_bytes, answer, (int64_t)strlen(answer));
    if (at < 0)
        return sb_fail(SB_ERR_INTERNAL, "%s: the answer is not in the prompt",
                       spec_of(s)->task->name);
    out->index = sbi_utf8_count(text, at);
    /* the counter wants a string that ends there */
    s->draft.text.p[at] = '\0';
    {
        sb_status st        = count(s, text, at, &out->answer_token);
        s->draft.text.p[at] = answer[0];
        return st;
    }
}

/* The draft becomes a sample, which takes its text and answers. */
static sb_status finish(sb_ruler_set *s, int64_t row, int64_t units, int64_t n_tokens,
                        sb_ruler_sample *out)
{
    sbi_draft      *d = &s->draft;
    sb_ruler_sample o = {
        .row = row, .units = units, .index = row, .answer_token = -1, .n_tokens = n_tokens};
    sb_status st            = cut(s, &o.input_bytes);
    o.gen_tokens            = s->gen_tokens;
    o.model_template_tokens = spec_of(s)->model_template_tokens;
    if (st == SB_OK && spec_of(s)->task->generator == SB_RULER_NIAH)
        st = locate_answer(s, &o);
    if (st != SB_OK)
        return st;
    for (int64_t i = 0; i < d->n_spans; i++)
        if (d->spans[i].kind == SB_RULER_SPAN_QUERY) {
            d->spans[i].byte_end = o.input_bytes;
            if (d->spans[i].byte_begin >
                o.input_bytes) /* cut before the context's end: the prefix */
                d->spans[i].byte_begin = o.input_bytes; /* was changed and its start stands there */
        }
    sbi_draft_span(d, SB_RULER_SPAN_ANSWER_PREFIX, -1, o.input_bytes, d->text.n);
    if ((st = sbi_draft_status(d)) != SB_OK)
        return st;
    qsort(d->spans, (size_t)d->n_spans, sizeof *d->spans, by_place);
    o.text_bytes = d->text.n;
    o.text       = sbi_text_take(&d->text);
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

sb_status sb_ruler_row(sb_ruler_set *s, int64_t row, sb_ruler_sample *out)
{
    int64_t   units = 0, n_tokens = 0;
    sb_status st = SB_OK;
    if (row < 0)
        return sb_fail(SB_ERR_USAGE, "ruler: row %" PRId64, row);
    if (row < s->next_row) {
        s->gen.py   = s->py0;
        s->gen.np   = s->np0;
        s->next_row = 0;
    }
    while (st == SB_OK && s->next_row <= row)
        st = next_row(s, &units, &n_tokens);
    return st == SB_OK ? finish(s, row, units, n_tokens, out) : st;
}
