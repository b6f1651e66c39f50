/* The values of every scorer on its 10,000 random cases have the hash that the published code's
 * values had (tests/golden/metrics). With "zh" only the scorers that segment words, which need
 * jieba's data, else only the others. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/golden/metrics/cases.h"
#include "tests/golden/metrics/expected.h"
#include "tests/unit/results/main.h"
#include "workloads/base/sha256.h"
#include "workloads/metrics/jieba.h"

static sb_jieba *jieba;
static int       chosen[128], n_chosen;

START_TEST(same_values)
{
    const metric_expected *e = &metric_expected_values[chosen[_i]];
    const sb_scorer       *s = sb_scorer_find(e->name);
    sbi_sha256             hash;
    char                   hex[65];
    ck_assert_ptr_nonnull(s);
    ck_assert_int_eq(e->n_cases, METRIC_CASES);
    sbi_sha256_init(&hash);
    for (int64_t i = 0; i < e->n_cases; i++) {
        metric_case   c;
        sb_text_score score;
        char          text[64];
        metric_case_make(s, METRIC_SEED, i, &c);
        c.req.jieba = jieba;
        ck_assert_msg(sb_scorer_score(s, &c.req, &score) == SB_OK, "case %d: %s", (int)i,
                      sb_error_text());
        ck_assert_msg(score.value >= 0 && score.value <= 1, "%s case %d: %.17g", e->name, (int)i,
                      score.value);
        ck_assert_int_lt(score.best_ref, c.req.n_refs);
        sbi_sha256_put(&hash, text,
                       (size_t)snprintf(text, sizeof text, METRIC_VALUE_FORMAT, score.value));
        metric_case_free(&c);
    }
    ck_assert_int_eq(sbi_sha256_hex(&hash, hex), SB_OK);
    ck_assert_msg(strcmp(hex, e->sha256) == 0, "%s: the values hash to %s", e->name, hex);
}
END_TEST

START_TEST(every_scorer_is_there)
{
    int n = 0;
    for (const sb_scorer *const *s = sb_scorers; *s != NULL; s++, n++)
        ck_assert_str_eq((*s)->name, metric_expected_values[n].name);
    ck_assert_ptr_null(metric_expected_values[n].name);
}
END_TEST

int main(int argc, char **argv)
{
    int    zh    = argc > 1 && strcmp(argv[1], "zh") == 0;
    Suite *suite = suite_create(zh ? "golden_zh" : "golden");
    TCase *t     = tcase_create("golden");
    if (zh && sb_jieba_open(NULL, &jieba) != SB_OK) {
        printf("skipped: %s\n", sb_error_text());
        return 77;
    }
    for (int k = 0; metric_expected_values[k].name != NULL; k++) {
        const sb_scorer *s = sb_scorer_find(metric_expected_values[k].name);
        if (s != NULL && ((s->needs & SB_NEED_JIEBA) != 0) == zh)
            chosen[n_chosen++] = k;
    }
    tcase_set_timeout(t, 600);
    tcase_add_loop_test(t, same_values, 0, n_chosen);
    if (!zh)
        tcase_add_test(t, every_scorer_is_there);
    suite_add_tcase(suite, t);
    int status = run_suite(suite);
    sb_jieba_close(jieba);
    return status;
}
