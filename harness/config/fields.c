/* Typed values: words, lists, numbers and choices described by sb_param entries. */
#include "harness/config/fields.h"

#include <stdlib.h>
#include <string.h>

const char *sbi_found(sbi_ctx *c, const sbi_node *n)
{
    if (n->kind != SBI_SCALAR)
        return n->kind == SBI_LIST ? (n->n == 0 ? "an empty list" : "a list")
                                   : (n->n == 0 ? "an empty mapping" : "a mapping");
    if (n->is_null)
        return "nothing";
    if (n->text[0] == '\0')
        return "an empty string";
    const char *out = sbi_pool_printf(&c->temp, "`%s`", sbi_safe(c, n->text));
    return out != NULL ? out : "";
}

void sbi_refuse(sbi_ctx *c, const sbi_node *n, const char *allowed)
{
    if (!n->is_bad)
        sbi_error_add(c, n->pos, sbi_node_path(c, n), "found %s, allowed %s", sbi_found(c, n),
                      allowed);
}

static const char *child_path(sbi_ctx *c, const sbi_node *map, const char *key)
{
    const char *head = sbi_node_path(c, map);
    const char *out =
        sbi_pool_printf(&c->temp, "%s%s%s", head, head[0] != '\0' ? "." : "", sbi_safe(c, key));
    return out != NULL ? out : "";
}

void sbi_refuse_missing(sbi_ctx *c, const sbi_node *map, const char *key, const char *allowed)
{
    sbi_error_add(c, map->pos, child_path(c, map, key), "found nothing, allowed %s", allowed);
}

void sbi_refuse_choice(sbi_ctx *c, const sbi_node *n, const char *intro, const sbi_names *names)
{
    if (!n->is_bad)
        sbi_error_choice(c, n->pos, sbi_node_path(c, n), sbi_found(c, n),
                         n->kind == SBI_SCALAR && !n->is_null ? n->text : NULL, intro, names);
}

void sbi_refuse_twice(sbi_ctx *c, const sbi_node *n, const sbi_node *first)
{
    sbi_error_add(c, n->pos, sbi_node_path(c, n),
                  "found %s a second time (first %s), allowed each once", sbi_found(c, n),
                  sbi_where(c, first->pos));
}

int sbi_is_map(sbi_ctx *c, const sbi_node *n, const char *allowed)
{
    if (n->kind == SBI_MAP && !n->is_bad)
        return 1;
    sbi_refuse(c, n, allowed);
    return 0;
}

const char *sbi_word(sbi_ctx *c, const sbi_node *n, const char *allowed)
{
    if (n->kind == SBI_SCALAR && !n->is_bad && !n->is_null && n->text[0] != '\0')
        return n->text;
    sbi_refuse(c, n, allowed);
    return NULL;
}

char *sbi_home_path(sbi_ctx *c, const sbi_node *n)
{
    const char *home = getenv("HOME");
    if (n->text[0] != '~')
        return sbi_pool_text(c->keep, n->text, strlen(n->text));
    if ((n->text[1] != '\0' && n->text[1] != '/') || home == NULL || home[0] == '\0') {
        sbi_refuse(c, n,
                   home == NULL || home[0] == '\0' ? "a path without `~` (HOME is not set)"
                                                   : "a path, `~` or `~/...`");
        return NULL;
    }
    return sbi_pool_printf(c->keep, "%s%s", home, n->text + 1);
}

int64_t sbi_items(sbi_ctx *c, sbi_node *n, const char *allowed, sbi_node *const **items)
{
    if (n->is_bad)
        return 0;
    if (n->is_null || (n->kind == SBI_LIST && n->n == 0)) {
        sbi_refuse(c, n, allowed);
        return 0;
    }
    *items = n->kind == SBI_LIST ? n->item : &n->self;
    return n->kind == SBI_LIST ? n->n : 1;
}

void sbi_check_keys(sbi_ctx *c, const sbi_node *map, const sbi_names *names)
{
    for (int64_t i = 0; i < map->n; i++) {
        const sbi_node *key   = map->key[i];
        int             known = 0;
        for (int64_t j = 0; j < names->n && !known; j++)
            known = strcmp(names->v[j], key->text) == 0;
        if (!known)
            sbi_error_choice(c, key->pos, child_path(c, map, key->text), "an unknown key",
                             key->text, "", names);
    }
}

int sbi_param_read(sbi_ctx *c, const sbi_node *n, const sb_param *p, void *params)
{
    char allowed[256];
    if (n->kind == SBI_SCALAR && !n->is_bad && !n->is_null &&
        sb_param_set(p, params, n->text) == SB_OK)
        return 1;
    if (p->type == SB_ENUM) {
        sbi_names names = {0};
        sbi_names_add_range(c, &names, p->range);
        sbi_refuse_choice(c, n, "one of ", &names);
        return 0;
    }
    sb_param_allowed(p, allowed, sizeof allowed);
    sbi_refuse(c, n, allowed);
    return 0;
}

int sbi_i64_read(sbi_ctx *c, const sbi_node *n, const sb_param *p, int64_t *out)
{
    return n != NULL ? sbi_param_read(c, n, p, out) : sb_param_set(p, out, p->def) == SB_OK;
}

int sbi_enum_read(sbi_ctx *c, const sbi_node *n, const sb_param *p, int32_t *out)
{
    return n != NULL ? sbi_param_read(c, n, p, out) : sb_param_set(p, out, p->def) == SB_OK;
}
