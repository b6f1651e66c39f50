/* Known answers of every scorer, what holds for all of them, and what is refused. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/results/main.h"
#include "tests/unit/workloads/metrics/rig.h"
#include "workloads/metrics/infbench.h"
#include "workloads/metrics/longbench.h"

typedef struct known {
    ask      a;
    double   value;
    uint32_t flags;
} known;

#define RANKING .refs = {"1", "2", "3", "4"}, .relevance = {3, 0, 2, 1}

static const known answers[] = {
    /* the specification's, workloads 2.2 */
    {Q("qa_f1@1", "The answer is: Paris, France", "paris"), 0.4, 0},
    {Q("qa_f1@1", "well-known U.S. city", "wellknown us city"), 1, 0},
    {Q("qa_f1@1", "a an the", "the"), 0, 0},
    {Q("rouge_l@1", "the cat sat on the mat. it slept", "a cat was on the mat. it slept well"),
     0.7499999950781251, 0},
    {Q("rouge_l@1", "one two three four", "one two three four"), 0.999999995, 0},
    {Q("rouge_l@1", "", "x"), 0, SB_SCORE_EMPTY | SB_SCORE_RAISES},
    {Q("rouge_l@1", "...", "x"), 0, SB_SCORE_RAISES},
    {Q("code_sim@1", "\n# c\n```py\n    return foo(bar)\nx", "return foo(baz)"), 0.82, 0},
    {Q("code_sim_indel@1", "\n# c\n```py\n    return foo(bar)\nx", "return foo(baz)"), 0.82, 0},
    {Q("code_sim@1", "tide", "diet"), 0.25, 0},
    {Q("code_sim@1", "diet", "tide"), 0.5, 0},
    {Q("code_sim_indel@1", "tide", "diet"), 0.5, 0},
    {Q("code_sim_indel@1", "diet", "tide"), 0.5, 0},
    {{.name    = "classification@1",
      .pred    = "Food or Number of something",
      .refs    = {"Number of something"},
      .classes = {"Number", "Number of", "Number of something", "Food"}},
     1.0 / 3,
     0},
    {{.name    = "classification@1",
      .pred    = "Number of something",
      .refs    = {"Number of something"},
      .classes = {"Number", "Number of", "Number of something"}},
     0.5,
     0},
    {Q("retrieval@1", "Paragraph 3 or 13, not 3", "Paragraph 3"), 2.0 / 3, 0},
    {Q("count@1", "12 of 15", "12"), 0.5, 0},
    /* their quirks */
    {Q("qa_f1@1", "", ""), 0, SB_SCORE_EMPTY},
    {Q("qa_f1@1", "x", "y", "x z", "x"), 1, 0},
    {Q("qa_f1@1", "\xce\xa3\xce\x91\xce\xa3", "\xcf\x83\xce\xb1\xcf\x82"), 1, 0}, /* final sigma */
    {Q("qa_f1@1", "x\xe3\x80\x80y", "x y"), 1, 0},       /* ideographic space parts */
    {Q("qa_f1@1", "the\xcc\x81 x", "\xcc\x81 x"), 1, 0}, /* a mark ends a word: \b */
    {Q("rouge_l@1", " . ", "\t.x"), 2 * (1.0 / (1 + 0.5 + 1e-8)) / 2,
     0}, /* blank sentences match */
    {{.name = "classification@1", .pred = "none", .refs = {"Food"}, .classes = {"Food"}},
     0,
     SB_SCORE_NULL},
    {Q("retrieval@1", "none", "Paragraph 3"), 0, SB_SCORE_NULL},
    {Q("retrieval@1", "\xd9\xa3", "Paragraph \xd9\xa3"), 1, 0}, /* \d knows other scripts */
    {Q("retrieval@1", "3", "Paragraph \xd9\xa3"), 0, 0},        /* but compares them as text */
    {Q("retrieval_zh@1",
       "\xe6\xae\xb5\xe8\x90\xbd"
       "7",
       "\xe6\xae\xb5\xe8\x90\xbd"
       "7"),
     1, 0},
    {Q("count@1", "no number", "12"), 0, SB_SCORE_NULL},
    {Q("code_sim@1", "# only\n// comments", "x"), 0, 0},
    {Q("code_sim@1", "", ""), 1, SB_SCORE_EMPTY},
    {Q("code_sim_indel@1", "abcdefghijklmnopqrstuvwxyz0123456789ABCD",
       "a"
       "zzzzzzzzzzzzzzzzzzzzzzzzzzz"),
     0.06, 0},
    /* v2 */
    {Q("longbench_v2@1", "**The correct answer is (B)**", "B"), 1, 0},
    {Q("longbench_v2@1", "The correct answer is B", "B"), 1, 0},
    {Q("longbench_v2@1", "The correct answer is A. The correct answer is (B)", "B"), 1, 0},
    {Q("longbench_v2@1", "the correct answer is (B)", "B"), 0, SB_SCORE_NULL},
    {Q("longbench_v2@1", "", "B"), 0, SB_SCORE_NULL | SB_SCORE_EMPTY},
    {Q("longbench_v2_compensated@1", "B", "B"), 0.25, SB_SCORE_NULL},
    {Q("longbench_v2_compensated@1", "The correct answer is (A)", "B"), 0, 0},
    /* InfiniteBench */
    {Q("infbench_first_int@1", "The key is 71432.", "71432"), 1, 0},
    {Q("infbench_first_int@1", "071432", "71432"), 0, 0},
    {Q("infbench_kv_retrieval@1", "\"k\": \"e5-b4\"}", "e5-b4"), 1, 0},
    {Q("infbench_kv_retrieval@1", "e5-b4c", "e5-b4"), 0, 0},
    {Q("infbench_book_choice@1", "B. the dog", "the dog", "B"), 1, 0},
    {Q("infbench_book_choice@1", "the dog", "the dog", "B"), 1, 0},
    {Q("infbench_book_choice@1", "so the answer is: B", "the dog", "B"), 1, 0},
    {Q("infbench_book_choice@1", "so the answer is:", "the dog", "B"), 0, 0},
    {Q("infbench_book_choice@1", "maybe AB or B", "the dog", "B"), 0,
     0}, /* AB is a piece of ABCD */
    {Q("infbench_book_choice@1", "it was B", "the dog", "B"), 1, 0},
    {Q("infbench_dialogue_qa@1", "Steve!", "STEVE"), 1, 0},
    {Q("infbench_dialogue_qa@1",
       "stra\xc3\x9f"
       "e",
       "STRASSE"),
     1, 0},
    {Q("infbench_dialogue_qa@1", "Steve", "Steve"), 0,
     0}, /* only the prediction is put in capitals */
    {Q("infbench_f1_chars_zh@1", "\xe5\x8c\x97\xe4\xba\xac\xe3\x80\x82",
       "\xe5\x8c\x97\xe5\xa4\xa7"),
     0.5, 0},
    {Q("infbench_rouge_lsum@1", "the cat\nit slept", "the cat\nit slept well"), 8.0 / 9, 0},
    {Q("infbench_math_find@1", "it is 42.", "42"), 1, 0},
    {Q("infbench_math_find@1", "it is 42.0", "42"), 0, SB_SCORE_RAISES}, /* int("42.0") */
    {Q("infbench_math_find@1", "it is 42", "42.0"), 1, 0},
    {Q("infbench_math_calc@1", "1, 2, 4, 4", "1", "2", "3", "4"), 0.5, 0},
    {{.name = "infbench_math_calc@1", .pred = "9, 1, 2", .refs = {"1", "2"}, .drop_first = 1},
     1,
     0},
    {Q("infbench_code_run@1", "returns `-17`.", "-17"), 1, 0},
    {Q("infbench_code_run@1", "-17 or so", "-17"), 0, SB_SCORE_NULL},
    {Q("infbench_code_debug@1", "B. foo", "foo", "B"), 1, 0},
    {Q("infbench_code_debug@1", "The answer is: Option B", "foo", "B"), 1, 0},
    {Q("infbench_code_debug@1", "The answer is: the Option B", "foo", "B"), 0, 0},
    {Q("infbench_code_debug@1", "the answer is: foo_bar", "foo", "B"), 1, 0},
    /* NIAH, BABILong */
    {Q("key_phrase@1", "Eat a Sandwich\nand sit", "eat a sandwich and sit"), 1, 0},
    {{.name = "babilong@1", .pred = "the kitchen. garden", .refs = {"kitchen"}, .task = "qa1"},
     1,
     0},
    {{.name = "babilong@1", .pred = "kitchen or garden", .refs = {"kitchen"}, .task = "qa1"}, 0, 0},
    {{.name     = "babilong@1",
      .pred     = "garden, kitchen",
      .refs     = {"kitchen"},
      .task     = "qa1",
      .question = "Where was he before the garden?"},
     1,
     0},
    {{.name = "babilong@1", .pred = "Milk and apple", .refs = {"apple,milk"}, .task = "qa8"}, 1, 0},
    {{.name = "babilong@1", .pred = "milk", .refs = {"apple,milk"}, .task = "qa8"}, 0, 0},
    {{.name = "babilong@1", .pred = "e,n", .refs = {"e,n"}, .task = "qa19"}, 1, 0},
    /* HELMET */
    {Q("helmet_recall@1", "LEAD and gold", "lead", "tin"), 0.5, 0},
    {Q("helmet_em@1", "Sure.\nAnswer: The Paris.\nmore", "paris"), 1, 0},
    {Q("helmet_em@1", "An\xc5\xbfwer: paris", "paris"), 1, 0}, /* the long s, as re.IGNORECASE */
    {Q("helmet_sub_em@1", "in Paris, France", "the paris"), 1, 0},
    {Q("helmet_f1@1", "no way", "no"), 0, 0},
    {Q("helmet_f1@1", "some way", "way"), 2.0 / 3, 0},
    {Q("helmet_choice_em@1", "I think b. THE cat", "B", "B. the cat"), 1, 0},
    {Q("helmet_label_em@1", "label: 7\n", "7"), 1, 0},
    {Q("helmet_rouge_l_f1@1", "running flies", "runs flying"), 1, 0}, /* stems */
    {Q("helmet_rouge_lsum_recall@1", "a b\nc d", "a b c"), 1, 0},
    {{.name = "helmet_ndcg_10@1", .pred = "ID1 > ID3 > ID4", RANKING}, 1, 0},
    {{.name = "helmet_ndcg_10@1", .pred = "2 > 4 > 3 > 1", RANKING}, 0.61383, 0},
    {{.name = "helmet_ndcg_10@1", .pred = "", RANKING}, 0, SB_SCORE_EMPTY},
    /* LOFT */
    {Q("loft_subspan_em@1", "the cafe\xcc\x81 in Paris", "caf\xc3\xa9"), 1, 0},
    {Q("loft_em@1", "Caf\xc3\xa9", "cafe\xcc\x81"), 1, 0},
    {{.name = "loft_em@1", .refs = {"x"}}, 0, SB_SCORE_NULL | SB_SCORE_EMPTY},
    {Q("loft_f1@1", "x y", "x"), 2.0 / 3, 0},
    {{.name = "loft_multi_em@1", .preds = {"b", "The a", "b"}, .refs = {"b", ""}}, 1, 0},
    {{.name = "loft_multi_coverage@1", .preds = {"x", "q"}, .refs = {"x", "y"}}, 0.5, 0},
    /* both fit the first, one the second: the first must give way */
    {{.name = "loft_multi_subspan_em@1", .preds = {"x y", "x"}, .refs = {"x", "y"}}, 1, 0},
    {{.name = "loft_multi_subspan_em@1", .preds = {"x y"}, .refs = {"x", "y"}}, 0, 0},
    {{.name = "loft_recall_1@1", .preds = {" d1", "d2"}, .refs = {"d1", "d2"}}, 0.5, 0},
    {{.name = "loft_capped_recall_1@1", .preds = {"d1"}, .refs = {"d1", "d2"}}, 1, 0},
    {{.name = "loft_mrecall_3@1", .preds = {"d9", "d2", "d1"}, .refs = {"d1", "d2"}}, 1, 0},
    {{.name = "loft_mrecall_2@1", .preds = {"d9", "d2", "d1"}, .refs = {"d1", "d2"}}, 0, 0},
    /* RULER */
    {Q("ruler_all@1", " lead1\x01LEAD2 ", "LEAD1", "lead2", "tin"), 2.0 / 3, 0},
    {Q("ruler_all@1",
       "ab\x01"
       "cd",
       "abcd"),
     0, 0},
    {Q("kvpress_all@1",
       "ab\x01"
       "cd",
       "abcd"),
     1, 0},
    {Q("ruler_part@1", "tin", "lead", "tin"), 1, 0},
    {Q("lmeval_part@1", "tin", "lead", "tin"), 0.5, 0},
    {Q("ruler_all@1", " \n", "x"), 0, SB_SCORE_NULL},
};

START_TEST(known_answers)
{
    const known  *k = &answers[_i];
    sb_text_score s = {.value = -1};
    ck_assert_msg(try_score(&k->a, NULL, &s) == SB_OK, "%s: %s", k->a.name, sb_error_text());
    ck_assert_msg(fabs(s.value - k->value) < 1e-15, "%s(%s): %.17g, expected %.17g", k->a.name,
                  k->a.pred, s.value, k->value);
    ck_assert_msg(s.flags == k->flags, "%s(%s): flags %u, expected %u", k->a.name, k->a.pred,
                  s.flags, k->flags);
}
END_TEST

/* The recursion limit of rouge 1.0.1, measured with LongBench's eval.py under CPython 3.11: a
 * sentence of 990 words, equal on both sides, is scored, one of 991 is not. */
START_TEST(rouge_recursion)
{
    for (int words = 990; words <= 991; words++) {
        char         *text = malloc((size_t)words * 8 + 1), *at = text;
        sb_text_score s;
        for (int i = 0; i < words; i++)
            at += sprintf(at, "w%d ", i);
        ask a = Q("rouge_l@1", text, text);
        ck_assert_int_eq(try_score(&a, NULL, &s), SB_OK);
        ck_assert_double_eq_tol(s.value, words == 990, 1e-8);
        ck_assert_uint_eq(s.flags, words == 990 ? 0 : SB_SCORE_RAISES);
        free(text);
    }
}
END_TEST

/* One rounding apart: 2 * 1 / 400 and 1 - 398 / 400 are halves of a per cent to fuzzywuzzy. */
START_TEST(levenshtein_versions)
{
    char          pred[201], ref[201];
    sb_text_score s;
    memset(pred, 'p', 200);
    memset(ref, 'r', 200);
    pred[100] = ref[100] = 'x';
    pred[200] = ref[200] = '\0';
    ask a                = Q("code_sim_indel@1", pred, ref);
    ck_assert_int_eq(try_score(&a, NULL, &s), SB_OK);
    ck_assert_double_eq(s.value, 0);
    a.name = "code_sim_rapidfuzz@1";
    ck_assert_int_eq(try_score(&a, NULL, &s), SB_OK);
    ck_assert_double_eq(s.value, 0.01);
}
END_TEST

/* Texts that every scorer of whole answers takes for right, and none for more than 1. */
START_TEST(identical_is_one)
{
    static const char *const names[] = {"qa_f1@1",
                                        "rouge_l@1",
                                        "code_sim@1",
                                        "code_sim_indel@1",
                                        "helmet_em@1",
                                        "code_sim_rapidfuzz@1",
                                        "infbench_f1_chars_zh@1",
                                        "infbench_rouge_lsum@1",
                                        "helmet_f1@1",
                                        "helmet_sub_em@1",
                                        "helmet_rouge_l_f1@1",
                                        "helmet_rouge_lsum_f1@1",
                                        "helmet_recall@1",
                                        "key_phrase@1",
                                        "loft_em@1",
                                        "loft_subspan_em@1",
                                        "loft_f1@1",
                                        "loft_multi_em@1",
                                        "loft_multi_subspan_em@1",
                                        "loft_recall_1@1",
                                        "loft_mrecall_1@1",
                                        "ruler_all@1",
                                        "ruler_part@1",
                                        "kvpress_all@1"};
    static const char *const texts[] = {"alpha beta gamma", "x", "1 2 3", "Zebra. Xylophone. end"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
            ask           a = Q(names[i], texts[k], texts[k]);
            sb_text_score s;
            ck_assert_int_eq(try_score(&a, NULL, &s), SB_OK);
            ck_assert_msg(s.value <= 1 && s.value > 1 - 1e-8, "%s(%s) %.17g", names[i], texts[k],
                          s.value);
            ck_assert_int_le(s.best_ref, 0);
        }
    }
}
END_TEST

START_TEST(symmetric)
{
    static const char *const names[] = {"qa_f1@1", "code_sim_indel@1", "code_sim_rapidfuzz@1",
                                        "infbench_f1_chars_zh@1"};
    static const char *const texts[] = {
        "the cat sat", "cat sat down", "a b c d e f", "fed", "x", "", "\xe5\x8c\x97\xe4\xba\xac x"};
    size_t n = sizeof texts / sizeof *texts;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (size_t k = 0; k < n * n; k++) {
            ask           a = Q(names[i], texts[k / n], texts[k % n]);
            ask           b = Q(names[i], texts[k % n], texts[k / n]);
            sb_text_score s, t;
            ck_assert_int_eq(try_score(&a, NULL, &s), SB_OK);
            ck_assert_int_eq(try_score(&b, NULL, &t), SB_OK);
            ck_assert_double_eq_tol(s.value, t.value, 1e-15);
        }
    }
}
END_TEST

typedef struct refused {
    ask         a;
    const char *says;
} refused;

static const refused refusals[] = {
    {Q("qa_f1@1", "x", NULL), "no reference"},
    {{.name = "qa_f1@1", .preds = {"x", "y"}, .refs = {"x"}}, "not 2"},
    {Q("classification@1", "x", "x"), "all_classes"},
    {Q("retrieval@1", "3", "paragraph 3"), "names no paragraph"},
    {Q("qa_f1_zh@1", "x", "x"), "python3-jieba"},
    {Q("rouge_zh@1", "x", "x"), "python3-jieba"},
    {Q("infbench_code_run@1", "x", "x"), "no whole number"},
    {Q("infbench_math_calc@1", "1", "x"), "no whole number"},
    {Q("infbench_math_find@1", "1", "x"), "no number"},
    {Q("infbench_code_debug@1", "1", "x"), "two references"},
    {Q("helmet_choice_em@1", "1", "x"), "two references"},
    {Q("key_phrase@1", "1", " "), "key phrase is empty"},
    {Q("babilong@1", "1", "x"), "no task"},
    {{.name = "babilong@1", .pred = "1", .refs = {"x"}, .task = "qa21"}, "qa1 to qa20"},
    {{.name = "babilong@1", .pred = "1", .refs = {"x"}, .task = "qa1x"}, "qa1 to qa20"},
    {{.name = "helmet_em@1", .pred = "1", .refs = {"x"}, .prefix = "R\xc3\xa9ponse:"}, "not ASCII"},
};

START_TEST(refuses)
{
    const refused *r = &refusals[_i];
    sb_text_score  s = {.value = -1};
    ck_assert_int_eq(try_score(&r->a, NULL, &s), SB_ERR_USAGE);
    ck_assert_msg(strstr(sb_error_text(), r->says) != NULL, "%s", sb_error_text());
    ck_assert_msg(strstr(sb_error_text(), r->a.name) != NULL, "%s", sb_error_text());
    ck_assert_double_eq(s.value, -1);
}
END_TEST

START_TEST(names)
{
    int n = 0;
    for (const sb_scorer *const *s = sb_scorers; *s != NULL; s++, n++) {
        ck_assert_ptr_eq(sb_scorer_find((*s)->name), *s); /* no name comes twice */
        ck_assert_ptr_nonnull(strstr((*s)->name, "@1"));
        ck_assert_uint_gt(strlen((*s)->source), 0);
    }
    ck_assert_int_eq(n, 56);
    ck_assert_ptr_null(sb_scorer_find("qa_f1"));
    ck_assert_ptr_null(sb_scorer_find(""));
}
END_TEST

START_TEST(longbench_table)
{
    static const char *const e[] = {"qasper",
                                    "multifieldqa_en",
                                    "hotpotqa",
                                    "2wikimqa",
                                    "gov_report",
                                    "multi_news",
                                    "trec",
                                    "triviaqa",
                                    "samsum",
                                    "passage_count",
                                    "passage_retrieval_en",
                                    "lcc",
                                    "repobench-p"};
    int                      n = 0, n_e = 0, rows = 0;
    for (const sb_longbench *d = sb_longbench_datasets; d->name != NULL; d++) {
        ck_assert_ptr_nonnull(sb_scorer_find(d->metric));
        ck_assert_ptr_eq(sb_longbench_find(d->name), d);
        n++;
        n_e += d->in_e;
        rows += d->rows;
    }
    ck_assert_int_eq(n, 21);
    ck_assert_int_eq(n_e, 13);
    ck_assert_int_eq(rows, 4750); /* as the paper counts them */
    for (int i = 0; i < 13; i++)
        ck_assert_int_eq(sb_longbench_find(e[i])->in_e, 1);
    ck_assert_ptr_null(sb_longbench_find("qasper_e"));
    ck_assert_int_eq(sb_longbench_bucket(3999), 0);
    ck_assert_int_eq(sb_longbench_bucket(4000), 1);
    ck_assert_int_eq(sb_longbench_bucket(8000), 2);
    ck_assert_str_eq(sb_longbench_bucket_name(2), "8k+");
    ck_assert_ptr_null(sb_longbench_bucket_name(3));
    n = 0;
    for (const sb_infbench *t = sb_infbench_tasks; t->name != NULL; t++, n++) {
        ck_assert_ptr_nonnull(sb_scorer_find(t->metric));
        ck_assert_ptr_eq(sb_infbench_find(t->name), t);
    }
    ck_assert_int_eq(n, 12);
}
END_TEST

START_TEST(first_line)
{
    sb_text t = sb_longbench_clean(sb_longbench_find("trec"), sb_text_of("\n\nFood\nmore"));
    ck_assert_uint_eq(t.bytes, 4);
    ck_assert_int_eq(memcmp(t.data, "Food", 4), 0);
    t = sb_longbench_clean(sb_longbench_find("trec"), sb_text_of("\n\n"));
    ck_assert_uint_eq(t.bytes, 0);
    t = sb_longbench_clean(sb_longbench_find("qasper"), sb_text_of("\nFood\nmore"));
    ck_assert_uint_eq(t.bytes, 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("scorers");
    TCase *t     = tcase_create("scorers");
    tcase_add_loop_test(t, known_answers, 0, (int)(sizeof answers / sizeof *answers));
    tcase_add_loop_test(t, refuses, 0, (int)(sizeof refusals / sizeof *refusals));
    tcase_add_test(t, rouge_recursion);
    tcase_add_test(t, levenshtein_versions);
    tcase_add_test(t, identical_is_one);
    tcase_add_test(t, symmetric);
    tcase_add_test(t, names);
    tcase_add_test(t, longbench_table);
    tcase_add_test(t, first_line);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
