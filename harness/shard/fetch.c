#include "harness/shard/fetch.h"

#include <string.h>

#include "harness/shard/gather.h"
#include "harness/shard/index.h"
#include "harness/shard/need.h"
#include "harness/shard/ring.h"

/* Fetch below this share of foreign keys [7.3]: RULE_NUM / RULE_DEN. */
enum { RULE_NUM = 6, RULE_DEN = 10, K_AND_V = 2 };

static int64_t mask_bytes(const sb_map *map, int32_t rank)
{
    return (map->rank_tokens[rank] + 7) / 8;
}

static sb_status alloc(sb_arena *a, int64_t n, size_t bytes, const char *what, void *out)
{
    void     *p  = NULL;
    sb_status st = sb_arena_alloc(a, n, bytes, what, &p);
    memcpy(out, &p, sizeof p);
    return st;
}

sb_status sb_shard_layout_fetch(sb_shard *s, sb_arena *data, sb_arena *a, const sb_map *map,
                                const sb_comm *comm, int64_t heads, int64_t kv_heads,
                                int64_t head_dim, int whole_keys)
{
    sb_fetch *f  = &s->fetch;
    sb_status st = sb_shard_layout_local(s, a, map, comm, heads, kv_heads, head_dim);
    if (st == SB_OK)
        st = sb_shard_layout_gather(s, data);
    s->prefill    = sbi_prefill_fetch;
    f->whole_keys = whole_keys;
    if (st != SB_OK || map->ranks == 1)
        return st;
    int64_t n = map->n_tokens, own = map->rank_tokens[comm->rank], theirs = 0;
    int64_t row = (whole_keys ? 1 : K_AND_V) * head_dim;
    for (int32_t r = 0; r < map->ranks; r++)
        theirs += r == comm->rank ? 0 : mask_bytes(map, r);
    if ((st = alloc(a, n + 1, sizeof *f->edge, "edges of needed keys", &f->edge)) != SB_OK ||
        (st = alloc(a, kv_heads * sbi_need_words(n), sizeof *f->bits, "needed keys", &f->bits)) !=
            SB_OK ||
        (st = alloc(a, kv_heads * theirs, 1, "needs of this rank", &f->asked)) != SB_OK ||
        (st = alloc(a, kv_heads * (map->ranks - 1) * mask_bytes(map, comm->rank), 1,
                    "needs of other ranks", &f->wanted)) != SB_OK ||
        (st = alloc(a, 2 * (int64_t)(map->ranks - 1), sizeof *f->transfer, "transfers of a head",
                    &f->transfer)) != SB_OK ||
        (st = alloc(data, (map->ranks - 1) * own * row, sizeof(sb_bf16), "rows to send",
                    &f->send)) != SB_OK)
        return st;
    return alloc(data, (n - own) * row, sizeof(sb_bf16), "rows to receive", &f->receive);
}

sb_status sb_fetch_check(const sb_method *m)
{
    if (m->caps & (SB_CAP_STATE | SB_CAP_NO_INDEX))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "sharding: found fetch, allowed state: %s has no keys to fetch", m->name);
    return SB_OK;
}

/* ---- what is needed ---- */

static uint64_t *bits_of(const sb_shard *s, int64_t kv_head)
{
    return s->fetch.bits + kv_head * sbi_need_words(s->map->n_tokens);
}

/* Bits of all KV heads; x: needed and all keys of other ranks. */
static sb_status find_needs(sb_shard *s, const sb_shape *shape, int32_t rank, int64_t x[2])
{
    sb_gid    own    = sb_map_gid(s->map, rank);
    sb_gid    all    = {.run = &s->all_run, .n_runs = 1, .n_tokens = s->map->n_tokens};
    int       differ = sbi_plan_heads_differ(&s->plan);
    size_t    bytes  = (size_t)sbi_need_words(s->map->n_tokens) * sizeof(uint64_t);
    sb_status st     = SB_OK;
    x[0] = x[1] = 0;
    for (int64_t h = 0; st == SB_OK && h < s->kv_heads; h++) {
        uint64_t *bits = bits_of(s, h);
        if (h == 0 || differ)
            st = sbi_need_find(&s->plan, shape, h, s->fetch.edge, bits);
        else
            memcpy(bits, bits_of(s, 0), bytes);
        if (st == SB_OK)
            x[0] += sbi_need_count(bits, &all) - sbi_need_count(bits, &own);
        x[1] += s->map->n_tokens - own.n_tokens;
    }
    return st;
}

/* All ranks decide alike: *fetch. */
static sb_status decide(sb_shard *s, const sb_shape *shape, sb_comm *comm, sb_status st, int *fetch)
{
    int64_t x[2] = {0, 0};
    if (st == SB_OK)
        st = find_needs(s, shape, comm->rank, x);
    if ((st = sb_comm_agree(comm, st)) != SB_OK)
        return st;
    st     = sb_comm_allreduce_i64(comm, x, 2, SB_REDUCE_SUM);
    *fetch = x[0] * RULE_DEN < x[1] * RULE_NUM;
    return st;
}

/* ---- who wants what ---- */

/* Is slot `i` of a rank's tokens set in its mask? */
static int mask_bit(const uint8_t *mask, int64_t i) { return mask[i / 8] >> i % 8 & 1; }

/* The needs of this rank among the peer's tokens, in the order that the peer holds them. */
static void write_mask(const sb_shard *s, int64_t kv_head, int32_t peer, uint8_t *mask)
{
    const uint64_t *bits = bits_of(s, kv_head);
    sb_gid          gid  = sb_map_gid(s->map, peer);
    int64_t         slot = 0;
    memset(mask, 0, (size_t)mask_bytes(s->map, peer));
    for (int32_t r = 0; r < gid.n_runs; r++)
        for (int64_t i = 0; i < gid.run[r].len; i++, slot++)
            mask[slot / 8] |= (uint8_t)(sbi_need_bit(bits, gid.run[r].start + i) << slot % 8);
}

/* The peer's needs of this rank's tokens. */
static uint8_t *wanted_by(const sb_shard *s, int32_t peer, int64_t kv_head)
{
    const sb_fetch *f     = &s->fetch;
    int64_t         bytes = mask_bytes(s->map, s->link->rank);
    int32_t         place = peer < s->link->rank ? peer : peer - 1;
    return f->wanted + (place * s->kv_heads + kv_head) * bytes;
}

static sb_status exchange(sb_shard *s, int64_t n, void *stream)
{
    sb_status st = sb_link_post(s->link, s->fetch.transfer, n, stream);
    return st == SB_OK ? sb_link_wait(s->link, stream) : st;
}

static sb_status exchange_masks(sb_shard *s, void *stream)
{
    uint8_t *at  = s->fetch.asked;
    int64_t  own = mask_bytes(s->map, s->link->rank), n = 0;
    for (int32_t p = 0; p < s->link->size; p++) {
        int64_t bytes = mask_bytes(s->map, p);
        if (p == s->link->rank)
            continue;
        for (int64_t h = 0; h < s->kv_heads; h++)
            write_mask(s, h, p, at + h * bytes);
        s->fetch.transfer[n++] = (sb_transfer){at, s->kv_heads * bytes, p, 0};
        s->fetch.transfer[n++] = (sb_transfer){wanted_by(s, p, 0), s->kv_heads * own, p, 1};
        at += s->kv_heads * bytes;
    }
    return exchange(s, n, stream);
}

/* ---- rows ---- */

typedef struct rows {
    sb_shard        *s;
    const sb_tensor *from[K_AND_V];
    sb_tensor       *to[K_AND_V];
    int              tensors;
} rows;

/* The rows of one head that a peer wants, all of K before all of V; returns the end. */
static sb_bf16 *pack(const rows *x, int64_t head, const uint8_t *mask, sb_bf16 *at)
{
    int64_t d = x->s->head_dim;
    for (int t = 0; t < x->tensors; t++)
        for (int64_t i = 0; i < x->from[t]->tokens; i++)
            if (mask_bit(mask, i)) {
                memcpy(at, sb_tensor_bf16(x->from[t], head, i), (size_t)d * sizeof *at);
                at += d;
            }
    return at;
}

/* The same of what came from a peer, to its ids. */
static const sb_bf16 *place(const rows *x, int64_t head, int32_t peer, const sb_bf16 *at)
{
    const uint64_t *bits = bits_of(x->s, head);
    sb_gid          gid  = sb_map_gid(x->s->map, peer);
    int64_t         d    = x->s->head_dim;
    for (int t = 0; t < x->tensors; t++)
        for (int32_t r = 0; r < gid.n_runs; r++)
            for (int64_t k = gid.run[r].start; k < gid.run[r].start + gid.run[r].len; k++)
                if (sbi_need_bit(bits, k)) {
                    memcpy(sb_tensor_bf16(x->to[t], head, k), at, (size_t)d * sizeof *at);
                    at += d;
                }
    return at;
}

static void place_own(const rows *x, int64_t head)
{
    sb_gid gid = sb_map_gid(x->s->map, x->s->link->rank);
    for (int t = 0; t < x->tensors; t++)
        for (int64_t r = 0, slot = 0; r < gid.n_runs; slot += gid.run[r++].len)
            memcpy(sb_tensor_bf16(x->to[t], head, gid.run[r].start),
                   sb_tensor_bf16(x->from[t], head, slot),
                   (size_t)(gid.run[r].len * x->s->head_dim) * sizeof(sb_bf16));
}

static sb_status fetch_head(const rows *x, int64_t head, void *stream)
{
    sb_shard      *s    = x->s;
    sb_bf16       *out  = s->fetch.send;
    sb_bf16       *in   = s->fetch.receive;
    const sb_bf16 *came = in;
    int64_t        n    = 0;
    for (int32_t p = 0; p < s->link->size; p++) {
        if (p == s->link->rank)
            continue;
        sb_gid   gid           = sb_map_gid(s->map, p);
        sb_bf16 *end           = pack(x, head, wanted_by(s, p, head), out);
        int64_t  count         = x->tensors * s->head_dim * sbi_need_count(bits_of(s, head), &gid);
        s->fetch.transfer[n++] = (sb_transfer){out, (end - out) * (int64_t)sizeof *out, p, 0};
        s->fetch.transfer[n++] = (sb_transfer){in, count * (int64_t)sizeof *in, p, 1};
        out                    = end;
        in += count;
    }
    sb_status st = exchange(s, n, stream);
    for (int32_t p = 0; st == SB_OK && p < s->link->size; p++)
        if (p != s->link->rank)
            came = place(x, head, p, came);
    place_own(x, head);
    return st;
}

static sb_status fetch(sb_shard *s, const sb_cache *cache, void *stream)
{
    rows x = {.s = s, .from = {&cache->v}, .to = {&s->v_all}, .tensors = 1};
    if (!s->fetch.whole_keys)
        x = (rows){.s       = s,
                   .from    = {&cache->k, &cache->v},
                   .to      = {&s->k_all, &s->v_all},
                   .tensors = K_AND_V};
    sb_status st = exchange_masks(s, stream);
    for (int64_t h = 0; st == SB_OK && h < s->kv_heads; h++)
        st = fetch_head(&x, h, stream);
    return st;
}

static sb_status gather(sb_shard *s, sb_comm *comm, const sb_cache *cache)
{
    sb_status st = s->fetch.whole_keys ? SB_OK : sbi_gather(s, comm, &cache->k, &s->k_all);
    return st == SB_OK ? sbi_gather(s, comm, &cache->v, &s->v_all) : st;
}

/* ---- the call ---- */

/* All keys first where planning reads them. */
static sb_status plan(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                      const sb_shape *shape, const sb_tensor *q, sb_cache *cache)
{
    const sb_tensor *k  = &cache->k;
    sb_status        st = SB_OK;
    if (s->fetch.whole_keys) {
        int64_t t0 = sb_now_ns();
        st         = sbi_gather(s, ctx->comm, k, &s->k_all);
        sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
        k = &s->k_all;
    }
    return st == SB_OK ? sbi_plan_here(s, ctx, m, params, shape, q, k, cache) : st;
}

sb_status sbi_prefill_fetch(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                            const sb_shape *shape, const sb_tensor *q, sb_cache *cache, float scale,
                            sb_tensor *o, float *lse, sb_status st)
{
    sb_attn_in  in  = {.q = q, .k = &s->k_all, .v = &s->v_all, .scale = scale};
    sb_attn_out out = {.o = o, .lse = lse, .mode = SB_OUT_SET};
    if ((st = sb_comm_agree(ctx->comm, st)) != SB_OK) /* planning meets other ranks */
        return st;
    s->k_all.gid = s->v_all.gid =
        (sb_gid){.run = &s->all_run, .n_runs = 1, .n_tokens = s->map->n_tokens};
    st         = plan(s, ctx, m, params, shape, q, cache);
    int64_t t0 = sb_now_ns();
    sbi_link_begin(s->link);
    if ((st = decide(s, shape, ctx->comm, st, &s->fetch.fetched)) == SB_OK)
        st = s->fetch.fetched ? fetch(s, cache, ctx->stream) : gather(s, ctx->comm, cache);
    sbi_link_account(s->link, ctx->comm);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st == SB_OK ? m->attend[ctx->backend->id](ctx, params, &in, &s->plan, cache, &out) : st;
}
