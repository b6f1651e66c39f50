/* The k-th allocation of a run fails, for k = 1, 2, ... until one run needs fewer: no_memory each
 * time, no row is called bad for it, nothing leaked (the address sanitizer watches). Jansson's
 * allocations are among them but for those of its parser, which ends the process when one fails
 * (2.14: an assertion). */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/score/score.h"
#include "tests/unit/workloads/ruler/common.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);

static int countdown; /* 0: not armed */

json_t *__real_json_loadb(const char *s, size_t n, size_t flags, json_error_t *e);
json_t *__wrap_json_loadb(const char *s, size_t n, size_t flags, json_error_t *e);

json_t *__wrap_json_loadb(const char *s, size_t n, size_t flags, json_error_t *e)
{
    int     before = countdown;
    json_t *v;
    countdown = 0;
    v         = __real_json_loadb(s, n, flags, e);
    countdown = before;
    return v;
}

json_t *__real_json_loads(const char *s, size_t flags, json_error_t *e);
json_t *__wrap_json_loads(const char *s, size_t flags, json_error_t *e);

json_t *__wrap_json_loads(const char *s, size_t flags, json_error_t *e)
{
    int     before = countdown;
    json_t *v;
    countdown = 0;
    v         = __real_json_loads(s, flags, e);
    countdown = before;
    return v;
}

static int fails(void)
{
    if (countdown == 0 || --countdown > 0)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *__wrap_malloc(size_t n) { return fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t n, size_t bytes) { return fails() ? NULL : __real_calloc(n, bytes); }
void *__wrap_realloc(void *p, size_t n) { return fails() ? NULL : __real_realloc(p, n); }
char *__wrap_strdup(const char *s) { return fails() ? NULL : __real_strdup(s); }

static void *json_malloc_fails(size_t n) { return __wrap_malloc(n); }

static sb_score_options options;

static sb_status run(void)
{
    sb_score_table   table = {0};
    sb_score_outcome outcome;
    FILE            *out = tmpfile();
    sb_status        st  = sb_score_run(&options, &table, &outcome);
    if (st == SB_OK && (outcome.bad != 1 || outcome.rows < 2))
        st = SB_ERR_INTERNAL; /* an allocation that failed is no bad line */
    if (st == SB_OK)
        st = sb_score_print(&table, SB_FORMAT_JSON, out);
    sb_score_table_fini(&table);
    (void)fclose(out);
    return st;
}

static void every_allocation(const char *file, const char *db)
{
    static const char *metrics[] = {"own", "qa_f1@1"};
    char               path[640], scores[640];
    int                k = 1;
    (void)snprintf(path, sizeof path, "%s", file);
    (void)snprintf(scores, sizeof scores, "%s/scores.jsonl", folder());
    const char *files[] = {path};
    options             = (sb_score_options){.files      = files,
                                             .n_files    = 1,
                                             .metrics    = metrics,
                                             .n_metrics  = 2,
                                             .out        = scores,
                                             .db         = db,
                                             .model      = "m",
                                             .method     = "external",
                                             .command    = "test",
                                             .version    = "0",
                                             .commit     = "0",
                                             .build_json = "{}"};
    for (;; k++) {
        sb_status st;
        int       unspent;
        countdown = k;
        st        = run();
        unspent   = countdown > 0;
        countdown = 0;
        if (unspent) {
            ck_assert_msg(st == SB_OK, "%s", sb_error_text());
            break;
        }
        ck_assert_msg(st == SB_ERR_NOMEM, "allocation %d: %s: %s", k, sb_status_name(st),
                      sb_error_text());
    }
    ck_assert_int_gt(k, 50);
}

static const struct text_case {
    const char *name, *text;
} files_of[] = {
    {"vt.jsonl",
     "{\"pred\": \"a b\", \"outputs\": [\"a\", \"b\", \"c\", \"d\", \"e\"], \"input\": \"1\"}\n"
     "{\"pred\": \"\", \"outputs\": [\"a\", \"b\", \"c\", \"d\", \"e\"], \"input\": \"2\"}\n{}\n"},
    {"predictions.csv", "task,answer,predicted_answer,length,all_classes\n"
                        "trec,\"['a' 'b']\",a,5,\"['a', 'b']\"\ntrec,a,b,,[]x\nx\n"},
    {"qasper_e.jsonl",
     "{\"pred\": \"a\", \"answers\": [\"a\"], \"all_classes\": null, \"length\": 4000}\n"
     "{\"pred\": \"b\", \"answers\": [\"a\"], \"all_classes\": [\"x\"], \"length\": 5}\n{}\n"},
    {"m.jsonl", "{\"_id\": \"1\", \"difficulty\": \"easy\", \"length\": \"short\", \"answer\": "
                "\"A\", \"response\": \"\"}\n"
                "{\"_id\": \"2\", \"difficulty\": \"hard\", \"length\": \"long\", \"answer\": "
                "\"B\", \"response\": \"x\"}\n{}\n"},
    {"preds_code_run.jsonl", "{\"id\": 1, \"prediction\": \"5\", \"ground_truth\": 5}\n"
                             "{\"id\": 2, \"prediction\": \"6\", \"ground_truth\": 5}\n{}\n"},
    {"samples_ruler_qa_squad_2026-01-02T03-04-05.6.jsonl",
     "{\"doc_id\": 1, \"doc\": {\"outputs\": [\"a\"], \"max_length\": 4096}, \"resps\": "
     "[[\"a\"]]}\n"
     "{\"doc_id\": 2, \"doc\": {\"outputs\": [\"a\"]}, \"filtered_resps\": [\"b\"]}\n{}\n"},
    {"own.jsonl",
     "{\"task\": \"t\", \"metric\": \"loft_em@1\", \"outputs\": [\"a\"], \"pred\": [\"a\"], "
     "\"input\": \"i\", "
     "\"classes\": [\"c\"], \"relevance\": [1], \"question\": \"q\", \"meta\": {\"k\": 1}}\n"
     "{\"task\": \"t\", \"metric\": \"qa_f1@1\", \"outputs\": [\"a\"], \"pred\": \"a\"}\n{}\n"},
};

START_TEST(files) { every_allocation(put_text(files_of[_i].name, files_of[_i].text), NULL); }
END_TEST

/* Each failure leaves the database as it was. */
START_TEST(database)
{
    char db[640];
    (void)snprintf(db, sizeof db, "%s/scores.db", folder());
    every_allocation(put_text(files_of[0].name, files_of[0].text), db);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("score_nomem");
    json_set_alloc_funcs(json_malloc_fails, free);
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, files, 0, (int)(sizeof files_of / sizeof *files_of));
    tcase_add_test(t, database);
    return run_suite_of("score_nomem", t);
}
