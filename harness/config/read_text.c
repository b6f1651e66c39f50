/* Workloads of questions as text: for `spanbench gen`, and for models that read. */
#include "harness/config/identity.h"
#include "harness/config/spec.h"
#include "workloads/registry.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { DEFAULT_SAMPLES = 20 };

static const sb_param samples_param = {"samples", "20", "[1,1000000]", "", SB_I64, 0};

static const char *const own_keys[] = {"suite", "tasks", "lengths", "samples", "seed", NULL};

static int suite_read(sbi_ctx *c, const sbi_node *map, sbi_text_work *w)
{
    sbi_names       names = {0};
    const sbi_node *n     = sbi_map_get(map, "suite");
    for (const sb_text_suite *const *s = sb_text_suites; *s != NULL; s++)
        sbi_names_add(c, &names, (*s)->name);
    if (n == NULL) {
        sbi_error_choice(c, map->pos, sbi_pool_printf(&c->temp, "%s.suite", sbi_node_path(c, map)),
                         "nothing", NULL, "a suite of questions as text: ", &names);
        return 0;
    }
    if (n->kind == SBI_SCALAR && !n->is_bad)
        w->suite = sb_text_suite_find(n->text);
    if (w->suite == NULL)
        sbi_refuse_choice(c, n, "a suite of questions as text: ", &names);
    return w->suite != NULL;
}

static int task_read(sbi_ctx *c, const sbi_node *n, const void *suite_, int64_t *out)
{
    const sb_text_suite *suite = suite_;
    sbi_names            names = {0};
    for (int64_t i = 0; suite->tasks[i].name != NULL; i++) {
        sbi_names_add(c, &names, suite->tasks[i].name);
        if (n->kind == SBI_SCALAR && !n->is_bad && strcmp(suite->tasks[i].name, n->text) == 0) {
            *out = i;
            return 1;
        }
    }
    sbi_refuse_choice(c, n, "all, or some of ", &names);
    return 0;
}

static void tasks_read(sbi_ctx *c, sbi_node *n, sbi_text_work *w)
{
    int64_t count = 0;
    if (n->kind != SBI_SCALAR || n->is_bad || strcmp(n->text, "all") != 0) {
        sbi_values_read(c, n, "all, or a list of tasks", task_read, w->suite, &w->tasks);
        return;
    }
    while (w->suite->tasks[count].name != NULL)
        count++;
    w->tasks.v = sbi_pool_alloc(&c->temp, count, sizeof *w->tasks.v);
    for (; w->tasks.v != NULL && w->tasks.n < count; w->tasks.n++)
        w->tasks.v[w->tasks.n] = w->tasks.n;
}

/* Absent where it may be: the one length 0. */
static void lengths_read(sbi_ctx *c, const sbi_node *map, sbi_text_work *w)
{
    static const char allowed[] = "a list of lengths in tokens";
    sbi_node         *n         = sbi_map_get(map, "lengths");
    if (n != NULL)
        sbi_values_read(c, n, allowed, sbi_value_length, NULL, &w->lengths);
    else if (w->suite->to_length)
        sbi_refuse_missing(c, map, "lengths", allowed);
    else if ((w->lengths.v = sbi_pool_alloc(&c->temp, 1, sizeof *w->lengths.v)) != NULL)
        w->lengths.n = 1;
}

/* The path at n, which must exist. */
const char *sbi_existing_path(sbi_ctx *c, const sbi_node *n, const char *help)
{
    struct stat sb;
    char       *path;
    if (sbi_word(c, n, help) == NULL || (path = sbi_home_path(c, n)) == NULL)
        return NULL;
    if (stat(path, &sb) == 0)
        return path;
    sbi_error_add(c, n->pos, sbi_node_path(c, n), "found %s (%s), allowed %s", sbi_found(c, n),
                  strerror(errno), help);
    return NULL;
}

static void files_read(sbi_ctx *c, const sbi_node *map, sbi_text_work *w)
{
    const sb_text_key *keys = w->suite->keys;
    int64_t            n    = 0;
    const char        *json = "{}";
    while (keys != NULL && keys[n].name != NULL)
        n++;
    w->paths = sbi_pool_alloc(c->keep, n, sizeof *w->paths);
    for (int64_t i = 0; i < n && w->paths != NULL && json != NULL; i++) {
        const sbi_node *at = sbi_map_get(map, keys[i].name);
        if (at == NULL)
            continue;
        w->paths[i] = sbi_existing_path(c, at, keys[i].help);
        if (w->paths[i] != NULL)
            json = sbi_json_with_word(c->keep, (char *)json, keys[i].name, at->text);
    }
    w->files_json = json;
}

int sbi_text_work_read(sbi_ctx *c, sbi_node *map, sbi_text_work *w)
{
    sbi_names others = {0};
    int64_t   before = c->n_errors;
    *w               = (sbi_text_work){0};
    if (!suite_read(c, map, w))
        return 0;
    for (const char *const *k = own_keys; *k != NULL; k++)
        sbi_names_add(c, &others, *k);
    for (const sb_text_key *k = w->suite->keys; k != NULL && k->name != NULL; k++)
        sbi_names_add(c, &others, k->name);
    sbi_variants_read(c, map, NULL, w->suite->params, w->suite->params_bytes, &others, &w->params);
    sbi_node *tasks = sbi_map_get(map, "tasks"), *samples = sbi_map_get(map, "samples");
    if (tasks == NULL)
        sbi_refuse_missing(c, map, "tasks", "all, or a list of tasks");
    else
        tasks_read(c, tasks, w);
    lengths_read(c, map, w);
    sbi_seeds_read(c, sbi_map_get(map, "seed"), &w->seeds);
    files_read(c, map, w);
    w->samples = w->suite->to_length ? DEFAULT_SAMPLES : 0;
    if (samples != NULL)
        (void)sbi_i64_read(c, samples, &samples_param, &w->samples);
    return c->n_errors == before;
}
