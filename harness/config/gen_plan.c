/* A sweep file's text workloads as sets. */
#include "harness/config/gen_plan.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/config/identity.h"
#include "harness/config/set.h"
#include "harness/config/spec.h"
#include "workloads/registry.h"

enum { DEFAULT_SAMPLES = 20 };

static const sb_param samples_param = {"samples", "20", "[1,1000000]", "", SB_I64, 0};

typedef struct plan_box { /* what callers hold as sb_gen_plan */
    sb_gen_plan plan;
    sbi_pool    keep;
    int64_t     capacity;
} plan_box;

/* One workload, before it is multiplied out. */
typedef struct work {
    const sb_text_suite *suite;
    sbi_values           tasks, lengths, seeds; /* tasks: places in suite->tasks */
    sbi_variants         params;
    const char         **paths;
    const char          *files_json;
    int64_t              samples;
} work;

static const char *const own_keys[] = {"suite", "tasks", "lengths", "samples", "seed", NULL};

static int suite_read(sbi_ctx *c, const sbi_node *map, work *w)
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

static void tasks_read(sbi_ctx *c, sbi_node *n, work *w)
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
static void lengths_read(sbi_ctx *c, const sbi_node *map, work *w)
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
static const char *path_read(sbi_ctx *c, const sbi_node *n, const char *help)
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

static void files_read(sbi_ctx *c, const sbi_node *map, work *w)
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
        w->paths[i] = path_read(c, at, keys[i].help);
        if (w->paths[i] != NULL)
            json = sbi_json_with_word(c->keep, (char *)json, keys[i].name, at->text);
    }
    w->files_json = json;
}

static int work_read(sbi_ctx *c, sbi_node *map, work *w)
{
    sbi_names others = {0};
    int64_t   before = c->n_errors;
    *w               = (work){0};
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

static int add_sets(sbi_ctx *c, plan_box *b, const work *w)
{
    for (int64_t v = 0; v < w->params.n; v++)
        for (int64_t l = 0; l < w->lengths.n; l++)
            for (int64_t t = 0; t < w->tasks.n; t++)
                for (int64_t d = 0; d < w->seeds.n; d++) {
                    void *at = b->plan.sets;
                    if (!sbi_pool_grow(c->keep, &at, b->plan.n_sets, &b->capacity,
                                       sizeof *b->plan.sets))
                        return 0;
                    b->plan.sets = at;
                    b->plan.sets[b->plan.n_sets++] =
                        (sb_gen_set){.suite         = w->suite,
                                     .task          = &w->suite->tasks[w->tasks.v[t]],
                                     .params        = w->params.v[v].params,
                                     .params_json   = w->params.v[v].json,
                                     .paths         = w->paths,
                                     .files_json    = w->files_json,
                                     .length_tokens = w->lengths.v[l],
                                     .samples       = w->samples,
                                     .seed          = (uint64_t)w->seeds.v[d]};
                }
    return 1;
}

static int same_set(const sb_gen_set *a, const sb_gen_set *b)
{
    return a->suite == b->suite && a->task == b->task && a->length_tokens == b->length_tokens &&
           a->seed == b->seed && strcmp(a->params_json, b->params_json) == 0 &&
           strcmp(a->files_json, b->files_json) == 0;
}

static void refuse_twice(sbi_ctx *c, const sbi_node *map, const plan_box *b, int64_t first)
{
    for (int64_t i = first; i < b->plan.n_sets; i++)
        for (int64_t j = 0; j < i; j++)
            if (same_set(&b->plan.sets[i], &b->plan.sets[j])) {
                sbi_error_add(c, map->pos, sbi_node_path(c, map),
                              "found %s %s of %lld tokens a second time, allowed each once",
                              b->plan.sets[i].suite->name, b->plan.sets[i].task->name,
                              (long long)b->plan.sets[i].length_tokens);
                return;
            }
}

static void workloads_read(sbi_ctx *c, sbi_node *list, plan_box *b)
{
    sbi_node *const *items = NULL;
    int64_t          n     = sbi_items(c, list, "a list of workloads", &items);
    for (int64_t i = 0; i < n; i++) {
        work    w;
        int64_t first = b->plan.n_sets;
        if (!sbi_is_map(c, items[i], "a mapping with `suite` and `tasks`") ||
            !work_read(c, items[i], &w))
            continue;
        if (!add_sets(c, b, &w))
            return;
        refuse_twice(c, items[i], b, first);
    }
}

static void tokenizer_read(sbi_ctx *c, const sbi_node *n, sb_gen_plan *p)
{
    static const char allowed[] = "a tokenizer.json, a .gguf file, a tokenizer.model, a folder "
                                  "with one of them, or bytes, bytes/4, characters, words";
    if (n == NULL || sbi_word(c, n, allowed) == NULL)
        return;
    if (sb_tok_ops_find(n->text) != NULL) {
        p->tokenizer            = sbi_pool_text(c->keep, n->text, strlen(n->text));
        p->tokenizer_is_counter = 1;
        return;
    }
    p->tokenizer = (char *)path_read(c, n, allowed);
}

static void load(sbi_ctx *c, plan_box *b)
{
    static const char *const keys[] = {"sweep",  "experiment", "tokenizer", "workloads", "backend",
                                       "model",  "methods",    "sharding",  "decode",    "quality",
                                       "timing", "exclude",    NULL};
    size_t                   bytes = 0, bom = 0;
    sbi_names                names = {0};
    const char              *text  = sbi_file_read(c, &bytes);
    if (text == NULL)
        return;
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        bom = 3;
    sbi_node *root = sbi_tree_parse(c, text + bom, bytes - bom, 0);
    if (root == NULL)
        return;
    sbi_sets_apply(c, root);
    if (c->temp.failed || !sbi_is_map(c, root, "a mapping with `sweep` and `workloads`"))
        return;
    for (const char *const *k = keys; *k != NULL; k++)
        sbi_names_add(c, &names, *k);
    sbi_check_keys(c, root, &names);
    sbi_node *name = sbi_map_get(root, "sweep"), *list = sbi_map_get(root, "workloads"),
             *experiment = sbi_map_get(root, "experiment");
    if (name == NULL)
        sbi_refuse_missing(c, root, "sweep", "a name for the sweep");
    else if (sbi_word(c, name, "a name") != NULL)
        b->plan.name = sbi_pool_text(c->keep, name->text, strlen(name->text));
    if (experiment != NULL && strcmp(experiment->text != NULL ? experiment->text : "", "task") != 0)
        sbi_refuse(c, experiment, "task: only questions can be written");
    tokenizer_read(c, sbi_map_get(root, "tokenizer"), &b->plan);
    if (list == NULL)
        sbi_refuse_missing(c, root, "workloads", "a list of workloads");
    else
        workloads_read(c, list, b);
}

sb_status sb_gen_load(const char *path, const sb_set *sets, int64_t n_sets, FILE *errors,
                      sb_gen_plan **out)
{
    sb_status st = SB_OK;
    plan_box *b  = calloc(1, sizeof *b);
    if (b == NULL)
        return sb_fail(SB_ERR_NOMEM, "sweep %s: no memory", path);
    sb_sweep_env env = {.ranks = 1};
    sbi_ctx      c = {.path = path, .sets = sets, .n_sets = n_sets, .env = &env, .keep = &b->keep};
    b->plan.path   = sbi_pool_text(&b->keep, path, strlen(path));
    load(&c, b);
    st = sbi_read_outcome(&c, "sweep", path, errors);
    sbi_pool_fini(&c.temp);
    if (st != SB_OK) {
        sb_gen_free(&b->plan);
        return st;
    }
    *out = &b->plan;
    return SB_OK;
}

void sb_gen_free(sb_gen_plan *p)
{
    plan_box *b = (plan_box *)p; /* the plan is the box's first member */
    if (p == NULL)
        return;
    sbi_pool_fini(&b->keep);
    free(b);
}
