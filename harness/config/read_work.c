/* workloads: which questions, how long, how many, over which filler. */
#include "harness/config/identity.h"
#include "harness/config/spec.h"
#include "workloads/registry.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const sb_param samples_param = {"samples", "20", "[1,1000000]", "", SB_I64, 0};

/* Suites that exist and that the model can answer; all that exist when the model is unknown. */
static void suite_names(sbi_ctx *c, const sb_model_desc *model, sbi_names *names)
{
    for (int64_t i = 0; sb_tasks[i] != NULL; i++) {
        int fits = model == NULL, seen = 0;
        for (int64_t j = 0; !fits && model->suites[j] != NULL; j++)
            fits = strcmp(model->suites[j], sb_tasks[i]->suite) == 0;
        for (int64_t j = 0; j < names->n; j++)
            seen |= strcmp(names->v[j], sb_tasks[i]->suite) == 0;
        if (fits && !seen)
            sbi_names_add(c, names, sb_tasks[i]->suite);
    }
}

static int suite_read(sbi_ctx *c, const sbi_node *map, const sbi_spec *s, sbi_workload *w)
{
    sbi_names       names = {0};
    const sbi_node *n     = sbi_map_get(map, "suite");
    const char     *intro = "a suite: ";
    suite_names(c, s->model, &names);
    if (s->model != NULL)
        intro = sbi_pool_printf(&c->temp, "a suite that model `%s` can answer: ", s->model->name);
    if (intro == NULL)
        return 0;
    if (n == NULL) {
        sbi_error_choice(c, map->pos, sbi_pool_printf(&c->temp, "%s.suite", sbi_node_path(c, map)),
                         "nothing", NULL, intro, &names);
        return 0;
    }
    for (int64_t i = 0; n->kind == SBI_SCALAR && !n->is_bad && i < names.n; i++)
        if (strcmp(names.v[i], n->text) == 0)
            w->suite = names.v[i];
    if (w->suite == NULL && n->kind == SBI_SCALAR && !n->is_bad &&
        sb_text_suite_find(n->text) != NULL)
        sbi_error_choice(c, n->pos, sbi_node_path(c, n),
                         sbi_pool_printf(&c->temp,
                                         "%s, questions for models that read text "
                                         "(model: {path: ...}; `spanbench gen` writes them)",
                                         sbi_found(c, n)),
                         NULL, intro, &names);
    else if (w->suite == NULL)
        sbi_refuse_choice(c, n, intro, &names);
    return w->suite != NULL;
}

static int task_read(sbi_ctx *c, const sbi_node *n, const void *suite, int64_t *out)
{
    sbi_names names = {0};
    for (int64_t i = 0; sb_tasks[i] != NULL; i++) {
        if (strcmp(sb_tasks[i]->suite, suite) != 0)
            continue;
        sbi_names_add(c, &names, sb_tasks[i]->name);
        if (n->kind == SBI_SCALAR && !n->is_bad && strcmp(sb_tasks[i]->name, n->text) == 0) {
            *out = i;
            return 1;
        }
    }
    sbi_refuse_choice(c, n, "one of ", &names);
    return 0;
}

typedef struct shortest {
    const sb_task *task; /* the one that needs the most tokens; NULL: none known */
    int64_t        tokens;
} shortest;

static int length_read(sbi_ctx *c, const sbi_node *n, const void *arg, int64_t *out)
{
    const shortest *s = arg;
    if (!sbi_value_length(c, n, NULL, out))
        return 0;
    if (s->task == NULL || *out >= s->tokens)
        return 1;
    sbi_error_add(c, n->pos, sbi_node_path(c, n),
                  "found %s, allowed at least %" PRId64 " tokens for task `%s`", sbi_found(c, n),
                  s->tokens, s->task->name);
    return 0;
}

static char *path_read(sbi_ctx *c, const sbi_node *n)
{
    struct stat sb;
    if (sbi_word(c, n, "a directory of text files") == NULL)
        return NULL;
    /* a directory may bear the name of a built-in corpus */
    int   built_in = strcmp(n->text, "zipf") == 0 || strcmp(n->text, "default") == 0;
    char *path     = built_in ? sbi_pool_printf(c->keep, "./%s", n->text) : sbi_home_path(c, n);
    if (path == NULL)
        return NULL;
    int missing = stat(path, &sb) != 0;
    if (!missing && S_ISDIR(sb.st_mode))
        return path;
    sbi_error_add(c, n->pos, sbi_node_path(c, n),
                  "found %s (%s), allowed a directory of text files", sbi_found(c, n),
                  missing ? strerror(errno) : "not a directory");
    return NULL;
}

/* The corpus into w->corpus, and *word or *path as it goes into the identity: as written, so that a
 * home directory does not make another point of it. */
static int corpus_read(sbi_ctx *c, const sbi_node *map, sbi_workload *w, const char **word,
                       const char **path)
{
    static const char allowed[] = "zipf, default or {path: DIR}";
    const sbi_node   *n         = sbi_map_get(map, "corpus");
    sbi_names         keys      = {0};
    *word                       = "default";
    if (n != NULL && n->kind == SBI_MAP && !n->is_bad) {
        int64_t         before = c->n_errors;
        const sbi_node *p      = sbi_map_get(n, "path");
        sbi_names_add(c, &keys, "path");
        sbi_check_keys(c, n, &keys);
        if (p == NULL)
            sbi_refuse_missing(c, n, "path", "a directory of text files");
        *word     = NULL;
        *path     = p != NULL ? p->text : NULL;
        w->corpus = p != NULL ? path_read(c, p) : NULL;
        return w->corpus != NULL && c->n_errors == before;
    }
    if (n != NULL) {
        *word = n->text;
        if (n->kind != SBI_SCALAR ||
            (strcmp(n->text, "zipf") != 0 && strcmp(n->text, "default") != 0)) {
            sbi_refuse(c, n, allowed);
            return 0;
        }
    }
    w->corpus = sbi_pool_text(c->keep, *word, strlen(*word));
    return w->corpus != NULL;
}

/* Over all tasks of the workload and all values of its parameters. */
static shortest neediest(const sbi_values *tasks, const sbi_variants *params)
{
    shortest s = {0};
    for (int64_t i = 0; i < tasks->n; i++) {
        const sb_task *t     = sb_tasks[tasks->v[i]];
        int64_t        least = t->min_length_tokens;
        for (int64_t v = 0; v < params->n && t->min_length != NULL; v++) {
            int64_t need = t->min_length(params->v[v].params);
            least        = need > least || v == 0 ? need : least;
        }
        if (s.task == NULL || least > s.tokens)
            s = (shortest){t, least};
    }
    return s;
}

/* The suite's own parameters with the corpus put in. */
static void params_read(sbi_ctx *c, const sbi_node *map, sbi_workload *w)
{
    static const char *const own[] = {"suite", "tasks", "lengths", "samples", "seed", "corpus"};
    const char              *word = NULL, *path = NULL;
    const sb_task           *t      = NULL;
    sbi_names                others = {0};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sbi_names_add(c, &others, own[i]);
    for (int64_t i = 0; sb_tasks[i] != NULL && w->suite != NULL && t == NULL; i++)
        if (strcmp(sb_tasks[i]->suite, w->suite) == 0)
            t = sb_tasks[i];
    int fine = corpus_read(c, map, w, &word, &path);
    if (t == NULL)
        return; /* the suite is wrong, and with it what the other keys may be */
    sbi_variants_read(c, map, NULL, t->params, t->params_bytes, &others, &w->params);
    for (int64_t i = 0; i < w->params.n && fine; i++) {
        sbi_variant *v = &w->params.v[i];
        v->json        = word != NULL ? sbi_json_with_word(c->keep, v->json, "corpus", word)
                                      : sbi_json_with_path(c->keep, v->json, "corpus", path);
    }
    if (!fine)
        w->params.n = 0;
}

static void one_workload(sbi_ctx *c, sbi_node *map, const sbi_spec *s, sbi_workload *w)
{
    static const char need_tasks[]   = "a list of tasks";
    static const char need_lengths[] = "a list of lengths in tokens";
    sbi_node         *tasks = sbi_map_get(map, "tasks"), *lengths = sbi_map_get(map, "lengths");
    w->node                = map;
    int known              = suite_read(c, map, s, w);
    params_read(c, map, w);
    if (tasks == NULL)
        sbi_refuse_missing(c, map, "tasks", need_tasks);
    else if (known)
        sbi_values_read(c, tasks, need_tasks, task_read, w->suite, &w->tasks);
    shortest least = neediest(&w->tasks, &w->params);
    if (lengths == NULL)
        sbi_refuse_missing(c, map, "lengths", need_lengths);
    else
        sbi_values_read(c, lengths, need_lengths, length_read, &least, &w->lengths);
    sbi_seeds_read(c, sbi_map_get(map, "seed"), &w->seeds);
    (void)sbi_i64_read(c, sbi_map_get(map, "samples"), &samples_param, &w->samples);
}

/* A workload of questions as text, in the form of the others. */
static void text_workload(sbi_ctx *c, sbi_node *map, sbi_workload *w)
{
    sbi_text_work t;
    w->node = map;
    if (!sbi_text_work_read(c, map, &t))
        return;
    w->text    = t.suite;
    w->suite   = t.suite->name;
    w->paths   = t.paths;
    w->tasks   = t.tasks;
    w->lengths = t.lengths;
    w->seeds   = t.seeds;
    w->params  = t.params;
    w->samples = t.samples;
    if (w->samples == 0) /* of files, nothing said */
        (void)sbi_i64_read(c, NULL, &samples_param, &w->samples);
    for (int64_t i = 0; i < w->params.n; i++)
        w->params.v[i].json =
            sbi_json_with_value(c->keep, w->params.v[i].json, "files", t.files_json);
}

void sbi_workloads_read(sbi_ctx *c, sbi_node *list, sbi_spec *s)
{
    sbi_node *const *items = NULL;
    int64_t          n     = sbi_items(c, list, "a list of workloads", &items);
    s->workloads           = sbi_pool_alloc(&c->temp, n, sizeof *s->workloads);
    for (int64_t i = 0; i < n && s->workloads != NULL; i++)
        if (!sbi_is_map(c, items[i], "a mapping with `suite`, `tasks` and `lengths`"))
            continue;
        else if (s->model != NULL && s->model->reads_text)
            text_workload(c, items[i], &s->workloads[s->n_workloads++]);
        else
            one_workload(c, items[i], s, &s->workloads[s->n_workloads++]);
}
