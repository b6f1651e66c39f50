/* A sweep file's text workloads as sets. */
#include "harness/config/gen_plan.h"

#include <stdlib.h>
#include <string.h>

#include "harness/config/identity.h"
#include "harness/config/set.h"
#include "harness/config/spec.h"
#include "workloads/registry.h"

typedef struct plan_box { /* what callers hold as sb_gen_plan */
    sb_gen_plan plan;
    sbi_pool    keep;
    int64_t     capacity;
} plan_box;

static int add_sets(sbi_ctx *c, plan_box *b, const sbi_text_work *w)
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
        sbi_text_work w;
        int64_t       first = b->plan.n_sets;
        if (!sbi_is_map(c, items[i], "a mapping with `suite` and `tasks`") ||
            !sbi_text_work_read(c, items[i], &w))
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
    p->tokenizer = (char *)sbi_existing_path(c, n, allowed);
}

/* The path of the file's model where it names one and no tokenizer is said: the model's own counts.
 * Which of several is meant cannot be known. */
static void model_read(sbi_ctx *c, const sbi_node *model, const sbi_node *tokenizer, sb_gen_plan *p)
{
    const sbi_node *path =
        model != NULL && model->kind == SBI_MAP ? sbi_map_get(model, "path") : NULL;
    if (path != NULL && path->kind == SBI_LIST && path->n == 1)
        path = path->item[0];
    if (tokenizer != NULL || path == NULL || path->kind != SBI_SCALAR)
        return;
    if (sbi_word(c, path, "a folder or file of a model") != NULL)
        p->model = sbi_home_path(c, path);
}

static void load(sbi_ctx *c, plan_box *b)
{
    static const char *const keys[] = {"sweep",  "experiment", "tokenizer", "workloads", "backend",
                                       "model",  "methods",    "sharding",  "decode",    "quality",
                                       "timing", "graphs",     "exclude",   NULL};
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
    model_read(c, sbi_map_get(root, "model"), sbi_map_get(root, "tokenizer"), &b->plan);
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
