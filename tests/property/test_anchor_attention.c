/* anchor_attention 10: its invariants, its worked example, and the stripes held against a second
 * derivation in fp64 (anchor_judge.c). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/anchor_attention/anchor_attention.h"
#include "kernels/base/rng.h"
#include "kernels/exec/index_stats.h"
#include "kernels/registry.h"
#include "tests/oracle/case.h"
#include "tests/property/anchor_judge.h"
#include "tests/tolerance.h"

enum { MAX_N = 4096 };

static void attend(sb_case *c, const char *method, const char *params)
{
    ck_assert_msg(sb_case_attend(c, sb_method_find(method), params, SB_F32) == SB_OK, "%s",
                  sb_error_text());
}

/* The stripes of (head, local row). */
static int64_t list_of(const sb_plan *p, int64_t head, int64_t row, const int32_t **ids)
{
    const int64_t *ptr = p->tokens.row_ptr + head * p->n_rows + row;
    *ids               = p->tokens.id + ptr[0];
    return ptr[1] - ptr[0];
}

/* ... as flags over the keys; checked: strictly ascending, candidates only. */
static void flags_of(const sb_plan *p, int64_t block, int64_t head, int64_t row, uint8_t *keep)
{
    const int32_t *ids;
    int64_t        n = list_of(p, head, row, &ids);
    memset(keep, 0, MAX_N);
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && ids[i] <= ids[i - 1])
            ck_abort_msg("key %d after %d", ids[i], ids[i - 1]);
        if (ids[i] < block || ids[i] >= p->row_id[row] * p->row_tokens - block)
            ck_abort_msg("key %d is no candidate of super-block %d", ids[i], p->row_id[row]);
        keep[ids[i]] = 1;
    }
}

static void *copy_of(const void *from, int64_t count, size_t bytes)
{
    void *to = malloc((size_t)count * bytes + 1);
    memcpy(to, from, (size_t)count * bytes);
    return to;
}

static double normal(uint64_t key)
{
    double sum = 0; /* Irwin-Hall: variance 1 */
    for (uint64_t i = 0; i < 12; i++)
        sum += (double)(sb_mix(key * 12 + i) >> 11) * 0x1p-53;
    return sum - 6;
}

/* Small integers: every sum of products is exact in fp32 whatever its order. */
static void fill_integers(sb_case *c, int range)
{
    for (int64_t i = 0; i < c->q.heads * c->q.head_stride; i++)
        ((sb_bf16 *)c->q.data)[i] = sb_bf16_from_f32(
            (float)((int)(sb_mix((uint64_t)i) % (uint64_t)(2 * range + 1)) - range));
    for (int64_t i = 0; i < c->k.heads * c->k.head_stride; i++)
        ((sb_bf16 *)c->k.data)[i] = sb_bf16_from_f32(
            (float)((int)(sb_mix(~(uint64_t)i) % (uint64_t)(2 * range + 1)) - range));
}

START_TEST(defaults_are_the_codes)
{
    sb_anchor_attention_params p;
    ck_assert_int_eq(sb_params_default(sb_anchor_attention.params, &p), SB_OK);
    ck_assert_int_eq(p.windows, SB_ANCHOR_WINDOWS_PARTITION);
    ck_assert_int_eq(p.compat, SB_ANCHOR_COMPAT_CLEAN);
    ck_assert_int_eq(p.block_tokens, 128);
    ck_assert_int_eq(p.step_blocks, 16);
    ck_assert(p.theta == 12.0);
    ck_assert_int_eq(sb_anchor_attention.quantum_tokens(&p), 2048);
    ck_assert_int_eq(sb_anchor_attention.plan_keys, SB_PLAN_KEYS_ALL);
    ck_assert(!(sb_anchor_attention.caps & SB_CAP_DECODE));
}
END_TEST

/* ---- section 10, last lines ---- */

enum { EXAMPLE_N = 12 };

/* d = 1 stands in dimension 0 of 16; q = 4 makes up for 1/sqrt(16). */
static sb_case *example(void)
{
    static const float k[EXAMPLE_N] = {4, 0, 3, 0, 0, 2, 0, 1, 1, 0, 0, 1};
    sb_case           *c            = sb_case_random((sb_case_shape){12, 12, 1, 1, 16}, 1);
    memset(c->q.data, 0, 12 * 16 * sizeof(sb_bf16));
    memset(c->k.data, 0, 12 * 16 * sizeof(sb_bf16));
    memset(c->v.data, 0, 12 * 16 * sizeof(sb_bf16));
    for (int i = 0; i < EXAMPLE_N; i++) {
        *sb_tensor_bf16(&c->q, 0, i) = sb_bf16_from_f32(4);
        *sb_tensor_bf16(&c->k, 0, i) = sb_bf16_from_f32(k[i]);
        *sb_tensor_bf16(&c->v, 0, i) = sb_bf16_from_f32((float)i);
    }
    return c;
}

static const double dense_o[EXAMPLE_N] = {0,      .018,   .544,   .576,   .6201,  1.0005,
                                          1.0586, 1.2405, 1.4413, 1.5230, 1.6136, 1.8788};

START_TEST(worked_example)
{
    static const double want[4]  = {1.0709, 1.1663, 1.2713, 1.5759};
    static const int    tiles[]  = {0, 1, 0, 1, 2, 3, 0, 3, 4, 5};
    static const char  *compat[] = {"clean", "official"};
    sb_case            *c        = example();
    const int32_t      *ids;
    char                params[96];
    for (int i = 0; i < 2; i++) {
        (void)snprintf(params, sizeof params,
                       "block_tokens: 2, step_blocks: 2, theta: 1.5, compat: %s", compat[i]);
        attend(c, "anchor_attention", params);
        ck_assert_int_eq(c->plan.fallback, 0);
        ck_assert_int_eq(c->plan.n_rows, 3);
        ck_assert_int_eq(list_of(&c->plan, 0, 0, &ids), 0);
        ck_assert_int_eq(list_of(&c->plan, 0, 1, &ids), 0);
        ck_assert_int_eq(list_of(&c->plan, 0, 2, &ids), 1);
        ck_assert_int_eq(ids[0], 2);
        ck_assert_int_eq(c->plan.tiles.n_heads, 1);
        ck_assert_int_eq(c->plan.tiles.row_ptr[1], 2);
        ck_assert_int_eq(c->plan.tiles.row_ptr[2], 6);
        ck_assert_int_eq(c->plan.tiles.row_ptr[3], 10);
        for (int t = 0; t < 10; t++)
            ck_assert_int_eq(c->plan.tiles.id[t], tiles[t]);
        for (int64_t row = 0; row < EXAMPLE_N; row++) {
            double o = (double)sb_tensor_f32(&c->o, 0, row)[0];
            if (row < 8) /* printed with three or four digits */
                ck_assert_double_le(fabs(o - dense_o[row]), row > 3 ? .5001e-4 : .5001e-3);
            else
                ck_assert_double_le(fabs(o - want[row - 8]), .5001e-4);
        }
    }
    /* the comparison is not strict: key 5 lies 2 below the anchor */
    attend(c, "anchor_attention", "block_tokens: 2, step_blocks: 2, theta: 2");
    ck_assert_int_eq(list_of(&c->plan, 0, 2, &ids), 2);
    ck_assert_int_eq(ids[1], 5);
    attend(c, "anchor_attention", "block_tokens: 2, step_blocks: 2, theta: 1.99");
    ck_assert_int_eq(list_of(&c->plan, 0, 2, &ids), 1);
    attend(c, "dense", "");
    for (int64_t row = 0; row < EXAMPLE_N; row++)
        ck_assert_double_le(fabs((double)sb_tensor_f32(&c->o, 0, row)[0] - dense_o[row]),
                            row > 3 ? .5001e-4 : .5001e-3);
    sb_case_destroy(c);
}
END_TEST

/* Both window sets, by the judge and by us. `released`: its weights exceed the dense sum, and even
 * theta = 1e9 is not dense. */
START_TEST(worked_example_of_both_windows)
{
    static const double o[4][4] = {{1.0709, 1.1663, 1.2713, 1.5759},
                                   {1.0663, 1.1453, 1.2325, 1.4873},
                                   {1.4413, 1.5230, 1.6136, 1.8788},
                                   {1.3780, 1.4474, 1.5245, 1.7513}};
    sb_case            *c       = example();
    for (int i = 0; i < 4; i++) {
        ajudge_rule r = {2, 2, i < 2 ? 1.5 : 1e9, i % 2, 0};
        double      margin[EXAMPLE_N], lse, dense;
        ajudge_rule all = {100, 1, 0, 0, 0};
        char        params[128];
        ajudge_margins(&c->q, &c->k, &r, 0, 2, margin);
        ajudge_params(&r, params, sizeof params);
        attend(c, "anchor_attention", params);
        for (int64_t row = 8; row < EXAMPLE_N; row++) {
            double got = ajudge_row(&c->q, &c->k, &r, 0, row, margin, &lse);
            ck_assert_double_le(fabs((double)sb_tensor_f32(&c->o, 0, row)[0] - o[i][row - 8]),
                                .5001e-4);
            ck_assert_double_le(fabs((double)c->lse[row] - lse), 1e-5);
            (void)ajudge_row(&c->q, &c->k, &all, 0, row, NULL, &dense);
            ck_assert_double_le(fabs(got - o[i][row - 8]), .5001e-4);
            if (i % 2 == 0)
                ck_assert_double_le(lse, dense + 1e-12);
            if (i == 1 && row == 8)
                ck_assert_double_le(fabs(lse - dense - .084), .5e-3);
        }
    }
    sb_case_destroy(c);
}
END_TEST

static const struct {
    sb_case_shape shape;
    ajudge_rule   rule;
} judged[] = {
    {{512, 512, 2, 2, 32}, {16, 4, 7, 0, 0}},   {{500, 500, 4, 2, 16}, {8, 8, 6, 0, 0}},
    {{301, 301, 6, 2, 48}, {12, 3, 4, 0, 0}},   {{451, 451, 3, 1, 64}, {40, 2, 7.5, 0, 0}},
    {{384, 384, 5, 1, 16}, {32, 1, 7.5, 0, 0}}, {{256, 256, 2, 1, 128}, {16, 2, 7, 0, 0}},
    {{600, 600, 2, 1, 64}, {1, 20, 2, 0, 0}},   {{512, 512, 2, 2, 32}, {16, 4, 7, 1, 0}},
    {{500, 500, 4, 2, 16}, {8, 8, 6, 1, 0}},    {{384, 384, 5, 1, 16}, {32, 1, 7.5, 1, 0}},
};
enum { N_JUDGED = sizeof judged / sizeof *judged };

/* Lists against margins; border: how near 0 a margin may go either way. Counts what was kept. */
static void ck_lists(const sb_case *c, const ajudge_rule *r, double border, int64_t *kept,
                     int64_t *dropped)
{
    int64_t n = c->shape.n_k, t = r->block * r->step;
    uint8_t keep[MAX_N];
    double  margin[MAX_N];
    for (int64_t h = 0; h < c->shape.heads; h++)
        for (int64_t row = 0; row < c->plan.n_rows; row++) {
            const int32_t *ids;
            ck_assert_int_eq(c->plan.row_id[row], row);
            flags_of(&c->plan, r->block, h, row, keep);
            if ((row + 1) * t > n) { /* the tail is dense */
                ck_assert_int_eq(list_of(&c->plan, h, row, &ids), 0);
                continue;
            }
            ajudge_margins(&c->q, &c->k, r, h, row, margin);
            for (int64_t j = r->block; j < row * t - r->block; j++) {
                if (fabs(margin[j]) >= border && keep[j] != (margin[j] >= 0))
                    ck_abort_msg("head %lld super-block %lld key %lld: %d, margin %g", (long long)h,
                                 (long long)row, (long long)j, keep[j], margin[j]);
                *(keep[j] ? kept : dropped) += 1;
            }
        }
}

START_TEST(stripes_match_the_judge)
{
    ajudge_rule r    = judged[_i].rule;
    sb_case    *c    = sb_case_random(judged[_i].shape, 31 + (uint64_t)_i);
    int64_t     kept = 0, dropped = 0;
    char        params[128];
    ajudge_params(&r, params, sizeof params);
    attend(c, "anchor_attention", params);
    ck_assert_int_eq(c->plan.parts, (r.released ? SB_PART_WINDOW : SB_PART_TILES) | SB_PART_TOKENS);
    ck_lists(c, &r, 1e-3, &kept, &dropped);
    ck_assert_msg(kept > 50 && dropped > 50, "kept %lld, dropped %lld", (long long)kept,
                  (long long)dropped); /* else this says little */
    sb_case_destroy(c);
}
END_TEST

/* compat official: integers make its roundings the only ones, so the judge has every bit. */
START_TEST(official_rounds_where_the_code_does)
{
    ajudge_rule r    = {16, 4, 8.6, 0, 1};
    sb_case    *c    = sb_case_random((sb_case_shape){512, 512, 4, 2, 16}, 3);
    int64_t     kept = 0, dropped = 0;
    char        params[128];
    fill_integers(c, 3);
    ajudge_params(&r, params, sizeof params);
    attend(c, "anchor_attention", params);
    ck_lists(c, &r, 0, &kept, &dropped);
    ck_assert(kept > 50 && dropped > 50);
    int64_t  n = 4 * c->plan.n_rows, *ptr = copy_of(c->plan.tokens.row_ptr, n + 1, sizeof *ptr);
    int32_t *ids = copy_of(c->plan.tokens.id, ptr[n], sizeof *ids);
    r.round      = 0;
    ajudge_params(&r, params, sizeof params);
    attend(c, "anchor_attention", params);
    ck_lists(c, &r, 1e-3, &kept, &dropped);
    ck_assert(c->plan.tokens.row_ptr[n] != ptr[n] ||
              memcmp(c->plan.tokens.id, ids, (size_t)ptr[n] * sizeof *ids) != 0);
    free(ptr);
    free(ids);
    sb_case_destroy(c);
}
END_TEST

/* ---- the mask ---- */

typedef struct mask_rule {
    ajudge_rule rule;
    int64_t     n;
    double     *margin; /* [super-blocks][n], NULL: no stripes */
} mask_rule;

static int see_mask(int64_t q, int64_t k, const void *rule)
{
    const mask_rule *m = rule;
    int64_t          b = m->rule.block, t = b * m->rule.step, g = q / t;
    if (k > q || ajudge_window(&m->rule, m->n, q, k))
        return k <= q;
    return m->margin != NULL && k >= b && k < g * t - b && m->margin[g * m->n + k] >= 0;
}

static void ck_mask(const sb_case *c, const mask_rule *m)
{
    sb_case_error e = sb_case_judge(c, &c->q, &c->k, &c->v, see_mask, m, 3);
    ck_assert_msg(e.nmse <= SB_NMSE_F32 && e.lse_abs <= SB_LSE_ABS, "nmse %g, lse %g", e.nmse,
                  e.lse_abs);
}

/* theta = -inf: exactly INIT and LOCAL, dense tail; the pair count says the same. */
START_TEST(no_stripes_is_sink_and_local_window)
{
    for (int i = 0; i < N_JUDGED; i++) {
        sb_case       *c = sb_case_random(judged[i].shape, 3);
        mask_rule      m = {judged[i].rule, c->shape.n_k, NULL};
        sb_index_stats s;
        int64_t        pairs = 0;
        char           params[128];
        m.rule.theta = -1e30;
        ajudge_params(&m.rule, params, sizeof params);
        attend(c, "anchor_attention", params);
        ck_assert_int_eq(c->plan.tokens.row_ptr[c->shape.heads * c->plan.n_rows], 0);
        ck_mask(c, &m);
        ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, 0, &s), SB_OK);
        for (int64_t q = 0; q < m.n; q++)
            for (int64_t k = 0; k <= q; k++)
                pairs += ajudge_window(&m.rule, m.n, q, k);
        ck_assert_int_eq(s.rho_num, pairs);
        ck_assert_int_eq(s.rho_den, m.n * (m.n + 1) / 2);
        sb_case_destroy(c);
    }
}
END_TEST

START_TEST(output_is_one_softmax_over_windows_and_stripes)
{
    enum { N = 350 };
    double   *margin = malloc(6 * N * sizeof *margin);
    sb_case  *c      = sb_case_random((sb_case_shape){N, N, 1, 1, 32}, 40);
    mask_rule m      = {{8, 8, 4, 0, 0}, N, margin};
    char      params[128];
    int64_t   stripes = 0;
    for (int64_t g = 0; g < N / 64; g++) {
        ajudge_margins(&c->q, &c->k, &m.rule, 0, g, margin + g * N);
        for (int64_t j = 8; j < g * 64 - 8; j++) {
            ck_assert_double_ge(fabs(margin[g * N + j]), 1e-5); /* nothing on the border */
            stripes += margin[g * N + j] >= 0;
        }
    }
    ajudge_params(&m.rule, params, sizeof params);
    attend(c, "anchor_attention", params);
    ck_assert_int_eq(c->plan.tokens.row_ptr[c->plan.n_rows], stripes);
    ck_assert_int_gt(stripes, 50);
    ck_mask(c, &m);
    free(margin);
    sb_case_destroy(c);
}
END_TEST

/* theta = +inf: dense to the bit for every N: no super-block, one, tails of all kinds. */
START_TEST(all_stripes_is_dense)
{
    static const int64_t lengths[] = {1, 31, 63, 64, 65, 95, 96, 127, 128, 131, 200, 257, 300};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        int64_t  n = lengths[i];
        sb_case *c = sb_case_random((sb_case_shape){n, n, 4, 2, 32}, 2 + i);
        attend(c, "dense", "");
        float *o   = copy_of(c->o.data, 4 * n * 32, sizeof *o);
        float *lse = copy_of(c->lse, 4 * n, sizeof *lse);
        for (int s = 0; s < 3; s++) {
            static const char *const params[] = {"block_tokens: 8, step_blocks: 4, theta: 1e9",
                                                 "block_tokens: 32, step_blocks: 1, theta: 1e9",
                                                 "block_tokens: 3, step_blocks: 5, theta: 1e30"};
            attend(c, "anchor_attention", params[s]);
            ck_assert_int_eq(c->plan.fallback, n < (s < 2 ? 64 : 30));
            ck_assert_mem_eq(c->o.data, o, (size_t)(4 * n * 32) * sizeof *o);
            ck_assert_mem_eq(c->lse, lse, (size_t)(4 * n) * sizeof *lse);
            for (int64_t row = 0; !c->plan.fallback && row < c->plan.n_rows; row++) {
                int64_t        b = s == 0 ? 8 : s == 1 ? 32 : 3, t = s == 2 ? 15 : 32;
                const int32_t *ids;
                int64_t        want = (row + 1) * t <= n ? row * t - 2 * b : 0;
                ck_assert_int_eq(list_of(&c->plan, 3, row, &ids), want > 0 ? want : 0);
            }
        }
        free(o);
        free(lse);
        sb_case_destroy(c);
    }
}
END_TEST

START_TEST(monotone_in_theta)
{
    enum { H = 4, ROWS = 8 };
    static uint8_t before[H][ROWS][MAX_N], keep[MAX_N];
    sb_case       *c    = sb_case_random((sb_case_shape){512, 512, H, 2, 32}, 8);
    int64_t        last = 0, grew = 0;
    memset(before, 0, sizeof before);
    for (int step = -10; step <= 40; step++) {
        char params[96];
        (void)snprintf(params, sizeof params, "block_tokens: 16, step_blocks: 4, theta: %d", step);
        attend(c, "anchor_attention", params);
        for (int h = 0; h < H; h++)
            for (int row = 0; row < ROWS; row++) {
                flags_of(&c->plan, 16, h, row, keep);
                for (int j = 0; j < 512; j++)
                    if (before[h][row][j] > keep[j])
                        ck_abort_msg("key %d lost at theta %d", j, step);
                memcpy(before[h][row], keep, sizeof keep);
            }
        int64_t n = c->plan.tokens.row_ptr[H * ROWS];
        ck_assert_int_ge(n, last);
        grew += n > last;
        last = n;
    }
    ck_assert_int_gt(grew, 5);
    ck_assert_int_eq(last, H * (64 * 28 - 7 * 32)); /* all candidates */
    sb_case_destroy(c);
}
END_TEST

/* The detector of double counting. */
START_TEST(lse_never_exceeds_dense)
{
    sb_case *c = sb_case_random((sb_case_shape){500, 500, 4, 2, 32}, 9);
    attend(c, "dense", "");
    float *dense = copy_of(c->lse, 4 * 500, sizeof *dense);
    int    below = 0;
    attend(c, "anchor_attention", "block_tokens: 16, step_blocks: 4, theta: 5.5");
    for (int i = 0; i < 4 * 500; i++) {
        ck_assert_float_le(c->lse[i], dense[i] + 1e-6f);
        below += c->lse[i] < dense[i] - 1e-3f;
    }
    ck_assert_int_gt(below, 0);
    free(dense);
    sb_case_destroy(c);
}
END_TEST

static void ck_same_stripes(const sb_plan *p, const int64_t *ptr, const int32_t *ids)
{
    int64_t n = p->tokens.n_heads * p->n_rows;
    ck_assert_mem_eq(p->tokens.row_ptr, ptr, (size_t)(n + 1) * sizeof *ptr);
    ck_assert_mem_eq(p->tokens.id, ids, (size_t)ptr[n] * sizeof *ids);
}

/* k += c * u with q.u constant shifts all logits alike and changes nothing. */
START_TEST(a_constant_on_all_logits_changes_nothing)
{
    static const char params[] = "block_tokens: 16, step_blocks: 4, theta: 8.3";
    sb_case          *c        = sb_case_random((sb_case_shape){512, 512, 2, 1, 16}, 10);
    fill_integers(c, 3);
    for (int64_t h = 0; h < 2; h++)
        for (int64_t i = 0; i < 512; i++)
            sb_tensor_bf16(&c->q, h, i)[15] = sb_bf16_from_f32(2);
    attend(c, "anchor_attention", params);
    int64_t *ptr = copy_of(c->plan.tokens.row_ptr, 2 * 8 + 1, sizeof *ptr);
    int32_t *ids = copy_of(c->plan.tokens.id, ptr[16], sizeof *ids);
    ck_assert(ptr[16] > 50 && ptr[16] < 2 * (64 * 28 - 7 * 32) - 50);
    for (int shift = -8; shift <= 16; shift += 24) {
        for (int64_t i = 0; i < 512; i++) {
            sb_bf16 *k = sb_tensor_bf16(&c->k, 0, i) + 15;
            *k         = sb_bf16_from_f32(sb_bf16_to_f32(*k) + (float)shift);
        }
        attend(c, "anchor_attention", params);
        ck_same_stripes(&c->plan, ptr, ids);
    }
    free(ptr);
    free(ids);
    sb_case_destroy(c);
}
END_TEST

/* Some candidates kept, some not: else equality says little. */
static void ck_some(const sb_plan *p, int64_t block)
{
    int64_t kept = p->tokens.row_ptr[p->tokens.n_heads * p->n_rows], all = 0;
    for (int64_t row = 1; row < p->n_rows; row++)
        all += p->tokens.n_heads * (p->row_id[row] * p->row_tokens - 2 * block);
    ck_assert_msg(kept * 20 > all && kept * 20 < 19 * all, "%lld of %lld", (long long)kept,
                  (long long)all);
}

/* Lists of (head, row) of two plans, by super-block. */
static void ck_same_row(const sb_plan *a, int64_t ha, int64_t ra, const sb_plan *b, int64_t hb,
                        int64_t rb)
{
    const int32_t *ia, *ib;
    int64_t        na = list_of(a, ha, ra, &ia), nb = list_of(b, hb, rb, &ib);
    ck_assert_int_eq(na, nb);
    ck_assert_mem_eq(ia, ib, (size_t)na * sizeof *ia);
}

/* The list of (g, h) does not know later tokens, whether the tail is whole or not; nor other heads:
 * equal heads have equal lists, others do not. */
START_TEST(lists_ignore_later_tokens_and_other_heads)
{
    static const char params[] = "block_tokens: 16, step_blocks: 4, theta: 5.5";
    sb_case          *c        = sb_case_random((sb_case_shape){512, 512, 4, 2, 32}, 13);
    memcpy(sb_tensor_bf16(&c->q, 1, 0), sb_tensor_bf16(&c->q, 0, 0), 512 * 32 * sizeof(sb_bf16));
    attend(c, "anchor_attention", params);
    ck_some(&c->plan, 16);
    int64_t differ = 0;
    for (int64_t row = 0; row < 8; row++) {
        const int32_t *ids;
        ck_same_row(&c->plan, 0, row, &c->plan, 1, row);
        differ += list_of(&c->plan, 2, row, &ids) != list_of(&c->plan, 3, row, &ids);
    }
    ck_assert_int_gt(differ, 0);
    for (int64_t n = 256; n < 512; n += 77) {
        sb_case *s = sb_case_random((sb_case_shape){n, n, 4, 2, 32}, 1);
        for (int64_t h = 0; h < 4; h++) {
            memcpy(sb_tensor_bf16(&s->q, h, 0), sb_tensor_bf16(&c->q, h, 0),
                   (size_t)n * 32 * sizeof(sb_bf16));
            if (h < 2)
                memcpy(sb_tensor_bf16(&s->k, h, 0), sb_tensor_bf16(&c->k, h, 0),
                       (size_t)n * 32 * sizeof(sb_bf16));
        }
        attend(s, "anchor_attention", params);
        for (int64_t h = 0; h < 4; h++)
            for (int64_t row = 0; row < n / 64; row++)
                ck_same_row(&s->plan, h, row, &c->plan, h, row);
        sb_case_destroy(s);
    }
    sb_case_destroy(c);
}
END_TEST

/* ---- edges ---- */

/* 5, 6: the last R = N mod T rows see all; decode as well, and what is too short to choose. */
START_TEST(tail_short_and_decode_are_dense)
{
    static const char params[] = "block_tokens: 16, step_blocks: 4, theta: -1e9";
    sb_case          *c        = sb_case_random((sb_case_shape){299, 299, 2, 1, 32}, 4);
    attend(c, "dense", "");
    float *o = copy_of(c->o.data, 2 * 299 * 32, sizeof *o);
    attend(c, "anchor_attention", params);
    ck_assert_int_eq(c->plan.fallback, 0);
    for (int64_t h = 0; h < 2; h++)
        for (int64_t i = 0; i < 299; i++) {
            int same =
                memcmp(sb_tensor_f32(&c->o, h, i), o + (h * 299 + i) * 32, 32 * sizeof *o) == 0;
            /* g = 1 lacks the candidates [16, 48) */
            ck_assert_int_eq(same, i < 64 || i >= 256);
        }
    free(o);
    sb_case_destroy(c);
    for (int decode = 0; decode < 2; decode++) {
        int64_t n_q = decode ? 1 : 127, n_k = decode ? 300 : 127;
        c = sb_case_random((sb_case_shape){n_q, n_k, 2, 1, 32}, 4);
        attend(c, "dense", "");
        o            = copy_of(c->o.data, 2 * n_q * 32, sizeof *o);
        c->is_decode = decode;
        attend(c, "anchor_attention", params);
        ck_assert_int_eq(c->plan.fallback, 1);
        ck_assert_mem_eq(c->o.data, o, (size_t)(2 * n_q * 32) * sizeof *o);
        free(o);
        sb_case_destroy(c);
    }
    c = sb_case_random((sb_case_shape){128, 128, 2, 1, 32}, 4); /* N = 2 T: one choice, no tail */
    attend(c, "anchor_attention", params);
    ck_assert_int_eq(c->plan.fallback, 0);
    ck_assert_int_eq(c->plan.tiles.row_ptr[2], 4 + 6);
    sb_case_destroy(c);
}
END_TEST

/* Queries of a part of the sequence: whole super-blocks choose as ever, cut ones are dense; a
 * super-block that lies in several runs is whole. */
START_TEST(cut_super_blocks_are_dense)
{
    static const char params[] = "block_tokens: 16, step_blocks: 4, theta: 5.5";
    sb_run            runs[]   = {{70, 100}, {256, 20}, {276, 44}, {320, 64}, {390, 122}};
    static const int  blocks[] = {1, 2, 4, 5, 6, 7}, whole[] = {0, 0, 1, 1, 0, 1};
    sb_case          *c   = sb_case_random((sb_case_shape){512, 512, 2, 1, 32}, 22);
    sb_case          *all = sb_case_random((sb_case_shape){512, 512, 2, 1, 32}, 22);
    sb_gid            g   = {runs, 5, 350};
    sb_tensor         q   = sb_case_take(&c->q, 0, &g);
    attend(all, "anchor_attention", params);
    ck_some(&all->plan, 16);
    ck_assert_int_eq(sb_case_attend_on(c, &sb_anchor_attention, params, SB_F32, &q, NULL, NULL),
                     SB_OK);
    ck_assert_int_eq(c->plan.n_rows, 6);
    for (int64_t row = 0; row < 6; row++) {
        const int32_t *ids;
        int64_t        tiles = c->plan.tiles.row_ptr[row + 1] - c->plan.tiles.row_ptr[row];
        ck_assert_int_eq(c->plan.row_id[row], blocks[row]);
        ck_assert_int_eq(tiles, whole[row] ? 6 : 4 * (blocks[row] + 1));
        for (int64_t h = 0; h < 2; h++)
            if (whole[row])
                ck_same_row(&c->plan, h, row, &all->plan, h, blocks[row]);
            else
                ck_assert_int_eq(list_of(&c->plan, h, row, &ids), 0);
    }
    free(q.data);
    sb_case_destroy(c);
    sb_case_destroy(all);
}
END_TEST

/* [sharding 7.4]: the list of a super-block knows neither ranks nor threads. Zigzag shards; the
 * bits of o follow. */
START_TEST(same_lists_for_every_rank_count)
{
    enum { N = 1003, T = 64, H = 6 };
    static const char params[] = "block_tokens: 16, step_blocks: 4, theta: 5.5";
    sb_case          *c        = sb_case_random((sb_case_shape){N, N, H, 2, 32}, 21);
    sb_case          *one      = sb_case_random((sb_case_shape){N, N, H, 2, 32}, 21);
    one->threads               = 1;
    attend(one, "anchor_attention", params);
    ck_some(&one->plan, 16);
    c->threads = 3;
    attend(c, "anchor_attention", params);
    ck_same_stripes(&c->plan, one->plan.tokens.row_ptr, one->plan.tokens.id);
    for (int64_t ranks = 1; ranks <= 4; ranks++)
        for (int64_t rank = 0; rank < ranks; rank++) {
            sb_run    run[2];
            sb_gid    g = sb_case_zigzag(run, 0, N, T, rank, ranks);
            sb_tensor q = sb_case_take(&c->q, 0, &g);
            ck_assert_int_eq(
                sb_case_attend_on(c, &sb_anchor_attention, params, SB_F32, &q, NULL, NULL), SB_OK);
            for (int64_t h = 0; h < H; h++)
                for (int64_t i = 0; i < c->plan.n_rows; i++)
                    ck_same_row(&c->plan, h, i, &one->plan, h, c->plan.row_id[i]);
            for (int64_t h = 0; h < H; h++)
                for (int64_t i = 0; i < g.n_tokens; i++)
                    ck_assert_mem_eq(sb_tensor_f32(&c->o, h, i),
                                     sb_tensor_f32(&one->o, h, judge_gid(&g, i)),
                                     32 * sizeof(float));
            free(q.data);
        }
    sb_case_destroy(c);
    sb_case_destroy(one);
}
END_TEST

/* The product's variants give one set of bits; integers or not. */
START_TEST(selection_ignores_the_cpu)
{
    static const char *const params[] = {
        "block_tokens: 16, step_blocks: 4, theta: 5.5",
        "block_tokens: 20, step_blocks: 3, theta: 7, compat: official",
        "block_tokens: 7, step_blocks: 5, theta: 5"};
    sb_case *c    = sb_case_random((sb_case_shape){700, 700, 6, 2, 48}, 23);
    sb_case *wide = sb_case_random((sb_case_shape){700, 700, 6, 2, 48}, 23);
    attend(wide, "anchor_attention", params[_i]);
    ck_some(&wide->plan, _i == 0 ? 16 : _i == 1 ? 20 : 7);
    ck_assert_int_eq(setenv("SPAN_CPU_KERNEL", "generic", 1), 0);
    attend(c, "anchor_attention", params[_i]);
    unsetenv("SPAN_CPU_KERNEL");
    ck_same_stripes(&c->plan, wide->plan.tokens.row_ptr, wide->plan.tokens.id);
    sb_case_destroy(c);
    sb_case_destroy(wide);
}
END_TEST

/* No number, infinity: lists stay in bounds, ascending, and end. */
START_TEST(no_numbers_do_no_harm)
{
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int what = 0; what < 3; what++) {
        sb_case *c = sb_case_random((sb_case_shape){300, 300, 2, 1, 32}, 5);
        uint8_t  keep[MAX_N];
        for (int64_t i = 0; i < 300; i += 7)
            sb_tensor_bf16(&c->k, 0, i)[i % 32] = sb_bf16_from_f32(bad[what]);
        for (int64_t i = 0; i < 32; i++)
            sb_tensor_bf16(&c->q, 0, 200)[i] = sb_bf16_from_f32(bad[what]);
        attend(c, "anchor_attention", "block_tokens: 8, step_blocks: 4, theta: 5");
        for (int64_t h = 0; h < 2; h++)
            for (int64_t row = 0; row < c->plan.n_rows; row++)
                flags_of(&c->plan, 8, h, row, keep);
        sb_case_destroy(c);
    }
}
END_TEST

static double density(const sb_case *c)
{
    sb_index_stats s;
    ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, 0, &s), SB_OK);
    return (double)s.rho_num / (double)s.rho_den;
}

/* N(0, 1): no logit lies 12 below an anchor near 3, so nothing is dropped at the default theta, and
 * mean queries tell nothing apart: a little lower all goes. With a sink and a few strong columns,
 * exactly those stay. */
START_TEST(density_follows_the_data)
{
    enum { N = 2048, D = 64, EVERY = 61 };
    static const char   at[] = "block_tokens: 32, step_blocks: 8";
    char                params[96];
    double              random[3];
    static const double thetas[] = {12, 2.4, 2};
    sb_case            *c        = sb_case_random((sb_case_shape){N, N, 2, 1, D}, 1);
    for (int64_t i = 0; i < 2 * N * D; i++)
        ((sb_bf16 *)c->q.data)[i] = sb_bf16_from_f32((float)normal((uint64_t)i));
    for (int64_t i = 0; i < N * D; i++)
        ((sb_bf16 *)c->k.data)[i] = sb_bf16_from_f32((float)normal((uint64_t)i + (1u << 24)));
    for (int i = 0; i < 3; i++) {
        (void)snprintf(params, sizeof params, "%s, theta: %g", at, thetas[i]);
        attend(c, "anchor_attention", params);
        random[i] = density(c);
    }
    ck_assert(random[0] == 1.0);
    ck_assert(random[1] > random[2] && random[1] < 1.0);
    for (int64_t i = 0; i < N; i++) {
        for (int64_t h = 0; h < 2; h++)
            sb_tensor_bf16(&c->q, h, i)[0] = sb_bf16_from_f32(8);
        sb_tensor_bf16(&c->k, 0, i)[0] = sb_bf16_from_f32(i == 0 ? 28 : i % EVERY == 0 ? 22 : 0);
    }
    attend(c, "anchor_attention", "block_tokens: 32, step_blocks: 8"); /* 28, 22 and about 0 */
    double columns = density(c);
    for (int64_t row = 0; row < c->plan.n_rows; row++) {
        uint8_t keep[MAX_N];
        flags_of(&c->plan, 32, 1, row, keep);
        for (int64_t j = 32; j < row * 256 - 32; j++)
            if (keep[j] != (j % EVERY == 0))
                ck_abort_msg("super-block %lld key %lld: %d", (long long)row, (long long)j,
                             keep[j]);
    }
    ck_assert_double_lt(columns, 0.35);
    printf(
        "test_anchor_attention: density random %.4f (theta 12) %.4f (2.4) %.4f (2), columns %.4f\n",
        random[0], random[1], random[2], columns);
    sb_case_destroy(c);
}
END_TEST

START_TEST(bad_calls_are_refused_with_the_reason)
{
    sb_case *c = sb_case_random((sb_case_shape){300, 300, 2, 1, 32}, 1);
    attend(c, "anchor_attention", "block_tokens: 16, step_blocks: 4");
    sb_ctx    ctx = {.backend = &sb_backend_cpu, .arena = &c->arena, .threads = 1};
    sb_tensor k   = c->k;
    sb_shape  bad = c->seen;
    k.tokens      = 299;
    ck_assert_int_eq(
        sb_anchor_attention.plan[SB_CPU](&ctx, c->params, &c->seen, &c->q, &k, NULL, &c->plan),
        SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "299 keys, it needs all 300"));
    bad.head_dim = 40;
    ck_assert_int_eq(sb_anchor_attention.check(c->params, &bad), SB_ERR_UNSUPPORTED);
    bad.head_dim = 32;
    bad.n_keys   = INT64_C(1) << 31;
    ck_assert_int_eq(sb_anchor_attention.check(c->params, &bad), SB_ERR_UNSUPPORTED);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("anchor_attention");
    TCase *t = tcase_create("properties");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, defaults_are_the_codes);
    tcase_add_test(t, worked_example);
    tcase_add_test(t, worked_example_of_both_windows);
    tcase_add_loop_test(t, stripes_match_the_judge, 0, N_JUDGED);
    tcase_add_test(t, official_rounds_where_the_code_does);
    tcase_add_test(t, no_stripes_is_sink_and_local_window);
    tcase_add_test(t, output_is_one_softmax_over_windows_and_stripes);
    tcase_add_test(t, all_stripes_is_dense);
    tcase_add_test(t, monotone_in_theta);
    tcase_add_test(t, lse_never_exceeds_dense);
    tcase_add_test(t, a_constant_on_all_logits_changes_nothing);
    tcase_add_test(t, lists_ignore_later_tokens_and_other_heads);
    tcase_add_test(t, tail_short_and_decode_are_dense);
    tcase_add_test(t, cut_super_blocks_are_dense);
    tcase_add_test(t, same_lists_for_every_rank_count);
    tcase_add_loop_test(t, selection_ignores_the_cpu, 0, 3);
    tcase_add_test(t, no_numbers_do_no_harm);
    tcase_add_test(t, density_follows_the_data);
    tcase_add_test(t, bad_calls_are_refused_with_the_reason);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
