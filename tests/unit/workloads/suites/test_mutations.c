/* Seeded damage to good files and good texts: every row is whole, or an error of that row; a set
 * opens, or says why not. The sanitizers watch. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "tests/unit/workloads/suites/rig.h"

static const struct sample {
    const char *suite, *task, *row, *texts;
} samples[] = {
    {"longbench", "trec",
     "{\"input\": \"i\", \"context\": \"caf\xc3\xa9 {c}\", \"answers\": [\"a\", \"b\"], "
     "\"length\": 5, "
     "\"all_classes\": [\"a\", \"b\"], \"_id\": \"x\"}\n",
     "{\"trec\": \"<{context}|{{x}}|{input}>\"}"},
    {"longbench_v2", "choice",
     "[{\"_id\": \"6\", \"domain\": \"D\", \"difficulty\": \"easy\", \"length\": \"long\", "
     "\"question\": "
     "\"q\", \"choice_A\": \"a\", \"choice_B\": \"b\", \"choice_C\": \"$Q$\", \"choice_D\": \"d\", "
     "\"answer\": \"B\", \"context\": \"$C_A$ text\"}]",
     "{\"0shot\": \"$DOC$ $Q$ $C_A$$C_B$$C_C$$C_D$\"}"},
    {"infinitebench", "code_debug",
     "{\"id\": 1, \"context\": \"abc\", \"answer\": [\"o2\", \"C\"], \"options\": [\"o0\", \"o1\", "
     "\"o2\", "
     "\"o3\"]}\n",
     "{\"code_debug\": \"{context}{OPTION_A}{OPTION_B}{OPTION_C}{OPTION_D}\", \"chat\": true}"},
    {"infinitebench", "math_find",
     "{\"context\": \"[1, 2]\", \"input\": \"x The median of y\", \"answer\": 1.5}\n",
     "{\"math_find\": \"{prefix}{context}{input}\", \"math_find_prefix\": \"{target_number}?\"}"},
    {"infinitebench", "code_run",
     "{\"context\": \"abc\", \"input\": \"run func_12(-3) now\", \"answer\": [7]}\n",
     "{\"code_run\": \"{func}{context}{func_call}\"}"},
    {"babilong", "qa1",
     "{\"input\": \" caf\xc3\xa9 {c}\", \"question\": \"q\", \"target\": \"t\"}\n",
     "{\"template\": \"{instruction}{examples}{post_prompt}{context}{{x}}{question}\", \"qa1\": "
     "{\"instruction\": \"i\", \"examples\": \"e\", \"post_prompt\": \"p\"}}"},
    {"helmet", "json_kv",
     "{\"context\": \"caf\xc3\xa9 {c}\", \"question\": \"k\", \"answer\": \"v1\", \"num_kvs\": "
     "9, \"demos\": [[\"a\", \"1\"], [\"b\", \"2\"]]}\n",
     "{\"json_kv\": {\"user\": \"{context}|{demos}{question}\", \"system\": \"V:\", \"demo\": "
     "\"{key}={value}\"}}"},
};

enum { SAMPLES = sizeof samples / sizeof *samples };

static void check_rows(sb_text_set *set)
{
    for (int64_t i = 0; i < set->suite->n_rows(set); i++) {
        sb_text_row r  = {0};
        sb_status   st = set->suite->row(set, i, &r);
        if (st == SB_OK) {
            char *line = NULL;
            ck_assert_int_lt(sbi_utf8_check(r.prompt, r.prompt_bytes), 0);
            ck_assert_int_eq(r.prompt_bytes, (int64_t)strlen(r.prompt));
            ck_assert_int_gt(r.n_refs, 0);
            ck_assert_int_eq(sb_text_row_json(set->suite, set->task, &r, &line), SB_OK);
            free(line);
        } else {
            ck_assert_int_eq(st, SB_ERR_USAGE);
            ck_assert_str_ne(sb_error_text(), "");
        }
        sb_text_row_fini(&r);
    }
}

static void check_set(const struct sample *s, const sbi_text *rows, const sbi_text *texts, int cut)
{
    rig          g;
    sb_text_set *set  = NULL;
    const char  *data = rig_arg("data", put_file("rows", sbi_text_str(rows), (size_t)rows->n));
    const char  *words =
        rig_arg("templates", put_file("texts", sbi_text_str(texts), (size_t)texts->n));
    const char *task = rig_arg("task", s->task);
    sb_status   st =
        rig_request(&g, s->suite,
                    cut && strcmp(s->suite, "babilong") != 0 /* never cuts */
                        ? ARGS(task, data, words, "tok=bytes", "prefix_tokens=1",
                               strcmp(s->suite, "helmet") == 0 ? "length=120" : "length=7")
                        : ARGS(task, data, words));
    ck_assert_int_eq(st, SB_OK);
    st = g.req.suite->open(&g.req, &set);
    if (st == SB_OK)
        check_rows(set);
    else
        ck_assert_int_eq(st, SB_ERR_USAGE);
    g.req.suite->close(set);
}

START_TEST(damaged_rows)
{
    sb_rng rng = {11};
    for (int round = 0; round < fuzz_rounds(1500); round++) {
        const struct sample *s    = &samples[round % SAMPLES];
        sbi_text             rows = {0}, texts = {0};
        sbi_text_puts(&rows, s->row);
        sbi_text_puts(&texts, s->texts);
        for (uint64_t i = 0; i < 1 + sb_rng_below(&rng, 3); i++)
            mutate(&rows, &rng);
        check_set(s, &rows, &texts, round % 2);
        sbi_text_fini(&rows);
        sbi_text_fini(&texts);
    }
}
END_TEST

START_TEST(damaged_texts)
{
    sb_rng rng = {12};
    for (int round = 0; round < fuzz_rounds(1500); round++) {
        const struct sample *s    = &samples[round % SAMPLES];
        sbi_text             rows = {0}, texts = {0};
        sbi_text_puts(&rows, s->row);
        sbi_text_puts(&texts, s->texts);
        for (uint64_t i = 0; i < 1 + sb_rng_below(&rng, 3); i++)
            mutate(&texts, &rng);
        check_set(s, &rows, &texts, round % 2);
        sbi_text_fini(&rows);
        sbi_text_fini(&texts);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("suites_mutations");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, damaged_rows);
    tcase_add_test(t, damaged_texts);
    return run_suite_of("suites_mutations", t);
}
