/* Keys gathered some heads at a time: the bits of one rank, the traffic of the formula, room for
 * two groups instead of all heads, and a failure that takes nobody along [sharding 4a, 5, 6]. */
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/shard/groups.h"
#include "kernels/registry.h"
#include "tests/mpi/ranks.h"
#include "tests/mpi/shard_case.h"

enum { HEADS = 8, KV_HEADS = 4, DIM = 32 };

/* Local rows of a against the whole sequence: no bit may differ. */
static int same_rows(const span_seq *a, const span_seq *whole)
{
    int64_t slot = 0, n = whole->q_gid.n_tokens, first = whole->how.first_query;
    size_t  bytes = (size_t)a->spec.head_dim * sizeof(sb_bf16);
    for (int32_t j = 0; j < a->q_gid.n_runs; j++)
        for (int64_t i = 0; i < a->q_gid.run[j].len; i++, slot++) {
            int64_t t = a->q_gid.run[j].start + i - first;
            for (int64_t h = 0; h < a->spec.heads; h++)
                if (memcmp(sb_tensor_bf16(&a->o, h, slot), sb_tensor_bf16(&whole->o, h, t),
                           bytes) != 0 ||
                    memcmp(&a->lse[h * a->q_gid.n_tokens + slot], &whole->lse[h * n + t],
                           sizeof(float)) != 0)
                    return 0;
        }
    return 1;
}

static void compare(span_rank *r, const span_seq_spec *spec, const span_how *how)
{
    sb_comm  *self;
    span_seq  shard, whole;
    span_how  one = {.first_query = how->first_query};
    sb_status st  = sb_comm_self_create(&self);
    if (st == SB_OK)
        st = span_seq_open_as(spec, how, r->comm, &shard);
    if (st == SB_OK)
        st = span_seq_open_as(spec, &one, self, &whole);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    if (sb_comm_agree(r->comm, st) != SB_OK)
        return;
    SPAN_EXPECT(r, span_seq_prefill(&whole) == SB_OK, "%s", sb_error_text());
    for (int again = 0; again < 2; again++) {
        how->link->received_bytes = 0;
        st                        = span_seq_prefill(&shard);
        SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
        SPAN_EXPECT(r, same_rows(&shard, &whole), "%s %s, layout %d, %lld tokens, %lld at once",
                    spec->method, spec->params, (int)spec->kind, (long long)spec->n_tokens,
                    (long long)how->use.heads_at_once);
    }
    /* K and V of every foreign token once, or V alone beside whole keys [sharding 5] */
    int64_t tensors = shard.method->plan_keys == SB_PLAN_KEYS_ALL ? 1 : 2;
    int64_t foreign = r->comm->size == 1 ? 0 : spec->n_tokens - shard.gid.n_tokens;
    SPAN_EXPECT(r, how->link->received_bytes == tensors * KV_HEADS * DIM * 2 * foreign,
                "%s: received %lld bytes for %lld tokens", spec->method,
                (long long)how->link->received_bytes, (long long)foreign);
    SPAN_EXPECT(r, shard.arena.high_water_bytes <= shard.predicted_bytes,
                "%zu bytes, predicted %zu", shard.arena.high_water_bytes, shard.predicted_bytes);
    SPAN_EXPECT(r, sb_arena_canaries_intact(&shard.arena), "%s: written outside", spec->method);
    span_seq_close(&shard);
    span_seq_close(&whole);
    sb_comm_destroy(self);
}

static void groups_equal_one_rank(span_rank *r)
{
    static const struct {
        const char *method, *params;
    } methods[] = {
        {"dense", ""},
        {"power_attention", "pattern=moa beta=0.2 max_new_tokens=100"}, /* windows by head */
        {"random_blocks", "block_tokens=16 density=0.3"},               /* lists by head */
        {"minference", "vertical_tokens=50 slash_tokens=130"},          /* K of all heads first */
        {"pbs_attn", "block_tokens=16 segment_tokens=32 tau=0.6"},      /* slots by head */
    };
    static const int64_t lengths[] = {2, 517}, at_once[] = {1, 3, 4};
    sb_link             *link = span_link(r->comm);
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++)
        for (int kind = 0; kind < SB_LAYOUT_COUNT; kind++)
            for (int n = 0; n < 4; n++)
                compare(r,
                        &(span_seq_spec){methods[m].method, methods[m].params, (sb_layout_kind)kind,
                                         lengths[n > 0], 1, HEADS, KV_HEADS, DIM},
                        &(span_how){.link = link, .use.heads_at_once = at_once[n > 0 ? n - 1 : 0]});
    sb_link_destroy(link);
}

/* A chunk behind earlier tokens: ranks may have keys and no query. */
static void a_chunk_equals_one_rank(span_rank *r)
{
    sb_link *link = span_link(r->comm);
    for (int kind = 0; kind < SB_LAYOUT_COUNT; kind++)
        compare(r,
                &(span_seq_spec){"dense", "", (sb_layout_kind)kind, 900, 1, HEADS, KV_HEADS, DIM},
                &(span_how){.link = link, .use.heads_at_once = 1, .first_query = 700});
    sb_link_destroy(link);
}

static size_t bytes_of(span_rank *r, const span_how *how)
{
    span_seq_spec spec = {"dense", "", SB_LAYOUT_ZIGZAG, 4096, 1, HEADS, KV_HEADS, DIM};
    span_seq      s;
    SPAN_EXPECT(r, span_seq_open_as(&spec, how, r->comm, &s) == SB_OK, "%s", sb_error_text());
    size_t bytes = s.predicted_bytes;
    span_seq_close(&s);
    return bytes;
}

/* 2 groups of one head instead of 4 heads: half of the gathered keys, which are most of the room.
 */
static void two_groups_take_the_place_of_all_heads(span_rank *r)
{
    sb_link *link = span_link(r->comm);
    size_t   head = (size_t)2 * 4096 * DIM * sizeof(sb_bf16);
    size_t   all  = bytes_of(r, &(span_how){.link = NULL}),
           two    = bytes_of(r, &(span_how){.link = link, .use.heads_at_once = 1});
    if (r->comm->size > 1) /* the list of transfers is small beside it */
        SPAN_EXPECT(r, all - two <= 2 * head && all - two + 16384 >= 2 * head, "%zu and %zu bytes",
                    all, two);
    sb_link_destroy(link);
}

/* ---- a rank that fails ---- */

static _Thread_local int32_t fails_at, calls;

static sb_status fails(sb_ctx *ctx, const void *params, const sb_attn_in *in, const sb_plan *plan,
                       sb_cache *cache, sb_attn_out *out)
{
    if (calls++ == fails_at)
        return sb_fail(SB_ERR_NOMEM, "made to fail");
    return sb_method_find("dense")->attend[SB_CPU](ctx, params, in, plan, cache, out);
}

static void a_rank_that_fails_goes_on_receiving(span_rank *r)
{
    sb_link      *link = span_link(r->comm);
    span_seq_spec spec = {"dense", "", SB_LAYOUT_ZIGZAG, 500, 1, HEADS, KV_HEADS, DIM};
    sb_method     m    = *sb_method_find("dense");
    span_seq      s;
    SPAN_EXPECT(r,
                span_seq_open_as(&spec, &(span_how){.link = link, .use.heads_at_once = 1}, r->comm,
                                 &s) == SB_OK,
                "%s", sb_error_text());
    m.attend[SB_CPU] = fails;
    s.method         = &m;
    for (int at = 0; at < 3 && r->comm->size > 1; at++) {
        int mine     = r->comm->rank == r->comm->size - 1;
        fails_at     = mine ? at : -1;
        calls        = 0;
        sb_status st = span_seq_prefill(&s);
        SPAN_EXPECT(r, st == (mine ? SB_ERR_NOMEM : SB_ERR_PEER), "status %d", (int)st);
    }
    fails_at = -1;
    SPAN_EXPECT(r, span_seq_prefill(&s) == SB_OK, "%s", sb_error_text());
    span_seq_close(&s);
    sb_link_destroy(link);
}

static void what_has_no_keys_is_told(span_rank *r)
{
    SPAN_EXPECT(r, sb_groups_check(sb_method_find("hip")) == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, sb_groups_check(sb_method_find("lightning")) == SB_ERR_UNSUPPORTED, "lightning");
    SPAN_EXPECT(r, strstr(sb_error_text(), "no keys to gather") != NULL, "%s", sb_error_text());
}

const span_case span_groups_cases[] = {
    {"groups_equal_one_rank", groups_equal_one_rank},
    {"a_chunk_equals_one_rank", a_chunk_equals_one_rank},
    {"two_groups_take_the_place_of_all_heads", two_groups_take_the_place_of_all_heads},
    {"a_rank_that_fails_goes_on_receiving", a_rank_that_fails_goes_on_receiving},
    {"what_has_no_keys_is_told", what_has_no_keys_is_told},
    {0},
};
