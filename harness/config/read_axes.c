/* model, methods, sharding: a name, or a mapping with a name and parameters. */
#include "harness/config/identity.h"
#include "harness/config/spec.h"
#include "kernels/registry.h"

#include <stdlib.h>
#include <string.h>

/* The node that holds the name: the entry itself when it is a word, else its `name`. NULL after an
 * error. */
static const sbi_node *name_node(sbi_ctx *c, const sbi_node *n, const char *allowed)
{
    if (n->kind == SBI_SCALAR)
        return sbi_word(c, n, allowed) != NULL ? n : NULL;
    if (!sbi_is_map(c, n, allowed))
        return NULL;
    const sbi_node *name = sbi_map_get(n, "name");
    if (name == NULL) {
        sbi_refuse_missing(c, n, "name", allowed);
        return NULL;
    }
    return sbi_word(c, name, allowed) != NULL ? name : NULL;
}

/* ---- models that lie in files ---- */

static const sb_model_desc *model_of_files(const sbi_ctx *c)
{
    const sb_model_desc *m = c->env->models;
    while (m->name != NULL && m->look == NULL)
        m++;
    return m->name != NULL ? m : NULL;
}

static const char *wrapper_read(sbi_ctx *c, const sbi_node *n)
{
    return n != NULL ? sbi_word(c, n, "auto, base or the name of a chat wrapper") : "auto";
}

/* The text without the path in front, which the message has anyway. */
static const char *without(const char *text, const char *path)
{
    size_t n = strlen(path);
    return strncmp(text, path, n) == 0 && strncmp(text + n, ": ", 2) == 0 ? text + n + 2 : text;
}

static void refuse_look(sbi_ctx *c, sb_status st, const sbi_node *path, const char *real,
                        const sbi_node *wrapper, int wrapper_wrong)
{
    const sbi_node *at = wrapper_wrong && wrapper != NULL ? wrapper : path;
    if (st == SB_ERR_NOMEM)
        c->temp.failed = 1;
    else
        sbi_error_add(c, at->pos, sbi_node_path(c, at), "found %s (%s), allowed %s",
                      sbi_found(c, at), without(sb_error_text(), real),
                      at == wrapper ? "auto, base or the name of a chat wrapper"
                                    : "a folder with config.json and safetensors, a .gguf file, "
                                      "or owner/model of the local Hugging Face cache");
}

/* `weights: random` asks for the shape alone. NULL: the key is wrong, or no memory. */
static const char *weights_read(sbi_ctx *c, const sbi_node *n)
{
    if (n == NULL || strcmp(n->text, "file") == 0)
        return "";
    if (n->kind == SBI_SCALAR && strcmp(n->text, "random") == 0)
        return "random:";
    sbi_refuse(c, n, "file or random");
    return NULL;
}

static const char *prefixed(sbi_ctx *c, const char *prefix, const char *path)
{
    size_t n = strlen(prefix), m = path != NULL ? strlen(path) : 0;
    if (path == NULL || n == 0)
        return path;
    char *text = sbi_pool_alloc(c->keep, 1, n + m + 1);
    if (text == NULL)
        return NULL;
    memcpy(text, prefix, n);
    memcpy(text + n, path, m + 1);
    return text;
}

/* One path with one choice of parameters. */
static int look_at(sbi_ctx *c, const sb_model_desc *m, const sbi_node *path, const char *real,
                   const sbi_node *wrapper, const char *word, const sbi_variant *v, sbi_spec *s)
{
    sb_model_seen seen = {.name = ""};
    sbi_variant  *out  = &s->model_params.v[s->model_params.n];
    out->params        = sbi_pool_alloc(c->keep, 1, m->params_bytes);
    if (out->params == NULL)
        return 0;
    memcpy(out->params, v->params, m->params_bytes);
    sb_status st = m->look(real, word, out->params, &seen);
    if (st != SB_OK) {
        refuse_look(c, st, path, real, wrapper, seen.wrapper_wrong);
        return 0;
    }
    out->json                         = sbi_json_merged(c->keep, v->json, seen.facts_json);
    s->model_names[s->model_params.n] = sbi_pool_text(c->keep, seen.name, strlen(seen.name));
    free(seen.facts_json);
    if (out->json == NULL || s->model_names[s->model_params.n] == NULL)
        return 0;
    s->model_params.n++;
    return 1;
}

static void files_read(sbi_ctx *c, sbi_node *n, sbi_spec *s)
{
    sbi_node *const *items   = NULL;
    sbi_names        keys    = {0};
    sbi_variants     v       = {0};
    const sbi_node  *wrapper = sbi_map_get(n, "wrapper");
    const char      *word    = wrapper_read(c, wrapper);
    const char      *prefix  = weights_read(c, sbi_map_get(n, "weights"));
    int64_t count = sbi_items(c, sbi_map_get(n, "path"), "a folder or file of a model", &items);
    for (const char *const *k = (const char *const[]){"name", "path", "wrapper", "weights", NULL};
         *k; k++)
        sbi_names_add(c, &keys, *k);
    sbi_variants_read(c, n, NULL, s->model->params, s->model->params_bytes, &keys, &v);
    s->model_params.v = sbi_pool_alloc(&c->temp, count * v.n, sizeof *s->model_params.v);
    s->model_names    = sbi_pool_alloc(&c->temp, count * v.n, sizeof *s->model_names);
    if (word == NULL || prefix == NULL || s->model_params.v == NULL || s->model_names == NULL)
        return;
    for (int64_t i = 0; i < count; i++) {
        const char *real = sbi_word(c, items[i], "a folder or file of a model") != NULL
                               ? prefixed(c, prefix, sbi_home_path(c, items[i]))
                               : NULL;
        for (int64_t j = 0; j < i; j++)
            if (strcmp(items[i]->text, items[j]->text) == 0) {
                sbi_refuse_twice(c, items[i], items[j]);
                real = NULL;
            }
        for (int64_t j = 0; real != NULL && j < v.n; j++)
            if (!look_at(c, s->model, items[i], real, wrapper, word, &v.v[j], s))
                break;
    }
}

/* `path` stands for models that lie in files; `name` may say so too. */
static int names_files(sbi_ctx *c, const sbi_node *n, sbi_spec *s)
{
    const sb_model_desc *m    = model_of_files(c);
    const sbi_node      *name = sbi_map_get(n, "name");
    int                  said =
        name != NULL && m != NULL && name->kind == SBI_SCALAR && strcmp(name->text, m->name) == 0;
    if (m == NULL || n->kind != SBI_MAP || (sbi_map_get(n, "path") == NULL && !said))
        return 0;
    if (name != NULL && !said)
        return 0; /* another model, which knows no path */
    s->model = m;
    if (sbi_map_get(n, "path") == NULL)
        sbi_refuse_missing(c, n, "path", "a folder or file of a model");
    return 1;
}

void sbi_model_read(sbi_ctx *c, sbi_node *n, sbi_spec *s)
{
    sbi_names names = {0}, keys = {0};
    if (names_files(c, n, s)) {
        if (sbi_map_get(n, "path") != NULL)
            files_read(c, n, s);
        return;
    }
    const sbi_node *name =
        name_node(c, n,
                  model_of_files(c) != NULL ? "a model's name, or a mapping with `name`, or with "
                                              "`path` of a checkpoint"
                                            : "a model's name or a mapping with `name`");
    if (name == NULL)
        return;
    for (const sb_model_desc *m = c->env->models; m->name != NULL; m++) {
        sbi_names_add(c, &names, m->name);
        if (strcmp(m->name, name->text) == 0)
            s->model = m;
    }
    if (s->model == NULL) {
        sbi_refuse_choice(c, name,
                          model_of_files(c) != NULL
                              ? "{path: FOLDER_OR_GGUF} of a checkpoint, or one of "
                              : "one of ",
                          &names);
        return;
    }
    sbi_names_add(c, &keys, "name");
    if (s->model->look != NULL) { /* a bare name: which one? */
        sbi_refuse(c, name, "a mapping with `path`");
        return;
    }
    sbi_variants_read(c, n, NULL, s->model->params, s->model->params_bytes, &keys,
                      &s->model_params);
    s->model_names = sbi_pool_alloc(&c->temp, s->model_params.n, sizeof *s->model_names);
    for (int64_t i = 0; s->model_names != NULL && i < s->model_params.n; i++)
        s->model_names[i] = sbi_pool_text(c->keep, s->model->name, strlen(s->model->name));
}

void sbi_methods_read(sbi_ctx *c, sbi_node *list, sbi_spec *s)
{
    static const char allowed[] = "a method's name or a mapping with `name`";
    sbi_node *const  *items     = NULL;
    sbi_names         names = {0}, keys = {0};
    int64_t           n = sbi_items(c, list, "a list of methods", &items);
    s->methods          = sbi_pool_alloc(&c->temp, n, sizeof *s->methods);
    sbi_names_add(c, &keys, "name");
    for (int64_t i = 0; sb_methods[i] != NULL; i++)
        sbi_names_add(c, &names, sb_methods[i]->name);
    for (int64_t i = 0; i < n && s->methods != NULL; i++) {
        const sbi_node *name = name_node(c, items[i], allowed);
        if (name == NULL)
            continue;
        sbi_method_axis m = {.node = items[i], .method = sb_method_find(name->text)};
        if (m.method == NULL) {
            sbi_refuse_choice(c, name, "one of ", &names);
            continue;
        }
        sbi_variants_read(c, items[i], m.method, m.method->params, m.method->params_bytes, &keys,
                          &m.params);
        s->methods[s->n_methods++] = m;
    }
}

static void one_value(sbi_ctx *c, int64_t v, sbi_values *out)
{
    out->v = sbi_pool_alloc(&c->temp, 1, sizeof *out->v);
    if (out->v == NULL)
        return;
    out->v[0] = v;
    out->n    = 1;
}

static void one_sharding(sbi_ctx *c, sbi_node *n, sbi_sharding *out)
{
    static const char allowed[] = "contiguous, zigzag, block_striped or lpt";
    int32_t           v         = 0;
    sbi_names         keys      = {0};
    const sbi_node   *name      = name_node(c, n, "a scheme's name or a mapping with `name`");
    sbi_node         *layout    = sbi_map_get(n, "layout");
    int               known     = name != NULL && sbi_enum_read(c, name, &sbi_param_scheme, &v);
    int               state     = known && v == SB_SCHEME_STATE;
    const sb_param   *count     = known && v == SB_SCHEME_USP         ? &sbi_param_team
                                  : known && v == SB_SCHEME_ALLGATHER ? &sbi_param_at_once
                                                                      : NULL;
    sbi_node         *counts    = count != NULL ? sbi_map_get(n, count->name) : NULL;
    out->node                   = n;
    out->scheme                 = (sb_scheme)v;
    sbi_names_add(c, &keys, "name");
    sbi_names_add(c, &keys, "layout");
    if (count != NULL)
        sbi_names_add(c, &keys, count->name);
    if (n->kind == SBI_MAP)
        sbi_check_keys(c, n, &keys);
    if (layout != NULL)
        sbi_values_read(c, layout, state ? "contiguous" : allowed, sbi_value_enum,
                        state ? &sbi_param_state_layout : &sbi_param_layout, &out->layouts);
    if (counts != NULL)
        sbi_values_read(c, counts,
                        count == &sbi_param_team ? "a whole number of ranks from 1 to 65536"
                                                 : "a whole number of KV heads from 1 to 4096",
                        sbi_value_i64, count, &out->counts);
    if (!known) {
        out->layouts.n = 0;
        return;
    }
    if (layout == NULL)
        one_value(c, sb_layout_default(out->scheme), &out->layouts);
    if (counts == NULL)
        one_value(c, 0, &out->counts);
}

void sbi_sharding_read(sbi_ctx *c, sbi_node *list, sbi_spec *s)
{
    sbi_node *const *items = NULL;
    sbi_node        *word  = NULL;
    int64_t          n     = 1;
    if (list == NULL) {
        word = sbi_node_new(c, SBI_SCALAR, (sbi_pos){0, 1, 1});
        if (word == NULL)
            return;
        word->text = "allgather";
        items      = &word->self;
    } else {
        n = sbi_items(c, list, "a list of sharding schemes", &items);
    }
    s->shardings = sbi_pool_alloc(&c->temp, n, sizeof *s->shardings);
    for (int64_t i = 0; i < n && s->shardings != NULL; i++)
        one_sharding(c, items[i], &s->shardings[s->n_shardings++]);
}
