#include "harness/shard/fetch.h"

#include <string.h>

#include "harness/shard/fetch_rows.h"
#include "harness/shard/gather.h"
#include "harness/shard/index.h"
#include "harness/shard/ring.h"

/* Fetch below this share of foreign keys [7.3]: RULE_NUM / RULE_DEN. */
enum { RULE_NUM = 6, RULE_DEN = 10, K_AND_V = 2 };

/* ---- room ---- */

static sb_status alloc(sb_arena *a, int64_t n, size_t bytes, const char *what, void *out)
{
    void     *p  = NULL;
    sb_status st = sb_arena_alloc(a, n, bytes, what, &p);
    memcpy(out, &p, sizeof p);
    return st;
}

/* What takes the place of gathered K and V, and of bits that travel in host memory. */
static sb_status layout_there(sb_shard *s, sb_arena *data)
{
    sb_fetch *f  = &s->fetch;
    int64_t   n  = s->map->n_tokens;
    sb_status st = SB_OK;
    for (int t = 0; st == SB_OK && t < K_AND_V; t++) {
        f->there[t] = (sb_tensor){.dtype       = SB_BF16,
                                  .heads       = s->kv_heads,
                                  .tokens      = n,
                                  .dim         = s->head_dim,
                                  .head_stride = n * s->head_dim};
        st = sb_arena_alloc(data, s->kv_heads * n * s->head_dim, sizeof(sb_bf16), "fetched keys",
                            &f->there[t].data);
    }
    if (st == SB_OK)
        st = alloc(data, f->asked_bytes, 1, "needs of this rank", &f->asked_there);
    return st == SB_OK ? alloc(data, f->wanted_bytes, 1, "needs of other ranks", &f->wanted_there)
                       : st;
}

static sb_status layout_needs(sb_shard *s, sb_arena *a, int32_t rank)
{
    sb_fetch     *f   = &s->fetch;
    const sb_map *map = s->map;
    int64_t       n   = map->n_tokens;
    sb_status     st;
    for (int32_t r = 0; r < map->ranks; r++)
        f->asked_bytes += r == rank ? 0 : s->kv_heads * sbi_mask_bytes(map, r);
    f->wanted_bytes = s->kv_heads * (map->ranks - 1) * sbi_mask_bytes(map, rank);
    if ((st = alloc(a, n + 1, sizeof *f->edge, "edges of needed keys", &f->edge)) != SB_OK ||
        (st = alloc(a, s->kv_heads * sbi_need_words(n), sizeof *f->bits, "needed keys",
                    &f->bits)) != SB_OK ||
        (st = alloc(a, sbi_need_words(map->rank_tokens[rank]), sizeof *f->slots, "wanted keys",
                    &f->slots)) != SB_OK ||
        (st = alloc(a, f->asked_bytes, 1, "needs of this rank", &f->asked)) != SB_OK ||
        (st = alloc(a, f->wanted_bytes, 1, "needs of other ranks", &f->wanted)) != SB_OK)
        return st;
    return alloc(a, sbi_fetch_transfers(map->ranks), sizeof *f->transfer, "transfers of a head",
                 &f->transfer);
}

sb_status sb_shard_layout_fetch(sb_shard *s, sb_arena *data, sb_arena *a, const sb_map *map,
                                const sb_comm *comm, int64_t heads, int64_t kv_heads,
                                int64_t head_dim, int whole_keys, int on_device)
{
    sb_fetch *f   = &s->fetch;
    sb_status st  = sb_shard_layout_local(s, a, map, comm, heads, kv_heads, head_dim);
    s->prefill    = sbi_prefill_fetch;
    f->whole_keys = whole_keys;
    if (st == SB_OK && !on_device)
        st = sb_shard_layout_gather(s, data);
    if (st != SB_OK || map->ranks == 1)
        return st;
    int64_t n = map->n_tokens, own = map->rank_tokens[comm->rank];
    int64_t row = (whole_keys ? 1 : K_AND_V) * head_dim;
    if ((st = layout_needs(s, a, comm->rank)) != SB_OK ||
        (on_device && (st = layout_there(s, data)) != SB_OK) ||
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

sb_status sb_fetch_check_device(const sb_method *m, const sb_backend *backend, int32_t ranks)
{
    if (sb_device_plans(backend, m))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "sharding: found fetch on %d ranks of backend %s, allowed allgather and "
                       "ulysses: %s plans there, and what it needs is read from an index in host "
                       "memory",
                       ranks, backend->name, m->name);
    return SB_OK;
}

/* ---- what is needed ---- */

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
        uint64_t *bits = sbi_fetch_bits(s, h);
        if (h == 0 || differ)
            st = sbi_need_find(&s->plan, shape, h, s->fetch.edge, bits);
        else
            memcpy(bits, sbi_fetch_bits(s, 0), bytes);
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

static void set_bits(uint8_t *mask, int64_t first, int64_t n)
{
    int64_t i = first, end = first + n;
    for (; i < end && i % 8 != 0; i++)
        mask[i / 8] |= (uint8_t)(1 << i % 8);
    memset(mask + i / 8, 0xFF, (size_t)((end - i) / 8));
    for (i += (end - i) / 8 * 8; i < end; i++)
        mask[i / 8] |= (uint8_t)(1 << i % 8);
}

/* The needs of this rank among the peer's tokens, in the order that the peer holds them. */
static void write_mask(const sb_shard *s, int64_t kv_head, int32_t peer, uint8_t *mask)
{
    const uint64_t *bits = sbi_fetch_bits(s, kv_head);
    sb_gid          gid  = sb_map_gid(s->map, peer);
    int64_t         slot = 0;
    sb_run          set;
    memset(mask, 0, (size_t)sbi_mask_bytes(s->map, peer));
    for (int32_t r = 0; r < gid.n_runs; slot += gid.run[r++].len) {
        int64_t first = gid.run[r].start, end = first + gid.run[r].len;
        for (int64_t at = first; sbi_need_run(bits, at, end, &set); at = set.start + set.len)
            set_bits(mask, slot + set.start - first, set.len);
    }
}

static void write_masks(const sb_shard *s)
{
    uint8_t *at = s->fetch.asked;
    for (int32_t p = 0; p < s->link->size; p++)
        for (int64_t h = 0; p != s->link->rank && h < s->kv_heads; h++) {
            write_mask(s, h, p, at);
            at += sbi_mask_bytes(s->map, p);
        }
}

/* From `asked` to whom it is asked of, what they ask to `wanted`: memory of the link. */
static sb_status swap_masks(sb_shard *s, uint8_t *asked, uint8_t *wanted, void *stream)
{
    int64_t own = s->kv_heads * sbi_mask_bytes(s->map, s->link->rank), n = 0;
    for (int32_t p = 0; p < s->link->size; p++) {
        int64_t bytes = s->kv_heads * sbi_mask_bytes(s->map, p);
        if (p == s->link->rank)
            continue;
        s->fetch.transfer[n++] = (sb_transfer){asked, bytes, p, 0};
        s->fetch.transfer[n++] = (sb_transfer){wanted, own, p, 1};
        asked += bytes;
        wanted += own;
    }
    sb_status st = sb_link_post_alone(s->link, s->fetch.transfer, n, stream);
    return st == SB_OK ? sb_link_wait(s->link, stream) : st;
}

static sb_status copy_masks(const sb_shard *s, void *to, const void *from, int64_t bytes,
                            sb_copy_kind kind, void *stream)
{
    return bytes > 0 ? s->link->backend->copy(to, from, (size_t)bytes, kind, stream) : SB_OK;
}

/* A rank that cannot copy goes on meeting the others, and says so in the end. */
static sb_status swap_masks_there(sb_shard *s, void *stream)
{
    sb_fetch *f = &s->fetch;
    sb_status copied =
        copy_masks(s, f->asked_there, f->asked, f->asked_bytes, SB_COPY_TO_DEVICE, stream);
    sb_status st = swap_masks(s, f->asked_there, f->wanted_there, stream);
    if (st == SB_OK && copied == SB_OK)
        copied =
            copy_masks(s, f->wanted, f->wanted_there, f->wanted_bytes, SB_COPY_TO_HOST, stream);
    if (st == SB_OK)
        st = sbi_link_arrive(s->link, stream);
    return st == SB_OK ? copied : st;
}

static sb_status exchange_masks(sb_shard *s, sb_comm *comm, void *stream)
{
    write_masks(s);
    if (s->device == NULL)
        return swap_masks(s, s->fetch.asked, s->fetch.wanted, stream);
    /* without its bits a rank does not know what to send */
    return sb_comm_agree(comm, swap_masks_there(s, stream));
}

/* ---- rows ---- */

/* What executors read of rows that nobody needs they multiply by 0: it has to be a number. Later
 * calls find rows of earlier ones there. */
static sb_status clear(sb_shard *s, void *stream)
{
    sb_fetch *f     = &s->fetch;
    size_t    bytes = (size_t)(s->kv_heads * s->map->n_tokens * s->head_dim) * sizeof(sb_bf16);
    sb_status st    = SB_OK;
    for (int t = 0; st == SB_OK && !f->cleared && t < K_AND_V; t++)
        st = s->link->backend->fill(f->there[t].data, 0, bytes, stream);
    f->cleared = f->cleared || st == SB_OK;
    return st;
}

static sb_status fetch(sb_shard *s, sb_comm *comm, const sb_cache *cache, void *stream)
{
    sb_status st = exchange_masks(s, comm, stream), copied = SB_OK, cleared = SB_OK;
    if (st != SB_OK)
        return st;
    if (s->device != NULL)
        cleared = clear(s, stream);
    st = sbi_fetch_needed(s, cache, stream, &copied);
    return st != SB_OK ? st : cleared != SB_OK ? cleared : copied;
}

static sb_status gather(sb_shard *s, sb_comm *comm, const sb_cache *cache, void *stream)
{
    sb_status st = SB_OK, copied = SB_OK;
    if (s->device != NULL) {
        st = sbi_fetch_all(s, cache, stream, &copied);
        return st == SB_OK ? copied : st;
    }
    if (!s->fetch.whole_keys)
        st = sbi_gather(s, comm, &cache->k, &s->k_all);
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

/* st: of the plan. */
static sb_status bring(sb_shard *s, sb_ctx *ctx, const sb_shape *shape, const sb_cache *cache,
                       sb_status st)
{
    int64_t t0 = sb_now_ns();
    sbi_link_begin(s->link);
    if ((st = decide(s, shape, ctx->comm, st, &s->fetch.fetched)) == SB_OK)
        st = s->fetch.fetched ? fetch(s, ctx->comm, cache, ctx->stream)
                              : gather(s, ctx->comm, cache, ctx->stream);
    sbi_link_account(s->link, ctx->comm);
    sb_phase_add(ctx->phases, SB_PHASE_COMMUNICATE, t0);
    return st;
}

sb_status sbi_prefill_fetch(sb_shard *s, sb_ctx *ctx, const sb_method *m, const void *params,
                            const sb_shape *shape, const sb_tensor *q, sb_cache *cache, float scale,
                            sb_tensor *o, float *lse, sb_status st)
{
    int         there = s->device != NULL;
    sb_tensor  *k     = there ? &s->fetch.there[0] : &s->k_all;
    sb_tensor  *v     = there ? &s->fetch.there[1] : &s->v_all;
    sb_attn_in  in    = {.q = q, .k = k, .v = v, .scale = scale};
    sb_attn_out out   = {.o = o, .lse = lse, .mode = SB_OUT_SET};
    if ((st = sb_comm_agree(ctx->comm, st)) != SB_OK) /* planning meets other ranks */
        return st;
    k->gid = v->gid = (sb_gid){.run = &s->all_run, .n_runs = 1, .n_tokens = s->map->n_tokens};
    st              = bring(s, ctx, shape, cache, plan(s, ctx, m, params, shape, q, cache));
    if (st != SB_OK)
        return st;
    return there
               ? sb_device_call_attend(s->device, ctx, m, params, &in, shape, &s->plan, NULL, &out)
               : m->attend[ctx->backend->id](ctx, params, &in, &s->plan, cache, &out);
}
