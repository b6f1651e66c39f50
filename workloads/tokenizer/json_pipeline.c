/* What a tokenizer.json does around its model, of the byte-level kind:
 *
 *   pre_tokenizer                                                       splitter
 *   ByteLevel                                                           gpt-2
 *   Sequence [Split {Regex, Isolated} ..., ByteLevel {use_regex false}] by its patterns
 *   Sequence [Digits {individual_digits}, ByteLevel]                    smollm
 *
 * json_sp.c has the other kind. */
#include <stdio.h>
#include <string.h>

#include "workloads/tokenizer/json_util.h"

static sb_status read_normalizer(const json_t *v, sb_tok *t)
{
    static const char *const keys[] = {"type", NULL};
    if (v == NULL || json_is_null(v))
        return SB_OK;
    if (!sbi_json_is_type(v, "NFC"))
        return sbi_json_unsupported_type("normalizer", v, "supported are null and NFC");
    t->nfc = 1;
    return sbi_json_known_keys("normalizer", v, keys);
}

static sb_status check_byte_level(const char *where, const json_t *v, int use_regex)
{
    static const char *const keys[] = {"type", "add_prefix_space", "trim_offsets", "use_regex",
                                       NULL};
    sb_status                st;
    const json_t            *space = json_object_get(v, "add_prefix_space");
    char                     path[96];
    if (!sbi_json_is_type(v, "ByteLevel"))
        return sbi_json_unsupported_type(where, v, "supported is ByteLevel");
    if ((st = sbi_json_known_keys(where, v, keys)) != SB_OK)
        return st;
    if (use_regex < 0) /* a decoder or post_processor: its options do not touch ids */
        return SB_OK;
    (void)snprintf(path, sizeof path, "%s.add_prefix_space", where);
    if (!json_is_false(space)) /* left out it means true */
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, path, space, "only false is supported");
    (void)snprintf(path, sizeof path, "%s.use_regex", where);
    if (!use_regex && !json_is_false(json_object_get(v, "use_regex")))
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, path, json_object_get(v, "use_regex"),
                               "only false is supported behind a Split");
    return use_regex ? sbi_json_want_bool(where, v, "use_regex", 1) : SB_OK;
}

/* A pattern as our table spells it: line ends by their letters. SBI_SPLIT_DIGITS for Digits. */
#define MAX_PATTERN_BYTES 1024
typedef struct stage {
    char text[MAX_PATTERN_BYTES];
} stage;

static void spell_pattern(const char *from, stage *to)
{
    size_t n = 0;
    for (; *from != '\0' && n + 3 < sizeof to->text; from++) {
        if (*from == '\r' || *from == '\n') {
            to->text[n++] = '\\';
            to->text[n++] = *from == '\r' ? 'r' : 'n';
        } else {
            to->text[n++] = *from;
        }
    }
    to->text[n] = '\0';
}

static sb_status read_split(const json_t *v, const char *where, stage *out)
{
    static const char *const keys[]    = {"type", "pattern", "behavior", "invert", NULL};
    static const char *const pattern[] = {"Regex", NULL};
    const json_t            *behavior  = json_object_get(v, "behavior");
    const json_t            *regex     = json_object_get(json_object_get(v, "pattern"), "Regex");
    char                     path[96];
    sb_status                st = sbi_json_known_keys(where, v, keys);
    if (st == SB_OK)
        st = sbi_json_want_bool(where, v, "invert", 0);
    if (st != SB_OK)
        return st;
    (void)snprintf(path, sizeof path, "%s.behavior", where);
    if (!sbi_json_is_string(behavior, "Isolated"))
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, path, behavior, "supported is Isolated");
    (void)snprintf(path, sizeof path, "%s.pattern.Regex", where);
    if (!json_is_string(regex))
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, path, regex, "a Regex is wanted");
    spell_pattern(json_string_value(regex), out);
    (void)snprintf(path, sizeof path, "%s.pattern", where);
    return sbi_json_known_keys(path, json_object_get(v, "pattern"), pattern);
}

static sb_status read_digits(const json_t *v, const char *where, stage *out)
{
    static const char *const keys[] = {"type", "individual_digits", NULL};
    const json_t            *each   = json_object_get(v, "individual_digits");
    char                     path[96];
    sb_status                st = sbi_json_known_keys(where, v, keys);
    if (st != SB_OK)
        return st;
    (void)snprintf(path, sizeof path, "%s.individual_digits", where);
    if (!json_is_true(each))
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, path, each, "only true is supported");
    (void)snprintf(out->text, sizeof out->text, "%s", SBI_SPLIT_DIGITS);
    return SB_OK;
}

/* The splitter of these stages; NULL: none. */
static const sbi_split *splitter_of(const stage *stages, size_t n)
{
    if (n == 1 && strcmp(stages[0].text, SBI_SPLIT_DIGITS) == 0)
        return sbi_split_by_name("smollm", 6);
    for (const sbi_split *s = sbi_splits; s->name != NULL; s++) {
        size_t k = 0;
        while (k < n && s->json[k] != NULL && strcmp(s->json[k], stages[k].text) == 0)
            k++;
        if (k == n && s->json[k] == NULL)
            return s;
    }
    return NULL;
}

static sb_status read_pre_tokenizer(const json_t *v, const sbi_split **out)
{
    static const char *const keys[] = {"type", "pretokenizers", NULL};
    const json_t            *list   = json_object_get(v, "pretokenizers");
    size_t                   n      = json_array_size(list);
    stage                    stages[SBI_SPLIT_STAGES];
    char                     where[64];
    sb_status                st;
    if (sbi_json_is_type(v, "ByteLevel")) {
        *out = sbi_split_by_name("gpt-2", 5);
        return check_byte_level("pre_tokenizer", v, 1);
    }
    if (!sbi_json_is_type(v, "Sequence"))
        return sbi_json_unsupported_type(
            "pre_tokenizer", v,
            "supported are ByteLevel, Metaspace and Sequences of Split or Digits with ByteLevel");
    if ((st = sbi_json_known_keys("pre_tokenizer", v, keys)) != SB_OK)
        return st;
    if (n < 2 || n > SBI_SPLIT_STAGES + 1)
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, "pre_tokenizer.pretokenizers", list,
                               "supported are one to five of Split and Digits, then ByteLevel");
    for (size_t i = 0; i + 1 < n; i++) {
        const json_t *p = json_array_get(list, i);
        (void)snprintf(where, sizeof where, "pre_tokenizer.pretokenizers[%zu]", i);
        if (sbi_json_is_type(p, "Digits"))
            st = read_digits(p, where, &stages[i]);
        else if (sbi_json_is_type(p, "Split"))
            st = read_split(p, where, &stages[i]);
        else
            st = sbi_json_unsupported_type(where, p, "supported are Split and Digits");
        if (st != SB_OK)
            return st;
    }
    *out = splitter_of(stages, n - 1);
    if (*out == NULL && n == 2)
        return sbi_json_refuse(
            SB_ERR_UNSUPPORTED, "pre_tokenizer.pretokenizers[0].pattern.Regex",
            json_object_get(json_object_get(json_array_get(list, 0), "pattern"), "Regex"),
            "supported are the patterns of Llama-3, Qwen2 and Tekken, letter for letter");
    if (*out == NULL)
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, "pre_tokenizer.pretokenizers", list,
                               "supported are the patterns of DeepSeek-V3 and DeepSeek-Coder, "
                               "letter for letter");
    (void)snprintf(where, sizeof where, "pre_tokenizer.pretokenizers[%zu]", n - 1);
    /* with Digits alone the pattern is ByteLevel's own */
    return check_byte_level(where, json_array_get(list, n - 1), (*out)->json[0] == NULL);
}

/* {"single": [{"SpecialToken": {"id": TEXT}}, {"Sequence": {"id": "A"}}], "special_tokens": {TEXT:
 * {"ids": [ID]}}}: one token before the text, none behind. "pair" is for two texts. */
static sb_status read_template(const json_t *v, const char *where, sb_tok *t)
{
    static const char *const keys[] = {"type", "single", "pair", "special_tokens", NULL};
    const json_t            *list   = json_object_get(v, "single"), *text, *ids;
    size_t                   n      = json_array_size(list);
    char                     path[96];
    sb_status                st = sbi_json_known_keys(where, v, keys);
    if (st != SB_OK)
        return st;
    (void)snprintf(path, sizeof path, "%s.single", where);
    if (n < 1 || n > 2 || json_object_get(json_array_get(list, n - 1), "Sequence") == NULL)
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, path, list,
                               "supported is at most one SpecialToken, then the Sequence");
    if (n == 1)
        return SB_OK;
    text = json_object_get(json_object_get(json_array_get(list, 0), "SpecialToken"), "id");
    if (!json_is_string(text))
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, path, list,
                               "supported is at most one SpecialToken, then the Sequence");
    (void)snprintf(path, sizeof path, "%s.special_tokens", where);
    ids = json_object_get(
        json_object_get(json_object_get(v, "special_tokens"), json_string_value(text)), "ids");
    if (json_array_size(ids) != 1 || !json_is_integer(json_array_get(ids, 0)))
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, path, ids,
                               "one id for the token of single is wanted");
    if (json_integer_value(json_array_get(ids, 0)) < 0 ||
        json_integer_value(json_array_get(ids, 0)) >= t->n_tokens)
        return sbi_json_refuse(SB_ERR_USAGE, path, json_array_get(ids, 0), "no token has this id");
    t->role[SB_TOK_ROLE_BOS] = (int32_t)json_integer_value(json_array_get(ids, 0));
    t->adds_bos              = 1;
    return SB_OK;
}

sb_status sbi_json_read_post_processor(const json_t *v, sb_tok *t)
{
    static const char *const keys[] = {"type", "processors", NULL};
    const json_t            *list   = json_object_get(v, "processors");
    char                     where[64];
    int                      templates = 0;
    sb_status                st;
    if (v == NULL || json_is_null(v))
        return SB_OK;
    if (sbi_json_is_type(v, "ByteLevel"))
        return check_byte_level("post_processor", v, -1);
    if (sbi_json_is_type(v, "TemplateProcessing"))
        return read_template(v, "post_processor", t);
    if (!sbi_json_is_type(v, "Sequence"))
        return sbi_json_unsupported_type(
            "post_processor", v,
            "supported are ByteLevel, TemplateProcessing and a Sequence of them");
    if ((st = sbi_json_known_keys("post_processor", v, keys)) != SB_OK)
        return st;
    if (!json_is_array(list))
        return sbi_json_refuse(SB_ERR_USAGE, "post_processor.processors", list, "a list is wanted");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *p = json_array_get(list, i);
        (void)snprintf(where, sizeof where, "post_processor.processors[%zu]", i);
        if (sbi_json_is_type(p, "TemplateProcessing") && templates++ == 0)
            st = read_template(p, where, t);
        else
            st = check_byte_level(where, p, -1);
        if (st != SB_OK)
            return st;
    }
    return SB_OK;
}

sb_status sbi_json_read_pipeline(const json_t *root, sb_tok *t, const sbi_split **split)
{
    const json_t *decoder = json_object_get(root, "decoder");
    sb_status     st;
    if (sbi_json_is_sp(root)) {
        *split = &sbi_split_none;
        return sbi_json_read_sp(root, t);
    }
    if ((st = read_normalizer(json_object_get(root, "normalizer"), t)) != SB_OK ||
        (st = read_pre_tokenizer(json_object_get(root, "pre_tokenizer"), split)) != SB_OK)
        return st;
    return decoder != NULL && !json_is_null(decoder) ? check_byte_level("decoder", decoder, -1)
                                                     : SB_OK;
}
