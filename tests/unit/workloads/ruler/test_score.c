/* The two metrics: predictions of known quality give the figures they must, for every task;
 * post-processing; aggregates. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "tests/unit/workloads/ruler/common.h"
#include "workloads/base/pytext.h"
#include "workloads/metrics/ruler.h"
#include "workloads/ruler/import.h"
#include "workloads/ruler/score.h"

static const sb_scorer *scorer_of(sb_ruler_metric m)
{
    return sb_scorer_find(m == SB_RULER_MATCH_ALL ? "ruler_all@1" : "ruler_part@1");
}

static sb_text_score score(sb_ruler_metric m, const char *pred, const char *const *answers,
                           int64_t n, uint8_t *hit)
{
    sb_text       text = sb_text_of(pred), refs[16];
    sb_score_req  req  = {.preds = &text, .n_preds = 1, .refs = refs, .n_refs = n, .hit = hit};
    sb_text_score s    = {0};
    for (int64_t i = 0; i < n; i++)
        refs[i] = sb_text_of(answers[i]);
    if (sb_scorer_score(scorer_of(m), &req, &s) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return s;
}

static const struct known {
    const char *pred, *answers[4];
    double      all, part;
    int         is_null;
} known[] = {
    {"The numbers are 12, 34 and 56.", {"12", "34", "56", "78"}, 0.75, 1, 0},
    {"", {"a", "b", "c", "d"}, 0, 0, 1},
    {" \n\t\x0b ", {"a", "b", "c", "d"}, 0, 0, 1},
    {"\x01\x02\x1f", {"a", "b", "c", "d"}, 0, 0, 1},
    {"PARIS", {"paris", "Par", "is", "London"}, 0.75, 1, 0},
    {"new\x02york", {"new\nyork", "NEW", "york", "newyork"}, 0.75, 1, 0},
    {"\xc3\x89T\xc3\x89", {"\xc3\xa9t\xc3\xa9", "ete", "\xc3\x89", "t"}, 0.75, 1, 0},
    {"123456789", {"1", "789", "456", "0"}, 0.75, 1, 0}, /* anywhere, also inside words */
    {"none of them", {"x", "y", "z", "w"}, 0, 0, 0},
    {"\xc2\xa0 yes \xe2\x80\x83", {"yes", " yes", "yes ", "y"}, 0.5, 1, 0},
};

START_TEST(known_scores)
{
    const struct known *k    = &known[_i];
    sb_text_score       all  = score(SB_RULER_MATCH_ALL, k->pred, k->answers, 4, NULL);
    sb_text_score       part = score(SB_RULER_MATCH_PART, k->pred, k->answers, 4, NULL);
    ck_assert_double_eq(all.value, k->all);
    ck_assert_double_eq(part.value, k->part);
    ck_assert_int_eq((all.flags & SB_SCORE_NULL) != 0, k->is_null);
    ck_assert_int_eq(part.n_hits, (int64_t)(4 * k->all));
}
END_TEST

START_TEST(cleaning)
{
    char *out = NULL;
    ck_assert_int_eq(sb_ruler_clean((sb_text){" a\x00"
                                              "b\tc\x1d \x7f\n ",
                                              11},
                                    &out),
                     SB_OK);
    ck_assert_str_eq(out, "a\nb\nc\n \x7f"); /* 0x7f is not below 0x20 */
    free(out);
    ck_assert_int_eq(sb_ruler_clean(sb_text_of(NULL), &out), SB_OK);
    ck_assert_str_eq(out, "");
    free(out);
    ck_assert_int_eq(sb_ruler_clean(sb_text_of("ok \xff\xc3\xa9"), &out), SB_OK);
    ck_assert_str_eq(out, "ok \xef\xbf\xbd\xc3\xa9");
    free(out);
}
END_TEST

START_TEST(rows_that_cannot_be_scored)
{
    sb_text       pred = sb_text_of("x");
    sb_score_req  req  = {.preds = &pred, .n_preds = 1};
    sb_text_score s    = {.value = -1};
    expect_error(sb_scorer_score(scorer_of(SB_RULER_MATCH_ALL), &req, &s), SB_ERR_USAGE,
                 "no reference");
    ck_assert_double_eq(s.value, -1);
}
END_TEST

/* Predictions made from the answers: all of them in some order and case, the first half, none of
 * them, nothing. */
enum quality { RIGHT, HALF, WRONG, EMPTY };

static void predict(enum quality q, int64_t n, const char *const *answers, sb_rng *r, sbi_text *out)
{
    int64_t used = q == RIGHT ? n : q == HALF ? n / 2 : 0;
    sbi_text_reset(out);
    sbi_text_puts(out, q == EMPTY ? " \n" : q == WRONG ? "I do not know." : "The answer: ");
    for (int64_t i = 0; i < used; i++) {
        const char *a = answers[used - 1 - i];
        for (size_t j = 0; a[j] != '\0'; j++)
            sbi_text_putc(out, sb_rng_below(r, 2) != 0 && a[j] >= 'a' && a[j] <= 'z'
                                   ? (char)(a[j] - 32)
                                   : a[j]);
        sbi_text_puts(out, sb_rng_below(r, 2) != 0 ? ", " : "\x01");
    }
}

START_TEST(predictions_of_known_quality)
{
    const sb_ruler_task *t = &sb_ruler_tasks[_i];
    int64_t              n = sb_ruler_task_answers(t) > 0 ? sb_ruler_task_answers(t) : 2;
    sb_rng               r = {77};
    for (int q = RIGHT; q <= EMPTY; q++) {
        double   values[50], want;
        int64_t  nulls = 0;
        sbi_text pred  = {0};
        for (int row = 0; row < 50; row++) {
            char           buf[16][40];
            const char    *answers[16];
            uint8_t        hit[16];
            sb_text_score  s;
            for (int64_t i = 0; i < n; i++) { /* eight digits and letters: none stands in another or
                                                 in the words around */
                (void)snprintf(buf[i], sizeof buf[i], "q%02d%03dz%d", (int)i, row, (int)i % 10);
                answers[i] = buf[i];
            }
            predict((enum quality)q, n, answers, &r, &pred);
            s           = score(t->metric, sbi_text_str(&pred), answers, n, hit);
            values[row] = s.value;
            nulls += (s.flags & SB_SCORE_NULL) != 0;
            for (int64_t i = 0; i < n; i++)
                ck_assert_int_eq(hit[i], q == RIGHT || (q == HALF && i < n / 2));
        }
        want = q == RIGHT                         ? 100
               : q != HALF                        ? 0
               : t->metric == SB_RULER_MATCH_PART ? 100
                                                  : (double)(n / 2) / (double)n * 100;
        ck_assert_double_eq_tol(sb_ruler_task_figure(values, 50), want, 0.005);
        ck_assert_int_eq(nulls, q == EMPTY ? 50 : 0);
        sbi_text_fini(&pred);
    }
}
END_TEST

START_TEST(part_is_never_less_than_all)
{
    sb_rng r = {5};
    for (int round = 0; round < 2000; round++) {
        char        pred[40], buf[4][6];
        const char *answers[4];
        int64_t     n = 1 + (int64_t)sb_rng_below(&r, 4), hits = 0;
        uint8_t     hit[4];
        size_t      length = (size_t)sb_rng_below(&r, 39);
        for (size_t i = 0; i < length; i++)
            pred[i] = (char)sb_rng_below(&r, 128);
        for (size_t i = 0; i < length; i++)
            if (pred[i] == '\0')
                pred[i] = 'a';
        pred[length] = '\0';
        for (int64_t i = 0; i < n; i++) {
            size_t m = 1 + (size_t)sb_rng_below(&r, 2);
            for (size_t j = 0; j < m; j++)
                buf[i][j] = (char)(32 + sb_rng_below(&r, 95));
            buf[i][m]  = '\0';
            answers[i] = buf[i];
        }
        sb_text_score all  = score(SB_RULER_MATCH_ALL, pred, answers, n, hit),
                      part = score(SB_RULER_MATCH_PART, pred, answers, n, NULL);
        for (int64_t i = 0; i < n; i++)
            hits += hit[i];
        ck_assert(part.value == 0 || part.value == 1);
        ck_assert_double_le(all.value, part.value);
        ck_assert_double_eq(all.value, (double)hits / (double)n);
        ck_assert_int_eq(part.value > 0, hits > 0);
        ck_assert(!sb_scorer_is_binary(scorer_of(SB_RULER_MATCH_ALL), n) ||
                  all.value == part.value);
    }
}
END_TEST

START_TEST(figures_round_as_python_does)
{
    static const double third[] = {1, 0, 0}, eighth[] = {1, 0, 0, 0, 0, 0, 0, 0};
    static const double none[1] = {0};
    ck_assert_double_eq(sb_ruler_task_figure(third, 3), 33.33);
    ck_assert_double_eq(sb_ruler_task_figure(eighth, 8), 12.5);
    ck_assert_double_eq(sb_ruler_task_figure(none, 0), 0);
}
END_TEST

START_TEST(summary_of_the_known_row) /* the README's row of Llama-3.1-8B */
{
    static const double scores[SB_RULER_LENGTHS] = {95.5, 93.8, 91.6, 87.4, 84.7, 77.0};
    static const double low[SB_RULER_LENGTHS]    = {85.6, 80, 70, 60, 50, 40},
                        dip[SB_RULER_LENGTHS]    = {90, 80, 86, 60, 50, 40};
    sb_ruler_summary s                           = sb_ruler_summarise(scores);
    ck_assert_double_eq_tol(s.mean, 88.3, 0.05);
    ck_assert_double_eq_tol(s.increasing, 85.4, 0.05);
    ck_assert_double_eq_tol(s.decreasing, 91.3, 0.05);
    ck_assert_int_eq(s.effective_tokens, 32768);
    ck_assert_int_eq(sb_ruler_summarise(low).effective_tokens, 0); /* above, not at */
    ck_assert_int_eq(sb_ruler_summarise(dip).effective_tokens, 16384);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("score");
    tcase_add_loop_test(t, known_scores, 0, (int)(sizeof known / sizeof *known));
    tcase_add_test(t, cleaning);
    tcase_add_test(t, rows_that_cannot_be_scored);
    tcase_add_loop_test(t, predictions_of_known_quality, 0, 13);
    tcase_add_test(t, part_is_never_less_than_all);
    tcase_add_test(t, figures_round_as_python_does);
    tcase_add_test(t, summary_of_the_known_row);
    return run_suite_of("ruler_score", t);
}
