/* Walks `workloads[0].lengths[1]` through the tree, one step a name or an index. */
#include "harness/config/set.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = SBI_MAX_LEVELS };

typedef struct set_step {
    const char *key; /* NULL: an index */
    int64_t     index;
} set_step;

/* Steps of the path, 0 when it is not one. */
static int path_parse(sbi_ctx *c, const char *path, set_step *steps)
{
    const char *s = path;
    int         n = 0;
    while (*s != '\0') {
        size_t len = strcspn(s, ".[]");
        if (len == 0 || n == MAX_STEPS)
            return 0;
        steps[n].key = sbi_pool_text(&c->temp, s, len);
        if (steps[n++].key == NULL)
            return 0;
        for (s += len; *s == '[';) {
            char *end;
            if (s[1] < '0' || s[1] > '9' || n == MAX_STEPS)
                return 0;
            long long i = strtoll(s + 1, &end, 10);
            if (*end != ']')
                return 0;
            steps[n++] = (set_step){NULL, (int64_t)i};
            s          = end + 1;
        }
        if (*s == '.' && s[1] != '\0')
            s++;
        else if (*s != '\0')
            return 0;
    }
    return n;
}

/* The key that a plain word stands for where a mapping may stand too: `dense` is {name: dense}. */
static const char *shorthand(const sbi_node *n)
{
    const sbi_node *up = n->parent;
    while (up != NULL && up->kind == SBI_LIST) {
        n  = up;
        up = up->parent;
    }
    for (int64_t i = 0; up != NULL && up->parent == NULL && i < up->n; i++) {
        const char *key = up->key[i]->text;
        if (up->item[i] != n)
            continue;
        if (strcmp(key, "methods") == 0 || strcmp(key, "sharding") == 0 ||
            strcmp(key, "model") == 0)
            return "name";
        return strcmp(key, "quality") == 0 ? "mode" : NULL;
    }
    return NULL;
}

static sbi_node *key_node(sbi_ctx *c, const char *text, sbi_pos pos)
{
    sbi_node *n = sbi_node_new(c, SBI_SCALAR, pos);
    if (n != NULL)
        n->text = text;
    return n;
}

/* Make n a mapping in place. What it held is lost, but for a word with a key of its own. */
static int become_map(sbi_ctx *c, sbi_node *n, sbi_pos pos)
{
    const char *name = n->kind == SBI_SCALAR && !n->is_null ? shorthand(n) : NULL;
    sbi_node    old  = *n;
    *n               = (sbi_node){.kind   = SBI_MAP,
                                  .pos    = name != NULL ? old.pos : pos,
                                  .text   = "",
                                  .parent = old.parent,
                                  .self   = n};
    if (name == NULL)
        return 1;
    sbi_node *key = key_node(c, name, old.pos), *word = sbi_node_new(c, SBI_SCALAR, old.pos);
    if (key == NULL || word == NULL)
        return 0;
    word->text = old.text;
    return sbi_node_add(c, n, key, word);
}

/* The slot of `to` that the step names, made when absent; NULL after an error. */
static sbi_node *descend(sbi_ctx *c, sbi_node *to, const set_step *step, sbi_pos pos)
{
    if (step->key != NULL) {
        if (to->kind == SBI_LIST) {
            sbi_error_add(c, pos, "",
                          "found a key for the list `%s`, allowed an index: `%s[0]` to `%s[%" PRId64
                          "]`",
                          sbi_node_path(c, to), sbi_node_path(c, to), sbi_node_path(c, to), to->n);
            return NULL;
        }
        if (to->kind != SBI_MAP && !become_map(c, to, pos))
            return NULL;
        sbi_node *old = sbi_map_get(to, step->key);
        if (old != NULL)
            return old;
    } else {
        if (to->kind == SBI_SCALAR && to->is_null)
            *to = (sbi_node){
                .kind = SBI_LIST, .pos = pos, .text = "", .parent = to->parent, .self = to};
        if (to->kind != SBI_LIST) {
            sbi_error_add(c, pos, "", "found an index for `%s`, which is no list, allowed a key",
                          sbi_node_path(c, to));
            return NULL;
        }
        if (step->index < to->n)
            return to->item[step->index];
        if (step->index > to->n) {
            sbi_error_add(c, pos, "", "found index %" PRId64 " of `%s`, allowed 0 to %" PRId64,
                          step->index, sbi_node_path(c, to), to->n);
            return NULL;
        }
    }
    sbi_node *made = sbi_node_new(c, SBI_SCALAR, pos);
    sbi_node *key  = step->key != NULL ? key_node(c, step->key, pos) : NULL;
    if (made == NULL || (step->key != NULL && key == NULL))
        return NULL;
    made->is_null = 1;
    return sbi_node_add(c, to, key, made) ? made : NULL;
}

static void apply(sbi_ctx *c, sbi_node *root, int32_t set)
{
    const sb_set *s   = &c->sets[set - 1];
    sbi_pos       pos = {set, 1, 1};
    set_step      steps[MAX_STEPS];
    int           n = path_parse(c, s->path, steps);
    if (n == 0) {
        sbi_error_add(c, pos, "",
                      "found no path in `%s`, allowed a path such as `workloads[0].samples`",
                      sbi_safe(c, s->path));
        return;
    }
    sbi_node *value = sbi_tree_parse(c, s->value, strlen(s->value), set);
    sbi_node *to    = root;
    for (int i = 0; i < n && to != NULL && value != NULL; i++)
        to = descend(c, to, &steps[i], pos);
    if (to == NULL || value == NULL)
        return;
    sbi_node *parent = to->parent;
    *to              = *value;
    to->parent       = parent;
    to->self         = to;
    for (int64_t i = 0; i < to->n; i++)
        to->item[i]->parent = to;
}

void sbi_sets_apply(sbi_ctx *c, sbi_node *root)
{
    for (int64_t i = 0; i < c->n_sets; i++)
        apply(c, root, (int32_t)i + 1);
}
