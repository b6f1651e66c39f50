/* SentencePiece vocabularies [5.3].
 *
 * Merging by score: of all neighbours whose characters together are a piece, the pair that makes
 * the piece of the highest score, leftmost on ties. Which pair of pieces that is does not matter to
 * the score, so every way to cut a piece in two becomes a merge of the pair table, with the score's
 * place in the order as its rank. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/tokenizer/utf8.h"
#include "workloads/tokenizer/vocab.h"

#define MAX_SCORED_BYTES 1024 /* every place of a piece is tried; pieces in use have up to 64 */

size_t sbi_sp_spell(const char *text, size_t n, unsigned char *out, int *ok)
{
    size_t w = 0;
    *ok      = sbi_utf8_valid((const unsigned char *)text, n) == n;
    for (size_t i = 0; i < n && *ok;) {
        int blank = n - i >= 3 && memcmp(text + i, "\xE2\x96\x81", 3) == 0;
        out[w++]  = blank ? ' ' : (unsigned char)text[i];
        i += blank ? 3 : 1;
    }
    return w;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int sbi_sp_byte(const char *text, size_t n)
{
    if (n != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>' || hex(text[3]) < 0 ||
        hex(text[4]) < 0)
        return -1;
    return 16 * hex(text[3]) + hex(text[4]);
}

/* A blank inside a token, but in a run of blanks, hides the place before it from cutting. */
static void note_blanks(sb_tok *t, int32_t id)
{
    const unsigned char *s = t->blob + t->at[id];
    size_t               n = (size_t)(t->at[id + 1] - t->at[id]);
    for (size_t i = 1; i < n; i++)
        if (s[i] == ' ' && s[i - 1] != ' ') {
            t->sp.holds[s[i - 1] < 128 ? s[i - 1] : 128] = 1;
            t->uncuttable |= sbi_tok_cuttable(sbi_utf8_before(s, i));
        }
}

sb_status sbi_sp_check_tokens(sb_tok *t)
{
    int missing = 0;
    for (int b = 0; b < 256; b++)
        missing += t->sp.fallback[b] < 0;
    if (t->sp.by_bytes && missing > 0)
        return sb_fail(SB_ERR_USAGE, "%d of the 256 tokens <0x00> to <0xFF> are missing", missing);
    if (t->byte_id[' '] < 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "the blank (U+2581) is no token");
    for (int32_t id = 0; id < t->n_tokens; id++)
        if (t->kind[id] & SBI_TOK_PLAIN)
            note_blanks(t, id);
    t->uncuttable |= t->sp.whole; /* either side alone may be a token that merges do not make */
    return SB_OK;
}

sb_status sbi_sp_add_added(sb_tok *t, const char *text, size_t n, int prefix, const sbi_added *a)
{
    unsigned char made[1 + SBI_TOK_MAX_ADDED_BYTES] = " ";
    int           ok;
    if (n == 0 || n > SBI_TOK_MAX_ADDED_BYTES)
        return sbi_tok_add_added(t, text, n, a); /* knows the error */
    n = sbi_sp_spell(text, n, made + prefix, &ok);
    return ok ? sbi_tok_add_added(t, (const char *)made, n + (size_t)prefix, a)
              : sb_fail(SB_ERR_USAGE, "the text is not UTF-8");
}

/* ---- merges by score ---- */

typedef struct scored {
    sb_tok      *t;
    const float *scores;
    float       *order; /* the scores there are, highest first, each once */
    int64_t      n_order;
    int64_t      n_merges;
} scored;

static int highest_first(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

static sb_status sort_scores(scored *w)
{
    int64_t n = 0;
    w->order  = malloc((size_t)w->t->n_tokens * sizeof *w->order);
    if (w->order == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %d scores", w->t->n_tokens);
    for (int32_t id = 0; id < w->t->n_tokens; id++) {
        if (!isfinite(w->scores[id]))
            return sb_fail(SB_ERR_USAGE, "token %d: its score is no finite number", id);
        if (w->t->kind[id] & SBI_TOK_PLAIN)
            w->order[n++] = w->scores[id];
    }
    qsort(w->order, (size_t)n, sizeof *w->order, highest_first);
    for (int64_t i = 0; i < n; i++)
        if (w->n_order == 0 || w->order[i] < w->order[w->n_order - 1])
            w->order[w->n_order++] = w->order[i];
    return SB_OK;
}

static int32_t rank_of(const scored *w, float score)
{
    int64_t lo = 0, hi = w->n_order - 1;
    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (w->order[mid] > score)
            lo = mid + 1;
        else
            hi = mid;
    }
    return (int32_t)lo;
}

/* The merges that make token id: counted, or put into the table. */
static void merges_of(scored *w, int32_t id, int put)
{
    const unsigned char *s    = w->t->blob + w->t->at[id];
    size_t               n    = (size_t)(w->t->at[id + 1] - w->t->at[id]);
    int32_t              rank = put ? rank_of(w, w->scores[id]) : 0;
    for (size_t i = 1; i < n; i++) {
        int32_t left, right;
        if ((s[i] & 0xC0) == 0x80 || (left = sbi_tok_find_bytes(w->t, s, i)) < 0 ||
            (right = sbi_tok_find_bytes(w->t, s + i, n - i)) < 0)
            continue;
        w->n_merges++;
        if (put)
            sbi_tok_put_merge(w->t, left, right, rank, id);
    }
}

/* Merging looks at text: a character needs no token of its own to be merged. Here it does, so a
 * vocabulary where that matters is refused. */
static sb_status check_characters(const sb_tok *t, int32_t id)
{
    const unsigned char *s = t->blob + t->at[id];
    size_t               n = (size_t)(t->at[id + 1] - t->at[id]), bytes;
    if (n > MAX_SCORED_BYTES)
        return sb_fail(SB_ERR_UNSUPPORTED, "token %d has %zu bytes; 1 to %d are possible", id, n,
                       MAX_SCORED_BYTES);
    for (size_t i = 0; i < n; i += bytes) {
        (void)sbi_utf8_next(s + i, n - i, &bytes);
        if (sbi_tok_find_bytes(t, s + i, bytes) < 0)
            return sb_fail(SB_ERR_UNSUPPORTED,
                           "token %d holds U+%04X, a character that is no token itself", id,
                           (unsigned)sbi_utf8_code(s + i));
    }
    return SB_OK;
}

static sb_status check_unused(scored *w, int32_t id)
{
    w->n_merges = 0;
    merges_of(w, id, 0);
    if (w->n_merges > 0 || sbi_tok_find_bytes(w->t, w->t->blob + w->t->at[id],
                                              (size_t)(w->t->at[id + 1] - w->t->at[id])) >= 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "token %d is marked unused, but merges make it", id);
    return SB_OK;
}

static sb_status merge(scored *w, const unsigned char *unused)
{
    sb_tok   *t  = w->t;
    sb_status st = sort_scores(w);
    for (int32_t id = 0; id < t->n_tokens && st == SB_OK; id++)
        if (unused != NULL && unused[id])
            st = check_unused(w, id);
        else if (t->kind[id] & SBI_TOK_PLAIN)
            st = check_characters(t, id);
    w->n_merges = 0;
    for (int32_t id = 0; id < t->n_tokens && st == SB_OK; id++)
        if (t->kind[id] & SBI_TOK_PLAIN)
            merges_of(w, id, 0);
    if (st == SB_OK)
        st = sbi_tok_reserve_merges(t, w->n_merges);
    for (int32_t id = 0; id < t->n_tokens && st == SB_OK; id++)
        if (t->kind[id] & SBI_TOK_PLAIN)
            merges_of(w, id, 1);
    return st;
}

sb_status sbi_sp_merge_by_score(sb_tok *t, const float *scores, const unsigned char *unused)
{
    scored    w  = {.t = t, .scores = scores};
    sb_status st = merge(&w, unused);
    free(w.order);
    return st;
}
