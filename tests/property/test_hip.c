/* hip 10: its invariants, and every list held against a second derivation (hip_judge.c). The search
 * by itself: test_hip_tree.c; decode: test_hip_decode.c. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/index_stats.h"
#include "kernels/exec/segments.h"
#include "kernels/registry.h"
#include "tests/property/hip_case.h"
#include "tests/property/hip_judge.h"
#include "tests/tolerance.h"

enum { MAX_IDS = 4096 };

static void *copy_of(const void *from, int64_t count, size_t bytes)
{
    void *to = malloc((size_t)count * bytes);
    memcpy(to, from, (size_t)count * bytes);
    return to;
}

START_TEST(defaults_are_the_designs)
{
    sb_hip_params p;
    ck_assert_int_eq(sb_params_default(sb_hip.params, &p), SB_OK);
    ck_assert_int_eq(p.top_k_tokens, 512);
    ck_assert_int_eq(p.block_q_tokens, 64);
    ck_assert_int_eq(p.stride_q_tokens, 2);
    ck_assert_int_eq(p.block_k_tokens, 2);
    ck_assert_int_eq(p.stride_k_tokens, 1);
    ck_assert_int_eq(p.window_tokens, 256);
    ck_assert_int_eq(p.sink_tokens, 16);
    ck_assert_int_eq(p.align, 1);
    ck_assert_int_eq(p.refresh_steps, 8);
    ck_assert_int_eq(p.window_pad_tokens, 0);
    ck_assert_int_eq(p.compat, SB_HIP_CLEAN);
    ck_assert_int_eq(sb_hip.quantum_tokens(&p), 64);
    ck_assert_int_eq(sb_hip.plan_keys, SB_PLAN_KEYS_ALL);
    ck_assert(sb_hip.caps & SB_CAP_DECODE && sb_hip.caps & SB_CAP_SHARDED);
    ck_assert_int_eq(sb_hip.decode_plan_meets, 1);
}
END_TEST

/* ---- lists against the judge ---- */

static const struct {
    sb_case_shape shape;
    const char   *params;
    hjudge_rule   rule;
} judged[] = {
    {{600, 600, 2, 1, 64},
     "top_k_tokens: 32, window_tokens: 16, sink_tokens: 4",
     {32, 64, 2, 2, 1, 16, 4, 1}},
    {{777, 777, 4, 2, 16},
     "top_k_tokens: 32, window_tokens: 32, sink_tokens: 8, align: 0, block_q_tokens: 32",
     {32, 32, 2, 2, 1, 32, 8, 0}},
    {{500, 500, 6, 2, 48}, /* keys of every second place, M not a power of two */
     "top_k_tokens: 28, window_tokens: 8, sink_tokens: 4, block_k_tokens: 4, stride_k_tokens: 2, "
     "stride_q_tokens: 8",
     {28, 64, 8, 4, 2, 8, 4, 1}},
    {{387, 387, 2, 2, 32}, /* keys one by one; of the last three rows none ends a stride [5] */
     "top_k_tokens: 16, window_tokens: 9, sink_tokens: 3, block_k_tokens: 1, stride_q_tokens: 4",
     {16, 64, 4, 1, 1, 9, 3, 1}},
    {{65, 65, 1, 1, 16}, /* N_q = bq + 1 [5] */
     "top_k_tokens: 8, window_tokens: 4, sink_tokens: 2",
     {8, 64, 2, 2, 1, 4, 2, 1}},
    {{100, 420, 4, 2, 16}, /* fewer queries than keys, the first block cut */
     "top_k_tokens: 24, window_tokens: 16, sink_tokens: 0, block_q_tokens: 24, stride_q_tokens: 3",
     {24, 24, 3, 2, 1, 16, 0, 1}},
    {{1, 300, 4, 1, 32},
     "top_k_tokens: 16, window_tokens: 8, sink_tokens: 4",
     {16, 64, 2, 2, 1, 8, 4, 1}},
    {{700, 700, 2, 1, 16}, /* one chunk is left over: M = 1 */
     "top_k_tokens: 2, window_tokens: 2, sink_tokens: 2, block_q_tokens: 16",
     {2, 16, 2, 2, 1, 2, 2, 1}},
    {{900, 900, 2, 1, 16}, /* a sample of more than two passes of queries */
     "top_k_tokens: 48, window_tokens: 64, sink_tokens: 16, stride_q_tokens: 1, block_k_tokens: 8, "
     "stride_k_tokens: 8",
     {48, 64, 1, 8, 8, 64, 16, 0}},
};
enum { N_JUDGED = sizeof judged / sizeof *judged };

static void ck_judged(const sb_case *c, const sb_tensor *q, const hjudge_rule *r)
{
    for (int64_t h = 0; h < c->shape.heads; h++)
        for (int64_t row = 0; row < c->plan.n_rows; row++) {
            int64_t        idx[MAX_IDS];
            const int32_t *ids;
            int64_t        n    = hip_list(&c->plan, h, row, &ids);
            int64_t        want = hjudge_block(r, q, &c->k, h, c->plan.row_id[row], idx);
            ck_assert_msg(n == want, "head %lld block %d: %lld ids, wanted %lld", (long long)h,
                          c->plan.row_id[row], (long long)n, (long long)want);
            for (int64_t i = 0; i < n; i++)
                if (ids[i] * r->bk != idx[i])
                    ck_abort_msg("head %lld block %d: %lld, wanted %lld", (long long)h,
                                 c->plan.row_id[row], (long long)(ids[i] * r->bk),
                                 (long long)idx[i]);
        }
}

/* 10.9, for lists: exact products, so every list is the judge's. 10.3: what a legal list is. */
START_TEST(lists_match_the_judge)
{
    hjudge_rule r = judged[_i].rule;
    sb_case    *c = hip_exact_case(judged[_i].shape, 40 + (uint64_t)_i);
    r.align       = strstr(judged[_i].params, "align: 0") == NULL;
    hip_attend(c, "hip", judged[_i].params);
    ck_assert_int_eq(c->plan.parts, SB_PART_WINDOW | SB_PART_TILES);
    ck_assert_int_eq(c->plan.fallback, 0);
    ck_assert_int_eq(c->plan.tiles.n_heads, c->shape.heads);
    ck_assert(c->plan.tiles.unit_tokens == r.bk && c->plan.tiles.width_tokens == r.bk);
    ck_judged(c, &c->q, &r);
    for (int64_t h = 0; h < c->shape.heads; h++)
        for (int64_t row = 0; row < c->plan.n_rows; row++) {
            const int32_t *ids;
            int64_t        n = hip_list(&c->plan, h, row, &ids), m = r.k / r.bk;
            int64_t        end = (c->plan.row_id[row] + 1) * r.bq, b;
            end                = end < c->shape.n_k ? end : c->shape.n_k;
            b                  = (end - r.sw - r.ns + r.bk - 1) / r.bk;
            b                  = end > r.sw + r.ns ? b : 0;
            if ((m & (m - 1)) == 0)
                ck_assert_int_eq(n, b < m ? b : m);
            ck_assert_int_le(n, b < m ? b : m);
            for (int64_t i = 0; i < n; i++)
                ck_assert(ids[i] >= (i > 0 ? ids[i - 1] + 1 : r.ns / r.bk) &&
                          ids[i] < r.ns / r.bk + b);
        }
    sb_case_destroy(c);
}
END_TEST

typedef struct row_sets {
    const sb_plan     *plan;
    const hjudge_rule *rule;
    int64_t            head;
} row_sets;

static int see_parts(int64_t q, int64_t k, const void *state)
{
    const row_sets *s = state;
    int64_t         idx[MAX_IDS], row = sb_plan_row(s->plan, q);
    const int32_t  *ids;
    int64_t         n = hip_list(s->plan, s->head, row, &ids);
    for (int64_t i = 0; i < n; i++)
        idx[i] = ids[i] * s->rule->bk;
    return k <= q && hjudge_parts(s->rule, s->rule->sw, idx, n, q, k) != 0;
}

/* 3.2, 10.4: what the executor reads for a row is W + S + I to the key; the three are disjoint; and
 * never more than SW + NS + K. */
START_TEST(rows_attend_to_window_sinks_and_blocks)
{
    hjudge_rule r = judged[_i].rule;
    sb_case    *c = hip_exact_case(judged[_i].shape, 60 + (uint64_t)_i);
    hip_attend(c, "hip", judged[_i].params);
    row_sets s = {&c->plan, &r, 0};
    for (s.head = 0; s.head < c->shape.heads; s.head += 3)
        for (int64_t i = 0; i < c->shape.n_q; i += i % 64 < 2 ? 1 : 13) {
            int64_t        p = c->q_run.start + i, idx[MAX_IDS], count = 0;
            int64_t        row = sb_plan_row(&c->plan, p), n;
            const int32_t *ids;
            uint8_t       *seen = calloc((size_t)c->shape.n_k, 1);
            sb_segments    segments;
            sb_segment     g;
            n = hip_list(&c->plan, s.head, row, &ids);
            for (int64_t u = 0; u < n; u++)
                idx[u] = ids[u] * r.bk;
            sb_segments_begin(&segments, &c->plan, s.head, row, p, p);
            while (sb_segments_next(&segments, &g))
                for (int64_t t = g.begin; t < g.end; t++)
                    seen[t]++;
            for (int64_t t = 0; t < c->shape.n_k; t++) {
                int parts = hjudge_parts(&r, r.sw, idx, n, p, t);
                ck_assert(parts == 0 || parts == 1 || parts == 2 || parts == 4);
                if (seen[t] != (parts != 0))
                    ck_abort_msg("row %lld key %lld: seen %d, parts %d", (long long)p, (long long)t,
                                 seen[t], parts);
                count += seen[t];
            }
            ck_assert_int_le(count, r.sw + r.ns + r.k);
            ck_assert(seen[p]);
            free(seen);
        }
    sb_case_destroy(c);
}
END_TEST

/* 10.9, for outputs: attention over those sets in fp64. */
START_TEST(output_is_one_softmax_over_the_union)
{
    hjudge_rule r = judged[0].rule;
    sb_case    *c = sb_case_random((sb_case_shape){600, 600, 1, 1, 64}, 9);
    hip_attend(c, "hip", judged[0].params);
    row_sets      s = {&c->plan, &r, 0};
    sb_case_error e = sb_case_judge(c, &c->q, &c->k, &c->v, see_parts, &s, 37);
    ck_assert_double_le(e.nmse, SB_NMSE_F32);
    ck_assert_double_le(e.lse_abs, SB_LSE_ABS);
    sb_case_destroy(c);
}
END_TEST

/* 10.10: the recall that quality stores, exp(lse - dense lse), is the dense softmax mass of the
 * attended set. */
START_TEST(recall_is_the_covered_mass)
{
    enum { N = 400, D = 32 };
    hjudge_rule r = {16, 64, 2, 2, 1, 16, 4, 1};
    sb_case    *c = sb_case_random((sb_case_shape){N, N, 1, 1, D}, 12);
    hip_attend(c, "dense", "");
    float *dense = copy_of(c->lse, N, sizeof *dense);
    double least = 1;
    hip_attend(c, "hip", "top_k_tokens: 16, window_tokens: 16, sink_tokens: 4");
    row_sets s = {&c->plan, &r, 0};
    for (int64_t p = 0; p < N; p += 7) {
        double inside = 0, all = 0, recall = exp((double)c->lse[p] - (double)dense[p]);
        for (int64_t t = 0; t <= p; t++) {
            double x = 0;
            for (int64_t i = 0; i < D; i++)
                x += (double)sb_bf16_to_f32(sb_tensor_bf16(&c->q, 0, p)[i]) *
                     (double)sb_bf16_to_f32(sb_tensor_bf16(&c->k, 0, t)[i]);
            x = exp(x / sqrt(D));
            all += x;
            inside += see_parts(p, t, &s) ? x : 0;
        }
        ck_assert_double_le(fabs(recall - inside / all), 1e-4);
        least = fmin(least, recall);
    }
    ck_assert_double_lt(least, 0.9); /* else this says little */
    free(dense);
    sb_case_destroy(c);
}
END_TEST

/* ---- short rows ---- */

/* Equal but for the order of sums: a list is packed, dense keys are not. */
static int close_to(const float *got, const float *want, int64_t n)
{
    double num = 0, den = 0;
    for (int64_t i = 0; i < n; i++) {
        double e = (double)got[i] - (double)want[i];
        num += e * e;
        den += (double)want[i] * (double)want[i];
    }
    return num / den <= SB_NMSE_F32;
}

/* 5, 10.1: up to SW + NS + K tokens all is dense, and reported; one more, and the last block is
 * not. */
START_TEST(short_contexts_are_dense)
{
    static const char params[] = "top_k_tokens: 64, window_tokens: 32, sink_tokens: 4";
    for (int64_t n = 99; n <= 101; n++) {
        sb_case *c = sb_case_random((sb_case_shape){n, n, 2, 1, 32}, 3);
        hip_attend(c, "dense", "");
        float *o = copy_of(c->o.data, 2 * n * 32, sizeof *o);
        hip_attend(c, "hip", params);
        ck_assert_int_eq(c->plan.fallback, n <= 100);
        ck_assert_int_eq(memcmp(c->o.data, o, (size_t)(2 * n * 32) * sizeof *o) == 0, n <= 100);
        ck_assert_int_eq(close_to(c->o.data, o, 2 * n * 32), n <= 100);
        ck_assert(close_to(c->o.data, o, 64 * 32)); /* head 0, block 0: L = 64 */
        free(o);
        sb_case_destroy(c);
    }
}
END_TEST

/* 5: in a long context a query block is dense iff its last row sees no more than that. */
START_TEST(short_blocks_are_dense)
{
    enum { N = 500, BQ = 16, LIMIT = 64 + 32 + 4 };
    sb_case *c = sb_case_random((sb_case_shape){N, N, 2, 1, 32}, 4);
    hip_attend(c, "dense", "");
    float *o = copy_of(c->o.data, 2 * N * 32, sizeof *o);
    hip_attend(c, "hip", "top_k_tokens: 64, window_tokens: 32, sink_tokens: 4, block_q_tokens: 16");
    for (int64_t h = 0; h < 2; h++)
        for (int64_t b = 0; b < N / BQ; b++) {
            size_t at = (size_t)((h * N + b * BQ) * 32);
            ck_assert_int_eq(close_to((float *)c->o.data + at, o + at, BQ * 32),
                             (b + 1) * BQ <= LIMIT);
        }
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* 10.2 */
START_TEST(budget_of_all_keys_is_dense)
{
    sb_case *c = sb_case_random((sb_case_shape){300, 300, 2, 1, 32}, 5);
    hip_attend(c, "dense", "");
    float *o = copy_of(c->o.data, 2 * 300 * 32, sizeof *o);
    hip_attend(c, "hip", "top_k_tokens: 300, window_tokens: 2, sink_tokens: 0");
    ck_assert_int_eq(c->plan.fallback, 1);
    ck_assert_mem_eq(c->o.data, o, 2 * 300 * 32 * sizeof *o);
    hip_attend(c, "hip", "top_k_tokens: 296, window_tokens: 2, sink_tokens: 0");
    ck_assert_int_eq(c->plan.fallback, 0);
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* ---- what a list may depend on ---- */

/* Same lists? */
static void ck_same_index(const sb_plan *p, const int64_t *ptr, const int32_t *ids)
{
    int64_t n = p->tiles.n_heads * p->n_rows;
    ck_assert_mem_eq(p->tiles.row_ptr, ptr, (size_t)(n + 1) * sizeof *ptr);
    ck_assert_mem_eq(p->tiles.id, ids, (size_t)ptr[n] * sizeof *ids);
}

static const char chosen[] =
    "top_k_tokens: 32, window_tokens: 16, sink_tokens: 4, block_q_tokens: 32";

/* 10.8: tokens past a query block do not matter to it; a later query of its own does. */
START_TEST(causal_at_block_bounds_only)
{
    enum { N = 512, CUT = 256 };
    sb_case *c = hip_exact_case((sb_case_shape){N, N, 2, 1, 32}, 20);
    hip_attend(c, "hip", chosen);
    int64_t *ptr = copy_of(c->plan.tiles.row_ptr, 2 * 16 + 1, sizeof *ptr);
    int32_t *ids = copy_of(c->plan.tiles.id, ptr[32], sizeof *ids);
    for (int64_t i = CUT; i < N; i++)
        for (int64_t x = 0; x < 32; x++) {
            sb_tensor_bf16(&c->k, 0, i)[x] ^= 0x8000;
            sb_tensor_bf16(&c->q, 0, i)[x] ^= 0x8000;
            sb_tensor_bf16(&c->q, 1, i)[x] ^= 0x8000;
        }
    sb_tensor_bf16(&c->q, 0, 159)[3] = sb_bf16_from_f32(90); /* the last row of block 4 */
    hip_attend(c, "hip", chosen);
    for (int64_t h = 0; h < 2; h++)
        for (int64_t row = 0; row < 16; row++) {
            const int32_t *got;
            const int64_t *w    = ptr + h * 16 + row;
            int64_t        n    = hip_list(&c->plan, h, row, &got);
            int            same = n == w[1] - w[0] && memcmp(got, ids + w[0], (size_t)n * 4) == 0;
            ck_assert_int_eq(same, row < CUT / 32 && !(h == 0 && row == 4));
        }
    free(ptr);
    free(ids);
    sb_case_destroy(c);
}
END_TEST

/* 5: chunks of a prefill that start at multiples of bq give the whole one's lists and outputs. */
START_TEST(chunked_prefill_is_the_whole)
{
    enum { N = 500, D = 32 };
    static const int64_t bounds[] = {0, 32, 160, 416, 500};
    sb_case             *c        = sb_case_random((sb_case_shape){N, N, 4, 2, D}, 22);
    hip_attend(c, "hip", chosen);
    float  *o    = copy_of(c->o.data, (int64_t)4 * N * D, sizeof *o);
    int64_t rows = c->plan.n_rows, *ptr = copy_of(c->plan.tiles.row_ptr, 4 * rows + 1, sizeof *ptr);
    int32_t *ids = copy_of(c->plan.tiles.id, ptr[4 * rows], sizeof *ids);
    for (int b = 0; b < 4; b++) {
        int64_t  end = bounds[b + 1], first = bounds[b];
        sb_case *s = sb_case_random((sb_case_shape){end - first, end, 4, 2, D}, 1);
        for (int64_t h = 0; h < 4; h++)
            memcpy(sb_tensor_bf16(&s->q, h, 0), sb_tensor_bf16(&c->q, h, first),
                   (size_t)((end - first) * D) * sizeof(sb_bf16));
        for (int64_t h = 0; h < 2; h++) {
            memcpy(sb_tensor_bf16(&s->k, h, 0), sb_tensor_bf16(&c->k, h, 0),
                   (size_t)(end * D) * sizeof(sb_bf16));
            memcpy(sb_tensor_bf16(&s->v, h, 0), sb_tensor_bf16(&c->v, h, 0),
                   (size_t)(end * D) * sizeof(sb_bf16));
        }
        hip_attend(s, "hip", chosen);
        ck_assert_int_eq(s->plan.fallback, end <= 52);
        for (int64_t h = 0; h < 4; h++) {
            const float *got_o = sb_tensor_f32(&s->o, h, 0), *want = o + (h * N + first) * D;
            ck_assert(close_to(got_o, want, (end - first) * D));
            ck_assert(s->plan.fallback ||
                      memcmp(got_o, want, (size_t)((end - first) * D) * sizeof *o) == 0);
            for (int64_t row = 0; row < s->plan.n_rows && !s->plan.fallback; row++) {
                const int32_t *got;
                int64_t        n = hip_list(&s->plan, h, row, &got);
                const int64_t *w = ptr + h * rows + s->plan.row_id[row];
                ck_assert_int_eq(n, w[1] - w[0]);
                ck_assert_mem_eq(got, ids + w[0], (size_t)n * sizeof *ids);
            }
        }
        sb_case_destroy(s);
    }
    free(o);
    free(ptr);
    free(ids);
    sb_case_destroy(c);
}
END_TEST

/* [sharding 1.1]: neither ranks nor threads. Zigzag shards; the bits of o follow. */
START_TEST(same_lists_for_every_rank_count)
{
    enum { N = 1003, H = 4, D = 32 };
    sb_case *c = sb_case_random((sb_case_shape){N, N, H, 2, D}, 21);
    c->threads = 1;
    hip_attend(c, "hip", chosen);
    int64_t rows = c->plan.n_rows, *ptr = copy_of(c->plan.tiles.row_ptr, H * rows + 1, sizeof *ptr);
    int32_t *ids = copy_of(c->plan.tiles.id, ptr[H * rows], sizeof *ids);
    float   *o   = copy_of(c->o.data, (int64_t)H * N * D, sizeof *o);
    c->threads   = 3;
    hip_attend(c, "hip", chosen);
    ck_same_index(&c->plan, ptr, ids);
    for (int64_t ranks = 2; ranks <= 4; ranks++)
        for (int64_t rank = 0; rank < ranks; rank++) {
            sb_run    run[2];
            sb_gid    g = sb_case_zigzag(run, 0, N, 32, rank, ranks);
            sb_tensor q = sb_case_take(&c->q, 0, &g);
            ck_assert_int_eq(sb_case_attend_on(c, &sb_hip, chosen, SB_F32, &q, NULL, NULL), SB_OK);
            for (int64_t h = 0; h < H; h++)
                for (int64_t i = 0; i < c->plan.n_rows; i++) {
                    const int32_t *got;
                    int64_t        n = hip_list(&c->plan, h, i, &got);
                    const int64_t *w = ptr + h * rows + c->plan.row_id[i];
                    ck_assert_int_eq(n, w[1] - w[0]);
                    ck_assert_mem_eq(got, ids + w[0], (size_t)n * sizeof *ids);
                }
            for (int64_t h = 0; h < H; h++)
                for (int64_t i = 0; i < g.n_tokens; i++)
                    ck_assert_mem_eq(sb_tensor_f32(&c->o, h, i), o + (h * N + judge_gid(&g, i)) * D,
                                     D * sizeof *o);
            free(q.data);
        }
    free(ptr);
    free(ids);
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* A block that runs cut has one list, of the queries that are here. */
START_TEST(cut_blocks_ask_what_is_here)
{
    const hjudge_rule r      = {32, 32, 2, 2, 1, 16, 4, 1};
    sb_run            runs[] = {{100, 3}, {104, 5}, {111, 1}, {128, 64}, {200, 1}, {222, 70}};
    sb_gid            g      = {runs, 6, 144};
    sb_case          *c      = hip_exact_case((sb_case_shape){300, 300, 4, 2, 16}, 23);
    sb_tensor         q      = sb_case_take(&c->q, 0, &g);
    ck_assert_int_eq(sb_case_attend_on(c, &sb_hip, chosen, SB_F32, &q, NULL, NULL), SB_OK);
    ck_assert_int_eq(c->plan.n_rows, 7);
    ck_judged(c, &q, &r);
    free(q.data);
    sb_case_destroy(c);
}
END_TEST

/* The product's variants give one set of bits; integers or not. */
START_TEST(selection_ignores_the_cpu)
{
    sb_case *c    = sb_case_random((sb_case_shape){700, 700, 6, 2, 48}, 23);
    sb_case *wide = sb_case_random((sb_case_shape){700, 700, 6, 2, 48}, 23);
    hip_attend(wide, "hip", chosen);
    ck_assert_int_eq(setenv("SPAN_CPU_KERNEL", "generic", 1), 0);
    hip_attend(c, "hip", chosen);
    unsetenv("SPAN_CPU_KERNEL");
    ck_same_index(&c->plan, wide->plan.tiles.row_ptr, wide->plan.tiles.id);
    sb_case_destroy(c);
    sb_case_destroy(wide);
}
END_TEST

/* Every query head searches on its own, over the keys of its KV head. */
START_TEST(heads_search_on_their_own)
{
    sb_case *c = hip_exact_case((sb_case_shape){512, 512, 4, 2, 32}, 13);
    memcpy(sb_tensor_bf16(&c->q, 1, 0), sb_tensor_bf16(&c->q, 0, 0), 512 * 32 * sizeof(sb_bf16));
    memcpy(sb_tensor_bf16(&c->q, 2, 0), sb_tensor_bf16(&c->q, 0, 0), 512 * 32 * sizeof(sb_bf16));
    hip_attend(c, "hip", chosen);
    const int32_t *ids[4];
    for (int64_t h = 0; h < 4; h++)
        ck_assert_int_eq(hip_list(&c->plan, h, 15, &ids[h]), 16);
    ck_assert_mem_eq(ids[0], ids[1], 16 * sizeof(int32_t));
    ck_assert_mem_ne(ids[0], ids[2], 16 * sizeof(int32_t)); /* other keys */
    ck_assert_mem_ne(ids[2], ids[3], 16 * sizeof(int32_t)); /* other queries */
    sb_case_destroy(c);
}
END_TEST

/* No number, infinity: lists stay legal. */
START_TEST(no_numbers_do_no_harm)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int what = 0; what < 3; what++) {
        sb_case *c = sb_case_random((sb_case_shape){300, 300, 2, 1, 32}, 5);
        for (int64_t i = 0; i < 300; i += 7)
            sb_tensor_bf16(&c->k, 0, i)[i % 32] = sb_bf16_from_f32(bad[what]);
        for (int64_t i = 0; i < 32; i++)
            sb_tensor_bf16(&c->q, 0, 201)[i] = sb_bf16_from_f32(bad[what]);
        hip_attend(c, "hip", chosen);
        for (int64_t h = 0; h < 2; h++)
            for (int64_t row = 2; row < c->plan.n_rows; row++) {
                const int32_t *ids;
                ck_assert_int_eq(hip_list(&c->plan, h, row, &ids), 16);
                for (int64_t i = 0; i < 16; i++)
                    ck_assert(ids[i] >= (i > 0 ? ids[i - 1] + 1 : 2) && ids[i] < 140);
            }
        sb_case_destroy(c);
    }
}
END_TEST

/* [quality B1]: pairs of the index are those of the sets. */
START_TEST(density_counts_the_sets)
{
    hjudge_rule r = {16, 64, 2, 2, 1, 16, 4, 1};
    sb_case    *c = sb_case_random((sb_case_shape){400, 400, 1, 1, 16}, 30);
    hip_attend(c, "hip", "top_k_tokens: 16, window_tokens: 16, sink_tokens: 4");
    row_sets       s = {&c->plan, &r, 0};
    sb_index_stats stats;
    int64_t        pairs = 0;
    for (int64_t p = 0; p < 400; p++)
        for (int64_t t = 0; t <= p; t++)
            pairs += see_parts(p, t, &s);
    ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, 0, &stats), SB_OK);
    ck_assert_int_eq(stats.rho_num, pairs);
    ck_assert_int_eq(stats.rho_den, 400 * 401 / 2);
    sb_case_destroy(c);
}
END_TEST

START_TEST(bad_calls_are_refused_with_the_reason)
{
    static const struct {
        const char *params, *why;
    } bad[] = {
        {"stride_q_tokens: 3",
         "block_q_tokens: found 64, allowed a multiple of stride_q_tokens, 3"},
        {"stride_k_tokens: 4", "block_k_tokens: found 2, allowed a multiple of stride_k_tokens, 4"},
        {"top_k_tokens: 511", "top_k_tokens: found 511, allowed a multiple of block_k_tokens, 2"},
        {"window_tokens: 255", "window_tokens: found 255"},
        {"sink_tokens: 3", "sink_tokens: found 3"},
    };
    sb_case *c = sb_case_random((sb_case_shape){300, 300, 2, 1, 32}, 1);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(sb_case_attend(c, &sb_hip, bad[i].params, SB_F32), SB_ERR_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(sb_error_text(), bad[i].why));
    }
    hip_attend(c, "hip", chosen);
    sb_ctx    ctx = {.backend = &sb_backend_cpu, .arena = &c->arena, .threads = 1};
    sb_tensor k   = c->k;
    sb_shape  few = c->seen;
    k.tokens      = 299;
    ck_assert_int_eq(sb_hip.plan[SB_CPU](&ctx, c->params, &c->seen, &c->q, &k, NULL, &c->plan),
                     SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "299 keys, it needs all 300"));
    few.is_decode = 1;
    ck_assert_int_eq(sb_hip.check(c->params, &few), SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "decode: found 300 queries, allowed 1"));
    few.is_decode = 0;
    few.head_dim  = 40;
    ck_assert_int_eq(sb_hip.check(c->params, &few), SB_ERR_UNSUPPORTED);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("hip");
    TCase *t = tcase_create("properties");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, defaults_are_the_designs);
    tcase_add_loop_test(t, lists_match_the_judge, 0, N_JUDGED);
    tcase_add_loop_test(t, rows_attend_to_window_sinks_and_blocks, 0, N_JUDGED);
    tcase_add_test(t, output_is_one_softmax_over_the_union);
    tcase_add_test(t, recall_is_the_covered_mass);
    tcase_add_test(t, short_contexts_are_dense);
    tcase_add_test(t, short_blocks_are_dense);
    tcase_add_test(t, budget_of_all_keys_is_dense);
    tcase_add_test(t, causal_at_block_bounds_only);
    tcase_add_test(t, chunked_prefill_is_the_whole);
    tcase_add_test(t, same_lists_for_every_rank_count);
    tcase_add_test(t, cut_blocks_ask_what_is_here);
    tcase_add_test(t, selection_ignores_the_cpu);
    tcase_add_test(t, heads_search_on_their_own);
    tcase_add_test(t, no_numbers_do_no_harm);
    tcase_add_test(t, density_counts_the_sets);
    tcase_add_test(t, bad_calls_are_refused_with_the_reason);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
