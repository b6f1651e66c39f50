/* SentencePiece: blanks, and pieces.
 *
 * Nothing splits the text before merging, so in principle a document is one piece. But a merge
 * never joins two characters that stand side by side in no token. Hence, where no token has a blank
 * behind x (x no blank), no symbol ever spans the place between x and a blank: the text falls in
 * two there. Merges of one side change neither the neighbours nor the order of those of the other,
 * and ties go to the leftmost place, which is decided within a side; so the ids of the sides joined
 * are the ids of the whole. Pieces begin at such places, and sb_tok_safe_cut takes those where x is
 * a letter or number. The one thing a right side must not do is begin like a text:
 * sb_tok_encode_rest puts no blank in front. */
#include "workloads/tokenizer/sp.h"

#include <string.h>

static int is_mark(const unsigned char *s, size_t n)
{
    return n >= 3 && s[0] == 0xE2 && s[1] == 0x96 && s[2] == 0x81; /* U+2581 */
}

static int puts_blank(const sb_tok_ctx *c, const unsigned char *s, size_t n, int first)
{
    int begins = first && !c->is_rest;
    switch (c->t->sp.prefix) {
    case SBI_SP_PREFIX_SECTION:
        return !(first && c->is_rest);
    case SBI_SP_PREFIX_MISSING:
        return s[0] != ' ' && !is_mark(s, n) && !(first && c->is_rest);
    case SBI_SP_PREFIX_FIRST:
        return begins && s[0] != ' ' && !is_mark(s, n);
    default:
        return 0;
    }
}

/* The first U+2581 from `at` on; n: none. */
static size_t next_mark(const unsigned char *s, size_t n, size_t at)
{
    while (at < n) {
        const unsigned char *p = memchr(s + at, 0xE2, n - at);
        if (p == NULL)
            return n;
        at = (size_t)(p - s);
        if (is_mark(p, n - at))
            return at;
        at++;
    }
    return n;
}

sb_status sbi_sp_blanks(sb_tok_ctx *c, const unsigned char *s, size_t n, int first,
                        const unsigned char **out, size_t *out_bytes)
{
    int       prefix = puts_blank(c, s, n, first);
    size_t    at = 0, mark = next_mark(s, n, 0);
    sb_status st = SB_OK;
    c->source    = (sbi_sp_source_at){s, n, 0, prefix ? 1 : 0};
    *out         = s;
    *out_bytes   = n;
    if (!prefix && mark == n)
        return SB_OK;
    c->blanks.n = 0;
    if ((st = sbi_bytes_reserve(&c->blanks, n + 1)) != SB_OK)
        return st;
    if (prefix)
        st = sbi_bytes_put(&c->blanks, " ", 1);
    for (; st == SB_OK; at = mark + 3, mark = next_mark(s, n, at)) {
        st = sbi_bytes_put(&c->blanks, s + at, mark - at);
        if (mark == n)
            break;
        if (st == SB_OK)
            st = sbi_bytes_put(&c->blanks, " ", 1);
    }
    *out       = c->blanks.data;
    *out_bytes = c->blanks.n;
    return st;
}

size_t sbi_sp_source(sb_tok_ctx *c, size_t at)
{
    sbi_sp_source_at *w = &c->source;
    for (; w->to < at; w->to++)
        w->from += is_mark(w->s + w->from, w->n - w->from) ? 3 : 1;
    return w->from;
}

static size_t piece_end(const sb_tok *t, const unsigned char *s, size_t n, size_t at)
{
    for (size_t i = at + 1; i < n; i++) {
        const unsigned char *p = memchr(s + i, ' ', n - i);
        if (p == NULL)
            return n;
        i = (size_t)(p - s);
        if (t->sp.words || (p[-1] != ' ' && !t->sp.holds[p[-1] < 128 ? p[-1] : 128]))
            return i;
    }
    return n;
}

sb_status sbi_sp_encode(sb_tok_ctx *c, const unsigned char *s, size_t n)
{
    sb_status st    = SB_OK;
    int32_t   whole = c->t->sp.whole ? sbi_tok_find_bytes(c->t, s, n) : -1;
    if (whole >= 0)
        return sbi_emit(c, &whole, 1);
    for (size_t at = 0, end; at < n && st == SB_OK; at = end) {
        end = piece_end(c->t, s, n, at);
        st  = sbi_piece_encode(c, s + at, end - at);
    }
    return st;
}

/* The token of the character at s, -1: none. */
static int32_t token_of(const sb_tok *t, const unsigned char *s, size_t n, size_t *bytes)
{
    *bytes = 1;
    if (s[0] < 0x80)
        return t->byte_id[s[0]];
    (void)sbi_utf8_next(s, n, bytes);
    return sbi_tok_find_bytes(t, s, *bytes);
}

int32_t sbi_sp_symbol(const sb_tok *t, const unsigned char *s, size_t n, size_t *at)
{
    while (*at < n) {
        size_t  bytes;
        int32_t id = -1;
        if ((s[*at] & 0xC0) == 0x80) /* on in a character without a token */
            return t->sp.fallback[s[(*at)++]];
        id = token_of(t, s + *at, n - *at, &bytes);
        if (id < 0 && t->sp.by_bytes)
            return t->sp.fallback[s[(*at)++]];
        *at += bytes;
        if (id >= 0)
            return id;
        if (t->unk < 0)
            continue;
        while (t->fuse_unk && *at < n && token_of(t, s + *at, n - *at, &bytes) < 0)
            *at += bytes;
        return t->unk;
    }
    return -1;
}
