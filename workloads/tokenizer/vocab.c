/* Building and checking a vocabulary.
 *
 * Files spell a token in the byte alphabet [5.2]: bytes 21-7E, A1-AC, AE-FF as the code point of
 * the same number, the other 68 in order from U+0100. Here tokens are raw bytes; what cannot be
 * spelt back (added tokens with blanks in them) is no PLAIN token and is never made by merging. */
#include "workloads/tokenizer/vocab.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "workloads/tokenizer/utf8.h"

static int stands_for_itself(int b)
{
    return (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE;
}

static void make_alphabet(int16_t to[SBI_TOK_ALPHABET])
{
    int16_t next = 0x100;
    for (int c = 0; c < SBI_TOK_ALPHABET; c++)
        to[c] = -1;
    for (int16_t b = 0; b < 256; b++)
        to[stands_for_itself(b) ? b : next++] = b;
}

const char *sbi_tok_quote(const char *text, size_t n, char buf[SBI_TOK_QUOTE])
{
    size_t k = 0;
    buf[k++] = '"';
    for (size_t i = 0; i < n && k < 41; i++)
        buf[k++] = text[i] >= 0x20 && text[i] < 0x7F ? text[i] : '?';
    memcpy(buf + k, n > 40 ? "...\"" : "\"", n > 40 ? 5 : 2);
    return buf;
}

sb_status sbi_tok_create(sb_tok **out)
{
    sb_tok *t = calloc(1, sizeof *t);
    if (t == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for the handle");
    for (int r = 0; r < SB_TOK_ROLE_COUNT; r++)
        t->role[r] = -1;
    t->unk = -1;
    make_alphabet(t->alphabet);
    sbi_sha256_init(&t->sha);
    t->sha_open = 1;
    *out        = t;
    return SB_OK;
}

void sb_tok_close(sb_tok *t)
{
    char unread[65];
    if (t == NULL)
        return;
    if (t->sha_open)
        (void)sbi_sha256_hex(&t->sha, unread); /* frees */
    for (int32_t i = 0; i < t->n_added; i++)
        free(t->added[i].text);
    for (int m = 0; m < 2; m++)
        free(t->match[m].sorted);
    sbi_split_code_free(t->code);
    free(t->added);
    free(t->pairs);
    free(t->ids);
    free(t->kind);
    free(t->at);
    free(t->blob);
    free(t);
}

static uint64_t hash_bytes(const unsigned char *s, size_t n)
{
    uint64_t h = n, word;
    for (; n >= 8; s += 8, n -= 8) {
        memcpy(&word, s, 8);
        h = sbi_mix64(h ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    }
    word = 0;
    memcpy(&word, s, n);
    return sbi_mix64((h ^ word) * UINT64_C(0x9E3779B97F4A7C15));
}

int32_t sbi_tok_find_bytes(const sb_tok *t, const unsigned char *bytes, size_t n)
{
    uint64_t i = hash_bytes(bytes, n) & t->ids_mask;
    for (; t->ids[i] >= 0; i = (i + 1) & t->ids_mask) {
        size_t have = (size_t)(t->at[t->ids[i] + 1] - t->at[t->ids[i]]);
        if (have == n && memcmp(t->blob + t->at[t->ids[i]], bytes, n) == 0)
            return t->ids[i];
    }
    return -1;
}

/* Bytes of a spelling in the byte alphabet; 0 when some character is no letter of it. out has room
 * for n. *ok: it is UTF-8. */
static size_t spell(const int16_t to[SBI_TOK_ALPHABET], const char *text, size_t n,
                    unsigned char *out, int *ok)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t               w = 0, at = 0, bytes;
    int                  letters = 1;
    *ok                          = 1;
    for (; at < n; at += bytes) {
        int32_t code;
        if (sbi_utf8_next(s + at, n - at, &bytes) != SBI_UTF8_CHAR) {
            *ok = 0;
            return 0;
        }
        code = sbi_utf8_code(s + at);
        if (code >= SBI_TOK_ALPHABET || to[code] < 0)
            letters = 0;
        else
            out[w++] = (unsigned char)to[code];
    }
    return letters ? w : 0;
}

int32_t sbi_tok_find_spelt(const sb_tok *t, const char *text, size_t n)
{
    unsigned char bytes[SBI_TOK_MAX_TOKEN_BYTES];
    int           ok;
    size_t        got;
    if (n == 0 || n > sizeof bytes)
        return -1;
    got = t->sp.on ? sbi_sp_spell(text, n, bytes, &ok) : spell(t->alphabet, text, n, bytes, &ok);
    return got > 0 ? sbi_tok_find_bytes(t, bytes, got) : -1;
}

static sb_status set_token(sb_tok *t, int32_t id, const sbi_tok_text *text)
{
    unsigned char *out = t->blob + t->at[id];
    int            ok, byte;
    size_t         n = t->sp.on ? sbi_sp_spell(text->text, text->n, out, &ok)
                                : spell(t->alphabet, text->text, text->n, out, &ok);
    if (!ok)
        return sb_fail(SB_ERR_USAGE, "token %d is not UTF-8", id);
    if (text->form == SBI_TOK_BYTE) {
        byte = sbi_sp_byte(text->text, text->n);
        if (byte < 0)
            return sb_fail(SB_ERR_USAGE,
                           "token %d is to be a byte and is not spelt <0x00> to <0xFF>", id);
        if (t->sp.fallback[byte] >= 0)
            return sb_fail(SB_ERR_USAGE, "token %d is token %d again", id, t->sp.fallback[byte]);
        t->sp.fallback[byte] = id;
        out[0]               = (unsigned char)byte;
        n                    = 1;
    } else if (text->form == SBI_TOK_CONTENT || n == 0) {
        if (!t->sp.on) {
            memcpy(out, text->text, text->n);
            n = text->n;
        }
    } else {
        uint64_t i = hash_bytes(out, n) & t->ids_mask;
        if (sbi_tok_find_bytes(t, out, n) >= 0)
            return sb_fail(SB_ERR_USAGE, "token %d is token %d again", id,
                           sbi_tok_find_bytes(t, out, n));
        while (t->ids[i] >= 0)
            i = (i + 1) & t->ids_mask;
        t->ids[i]   = id;
        t->kind[id] = SBI_TOK_PLAIN;
        if (n == 1)
            t->byte_id[out[0]] = id;
    }
    t->at[id + 1] = t->at[id] + n;
    return SB_OK;
}

sb_status sbi_tok_set_tokens(sb_tok *t, const sbi_tok_text *texts, int64_t n)
{
    uint64_t  slots   = 1024;
    size_t    total   = 1;
    int       missing = 0;
    sb_status st;
    if (n < (t->sp.on ? 1 : 128) || n > SBI_TOK_MAX_TOKENS)
        return sb_fail(SB_ERR_USAGE, "%lld tokens; %d to %d are possible", (long long)n,
                       t->sp.on ? 1 : 128, SBI_TOK_MAX_TOKENS);
    for (int64_t id = 0; id < n; id++) {
        if (texts[id].text == NULL)
            return sb_fail(SB_ERR_USAGE, "no token has id %lld, and there are %lld", (long long)id,
                           (long long)n);
        if (texts[id].n == 0 || texts[id].n > SBI_TOK_MAX_TOKEN_BYTES)
            return sb_fail(SB_ERR_USAGE, "token %lld has %zu bytes; 1 to %d are possible",
                           (long long)id, texts[id].n, SBI_TOK_MAX_TOKEN_BYTES);
        total += texts[id].n; /* 2^24 * 2^16 at most */
    }
    while (slots < 2 * (uint64_t)n)
        slots *= 2;
    t->n_tokens = (int32_t)n;
    t->ids_mask = slots - 1;
    t->blob     = malloc(total);
    t->at       = malloc(((size_t)n + 1) * sizeof *t->at);
    t->kind     = calloc((size_t)n, 1);
    t->ids      = malloc(slots * sizeof *t->ids);
    if (t->blob == NULL || t->at == NULL || t->kind == NULL || t->ids == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %lld tokens", (long long)n);
    memset(t->ids, 0xFF, slots * sizeof *t->ids);
    for (int b = 0; b < 256; b++)
        t->byte_id[b] = t->sp.fallback[b] = -1;
    t->at[0] = 0;
    for (int32_t id = 0; id < (int32_t)n; id++)
        if ((st = set_token(t, id, &texts[id])) != SB_OK)
            return st;
    if (t->sp.on)
        return sbi_sp_check_tokens(t);
    for (int b = 0; b < 256; b++)
        missing += t->byte_id[b] < 0;
    if (missing > 128)
        return sb_fail(SB_ERR_USAGE, "%d of 256 bytes have no token: no byte-level vocabulary",
                       missing);
    return SB_OK;
}

sb_status sbi_tok_reserve_merges(sb_tok *t, int64_t n)
{
    uint64_t slots = 16;
    if (n < 0 || n > SBI_TOK_MAX_TOKENS)
        return sb_fail(SB_ERR_USAGE, "%lld merges; up to %d are possible", (long long)n,
                       SBI_TOK_MAX_TOKENS);
    while (slots < 2 * (uint64_t)n)
        slots *= 2;
    t->pairs_mask = slots - 1;
    t->max_merges = (int32_t)n;
    t->pairs      = malloc(slots * sizeof *t->pairs);
    if (t->pairs == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %lld merges", (long long)n);
    for (uint64_t i = 0; i < slots; i++)
        t->pairs[i] = (sbi_pair){0, 0, -1};
    return SB_OK;
}

void sbi_tok_put_merge(sb_tok *t, int32_t left, int32_t right, int32_t rank, int32_t id)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint64_t i   = sbi_mix64(key * UINT64_C(0x9E3779B97F4A7C15)) & t->pairs_mask;
    assert(t->n_merges < t->max_merges);
    while (t->pairs[i].id >= 0)
        i = (i + 1) & t->pairs_mask;
    t->pairs[i] = (sbi_pair){key, rank, id};
    t->n_merges++;
    sbi_sha256_put_i32s(&t->sha, (int32_t[]){left, right, id}, 3);
    if (rank != t->n_merges - 1) /* else the order says it */
        sbi_sha256_put_i32s(&t->sha, &rank, 1);
}

sb_status sbi_tok_add_merge(sb_tok *t, const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    unsigned char both[2 * SBI_TOK_MAX_TOKEN_BYTES];
    int32_t left = sbi_tok_find_spelt(t, a, a_bytes), right = sbi_tok_find_spelt(t, b, b_bytes);
    int32_t id;
    size_t  n, m;
    char    word[SBI_TOK_QUOTE];
    if (left < 0)
        return sb_fail(SB_ERR_USAGE, "%s is no token of the vocabulary",
                       sbi_tok_quote(a, a_bytes, word));
    if (right < 0)
        return sb_fail(SB_ERR_USAGE, "%s is no token of the vocabulary",
                       sbi_tok_quote(b, b_bytes, word));
    n = (size_t)(t->at[left + 1] - t->at[left]);
    m = (size_t)(t->at[right + 1] - t->at[right]);
    memcpy(both, t->blob + t->at[left], n);
    memcpy(both + n, t->blob + t->at[right], m);
    id = sbi_tok_find_bytes(t, both, n + m);
    if (id < 0)
        return sb_fail(SB_ERR_USAGE, "tokens %d and %d together are no token of the vocabulary",
                       left, right);
    if (sbi_pair_find(t, left, right) != NULL)
        return sb_fail(SB_ERR_USAGE, "tokens %d and %d are merged a second time", left, right);
    sbi_tok_put_merge(t, left, right, t->n_merges, id);
    return SB_OK;
}

sb_status sbi_tok_reserve_added(sb_tok *t, int64_t n)
{
    if (n < 0 || n > t->n_tokens)
        return sb_fail(SB_ERR_USAGE, "%lld added tokens, but %d tokens in all", (long long)n,
                       t->n_tokens);
    t->max_added = (int32_t)n;
    t->added     = calloc(n > 0 ? (size_t)n : 1, sizeof *t->added);
    return t->added != NULL ? SB_OK : sb_fail(SB_ERR_NOMEM, "no memory for added tokens");
}

sb_status sbi_tok_add_added(sb_tok *t, const char *text, size_t n, const sbi_added *a)
{
    sbi_added *to = &t->added[t->n_added];
    if (n == 0 || n > SBI_TOK_MAX_ADDED_BYTES)
        return sb_fail(SB_ERR_UNSUPPORTED, "a text of %zu bytes; 1 to %d are possible", n,
                       SBI_TOK_MAX_ADDED_BYTES);
    if (sbi_utf8_valid((const unsigned char *)text, n) != n)
        return sb_fail(SB_ERR_USAGE, "the text is not UTF-8");
    *to      = *a;
    to->n    = (int32_t)n;
    to->text = malloc(n);
    if (to->text == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for an added token");
    memcpy(to->text, text, n);
    t->n_added++;
    if (a->special)
        t->kind[a->id] |= SBI_TOK_SPECIAL;
    return SB_OK;
}

static int by_text(const void *a, const void *b)
{
    const sbi_added *x = *(const sbi_added *const *)a, *y = *(const sbi_added *const *)b;
    int              c = memcmp(x->text, y->text, (size_t)(x->n < y->n ? x->n : y->n));
    return c != 0 ? c : (x->n > y->n) - (x->n < y->n);
}

/* Both matchers, each sorted. */
static sb_status make_matchers(sb_tok *t)
{
    size_t            room = t->n_added > 0 ? (size_t)t->n_added : 1;
    const sbi_added **all  = malloc(room * sizeof(const sbi_added *));
    sb_status         st   = SB_OK;
    for (int m = 0; m < 2; m++)
        t->match[m].sorted = malloc(room * sizeof(const sbi_added *));
    if (all == NULL || t->match[0].sorted == NULL || t->match[1].sorted == NULL) {
        free(all);
        return sb_fail(SB_ERR_NOMEM, "no memory for added tokens");
    }
    for (int32_t i = 0; i < t->n_added; i++)
        all[i] = &t->added[i];
    qsort(all, (size_t)t->n_added, sizeof(const sbi_added *), by_text);
    for (int32_t i = 0; i < t->n_added && st == SB_OK; i++) {
        sbi_matcher *m            = &t->match[all[i]->normalized];
        m->sorted[m->n++]         = all[i];
        m->first[all[i]->text[0]] = 1;
        if (i > 0 && by_text(&all[i - 1], &all[i]) == 0)
            st = sb_fail(SB_ERR_USAGE, "ids %d and %d have the same text", all[i - 1]->id,
                         all[i]->id);
    }
    free(all);
    return st;
}

const sbi_added *sbi_matcher_at(const sbi_matcher *m, const unsigned char *s, size_t n)
{
    const sbi_added *best = NULL;
    int32_t          lo = 0, hi = m->n; /* they share the first d bytes with s */
    for (int32_t d = 0; lo < hi; d++) {
        int32_t a, b;
        if (m->sorted[lo]->n == d)
            best = m->sorted[lo++]; /* texts are unique, the shorter stands first */
        if ((size_t)d == n)
            break;
        for (a = lo, b = hi; a < b;) { /* first with byte d >= s[d] */
            int32_t mid = a + (b - a) / 2;
            if (m->sorted[mid]->text[d] < s[d])
                a = mid + 1;
            else
                b = mid;
        }
        lo = a;
        for (b = hi; a < b;) { /* first with byte d > s[d] */
            int32_t mid = a + (b - a) / 2;
            if (m->sorted[mid]->text[d] <= s[d])
                a = mid + 1;
            else
                b = mid;
        }
        hi = a;
    }
    return best;
}

int sbi_tok_cuttable(int32_t code)
{
    if (code < 0)
        return 0;
    switch (utf8proc_category(code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return 1;
    default:
        return 0;
    }
}

/* A cut before a blank is safe unless an added token spans such a place, or would have taken the
 * blank. */
static int hides_cut(const sbi_added *a)
{
    for (int32_t i = 1; i < a->n; i++)
        if (a->text[i] == ' ' && sbi_tok_cuttable(sbi_utf8_before(a->text, (size_t)i)))
            return 1;
    return a->rstrip && sbi_tok_cuttable(sbi_utf8_before(a->text, (size_t)a->n));
}

static void hash_tail(sb_tok *t)
{
    for (const char *const *p = t->split->pattern; *p != NULL; p++)
        sbi_sha256_put(&t->sha, *p, strlen(*p) + 1);
    sbi_sha256_put_i32s(&t->sha,
                        (int32_t[]){t->nfc, t->ignore_merges, t->adds_bos,
                                    t->adds_bos ? t->role[SB_TOK_ROLE_BOS] : -1, t->unk,
                                    t->fuse_unk, t->n_tokens, t->n_merges, t->n_added},
                        9);
    if (t->sp.on) {
        sbi_sha256_put_i32s(&t->sha,
                            (int32_t[]){(int32_t)t->sp.prefix, t->sp.early, t->sp.words,
                                        t->sp.whole, t->sp.by_bytes},
                            5);
        sbi_sha256_put_i32s(&t->sha, t->sp.fallback, 256);
    }
    for (int32_t id = 0; id < t->n_tokens; id++) {
        int32_t n = (int32_t)(t->at[id + 1] - t->at[id]);
        sbi_sha256_put_i32s(&t->sha, (int32_t[]){n, t->kind[id] & SBI_TOK_SPECIAL}, 2);
        sbi_sha256_put(&t->sha, t->blob + t->at[id], (size_t)n);
    }
    for (int m = 0; m < 2; m++)
        for (int32_t i = 0; i < t->match[m].n; i++) {
            const sbi_added *a = t->match[m].sorted[i];
            sbi_sha256_put_i32s(&t->sha, (int32_t[]){a->id, m, a->lstrip, a->rstrip, a->n}, 5);
            sbi_sha256_put(&t->sha, a->text, (size_t)a->n);
        }
}

sb_status sbi_tok_finish(sb_tok *t, const sbi_split *split)
{
    sb_status st;
    t->split = split;
    if ((st = make_matchers(t)) != SB_OK)
        return st;
    for (int32_t i = 0; i < t->n_added; i++)
        t->uncuttable |= hides_cut(&t->added[i]);
    if (!t->sp.on && (st = sbi_split_compile(split, &t->code)) != SB_OK)
        return st;
    hash_tail(t);
    t->sha_open = 0;
    return sbi_sha256_hex(&t->sha, t->sha256);
}

int32_t sb_tok_size(const sb_tok *t) { return t->n_tokens; }

const char *sb_tok_sha256(const sb_tok *t) { return t->sha256; }

const char *sb_tok_splitter(const sb_tok *t) { return t->split->name; }

int32_t sb_tok_special(const sb_tok *t, sb_tok_role role)
{
    return role < SB_TOK_ROLE_COUNT ? t->role[role] : -1;
}

int sb_tok_is_special(const sb_tok *t, int32_t id)
{
    return id >= 0 && id < t->n_tokens && (t->kind[id] & SBI_TOK_SPECIAL) != 0;
}

int sb_tok_adds_bos(const sb_tok *t) { return t->adds_bos; }

int32_t sb_tok_find(const sb_tok *t, const void *bytes, size_t n)
{
    for (int m = 0; m < 2; m++) {
        const sbi_added *a = sbi_matcher_at(&t->match[m], bytes, n);
        if (a != NULL && (size_t)a->n == n)
            return a->id;
    }
    if (n == 0)
        return -1;
    if (t->sp.by_bytes && n == 1 && t->byte_id[*(const unsigned char *)bytes] < 0)
        return t->sp.fallback[*(const unsigned char *)bytes];
    return sbi_tok_find_bytes(t, bytes, n);
}

const unsigned char *sb_tok_bytes(const sb_tok *t, int32_t id, size_t *n)
{
    if (id < 0 || id >= t->n_tokens)
        return NULL;
    *n = (size_t)(t->at[id + 1] - t->at[id]);
    return t->blob + t->at[id];
}
