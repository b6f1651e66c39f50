/* Every sweep file below configs/ loads over the real methods, tasks and models, and every method
 * has its smoke file. */
#include <check.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>

#include "harness/config/gen_plan.h"
#include "harness/config/sweep.h"
#include "harness/model/model.h"
#include "kernels/registry.h"

enum { MAX_FILES = 256, MAX_MODELS = 16 };

static char *files[MAX_FILES];
static int   n_files;

static int see(const char *path, const struct stat *sb, int type, struct FTW *at)
{
    const char *dot = strrchr(path, '.');
    (void)sb;
    (void)at;
    if (type == FTW_F && dot != NULL && strcmp(dot, ".yaml") == 0 && n_files < MAX_FILES)
        files[n_files++] = strdup(path);
    return 0;
}

/* Sweeps stand in configs/ itself, smoke/ and sweeps/, what to write in gen/; the other folders
 * hold machines, gates and templates. */
static void list_files(void)
{
    (void)nftw("configs/smoke", see, 8, FTW_PHYS);
    (void)nftw("configs/sweeps", see, 8, FTW_PHYS);
    files[n_files++] = strdup("configs/quickstart.yaml");
    files[n_files++] = strdup("configs/machines/kernels_h100.yaml"); /* the kernels' own sweep */
    files[n_files++] = strdup("configs/machines/probe_h100.yaml");
}

/* Checkpoints are not shipped: any path will do. */
static sb_status no_look(const char *path, const char *wrapper, void *params, sb_model_seen *out)
{
    (void)wrapper;
    (void)params;
    (void)snprintf(out->name, sizeof out->name, "%s", strrchr(path, '/') + 1);
    out->facts_json = strdup("{}");
    return SB_OK;
}

static sb_sweep *load(const char *path)
{
    sb_model_desc models[MAX_MODELS + 1] = {{0}};
    sb_sweep     *s                      = NULL;
    for (int i = 0; i < MAX_MODELS && sb_models[i] != NULL; i++) {
        models[i] = sb_model_describe(sb_models[i]);
        if (models[i].look != NULL)
            models[i].look = no_look;
    }
    sb_sweep_env env = {.ranks = 2, .auto_backend = SB_CPU, .models = models};
    ck_assert_msg(sb_sweep_load(path, NULL, 0, &env, stderr, &s) == SB_OK, "%s", sb_error_text());
    return s;
}

START_TEST(file_loads)
{
    sb_sweep *s = load(files[_i]);
    ck_assert_int_gt(s->n_points, 0);
    ck_assert_msg(s->text[0] == '#', "%s does not open with a comment", files[_i]);
    sb_sweep_free(s);
}
END_TEST

START_TEST(gen_file_loads)
{
    sb_gen_plan *p = NULL;
    ck_assert_msg(sb_gen_load("configs/gen/ruler.yaml", NULL, 0, stderr, &p) == SB_OK, "%s",
                  sb_error_text());
    ck_assert_int_eq(p->n_sets, 24);
    sb_gen_free(p);
}
END_TEST

START_TEST(every_method_has_a_smoke_file_of_one_sample)
{
    for (int i = 0; sb_methods[i] != NULL; i++) {
        char path[256];
        (void)snprintf(path, sizeof path, "configs/smoke/%s.yaml", sb_methods[i]->name);
        sb_sweep *s = load(path);
        ck_assert_int_eq(s->n_points, 1);
        ck_assert_str_eq(s->points[0].method->name, sb_methods[i]->name);
        ck_assert_int_eq(s->points[0].samples, 1);
        ck_assert_int_le(s->points[0].length_tokens, 1024);
        sb_sweep_free(s);
    }
}
END_TEST

START_TEST(quickstart_has_its_dense_anchor_in_every_cell)
{
    sb_sweep *s = load("configs/quickstart.yaml");
    int64_t   n = s->n_points, anchor = -1;
    ck_assert_str_eq(s->name, "quickstart");
    for (int64_t i = 0; i < n; i++) {
        ck_assert_int_eq(sb_sweep_anchor(s, i, &anchor), SB_OK);
        ck_assert_int_eq(s->points[anchor].anchor_only, 0);
    }
    ck_assert_int_eq(s->n_points, n);
    sb_sweep_free(s);
}
END_TEST

int main(void)
{
    list_files();
    Suite *s = suite_create("shipped sweeps");
    TCase *t = tcase_create("configs");
    tcase_add_loop_test(t, file_loads, 0, n_files);
    tcase_add_test(t, gen_file_loads);
    tcase_add_test(t, every_method_has_a_smoke_file_of_one_sample);
    tcase_add_test(t, quickstart_has_its_dense_anchor_in_every_cell);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    for (int i = 0; i < n_files; i++)
        free(files[i]);
    return failures != 0;
}
