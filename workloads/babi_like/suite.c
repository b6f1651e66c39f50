/* A row: the text from a drawn sentence on (round, where it ends), facts at drawn places behind
 * sentences in order of time, a question. A function of (seed, task, length, row), texts, corpus
 * and tokenizer. */
#include "workloads/babi_like/suite.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/babi_like/facts.h"
#include "workloads/base/haystack.h"
#include "workloads/base/pytext.h"
#include "workloads/base/row_fields.h"
#include "workloads/base/sha256.h"
#include "workloads/base/suite_files.h"

enum { TRIES_MOST = 16 };

static const sb_text_task tasks[] = {
    {"person", "where somebody is", "babilong@1", 20},
    {"thing", "where a thing is that somebody carried", "babilong@1", 20},
    {"thing_before", "where a thing was before", "babilong@1", 20},
    {0},
};
static const char *const scorer_tasks[] = {"qa1", "qa2", "qa3"};

static const sb_param params[] = {
    {"facts", "12", "[8,64]", "sentences of facts in a row", SB_I64,
     offsetof(sb_babi_like_params, facts)},
    {0},
};

static const sb_text_key keys[] = {
    {"corpus", "folder of text, its *.txt in order of name; not given: /usr/share/common-licenses"},
    {"templates", "JSON with prompt ({context}, {question}) and chat; not given: our own wording"},
    {0},
};

typedef struct babi_set {
    sb_text_set       base;
    const sb_tok_ops *tok;
    int64_t           length_tokens, facts;
    uint64_t          seed;
    json_t           *texts;
    const char       *prompt;
    int32_t           chat;
    sbi_haystack      hay;
    sbi_ids           period;
    char              texts_sha256[65];
} babi_set;

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "babi_like: no memory"); }

static void close_babi(sb_text_set *set)
{
    babi_set *s = (babi_set *)set;
    if (s == NULL)
        return;
    sbi_haystack_fini(&s->hay);
    free(s->period.v);
    json_decref(s->texts);
    free(s);
}

static int kind_of(const babi_set *s) { return (int)(s->base.task - tasks); }

static sb_rng stream(const babi_set *s, int64_t row)
{
    uint64_t z = sb_mix(s->seed);
    z          = sb_mix(z ^ (uint64_t)kind_of(s));
    z          = sb_mix(z ^ (uint64_t)s->length_tokens);
    return (sb_rng){sb_mix(z ^ (uint64_t)row)};
}

/* ---- a row ---- */

typedef struct draft {
    sbi_facts facts;
    sbi_text  context, prompt;
    int64_t   begin[SBI_FACTS_MOST], end[SBI_FACTS_MOST]; /* of the facts in the context */
    int64_t   at_context, at_question, n_tokens, n_context;
} draft;

static void draft_fini(draft *d)
{
    sbi_text_fini(&d->context);
    sbi_text_fini(&d->prompt);
}

/* n tokens of the text from `from` on, round. */
static sb_status turned(const babi_set *s, int64_t from, int64_t n, int32_t **out)
{
    const sbi_ids *all = &s->hay.ids;
    int32_t       *v   = malloc((size_t)(n + 1) * sizeof *v);
    if (v == NULL)
        return no_memory();
    for (int64_t i = 0; i < n; i++)
        v[i] = all->v[(from + i) % all->n];
    *out = v;
    return SB_OK;
}

static int by_place(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The place moved left to behind a sentence: [.!?] before white space. 0: none ends there. */
static int64_t behind_sentence(const char *text, int64_t at)
{
    while (at > 0 && !(strchr(".!?", text[at - 1]) != NULL && strchr(" \t\r\n", text[at]) != NULL))
        at--;
    return at;
}

static void put_facts(const char *text, int64_t bytes, sb_rng rng, draft *d)
{
    int64_t place[SBI_FACTS_MOST], last = 0;
    sbi_text_reset(&d->context);
    for (int i = 0; i < d->facts.n; i++)
        place[i] = behind_sentence(text, (int64_t)sb_rng_below(&rng, (uint64_t)bytes + 1));
    qsort(place, (size_t)d->facts.n, sizeof *place, by_place);
    for (int i = 0; i < d->facts.n; i++) {
        sbi_text_put(&d->context, text + last, place[i] - last);
        sbi_text_puts(&d->context, place[i] > 0 ? " " : "");
        d->begin[i] = d->context.n;
        sbi_text_puts(&d->context, d->facts.text[i]);
        d->end[i] = d->context.n;
        sbi_text_puts(&d->context, place[i] == 0 ? " " : "");
        last = place[i];
    }
    sbi_text_put(&d->context, text + last, bytes - last);
}

static sb_status put_context(const babi_set *s, sb_rng rng, int64_t n, draft *d)
{
    int32_t  *ids   = NULL;
    char     *text  = NULL;
    int64_t   bytes = 0, from = (int64_t)sb_rng_below(&rng, (uint64_t)s->hay.ids.n);
    sb_status st = turned(s, sbi_haystack_sentence(s->hay.ids.v, from, s->period), n, &ids);
    if (st == SB_OK)
        st = s->tok->decode(s->tok->ctx, ids, n, &text, &bytes);
    if (st == SB_OK) {
        put_facts(text, bytes, rng, d);
        st = sbi_text_status(&d->context);
    }
    free(text);
    free(ids);
    return st;
}

static sb_status put_prompt(const babi_set *s, draft *d)
{
    sbi_field f[] = {{"context", sbi_text_str(&d->context), d->context.n, -1},
                     {"question", d->facts.question, (int64_t)strlen(d->facts.question), -1}};
    sb_status st;
    sbi_text_reset(&d->prompt);
    if ((st = sbi_py_format(&d->prompt, s->prompt, f, 2)) != SB_OK ||
        (st = sbi_text_status(&d->prompt)) != SB_OK)
        return st;
    d->at_context  = f[0].at;
    d->at_question = f[1].at;
    return s->tok->count(s->tok->ctx, d->prompt.p, d->prompt.n, &d->n_tokens);
}

/* The most text that fits: what is too much goes, until it does. */
static sb_status make_draft(const babi_set *s, int64_t row, draft *d)
{
    const int64_t most = s->length_tokens - s->base.task->gen_tokens;
    int64_t       n    = most;
    sb_rng        rng  = stream(s, row);
    sbi_facts_make((sbi_fact_kind)kind_of(s), (int)s->facts, rng, &d->facts);
    rng.state = sb_mix(rng.state);
    for (int try = 0; try < TRIES_MOST && n >= 0; try++) {
        sb_status st;
        if ((st = put_context(s, rng, n, d)) != SB_OK || (st = put_prompt(s, d)) != SB_OK)
            return st;
        d->n_context = n;
        if (d->n_tokens <= most)
            return SB_OK;
        n -= d->n_tokens - most;
    }
    return sb_fail(SB_ERR_NO_FIT,
                   "babi_like: length %" PRId64 " is too short for %" PRId64
                   " facts, the prompt around them and %" PRId64 " tokens to generate",
                   s->length_tokens, s->facts, s->base.task->gen_tokens);
}

static sb_status take_spans(const draft *d, sb_text_row *r)
{
    const sb_text_span query = {d->at_question, d->at_question + (int64_t)strlen(d->facts.question),
                                "query", -1};
    r->spans                 = calloc((size_t)d->facts.n + 1, sizeof *r->spans);
    if (r->spans == NULL)
        return no_memory();
    if (d->at_question < d->at_context)
        r->spans[r->n_spans++] = query;
    for (int i = 0; i < d->facts.n; i++)
        r->spans[r->n_spans++] = (sb_text_span){
            d->at_context + d->begin[i], d->at_context + d->end[i],
            d->facts.supports[i] ? "needle" : "distractor", d->facts.supports[i] ? 0 : -1};
    if (d->at_question >= d->at_context)
        r->spans[r->n_spans++] = query;
    return SB_OK;
}

static sb_status take_meta(const babi_set *s, const draft *d, sb_text_row *r)
{
    json_t *meta = json_pack("{s:I, s:I, s:I}", "length", (json_int_t)s->length_tokens, "facts",
                             (json_int_t)s->facts, "context_tokens", (json_int_t)d->n_context);
    r->meta      = meta != NULL ? sbi_row_dump(meta, 0) : NULL;
    json_decref(meta);
    return r->meta != NULL ? SB_OK : no_memory();
}

static sb_status fill(const babi_set *s, draft *d, sb_text_row *r)
{
    sb_status st;
    r->n_tokens     = d->n_tokens;
    r->prompt_bytes = r->input_bytes = d->prompt.n;
    r->prompt                        = sbi_text_take(&d->prompt);
    r->id                            = strdup("");
    r->question                      = strdup(d->facts.question);
    r->refs                          = calloc(1, sizeof *r->refs);
    if (r->prompt == NULL || r->id == NULL || r->question == NULL || r->refs == NULL ||
        (r->refs[0] = strdup(d->facts.answer)) == NULL)
        return no_memory();
    r->n_refs = 1;
    if ((st = take_spans(d, r)) != SB_OK || (st = take_meta(s, d, r)) != SB_OK)
        return st;
    return sb_text_row_seal(r);
}

static sb_status row_babi(sb_text_set *set, int64_t row, sb_text_row *out)
{
    const babi_set *s = (const babi_set *)set;
    draft          *d;
    sb_text_row     r = {.row         = row,
                         .scorer      = set->task->scorer,
                         .scorer_task = scorer_tasks[kind_of(s)],
                         .gen_tokens  = set->task->gen_tokens,
                         .chat        = s->chat};
    sb_status       st;
    if (row < 0)
        return sb_fail(SB_ERR_USAGE, "babi_like: row %" PRId64, row);
    if ((d = calloc(1, sizeof *d)) == NULL)
        return no_memory();
    if ((st = make_draft(s, row, d)) == SB_OK)
        st = fill(s, d, &r);
    draft_fini(d);
    free(d);
    if (st != SB_OK) {
        sb_text_row_fini(&r);
        return st;
    }
    *out = r;
    return SB_OK;
}

/* ---- the record ---- */

static sb_status open_texts(const sb_text_req *req, babi_set *s)
{
    static const char *const both[] = {"context", "question", NULL}, *const none[] = {NULL};
    const sbi_built_in own  = {"the built-in babi_like.json", sbi_babi_like_texts,
                               sbi_babi_like_texts_bytes};
    const char        *path = sbi_req_path(req, "templates");
    const json_t      *chat;
    sbi_sha256         h;
    sb_status          st = sbi_texts_open(path, &own, &s->texts);
    if (st != SB_OK)
        return st;
    path = path != NULL ? path : own.name;
    if ((st = sbi_texts_find(s->texts, path, "prompt", both, none, &s->prompt)) != SB_OK)
        return st;
    chat = json_object_get(s->texts, "chat");
    if (chat != NULL && !json_is_boolean(chat))
        return sb_fail(SB_ERR_USAGE, "%s: chat: %s, not true or false", path, sbi_row_kind(chat));
    s->chat = chat == NULL || json_is_true(chat);
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, s->prompt, strlen(s->prompt) + 1);
    sbi_sha256_put_i64(&h, s->chat);
    return sbi_sha256_hex(&h, s->texts_sha256);
}

static sb_status open_babi(const sb_text_req *req, sb_text_set **out)
{
    babi_set *s;
    draft    *d;
    sb_status st;
    if (req->tok == NULL || req->length_tokens <= req->task->gen_tokens)
        return sb_fail(SB_ERR_USAGE,
                       "babi_like makes rows of a number of tokens: it needs a tokenizer and a "
                       "length above %" PRId64,
                       req->task->gen_tokens);
    if (req->tok->encode == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "babi_like puts facts between tokens: the counter `%s` has none to show; a "
                       "model's tokenizer and `characters` do",
                       req->tok->name);
    if ((s = calloc(1, sizeof *s)) == NULL)
        return no_memory();
    *s = (babi_set){.base          = {req->suite, req->task},
                    .tok           = req->tok,
                    .length_tokens = req->length_tokens,
                    .facts         = ((const sb_babi_like_params *)req->params)->facts,
                    .seed          = req->seed};
    if ((d = calloc(1, sizeof *d)) == NULL)
        st = no_memory();
    else if ((st = open_texts(req, s)) == SB_OK &&
             (st = s->tok->encode(s->tok->ctx, ".", 1, &s->period.v, &s->period.n)) == SB_OK &&
             (st = sbi_haystack_open(sbi_req_path(req, "corpus"), req->length_tokens, s->tok,
                                     &s->hay)) == SB_OK)
        st = make_draft(s, 0, d); /* does a row fit? */
    if (d != NULL)
        draft_fini(d);
    free(d);
    if (st != SB_OK) {
        close_babi(&s->base);
        return st;
    }
    *out = &s->base;
    return SB_OK;
}

static int64_t endless(const sb_text_set *set)
{
    (void)set;
    return -1;
}

static json_t *facts(const sb_text_set *set)
{
    const babi_set *s = (const babi_set *)set;
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "generator", set->suite->version,
                     "templates_sha256", s->texts_sha256, "corpus_sha256", s->hay.sha256,
                     "tokenizer", s->tok->name, "tokenizer_sha256", s->tok->sha256);
}

const sb_text_suite sb_babi_like_suite = {
    .name         = "babi_like",
    .summary      = "facts about people and things in real text, to a length; never BABILong's",
    .version      = SB_BABI_LIKE_VERSION,
    .tasks        = tasks,
    .params       = params,
    .params_bytes = sizeof(sb_babi_like_params),
    .keys         = keys,
    .to_length    = 1,
    .decimals     = 2,
    .open         = open_babi,
    .close        = close_babi,
    .n_rows       = endless,
    .row          = row_babi,
    .facts        = facts,
};
