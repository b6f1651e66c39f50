/* A sequence whose state passes from rank to rank must answer like the whole one: spec sharding 8,
 * lightning 8 and 10.6, linear 8 and 10.7. Shards are uneven and, where tokens are few, empty. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "kernels/registry.h"
#include "tests/mpi/ranks.h"
#include "tests/mpi/shard_case.h"
#include "tests/tolerance.h"

enum { STEPS = 12, MARK_AT = 5, HEADS = 4, KV_HEADS = 2, DIM = 16 };

static const struct {
    const char *method, *params;
    int64_t     gates; /* channels of the gates, 0: none */
} methods[] = {
    {"lightning", "", 0},
    {"lightning", "act=identity slope_heads=kv chunk_tokens=16", 0},
    {"lightning", "slope_rule=paper", 0},
    {"linear", "", 0},
    {"linear", "force_mode=recurrent", 0},
    {"linear", "feature_map=dpfp normalize=false", 0},
    {"linear", "kind=retnet", 0},
    {"linear", "kind=gla", DIM},
    {"linear", "kind=gla force_mode=recurrent", DIM},
    {"linear", "kind=gla gate=-0.03", 0},
    {"linear", "kind=gated_delta", 1},
    {"linear", "kind=gated_delta force_mode=recurrent", 1},
    {"linear", "kind=gated_delta chunk_tokens=32 gate=-0.01", 0},
    {"linear", "kind=aaren", 0},
};
enum { N_METHODS = sizeof methods / sizeof *methods };

/* Shard and whole sequence side by side, outputs in fp32; both open, or a note in r. */
typedef struct pair {
    sb_comm *self;
    sb_link *link;
    span_seq shard, whole;
    float   *o[2];
} pair;

static int pair_open(span_rank *r, const span_seq_spec *spec, int64_t gates, pair *p)
{
    span_seq *both[] = {&p->shard, &p->whole};
    *p               = (pair){0};
    p->link          = r->comm->size > 1 ? span_link(r->comm) : NULL;
    span_how  how    = {.link = p->link};
    sb_status st     = sb_comm_self_create(&p->self);
    if (st == SB_OK)
        st = span_seq_open_as(spec, &how, r->comm, &p->shard);
    if (st == SB_OK)
        st = span_seq_open(spec, p->self, &p->whole);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    if (sb_comm_agree(r->comm, st) != SB_OK)
        return 0;
    for (int i = 0; i < 2; i++) {
        p->o[i] = calloc((size_t)(spec->heads * both[i]->gid.n_tokens * DIM) + 1, sizeof(float));
        if (p->o[i] == NULL)
            abort();
        both[i]->o.data  = p->o[i];
        both[i]->o.dtype = SB_F32;
        if (gates > 0)
            span_seq_gates(both[i], gates, -0.2f);
    }
    return 1;
}

static void pair_close(span_rank *r, pair *p)
{
    SPAN_EXPECT(r, sb_arena_canaries_intact(&p->shard.arena), "%s: written outside",
                p->shard.spec.method);
    span_seq_close(&p->shard);
    span_seq_close(&p->whole);
    sb_link_destroy(p->link);
    sb_comm_destroy(p->self);
    free(p->o[0]);
    free(p->o[1]);
}

static double rel(const float *got, const float *want, int64_t n, double *den)
{
    double num = 0;
    *den       = 0;
    for (int64_t i = 0; i < n; i++) {
        double w = (double)want[i], e = (double)got[i] - w;
        num += e * e;
        *den += w * w;
    }
    return num;
}

/* The local rows, and on the last token's rank the state. */
static void compare(span_rank *r, const pair *p)
{
    int64_t n = p->shard.gid.n_tokens, all = p->whole.gid.n_tokens, first = 0;
    double  num = 0, den = 0, d;
    if (n == 0)
        return;
    first = p->shard.gid.run[0].start;
    for (int64_t h = 0; h < p->shard.spec.heads; h++) {
        num += rel(p->o[0] + h * n * DIM, p->o[1] + (h * all + first) * DIM, n * DIM, &d);
        den += d;
    }
    SPAN_EXPECT(r, sqrt(num) <= SB_SCAN_REL * sqrt(den), "%s %s, %lld tokens: o off by %g",
                p->shard.spec.method, p->shard.spec.params, (long long)all, sqrt(num / den));
    if (first + n < all)
        return;
    const char *mine = p->shard.cache.state, *whole = p->whole.cache.state;
    num = rel((const float *)(const void *)(mine + 64), (const float *)(const void *)(whole + 64),
              (p->whole.cache.state_bytes - 64) / 4, &den);
    SPAN_EXPECT(r, memcmp(mine, whole, 8) == 0, "the state has seen other tokens");
    SPAN_EXPECT(r, sqrt(num) <= SB_SCAN_REL * sqrt(den), "%s %s, %lld tokens: S off by %g",
                p->shard.spec.method, p->shard.spec.params, (long long)all, sqrt(num / den));
}

/* ---- prefill ---- */

static int prefill(span_rank *r, int method, int64_t tokens, int64_t heads, int64_t kv_heads)
{
    span_seq_spec spec = {methods[method].method,
                          methods[method].params,
                          SB_LAYOUT_CONTIGUOUS,
                          tokens,
                          1,
                          heads,
                          kv_heads,
                          DIM};
    pair          p;
    if (!pair_open(r, &spec, methods[method].gates, &p))
        return 0;
    sb_status st = span_seq_prefill(&p.shard);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, span_seq_prefill(&p.whole) == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, p.shard.shard.plan.parts == 0, "an index");
    compare(r, &p);
    pair_close(r, &p);
    return 1;
}

static void prefill_equals_one_rank(span_rank *r)
{
    static const int64_t lengths[] = {1, 5, 67, 517}; /* 1, 5: empty shards */
    for (int m = 0; m < N_METHODS; m++)
        for (int n = 0; n < 4; n++)
            if (!prefill(r, m, lengths[n], HEADS, KV_HEADS))
                return;
}

/* Heads that no number of ranks divides: records are of tokens, whatever the heads. */
static void any_heads_will_do(span_rank *r)
{
    static const int64_t heads[][2] = {{6, 3}, {5, 5}, {7, 1}};
    for (int m = 0; m < N_METHODS; m++)
        for (int i = 0; i < 3; i++)
            if (!prefill(r, m, 131, heads[i][0], heads[i][1]))
                return;
}

/* Bytes of a rank's record [linear 8], which goes to the ranks behind; and a head from every rank
 * to every other. GATE sends its sums in fp64. */
static void only_states_travel(span_rank *r)
{
    static const struct {
        const char *method, *params;
        int64_t     floats, more_bytes;
    } sent[] = {
        {"lightning", "", HEADS * DIM * DIM, 0},
        {"lightning", "slope_heads=kv", KV_HEADS * DIM * DIM, 0},
        {"linear", "", KV_HEADS * (DIM * DIM + DIM), 0},
        {"linear", "kind=retnet", HEADS * DIM * DIM, 0},
        {"linear", "kind=gla", KV_HEADS * (DIM * DIM + 2 * DIM), 0},
        {"linear", "kind=gated_delta", KV_HEADS * (DIM * DIM + DIM * DIM), 0},
        {"linear", "kind=aaren", (HEADS * (DIM + 2) + 15) / 16 * 16, HEADS * DIM * 4},
    };
    for (int i = 0; i < (int)(sizeof sent / sizeof *sent); i++) {
        span_seq_spec spec = {
            sent[i].method, sent[i].params, SB_LAYOUT_CONTIGUOUS, 333, 1, HEADS, KV_HEADS, DIM};
        pair p;
        if (!pair_open(r, &spec, 0, &p))
            return;
        int64_t others = r->comm->size - 1;
        int64_t want   = others * 64 + r->comm->rank * sent[i].floats * 4;
        if (others > 0 && r->comm->rank > 0)
            want += sent[i].more_bytes; /* the query, from rank 0 */
        r->comm->stats = (sb_comm_stats){0};
        sb_status st   = span_seq_prefill(&p.shard);
        SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
        SPAN_EXPECT(r, r->comm->stats.received_bytes == want, "%s %s: received %lld, wanted %lld",
                    spec.method, spec.params, (long long)r->comm->stats.received_bytes,
                    (long long)want);
        SPAN_EXPECT(r, (p.shard.times.ns[SB_PHASE_COMMUNICATE] > 0) == (others > 0), "communicate");
        SPAN_EXPECT(r,
                    p.shard.times.ns[SB_PHASE_ATTENTION] >=
                        p.shard.times.ns[SB_PHASE_COMMUNICATE] + p.shard.times.ns[SB_PHASE_COMPUTE],
                    "attention is shorter than its parts");
        pair_close(r, &p);
    }
}

/* Whatever comes first: states are folded in the order of ranks. */
static void runs_repeat_bit_by_bit(span_rank *r)
{
    for (int m = 0; m < N_METHODS; m++) {
        span_seq_spec spec = {methods[m].method,
                              methods[m].params,
                              SB_LAYOUT_CONTIGUOUS,
                              517,
                              1,
                              HEADS,
                              KV_HEADS,
                              DIM};
        pair          p;
        if (!pair_open(r, &spec, methods[m].gates, &p))
            return;
        size_t bytes = (size_t)(HEADS * p.shard.gid.n_tokens * DIM) * sizeof(float);
        size_t state = (size_t)p.shard.cache.state_bytes;
        float *first = malloc(bytes + state + 1);
        if (first == NULL)
            abort();
        for (int i = 0; i < 2; i++) {
            SPAN_EXPECT(r, span_seq_prefill(&p.shard) == SB_OK, "%s", sb_error_text());
            if (i == 0) {
                memcpy(first, p.o[0], bytes);
                memcpy((char *)first + bytes, p.shard.cache.state, state);
            }
        }
        SPAN_EXPECT(r,
                    memcmp(first, p.o[0], bytes) == 0 &&
                        memcmp((char *)first + bytes, p.shard.cache.state, state) == 0,
                    "%s %s: other bits", spec.method, spec.params);
        free(first);
        pair_close(r, &p);
    }
}

/* ---- decode ---- */

static double step_error(const pair *p)
{
    double num = 0, den = 0;
    for (int i = 0; i < HEADS * DIM; i++) {
        double w = (double)sb_bf16_to_f32(((const sb_bf16 *)p->whole.o1.data)[i]);
        double e = (double)sb_bf16_to_f32(((const sb_bf16 *)p->shard.o1.data)[i]) - w;
        num += e * e;
        den += w * w;
    }
    return den > 0 ? sqrt(num / den) : sqrt(num);
}

/* One step on shard and whole; all ranks must hold the same bits. */
static void step(span_rank *r, pair *p, sb_bf16 keep[HEADS * DIM])
{
    sb_bf16   first[HEADS * DIM];
    sb_status st = span_seq_step(&p->shard);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, span_seq_step(&p->whole) == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, step_error(p) <= SB_SCAN_REL_BF16, "%s %s, token %lld: %g", p->shard.spec.method,
                p->shard.spec.params, (long long)p->shard.cache.n_global - 1, step_error(p));
    memcpy(keep, p->shard.o1.data, sizeof first);
    memcpy(first, keep, sizeof first);
    SPAN_EXPECT(r, sb_comm_bcast(r->comm, first, sizeof first, 0) == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, memcmp(first, keep, sizeof first) == 0, "ranks differ");
}

static void decode(span_rank *r, const span_seq_spec *spec, int64_t gates)
{
    static const sb_bf16 none[HEADS * DIM];
    sb_bf16              kept[STEPS][HEADS * DIM], again[HEADS * DIM];
    pair                 p;
    if (!pair_open(r, spec, gates, &p))
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
    /* the decode tokens all went where the state is */
    int64_t last = sb_map_owner(&p.shard.map, spec->n_tokens - 1);
    SPAN_EXPECT(
        r, p.shard.cache.k.tokens - p.shard.gid.n_tokens == (last == r->comm->rank ? STEPS : 0),
        "%lld tokens were stored", (long long)p.shard.cache.k.tokens);
    pair_close(r, &p);
}

static void decode_equals_one_rank(span_rank *r)
{
    static const int64_t lengths[] = {5, 130};
    for (int m = 0; m < N_METHODS; m++)
        for (int n = 0; n < 2; n++)
            decode(r,
                   &(span_seq_spec){methods[m].method, methods[m].params, SB_LAYOUT_CONTIGUOUS,
                                    lengths[n], STEPS, HEADS, KV_HEADS, DIM},
                   methods[m].gates);
}

/* ---- faults ---- */

static void shards_must_follow_each_other(span_rank *r)
{
    static const sb_layout_kind kinds[] = {SB_LAYOUT_ZIGZAG, SB_LAYOUT_BLOCK_STRIPED};
    for (int i = 0; i < 2; i++) {
        span_seq_spec spec = {"lightning", "", kinds[i], 1500, 1, HEADS, KV_HEADS, DIM};
        pair          p;
        if (!pair_open(r, &spec, 0, &p))
            return;
        sb_status st  = span_seq_prefill(&p.shard);
        int       one = r->comm->size == 1; /* one rank has all tokens in a row */
        SPAN_EXPECT(r, one ? st == SB_OK : st == SB_ERR_UNSUPPORTED || st == SB_ERR_PEER,
                    "status %s: %s", sb_status_name(st), sb_error_text());
        SPAN_EXPECT(r, one || st != SB_ERR_UNSUPPORTED || strstr(sb_error_text(), "sharding state"),
                    "%s", sb_error_text());
        pair_close(r, &p);
    }
}

static void one_ranks_failure_ends_the_call_on_all(span_rank *r)
{
    static const char *const bad[] = {"kind=gla", "kind=gated_delta", "kind=aaren"};
    for (int i = 0; i < 3; i++)
        for (int32_t where = 0; where < r->comm->size; where++) {
            span_seq_spec spec = {"linear", bad[i], SB_LAYOUT_CONTIGUOUS, 100, 1, HEADS,
                                  KV_HEADS, DIM};
            pair          p;
            char          want[64];
            if (!pair_open(r, &spec, i == 0 ? DIM : 1, &p))
                return;
            int mine = where == r->comm->rank;
            if (mine && i < 2)
                *sb_tensor_f32(&p.shard.gate, 1, 0) = 1; /* a gate above 0 */
            if (mine && i == 2)
                p.shard.cache.state_bytes--; /* a state that does not fit */
            sb_status st    = span_seq_prefill(&p.shard);
            sb_status cause = i < 2 ? SB_ERR_USAGE : SB_ERR_INTERNAL;
            snprintf(want, sizeof want, "rank %d: %s", where, sb_status_name(cause));
            SPAN_EXPECT(r, st == (mine ? cause : SB_ERR_PEER), "status %s", sb_status_name(st));
            SPAN_EXPECT(r, mine || strcmp(sb_error_text(), want) == 0, "%s", sb_error_text());
            if (mine && i < 2)
                *sb_tensor_f32(&p.shard.gate, 1, 0) = 0;
            if (mine && i == 2)
                p.shard.cache.state_bytes++;
            SPAN_EXPECT(r, span_seq_prefill(&p.shard) == SB_OK, "%s", sb_error_text());
            pair_close(r, &p);
        }
}

static void ranks_need_a_link(span_rank *r)
{
    span_seq_spec spec = {"lightning", "", SB_LAYOUT_CONTIGUOUS, 100, 1, HEADS, KV_HEADS, DIM};
    span_seq      s;
    sb_status     st = sb_comm_agree(r->comm, span_seq_open(&spec, r->comm, &s));
    if (st == SB_OK)
        st = span_seq_prefill(&s);
    SPAN_EXPECT(r, st == (r->comm->size == 1 ? SB_OK : SB_ERR_INTERNAL), "%s", sb_error_text());
    span_seq_close(&s);
}

/* Looks that compare find the keys of all ranks, as the methods that gather them leave them. */
static void keys_can_be_gathered_afterwards(span_rank *r)
{
    span_seq_spec spec = {"lightning", "", SB_LAYOUT_CONTIGUOUS, 101, 1, HEADS, KV_HEADS, DIM};
    pair          p;
    if (!pair_open(r, &spec, 0, &p))
        return;
    SPAN_EXPECT(r, span_seq_prefill(&p.shard) == SB_OK, "%s", sb_error_text());
    sb_status st = sb_shard_gather_keys(&p.shard.shard, r->comm, &p.shard.cache);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    const sb_tensor *k = &p.shard.shard.k_all, *v = &p.shard.shard.v_all;
    int              same = k->gid.n_tokens == 101 && v->gid.n_tokens == 101;
    for (int64_t h = 0; same && h < KV_HEADS; h++)
        for (int64_t i = 0; i < 101; i++)
            same &= sb_tensor_bf16(k, h, i)[3] == span_value(SPAN_K, h, i, 3) &&
                    sb_tensor_bf16(v, h, i)[5] == span_value(SPAN_V, h, i, 5);
    SPAN_EXPECT(r, same, "keys are not in place");
    p.shard.shard.k_all.data = NULL; /* as sb_shard_layout_local leaves it */
    st                       = sb_shard_gather_keys(&p.shard.shard, r->comm, &p.shard.cache);
    SPAN_EXPECT(r, st == (r->comm->size > 1 ? SB_ERR_INTERNAL : SB_OK), "%s", sb_error_text());
    pair_close(r, &p);
}

const span_case span_state_cases[] = {
    {"prefill_equals_one_rank", prefill_equals_one_rank},
    {"only_states_travel", only_states_travel},
    {"runs_repeat_bit_by_bit", runs_repeat_bit_by_bit},
    {"decode_equals_one_rank", decode_equals_one_rank},
    {"shards_must_follow_each_other", shards_must_follow_each_other},
    {"one_ranks_failure_ends_the_call_on_all", one_ranks_failure_ends_the_call_on_all},
    {"ranks_need_a_link", ranks_need_a_link},
    {"keys_can_be_gathered_afterwards", keys_can_be_gathered_afterwards},
    {"any_heads_will_do", any_heads_will_do},
    {0},
};
