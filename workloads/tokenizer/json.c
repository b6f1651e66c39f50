/* tokenizer.json -> vocabulary. Only what this tokenizer does is accepted [5.1]: every key is
 * known, every value is one of those that mean the same here, all else is refused with its key.
 * json_pipeline.c reads what stands around the model.
 *
 * truncation and padding shape batches, not the ids of a text: they are passed over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/tokenizer/json_util.h"

typedef struct lists {
    json_t *vocab, *merges, *added;
} lists;

static sb_status check_model(const json_t *m, sb_tok *t)
{
    static const char *const keys[]  = {"type",
                                        "dropout",
                                        "unk_token",
                                        "continuing_subword_prefix",
                                        "end_of_word_suffix",
                                        "fuse_unk",
                                        "byte_fallback",
                                        "ignore_merges",
                                        "vocab",
                                        "merges",
                                        NULL};
    static const char *const affix[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    sb_status                st;
    char                     path[64];
    if (!json_is_object(m))
        return sbi_json_refuse(SB_ERR_USAGE, "model", m, "an object is wanted");
    /* some older files leave the type out */
    if (json_object_get(m, "type") != NULL && !sbi_json_is_type(m, "BPE"))
        return sbi_json_unsupported_type("model", m, "supported is BPE");
    if ((st = sbi_json_known_keys("model", m, keys)) != SB_OK)
        return st;
    if (json_object_get(m, "dropout") != NULL && !json_is_null(json_object_get(m, "dropout")))
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, "model.dropout", json_object_get(m, "dropout"),
                               "only null is supported");
    for (int i = 0; i < 2; i++) {
        const json_t *v = json_object_get(m, affix[i]);
        (void)snprintf(path, sizeof path, "model.%s", affix[i]);
        if (v != NULL && !json_is_null(v) && !(json_is_string(v) && json_string_length(v) == 0))
            return sbi_json_refuse(SB_ERR_UNSUPPORTED, path, v, "only null and \"\" are supported");
    }
    st = t->sp.on ? sbi_json_read_bool("model", m, "byte_fallback", &t->sp.by_bytes)
                  : sbi_json_want_bool("model", m, "byte_fallback", 0);
    if (st != SB_OK || (st = sbi_json_read_bool("model", m, "fuse_unk", &t->fuse_unk)) != SB_OK ||
        (st = sbi_json_read_bool("model", m, "ignore_merges", &t->ignore_merges)) != SB_OK)
        return st;
    if (t->sp.on && !t->sp.words) { /* the original's piece is the whole stretch, ours is less */
        t->sp.whole      = t->ignore_merges;
        t->ignore_merges = 0;
    }
    return SB_OK;
}

static sb_status read_id(const char *where, const json_t *v, int64_t n, int32_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= n) {
        char allowed[64];
        (void)snprintf(allowed, sizeof allowed, "an id from 0 to %lld is wanted", (long long)n - 1);
        return sbi_json_refuse(SB_ERR_USAGE, where, v, allowed);
    }
    *out = (int32_t)json_integer_value(v);
    return SB_OK;
}

/* The texts by id: the vocabulary, then added tokens that it does not hold. */
static sb_status gather(const sb_tok *t, const lists *l, sbi_tok_text *texts, int64_t n)
{
    const char *key;
    json_t     *value;
    int32_t     id = 0;
    sb_status   st;
    char        where[64];
    json_object_foreach(l->vocab, key, value)
    {
        if ((st = read_id("model.vocab", value, n, &id)) != SB_OK)
            return st;
        if (texts[id].text != NULL)
            return sb_fail(SB_ERR_USAGE, "model.vocab: two tokens have id %d", id);
        texts[id] = (sbi_tok_text){key, strlen(key), SBI_TOK_SPELT};
        if (t->sp.by_bytes && sbi_sp_byte(key, strlen(key)) >= 0)
            texts[id].form = SBI_TOK_BYTE;
    }
    for (size_t i = 0; i < json_array_size(l->added); i++) {
        const json_t *a    = json_array_get(l->added, i);
        const json_t *text = json_object_get(a, "content");
        const json_t *in   = json_object_get(l->vocab, json_string_value(text));
        (void)snprintf(where, sizeof where, "added_tokens[%zu].id", i);
        if ((st = read_id(where, json_object_get(a, "id"), n, &id)) != SB_OK)
            return st;
        if (in != NULL && json_integer_value(in) != id)
            return sb_fail(SB_ERR_USAGE, "%s: %d, but model.vocab gives its text %lld", where, id,
                           (long long)json_integer_value(in));
        if (in == NULL && texts[id].text != NULL)
            return sb_fail(SB_ERR_USAGE, "%s: %d is another token's already", where, id);
        if (in == NULL)
            texts[id] =
                (sbi_tok_text){json_string_value(text), json_string_length(text), SBI_TOK_CONTENT};
    }
    return SB_OK;
}

static sb_status read_tokens(const lists *l, sb_tok *t)
{
    int64_t       n = (int64_t)json_object_size(l->vocab);
    sbi_tok_text *texts;
    sb_status     st;
    char          where[64];
    for (size_t i = 0; i < json_array_size(l->added); i++) {
        const json_t *text = json_object_get(json_array_get(l->added, i), "content");
        if (!json_is_string(text)) {
            (void)snprintf(where, sizeof where, "added_tokens[%zu].content", i);
            return sbi_json_refuse(SB_ERR_USAGE, where, text, "a string is wanted");
        }
        n += json_object_get(l->vocab, json_string_value(text)) == NULL;
    }
    if (n > SBI_TOK_MAX_TOKENS)
        return sb_fail(SB_ERR_USAGE, "model.vocab: %lld tokens; up to %d are possible",
                       (long long)n, SBI_TOK_MAX_TOKENS);
    texts = calloc(n > 0 ? (size_t)n : 1, sizeof *texts);
    if (texts == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %lld tokens", (long long)n);
    st = gather(t, l, texts, n);
    if (st == SB_OK && (st = sbi_tok_set_tokens(t, texts, n)) != SB_OK)
        sb_wrap(st, "model.vocab");
    free(texts);
    return st;
}

/* Where every byte has a token, nothing is ever unknown. */
static sb_status read_unk(const lists *l, const json_t *unk, sb_tok *t)
{
    const json_t *id = json_object_get(l->vocab, json_string_value(unk));
    int           b  = 0;
    while (b < 256 && (t->byte_id[b] >= 0 || t->sp.by_bytes))
        b++;
    if (b == 256 || unk == NULL || json_is_null(unk))
        return SB_OK;
    if (!json_is_integer(id))
        return sbi_json_refuse(SB_ERR_USAGE, "model.unk_token", unk,
                               "a token of model.vocab is wanted");
    t->unk = (int32_t)json_integer_value(id);
    return SB_OK;
}

static sb_status read_merges(const json_t *list, sb_tok *t)
{
    size_t    n  = json_array_size(list);
    sb_status st = n > SBI_TOK_MAX_TOKENS ? sbi_tok_reserve_merges(t, INT64_MAX)
                                          : sbi_tok_reserve_merges(t, (int64_t)n);
    if (st != SB_OK)
        return sb_wrap(st, "model.merges");
    for (size_t i = 0; i < n; i++) {
        const json_t *m = json_array_get(list, i);
        const json_t *x = json_array_get(m, 0), *y = json_array_get(m, 1);
        if (json_is_string(m)) { /* "a b" */
            const char *s = json_string_value(m), *blank = strchr(s, ' ');
            if (blank == NULL || blank == s || strchr(blank + 1, ' ') != NULL || blank[1] == '\0')
                return sb_fail(SB_ERR_USAGE,
                               "model.merges[%zu]: two words with a blank between "
                               "them are wanted",
                               i);
            st = sbi_tok_add_merge(t, s, (size_t)(blank - s), blank + 1, strlen(blank + 1));
        } else if (json_array_size(m) == 2 && json_is_string(x) && json_is_string(y)) {
            st = sbi_tok_add_merge(t, json_string_value(x), json_string_length(x),
                                   json_string_value(y), json_string_length(y));
        } else {
            char where[48];
            (void)snprintf(where, sizeof where, "model.merges[%zu]", i);
            return sbi_json_refuse(SB_ERR_USAGE, where, m, "\"a b\" or [\"a\", \"b\"] is wanted");
        }
        if (st != SB_OK)
            return sb_wrap(st, "model.merges[%zu]", i);
    }
    return SB_OK;
}

static sb_status read_added(const json_t *list, sb_tok *t)
{
    static const char *const keys[] = {"id",     "content",    "single_word", "lstrip",
                                       "rstrip", "normalized", "special",     NULL};
    sb_status                st     = sbi_tok_reserve_added(t, (int64_t)json_array_size(list));
    if (st != SB_OK)
        return sb_wrap(st, "added_tokens");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *a = json_array_get(list, i), *text = json_object_get(a, "content");
        char          where[48];
        sbi_added     to = {.id = (int32_t)json_integer_value(json_object_get(a, "id"))};
        (void)snprintf(where, sizeof where, "added_tokens[%zu]", i);
        if ((st = sbi_json_known_keys(where, a, keys)) != SB_OK ||
            (st = sbi_json_want_bool(where, a, "single_word", 0)) != SB_OK ||
            (st = sbi_json_read_bool(where, a, "lstrip", &to.lstrip)) != SB_OK ||
            (st = sbi_json_read_bool(where, a, "rstrip", &to.rstrip)) != SB_OK ||
            (st = sbi_json_read_bool(where, a, "normalized", &to.normalized)) != SB_OK ||
            (st = sbi_json_read_bool(where, a, "special", &to.special)) != SB_OK)
            return st;
        if (t->nfc && to.normalized)
            return sb_fail(SB_ERR_UNSUPPORTED,
                           "%s.normalized: found true; only false is supported with NFC", where);
        st = t->sp.on && t->sp.early && to.normalized
                 ? sbi_sp_add_added(t, json_string_value(text), json_string_length(text),
                                    t->sp.prefix != SBI_SP_PREFIX_NONE, &to)
                 : sbi_tok_add_added(t, json_string_value(text), json_string_length(text), &to);
        if (st != SB_OK)
            return sb_wrap(st, "%s.content", where);
    }
    return SB_OK;
}

static sb_status read_root(const json_t *root, sb_tok *t)
{
    static const char *const keys[] = {
        "version",       "truncation",     "padding", "added_tokens", "normalizer",
        "pre_tokenizer", "post_processor", "decoder", "model",        NULL};
    const json_t    *version, *model = json_object_get(root, "model");
    const sbi_split *split = NULL;
    lists            l     = {json_object_get(model, "vocab"), json_object_get(model, "merges"),
                              json_object_get(root, "added_tokens")};
    sb_status        st;
    if (!json_is_object(root))
        return sbi_json_refuse(SB_ERR_USAGE, "the file", root, "an object is wanted");
    if ((st = sbi_json_known_keys("the file", root, keys)) != SB_OK)
        return st;
    version = json_object_get(root, "version");
    if (version != NULL &&
        (!json_is_string(version) || strcmp(json_string_value(version), "1.0") != 0))
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, "version", version, "supported is \"1.0\"");
    if ((st = sbi_json_read_pipeline(root, t, &split)) != SB_OK ||
        (st = check_model(model, t)) != SB_OK)
        return st;
    if (!json_is_object(l.vocab))
        return sbi_json_refuse(SB_ERR_USAGE, "model.vocab", l.vocab, "an object is wanted");
    if (!json_is_array(l.merges))
        return sbi_json_refuse(SB_ERR_USAGE, "model.merges", l.merges, "a list is wanted");
    if (l.added != NULL && !json_is_null(l.added) && !json_is_array(l.added))
        return sbi_json_refuse(SB_ERR_USAGE, "added_tokens", l.added, "a list is wanted");
    if ((st = read_tokens(&l, t)) != SB_OK ||
        (st = read_unk(&l, json_object_get(model, "unk_token"), t)) != SB_OK ||
        (st = read_merges(l.merges, t)) != SB_OK || (st = read_added(l.added, t)) != SB_OK ||
        (st = sbi_json_read_post_processor(json_object_get(root, "post_processor"), t)) != SB_OK)
        return st;
    st = sbi_tok_finish(t, split);
    return st == SB_ERR_USAGE ? sb_wrap(st, "added_tokens") : st;
}

sb_status sbi_tok_read_json(const char *data, size_t bytes, sb_tok *t)
{
    json_t   *root = NULL;
    sb_status st   = sbi_json_parse(data, bytes, &root);
    if (st == SB_OK)
        st = read_root(root, t);
    json_decref(root);
    return st;
}
