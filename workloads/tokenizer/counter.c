/* Safe cuts [5.4], and counting a text that grows by them.
 *
 *   settled, only its count is kept | tail: from the last safe cut on
 */
#include <stdlib.h>
#include <string.h>

#include "workloads/tokenizer/ctx.h"

struct sb_tok_counter {
    sb_tok_ctx     *c;
    sb_tok_specials specials;
    int64_t         settled;
    int             is_rest; /* tail stands behind a safe cut */
    sbi_bytes       tail;
};

static sb_status count_tail(const sb_tok_counter *k, size_t n, int64_t *count)
{
    return (k->is_rest ? sb_tok_count_rest : sb_tok_count)(k->c, k->tail.data, n, k->specials,
                                                           count);
}

/* A blank behind a letter or number: every splitter begins a piece there; for SentencePiece sp.c
 * says why. */

/* The last safe cut in (low, high], 0 when there is none; high < n. */
static size_t cut_between(const sb_tok *t, const unsigned char *s, size_t low, size_t high)
{
    if (t->uncuttable)
        return 0;
    for (size_t at = high; at > low; at--)
        if (s[at] == ' ' && sbi_tok_cuttable(sbi_utf8_before(s, at)))
            return at;
    return 0;
}

size_t sb_tok_safe_cut(const sb_tok *t, const void *bytes, size_t n, size_t limit)
{
    if (n == 0)
        return 0;
    return cut_between(t, bytes, 0, limit < n ? limit : n - 1);
}

sb_status sb_tok_counter_create(sb_tok_ctx *c, sb_tok_specials specials, sb_tok_counter **out)
{
    sb_tok_counter *k = calloc(1, sizeof *k);
    if (k == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for a counter");
    k->c        = c;
    k->specials = specials;
    *out        = k;
    return SB_OK;
}

sb_status sb_tok_counter_append(sb_tok_counter *k, const void *bytes, size_t n)
{
    size_t    old = k->tail.n, cut;
    int64_t   more;
    sb_status st = sbi_bytes_put(&k->tail, bytes, n);
    if (st != SB_OK || n == 0)
        return st;
    /* what was there has been searched, up to a blank at old - 1 */
    cut = cut_between(k->c->t, k->tail.data, old > 0 ? old - 1 : 0, k->tail.n - 1);
    if (cut == 0)
        return SB_OK;
    if ((st = count_tail(k, cut, &more)) != SB_OK) {
        k->tail.n = old;
        return st;
    }
    k->settled += more;
    k->is_rest = 1;
    k->tail.n -= cut;
    memmove(k->tail.data, k->tail.data + cut, k->tail.n);
    return SB_OK;
}

sb_status sb_tok_counter_value(sb_tok_counter *k, int64_t *count)
{
    int64_t   tail = 0;
    sb_status st   = SB_OK;
    if (k->tail.n > 0)
        st = count_tail(k, k->tail.n, &tail);
    if (st == SB_OK)
        *count = k->settled + tail;
    return st;
}

void sb_tok_counter_reset(sb_tok_counter *k)
{
    k->settled = 0;
    k->is_rest = 0;
    k->tail.n  = 0;
}

void sb_tok_counter_destroy(sb_tok_counter *k)
{
    if (k == NULL)
        return;
    free(k->tail.data);
    free(k);
}
