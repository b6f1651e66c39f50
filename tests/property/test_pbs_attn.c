/* pbs_attn 10: its worked example, and order and selection held against a second derivation in fp64
 * (pbs_judge.c). What attention makes of them: test_pbs_attn_output.c. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/index_stats.h"
#include "kernels/pbs_attn/plan_cpu.h"
#include "kernels/pbs_attn/select.h"
#include "tests/property/pbs_case.h"
#include "tests/tolerance.h"

/* Small integers: sums of products are exact in fp32 whatever their order. */
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
    sb_pbs_attn_params p;
    ck_assert_int_eq(sb_params_default(sb_pbs_attn.params, &p), SB_OK);
    ck_assert_int_eq(p.block_tokens, 128);
    ck_assert_int_eq(p.segment_tokens, 256);
    ck_assert(p.tau == 0.9);
    ck_assert(p.query_pool == SB_PBS_ATTN_POOL_MEAN && p.key_pool == SB_PBS_ATTN_POOL_MEAN);
    ck_assert(p.force_first_block == 1 && p.pool_div_valid == 0);
    ck_assert(p.perm_share == SB_PBS_ATTN_PERM_HEAD && p.selector == SB_PBS_ATTN_MEAN);
    ck_assert_int_eq(p.stride_tokens, 8);
    ck_assert_int_eq(p.compat, SB_PBS_ATTN_CLEAN);
    ck_assert_int_eq(sb_pbs_attn.quantum_tokens(&p), 256);
    ck_assert_int_eq(sb_pbs_attn.plan_keys, SB_PLAN_KEYS_ALL);
    ck_assert(!(sb_pbs_attn.caps & SB_CAP_DECODE));
    ck_assert_int_eq(sb_param_set(sb_params_find(sb_pbs_attn.params, "tau"), &p, "1"), SB_OK);
    ck_assert_int_eq(sb_param_set(sb_params_find(sb_pbs_attn.params, "tau"), &p, "1.0"), SB_OK);
    ck_assert(p.tau == 1.0);
    ck_assert_int_eq(sb_param_set(sb_params_find(sb_pbs_attn.params, "tau"), &p, "0"),
                     SB_ERR_USAGE);
}
END_TEST

/* ---- section 10, last lines; quality_metrics D ---- */

/* d = 1 stands in dimension 0 of 16; q = 4 makes up for 1/sqrt(16). */
static sb_case *example(void)
{
    static const int k[8] = {3, 0, 2, 1, 0, 0, 1, 0};
    sb_case         *c    = sb_case_random((sb_case_shape){8, 8, 1, 1, 16}, 1);
    memset(c->q.data, 0, 8 * 16 * sizeof(sb_bf16));
    memset(c->k.data, 0, 8 * 16 * sizeof(sb_bf16));
    memset(c->v.data, 0, 8 * 16 * sizeof(sb_bf16));
    for (int i = 0; i < 8; i++) {
        *sb_tensor_bf16(&c->q, 0, i) = sb_bf16_from_f32(4);
        *sb_tensor_bf16(&c->k, 0, i) = sb_bf16_from_f32((float)k[i]);
        *sb_tensor_bf16(&c->v, 0, i) = sb_bf16_from_f32((float)i);
    }
    return c;
}

#define EXAMPLE "block_tokens: 2, segment_tokens: 4"

START_TEST(worked_example)
{
    static const double s[8]       = {.5442, .0271, .2002, .0736, .0271, .0271, .0736, .0271};
    static const int    pi[8]      = {0, 2, 3, 1, 6, 4, 5, 7};
    static const double kbar[4]    = {2.5, .5, .5, 0};
    static const double a[2]       = {.8808, .1192};
    static const int    mask[4][4] = {{1, 1, 0, 0}, {1, 1, 0, 0}, {1, 0, 1, 1}, {1, 0, 1, 1}};
    static const double o[8]       = {0, .0474, .5541, .7673, .6595, .8067, 1.2452, 1.4186};
    static const double d[8]       = {0, .0474, .5541, .7673, .8677, .9922, 1.3712, 1.5237};
    sb_case            *c          = example();
    sb_index_stats      stats;
    float               lse[8];
    pcase_attend(c, "dense", "");
    for (int i = 0; i < 8; i++)
        ck_assert_double_le(fabs((double)sb_tensor_f32(&c->o, 0, i)[0] - d[i]), .5001e-4);
    memcpy(lse, c->lse, sizeof lse);
    for (int official = 0; official < 2; official++) {
        pcase_attend(c, "pbs_attn",
                     official ? EXAMPLE ", tau: 0.8, compat: official" : EXAMPLE ", tau: 0.8");
        const sbi_pbs_room *room = c->plan.method_data;
        int64_t             order[8];
        ck_assert_int_eq(c->plan.fallback, 0);
        pcase_order(&c->plan, 0, order);
        for (int i = 0; i < 8; i++) {
            ck_assert_double_le(fabs((double)room->score[i] - s[i]), .5001e-4);
            ck_assert_int_eq(order[i], pi[i]);
        }
        for (int b = 0; b < 4; b++) {
            int    keep[MAX_BLOCKS];
            double got[MAX_BLOCKS];
            ck_assert_double_eq((double)room->k_pool[b], kbar[b]);
            pcase_flags(&c->plan, 0, b, keep);
            for (int j = 0; j < 4; j++)
                ck_assert_int_eq(keep[j], mask[b][j]);
            ck_assert_int_eq(pcase_scores(c, 0, b, got), b < 2 ? 0 : 2);
            for (int j = 0; j < 2 && b >= 2; j++)
                ck_assert_double_le(fabs(got[j] - a[j]), .5001e-4);
        }
        for (int i = 0; i < 8; i++)
            ck_assert_double_le(fabs((double)sb_tensor_f32(&c->o, 0, i)[0] - o[i]), .5001e-4);
        for (int i = 0; i < 8; i++) {
            double recall = exp((double)c->lse[i] - (double)lse[i]);
            double want   = i < 4 ? 1 : i == 4 ? .8845 : i == 7 ? .8993 : recall;
            ck_assert_double_le(fabs(recall - want), .5001e-4);
        }
        ck_assert_int_eq(sb_index_stats_count(&c->plan, &c->seen, 0, &stats), SB_OK);
        ck_assert_int_eq(stats.rho_num, 28);
        ck_assert_int_eq(stats.rho_den, 36);
        ck_assert_int_eq(c->plan.tiles.row_ptr[4], 10); /* executed blocks */
    }
    pcase_attend(c, "pbs_attn", EXAMPLE ", tau: 0.9");
    ck_assert_int_eq(c->plan.tiles.row_ptr[4], 12);
    for (int i = 0; i < 8; i++)
        ck_assert_double_le(fabs((double)sb_tensor_f32(&c->o, 0, i)[0] - d[i]), .5001e-4);
    sb_case_destroy(c);
}
END_TEST

/* ---- order and selection, by the judge ---- */

/* 10: pi is a bijection of each segment with s falling along it, equal ones in token order, and the
 * identity of the tail. s is what the judge says. */
START_TEST(order_matches_judge)
{
    const pjudge_rule *r = &pcase_table[_i].rule;
    sb_case           *c = pcase_quick(pcase_table[_i].shape, 31 + (uint64_t)_i);
    int64_t            n = c->shape.n_k, sorted = pjudge_sorted(r, n), moved = 0;
    pcase_attend(c, "pbs_attn", pcase_table[_i].params);
    ck_assert_int_eq(c->plan.slots.n_heads, c->shape.heads);
    ck_assert_int_eq(c->plan.slots.segment_tokens, r->segment);
    const sbi_pbs_room *room = c->plan.method_data;
    for (int64_t h = 0; h < c->shape.heads; h++) {
        double       s[MAX_N];
        int64_t      pi[MAX_N], want[MAX_N];
        char         seen[MAX_N] = {0};
        const float *got         = room->score + h / room->perm_heads * sorted;
        pjudge_importance(&c->q, &c->k, r, h, s);
        pcase_order(&c->plan, h, pi);
        for (int64_t j = 0; j < sorted; j++)
            ck_assert_double_le(fabs((double)got[j] - s[j]), 1e-5 * s[j] + 1e-30);
        for (int64_t slot = 0; slot < n; slot++) {
            ck_assert_int_eq(pi[slot] / r->segment, slot / r->segment);
            ck_assert(!seen[pi[slot]]);
            seen[pi[slot]] = 1;
            if (slot >= sorted) {
                ck_assert_int_eq(pi[slot], slot);
                continue;
            }
            moved += pi[slot] != slot;
            if (slot % r->segment > 0) {
                float before = got[pi[slot - 1]], now = got[pi[slot]];
                ck_assert(before > now || (before == now && pi[slot - 1] < pi[slot]));
            }
        }
        for (int64_t j = 0; j < sorted; j++) /* of the method's own s: the same to the key */
            s[j] = (double)got[j];
        pjudge_order(s, r, n, want);
        ck_assert_mem_eq(pi, want, (size_t)n * sizeof *pi);
    }
    ck_assert_int_gt(moved, c->shape.heads * sorted / 2);
    sb_case_destroy(c);
}
END_TEST

/* A: what the judge makes of the same order. Choice: what steps 4 and 5 make of exactly these A,
 * and enough of the judge's mass. 10: own segment whole, nothing behind it, the block of key 0, and
 * no block beside them in the first segment. */
START_TEST(selection_matches_judge)
{
    const pjudge_rule *r  = &pcase_table[_i].rule;
    int64_t            nb = r->segment / r->block, dropped = 0, chosen = 0;
    sb_case           *c = pcase_quick(pcase_table[_i].shape, 31 + (uint64_t)_i);
    pcase_attend(c, "pbs_attn", pcase_table[_i].params);
    ck_assert_int_eq(c->plan.parts, SB_PART_TILES);
    ck_assert_int_eq(c->plan.row_tokens, r->block);
    int64_t n_blocks = (c->shape.n_k + r->block - 1) / r->block;
    ck_assert_int_eq(c->plan.n_rows, n_blocks);
    for (int64_t h = 0; h < c->shape.heads; h++) {
        int64_t pi[MAX_N], first = 0;
        pcase_order(&c->plan, h, pi);
        while (pi[first] != 0)
            first++;
        for (int64_t a = 0; a < n_blocks; a++) {
            double  got[MAX_BLOCKS], exact[MAX_BLOCKS], sum = 0, cum = 0, least = INFINITY;
            int     keep[MAX_BLOCKS], want[MAX_BLOCKS];
            int64_t n = pjudge_scores(&c->q, &c->k, r, pi, h, a, exact);
            ck_assert_int_eq(c->plan.row_id[a], a);
            ck_assert_int_eq(pcase_scores(c, h, a, got), n);
            pcase_flags(&c->plan, h, a, keep);
            ck_assert_int_eq(pjudge_select(got, n, r, want), 1);
            for (int64_t b = 0; b < n; b++) {
                ck_assert_double_le(fabs(got[b] - exact[b]), 2e-5 * exact[b] + 1e-30);
                sum += exact[b];
                cum += want[b] ? exact[b] : 0;
                least = want[b] ? fmin(least, exact[b]) : least;
                chosen += want[b];
                dropped += !want[b];
                want[b] |= b == first / r->block;
            }
            for (int64_t b = n; b < MAX_BLOCKS; b++)
                want[b] = b < n + nb && b < n_blocks;
            for (int64_t b = 0; b < MAX_BLOCKS; b++)
                if (keep[b] != want[b])
                    ck_abort_msg("head %lld row %lld block %lld: %d, wanted %d", (long long)h,
                                 (long long)a, (long long)b, keep[b], want[b]);
            if (n > 0) {
                ck_assert_double_ge(cum, r->tau * sum * (1 - 1e-6));
                ck_assert_double_le(cum - least, r->tau * sum * (1 + 1e-6));
            }
        }
    }
    ck_assert_msg(chosen > 30 && dropped > 50, "chosen %lld, dropped %lld", (long long)chosen,
                  (long long)dropped); /* else this says little */
    ck_assert_int_eq(sb_pbs_attn_counts_of(&c->plan).unreached_rows, 0);
    ck_assert_int_eq(sb_pbs_attn_counts_of(&c->plan).nan_scores, 0);
    sb_case_destroy(c);
}
END_TEST

/* force_first_block off: rows lose that block, and nothing else, where it was not chosen. */
START_TEST(first_block_is_forced_beside_the_budget)
{
    static const char off[] =
        "block_tokens: 16, segment_tokens: 64, tau: 0.3, force_first_block: off";
    static const char on[]   = "block_tokens: 16, segment_tokens: 64, tau: 0.3";
    sb_case          *c      = sb_case_random((sb_case_shape){600, 600, 2, 1, 32}, 41);
    int               forced = 0, chosen = 0;
    static int        keep[2][38][MAX_BLOCKS], with[MAX_BLOCKS];
    pcase_attend(c, "pbs_attn", off);
    for (int64_t h = 0; h < 2; h++)
        for (int64_t a = 0; a < 38; a++)
            pcase_flags(&c->plan, h, a, keep[h][a]);
    pcase_attend(c, "pbs_attn", on);
    for (int64_t h = 0; h < 2; h++) {
        int64_t pi[MAX_N], f = 0;
        pcase_order(&c->plan, h, pi);
        while (pi[f] != 0)
            f++;
        for (int64_t a = 0; a < 38; a++) {
            pcase_flags(&c->plan, h, a, with);
            ck_assert_int_eq(with[f / 16], 1);
            *(keep[h][a][f / 16] ? &chosen : &forced) += 1;
            with[f / 16] = keep[h][a][f / 16];
            ck_assert_mem_eq(with, keep[h][a], sizeof with);
        }
    }
    ck_assert(forced > 10 && chosen > 2);
    sb_case_destroy(c);
}
END_TEST

/* compat official: integers make its roundings the only ones, so the judge has every logit. */
START_TEST(official_rounds_where_the_code_does)
{
    static const char *const params[] = {
        "block_tokens: 32, segment_tokens: 64, tau: 0.7, compat: official",
        "block_tokens: 32, segment_tokens: 64, tau: 0.7, selector: antidiagonal, compat: official"};
    pjudge_rule r      = {32, 64, .7, 0, 0, 0, 0, _i == 0 ? 0 : 8, 1};
    sb_case    *c      = sb_case_random((sb_case_shape){512, 512, 2, 1, 64}, 12);
    int         differ = 0, moved = 0;
    fill_integers(c, 6);
    pcase_attend(c, "pbs_attn", params[_i]);
    const sbi_pbs_room *room = c->plan.method_data;
    for (int64_t h = 0; h < 2; h++) {
        double  s[512], clean[512];
        int64_t pi[512];
        pjudge_importance(&c->q, &c->k, &r, h, s);
        r.official = 0;
        pjudge_importance(&c->q, &c->k, &r, h, clean);
        r.official = 1;
        pcase_order(&c->plan, h, pi);
        for (int64_t j = 0; j < 512; j++) {
            ck_assert_double_le(fabs((double)room->score[h * 512 + j] - s[j]), 1e-5 * s[j] + 1e-30);
            moved += fabs(clean[j] - s[j]) > 1e-4 * s[j];
        }
        for (int64_t a = 0; a < 16; a++) {
            double  got[MAX_BLOCKS], exact[MAX_BLOCKS];
            int64_t n = pjudge_scores(&c->q, &c->k, &r, pi, h, a, exact);
            ck_assert_int_eq(pcase_scores(c, h, a, got), n);
            for (int64_t b = 0; b < n; b++)
                ck_assert_double_le(fabs(got[b] - exact[b]), 2e-5 * exact[b] + 1e-30);
            r.official = 0;
            pjudge_scores(&c->q, &c->k, &r, pi, h, a, exact);
            r.official = 1;
            for (int64_t b = 0; b < n; b++)
                differ += fabs(got[b] - exact[b]) > 1e-4 * exact[b];
        }
    }
    ck_assert_int_gt(moved, 100);
    ck_assert_int_gt(differ, 20);
    sb_case_destroy(c);
}
END_TEST

/* Logits far apart: nothing overflows, no key gets a weight that is no number. */
START_TEST(wide_logits_stay_finite)
{
    const pjudge_rule r = {16, 32, .7, 0, 0, 0, 0, 0, 0};
    sb_case          *c = sb_case_random((sb_case_shape){200, 200, 1, 1, 16}, 6);
    for (int64_t i = 0; i < 200 * 16; i++)
        ((sb_bf16 *)c->q.data)[i] =
            sb_bf16_from_f32(64 * sb_bf16_to_f32(((sb_bf16 *)c->q.data)[i]));
    pcase_attend(c, "pbs_attn", "block_tokens: 16, segment_tokens: 32, tau: 0.7");
    const sbi_pbs_room *room = c->plan.method_data;
    double              s[200];
    pjudge_importance(&c->q, &c->k, &r, 0, s);
    for (int64_t j = 0; j < 192; j++) /* a logit near 1000 is off by 1e-4 in fp32 */
        ck_assert_double_le(fabs((double)room->score[j] - s[j]), 1e-3 * s[j] + 1e-9);
    ck_assert_int_eq(sb_pbs_attn_counts_of(&c->plan).nan_scores, 0);
    sb_case_destroy(c);
}
END_TEST

/* ---- the choice alone ---- */

/* Step 4: the crossing block is in, equal scores go by id; forced and own blocks do not count. */
START_TEST(choice_by_hand)
{
    static const struct {
        double       a[5], tau;
        sbi_pbs_mass mass;
        int          official, n, forced, unreached, keep[5];
    } table[] = {
        {{.5, .25, .25}, .5, SBI_PBS_MASS_ONE, 0, 3, -1, 0, {1, 0, 0}},  /* reached exactly */
        {{.5, .25, .25}, .51, SBI_PBS_MASS_ONE, 0, 3, -1, 0, {1, 1, 0}}, /* lower id first */
        {{.25, .25, .5}, .5, SBI_PBS_MASS_ONE, 0, 3, -1, 0, {0, 0, 1}},
        {{.25, .25, .5}, 1e-9, SBI_PBS_MASS_ONE, 0, 3, -1, 0, {0, 0, 1}}, /* never none */
        {{.25, .25, .5}, .5, SBI_PBS_MASS_ONE, 0, 3, 1, 0, {0, 1, 1}},    /* forced: no budget */
        {{.25, .25, .25}, .8, SBI_PBS_MASS_ONE, 0, 3, -1, 1, {1, 1, 1}},  /* never: the paper's */
        {{.25, .25, .25}, .8, SBI_PBS_MASS_ONE, 1, 3, 2, 1, {0, 0, 1}},   /* never: the code's */
        {{.25, .25, .25}, .75, SBI_PBS_MASS_ONE, 1, 3, -1, 0, {1, 1, 1}},
        {{.25, .25, .25}, 1, SBI_PBS_MASS_ONE, 0, 3, -1, 0, {1, 1, 1}}, /* 1 is no sum */
        {{.25, .25, .25}, 1, SBI_PBS_MASS_ONE, 1, 3, -1, 0, {1, 1, 1}},
        {{2, 4, 2}, .5, SBI_PBS_MASS_TOTAL, 0, 3, -1, 0, {0, 1, 0}},
        {{2, 4, 2}, .51, SBI_PBS_MASS_TOTAL, 0, 3, -1, 0, {1, 1, 0}},
        {{2, 4, 2}, .51, SBI_PBS_MASS_TOTAL, 1, 3, -1, 0, {1, 1, 0}},
        {{0, 0, 0}, .5, SBI_PBS_MASS_TOTAL, 0, 3, -1, 1, {1, 1, 1}},
        {{0, 0, 0}, .5, SBI_PBS_MASS_TOTAL, 1, 3, -1, 1, {0, 0, 0}},
        {{NAN, .25, .75}, .5, SBI_PBS_MASS_ONE, 0, 3, -1, 0, {0, 0, 1}}, /* counts as 0 */
        {{NAN, .25, .75}, .9, SBI_PBS_MASS_ONE, 0, 3, -1, 0, {0, 1, 1}},
        {{0}, .5, SBI_PBS_MASS_ONE, 0, 0, 1, 0, {0}}, /* first segment: nothing to choose */
    };
    for (size_t t = 0; t < sizeof table / sizeof *table; t++) {
        int32_t      score[8], order[16];
        uint8_t      room[8];
        int          unreached;
        int64_t      nan_scores = 0, n = table[t].n, at = 0;
        sbi_pbs_rule rule = {table[t].tau, table[t].mass, table[t].official};
        sbi_pbs_row  row  = {n, n + 2, table[t].forced};
        for (int64_t i = 0; i < n; i++) {
            float x = (float)table[t].a[i];
            memcpy(score + i, &x, sizeof x);
        }
        int64_t kept =
            sbi_pbs_select(&rule, &row, score, order, room, score, &unreached, &nan_scores);
        for (int64_t i = 0; i < n + 2; i++)
            if (i >= n || table[t].keep[i])
                ck_assert_msg(at < kept && score[at++] == i, "row %zu block %lld", t, (long long)i);
        ck_assert_int_eq(at, kept);
        ck_assert_int_eq(unreached, table[t].unreached);
        ck_assert_int_eq(nan_scores, isnan(table[t].a[0]));
    }
}
END_TEST

/* Many blocks, few distinct scores: against the judge, which knows no sorting. */
START_TEST(choice_matches_judge)
{
    sb_rng rng = {(uint64_t)_i + 1};
    for (int64_t n = 1; n <= 300; n += 1 + n / 7) {
        int32_t     score[302], order[600];
        uint8_t     room[302];
        double      a[300];
        pjudge_rule r = {1, 1, sb_rng_uniform(&rng) * .99 + .005, 0, 0, 0, 0, _i % 2, 0};
        int         keep[300], unreached, sum = 0;
        int64_t     at = 0, bad = 0;
        for (int64_t i = 0; i < n; i++)
            sum += (int)(a[i] = (double)sb_rng_below(&rng, 9));
        for (int64_t i = 0; i < n; i++) {
            float x = (float)(a[i] = sum > 0 ? a[i] / sum : 0);
            a[i]    = (double)x;
            memcpy(score + i, &x, sizeof x);
        }
        sbi_pbs_rule rule = {r.tau, r.stride > 0 ? SBI_PBS_MASS_TOTAL : SBI_PBS_MASS_ONE, 0};
        sbi_pbs_row  row  = {n, n + 1, -1};
        int          ok   = pjudge_select(a, n, &r, keep);
        int64_t kept = sbi_pbs_select(&rule, &row, score, order, room, score, &unreached, &bad);
        if (sum > 0)
            ck_assert_int_eq(unreached, !ok);
        for (int64_t i = 0; i < n && sum > 0; i++)
            if (keep[i])
                ck_assert_msg(at < kept && score[at++] == i, "n %lld block %lld", (long long)n,
                              (long long)i);
        if (sum > 0)
            ck_assert_int_eq(at + 1, kept);
    }
}
END_TEST

/* Through the method: a tau that fp32 shares do not reach. */
START_TEST(unreachable_tau_is_counted)
{
    enum { N = 2000, B = 16, H = 2, ROWS = N / B };
    static const char clean[] = "block_tokens: 16, segment_tokens: 32, tau: 0.999999999999";
    static const char code[] =
        "block_tokens: 16, segment_tokens: 32, tau: 0.999999999999, compat: official";
    sb_case *c    = sb_case_random((sb_case_shape){N, N, H, 1, 16}, 9);
    int64_t  full = 0, bare = 0;
    int      keep[MAX_BLOCKS];
    pcase_attend(c, "pbs_attn", clean);
    int64_t missed = sb_pbs_attn_counts_of(&c->plan).unreached_rows;
    for (int64_t h = 0; h < H; h++)
        for (int64_t a = 2; a < ROWS; a++)
            full += pcase_flags(&c->plan, h, a, keep) == (a / 2 + 1) * 2 - (a == ROWS - 1);
    ck_assert(missed > 5 && missed <= full && full >= H * ROWS / 2);
    pcase_attend(c, "pbs_attn", code);
    missed = sb_pbs_attn_counts_of(&c->plan).unreached_rows;
    for (int64_t h = 0; h < H; h++)
        for (int64_t a = 4; a < ROWS; a++)
            bare += pcase_flags(&c->plan, h, a, keep) <= 3;
    ck_assert(missed > 5 && missed >= bare && bare > 5);
    sb_case_destroy(c);
}
END_TEST

/* 5: what is no number counts as 0, and is counted. */
START_TEST(nan_scores_are_counted)
{
    enum { N = 256, B = 16, H = 2 };
    static const char params[]      = "block_tokens: 16, segment_tokens: 32, tau: 0.6";
    sb_case          *c             = sb_case_random((sb_case_shape){N, N, H, 1, 16}, 9);
    sb_tensor_bf16(&c->k, 0, 70)[3] = 0x7fc0;
    pcase_attend(c, "pbs_attn", params);
    const sbi_pbs_room *room = c->plan.method_data;
    /* as many logits of the probe as it has rows, and the one block of each later row that key 70
     * is in */
    ck_assert_int_eq(sb_pbs_attn_counts_of(&c->plan).nan_scores, H * (B + N / B - 6));
    for (int64_t h = 0; h < H; h++) {
        int64_t pi[N];
        pcase_order(&c->plan, h, pi);
        ck_assert(room->score[h * N + 70] == 0 && pi[95] == 70);
        for (int64_t j = 0; j < N; j++)
            ck_assert(isfinite(room->score[h * N + j]));
    }
    sb_case_destroy(c);
}
END_TEST

/* ---- the same bits everywhere; ranks: tests/mpi ---- */

static const char *const same_params[] = {
    "block_tokens: 16, segment_tokens: 48, tau: 0.6",
    "block_tokens: 20, segment_tokens: 40, tau: 0.6, perm_share: group, compat: official",
    "block_tokens: 16, segment_tokens: 32, tau: 0.6, selector: antidiagonal",
    "block_tokens: 32, segment_tokens: 64, tau: 0.6, key_pool: max, query_pool: max"};

START_TEST(selection_ignores_cpu_and_threads)
{
    enum { N = 700, H = 6 };
    sb_case *c = sb_case_random((sb_case_shape){N, N, H, 2, 48}, 23);
    c->threads = 1;
    pcase_attend(c, "pbs_attn", same_params[_i]);
    int64_t   n   = H * c->plan.n_rows;
    int64_t  *ptr = pcase_copy(c->plan.tiles.row_ptr, n + 1, sizeof *ptr);
    int32_t  *ids = pcase_copy(c->plan.tiles.id, ptr[n], sizeof *ids);
    uint16_t *of  = pcase_copy(c->plan.slots.offset, H * N, sizeof *of);
    for (int other = 0; other < 2; other++) {
        c->threads = other == 0 ? 3 : 1;
        if (other == 1)
            ck_assert_int_eq(setenv("SPAN_CPU_KERNEL", "generic", 1), 0);
        pcase_attend(c, "pbs_attn", same_params[_i]);
        unsetenv("SPAN_CPU_KERNEL");
        ck_assert_mem_eq(c->plan.tiles.row_ptr, ptr, (size_t)(n + 1) * sizeof *ptr);
        ck_assert_mem_eq(c->plan.tiles.id, ids, (size_t)ptr[n] * sizeof *ids);
        ck_assert_mem_eq(c->plan.slots.offset, of, H * N * sizeof *of);
    }
    free(ptr);
    free(ids);
    free(of);
    sb_case_destroy(c);
}
END_TEST

static void ck_refused(sb_case *c, const char *params, sb_status st, const char *text)
{
    ck_assert_int_eq(sb_case_attend(c, &sb_pbs_attn, params, SB_F32), st);
    ck_assert_msg(strstr(sb_error_text(), text) != NULL, "%s", sb_error_text());
}

START_TEST(bad_calls_are_refused_with_the_reason)
{
    sb_case *c = sb_case_random((sb_case_shape){300, 300, 2, 1, 32}, 1);
    ck_refused(c, "block_tokens: 100, segment_tokens: 256", SB_ERR_UNSUPPORTED,
               "found 256, allowed a multiple of block_tokens");
    ck_refused(c, "block_tokens: 128, segment_tokens: 64", SB_ERR_UNSUPPORTED,
               "found 64, allowed a multiple of block_tokens");
    ck_refused(c, "block_tokens: 100, segment_tokens: 200, selector: antidiagonal",
               SB_ERR_UNSUPPORTED, "found 8, allowed a divisor of block_tokens");
    pcase_attend(c, "pbs_attn",
                 "block_tokens: 100, segment_tokens: 200"); /* 8 matters to + alone */
    sb_ctx    ctx = {.backend = &sb_backend_cpu, .arena = &c->arena, .threads = 1};
    sb_tensor k   = c->k;
    k.tokens      = 299;
    ck_assert_int_eq(sb_pbs_attn.plan[SB_CPU](&ctx, c->params, &c->seen, &c->q, &k, NULL, &c->plan),
                     SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "299 keys, it needs all 300"));
    c->seen.n_keys = INT64_C(1) << 24;
    ck_assert_int_eq(sb_pbs_attn.check(c->params, &c->seen), SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "allowed below 2^24"));
    sb_case_destroy(c);
    c = sb_case_random((sb_case_shape){37, 300, 2, 1, 32}, 1); /* chunked prefill [5] */
    ck_refused(c, "block_tokens: 16, segment_tokens: 32", SB_ERR_UNSUPPORTED,
               "found 37 queries over 300 keys, allowed as many queries as keys");
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("pbs_attn");
    TCase *t = tcase_create("properties");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, defaults_are_the_designs);
    tcase_add_test(t, worked_example);
    tcase_add_loop_test(t, order_matches_judge, 0, PCASE_JUDGED);
    tcase_add_loop_test(t, selection_matches_judge, 0, PCASE_JUDGED);
    tcase_add_test(t, first_block_is_forced_beside_the_budget);
    tcase_add_loop_test(t, official_rounds_where_the_code_does, 0, 2);
    tcase_add_test(t, wide_logits_stay_finite);
    tcase_add_test(t, choice_by_hand);
    tcase_add_loop_test(t, choice_matches_judge, 0, 6);
    tcase_add_test(t, unreachable_tau_is_counted);
    tcase_add_test(t, nan_scores_are_counted);
    tcase_add_loop_test(t, selection_ignores_cpu_and_threads, 0,
                        sizeof same_params / sizeof *same_params);
    tcase_add_test(t, bad_calls_are_refused_with_the_reason);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
