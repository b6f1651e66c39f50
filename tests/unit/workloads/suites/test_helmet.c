/* HELMET from files: prompts, examples, the cut of the context, scores, and what is said of bad
 * rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "tests/unit/workloads/suites/rig.h"
#include "workloads/helmet/shuffle.h"

#define WORDS                                                                                      \
    "{\"ruler_niah\": {\"user\": \"<{type_needle_v}|{context}|{query}>\", \"system\": "            \
    "\"{query}:\"}, \"ruler_vt\": {\"user\": \"{example}{context}{query}\", \"system\": "          \
    "\"{num_v}\"}, \"ruler_qa\": {\"user\": \"{context}|{question}\", \"system\": \"A:\"}, "       \
    "\"json_kv\": {\"user\": \"{context}|{demos}{question}\", \"system\": \"V:\", \"demo\": "      \
    "\"{key}={value}\"}, \"kilt\": {\"user\": \"{demos}{context}|{question}\", \"system\": "       \
    "\"A:\", \"passage\": \"({title}) {text}\", \"demo\": \"{documents}|{question}|{answer}\"}, "  \
    "\"msmarco\": {\"user\": \"{demos}{context}|{question}\", \"system\": \"R:\", \"passage\": "   \
    "\"[{id}] {text}\", \"passage_with_title\": \"[{id}] ({title}) {text}\", \"demo\": "           \
    "\"{documents}|{question}|{answer}\"}}"

static const char *words(void) { return rig_arg("templates", put_text("t.json", WORDS)); }

static const char *data(const char *rows) { return rig_arg("data", put_text("d.jsonl", rows)); }

#define RULER                                                                                      \
    "{\"context\": \"abcdefghij\", \"query\": \"k\", \"type_needle_v\": \"words\", \"num_v\": 2, " \
    "\"example\": \"e\", \"outputs\": [\"X\", \"Y\"]}\n"
#define KV                                                                                         \
    "{\"context\": \"c\", \"question\": \"k\", \"answer\": \"v1\", \"num_kvs\": 9, \"demos\": "    \
    "[[\"a\", \"1\"], [\"b\", \"2\"], [\"c\", \"3\"]]}\n"
#define KILT(id, pop)                                                                              \
    "{\"id\": \"" id "\", \"question\": \"q" id "\", \"answers\": [\"a" id "\", \"b\"], "          \
    "\"s_pop\": " pop ", \"ctxs\": [{\"title\": \"T\", \"text\": \"one\"}, {\"title\": \"U\", "    \
    "\"text\": \"two\"}]}\n"
#define MARCO(qid)                                                                                 \
    "{\"qid\": \"" qid "\", \"query\": \"q" qid "\", \"ctxs\": [{\"id\": \"4\", \"text\": \"x\", " \
    "\"label\": 0}, {\"id\": \"2\", \"title\": \"T\", \"text\": \"y\", \"label\": 3}, {\"id\": "   \
    "\"7\", \"text\": \"z\", \"label\": 0}]}\n"

static const struct sample {
    const char *task, *row, *arg, *prompt, *scorer, *right, *part;
    double      part_value;
    int64_t     input_bytes;
} samples[] = {
    {"task=ruler_niah_s_1", RULER, "shots=2", "<words|abcdefghij|k>\nk:", "helmet_recall@1",
     "y and x", "just x", .5, 20},
    {"task=ruler_vt", RULER, "shots=2", "e\n\nabcdefghijk\n2", "helmet_recall@1", "XY", "Y", .5,
     14},
    {"task=ruler_qa_1", RULER, "shots=2", "abcdefghij|k\nA:", "helmet_sub_em@1", "the Y", "z", 0,
     12},
    {"task=json_kv", KV, "shots=2", "c|a=1\n\nb=2\n\nk\nV:", "helmet_sub_em@1",
     "Corresponding value: V1", "v", 0, 13},
    {"task=json_kv", KV, "shots=0", "c|k\nV:", "helmet_sub_em@1", "v1", "v", 0, 3},
    {"task=json_kv", KV, "chat=yes", "c|a=1\n\nb=2\n\nk", "helmet_sub_em@1", "v1", "v", 0, 13},
    {"task=kilt_nq", KILT("1", "5"), "shots=0", "(T) one\n\n(U) two|q1\nA:", "helmet_sub_em@1",
     "Answer: A1!", "a", 0, 19},
    {"task=msmarco_rerank_psg", MARCO("1"), "shots=0", "[4] x\n\n[2] (T) y\n\n[7] z|q1\nR:",
     "helmet_ndcg_10@1", "2 > 4 > 7", "Ranking: 4 > 2 > 7", .63093, 26},
};

START_TEST(all_kinds)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        const struct sample *c = &samples[i];
        rig                  g;
        sb_text_set *set = rig_open(&g, "helmet", ARGS(c->task, data(c->row), words(), c->arg));
        sb_text_row  r   = rig_row(set, 0);
        ck_assert_str_eq(r.prompt, c->prompt);
        ck_assert_int_eq(r.input_bytes, c->input_bytes);
        ck_assert_str_eq(r.scorer, c->scorer);
        ck_assert_double_eq(rig_score(&r, c->right), 1);
        ck_assert_double_eq_tol(rig_score(&r, c->part), c->part_value, 1e-9);
        ck_assert_double_eq(rig_score(&r, ""), 0);
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
}
END_TEST

/* numpy 2.4.6: default_rng(5).permutation(10), default_rng(2147483647).permutation(7) */
START_TEST(numpy_order)
{
    static const int64_t ten[]   = {7, 6, 1, 3, 2, 4, 0, 9, 5, 8};
    static const int64_t seven[] = {6, 0, 4, 5, 3, 1, 2};
    int64_t              order[10];
    sbi_numpy_permutation(5, 10, order);
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(order[i], ten[i]);
    sbi_numpy_permutation(2147483647, 7, order);
    for (int i = 0; i < 7; i++)
        ck_assert_int_eq(order[i], seven[i]);
    sbi_numpy_permutation(5, 1, order);
    ck_assert_int_eq(order[0], 0);
}
END_TEST

START_TEST(examples)
{
    const char  *demos = KILT("1", "5") KILT("1", "5") KILT("2", "5") KILT("3", "2000");
    rig          g;
    sb_text_set *set;
    sb_text_row  r;
    json_t      *facts;
    set   = rig_open(&g, "helmet",
                     ARGS("task=kilt_nq", data(KILT("1", "5")), words(), "shots=3",
                          rig_arg("demos", put_text("x.jsonl", demos))));
    r     = rig_row(set, 0);
    facts = set->suite->facts(set);
    ck_assert_ptr_nonnull(strstr(r.prompt, "|q1|a1\n\n")); /* each once, the question's own too */
    ck_assert_ptr_nonnull(strstr(r.prompt, "|q2|a2\n\n"));
    ck_assert_ptr_nonnull(strstr(r.prompt, "|q3|a3\n\n"));
    ck_assert_int_eq((int)json_string_length(json_object_get(facts, "demos_sha256")), 64);
    json_decref(facts);
    sb_text_row_fini(&r);
    set->suite->close(set);
    /* PopQA: not its own, none too popular */
    set = rig_open(&g, "helmet",
                   ARGS("task=kilt_popqa_3", data(KILT("1", "5") KILT("9", "1000")), words(),
                        "shots=1", rig_arg("demos", put_text("x.jsonl", demos))));
    r   = rig_row(set, 0);
    ck_assert_ptr_nonnull(strstr(r.prompt, "|q2|a2\n\n"));
    sb_text_row_fini(&r);
    rig_bad_row(set, 1, "line 2: s_pop: 1000 or more");
    set->suite->close(set);
    set = rig_open(&g, "helmet",
                   ARGS("task=kilt_popqa_3", data(KILT("1", "5")), words(), "shots=2",
                        rig_arg("demos", put_text("x.jsonl", demos))));
    rig_bad_row(set, 0, "x.jsonl: 1 different examples, 2 are needed");
    set->suite->close(set);
    /* the order of relevance; equal ones stay in theirs */
    set = rig_open(&g, "helmet",
                   ARGS("task=msmarco_rerank_psg", data(MARCO("1")), words(), "shots=1",
                        rig_arg("demos", put_text("x.jsonl", MARCO("1") MARCO("2")))));
    r   = rig_row(set, 0);
    ck_assert_ptr_nonnull(strstr(r.prompt, "|q2|2 > 4 > 7\n\n"));
    sb_text_row_fini(&r);
    set->suite->close(set);
}
END_TEST

/* Length 71 is prompt and 50 generated tokens: 21 stay, 20 behind a special one. */
START_TEST(the_context_is_cut)
{
    static const struct {
        const char *length, *prefix, *prompt;
        int64_t     truncated;
    } cases[] = {
        {"length=73", "prefix_tokens=0", "<words|abcdefghij|k>\nk:", 0},
        {"length=72", "prefix_tokens=0", "<words|abcdefghi|k>\nk:", 1},
        {"length=71", "prefix_tokens=1", "<words|abcdefg|k>\nk:", 3},
        {"length=63", "prefix_tokens=0", "<words||k>\nk:", 10},
    };
    rig          g;
    sb_text_set *set;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sb_text_row r;
        set = rig_open(&g, "helmet",
                       ARGS("task=ruler_niah_s_1", data(RULER), words(), "tok=bytes",
                            cases[i].length, cases[i].prefix));
        r   = rig_row(set, 0);
        ck_assert_str_eq(r.prompt, cases[i].prompt);
        ck_assert_int_eq(r.truncated_tokens, cases[i].truncated);
        ck_assert_int_eq(r.n_tokens, r.prompt_bytes);
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
    set = rig_open(&g, "helmet",
                   ARGS("task=ruler_niah_s_1", data(RULER), words(), "tok=bytes", "length=62"));
    rig_bad_row(set, 0, "context: 10 tokens, but the prompt is 11 too long");
    set->suite->close(set);
    rig_cannot_open("helmet", ARGS("task=ruler_niah_s_1", data(RULER), words(), "length=50"),
                    SB_ERR_USAGE, "length 50: prompt and generated tokens together");
    rig_cannot_open("helmet", ARGS("task=ruler_niah_s_1", data(RULER), words(), "length=90"),
                    SB_ERR_USAGE, "needs a tokenizer");
}
END_TEST

START_TEST(bad)
{
    static const struct {
        const char *task, *row, *why;
    } rows[] = {
        {"task=ruler_niah_s_1", "{\"context\": \"c\", \"query\": \"k\"}\n",
         "line 1: type_needle_v: nothing, not"},
        {"task=ruler_niah_s_1", "{\"context\": [], \"query\": \"k\", \"type_needle_v\": \"w\"}\n",
         "context: an empty array"},
        {"task=ruler_niah_s_1",
         "{\"context\": \"c\", \"query\": \"k\", \"type_needle_v\": \"w\", \"answer\": \"x\"}\n",
         "answer: a string, not an array"},
        {"task=ruler_niah_s_1",
         "{\"context\": \"c\", \"query\": \"k\", \"type_needle_v\": \"w\"}\n",
         "outputs: nothing, not an array"},
        {"task=json_kv", "{\"context\": \"c\", \"question\": \"q\", \"answer\": \"a\"}\n",
         "demos: nothing, not an array of pairs"},
        {"task=json_kv",
         "{\"context\": \"c\", \"question\": \"q\", \"answer\": \"a\", \"demos\": [[\"a\"]]}\n",
         "demos: an array, not a pair of strings"},
        {"task=json_kv", "{\"context\": \"c\", \"question\": \"q\", \"demos\": []}\n",
         "answer: nothing, not a string or a number"},
        {"task=kilt_nq", "{\"question\": \"q\", \"answers\": [\"a\"]}\n",
         "ctxs: nothing, not an array of documents"},
        {"task=kilt_nq", "{\"question\": \"q\", \"answers\": [\"a\"], \"ctxs\": [1]}\n",
         "ctxs: a number, not an array of objects"},
        {"task=kilt_nq",
         "{\"question\": \"q\", \"answers\": [\"a\"], \"ctxs\": [{\"text\": \"x\"}]}\n",
         "title: nothing, not a string"},
        {"task=kilt_nq", "{\"question\": \"q\", \"ctxs\": []}\n", "answers: nothing, not an array"},
        {"task=kilt_popqa_3", "{\"question\": \"q\", \"s_pop\": 0, \"ctxs\": []}\n",
         "s_pop: 0, not above 0"},
        {"task=kilt_popqa_3", "{\"question\": \"q\", \"ctxs\": []}\n",
         "s_pop: nothing, not a number"},
        {"task=msmarco_rerank_psg", "{\"qid\": 1, \"query\": \"q\", \"ctxs\": []}\n",
         "ctxs: an empty array"},
        {"task=msmarco_rerank_psg",
         "{\"qid\": 1, \"query\": \"q\", \"ctxs\": [{\"id\": 1, \"text\": \"x\"}]}\n",
         "ctxs.label: nothing, not a whole number"},
        {"task=msmarco_rerank_psg", "{\"query\": \"q\", \"ctxs\": []}\n", "qid: nothing"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        rig          g;
        sb_text_set *set =
            rig_open(&g, "helmet",
                     ARGS(rows[i].task, data(rows[i].row), words(),
                          strcmp(rows[i].task, "task=json_kv") == 0 ? "shots=1" : "shots=0"));
        rig_bad_row(set, 0, rows[i].why);
        set->suite->close(set);
    }
    rig_cannot_open("helmet", ARGS("task=narrativeqa", data("{}\n")), SB_ERR_UNSUPPORTED,
                    "narrativeqa is scored by a language model");
    rig_cannot_open("helmet", ARGS("task=kilt_nq", data(KILT("1", "5"))), SB_ERR_UNSUPPORTED,
                    "`demos` must name HELMET's file");
    rig_cannot_open(
        "helmet",
        ARGS("task=kilt_nq", data(KILT("1", "5")), rig_arg("demos", put_text("x.jsonl", "{}\n"))),
        SB_ERR_USAGE, "x.jsonl: line 1: question: nothing");
    rig_cannot_open("helmet", ARGS("task=json_kv"), SB_ERR_UNSUPPORTED, "json_kv.jsonl");
    rig_cannot_open("helmet", ARGS("task=ruler_fwe", data(RULER), words()), SB_ERR_USAGE,
                    "t.json: ruler_fwe: nothing, not an object of texts");
    rig_cannot_open("helmet",
                    ARGS("task=json_kv", data(KV),
                         rig_arg("templates", put_text("t.json", "{\"json_kv\": {\"user\": "
                                                                 "\"{question}\"}}"))),
                    SB_ERR_USAGE, "json_kv: user: placeholder {context} is missing");
}
END_TEST

/* Our own wording serves every task. */
START_TEST(built_in)
{
    const sb_text_suite *s = NULL;
    rig                  g;
    ck_assert_int_eq(rig_request(&g, "helmet", ARGS("shots=0")), SB_OK);
    s = g.req.suite;
    for (int i = 0; s->tasks[i].name != NULL && strcmp(s->tasks[i].scorer, "a judge") != 0; i++) {
        const char  *row = strncmp(s->tasks[i].name, "ruler", 5) == 0  ? RULER
                           : strncmp(s->tasks[i].name, "json", 4) == 0 ? KV
                           : strncmp(s->tasks[i].name, "kilt", 4) == 0 ? KILT("1", "5")
                                                                       : MARCO("1");
        sb_text_set *set =
            rig_open(&g, "helmet", ARGS(rig_arg("task", s->tasks[i].name), data(row), "shots=0"));
        sb_text_row r = rig_row(set, 0);
        ck_assert_int_gt(r.prompt_bytes, 40);
        ck_assert_ptr_nonnull(sb_scorer_find(r.scorer));
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("helmet");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, all_kinds);
    tcase_add_test(t, numpy_order);
    tcase_add_test(t, examples);
    tcase_add_test(t, the_context_is_cut);
    tcase_add_test(t, bad);
    tcase_add_test(t, built_in);
    return run_suite_of("helmet", t);
}
