/* A machine file, read and checked. */
#include "harness/config/machine.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/config/spec.h"
#include "kernels/registry.h"

typedef struct machine_box { /* what callers hold as sb_machine */
    sb_machine machine;
    sbi_pool   keep;
} machine_box;

/* A table of keys that go straight into a struct; the first n_needed of them must be there. */
typedef struct section {
    const sb_param *params;
    int             n_needed;
    const char     *allowed;
} section;

#define SOURCES "measured|fitted|spec|seed"
#define M(field) offsetof(sb_machine, field)
static const sb_param top_params[] = {
    {"backend", "cpu", "cpu|cuda", "", SB_ENUM, M(backend)},
    {"ranks_per_host", "1", "[1,1000000]", "", SB_I64, M(ranks_per_host)},
    {0},
};
static const sb_param memory_params[] = {
    {"host_gib", "1", "(0,1e9]", "", SB_F64, M(host_gib)},
    {"source", "seed", SOURCES, "", SB_ENUM, M(memory.source)},
    {"device_gib", "0", "[0,1e9]", "", SB_F64, M(device_gib)},
    {0},
};
#define L(field) offsetof(sb_link_cost, field)
static const sb_param link_params[] = {
    {"latency_s", "0", "[0,10]", "", SB_F64, L(latency_s)},
    {"bytes_per_s", "1", "(0,1e18]", "", SB_F64, L(bytes_per_s)},
    {"source", "seed", SOURCES, "", SB_ENUM, L(origin.source)},
    {"rows", "0", "[0,1000000000]", "", SB_I64, L(origin.rows)},
    {"spread", "0", "[0,1e6]", "", SB_F64, L(origin.spread)},
    {0},
};
#define G(field) offsetof(sb_merge_cost, field)
static const sb_param merge_params[] = {
    {"bytes_per_s", "1", "(0,1e18]", "", SB_F64, G(bytes_per_s)},
    {"source", "seed", SOURCES, "", SB_ENUM, G(origin.source)},
    {"rows", "0", "[0,1000000000]", "", SB_I64, G(origin.rows)},
    {"spread", "0", "[0,1e6]", "", SB_F64, G(origin.spread)},
    {0},
};
#define C(field) offsetof(sb_cost, field)
static const sb_param cost_params[] = {
    {"phase", "compute",
     "load|estimate|select|permute|compute|communicate|attention|prefill|decode_token", "", SB_ENUM,
     C(phase)}, /* sb_phase */
    {"rate", "0", "[0,1e30]", "", SB_F64, C(rate)},
    {"start_s", "0", "[0,1e6]", "", SB_F64, C(start_s)},
    {"source", "seed", SOURCES, "", SB_ENUM, C(origin.source)},
    {"rows", "0", "[0,1000000000]", "", SB_I64, C(origin.rows)},
    {"spread", "0", "[0,1e6]", "", SB_F64, C(origin.spread)},
    {0},
};
#define D(field) offsetof(sb_density, field)
static const sb_param density_params[] = {
    {"source", "seed", SOURCES, "", SB_ENUM, D(origin.source)},
    {"beyond", "flat", "flat|keys", "", SB_ENUM, D(beyond)},
    {"rows", "0", "[0,1000000000]", "", SB_I64, D(origin.rows)},
    {0},
};
static const sb_param share_param = {"share", "1", "(0,10]", "", SB_F64, 0};
static const sb_param link_name   = {"name", "inside", "inside|between", "", SB_ENUM, 0};

const char *sb_source_name(sb_source_kind k)
{
    static const char *const names[SB_SOURCE_COUNT] = {"measured", "fitted", "spec", "seed"};
    return (unsigned)k < SB_SOURCE_COUNT ? names[k] : "unknown";
}

const char *sb_beyond_name(sb_beyond k) { return k == SB_BEYOND_KEYS ? "keys" : "flat"; }

/* ---- words ---- */

static const char *text_read(sbi_ctx *c, const sbi_node *map, const char *key, const char *allowed)
{
    const sbi_node *n = sbi_map_get(map, key);
    if (n == NULL) {
        sbi_refuse_missing(c, map, key, allowed);
        return "";
    }
    const char *w = sbi_word(c, n, allowed);
    return w == NULL ? "" : sbi_pool_text(c->keep, w, strlen(w));
}

static void defaults(const sb_param *params, void *to)
{
    for (const sb_param *p = params; p->name != NULL; p++)
        (void)sb_param_set(p, to, p->def);
}

/* The keys of `s`, those of `others` besides; 1 when map is a mapping. */
static int section_read(sbi_ctx *c, const sbi_node *map, const section *s, const char *others,
                        void *to)
{
    sbi_names names = {0};
    defaults(s->params, to);
    if (!sbi_is_map(c, map, s->allowed))
        return 0;
    sbi_names_add_table(c, &names, s->params);
    sbi_names_add_range(c, &names, others);
    sbi_check_keys(c, map, &names);
    for (int i = 0; s->params[i].name != NULL; i++) {
        const sb_param *p = &s->params[i];
        const sbi_node *n = sbi_map_get(map, p->name);
        char            allowed[256];
        sb_param_allowed(p, allowed, sizeof allowed);
        if (n != NULL)
            (void)sbi_param_read(c, n, p, to);
        else if (i < s->n_needed)
            sbi_refuse_missing(c, map, p->name, allowed);
    }
    return 1;
}

/* NULL: any, or an error. */
static const sb_method *method_read(sbi_ctx *c, const sbi_node *map, int may_be_any)
{
    sbi_names       names = {0};
    const sbi_node *n     = sbi_map_get(map, "method");
    if (n == NULL) {
        sbi_refuse_missing(c, map, "method", may_be_any ? "a method, or any" : "a method");
        return NULL;
    }
    if (n->kind == SBI_SCALAR && may_be_any && strcmp(n->text, "any") == 0)
        return NULL;
    for (int i = 0; sb_methods[i] != NULL; i++) {
        if (n->kind == SBI_SCALAR && strcmp(sb_methods[i]->name, n->text) == 0)
            return sb_methods[i];
        sbi_names_add(c, &names, sb_methods[i]->name);
    }
    if (may_be_any)
        sbi_names_add(c, &names, "any");
    sbi_refuse_choice(c, n, "one of ", &names);
    return NULL;
}

/* Each value goes through the method's own table, so that it is spelt as points spell it. */
static void wanted_read(sbi_ctx *c, const sbi_node *map, const sb_method *m, sb_wanted *out)
{
    sbi_names       names = {0};
    const sbi_node *n     = sbi_map_get(map, "params");
    *out                  = (sb_wanted){0};
    if (n == NULL)
        return;
    if (m == NULL) {
        sbi_refuse(c, n, "no parameters without a method");
        return;
    }
    if (!sbi_is_map(c, n, "a mapping of the method's parameters"))
        return;
    for (const sb_param *p = m->params; p != NULL && p->name != NULL; p++)
        if (p->type != SB_FILE)
            sbi_names_add(c, &names, p->name);
    sbi_check_keys(c, n, &names);
    void *scratch = sbi_pool_alloc(&c->temp, 1, m->params_bytes);
    out->param    = sbi_pool_alloc(c->keep, n->n, sizeof *out->param);
    out->json     = sbi_pool_alloc(c->keep, n->n, sizeof *out->json);
    if (scratch == NULL || out->param == NULL || out->json == NULL)
        return;
    for (int64_t i = 0; i < n->n; i++) {
        char            json[SB_PARAM_JSON_BYTES];
        const sb_param *p = sb_params_find(m->params, n->key[i]->text);
        if (p == NULL || p->type == SB_FILE || !sbi_param_read(c, n->item[i], p, scratch) ||
            sb_param_json(p, scratch, json, sizeof json) != SB_OK)
            continue;
        out->param[out->n]  = p;
        out->json[out->n++] = sbi_pool_text(c->keep, json, strlen(json));
    }
}

/* ---- entries ---- */

static void link_read(sbi_ctx *c, const sbi_node *map, sb_machine *m, int seen[2])
{
    const section s    = {link_params, 3, "a mapping of a link's constants"};
    sb_link_cost  link = {0};
    int32_t       which;
    if (!section_read(c, map, &s, "name|from", &link))
        return;
    link.origin.from  = text_read(c, map, "from", "a text: where the figures come from");
    const sbi_node *n = sbi_map_get(map, "name");
    if (n == NULL)
        sbi_refuse_missing(c, map, "name", "inside or between");
    else if (sbi_enum_read(c, n, &link_name, &which)) {
        if (seen[which]++ > 0)
            sbi_refuse(c, n, "each link once");
        *(which == 0 ? &m->inside : &m->between) = link;
    }
}

static void merge_read(sbi_ctx *c, const sbi_node *map, sb_machine *m)
{
    const section s = {merge_params, 2, "a mapping of what merging takes"};
    if (map != NULL && section_read(c, map, &s, "from", &m->merge))
        m->merge.origin.from = text_read(c, map, "from", "a text: where the figures come from");
}

static void cost_read(sbi_ctx *c, const sbi_node *map, sb_cost *out)
{
    const section s = {cost_params, 4, "a mapping of a cost"};
    if (!section_read(c, map, &s, "method|params|from", out))
        return;
    out->method      = method_read(c, map, 1);
    out->origin.from = text_read(c, map, "from", "a text: where the figures come from");
    wanted_read(c, map, out->method, &out->params);
    const sbi_node *phase = sbi_map_get(map, "phase");
    if (out->phase == SB_PHASE_COMMUNICATE)
        sbi_refuse(c, phase, "another phase: `links` say what it costs");
}

static void points_read(sbi_ctx *c, const sbi_node *map, sb_density *d)
{
    sbi_node         *tokens = sbi_map_get(map, "tokens"), *share = sbi_map_get(map, "share");
    sbi_values        lengths  = {0};
    sbi_node *const  *items    = NULL;
    static const char what[]   = "a list of lengths in tokens",
                      shares[] = "a list of shares in (0,10]";
    if (tokens == NULL)
        sbi_refuse_missing(c, map, "tokens", what);
    if (share == NULL)
        sbi_refuse_missing(c, map, "share", shares);
    if (tokens == NULL || share == NULL)
        return;
    sbi_values_read(c, tokens, what, sbi_value_length, NULL, &lengths);
    int64_t n = sbi_items(c, share, shares, &items);
    if (lengths.n != n) {
        sbi_refuse(c, share, "as many shares as tokens");
        return;
    }
    d->tokens = sbi_pool_alloc(c->keep, n, sizeof *d->tokens);
    d->share  = sbi_pool_alloc(c->keep, n, sizeof *d->share);
    for (int64_t i = 0; d->tokens != NULL && d->share != NULL && i < n; i++) {
        d->tokens[i] = lengths.v[i];
        if (i > 0 && lengths.v[i] <= lengths.v[i - 1])
            sbi_refuse(c, tokens, "lengths in ascending order");
        if (sbi_param_read(c, items[i], &share_param, &d->share[i]))
            d->n = i + 1;
    }
}

static void density_read(sbi_ctx *c, const sbi_node *map, sb_density *out)
{
    const section s = {density_params, 1, "a mapping of a density"};
    if (!section_read(c, map, &s, "method|params|task|tokens|share|from", out))
        return;
    out->method      = method_read(c, map, 0);
    out->origin.from = text_read(c, map, "from", "a text: where the figures come from");
    if (sbi_map_get(map, "task") != NULL)
        out->task = text_read(c, map, "task", "a task or distribution");
    if (out->method != NULL)
        wanted_read(c, map, out->method, &out->params);
    points_read(c, map, out);
}

/* ---- the file ---- */

static void lists_read(sbi_ctx *c, sb_machine *m, sbi_node *root)
{
    int               seen[2] = {0, 0};
    sbi_node *const  *items   = NULL;
    sbi_node         *links = sbi_map_get(root, "links"), *costs = sbi_map_get(root, "costs");
    sbi_node         *densities = sbi_map_get(root, "densities");
    static const char two[] = "a list of two links, inside and between", *some = "a list of costs";
    int64_t           n = 0;
    if (links == NULL)
        sbi_refuse_missing(c, root, "links", two);
    else
        n = sbi_items(c, links, two, &items);
    for (int64_t i = 0; i < n; i++)
        link_read(c, items[i], m, seen);
    if (links != NULL && (seen[0] == 0 || seen[1] == 0))
        sbi_refuse(c, links, two);
    if (costs == NULL)
        sbi_refuse_missing(c, root, "costs", some);
    n        = costs == NULL ? 0 : sbi_items(c, costs, some, &items);
    m->costs = sbi_pool_alloc(c->keep, n, sizeof *m->costs);
    for (; m->costs != NULL && m->n_costs < n; m->n_costs++)
        cost_read(c, items[m->n_costs], &m->costs[m->n_costs]);
    n            = densities == NULL ? 0 : sbi_items(c, densities, "a list of densities", &items);
    m->densities = sbi_pool_alloc(c->keep, n, sizeof *m->densities);
    for (; m->densities != NULL && m->n_densities < n; m->n_densities++)
        density_read(c, items[m->n_densities], &m->densities[m->n_densities]);
}

static void root_read(sbi_ctx *c, sb_machine *m, sbi_node *root)
{
    const section top = {top_params, 2, "a mapping with `machine`"};
    const section mem = {memory_params, 2, "a mapping with `host_gib`"};
    if (!section_read(c, root, &top, "machine|about|processor|memory|links|merge|costs|densities",
                      m))
        return;
    m->name      = text_read(c, root, "machine", "a name for the machine");
    m->processor = text_read(c, root, "processor", "words of the processor's model name");
    m->about =
        sbi_map_get(root, "about") == NULL ? "" : text_read(c, root, "about", "a line of text");
    const sbi_node *at = sbi_map_get(root, "memory");
    if (at == NULL)
        sbi_refuse_missing(c, root, "memory", mem.allowed);
    else if (section_read(c, at, &mem, "from", m))
        m->memory.from = text_read(c, at, "from", "a text: where the figures come from");
    merge_read(c, sbi_map_get(root, "merge"), m);
    lists_read(c, m, root);
}

static void parse(sbi_ctx *c, machine_box *b, const char *text, size_t bytes)
{
    if (text == NULL && (text = sbi_file_read(c, &bytes)) == NULL)
        return;
    size_t    bom  = bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    sbi_node *root = sbi_tree_parse(c, text + bom, bytes - bom, 0);
    if (root != NULL && !c->temp.failed)
        root_read(c, &b->machine, root);
}

sb_status sb_machine_parse(const char *path, const char *text, size_t bytes, FILE *errors,
                           sb_machine **out)
{
    sb_status    st = SB_OK;
    machine_box *b  = calloc(1, sizeof *b);
    if (b == NULL)
        return sb_fail(SB_ERR_NOMEM, "machine %s: no memory", path);
    sb_sweep_env env = {.ranks = 1};
    sbi_ctx      c   = {.path = path, .env = &env, .keep = &b->keep};
    parse(&c, b, text, bytes);
    st = sbi_read_outcome(&c, "machine", path, errors);
    sbi_pool_fini(&c.temp);
    if (st != SB_OK) {
        sb_machine_free(&b->machine);
        return st;
    }
    *out = &b->machine;
    return SB_OK;
}

sb_status sb_machine_load(const char *path, FILE *errors, sb_machine **out)
{
    return sb_machine_parse(path, NULL, 0, errors, out);
}

sb_status sb_machine_copy(const sb_machine *m, int64_t n_costs, int64_t n_densities,
                          sb_machine **out)
{
    machine_box *b = calloc(1, sizeof *b);
    if (b == NULL)
        return sb_fail(SB_ERR_NOMEM, "machine %s: no memory for a copy", m->name);
    b->machine           = *m;
    b->machine.costs     = sbi_pool_alloc(&b->keep, n_costs, sizeof *m->costs);
    b->machine.densities = sbi_pool_alloc(&b->keep, n_densities, sizeof *m->densities);
    if (b->keep.failed) {
        sb_machine_free(&b->machine);
        return sb_fail(SB_ERR_NOMEM, "machine %s: no memory for a copy", m->name);
    }
    for (int64_t i = 0; i < m->n_costs && i < n_costs; i++)
        b->machine.costs[i] = m->costs[i];
    for (int64_t i = 0; i < m->n_densities && i < n_densities; i++)
        b->machine.densities[i] = m->densities[i];
    *out = &b->machine;
    return SB_OK;
}

void *sb_machine_room(sb_machine *m, int64_t count, size_t elem_bytes)
{
    return sbi_pool_alloc(&((machine_box *)m)->keep, count, elem_bytes);
}

void sb_machine_free(sb_machine *m)
{
    machine_box *b = (machine_box *)m; /* the machine is the box's first member */
    if (m == NULL)
        return;
    sbi_pool_fini(&b->keep);
    free(b);
}
