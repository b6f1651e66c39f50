/* inputs: what the operator alone attends to. Each entry names distributions, or files. */
#include "harness/config/identity.h"
#include "harness/config/spec.h"
#include "workloads/registry.h"

#include <inttypes.h>
#include <string.h>

static const sb_param samples_param = {"samples", "1", "[1,1000000]", "", SB_I64, 0};
static const sb_param scale_param   = {"scale", "1", "(0,)", "", SB_F64, 0};

static const char either[] =
    "a mapping with `distribution` and `lengths`, or one with `tensors: FILE.safetensors`";

/* ---- distributions ---- */

static int distribution_read(sbi_ctx *c, const sbi_node *n, const void *unused, int64_t *out)
{
    sbi_names names = {0};
    (void)unused;
    for (int64_t i = 0; sb_distributions[i] != NULL; i++) {
        sbi_names_add(c, &names, sb_distributions[i]->name);
        if (n->kind == SBI_SCALAR && !n->is_bad &&
            strcmp(sb_distributions[i]->name, n->text) == 0) {
            *out = i;
            return 1;
        }
    }
    sbi_refuse_choice(c, n, "one of ", &names);
    return 0;
}

static int head_dim_read(sbi_ctx *c, const sbi_node *n, const void *param, int64_t *out)
{
    if (n->kind == SBI_SCALAR && !n->is_bad && !n->is_null &&
        sb_param_set(param, out, n->text) == SB_OK && *out % 16 == 0)
        return 1;
    sbi_refuse(c, n, "a multiple of 16 from 16 to 256");
    return 0;
}

/* The axis `key` of the entry, or its default alone. */
static void axis_read(sbi_ctx *c, const sbi_node *map, const sb_param *p, sbi_value_fn read,
                      sbi_values *out)
{
    char      allowed[128];
    sbi_node *n = sbi_map_get(map, p->name);
    sb_param_allowed(p, allowed, sizeof allowed);
    if (n != NULL)
        sbi_values_read(c, n, allowed, read, p, out);
    else if ((out->v = sbi_pool_alloc(&c->temp, 1, sizeof *out->v)) != NULL)
        out->n = sbi_i64_read(c, NULL, p, out->v);
}

/* Every value of heads has to hold whole groups for every value of kv_heads. */
static void check_heads(sbi_ctx *c, const sbi_node *map, const sbi_input_axis *a)
{
    const sbi_node *at = sbi_map_get(map, "kv_heads");
    at                 = at != NULL ? at : sbi_map_get(map, "heads");
    for (int64_t i = 0; i < a->heads.n; i++)
        for (int64_t j = 0; j < a->kv_heads.n; j++)
            if (a->heads.v[i] % a->kv_heads.v[j] != 0 && at != NULL) {
                sbi_error_add(c, at->pos, sbi_node_path(c, at),
                              "found %" PRId64 " query heads on %" PRId64
                              " KV heads, allowed a multiple",
                              a->heads.v[i], a->kv_heads.v[j]);
                return;
            }
}

typedef struct shortest {
    const sb_distribution *d; /* the one that needs the most tokens; NULL: none known */
    int64_t                tokens;
} shortest;

static shortest neediest(const sbi_input_axis *a)
{
    shortest s = {0};
    for (int64_t i = 0; i < a->distributions.n; i++)
        for (int64_t v = 0; v < a->params[i].n; v++) {
            const sb_distribution *d    = sb_distributions[a->distributions.v[i]];
            int64_t                need = d->min_length(a->params[i].v[v].params);
            if (s.d == NULL || need > s.tokens)
                s = (shortest){d, need};
        }
    return s;
}

static int length_read(sbi_ctx *c, const sbi_node *n, const void *arg, int64_t *out)
{
    const shortest *s = arg;
    if (!sbi_value_length(c, n, NULL, out))
        return 0;
    if (s->d == NULL || *out >= s->tokens)
        return 1;
    sbi_error_add(c, n->pos, sbi_node_path(c, n),
                  "found %s, allowed at least %" PRId64 " tokens for distribution `%s`",
                  sbi_found(c, n), s->tokens, s->d->name);
    return 0;
}

/* A single distribution may be given parameters; of several, whose would they be? */
static void params_read(sbi_ctx *c, const sbi_node *map, sbi_input_axis *a)
{
    static const char *const own[] = {"distribution", "heads", "kv_heads", "head_dim",
                                      "lengths",      "seed",  "samples"};
    sbi_names                names = {0};
    int64_t                  n     = a->distributions.n;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sbi_names_add(c, &names, own[i]);
    a->params = sbi_pool_alloc(&c->temp, n, sizeof *a->params);
    if (a->params == NULL)
        return;
    if (n == 0)
        return; /* the distribution is wrong, and with it what the other keys may be */
    if (n == 1) {
        const sb_distribution *d = sb_distributions[a->distributions.v[0]];
        sbi_variants_read(c, map, NULL, d->params, d->params_bytes, &names, &a->params[0]);
        return;
    }
    sbi_names_add(c, &names, "and beside a single `distribution` its parameters");
    sbi_check_keys(c, map, &names);
    for (int64_t i = 0; i < n; i++) {
        const sb_distribution *d = sb_distributions[a->distributions.v[i]];
        sbi_variants_read(c, NULL, NULL, d->params, d->params_bytes, &names, &a->params[i]);
    }
}

static void one_drawn(sbi_ctx *c, sbi_node *map, sbi_node *distribution, sbi_input_axis *a)
{
    static const char     need_lengths[] = "a list of lengths in tokens";
    static const sb_param head_dim_param = {"head_dim", "128", "[16,256]", "", SB_I64, 0};
    sbi_node             *lengths        = sbi_map_get(map, "lengths");
    sbi_values_read(c, distribution, "a list of distributions", distribution_read, NULL,
                    &a->distributions);
    params_read(c, map, a);
    axis_read(c, map, &sbi_param_heads, sbi_value_i64, &a->heads);
    axis_read(c, map, &sbi_param_kv_heads, sbi_value_i64, &a->kv_heads);
    axis_read(c, map, &head_dim_param, head_dim_read, &a->head_dims);
    check_heads(c, map, a);
    shortest least = a->params != NULL ? neediest(a) : (shortest){0};
    if (lengths == NULL)
        sbi_refuse_missing(c, map, "lengths", need_lengths);
    else
        sbi_values_read(c, lengths, need_lengths, length_read, &least, &a->lengths);
    sbi_seeds_read(c, sbi_map_get(map, "seed"), &a->seeds);
    (void)sbi_i64_read(c, sbi_map_get(map, "samples"), &samples_param, &a->samples);
}

/* ---- files ---- */

/* The scan's error without the path in front, which the message has anyway. */
static const char *scan_error(const char *path)
{
    const char *text = sb_error_text();
    size_t      n    = strlen(path);
    return strncmp(text, path, n) == 0 && strncmp(text + n, ": ", 2) == 0 ? text + n + 2 : text;
}

static int file_read(sbi_ctx *c, const sbi_node *n, sb_point_input *in)
{
    static const char allowed[] = "a safetensors file of q [heads][tokens][head_dim] and k, v "
                                  "[kv_heads][tokens][head_dim]";
    if (sbi_word(c, n, allowed) == NULL)
        return 0;
    in->path    = sbi_home_path(c, n);
    in->written = sbi_pool_text(c->keep, n->text, strlen(n->text));
    if (in->path == NULL || in->written == NULL)
        return 0;
    sb_status st = sb_captured_scan(in->path, &in->names, &in->seen);
    if (st == SB_ERR_NOMEM) {
        c->temp.failed = 1;
        return 0;
    }
    if (st != SB_OK) {
        sbi_error_add(c, n->pos, sbi_node_path(c, n), "found %s (%s), allowed %s", sbi_found(c, n),
                      scan_error(in->path), allowed);
        return 0;
    }
    in->heads     = in->seen.shape.heads;
    in->kv_heads  = in->seen.shape.kv_heads;
    in->head_dim  = in->seen.shape.head_dim;
    in->n_queries = in->seen.shape.n_queries;
    return 1;
}

static const char *tensor_name_read(sbi_ctx *c, const sbi_node *map, const char *key)
{
    const sbi_node *n    = sbi_map_get(map, key);
    const char     *word = n != NULL ? sbi_word(c, n, "the name of a tensor of the file") : key;
    return word != NULL ? sbi_pool_text(c->keep, word, strlen(word)) : NULL;
}

static void one_captured(sbi_ctx *c, sbi_node *map, sbi_node *tensors, sbi_input_axis *a)
{
    static const char *const own[] = {"tensors", "q", "k", "v", "scale"};
    sbi_node *const         *items = NULL;
    sbi_names                names = {0};
    const sbi_node          *scale = sbi_map_get(map, "scale");
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        sbi_names_add(c, &names, own[i]);
    sbi_check_keys(c, map, &names);
    sb_point_input all = {.names = {.q = tensor_name_read(c, map, "q"),
                                    .k = tensor_name_read(c, map, "k"),
                                    .v = tensor_name_read(c, map, "v")}};
    if (scale != NULL && !sbi_param_read(c, scale, &scale_param, &all.scale))
        return;
    int64_t n  = sbi_items(c, tensors, "a list of safetensors files", &items);
    a->files   = sbi_pool_alloc(c->keep, n, sizeof *a->files);
    a->samples = 1;
    if (all.names.q == NULL || all.names.k == NULL || all.names.v == NULL || a->files == NULL)
        return;
    for (int64_t i = 0; i < n; i++) {
        a->files[a->n_files] = all;
        a->n_files += file_read(c, items[i], &a->files[a->n_files]);
    }
}

void sbi_inputs_read(sbi_ctx *c, sbi_node *list, sbi_spec *s)
{
    sbi_node *const *items = NULL;
    int64_t          n     = sbi_items(c, list, "a list of inputs", &items);
    s->inputs              = sbi_pool_alloc(&c->temp, n, sizeof *s->inputs);
    for (int64_t i = 0; i < n && s->inputs != NULL; i++) {
        if (!sbi_is_map(c, items[i], either))
            continue;
        sbi_node       *drawn = sbi_map_get(items[i], "distribution");
        sbi_node       *files = sbi_map_get(items[i], "tensors");
        sbi_input_axis *a     = &s->inputs[s->n_inputs++];
        a->node               = items[i];
        if ((drawn == NULL) == (files == NULL))
            sbi_error_add(c, items[i]->pos, sbi_node_path(c, items[i]),
                          "found %s of `distribution` and `tensors`, allowed %s",
                          drawn == NULL ? "neither" : "both", either);
        else if (drawn != NULL)
            one_drawn(c, items[i], drawn, a);
        else
            one_captured(c, items[i], files, a);
    }
}

/* ---- dump ---- */

static int what_read(sbi_ctx *c, const sbi_node *n, const void *param, int64_t *out)
{
    int32_t v;
    if (!sbi_enum_read(c, n, param, &v))
        return 0;
    *out = INT64_C(1) << v;
    return 1;
}

void sbi_dump_read(sbi_ctx *c, sbi_node *n, sbi_spec *s)
{
    static const sb_param what_param  = {"what", "index", "index|o|lse", "", SB_ENUM, 0};
    static const char     need_what[] = "a list of index, o, lse";
    sbi_names             names       = {0};
    sbi_values            what        = {0};
    if (n == NULL || !sbi_is_map(c, n, "a mapping with `dir` and `what`"))
        return;
    sbi_node *dir = sbi_map_get(n, "dir"), *list = sbi_map_get(n, "what");
    sbi_names_add(c, &names, "dir");
    sbi_names_add(c, &names, "what");
    sbi_check_keys(c, n, &names);
    if (dir == NULL)
        sbi_refuse_missing(c, n, "dir", "a directory for the files");
    else if (sbi_word(c, dir, "a directory for the files") != NULL)
        s->dump_dir = sbi_home_path(c, dir);
    if (list == NULL)
        sbi_refuse_missing(c, n, "what", need_what);
    else
        sbi_values_read(c, list, need_what, what_read, &what_param, &what);
    for (int64_t i = 0; i < s->n_shardings; i++)
        if (s->shardings[i].scheme == SB_SCHEME_ULYSSES || s->shardings[i].scheme == SB_SCHEME_USP)
            sbi_error_add(c, n->pos, "dump",
                          "found beside sharding %s, allowed beside those whose ranks have all "
                          "heads",
                          sb_scheme_name(s->shardings[i].scheme));
    for (int64_t i = 0; i < what.n; i++)
        s->dump_what |= (uint32_t)what.v[i];
}
