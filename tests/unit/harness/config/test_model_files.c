/* model: {path: ...}: models that lie in files, and the questions as text that they answer. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/harness/config/fakes.h"

typedef struct file_params {
    int64_t depth;
    char    path[64], wrapper[32]; /* by look */
} file_params;

static const sb_param table[] = {{"depth", "1", "[1,8]", "", SB_I64, offsetof(file_params, depth)},
                                 {0}};
static const char *const no_suites[] = {NULL};

/* Anything below models/ is there; its wrappers are auto and plain. */
static sb_status look(const char *path, const char *wrapper, void *params, sb_model_seen *out)
{
    file_params *p = params;
    if (strncmp(path, "models/", 7) != 0)
        return sb_fail(SB_ERR_IO, "%s: no such folder", path);
    if (strcmp(wrapper, "auto") != 0 && strcmp(wrapper, "plain") != 0) {
        out->wrapper_wrong = 1;
        return sb_fail(SB_ERR_USAGE, "there is no wrapper %s", wrapper);
    }
    (void)snprintf(p->path, sizeof p->path, "%s", path);
    (void)snprintf(p->wrapper, sizeof p->wrapper, "%s", wrapper);
    (void)snprintf(out->name, sizeof out->name, "%s", path + 7);
    if (asprintf(&out->facts_json, "{\"identity\":\"%s!\",\"wrapper\":\"%s\"}", path + 7, wrapper) <
        0)
        return sb_fail(SB_ERR_NOMEM, "no memory");
    return SB_OK;
}

static sb_status load(const char *model, const char *rest, char **errors, sb_sweep **out)
{
    char          name[]    = "/tmp/model_files_XXXXXX", text[2048];
    sb_model_desc models[3] = {fake_models[0],
                               {.name         = "checkpoint",
                                .params       = table,
                                .params_bytes = sizeof(file_params),
                                .suites       = no_suites,
                                .reads_text   = 1,
                                .look         = look},
                               {0}};
    sb_sweep_env  env       = {.ranks = 1, .auto_backend = SB_CPU, .models = models};
    size_t        n         = 0;
    int           file      = mkstemp(name);
    FILE         *e         = open_memstream(errors, &n);
    ck_assert(file >= 0 && e != NULL);
    (void)snprintf(text, sizeof text, "sweep: t\nexperiment: task\nmodel: %s\n%s", model, rest);
    ck_assert_int_eq(write(file, text, strlen(text)), (ssize_t)strlen(text));
    ck_assert_int_eq(close(file), 0);
    sb_status st = sb_sweep_load(name, NULL, 0, &env, e, out);
    ck_assert_int_eq(fclose(e), 0);
    ck_assert_int_eq(unlink(name), 0);
    return st;
}

static const char asks[] =
    "workloads:\n"
    "  - {suite: made, tasks: all, lengths: [1K], seed: [1, 2], needles: [1, 2]}\n"
    "  - {suite: kept, tasks: [long]}\n"
    "methods: [dense]\n";

START_TEST(every_model_meets_every_question)
{
    char     *errors = NULL;
    sb_sweep *s      = NULL;
    ck_assert_msg(load("{path: [models/a, models/b], depth: [2, 3], wrapper: plain}", asks, &errors,
                       &s) == SB_OK,
                  "%s", errors);
    /* 2 models x 2 depths x (2 tasks x 2 parameters x 2 seeds + 1) */
    ck_assert_int_eq(s->n_points, 4 * 9);
    const sb_point    *p = &s->points[0], *last = &s->points[35];
    const file_params *f = last->model_params;
    ck_assert_str_eq(p->model, "a");
    ck_assert_str_eq(p->model_kind, "checkpoint");
    ck_assert_str_eq(p->model_json, "{\"depth\":2,\"identity\":\"a!\",\"wrapper\":\"plain\"}");
    ck_assert_ptr_null(p->task);
    ck_assert_ptr_null(p->input);
    ck_assert(sb_point_asks(p));
    ck_assert_str_eq(p->text->suite->name, "made");
    ck_assert_str_eq(p->text->task->name, "short");
    ck_assert_str_eq(p->task_name, "short");
    ck_assert_str_eq(p->suite, "made");
    ck_assert_int_eq(p->length_tokens, 1024);
    ck_assert_int_eq(p->samples, 20);
    ck_assert_ptr_nonnull(strstr(p->task_json, "\"files\":{}"));
    ck_assert_str_eq(last->model, "b");
    ck_assert_str_eq(f->path, "models/b");
    ck_assert_str_eq(f->wrapper, "plain");
    ck_assert_int_eq(f->depth, 3);
    ck_assert_str_eq(last->text->suite->name, "kept");
    ck_assert_int_eq(last->length_tokens, 0); /* as its rows are */
    ck_assert_int_eq(last->samples, 20);
    for (int64_t i = 0; i < s->n_points; i++)
        for (int64_t j = 0; j < i; j++)
            ck_assert_str_ne(s->points[i].hash, s->points[j].hash);
    sb_sweep_free(s);
    free(errors);
}
END_TEST

static const struct {
    const char *model, *rest, *error; /* behind the file's name */
} bad[] = {
    {"{path: elsewhere/a}", asks,
     ":3:15: model.path: found `elsewhere/a` (no such folder), allowed a folder with config.json "
     "and "
     "safetensors, a .gguf file, or owner/model of the local Hugging Face cache\n"},
    {"{path: models/a, wrapper: fancy}", asks,
     ":3:34: model.wrapper: found `fancy` (there is no wrapper fancy), allowed auto, base or the "
     "name of a chat wrapper\n"},
    {"{path: [models/a, models/a]}", asks, ":3:26: model.path[1]: found `models/a` a second time"},
    {"{path: models/a, depth: 9}", asks, ":3:32: model.depth: found `9`, allowed"},
    {"{path: models/a, colour: red}", asks, ":3:25: model.colour: found an unknown key"},
    {"{path: []}", asks, ":3:15: model.path: found an empty list, allowed a folder or file"},
    {"{name: checkpoint}", asks, ":3:8: model.path: found nothing, allowed a folder or file"},
    {"checkpoint", asks, ":3:8: model: found `checkpoint`, allowed a mapping with `path`\n"},
    {"{name: probe, path: models/a}", asks, ":3:22: model.path: found an unknown key"},
    {"{path: models/a}", "workloads: [{suite: probe, tasks: all, lengths: 1K}]\nmethods: [dense]\n",
     ":4:21: workloads[0].suite: found `probe`, allowed a suite of questions as text: made, kept"},
    {"{path: models/a}",
     "workloads: [{suite: made, tasks: all, lengths: 1K}]\nmethods: [dense]\n"
     "exclude: [{task: vt}]\n",
     ":6:18: exclude[0].task: found `vt`, allowed one of short, long\n"},
};

START_TEST(what_is_wrong_is_told_where_it_stands)
{
    char     *errors = NULL;
    sb_sweep *s      = NULL;
    ck_assert_int_eq(load(bad[_i].model, bad[_i].rest, &errors, &s), SB_ERR_USAGE);
    ck_assert_ptr_null(s);
    ck_assert_msg(strstr(errors, bad[_i].error) != NULL, "--- found\n%s--- expected\n%s", errors,
                  bad[_i].error);
    free(errors);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("models in files");
    TCase *c = tcase_create("model");
    tcase_add_test(c, every_model_meets_every_question);
    tcase_add_loop_test(c, what_is_wrong_is_told_where_it_stands, 0, sizeof bad / sizeof *bad);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
