/* Merging the bytes of one piece [5.4]: the adjacent pair of lowest rank, leftmost first, until no
 * pair is left. Pieces up to SHORT symbols by looking through an array, longer ones by a heap, in
 * O(n log n): a megabyte without a blank is one piece.
 *
 * A heap entry may be out of date. It counts only if the pair that now stands at its position has
 * its rank: such a pair has an entry of its own that says the same, so no order changes. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/tokenizer/ctx.h"
#include "workloads/tokenizer/sp.h"

#define SHORT 32
#define GONE (-1)
#define END (-1)

sb_status sbi_emit(sb_tok_ctx *c, const int32_t *ids, int64_t n)
{
    sb_tok_ids *o = c->out;
    c->count += n;
    if (o == NULL || n == 0)
        return SB_OK;
    if (o->n + n > o->capacity) {
        int64_t  want = o->capacity > 0 ? 2 * o->capacity : 256;
        int32_t *more;
        while (want < o->n + n)
            want *= 2;
        more = realloc(o->ids, (size_t)want * sizeof *more);
        if (more == NULL)
            return sb_fail(SB_ERR_NOMEM, "no memory for %lld tokens", (long long)want);
        o->ids      = more;
        o->capacity = want;
    }
    memcpy(o->ids + o->n, ids, (size_t)n * sizeof *ids);
    o->n += n;
    return SB_OK;
}

static int32_t rank_of(const sb_tok *t, int32_t left, int32_t right, int32_t *merged)
{
    const sbi_pair *p = sbi_pair_find(t, left, right);
    *merged           = p != NULL ? p->id : GONE;
    return p != NULL ? p->rank : INT32_MAX;
}

/* The next symbol of s, or GONE when the rest has none. Bytes without a token are the unknown
 * token, one for a run of them if the file says so, or nothing at all: then their neighbours meet.
 */
static int32_t next_symbol(const sb_tok *t, const unsigned char *s, size_t n, size_t *at)
{
    if (t->sp.on)
        return sbi_sp_symbol(t, s, n, at);
    while (*at < n) {
        int32_t id = t->byte_id[s[(*at)++]];
        if (id >= 0)
            return id;
        if (t->unk < 0)
            continue;
        while (t->fuse_unk && *at < n && t->byte_id[s[*at]] < 0)
            ++*at;
        return t->unk;
    }
    return GONE;
}

/* ids of n <= SHORT bytes; returns how many. */
static int merge_short(const sb_tok *t, const unsigned char *s, size_t bytes, int32_t ids[SHORT])
{
    int     n  = 0;
    size_t  at = 0;
    int32_t rank[SHORT], merged[SHORT]; /* of the pair (i, i + 1) */
    while ((ids[n] = next_symbol(t, s, bytes, &at)) != GONE)
        if (++n == SHORT)
            break;
    for (int i = 0; i + 1 < n; i++)
        rank[i] = rank_of(t, ids[i], ids[i + 1], &merged[i]);
    while (n > 1) {
        int     best = 0;
        int32_t low  = rank[0];
        for (int i = 1; i + 1 < n; i++)
            if (rank[i] < low) {
                low  = rank[i];
                best = i;
            }
        if (low == INT32_MAX)
            break;
        ids[best] = merged[best];
        n--;
        for (int i = best + 1; i < n; i++)
            ids[i] = ids[i + 1];
        for (int i = best + 1; i + 1 < n; i++) {
            rank[i]   = rank[i + 1];
            merged[i] = merged[i + 1];
        }
        if (best + 1 < n)
            rank[best] = rank_of(t, ids[best], ids[best + 1], &merged[best]);
        if (best > 0)
            rank[best - 1] = rank_of(t, ids[best - 1], ids[best], &merged[best - 1]);
    }
    return n;
}

/* ---- long pieces ---- */

static sb_status reserve_symbols(sbi_long_piece *p, int64_t n)
{
    if (n <= p->capacity)
        return SB_OK;
    free(p->id); /* the old content is of no use */
    p->capacity = 0;
    p->id       = malloc(3 * (size_t)n * sizeof *p->id);
    if (p->id == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for a piece of %lld bytes", (long long)n);
    p->next     = p->id + n;
    p->prev     = p->next + n;
    p->capacity = n;
    return SB_OK;
}

static void sift_down(uint64_t *heap, int64_t n, int64_t at)
{
    uint64_t v = heap[at];
    for (int64_t kid; (kid = 2 * at + 1) < n; at = kid) {
        kid += kid + 1 < n && heap[kid + 1] < heap[kid];
        if (v <= heap[kid])
            break;
        heap[at] = heap[kid];
    }
    heap[at] = v;
}

static sb_status push(sbi_long_piece *p, uint64_t v)
{
    int64_t at = p->n_heap;
    if (at == p->heap_capacity) {
        int64_t   want = at > 0 ? 2 * at : 256;
        uint64_t *more = realloc(p->heap, (size_t)want * sizeof *more);
        if (more == NULL)
            return sb_fail(SB_ERR_NOMEM, "no memory for %lld pairs", (long long)want);
        p->heap          = more;
        p->heap_capacity = want;
    }
    p->n_heap++;
    for (int64_t up; at > 0 && p->heap[up = (at - 1) / 2] > v; at = up)
        p->heap[at] = p->heap[up];
    p->heap[at] = v;
    return SB_OK;
}

static sb_status push_pair(const sb_tok *t, sbi_long_piece *p, int32_t at)
{
    const sbi_pair *pair = sbi_pair_find(t, p->id[at], p->id[p->next[at]]);
    return pair == NULL ? SB_OK : push(p, (uint64_t)(uint32_t)pair->rank << 32 | (uint32_t)at);
}

static sb_status merge_at(const sb_tok *t, sbi_long_piece *p, int32_t at, int32_t merged)
{
    int32_t   gone = p->next[at];
    sb_status st   = SB_OK;
    p->id[at]      = merged;
    p->next[at]    = p->next[gone];
    p->id[gone]    = GONE;
    if (p->next[at] != END) {
        p->prev[p->next[at]] = at;
        st                   = push_pair(t, p, at);
    }
    if (st == SB_OK && p->prev[at] != END)
        st = push_pair(t, p, p->prev[at]);
    return st;
}

static sb_status merge_long(sb_tok_ctx *c, const unsigned char *s, size_t bytes)
{
    const sb_tok   *t  = c->t;
    sbi_long_piece *p  = &c->piece;
    size_t          at = 0;
    int32_t         n  = 0;
    sb_status       st = reserve_symbols(p, (int64_t)bytes);
    if (st != SB_OK)
        return st;
    for (int32_t id; (id = next_symbol(t, s, bytes, &at)) != GONE; n++) {
        p->id[n]   = id;
        p->next[n] = n + 1;
        p->prev[n] = n - 1;
    }
    if (n == 0)
        return SB_OK;
    p->next[n - 1] = END;
    p->n_heap      = 0;
    for (int32_t i = 0; i + 1 < n; i++)
        if ((st = push_pair(t, p, i)) != SB_OK)
            return st;
    while (p->n_heap > 0) {
        uint64_t        top = p->heap[0];
        int32_t         pos = (int32_t)(top & UINT32_MAX);
        const sbi_pair *pair;
        p->heap[0] = p->heap[--p->n_heap];
        if (p->n_heap > 0)
            sift_down(p->heap, p->n_heap, 0);
        if (p->id[pos] == GONE || p->next[pos] == END)
            continue;
        pair = sbi_pair_find(t, p->id[pos], p->id[p->next[pos]]);
        if (pair == NULL || (uint32_t)pair->rank != (uint32_t)(top >> 32))
            continue;
        if ((st = merge_at(t, p, pos, pair->id)) != SB_OK)
            return st;
    }
    for (int32_t i = 0; i != END && st == SB_OK; i = p->next[i])
        st = sbi_emit(c, &p->id[i], 1);
    return st;
}

/* ---- a piece ---- */

static uint64_t hash_key(const uint64_t key[4])
{
    uint64_t h = (key[0] ^ key[1] * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xD6E8FEB86659FD93);
    h ^= h >> 32;
    h = (h ^ key[2] ^ key[3] * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xD6E8FEB86659FD93);
    return h >> 32;
}

static sb_status encode_new(sb_tok_ctx *c, const unsigned char *s, size_t n, sbi_cache_entry *keep,
                            const uint64_t key[4])
{
    int32_t ids[SHORT];
    int     k = 1;
    ids[0]    = c->t->ignore_merges ? sbi_tok_find_bytes(c->t, s, n) : -1;
    if (ids[0] < 0) {
        if (n > SHORT)
            return n <= INT32_MAX
                       ? merge_long(c, s, n)
                       : sb_fail(SB_ERR_UNSUPPORTED,
                                 "%zu bytes without a place to split; up to %d are possible", n,
                                 INT32_MAX);
        k = merge_short(c->t, s, n, ids);
    }
    if (keep != NULL && k <= SBI_CACHE_IDS) {
        memcpy(keep->key, key, sizeof keep->key);
        memcpy(keep->ids, ids, (size_t)k * sizeof *ids);
        keep->n = k;
    }
    return sbi_emit(c, ids, k);
}

sb_status sbi_piece_encode(sb_tok_ctx *c, const unsigned char *s, size_t n)
{
    union {
        uint64_t      word[4];
        unsigned char text[32];
    } key = {{0, 0, 0, 0}};
    sbi_cache_entry *e;
    if (n == 1 && c->t->byte_id[s[0]] >= 0)
        return sbi_emit(c, &c->t->byte_id[s[0]], 1);
    if (n > SBI_CACHE_TEXT)
        return encode_new(c, s, n, NULL, NULL);
    memcpy(key.text, s, n);
    key.text[31] = (unsigned char)n;
    e            = &c->cache[hash_key(key.word) % SBI_CACHE_ENTRIES];
    if (memcmp(e->key, key.word, sizeof e->key) == 0)
        return sbi_emit(c, e->ids, e->n);
    return encode_new(c, s, n, e, key.word);
}
