/* Only needed keys travel: the bits of one rank, the bytes of the bitmaps and of the halo's
 * formula, and the rule that falls back to a gather [sharding 7.1, 7.3]. */
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/shard/fetch.h"
#include "harness/shard/need.h"
#include "kernels/registry.h"
#include "tests/mpi/ranks.h"
#include "tests/mpi/shard_case.h"

enum { HEADS = 4, KV_HEADS = 2, DIM = 32, ROW = DIM * (int)sizeof(sb_bf16) };

/* Keys of other ranks that this rank needs, all KV heads; *untouched: rows of V that it does not
 * need and that nobody wrote (the arena's 0xFF). */
static int64_t count_needed(span_rank *r, const span_seq *s, int64_t *untouched)
{
    int64_t   n = s->spec.n_tokens, needed = 0;
    sb_shape  shape = {.q_gid = s->q_gid, .n_keys = n, .heads = HEADS, .kv_heads = KV_HEADS};
    int32_t  *edge  = calloc((size_t)n + 1, sizeof *edge);
    uint64_t *bits  = calloc((size_t)sbi_need_words(n), sizeof *bits);
    if (edge == NULL || bits == NULL)
        abort();
    *untouched = 0;
    for (int64_t h = 0; h < KV_HEADS; h++) {
        SPAN_EXPECT(r, sbi_need_find(&s->shard.plan, &shape, h, edge, bits) == SB_OK, "%s",
                    sb_error_text());
        for (int64_t k = 0; k < n; k++) {
            if (sb_map_owner(&s->map, k) == r->comm->rank)
                continue;
            needed += sbi_need_bit(bits, k);
            *untouched += !sbi_need_bit(bits, k) &&
                          *(const uint16_t *)sb_tensor_bf16(&s->shard.v_all, h, k) == 0xFFFF;
        }
    }
    free(edge);
    free(bits);
    return needed;
}

/* Bits that travel: what this rank's tokens are wanted for, by all others. */
static int64_t mask_bytes(const span_seq *s, int32_t ranks)
{
    return KV_HEADS * (ranks - 1) * ((s->gid.n_tokens + 7) / 8);
}

static int same_rows(const span_seq *a, const span_seq *whole)
{
    int64_t slot = 0, n = whole->spec.n_tokens;
    for (int32_t j = 0; j < a->gid.n_runs; j++)
        for (int64_t i = 0; i < a->gid.run[j].len; i++, slot++) {
            int64_t t = a->gid.run[j].start + i;
            for (int64_t h = 0; h < HEADS; h++)
                if (memcmp(sb_tensor_bf16(&a->o, h, slot), sb_tensor_bf16(&whole->o, h, t), ROW) !=
                        0 ||
                    memcmp(&a->lse[h * a->gid.n_tokens + slot], &whole->lse[h * n + t],
                           sizeof(float)) != 0)
                    return 0;
        }
    return 1;
}

static void check_traffic(span_rank *r, const span_seq *s, int64_t received)
{
    int64_t tensors = s->method->plan_keys == SB_PLAN_KEYS_ALL ? 1 : 2, untouched = 0;
    int64_t needed = count_needed(r, s, &untouched), R = r->comm->size;
    int64_t foreign = KV_HEADS * (s->spec.n_tokens - s->gid.n_tokens), sum[2] = {needed, foreign};
    SPAN_EXPECT(r, sb_comm_allreduce_i64(r->comm, sum, 2, SB_REDUCE_SUM) == SB_OK, "%s",
                sb_error_text());
    if (R == 1)
        return;
    int fetch = 10 * sum[0] < 6 * sum[1];
    SPAN_EXPECT(r, s->shard.fetch.fetched == fetch, "%s %s: phi %lld / %lld, fetched %d",
                s->spec.method, s->spec.params, (long long)sum[0], (long long)sum[1],
                s->shard.fetch.fetched);
    SPAN_EXPECT(r, received == (fetch ? tensors * needed * ROW + mask_bytes(s, r->comm->size) : 0),
                "%s %s: received %lld bytes for %lld keys", s->spec.method, s->spec.params,
                (long long)received, (long long)needed);
    SPAN_EXPECT(r, !fetch || untouched == foreign - needed, "%s: %lld rows untouched, not %lld",
                s->spec.method, (long long)untouched, (long long)(foreign - needed));
}

/* 1: needed keys alone were moved. */
static int compare(span_rank *r, const span_seq_spec *spec, sb_link *link)
{
    sb_comm  *self;
    span_seq  shard, whole;
    sb_status st = sb_comm_self_create(&self);
    if (st == SB_OK)
        st = span_seq_open_as(spec, &(span_how){.link = link, .use.fetch = 1}, r->comm, &shard);
    if (st == SB_OK)
        st = span_seq_open(spec, self, &whole);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    if (sb_comm_agree(r->comm, st) != SB_OK)
        return 0;
    SPAN_EXPECT(r, span_seq_prefill(&whole) == SB_OK, "%s", sb_error_text());
    for (int again = 0; again < 2; again++) {
        link->received_bytes = 0;
        st                   = span_seq_prefill(&shard);
        SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
        SPAN_EXPECT(r, same_rows(&shard, &whole), "%s %s, layout %d, %lld tokens", spec->method,
                    spec->params, (int)spec->kind, (long long)spec->n_tokens);
        check_traffic(r, &shard, link->received_bytes);
    }
    SPAN_EXPECT(r, sb_arena_canaries_intact(&shard.arena), "%s: written outside", spec->method);
    int fetched = shard.shard.fetch.fetched;
    span_seq_close(&shard);
    span_seq_close(&whole);
    sb_comm_destroy(self);
    return fetched;
}

static void fetched_keys_equal_one_rank(span_rank *r)
{
    static const struct {
        const char *method, *params;
    } methods[] = {
        {"dense", ""},
        {"streaming_llm", "sink_tokens=4 window_tokens=65"},
        {"power_attention", "pattern=longnet block_tokens=16 window_blocks=4 levels=3"},
        {"power_attention", "pattern=moa beta=0.2 max_new_tokens=100"},
        {"power_attention",
         "pattern=neighborhood window_tokens=9 stride_tokens=2 dilation_tokens=5"},
        {"random_blocks", "block_tokens=16 density=0.3"},
        {"minference", "vertical_tokens=20 slash_tokens=130"},
        {"pbs_attn", "block_tokens=16 segment_tokens=32 tau=0.3"},
    };
    static const int64_t lengths[] = {2, 900};
    sb_link             *link      = span_link(r->comm);
    int                  fetched = 0, all = 0;
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++)
        for (int kind = 0; kind < SB_LAYOUT_COUNT; kind++)
            for (int n = 0; n < 2; n++, all++)
                fetched += compare(r,
                                   &(span_seq_spec){methods[m].method, methods[m].params,
                                                    (sb_layout_kind)kind, lengths[n], 1, HEADS,
                                                    KV_HEADS, DIM},
                                   link);
    if (r->comm->size > 1) /* both sides of the rule were met */
        SPAN_EXPECT(r, fetched > all / 4 && fetched < all, "%d of %d fetched", fetched, all);
    sb_link_destroy(link);
}

/* 400 tokens a rank in one piece, 8 sinks, a window of 100: every rank but the first gets the sinks
 * and the 99 tokens before its own [7.1], whatever the length. */
static void a_halo_is_sinks_and_window(span_rank *r)
{
    int64_t       R    = r->comm->size;
    span_seq_spec spec = {"streaming_llm",
                          "sink_tokens=8 window_tokens=100",
                          SB_LAYOUT_CONTIGUOUS,
                          400 * R,
                          1,
                          HEADS,
                          KV_HEADS,
                          DIM};
    sb_link      *link = span_link(r->comm);
    span_seq      s;
    SPAN_EXPECT(
        r, span_seq_open_as(&spec, &(span_how){.link = link, .use.fetch = 1}, r->comm, &s) == SB_OK,
        "%s", sb_error_text());
    SPAN_EXPECT(r, span_seq_prefill(&s) == SB_OK, "%s", sb_error_text());
    int64_t rows = r->comm->rank == 0 ? 0 : 8 + 99;
    SPAN_EXPECT(r,
                link->received_bytes ==
                    (R > 1 ? 2 * rows * KV_HEADS * ROW + mask_bytes(&s, (int32_t)R) : 0),
                "%lld bytes", (long long)link->received_bytes);
    span_seq_close(&s);
    sb_link_destroy(link);
}

static void the_rule_decides(span_rank *r)
{
    sb_link *link = span_link(r->comm);
    int64_t  n    = 256 * r->comm->size;
    /* in one piece dense needs the half before it; dealt out in stripes nearly all */
    span_seq_spec spec = {"dense", "", SB_LAYOUT_CONTIGUOUS, n, 1, HEADS, KV_HEADS, DIM};
    int           some = compare(r, &spec, link);
    spec.kind          = SB_LAYOUT_BLOCK_STRIPED;
    int all            = compare(r, &spec, link);
    if (r->comm->size > 1)
        SPAN_EXPECT(r, some == 1 && all == 0, "%d, %d", some, all);
    SPAN_EXPECT(r, sb_fetch_check(sb_method_find("hip")) == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, sb_fetch_check(sb_method_find("lightning")) == SB_ERR_UNSUPPORTED, "lightning");
    sb_link_destroy(link);
}

/* ---- a rank that fails ---- */

static sb_status fails(sb_ctx *ctx, const void *params, const sb_shape *shape, const sb_tensor *q,
                       const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    if (ctx->comm->rank == ctx->comm->size - 1)
        return sb_fail(SB_ERR_NOMEM, "made to fail");
    return sb_method_find("dense")->plan[SB_CPU](ctx, params, shape, q, k, cache, plan);
}

static void a_rank_without_an_index_ends_the_call(span_rank *r)
{
    span_seq_spec spec = {"dense", "", SB_LAYOUT_CONTIGUOUS, 300, 1, HEADS, KV_HEADS, DIM};
    sb_link      *link = span_link(r->comm);
    sb_method     m    = *sb_method_find("dense");
    span_seq      s;
    SPAN_EXPECT(
        r, span_seq_open_as(&spec, &(span_how){.link = link, .use.fetch = 1}, r->comm, &s) == SB_OK,
        "%s", sb_error_text());
    m.plan[SB_CPU] = fails;
    s.method       = &m;
    sb_status st   = span_seq_prefill(&s);
    SPAN_EXPECT(r, st == (r->comm->rank == r->comm->size - 1 ? SB_ERR_NOMEM : SB_ERR_PEER),
                "status %d", (int)st);
    s.method = sb_method_find("dense");
    SPAN_EXPECT(r, span_seq_prefill(&s) == SB_OK, "%s", sb_error_text());
    span_seq_close(&s);
    sb_link_destroy(link);
}

const span_case span_fetch_cases[] = {
    {"fetched_keys_equal_one_rank", fetched_keys_equal_one_rank},
    {"a_halo_is_sinks_and_window", a_halo_is_sinks_and_window},
    {"the_rule_decides", the_rule_decides},
    {"a_rank_without_an_index_ends_the_call", a_rank_without_an_index_ends_the_call},
    {0},
};
