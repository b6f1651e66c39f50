#include "kernels/minference/config_file.h"

#include <stdio.h>
#include <string.h>

#include "kernels/exec/json_text.h"

enum { MAX_LAYERS = 4096, MAX_HEADS = 4096, MAX_TOKENS = 1 << 30 };

/* The head that a key names: a number below MAX_HEADS, written as numbers are. */
static sb_status head_of_key(const char *key, size_t layer, int64_t *head)
{
    size_t n = strspn(key, "0123456789");
    *head    = 0;
    for (size_t i = 0; i < n && *head < MAX_HEADS; i++)
        *head = *head * 10 + key[i] - '0';
    if (n == 0 || key[n] != '\0' || (key[0] == '0' && n > 1) || *head >= MAX_HEADS)
        return sb_fail(SB_ERR_USAGE,
                       "layer %zu: found a key that is no head's number, allowed \"0\" to \"%d\"",
                       layer, (int)MAX_HEADS - 1);
    return SB_OK;
}

static int pattern_of(const char *type)
{
    static const struct {
        const char           *name;
        sb_minference_pattern pattern;
    } types[] = {{"vertical_and_slash", SB_MINFERENCE_VERTICAL_SLASH},
                 {"block_sparse", SB_MINFERENCE_BLOCK_SPARSE},
                 {"stream_llm", SB_MINFERENCE_A_SHAPE}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (type != NULL && strcmp(type, types[i].name) == 0)
            return (int)types[i].pattern;
    return SBI_MINFERENCE_NO_ENTRY;
}

static sb_status read_entry(const json_t *v, size_t layer, int64_t head, sbi_minference_entry *out)
{
    char   buf[48];
    size_t n = json_array_size(v);
    if (!json_is_array(v) || n < 3 || n > 4)
        return sb_fail(
            SB_ERR_USAGE,
            "layer %zu, head %lld: found %s, allowed [type, a, b] or [type, a, b, score]", layer,
            (long long)head, sb_json_found(v, buf, sizeof buf));
    out->pattern = (int32_t)pattern_of(json_string_value(json_array_get(v, 0)));
    if (out->pattern == SBI_MINFERENCE_NO_ENTRY)
        return sb_fail(SB_ERR_USAGE,
                       "layer %zu, head %lld: found another type, allowed vertical_and_slash, "
                       "block_sparse, stream_llm",
                       layer, (long long)head);
    if (n == 4 && !json_is_number(json_array_get(v, 3)))
        return sb_fail(SB_ERR_USAGE, "layer %zu, head %lld: found %s for a score, allowed a number",
                       layer, (long long)head,
                       sb_json_found(json_array_get(v, 3), buf, sizeof buf));
    for (size_t i = 1; i < 3; i++) {
        const json_t *x     = json_array_get(v, i);
        int64_t       value = json_integer_value(x);
        int64_t       least = out->pattern == SB_MINFERENCE_A_SHAPE && i == 2; /* a window */
        if (!json_is_integer(x) || value < least || value > MAX_TOKENS)
            return sb_fail(SB_ERR_USAGE,
                           "layer %zu, head %lld: found %s, allowed a whole number of tokens from "
                           "%lld to %d",
                           layer, (long long)head, sb_json_found(x, buf, sizeof buf),
                           (long long)least, (int)MAX_TOKENS);
        *(i == 1 ? &out->a : &out->b) = value;
    }
    return SB_OK;
}

/* Entries of one layer (NULL: only looked at); *heads grows to the highest number + 1. */
static sb_status read_layer(const json_t *v, size_t layer, int64_t *heads,
                            sbi_minference_entry *out)
{
    char        buf[48];
    const char *key;
    json_t     *value;
    sb_status   st;
    if (!json_is_object(v))
        return sb_fail(SB_ERR_USAGE, "layer %zu: found %s, allowed an object of heads", layer,
                       sb_json_found(v, buf, sizeof buf));
    json_object_foreach((json_t *)(uintptr_t)v, key, value)
    {
        int64_t              head;
        sbi_minference_entry e;
        if ((st = head_of_key(key, layer, &head)) != SB_OK ||
            (st = read_entry(value, layer, head, &e)) != SB_OK)
            return st;
        *heads = head + 1 > *heads ? head + 1 : *heads;
        if (out != NULL)
            out[head] = e;
    }
    return SB_OK;
}

static sb_status read_root(const json_t *root, sb_arena *a, const void **out)
{
    char                  buf[48];
    size_t                layers = json_array_size(root);
    int64_t               heads  = 0;
    sbi_minference_entry *entry;
    void                 *kept, *room;
    sb_status             st;
    if (!json_is_array(root) || layers < 1 || layers > MAX_LAYERS)
        return sb_fail(SB_ERR_USAGE, "found %s, allowed an array of 1 to %d layers",
                       sb_json_found(root, buf, sizeof buf), (int)MAX_LAYERS);
    for (size_t l = 0; l < layers; l++)
        if ((st = read_layer(json_array_get(root, l), l, &heads, NULL)) != SB_OK)
            return st;
    if (heads == 0)
        return sb_fail(SB_ERR_USAGE, "found no head in any of %zu layers, allowed at least one",
                       layers);
    if ((st = sb_arena_alloc(a, 1, sizeof(sbi_minference_config), "minference config", &kept)) !=
            SB_OK ||
        (st = sb_arena_alloc(a, (int64_t)layers * heads, sizeof *entry, "minference config",
                             &room)) != SB_OK)
        return st;
    entry = room;
    for (size_t i = 0; !a->counting && i < layers * (size_t)heads; i++)
        entry[i] = (sbi_minference_entry){.pattern = SBI_MINFERENCE_NO_ENTRY};
    for (size_t l = 0; !a->counting && l < layers; l++)
        (void)read_layer(json_array_get(root, l), l, &heads, entry + l * (size_t)heads);
    if (!a->counting)
        *(sbi_minference_config *)kept =
            (sbi_minference_config){.n_layers = (int64_t)layers, .n_heads = heads, .entry = entry};
    *out = kept;
    return SB_OK;
}

sb_status sbi_minference_read_file(const sb_param *p, const char *text, int64_t n_bytes,
                                   sb_arena *a, const void **out)
{
    json_t   *root = NULL;
    sb_status st   = sb_json_parse(text, n_bytes, &root);
    (void)p;
    if (st == SB_OK)
        st = read_root(root, a, out);
    json_decref(root);
    return st;
}
