/* minference 10, and the rules of its sections 3.1, 3.3, 3.6, 5 and 6. The judges here are
 * written from the formulas: sorted lists, key sets, sums in double. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/index_stats.h"
#include "kernels/minference/minference.h"
#include "kernels/minference/probe.h"
#include "kernels/minference/work.h"
#include "kernels/registry.h"
#include "tests/oracle/case.h"
#include "tests/oracle/predicates.h"
#include "tests/tolerance.h"

static void attend(sb_case *c, const sb_method *m, const char *params)
{
    ck_assert_msg(sb_case_attend(c, m, params, SB_F32) == SB_OK, "%s", sb_error_text());
}

static const sbi_minference_work *work_of(const sb_case *c) { return c->plan.method_data; }

static const int32_t *columns(const sb_case *c, int64_t head)
{
    const sbi_minference_work *w = work_of(c);
    return w->chosen + w->head[head].chosen_at;
}

static const int32_t *diagonals(const sb_case *c, int64_t head)
{
    return columns(c, head) + work_of(c)->head[head].n_vertical;
}

START_TEST(defaults_are_the_codes)
{
    sb_minference_params p;
    ck_assert_int_eq(sb_params_default(sb_minference.params, &p), SB_OK);
    ck_assert_int_eq(p.pattern, SB_MINFERENCE_VERTICAL_SLASH);
    ck_assert_int_eq(p.vertical_tokens, 1000);
    ck_assert_int_eq(p.slash_tokens, 6096);
    ck_assert_int_eq(p.top_k_blocks, 100);
    ck_assert_int_eq(p.sink_tokens, 128);
    ck_assert_int_eq(p.window_tokens, 3968);
    ck_assert_int_eq(p.starting_layer, -1);
    ck_assert(p.ratio == 1.0);
    ck_assert_int_eq(sb_minference.quantum_tokens(&p), 64);
    ck_assert(!(sb_minference.caps & SB_CAP_DECODE)); /* 6: dense */
}
END_TEST

/* ---- 3.3: estimation ---- */

static void probe(const sb_case *c, int64_t head, int32_t threads, uint64_t *vertical,
                  uint64_t *slash)
{
    int64_t   n = c->shape.n_k, rows = n < 64 ? n : 64, d = c->shape.dim;
    float    *q_t = calloc((size_t)(64 * d), sizeof *q_t);
    sbi_probe p   = {.q_t     = q_t,
                     .k       = &c->k,
                     .kv_head = head / (c->shape.heads / c->shape.kv_heads),
                     .n_rows  = rows,
                     .threads = threads};
    for (int64_t i = 0; i < rows; i++)
        for (int64_t x = 0; x < d; x++)
            q_t[x * 64 + i] = sb_bf16_to_f32(sb_tensor_bf16(&c->q, head, n - rows + i)[x]);
    sbi_minference_probe(&p, vertical, slash);
    free(q_t);
}

/* The formulas of 3.3 over a matrix A[L][N]; logits with their two roundings, the rest in double.
 */
static void judge_sums(const sb_case *c, int64_t head, double *vertical, double *slash)
{
    int64_t n = c->shape.n_k, rows = n < 64 ? n : 64, d = c->shape.dim;
    int64_t kv = head / (c->shape.heads / c->shape.kv_heads);
    double *a  = malloc((size_t)n * sizeof *a);
    for (int64_t i = 0; i < n; i++)
        vertical[i] = slash[i] = 0;
    for (int64_t i = 0; i < rows; i++) {
        int64_t        at  = n - rows + i;
        const sb_bf16 *q   = sb_tensor_bf16(&c->q, head, at);
        double         top = -INFINITY, sum = 0;
        for (int64_t j = 0; j <= at; j++) {
            const sb_bf16 *k   = sb_tensor_bf16(&c->k, kv, j);
            float          dot = 0;
            for (int64_t x = 0; x < d; x++)
                dot += sb_bf16_to_f32(q[x]) * sb_bf16_to_f32(k[x]);
            a[j] = (double)sb_bf16_round(sb_bf16_round(dot) / sqrtf((float)d));
            top  = fmax(top, a[j]);
        }
        for (int64_t j = 0; j <= at; j++)
            sum += a[j] = exp(a[j] - top);
        for (int64_t j = 0; j <= at; j++) {
            vertical[j] += a[j] / sum;
            slash[at - j] += a[j] / sum;
        }
    }
    free(a);
}

static const sb_case_shape shapes[] = {{700, 700, 4, 2, 64}, {640, 640, 2, 1, 128},
                                       {65, 65, 2, 2, 32},   {33, 33, 2, 1, 16},
                                       {1, 1, 1, 1, 16},     {129, 129, 2, 1, 48}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

/* 10.4: both sums are L; each score is the formula's; threads change no bit. */
START_TEST(scores_equal_the_formulas)
{
    sb_case  *c        = sb_case_random(shapes[_i], 3);
    int64_t   n        = c->shape.n_k;
    uint64_t *vertical = malloc((size_t)n * 8), *slash = malloc((size_t)n * 8);
    uint64_t *v2 = malloc((size_t)n * 8), *s2 = malloc((size_t)n * 8);
    double   *want_v = malloc((size_t)n * 8), *want_s = malloc((size_t)n * 8);
    for (int64_t h = 0; h < c->shape.heads; h++) {
        uint64_t sum_v = 0, sum_s = 0;
        double   rows = (double)(n < 64 ? n : 64), worst = 0;
        probe(c, h, 1, vertical, slash);
        judge_sums(c, h, want_v, want_s);
        for (int64_t i = 0; i < n; i++) {
            sum_v += vertical[i];
            sum_s += slash[i];
            worst = fmax(worst, fabs((double)vertical[i] * 0x1p-40 - want_v[i]));
            worst = fmax(worst, fabs((double)slash[i] * 0x1p-40 - want_s[i]));
        }
        ck_assert_uint_eq(sum_v, sum_s);
        ck_assert_double_le(fabs((double)sum_v * 0x1p-40 - rows), 1e-5 * rows);
        ck_assert_double_le(worst, 1e-5);
        for (int32_t t = 2; t <= 3; t++) {
            probe(c, h, t, v2, s2);
            ck_assert_mem_eq(vertical, v2, (size_t)n * 8);
            ck_assert_mem_eq(slash, s2, (size_t)n * 8);
        }
    }
    free(vertical);
    free(slash);
    free(v2);
    free(s2);
    free(want_v);
    free(want_s);
    sb_case_destroy(c);
}
END_TEST

/* ids is a set of the k best of score, of which the first n_forced are better than all: no score
 * outside beats one inside by more than rounding. */
static void ck_best(const int32_t *ids, int64_t k, double *score, int64_t n, int64_t n_forced,
                    const char *what)
{
    double  least = INFINITY, most = -INFINITY;
    int64_t at = 0;
    for (int64_t i = 0; i < n && i < n_forced; i++)
        score[i] = 1e9;
    for (int64_t i = 0; i < n; i++)
        if (at < k && ids[at] == i) {
            least = fmin(least, score[i]);
            at++;
        } else {
            most = fmax(most, score[i]);
        }
    ck_assert_msg(at == k, "%s: %lld of %lld ids ascend", what, (long long)at, (long long)k);
    ck_assert_msg(most <= least * (1 + 1e-5), "%s: %g was left out for %g", what, most, least);
}

/* The plan's choice against the judge's scores; its lists against the choice; its output against
 * attention over the lists. */
typedef struct head_plan {
    const sb_plan *plan;
    int64_t        head;
} head_plan;

static int see_listed(int64_t q, int64_t k, const void *state)
{
    const head_plan *h  = state;
    const sb_plan   *p  = h->plan;
    int64_t          at = h->head * p->n_rows + q / 64;
    if (k > q)
        return 0;
    for (int64_t i = p->tiles.row_ptr[at]; i < p->tiles.row_ptr[at + 1]; i++) {
        int64_t begin = p->tiles.id[i] * p->tiles.unit_tokens;
        if (k >= begin && k < begin + p->tiles.width_tokens)
            return 1;
    }
    if (p->parts & SB_PART_TOKENS)
        for (int64_t i = p->tokens.row_ptr[at]; i < p->tokens.row_ptr[at + 1]; i++)
            if (p->tokens.id[i] == k)
                return 1;
    return 0;
}

START_TEST(choice_is_the_judges)
{
    sb_case *c = sb_case_random(shapes[_i], 8);
    int64_t  n = c->shape.n_k;
    double  *v = malloc((size_t)n * 8), *s = malloc((size_t)n * 8);
    attend(c, &sb_minference, "vertical_tokens: 60, slash_tokens: 115");
    const sbi_minference_work *w = work_of(c);
    ck_assert_int_eq(w->head[0].n_vertical, n < 60 ? n : 60);
    ck_assert_int_eq(w->head[0].n_slash, n < 115 ? n : 115);
    ck_assert_int_eq(c->plan.tiles.unit_tokens, 1);
    ck_assert_int_eq(c->plan.tiles.width_tokens, 64);
    for (int64_t h = 0; h < c->shape.heads; h++) {
        judge_sums(c, h, v, s);
        ck_best(columns(c, h), w->head[0].n_vertical, v, n, 30, "columns");
        ck_best(diagonals(c, h), w->head[0].n_slash, s, n, 100, "diagonals");
        head_plan see = {&c->plan, h};
        for (int64_t q = 0; q < n; q += 3) {
            int bad = 0;
            for (int64_t i = 0; i < w->head[0].n_vertical; i++)
                bad |= columns(c, h)[i] <= q && !see_listed(q, columns(c, h)[i], &see);
            for (int64_t i = 0; i < w->head[0].n_slash; i++)
                bad |= diagonals(c, h)[i] <= q && !see_listed(q, q - diagonals(c, h)[i], &see);
            ck_assert_msg(!bad, "head %lld, query %lld", (long long)h, (long long)q);
        }
    }
    free(v);
    free(s);
    sb_case_destroy(c);
}
END_TEST

/* One softmax over both lists, rows of 64 queries, causal inside tiles: unaligned tiles and single
 * keys of one row block run fused. One head: the judge does not know heads. */
START_TEST(output_is_attention_over_the_lists)
{
    static const char *const params[] = {"vertical_tokens: 60, slash_tokens: 115",
                                         "vertical_tokens: 200, slash_tokens: 50",
                                         "pattern: block_sparse, top_k_blocks: 3"};
    sb_case                 *c        = sb_case_random((sb_case_shape){701, 701, 1, 1, 32}, 9);
    attend(c, &sb_minference, params[_i]);
    head_plan     see = {&c->plan, 0};
    sb_case_error e   = sb_case_judge(c, &c->q, &c->k, &c->v, see_listed, &see, 5);
    ck_assert_double_le(e.nmse, SB_NMSE_F32);
    ck_assert_double_le(e.lse_abs, SB_LSE_ABS);
    sb_index_stats s;
    int64_t        pairs = 0;
    ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, 0, &s), SB_OK);
    for (int64_t q = 0; q < 701; q++)
        for (int64_t k = 0; k <= q; k++)
            pairs += see_listed(q, k, &see);
    ck_assert_int_eq(s.rho_num, pairs);
    ck_assert_int_lt(pairs, s.rho_den); /* sparse at all */
    sb_case_destroy(c);
}
END_TEST

/* 3.3: what forcing leaves to choose, and ties. q = 0 gives every visible key the same weight, so
 * the smaller column and the smaller distance win. */
START_TEST(forced_entries_and_ties)
{
    enum { N = 500 };
    static const struct {
        const char *params;
        int64_t     n_vertical, n_slash;
    } table[]  = {{"vertical_tokens: 0, slash_tokens: 0", 30, 50},
                  {"vertical_tokens: 30, slash_tokens: 60", 30, 60},
                  {"vertical_tokens: 40, slash_tokens: 130", 40, 130},
                  {"vertical_tokens: 80, slash_tokens: 260, ratio: 0.51", 40, 132},
                  {"vertical_tokens: 9000, slash_tokens: 9000", N, N}};
    sb_case *c = sb_case_random((sb_case_shape){N, N, 2, 1, 32}, 2);
    memset(c->q.data, 0, 2 * N * 32 * sizeof(sb_bf16));
    for (int t = 0; t < 5; t++) {
        attend(c, &sb_minference, table[t].params);
        ck_assert_int_eq(work_of(c)->head[0].n_vertical, table[t].n_vertical);
        ck_assert_int_eq(work_of(c)->head[0].n_slash, table[t].n_slash);
        for (int64_t h = 0; h < 2; h++) {
            for (int32_t i = 0; i < table[t].n_vertical; i++)
                ck_assert_int_eq(columns(c, h)[i], i);
            for (int32_t i = 0; i < table[t].n_slash; i++)
                ck_assert_int_eq(diagonals(c, h)[i], i);
        }
    }
    sb_case_destroy(c);
}
END_TEST

/* A key that all last queries like is chosen as a column; keys a fixed distance back, as diagonals:
 * q_i = e(i mod 128), k_j = e((j + 130) mod 128) meet at distances 130 + 128 m. */
START_TEST(planted_lines_are_found)
{
    enum { N = 700, D = 128 };
    sb_case *c = sb_case_random((sb_case_shape){N, N, 1, 1, D}, 2);
    memset(c->q.data, 0, N * D * sizeof(sb_bf16));
    memset(c->k.data, 0, N * D * sizeof(sb_bf16));
    for (int64_t i = 0; i < N; i++) {
        sb_tensor_bf16(&c->q, 0, i)[i % D]         = sb_bf16_from_f32(16);
        sb_tensor_bf16(&c->k, 0, i)[(i + 130) % D] = sb_bf16_from_f32(4);
    }
    attend(c, &sb_minference, "vertical_tokens: 30, slash_tokens: 105");
    for (int32_t i = 0; i < 105; i++)
        ck_assert_int_eq(diagonals(c, 0)[i], i < 100 ? i : 130 + 128 * (i - 100));
    for (int64_t x = 0; x < D; x++)
        sb_tensor_bf16(&c->k, 0, 333)[x] = sb_bf16_from_f32(8);
    attend(c, &sb_minference, "vertical_tokens: 31, slash_tokens: 50");
    for (int32_t i = 0; i < 31; i++)
        ck_assert_int_eq(columns(c, 0)[i], i < 30 ? i : 333);
    sb_case_destroy(c);
}
END_TEST

/* ---- 3.6: block_sparse ---- */

/* Means that are small integers: exact scores, and ties that the smaller block wins. */
START_TEST(block_scores_and_ties)
{
    enum { N = 64 * 6 + 10, D = 16 };
    static const float   level[7]   = {1, 3, 2, 3, 1, 3, 64};
    static const int32_t want[7][2] = {{0}, {0, 1}, {1, 2}, {1, 3}, {1, 3}, {1, 3}, {1, 6}};
    sb_case             *c          = sb_case_random((sb_case_shape){N, N, 1, 1, D}, 2);
    memset(c->q.data, 0, N * D * sizeof(sb_bf16));
    memset(c->k.data, 0, N * D * sizeof(sb_bf16));
    for (int64_t i = 0; i < N; i++) {
        sb_tensor_bf16(&c->q, 0, i)[0] = sb_bf16_from_f32(2);
        sb_tensor_bf16(&c->k, 0, i)[0] = sb_bf16_from_f32(level[i / 64]);
    }
    attend(c, &sb_minference, "pattern: block_sparse, top_k_blocks: 2");
    for (int64_t row = 0; row < 7; row++) {
        int64_t n = c->plan.tiles.row_ptr[row + 1] - c->plan.tiles.row_ptr[row];
        ck_assert_int_eq(n, row == 0 ? 1 : 2);
        ck_assert_mem_eq(c->plan.tiles.id + c->plan.tiles.row_ptr[row], want[row], (size_t)n * 4);
    }
    /* the last block has 10 rows of 64: mean 64 * 10 / 64 = 10, biased low; 19 makes it 2.97 */
    for (int64_t i = 64 * 6; i < N; i++)
        sb_tensor_bf16(&c->k, 0, i)[0] = sb_bf16_from_f32(19);
    attend(c, &sb_minference, "pattern: block_sparse, top_k_blocks: 2");
    ck_assert_int_eq(c->plan.tiles.id[c->plan.tiles.row_ptr[6]], 1);
    ck_assert_int_eq(c->plan.tiles.id[c->plan.tiles.row_ptr[6] + 1], 3);
    /* negative scores order downwards */
    for (int64_t i = 0; i < N; i++)
        sb_tensor_bf16(&c->q, 0, i)[0] = sb_bf16_from_f32(-2);
    attend(c, &sb_minference, "pattern: block_sparse, top_k_blocks: 2");
    ck_assert_int_eq(c->plan.tiles.id[c->plan.tiles.row_ptr[5]], 0);
    ck_assert_int_eq(c->plan.tiles.id[c->plan.tiles.row_ptr[5] + 1], 4);
    sb_case_destroy(c);
}
END_TEST

/* 10.6: row i < k_b has blocks 0..i; the others the best by means, here computed in double. */
START_TEST(block_choice_is_the_judges)
{
    enum { K = 5 };
    sb_case_shape s = shapes[_i];
    sb_case      *c = sb_case_random(s, 21);
    attend(c, &sb_minference, "pattern: block_sparse, top_k_blocks: 5");
    ck_assert_int_eq(c->plan.tiles.unit_tokens, 64);
    int64_t blocks = (s.n_k + 63) / 64;
    ck_assert_int_eq(c->plan.n_rows, blocks);
    for (int64_t at = 0; at < s.heads * blocks; at++) {
        const int32_t *id  = c->plan.tiles.id + c->plan.tiles.row_ptr[at];
        int64_t        n   = c->plan.tiles.row_ptr[at + 1] - c->plan.tiles.row_ptr[at];
        int64_t        row = at % blocks, head = at / blocks, m = 0;
        double         least = INFINITY, most = -INFINITY, size = 0;
        ck_assert_int_eq(n, row + 1 < K ? row + 1 : K);
        for (int64_t b = 0; b <= row; b++) {
            double score = 0;
            for (int64_t x = 0; x < s.dim; x++) {
                double mean[2] = {0};
                for (int64_t i = 0; i < 64; i++) {
                    if (row * 64 + i < s.n_k)
                        mean[0] +=
                            (double)sb_bf16_to_f32(sb_tensor_bf16(&c->q, head, row * 64 + i)[x]);
                    if (b * 64 + i < s.n_k)
                        mean[1] += (double)sb_bf16_to_f32(
                            sb_tensor_bf16(&c->k, head / (s.heads / s.kv_heads), b * 64 + i)[x]);
                }
                score += mean[0] / 64 * (mean[1] / 64);
                size += fabs(mean[0] / 64 * (mean[1] / 64));
            }
            if (m < n && id[m] == b) {
                least = fmin(least, score);
                m++;
            } else {
                most = fmax(most, score);
            }
        }
        ck_assert_int_eq(m, n);
        /* three bf16 roundings of 2^-9 on the terms */
        ck_assert_double_le(most - least, 3 * 0x1p-9 * size);
    }
    sb_case_destroy(c);
}
END_TEST

/* ---- limits and symmetries ---- */

/* 10.1: to the bit. */
START_TEST(limits_equal_dense)
{
    static const char *const params[] = {
        "vertical_tokens: 333, slash_tokens: 0",
        "vertical_tokens: 0, slash_tokens: 333",
        "vertical_tokens: 100000, slash_tokens: 100000",
        "vertical_tokens: 10, slash_tokens: 10, ratio: 1000",
        "pattern: block_sparse, top_k_blocks: 6",
        "pattern: block_sparse, top_k_blocks: 1000000000000",
        "pattern: a_shape, window_tokens: 333",
        "pattern: a_shape, sink_tokens: 333, window_tokens: 1",
        "pattern: a_shape, sink_tokens: 0, window_tokens: 4, ratio: 1e40",
        "vertical_tokens: 30, slash_tokens: 50, starting_layer: 1"};
    sb_case       *c = sb_case_random((sb_case_shape){333, 333, 4, 2, 64}, 2);
    sb_index_stats s;
    size_t         bytes = 4 * 333 * 64 * 4;
    attend(c, sb_method_find("dense"), "");
    float *o = malloc(bytes);
    memcpy(o, c->o.data, bytes);
    attend(c, &sb_minference, params[_i]);
    ck_assert_mem_eq(c->o.data, o, bytes);
    ck_assert_int_eq(c->plan.fallback, 0);
    for (int64_t h = 0; h < 4; h++) {
        ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, h, &s), SB_OK);
        ck_assert_int_eq(s.rho_num, s.rho_den);
    }
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* 3.2: the pattern is the method a_shape. */
START_TEST(a_shape_pattern_is_a_shape)
{
    sb_case *c     = sb_case_random((sb_case_shape){300, 300, 2, 1, 32}, 5);
    size_t   bytes = 2 * 300 * 32 * 4;
    attend(c, sb_method_find("a_shape"), "sink_tokens: 5, window_tokens: 37");
    float *o = malloc(bytes);
    memcpy(o, c->o.data, bytes);
    attend(c, &sb_minference, "pattern: a_shape, sink_tokens: 10, window_tokens: 75, ratio: 0.5");
    ck_assert_mem_eq(c->o.data, o, bytes);
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* Row of a head's lists, in both parts, equal to another's. */
static int same_lists(const sb_plan *a, int64_t ha, const sb_plan *b, int64_t hb)
{
    const sb_csr *pairs[2][2] = {{&a->tiles, &b->tiles}, {&a->tokens, &b->tokens}};
    for (int part = 0; part < 2; part++) {
        if (part == 1 && !(a->parts & SB_PART_TOKENS))
            break;
        const sb_csr *x = pairs[part][0], *y = pairs[part][1];
        for (int64_t r = 0; r < a->n_rows; r++) {
            int64_t i = x->row_ptr[ha * a->n_rows + r], j = y->row_ptr[hb * b->n_rows + r];
            int64_t n = x->row_ptr[ha * a->n_rows + r + 1] - i;
            if (n != y->row_ptr[hb * b->n_rows + r + 1] - j ||
                memcmp(x->id + i, y->id + j, (size_t)n * sizeof *x->id) != 0)
                return 0;
        }
    }
    return 1;
}

/* 10.6: identical heads choose alike, and heads in another order choose in that order. */
START_TEST(heads_are_alike)
{
    enum { N = 700, D = 32 };
    static const char *const params[] = {"vertical_tokens: 60, slash_tokens: 115",
                                         "pattern: block_sparse, top_k_blocks: 3"};
    sb_case                 *c        = sb_case_random((sb_case_shape){N, N, 4, 2, D}, 31);
    sb_case                 *turned   = sb_case_random((sb_case_shape){N, N, 4, 2, D}, 31);
    size_t                   head     = N * D * sizeof(sb_bf16);
    memcpy(sb_tensor_bf16(&c->q, 1, 0), sb_tensor_bf16(&c->q, 0, 0), head);
    for (int64_t h = 0; h < 4; h++) /* KV heads swapped, and the query heads of each */
        memcpy(sb_tensor_bf16(&turned->q, h ^ 3, 0), sb_tensor_bf16(&c->q, h, 0), head);
    for (int64_t h = 0; h < 2; h++)
        memcpy(sb_tensor_bf16(&turned->k, h ^ 1, 0), sb_tensor_bf16(&c->k, h, 0), head);
    attend(c, &sb_minference, params[_i]);
    attend(turned, &sb_minference, params[_i]);
    ck_assert(same_lists(&c->plan, 0, &c->plan, 1));
    ck_assert(!same_lists(&c->plan, 2, &c->plan, 3)); /* the test can fail */
    for (int64_t h = 0; h < 4; h++)
        ck_assert(same_lists(&c->plan, h, &turned->plan, h ^ 3));
    sb_case_destroy(c);
    sb_case_destroy(turned);
}
END_TEST

/* ---- edges ---- */

/* 5, 6: decode, and queries of a part of the sequence, are dense. */
START_TEST(part_of_the_queries_is_dense)
{
    static const char *const params[] = {"vertical_tokens: 30, slash_tokens: 50",
                                         "pattern: block_sparse, top_k_blocks: 1"};
    sb_case                 *c        = sb_case_random((sb_case_shape){90, 400, 2, 1, 32}, 5);
    size_t                   bytes    = 2 * 90 * 32 * 4;
    attend(c, sb_method_find("dense"), "");
    float *o = malloc(bytes);
    memcpy(o, c->o.data, bytes);
    for (c->is_decode = 0; c->is_decode < 2; c->is_decode++) {
        attend(c, &sb_minference, params[_i]);
        ck_assert_int_eq(c->plan.fallback, 1);
        ck_assert_mem_eq(c->o.data, o, bytes);
    }
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* No number, infinity: lists stay in bounds, ascending, and end. */
START_TEST(no_numbers_do_no_harm)
{
    static const char *const params[] = {"vertical_tokens: 60, slash_tokens: 115",
                                         "pattern: block_sparse, top_k_blocks: 3"};
    static const float       bad[]    = {NAN, INFINITY, -INFINITY};
    for (int what = 0; what < 3; what++) {
        sb_case *c = sb_case_random((sb_case_shape){300, 300, 2, 1, 32}, 5);
        for (int64_t i = 0; i < 300; i += 7)
            sb_tensor_bf16(&c->k, 0, i)[i % 32] = sb_bf16_from_f32(bad[what]);
        for (int64_t i = 0; i < 32; i++)
            sb_tensor_bf16(&c->q, 0, 280)[i] = sb_bf16_from_f32(bad[what]);
        attend(c, &sb_minference, params[_i]);
        const sb_csr *t = &c->plan.tiles;
        for (int64_t at = 0; at < 2 * c->plan.n_rows; at++)
            for (int64_t i = t->row_ptr[at]; i < t->row_ptr[at + 1]; i++) {
                ck_assert(t->id[i] >= 0 && t->id[i] * t->unit_tokens < 300 + 64);
                ck_assert(i == t->row_ptr[at] || t->id[i] > t->id[i - 1]);
            }
        sb_case_destroy(c);
    }
}
END_TEST

START_TEST(bad_input_is_refused_with_the_reason)
{
    sb_minference_params p;
    sb_run               run   = {0, 10};
    sb_shape             shape = {
                    .q_gid = {&run, 1, 10}, .n_keys = 10, .heads = 4, .kv_heads = 2, .head_dim = 64};
    ck_assert_int_eq(sb_params_default(sb_minference.params, &p), SB_OK);
    ck_assert_int_eq(sb_minference.check(&p, &shape), SB_OK);
    shape.head_dim = 40;
    ck_assert_int_eq(sb_minference.check(&p, &shape), SB_ERR_UNSUPPORTED);
    shape.head_dim = 64;
    shape.n_keys   = INT64_C(1) << 24;
    ck_assert_int_eq(sb_minference.check(&p, &shape), SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "allowed below 2^24"));
    shape.n_keys--;
    ck_assert_int_eq(sb_minference.check(&p, &shape), SB_OK);
    p.pattern       = SB_MINFERENCE_A_SHAPE;
    p.window_tokens = 3;
    p.ratio         = 0.25;
    ck_assert_int_eq(sb_minference.check(&p, &shape), SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "ratio: found 0.25"));
    sb_case  *c   = sb_case_random((sb_case_shape){64, 64, 2, 1, 32}, 1);
    sb_tensor k   = c->k;
    sb_ctx    ctx = {.backend = &sb_backend_cpu, .threads = 1};
    attend(c, &sb_minference, "");
    k.tokens--;
    ck_assert_int_eq(
        sb_minference.plan[SB_CPU](&ctx, c->params, &c->seen, &c->q, &k, NULL, &c->plan),
        SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "reads all 64 keys, found 63"));
    sb_case_destroy(c);
}
END_TEST

/* Densities: budgets, not thresholds, set them. Random keys scatter the diagonals, each of which
 * then costs a tile a row block; the same budgets on structured keys cost less. */
START_TEST(scattered_diagonals_cost_more)
{
    enum { N = 4096, D = 32 };
    sb_case       *c = sb_case_random((sb_case_shape){N, N, 1, 1, D}, 77);
    sb_index_stats random, structured;
    attend(c, &sb_minference, "vertical_tokens: 100, slash_tokens: 160");
    ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, 0, &random), SB_OK);
    memset(c->q.data, 0, N * D * sizeof(sb_bf16));
    attend(c, &sb_minference, "vertical_tokens: 100, slash_tokens: 160");
    ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, 0, &structured), SB_OK);
    double r = (double)random.rho_num / (double)random.rho_den;
    double s = (double)structured.rho_num / (double)structured.rho_den;
    ck_assert_msg(s > 0.1 && s < 0.2 && r > 3 * s && r < 0.95, "random %g, structured %g", r, s);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("minference");
    TCase *t = tcase_create("properties");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, defaults_are_the_codes);
    tcase_add_loop_test(t, scores_equal_the_formulas, 0, N_SHAPES);
    tcase_add_loop_test(t, choice_is_the_judges, 0, N_SHAPES);
    tcase_add_loop_test(t, output_is_attention_over_the_lists, 0, 3);
    tcase_add_test(t, forced_entries_and_ties);
    tcase_add_test(t, planted_lines_are_found);
    tcase_add_test(t, block_scores_and_ties);
    tcase_add_loop_test(t, block_choice_is_the_judges, 0, N_SHAPES);
    tcase_add_loop_test(t, limits_equal_dense, 0, 10);
    tcase_add_test(t, a_shape_pattern_is_a_shape);
    tcase_add_loop_test(t, heads_are_alike, 0, 2);
    tcase_add_loop_test(t, part_of_the_queries_is_dense, 0, 2);
    tcase_add_loop_test(t, no_numbers_do_no_harm, 0, 2);
    tcase_add_test(t, bad_input_is_refused_with_the_reason);
    tcase_add_test(t, scattered_diagonals_cost_more);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
