/* The suite as a record: what it opens, rows as text rows, what it refuses, imports. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "workloads/metrics/scorer.h"
#include "workloads/registry.h"
#include "workloads/ruler/suite.h"
#include "workloads/tokenizer/ops.h"

typedef struct request {
    sb_ruler_params params;
    const char     *paths[SB_RULER_KEYS];
    sb_text_req     req;
} request;

static void request_init(request *q, const char *task, int64_t length)
{
    const sb_text_suite *s = sb_text_suite_find("ruler");
    *q                     = (request){0};
    ck_assert_ptr_nonnull(s);
    ck_assert_int_eq(sb_params_default(s->params, &q->params), SB_OK);
    q->params.mode = SB_RULER_MODE_COMPAT;
    q->req         = (sb_text_req){.suite         = s,
                                   .task          = sb_text_task_find(s, task),
                                   .params        = &q->params,
                                   .paths         = q->paths,
                                   .length_tokens = length,
                                   .seed          = 42,
                                   .tok           = sb_tok_ops_find("bytes/4")};
    ck_assert_ptr_nonnull(q->req.task);
}

static void set_wrapper(request *q, const char *name)
{
    ck_assert_int_eq(
        sb_param_set(sb_params_find(q->req.suite->params, "wrapper"), &q->params, name), SB_OK);
}

static sb_text_set *open_ok(const request *q)
{
    sb_text_set *set = NULL;
    if (q->req.suite->open(&q->req, &set) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    ck_assert(set->suite == q->req.suite && set->task == q->req.task);
    return set;
}

static sb_text_row row_ok(sb_text_set *set, int64_t row)
{
    sb_text_row r = {0};
    if (set->suite->row(set, row, &r) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return r;
}

static const char *fact(json_t *facts, const char *name)
{
    const char *s = json_string_value(json_object_get(facts, name));
    ck_assert_msg(s != NULL, "no fact %s", name);
    return s;
}

START_TEST(record)
{
    const sb_text_suite *s = sb_text_suite_find("ruler");
    int                  n = 0;
    ck_assert_ptr_eq(s, &sb_ruler_suite);
    for (const sb_text_task *t = s->tasks; t->name != NULL; t++, n++) {
        const sb_scorer *scorer = sb_scorer_find(t->scorer);
        ck_assert_ptr_nonnull(scorer);
        ck_assert_int_gt(t->gen_tokens, 0);
        if (n >= 13)
            continue;
        ck_assert_str_eq(t->name, sb_ruler_tasks[n].name);
        ck_assert_str_eq(t->scorer, sb_ruler_tasks[n].metric == SB_RULER_MATCH_ALL
                                        ? "ruler_all@1"
                                        : "ruler_part@1");
    }
    ck_assert_int_ge(n, 13);
    for (int k = 0; k < SB_RULER_KEYS; k++)
        ck_assert_ptr_nonnull(s->keys[k].name);
    ck_assert_ptr_null(s->keys[SB_RULER_KEYS].name);
}
END_TEST

/* The rows are those of the library, whose known answers test_ruler_rows has; with a vocabulary
 * too, whose counts the suite remembers and the library here does not. */
START_TEST(compat_rows)
{
    static const char *const tasks[] = {"niah_multikey_3", "vt", "fwe", "niah_multikey_3", "fwe"};
    request                  q;
    sb_text_set             *set;
    sb_ruler_templates      *texts = open_templates(OFFICIAL_TEXTS, NULL);
    sb_ruler_spec            spec  = {.task          = sb_ruler_task_find(tasks[_i]),
                                      .seed          = 42,
                                      .length_tokens = 4096,
                                      .templates     = texts,
                                      .counter       = *sb_tok_ops_find("bytes/4")};
    sb_ruler_set            *plain = NULL;
    json_t                  *facts;
    sb_tok                  *t = NULL;
    sb_tok_ctx              *c = NULL;
    sb_tok_ops               bpe;
    request_init(&q, tasks[_i], _i < 3 ? 4096 : 20000);
    if (_i >= 3) {
        ck_assert_int_eq(sb_tok_open("tests/fixtures/tokenizer/smollm.json", NULL, &t), SB_OK);
        ck_assert_int_eq(sb_tok_ctx_create(t, &c), SB_OK);
        sb_tok_ops_of(c, SB_TOK_SPECIALS_PARSE, &bpe);
        q.req.tok          = &bpe;
        spec.counter       = bpe;
        spec.length_tokens = 20000;
    }
    q.paths[SB_RULER_KEY_TEMPLATES] = OFFICIAL_TEXTS;
    set                             = open_ok(&q);
    ck_assert_int_eq(set->suite->n_rows(set), -1);
    ck_assert_int_eq(sb_ruler_open(&spec, &plain), SB_OK);
    for (int64_t i = 2; i >= 0; i--) {
        sb_text_row     r    = row_ok(set, i);
        sb_ruler_sample o    = {0};
        char           *line = NULL;
        json_t         *j;
        ck_assert_int_eq(sb_ruler_row(plain, i, &o), SB_OK);
        ck_assert_str_eq(r.prompt, o.text);
        ck_assert_int_eq(r.prompt_bytes, (int64_t)strlen(r.prompt));
        ck_assert_int_eq(r.input_bytes, o.input_bytes);
        ck_assert_int_eq(r.n_refs, o.n_answers);
        for (int64_t k = 0; k < r.n_refs; k++)
            ck_assert_str_eq(r.refs[k], o.answers[k]);
        ck_assert_int_eq(r.n_spans, o.n_spans);
        ck_assert_str_eq(r.spans[r.n_spans - 1].kind, "answer_prefix");
        ck_assert(r.row == i && r.line == 0 && r.chat == 0);
        ck_assert_int_eq(r.n_tokens, o.n_tokens);
        ck_assert_int_eq(r.gen_tokens, q.req.task->gen_tokens);
        ck_assert_int_eq(sb_text_row_json(set->suite, set->task, &r, &line), SB_OK);
        j = json_loads(line, 0, NULL);
        ck_assert_ptr_nonnull(j);
        ck_assert_str_eq(fact(json_object_get(j, "meta"), "mode"), "ruler_compat");
        json_decref(j);
        free(line);
        sb_ruler_sample_fini(&o);
        sb_text_row_fini(&r);
    }
    facts = set->suite->facts(set);
    ck_assert_str_eq(fact(facts, "mode"), "ruler_compat");
    ck_assert_str_eq(fact(facts, "templates_sha256"), texts->sha256);
    ck_assert_str_eq(fact(facts, "tokenizer"), spec.counter.name);
    ck_assert_str_eq(fact(facts, "tokenizer_sha256"), spec.counter.sha256);
    json_decref(facts);
    set->suite->close(set);
    sb_ruler_suite.close(NULL);
    sb_ruler_close(plain);
    sb_ruler_templates_close(texts);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

/* The default mode needs no file, and says what it is wherever a figure could be read. */
START_TEST(native_rows)
{
    const sb_text_task *task = &sb_ruler_suite.tasks[_i];
    request             q;
    sb_text_set        *set;
    sb_text_row         r, again;
    json_t             *facts, *meta;
    request_init(&q, task->name, 6000);
    ck_assert_int_eq(sb_params_default(sb_ruler_suite.params, &q.params), SB_OK);
    ck_assert_int_eq(q.params.mode, SB_RULER_MODE_NATIVE);
    q.paths[SB_RULER_KEY_CORPUS] = "tests/fixtures/corpus";
    if (strcmp(task->name, "qa_1") == 0 || strcmp(task->name, "qa_2") == 0) {
        set = NULL;
        expect_error(q.req.suite->open(&q.req, &set), SB_ERR_UNSUPPORTED, "qa_synth needs no file");
        return;
    }
    set = open_ok(&q);
    ck_assert_int_eq(set->suite->n_rows(set), -1);
    r     = row_ok(set, 1);
    again = row_ok(set, 0);
    sb_text_row_fini(&again);
    again = row_ok(set, 1);
    ck_assert_str_eq(r.sha256, again.sha256);
    ck_assert_str_eq(r.scorer, task->scorer);
    ck_assert_int_eq(r.gen_tokens, task->gen_tokens);
    ck_assert(r.row == 1 && r.chat == 0 && r.n_tokens + r.gen_tokens <= 6000);
    meta = json_loads(r.meta, 0, NULL);
    ck_assert_str_eq(fact(meta, "mode"), "native");
    ck_assert_str_eq(fact(meta, "generator"), "native@1");
    facts = set->suite->facts(set);
    ck_assert_str_eq(fact(facts, "mode"), "native");
    ck_assert_str_eq(fact(facts, "generator"), "native@1");
    if (strcmp(task->name, "qa_synth") == 0 || strcmp(task->name, "niah_multivalue") == 0) {
        ck_assert_str_eq(fact(facts, "splitter"), "split_v1");
        ck_assert_uint_eq(strlen(fact(facts, "corpus_sha256")), 64);
    }
    if (strcmp(task->name, "cwe") == 0)
        ck_assert_str_eq(fact(facts, "wordlist"), "builtin@1");
    json_decref(meta);
    json_decref(facts);
    sb_text_row_fini(&r);
    sb_text_row_fini(&again);
    set->suite->close(set);
}
END_TEST

START_TEST(native_files)
{
    static const char squad[] =
        "{\"data\": [{\"paragraphs\": [{\"context\": \"Box one is blue.\", \"qas\": "
        "[{\"question\": "
        "\"Which colour?\", \"is_impossible\": false, \"answers\": [{\"text\": \"blue\"}]}]}, "
        "{\"context\": \"It rains.\", \"qas\": []}]}]}";
    request      q;
    sb_text_set *set = NULL;
    sb_text_row  r;
    request_init(&q, "qa_1", 2000);
    q.params.mode               = SB_RULER_MODE_NATIVE;
    q.paths[SB_RULER_KEY_SQUAD] = put_text("s.json", squad);
    set                         = open_ok(&q);
    ck_assert_int_eq(set->suite->n_rows(set), 1);
    r = row_ok(set, 0);
    ck_assert_str_eq(r.refs[0], "blue");
    sb_text_row_fini(&r);
    expect_error(set->suite->row(set, 1, &r), SB_ERR_USAGE, "row 1 was asked for, there are 1");
    set->suite->close(set);
    request_init(&q, "qa_synth", 2000);
    expect_error(q.req.suite->open(&q.req, &set), SB_ERR_UNSUPPORTED, "RULER has no task qa_synth");
    q.params.mode                = SB_RULER_MODE_NATIVE;
    q.paths[SB_RULER_KEY_CORPUS] = "/nowhere/corpus";
    expect_error(q.req.suite->open(&q.req, &set), SB_ERR_IO, "corpus /nowhere/corpus");
    request_init(&q, "cwe", 2000);
    q.params.mode               = SB_RULER_MODE_NATIVE;
    q.paths[SB_RULER_KEY_WORDS] = "/nowhere/words";
    expect_error(q.req.suite->open(&q.req, &set), SB_ERR_IO, "/nowhere/words");
}
END_TEST

START_TEST(wrappers)
{
    request      q;
    sb_text_set *set = NULL;
    sb_text_row  r;
    request_init(&q, "vt", 4096);
    set_wrapper(&q, "chatml"); /* built in */
    set = open_ok(&q);
    r   = row_ok(set, 0);
    ck_assert_int_eq(strncmp(r.prompt, "<|im_start|>user\n", 17), 0);
    ck_assert_int_eq(r.chat, 0); /* it has its wrapper */
    sb_text_row_fini(&r);
    set->suite->close(set);
    q.params.wrapped_tokens = 100;
    set_wrapper(&q, "base");
    set = open_ok(&q);
    r   = row_ok(set, 0);
    ck_assert_int_eq(r.chat, 1);
    ck_assert_int_le(r.n_tokens + r.gen_tokens, 3996);
    sb_text_row_fini(&r);
    set->suite->close(set);
    set_wrapper(&q, "own");
    expect_error(q.req.suite->open(&q.req, &set), SB_ERR_USAGE,
                 "the built-in chat.json: no chat wrapper own; it has base");
    q.paths[SB_RULER_KEY_CHAT] = put_text("c.json", "{\"own\": \"<{task_template}>\"}");
    set                        = open_ok(&q);
    r                          = row_ok(set, 0);
    ck_assert_int_eq(r.prompt[0], '<');
    sb_text_row_fini(&r);
    set->suite->close(set);
    set_wrapper(&q, "jamba");
    q.paths[SB_RULER_KEY_CHAT] = OFFICIAL_CHAT;
    set                        = open_ok(&q);
    set->suite->close(set);
}
END_TEST

static const struct missing {
    const char *task, *what;
} missing[] = {
    {"niah_single_1", "niah_single_1 in mode ruler_compat needs what was not given: words"},
    {"niah_multivalue", "words (wonderwords' word lists), essay (RULER's "
                        "PaulGrahamEssays.json), punkt ("},
    {"cwe", "words"},
    {"qa_1", "squad (SQuAD's dev-v2.0.json); or validation"},
    {"qa_2", "hotpotqa (hotpot_dev_distractor_v1.json)"}};

START_TEST(missing_inputs)
{
    request      q;
    sb_text_set *set = NULL;
    request_init(&q, missing[_i].task, 4096);
    expect_error(q.req.suite->open(&q.req, &set), SB_ERR_UNSUPPORTED, missing[_i].what);
    ck_assert_ptr_null(set);
    q.req.tok = NULL;
    expect_error(q.req.suite->open(&q.req, &set), SB_ERR_UNSUPPORTED, "needs a tokenizer");
}
END_TEST

START_TEST(refusals)
{
    request      q;
    sb_text_set *set = NULL;
    sb_text_row  r   = {0};
    request_init(&q, "vt", 100);
    expect_error(q.req.suite->open(&q.req, &set), SB_ERR_NO_FIT, "no prompt fits");
    q.req.length_tokens = 4096;
    q.req.seed          = (uint64_t)1 << 32;
    expect_error(q.req.suite->open(&q.req, &set), SB_ERR_USAGE, "seeds up to 2^32 - 1");
    q.req.seed                      = 42;
    q.paths[SB_RULER_KEY_TEMPLATES] = "nowhere.json";
    expect_error(q.req.suite->open(&q.req, &set), SB_ERR_IO, "nowhere.json");
    q.paths[SB_RULER_KEY_TEMPLATES] = NULL;
    set                             = open_ok(&q);
    expect_error(set->suite->row(set, -1, &r), SB_ERR_USAGE, "row -1");
    set->suite->close(set);
}
END_TEST

/* words and essay through their keys: a made list, a made essay, rules of either NLTK. */
START_TEST(files_by_key)
{
    request      q;
    sb_text_set *set;
    sb_text_row  r;
    json_t      *facts;
    (void)put_text("verblist.txt", "go\nrun\n");
    (void)put_text("nounlist.txt", "cat\ndog\nfox\n");
    (void)put_text("adjectivelist.txt", "old\nred\nshy\n");
    (void)put_text("abbrev_types.txt", "mr");
    (void)put_text("collocations.tab", "a\tb");
    (void)put_text("sent_starters.txt", "they");
    (void)put_text("ortho_context.tab", "they\t42\nhe\t2");
    request_init(&q, "niah_multiquery", 2048);
    q.paths[SB_RULER_KEY_WORDS] = q.paths[SB_RULER_KEY_PUNKT] = folder();
    q.paths[SB_RULER_KEY_ESSAY] =
        put_text("essay.txt", "He came. They saw Mr. B. 5. It was so? \"Yes.\" Then they left. ");
    q.params.rules = SB_PUNKT_NLTK_3_10;
    set            = open_ok(&q);
    r              = row_ok(set, 1);
    ck_assert_int_eq(r.n_refs, 4);
    facts = set->suite->facts(set);
    ck_assert_ptr_nonnull(strstr(fact(facts, "splitter"), "punkt nltk-3.10"));
    ck_assert_str_eq(fact(facts, "wordlist"), "unknown");
    ck_assert_uint_eq(strlen(fact(facts, "corpus_sha256")), 64);
    json_decref(facts);
    sb_text_row_fini(&r);
    set->suite->close(set);
}
END_TEST

START_TEST(imports)
{
    static const char file[] = "{\"input\": \"find 7\", \"answer_prefix\": \" it is\", "
                               "\"outputs\": [\"7\"], \"length\": 140}\n"
                               "{\"input\": 3}\n\n"
                               "{\"input\": \"find 8\", \"outputs\": [\"8\"], \"index\": 5}\n"
                               "not json\n";
    request           q;
    sb_text_set      *set;
    sb_text_row       r;
    json_t           *facts;
    char              nested[640];
    request_init(&q, "niah_single_2", 4096);
    q.req.tok                        = NULL;
    q.paths[SB_RULER_KEY_VALIDATION] = put_text("v.jsonl", file);
    set                              = open_ok(&q);
    ck_assert_int_eq(set->suite->n_rows(set), 4);
    r = row_ok(set, 2);
    ck_assert_str_eq(r.prompt, "find 8");
    ck_assert(r.row == 2 && r.line == 4 && r.n_tokens == -1 && r.input_bytes == 6);
    sb_text_row_fini(&r);
    r = row_ok(set, 0);
    ck_assert_str_eq(r.prompt, "find 7 it is");
    ck_assert(r.input_bytes == 6 && r.line == 1 && r.n_tokens == 12);
    ck_assert_str_eq(r.scorer, "ruler_all@1");
    sb_text_row_fini(&r);
    expect_error(set->suite->row(set, 1, &r), SB_ERR_USAGE, "v.jsonl: line 2: input: a number");
    expect_error(set->suite->row(set, 3, &r), SB_ERR_USAGE, "v.jsonl: line 5");
    expect_error(set->suite->row(set, 4, &r), SB_ERR_USAGE, "row 4 was asked for, there are 4");
    facts = set->suite->facts(set);
    ck_assert_str_eq(fact(facts, "mode"), "import");
    ck_assert_str_eq(fact(facts, "file_sha256"), hash64(file, sizeof file - 1));
    json_decref(facts);
    set->suite->close(set);

    (void)snprintf(nested, sizeof nested, "mkdir %s/niah_single_2", folder());
    ck_assert_int_eq(system(nested), 0);
    (void)put_text("niah_single_2/validation.jsonl", file);
    q.paths[SB_RULER_KEY_VALIDATION] = folder(); /* as RULER lays them out */
    q.req.tok                        = sb_tok_ops_find("words");
    set                              = open_ok(&q);
    r                                = row_ok(set, 0);
    ck_assert_int_eq(r.n_tokens, 4);
    sb_text_row_fini(&r);
    set->suite->close(set);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("suite");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, record);
    tcase_add_loop_test(t, compat_rows, 0, 5);
    tcase_add_loop_test(t, native_rows, 0, 14);
    tcase_add_test(t, native_files);
    tcase_add_test(t, wrappers);
    tcase_add_loop_test(t, missing_inputs, 0, (int)(sizeof missing / sizeof *missing));
    tcase_add_test(t, refusals);
    tcase_add_test(t, files_by_key);
    tcase_add_test(t, imports);
    return run_suite_of("ruler_suite", t);
}
