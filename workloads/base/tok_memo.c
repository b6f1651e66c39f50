#include "workloads/base/tok_memo.h"

#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

/* A piece ends at a blank that is a safe cut, has the piece's least length before it, and whose 8
 * bytes before it hash to one value of 32; or at the first safe cut behind the most. In a text that
 * repeats itself the second rule still gives few different pieces. */
enum { LEAST = 64, MOST = 1024, HASH_BITS = 5, FIRST_SLOTS = 4096 };

typedef struct entry {
    uint64_t hash;
    size_t   at;          /* in the kept bytes; a zero stands behind the piece */
    uint32_t bytes, kind; /* of enum piece_kind; 0: empty */
    int64_t  count;
} entry;

/* The same bytes may count differently behind a cut. */
enum piece_kind { FIRST = 1, REST };

struct sb_tok_memo {
    sb_tok_ops        ops;
    const sb_tok_ops *of;
    char             *kept;
    size_t            n_kept, cap_kept, max_bytes;
    entry            *slots; /* open addressing, a power of two */
    size_t            n_slots, n_used;
};

static int ends_by_content(const char *text, int64_t blank)
{
    uint64_t before;
    memcpy(&before, text + blank - sizeof before, sizeof before);
    return before * 0x9E3779B97F4A7C15ull >> (64 - HASH_BITS) == 0;
}

/* Where the piece that begins at `from` ends. */
static int64_t piece_end(const sb_tok_memo *m, const char *text, int64_t n, int64_t from)
{
    for (int64_t at = from + LEAST; at < n; at++) {
        const char *blank = memchr(text + at, ' ', (size_t)(n - at));
        if (blank == NULL)
            return n;
        at = blank - text;
        if ((at - from >= MOST || ends_by_content(text, at)) &&
            m->of->safe_cut(m->of->ctx, text, n, at) == at)
            return at;
    }
    return n;
}

static entry *slot_of(entry *slots, size_t n_slots, const char *kept, uint64_t hash, uint32_t kind,
                      const char *text, size_t bytes)
{
    for (size_t i = hash & (n_slots - 1);; i = (i + 1) & (n_slots - 1)) {
        entry *e = &slots[i];
        if (e->kind == 0 || (e->hash == hash && e->kind == kind && e->bytes == bytes &&
                             memcmp(kept + e->at, text, bytes) == 0))
            return e;
    }
}

static sb_status no_memory(void)
{
    return sb_fail(SB_ERR_NOMEM, "no memory to remember token counts");
}

static sb_status grow_slots(sb_tok_memo *m)
{
    size_t n     = m->n_slots > 0 ? 2 * m->n_slots : FIRST_SLOTS;
    entry *slots = calloc(n, sizeof *slots);
    if (slots == NULL)
        return no_memory();
    for (size_t i = 0; i < m->n_slots; i++)
        if (m->slots[i].kind != 0)
            *slot_of(slots, n, m->kept, m->slots[i].hash, m->slots[i].kind,
                     m->kept + m->slots[i].at, m->slots[i].bytes) = m->slots[i];
    free(m->slots);
    m->slots   = slots;
    m->n_slots = n;
    return SB_OK;
}

/* Room for one more piece; starts over when the table is full. */
static sb_status reserve(sb_tok_memo *m, size_t bytes)
{
    if (m->n_kept + bytes + 1 > m->max_bytes && m->n_used > 0) {
        memset(m->slots, 0, m->n_slots * sizeof *m->slots);
        m->n_kept = m->n_used = 0;
    }
    if (m->n_kept + bytes + 1 > m->cap_kept) {
        size_t want = 2 * m->cap_kept + bytes + 4096;
        char  *more = realloc(m->kept, want);
        if (more == NULL)
            return no_memory();
        m->kept     = more;
        m->cap_kept = want;
    }
    return 2 * (m->n_used + 1) > m->n_slots ? grow_slots(m) : SB_OK;
}

/* By the tokenizer itself; a zero stands behind the text. */
static sb_status ask(const sb_tok_memo *m, uint32_t kind, const char *text, int64_t bytes,
                     int64_t *count)
{
    return (kind == REST ? m->of->count_rest : m->of->count)(m->of->ctx, text, bytes, count);
}

static sb_status count_piece(sb_tok_memo *m, uint32_t kind, const char *text, size_t bytes,
                             int64_t *count)
{
    uint64_t  hash = XXH3_64bits(text, bytes);
    entry    *e    = NULL;
    sb_status st;
    if (m->n_slots > 0)
        e = slot_of(m->slots, m->n_slots, m->kept, hash, kind, text, bytes);
    if (e != NULL && e->kind != 0) {
        *count = e->count;
        return SB_OK;
    }
    if ((st = reserve(m, bytes)) != SB_OK)
        return st;
    memcpy(m->kept + m->n_kept, text, bytes);
    m->kept[m->n_kept + bytes] = '\0';
    if ((st = ask(m, kind, m->kept + m->n_kept, (int64_t)bytes, count)) != SB_OK)
        return st;
    *slot_of(m->slots, m->n_slots, m->kept, hash, kind, text, bytes) =
        (entry){hash, m->n_kept, (uint32_t)bytes, kind, *count};
    m->n_kept += bytes + 1;
    m->n_used++;
    return SB_OK;
}

static sb_status count_from(sb_tok_memo *m, uint32_t kind, const char *text, int64_t n_bytes,
                            int64_t *n_tokens)
{
    int64_t   total = 0, n = 0;
    sb_status st = SB_OK;
    if (m->of->safe_cut == NULL)
        return ask(m, kind, text, n_bytes, n_tokens);
    for (int64_t from = 0, to; from < n_bytes && st == SB_OK; from = to) {
        to = piece_end(m, text, n_bytes, from);
        if (to - from > (int64_t)m->max_bytes / 4) { /* one piece as large as the table */
            if (to < n_bytes) {                      /* the counter wants a zero behind its text */
                char *copy = strndup(text + from, (size_t)(to - from));
                st         = copy != NULL ? ask(m, kind, copy, to - from, &n) : no_memory();
                free(copy);
            } else {
                st = ask(m, kind, text + from, to - from, &n);
            }
        } else {
            st = count_piece(m, kind, text + from, (size_t)(to - from), &n);
        }
        total += n;
        kind = m->of->count_rest != NULL ? REST : FIRST;
    }
    if (st == SB_OK)
        *n_tokens = total;
    return st;
}

static sb_status count(void *ctx, const char *text, int64_t n_bytes, int64_t *n_tokens)
{
    return count_from(ctx, FIRST, text, n_bytes, n_tokens);
}

static sb_status count_rest(void *ctx, const char *text, int64_t n_bytes, int64_t *n_tokens)
{
    return count_from(ctx, REST, text, n_bytes, n_tokens);
}

static sb_status ends(void *ctx, const char *text, int64_t n_bytes, int64_t head, int64_t tail,
                      char **out, int64_t *out_bytes)
{
    const sb_tok_memo *m = ctx;
    return m->of->ends(m->of->ctx, text, n_bytes, head, tail, out, out_bytes);
}

static sb_status joined(void *ctx, const char *text, int64_t n_bytes, int64_t head, int64_t tail,
                        char **out, int64_t *out_bytes)
{
    const sb_tok_memo *m = ctx;
    return m->of->joined(m->of->ctx, text, n_bytes, head, tail, out, out_bytes);
}

static int64_t safe_cut(void *ctx, const char *text, int64_t n_bytes, int64_t limit)
{
    const sb_tok_memo *m = ctx;
    return m->of->safe_cut(m->of->ctx, text, n_bytes, limit);
}

sb_status sb_tok_memo_create(const sb_tok_ops *of, size_t max_bytes, sb_tok_memo **out)
{
    sb_tok_memo *m = calloc(1, sizeof *m);
    if (m == NULL)
        return no_memory();
    m->of        = of;
    m->max_bytes = max_bytes > 0 ? max_bytes : SB_TOK_MEMO_BYTES;
    if (m->max_bytes > UINT32_MAX)
        m->max_bytes = UINT32_MAX;
    m->ops = (sb_tok_ops){.name       = of->name,
                          .sha256     = of->sha256,
                          .count      = count,
                          .joined     = of->joined != NULL ? joined : NULL,
                          .ends       = of->ends != NULL ? ends : NULL,
                          .safe_cut   = of->safe_cut != NULL ? safe_cut : NULL,
                          .count_rest = of->count_rest != NULL ? count_rest : NULL,
                          .ctx        = m};
    *out   = m;
    return SB_OK;
}

void sb_tok_memo_destroy(sb_tok_memo *m)
{
    if (m == NULL)
        return;
    free(m->kept);
    free(m->slots);
    free(m);
}

const sb_tok_ops *sb_tok_memo_ops(const sb_tok_memo *m) { return &m->ops; }
