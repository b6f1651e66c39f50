/* A site file, read and checked. What goes into #SBATCH lines is held to a set of characters that
 * neither sbatch nor a shell reads as anything but themselves; all other texts may hold anything
 * printable, and are quoted by whoever writes them. */
#include "harness/config/site.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "harness/config/fields.h"

typedef struct site_box { /* what callers hold as sb_site */
    sb_site  site;
    sbi_pool keep;
} site_box;

#define S(field) offsetof(sb_site, field)

/* ---- what may stand in a text ---- */
static int is_printable(const char *t)
{
    for (; *t != '\0'; t++)
        if ((unsigned char)*t < 0x20 || *t == 0x7f)
            return 0;
    return 1;
}

static int is_word(const char *t)
{
    for (const char *p = t; *p != '\0'; p++)
        if (!isalnum((unsigned char)*p) && strchr("_.,:;+@/&|*()[]=!~^<>{}-", *p) == NULL)
            return 0;
    return *t != '\0' && *t != '-';
}

static int is_option(const char *t)
{
    const char *p = t + 2;
    if (strncmp(t, "--", 2) != 0 || !islower((unsigned char)*p))
        return 0;
    while (islower((unsigned char)*p) || isdigit((unsigned char)*p) || *p == '-')
        p++;
    return *p == '\0' || (*p == '=' && is_word(p + 1));
}

static int is_variable(const char *t)
{
    if (!isalpha((unsigned char)*t) && *t != '_')
        return 0;
    while (isalnum((unsigned char)*t) || *t == '_')
        t++;
    return *t == '\0';
}

typedef struct text_kind {
    int (*fits)(const char *);
    const char *allowed;
} text_kind;
static const text_kind word     = {is_word, "a word without blanks, quotes, $, `, \\, # and %"};
static const text_kind option   = {is_option, "--NAME or --NAME=WORD"};
static const text_kind variable = {is_variable, "a name of letters, digits and _"};
static const text_kind plain    = {is_printable, "a text without line ends and control characters"};

static const struct text_key {
    const char      *name;
    const text_kind *kind;
    size_t           at;
} texts[] = {
    {"account", &word, S(account)},
    {"partition", &word, S(partition)},
    {"qos", &word, S(qos)},
    {"constraint", &word, S(constraint)},
    {"reservation", &word, S(reservation)},
    {"mail_user", &word, S(mail_user)},
    {"mail_type", &word, S(mail_type)},
    {"gres", &word, S(gres)},
    {"cpu_bind", &word, S(cpu_bind)},
    {"gpu_bind", &word, S(gpu_bind)},
    {"program", &plain, S(program)},
    {"node_local", &plain, S(node_local)},
    {"machine", &plain, S(machine)},
    {"results", &plain, S(results)},
};
static const struct list_key {
    const char      *name;
    const text_kind *kind;
    size_t           at;
} lists[] = {
    {"sbatch", &option, S(sbatch)},
    {"srun", &option, S(srun)},
    {"module_paths", &plain, S(module_paths)},
    {"modules", &plain, S(modules)},
    {"container", &plain, S(container)},
};
enum { N_TEXTS = sizeof texts / sizeof *texts, N_LISTS = sizeof lists / sizeof *lists };

static const sb_param top_params[] = {
    {"mpi", "auto", "auto|pmix|pmi2|srun|mpirun", "", SB_ENUM, S(mpi)},
    {0},
};
static const sb_param node_params[] = {
    {"tasks", "1", "[1,4096]", "", SB_I64, S(tasks)},
    {"cores", "1", "[1,65536]", "", SB_I64, S(cores)},
    {"gpus", "0", "[0,64]", "", SB_I64, S(gpus)},
    {"memory_gib", "0", "[0,1000000]", "", SB_F64, S(memory_gib)},
    {"device_memory_gib", "0", "[0,10000]", "", SB_F64, S(device_memory_gib)},
    {0},
};
static const sb_param limit_params[] = {
    {"nodes", "1", "[1,65536]", "", SB_I64, S(max_nodes)},
    {"minutes", "1440", "[1,100000]", "", SB_I64, S(max_minutes)},
    {"array", "1000", "[1,4000000]", "", SB_I64, S(max_array)},
    {"throttle", "0", "[0,4000000]", "", SB_I64, S(throttle)},
    {"requeues", "5", "[0,1000]", "", SB_I64, S(requeues)},
    {0},
};
static const sb_param time_params[] = {
    {"element_s", "3600", "[1,10000000]", "", SB_F64, S(element_s)},
    {"start_s", "120", "[0,100000]", "", SB_F64, S(start_s)},
    {"margin", "1.5", "[1,100]", "", SB_F64, S(margin)},
    {"signal_s", "120", "[1,36000]", "", SB_F64, S(signal_s)},
    {"sample_s", "60", "(0,1000000]", "", SB_F64, S(sample_s)},
    {"publish_s", "30", "[0,1000000]", "", SB_F64, S(publish_s)},
    {0},
};
static const struct section {
    const char     *name;
    const sb_param *params;
} sections[] = {{"node", node_params}, {"limits", limit_params}, {"time", time_params}};
enum { N_SECTIONS = sizeof sections / sizeof *sections };

/* ---- reading ---- */

/* The text of n in the keep pool, NULL after an error. */
static const char *text_read(sbi_ctx *c, const sbi_node *n, const text_kind *kind)
{
    const char *t = sbi_word(c, n, kind->allowed);
    if (t == NULL)
        return NULL;
    if (!kind->fits(t)) {
        sbi_refuse(c, n, kind->allowed);
        return NULL;
    }
    return sbi_pool_text(c->keep, t, strlen(t));
}

static void list_read(sbi_ctx *c, sbi_node *n, const text_kind *kind, sb_site_words *out)
{
    sbi_node *const *items = NULL;
    int64_t          count = sbi_items(c, n, "one text or a list of them", &items);
    out->v                 = sbi_pool_alloc(c->keep, count, sizeof *out->v);
    for (int64_t i = 0; out->v != NULL && i < count; i++) {
        const char *t = text_read(c, items[i], kind);
        if (t != NULL)
            out->v[out->n++] = t;
    }
}

static void environment_read(sbi_ctx *c, const sbi_node *map, sb_site *s)
{
    if (!sbi_is_map(c, map, "a mapping of variables"))
        return;
    s->env_names.v  = sbi_pool_alloc(c->keep, map->n, sizeof *s->env_names.v);
    s->env_values.v = sbi_pool_alloc(c->keep, map->n, sizeof *s->env_values.v);
    for (int64_t i = 0; s->env_names.v != NULL && s->env_values.v != NULL && i < map->n; i++) {
        const char *name = text_read(c, map->key[i], &variable);
        const char *t    = text_read(c, map->item[i], &plain);
        if (name == NULL || t == NULL)
            continue;
        s->env_names.v[s->env_names.n++]   = name;
        s->env_values.v[s->env_values.n++] = t;
    }
}

static void defaults(sb_site *s)
{
    (void)sb_param_set(&top_params[0], s, top_params[0].def);
    for (int i = 0; i < N_SECTIONS; i++)
        for (const sb_param *p = sections[i].params; p->name != NULL; p++)
            (void)sb_param_set(p, s, p->def);
    s->name    = "default";
    s->gres    = "gpu";
    s->results = "results";
}

static void section_read(sbi_ctx *c, sb_site *s, const sbi_node *root, const struct section *of)
{
    const sbi_node *map   = sbi_map_get(root, of->name);
    sbi_names       names = {0};
    if (map == NULL || !sbi_is_map(c, map, "a mapping"))
        return;
    sbi_names_add_table(c, &names, of->params);
    sbi_check_keys(c, map, &names);
    for (const sb_param *p = of->params; p->name != NULL; p++) {
        const sbi_node *n = sbi_map_get(map, p->name);
        if (n != NULL)
            (void)sbi_param_read(c, n, p, s);
    }
}

/* Values that fit one by one, but not together. */
static void check_together(sbi_ctx *c, const sb_site *s, const sbi_node *root)
{
    const sbi_node *node = sbi_map_get(root, "node"), *time = sbi_map_get(root, "time");
    if (s->cores < s->tasks)
        sbi_error_add(c, (node != NULL ? node : root)->pos, "node.cores",
                      "found %lld cores for %lld tasks, allowed at least as many",
                      (long long)s->cores, (long long)s->tasks);
    if (s->signal_s + 60 > 60.0 * (double)s->max_minutes)
        sbi_error_add(c, (time != NULL ? time : root)->pos, "time.signal_s",
                      "found %g s before the end of at most %lld minutes, allowed a minute less",
                      s->signal_s, (long long)s->max_minutes);
}

static void root_read(sbi_ctx *c, sb_site *s, sbi_node *root)
{
    sbi_names names = {0};
    if (!sbi_is_map(c, root, "a mapping with `site`"))
        return;
    sbi_names_add(c, &names, "site");
    for (int i = 0; i < N_TEXTS; i++)
        sbi_names_add(c, &names, texts[i].name);
    for (int i = 0; i < N_LISTS; i++)
        sbi_names_add(c, &names, lists[i].name);
    sbi_names_add(c, &names, "environment");
    sbi_names_add_table(c, &names, top_params);
    for (int i = 0; i < N_SECTIONS; i++)
        sbi_names_add(c, &names, sections[i].name);
    sbi_check_keys(c, root, &names);

    const sbi_node *name = sbi_map_get(root, "site"), *mpi = sbi_map_get(root, "mpi");
    const sbi_node *environment = sbi_map_get(root, "environment");
    if (name == NULL)
        sbi_refuse_missing(c, root, "site", "a name for the site");
    else
        s->name = text_read(c, name, &word);
    for (int i = 0; i < N_TEXTS; i++) {
        const sbi_node *n = sbi_map_get(root, texts[i].name);
        if (n != NULL)
            *(const char **)((char *)s + texts[i].at) = text_read(c, n, texts[i].kind);
    }
    for (int i = 0; i < N_LISTS; i++) {
        sbi_node *n = sbi_map_get(root, lists[i].name);
        if (n != NULL)
            list_read(c, n, lists[i].kind, (sb_site_words *)((char *)s + lists[i].at));
    }
    if (environment != NULL)
        environment_read(c, environment, s);
    if (mpi != NULL)
        (void)sbi_param_read(c, mpi, &top_params[0], s);
    for (int i = 0; i < N_SECTIONS; i++)
        section_read(c, s, root, &sections[i]);
    const sbi_node *results = sbi_map_get(root, "results");
    if (results != NULL && s->results != NULL)
        s->results = sbi_home_path(c, results);
    if (s->node_local != NULL && strcmp(s->node_local, "none") == 0)
        s->node_local = NULL;
    if (c->n_errors == 0)
        check_together(c, s, root);
}

static void load(sbi_ctx *c, sb_site *s)
{
    size_t bytes = 0, bom = 0;
    defaults(s);
    if (c->path == NULL)
        return;
    const char *text = sbi_file_read(c, &bytes);
    if (text == NULL)
        return;
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        bom = 3;
    sbi_node *root = sbi_tree_parse(c, text + bom, bytes - bom, 0);
    if (root != NULL && !c->temp.failed)
        root_read(c, s, root);
}

sb_status sb_site_load(const char *path, FILE *errors, sb_site **out)
{
    const char *called = path == NULL ? "defaults" : path;
    sb_status   st     = SB_OK;
    site_box   *b      = calloc(1, sizeof *b);
    if (b == NULL)
        return sb_fail(SB_ERR_NOMEM, "site %s: no memory", called);
    sb_sweep_env env = {.ranks = 1};
    sbi_ctx      c   = {.path = path, .env = &env, .keep = &b->keep};
    load(&c, &b->site);
    st = sbi_read_outcome(&c, "site", called, errors);
    sbi_pool_fini(&c.temp);
    if (st != SB_OK) {
        sb_site_free(&b->site);
        return st;
    }
    *out = &b->site;
    return SB_OK;
}

void sb_site_free(sb_site *s)
{
    site_box *b = (site_box *)s; /* the site is the box's first member */
    if (s == NULL)
        return;
    sbi_pool_fini(&b->keep);
    free(b);
}
