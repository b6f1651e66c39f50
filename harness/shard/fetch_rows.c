/* A KV head at a time:
 *
 *   own rows --pick--> send     | rows for a peer | ..    --link-->   receive | rows of a peer | ..
 *   receive, own rows --place--> their ids
 *
 * Of one peer and head all of K comes before all of V; both are the same ids. */
#include "harness/shard/fetch_rows.h"

#include "harness/shard/index.h"
#include "harness/shard/runs.h"

enum { K_AND_V = 2 };

int64_t sbi_fetch_runs_at_once = SBI_FETCH_RUNS;

typedef struct rows {
    sb_shard        *s;
    const sb_tensor *from[K_AND_V]; /* of this rank */
    const sb_tensor *to[K_AND_V];   /* in id order */
    int              tensors;
    void            *stream;
    sb_status        copied;
} rows;

int64_t sbi_fetch_transfers(int32_t ranks) { return 2 * K_AND_V * (int64_t)(ranks - 1); }

static rows rows_of(sb_shard *s, const sb_cache *cache, void *stream)
{
    int  there = s->device != NULL;
    rows x     = {
            .s       = s,
            .from    = {&cache->k, &cache->v},
            .to      = {there ? &s->fetch.there[0] : &s->k_all, there ? &s->fetch.there[1] : &s->v_all},
            .tensors = K_AND_V,
            .stream  = stream};
    if (s->fetch.whole_keys) {
        x.from[0] = x.from[1];
        x.to[0]   = x.to[1];
        x.tensors = 1;
    }
    return x;
}

static int64_t row_bytes(const rows *x) { return x->s->head_dim * (int64_t)sizeof(sb_bf16); }

/* ---- between a buffer and where rows belong ---- */

/* Runs of one head that wait to be copied. */
typedef struct mover {
    rows        *x;
    sbi_runs_way way;
    char        *together[K_AND_V], *apart[K_AND_V];
    int64_t      n;
    sb_run       run[SBI_FETCH_RUNS];
} mover;

static void flush(mover *m)
{
    rows   *x = m->x;
    int64_t n = 0;
    for (int64_t i = 0; i < m->n; i++)
        n += m->run[i].len;
    for (int t = 0; t < x->tensors; t++) {
        if (x->copied == SB_OK)
            x->copied = sbi_runs_copy(x->s->link->backend, m->way, m->run, NULL, m->n, row_bytes(x),
                                      m->together[t], m->apart[t], x->stream);
        m->together[t] += n * row_bytes(x);
    }
    m->n = 0;
}

/* The set bits of [begin, end). */
static void add_set(mover *m, const uint64_t *bits, int64_t begin, int64_t end)
{
    sb_run run;
    for (int64_t at = begin; sbi_need_run(bits, at, end, &run); at = run.start + run.len) {
        if (m->n >= sbi_fetch_runs_at_once)
            flush(m);
        m->run[m->n++] = run;
    }
}

/* buffer: `count` rows of each tensor, or NULL: the rows of this rank themselves. */
static mover mover_of(rows *x, sbi_runs_way way, int64_t head, char *buffer, int64_t count)
{
    mover m = {.x = x, .way = way, .n = 0};
    for (int t = 0; t < x->tensors; t++) {
        const sb_tensor *apart = way == SBI_RUNS_PICK ? x->from[t] : x->to[t];
        m.apart[t]             = (char *)sb_tensor_bf16(apart, head, 0);
        m.together[t]          = buffer != NULL ? buffer + t * count * row_bytes(x)
                                                : (char *)sb_tensor_bf16(x->from[t], head, 0);
    }
    return m;
}

/* What a peer wants, as words. */
static const uint64_t *slots_wanted(sb_shard *s, int32_t peer, int64_t head)
{
    const uint8_t *mask  = sbi_fetch_wanted(s, peer, head);
    int64_t        own   = s->map->rank_tokens[s->link->rank];
    uint64_t      *slots = s->fetch.slots;
    for (int64_t i = 0; i < sbi_need_words(own); i++)
        slots[i] = 0;
    for (int64_t i = 0; i < sbi_mask_bytes(s->map, s->link->rank); i++)
        slots[i / 8] |= (uint64_t)mask[i] << 8 * (i % 8);
    return slots;
}

/* The rows that a peer wants, one after the other from `to` on; how many. */
static int64_t pick(rows *x, int64_t head, int32_t peer, char *to)
{
    sb_shard       *s     = x->s;
    sb_run          all   = {0, s->map->rank_tokens[s->link->rank]};
    sb_gid          own   = {.run = &all, .n_runs = 1, .n_tokens = all.len};
    const uint64_t *slots = slots_wanted(s, peer, head);
    int64_t         count = sbi_need_count(slots, &own);
    mover           m     = mover_of(x, SBI_RUNS_PICK, head, to, count);
    add_set(&m, slots, 0, all.len);
    flush(&m);
    return count;
}

/* `count` needed rows of a peer to their ids. */
static void place_needed(rows *x, int64_t head, int32_t peer, char *from, int64_t count)
{
    const uint64_t *bits = sbi_fetch_bits(x->s, head);
    sb_gid          gid  = sb_map_gid(x->s->map, peer);
    mover           m    = mover_of(x, SBI_RUNS_PLACE, head, from, count);
    for (int32_t r = 0; r < gid.n_runs; r++)
        add_set(&m, bits, gid.run[r].start, gid.run[r].start + gid.run[r].len);
    flush(&m);
}

/* All rows of a rank; from NULL: of this one, from its cache. */
static void place_all(rows *x, int64_t head, int32_t rank, char *from)
{
    sb_gid gid = sb_map_gid(x->s->map, rank);
    mover  m   = mover_of(x, SBI_RUNS_PLACE, head, from, gid.n_tokens);
    for (int t = 0; t < x->tensors && x->copied == SB_OK; t++)
        x->copied = sbi_runs_copy(x->s->link->backend, SBI_RUNS_PLACE, gid.run, NULL, gid.n_runs,
                                  row_bytes(x), m.together[t], m.apart[t], x->stream);
}

/* ---- over the link ---- */

static sb_status travel(const rows *x, int64_t n)
{
    sb_link  *l  = x->s->link;
    sb_status st = sb_link_post_alone(l, x->s->fetch.transfer, n, x->stream);
    return st == SB_OK ? sb_link_wait(l, x->stream) : st;
}

static sb_status needed_of_head(rows *x, int64_t head)
{
    sb_shard *s   = x->s;
    char     *out = (char *)s->fetch.send, *in = (char *)s->fetch.receive, *came = in;
    int64_t   each = x->tensors * row_bytes(x), n = 0;
    for (int32_t p = 0; p < s->link->size; p++) {
        if (p == s->link->rank)
            continue;
        sb_gid  gid            = sb_map_gid(s->map, p);
        int64_t sent           = each * pick(x, head, p, out);
        int64_t got            = each * sbi_need_count(sbi_fetch_bits(s, head), &gid);
        s->fetch.transfer[n++] = (sb_transfer){out, sent, p, 0};
        s->fetch.transfer[n++] = (sb_transfer){in, got, p, 1};
        out += sent;
        in += got;
    }
    sb_status st = travel(x, n);
    for (int32_t p = 0; st == SB_OK && p < s->link->size; p++) {
        sb_gid  gid   = sb_map_gid(s->map, p);
        int64_t count = sbi_need_count(sbi_fetch_bits(s, head), &gid);
        if (p == s->link->rank)
            continue;
        place_needed(x, head, p, came, count);
        came += count * each;
    }
    return st;
}

static sb_status all_of_head(rows *x, int64_t head)
{
    sb_shard *s  = x->s;
    char     *in = (char *)s->fetch.receive, *came = in;
    int64_t   own = s->map->rank_tokens[s->link->rank] * row_bytes(x), n = 0;
    for (int32_t p = 0; p < s->link->size; p++)
        for (int t = 0; p != s->link->rank && t < x->tensors; t++) {
            int64_t got            = s->map->rank_tokens[p] * row_bytes(x);
            s->fetch.transfer[n++] = (sb_transfer){sb_tensor_bf16(x->from[t], head, 0), own, p, 0};
            s->fetch.transfer[n++] = (sb_transfer){in, got, p, 1};
            in += got;
        }
    sb_status st = travel(x, n);
    for (int32_t p = 0; st == SB_OK && p < s->link->size; p++) {
        if (p == s->link->rank)
            continue;
        place_all(x, head, p, came);
        came += x->tensors * s->map->rank_tokens[p] * row_bytes(x);
    }
    return st;
}

static sb_status heads(rows *x, sb_status (*of_head)(rows *x, int64_t head), sb_status *copied)
{
    sb_status st = SB_OK;
    for (int64_t h = 0; st == SB_OK && h < x->s->kv_heads; h++) {
        st = of_head(x, h);
        place_all(x, h, x->s->link->rank, NULL);
    }
    *copied = x->copied;
    return st == SB_OK ? sbi_link_arrive(x->s->link, x->stream) : st;
}

sb_status sbi_fetch_needed(sb_shard *s, const sb_cache *cache, void *stream, sb_status *copied)
{
    rows x = rows_of(s, cache, stream);
    return heads(&x, needed_of_head, copied);
}

sb_status sbi_fetch_all(sb_shard *s, const sb_cache *cache, void *stream, sb_status *copied)
{
    rows x = rows_of(s, cache, stream);
    return heads(&x, all_of_head, copied);
}
