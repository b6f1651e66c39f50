/* Metrics: known answers, and predictions that no model would give. */
#include "tests/unit/workloads/case.h"

#include <stdlib.h>
#include <string.h>

static char *pair[]   = {"LEAD1 VAL2 VAL3", "LEAD4 VAL5 VAL6"};
static char *names[]  = {"NAME1", "NAME2", "NAME3", "NAME4"};
static char *twice[]  = {"AGG1", "AGG1"};
static char *single[] = {"ENT1 VAL2"};

static sb_input input_of(char **refs, int64_t n)
{
    return (sb_input){.refs = refs, .n_refs = n, .n_groups = n};
}

typedef struct answer {
    const sb_metric *metric;
    char           **refs;
    int64_t          n_refs;
    const char      *pred;
    double           value;
    const char      *hits;
} answer;

static const answer answers[] = {
    {&sb_metric_exact, single, 1, "ENT1 VAL2", 1, "1"},
    {&sb_metric_exact, single, 1, "  ENT1 VAL2\n", 1, "1"},
    {&sb_metric_exact, single, 1, "ENT1 VAL20", 0, "0"},
    {&sb_metric_exact, single, 1, "ENT1", 0, "0"},
    {&sb_metric_exact, single, 1, "ent1 val2", 0, "0"},
    {&sb_metric_exact, single, 1, "VAL2 ENT1", 0, "0"},
    {&sb_metric_exact, single, 1, "", 0, "0"},
    {&sb_metric_exact, single, 1, NULL, 0, "0"},
    {&sb_metric_exact, single, 1, ";;;", 0, "0"},
    {&sb_metric_exact, single, 1, "ENT1 VAL2; ENT9", 0, "1"},
    {&sb_metric_exact, single, 1, "ENT1 VAL2;", 0, "1"},
    {&sb_metric_exact, pair, 2, "LEAD1 VAL2 VAL3; LEAD4 VAL5 VAL6", 1, "11"},
    {&sb_metric_exact, pair, 2, "LEAD1 VAL2 VAL3; LEAD4 VAL5 VAL7", 0, "10"},
    {&sb_metric_fraction_ordered, pair, 2, "LEAD1 VAL2 VAL3; LEAD4 VAL5 VAL6", 1, "11"},
    {&sb_metric_fraction_ordered, pair, 2, "LEAD4 VAL5 VAL6; LEAD1 VAL2 VAL3", 0, "00"},
    {&sb_metric_fraction_ordered, pair, 2, "; LEAD4 VAL5 VAL6", 0.5, "01"},
    {&sb_metric_fraction_ordered, pair, 2, "LEAD1 VAL2 VAL3", 0.5, "10"},
    {&sb_metric_fraction_ordered, pair, 2, "", 0, "00"},
    {&sb_metric_fraction_set, names, 4, "NAME4; NAME3; NAME2; NAME1", 1, "1111"},
    {&sb_metric_fraction_set, names, 4, "NAME2; NAME9; NAME4; NAME8", 0.5, "0101"},
    {&sb_metric_fraction_set, names, 4, "NAME2; NAME2; NAME2; NAME2", 0.25, "0100"},
    {&sb_metric_fraction_set, names, 4, "NAME1 NAME2; NAME3", 0.25, "0010"},
    {&sb_metric_fraction_set, names, 4, "NAME9; NAME8; NAME7; NAME6; NAME1; NAME2", 0, "0000"},
    {&sb_metric_fraction_set, names, 4, "", 0, "0000"},
    {&sb_metric_fraction_set, names, 4, NULL, 0, "0000"},
    {&sb_metric_fraction_set, names, 4, " \t;\xff\xfe; ;NAME1", 0.25, "1000"},
    {&sb_metric_fraction_set, twice, 2, "AGG1; AGG1", 1, "11"},
    {&sb_metric_fraction_set, twice, 2, "AGG1; AGG2", 0.5, "10"},
};

START_TEST(known_answers)
{
    const answer *a      = &answers[_i];
    sb_input      in     = input_of(a->refs, a->n_refs);
    uint8_t       hit[8] = {9, 9, 9, 9, 9, 9, 9, 9};
    sb_score      s      = {.value = -1, .hit = hit};
    ck_assert_int_eq(a->metric->score(a->pred, &in, &s), SB_OK);
    ck_assert_double_eq(s.value, a->value);
    ck_assert_int_eq(s.is_binary, a->metric->is_binary);
    for (int64_t i = 0; i < a->n_refs; i++)
        ck_assert_int_eq(hit[i], a->hits[i] - '0');
    ck_assert_int_eq(hit[a->n_refs], 9); /* nothing written past n_refs */

    sb_score without = {.value = -1};
    ck_assert_int_eq(a->metric->score(a->pred, &in, &without), SB_OK);
    ck_assert_double_eq(without.value, a->value);
}
END_TEST

START_TEST(names_carry_versions)
{
    ck_assert_str_eq(sb_metric_exact.name, "exact@1");
    ck_assert_str_eq(sb_metric_fraction_set.name, "fraction_set@1");
    ck_assert_str_eq(sb_metric_fraction_ordered.name, "fraction_ordered@1");
    ck_assert_int_eq(sb_metric_exact.is_binary, 1);
    ck_assert_int_eq(sb_metric_fraction_set.is_binary, 0);
    ck_assert_int_eq(sb_metric_fraction_ordered.is_binary, 0);
}
END_TEST

START_TEST(no_references_is_an_error_and_changes_nothing)
{
    sb_input in = input_of(NULL, 0);
    sb_score s  = {.value = 0.25, .is_binary = 7};
    ck_assert_int_eq(sb_metric_exact.score("x", &in, &s), SB_ERR_INTERNAL);
    ck_assert_double_eq(s.value, 0.25);
    ck_assert_int_eq(s.is_binary, 7);
}
END_TEST

START_TEST(a_megabyte_of_garbage_is_scored)
{
    size_t   n    = 1u << 20;
    char    *pred = malloc(n + 1);
    sb_input in   = input_of(names, 4);
    sb_score s    = {0};
    ck_assert_ptr_nonnull(pred);
    memset(pred, 'x', n);
    pred[n] = '\0';
    ck_assert_int_eq(sb_metric_fraction_set.score(pred, &in, &s), SB_OK);
    ck_assert_double_eq(s.value, 0);
    memset(pred, ';', n);
    ck_assert_int_eq(sb_metric_fraction_set.score(pred, &in, &s), SB_OK);
    ck_assert_double_eq(s.value, 0);
    free(pred);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("metrics");
    TCase *t = tcase_create("metrics");
    tcase_add_loop_test(t, known_answers, 0, (int)(sizeof answers / sizeof answers[0]));
    tcase_add_test(t, names_carry_versions);
    tcase_add_test(t, no_references_is_an_error_and_changes_nothing);
    tcase_add_test(t, a_megabyte_of_garbage_is_scored);
    suite_add_tcase(s, t);
    return run_suite(s);
}
