/* Parameters that name a file, over the real methods: what the file holds is part of the point's
 * identity, and everything wrong with it is told at its place in the sweep. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/config/sweep.h"
#include "harness/model/model.h"
#include "kernels/power_attention/power_attention.h"
#include "kernels/registry.h"

static char dir[64];

static void set_up(void)
{
    strcpy(dir, "/tmp/span_param_files_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    ck_assert_int_eq(setenv("HOME", dir, 1), 0);
}

static void tear_down(void)
{
    char command[128];
    (void)snprintf(command, sizeof command, "rm -rf %s", dir);
    ck_assert_int_eq(system(command), 0);
}

/* dir/name with this content; the path stays valid until the next call but one. */
static const char *file(const char *name, const char *content)
{
    static char path[4][256];
    static int  turn;
    char       *p = path[turn++ % 4];
    (void)snprintf(p, sizeof path[0], "%s/%s", dir, name);
    FILE *f = fopen(p, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(content, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    return p;
}

static char errors[4096];

static sb_sweep *load(const char *methods, const char *rest)
{
    char          yaml[4096];
    sb_model_desc models[] = {sb_model_describe(sb_models[0]), {0}};
    sb_sweep_env  env      = {.ranks = 1, .auto_backend = SB_CPU, .models = models};
    sb_sweep     *s        = NULL;
    (void)snprintf(yaml, sizeof yaml,
                   "sweep: files\nexperiment: task\nmodel: probe\n"
                   "workloads: [{suite: probe, tasks: niah_single, lengths: 1K}]\n"
                   "methods:\n%s\n%s",
                   methods, rest);
    FILE *f = fmemopen(errors, sizeof errors, "w");
    memset(errors, 0, sizeof errors);
    sb_status st = sb_sweep_load(file("sweep.yaml", yaml), NULL, 0, &env, f, &s);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert(st == SB_OK || st == SB_ERR_USAGE);
    return s;
}

static sb_sweep *load_moa(const char *path)
{
    char line[512];
    (void)snprintf(line, sizeof line, "  - {name: power_attention, pattern: moa, plan_file: %s}",
                   path);
    return load(line, "");
}

static const char good[]  = "{\"alphas\": [[0, 1]], \"betas\": [[0.5, 0.25]]}";
static const char other[] = "{\"alphas\": [[0, 1]], \"betas\": [[0.5, 0.26]]}";

/* The content makes the point, not the folder it lies in. */
START_TEST(identity_follows_the_content)
{
    char      hash[4][65], sub[256];
    sb_sweep *s = load_moa(file("plan.json", good));
    ck_assert_msg(s != NULL, "%s", errors);
    strcpy(hash[0], s->points[0].hash);
    const char *json = strstr(s->points[0].method_json, "\"plan_file\":\"plan.json@");
    ck_assert_ptr_nonnull(json);
    ck_assert_uint_eq(strspn(json + strlen("\"plan_file\":\"plan.json@"), "0123456789abcdef"), 64);
    ck_assert_ptr_null(strstr(s->points[0].method_json, dir));
    sb_sweep_free(s);

    s = load_moa(file("plan.json", other));
    strcpy(hash[1], s->points[0].hash);
    sb_sweep_free(s);
    (void)snprintf(sub, sizeof sub, "%s/sub", dir);
    ck_assert_int_eq(mkdir(sub, 0755), 0);
    s = load_moa(file("sub/plan.json", good));
    strcpy(hash[2], s->points[0].hash);
    sb_sweep_free(s);
    s = load("  - {name: power_attention, pattern: moa}", "");
    strcpy(hash[3], s->points[0].hash);
    ck_assert_ptr_nonnull(strstr(s->points[0].method_json, "\"plan_file\":\"none\""));
    sb_sweep_free(s);
    ck_assert_str_ne(hash[0], hash[1]);
    ck_assert_str_eq(hash[0], hash[2]);
    ck_assert_str_ne(hash[0], hash[3]);
}
END_TEST

START_TEST(the_method_gets_the_content)
{
    char label[256];
    file("plan.json", good);
    sb_sweep *s = load_moa("~/plan.json");
    ck_assert_msg(s != NULL, "%s", errors);
    const sb_power_attention_params *p = s->points[0].method_params;
    ck_assert_ptr_nonnull(p->plan_file.content);
    sb_run   run   = {0, 64};
    sb_shape shape = {
        .q_gid = {&run, 1, 64}, .n_keys = 64, .heads = 2, .kv_heads = 1, .head_dim = 64};
    ck_assert_int_eq(sb_power_attention.check(p, &shape), SB_OK);
    ck_assert_int_eq(sb_point_label(&s->points[0], label, sizeof label), SB_OK);
    ck_assert_str_eq(label, "power_attention pattern=moa plan_file=plan.json");
    sb_sweep_free(s);
}
END_TEST

/* Files are an axis like any other, and `exclude` knows them. */
START_TEST(files_are_an_axis)
{
    char        line[1024], skip[1024];
    const char *a = file("a.json", good), *b = file("b.json", other);
    (void)snprintf(line, sizeof line,
                   "  - {name: power_attention, pattern: moa, plan_file: [none, %s, %s]}", a, b);
    sb_sweep *s = load(line, "");
    ck_assert_msg(s != NULL, "%s", errors);
    ck_assert_int_eq(s->n_points, 3);
    for (int i = 0; i < 3; i++) {
        const sb_power_attention_params *p = s->points[i].method_params;
        ck_assert((p->plan_file.content != NULL) == (i > 0));
    }
    sb_sweep_free(s);
    (void)snprintf(skip, sizeof skip, "exclude: [{method: power_attention, plan_file: %s}]", a);
    s = load(line, skip);
    ck_assert_msg(s != NULL, "%s", errors);
    ck_assert_int_eq(s->n_points, 2);
    sb_sweep_free(s);
    (void)snprintf(line, sizeof line,
                   "  - {name: power_attention, pattern: moa, plan_file: [%s, %s]}", a, a);
    ck_assert_ptr_null(load(line, ""));
    ck_assert_ptr_nonnull(strstr(errors, "a second time"));
}
END_TEST

START_TEST(bad_files_are_told_at_their_place)
{
    ck_assert_ptr_null(load_moa("/nowhere/plan.json"));
    ck_assert_ptr_nonnull(strstr(
        errors, "/sweep.yaml:6:54: methods[0].plan_file: found no readable file (No such file or "
                "directory) at `/nowhere/plan.json`, allowed a JSON file {alphas, betas}"));
    ck_assert_ptr_null(load_moa(dir));
    ck_assert_ptr_nonnull(strstr(errors, "found a directory at"));
    ck_assert_ptr_null(load_moa("/dev/zero"));
    ck_assert_ptr_nonnull(strstr(errors, "found a device or pipe at"));
    ck_assert_ptr_null(load_moa("\"\""));
    ck_assert_ptr_nonnull(strstr(errors, "allowed none or the path of a JSON file"));
    ck_assert_ptr_null(load_moa("dir/"));
    ck_assert_ptr_nonnull(strstr(errors, "found `dir/`"));
    ck_assert_ptr_null(load_moa("~nobody/x"));
    ck_assert_ptr_nonnull(strstr(errors, "allowed a path, `~` or `~/...`"));
    ck_assert_ptr_null(load_moa(file("plan.json", "{\"alphas\": 3}")));
    ck_assert_ptr_nonnull(strstr(errors, "plan.json`: alphas: found 3, allowed an array of 1"));
    ck_assert_ptr_null(load_moa(file("plan.json", "{\n \"alphas\": [\n")));
    ck_assert_ptr_nonnull(strstr(errors, "plan.json`: line 3, column"));
}
END_TEST

START_TEST(long_files_are_refused)
{
    char  path[256];
    FILE *f;
    (void)snprintf(path, sizeof path, "%s/long.json", dir);
    f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_eq(fseek(f, 16 * 1024 * 1024, SEEK_SET), 0);
    ck_assert_int_eq(fputc('x', f), 'x');
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_ptr_null(load_moa(path));
    ck_assert_ptr_nonnull(strstr(errors, "found a file of more than 16777216 bytes"));
}
END_TEST

int main(void)
{
    Suite *s = suite_create("param_files");
    TCase *t = tcase_create("files");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, identity_follows_the_content);
    tcase_add_test(t, the_method_gets_the_content);
    tcase_add_test(t, files_are_an_axis);
    tcase_add_test(t, bad_files_are_told_at_their_place);
    tcase_add_test(t, long_files_are_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
