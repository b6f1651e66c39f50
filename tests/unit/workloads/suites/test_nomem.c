/* The k-th allocation fails, for k = 1, 2, ... until one run needs fewer: no_memory each time,
 * nothing leaked (the address sanitizer watches). Jansson's allocations are among them but for
 * those of its parser, which ends the process when one fails (2.14: an assertion). */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "tests/unit/workloads/suites/rig.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *p, size_t n);
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t bytes);
void *__wrap_realloc(void *p, size_t n);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);

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

json_t *__real_json_loadf(FILE *f, size_t flags, json_error_t *e);
json_t *__wrap_json_loadf(FILE *f, size_t flags, json_error_t *e);

json_t *__wrap_json_loadf(FILE *f, size_t flags, json_error_t *e)
{
    int     before = countdown;
    json_t *v;
    countdown = 0;
    v         = __real_json_loadf(f, flags, e);
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
char *__wrap_strndup(const char *s, size_t n) { return fails() ? NULL : __real_strndup(s, n); }

static void *json_malloc_fails(size_t n) { return __wrap_malloc(n); }

static rig request;

/* Open, one row, its line, the facts. */
static sb_status run(void)
{
    const sb_text_suite *s     = request.req.suite;
    sb_text_set         *set   = NULL;
    sb_text_row          r     = {0};
    char                *line  = NULL;
    json_t              *facts = NULL;
    sb_status            st    = s->open(&request.req, &set);
    if (st == SB_OK && (st = s->row(set, 0, &r)) == SB_OK &&
        (st = sb_text_row_json(s, set->task, &r, &line)) == SB_OK &&
        (facts = s->facts(set)) == NULL)
        st = SB_ERR_NOMEM;
    json_decref(facts);
    free(line);
    sb_text_row_fini(&r);
    s->close(set);
    return st;
}

static void every_allocation(const char *suite, const char *const *args, int least)
{
    int k = 1;
    if (rig_request(&request, suite, args) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
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
    ck_assert_int_gt(k, least);
}

START_TEST(longbench)
{
    (void)put_text("trec.jsonl",
                   "{\"context\": \"abcdefgh\", \"input\": \"i\", \"answers\": [\"a\", \"b\"], "
                   "\"all_classes\": [\"a\", \"b\"], \"length\": 5, \"_id\": \"x\"}\n");
    every_allocation("longbench",
                     ARGS("task=trec", rig_arg("data", folder()), "tok=points", "length=9"), 20);
}
END_TEST

START_TEST(longbench_v2)
{
    (void)put_text(
        "data.json",
        "[{\"_id\": \"66f\", \"domain\": \"D\", \"sub_domain\": \"S\", \"difficulty\": "
        "\"easy\", \"length\": \"medium\", \"question\": \"q\", \"choice_A\": \"a\", "
        "\"choice_B\": \"b\", \"choice_C\": \"c\", \"choice_D\": \"d\", \"answer\": \"B\", "
        "\"context\": \"text\"}]");
    (void)put_text("0shot.txt", "$DOC$$Q$$C_A$$C_B$$C_C$$C_D$");
    every_allocation("longbench_v2", ARGS(rig_arg("data", folder()), "tok=points", "length=20"),
                     20);
    every_allocation("longbench_v2",
                     ARGS(rig_arg("data", folder()), rig_arg("templates", folder())), 20);
}
END_TEST

START_TEST(infinitebench)
{
    (void)put_text("code_debug.jsonl",
                   "{\"id\": 1, \"context\": \"abc\", \"answer\": \"o2\", \"options\": [\"o0\", "
                   "\"o1\", \"o2\", \"o3\"]}\n");
    (void)put_text("code_run.jsonl",
                   "{\"context\": \"abc\", \"input\": \"func_1(2)\", \"answer\": 5}\n");
    (void)put_text("math_find.jsonl",
                   "{\"context\": \"abc\", \"input\": \"The x of y\", \"answer\": [5.5]}\n");
    every_allocation("infinitebench",
                     ARGS("task=code_debug", rig_arg("data", folder()), "tok=bytes", "length=9"),
                     20);
    every_allocation("infinitebench", ARGS("task=code_run", rig_arg("data", folder())), 20);
    every_allocation("infinitebench", ARGS("task=math_find", rig_arg("data", folder())), 20);
}
END_TEST

START_TEST(infinitebench_synth)
{
    static const char *const tasks[] = {"passkey_synth",      "number_string_synth",
                                        "kv_retrieval_synth", "math_find_synth",
                                        "math_calc_synth",    "code_run_synth"};
    const char              *texts   = put_text("t.json", "{\"passkey\": \"{context}|{input}\"}");
    for (int i = 0; i < 6; i++)
        every_allocation("infinitebench_synth",
                         ARGS(rig_arg("task", tasks[i]), "tok=bytes", "length=1500"), 20);
    every_allocation("infinitebench_synth",
                     ARGS("tok=bytes", "length=500", rig_arg("templates", texts)), 20);
}
END_TEST

START_TEST(jsonl)
{
    (void)put_text(
        "rows.jsonl",
        "{\"suite\": \"s\", \"input\": \"q\", \"answer_prefix\": \"A\", \"outputs\": [\"3\", "
        "\"4\"], \"metric\": \"helmet_ndcg_10@1\", \"relevance\": [2, 1], \"classes\": "
        "[\"a\"], \"question\": \"w\", \"answer_mark\": \"M:\", \"max_gen\": 2, \"meta\": "
        "{\"d\": 1}}\n");
    every_allocation("jsonl", ARGS(rig_arg("data", folder()), "tok=points"), 20);
}
END_TEST

START_TEST(niah)
{
    const char *needle = put_text("n.json", "{\"needle\": \" N.\", \"question\": \"q\", "
                                            "\"answer\": [\"n\", \"m\"]}");
    const char *texts  = put_text("t.json", "{\"prompt\": \"{context}{question}\"}");
    (void)put_text("a.txt", "One two. Three.");
    every_allocation("niah",
                     ARGS("tok=characters", "length=400", "depths=1", rig_arg("corpus", folder()),
                          rig_arg("needle", needle), rig_arg("templates", texts)),
                     20);
    every_allocation(
        "niah",
        ARGS("tok=characters", "length=1000", "buffer_tokens=400", rig_arg("corpus", folder())),
        20);
}
END_TEST

START_TEST(babilong)
{
    (void)put_text("qa1.jsonl",
                   "{\"input\": \"x\", \"question\": \"q\", \"target\": \"t\", \"id\": 5}\n");
    every_allocation("babilong", ARGS("task=qa1", rig_arg("data", folder())), 20);
}
END_TEST

START_TEST(kvpress)
{
    (void)put_text("ruler.jsonl",
                   "{\"context\": \"C\", \"question\": \"Q\", \"answer_prefix\": \"A\", \"task\": "
                   "\"vt\", \"max_new_tokens\": 30, \"answer\": \"x\"}\n");
    every_allocation("kvpress", ARGS(rig_arg("data", folder())), 12);
}
END_TEST

START_TEST(helmet)
{
    const char *kilt  = "{\"id\": \"1\", \"question\": \"q\", \"answers\": [\"a\"], \"ctxs\": "
                        "[{\"title\": \"T\", \"text\": \"one\"}]}\n";
    const char *marco = "{\"qid\": \"1\", \"query\": \"q\", \"ctxs\": [{\"id\": \"4\", \"text\": "
                        "\"x\", \"label\": 0}]}\n";
    (void)put_text("kilt_nq.jsonl", kilt);
    (void)put_text("msmarco_rerank_psg.jsonl", marco);
    (void)put_text("json_kv.jsonl", "{\"context\": \"abcdef\", \"question\": \"k\", \"answer\": "
                                    "\"v\", \"demos\": [[\"a\", \"1\"]]}\n");
    (void)put_text("ruler_vt.jsonl", "{\"context\": \"abcdef\", \"query\": \"k\", \"num_v\": 2, "
                                     "\"example\": \"e\", \"outputs\": [\"v\"]}\n");
    every_allocation("helmet",
                     ARGS("task=kilt_nq", "shots=1", rig_arg("data", folder()),
                          rig_arg("demos", put_text("k.jsonl", kilt))),
                     20);
    every_allocation(
        "helmet",
        ARGS("task=msmarco_rerank_psg", "shots=1", rig_arg("data", folder()),
             rig_arg("demos", put_text("x.jsonl", "{\"qid\": \"2\", \"query\": \"q\", \"ctxs\": "
                                                  "[{\"id\": \"4\", \"text\": \"x\", \"label\": "
                                                  "0}]}\n"))),
        20);
    every_allocation(
        "helmet", ARGS("task=json_kv", rig_arg("data", folder()), "tok=points", "length=234"), 20);
    every_allocation("helmet", ARGS("task=ruler_vt", rig_arg("data", folder())), 20);
}
END_TEST

START_TEST(babi_like)
{
    (void)put_text("a.txt", "One two. Three four. Five.\n");
    every_allocation(
        "babi_like",
        ARGS("task=thing_before", "tok=characters", "length=1200", rig_arg("corpus", folder())),
        20);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("suites_nomem");
    json_set_alloc_funcs(json_malloc_fails, free);
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, longbench);
    tcase_add_test(t, longbench_v2);
    tcase_add_test(t, infinitebench);
    tcase_add_test(t, infinitebench_synth);
    tcase_add_test(t, jsonl);
    tcase_add_test(t, niah);
    tcase_add_test(t, babilong);
    tcase_add_test(t, babi_like);
    tcase_add_test(t, kvpress);
    tcase_add_test(t, helmet);
    return run_suite_of("suites_nomem", t);
}
