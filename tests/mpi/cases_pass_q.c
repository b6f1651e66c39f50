/* Queries that go round: one rank's rows but for the order of sums, the bytes of the formula, and a
 * failure that takes nobody along [sharding 1, 4e, 5]. */
#include <math.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/shard/pass_q.h"
#include "kernels/registry.h"
#include "tests/mpi/ranks.h"
#include "tests/mpi/shard_case.h"
#include "tests/tolerance.h"

enum { HEADS = 4, KV_HEADS = 2, DIM = 32 };

/* Both sides are rounded to bf16, where one step is up to 2^-7 of a number [sharding 1]. */
static int near_rows(const span_seq *a, const span_seq *whole)
{
    int64_t slot = 0, n = whole->q_gid.n_tokens, first = whole->how.first_query;
    double  top = 0, worst = 0, lse = 0;
    for (int32_t j = 0; j < a->q_gid.n_runs; j++)
        for (int64_t i = 0; i < a->q_gid.run[j].len; i++, slot++) {
            int64_t t = a->q_gid.run[j].start + i - first;
            for (int64_t h = 0; h < HEADS; h++) {
                for (int64_t d = 0; d < DIM; d++) {
                    double x = (double)sb_bf16_to_f32(sb_tensor_bf16(&a->o, h, slot)[d]);
                    double y = (double)sb_bf16_to_f32(sb_tensor_bf16(&whole->o, h, t)[d]);
                    top      = fmax(top, fabs(y));
                    worst    = fmax(worst, isnan(x) ? INFINITY : fabs(x - y));
                }
                lse = fmax(lse, fabs((double)a->lse[h * a->q_gid.n_tokens + slot] -
                                     (double)whole->lse[h * n + t]));
            }
        }
    return slot == 0 || (worst <= ldexp(1, ilogb(top) - 7) && lse <= SB_SHARD_LSE_ABS);
}

static void compare(span_rank *r, const span_seq_spec *spec, int64_t first_query, sb_link *link)
{
    sb_comm  *self;
    span_seq  shard, whole;
    sb_status st = sb_comm_self_create(&self);
    if (st == SB_OK)
        st = span_seq_open_as(
            spec, &(span_how){.link = link, .use.pass_q = 1, .first_query = first_query}, r->comm,
            &shard);
    if (st == SB_OK)
        st = span_seq_open_as(spec, &(span_how){.first_query = first_query}, self, &whole);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    if (sb_comm_agree(r->comm, st) != SB_OK)
        return;
    SPAN_EXPECT(r, span_seq_prefill(&whole) == SB_OK, "%s", sb_error_text());
    for (int again = 0; again < 2; again++) {
        st = span_seq_prefill(&shard);
        SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
        SPAN_EXPECT(r, near_rows(&shard, &whole), "%s %s, layout %d, %lld tokens from %lld",
                    spec->method, spec->params, (int)spec->kind, (long long)spec->n_tokens,
                    (long long)first_query);
    }
    /* this rank: all queries but its own, and a partial of its own from every other rank */
    int64_t T = spec->n_tokens - first_query, own = shard.q_gid.n_tokens, R = r->comm->size;
    int64_t want = (T - own) * HEADS * DIM * 2 + (R - 1) * own * HEADS * (DIM + 1) * 4;
    int64_t all  = link->received_bytes;
    SPAN_EXPECT(r, all == (R > 1 ? want : 0), "received %lld bytes, not %lld", (long long)all,
                (long long)want);
    SPAN_EXPECT(r, sb_comm_allreduce_i64(r->comm, &all, 1, SB_REDUCE_SUM) == SB_OK, "%s",
                sb_error_text());
    SPAN_EXPECT(r, all == (R - 1) * T * HEADS * (DIM * 2 + (DIM + 1) * 4), "%lld bytes in all",
                (long long)all);
    SPAN_EXPECT(r, sb_arena_canaries_intact(&shard.arena), "%s: written outside", spec->method);
    span_seq_close(&shard);
    span_seq_close(&whole);
    sb_comm_destroy(self);
}

static void queries_that_go_round_equal_one_rank(span_rank *r)
{
    static const struct {
        const char *method, *params;
    } methods[] = {
        {"dense", ""},
        {"a_shape", "sink_tokens=5 window_tokens=100"},
        {"power_attention", "pattern=moa beta=0.2 max_new_tokens=100"},
        {"random_blocks", "block_tokens=16 density=0.3"},
    };
    static const int64_t first[] = {0, 700,
                                    880}; /* all of them, two blocks, fewer than ranks have */
    sb_link             *link    = span_link(r->comm);
    for (size_t m = 0; m < sizeof methods / sizeof *methods; m++)
        for (int kind = 0; kind < SB_LAYOUT_COUNT; kind++)
            for (int n = 0; n < 3; n++)
                compare(r,
                        &(span_seq_spec){methods[m].method, methods[m].params, (sb_layout_kind)kind,
                                         900, 1, HEADS, KV_HEADS, DIM},
                        first[n], link);
    compare(r, &(span_seq_spec){"dense", "", SB_LAYOUT_CONTIGUOUS, 2, 1, HEADS, KV_HEADS, DIM}, 1,
            link);
    sb_link_destroy(link);
}

/* T queries behind P keys: queries move less than keys do when T / (T + P) < 2 Hkv b / (H (b + 4)),
 * for 2 of 4 heads a third, but for the lse. */
static void short_chunks_move_less_than_keys(span_rank *r)
{
    span_seq_spec spec = {"dense", "", SB_LAYOUT_BLOCK_STRIPED, 4096, 1, HEADS, KV_HEADS, DIM};
    sb_link      *link = span_link(r->comm);
    for (int longer = 0; longer < 2 && r->comm->size > 1; longer++) {
        span_seq s;
        int64_t  T   = longer ? 1536 : 1024; /* 3/8 and 1/4 */
        span_how how = {.link = link, .use.pass_q = 1, .first_query = 4096 - T};
        SPAN_EXPECT(r, span_seq_open_as(&spec, &how, r->comm, &s) == SB_OK, "%s", sb_error_text());
        SPAN_EXPECT(r, span_seq_prefill(&s) == SB_OK, "%s", sb_error_text());
        int64_t moved = link->received_bytes;
        int64_t keys  = (r->comm->size - 1) * spec.n_tokens * KV_HEADS * DIM * 2 * 2;
        SPAN_EXPECT(r, sb_comm_allreduce_i64(r->comm, &moved, 1, SB_REDUCE_SUM) == SB_OK, "%s",
                    sb_error_text());
        SPAN_EXPECT(r, (moved < keys) == !longer, "%lld bytes, keys %lld", (long long)moved,
                    (long long)keys);
        span_seq_close(&s);
    }
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

static void a_rank_that_fails_goes_on_passing(span_rank *r)
{
    sb_link      *link = span_link(r->comm);
    span_seq_spec spec = {"dense", "", SB_LAYOUT_ZIGZAG, 500, 1, HEADS, KV_HEADS, DIM};
    sb_method     m    = *sb_method_find("dense");
    span_seq      s;
    SPAN_EXPECT(r,
                span_seq_open_as(&spec, &(span_how){.link = link, .use.pass_q = 1}, r->comm, &s) ==
                    SB_OK,
                "%s", sb_error_text());
    m.attend[SB_CPU] = fails;
    s.method         = &m;
    for (int at = 0; at < 2 && r->comm->size > 1; at++) {
        int mine     = r->comm->rank == 0;
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

static void what_cannot_visit_is_told(span_rank *r)
{
    SPAN_EXPECT(r, sb_pass_q_check(sb_method_find("power_attention")) == SB_OK, "%s",
                sb_error_text());
    SPAN_EXPECT(r, sb_pass_q_check(sb_method_find("minference")) == SB_ERR_UNSUPPORTED,
                "minference");
    SPAN_EXPECT(r, strstr(sb_error_text(), "what queries and keys hold") != NULL, "%s",
                sb_error_text());
    SPAN_EXPECT(r, sb_pass_q_check(sb_method_find("linear")) == SB_ERR_UNSUPPORTED, "linear");
}

const span_case span_pass_q_cases[] = {
    {"queries_that_go_round_equal_one_rank", queries_that_go_round_equal_one_rank},
    {"short_chunks_move_less_than_keys", short_chunks_move_less_than_keys},
    {"a_rank_that_fails_goes_on_passing", a_rank_that_fails_goes_on_passing},
    {"what_cannot_visit_is_told", what_cannot_visit_is_told},
    {0},
};
