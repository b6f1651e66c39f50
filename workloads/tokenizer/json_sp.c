/* The SentencePiece shapes of a tokenizer.json [5.3]: blanks become U+2581 in a normalizer or in a
 * pre_tokenizer, and one is put in front.
 *
 *   normalizer                            pre_tokenizer                  who
 *   Sequence [Prepend, Replace]           null                           Llama-2, Mistral, Phi-3
 *   null                                  Metaspace {split false}        Llama-2 with legacy=false
 *   Replace                               Split {" "}, which is idle     Gemma
 *
 * The decoder is Replace, ByteFallback, Fuse, Strip in a Sequence, or Metaspace. */
#include <stdio.h>
#include <string.h>

#include "workloads/tokenizer/json_util.h"

#define BLANK "\xE2\x96\x81" /* U+2581 */

static int is_replace(const json_t *v, const char *from, const char *to)
{
    return sbi_json_is_type(v, "Replace") &&
           sbi_json_is_string(json_object_get(json_object_get(v, "pattern"), "String"), from) &&
           sbi_json_is_string(json_object_get(v, "content"), to);
}

int sbi_json_is_sp(const json_t *root)
{
    const json_t *norm = json_object_get(root, "normalizer");
    return sbi_json_is_type(norm, "Replace") || sbi_json_is_type(norm, "Prepend") ||
           sbi_json_is_type(norm, "Sequence") ||
           sbi_json_is_type(json_object_get(root, "pre_tokenizer"), "Metaspace");
}

static sb_status read_normalizer(const json_t *v, sb_tok *t)
{
    const char   *allowed = "supported are Replace \" \" by U+2581, and a Sequence of it behind "
                            "Prepend U+2581";
    const json_t *list    = json_object_get(v, "normalizers");
    size_t        n       = json_array_size(list);
    if (v == NULL || json_is_null(v))
        return SB_OK;
    t->sp.early = 1;
    if (is_replace(v, " ", BLANK))
        return SB_OK;
    if (!sbi_json_is_type(v, "Sequence"))
        return sbi_json_unsupported_type("normalizer", v, allowed);
    if (n == 2 && sbi_json_is_type(json_array_get(list, 0), "Prepend") &&
        sbi_json_is_string(json_object_get(json_array_get(list, 0), "prepend"), BLANK))
        t->sp.prefix = SBI_SP_PREFIX_SECTION;
    else if (n != 1)
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, "normalizer.normalizers", list, allowed);
    if (!is_replace(json_array_get(list, n - 1), " ", BLANK))
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, "normalizer.normalizers", list, allowed);
    return SB_OK;
}

static sb_status read_metaspace(const json_t *v, sb_tok *t)
{
    static const char *const keys[] = {"type",  "replacement",      "str_rep", "prepend_scheme",
                                       "split", "add_prefix_space", NULL};
    const json_t            *scheme = json_object_get(v, "prepend_scheme");
    const json_t            *mark   = json_object_get(v, "replacement");
    int                      adds   = -1, is_never;
    sb_status                st     = sbi_json_known_keys("pre_tokenizer", v, keys);
    t->sp.words                     = 1; /* left out it means true */
    if (st != SB_OK ||
        (st = sbi_json_read_bool("pre_tokenizer", v, "split", &t->sp.words)) != SB_OK ||
        (st = sbi_json_read_bool("pre_tokenizer", v, "add_prefix_space", &adds)) != SB_OK)
        return st;
    if (!sbi_json_is_string(mark, BLANK))
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, "pre_tokenizer.replacement", mark,
                               "supported is U+2581");
    is_never = scheme == NULL ? adds == 0 : sbi_json_is_string(scheme, "never");
    if (is_never)
        t->sp.prefix = SBI_SP_PREFIX_NONE;
    else if (scheme == NULL || sbi_json_is_string(scheme, "always"))
        t->sp.prefix = SBI_SP_PREFIX_MISSING;
    else if (sbi_json_is_string(scheme, "first"))
        t->sp.prefix = SBI_SP_PREFIX_FIRST;
    else
        return sbi_json_refuse(SB_ERR_UNSUPPORTED, "pre_tokenizer.prepend_scheme", scheme,
                               "supported are always, first and never");
    if (adds >= 0 && adds == is_never)
        return sbi_json_refuse(SB_ERR_USAGE, "pre_tokenizer.add_prefix_space",
                               json_object_get(v, "add_prefix_space"),
                               "prepend_scheme says otherwise");
    return SB_OK;
}

static sb_status read_pre_tokenizer(const json_t *v, sb_tok *t)
{
    if (v == NULL || json_is_null(v))
        return SB_OK;
    if (t->sp.early) { /* no blank is left to split at */
        if (sbi_json_is_type(v, "Split") &&
            sbi_json_is_string(json_object_get(json_object_get(v, "pattern"), "String"), " "))
            return SB_OK;
        return sbi_json_unsupported_type("pre_tokenizer", v,
                                         "supported with this normalizer are null and a Split at "
                                         "the String \" \"");
    }
    if (!sbi_json_is_type(v, "Metaspace"))
        return sbi_json_unsupported_type("pre_tokenizer", v, "supported is Metaspace");
    return read_metaspace(v, t);
}

static int is_strip(const json_t *v)
{
    return sbi_json_is_type(v, "Strip") && sbi_json_is_string(json_object_get(v, "content"), " ") &&
           json_integer_value(json_object_get(v, "start")) == 1 &&
           json_integer_value(json_object_get(v, "stop")) == 0;
}

static sb_status read_decoder(const json_t *v, sb_tok *t)
{
    const json_t *list = json_object_get(v, "decoders");
    char          where[48];
    t->sp.strip = t->sp.prefix != SBI_SP_PREFIX_NONE;
    if (v == NULL || json_is_null(v))
        return SB_OK;
    if (sbi_json_is_type(v, "Metaspace")) {
        t->sp.strip = !sbi_json_is_string(json_object_get(v, "prepend_scheme"), "never") &&
                      !json_is_false(json_object_get(v, "add_prefix_space"));
        return SB_OK;
    }
    if (!sbi_json_is_type(v, "Sequence"))
        return sbi_json_unsupported_type("decoder", v, "supported are Metaspace and a Sequence");
    t->sp.strip = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *d = json_array_get(list, i);
        (void)snprintf(where, sizeof where, "decoder.decoders[%zu]", i);
        if (is_strip(d))
            t->sp.strip = 1;
        else if (!is_replace(d, BLANK, " ") && !sbi_json_is_type(d, "ByteFallback") &&
                 !sbi_json_is_type(d, "Fuse"))
            return sbi_json_refuse(SB_ERR_UNSUPPORTED, where, d,
                                   "supported are Replace U+2581 by \" \", ByteFallback, Fuse, and "
                                   "Strip of one leading blank");
    }
    return SB_OK;
}

sb_status sbi_json_read_sp(const json_t *root, sb_tok *t)
{
    sb_status st;
    t->sp.on = 1;
    if ((st = read_normalizer(json_object_get(root, "normalizer"), t)) != SB_OK ||
        (st = read_pre_tokenizer(json_object_get(root, "pre_tokenizer"), t)) != SB_OK)
        return st;
    return read_decoder(json_object_get(root, "decoder"), t);
}
