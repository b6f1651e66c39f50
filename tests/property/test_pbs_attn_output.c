/* pbs_attn 10: attention over permuted blocks, what is counted of them, and what sorting is for.
 * What an index of slots means to executors: test_slots.c. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/index_stats.h"
#include "kernels/pbs_attn/room.h"
#include "tests/property/pbs_case.h"
#include "tests/tolerance.h"

static double o_nmse(const sb_case *c, const float *want, int64_t n)
{
    double num = 0, den = 0;
    for (int64_t i = 0; i < n; i++) {
        double e = (double)((const float *)c->o.data)[i] - (double)want[i];
        num += e * e;
        den += (double)want[i] * (double)want[i];
    }
    return num / den;
}

/* 10, first line: tau = 1 is dense for any N, S, B, whatever the order of the keys. */
START_TEST(all_blocks_are_dense)
{
    static const int64_t     lengths[] = {1, 31, 63, 64, 65, 96, 97, 127, 129, 200, 257, 300};
    static const char *const params[]  = {
         "block_tokens: 16, segment_tokens: 32, tau: 1",
         "block_tokens: 32, segment_tokens: 32, tau: 1.0, selector: antidiagonal",
         "block_tokens: 64, segment_tokens: 128, tau: 1, perm_share: group",
         "block_tokens: 5, segment_tokens: 35, tau: 1, compat: official"};
    static const int64_t segment[] = {32, 32, 128, 35};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        int64_t  n = lengths[i];
        sb_case *c = pcase_quick((sb_case_shape){n, n, 4, 2, 32}, 2 + i);
        pcase_attend(c, "dense", "");
        float *o   = pcase_copy(c->o.data, 4 * n * 32, sizeof *o);
        float *lse = pcase_copy(c->lse, 4 * n, sizeof *lse);
        for (int s = 0; s < 4; s++) {
            sb_index_stats stats;
            pcase_attend(c, "pbs_attn", params[s]);
            ck_assert_int_eq(c->plan.fallback, n <= segment[s]);
            ck_assert_double_le(o_nmse(c, o, 4 * n * 32), SB_NMSE_F32);
            for (int64_t r = 0; r < 4 * n; r++)
                ck_assert_double_le(fabs((double)c->lse[r] - (double)lse[r]), SB_LSE_ABS);
            ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, 3, &stats), SB_OK);
            ck_assert_int_eq(stats.rho_num, stats.rho_den);
        }
        free(o);
        free(lse);
        sb_case_destroy(c);
    }
}
END_TEST

/* What a query of one head sees. */
typedef struct mask {
    int64_t block, segment;
    int64_t slot_of[MAX_N];              /* of a token */
    int     keep[MAX_N / 8][MAX_BLOCKS]; /* [row block][block] */
} mask;

static void mask_of(const sb_case *c, int64_t head, const pjudge_rule *r, mask *m)
{
    int64_t pi[MAX_N];
    m->block   = r->block;
    m->segment = r->segment;
    pcase_order(&c->plan, head, pi);
    for (int64_t s = 0; s < c->shape.n_k; s++)
        m->slot_of[pi[s]] = s;
    for (int64_t a = 0; a < c->plan.n_rows; a++)
        pcase_flags(&c->plan, head, a, m->keep[a]);
}

static int see_mask(int64_t q, int64_t k, const void *rule)
{
    const mask *m = rule;
    return k <= q && m->keep[q / m->block][m->slot_of[k] / m->block];
}

/* One softmax over the keys of the kept blocks; the causal test reads tokens, not slots. Pairs are
 * counted likewise, and work as quality_metrics B1 wants it. */
START_TEST(output_and_counts_follow_the_mask)
{
    static mask        m;
    const pjudge_rule *r     = &pcase_table[_i].rule;
    sb_case           *c     = pcase_quick(pcase_table[_i].shape, 31 + (uint64_t)_i);
    int64_t            n     = c->shape.n_k;
    double             worst = 0, num = 0, den = 0;
    pcase_attend(c, "pbs_attn", pcase_table[_i].params);
    for (int64_t h = 0; h < c->shape.heads; h++) {
        sb_index_stats s;
        int64_t        pairs = 0;
        mask_of(c, h, r, &m);
        for (int64_t q = 0; q < n; q++)
            for (int64_t k = 0; k <= q; k++)
                pairs += see_mask(q, k, &m);
        ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, h, &s), SB_OK);
        ck_assert_int_eq(s.rho_num, pairs);
        ck_assert_int_eq(s.rho_den, n * (n + 1) / 2);
        for (int64_t q = h; q < n; q += 3) {
            double o[256], lse;
            judge_row(&c->q, &c->k, &c->v, c->scale, see_mask, &m, h, q, o, &lse);
            worst = fmax(worst, fabs((double)c->lse[h * n + q] - lse));
            for (int64_t x = 0; x < c->shape.dim; x++) {
                double e = (double)sb_tensor_f32(&c->o, h, q)[x] - o[x];
                num += e * e;
                den += o[x] * o[x];
            }
        }
    }
    ck_assert_msg(num / den <= SB_NMSE_F32 && worst <= SB_LSE_ABS, "nmse %g, lse %g", num / den,
                  worst);
    sb_case_destroy(c);
}
END_TEST

/* [quality_metrics B1, D]: own segments give S(S+1)/2 pairs and S^2 lanes each, other blocks rows *
 * columns of both. */
START_TEST(density_counts_blocks_and_own_segments)
{
    enum { N = 1100, B = 64, S = 128, H = 2, TAIL = N % S, LAST = N % B };
    sb_case *c = sb_case_random((sb_case_shape){N, N, H, 1, 32}, 5);
    pcase_attend(c, "pbs_attn", "block_tokens: 64, segment_tokens: 128, tau: 0.4");
    for (int64_t h = 0; h < H; h++) {
        sb_index_stats s;
        int64_t        pairs = N / S * (S * (S + 1) / 2) + TAIL * (TAIL + 1) / 2;
        int64_t        lanes = N / S * S * S;
        for (int64_t a = 0; a < c->plan.n_rows; a++) {
            int     keep[MAX_BLOCKS];
            int64_t other = 0;
            pcase_flags(&c->plan, h, a, keep);
            for (int64_t b = 0; b < a / 2 * 2; b++)
                other += keep[b] * B;
            pairs += other * (a < N / B ? B : LAST);
            /* the tail's own keys are padded to 64 lanes, its rows to 64 */
            lanes += B * (a * B < N / S * S ? other : (other + TAIL + 63) / 64 * 64);
        }
        ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, h, &s), SB_OK);
        ck_assert_int_eq(s.rho_num, pairs);
        ck_assert_int_eq(s.tile_lanes, lanes);
    }
    sb_case_destroy(c);
}
END_TEST

/* 10: keeping more never loses a block or a key; support is a part of what dense sees. */
START_TEST(monotone_in_tau)
{
    enum { H = 2, N = 512, B = 16, ROWS = N / B };
    static const char *const forms[] = {"", ", selector: antidiagonal, stride_tokens: 4"};
    static int               before[H][ROWS][MAX_BLOCKS], keep[MAX_BLOCKS];
    sb_case                 *c    = pcase_quick((sb_case_shape){N, N, H, 1, 32}, 8);
    int64_t                  last = 0;
    float                    recall[H * N], dense[H * N];
    pcase_attend(c, "dense", "");
    memcpy(dense, c->lse, sizeof dense);
    memset(before, 0, sizeof before);
    memset(recall, 0, sizeof recall);
    for (int step = 1; step <= 12; step++) {
        char params[128];
        (void)snprintf(params, sizeof params, "block_tokens: 16, segment_tokens: 64, tau: %g%s",
                       step / 12.0, forms[_i]);
        pcase_attend(c, "pbs_attn", params);
        for (int h = 0; h < H; h++)
            for (int row = 0; row < ROWS; row++) {
                pcase_flags(&c->plan, h, row, keep);
                for (int j = 0; j < ROWS; j++)
                    if (before[h][row][j] > keep[j])
                        ck_abort_msg("block %d lost at tau %g", j, step / 12.0);
                memcpy(before[h][row], keep, sizeof keep);
            }
        for (int i = 0; i < H * N; i++) {
            float now = c->lse[i] - dense[i];
            ck_assert_double_le((double)now, SB_LSE_ABS);
            now = expf(now);
            ck_assert_double_ge((double)now, (double)recall[i] - SB_LSE_ABS);
            recall[i] = now;
        }
        int64_t n = c->plan.tiles.row_ptr[H * ROWS];
        ck_assert_int_ge(n, last);
        last = n;
    }
    ck_assert_int_eq(last, H * ROWS * (ROWS + 4) / 2);
    sb_case_destroy(c);
}
END_TEST

/* 10: with S = B sorting moves no key to another block: pooled keys, scores and the mask are those
 * of keys in their places, to the bit, and O what plain blocks give. */
START_TEST(one_block_segments_ignore_the_order)
{
    enum { N = 400, B = 32, D = 16 };
    const pjudge_rule r = {B, B, .6, 0, 0, 0, 0, 0, 0};
    static mask       m;
    sb_case          *c = sb_case_random((sb_case_shape){N, N, 1, 1, D}, 17);
    int64_t           pi[MAX_N], moved = 0;
    pcase_attend(c, "pbs_attn", "block_tokens: 32, segment_tokens: 32, tau: 0.6");
    const sbi_pbs_room *room = c->plan.method_data;
    pcase_order(&c->plan, 0, pi);
    for (int64_t s = 0; s < N; s++)
        moved += pi[s] != s;
    ck_assert_int_gt(moved, N / 2);
    for (int64_t b = 0; b < N / B; b++)
        for (int64_t x = 0; x < D; x++) {
            float sum = 0;
            for (int64_t i = b * B; i < (b + 1) * B; i++)
                sum += sb_bf16_to_f32(sb_tensor_bf16(&c->k, 0, i)[x]);
            ck_assert(room->k_pool[(b / 8 * D + x) * 8 + b % 8] == sum / B);
        }
    for (int64_t s = 0; s < N; s++)
        pi[s] = s;
    for (int64_t a = 0; a < c->plan.n_rows; a++) {
        double exact[MAX_BLOCKS], got[MAX_BLOCKS];
        for (int64_t b = pjudge_scores(&c->q, &c->k, &r, pi, 0, a, exact); b-- > 0;) {
            pcase_scores(c, 0, a, got);
            ck_assert_double_le(fabs(got[b] - exact[b]), 2e-5 * exact[b] + 1e-30);
        }
        pcase_flags(&c->plan, 0, a, m.keep[a]);
    }
    m.block = B;
    for (int64_t s = 0; s < N; s++)
        m.slot_of[s] = s;
    sb_case_error e = sb_case_judge(c, &c->q, &c->k, &c->v, see_mask, &m, 3);
    ck_assert_msg(e.nmse <= SB_NMSE_F32 && e.lse_abs <= SB_LSE_ABS, "nmse %g, lse %g", e.nmse,
                  e.lse_abs);
    sb_case_destroy(c);
}
END_TEST

/* perm_share: heads of a KV head have one order, other KV heads another; selections stay their own.
 */
START_TEST(a_group_shares_its_order)
{
    enum { N = 400, H = 6 };
    sb_case *c    = sb_case_random((sb_case_shape){N, N, H, 2, 32}, 19);
    int      same = 1;
    pcase_attend(c, "pbs_attn",
                 "block_tokens: 16, segment_tokens: 32, tau: 0.5, perm_share: group");
    for (int64_t h = 0; h < H; h++) {
        int64_t pi[MAX_N], first[MAX_N];
        int     keep[MAX_BLOCKS], other[MAX_BLOCKS];
        pcase_order(&c->plan, h, pi);
        pcase_order(&c->plan, h / 3 * 3, first);
        ck_assert_mem_eq(pi, first, N * sizeof *pi);
        pcase_order(&c->plan, 0, first);
        ck_assert_int_eq(memcmp(pi, first, N * sizeof *pi) == 0, h < 3);
        pcase_flags(&c->plan, h, 20, keep);
        pcase_flags(&c->plan, (h + 1) % 3, 20, other);
        same &= memcmp(keep, other, sizeof keep) == 0;
    }
    ck_assert(!same);
    pcase_attend(c, "pbs_attn", "block_tokens: 16, segment_tokens: 32, tau: 0.5");
    int64_t a[MAX_N], b[MAX_N];
    pcase_order(&c->plan, 0, a);
    pcase_order(&c->plan, 1, b);
    ck_assert(memcmp(a, b, N * sizeof *a) != 0);
    sb_case_destroy(c);
}
END_TEST

/* 3, step 0, and 6: one segment is dense and says so; decode as well. */
START_TEST(short_and_decode_are_dense)
{
    for (int64_t n = 63; n <= 65; n++) {
        sb_case *c = sb_case_random((sb_case_shape){n, n, 2, 1, 32}, 3);
        pcase_attend(c, "dense", "");
        float *o = pcase_copy(c->o.data, 2 * n * 32, sizeof *o);
        pcase_attend(c, "pbs_attn", "block_tokens: 16, segment_tokens: 64, tau: 0.1");
        ck_assert_int_eq(c->plan.fallback, n <= 64);
        ck_assert_int_eq(c->plan.slots.n_heads, n <= 64 ? 0 : 2);
        ck_assert_int_eq(memcmp(c->o.data, o, (size_t)(2 * n * 32) * sizeof *o) == 0, n <= 64);
        ck_assert_int_eq(sb_pbs_attn_counts_of(&c->plan).unreached_rows, 0);
        free(o);
        sb_case_destroy(c);
    }
    sb_case *c = sb_case_random((sb_case_shape){1, 700, 2, 1, 32}, 4);
    pcase_attend(c, "dense", "");
    float *o     = pcase_copy(c->o.data, 2 * 32, sizeof *o);
    c->is_decode = 1;
    pcase_attend(c, "pbs_attn", "block_tokens: 16, segment_tokens: 32, tau: 0.1");
    ck_assert_mem_eq(c->o.data, o, 2 * 32 * sizeof *o);
    free(o);
    sb_case_destroy(c);
}
END_TEST

static double normal(uint64_t key)
{
    double sum = 0; /* Irwin-Hall: variance 1 */
    for (uint64_t i = 0; i < 12; i++)
        sum += (double)(sb_mix(key * 12 + i) >> 11) * 0x1p-53;
    return sum - 6;
}

static double density(const sb_case *c)
{
    int64_t rows = c->plan.n_rows, heads = c->plan.tiles.n_heads, blocks = 0;
    for (int64_t h = 0; h < heads; h++)
        for (int64_t a = 0; a < rows; a++)
            blocks += c->plan.tiles.row_ptr[h * rows + a + 1] - c->plan.tiles.row_ptr[h * rows + a];
    return (double)blocks / ((double)heads * (double)rows * (double)(rows + 1) / 2);
}

/* Each segment of 256 has 32 keys that every query looks for, scattered: in their places they weigh
 * on all its blocks of 32; sorted they fill one, so far fewer blocks hold as much. */
START_TEST(sorting_gathers_what_matters)
{
    enum { N = 4096, D = 64 };
    sb_case *c = sb_case_random((sb_case_shape){N, N, 2, 1, D}, 1);
    for (int64_t i = 0; i < N; i++)
        for (int64_t x = 0; x < D; x++) {
            double heavy = sb_mix((uint64_t)i) % 8 == 0 && x < 8 ? 4.0 : 0.0;
            for (int64_t h = 0; h < 2; h++)
                sb_tensor_bf16(&c->q, h, i)[x] =
                    sb_bf16_from_f32((float)((x < 8 ? 2.0 : 0.0) +
                                             0.3 * normal((uint64_t)((h * N + i) * D + x) + 99)));
            sb_tensor_bf16(&c->k, 0, i)[x] =
                sb_bf16_from_f32((float)(heavy + 0.3 * normal((uint64_t)(i * D + x) + (1u << 25))));
        }
    pcase_attend(c, "pbs_attn", "block_tokens: 32, segment_tokens: 32, tau: 0.9");
    double plain = density(c);
    pcase_attend(c, "pbs_attn", "block_tokens: 32, segment_tokens: 256, tau: 0.9");
    double sorted = density(c);
    ck_assert_msg(plain > 0.5 && sorted < 0.5 * plain, "density %g, sorted %g", plain, sorted);
    sb_index_stats s;
    ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, 0, &s), SB_OK);
    printf("test_pbs_attn_output: block density %.4f in place, %.4f sorted (pairs %.4f)\n", plain,
           sorted, (double)s.rho_num / (double)s.rho_den);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pbs_attn output");
    TCase *t = tcase_create("properties");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, all_blocks_are_dense);
    tcase_add_loop_test(t, output_and_counts_follow_the_mask, 0, PCASE_JUDGED);
    tcase_add_test(t, density_counts_blocks_and_own_segments);
    tcase_add_loop_test(t, monotone_in_tau, 0, 2);
    tcase_add_test(t, one_block_segments_ignore_the_order);
    tcase_add_test(t, a_group_shares_its_order);
    tcase_add_test(t, short_and_decode_are_dense);
    tcase_add_test(t, sorting_gathers_what_matters);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
