/* flexprefill, its parts: marginals, budgets, distance, scores, cut and lists, each against its
 * formula in fp64 or a plain sort [flexprefill 3, 10.2, 10.5, 10.7, 10.8]. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/flexprefill/blocks.h"
#include "kernels/flexprefill/cover.h"
#include "kernels/flexprefill/lists.h"
#include "kernels/flexprefill/pattern.h"
#include "tests/property/flex_rig.h"

enum { MAX_N = 1100, MAX_BLOCKS = 64 };

static int falling(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

/* ---- 3.1, 3.2 ---- */

static double rounded(double x, int round) { return round ? (double)sb_bf16_round((float)x) : x; }

/* a_v and a_s of one head, from the matrix A. */
static void judge_marginals(const sb_case *c, int64_t head, int64_t b, int round, double *vertical,
                            double *slash)
{
    static double a[MAX_N];
    int64_t       n = c->shape.n_k, kv = head / (c->shape.heads / c->shape.kv_heads);
    for (int64_t i = 0; i < n; i++)
        vertical[i] = slash[i] = 0;
    for (int64_t i = 0; i < b; i++) {
        double most = -INFINITY, sum = 0;
        for (int64_t j = 0; j <= n - b + i; j++) {
            a[j] = 0;
            for (int64_t x = 0; x < c->shape.dim; x++)
                a[j] += rounded((double)sb_bf16_to_f32(sb_tensor_bf16(&c->q, head, n - b + i)[x]) /
                                    sqrt((double)c->shape.dim),
                                round) *
                        (double)sb_bf16_to_f32(sb_tensor_bf16(&c->k, kv, j)[x]);
            a[j] = rounded(a[j], round);
            most = fmax(most, a[j]);
        }
        for (int64_t j = 0; j <= n - b + i; j++)
            sum += a[j] = exp(a[j] - most);
        for (int64_t j = 0; j <= n - b + i; j++) {
            vertical[j] += a[j] / sum / (double)b;
            slash[j + b - 1 - i] += a[j] / sum / (double)b;
        }
    }
}

static const struct {
    sb_case_shape shape;
    const char   *params;
    int64_t       b;
    int           round;
} marginal_cases[] = {
    {{1024, 1024, 2, 2, 64}, "block_tokens: 128, min_budget_tokens: 1", 128, 0},
    {{1000, 1000, 4, 2, 32}, "block_tokens: 64, min_budget_tokens: 1", 64, 0},
    {{301, 301, 3, 1, 48}, "block_tokens: 32, min_budget_tokens: 1", 32, 0},
    {{257, 257, 1, 1, 128}, "block_tokens: 128, min_budget_tokens: 1", 128, 0},
    {{600, 600, 2, 1, 64}, "block_tokens: 64, min_budget_tokens: 1, compat: official", 64, 1},
    {{65, 65, 1, 1, 16}, "block_tokens: 32, min_budget_tokens: 1", 32, 0},
};
enum { N_MARGINALS = sizeof marginal_cases / sizeof *marginal_cases };

/* 10.2, first half; and each entry is the formula's. Official logits may round the other way when
 * fp32 falls on the other side of a tie: 2^-8 of the few entries concerned. */
START_TEST(marginals_equal_the_formulas)
{
    static double vertical[MAX_N], slash[MAX_N];
    sb_case      *c = sb_case_random(marginal_cases[_i].shape, 3 + (uint64_t)_i);
    int64_t       n = c->shape.n_k, b = marginal_cases[_i].b;
    flex_rig      r    = flex_open(c, marginal_cases[_i].params, 3);
    double        unit = 0x1p-40 / (double)b;
    for (int64_t h = 0; h < c->shape.heads; h++) {
        uint64_t sum_v = 0, sum_s = 0;
        double   off = 0, most = 0;
        sbi_flex_choose_head(&r.ctx, r.room, &r.in, h);
        judge_marginals(c, h, b, marginal_cases[_i].round, vertical, slash);
        for (int64_t i = 0; i < n; i++) {
            sum_v += r.room->vertical[i];
            sum_s += r.room->slash[i];
            off += fabs((double)r.room->vertical[i] * unit - vertical[i]);
            off += fabs((double)r.room->slash[i] * unit - slash[i]);
            most = fmax(most, fabs((double)r.room->vertical[i] * unit - vertical[i]));
            most = fmax(most, fabs((double)r.room->slash[i] * unit - slash[i]));
        }
        ck_assert_uint_eq(sum_v, sum_s);
        ck_assert_double_le(fabs((double)sum_v * unit - 1), 1e-6);
        ck_assert_double_le(off, marginal_cases[_i].round ? 2e-3 : 1e-5);
        ck_assert_double_le(most, marginal_cases[_i].round ? 1e-3 : 1e-6);
    }
    flex_close(&r);
    sb_case_destroy(c);
}
END_TEST

/* Neither threads nor the CPU's variant change a bit of what is chosen by. */
START_TEST(marginals_ignore_threads_and_cpu)
{
    static uint64_t vertical[MAX_N], slash[MAX_N];
    sb_case        *c = sb_case_random((sb_case_shape){1090, 1090, 2, 1, 48}, 9);
    for (int32_t t = 0; t <= 6; t++) {
        if (t == 1)
            ck_assert_int_eq(setenv("SPAN_CPU_KERNEL", "generic", 1), 0);
        flex_rig r = flex_open(c, "block_tokens: 32, min_budget_tokens: 1", t > 1 ? t : 1);
        sbi_flex_choose_head(&r.ctx, r.room, &r.in, 1);
        if (t == 0) {
            memcpy(vertical, r.room->vertical, 1090 * sizeof *vertical);
            memcpy(slash, r.room->slash, 1090 * sizeof *slash);
        }
        ck_assert_mem_eq(vertical, r.room->vertical, 1090 * sizeof *vertical);
        ck_assert_mem_eq(slash, r.room->slash, 1090 * sizeof *slash);
        flex_close(&r);
        unsetenv("SPAN_CPU_KERNEL");
    }
    sb_case_destroy(c);
}
END_TEST

/* 3.4: both grids start at entry 0; block jb of slash is offset n - 1 - jb. */
START_TEST(pooling_follows_both_grids)
{
    sb_case *c = sb_case_random((sb_case_shape){301, 301, 1, 1, 16}, 4);
    flex_rig r = flex_open(c, "block_tokens: 32, min_budget_tokens: 1", 1);
    sbi_flex_choose_head(&r.ctx, r.room, &r.in, 0);
    ck_assert_uint_eq(r.room->columns[0], UINT64_MAX); /* 3.6 */
    ck_assert_uint_eq(r.room->diagonals[0], UINT64_MAX);
    for (int64_t block = 0; block < 10; block++) {
        uint64_t column = 0, diagonal = 0;
        for (int64_t i = block * 32; i < (block + 1) * 32 && i < 301; i++) {
            column += r.room->vertical[i];
            diagonal += r.room->slash[i];
        }
        if (block > 0)
            ck_assert_uint_eq(r.room->columns[block], column);
        if (block < 9)
            ck_assert_uint_eq(r.room->diagonals[9 - block], diagonal);
    }
    flex_close(&r);
    sb_case_destroy(c);
}
END_TEST

/* ---- 3.3 ---- */

/* K of a falling sort. */
static int64_t sorted_cover(const uint64_t *mass, int64_t n, uint64_t limit)
{
    uint64_t *x = malloc((size_t)(n + 1) * sizeof *x), sum = 0;
    int64_t   k = 1;
    memcpy(x, mass, (size_t)n * sizeof *x);
    qsort(x, (size_t)n, sizeof *x, falling);
    for (int64_t i = 0; i < n && (sum += x[i]) <= limit; i++)
        k++;
    free(x);
    return k;
}

START_TEST(cover_by_hand)
{
    static const struct {
        int64_t  n;
        uint64_t mass[5], limit;
        int64_t  k;
    } table[] = {
        {4, {1, 4, 3, 2}, 3, 1},
        {4, {1, 4, 3, 2}, 4, 2}, /* reaching it is not crossing it */
        {4, {1, 4, 3, 2}, 8, 3},
        {4, {1, 4, 3, 2}, 9, 4},
        {4, {1, 4, 3, 2}, 10, 5},
        {5, {2, 2, 2, 2, 2}, 5, 3},
        {5, {0, 0, 7, 0, 0}, 6, 1},
        {5, {0, 0, 7, 0, 0}, 7, 6},
        {1, {UINT64_C(1) << 47}, (UINT64_C(1) << 47) - 1, 1},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ck_assert_int_eq(sbi_flex_cover(table[i].mass, table[i].n, table[i].limit), table[i].k);
        ck_assert_int_eq(sorted_cover(table[i].mass, table[i].n, table[i].limit), table[i].k);
    }
}
END_TEST

/* 7: a selection without a sort only if the K it returns equals the sorted K. */
START_TEST(cover_equals_the_sort)
{
    sb_rng   r = {(uint64_t)_i + 7};
    uint64_t mass[700];
    for (int round = 0; round < 60; round++) {
        int64_t  n     = 1 + (int64_t)sb_rng_below(&r, 700);
        uint64_t total = 0, width = sb_rng_below(&r, 48); /* few bits: many ties */
        for (int64_t i = 0; i < n; i++) {
            mass[i] = sb_rng_next(&r) >> 17 >> width;
            if (_i % 2 == 1) /* a heavy tail, like a softmax */
                mass[i] >>= sb_rng_below(&r, 40);
            total += mass[i];
        }
        for (int step = 0; step <= 20; step++) {
            uint64_t limit = (uint64_t)((double)total * step / 20);
            ck_assert_int_eq(sbi_flex_cover(mass, n, limit), sorted_cover(mass, n, limit));
        }
    }
}
END_TEST

/* ---- 3.5 ---- */

/* 10.7; and the logarithm against the library's. */
START_TEST(distance_has_its_limits)
{
    sb_rng r = {5};
    double p[40], t[40];
    for (int round = 0; round < 200; round++) {
        double sum_p = 0, sum_t = 0, want = 0;
        for (int i = 0; i < 40; i++) {
            sum_p += p[i] = pow(sb_rng_uniform(&r), round % 9);
            sum_t += t[i] = round % 3 == 0 && i % 4 == 0 ? 0 : sb_rng_uniform(&r);
        }
        for (int i = 0; i < 40; i++) {
            p[i] /= sum_p;
            t[i] /= sum_t;
            want += p[i] > 0 ? p[i] * log(2 * p[i] / (p[i] + t[i])) / 2 : 0;
            want += t[i] > 0 ? t[i] * log(2 * t[i] / (p[i] + t[i])) / 2 : 0;
        }
        ck_assert_double_le(fabs(sbi_flex_distance(p, t, 40) - sqrt(want)), 1e-13);
        ck_assert_double_eq(sbi_flex_distance(p, t, 40), sbi_flex_distance(t, p, 40));
        ck_assert_double_eq(sbi_flex_distance(p, p, 40), 0);
    }
    for (int i = 0; i < 40; i++) {
        p[i] = i % 2 ? 0.05 : 0;
        t[i] = i % 2 ? 0 : 0.05;
    }
    ck_assert_double_le(fabs(sbi_flex_distance(p, t, 40) - 0.8326), 0.5e-4);
    ck_assert_double_le(fabs(sbi_flex_distance(p, t, 40) - sqrt(log(2))), 1e-15);
    p[3] = NAN;
    ck_assert(!(sbi_flex_distance(p, t, 40) < 0.1)); /* falls to vertical-slash */
}
END_TEST

/* 10.5: constant Q and K. p is uniform; V too but for the last block, of which each row sees only a
 * part. The test is strict: query-aware from n = 8 on. */
START_TEST(distance_of_constant_data)
{
    static const struct {
        int64_t blocks;
        double  distance;
    } table[] = {{4, .1008}, {8, .0718}, {16, .0509}, {64, .0255}, {256, .0128}};
    int64_t n = table[_i].blocks * 128;
    for (int official = 0; official < (n > 8192 ? 1 : 2); official++) {
        sb_case *c = sb_case_random((sb_case_shape){n, n, 1, 1, 16}, 1);
        for (int64_t i = 0; i < n * 16; i++) {
            ((sb_bf16 *)c->q.data)[i] = sb_bf16_from_f32(0.75f);
            ((sb_bf16 *)c->k.data)[i] = sb_bf16_from_f32(-1.5f);
        }
        flex_rig r = flex_open(
            c, official ? "min_budget_tokens: 1, compat: official" : "min_budget_tokens: 1", 2);
        sbi_flex_choose_head(&r.ctx, r.room, &r.in, 0);
        for (int64_t i = 0; i < r.room->n_blocks; i++)
            ck_assert_double_le(fabs(r.room->p[i] * (double)r.room->n_blocks - 1), 1e-6);
        double d = sbi_flex_distance(r.room->p, r.room->t, r.room->n_blocks);
        ck_assert_double_le(fabs(d - table[_i].distance), 0.51e-4);
        ck_assert_uint_eq(*sbi_flex_choice(r.room, 0), table[_i].blocks >= 8);
        r.in.tau = d; /* strict */
        sbi_flex_choose_head(&r.ctx, r.room, &r.in, 0);
        ck_assert_uint_eq(*sbi_flex_choice(r.room, 0), 0);
        r.in.tau = nextafter(d, 1);
        sbi_flex_choose_head(&r.ctx, r.room, &r.in, 0);
        ck_assert_uint_eq(*sbi_flex_choice(r.room, 0), 1);
        flex_close(&r);
        sb_case_destroy(c);
    }
}
END_TEST

/* p is the softmax of the mean last query with the means of the keys that blocks have, all n of
 * them; t is V. Random data: the last block is short. */
START_TEST(pattern_test_equals_the_formula)
{
    enum { N = 333, B = 32, BLOCKS = 11, D = 32 };
    static double vertical[MAX_N], slash[MAX_N];
    sb_case      *c     = sb_case_random((sb_case_shape){N, N, 2, 1, D}, 21);
    int           round = _i;
    flex_rig      r     = flex_open(c,
                           round ? "block_tokens: 32, min_budget_tokens: 1, compat: official"
                                          : "block_tokens: 32, min_budget_tokens: 1",
                                    1);
    for (int64_t h = 0; h < 2; h++) {
        double p[BLOCKS], t[BLOCKS] = {0}, sum = 0;
        sbi_flex_choose_head(&r.ctx, r.room, &r.in, h);
        judge_marginals(c, h, B, round, vertical, slash);
        for (int64_t j = 0; j < N; j++)
            t[j / B] += vertical[j];
        for (int64_t j = 0; j < BLOCKS; j++) {
            double dot = 0;
            for (int64_t x = 0; x < D; x++) {
                double qm = 0, km = 0;
                for (int64_t i = N - B; i < N; i++)
                    qm += rounded((double)sb_bf16_to_f32(sb_tensor_bf16(&c->q, h, i)[x]) /
                                      sqrt((double)D),
                                  round) /
                          B;
                for (int64_t i = j * B; i < (j + 1) * B && i < N; i++)
                    km += (double)sb_bf16_to_f32(sb_tensor_bf16(&c->k, 0, i)[x]);
                km /= (double)((j + 1) * B < N ? B : N - j * B);
                dot += rounded(qm, round) * rounded(km, round);
            }
            sum += p[j] = exp(rounded(dot, round));
        }
        for (int64_t j = 0; j < BLOCKS; j++) {
            ck_assert_double_le(fabs(r.room->p[j] - p[j] / sum), round ? 1e-3 : 1e-6);
            ck_assert_double_le(fabs(r.room->t[j] - t[j]), round ? 1e-3 : 1e-6);
        }
    }
    flex_close(&r);
    sb_case_destroy(c);
}
END_TEST

/* ---- 3.9 ---- */

typedef struct element {
    uint32_t score;
    int64_t  flat;
} element;

static int by_score(const void *a, const void *b)
{
    const element *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score)
                                : (x->flat > y->flat) - (x->flat < y->flat);
}

/* Scores of rows against their formula in fp64; what the cut keeps of them against a sort of all.
 */
static void ck_blocks(sb_case *c, const char *params, double gamma, int64_t b, int round)
{
    static double   want[MAX_BLOCKS];
    static element  sorted[MAX_BLOCKS * MAX_BLOCKS];
    static uint8_t  kept[MAX_BLOCKS * MAX_BLOCKS];
    static int32_t  score[MAX_BLOCKS * MAX_BLOCKS];
    flex_rig        r = flex_open(c, params, 2);
    int64_t         n = r.room->n_blocks, d = c->shape.dim, tokens = c->shape.n_k;
    const uint64_t *none = calloc((size_t)r.room->set_words, sizeof *none);
    ck_assert_int_le(n, MAX_BLOCKS);
    for (int32_t h = 0; h < c->shape.heads; h++)
        r.room->aware[r.room->n_aware++] = h;
    sbi_flex_scores(r.room, &r.in, &r.plan);
    ck_assert_int_eq(sbi_flex_find_cuts(&r.ctx, r.room, &r.in, &r.plan), SB_OK);
    for (int64_t h = 0; h < c->shape.heads; h++) {
        int64_t  m   = 0;
        uint64_t sum = 0, limit = (uint64_t)(gamma * (double)n * 0x1p40);
        for (int64_t i = 0; i < n; i++) {
            int32_t *place = sb_row_blocks_place(&r.room->rows, &r.plan, h, i);
            double   all   = 0;
            for (int64_t j = 0; j <= i; j++) {
                double dot = 0;
                for (int64_t x = 0; x < d; x++) {
                    double  qm = 0, km = 0;
                    int64_t rows = (i + 1) * b < tokens ? b : tokens - i * b;
                    int64_t keys = (j + 1) * b < tokens ? b : tokens - j * b;
                    for (int64_t y = 0; y < rows; y++)
                        qm += (double)sb_bf16_to_f32(sb_tensor_bf16(&c->q, h, i * b + y)[x]);
                    for (int64_t y = 0; y < keys; y++)
                        km += (double)sb_bf16_to_f32(sb_tensor_bf16(
                            &c->k, h / (c->shape.heads / c->shape.kv_heads), j * b + y)[x]);
                    qm = round ? rounded(qm / (double)b, 1) : qm / (double)rows;
                    if (round && rows < b)
                        qm = rounded(qm * (double)b / (double)rows, 1);
                    dot += rounded(qm / sqrt((double)d), round) * rounded(km / (double)keys, round);
                }
                all += want[j] = exp(rounded(dot, round));
            }
            for (int64_t j = 0; j <= i; j++) {
                float got;
                memcpy(&got, place + j, sizeof got);
                ck_assert_double_le(fabs((double)got - want[j] / all), round ? 2e-3 : 1e-6);
                sorted[m++] = (element){(uint32_t)place[j], i * n + j};
            }
        }
        qsort(sorted, (size_t)m, sizeof *sorted, by_score);
        memset(kept, 0, sizeof kept);
        for (int64_t i = 0; i < m && (sum += sbi_flex_mass((int32_t)sorted[i].score)) <= limit; i++)
            kept[sorted[i].flat] = 1;
        for (int64_t i = 0; i < n; i++) {
            int32_t *place = sb_row_blocks_place(&r.room->rows, &r.plan, h, i);
            memcpy(score, place, (size_t)(i + 1) * sizeof *score);
            sbi_flex_row row = {.columns = none,
                                .offsets = none,
                                .cover   = 1,
                                .score   = score,
                                .cut     = r.room->cut[h].score,
                                .ties    = r.room->ties[h * n + i]};
            int32_t      ids[MAX_BLOCKS];
            int64_t      at = 0, got = sbi_flex_list(&row, i, r.room->scratch[0].keep, ids);
            for (int64_t j = 0; j <= i; j++)
                if (j == 0 || kept[i * n + j])
                    ck_assert_msg(at < got && ids[at++] == j, "head %d, row %d, block %d", (int)h,
                                  (int)i, (int)j);
            ck_assert_int_eq(at, got);
        }
    }
    free((void *)(uintptr_t)none);
    flex_close(&r);
}

START_TEST(cut_equals_the_sort)
{
    static const double gammas[] = {0.05, 0.5, 0.9, 0.95, 0.9999999};
    for (int official = 0; official < 2; official++)
        for (int ragged = 0; ragged < 2; ragged++) {
            char     params[128];
            int64_t  n = ragged ? 589 : 576;
            sb_case *c = sb_case_random((sb_case_shape){n, n, 2, 1, 16}, 31 + (uint64_t)_i);
            snprintf(params, sizeof params,
                     "block_tokens: 32, min_budget_tokens: 1, gamma: %.7f, compat: %s", gammas[_i],
                     official ? "official" : "clean");
            ck_blocks(c, params, gammas[_i], 32, official);
            sb_case_destroy(c);
        }
}
END_TEST

/* gamma n = 6.5 of scores of which many are equal; the one that crosses is dropped, and so is all
 * after it. Column 0 and the diagonal come from 3.8 anyway. */
START_TEST(cut_within_equal_scores)
{
    enum { N = 320, BLOCKS = 10, D = 16 };
    for (int across = 0; across < 2; across++) {
        sb_case *c = sb_case_random((sb_case_shape){N, N, 1, 1, D}, 2);
        for (int64_t i = 0; i < N * D; i++) {
            ((sb_bf16 *)c->q.data)[i] = sb_bf16_from_f32(across ? 4.0f : 0.0f);
            ((sb_bf16 *)c->k.data)[i] = sb_bf16_from_f32(i / D / 32 == 1 ? 4.0f : 0.0f);
        }
        flex_attend(c, "block_tokens: 32, min_budget_tokens: 1, gamma: 0.65, tau: 1");
        for (int64_t i = 0; i < BLOCKS; i++) {
            int keep[BLOCKS];
            flex_flags(&c->plan, 0, i, keep);
            for (int64_t j = 0; j <= i; j++) {
                /* within rows: row i has i + 1 scores of 1 / (i + 1), so rows 0 to 5 and the first
                 * three of row 6. across rows: each row has one score of 1, of block 1 (row 0: of
                 * block 0), so the first six rows */
                int fits = across ? j == 1 && i <= 5 : i <= 5 || (i == 6 && j < 3);
                ck_assert_int_eq(keep[j], fits || j == 0 || j == i);
            }
        }
        sb_case_destroy(c);
    }
}
END_TEST

/* ---- 3.8 ---- */

static void put(uint64_t *set, int64_t i) { set[i / 64] |= UINT64_C(1) << i % 64; }

/* 10.8 */
START_TEST(worked_example)
{
    static const int64_t flat[] = {0, 4, 5, 8, 10, 12, 13, 14, 15}, ptr[] = {0, 1, 3, 5, 9};
    uint64_t             set = 0;
    uint8_t              keep[4];
    int64_t              at = 0;
    put(&set, 0);
    put(&set, 2);
    for (int64_t i = 0; i < 4; i++) {
        sbi_flex_row r = {.columns = &set, .offsets = &set, .cover = 1};
        int32_t      ids[4];
        int64_t      n = sbi_flex_list(&r, i, keep, ids);
        ck_assert_int_eq(n, ptr[i + 1] - ptr[i]);
        for (int64_t j = 0; j < n; j++)
            ck_assert_int_eq(i * 4 + ids[j], flat[at++]);
    }
}
END_TEST

START_TEST(lists_equal_the_sets)
{
    enum { N = 150 };
    sb_rng r = {(uint64_t)_i + 1};
    for (int round = 0; round < 10; round++) {
        uint64_t columns[3] = {0}, offsets[3] = {0};
        uint8_t  room[N];
        int32_t  ids[N];
        int64_t  cover = 1 + round % 2;
        for (int i = 0; i < 1 + round * 3; i++) {
            put(columns, (int64_t)sb_rng_below(&r, N));
            put(offsets, (int64_t)sb_rng_below(&r, N));
        }
        for (int64_t i = 0; i < N; i++) {
            sbi_flex_row row = {.columns = columns, .offsets = offsets, .cover = cover};
            int64_t      at = 0, n = sbi_flex_list(&row, i, room, ids);
            for (int64_t j = 0; j <= i; j++)
                if (j == 0 || flex_has(columns, j) || flex_has(offsets, i - j) ||
                    (cover == 2 && i - j > 0 && flex_has(offsets, i - j - 1)))
                    ck_assert_msg(at < n && ids[at++] == j, "row %d block %d", (int)i, (int)j);
            ck_assert_int_eq(at, n);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("flexprefill parts");
    TCase *t = tcase_create("parts");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, marginals_equal_the_formulas, 0, N_MARGINALS);
    tcase_add_test(t, marginals_ignore_threads_and_cpu);
    tcase_add_test(t, pooling_follows_both_grids);
    tcase_add_test(t, cover_by_hand);
    tcase_add_loop_test(t, cover_equals_the_sort, 0, 4);
    tcase_add_test(t, distance_has_its_limits);
    tcase_add_loop_test(t, distance_of_constant_data, 0, 5);
    tcase_add_loop_test(t, pattern_test_equals_the_formula, 0, 2);
    tcase_add_loop_test(t, cut_equals_the_sort, 0, 5);
    tcase_add_test(t, cut_within_equal_scores);
    tcase_add_test(t, worked_example);
    tcase_add_loop_test(t, lists_equal_the_sets, 0, 3);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
