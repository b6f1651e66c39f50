/* From the tokenizer.ggml.* keys of a GGUF file to a vocabulary. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/tokenizer/gguf.h"

static int is_word(const sbi_strings *s, const char *word)
{
    return s->text.n == strlen(word) && memcmp(s->text.data, word, s->text.n) == 0;
}

static sb_status choose_split(const sbi_gguf_keys *k, const char *pre, const sbi_split **out)
{
    char word[SBI_TOK_QUOTE];
    if (pre != NULL) {
        *out = sbi_split_by_name(pre, strlen(pre));
        if (*out == NULL)
            return sb_fail(SB_ERR_USAGE, "pre: %s is unknown; allowed: %s",
                           sbi_tok_quote(pre, strlen(pre), word), sb_tok_splitters());
        return SB_OK;
    }
    if (k->pre.text.n == 0 || is_word(&k->pre, "default"))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "tokenizer.ggml.pre: found %s, as old conversions do, which split text "
                       "wrongly; name the splitter yourself (pre: %s)",
                       k->pre.text.n == 0 ? "nothing" : "\"default\"", sb_tok_splitters());
    *out = sbi_split_by_name((const char *)k->pre.text.data, k->pre.text.n);
    if (*out == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED, "tokenizer.ggml.pre: %s is not supported; supported: %s",
                       sbi_tok_quote((const char *)k->pre.text.data, k->pre.text.n, word),
                       sb_tok_splitters());
    return SB_OK;
}

static sb_status missing(const char *key)
{
    return sb_fail(SB_ERR_USAGE, "tokenizer.ggml.%s is missing", key);
}

static sb_status check_keys(const sbi_gguf_keys *k, int *sp)
{
    char word[SBI_TOK_QUOTE];
    *sp = is_word(&k->model, "llama");
    if (k->model.text.n == 0)
        return sb_fail(SB_ERR_USAGE, "tokenizer.ggml.model is missing: no vocabulary in this file");
    if (!*sp && !is_word(&k->model, "gpt2"))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "tokenizer.ggml.model: %s; supported are \"gpt2\" (byte-level BPE) and "
                       "\"llama\" (SentencePiece BPE)",
                       sbi_tok_quote((const char *)k->model.text.data, k->model.text.n, word));
    if (k->tokens.at == NULL)
        return missing("tokens");
    if (!*sp && k->merges.at == NULL)
        return missing("merges");
    if (k->types == NULL)
        return missing("token_type");
    if (*sp && k->scores == NULL)
        return missing("scores");
    for (int64_t i = 0; i < k->n_types && !*sp; i++)
        if (k->types[i] == SBI_KIND_BYTE)
            return sb_fail(SB_ERR_UNSUPPORTED,
                           "tokenizer.ggml.token_type: [%lld]: type 6; 1 to 5 are possible in a "
                           "byte-level vocabulary",
                           (long long)i);
    if (k->n_types != k->tokens.n)
        return sb_fail(SB_ERR_USAGE, "tokenizer.ggml.token_type: %lld types for %lld tokens",
                       (long long)k->n_types, (long long)k->tokens.n);
    if (*sp && k->n_scores != k->tokens.n)
        return sb_fail(SB_ERR_USAGE, "tokenizer.ggml.scores: %lld scores for %lld tokens",
                       (long long)k->n_scores, (long long)k->tokens.n);
    return SB_OK;
}

static const char *string_at(const sbi_strings *s, int64_t i, size_t *n)
{
    *n = (size_t)(s->at[i + 1] - s->at[i]);
    return *n > 0 ? (const char *)s->text.data + s->at[i] : "";
}

static sb_status set_tokens(const sbi_gguf_keys *k, sb_tok *t)
{
    int64_t       n     = k->tokens.n;
    sbi_tok_text *texts = calloc(n > 0 ? (size_t)n : 1, sizeof *texts);
    sb_status     st;
    if (texts == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %lld tokens", (long long)n);
    for (int64_t i = 0; i < n; i++) {
        texts[i].text = string_at(&k->tokens, i, &texts[i].n);
        texts[i].form = k->types[i] == SBI_KIND_UNUSED ? SBI_TOK_CONTENT : SBI_TOK_SPELT;
    }
    st = sbi_tok_set_tokens(t, texts, n);
    free(texts);
    return st == SB_OK ? st : sb_wrap(st, "tokenizer.ggml.tokens");
}

static sb_status add_merges(const sbi_gguf_keys *k, sb_tok *t)
{
    sb_status st = sbi_tok_reserve_merges(t, k->merges.n);
    for (int64_t i = 0; i < k->merges.n && st == SB_OK; i++) {
        size_t      n;
        const char *s     = string_at(&k->merges, i, &n);
        const char *blank = n > 1 ? memchr(s + 1, ' ', n - 1) : NULL;
        if (blank == NULL)
            st = sb_fail(SB_ERR_USAGE, "two words with a blank between them are wanted");
        else
            st = sbi_tok_add_merge(t, s, (size_t)(blank - s), blank + 1,
                                   n - (size_t)(blank + 1 - s));
        if (st != SB_OK)
            return sb_wrap(st, "tokenizer.ggml.merges[%lld]", (long long)i);
    }
    return st;
}

/* Control tokens and the one for the unknown are special; user-defined ones are looked for in any
 * text. */
static sb_status add_added(const sbi_gguf_keys *k, sb_tok *t)
{
    int64_t   n  = 0;
    sb_status st = SB_OK;
    for (int64_t i = 0; i < k->n_types; i++)
        n += k->types[i] >= SBI_KIND_UNKNOWN && k->types[i] <= SBI_KIND_USER_DEFINED;
    st = sbi_tok_reserve_added(t, n);
    for (int64_t i = 0; i < k->n_types && st == SB_OK; i++) {
        size_t      bytes;
        const char *s  = string_at(&k->tokens, i, &bytes);
        sbi_added   to = {.id = (int32_t)i, .special = k->types[i] != SBI_KIND_USER_DEFINED};
        if (k->types[i] < SBI_KIND_UNKNOWN || k->types[i] > SBI_KIND_USER_DEFINED)
            continue;
        if ((st = sbi_tok_add_added(t, s, bytes, &to)) != SB_OK)
            return sb_wrap(st, "tokenizer.ggml.tokens[%lld]", (long long)i);
    }
    return st;
}

static sb_status set_roles(const sbi_gguf_keys *k, int adds_bos, sb_tok *t)
{
    for (int r = 0; r < SB_TOK_ROLE_COUNT; r++)
        t->role[r] = (int32_t)k->role[r];
    t->adds_bos = k->add_bos < 0 ? adds_bos : k->add_bos != 0;
    if (t->adds_bos && t->role[SB_TOK_ROLE_BOS] < 0)
        return sb_fail(SB_ERR_USAGE, "tokenizer.ggml.bos_token_id is missing, and a BOS is to be "
                                     "added");
    return SB_OK;
}

static sb_status build_bytes(const sbi_gguf_keys *k, const char *pre, sb_tok *t)
{
    const sbi_split *split = NULL;
    sb_status        st;
    if ((st = choose_split(k, pre, &split)) != SB_OK || (st = set_tokens(k, t)) != SB_OK ||
        (st = add_merges(k, t)) != SB_OK || (st = add_added(k, t)) != SB_OK ||
        (st = set_roles(k, split->gguf_adds_bos, t)) != SB_OK)
        return st;
    t->nfc           = split->gguf_nfc;
    t->ignore_merges = split->gguf_ignore_merges;
    st               = sbi_tok_finish(t, split);
    return st == SB_OK ? st : sb_wrap(st, "tokenizer.ggml.tokens");
}

/* What the file does not say: a blank goes in front, and a BOS. */
static sb_status build_sp(const sbi_gguf_keys *k, const char *pre, sb_tok *t)
{
    sbi_pieces p = {.n = k->tokens.n, .types = k->types, .scores = k->scores};
    sb_status  st;
    if (pre != NULL)
        return sb_fail(SB_ERR_USAGE, "pre: found %s; a SentencePiece vocabulary has no splitter",
                       pre);
    if (k->has_charsmap)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "tokenizer.ggml.precompiled_charsmap: text that is normalised is not "
                       "supported with \"llama\"");
    if (k->trims != 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "tokenizer.ggml.remove_extra_whitespaces: found true; only false is "
                       "supported");
    if ((st = set_roles(k, 1, t)) != SB_OK)
        return st;
    p.texts = calloc(p.n > 0 ? (size_t)p.n : 1, sizeof *p.texts);
    if (p.texts == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %lld tokens", (long long)p.n);
    for (int64_t i = 0; i < p.n; i++)
        p.texts[i].text = string_at(&k->tokens, i, &p.texts[i].n);
    p.prefix = k->add_prefix != 0;
    p.unk    = k->role[SB_TOK_ROLE_UNK];
    st       = sbi_sp_build(t, &p);
    free(p.texts);
    return st == SB_OK ? st : sb_wrap(st, "tokenizer.ggml.tokens");
}

sb_status sbi_gguf_build(const sbi_gguf_keys *k, const char *pre, sb_tok *t)
{
    int       sp = 0;
    sb_status st = check_keys(k, &sp);
    if (st != SB_OK)
        return st;
    return sp ? build_sp(k, pre, t) : build_bytes(k, pre, t);
}
