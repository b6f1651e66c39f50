/* Entries are compared as canonical text, field by field, so that 4K, 4096 and "4096" are the same
 * length. */
#include "harness/config/exclude.h"
#include "kernels/registry.h"
#include "workloads/registry.h"

#include <inttypes.h>
#include <string.h>

typedef enum field_id {
    FIELD_METHOD,
    FIELD_TASK,
    FIELD_SUITE,
    FIELD_LENGTH,
    FIELD_SEED,
    FIELD_SHARDING,
    FIELD_LAYOUT,
    FIELD_DECODE,
    FIELD_DISTRIBUTION,
    FIELD_TENSORS,
    FIELD_HEADS,
    FIELD_KV_HEADS,
    FIELD_HEAD_DIM,
    FIELD_COUNT,
    FIELD_PARAM = FIELD_COUNT
} field_id;

/* Which experiments know the field. */
enum { TASK = 1, ATTENTION = 2, BOTH = 3 };
static const struct {
    const char *name;
    int         experiments;
} fields_known[FIELD_COUNT] = {
    {"method", BOTH},       {"task", TASK},       {"suite", TASK},
    {"length", BOTH},       {"seed", BOTH},       {"sharding", BOTH},
    {"layout", BOTH},       {"decode", TASK},     {"distribution", ATTENTION},
    {"tensors", ATTENTION}, {"heads", ATTENTION}, {"kv_heads", ATTENTION},
    {"head_dim", ATTENTION}};

enum { VALUE_BYTES = SB_PARAM_JSON_BYTES };

typedef struct field {
    field_id         id;
    const sb_method *method; /* FIELD_PARAM: whose */
    const sb_param  *param;
    const char    **value;
    int64_t         n;
    int              of_text; /* FIELD_TASK, FIELD_SUITE: the sweep's model reads text */
} field;

struct sbi_exclude {
    const sbi_node *node;
    field          *fields;
    int64_t         n_fields;
    int64_t         hits;
};

static uint64_t point_number(field_id id, const sb_point *p)
{
    switch (id) {
    case FIELD_SEED:
        return p->seed;
    case FIELD_HEADS:
        return (uint64_t)p->input->heads;
    case FIELD_KV_HEADS:
        return (uint64_t)p->input->kv_heads;
    case FIELD_HEAD_DIM:
        return (uint64_t)p->input->head_dim;
    default:
        return (uint64_t)p->length_tokens;
    }
}

static int is_number(field_id id)
{
    return id == FIELD_LENGTH || id == FIELD_SEED || id == FIELD_HEADS || id == FIELD_KV_HEADS ||
           id == FIELD_HEAD_DIM;
}

/* The point's value as text; words need no copy. */
static const char *point_text(const field *f, const sb_point *p, char buf[VALUE_BYTES])
{
    switch (f->id) {
    case FIELD_METHOD:
        return p->method->name;
    case FIELD_TASK:
        return p->task_name;
    case FIELD_DISTRIBUTION:
        return p->input->distribution != NULL ? p->task_name : "";
    case FIELD_SUITE:
        return p->suite;
    case FIELD_TENSORS:
        return p->input->written != NULL ? p->input->written : "";
    case FIELD_SHARDING:
        return sb_scheme_name(p->scheme);
    case FIELD_LAYOUT:
        return sb_layout_name(p->layout);
    case FIELD_DECODE:
        return sb_decode_name(p->decode);
    case FIELD_LENGTH:
    case FIELD_SEED:
    case FIELD_HEADS:
    case FIELD_KV_HEADS:
    case FIELD_HEAD_DIM:
        (void)snprintf(buf, VALUE_BYTES, "%" PRIu64, point_number(f->id, p));
        return buf;
    default:
        return sb_param_json(f->param, p->method_params, buf, VALUE_BYTES) == SB_OK ? buf : "";
    }
}

static void add_once(sbi_ctx *c, sbi_names *names, const char *word)
{
    for (int64_t i = 0; i < names->n; i++)
        if (strcmp(names->v[i], word) == 0)
            return;
    sbi_names_add(c, names, word);
}

/* Of the suites that the sweep's model can answer. */
static void task_choices(sbi_ctx *c, field_id id, int of_text, sbi_names *names)
{
    for (int64_t i = 0; !of_text && sb_tasks[i] != NULL; i++)
        add_once(c, names, id == FIELD_TASK ? sb_tasks[i]->name : sb_tasks[i]->suite);
    for (int64_t i = 0; of_text && sb_text_suites[i] != NULL; i++) {
        const sb_text_suite *s = sb_text_suites[i];
        if (id == FIELD_SUITE)
            add_once(c, names, s->name);
        for (const sb_text_task *t = s->tasks; id == FIELD_TASK && t->name != NULL; t++)
            add_once(c, names, t->name);
    }
}

static void field_choices(sbi_ctx *c, const field *f, sbi_names *names)
{
    field_id id = f->id;
    for (int64_t i = 0; id == FIELD_METHOD && sb_methods[i] != NULL; i++)
        sbi_names_add(c, names, sb_methods[i]->name);
    if (id == FIELD_TASK || id == FIELD_SUITE)
        task_choices(c, id, f->of_text, names);
    for (int64_t i = 0; id == FIELD_DISTRIBUTION && sb_distributions[i] != NULL; i++)
        sbi_names_add(c, names, sb_distributions[i]->name);
    if (id == FIELD_SHARDING)
        sbi_names_add_range(c, names, sbi_param_scheme.range);
    if (id == FIELD_LAYOUT)
        sbi_names_add_range(c, names, sbi_param_layout.range);
    if (id == FIELD_DECODE)
        sbi_names_add_range(c, names, sbi_param_decode.range);
}

/* Canonical text of one value, NULL after an error. */
static const char *value_read(sbi_ctx *c, const sbi_node *n, const field *f, void *scratch)
{
    char      buf[VALUE_BYTES];
    int64_t   number;
    sbi_names names = {0};
    if (f->id == FIELD_PARAM) {
        if (!sbi_method_param_read(c, n, f->method, f->param, scratch) ||
            sb_param_json(f->param, scratch, buf, sizeof buf) != SB_OK)
            return NULL;
        return sbi_pool_text(&c->temp, buf, strlen(buf));
    }
    if (is_number(f->id)) {
        int fine = f->id == FIELD_LENGTH ? sbi_value_length(c, n, NULL, &number)
                   : f->id == FIELD_SEED ? sbi_i64_read(c, n, &sbi_param_seed, &number)
                                         : sbi_i64_read(c, n, &sbi_param_heads, &number);
        return fine ? sbi_pool_printf(&c->temp, "%" PRId64, number) : NULL;
    }
    if (f->id == FIELD_TENSORS)
        return sbi_word(c, n, "a file as it stands in `inputs`");
    field_choices(c, f, &names);
    for (int64_t i = 0; n->kind == SBI_SCALAR && !n->is_bad && i < names.n; i++)
        if (strcmp(names.v[i], n->text) == 0)
            return names.v[i];
    sbi_refuse_choice(c, n, "one of ", &names);
    return NULL;
}

static void field_read(sbi_ctx *c, sbi_node *n, field *f, void *scratch)
{
    sbi_node *const *items = NULL;
    int64_t          count = sbi_items(c, n, "a value or a list of values", &items);
    f->value               = sbi_pool_alloc(&c->temp, count, sizeof *f->value);
    for (int64_t i = 0; i < count && f->value != NULL; i++) {
        const char *v = value_read(c, items[i], f, scratch);
        if (v != NULL)
            f->value[f->n++] = v;
    }
}

/* The method whose parameters may stand in the entry: the one it names. */
static const sb_method *entry_method(const sbi_node *map)
{
    const sbi_node *n = sbi_map_get(map, "method");
    if (n != NULL && n->kind == SBI_LIST && n->n == 1)
        n = n->item[0];
    return n != NULL && n->kind == SBI_SCALAR ? sb_method_find(n->text) : NULL;
}

static int entry_read(sbi_ctx *c, const sbi_node *map, int experiment, int of_text,
                      struct sbi_exclude *out)
{
    const sb_method *method = entry_method(map);
    sbi_names        names  = {0};
    int64_t          before = c->n_errors;
    void *scratch = sbi_pool_alloc(&c->temp, 1, method != NULL ? method->params_bytes : 1);
    *out          = (struct sbi_exclude){.node = map};
    out->fields   = sbi_pool_alloc(&c->temp, map->n, sizeof *out->fields);
    for (int i = 0; i < FIELD_COUNT; i++)
        if (fields_known[i].experiments & experiment)
            sbi_names_add(c, &names, fields_known[i].name);
    if (method != NULL)
        sbi_names_add_table(c, &names, method->params);
    else
        sbi_names_add(c, &names, "and beside a `method` its parameters");
    sbi_check_keys(c, map, &names);
    if (map->n == 0)
        sbi_refuse(c, map, "a mapping with at least one key");
    for (int64_t i = 0; i < map->n && out->fields != NULL && scratch != NULL; i++) {
        field f = {.id = FIELD_PARAM, .method = method, .of_text = of_text};
        for (int j = 0; j < FIELD_COUNT; j++)
            if ((fields_known[j].experiments & experiment) &&
                strcmp(fields_known[j].name, map->key[i]->text) == 0)
                f.id = (field_id)j;
        if (f.id == FIELD_PARAM && method != NULL)
            f.param = sb_params_find(method->params, map->key[i]->text);
        if (f.id == FIELD_PARAM && f.param == NULL)
            continue;
        field_read(c, map->item[i], &f, scratch);
        out->fields[out->n_fields++] = f;
    }
    return c->n_errors == before;
}

void sbi_excludes_read(sbi_ctx *c, const sbi_spec *s, sbi_excludes *out)
{
    sbi_node *const *items   = NULL;
    sbi_node        *n       = s->exclude;
    int              of_text = s->model != NULL && s->model->reads_text;
    *out                     = (sbi_excludes){0};
    if (n == NULL || n->is_null || (n->kind == SBI_LIST && n->n == 0))
        return; /* excluding nothing is fine */
    int64_t count = sbi_items(c, n, "a list of mappings", &items);
    out->v        = sbi_pool_alloc(&c->temp, count, sizeof *out->v);
    for (int64_t i = 0; i < count && out->v != NULL; i++)
        if (sbi_is_map(c, items[i], "a mapping such as {method: dense, length: 4096}"))
            out->n +=
                entry_read(c, items[i], s->attention ? ATTENTION : TASK, of_text, &out->v[out->n]);
}

static int entry_hits(const struct sbi_exclude *e, const sb_point *p)
{
    char buf[VALUE_BYTES];
    /* the method first: other fields may be its parameters, which other methods' structs do not
     * have */
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < e->n_fields; i++) {
            const field *f   = &e->fields[i];
            int          hit = 0;
            if ((f->id == FIELD_METHOD) != (pass == 0))
                continue;
            const char *text = point_text(f, p, buf);
            for (int64_t j = 0; j < f->n && !hit; j++)
                hit = strcmp(f->value[j], text) == 0;
            if (!hit)
                return 0;
        }
    return 1;
}

int sbi_excludes_hit(sbi_excludes *e, const sb_point *p)
{
    int any = 0;
    for (int64_t i = 0; i < e->n; i++) {
        int hit = entry_hits(&e->v[i], p);
        e->v[i].hits += hit;
        any |= hit;
    }
    return any;
}

void sbi_excludes_check(sbi_ctx *c, const sbi_excludes *e)
{
    for (int64_t i = 0; i < e->n; i++)
        if (e->v[i].hits == 0)
            sbi_error_add(
                c, e->v[i].node->pos, sbi_node_path(c, e->v[i].node),
                "found an entry that matches no point, allowed entries that match at least one");
}
