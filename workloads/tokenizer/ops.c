#include "workloads/tokenizer/ops.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/tokenizer/ctx.h"

static sb_status count(sb_tok_ctx *c, const char *text, int64_t n_bytes, sb_tok_specials specials,
                       int64_t *n_tokens)
{
    return sb_tok_count(c, text, (size_t)n_bytes, specials, n_tokens);
}

static sb_status count_literal(void *ctx, const char *text, int64_t n_bytes, int64_t *n_tokens)
{
    return count(ctx, text, n_bytes, SB_TOK_SPECIALS_LITERAL, n_tokens);
}

static sb_status count_parse(void *ctx, const char *text, int64_t n_bytes, int64_t *n_tokens)
{
    return count(ctx, text, n_bytes, SB_TOK_SPECIALS_PARSE, n_tokens);
}

/* a + b, malloc'd; b is added to a, which the caller no longer owns. */
static sb_status join(char *a, size_t a_bytes, const char *b, size_t b_bytes, char **out)
{
    char *both = realloc(a, a_bytes + b_bytes + 1);
    if (both == NULL) {
        free(a);
        return sb_fail(SB_ERR_NOMEM, "no memory for %zu bytes of text", a_bytes + b_bytes);
    }
    memcpy(both + a_bytes, b, b_bytes + 1);
    *out = both;
    return SB_OK;
}

/* The text's ids, of which the first `head` and the last `tail` are wanted. */
static sb_status encode(sb_tok_ctx *c, const char *text, int64_t n_bytes, sb_tok_specials specials,
                        int64_t head, int64_t tail, sb_tok_ids *v)
{
    sb_status st = sb_tok_encode(c, text, (size_t)n_bytes, specials, SB_TOK_BOS_NONE, v);
    if (st == SB_OK && (head < 0 || tail < 0 || head > v->n || tail > v->n - head))
        st = sb_fail(SB_ERR_USAGE,
                     "the first %" PRId64 " and the last %" PRId64 " of %" PRId64
                     " tokens: these are more, or below 0",
                     head, tail, v->n);
    return st;
}

static sb_status ends(sb_tok_ctx *c, const char *text, int64_t n_bytes, sb_tok_specials specials,
                      int64_t head, int64_t tail, char **out, int64_t *out_bytes)
{
    sb_tok_ids v = {0};
    char      *a = NULL, *b = NULL, *both = NULL;
    size_t     a_bytes = 0, b_bytes = 0;
    sb_status  st = encode(c, text, n_bytes, specials, head, tail, &v);
    if (st == SB_OK &&
        (st = sb_tok_decode(c->t, v.ids, head, SB_TOK_SHOW_TEXT, &a, &a_bytes)) == SB_OK)
        st = sb_tok_decode(c->t, tail > 0 ? v.ids + (v.n - tail) : NULL, tail, SB_TOK_SHOW_TEXT, &b,
                           &b_bytes);
    if (st == SB_OK) {
        st = join(a, a_bytes, b, b_bytes, &both);
        a  = NULL;
    }
    free(a);
    free(b);
    sb_tok_ids_fini(&v);
    if (st != SB_OK)
        return st;
    *out       = both;
    *out_bytes = (int64_t)(a_bytes + b_bytes);
    return SB_OK;
}

static sb_status joined(sb_tok_ctx *c, const char *text, int64_t n_bytes, sb_tok_specials specials,
                        int64_t head, int64_t tail, char **out, int64_t *out_bytes)
{
    sb_tok_ids v     = {0};
    size_t     bytes = 0;
    sb_status  st    = encode(c, text, n_bytes, specials, head, tail, &v);
    if (st == SB_OK) {
        if (tail > 0)
            memmove(v.ids + head, v.ids + (v.n - tail), (size_t)tail * sizeof *v.ids);
        st = sb_tok_decode(c->t, v.ids, head + tail, SB_TOK_SHOW_TEXT, out, &bytes);
    }
    sb_tok_ids_fini(&v);
    if (st == SB_OK)
        *out_bytes = (int64_t)bytes;
    return st;
}

static sb_status joined_literal(void *ctx, const char *text, int64_t n_bytes, int64_t head,
                                int64_t tail, char **out, int64_t *out_bytes)
{
    return joined(ctx, text, n_bytes, SB_TOK_SPECIALS_LITERAL, head, tail, out, out_bytes);
}

static sb_status joined_parse(void *ctx, const char *text, int64_t n_bytes, int64_t head,
                              int64_t tail, char **out, int64_t *out_bytes)
{
    return joined(ctx, text, n_bytes, SB_TOK_SPECIALS_PARSE, head, tail, out, out_bytes);
}

static sb_status ends_literal(void *ctx, const char *text, int64_t n_bytes, int64_t head,
                              int64_t tail, char **out, int64_t *out_bytes)
{
    return ends(ctx, text, n_bytes, SB_TOK_SPECIALS_LITERAL, head, tail, out, out_bytes);
}

static sb_status ends_parse(void *ctx, const char *text, int64_t n_bytes, int64_t head,
                            int64_t tail, char **out, int64_t *out_bytes)
{
    return ends(ctx, text, n_bytes, SB_TOK_SPECIALS_PARSE, head, tail, out, out_bytes);
}

static sb_status ids_of(sb_tok_ctx *c, const char *text, int64_t n_bytes, sb_tok_specials specials,
                        int32_t **ids, int64_t *n)
{
    sb_tok_ids v  = {0};
    sb_status  st = sb_tok_encode(c, text, (size_t)n_bytes, specials, SB_TOK_BOS_NONE, &v);
    if (st != SB_OK) {
        sb_tok_ids_fini(&v);
        return st;
    }
    *ids = v.ids;
    *n   = v.n;
    return SB_OK;
}

static sb_status encode_literal(void *ctx, const char *text, int64_t n_bytes, int32_t **ids,
                                int64_t *n)
{
    return ids_of(ctx, text, n_bytes, SB_TOK_SPECIALS_LITERAL, ids, n);
}

static sb_status encode_parse(void *ctx, const char *text, int64_t n_bytes, int32_t **ids,
                              int64_t *n)
{
    return ids_of(ctx, text, n_bytes, SB_TOK_SPECIALS_PARSE, ids, n);
}

static sb_status decode(void *ctx, const int32_t *ids, int64_t n, char **out, int64_t *out_bytes)
{
    const sb_tok_ctx *c     = ctx;
    size_t            bytes = 0;
    sb_status         st    = sb_tok_decode(c->t, ids, n, SB_TOK_SHOW_TEXT, out, &bytes);
    if (st == SB_OK)
        *out_bytes = (int64_t)bytes;
    return st;
}

static sb_status count_rest_literal(void *ctx, const char *text, int64_t n_bytes, int64_t *n)
{
    return sb_tok_count_rest(ctx, text, (size_t)n_bytes, SB_TOK_SPECIALS_LITERAL, n);
}

static sb_status count_rest_parse(void *ctx, const char *text, int64_t n_bytes, int64_t *n)
{
    return sb_tok_count_rest(ctx, text, (size_t)n_bytes, SB_TOK_SPECIALS_PARSE, n);
}

static int64_t safe_cut(void *ctx, const char *text, int64_t n_bytes, int64_t limit)
{
    const sb_tok_ctx *c = ctx;
    if (limit <= 0)
        return 0;
    return (int64_t)sb_tok_safe_cut(c->t, text, (size_t)n_bytes, (size_t)limit);
}

void sb_tok_ops_of(sb_tok_ctx *c, sb_tok_specials specials, sb_tok_ops *out)
{
    int parse = specials == SB_TOK_SPECIALS_PARSE;
    *out      = (sb_tok_ops){.name       = sb_tok_splitter(c->t),
                             .sha256     = sb_tok_sha256(c->t),
                             .count      = parse ? count_parse : count_literal,
                             .joined     = parse ? joined_parse : joined_literal,
                             .ends       = parse ? ends_parse : ends_literal,
                             .safe_cut   = safe_cut,
                             .count_rest = c->t->sp.prefix == SBI_SP_PREFIX_NONE ? NULL
                                           : parse                               ? count_rest_parse
                                                   : count_rest_literal,
                             .encode     = parse ? encode_parse : encode_literal,
                             .decode     = decode,
                             .ctx        = c};
}
