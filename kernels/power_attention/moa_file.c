/* moa's plan file: two tables of [layers][heads] numbers. */
#include <math.h>
#include <stdio.h>

#include "kernels/exec/json_text.h"
#include "kernels/power_attention/patterns.h"

enum { MAX_LAYERS = 4096, MAX_HEADS = 4096 };

typedef struct form {
    const char *key[3]; /* of a and b, and the end */
    double      low[2];
    int         whole;
} form;

/* 2^40 tokens are more than any sequence; a span may fall short by as many. */
static const form forms[] = {{{"alphas", "betas", NULL}, {-0x1p40, -0x1p40}, 0},
                             {{"sinks", "windows", NULL}, {0, 1}, 1}};

/* An array of `want` elements; want 0: of 1 to `most`. `what` names it. */
static sb_status check_array(const json_t *v, const char *what, size_t want, size_t most)
{
    char   buf[48];
    size_t n = json_array_size(v);
    if (want > 0 && (!json_is_array(v) || n != want))
        return sb_fail(SB_ERR_USAGE, "%s: found %s, allowed an array of %zu, as the first one has",
                       what, sb_json_found(v, buf, sizeof buf), want);
    if (!json_is_array(v) || n < 1 || n > most)
        return sb_fail(SB_ERR_USAGE, "%s: found %s, allowed an array of 1 to %zu", what,
                       sb_json_found(v, buf, sizeof buf), most);
    return SB_OK;
}

static sb_status read_number(const json_t *v, const form *f, int which, const char *row, size_t h,
                             double *out)
{
    char   buf[48];
    double x = json_number_value(v);
    if (!json_is_number(v) || !(x >= f->low[which] && x <= 0x1p40) || (f->whole && x != floor(x)))
        return sb_fail(SB_ERR_USAGE, "%s[%zu]: found %s, allowed a %snumber from %g to %g", row, h,
                       sb_json_found(v, buf, sizeof buf), f->whole ? "whole " : "", f->low[which],
                       0x1p40);
    *out = x;
    return SB_OK;
}

/* One table into room for it (counting: NULL). The first table says how many layers and heads. */
static sb_status read_table(const json_t *root, const form *f, int which, sb_arena *a,
                            sbi_moa_file *file, double **out)
{
    const json_t *t     = json_object_get(root, f->key[which]);
    size_t        heads = (size_t)file->n_heads;
    void         *room;
    sb_status     st = check_array(t, f->key[which], (size_t)file->n_layers, MAX_LAYERS);
    if (st != SB_OK)
        return st;
    for (size_t l = 0; l < json_array_size(t); l++) {
        char name[48];
        (void)snprintf(name, sizeof name, "%s[%zu]", f->key[which], l);
        if ((st = check_array(json_array_get(t, l), name, heads, MAX_HEADS)) != SB_OK)
            return st;
        heads = json_array_size(json_array_get(t, l));
    }
    file->n_layers = (int64_t)json_array_size(t);
    file->n_heads  = (int64_t)heads;
    if ((st = sb_arena_alloc(a, file->n_layers * file->n_heads, sizeof(double), "moa plan",
                             &room)) != SB_OK)
        return st;
    *out = room;
    for (size_t l = 0; l < json_array_size(t); l++)
        for (size_t h = 0; h < heads; h++) {
            char   name[48];
            double x = 0;
            (void)snprintf(name, sizeof name, "%s[%zu]", f->key[which], l);
            if ((st = read_number(json_array_get(json_array_get(t, l), h), f, which, name, h,
                                  &x)) != SB_OK)
                return st;
            if (!a->counting)
                (*out)[l * heads + h] = x;
        }
    return SB_OK;
}

static sb_status read_root(const json_t *root, sb_arena *a, const void **out)
{
    char         buf[48];
    sbi_moa_file file = {.has_windows = json_object_get(root, "sinks") != NULL ||
                                        json_object_get(root, "windows") != NULL};
    const form  *f    = &forms[file.has_windows];
    void        *kept;
    sb_status    st;
    if (!json_is_object(root))
        return sb_fail(SB_ERR_USAGE,
                       "found %s, allowed an object with alphas and betas, or sinks and windows",
                       sb_json_found(root, buf, sizeof buf));
    if ((st = sb_json_known_keys(root, f->key)) != SB_OK ||
        (st = sb_arena_alloc(a, 1, sizeof file, "moa plan", &kept)) != SB_OK ||
        (st = read_table(root, f, 0, a, &file, &file.a)) != SB_OK ||
        (st = read_table(root, f, 1, a, &file, &file.b)) != SB_OK)
        return st;
    if (!a->counting)
        *(sbi_moa_file *)kept = file;
    *out = kept;
    return SB_OK;
}

sb_status sbi_moa_read_file(const sb_param *p, const char *text, int64_t n_bytes, sb_arena *a,
                            const void **out)
{
    json_t   *root = NULL;
    sb_status st   = sb_json_parse(text, n_bytes, &root);
    (void)p;
    if (st == SB_OK)
        st = read_root(root, a, out);
    json_decref(root);
    return st;
}
