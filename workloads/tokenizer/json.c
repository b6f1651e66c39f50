/* tokenizer.json -> vocabulary. Only what this tokenizer does is accepted [5.1]: every key is
 * known, every value is one of those that mean the same here, all else is refused with its key.
 *
 *   pre_tokenizer                                                       splitter
 *   ByteLevel                                                           gpt-2
 *   Sequence [Split {Regex, Isolated}, ByteLevel {use_regex false}]     by its pattern
 *   Sequence [Digits {individual_digits}, ByteLevel]                    smollm
 *
 * truncation and padding shape batches, not the ids of a text: they are passed over. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/tokenizer/vocab.h"

static sb_status parse(const char *data, size_t bytes, json_t **out)
{
    json_error_t e;
    json_t      *root = json_loadb(data, bytes, JSON_REJECT_DUPLICATES, &e);
    if (root == NULL && json_error_code(&e) == json_error_out_of_memory)
        return sb_fail(SB_ERR_NOMEM, "no memory for its JSON");
    if (root == NULL) {
        char *near = strstr(e.text, " near "); /* the file's own text follows */
        if (near != NULL)
            *near = '\0';
        for (char *s = e.text; *s != '\0'; s++)
            *s = *s >= 0x20 && *s < 0x7F ? *s : '?';
        return sb_fail(SB_ERR_USAGE, "line %d, column %d: no JSON: %s", e.line, e.column, e.text);
    }
    *out = root;
    return SB_OK;
}

/* "true", "3", "a string \"BPE\"", ...: what stands there. */
static const char *found(const json_t *v, char *buf, size_t n)
{
    char word[SBI_TOK_QUOTE];
    switch (v == NULL ? -1 : (int)json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        (void)snprintf(buf, n, "%s",
                       sbi_tok_quote(json_string_value(v), json_string_length(v), word));
        return buf;
    case JSON_INTEGER:
        (void)snprintf(buf, n, "%lld", (long long)json_integer_value(v));
        return buf;
    case JSON_REAL:
        (void)snprintf(buf, n, "%g", json_real_value(v));
        return buf;
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        return "null";
    default:
        return "nothing";
    }
}

static sb_status refuse(sb_status st, const char *where, const json_t *v, const char *allowed)
{
    char buf[64];
    return sb_fail(st, "%s: found %s; %s", where, found(v, buf, sizeof buf), allowed);
}

static sb_status known_keys(const char *where, const json_t *object, const char *const *names)
{
    const char *key;
    json_t     *value;
    char        word[SBI_TOK_QUOTE];
    json_object_foreach((json_t *)(uintptr_t)object, key, value)
    {
        int known = 0;
        for (int i = 0; names[i] != NULL; i++)
            known |= strcmp(key, names[i]) == 0;
        if (!known)
            return sb_fail(SB_ERR_UNSUPPORTED, "%s: unknown key %s", where,
                           sbi_tok_quote(key, strlen(key), word));
    }
    return SB_OK;
}

/* Key is absent, null, or exactly what is wanted. */
static sb_status want_bool(const char *where, const json_t *object, const char *key, int want)
{
    const json_t *v = json_object_get(object, key);
    char          path[96];
    (void)snprintf(path, sizeof path, "%s.%s", where, key);
    if (v == NULL || json_is_null(v) || (json_is_boolean(v) && json_is_true(v) == (want != 0)))
        return SB_OK;
    return refuse(json_is_boolean(v) ? SB_ERR_UNSUPPORTED : SB_ERR_USAGE, path, v,
                  want ? "only true is supported" : "only false is supported");
}

/* *out stays where the key is absent or null. */
static sb_status read_bool(const char *where, const json_t *object, const char *key, int *out)
{
    const json_t *v = json_object_get(object, key);
    char          path[96];
    if (v == NULL || json_is_null(v))
        return SB_OK;
    if (!json_is_boolean(v)) {
        (void)snprintf(path, sizeof path, "%s.%s", where, key);
        return refuse(SB_ERR_USAGE, path, v, "true or false is wanted");
    }
    *out = json_is_true(v);
    return SB_OK;
}

static const char *type_of(const json_t *v)
{
    const char *s = json_string_value(json_object_get(v, "type"));
    return s != NULL ? s : "";
}

static int is_type(const json_t *v, const char *type)
{
    return json_is_object(v) && strcmp(type_of(v), type) == 0;
}

static sb_status unsupported_type(const char *where, const json_t *v, const char *allowed)
{
    char path[96];
    if (!json_is_object(v) || !json_is_string(json_object_get(v, "type")))
        return refuse(SB_ERR_USAGE, where, v, "an object with a type is wanted");
    (void)snprintf(path, sizeof path, "%s.type", where);
    return refuse(SB_ERR_UNSUPPORTED, path, json_object_get(v, "type"), allowed);
}

/* ---- normalizer, pre_tokenizer, decoder, post_processor ---- */

static sb_status read_normalizer(const json_t *v, sb_tok *t)
{
    static const char *const keys[] = {"type", NULL};
    if (v == NULL || json_is_null(v))
        return SB_OK;
    if (!is_type(v, "NFC"))
        return unsupported_type("normalizer", v, "supported are null and NFC");
    t->nfc = 1;
    return known_keys("normalizer", v, keys);
}

static sb_status check_byte_level(const char *where, const json_t *v, int use_regex)
{
    static const char *const keys[] = {"type", "add_prefix_space", "trim_offsets", "use_regex",
                                       NULL};
    sb_status                st;
    const json_t            *space = json_object_get(v, "add_prefix_space");
    char                     path[96];
    if (!is_type(v, "ByteLevel"))
        return unsupported_type(where, v, "supported is ByteLevel");
    if ((st = known_keys(where, v, keys)) != SB_OK)
        return st;
    if (use_regex < 0) /* a decoder or post_processor: its options do not touch ids */
        return SB_OK;
    (void)snprintf(path, sizeof path, "%s.add_prefix_space", where);
    if (!json_is_false(space)) /* left out it means true */
        return refuse(SB_ERR_UNSUPPORTED, path, space, "only false is supported");
    (void)snprintf(path, sizeof path, "%s.use_regex", where);
    if (!use_regex && !json_is_false(json_object_get(v, "use_regex")))
        return refuse(SB_ERR_UNSUPPORTED, path, json_object_get(v, "use_regex"),
                      "only false is supported behind a Split");
    return use_regex ? want_bool(where, v, "use_regex", 1) : SB_OK;
}

static sb_status read_split(const json_t *v, const sbi_split **out)
{
    static const char *const keys[]    = {"type", "pattern", "behavior", "invert", NULL};
    static const char *const pattern[] = {"Regex", NULL};
    const char              *where     = "pre_tokenizer.pretokenizers[0]";
    const json_t            *behavior  = json_object_get(v, "behavior");
    const json_t            *regex     = json_object_get(json_object_get(v, "pattern"), "Regex");
    sb_status                st        = known_keys(where, v, keys);
    if (st == SB_OK)
        st = want_bool(where, v, "invert", 0);
    if (st != SB_OK)
        return st;
    if (!json_is_string(behavior) || strcmp(json_string_value(behavior), "Isolated") != 0)
        return refuse(SB_ERR_UNSUPPORTED, "pre_tokenizer.pretokenizers[0].behavior", behavior,
                      "supported is Isolated");
    if (!json_is_string(regex))
        return refuse(SB_ERR_UNSUPPORTED, "pre_tokenizer.pretokenizers[0].pattern.Regex", regex,
                      "a Regex is wanted");
    st = known_keys("pre_tokenizer.pretokenizers[0].pattern", json_object_get(v, "pattern"),
                    pattern);
    if (st != SB_OK)
        return st;
    for (const sbi_split *s = sbi_splits; s->name != NULL; s++)
        if (s->json_pattern != NULL && strcmp(s->json_pattern, json_string_value(regex)) == 0) {
            *out = s;
            return SB_OK;
        }
    return refuse(SB_ERR_UNSUPPORTED, "pre_tokenizer.pretokenizers[0].pattern.Regex", regex,
                  "supported are the patterns of Llama-3 and Qwen2, letter for letter");
}

static sb_status read_pre_tokenizer(const json_t *v, const sbi_split **out)
{
    static const char *const keys[]   = {"type", "pretokenizers", NULL};
    static const char *const digits[] = {"type", "individual_digits", NULL};
    const json_t            *list, *first;
    sb_status                st;
    if (is_type(v, "ByteLevel")) {
        *out = sbi_split_by_name("gpt-2", 5);
        return check_byte_level("pre_tokenizer", v, 1);
    }
    if (!is_type(v, "Sequence"))
        return unsupported_type("pre_tokenizer", v,
                                "supported are ByteLevel and Sequences of Split or Digits with it");
    if ((st = known_keys("pre_tokenizer", v, keys)) != SB_OK)
        return st;
    list = json_object_get(v, "pretokenizers");
    if (!json_is_array(list) || json_array_size(list) != 2)
        return refuse(SB_ERR_UNSUPPORTED, "pre_tokenizer.pretokenizers", list,
                      "supported are two: Split or Digits, then ByteLevel");
    first = json_array_get(list, 0);
    if (is_type(first, "Digits")) {
        const json_t *each = json_object_get(first, "individual_digits");
        *out               = sbi_split_by_name("smollm", 6);
        if ((st = known_keys("pre_tokenizer.pretokenizers[0]", first, digits)) != SB_OK)
            return st;
        if (!json_is_true(each))
            return refuse(SB_ERR_UNSUPPORTED, "pre_tokenizer.pretokenizers[0].individual_digits",
                          each, "only true is supported");
    } else if (is_type(first, "Split")) {
        if ((st = read_split(first, out)) != SB_OK)
            return st;
    } else {
        return unsupported_type("pre_tokenizer.pretokenizers[0]", first,
                                "supported are Split and Digits");
    }
    return check_byte_level("pre_tokenizer.pretokenizers[1]", json_array_get(list, 1),
                            is_type(first, "Digits"));
}

/* {"single": [{"SpecialToken": {"id": TEXT}}, {"Sequence": {"id": "A"}}], "special_tokens": {TEXT:
 * {"ids": [ID]}}}: one token before the text, none behind. "pair" is for two texts. */
static sb_status read_template(const json_t *v, const char *where, sb_tok *t)
{
    static const char *const keys[] = {"type", "single", "pair", "special_tokens", NULL};
    const json_t            *list   = json_object_get(v, "single"), *text, *ids;
    size_t                   n      = json_array_size(list);
    char                     path[96];
    sb_status                st = known_keys(where, v, keys);
    if (st != SB_OK)
        return st;
    (void)snprintf(path, sizeof path, "%s.single", where);
    if (n < 1 || n > 2 || json_object_get(json_array_get(list, n - 1), "Sequence") == NULL)
        return refuse(SB_ERR_UNSUPPORTED, path, list,
                      "supported is at most one SpecialToken, then the Sequence");
    if (n == 1)
        return SB_OK;
    text = json_object_get(json_object_get(json_array_get(list, 0), "SpecialToken"), "id");
    if (!json_is_string(text))
        return refuse(SB_ERR_UNSUPPORTED, path, list,
                      "supported is at most one SpecialToken, then the Sequence");
    (void)snprintf(path, sizeof path, "%s.special_tokens", where);
    ids = json_object_get(
        json_object_get(json_object_get(v, "special_tokens"), json_string_value(text)), "ids");
    if (json_array_size(ids) != 1 || !json_is_integer(json_array_get(ids, 0)))
        return refuse(SB_ERR_UNSUPPORTED, path, ids, "one id for the token of single is wanted");
    if (json_integer_value(json_array_get(ids, 0)) < 0 ||
        json_integer_value(json_array_get(ids, 0)) >= t->n_tokens)
        return refuse(SB_ERR_USAGE, path, json_array_get(ids, 0), "no token has this id");
    t->role[SB_TOK_ROLE_BOS] = (int32_t)json_integer_value(json_array_get(ids, 0));
    t->adds_bos              = 1;
    return SB_OK;
}

static sb_status read_post_processor(const json_t *v, sb_tok *t)
{
    static const char *const keys[] = {"type", "processors", NULL};
    const json_t            *list   = json_object_get(v, "processors");
    char                     where[64];
    int                      templates = 0;
    sb_status                st;
    if (v == NULL || json_is_null(v))
        return SB_OK;
    if (is_type(v, "ByteLevel"))
        return check_byte_level("post_processor", v, -1);
    if (is_type(v, "TemplateProcessing"))
        return read_template(v, "post_processor", t);
    if (!is_type(v, "Sequence"))
        return unsupported_type(
            "post_processor", v,
            "supported are ByteLevel, TemplateProcessing and a Sequence of them");
    if ((st = known_keys("post_processor", v, keys)) != SB_OK)
        return st;
    if (!json_is_array(list))
        return refuse(SB_ERR_USAGE, "post_processor.processors", list, "a list is wanted");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *p = json_array_get(list, i);
        (void)snprintf(where, sizeof where, "post_processor.processors[%zu]", i);
        if (is_type(p, "TemplateProcessing") && templates++ == 0)
            st = read_template(p, where, t);
        else
            st = check_byte_level(where, p, -1);
        if (st != SB_OK)
            return st;
    }
    return SB_OK;
}

/* ---- model, added_tokens ---- */

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
        return refuse(SB_ERR_USAGE, "model", m, "an object is wanted");
    /* some older files leave the type out */
    if (json_object_get(m, "type") != NULL && !is_type(m, "BPE"))
        return unsupported_type("model", m, "supported is BPE");
    if ((st = known_keys("model", m, keys)) != SB_OK)
        return st;
    if (json_object_get(m, "dropout") != NULL && !json_is_null(json_object_get(m, "dropout")))
        return refuse(SB_ERR_UNSUPPORTED, "model.dropout", json_object_get(m, "dropout"),
                      "only null is supported");
    for (int i = 0; i < 2; i++) {
        const json_t *v = json_object_get(m, affix[i]);
        (void)snprintf(path, sizeof path, "model.%s", affix[i]);
        if (v != NULL && !json_is_null(v) && !(json_is_string(v) && json_string_length(v) == 0))
            return refuse(SB_ERR_UNSUPPORTED, path, v, "only null and \"\" are supported");
    }
    if ((st = want_bool("model", m, "byte_fallback", 0)) != SB_OK ||
        (st = read_bool("model", m, "fuse_unk", &t->fuse_unk)) != SB_OK)
        return st;
    return read_bool("model", m, "ignore_merges", &t->ignore_merges);
}

static sb_status read_id(const char *where, const json_t *v, int64_t n, int32_t *out)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) >= n) {
        char allowed[64];
        (void)snprintf(allowed, sizeof allowed, "an id from 0 to %lld is wanted", (long long)n - 1);
        return refuse(SB_ERR_USAGE, where, v, allowed);
    }
    *out = (int32_t)json_integer_value(v);
    return SB_OK;
}

/* The texts by id: the vocabulary, then added tokens that it does not hold. */
static sb_status gather(const lists *l, sbi_tok_text *texts, int64_t n)
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
        texts[id] = (sbi_tok_text){key, strlen(key), 0};
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
            texts[id] = (sbi_tok_text){json_string_value(text), json_string_length(text), 1};
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
            return refuse(SB_ERR_USAGE, where, text, "a string is wanted");
        }
        n += json_object_get(l->vocab, json_string_value(text)) == NULL;
    }
    if (n > SBI_TOK_MAX_TOKENS)
        return sb_fail(SB_ERR_USAGE, "model.vocab: %lld tokens; up to %d are possible",
                       (long long)n, SBI_TOK_MAX_TOKENS);
    texts = calloc(n > 0 ? (size_t)n : 1, sizeof *texts);
    if (texts == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %lld tokens", (long long)n);
    st = gather(l, texts, n);
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
    while (b < 256 && t->byte_id[b] >= 0)
        b++;
    if (b == 256 || unk == NULL || json_is_null(unk))
        return SB_OK;
    if (!json_is_integer(id))
        return refuse(SB_ERR_USAGE, "model.unk_token", unk, "a token of model.vocab is wanted");
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
            return refuse(SB_ERR_USAGE, where, m, "\"a b\" or [\"a\", \"b\"] is wanted");
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
        if ((st = known_keys(where, a, keys)) != SB_OK ||
            (st = want_bool(where, a, "single_word", 0)) != SB_OK ||
            (st = read_bool(where, a, "lstrip", &to.lstrip)) != SB_OK ||
            (st = read_bool(where, a, "rstrip", &to.rstrip)) != SB_OK ||
            (st = read_bool(where, a, "normalized", &to.normalized)) != SB_OK ||
            (st = read_bool(where, a, "special", &to.special)) != SB_OK)
            return st;
        if (t->nfc && to.normalized)
            return sb_fail(SB_ERR_UNSUPPORTED,
                           "%s.normalized: found true; only false is supported with NFC", where);
        st = sbi_tok_add_added(t, json_string_value(text), json_string_length(text), &to);
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
    const json_t    *decoder = json_object_get(root, "decoder");
    const sbi_split *split   = NULL;
    lists            l       = {json_object_get(model, "vocab"), json_object_get(model, "merges"),
                                json_object_get(root, "added_tokens")};
    sb_status        st;
    if (!json_is_object(root))
        return refuse(SB_ERR_USAGE, "the file", root, "an object is wanted");
    if ((st = known_keys("the file", root, keys)) != SB_OK)
        return st;
    version = json_object_get(root, "version");
    if (version != NULL &&
        (!json_is_string(version) || strcmp(json_string_value(version), "1.0") != 0))
        return refuse(SB_ERR_UNSUPPORTED, "version", version, "supported is \"1.0\"");
    if ((st = check_model(model, t)) != SB_OK)
        return st;
    if (!json_is_object(l.vocab))
        return refuse(SB_ERR_USAGE, "model.vocab", l.vocab, "an object is wanted");
    if (!json_is_array(l.merges))
        return refuse(SB_ERR_USAGE, "model.merges", l.merges, "a list is wanted");
    if (l.added != NULL && !json_is_null(l.added) && !json_is_array(l.added))
        return refuse(SB_ERR_USAGE, "added_tokens", l.added, "a list is wanted");
    if ((st = read_normalizer(json_object_get(root, "normalizer"), t)) != SB_OK ||
        (st = read_pre_tokenizer(json_object_get(root, "pre_tokenizer"), &split)) != SB_OK)
        return st;
    if (decoder != NULL && !json_is_null(decoder) &&
        (st = check_byte_level("decoder", decoder, -1)) != SB_OK)
        return st;
    if ((st = read_tokens(&l, t)) != SB_OK ||
        (st = read_unk(&l, json_object_get(model, "unk_token"), t)) != SB_OK ||
        (st = read_merges(l.merges, t)) != SB_OK || (st = read_added(l.added, t)) != SB_OK ||
        (st = read_post_processor(json_object_get(root, "post_processor"), t)) != SB_OK)
        return st;
    st = sbi_tok_finish(t, split);
    return st == SB_ERR_USAGE ? sb_wrap(st, "added_tokens") : st;
}

sb_status sbi_tok_read_json(const char *data, size_t bytes, sb_tok *t)
{
    json_t   *root = NULL;
    sb_status st   = parse(data, bytes, &root);
    if (st == SB_OK)
        st = read_root(root, t);
    json_decref(root);
    return st;
}
