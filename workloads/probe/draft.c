/* From a request to a sealed input; what differs between tasks is the build function. */
#include "workloads/probe/draft.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "workloads/probe/filler.h"
#include "workloads/probe/vocab.h"

#define ASK_GAP_TOKENS 8 /* filler between the aliases and the suffix */
#define MAX_LENGTH_TOKENS (INT64_C(1) << 28)
#define FILLER_STREAM                                                                              \
    UINT64_C(0x66696c6c6572) /* "filler": so that items do not depend on the corpus */
#define TOKEN_TEXT_BYTES 32

sb_status sb_draft_too_small(const sb_draft *d, int64_t need_context_tokens)
{
    return sb_fail(SB_ERR_USAGE, "context too small: needs %" PRId64 ", has %" PRId64 " tokens",
                   need_context_tokens + SB_PROBE_QUESTION_TOKENS, d->n_tokens);
}

void sb_draft_alias(sb_draft *d, int32_t id)
{
    assert(d->n_alias < SB_DRAFT_ALIASES);
    d->alias[d->n_alias++] = id;
}

void sb_draft_suffix(sb_draft *d, int32_t id)
{
    assert(d->n_suffix < SB_DRAFT_SUFFIX);
    d->suffix[d->n_suffix++] = id;
}

void sb_draft_span(sb_draft *d, sb_span_kind kind, int64_t begin, int64_t tokens, int32_t ref)
{
    assert(d->n_span < SB_DRAFT_SPANS);
    d->span[d->n_span++] = (sb_span){.tok_begin = begin,
                                     .tok_end   = begin + tokens,
                                     .depth     = (double)begin / (double)d->n_context,
                                     .kind      = kind,
                                     .ref       = ref};
}

void sb_draft_ref(sb_draft *d, const int32_t *ids, int32_t n)
{
    assert(d->n_ref < SB_DRAFT_REFS && n <= SB_DRAFT_REF_TOKENS);
    memcpy(d->ref[d->n_ref], ids, (size_t)n * sizeof *ids);
    d->ref_tokens[d->n_ref++] = n;
}

static void add_op(sb_draft *d, sb_script_kind kind, int32_t a, int32_t b, int32_t c)
{
    assert(d->n_op < SB_DRAFT_OPS);
    d->op[d->n_op++] = (sb_script_op){kind, a, b, c};
}

int32_t sb_draft_emit(sb_draft *d, int32_t class_first, int32_t class_count, int32_t group)
{
    add_op(d, SB_SCRIPT_EMIT, class_first, class_first + class_count, group);
    return d->n_emit++;
}

void sb_draft_feed(sb_draft *d, int32_t id) { add_op(d, SB_SCRIPT_FEED, id, 0, 0); }

void sb_draft_feed_emit(sb_draft *d, int32_t emit) { add_op(d, SB_SCRIPT_FEED_EMIT, emit, 0, 0); }

void sb_draft_mark(sb_draft *d) { add_op(d, SB_SCRIPT_MARK, 0, 0, 0); }

void sb_draft_rollback(sb_draft *d) { add_op(d, SB_SCRIPT_ROLLBACK, 0, 0, 0); }

/* filler, ASK, aliases, 8 filler, suffix: always 64 tokens, the last one a suffix token where there
 * is one. */
static void lay_question(sb_draft *d)
{
    int32_t *block = d->ids + d->n_context;
    int32_t  ask   = SB_PROBE_QUESTION_TOKENS - d->n_suffix - ASK_GAP_TOKENS - d->n_alias - 1;
    for (int32_t i = 0; i < SB_PROBE_QUESTION_TOKENS; i++)
        block[i] = SB_PROBE_BLANK;
    block[ask] = SB_TOK_ASK;
    memcpy(block + ask + 1, d->alias, (size_t)d->n_alias * sizeof *block);
    memcpy(block + SB_PROBE_QUESTION_TOKENS - d->n_suffix, d->suffix,
           (size_t)d->n_suffix * sizeof *block);
    sb_draft_span(d, SB_SPAN_QUERY, d->n_context, SB_PROBE_QUESTION_TOKENS, -1);
}

static sb_status copy_out(const void *from, int32_t count, size_t elem_bytes, void *to)
{
    size_t bytes = (size_t)count * elem_bytes;
    void  *p     = malloc(bytes);
    if (p == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %zu bytes of an input", bytes);
    memcpy(p, from, bytes);
    memcpy(to, &p, sizeof p);
    return SB_OK;
}

static char *ref_text(const sb_task *t, const int32_t *ids, int32_t n)
{
    size_t len  = 0;
    char  *text = malloc((size_t)n * TOKEN_TEXT_BYTES);
    for (int32_t i = 0; text != NULL && i < n; i++) {
        if (i > 0)
            text[len++] = ' ';
        t->token_text(ids[i], text + len, TOKEN_TEXT_BYTES - 1);
        len += strlen(text + len);
    }
    return text;
}

/* Copy the draft's lists into the input, which already owns the ids. */
static sb_status finish(const sb_task *t, const sb_draft *d, sb_input *in)
{
    sb_status st = copy_out(d->span, d->n_span, sizeof d->span[0], &in->spans);
    if (st == SB_OK)
        st = copy_out(d->op, d->n_op, sizeof d->op[0], &in->script);
    if (st != SB_OK)
        return st;
    in->n_tokens  = d->n_tokens;
    in->n_context = d->n_context;
    in->n_spans   = d->n_span;
    in->n_script  = d->n_op;
    in->profile   = d->profile;
    in->hops      = d->profile == SB_PROFILE_VT ? (int32_t)d->params->hops : 0;
    in->refs      = calloc((size_t)d->n_ref, sizeof *in->refs);
    if (in->refs == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %d references", (int)d->n_ref);
    in->n_refs = d->n_ref;
    for (int32_t i = 0; i < d->n_ref; i++)
        if ((in->refs[i] = ref_text(t, d->ref[i], d->ref_tokens[i])) == NULL)
            return sb_fail(SB_ERR_NOMEM, "no memory for reference %d", (int)i);
    return sb_input_seal(in);
}

/* One number a row: from the set's seed, the task, the length and the row only, so any row can be
 * made alone [workloads 5 (i)]. */
static uint64_t row_seed(const sb_task *t, const sb_gen_req *req)
{
    uint64_t s = sb_mix(req->seed);
    s          = sb_mix(s ^ XXH3_64bits(t->suite, strlen(t->suite)));
    s          = sb_mix(s ^ XXH3_64bits(t->name, strlen(t->name)));
    s          = sb_mix(s ^ (uint64_t)req->length_tokens);
    return sb_mix(s ^ (uint64_t)req->row);
}

/* Through the parameter table these hold; a caller that fills the struct by hand must not overrun a
 * draft. */
static sb_status check_request(const sb_gen_req *req)
{
    const sb_probe_task_params *p = req->params;
    if (req->row < 0)
        return sb_fail(SB_ERR_USAGE, "row %" PRId64 "; allowed: >= 0", req->row);
    if (req->length_tokens < 1 || req->length_tokens > MAX_LENGTH_TOKENS)
        return sb_fail(SB_ERR_USAGE, "length %" PRId64 " tokens; allowed: 1 to %" PRId64,
                       req->length_tokens, MAX_LENGTH_TOKENS);
    if (p == NULL || req->corpus == NULL)
        return sb_fail(SB_ERR_INTERNAL, "a request needs parameters and a corpus");
    if (p->distractors < 0 || p->distractors > SB_PROBE_MAX_DISTRACTORS || p->hops < 1 ||
        p->hops > SB_PROBE_MAX_HOPS || !(p->cwe_ratio > 1.0) || p->burst_tokens < 1)
        return sb_fail(SB_ERR_USAGE,
                       "distractors %" PRId64 ", hops %" PRId64
                       ", cwe_ratio %g, burst_tokens %" PRId64
                       "; allowed: [0,%d], [1,%d], > 1, >= 1",
                       p->distractors, p->hops, p->cwe_ratio, p->burst_tokens,
                       SB_PROBE_MAX_DISTRACTORS, SB_PROBE_MAX_HOPS);
    return SB_OK;
}

static sb_status generate(const sb_task *t, const sb_gen_req *req, sb_draft_build build,
                          sb_input *in)
{
    uint64_t  seed = row_seed(t, req);
    sb_draft  d    = {.params    = req->params,
                      .rng       = {seed},
                      .n_tokens  = req->length_tokens,
                      .n_context = req->length_tokens - SB_PROBE_QUESTION_TOKENS};
    sb_status st;
    if (d.n_context < 1)
        return sb_draft_too_small(&d, t->min_length(req->params) - SB_PROBE_QUESTION_TOKENS);
    d.ids = malloc((size_t)d.n_tokens * sizeof *d.ids);
    if (d.ids == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %" PRId64 " tokens", d.n_tokens);
    in->ids = d.ids;
    in->row = req->row;
    st      = build(&d);
    if (st != SB_OK)
        return st;
    lay_question(&d);
    st = sb_probe_fill(d.ids, d.n_tokens, req->corpus, sb_mix(seed ^ FILLER_STREAM));
    return st == SB_OK ? finish(t, &d, in) : st;
}

sb_status sb_probe_generate(const sb_task *t, const sb_gen_req *req, sb_draft_build build,
                            sb_input *out)
{
    sb_input  in = {0};
    sb_status st = check_request(req);
    if (st == SB_OK)
        st = generate(t, req, build, &in);
    if (st != SB_OK) {
        sb_input_fini(&in);
        return sb_wrap(st, "%s/%s", t->suite, t->name);
    }
    *out = in;
    return SB_OK;
}
