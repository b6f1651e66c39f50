/* xattention 10: its invariants, its worked example, and the selection held against a second
 * derivation in fp64 (xattention_judge.c). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/index_stats.h"
#include "kernels/registry.h"
#include "kernels/xattention/room.h"
#include "kernels/xattention/select.h"
#include "kernels/xattention/xattention.h"
#include "tests/oracle/case.h"
#include "tests/property/xattention_judge.h"

enum { MAX_BLOCKS = 512 };

static void attend(sb_case *c, const char *method, const char *params)
{
    ck_assert_msg(sb_case_attend(c, sb_method_find(method), params, SB_F32) == SB_OK, "%s",
                  sb_error_text());
}

/* The list of (head, local row). */
static int64_t list_of(const sb_plan *p, int64_t head, int64_t row, const int32_t **ids)
{
    const int64_t *ptr = p->tiles.row_ptr + head * p->n_rows + row;
    *ids               = p->tiles.id + ptr[0];
    return ptr[1] - ptr[0];
}

/* ... as flags, checked for order and for the two forced blocks. */
static void flags_of(const sb_plan *p, int64_t head, int64_t row, int *keep)
{
    const int32_t *ids;
    int64_t        own = p->row_id[row], n = list_of(p, head, row, &ids);
    memset(keep, 0, (size_t)(own + 1) * sizeof *keep);
    ck_assert_int_ge(n, 1);
    ck_assert_int_eq(ids[0], 0);
    ck_assert_int_eq(ids[n - 1], own);
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && ids[i] <= ids[i - 1])
            ck_abort_msg("block %d after %d", ids[i], ids[i - 1]);
        keep[ids[i]] = 1;
    }
}

static void *copy_of(const void *from, int64_t count, size_t bytes)
{
    void *to = malloc((size_t)count * bytes);
    memcpy(to, from, (size_t)count * bytes);
    return to;
}

/* The method's own A of every (head, row block) of a case: out[h][row][MAX_BLOCKS]. */
static double *scores_of(sb_case *c, const char *params)
{
    sb_arena a;
    sb_plan  plan;
    sb_ctx   ctx = {.backend = &sb_backend_cpu, .arena = &a, .threads = 1};
    sb_case_params(c, &sb_xattention, params);
    const sb_xattention_params *p     = (const sb_xattention_params *)(const void *)c->params;
    sb_shape                    shape = {.q_gid    = c->q.gid,
                                         .n_keys   = c->shape.n_k,
                                         .heads    = c->shape.heads,
                                         .kv_heads = c->shape.kv_heads,
                                         .head_dim = c->shape.dim};
    sb_arena_init_count(&a);
    ck_assert_int_eq(sbi_xattention_layout(&ctx, p, &shape, &plan), SB_OK);
    size_t         bytes = a.high_water_bytes;
    unsigned char *room  = aligned_alloc(SB_ARENA_ALIGN, bytes);
    sb_arena_init(&a, room, bytes, SB_ARENA_GUARD);
    ck_assert_int_eq(sbi_xattention_layout(&ctx, p, &shape, &plan), SB_OK);
    ck_assert_uint_eq(a.high_water_bytes, bytes);
    const sbi_xattention_room *r  = plan.method_data;
    double                     sd = sqrt((double)shape.head_dim), s = (double)p->stride_tokens;
    sb_antidiagonal_in         in  = {.q         = &c->q,
                                      .k         = &c->k,
                                      .factor    = (float)(1.0 / (sd * s * p->norm)),
                                      .round_raw = p->compat == SB_XATTENTION_OFFICIAL};
    double *out = calloc((size_t)(shape.heads * plan.n_rows * MAX_BLOCKS), sizeof *out);
    ck_assert_int_eq(sb_product_choose(&in.product), SB_OK);
    sb_row_blocks_name(&r->blocks, &shape, &plan);
    for (int64_t kv = 0; kv < shape.kv_heads;
         kv++) /* one row block a call: batches do not matter */
        for (int64_t i = 0; i < plan.n_rows; i++)
            sb_antidiagonal_scores(&r->grid, &in, kv * r->grid.heads, &r->blocks, &plan, i, 1,
                                   &r->scratch[0].scores);
    for (int64_t h = 0; h < shape.heads; h++)
        for (int64_t i = 0; i < plan.n_rows; i++)
            for (int64_t b = 0; b <= plan.row_id[i]; b++) {
                float x; /* fp32 patterns; the method rounds them to bf16 [3, step 3] */
                memcpy(&x, sb_row_blocks_place(&r->blocks, &plan, h, i) + b, sizeof x);
                out[(h * plan.n_rows + i) * MAX_BLOCKS + b] = (double)sb_bf16_round(x);
            }
    ck_assert(sb_arena_canaries_intact(&a));
    free(room);
    return out;
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

START_TEST(defaults_are_the_designs)
{
    sb_xattention_params p;
    ck_assert_int_eq(sb_params_default(sb_xattention.params, &p), SB_OK);
    ck_assert_int_eq(p.block_tokens, 128);
    ck_assert_int_eq(p.stride_tokens, 16);
    ck_assert(p.tau == 0.9 && p.norm == 1.0);
    ck_assert_int_eq(p.compat, SB_XATTENTION_CLEAN);
    ck_assert_int_eq(sb_xattention.quantum_tokens(&p), 128);
    ck_assert_int_eq(sb_xattention.plan_keys, SB_PLAN_KEYS_ALL);
    ck_assert(!(sb_xattention.caps & SB_CAP_DECODE));
    ck_assert_int_eq(sb_param_set(sb_params_find(sb_xattention.params, "tau"), &p, "1.01"),
                     SB_ERR_USAGE);
    ck_assert_int_eq(sb_param_set(sb_params_find(sb_xattention.params, "norm"), &p, "0"),
                     SB_ERR_USAGE);
}
END_TEST

/* Section 10, last lines: d = 1 stands in dimension 0 of 16; norm = 1/4 makes up for 1/sqrt(16). */
START_TEST(worked_example)
{
    static const int    q[16]      = {1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1, 0, 1, 0};
    static const int    k[16]      = {1, 0, 0, 0, 2, 2, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0};
    static const double logit[8]   = {0, 0, 1, 0, 0, .5, 0, 0};
    static const double want[4][4] = {
        {2}, {.6799, 1.3201}, {.4136, 1.3098, .2766}, {.4064, .7556, .5383, .2997}};
    const xjudge_rule r = {4, 2, 0.25, 0};
    sb_case          *c = sb_case_random((sb_case_shape){16, 16, 1, 1, 16}, 1);
    memset(c->q.data, 0, 16 * 16 * sizeof(sb_bf16));
    memset(c->k.data, 0, 16 * 16 * sizeof(sb_bf16));
    for (int i = 0; i < 16; i++) {
        *sb_tensor_bf16(&c->q, 0, i) = sb_bf16_from_f32((float)q[i]);
        *sb_tensor_bf16(&c->k, 0, i) = sb_bf16_from_f32((float)k[i]);
    }
    for (int row = 6; row < 8; row++)
        for (int j = 0; j <= row; j++)
            ck_assert_double_eq(xjudge_logit(&c->q, &c->k, &r, 0, row, j), logit[j]);
    double *a = scores_of(c, "block_tokens: 4, stride_tokens: 2, norm: 0.25");
    for (int b = 0; b < 4; b++) {
        double exact[4];
        ck_assert_int_eq(xjudge_scores(&c->q, &c->k, &r, 0, b, exact), 2);
        for (int j = 0; j <= b; j++) {
            ck_assert_double_le(fabs(exact[j] - want[b][j]), 0.5001e-4);
            ck_assert_double_eq(a[b * MAX_BLOCKS + j], (double)sb_bf16_round((float)exact[j]));
        }
    }
    free(a);
    for (int tight = 0; tight < 2; tight++) {
        attend(c, "xattention",
               tight ? "block_tokens: 4, stride_tokens: 2, norm: 0.25, tau: 0.6"
                     : "block_tokens: 4, stride_tokens: 2, norm: 0.25, tau: 0.9");
        ck_assert_int_eq(c->plan.fallback, 0);
        for (int b = 0; b < 4; b++) {
            int keep[4];
            flags_of(&c->plan, 0, b, keep);
            for (int j = 0; j <= b; j++)
                ck_assert_int_eq(keep[j], !(tight && b == 3 && j == 2));
        }
    }
    sb_case_destroy(c);
}
END_TEST

static const struct {
    sb_case_shape shape;
    const char   *params;
    xjudge_rule   rule;
    double        tau;
} judged[] = {
    {{512, 512, 2, 2, 32}, "block_tokens: 32, stride_tokens: 8, tau: 0.7", {32, 8, 1, 0}, .7},
    {{500, 500, 4, 2, 16}, "block_tokens: 16, stride_tokens: 4", {16, 4, 1, 0}, .9},
    {{301, 301, 6, 2, 48}, "block_tokens: 24, stride_tokens: 6, tau: 0.5", {24, 6, 1, 0}, .5},
    {{451, 451, 3, 1, 64}, "block_tokens: 40, stride_tokens: 40, tau: 0.8", {40, 40, 1, 0}, .8},
    {{37, 300, 4, 2, 16}, "block_tokens: 16, stride_tokens: 8, tau: 0.6", {16, 8, 1, 0}, .6},
    {{200, 200, 2, 1, 16}, "block_tokens: 16, stride_tokens: 1, tau: 0.8", {16, 1, 1, 0}, .8},
    {{512, 512, 2, 1, 64},
     "block_tokens: 64, stride_tokens: 16, norm: 0.25, tau: 0.8",
     {64, 16, .25, 0},
     .8},
};
enum { N_JUDGED = sizeof judged / sizeof *judged };

/* Scores: within one bf16 rounding of fp64 and adding up to the valid rows. Choice: what step 4
 * makes of exactly these scores; and for the fp64 scores a prefix up to 1e-2 of a row each. */
START_TEST(selection_matches_judge)
{
    const xjudge_rule *r   = &judged[_i].rule;
    double             tau = judged[_i].tau, slack = 1e-2 * (double)(r->block / r->stride);
    sb_case           *c       = sb_case_random(judged[_i].shape, 31 + (uint64_t)_i);
    double            *a       = scores_of(c, judged[_i].params);
    int64_t            dropped = 0;
    attend(c, "xattention", judged[_i].params);
    ck_assert_int_eq(c->plan.parts, SB_PART_TILES);
    for (int64_t h = 0; h < c->shape.heads; h++)
        for (int64_t row = 0; row < c->plan.n_rows; row++) {
            const double *got = a + (h * c->plan.n_rows + row) * MAX_BLOCKS;
            double        exact[MAX_BLOCKS], req = 0, cum = 0, least = INFINITY, most = 0, sum = 0;
            int           keep[MAX_BLOCKS], want[MAX_BLOCKS];
            int64_t       own   = c->plan.row_id[row];
            int64_t       valid = xjudge_scores(&c->q, &c->k, r, h, own, exact);
            flags_of(&c->plan, h, row, keep);
            xjudge_select(got, own + 1, tau, want);
            for (int64_t j = 0; j <= own; j++) {
                ck_assert_double_le(fabs(got[j] - exact[j]), exact[j] * 0x1.1p-8);
                if (keep[j] != want[j])
                    ck_abort_msg("head %lld row %lld block %lld: %d, wanted %d", (long long)h,
                                 (long long)own, (long long)j, keep[j], want[j]);
                sum += got[j];
                req += tau * exact[j];
                cum += keep[j] ? exact[j] : 0;
                if (j > 0 && j < own && keep[j])
                    least = fmin(least, exact[j]);
                if (!keep[j])
                    most = fmax(most, exact[j]);
                dropped += !keep[j];
            }
            ck_assert_double_le(fabs(sum - (double)valid), 0x1p-8 * (double)valid);
            ck_assert_double_ge(cum, req - slack);
            ck_assert(isinf(least) || cum - least < req + slack);
            ck_assert_double_le(most, least * (1 + 0x1p-7));
        }
    ck_assert_int_gt(dropped, 0); /* else this says little */
    free(a);
    sb_case_destroy(c);
}
END_TEST

/* s = 1: A is the attention mass of the blocks, here from token softmax. */
START_TEST(stride_one_is_the_exact_mass)
{
    enum { N = 150, B = 16, D = 16 };
    sb_case *c = sb_case_random((sb_case_shape){N, N, 1, 1, D}, 5);
    double  *a = scores_of(c, "block_tokens: 16, stride_tokens: 1");
    for (int b = 0; b < (N + B - 1) / B; b++) {
        double mass[N / B + 1] = {0};
        for (int i = b * B; i < (b + 1) * B && i < N; i++) {
            double p[N], sum = 0;
            for (int j = 0; j <= i; j++) {
                double dot = 0;
                for (int x = 0; x < D; x++)
                    dot += (double)sb_bf16_to_f32(sb_tensor_bf16(&c->q, 0, i)[x]) *
                           (double)sb_bf16_to_f32(sb_tensor_bf16(&c->k, 0, j)[x]);
                sum += p[j] = exp(dot * (double)c->scale);
            }
            for (int j = 0; j <= i; j++)
                mass[j / B] += p[j] / sum;
        }
        for (int j = 0; j <= b; j++)
            ck_assert_double_le(fabs(a[b * MAX_BLOCKS + j] - mass[j]), mass[j] * 0x1.1p-8);
    }
    free(a);
    sb_case_destroy(c);
}
END_TEST

/* Logits far apart: nothing overflows, and what is left of a row is right. */
START_TEST(wide_logits_stay_finite)
{
    const xjudge_rule r = {16, 4, 0.005, 0};
    sb_case          *c = sb_case_random((sb_case_shape){200, 200, 2, 1, 16}, 6);
    double           *a = scores_of(c, "block_tokens: 16, stride_tokens: 4, norm: 0.005");
    for (int64_t b = 0; b < 13; b++) {
        double exact[13];
        xjudge_scores(&c->q, &c->k, &r, 0, b, exact);
        for (int64_t j = 0; j <= b; j++) /* a logit near 500 is off by 1e-4 in fp32 */
            ck_assert_double_le(fabs(a[b * MAX_BLOCKS + j] - exact[j]), exact[j] * 0x1.2p-8 + 1e-6);
    }
    free(a);
    sb_case_destroy(c);
}
END_TEST

/* tau = 1 is dense to the bit; tau = 0 keeps the first and the own block. */
START_TEST(ends_of_tau)
{
    sb_case *c = sb_case_random((sb_case_shape){700, 700, 4, 2, 64}, 2);
    attend(c, "dense", "");
    float *o = copy_of(c->o.data, 4 * 700 * 64, sizeof *o);
    attend(c, "xattention", "block_tokens: 32, tau: 1");
    ck_assert_int_eq(c->plan.fallback, 0);
    ck_assert_int_eq(c->plan.tiles.row_ptr[4 * c->plan.n_rows], 4 * 22 * 23 / 2);
    ck_assert_mem_eq(c->o.data, o, 4 * 700 * 64 * sizeof *o);
    attend(c, "xattention", "block_tokens: 32, tau: 0");
    for (int64_t h = 0; h < 4; h++)
        for (int64_t row = 0; row < c->plan.n_rows; row++) {
            const int32_t *ids;
            ck_assert_int_eq(list_of(&c->plan, h, row, &ids), row > 0 ? 2 : 1);
            ck_assert(ids[0] == 0 && (row == 0 || ids[1] == row));
        }
    free(o);
    sb_case_destroy(c);
}
END_TEST

START_TEST(monotone_in_tau)
{
    enum { H = 4, ROWS = 32 };
    static int before[H][ROWS][ROWS], keep[ROWS];
    sb_case   *c    = sb_case_random((sb_case_shape){512, 512, H, 2, 32}, 8);
    int64_t    last = 0;
    memset(before, 0, sizeof before);
    for (int step = 0; step <= 20; step++) {
        char params[96];
        (void)snprintf(params, sizeof params, "block_tokens: 16, stride_tokens: 4, tau: %g",
                       step / 20.0);
        attend(c, "xattention", params);
        for (int h = 0; h < H; h++)
            for (int row = 0; row < ROWS; row++) {
                flags_of(&c->plan, h, row, keep);
                for (int j = 0; j <= row; j++)
                    if (before[h][row][j] > keep[j])
                        ck_abort_msg("block %d lost at tau %g", j, step / 20.0);
                memcpy(before[h][row], keep, sizeof keep);
            }
        int64_t n = c->plan.tiles.row_ptr[H * ROWS];
        ck_assert_int_ge(n, last);
        last = n;
    }
    ck_assert_int_eq(last, H * ROWS * (ROWS + 1) / 2);
    sb_case_destroy(c);
}
END_TEST

/* Same lists? */
static void ck_same_index(const sb_plan *p, const int64_t *ptr, const int32_t *ids)
{
    int64_t n = p->tiles.n_heads * p->n_rows;
    ck_assert_mem_eq(p->tiles.row_ptr, ptr, (size_t)(n + 1) * sizeof *ptr);
    ck_assert_mem_eq(p->tiles.id, ids, (size_t)ptr[n] * sizeof *ids);
}

/* Scaling q scales L: twice the queries under twice the norm select the same. */
START_TEST(scaling_q_scales_logits)
{
    sb_case *c = sb_case_random((sb_case_shape){512, 512, 2, 1, 32}, 9);
    attend(c, "xattention", "block_tokens: 32, stride_tokens: 4, tau: 0.7, norm: 0.5");
    int64_t *ptr = copy_of(c->plan.tiles.row_ptr, 2 * 16 + 1, sizeof *ptr);
    int32_t *ids = copy_of(c->plan.tiles.id, ptr[32], sizeof *ids);
    for (int64_t i = 0; i < 2 * 512 * 32; i++)
        ((sb_bf16 *)c->q.data)[i] = sb_bf16_from_f32(2 * sb_bf16_to_f32(((sb_bf16 *)c->q.data)[i]));
    attend(c, "xattention", "block_tokens: 32, stride_tokens: 4, tau: 0.7, norm: 1");
    ck_same_index(&c->plan, ptr, ids);
    attend(c, "xattention", "block_tokens: 32, stride_tokens: 4, tau: 0.7, norm: 0.5");
    ck_assert_int_ne(c->plan.tiles.row_ptr[32], ptr[32]); /* and alone they do not */
    free(ptr);
    free(ids);
    sb_case_destroy(c);
}
END_TEST

static void reverse_groups(sb_tensor *t, int64_t s)
{
    for (int64_t h = 0; h < t->heads; h++)
        for (int64_t i = 0; i < t->tokens; i += s)
            for (int64_t a = 0; a < s / 2; a++)
                for (int64_t x = 0; x < t->dim; x++) {
                    sb_bf16 *p = sb_tensor_bf16(t, h, i + a) + x,
                            *q = sb_tensor_bf16(t, h, i + s - 1 - a) + x, was = *p;
                    *p = *q;
                    *q = was;
                }
}

/* The shuffle test: reversing both leaves raw alone, reversing one does not. */
START_TEST(reversed_groups_select_the_same)
{
    static const char params[] = "block_tokens: 32, stride_tokens: 8, tau: 0.6";
    sb_case          *c        = sb_case_random((sb_case_shape){512, 512, 2, 1, 16}, 10);
    fill_integers(c, 6);
    attend(c, "xattention", params);
    int64_t *ptr = copy_of(c->plan.tiles.row_ptr, 2 * 16 + 1, sizeof *ptr);
    int32_t *ids = copy_of(c->plan.tiles.id, ptr[32], sizeof *ids);
    reverse_groups(&c->q, 8);
    attend(c, "xattention", params);
    ck_assert(c->plan.tiles.row_ptr[32] != ptr[32] ||
              memcmp(c->plan.tiles.id, ids, (size_t)ptr[32] * sizeof *ids) != 0);
    reverse_groups(&c->k, 8);
    attend(c, "xattention", params);
    ck_same_index(&c->plan, ptr, ids);
    free(ptr);
    free(ids);
    sb_case_destroy(c);
}
END_TEST

/* compat official rounds the sums of products; integer inputs make the rounding the only one. */
START_TEST(official_rounds_raw)
{
    const xjudge_rule r      = {32, 8, 1, 1};
    sb_case          *c      = sb_case_random((sb_case_shape){256, 256, 1, 1, 32}, 12);
    int               differ = 0;
    fill_integers(c, 6);
    double *a     = scores_of(c, "block_tokens: 32, stride_tokens: 8, compat: official");
    double *clean = scores_of(c, "block_tokens: 32, stride_tokens: 8");
    for (int64_t b = 0; b < 8; b++) {
        double exact[8];
        xjudge_scores(&c->q, &c->k, &r, 0, b, exact);
        for (int64_t j = 0; j <= b; j++) {
            ck_assert_double_le(fabs(a[b * MAX_BLOCKS + j] - exact[j]), exact[j] * 0x1.1p-8);
            differ += a[b * MAX_BLOCKS + j] != clean[b * MAX_BLOCKS + j];
        }
    }
    ck_assert_int_gt(differ, 8);
    free(a);
    free(clean);
    sb_case_destroy(c);
}
END_TEST

/* compat official, rows of the released code's first chunk of queries. Of 16500 tokens it has 8192,
 * for 2^28 scores hold no more rows of so many keys; later rows follow the paper. */
START_TEST(official_keeps_a_block_more_in_the_first_chunk)
{
    enum { N = 16500, FIRST = 8192 / 128 };
    const char *params  = "stride_tokens: 64, tau: 0.3, compat: official";
    int64_t     n_other = 0; /* rows that the two rules choose differently for */
    sb_case    *c       = sb_case_random((sb_case_shape){N, N, 1, 1, 16}, 77);
    double     *a       = scores_of(c, params);
    attend(c, "xattention", params);
    ck_assert_int_eq(c->plan.n_rows, (N + 127) / 128);
    for (int64_t row = 0; row < c->plan.n_rows; row++) {
        int           keep[MAX_BLOCKS], late[MAX_BLOCKS], paper[MAX_BLOCKS];
        const double *of = a + row * MAX_BLOCKS;
        flags_of(&c->plan, 0, row, keep);
        xjudge_select_first_chunk(of, row + 1, 0.3, late);
        xjudge_select(of, row + 1, 0.3, paper);
        for (int64_t j = 0; j <= row; j++)
            ck_assert_int_eq(keep[j], row < FIRST ? late[j] : paper[j]);
        n_other += memcmp(late, paper, (size_t)(row + 1) * sizeof *late) != 0;
    }
    ck_assert_int_gt(n_other, FIRST);
    free(a);
    sb_case_destroy(c);
}
END_TEST

/* Step 4 alone: forced blocks count, the comparison is strict, equal scores go by id. */
START_TEST(choice_by_hand)
{
    enum { PAPER = SBI_XATTENTION_RULE_PUBLISHED, CHUNK = SBI_XATTENTION_RULE_FIRST_CHUNK };
    static const struct {
        double a[6], tau;
        int    n, keep[6];
        int    rule;
    } table[] = {
        {{1, 1, 1, 1}, .5, 4, {1, 0, 0, 1}, PAPER},       /* forced mass is req: nothing more */
        {{1, 1, 1, 1}, .51, 4, {1, 1, 0, 1}, PAPER},      /* equal scores: lower id first */
        {{1, 1, 2, 1, 1}, .5, 5, {1, 0, 1, 0, 1}, PAPER}, /* the largest first */
        {{0, 2, 4, 2, 8, 0}, .75, 6, {1, 0, 1, 0, 1, 1}, PAPER}, /* 12 of 16 is enough */
        {{0, 2, 4, 2, 8, 0}, .76, 6, {1, 1, 1, 0, 1, 1}, PAPER},
        {{4, 1e-13, 0, 4}, 1, 4, {1, 1, 0, 1}, PAPER}, /* tau = 1: what is not 0, however small */
        {{4, 1e-13, 0, 4}, .999, 4, {1, 0, 0, 1}, PAPER},
        {{0, 0, 0, 0}, 1, 4, {1, 0, 0, 1}, PAPER},
        {{5}, 1, 1, {1}, PAPER},
        {{0, 7}, 0, 2, {1, 1}, PAPER},
        /* the first chunk: block 0 is one of the others, and one more of them is kept */
        {{1, 2, 4, 8, 8}, .5, 5, {1, 0, 1, 1, 1}, CHUNK},
        {{8, 4, 2, 8, 8}, .5, 5, {1, 0, 0, 1, 1}, CHUNK},
        {{0, 4, 2, 9}, .5, 4, {1, 1, 0, 1}, CHUNK},
        {{1, 1, 1, 1}, 1, 4, {1, 1, 1, 1}, CHUNK},
        {{1, 1, 1, 1}, 0, 4, {1, 0, 0, 1}, CHUNK},
        {{5}, .5, 1, {1}, CHUNK},
    };
    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        int32_t bits[6], order[12];
        uint8_t room[6];
        int64_t n = table[t].n, at = 0;
        for (int64_t i = 0; i < n; i++)
            bits[i] = sb_bf16_from_f32((float)table[t].a[i]);
        int64_t kept = sbi_xattention_select(bits, n, table[t].tau,
                                             (sbi_xattention_rule)table[t].rule, order, room, bits);
        for (int64_t i = 0; i < n; i++)
            if (table[t].keep[i])
                ck_assert_msg(at < kept && bits[at++] == i, "row %zu block %lld", t, (long long)i);
        ck_assert_int_eq(at, kept);
    }
}
END_TEST

/* Many blocks, few distinct scores: against the judge, which knows no sorting. */
START_TEST(choice_matches_judge)
{
    sb_rng r = {(uint64_t)_i + 1};
    for (int64_t n = 1; n <= 300; n += 1 + n / 7) {
        int32_t bits[300], order[600], ids[300];
        uint8_t room[300];
        double  a[300], tau = sb_rng_uniform(&r);
        int     keep[300];
        int64_t at = 0;
        for (int64_t i = 0; i < n; i++) {
            bits[i] = sb_bf16_from_f32(
                ldexpf((float)sb_rng_below(&r, 9), -(int)sb_rng_below(&r, _i % 2 ? 3 : 20)));
            a[i] = (double)sb_bf16_to_f32((sb_bf16)bits[i]);
        }
        sbi_xattention_rule rule =
            _i < 6 ? SBI_XATTENTION_RULE_PUBLISHED : SBI_XATTENTION_RULE_FIRST_CHUNK;
        if (rule == SBI_XATTENTION_RULE_PUBLISHED)
            xjudge_select(a, n, tau, keep);
        else
            xjudge_select_first_chunk(a, n, tau, keep);
        int64_t kept = sbi_xattention_select(bits, n, tau, rule, order, room, ids);
        for (int64_t i = 0; i < n; i++)
            if (keep[i])
                ck_assert_msg(at < kept && ids[at++] == i, "n %lld block %lld", (long long)n,
                              (long long)i);
        ck_assert_int_eq(at, kept);
    }
}
END_TEST

/* 5: up to two blocks dense is asked for, and reported; decode as well [6]. */
START_TEST(short_and_decode_are_dense)
{
    for (int64_t n = 63; n <= 65; n++) {
        sb_case *c = sb_case_random((sb_case_shape){n, n, 2, 1, 32}, 3);
        attend(c, "dense", "");
        float *o = copy_of(c->o.data, 2 * n * 32, sizeof *o);
        attend(c, "xattention", "block_tokens: 32, tau: 0");
        ck_assert_int_eq(c->plan.fallback, n <= 64);
        ck_assert_int_eq(memcmp(c->o.data, o, (size_t)(2 * n * 32) * sizeof *o) == 0, n <= 64);
        free(o);
        sb_case_destroy(c);
    }
    sb_case *c = sb_case_random((sb_case_shape){1, 700, 2, 1, 32}, 4);
    attend(c, "dense", "");
    float *o     = copy_of(c->o.data, 2 * 32, sizeof *o);
    c->is_decode = 1;
    attend(c, "xattention", "block_tokens: 32, tau: 0");
    ck_assert_mem_eq(c->o.data, o, 2 * 32 * sizeof *o);
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* [sharding 1.1]: the list of a row block knows neither ranks nor threads. Zigzag and contiguous
 * shards; the bits of o follow. */
START_TEST(same_lists_for_every_rank_count)
{
    enum { N = 1003, B = 32, H = 6 };
    static const char params[] = "block_tokens: 32, stride_tokens: 8, tau: 0.7";
    sb_case          *c        = sb_case_random((sb_case_shape){N, N, H, 2, 32}, 21);
    c->threads                 = 1;
    attend(c, "xattention", params);
    int64_t rows = c->plan.n_rows, *ptr = copy_of(c->plan.tiles.row_ptr, H * rows + 1, sizeof *ptr);
    int32_t *ids = copy_of(c->plan.tiles.id, ptr[H * rows], sizeof *ids);
    float   *o   = copy_of(c->o.data, (int64_t)H * N * 32, sizeof *o);
    c->threads   = 3;
    attend(c, "xattention", params);
    ck_same_index(&c->plan, ptr, ids);
    for (int64_t ranks = 2; ranks <= 4; ranks++)
        for (int64_t rank = 0; rank < ranks; rank++) {
            sb_run    run[2];
            sb_gid    g = sb_case_zigzag(run, 0, N, B, rank, ranks);
            sb_tensor q = sb_case_take(&c->q, 0, &g);
            ck_assert_int_eq(sb_case_attend_on(c, &sb_xattention, params, SB_F32, &q, NULL, NULL),
                             SB_OK);
            for (int64_t h = 0; h < H; h++)
                for (int64_t i = 0; i < c->plan.n_rows; i++) {
                    const int32_t *got;
                    int64_t        n = list_of(&c->plan, h, i, &got);
                    const int64_t *w = ptr + h * rows + c->plan.row_id[i];
                    ck_assert_int_eq(n, w[1] - w[0]);
                    ck_assert_mem_eq(got, ids + w[0], (size_t)n * sizeof *ids);
                }
            for (int64_t h = 0; h < H; h++)
                for (int64_t i = 0; i < g.n_tokens; i++)
                    ck_assert_mem_eq(sb_tensor_f32(&c->o, h, i),
                                     o + (h * N + judge_gid(&g, i)) * 32, 32 * sizeof *o);
            free(q.data);
        }
    free(ptr);
    free(ids);
    free(o);
    sb_case_destroy(c);
}
END_TEST

/* A block that two runs cut has one list; both parts stand at their places. */
START_TEST(cut_blocks_keep_their_places)
{
    static const char params[] = "block_tokens: 32, stride_tokens: 8, tau: 0.7";
    static const int  blocks[] = {3, 6, 7, 8, 9};
    const xjudge_rule r        = {32, 8, 1, 0};
    sb_case          *c        = sb_case_random((sb_case_shape){300, 300, 2, 1, 16}, 22);
    sb_run            run[]    = {{100, 6}, {110, 15}, {200, 100}};
    sb_gid            g        = {run, 3, 121};
    sb_tensor         q        = sb_case_take(&c->q, 0, &g);
    ck_assert_int_eq(sb_case_attend_on(c, &sb_xattention, params, SB_F32, &q, NULL, NULL), SB_OK);
    ck_assert_int_eq(c->plan.n_rows, 5);
    for (int64_t h = 0; h < 2; h++)
        for (int64_t row = 0; row < 5; row++) {
            double  a[10], rounded[10];
            int     keep[10], want[10];
            int64_t own = c->plan.row_id[row];
            ck_assert_int_eq(own, blocks[row]);
            xjudge_scores(&q, &c->k, &r, h, own, a);
            for (int64_t j = 0; j <= own; j++)
                rounded[j] = (double)sb_bf16_round((float)a[j]);
            flags_of(&c->plan, h, row, keep);
            xjudge_select(rounded, own + 1, 0.7, want);
            ck_assert_mem_eq(keep, want, (size_t)(own + 1) * sizeof *keep);
        }
    free(q.data);
    sb_case_destroy(c);
}
END_TEST

/* The product's variants give one set of bits, ragged row counts and all. */
START_TEST(selection_ignores_the_cpu)
{
    static const char *const params[] = {"block_tokens: 32, stride_tokens: 8, tau: 0.7",
                                         "block_tokens: 16, stride_tokens: 16, tau: 0.7",
                                         "block_tokens: 36, stride_tokens: 4, tau: 0.7"};
    sb_case                 *c        = sb_case_random((sb_case_shape){700, 700, 6, 2, 48}, 23);
    double                  *wide     = scores_of(c, params[_i]);
    ck_assert_int_eq(setenv("SPAN_CPU_KERNEL", "generic", 1), 0);
    double *plain = scores_of(c, params[_i]);
    unsetenv("SPAN_CPU_KERNEL");
    attend(c, "xattention", params[_i]);
    ck_assert_mem_eq(wide, plain, (size_t)(6 * c->plan.n_rows * MAX_BLOCKS) * sizeof *wide);
    free(wide);
    free(plain);
    sb_case_destroy(c);
}
END_TEST

static double block_density(const sb_case *c)
{
    int64_t rows = c->plan.n_rows, heads = c->plan.tiles.n_heads;
    return (double)c->plan.tiles.row_ptr[heads * rows] /
           ((double)heads * (double)rows * (double)(rows + 1) / 2);
}

/* N(0, 1) says nothing, so about tau of the blocks are needed; where blocks have topics, few. */
START_TEST(density_follows_the_data)
{
    enum { N = 4096, D = 64, TOPICS = 8 };
    sb_case *c = sb_case_random((sb_case_shape){N, N, 2, 1, D}, 1);
    for (int64_t i = 0; i < 2 * N * D; i++)
        ((sb_bf16 *)c->q.data)[i] = sb_bf16_from_f32((float)normal((uint64_t)i));
    for (int64_t i = 0; i < N * D; i++)
        ((sb_bf16 *)c->k.data)[i] = sb_bf16_from_f32((float)normal((uint64_t)i + (1u << 24)));
    attend(c, "xattention", "");
    double random = block_density(c);
    ck_assert_msg(random >= 0.8 && random <= 0.98, "density %g on random data", random);
    sb_index_stats s;
    ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, 0, &s), SB_OK);
    ck_assert_double_ge((double)s.rho_num / (double)s.rho_den, 0.8);

    for (int64_t i = 0; i < N; i++)
        for (int64_t x = 0; x < D; x++) {
            double kt = i / 128 % TOPICS == x % TOPICS ? 4.0 : 0.0;
            double qt = i / 128 * 5 % TOPICS == x % TOPICS ? 4.0 : 0.0;
            for (int64_t h = 0; h < 2; h++)
                sb_tensor_bf16(&c->q, h, i)[x] = sb_bf16_from_f32(
                    (float)(qt + 0.3 * normal((uint64_t)((h * N + i) * D + x) + 99)));
            sb_tensor_bf16(&c->k, 0, i)[x] =
                sb_bf16_from_f32((float)(kt + 0.3 * normal((uint64_t)(i * D + x) + (1u << 25))));
        }
    attend(c, "xattention", "");
    double topics = block_density(c);
    ck_assert_msg(topics < 0.35, "density %g on blocks with topics", topics);
    for (int64_t row = TOPICS; row < c->plan.n_rows; row++) {
        int keep[N / 128], right = 0, wrong = 0;
        flags_of(&c->plan, 0, row, keep);
        for (int64_t j = 1; j < row; j++)
            if (keep[j])
                (*(j % TOPICS == row * 5 % TOPICS ? &right : &wrong))++;
        ck_assert_int_eq(wrong, 0);
        ck_assert(right > 0 || row * 5 % TOPICS == 0 || row * 5 % TOPICS == row % TOPICS);
    }
    printf("test_xattention: block density %.4f random, %.4f topics\n", random, topics);
    sb_case_destroy(c);
}
END_TEST

START_TEST(bad_calls_are_refused_with_the_reason)
{
    sb_case *c = sb_case_random((sb_case_shape){300, 300, 2, 1, 32}, 1);
    ck_assert_int_eq(
        sb_case_attend(c, &sb_xattention, "block_tokens: 100, stride_tokens: 16", SB_F32),
        SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "found 16, allowed a divisor of block_tokens"));
    ck_assert_int_eq(
        sb_case_attend(c, &sb_xattention, "block_tokens: 8, stride_tokens: 16", SB_F32),
        SB_ERR_UNSUPPORTED);
    attend(c, "xattention", "block_tokens: 32");
    sb_ctx    ctx = {.backend = &sb_backend_cpu, .arena = &c->arena, .threads = 1};
    sb_tensor k   = c->k;
    k.tokens      = 299;
    ck_assert_int_eq(
        sb_xattention.plan[SB_CPU](&ctx, c->params, &c->seen, &c->q, &k, NULL, &c->plan),
        SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "299 keys, it needs all 300"));
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("xattention");
    TCase *t = tcase_create("properties");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, defaults_are_the_designs);
    tcase_add_test(t, worked_example);
    tcase_add_loop_test(t, selection_matches_judge, 0, N_JUDGED);
    tcase_add_test(t, stride_one_is_the_exact_mass);
    tcase_add_test(t, wide_logits_stay_finite);
    tcase_add_test(t, ends_of_tau);
    tcase_add_test(t, monotone_in_tau);
    tcase_add_test(t, scaling_q_scales_logits);
    tcase_add_test(t, reversed_groups_select_the_same);
    tcase_add_test(t, official_rounds_raw);
    tcase_add_test(t, official_keeps_a_block_more_in_the_first_chunk);
    tcase_add_test(t, choice_by_hand);
    tcase_add_loop_test(t, choice_matches_judge, 0, 12);
    tcase_add_test(t, short_and_decode_are_dense);
    tcase_add_test(t, same_lists_for_every_rank_count);
    tcase_add_test(t, cut_blocks_keep_their_places);
    tcase_add_loop_test(t, selection_ignores_the_cpu, 0, 3);
    tcase_add_test(t, density_follows_the_data);
    tcase_add_test(t, bad_calls_are_refused_with_the_reason);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
