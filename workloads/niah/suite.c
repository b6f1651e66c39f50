#include "workloads/niah/suite.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"
#include "workloads/base/row_fields.h"
#include "workloads/base/sha256.h"
#include "workloads/base/suite_files.h"
#include "workloads/niah/insert.h"

static const sb_text_task tasks[] = {
    {"needle", "a sentence at a depth of a long text", "key_phrase@1", 100},
    {0},
};

#define P(field) offsetof(sb_niah_params, field)
static const sb_param params[] = {
    {"depths", "35", "[1,100000]", "rows a text: depths spread from 0 to 100 per cent", SB_I64,
     P(depths)},
    {"texts", "1", "[1,1000]", "haystacks: text j begins after j/texts of the corpus", SB_I64,
     P(texts)},
    {"interval", "linear", "linear|sigmoid", "how depths are spread", SB_ENUM, P(interval)},
    {"buffer_tokens", "200", "[0,1000000]",
     "tokens of the length kept for what stands around the text and for the answer", SB_I64,
     P(buffer_tokens)},
    {0},
};
#undef P

static const sb_text_key keys[] = {
    {"corpus", "folder of text, its *.txt in order of name; not given: /usr/share/common-licenses"},
    {"needle", "JSON with needle, question and answer (a phrase, or several of which one counts)"},
    {"templates", "JSON with prompt ({context}, {question}) and chat; not given: our own wording"},
    {0},
};

typedef struct niah_set {
    sb_text_set       base;
    sb_niah_params    params;
    const sb_tok_ops *tok;
    int64_t           length_tokens;
    json_t           *texts, *needle_texts;
    const char       *prompt, *needle, *question;
    const json_t     *answer; /* of needle_texts */
    int32_t           chat;
    sbi_haystack     *hay;       /* texts */
    int64_t          *n_context; /* tokens of each that stay */
    sbi_ids           needle_ids, period;
    char              texts_sha256[65];
} niah_set;

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "niah: no memory"); }

static void close_niah(sb_text_set *set)
{
    niah_set *s = (niah_set *)set;
    if (s == NULL)
        return;
    for (int64_t j = 0; s->hay != NULL && j < s->params.texts; j++)
        sbi_haystack_fini(&s->hay[j]);
    free(s->hay);
    free(s->n_context);
    free(s->needle_ids.v);
    free(s->period.v);
    json_decref(s->texts);
    json_decref(s->needle_texts);
    free(s);
}

/* ---- texts ---- */

static sb_status take_string(const json_t *root, const char *file, const char *key,
                             const char **out)
{
    const json_t *v = json_object_get(root, key);
    if (!json_is_string(v) || json_string_length(v) == 0)
        return sb_fail(SB_ERR_USAGE, "%s: %s: %s, not a text", file, key,
                       json_is_string(v) ? "an empty string" : sbi_row_kind(v));
    *out = json_string_value(v);
    return SB_OK;
}

static sb_status check_answer(const json_t *v, const char *file)
{
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *x = json_is_array(v) ? json_array_get(v, i) : v;
        const char   *s = json_string_value(x);
        if (s == NULL || s[strspn(s, " \t\r\n")] == '\0')
            return sb_fail(SB_ERR_USAGE, "%s: answer: %s, not a phrase or an array of phrases",
                           file, s != NULL ? "white space" : sbi_row_kind(x));
    }
    return n > 0 ? SB_OK : sb_fail(SB_ERR_USAGE, "%s: answer: an empty array, not phrases", file);
}

static const json_t *answer_at(const json_t *v, size_t i)
{
    return json_is_array(v) ? json_array_get(v, i) : v;
}

static sb_status hash_texts(niah_set *s)
{
    size_t     n = json_is_array(s->answer) ? json_array_size(s->answer) : 1;
    sbi_sha256 h;
    sbi_sha256_init(&h);
    sbi_sha256_put(&h, s->prompt, strlen(s->prompt) + 1);
    sbi_sha256_put(&h, s->needle, strlen(s->needle) + 1);
    sbi_sha256_put(&h, s->question, strlen(s->question) + 1);
    for (size_t i = 0; i < n; i++) {
        const char *a = json_string_value(answer_at(s->answer, i));
        sbi_sha256_put(&h, a, strlen(a) + 1);
    }
    sbi_sha256_put_i64(&h, s->chat);
    return sbi_sha256_hex(&h, s->texts_sha256);
}

static sb_status open_texts(const sb_text_req *req, niah_set *s)
{
    static const char *const both[] = {"context", "question", NULL}, *const none[] = {NULL};
    const sbi_built_in own = {"the built-in niah.json", sbi_niah_texts, sbi_niah_texts_bytes};
    const char   *words = sbi_req_path(req, "templates"), *needle = sbi_req_path(req, "needle");
    const json_t *chat;
    sb_status     st;
    if ((st = sbi_texts_open(words, &own, &s->texts)) != SB_OK ||
        (st = sbi_texts_open(needle, &own, &s->needle_texts)) != SB_OK)
        return st;
    words  = words != NULL ? words : own.name;
    needle = needle != NULL ? needle : own.name;
    chat   = json_object_get(s->texts, "chat");
    if (chat != NULL && !json_is_boolean(chat))
        return sb_fail(SB_ERR_USAGE, "%s: chat: %s, not true or false", words, sbi_row_kind(chat));
    s->chat   = chat == NULL || json_is_true(chat);
    s->answer = json_object_get(s->needle_texts, "answer");
    if ((st = sbi_texts_find(s->texts, words, "prompt", both, none, &s->prompt)) != SB_OK ||
        (st = take_string(s->needle_texts, needle, "needle", &s->needle)) != SB_OK ||
        (st = take_string(s->needle_texts, needle, "question", &s->question)) != SB_OK ||
        (st = check_answer(s->answer, needle)) != SB_OK)
        return st;
    return hash_texts(s);
}

/* ---- prompts ---- */

/* *at: where context and question stand. */
static sb_status make_prompt(const niah_set *s, const char *context, int64_t context_bytes,
                             sbi_text *out, int64_t at[2])
{
    sbi_field f[2] = {{"context", context, context_bytes, -1},
                      {"question", s->question, (int64_t)strlen(s->question), -1}};
    sb_status st   = sbi_py_format(out, s->prompt, f, 2);
    if (st == SB_OK)
        st = sbi_text_status(out);
    at[0] = f[0].at;
    at[1] = f[1].at;
    return st;
}

/* What stands around the text and the answer must fit into the buffer. */
static sb_status check_buffer(const niah_set *s, int64_t wrapped_tokens)
{
    sbi_text  t = {0};
    int64_t   at[2], n = 0, gen = s->base.task->gen_tokens;
    sb_status st = make_prompt(s, "", 0, &t, at);
    if (st == SB_OK)
        st = s->tok->count(s->tok->ctx, t.p, t.n, &n);
    n += s->chat ? wrapped_tokens : 0;
    sbi_text_fini(&t);
    if (st == SB_OK && n + gen > s->params.buffer_tokens)
        st = sb_fail(SB_ERR_NO_FIT,
                     "niah: buffer_tokens %" PRId64 ": what stands around the text has %" PRId64
                     " tokens, and %" PRId64 " are generated",
                     s->params.buffer_tokens, n, gen);
    return st;
}

static sb_status open_haystack(const sb_text_req *req, niah_set *s)
{
    const sb_tok_ops *tok  = s->tok;
    int64_t           room = s->length_tokens - s->params.buffer_tokens;
    sb_status         st;
    if ((st = tok->encode(tok->ctx, s->needle, (int64_t)strlen(s->needle), &s->needle_ids.v,
                          &s->needle_ids.n)) != SB_OK ||
        (st = tok->encode(tok->ctx, ".", 1, &s->period.v, &s->period.n)) != SB_OK)
        return st;
    if (room < s->needle_ids.n)
        return sb_fail(SB_ERR_NO_FIT,
                       "niah: length %" PRId64 " is too short: %" PRId64
                       " tokens are kept free and the needle has %" PRId64,
                       s->length_tokens, s->params.buffer_tokens, s->needle_ids.n);
    s->n_context = calloc((size_t)s->params.texts, sizeof *s->n_context);
    s->hay       = calloc((size_t)s->params.texts, sizeof *s->hay);
    if (s->hay == NULL || s->n_context == NULL)
        return no_memory();
    st = sbi_haystacks_open(sbi_req_path(req, "corpus"), s->length_tokens, s->params.texts, tok,
                            s->hay);
    for (int64_t j = 0; j < s->params.texts && st == SB_OK; j++)
        st = sbi_niah_keep(s->hay[j].ids.n, s->needle_ids.n, room, &s->n_context[j]);
    return st;
}

static sb_status open_niah(const sb_text_req *req, sb_text_set **out)
{
    niah_set *s;
    sb_status st;
    if (req->tok == NULL)
        return sb_fail(SB_ERR_USAGE, "niah makes rows of a number of tokens: it needs a tokenizer");
    if (req->tok->encode == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "niah puts its needle between tokens: the counter `%s` has none to show; a "
                       "model's tokenizer and `characters` do",
                       req->tok->name);
    if ((s = calloc(1, sizeof *s)) == NULL)
        return no_memory();
    s->base          = (sb_text_set){req->suite, req->task};
    s->params        = *(const sb_niah_params *)req->params;
    s->tok           = req->tok;
    s->length_tokens = req->length_tokens;
    if ((st = open_texts(req, s)) != SB_OK ||
        (st = check_buffer(s, req->wrapped_tokens)) != SB_OK ||
        (st = open_haystack(req, s)) != SB_OK) {
        close_niah(&s->base);
        return st;
    }
    *out = &s->base;
    return SB_OK;
}

static int64_t rows_niah(const sb_text_set *set)
{
    const niah_set *s = (const niah_set *)set;
    return s->params.depths * s->params.texts;
}

/* ---- a row ---- */

typedef struct context {
    char   *text;
    int64_t bytes, needle_begin, needle_end; /* bytes of text */
    int64_t place;                           /* tokens before the needle */
    int64_t from;                            /* which haystack */
    double  depth;                           /* asked for, per cent */
} context;

static sb_status byte_count(const niah_set *s, const int32_t *ids, int64_t n, int64_t *bytes)
{
    char     *text = NULL;
    sb_status st   = s->tok->decode(s->tok->ctx, ids, n, &text, bytes);
    free(text);
    return st;
}

static sb_status make_context(const niah_set *s, context *c)
{
    const int32_t *hay      = s->hay[c->from].ids.v;
    const int64_t  n_needle = s->needle_ids.n, n = s->n_context[c->from];
    int32_t      *ids = malloc((size_t)(n + n_needle + 1) * sizeof *ids);
    int64_t       at;
    sb_status     st;
    if (ids == NULL)
        return no_memory();
    at = c->place = sbi_niah_place(hay, n, s->period, c->depth);
    if (at > 0)
        memcpy(ids, hay, (size_t)at * sizeof *ids);
    if (n_needle > 0)
        memcpy(ids + at, s->needle_ids.v, (size_t)n_needle * sizeof *ids);
    if (n > at)
        memcpy(ids + at + n_needle, hay + at, (size_t)(n - at) * sizeof *ids);
    if ((st = byte_count(s, ids, at, &c->needle_begin)) == SB_OK &&
        (st = byte_count(s, ids, at + n_needle, &c->needle_end)) == SB_OK)
        st = s->tok->decode(s->tok->ctx, ids, n + n_needle, &c->text, &c->bytes);
    free(ids);
    return st;
}

static sb_status take_answers(const niah_set *s, sb_text_row *r)
{
    size_t n = json_is_array(s->answer) ? json_array_size(s->answer) : 1;
    if ((r->refs = calloc(n, sizeof *r->refs)) == NULL)
        return no_memory();
    for (size_t i = 0; i < n; i++) {
        r->refs[i] = strdup(json_string_value(answer_at(s->answer, i)));
        if (r->refs[i] == NULL)
            return no_memory();
        r->n_refs++;
    }
    return SB_OK;
}

static sb_status take_spans(const niah_set *s, const context *c, const int64_t at[2],
                            sb_text_row *r)
{
    const sb_text_span needle = {at[0] + c->needle_begin, at[0] + c->needle_end, "needle", -1};
    const sb_text_span query  = {at[1], at[1] + (int64_t)strlen(s->question), "query", -1};
    if ((r->spans = calloc(2, sizeof *r->spans)) == NULL)
        return no_memory();
    r->n_spans                 = 2;
    r->spans[at[0] > at[1]]    = needle;
    r->spans[!(at[0] > at[1])] = query;
    return SB_OK;
}

static sb_status take_meta(const niah_set *s, const context *c, sb_text_row *r)
{
    json_t *meta =
        json_pack("{s:f, s:I, s:I, s:I, s:I}", "depth", c->depth, "text", (json_int_t)c->from,
                  "length", (json_int_t)s->length_tokens, "place", (json_int_t)c->place,
                  "context_tokens", (json_int_t)s->n_context[c->from]);
    r->meta = meta != NULL ? sbi_row_dump(meta, 8) : NULL;
    json_decref(meta);
    return r->meta != NULL ? SB_OK : no_memory();
}

static sb_status fill_row(const niah_set *s, const context *c, sb_text_row *r)
{
    sbi_text  t = {0};
    int64_t   at[2];
    sb_status st = make_prompt(s, c->text, c->bytes, &t, at);
    if (st == SB_OK) {
        r->prompt_bytes = r->input_bytes = t.n;
        r->prompt                        = sbi_text_take(&t);
        r->id                            = strdup("");
        if (r->prompt == NULL || r->id == NULL)
            st = no_memory();
    }
    sbi_text_fini(&t);
    if (st != SB_OK || (st = take_answers(s, r)) != SB_OK ||
        (st = take_spans(s, c, at, r)) != SB_OK || (st = take_meta(s, c, r)) != SB_OK ||
        (st = s->tok->count(s->tok->ctx, r->prompt, r->prompt_bytes, &r->n_tokens)) != SB_OK)
        return st;
    return sb_text_row_seal(r);
}

static sb_status row_niah(sb_text_set *set, int64_t row, sb_text_row *out)
{
    const niah_set *s = (const niah_set *)set;
    context         c = {0};
    sb_text_row     r = {.row        = row,
                         .scorer     = set->task->scorer,
                         .gen_tokens = set->task->gen_tokens,
                         .chat       = s->chat};
    sb_status       st;
    if (row < 0 || row >= rows_niah(set))
        return sb_fail(SB_ERR_USAGE,
                       "niah: row %" PRId64 " of %" PRId64 " depths and %" PRId64
                       " texts, counted from 0",
                       row, s->params.depths, s->params.texts);
    c.from = row / s->params.depths;
    c.depth =
        sbi_niah_depth((sbi_depths)s->params.interval, row % s->params.depths, s->params.depths);
    if ((st = make_context(s, &c)) == SB_OK)
        st = fill_row(s, &c, &r);
    free(c.text);
    if (st != SB_OK) {
        sb_text_row_fini(&r);
        return st;
    }
    *out = r;
    return SB_OK;
}

static json_t *facts(const sb_text_set *set)
{
    const niah_set *s = (const niah_set *)set;
    char            files[24], skipped[24], repeats[24];
    (void)snprintf(files, sizeof files, "%" PRId64, s->hay->n_files);
    (void)snprintf(skipped, sizeof skipped, "%" PRId64, s->hay->skipped_files);
    (void)snprintf(repeats, sizeof repeats, "%" PRId64, s->hay->repeats);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "generator", set->suite->version,
                     "templates_sha256", s->texts_sha256, "corpus_sha256", s->hay->sha256,
                     "corpus_files", files, "corpus_skipped_files", skipped, "corpus_repeats",
                     repeats, "tokenizer", s->tok->name, "tokenizer_sha256", s->tok->sha256);
}

const sb_text_suite sb_niah_suite = {
    .name         = "niah",
    .summary      = "a needle in a haystack, after Kamradt: one row a depth and text, to a length",
    .version      = SB_NIAH_VERSION,
    .tasks        = tasks,
    .params       = params,
    .params_bytes = sizeof(sb_niah_params),
    .keys         = keys,
    .to_length    = 1,
    .decimals     = 2,
    .open         = open_niah,
    .close        = close_niah,
    .n_rows       = rows_niah,
    .row          = row_niah,
    .facts        = facts,
};
