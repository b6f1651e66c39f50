/* A sharded sequence must answer like the whole one: spec sharding 1 (selection equal, outputs
 * within bounds), 4a (gather), 9 (decode), 12. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "kernels/exec/merge_lse.h"
#include "kernels/registry.h"
#include "tests/mpi/ranks.h"
#include "tests/mpi/shard_case.h"
#include "tests/tolerance.h"

#define POWER "block_tokens=64 window_blocks=2"
/* Rows of a token's own segment of 32: the last of the steps below needs less room than some
 * before. */
#define SEGMENTS "pattern=longnet block_tokens=1 window_blocks=32 levels=1"
#define LONGNET "pattern=longnet block_tokens=16 window_blocks=4 levels=3"
/* Dense up to 52 tokens; blocks of 2 keys, cut between ranks where shards come in threes. */
#define HIP "top_k_tokens=32 window_tokens=16 sink_tokens=4"

/* Shard and whole sequence side by side; both open, or a note in r. */
typedef struct pair {
    sb_comm *self;
    span_seq shard, whole;
} pair;

static int pair_open(span_rank *r, const span_seq_spec *spec, pair *p)
{
    sb_status st = sb_comm_self_create(&p->self);
    if (st == SB_OK)
        st = span_seq_open(spec, r->comm, &p->shard);
    if (st == SB_OK)
        st = span_seq_open(spec, p->self, &p->whole);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    return sb_comm_agree(r->comm, st) == SB_OK;
}

static void pair_close(span_rank *r, pair *p)
{
    SPAN_EXPECT(r, sb_arena_canaries_intact(&p->shard.arena), "%s: written outside",
                p->shard.spec.method);
    span_seq_close(&p->shard);
    span_seq_close(&p->whole);
    sb_comm_destroy(p->self);
}

/* ---- gather ---- */

static int all_tokens_in_place(const sb_tensor *t, span_what what, int64_t n)
{
    if (t->gid.n_tokens != n || t->gid.n_runs != 1 || t->gid.run[0].start != 0)
        return 0;
    for (int64_t h = 0; h < t->heads; h++)
        for (int64_t i = 0; i < n; i++)
            for (int64_t x = 0; x < t->dim; x++)
                if (sb_tensor_bf16(t, h, i)[x] != span_value(what, h, i, x))
                    return 0;
    return 1;
}

static void gather_brings_all_tokens_in_id_order(span_rank *r)
{
    static const int64_t lengths[] = {1, 3, 129, 777, 2053};
    for (int i = 0; i < SB_LAYOUT_COUNT * 5; i++) {
        span_seq_spec spec = {"power_attention",
                              i % 2 == 0 ? POWER : "block_tokens=7",
                              (sb_layout_kind)(i / 5),
                              lengths[i % 5],
                              1,
                              3,
                              3,
                              16};
        pair          p;
        if (!pair_open(r, &spec, &p))
            return;
        int64_t foreign = spec.n_tokens - p.shard.gid.n_tokens;
        r->comm->stats  = (sb_comm_stats){0};
        sb_status st    = span_seq_prefill(&p.shard);
        SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
        SPAN_EXPECT(r, all_tokens_in_place(&p.shard.shard.k_all, SPAN_K, spec.n_tokens),
                    "K of layout %d, %lld tokens", (int)spec.kind, (long long)spec.n_tokens);
        SPAN_EXPECT(r, all_tokens_in_place(&p.shard.shard.v_all, SPAN_V, spec.n_tokens),
                    "V of layout %d, %lld tokens", (int)spec.kind, (long long)spec.n_tokens);
        SPAN_EXPECT(r, r->comm->stats.received_bytes == 2 * 3 * 16 * 2 * foreign,
                    "received %lld bytes for %lld tokens", (long long)r->comm->stats.received_bytes,
                    (long long)foreign);
        SPAN_EXPECT(r, (p.shard.times.ns[SB_PHASE_COMMUNICATE] > 0) == (r->comm->size > 1),
                    "communicate %lld ns", (long long)p.shard.times.ns[SB_PHASE_COMMUNICATE]);
        SPAN_EXPECT(r,
                    p.shard.times.ns[SB_PHASE_ATTENTION] >=
                        p.shard.times.ns[SB_PHASE_COMMUNICATE] + p.shard.times.ns[SB_PHASE_COMPUTE],
                    "attention is shorter than its parts");
        pair_close(r, &p);
    }
}

/* ---- prefill ---- */

static int64_t row_of(const sb_plan *plan, int32_t id)
{
    for (int64_t i = 0; i < plan->n_rows; i++)
        if (plan->row_id[i] == id)
            return i;
    return -1;
}

/* Row i of a, head h, lists what row w of `whole` does. */
static int same_list(const sb_csr *a, int64_t a_rows, int64_t i, const sb_csr *whole,
                     int64_t whole_rows, int64_t w, int64_t h)
{
    const int64_t *pa = a->row_ptr + h * a_rows + i, *pw = whole->row_ptr + h * whole_rows + w;
    return pa[1] - pa[0] == pw[1] - pw[0] &&
           memcmp(a->id + pa[0], whole->id + pw[0], (size_t)(pa[1] - pa[0]) * sizeof *a->id) == 0;
}

/* The order of keys is known on every rank, all of it. */
static int same_slots(const sb_slots *a, const sb_slots *whole)
{
    size_t bytes = (size_t)(whole->n_heads * whole->n_slots) * sizeof *whole->offset;
    return a->n_heads == whole->n_heads && a->n_slots == whole->n_slots &&
           a->segment_tokens == whole->segment_tokens &&
           (bytes == 0 || memcmp(a->offset, whole->offset, bytes) == 0);
}

/* Every local row lists what the same row of the whole sequence lists, integer-exact. */
static int same_selection(const sb_plan *a, const sb_plan *whole)
{
    if (a->parts != whole->parts || a->row_tokens != whole->row_tokens ||
        a->sink_tokens != whole->sink_tokens || a->window_tokens != whole->window_tokens ||
        a->fallback != whole->fallback || a->tiles.n_heads != whole->tiles.n_heads ||
        a->tokens.n_heads != whole->tokens.n_heads || !same_slots(&a->slots, &whole->slots))
        return 0;
    for (int64_t i = 0; i < a->n_rows; i++) {
        int64_t w = row_of(whole, a->row_id[i]);
        if (w < 0)
            return 0;
        for (int64_t h = 0; (a->parts & SB_PART_TILES) && h < a->tiles.n_heads; h++)
            if (!same_list(&a->tiles, a->n_rows, i, &whole->tiles, whole->n_rows, w, h))
                return 0;
        for (int64_t h = 0; (a->parts & SB_PART_TOKENS) && h < a->tokens.n_heads; h++)
            if (!same_list(&a->tokens, a->n_rows, i, &whole->tokens, whole->n_rows, w, h))
                return 0;
    }
    return 1;
}

/* Planning spends on all ranks together what it spends on one [quality_metrics B4]. Collective. */
static void expect_same_estimate(span_rank *r, const pair *p)
{
    int64_t flops = p->shard.shard.plan.estimate_flops, want = p->whole.shard.plan.estimate_flops;
    SPAN_EXPECT(r, sb_comm_allreduce_i64(r->comm, &flops, 1, SB_REDUCE_SUM) == SB_OK, "%s",
                sb_error_text());
    SPAN_EXPECT(r, flops == want, "%s %s: %lld FLOP on all ranks, %lld on one",
                p->shard.spec.method, p->shard.spec.params, (long long)flops, (long long)want);
}

/* The same keys in the same order in one executor: no bit may differ, well inside the bounds. */
static int same_rows(const span_seq *a, const span_seq *whole)
{
    int64_t slot = 0, n = whole->spec.n_tokens;
    size_t  bytes = (size_t)a->spec.head_dim * sizeof(sb_bf16);
    for (int32_t j = 0; j < a->gid.n_runs; j++)
        for (int64_t i = 0; i < a->gid.run[j].len; i++, slot++) {
            int64_t t = a->gid.run[j].start + i;
            for (int64_t h = 0; h < a->spec.heads; h++)
                if (memcmp(sb_tensor_bf16(&a->o, h, slot), sb_tensor_bf16(&whole->o, h, t),
                           bytes) != 0 ||
                    memcmp(&a->lse[h * a->gid.n_tokens + slot], &whole->lse[h * n + t],
                           sizeof(float)) != 0)
                    return 0;
        }
    return 1;
}

static void prefill(span_rank *r, const span_seq_spec *spec)
{
    pair p;
    if (!pair_open(r, spec, &p))
        return;
    sb_status st = span_seq_prefill(&p.shard);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, span_seq_prefill(&p.whole) == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, same_selection(&p.shard.shard.plan, &p.whole.shard.plan),
                "%s %s, layout %d, %lld tokens", spec->method, spec->params, (int)spec->kind,
                (long long)spec->n_tokens);
    SPAN_EXPECT(r, same_rows(&p.shard, &p.whole), "%s %s, layout %d, %lld tokens", spec->method,
                spec->params, (int)spec->kind, (long long)spec->n_tokens);
    expect_same_estimate(r, &p);
    pair_close(r, &p);
}

static void prefill_equals_one_rank(span_rank *r)
{
    static const struct {
        const char *method, *params;
    } methods[] = {
        {"dense", ""},
        {"a_shape", "sink_tokens=5 window_tokens=100"},
        {"power_attention", POWER},
        {"power_attention", LONGNET},
        {"random_blocks", "block_tokens=16 density=0.3"},
        {"power_attention", "pattern=moa beta=0.2 max_new_tokens=100"},
        {"power_attention", "pattern=neighborhood window_tokens=40 stride_tokens=7"},
        {"power_attention",
         "pattern=neighborhood window_tokens=9 stride_tokens=2 dilation_tokens=5"},
        {"power_attention",
         "pattern=blockrank instruction_tokens=30 document_tokens=50 query_tokens=9"},
        {"minference", "vertical_tokens=50 slash_tokens=130"},
        {"minference", "vertical_tokens=400 slash_tokens=60"},
        {"minference", "pattern=block_sparse top_k_blocks=3"},
        {"minference", "pattern=a_shape sink_tokens=5 window_tokens=100"},
        {"minference", "vertical_tokens=50 slash_tokens=130 top_k_blocks=3 "
                       "config_file=[{},{\"0\":[\"block_sparse\",0,0],\"1\":[\"stream_llm\",5,100],"
                       "\"2\":[\"vertical_and_slash\",400,60,0.5]}]"},
        {"minference", "top_k_blocks=2 "
                       "config_file=[{},{\"0\":[\"stream_llm\",5,100],\"1\":[\"block_sparse\",0,0],"
                       "\"2\":[\"block_sparse\",0,0],\"3\":[\"stream_llm\",64,64]}]"},
        {"xattention", "block_tokens=32 stride_tokens=8 tau=0.7"},
        {"anchor_attention", "block_tokens=16 step_blocks=2 theta=2.2"},
        {"anchor_attention", "block_tokens=16 step_blocks=2 theta=2.2 windows=released"},
        {"pbs_attn", "block_tokens=16 segment_tokens=32 tau=0.6"},
        {"pbs_attn", "block_tokens=12 segment_tokens=36 tau=0.5 perm_share=group"},
        {"pbs_attn", "block_tokens=32 segment_tokens=32 tau=0.5 compat=official key_pool=max"},
        {"pbs_attn", "block_tokens=16 segment_tokens=64 tau=0.5 selector=antidiagonal"},
        {"flexprefill", "block_tokens=32 min_budget_tokens=64 gamma=0.5 tau=0"},
        {"flexprefill", "block_tokens=32 min_budget_tokens=1 gamma=0.6 tau=1"},
        {"flexprefill",
         "block_tokens=64 min_budget_tokens=1 gamma=0.4 tau=0.1 slash_cover=2 compat=official"},
        {"hip", HIP " block_q_tokens=32"},
        {"hip", HIP " align=0 stride_q_tokens=8 compat=official"},
    };
    enum { N_METHODS = sizeof methods / sizeof *methods };
    static const int64_t lengths[] = {2, 65, 517};
    for (int m = 0; m < N_METHODS; m++)
        for (int kind = 0; kind < SB_LAYOUT_COUNT; kind++)
            for (int n = 0; n < 3; n++)
                prefill(r, &(span_seq_spec){methods[m].method, methods[m].params,
                                            (sb_layout_kind)kind, lengths[n], 1, 4, 2, 32});
}

/* q . k is 64 for keys of the second block and 0 for others; or 0 for all. */
static void fill_equal(span_seq *s, int across)
{
    sb_tensor *k = &s->cache.k;
    for (int64_t i = 0; i < s->q.heads * s->q.head_stride; i++)
        ((sb_bf16 *)s->q.data)[i] = sb_bf16_from_f32(across ? 4.0f : 0.0f);
    int64_t slot = 0;
    for (int32_t j = 0; j < s->gid.n_runs; j++)
        for (int64_t i = 0; i < s->gid.run[j].len; i++, slot++)
            for (int64_t x = 0; x < k->dim; x++)
                sb_tensor_bf16(k, 0, slot)[x] =
                    sb_bf16_from_f32((s->gid.run[j].start + i) / 32 == 1 ? 4.0f : 0.0f);
}

static void cut_alike(span_rank *r, const span_seq_spec *spec, int across)
{
    pair p;
    if (!pair_open(r, spec, &p))
        return;
    fill_equal(&p.shard, across);
    fill_equal(&p.whole, across);
    sb_status st = span_seq_prefill(&p.shard);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, span_seq_prefill(&p.whole) == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, same_selection(&p.shard.shard.plan, &p.whole.shard.plan),
                "%s %s, layout %d, across %d", spec->method, spec->params, (int)spec->kind, across);
    SPAN_EXPECT(r, same_rows(&p.shard, &p.whole), "%s %s, layout %d, across %d", spec->method,
                spec->params, (int)spec->kind, across);
    pair_close(r, &p);
}

/* Many equal scores: which of them stand before the cut depends on rows that other ranks hold
 * [flexprefill 3.9]. Top k and cumulative, of everyone who cuts [sharding 7.2]. */
static void equal_scores_are_cut_alike(span_rank *r)
{
    static const struct {
        const char *method, *params;
    } cuts[] = {
        {"flexprefill", "block_tokens=32 min_budget_tokens=1 gamma=0.65 tau=1"},
        {"flexprefill", "block_tokens=32 min_budget_tokens=1 gamma=0.65 tau=0"},
        {"minference", "vertical_tokens=50 slash_tokens=60"},
        {"minference", "pattern=block_sparse top_k_blocks=2"},
        {"xattention", "block_tokens=32 stride_tokens=8 tau=0.6"},
        {"pbs_attn", "block_tokens=16 segment_tokens=64 tau=0.6"},
        {"anchor_attention", "block_tokens=16 step_blocks=2 theta=0"},
        {"hip", HIP " block_q_tokens=32"},
    };
    for (size_t m = 0; m < sizeof cuts / sizeof *cuts; m++)
        for (int kind = 0; kind < SB_LAYOUT_COUNT; kind++)
            for (int across = 0; across < 2; across++)
                cut_alike(r,
                          &(span_seq_spec){cuts[m].method, cuts[m].params, (sb_layout_kind)kind,
                                           330, 1, 3, 1, 16},
                          across);
}

/* ---- decode ---- */

enum { STEPS = 40, MARK_AT = 15, HEADS = 4, DIM = 32 };

/* What the last step merged, before it was rounded: its partials lie in shard.partial as decode.c
 * says, one record of o, lse and a status a rank. */
static void merged(const span_seq *s, float o[HEADS * DIM], float lse[HEADS])
{
    int64_t      n     = HEADS * DIM + HEADS + 1;
    const float *base  = s->shard.partial;
    sb_partials  parts = {.o               = base,
                          .lse             = base + HEADS * DIM,
                          .o_part_stride   = n,
                          .o_row_stride    = DIM,
                          .lse_part_stride = n,
                          .lse_row_stride  = 1,
                          .n_parts         = s->map.ranks,
                          .rows            = HEADS,
                          .dim             = DIM};
    sb_merge_lse(&parts, SB_F32, o, lse);
}

/* Largest difference relative to the largest number of `want`. */
static double o_error(const float *got, const float *want)
{
    double most = 0, diff = 0;
    for (int i = 0; i < HEADS * DIM; i++) {
        most = fmax(most, fabs((double)want[i]));
        diff = fmax(diff, fabs((double)got[i] - (double)want[i]));
    }
    return diff / most;
}

/* Merged fp32 results within the bounds, and o their rounding. */
static void compare_step(span_rank *r, const pair *p)
{
    float a[HEADS * DIM], b[HEADS * DIM], la[HEADS], lb[HEADS];
    merged(&p->shard, a, la);
    merged(&p->whole, b, lb);
    SPAN_EXPECT(r, o_error(a, b) <= SB_SHARD_O_REL, "%s token %lld: %g", p->shard.spec.method,
                (long long)p->shard.cache.n_global - 1, o_error(a, b));
    for (int h = 0; h < HEADS; h++)
        SPAN_EXPECT(r, fabs((double)la[h] - (double)lb[h]) <= SB_SHARD_LSE_ABS,
                    "LSE %g, one rank %g", (double)la[h], (double)lb[h]);
    for (int i = 0; i < HEADS * DIM; i++)
        SPAN_EXPECT(r, ((const sb_bf16 *)p->shard.o1.data)[i] == sb_bf16_from_f32(a[i]),
                    "o is not the rounded merge at %d", i);
}

/* What a method carries on, and its choice, know nothing of the ranks. */
static int same_state(const span_seq *a, const span_seq *whole)
{
    return a->cache.state_bytes == whole->cache.state_bytes &&
           (a->cache.state_bytes == 0 ||
            memcmp(a->cache.state, whole->cache.state, (size_t)a->cache.state_bytes) == 0);
}

/* One step on shard and whole; all ranks must hold the same bits. */
static void step(span_rank *r, pair *p, sb_bf16 keep[HEADS * DIM])
{
    sb_bf16   first[HEADS * DIM];
    sb_status st = span_seq_step(&p->shard);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, span_seq_step(&p->whole) == SB_OK, "%s", sb_error_text());
    compare_step(r, p);
    SPAN_EXPECT(r, same_selection(&p->shard.shard.plan, &p->whole.shard.plan), "%s token %lld",
                p->shard.spec.method, (long long)p->shard.cache.n_global - 1);
    SPAN_EXPECT(r, same_state(&p->shard, &p->whole), "%s token %lld", p->shard.spec.method,
                (long long)p->shard.cache.n_global - 1);
    expect_same_estimate(r, p);
    memcpy(keep, p->shard.o1.data, sizeof first);
    memcpy(first, keep, sizeof first);
    SPAN_EXPECT(r, sb_comm_bcast(r->comm, first, sizeof first, 0) == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, memcmp(first, keep, sizeof first) == 0, "ranks differ");
}

static void decode(span_rank *r, const span_seq_spec *spec)
{
    static const sb_bf16 none[HEADS * DIM];
    sb_bf16              kept[STEPS][HEADS * DIM], again[HEADS * DIM];
    pair                 p;
    if (!pair_open(r, spec, &p))
        return;
    SPAN_EXPECT(r, span_seq_prefill(&p.shard) == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, span_seq_prefill(&p.whole) == SB_OK, "%s", sb_error_text());
    for (int i = 0; i < STEPS; i++) {
        if (i == MARK_AT) {
            sb_cache_mark(&p.shard.cache);
            sb_cache_mark(&p.whole.cache);
        }
        step(r, &p, kept[i]);
        SPAN_EXPECT(r, memcmp(kept[i], none, sizeof none) != 0, "output of step %d is zero", i);
    }
    SPAN_EXPECT(r, p.shard.arena.high_water_bytes == p.shard.predicted_bytes,
                "%s: used %zu bytes, predicted %zu", spec->method, p.shard.arena.high_water_bytes,
                p.shard.predicted_bytes);
    sb_cache_rollback(&p.shard.cache);
    sb_cache_rollback(&p.whole.cache);
    for (int i = MARK_AT; i < STEPS; i++) {
        step(r, &p, again);
        SPAN_EXPECT(r, memcmp(again, kept[i], sizeof again) == 0, "step %d differs after rollback",
                    i);
    }
    pair_close(r, &p);
}

static void decode_equals_one_rank(span_rank *r)
{
    static const struct {
        const char *method, *params;
    } methods[] = {{"dense", ""},
                   {"power_attention", POWER},
                   {"power_attention", SEGMENTS},
                   {"hip", HIP " block_q_tokens=3 stride_q_tokens=3 refresh_steps=5"},
                   {"power_attention", "pattern=moa beta=0.2 max_new_tokens=100"},
                   {"power_attention", "pattern=neighborhood window_tokens=9 dilation_tokens=5"}};
    enum { N_METHODS = sizeof methods / sizeof *methods };
    static const int64_t lengths[] = {1, 5, 63, 517}; /* 5 tokens, blocks of 64: empty shards */
    for (int m = 0; m < N_METHODS; m++)
        for (int kind = 0; kind < SB_LAYOUT_COUNT; kind++)
            for (int n = 0; n < 4; n++)
                decode(r, &(span_seq_spec){methods[m].method, methods[m].params,
                                           (sb_layout_kind)kind, lengths[n], STEPS, HEADS, 2, DIM});
}

/* The first decode step is the last row of a prefill that is one token longer. */
static void decode_continues_the_prefill(span_rank *r)
{
    enum { N = 300 };
    span_seq_spec spec = {"dense", "", SB_LAYOUT_ZIGZAG, N, 1, HEADS, 2, DIM}, longer = spec;
    float         got[HEADS * DIM], want[HEADS * DIM], lse[HEADS];
    float        *o = calloc(HEADS * (N + 1) * DIM, sizeof *o);
    pair          p, q;
    longer.n_tokens++;
    if (o == NULL)
        abort();
    if (pair_open(r, &spec, &p) && pair_open(r, &longer, &q)) {
        q.whole.o.data  = o;
        q.whole.o.dtype = SB_F32;
        SPAN_EXPECT(r, span_seq_prefill(&p.shard) == SB_OK, "%s", sb_error_text());
        SPAN_EXPECT(r, span_seq_step(&p.shard) == SB_OK, "%s", sb_error_text());
        SPAN_EXPECT(r, span_seq_prefill(&q.whole) == SB_OK, "%s", sb_error_text());
        merged(&p.shard, got, lse);
        for (int h = 0; h < HEADS; h++) {
            memcpy(want + h * DIM, sb_tensor_f32(&q.whole.o, h, N), DIM * sizeof *want);
            SPAN_EXPECT(
                r, fabs((double)lse[h] - (double)q.whole.lse[h * (N + 1) + N]) <= SB_SHARD_LSE_ABS,
                "LSE %g", (double)lse[h]);
        }
        SPAN_EXPECT(r, o_error(got, want) <= SB_SHARD_O_REL, "error %g", o_error(got, want));
        pair_close(r, &p);
        pair_close(r, &q);
    }
    free(o);
}

/* ---- faults ---- */

/* Threads: set alike by all, between barriers. */
static int32_t          bad_rank;
static const sb_method *intact; /* what all others do */

static sb_status bad_plan(sb_ctx *ctx, const void *params, const sb_shape *shape,
                          const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    if (ctx->comm->rank == bad_rank)
        return sb_fail(SB_ERR_DEVICE, "plan broke");
    return intact->plan[SB_CPU](ctx, params, shape, q, k, cache, plan);
}

static sb_status bad_attend(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                            const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    if (ctx->comm->rank == bad_rank)
        return sb_fail(SB_ERR_DEVICE, "attend broke");
    return intact->attend[SB_CPU](ctx, params, in, plan, cache, out);
}

static sb_status bad_layout(sb_ctx *ctx, const void *params, const sb_shape *shape, sb_plan *plan,
                            sb_cache *cache)
{
    if (ctx->comm->rank == bad_rank)
        return sb_fail(SB_ERR_NOMEM, "layout broke");
    return intact->layout(ctx, params, shape, plan, cache);
}

static void expect_agreement(span_rank *r, sb_status st, sb_status cause, const char *text)
{
    char want[64];
    snprintf(want, sizeof want, "rank %d: %s", bad_rank, sb_status_name(cause));
    if (r->comm->rank != bad_rank)
        cause = SB_ERR_PEER;
    SPAN_EXPECT(r, st == cause, "status %s", sb_status_name(st));
    SPAN_EXPECT(r, strcmp(sb_error_text(), r->comm->rank == bad_rank ? text : want) == 0, "%s",
                sb_error_text());
}

static void failures(span_rank *r, const span_seq_spec *spec)
{
    static const char *const texts[] = {"layout broke", "plan broke", "attend broke"};
    pair                     p;
    if (!pair_open(r, spec, &p))
        return;
    const sb_method *method = p.shard.method;
    for (int32_t bad = 0; bad < r->comm->size; bad++)
        for (int where = 0; where < 3; where++) {
            sb_method m     = *method;
            sb_status cause = where == 0 ? SB_ERR_NOMEM : SB_ERR_DEVICE;
            if (where == 0)
                m.layout = bad_layout;
            if (where == 1)
                m.plan[SB_CPU] = bad_plan;
            if (where == 2)
                m.attend[SB_CPU] = bad_attend;
            SPAN_EXPECT(r, sb_comm_barrier(r->comm) == SB_OK, "%s", sb_error_text());
            if (r->comm->rank == 0 || strcmp(r->comm->ops->name, "threads") != 0) {
                bad_rank = bad;
                intact   = method;
            }
            SPAN_EXPECT(r, sb_comm_barrier(r->comm) == SB_OK, "%s", sb_error_text());
            p.shard.method = &m;
            expect_agreement(r, span_seq_prefill(&p.shard), cause, texts[where]);
            sb_cache_mark(&p.shard.cache);
            if (where != 1 || !m.decode_plan_meets) /* such a plan fails on all ranks or on none */
                expect_agreement(r, span_seq_step(&p.shard), cause, texts[where]);
            sb_cache_rollback(&p.shard.cache);
        }
    p.shard.method = method; /* nothing lasting has happened */
    SPAN_EXPECT(r, span_seq_prefill(&p.shard) == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, span_seq_prefill(&p.whole) == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, same_rows(&p.shard, &p.whole), "rows differ after the failures");
    SPAN_EXPECT(r, same_state(&p.shard, &p.whole), "state differs after the failures");
    pair_close(r, &p);
}

static void one_ranks_failure_ends_the_call_on_all(span_rank *r)
{
    failures(r, &(span_seq_spec){"dense", "", SB_LAYOUT_ZIGZAG, 100, 2, HEADS, 2, DIM});
    failures(r, &(span_seq_spec){"hip", HIP, SB_LAYOUT_ZIGZAG, 100, 2, HEADS, 2, DIM});
}

static void wrong_arguments_are_named(span_rank *r)
{
    span_seq_spec spec = {"dense", "", SB_LAYOUT_ZIGZAG, 100, 2, HEADS, 2, DIM};
    pair          p;
    if (!pair_open(r, &spec, &p))
        return;
    sb_method cuda_only    = *p.shard.method;
    sb_shape  shape        = {.heads = HEADS, .kv_heads = 2, .head_dim = DIM};
    cuda_only.plan[SB_CPU] = NULL;
    p.shard.method         = &cuda_only;
    SPAN_EXPECT(r, span_seq_prefill(&p.shard) == SB_ERR_UNSUPPORTED, "%s", sb_error_text());
    SPAN_EXPECT(r, strcmp(sb_error_text(), "method dense does not run on backend cpu") == 0, "%s",
                sb_error_text());
    p.shard.method = p.whole.method;
    p.shard.q.tokens++;
    SPAN_EXPECT(r, span_seq_prefill(&p.shard) == SB_ERR_INTERNAL, "%s", sb_error_text());
    p.shard.q.tokens--;
    sb_cache_reset(&p.shard.cache); /* ranks with an empty shard have nothing to miss */
    sb_status st = span_seq_prefill(&p.shard);
    SPAN_EXPECT(r, st == (p.shard.gid.n_tokens > 0 ? SB_ERR_INTERNAL : SB_ERR_PEER), "%s",
                sb_error_text());
    p.shard.o1.head_stride++;
    SPAN_EXPECT(r, span_seq_step(&p.shard) == SB_ERR_INTERNAL, "%s", sb_error_text());
    SPAN_EXPECT(r,
                sb_shard_layout_method(&p.shard.shard, &p.shard.ctx, p.shard.method, p.shard.params,
                                       &shape) == SB_ERR_INTERNAL,
                "counted in a real arena");
    p.shard.map.ranks++;
    SPAN_EXPECT(r,
                sb_shard_layout(&p.whole.shard, &p.whole.arena, &p.shard.map, r->comm, HEADS, 2,
                                DIM) == SB_ERR_INTERNAL,
                "a map of other ranks");
    p.shard.map.ranks--;
    pair_close(r, &p);
}

const span_case span_shard_cases[] = {
    {"gather_brings_all_tokens_in_id_order", gather_brings_all_tokens_in_id_order},
    {"prefill_equals_one_rank", prefill_equals_one_rank},
    {"equal_scores_are_cut_alike", equal_scores_are_cut_alike},
    {"decode_equals_one_rank", decode_equals_one_rank},
    {"decode_continues_the_prefill", decode_continues_the_prefill},
    {"one_ranks_failure_ends_the_call_on_all", one_ranks_failure_ends_the_call_on_all},
    {"wrong_arguments_are_named", wrong_arguments_are_named},
    {0},
};
