/* Seeded mutations of sound rows of every suite that reads files, through the fuzzer's entry.
 * SPAN_FUZZ_ROUNDS: how many a seed. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz_jsonl.h"
#include "tests/unit/workloads/ruler/common.h"

/* Rows that hold the fields of several suites: whichever reads them finds its own. */
static const char *const seeds[] = {
    "{\"input\": \"i\", \"context\": \"caf\xc3\xa9 {c}\", \"answers\": [\"a\", \"b\"], \"length\": "
    "5, "
    "\"all_classes\": [\"a\", \"b\"], \"_id\": \"x\", \"question\": \"q\", \"target\": \"t\", "
    "\"ctxs\": [{\"title\": \"t\", \"text\": \"x\"}], \"s_pop\": 7}\n",
    "[{\"_id\": \"6\", \"domain\": \"D\", \"difficulty\": \"easy\", \"length\": \"long\", "
    "\"question\": \"q\", \"choice_A\": \"a\", \"choice_B\": \"b\", \"choice_C\": \"$Q$\", "
    "\"choice_D\": \"d\", \"answer\": \"B\", \"context\": \"$C_A$ text\"}]",
    "{\"id\": 1, \"context\": \"abc\", \"input\": \"The median of func_1(2)\", \"answer\": "
    "[\"o2\", "
    "\"C\"], \"options\": [\"o0\", \"o1\", \"o2\", \"o3\"]}\n",
    "{\"suite\": \"s\", \"id\": \"i7\", \"input\": \"\", \"answer_prefix\": \"A\", \"outputs\": "
    "[\"a\", \"b\"], \"metric\": \"classification@1\", \"classes\": [\"a\", \"b\"], \"max_gen\": "
    "1, "
    "\"first_line\": 1, \"relevance\": [1, 2], \"meta\": {\"d\": 0.5}}\n",
    "{\"input\": \"x\", \"outputs\": [\"k\"], \"metric\": \"babilong@1\", \"question\": "
    "\"Where?\", "
    "\"scorer_task\": \"qa20\", \"answer_mark\": \"M:\", \"max_gen\": 20, \"n_tokens\": 9, "
    "\"target\": \"k\"}\n",
    "{\"context\": \"C \", \"question\": \"Q?\", \"answer_prefix\": \"A:\", \"task\": \"qa_1\", "
    "\"max_new_tokens\": 30, \"answer\": [\"x\", 5], \"query\": \"k\", \"type_needle_v\": "
    "\"words\", "
    "\"num_v\": 3, \"example\": \"e\", \"demos\": [[\"k\", \"v\"]], \"num_kvs\": 4}\n",
    "{\"qid\": \"7\", \"query\": \"q\", \"ctxs\": [{\"id\": \"3\", \"title\": \"t\", \"text\": "
    "\"x\", "
    "\"label\": 2}, {\"id\": \"1\", \"text\": \"y\", \"label\": 0}]}\n"
    "{\"qid\": \"8\", \"query\": \"q\", \"ctxs\": [{\"id\": \"3\", \"text\": \"x\", \"label\": "
    "1}]}\n"
    "{\"qid\": \"9\", \"query\": \"q\", \"ctxs\": [{\"id\": \"4\", \"text\": \"x\", \"label\": "
    "0}]}\n",
};

enum { SEEDS = sizeof seeds / sizeof *seeds };

/* A copy of exactly its size, so that the sanitizer sees one byte too many. */
static void feed(const char *data, int64_t n)
{
    char *own = malloc(n > 0 ? (size_t)n : 1);
    ck_assert_ptr_nonnull(own);
    if (n > 0)
        memcpy(own, data, (size_t)n);
    ck_assert_int_eq(LLVMFuzzerTestOneInput((const uint8_t *)own, (size_t)n), 0);
    free(own);
}

START_TEST(mutations)
{
    sb_rng    g      = {(uint64_t)_i};
    const int rounds = fuzz_rounds(400);
    for (int r = 0; r < rounds; r++) {
        sbi_text t = {0};
        sbi_text_puts(&t, seeds[_i]);
        for (uint64_t k = sb_rng_below(&g, 4); k > 0; k--) /* none too: other seeds' rows follow */
            mutate(&t, &g);
        sbi_text_puts(&t, sb_rng_below(&g, 2) > 0 ? seeds[sb_rng_below(&g, SEEDS)] : "");
        feed(sbi_text_str(&t), t.n);
        sbi_text_fini(&t);
    }
    for (int64_t cut = 0; cut <= (int64_t)strlen(seeds[_i]); cut += 3)
        feed(seeds[_i], cut);
    /* the seeds are what suites read: a test in which nothing opens would find nothing */
    ck_assert_int_gt(fuzz_jsonl_opened, rounds);
    ck_assert_int_gt(fuzz_jsonl_bad_rows, rounds);
    ck_assert_int_gt(fuzz_jsonl_rows, rounds / 10);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("fuzz");
    tcase_add_loop_test(t, mutations, 0, SEEDS);
    return run_suite_of("jsonl_fuzz", t);
}
