/* A gate file, read and checked. */
#include "harness/config/gate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/config/spec.h"

typedef struct gate_box { /* what callers hold as sb_gate_file */
    sb_gate_file file;
    sbi_pool     keep;
} gate_box;

/* Fields of a section of the file, straight into the rules. */
#define R(field) offsetof(sb_gate_rules, field)
static const sb_param top_params[] = {
    {"inconclusive", "warn", "fail|warn", "", SB_ENUM, R(inconclusive)},
    {"missing", "fail", "fail|warn", "", SB_ENUM, R(missing)},
    {"alpha", "0.05", "(0,0.5]", "", SB_F64, R(alpha)},
    {0},
};
static const sb_param accuracy_params[] = {
    {"margin", "0.03", "(0,1]", "", SB_F64, R(margin)},
    {"margin_mean", "0.01", "(0,1]", "", SB_F64, R(margin_mean)},
    {"identical", "pass", "pass|test", "", SB_ENUM, R(test_identical)},
    {0},
};
static const sb_param latency_params[] = {
    {"max_ratio", "1.02", "[1,100]", "", SB_F64, R(latency_ratio)},
    {"min_repetitions", "8", "[8,1000000]", "", SB_I64, R(min_repetitions)},
    {"run_noise", "0", "[0,1]", "", SB_F64, R(run_noise)},
    {"run_noise_absolute", "0", "[0,1]", "", SB_F64, R(run_noise_absolute)},
    {0},
};
static const sb_param memory_params[] = {
    {"max_ratio", "1.05", "[1,100]", "", SB_F64, R(memory_ratio)},
    {0},
};
static const sb_param density_params[] = {
    {"max_ratio", "1.02", "[1,100]", "", SB_F64, R(density_ratio)},
    {0},
};

static const struct section {
    const char     *name;
    const sb_param *params;
    const char     *list; /* a key that holds words; NULL none */
    size_t          list_at;
    const char     *list_default[4];
    uint32_t        checks; /* that `off` turns off */
} sections[] = {
    {"accuracy",
     accuracy_params,
     NULL,
     0,
     {NULL},
     1u << SB_GATE_ACCURACY | 1u << SB_GATE_ACCURACY_MEAN},
    {"latency",
     latency_params,
     "phases",
     R(phases),
     {"attention", "prefill", NULL},
     1u << SB_GATE_LATENCY},
    {"memory",
     memory_params,
     "kinds",
     R(kinds),
     {"arena_high_water", "device_high_water", NULL},
     1u << SB_GATE_MEMORY},
    {"density", density_params, NULL, 0, {NULL}, 1u << SB_GATE_DENSITY},
};
enum { N_SECTIONS = sizeof sections / sizeof *sections };

static const char phases[] =
    "estimate|select|permute|compute|communicate|attention|prefill|decode_token";
static const char kinds[] = "arena_high_water|rss_high_water|predicted|device_high_water";
static const char checks[] =
    "coverage|accuracy|accuracy_mean|latency|memory|density"; /* sb_gate_check */

/* ---- words ---- */

/* Place of the scalar n in "a|b|c", or -1 and an error. */
static int64_t choice(sbi_ctx *c, const sbi_node *n, const char *range)
{
    sbi_names names = {0};
    sbi_names_add_range(c, &names, range);
    for (int64_t i = 0; n->kind == SBI_SCALAR && !n->is_bad && i < names.n; i++)
        if (strcmp(names.v[i], n->text) == 0)
            return i;
    sbi_refuse_choice(c, n, "one of ", &names);
    return -1;
}

/* One word or a list of distinct ones; range NULL: any word. */
static void words_read(sbi_ctx *c, sbi_node *n, const char *range, const char *allowed,
                       sb_gate_words *out)
{
    sbi_node *const *items = NULL;
    int64_t          count = sbi_items(c, n, allowed, &items);
    out->v                 = sbi_pool_alloc(c->keep, count, sizeof *out->v);
    out->n                 = 0;
    for (int64_t i = 0; out->v != NULL && i < count; i++) {
        if (range != NULL ? choice(c, items[i], range) < 0 : sbi_word(c, items[i], allowed) == NULL)
            continue;
        for (int64_t j = 0; j < i; j++)
            if (items[j]->kind == SBI_SCALAR && strcmp(items[j]->text, items[i]->text) == 0)
                sbi_refuse_twice(c, items[i], items[j]);
        const char *word = sbi_pool_text(c->keep, items[i]->text, strlen(items[i]->text));
        if (word != NULL)
            out->v[out->n++] = word;
    }
}

static void defaults(gate_box *b, const sb_param *params)
{
    for (const sb_param *p = params; p->name != NULL; p++)
        (void)sb_param_set(p, &b->file.rules, p->def);
}

/* ---- sections ---- */
static void section_read(sbi_ctx *c, gate_box *b, const sbi_node *root, const struct section *s)
{
    sbi_node      *map   = sbi_map_get(root, s->name);
    sb_gate_rules *rules = &b->file.rules;
    sb_gate_words *words = s->list == NULL ? NULL : (sb_gate_words *)((char *)rules + s->list_at);
    sbi_names      names = {0};
    defaults(b, s->params);
    if (words != NULL) {
        words->v = (const char **)s->list_default;
        for (words->n = 0; s->list_default[words->n] != NULL; words->n++)
            ;
    }
    if (map == NULL)
        return;
    if (map->kind == SBI_SCALAR && strcmp(map->text, "off") == 0) {
        rules->skip |= s->checks;
        return;
    }
    if (!sbi_is_map(c, map, "off, or a mapping"))
        return;
    sbi_names_add_table(c, &names, s->params);
    if (s->list != NULL)
        sbi_names_add(c, &names, s->list);
    sbi_check_keys(c, map, &names);
    for (const sb_param *p = s->params; p->name != NULL; p++) {
        const sbi_node *n = sbi_map_get(map, p->name);
        if (n != NULL)
            (void)sbi_param_read(c, n, p, rules);
    }
    sbi_node *list = s->list == NULL ? NULL : sbi_map_get(map, s->list);
    if (list != NULL)
        words_read(c, list, s->list_at == R(phases) ? phases : kinds, "a list of names", words);
}

/* ---- cells ---- */
static void lengths_read(sbi_ctx *c, sbi_node *n, sb_gate_numbers *out)
{
    sbi_values lengths = {0};
    sbi_values_read(c, n, "a list of lengths in tokens", sbi_value_length, NULL, &lengths);
    out->v = sbi_pool_alloc(c->keep, lengths.n, sizeof *out->v);
    out->n = out->v == NULL ? 0 : lengths.n;
    for (int64_t i = 0; i < out->n; i++)
        out->v[i] = lengths.v[i];
}

static void skip_read(sbi_ctx *c, sbi_node *n, uint32_t *out)
{
    sbi_node *const *items = NULL;
    int64_t          count = sbi_items(c, n, "a list of checks", &items);
    for (int64_t i = 0; i < count; i++) {
        int64_t at = choice(c, items[i], checks);
        if (at >= 0)
            *out |= 1u << at;
    }
}

#define O(field) offsetof(sb_gate_override, field)
static const struct {
    const char *key;
    size_t      at;
} lists[] = {{"method", O(methods)}, {"suite", O(suites)},       {"task", O(tasks)},
             {"model", O(models)},   {"sharding", O(shardings)}, {"backend", O(backends)}};
static const sb_param bounds[] = {
    {"margin", "0.03", "(0,1]", "", SB_F64, O(margin)},
    {"latency_ratio", "1.02", "[1,100]", "", SB_F64, O(latency_ratio)},
    {"memory_ratio", "1.05", "[1,100]", "", SB_F64, O(memory_ratio)},
    {"density_ratio", "1.02", "[1,100]", "", SB_F64, O(density_ratio)},
    {0},
};

static void cell_read(sbi_ctx *c, const sbi_node *map, sb_gate_override *o)
{
    sbi_names names = {0};
    *o              = (sb_gate_override){
                     .margin = NAN, .latency_ratio = NAN, .memory_ratio = NAN, .density_ratio = NAN};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        sbi_names_add(c, &names, lists[i].key);
    sbi_names_add(c, &names, "length");
    sbi_names_add_table(c, &names, bounds);
    sbi_names_add(c, &names, "skip");
    sbi_check_keys(c, map, &names);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        sbi_node *n = sbi_map_get(map, lists[i].key);
        if (n != NULL)
            words_read(c, n, NULL, "one name or a list of them",
                       (sb_gate_words *)((char *)o + lists[i].at));
    }
    sbi_node *length = sbi_map_get(map, "length"), *skip = sbi_map_get(map, "skip");
    if (length != NULL)
        lengths_read(c, length, &o->lengths);
    for (const sb_param *p = bounds; p->name != NULL; p++) {
        const sbi_node *n = sbi_map_get(map, p->name);
        if (n != NULL)
            (void)sbi_param_read(c, n, p, o);
    }
    if (skip != NULL)
        skip_read(c, skip, &o->skip);
}

static void cells_read(sbi_ctx *c, gate_box *b, sbi_node *list)
{
    static const char allowed[] = "a list of mappings";
    sbi_node *const  *items     = NULL;
    int64_t           n         = sbi_items(c, list, allowed, &items);
    sb_gate_override *o         = sbi_pool_alloc(c->keep, n, sizeof *o);
    for (int64_t i = 0; o != NULL && i < n; i++)
        if (sbi_is_map(c, items[i], "a mapping of axes and bounds"))
            cell_read(c, items[i], &o[i]);
    b->file.rules.overrides   = o;
    b->file.rules.n_overrides = o == NULL ? 0 : n;
}

/* ---- the file ---- */
static void root_read(sbi_ctx *c, gate_box *b, sbi_node *root)
{
    sbi_names names = {0};
    if (!sbi_is_map(c, root, "a mapping with `gate`"))
        return;
    sbi_names_add(c, &names, "gate");
    sbi_names_add_table(c, &names, top_params);
    for (int i = 0; i < N_SECTIONS; i++)
        sbi_names_add(c, &names, sections[i].name);
    sbi_names_add(c, &names, "coverage");
    sbi_names_add(c, &names, "cells");
    sbi_check_keys(c, root, &names);
    const sbi_node *name = sbi_map_get(root, "gate"), *coverage = sbi_map_get(root, "coverage");
    sbi_node       *cells = sbi_map_get(root, "cells");
    if (name == NULL)
        sbi_refuse_missing(c, root, "gate", "a name for the gate");
    else if (sbi_word(c, name, "a name") != NULL)
        b->file.rules.name = sbi_pool_text(c->keep, name->text, strlen(name->text));
    defaults(b, top_params);
    for (const sb_param *p = top_params; p->name != NULL; p++) {
        const sbi_node *n = sbi_map_get(root, p->name);
        if (n != NULL)
            (void)sbi_param_read(c, n, p, &b->file.rules);
    }
    for (int i = 0; i < N_SECTIONS; i++)
        section_read(c, b, root, &sections[i]);
    if (coverage != NULL && choice(c, coverage, "on|off") == 1)
        b->file.rules.skip |= 1u << SB_GATE_COVERAGE;
    if (cells != NULL)
        cells_read(c, b, cells);
    if (b->file.rules.skip == (1u << SB_GATE_CHECK_COUNT) - 1)
        sbi_error_add(c, root->pos, "", "found every check off, allowed at least one on");
}

static void load(sbi_ctx *c, gate_box *b)
{
    static const char plain[] = "gate: defaults";
    size_t            bytes = sizeof plain - 1, bom = 0;
    const char       *text = c->path == NULL ? plain : sbi_file_read(c, &bytes);
    if (text == NULL)
        return;
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        bom = 3;
    sbi_node *root = sbi_tree_parse(c, text + bom, bytes - bom, 0);
    if (root != NULL && !c->temp.failed)
        root_read(c, b, root);
}

sb_status sb_gate_load(const char *path, FILE *errors, sb_gate_file **out)
{
    sb_status st = SB_OK;
    gate_box *b  = calloc(1, sizeof *b);
    if (b == NULL)
        return sb_fail(SB_ERR_NOMEM, "gate %s: no memory", path == NULL ? "defaults" : path);
    sb_sweep_env env = {.ranks = 1};
    sbi_ctx      c   = {.path = path, .env = &env, .keep = &b->keep};
    load(&c, b);
    st = sbi_read_outcome(&c, "gate", path == NULL ? "defaults" : path, errors);
    sbi_pool_fini(&c.temp);
    if (st != SB_OK) {
        sb_gate_free(&b->file);
        return st;
    }
    *out = &b->file;
    return SB_OK;
}

void sb_gate_free(sb_gate_file *f)
{
    gate_box *b = (gate_box *)f; /* the file is the box's first member */
    if (f == NULL)
        return;
    sbi_pool_fini(&b->keep);
    free(b);
}
