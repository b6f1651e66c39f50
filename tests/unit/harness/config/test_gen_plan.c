/* The sets of a sweep file's text workloads: their order, their defaults, and every refusal. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/config/gen_plan.h"
#include "harness/config/pool.h"
#include "tests/unit/harness/config/fakes.h"

static sb_status load(const char *text, const sb_set *sets, int64_t n_sets, char **errors,
                      sb_gen_plan **out)
{
    char   path[] = "/tmp/gen_XXXXXX";
    int    fd     = mkstemp(path);
    size_t n      = strlen(text), room;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, n), (ssize_t)n);
    (void)close(fd);
    FILE     *to = open_memstream(errors, &room);
    sb_status st = sb_gen_load(path, sets, n_sets, to, out);
    (void)fclose(to);
    for (char *at; (at = strstr(*errors, path)) != NULL;) /* its name is another each time */
        memmove(at, at + strlen(path), strlen(at + strlen(path)) + 1);
    (void)unlink(path);
    return st;
}

static sb_gen_plan *load_good(const char *text)
{
    sb_gen_plan *p = NULL;
    char        *errors;
    ck_assert_msg(load(text, NULL, 0, &errors, &p) == SB_OK, "%s", errors);
    ck_assert_str_eq(errors, "");
    free(errors);
    return p;
}

START_TEST(sets_come_in_order_with_their_defaults)
{
    sb_gen_plan *p = load_good("sweep: t\n"
                               "tokenizer: bytes/4\n"
                               "workloads:\n"
                               "  - {suite: made, tasks: all, lengths: [1K, 4096], seed: [1, 2]}\n"
                               "  - {suite: made, tasks: long, lengths: 2K, needles: [2, 3], "
                               "samples: 5, corpus: /tmp}\n"
                               "  - {suite: kept, tasks: [short], data: /tmp}\n");
    ck_assert_str_eq(p->name, "t");
    ck_assert_str_eq(p->tokenizer, "bytes/4");
    ck_assert_int_eq(p->tokenizer_is_counter, 1);
    ck_assert_int_eq(p->n_sets, 8 + 2 + 1);
    const sb_gen_set *s = p->sets;
    ck_assert_str_eq(s[0].task->name, "short");
    ck_assert(s[0].length_tokens == 1024 && s[0].seed == 1 && s[0].samples == 20);
    ck_assert(s[1].seed == 2 && s[2].task == s[0].task + 1 && s[4].length_tokens == 4096);
    ck_assert_ptr_null(s[0].paths[0]);
    ck_assert_str_eq(s[0].params_json, "{\"needles\":1}");
    ck_assert_str_eq(s[8].params_json, "{\"needles\":2}");
    ck_assert_str_eq(s[9].params_json, "{\"needles\":3}");
    ck_assert_int_eq(s[8].samples, 5);
    ck_assert_ptr_null(s[8].paths[0]);
    ck_assert_str_eq(s[8].paths[1], "/tmp");
    ck_assert_str_eq(s[8].files_json, "{\"corpus\":\"/tmp\"}");
    ck_assert(s[10].length_tokens == 0 && s[10].samples == 0);
    ck_assert_str_eq(s[10].paths[0], "/tmp");
    sb_gen_free(p);
}
END_TEST

START_TEST(keys_of_a_run_may_stand_there)
{
    sb_gen_plan *p = load_good("sweep: t\nexperiment: task\nbackend: cpu\nmodel: whatever\n"
                               "methods: [none]\nworkloads:\n"
                               "  - {suite: made, tasks: short, lengths: 1K}\n");
    ck_assert_ptr_null(p->tokenizer);
    ck_assert_int_eq(p->n_sets, 1);
    sb_gen_free(p);
}
END_TEST

START_TEST(a_model_counts_where_no_tokenizer_does)
{
    static const struct {
        const char *keys, *model;
    } cases[] = {{"model: {path: ~/m, wrapper: base}\n", "/tmp/m"},
                 {"model: {path: [owner/m]}\n", "owner/m"},
                 {"model: {path: [a, b]}\n", NULL}, /* which one? */
                 {"model: {path: m}\ntokenizer: words\n", NULL},
                 {"model: {name: probe}\n", NULL},
                 {"model: [x]\n", NULL}};
    char text[256];
    ck_assert_int_eq(setenv("HOME", "/tmp", 1), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        (void)snprintf(text, sizeof text,
                       "sweep: t\n%sworkloads:\n  - {suite: made, tasks: short, lengths: 1K}\n",
                       cases[i].keys);
        sb_gen_plan *p = load_good(text);
        ck_assert((p->model == NULL) == (cases[i].model == NULL));
        if (p->model != NULL)
            ck_assert_str_eq(p->model, cases[i].model);
        sb_gen_free(p);
    }
}
END_TEST

START_TEST(home_is_put_in)
{
    ck_assert_int_eq(setenv("HOME", "/tmp", 1), 0);
    sb_gen_plan *p =
        load_good("sweep: t\nworkloads:\n  - {suite: kept, tasks: short, data: \"~\"}\n"
                  "  - {suite: kept, tasks: long, data: ~/.}\n");
    ck_assert_str_eq(p->sets[1].paths[0], "/tmp/.");
    ck_assert_str_eq(p->sets[1].files_json, "{\"data\":\"~/.\"}");
    sb_gen_free(p);
}
END_TEST

typedef struct refusal {
    const char *text, *errors;
} refusal;

#define W "sweep: t\nworkloads:\n"
static const refusal refusals[] = {
    {"sweep: t\n", ":1:1: workloads: found nothing, allowed a list of workloads\n"},
    {"workloads:\n  - {suite: made, tasks: short, lengths: 1K}\n",
     ":1:1: sweep: found nothing, allowed a name for the sweep\n"},
    {W "  - {suite: mode, tasks: short, lengths: 1K}\n",
     ":3:13: workloads[0].suite: found `mode`, allowed a suite of questions as text: made, kept; "
     "did you mean `made`?\n"},
    {W "  - {tasks: short, lengths: 1K}\n",
     ":3:5: workloads[0].suite: found nothing, allowed a suite of questions as text: made, kept\n"},
    {W "  - {suite: made, tasks: [short, lung], lengths: 1K}\n",
     ":3:34: workloads[0].tasks[1]: found `lung`, allowed all, or some of short, long; did you "
     "mean `long`?\n"},
    {W "  - {suite: made, tasks: all}\n",
     ":3:5: workloads[0].lengths: found nothing, allowed a list of lengths in tokens\n"},
    {W "  - {suite: made, lengths: 1K}\n",
     ":3:5: workloads[0].tasks: found nothing, allowed all, or a list of tasks\n"},
    {W "  - {suite: made, tasks: all, lengths: 1K, needles: 9}\n",
     ":3:53: workloads[0].needles: found `9`, allowed a whole number in [1,8]\n"},
    {W "  - {suite: made, tasks: all, lengths: 1K, corpus: /no/such/folder}\n",
     ":3:52: workloads[0].corpus: found `/no/such/folder` (No such file or directory), allowed a "
     "folder\n"},
    {W "  - {suite: made, tasks: all, lengths: 1K, samples: 0}\n",
     ":3:53: workloads[0].samples: found `0`, allowed a whole number in [1,1000000]\n"},
    {W "  - {suite: made, tasks: short, lengths: 1K}\n  - {suite: made, tasks: short, lengths: "
       "1024}\n",
     ":4:5: workloads[1]: found made short of 1024 tokens a second time, allowed each once\n"},
    {"sweep: t\ntokenizer: /no/such.json\nworkloads:\n  - {suite: made, tasks: short, lengths: "
     "1K}\n",
     ":2:12: tokenizer: found `/no/such.json` (No such file or directory), allowed a "
     "tokenizer.json, a .gguf file, a tokenizer.model, a folder with one of them, or bytes, "
     "bytes/4, characters, "
     "words\n"},
    {"sweep: t\nexperiment: attention\nworkloads:\n  - {suite: made, tasks: short, lengths: 1K}\n",
     ":2:13: experiment: found `attention`, allowed task: only questions can be written\n"},
};
enum { N_REFUSALS = sizeof refusals / sizeof *refusals };

START_TEST(bad_files_say_what_is_allowed)
{
    const refusal *r = &refusals[_i];
    sb_gen_plan   *p = NULL;
    char          *errors;
    ck_assert_int_eq(load(r->text, NULL, 0, &errors, &p), SB_ERR_USAGE);
    ck_assert_str_eq(errors, r->errors);
    ck_assert_ptr_null(p);
    free(errors);
}
END_TEST

START_TEST(a_key_can_be_set_from_outside)
{
    static const sb_set set = {"tokenizer", "words"};
    sb_gen_plan        *p   = NULL;
    char               *errors;
    ck_assert_int_eq(load("sweep: t\nworkloads:\n  - {suite: made, tasks: short, lengths: 1K}\n",
                          &set, 1, &errors, &p),
                     SB_OK);
    ck_assert_str_eq(p->tokenizer, "words");
    free(errors);
    sb_gen_free(p);
}
END_TEST

START_TEST(every_failed_allocation_is_a_status)
{
    sb_status st = SB_ERR_NOMEM;
    int64_t   k  = 0;
    for (; st != SB_OK && k < 100000; k++) {
        sb_gen_plan *p = NULL;
        char        *errors;
        sbi_pool_limit_calls = k;
        st = load("sweep: t\ntokenizer: words\nworkloads:\n  - {suite: made, tasks: all, lengths: "
                  "[1K, 2K], needles: [1, 2], corpus: /tmp}\n",
                  NULL, 0, &errors, &p);
        sbi_pool_limit_calls = INT64_MAX;
        ck_assert_msg(st == SB_OK || st == SB_ERR_NOMEM, "at %ld: %s%s", (long)k,
                      sb_status_name(st), errors);
        ck_assert_int_eq(st == SB_OK, p != NULL);
        free(errors);
        sb_gen_free(p);
    }
    ck_assert_int_eq(st, SB_OK);
    ck_assert_int_gt(k, 50);
}
END_TEST

int main(void)
{
    Suite   *s = suite_create("gen plan");
    TCase   *t = tcase_create("load");
    SRunner *r = srunner_create(s);
    tcase_add_test(t, sets_come_in_order_with_their_defaults);
    tcase_add_test(t, keys_of_a_run_may_stand_there);
    tcase_add_test(t, a_model_counts_where_no_tokenizer_does);
    tcase_add_test(t, home_is_put_in);
    tcase_add_loop_test(t, bad_files_say_what_is_allowed, 0, N_REFUSALS);
    tcase_add_test(t, a_key_can_be_set_from_outside);
    tcase_add_test(t, every_failed_allocation_is_a_status);
    suite_add_tcase(s, t);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
