/* The suite `synthetic`: rows are their own, identity names them, wrong requests are refused. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "tests/unit/workloads/synthetic/operands.h"
#include "workloads/synthetic/synthetic.h"

static const struct {
    const char *name, *params;
} kinds[] = {{"random", ""},
             {"structured", ""},
             {"clustered", "clusters=5 run_tokens=7"},
             {"needle", "needles=3"}};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static const sb_draw small = {
    .heads = 6, .kv_heads = 2, .head_dim = 48, .length_tokens = 1100, .seed = 7};

static int same(const sb_tensor *a, int64_t at, const sb_tensor *b, int64_t bt, int64_t n)
{
    for (int64_t h = 0; h < a->heads; h++)
        if (memcmp(sb_tensor_bf16(a, h, at), sb_tensor_bf16(b, h, bt),
                   (size_t)(n * a->dim) * sizeof(sb_bf16)) != 0)
            return 0;
    return 1;
}

/* Any shard in pieces of any size gives the bits of the whole. */
START_TEST(a_row_does_not_depend_on_its_shard)
{
    sb_operands *o = operands_make(kinds[_i].name, kinds[_i].params, small);
    for (int p = 0; p < SB_OPERAND_COUNT; p++) {
        sb_tensor whole = operands_rows(o, (sb_operand)p, 0, 1100, 1100),
                  part  = operands_rows(o, (sb_operand)p, 0, 1100, 33),
                  late  = operands_rows(o, (sb_operand)p, 701, 77, 10);
        ck_assert(same(&whole, 0, &part, 0, 1100));
        ck_assert(same(&whole, 701, &late, 0, 77));
        int finite = 1; /* one check: each costs a system call */
        for (int64_t i = 0; i < whole.heads * whole.head_stride; i++)
            finite &= isfinite(sb_bf16_to_f32(((sb_bf16 *)whole.data)[i])) != 0;
        ck_assert(finite);
        free(whole.data);
        free(part.data);
        free(late.data);
    }
    sb_operands_destroy(o);
}
END_TEST

/* What must change the rows does, and the identity with them. */
START_TEST(seed_row_and_head_matter)
{
    sb_draw      other_seed = small, other_row = small;
    sb_operands *o[3];
    other_seed.seed = 8;
    other_row.row   = 1;
    o[0]            = operands_make(kinds[_i].name, kinds[_i].params, small);
    o[1]            = operands_make(kinds[_i].name, kinds[_i].params, other_seed);
    o[2]            = operands_make(kinds[_i].name, kinds[_i].params, other_row);
    for (int p = 0; p < SB_OPERAND_COUNT; p++) {
        sb_tensor t[3];
        for (int i = 0; i < 3; i++)
            t[i] = operands_rows(o[i], (sb_operand)p, 500, 20, 20);
        ck_assert(!same(&t[0], 0, &t[1], 0, 20));
        ck_assert(!same(&t[0], 0, &t[2], 0, 20));
        ck_assert(!same(&t[1], 0, &t[2], 0, 20));
        ck_assert(memcmp(sb_tensor_bf16(&t[0], 0, 0), sb_tensor_bf16(&t[0], 1, 0), 40) != 0);
        for (int i = 0; i < 3; i++)
            free(t[i].data);
    }
    for (int i = 0; i < 3; i++)
        sb_operands_destroy(o[i]);
}
END_TEST

START_TEST(identity_names_the_recipe)
{
    char    seen[16][65];
    int     n       = 0;
    sb_draw draws[] = {small, small, small, small, small, small, small};
    draws[1].heads = 4, draws[2].kv_heads = 3, draws[3].head_dim = 64, draws[4].length_tokens++,
    draws[5].seed++, draws[6].row++;
    for (size_t i = 0; i < sizeof draws / sizeof *draws + N_KINDS; i++) {
        int          of_small = i < sizeof draws / sizeof *draws;
        size_t       kind     = of_small ? 3 : i - sizeof draws / sizeof *draws;
        const char  *params   = !of_small && kind == 3 ? "needles=4" : kinds[kind].params;
        sb_operands *o = operands_make(kinds[kind].name, params, of_small ? draws[i] : small);
        for (int k = 0; k < n; k++)
            ck_assert_str_ne(seen[k], o->sha256);
        memcpy(seen[n++], o->sha256, 65);
        sb_operands_destroy(o);
    }
    sb_operands *again = operands_make("needle", "needles=3", small);
    ck_assert_str_eq(again->sha256, seen[0]);
    sb_operands_destroy(again);
}
END_TEST

static double number(const sb_tensor *t, int64_t head, int64_t token, int64_t dim)
{
    return (double)sb_bf16_to_f32(sb_tensor_bf16(t, head, token)[dim]);
}

START_TEST(random_is_standard_normal)
{
    sb_operands *o = operands_make("random", "", small);
    for (int p = 0; p < SB_OPERAND_COUNT; p++) {
        sb_tensor t   = operands_rows(o, (sb_operand)p, 0, 1100, 1100);
        double    sum = 0, square = 0, n = (double)(t.heads * t.head_stride);
        for (int64_t i = 0; i < t.heads * t.head_stride; i++) {
            double x = (double)sb_bf16_to_f32(((sb_bf16 *)t.data)[i]);
            sum += x;
            square += x * x;
        }
        ck_assert_double_le(fabs(sum / n), 4 / sqrt(n));
        ck_assert_double_le(fabs(square / n - 1), 4 * sqrt(2 / n) + 1e-3); /* bf16 rounding */
        free(t.data);
    }
    sb_operands_destroy(o);
}
END_TEST

/* The level dim of the spec: 4 in queries; in keys as many columns as the head has, 4 sinks, else
 * 0. */
START_TEST(structured_has_sinks_and_columns)
{
    sb_draw draw   = {.heads = 8, .kv_heads = 8, .head_dim = 64, .length_tokens = 1100, .seed = 1};
    sb_operands *o = operands_make("structured", "", draw);
    sb_tensor    k = operands_rows(o, SB_OPERAND_K, 0, 1100, 100),
              q    = operands_rows(o, SB_OPERAND_Q, 0, 1100, 100);
    double root    = 8; /* sqrt 64 */
    for (int64_t h = 0; h < 8; h++) {
        int64_t columns = 0, wrong = 0;
        for (int64_t i = 0; i < 1100; i++) {
            double logit = 4 * number(&k, h, i, 48) / root;
            wrong += number(&q, h, i, 48) != 4;
            if (i < 4) {
                wrong += logit < 10.9 || logit > 13.1;
            } else if (logit != 0) {
                wrong += i < 64 || logit < 7.4 || logit > 9.1;
                columns++;
            }
            for (int64_t j = 49; j < 64; j++)
                wrong += number(&k, h, i, j) != 0 || number(&q, h, i, j) != 0;
        }
        ck_assert_int_eq(wrong, 0);
        ck_assert_int_eq(columns, h == 3 || h == 7 ? 256 : 64);
    }
    free(k.data);
    free(q.data);
    sb_operands_destroy(o);
}
END_TEST

/* The mean of q . k / sqrt d over rows holds L_slash, 11.5 to 13, at a head's three offsets; beside
 * them only the quarter less that the slow pairs give, for the noise is a token's own. */
START_TEST(structured_has_three_slashes)
{
    sb_draw draw   = {.heads = 2, .kv_heads = 1, .head_dim = 128, .length_tokens = 4096, .seed = 3};
    sb_operands *o = operands_make("structured", "", draw);
    sb_tensor    k = operands_rows(o, SB_OPERAND_K, 0, 4096, 512),
              q    = operands_rows(o, SB_OPERAND_Q, 2100, 64, 64);
    int64_t slashes    = 0;
    double  mean[4096] = {0};
    for (int64_t i = 0; i < 64; i++)
        for (int64_t t = 511; t <= 2048;
             t++) { /* distances a slash may have, and their neighbours */
            double s = 0;
            for (int64_t j = 0; j < 96; j++)
                s += number(&q, 0, i, j) * number(&k, 0, 2100 + i - t, j);
            mean[t] += s / sqrt(128.0) / 64;
        }
    for (int64_t t = 512; t < 2048; t++)
        slashes += mean[t] > 11 && mean[t] > fmax(mean[t - 1], mean[t + 1]) + 2;
    ck_assert_int_eq(slashes, 3);
    free(k.data);
    free(q.data);
    sb_operands_destroy(o);
}
END_TEST

START_TEST(needles_stand_where_their_spans_say)
{
    sb_draw draw   = {.heads = 4, .kv_heads = 2, .head_dim = 64, .length_tokens = 1000, .seed = 5};
    sb_operands *o = operands_make("needle", "needles=5", draw);
    sb_tensor    k = operands_rows(o, SB_OPERAND_K, 0, 1000, 1000);
    int64_t      wrong = 0;
    ck_assert_int_eq(o->n_spans, 6);
    ck_assert_int_eq(o->spans[5].kind, SB_SPAN_QUERY);
    ck_assert_int_eq(o->spans[5].tok_begin, 1000 - 128);
    ck_assert_int_eq(o->spans[5].tok_end, 1000);
    for (int64_t h = 0; h < 2; h++)
        for (int64_t i = 0; i < 1000; i++) {
            double norm      = 0;
            int    is_needle = 0;
            for (int64_t j = 0; j < 64; j++)
                norm += number(&k, h, i, j) * number(&k, h, i, j);
            for (int64_t s = 0; s < 5; s++)
                is_needle |= o->spans[s].tok_begin == i;
            /* noise .49 * 64 = 31, a needle 22 * 8 = 176 more */
            wrong += (norm > 100) != is_needle;
        }
    ck_assert_int_eq(wrong, 0);
    for (int64_t s = 0; s < 5; s++) {
        ck_assert_int_ge(o->spans[s].tok_begin, 200 * s);
        ck_assert_int_lt(o->spans[s].tok_begin, 200 * (s + 1));
        ck_assert_int_eq(o->spans[s].tok_end, o->spans[s].tok_begin + 1);
        ck_assert_int_eq(o->spans[s].kind, SB_SPAN_NEEDLE);
        ck_assert_int_eq(o->spans[s].ref, -1);
        ck_assert_double_eq(o->spans[s].depth, (double)o->spans[s].tok_begin / 1000);
    }
    free(k.data);
    sb_operands_destroy(o);
}
END_TEST

typedef struct bad_draw {
    const char *name, *params;
    sb_draw     draw;
    const char *text;
} bad_draw;

static const bad_draw bad[] = {
    {"random",
     "",
     {.heads = 4, .kv_heads = 3, .head_dim = 64, .length_tokens = 8},
     "4 query heads on 3 KV heads"},
    {"random",
     "",
     {.heads = 4, .kv_heads = 0, .head_dim = 64, .length_tokens = 8},
     "on 0 KV heads"},
    {"random",
     "",
     {.heads = 4, .kv_heads = 4, .head_dim = 72, .length_tokens = 8},
     "found head_dim 72"},
    {"random", "", {.heads = 4, .kv_heads = 4, .head_dim = 272, .length_tokens = 8}, "up to 256"},
    {"random", "", {.heads = 4, .kv_heads = 4, .head_dim = 64, .length_tokens = 0}, "at least 1"},
    {"structured",
     "",
     {.heads = 4, .kv_heads = 4, .head_dim = 64, .length_tokens = 1029},
     "at least 1030"},
    {"needle",
     "needles=9",
     {.heads = 4, .kv_heads = 4, .head_dim = 64, .length_tokens = 8},
     "at least 9"},
};

START_TEST(wrong_draws_are_refused)
{
    sb_operands *o = NULL;
    ck_assert_int_eq(operands_try(bad[_i].name, bad[_i].params, bad[_i].draw, &o), SB_ERR_USAGE);
    ck_assert_ptr_null(o);
    ck_assert_msg(strstr(sb_error_text(), bad[_i].text) != NULL, "%s", sb_error_text());
}
END_TEST

START_TEST(shortest_inputs_work)
{
    static const int64_t least[N_KINDS] = {1, 1030, 1, 3};
    sb_draw              draw           = small;
    draw.length_tokens                  = least[_i];
    sb_operands *o                      = operands_make(kinds[_i].name, kinds[_i].params, draw);
    for (int p = 0; p < SB_OPERAND_COUNT; p++)
        free(operands_rows(o, (sb_operand)p, 0, least[_i], 7).data);
    sb_operands_destroy(o);
}
END_TEST

/* Bits of the first version; a change of them is a new SB_SYNTHETIC_VERSION. */
START_TEST(rows_are_golden)
{
    static const uint64_t golden[N_KINDS] = {0xc38cbfa1e5152d3e, 0xf907f3d5f1faac37,
                                             0x1d310f69558e283b, 0x12fa86629d8c1b56};
    sb_operands          *o               = operands_make(kinds[_i].name, kinds[_i].params, small);
    uint64_t              sum             = 0;
    ck_assert_str_eq(SB_SYNTHETIC_VERSION, "synthetic@1");
    for (int p = 0; p < SB_OPERAND_COUNT; p++) {
        sb_tensor t = operands_rows(o, (sb_operand)p, 1000, 100, 100);
        for (int64_t i = 0; i < t.heads * t.head_stride; i++)
            sum = sb_mix(sum ^ ((sb_bf16 *)t.data)[i]);
        free(t.data);
    }
    ck_assert_msg(sum == golden[_i], "%s: found 0x%016llx", kinds[_i].name,
                  (unsigned long long)sum);
    sb_operands_destroy(o);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("synthetic");
    TCase *t = tcase_create("operands");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, a_row_does_not_depend_on_its_shard, 0, N_KINDS);
    tcase_add_loop_test(t, seed_row_and_head_matter, 0, N_KINDS);
    tcase_add_test(t, identity_names_the_recipe);
    tcase_add_test(t, random_is_standard_normal);
    tcase_add_test(t, structured_has_sinks_and_columns);
    tcase_add_test(t, structured_has_three_slashes);
    tcase_add_test(t, needles_stand_where_their_spans_say);
    tcase_add_loop_test(t, wrong_draws_are_refused, 0, sizeof bad / sizeof *bad);
    tcase_add_loop_test(t, shortest_inputs_work, 0, N_KINDS);
    tcase_add_loop_test(t, rows_are_golden, 0, N_KINDS);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
