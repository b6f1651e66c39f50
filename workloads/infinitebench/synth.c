/* The suite infinitebench_synth: rows made to a length. A row is a function of (seed, task, length,
 * row, tokenizer, texts): how often others were asked for plays no part. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/row_fields.h"
#include "workloads/base/sha256.h"
#include "workloads/base/suite_files.h"
#include "workloads/infinitebench/synth.h"

enum { SLACK = 256, TRIES_MOST = 64 }; /* a row may fall short by a 256th of the length */

static const sb_text_task tasks[] = {
    {"passkey_synth", "five digits in a repeated text", "infbench_first_int@1", 6},
    {"number_string_synth", "ten digits, half of them doubled, in a repeated text",
     "infbench_first_int@1", 12},
    {"kv_retrieval_synth", "the value of one of many random keys", "infbench_kv_retrieval@1", 50},
    {"math_find_synth", "largest, smallest or median of a list", "infbench_math_find@1", 3},
    {"math_calc_synth", "all values that an expression goes through", "infbench_math_calc@1",
     30000},
    {"code_run_synth", "what a chain of functions returns", "infbench_code_run@1", 5},
    {0},
};

static const sb_param params[] = {
    {"calc_gen_tokens", "1", "[1,16]",
     "math_calc_synth: tokens to generate for each term (the original: 30000 for 30000 terms, too "
     "few for all values)",
     SB_I64, offsetof(sb_infinitebench_synth_params, calc_gen_tokens)},
    {0},
};

static const sb_text_key keys[] = {
    {"templates", "JSON of prompts by task as the suite infinitebench reads it, with the words of "
                  "generated rows under `generated`; without it our own wording"},
    {0},
};

typedef struct synth {
    sb_text_set        base;
    sbi_ib_texts       texts, own; /* own: where `texts` has no words for generated rows */
    sbi_ib_words       words;
    const sbi_ib_kind *kind;
    const sb_tok_ops  *tok;
    int64_t            length_tokens, calc_gen_tokens;
    uint64_t           seed;
    int64_t            guess_units;
    char               sha256[65]; /* of prompt and words */
} synth;

static void close_synth(sb_text_set *set)
{
    synth *s = (synth *)set;
    if (s == NULL)
        return;
    json_decref(s->texts.root);
    json_decref(s->own.root);
    free(s);
}

static int64_t endless(const sb_text_set *set)
{
    (void)set;
    return -1;
}

/* ---- one row at one size ---- */

typedef struct attempt {
    sbi_ib_draft  draft;
    char         *prompt;
    sbi_ib_places places;
    int64_t       units, n_tokens, gen_tokens;
} attempt;

static void attempt_fini(attempt *a)
{
    sbi_ib_draft_fini(&a->draft);
    free(a->prompt);
}

static int64_t gen_tokens(const synth *s, int64_t units)
{
    return s->kind == &sbi_ib_kinds[4] ? s->calc_gen_tokens * units : s->base.task->gen_tokens;
}

static int64_t total(const attempt *a) { return a->n_tokens + a->gen_tokens; }

static sb_rng stream(const synth *s, int64_t row)
{
    uint64_t z = sb_mix(s->seed);
    z          = sb_mix(z ^ (uint64_t)(s->kind - sbi_ib_kinds));
    z          = sb_mix(z ^ (uint64_t)s->length_tokens);
    return (sb_rng){sb_mix(z ^ (uint64_t)row)};
}

static sb_status try_units(const synth *s, int64_t row, int64_t units, attempt *a)
{
    sbi_ib_parts parts = {0};
    sb_status    st;
    free(a->prompt);
    a->prompt = NULL;
    sbi_ib_draft_reset(&a->draft);
    if ((st = s->kind->make(&s->words, stream(s, row), row, units, &a->draft)) != SB_OK)
        return st;
    parts.context = sbi_text_str(&a->draft.context);
    parts.input   = sbi_text_str(&a->draft.input);
    st            = sbi_ib_prompt(&s->texts, s->kind->task, &parts, &a->prompt, &a->places);
    if (st != SB_OK)
        return sb_wrap(st, "%s: the question that was made", s->base.task->name);
    a->units      = units;
    a->gen_tokens = gen_tokens(s, units);
    return s->tok->count(s->tok->ctx, a->prompt, (int64_t)strlen(a->prompt), &a->n_tokens);
}

/* ---- the size that fits ---- */

/* What is known: `low` fits, `high` does not (0: nothing known), with their totals. */
typedef struct bracket {
    int64_t low, low_total, high, high_total;
} bracket;

static int64_t next_size(const synth *s, const bracket *b, int try)
{
    int64_t span, step;
    if (b->high == 0) { /* on along the line from nothing to `low` */
        int64_t more = (int64_t)((double)(s->length_tokens - b->low_total) * (double)b->low /
                                 (double)(b->low_total > 0 ? b->low_total : 1));
        return b->low + (more > 1 ? more : 1);
    }
    span = b->high - b->low;
    step = try % 3 == 2 ? span / 2
                        : (int64_t)((double)span * (double)(s->length_tokens - b->low_total) /
                                    (double)(b->high_total - b->low_total));
    step = step < 1 ? 1 : step;
    return b->low + (step > span - 1 ? span - 1 : step);
}

/* The largest size that fits, or one that falls short by less than a 256th. */
static sb_status fit(const synth *s, int64_t row, int64_t guess, attempt *a)
{
    bracket   b     = {0};
    sb_status st    = SB_OK;
    int64_t   units = guess;
    for (int try = 0; try < TRIES_MOST; try++) {
        if ((st = try_units(s, row, units, a)) != SB_OK)
            return st;
        if (total(a) <= s->length_tokens) {
            b.low       = units;
            b.low_total = total(a);
            if (s->length_tokens - b.low_total <= s->length_tokens / SLACK)
                return SB_OK;
        } else {
            b.high       = units;
            b.high_total = total(a);
        }
        if (b.low == 0 && units == s->kind->least)
            return sb_fail(SB_ERR_NO_FIT,
                           "%s: length %" PRId64 " is too short: the shortest row has %" PRId64
                           " tokens of prompt and %" PRId64 " to generate",
                           s->base.task->name, s->length_tokens, a->n_tokens, a->gen_tokens);
        if (b.low == 0) { /* the guess was too large: down to the least, then up again */
            units = s->kind->least;
            continue;
        }
        if (b.high != 0 && b.high - b.low <= 1)
            break;
        units = next_size(s, &b, try);
    }
    return a->units == b.low ? SB_OK : try_units(s, row, b.low, a);
}

/* ---- the record ---- */

static sb_status open_texts(const sb_text_req *req, synth *s)
{
    const char *path = sbi_req_path(req, "templates");
    sbi_sha256  h;
    sb_status   st = sbi_ib_texts_open(path, s->kind->task, &s->texts);
    if (st != SB_OK)
        return st;
    if (json_object_get(s->texts.root, "generated") != NULL) {
        st =
            sbi_ib_words_find(s->texts.root, path != NULL ? path : "the built-in texts", &s->words);
    } else {
        st = sbi_ib_texts_open(NULL, s->kind->task, &s->own);
        if (st == SB_OK)
            st = sbi_ib_words_find(s->own.root, "the built-in texts", &s->words);
    }
    if (st != SB_OK)
        return st;
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, s->texts.sha256, 64);
    for (size_t at = 0; at < sizeof s->words; at += sizeof(const char *)) {
        const char *word;
        memcpy(&word, (const char *)&s->words + at, sizeof word);
        sbi_sha256_put(&h, word, strlen(word) + 1);
    }
    return sbi_sha256_hex(&h, s->sha256);
}

static sb_status first_fit(synth *s)
{
    attempt   a  = {0};
    sb_status st = fit(s, 0, s->kind->least, &a);
    if (st == SB_OK)
        s->guess_units = a.units;
    attempt_fini(&a);
    return st;
}

static sb_status open_synth(const sb_text_req *req, sb_text_set **out)
{
    const sb_infinitebench_synth_params *p = req->params;
    synth                               *s;
    sb_status                            st;
    if (req->tok == NULL)
        return sb_fail(
            SB_ERR_USAGE,
            "infinitebench_synth makes rows of a number of tokens: it needs a tokenizer");
    s = calloc(1, sizeof *s);
    if (s == NULL)
        return sb_fail(SB_ERR_NOMEM, "infinitebench_synth: no memory");
    *s = (synth){.base            = {req->suite, req->task},
                 .kind            = &sbi_ib_kinds[req->task - tasks],
                 .tok             = req->tok,
                 .length_tokens   = req->length_tokens,
                 .calc_gen_tokens = p->calc_gen_tokens,
                 .seed            = req->seed};
    if ((st = open_texts(req, s)) != SB_OK || (st = first_fit(s)) != SB_OK) {
        close_synth(&s->base);
        return st;
    }
    *out = &s->base;
    return SB_OK;
}

static sb_status take_refs(const sbi_ib_draft *d, sb_text_row *r)
{
    const char *ref = sbi_text_str(&d->refs);
    if ((r->refs = calloc((size_t)d->n_refs, sizeof *r->refs)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "infinitebench_synth: no memory");
    for (; r->n_refs < d->n_refs; r->n_refs++, ref += strlen(ref) + 1)
        if ((r->refs[r->n_refs] = strdup(ref)) == NULL)
            return sb_fail(SB_ERR_NOMEM, "infinitebench_synth: no memory");
    return SB_OK;
}

static int by_place(const void *a, const void *b)
{
    const sb_text_span *x = a, *y = b;
    return (x->byte_begin > y->byte_begin) - (x->byte_begin < y->byte_begin);
}

static sb_status take_spans(const attempt *a, sb_text_row *r)
{
    const sbi_ib_draft *d = &a->draft;
    r->spans              = calloc((size_t)d->n_needles + 1, sizeof *r->spans);
    if (r->spans == NULL)
        return sb_fail(SB_ERR_NOMEM, "infinitebench_synth: no memory");
    for (int i = 0; i < d->n_needles; i++)
        r->spans[r->n_spans++] = (sb_text_span){a->places.context + d->needle[i].begin,
                                                a->places.context + d->needle[i].end, "needle", 0};
    if (a->places.question >= 0)
        r->spans[r->n_spans++] = (sb_text_span){
            a->places.question, a->places.question + a->places.question_bytes, "query", -1};
    qsort(r->spans, (size_t)r->n_spans, sizeof *r->spans, by_place);
    return SB_OK;
}

static sb_status take_meta(const attempt *a, sb_text_row *r)
{
    const sbi_ib_draft *d = &a->draft;
    json_t *meta = json_pack("{s:I}", "units", (json_int_t)(d->units > 0 ? d->units : a->units));
    int     bad  = meta == NULL;
    if (!bad && d->depth >= 0)
        bad = json_object_set_new(meta, "depth", json_real(d->depth)) != 0;
    if (!bad && d->layers > 0)
        bad = json_object_set_new(meta, "layers", json_integer(d->layers)) != 0;
    if (!bad && d->target != NULL)
        bad = json_object_set_new(meta, "target", json_string(d->target)) != 0;
    r->meta = bad ? NULL : sbi_row_dump(meta, 6);
    json_decref(meta);
    return r->meta != NULL ? SB_OK : sb_fail(SB_ERR_NOMEM, "infinitebench_synth: no memory");
}

static sb_status row_synth(sb_text_set *set, int64_t row, sb_text_row *out)
{
    const synth *s = (const synth *)set;
    attempt      a = {0};
    sb_text_row  r = {.row = row, .scorer = set->task->scorer, .chat = s->texts.chat};
    sb_status    st;
    if (row < 0)
        return sb_fail(SB_ERR_USAGE, "infinitebench_synth: row %" PRId64, row);
    if ((st = fit(s, row, s->guess_units, &a)) == SB_OK &&
        (st = take_refs(&a.draft, &r)) == SB_OK && (st = take_spans(&a, &r)) == SB_OK &&
        (st = take_meta(&a, &r)) == SB_OK) {
        r.id           = strdup("");
        r.gen_tokens   = a.gen_tokens;
        r.n_tokens     = a.n_tokens;
        r.prompt       = a.prompt;
        a.prompt       = NULL;
        r.prompt_bytes = r.input_bytes = (int64_t)strlen(r.prompt);
        st                             = r.id != NULL ? sb_text_row_seal(&r)
                                                      : sb_fail(SB_ERR_NOMEM, "infinitebench_synth: no memory");
    }
    attempt_fini(&a);
    if (st != SB_OK) {
        sb_text_row_fini(&r);
        return st;
    }
    *out = r;
    return SB_OK;
}

static json_t *facts(const sb_text_set *set)
{
    const synth *s = (const synth *)set;
    return json_pack("{s:s, s:s, s:s, s:s}", "generator", set->suite->version, "templates_sha256",
                     s->sha256, "tokenizer", s->tok->name, "tokenizer_sha256", s->tok->sha256);
}

const sb_text_suite sb_infinitebench_synth_suite = {
    .name         = "infinitebench_synth",
    .summary      = "rows of InfiniteBench's kinds, generated to a length: never the original's",
    .version      = SB_INFINITEBENCH_SYNTH_VERSION,
    .tasks        = tasks,
    .params       = params,
    .params_bytes = sizeof(sb_infinitebench_synth_params),
    .keys         = keys,
    .to_length    = 1,
    .decimals     = 2,
    .open         = open_synth,
    .close        = close_synth,
    .n_rows       = endless,
    .row          = row_synth,
    .facts        = facts,
};
