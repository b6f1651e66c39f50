/* Axes: lists of distinct values, and every combination of a parameter table's lists. */
#include "harness/config/identity.h"
#include "harness/config/spec.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const int64_t max_length_tokens = INT64_C(1) << 30;

void sbi_values_read(sbi_ctx *c, sbi_node *n, const char *allowed, sbi_value_fn read,
                     const void *arg, sbi_values *out)
{
    sbi_node *const *items = NULL;
    int64_t          count = sbi_items(c, n, allowed, &items);
    const sbi_node **from  = sbi_pool_alloc(&c->temp, count, sizeof *from);
    out->v                 = sbi_pool_alloc(&c->temp, count, sizeof *out->v);
    out->n                 = 0;
    for (int64_t i = 0; i < count && from != NULL && out->v != NULL; i++) {
        int64_t v, j = 0;
        if (!read(c, items[i], arg, &v))
            continue;
        while (j < out->n && out->v[j] != v)
            j++;
        if (j < out->n) {
            sbi_refuse_twice(c, items[i], from[j]);
            continue;
        }
        from[out->n]     = items[i];
        out->v[out->n++] = v;
    }
}

int sbi_value_enum(sbi_ctx *c, const sbi_node *n, const void *param, int64_t *out)
{
    int32_t v;
    if (!sbi_enum_read(c, n, param, &v))
        return 0;
    *out = v;
    return 1;
}

int sbi_value_i64(sbi_ctx *c, const sbi_node *n, const void *param, int64_t *out)
{
    return sbi_i64_read(c, n, param, out);
}

int sbi_value_length(sbi_ctx *c, const sbi_node *n, const void *unused, int64_t *out)
{
    char   *end;
    int64_t unit = 1;
    (void)unused;
    if (n->kind == SBI_SCALAR && n->text[0] >= '0' && n->text[0] <= '9') {
        errno       = 0;
        long long v = strtoll(n->text, &end, 10);
        if (*end == 'K' || *end == 'M')
            unit = *end++ == 'K' ? 1024 : 1024 * 1024;
        if (*end == '\0' && errno == 0 && v >= 1 && v <= max_length_tokens / unit) {
            *out = v * unit;
            return 1;
        }
    }
    sbi_refuse(c, n,
               "a whole number of tokens from 1 to 1024M, also as 4K (x 1024) or 1M (x 1048576)");
    return 0;
}

void sbi_seeds_read(sbi_ctx *c, sbi_node *n, sbi_values *out)
{
    if (n != NULL)
        sbi_values_read(c, n, "a whole number >= 0", sbi_value_i64, &sbi_param_seed, out);
    else if ((out->v = sbi_pool_alloc(&c->temp, 1, sizeof *out->v)) != NULL)
        out->n = sbi_i64_read(c, NULL, &sbi_param_seed, out->v);
}

/* A parameter that the file gives: the texts of its values, or the files they name. */
typedef struct axis {
    const sb_param *param;
    const char    **text;
    sb_param_file  *file; /* SB_FILE */
    int64_t         n;
} axis;

/* Values of one parameter, each tried on the scratch struct. 0 after an error. */
static int axis_read(sbi_ctx *c, sbi_node *n, const sb_method *m, const sb_param *p, void *scratch,
                     axis *out)
{
    char             allowed[256];
    sbi_node *const *items = NULL;
    sb_param_allowed(p, allowed, sizeof allowed);
    int64_t      count = sbi_items(c, n, allowed, &items);
    const char **json  = sbi_pool_alloc(&c->temp, count, sizeof *json);
    int          fine  = count > 0;
    *out               = (axis){p, sbi_pool_alloc(&c->temp, count, sizeof *out->text),
                                sbi_pool_alloc(&c->temp, p->type == SB_FILE ? count : 0, sizeof *out->file), 0};
    for (int64_t i = 0; i < count && json != NULL && out->text != NULL && out->file != NULL; i++) {
        char    buf[SB_PARAM_JSON_BYTES];
        int64_t j = 0;
        if (!sbi_method_param_read(c, items[i], m, p, scratch) ||
            sb_param_json(p, scratch, buf, sizeof buf) != SB_OK) {
            fine = 0;
            continue;
        }
        json[i] = sbi_pool_text(&c->temp, buf, strlen(buf));
        while (j < i && (json[i] == NULL || json[j] == NULL || strcmp(json[j], json[i]) != 0))
            j++;
        if (j < i) {
            sbi_refuse_twice(c, items[i], items[j]);
            fine = 0;
        }
        if (p->type == SB_FILE)
            memcpy(&out->file[out->n], (char *)scratch + p->offset, sizeof *out->file);
        out->text[out->n++] = items[i]->text;
    }
    return fine;
}

/* Number `which` of the combinations, the last axis varying fastest. */
static int variant_make(sbi_ctx *c, const sb_param *table, size_t bytes, const axis *axes,
                        int64_t n_axes, int64_t which, sbi_variant *out)
{
    out->params = sbi_pool_alloc(c->keep, 1, bytes);
    if (out->params == NULL || sb_params_default(table, out->params) != SB_OK)
        return 0;
    for (int64_t a = n_axes - 1; a >= 0; a--) {
        const axis *x  = &axes[a];
        int64_t     at = which % x->n;
        if (x->param->type == SB_FILE)
            memcpy((char *)out->params + x->param->offset, &x->file[at], sizeof *x->file);
        else if (sb_param_set(x->param, out->params, x->text[at]) != SB_OK)
            return 0;
        which /= x->n;
    }
    out->json = sbi_params_json(c->keep, table, out->params);
    return out->json != NULL;
}

void sbi_variants_read(sbi_ctx *c, const sbi_node *map, const sb_method *m, const sb_param *table,
                       size_t params_bytes, const sbi_names *others, sbi_variants *out)
{
    int64_t   n_axes = 0, total = 1, n_keys = map != NULL && map->kind == SBI_MAP ? map->n : 0;
    int       fine    = 1;
    axis     *axes    = sbi_pool_alloc(&c->temp, n_keys, sizeof *axes);
    void     *scratch = sbi_pool_alloc(&c->temp, 1, params_bytes);
    sbi_names names   = {0};
    out->n            = 0;
    if (axes == NULL || scratch == NULL)
        return;
    for (int64_t i = 0; i < others->n; i++)
        sbi_names_add(c, &names, others->v[i]);
    sbi_names_add_table(c, &names, table);
    int64_t before = c->n_errors;
    if (n_keys > 0)
        sbi_check_keys(c, map, &names);
    fine = c->n_errors == before;
    for (int64_t i = 0; i < n_keys; i++) {
        const sb_param *p = sb_params_find(table, map->key[i]->text);
        if (p == NULL)
            continue;
        fine &= axis_read(c, map->item[i], m, p, scratch, &axes[n_axes]);
        if (fine && total * axes[n_axes].n > SBI_MAX_POINTS - c->n_variants) {
            sbi_error_add(
                c, map->pos, sbi_node_path(c, map),
                "found more than %d combinations of parameters in the file, allowed at most %d",
                SBI_MAX_POINTS, SBI_MAX_POINTS);
            fine = 0;
        }
        if (fine)
            total *= axes[n_axes++].n;
    }
    c->n_variants += fine ? total : 0;
    out->v = fine ? sbi_pool_alloc(&c->temp, total, sizeof *out->v) : NULL;
    for (int64_t i = 0; i < total && out->v != NULL; i++) {
        if (!variant_make(c, table, params_bytes, axes, n_axes, i, &out->v[i])) {
            sbi_internal(c);
            return;
        }
        out->n = i + 1;
    }
}
