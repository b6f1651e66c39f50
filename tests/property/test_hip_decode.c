/* hip 6: sparse decode with mask caching, on one rank. Every step's list and output is held against
 * hip_judge.c; more ranks: tests/mpi. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/registry.h"
#include "tests/property/hip_case.h"
#include "tests/property/hip_judge.h"
#include "tests/tolerance.h"

enum { H = 4, KV = 2, D = 32, MAX_N = 600, MAX_IDS = 1024, STATE = 65536 };

/* A sequence that is decoded token by token; c holds the tokens of all of it. */
typedef struct decoder {
    sb_case       *c;
    sb_cache       cache;
    unsigned char *cache_memory;
    sb_run         last; /* gid of the step's query */
    unsigned char *memory;
    sb_arena       arena;
    sb_plan        plan;
    sb_tensor      o;
    float          lse[H];
} decoder;

static sb_hip_params *params_of(const decoder *d) { return (sb_hip_params *)(void *)d->c->params; }

static void lay_cache(decoder *d, sb_arena *a)
{
    sb_shape shape = {.n_keys = MAX_N, .heads = H, .kv_heads = KV, .head_dim = D};
    ck_assert_int_eq(sb_cache_layout(&d->cache, a, KV, D, MAX_N, 4), SB_OK);
    ck_assert_int_eq(sb_cache_layout_state(&d->cache, a, sb_hip.state_bytes(params_of(d), &shape)),
                     SB_OK);
}

static void append(decoder *d, int64_t n)
{
    int64_t slot = 0, first = d->cache.n_global;
    ck_assert_int_eq(sb_cache_extend(&d->cache, first, n, &slot), SB_OK);
    d->cache.n_global += n;
    for (int64_t h = 0; h < KV; h++) {
        size_t bytes = (size_t)(n * D) * sizeof(sb_bf16);
        memcpy(sb_tensor_bf16(&d->cache.k, h, slot), sb_tensor_bf16(&d->c->k, h, first), bytes);
        memcpy(sb_tensor_bf16(&d->cache.v, h, slot), sb_tensor_bf16(&d->c->v, h, first), bytes);
    }
}

/* After a prefill of n tokens. */
static void open_decoder(decoder *d, const char *params, int64_t n, uint64_t seed)
{
    sb_arena a;
    *d = (decoder){.c = sb_case_random((sb_case_shape){MAX_N, MAX_N, H, KV, D}, seed)};
    hip_fill_eighths(&d->c->q, sb_mix(seed));
    hip_fill_eighths(&d->c->k, sb_mix(~seed));
    sb_case_params(d->c, &sb_hip, params);
    d->o = sb_case_tensor(SB_F32, H, 1, D);
    sb_arena_init_count(&a);
    lay_cache(d, &a);
    size_t bytes    = (a.high_water_bytes + 63) / 64 * 64;
    d->cache_memory = aligned_alloc(SB_ARENA_ALIGN, bytes);
    sb_arena_init(&a, d->cache_memory, bytes, SB_ARENA_GUARD);
    lay_cache(d, &a);
    sb_cache_reset(&d->cache);
    append(d, n);
}

static void close_decoder(decoder *d)
{
    sb_case_destroy(d->c);
    free(d->cache_memory);
    free(d->memory);
    free(d->o.data);
}

static sb_hip_state *state_of(const decoder *d) { return d->cache.state; }
static int64_t       last_of(const decoder *d) { return d->cache.n_global - 1; }

/* One operator call for the last token; cache NULL: as a call that has none. */
static void call(decoder *d, sb_cache *cache)
{
    int64_t     p   = last_of(d);
    sb_tensor   q   = d->c->q;
    sb_ctx      ctx = {.backend = &sb_backend_cpu, .arena = &d->arena, .threads = 2};
    sb_attn_in  in  = {.q = &q, .k = &d->cache.k, .v = &d->cache.v, .scale = d->c->scale};
    sb_attn_out out = {.o = &d->o, .lse = d->lse, .mode = SB_OUT_SET};
    d->last         = (sb_run){p, 1};
    q.data          = sb_tensor_bf16(&d->c->q, 0, p);
    q.tokens        = 1;
    q.gid           = (sb_gid){&d->last, 1, 1};
    sb_shape shape  = {
         .q_gid = q.gid, .n_keys = p + 1, .heads = H, .kv_heads = KV, .head_dim = D, .is_decode = 1};
    ck_assert_int_eq(sb_hip.check(d->c->params, &shape), SB_OK);
    sb_arena_init_count(&d->arena); /* as sb_shard_layout_method: the count knows no cache */
    ck_assert_int_eq(sb_hip.layout(&ctx, d->c->params, &shape, &d->plan, NULL), SB_OK);
    size_t bytes = (d->arena.high_water_bytes + 63) / 64 * 64 + 64;
    free(d->memory);
    d->memory = aligned_alloc(SB_ARENA_ALIGN, bytes);
    sb_arena_init(&d->arena, d->memory, bytes, SB_ARENA_GUARD);
    ck_assert_int_eq(sb_hip.layout(&ctx, d->c->params, &shape, &d->plan, cache), SB_OK);
    sb_status st =
        sb_hip.plan[SB_CPU](&ctx, d->c->params, &shape, &q, &d->cache.k, cache, &d->plan);
    ck_assert_msg(st == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(sb_hip.attend[SB_CPU](&ctx, d->c->params, &in, &d->plan, cache, &out), SB_OK);
    ck_assert(sb_arena_canaries_intact(&d->arena));
}

static void step(decoder *d)
{
    append(d, 1);
    call(d, &d->cache);
}

static hjudge_rule rule_of(const decoder *d)
{
    const sb_hip_params *p = params_of(d);
    return (hjudge_rule){p->top_k_tokens,   p->block_q_tokens,  p->stride_q_tokens,
                         p->block_k_tokens, p->stride_k_tokens, p->window_tokens,
                         p->sink_tokens,    (int)p->align};
}

/* What a search of a decode step at position p finds [3.1, N_q = 1]. */
static int64_t judge_step(const decoder *d, int64_t head, int64_t p, int64_t *idx)
{
    hjudge_rule    r = rule_of(d);
    hjudge_tensors x = {&d->c->q, &d->c->k, head};
    return hjudge_search(&r, &p, 1, p + 1, hjudge_product, &x, idx, NULL);
}

typedef struct row_set {
    hjudge_rule rule;
    int64_t     sw, n, idx[MAX_IDS];
    int         dense;
} row_set;

static int see(int64_t q, int64_t k, const void *state)
{
    const row_set *s = state;
    return k <= q && (s->dense || hjudge_parts(&s->rule, s->sw, s->idx, s->n, q, k) != 0);
}

/* The step just done against a search at position p0; returns the keys of its refresh gap. */
static int64_t ck_step(const decoder *d, int64_t p0)
{
    const sb_hip_params *p  = params_of(d);
    hjudge_rule          r  = rule_of(d);
    int64_t              at = last_of(d), gap = 0;
    int64_t b   = p0 + 1 - r.sw - r.ns > 0 ? (p0 + 1 - r.sw - r.ns + r.bk - 1) / r.bk : 0;
    int     all = at + 1 <= r.sw + r.ns + r.k;
    ck_assert_int_eq(d->plan.fallback, all);
    for (int64_t h = 0; h < H; h++) {
        row_set s = {.rule = r, .sw = r.sw + p->window_pad_tokens, .dense = all};
        double  o[D], lse, num = 0, den = 0;
        s.n = judge_step(d, h, p0, s.idx);
        for (int64_t i = 0; i < s.n && !all; i++) {
            const int64_t *ptr = d->plan.tiles.row_ptr + h;
            ck_assert_int_eq(ptr[1] - ptr[0], s.n);
            ck_assert_int_eq(d->plan.tiles.id[ptr[0] + i] * r.bk, s.idx[i]);
        }
        sb_tensor q = d->c->q;
        q.gid       = (sb_gid){&d->c->q_run, 1, MAX_N};
        sb_tensor k = d->c->k, v = d->c->v;
        sb_run    seen = {0, at + 1};
        k.tokens = v.tokens = at + 1;
        k.gid = v.gid = (sb_gid){&seen, 1, at + 1};
        judge_row(&q, &k, &v, d->c->scale, see, &s, h, at, o, &lse);
        ck_assert_double_le(fabs((double)d->lse[h] - lse), SB_LSE_ABS);
        for (int64_t x = 0; x < D; x++) {
            double e = (double)sb_tensor_f32(&d->o, h, 0)[x] - o[x];
            num += e * e;
            den += o[x] * o[x];
        }
        ck_assert_double_le(num / den, SB_NMSE_F32);
        if (h > 0)
            continue;
        for (int64_t t = 0; t <= at && !all; t++) /* neither sink nor window nor candidate */
            gap += t >= r.ns && t <= at - s.sw && t >= r.ns + b * r.bk;
    }
    ck_assert_int_eq(state_of(d)->gap_tokens, gap);
    return gap;
}

#define SMALL "top_k_tokens: 32, window_tokens: 16, sink_tokens: 4"

/* 6: search when c % r_m == 0, else the last lists under a moving window; the refresh gap grows to
 * at most r_m - 1 keys and is counted. */
START_TEST(decode_searches_when_a_refresh_is_due)
{
    static const char *const params[] = {SMALL, SMALL ", refresh_steps: 5, align: 0",
                                         SMALL ", refresh_steps: 1",
                                         SMALL ", block_q_tokens: 48, stride_q_tokens: 16"};
    decoder                  d;
    open_decoder(&d, params[_i], 300 + _i, 7 + (uint64_t)_i);
    int64_t refresh = params_of(&d)->refresh_steps, p0 = 0, most = 0, sum = 0;
    for (int64_t c = 0; c < 20; c++) {
        step(&d);
        p0          = c % refresh == 0 ? last_of(&d) : p0;
        int64_t gap = ck_step(&d, p0);
        /* the last candidate block may reach a key into the window of its search */
        ck_assert_int_le(gap, last_of(&d) - p0);
        ck_assert_int_ge(gap, last_of(&d) - p0 - 1);
        most = gap > most ? gap : most;
        sum += gap;
        ck_assert_int_eq(state_of(&d)->steps, c + 1);
        ck_assert_int_eq(state_of(&d)->searches, c / refresh + 1);
        ck_assert_int_eq(state_of(&d)->gap_sum_tokens, sum);
    }
    ck_assert_int_le(most, refresh - 1);
    ck_assert_int_ge(most, refresh - 2);
    close_decoder(&d);
}
END_TEST

/* 6: sw_pad = r_m - 1 closes it, and nothing else changes. */
START_TEST(pad_closes_the_gap)
{
    decoder d;
    int64_t p0 = 0;
    open_decoder(&d, SMALL ", window_pad_tokens: 7", 301, 3);
    for (int64_t c = 0; c < 18; c++) {
        step(&d);
        p0 = c % 8 == 0 ? last_of(&d) : p0;
        ck_assert_int_eq(ck_step(&d, p0), 0);
        ck_assert_int_eq(d.plan.window_tokens, 23);
    }
    ck_assert_int_eq(state_of(&d)->gap_sum_tokens, 0);
    close_decoder(&d);
}
END_TEST

/* The pad belongs to decode: prefill has no gap. */
START_TEST(prefill_takes_no_pad)
{
    sb_case *c = sb_case_random((sb_case_shape){200, 200, 1, 1, 16}, 1);
    ck_assert_int_eq(sb_case_attend(c, &sb_hip, SMALL ", window_pad_tokens: 7", SB_F32), SB_OK);
    ck_assert_int_eq(c->plan.window_tokens, 16);
    sb_case_destroy(c);
}
END_TEST

/* 5 and 6: dense while the context is short; the first steps past that use what the last due step
 * would have kept, all of it. */
START_TEST(short_contexts_decode_dense_until_they_are_long)
{
    decoder d;
    int64_t p0 = 0;
    open_decoder(&d, SMALL, 40, 5); /* dense up to 52 tokens: steps 0 to 11 */
    for (int64_t c = 0; c < 30; c++) {
        step(&d);
        p0 = c % 8 == 0 ? last_of(&d) : p0;
        ck_step(&d, p0);
        ck_assert_int_eq(d.plan.fallback, c < 12);
    }
    ck_assert_int_eq(state_of(&d)->searches, 4);
    close_decoder(&d);
}
END_TEST

/* Without a cache every call searches: the last row of a prefill of blocks of one query. */
START_TEST(without_a_cache_every_call_searches)
{
    decoder d;
    open_decoder(&d, SMALL, 400, 6);
    for (int c = 0; c < 3; c++) {
        append(&d, 1);
        call(&d, NULL);
        ck_assert_int_eq(state_of(&d)->steps, 0);
        for (int64_t h = 0; h < H; h++) {
            int64_t idx[MAX_IDS], n = judge_step(&d, h, last_of(&d), idx);
            ck_assert_int_eq(d.plan.tiles.row_ptr[h + 1] - d.plan.tiles.row_ptr[h], n);
            for (int64_t i = 0; i < n; i++)
                ck_assert_int_eq(d.plan.tiles.id[d.plan.tiles.row_ptr[h] + i] * 2, idx[i]);
        }
    }
    close_decoder(&d);
}
END_TEST

/* Rollback takes counter and lists back; the continuation repeats to the bit. */
START_TEST(rollback_repeats_the_steps)
{
    decoder              d;
    static unsigned char marked[STATE], after[STATE];
    float                o[6][H * D];
    open_decoder(&d, SMALL, 300, 9);
    size_t bytes = (size_t)d.cache.state_bytes;
    ck_assert_uint_le(bytes, STATE);
    for (int c = 0; c < 6; c++)
        step(&d);
    sb_cache_mark(&d.cache);
    memcpy(marked, d.cache.state, bytes);
    for (int twice = 0; twice < 2; twice++) {
        for (int c = 0; c < 6; c++) { /* a refresh among them */
            step(&d);
            if (twice)
                ck_assert_mem_eq(d.o.data, o[c], sizeof o[c]);
            memcpy(o[c], d.o.data, sizeof o[c]);
        }
        if (twice)
            ck_assert_mem_eq(d.cache.state, after, bytes);
        memcpy(after, d.cache.state, bytes);
        ck_assert_mem_ne(after, marked, bytes);
        sb_cache_rollback(&d.cache);
        ck_assert_mem_eq(d.cache.state, marked, bytes);
    }
    close_decoder(&d);
}
END_TEST

/* A cache of another method's making, or keys that are missing. */
START_TEST(bad_calls_are_refused_with_the_reason)
{
    decoder d;
    open_decoder(&d, SMALL, 300, 10);
    step(&d);
    sb_ctx   ctx   = {.backend = &sb_backend_cpu, .arena = &d.arena, .threads = 1};
    sb_shape shape = {.q_gid     = {&d.last, 1, 1},
                      .n_keys    = 301,
                      .heads     = H,
                      .kv_heads  = KV,
                      .head_dim  = D,
                      .is_decode = 1};
    sb_cache less  = d.cache;
    less.state_bytes--;
    ck_assert_int_eq(sb_hip.layout(&ctx, d.c->params, &shape, &d.plan, &less), SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "bytes of state"));
    sb_tensor k = d.cache.k;
    k.tokens--;
    ck_assert_int_eq(sb_hip.plan[SB_CPU](&ctx, d.c->params, &shape, &d.c->q, &k, &d.cache, &d.plan),
                     SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "300 keys, it needs all 301"));
    close_decoder(&d);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hip_decode");
    TCase *t = tcase_create("properties");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, decode_searches_when_a_refresh_is_due, 0, 4);
    tcase_add_test(t, pad_closes_the_gap);
    tcase_add_test(t, prefill_takes_no_pad);
    tcase_add_test(t, short_contexts_decode_dense_until_they_are_long);
    tcase_add_test(t, without_a_cache_every_call_searches);
    tcase_add_test(t, rollback_repeats_the_steps);
    tcase_add_test(t, bad_calls_are_refused_with_the_reason);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
