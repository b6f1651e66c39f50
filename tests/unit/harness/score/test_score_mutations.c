/* Files of every format with small damages, from a seed: a run ends well or with a usage error,
 * each line is scored or told, figures stay in [0,1]. SPAN_FUZZ_ROUNDS makes it longer. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/score/score.h"
#include "tests/unit/workloads/ruler/common.h"

static const struct sample {
    const char *name, *text;
} samples[] = {
    {"vt.jsonl",
     "{\"pred\": \"a b\\u0001\", \"outputs\": [\"a\", \"b\", \"c\", \"d\", \"e\"], \"input\": "
     "\"1\"}\n"
     "{\"pred\": \"\", \"outputs\": [\"a\", \"b\", \"c\", \"d\", \"e\"], \"input\": \"2\"}\n"},
    {"predictions.csv", "task,answer,predicted_answer,length,all_classes\r\n"
                        "trec,\"['a' 'b\\'']\",\"a \"\"q\"\"\n2\",5,\"['a', 'b\\'']\"\r\n"
                        "qa_1,plain,,,\r\nvt,\"['1', '2', '3', '4', '5']\",1 5,,\r\n"},
    {"hotpotqa.jsonl",
     "{\"pred\": \"alpha\", \"answers\": [\"alpha beta\", \"x\"], \"all_classes\": null, "
     "\"length\": 4000}\n"
     "{\"pred\": \"b\", \"answers\": [\"a\"], \"all_classes\": [\"x\"], \"length\": 5}\n"},
    {"m.jsonl", "{\"_id\": \"1\", \"difficulty\": \"easy\", \"length\": \"short\", \"answer\": "
                "\"A\", \"response\": \"The correct answer is (A)\"}\n"
                "{\"_id\": \"2\", \"difficulty\": \"hard\", \"length\": \"long\", \"answer\": "
                "\"B\", \"response\": \"\"}\n"},
    {"preds_math_calc.jsonl", "{\"id\": 1, \"prediction\": \"5, 6\", \"ground_truth\": [5, 6]}\n"
                              "{\"id\": 2, \"prediction\": \"6\", \"ground_truth\": [[5, 1]]}\n"},
    {"samples_ruler_vt_2026-01-02T03-04-05.6.jsonl",
     "{\"doc_id\": 1, \"doc\": {\"outputs\": [\"a\", \"b\", \"c\", \"d\", \"e\"], \"max_length\": "
     "4096}, \"resps\": [[\"a\"]]}\n"
     "{\"doc_id\": 2, \"doc\": {\"outputs\": [\"a\", \"b\", \"c\", \"d\", \"e\"]}, "
     "\"filtered_resps\": [\"b\"], \"filter\": \"none\"}\n"},
    {"own.jsonl", "{\"task\": \"t\", \"metric\": \"loft_em@1\", \"outputs\": [\"a\", 5], \"pred\": "
                  "[\"a\"], \"input\": \"i\", "
                  "\"answer_prefix\": \"\", \"classes\": [\"c\"], \"relevance\": [1, 2], "
                  "\"question\": \"q\", \"meta\": {\"k\": 1}}\n"
                  "{\"task\": \"t\", \"metric\": \"babilong@1\", \"scorer_task\": \"qa1\", "
                  "\"outputs\": [\"a\"], \"pred\": \"a\", \"id\": 3}\n"},
};

static int told;

static void note(void *arg, const char *text)
{
    (void)arg;
    told += strstr(text, ": read as ") == NULL;
    ck_assert_uint_gt(strlen(text), 0);
}

START_TEST(damaged_files)
{
    sb_rng   r      = {99 + (uint64_t)_i};
    int      rounds = fuzz_rounds(300);
    int64_t  good   = 0;
    sbi_text t      = {0};
    for (int round = 0; round < rounds; round++) {
        static const char *metrics[] = {"own", "ruler_part@1"};
        const char        *file;
        sb_score_table     table = {0};
        sb_score_outcome   o     = {0};
        sb_status          st;
        sbi_text_reset(&t);
        sbi_text_puts(&t, samples[_i].text);
        for (uint64_t k = sb_rng_below(&r, 4); k > 0; k--)
            mutate(&t, &r);
        file = put_file(samples[_i].name, sbi_text_str(&t), (size_t)t.n);
        told = 0;
        st   = sb_score_run(
              &(sb_score_options){
                  .files = &file, .n_files = 1, .metrics = metrics, .n_metrics = 2, .note = note},
              &table, &o);
        ck_assert_msg(st == SB_OK || st == SB_ERR_USAGE, "%s: %s", sb_status_name(st),
                      sb_error_text());
        if (st == SB_OK)
            ck_assert_int_eq(told, o.bad);
        for (int64_t i = 0; i < table.n; i++)
            ck_assert(isnan(table.lines[i].score) ||
                      (table.lines[i].score >= 0 && table.lines[i].score <= 1));
        good += o.rows;
        sb_score_table_fini(&table);
    }
    ck_assert_int_gt(good, rounds / 4); /* many are read all the same */
    sbi_text_fini(&t);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("score_mutations");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_set_timeout(t, 600);
    tcase_add_loop_test(t, damaged_files, 0, (int)(sizeof samples / sizeof *samples));
    return run_suite_of("score_mutations", t);
}
