/* Three methods, four tasks in two suites, three distributions, two models. */
#include "tests/unit/harness/config/fakes.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/registry.h"
#include "workloads/registry.h"

typedef struct window_params {
    int64_t sink_tokens, window_tokens;
} window_params;

typedef struct pick_params {
    double  gamma;
    int64_t budget_tokens;
    int32_t pattern;
} pick_params;

typedef struct suite_params {
    int64_t needles;
} suite_params;

typedef struct probe_params {
    double  gain;
    int64_t seed;
} probe_params;

static const sb_param no_params[]    = {{0}};
static const sb_param window_table[] = {
    {"sink_tokens", "64", "[0,)", "first tokens kept", SB_I64,
     offsetof(window_params, sink_tokens)},
    {"window_tokens", "256", "[1,)", "last tokens kept", SB_I64,
     offsetof(window_params, window_tokens)},
    {0},
};
static const sb_param pick_table[] = {
    {"gamma", "0.95", "(0,1)", "mass to cover", SB_F64, offsetof(pick_params, gamma)},
    {"budget_tokens", "1024", "[1,)", "floor", SB_I64, offsetof(pick_params, budget_tokens)},
    {"pattern", "power", "power|dilated", "shape", SB_ENUM, offsetof(pick_params, pattern)},
    {0},
};
static const sb_param suite_table[] = {
    {"needles", "1", "[1,8]", "needles hidden", SB_I64, offsetof(suite_params, needles)},
    {0},
};
static const sb_param probe_table[] = {
    {"gain", "10", "(0,100]", "logit gain", SB_F64, offsetof(probe_params, gain)},
    {"seed", "1", "[0,)", "weights", SB_I64, offsetof(probe_params, seed)},
    {0},
};

static const sb_method dense  = {.name = "dense", .params = no_params, .params_bytes = 0};
static const sb_method window = {
    .name = "a_shape", .params = window_table, .params_bytes = sizeof(window_params)};
static const sb_method pick = {
    .name = "flexprefill", .params = pick_table, .params_bytes = sizeof(pick_params)};

const sb_method *const sb_methods[] = {&dense, &window, &pick, NULL};

const sb_method *sb_method_find(const char *name)
{
    for (int i = 0; sb_methods[i] != NULL; i++)
        if (strcmp(sb_methods[i]->name, name) == 0)
            return sb_methods[i];
    return NULL;
}

#define TASK(suite_name, task_name, least)                                                         \
    {                                                                                              \
        .suite = suite_name, .name = task_name, .params = suite_table,                             \
        .params_bytes = sizeof(suite_params), .min_length_tokens = least                           \
    }
static const sb_task tasks[]    = {TASK("probe", "niah_single", 256), TASK("probe", "vt", 512),
                                   TASK("probe", "cwe", 256), TASK("ruler", "niah_single", 1024)};
const sb_task *const sb_tasks[] = {&tasks[0], &tasks[1], &tasks[2], &tasks[3], NULL};

const sb_task *sb_task_find(const char *suite, const char *name)
{
    for (int i = 0; sb_tasks[i] != NULL; i++)
        if (strcmp(sb_tasks[i]->suite, suite) == 0 && strcmp(sb_tasks[i]->name, name) == 0)
            return sb_tasks[i];
    return NULL;
}

int sb_suite_exists(const char *suite)
{
    return strcmp(suite, "probe") == 0 || strcmp(suite, "ruler") == 0;
}

/* Records only: these tests open no suite. */
static const sb_text_task made_tasks[] = {
    {"short", "", "exact@1", 8}, {"long", "", "exact@1", 16}, {0}};
static const sb_text_key   made_keys[] = {{"words", "a word list"}, {"corpus", "a folder"}, {0}};
static const sb_text_suite made        = {.name         = "made",
                                          .tasks        = made_tasks,
                                          .params       = suite_table,
                                          .params_bytes = sizeof(suite_params),
                                          .keys         = made_keys,
                                          .to_length    = 1};
static const sb_text_key   kept_keys[] = {{"data", "a folder of rows"}, {0}};
static const sb_text_suite kept        = {
           .name = "kept", .tasks = made_tasks, .params = no_params, .keys = kept_keys};
const sb_text_suite *const sb_text_suites[] = {&made, &kept, NULL};

const sb_text_suite *sb_text_suite_find(const char *name)
{
    for (int i = 0; sb_text_suites[i] != NULL; i++)
        if (strcmp(sb_text_suites[i]->name, name) == 0)
            return sb_text_suites[i];
    return NULL;
}

static int64_t at_least_one(const void *params)
{
    (void)params;
    return 1;
}

static int64_t a_needle_each(const void *params) { return 100 * *(const int64_t *)params; }

static const sb_distribution distributions[] = {
    {.name = "random", .params = no_params, .params_bytes = 0, .min_length = at_least_one},
    {.name = "structured", .params = no_params, .params_bytes = 0, .min_length = at_least_one},
    {.name         = "needle",
     .params       = suite_table,
     .params_bytes = sizeof(suite_params),
     .min_length   = a_needle_each},
};
const sb_distribution *const sb_distributions[] = {&distributions[0], &distributions[1],
                                                   &distributions[2], NULL};

static const char *const probe_suites[] = {"probe", NULL};
const sb_model_desc      fake_models[]  = {
          {.name         = "probe",
           .params       = probe_table,
           .params_bytes = sizeof(probe_params),
           .suites       = probe_suites},
          {0},
};
const sb_sweep_env fake_env = {.ranks = 2, .auto_backend = SB_CPU, .models = fake_models};

/* Every occurrence of `cut` leaves the text. */
static void cut_all(char *text, const char *cut)
{
    size_t n  = strlen(cut);
    char  *to = text;
    for (const char *at = text; *at != '\0';)
        if (strncmp(at, cut, n) == 0)
            at += n;
        else
            *to++ = *at++;
    *to = '\0';
}

sb_status fake_load(const char *name, const char *text, size_t bytes, const sb_set *sets,
                    int64_t n_sets, char **errors, sb_sweep **out)
{
    char   dir[] = "/tmp/sweep_XXXXXX", path[128], prefix[64];
    size_t n     = 0;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(prefix, sizeof prefix, "%s/", dir);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, bytes, f), bytes);
    ck_assert_int_eq(fclose(f), 0);
    FILE *to = open_memstream(errors, &n);
    ck_assert_ptr_nonnull(to);
    sb_status st = sb_sweep_load(path, sets, n_sets, &fake_env, to, out);
    ck_assert_int_eq(fclose(to), 0);
    cut_all(*errors, prefix);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rmdir(dir), 0);
    return st;
}

sb_sweep *fake_load_good(const char *text, const sb_set *sets, int64_t n_sets)
{
    sb_sweep *s      = NULL;
    char     *errors = NULL;
    sb_status st     = fake_load("good.yaml", text, strlen(text), sets, n_sets, &errors, &s);
    ck_assert_msg(st == SB_OK, "%s%s", errors, sb_error_text());
    ck_assert_str_eq(errors, "");
    free(errors);
    return s;
}

char *fake_load_bad(const char *text, const sb_set *sets, int64_t n_sets)
{
    sb_sweep *s      = NULL;
    char     *errors = NULL;
    ck_assert_int_eq(fake_load("bad.yaml", text, strlen(text), sets, n_sets, &errors, &s),
                     SB_ERR_USAGE);
    ck_assert_ptr_null(s);
    return errors;
}
