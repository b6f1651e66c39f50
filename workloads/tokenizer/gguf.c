/* The tokenizer.ggml.* keys of a GGUF file [4, 5.1] -> vocabulary.
 *
 * Nothing is believed: every count and length is compared with the bytes that are left before
 * anything is allocated or skipped, so memory stays within a small multiple of the file's size.
 * Other keys are stepped over; tensors are not looked at. */
#include "workloads/tokenizer/gguf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_KEY_BYTES 65535
#define MIN_ENTRY_BYTES 13 /* key length, type, one byte of value; the key is not empty */

static sb_status read_strings(sbi_source *s, uint32_t type, sbi_strings *out)
{
    uint64_t  n = 0;
    sb_status st;
    if (type != SBI_GGUF_ARRAY)
        return sb_fail(SB_ERR_USAGE, "a list of strings is wanted");
    if ((st = sbi_source_array(s, &type, &n)) != SB_OK)
        return st;
    if (type != SBI_GGUF_STRING)
        return sb_fail(SB_ERR_USAGE, "a list of strings is wanted");
    if (n > SBI_TOK_MAX_TOKENS)
        return sb_fail(SB_ERR_USAGE, "%llu strings; up to %d are possible", (unsigned long long)n,
                       SBI_TOK_MAX_TOKENS);
    out->at = malloc(((size_t)n + 1) * sizeof *out->at);
    if (out->at == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %llu strings", (unsigned long long)n);
    out->n = (int64_t)n;
    for (uint64_t i = 0; i < n; i++) {
        out->at[i] = out->text.n;
        if ((st = sbi_source_string(s, 2 * SBI_TOK_MAX_TOKEN_BYTES, &out->text)) != SB_OK)
            return sb_wrap(st, "[%llu]", (unsigned long long)i);
    }
    out->at[n] = out->text.n;
    return SB_OK;
}

static sb_status read_string(sbi_source *s, uint32_t type, sbi_strings *out)
{
    if (type != SBI_GGUF_STRING)
        return sb_fail(SB_ERR_USAGE, "a string is wanted");
    return sbi_source_string(s, MAX_KEY_BYTES, &out->text);
}

/* Any integer type; bool counts as 0 and 1. */
static sb_status read_int(sbi_source *s, uint32_t type, int64_t *out)
{
    uint64_t  v;
    size_t    n = sbi_gguf_type_bytes[type];
    sb_status st;
    if (type == SBI_GGUF_F32 || type == SBI_GGUF_F64 || n == 0)
        return sb_fail(SB_ERR_USAGE, "an integer is wanted");
    if ((st = sbi_source_uint(s, n, &v)) != SB_OK)
        return st;
    if ((type == SBI_GGUF_I8 || type == SBI_GGUF_I16 || type == SBI_GGUF_I32) &&
        (v >> (8 * n - 1)) != 0)
        v |= UINT64_MAX << (8 * n);
    if (type == SBI_GGUF_U64 && v > INT64_MAX)
        return sb_fail(SB_ERR_USAGE, "%llu is out of range", (unsigned long long)v);
    *out = (int64_t)v;
    return SB_OK;
}

static sb_status read_types(sbi_source *s, uint32_t type, sbi_gguf_keys *k)
{
    uint64_t  n  = 0;
    sb_status st = SB_OK;
    if (type != SBI_GGUF_ARRAY)
        return sb_fail(SB_ERR_USAGE, "a list of integers is wanted");
    if ((st = sbi_source_array(s, &type, &n)) != SB_OK)
        return st;
    if (n > SBI_TOK_MAX_TOKENS)
        return sb_fail(SB_ERR_USAGE, "%llu types; up to %d are possible", (unsigned long long)n,
                       SBI_TOK_MAX_TOKENS);
    k->types = malloc((n > 0 ? (size_t)n : 1) * sizeof *k->types);
    if (k->types == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %llu types", (unsigned long long)n);
    k->n_types = (int64_t)n;
    for (uint64_t i = 0; i < n; i++) {
        int64_t v = 0;
        if ((st = read_int(s, type, &v)) != SB_OK)
            return st;
        if (v < SBI_KIND_NORMAL || v > SBI_KIND_BYTE)
            return sb_fail(SB_ERR_USAGE, "[%llu]: type %lld; 1 to 6 are possible",
                           (unsigned long long)i, (long long)v);
        k->types[i] = (int32_t)v;
    }
    return SB_OK;
}

static sb_status read_scores(sbi_source *s, uint32_t type, sbi_gguf_keys *k)
{
    uint64_t  n  = 0, bits;
    sb_status st = SB_OK;
    if (type == SBI_GGUF_ARRAY)
        st = sbi_source_array(s, &type, &n);
    if (st != SB_OK)
        return st;
    if (type != SBI_GGUF_F32)
        return sb_fail(SB_ERR_USAGE, "a list of 32-bit floats is wanted");
    if (n > SBI_TOK_MAX_TOKENS)
        return sb_fail(SB_ERR_USAGE, "%llu scores; up to %d are possible", (unsigned long long)n,
                       SBI_TOK_MAX_TOKENS);
    k->scores = malloc((n > 0 ? (size_t)n : 1) * sizeof *k->scores);
    if (k->scores == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %llu scores", (unsigned long long)n);
    k->n_scores = (int64_t)n;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t word;
        if ((st = sbi_source_uint(s, 4, &bits)) != SB_OK)
            return st;
        word = (uint32_t)bits;
        memcpy(&k->scores[i], &word, sizeof word);
    }
    return SB_OK;
}

/* Whether there is anything in a charsmap, which is passed over. */
static sb_status read_charsmap(sbi_source *s, uint32_t type, sbi_gguf_keys *k)
{
    uint64_t  begin = s->at;
    sb_status st;
    if (type != SBI_GGUF_ARRAY && type != SBI_GGUF_STRING)
        return sb_fail(SB_ERR_USAGE, "a list of bytes is wanted");
    st              = sbi_source_skip(s, type);
    k->has_charsmap = s->at - begin > (type == SBI_GGUF_ARRAY ? 12 : 8); /* more than its length */
    return st;
}

enum {
    KEY_MODEL,
    KEY_PRE,
    KEY_TOKENS,
    KEY_MERGES,
    KEY_TYPES,
    KEY_SCORES,
    KEY_ADD_BOS,
    KEY_ADD_PREFIX,
    KEY_TRIMS,
    KEY_CHARSMAP,
    KEY_ROLE
};
static const struct {
    const char *name;
    int         key, role;
} wanted[] = {{"model", KEY_MODEL, 0},
              {"pre", KEY_PRE, 0},
              {"tokens", KEY_TOKENS, 0},
              {"merges", KEY_MERGES, 0},
              {"token_type", KEY_TYPES, 0},
              {"scores", KEY_SCORES, 0},
              {"add_bos_token", KEY_ADD_BOS, 0},
              {"add_space_prefix", KEY_ADD_PREFIX, 0},
              {"remove_extra_whitespaces", KEY_TRIMS, 0},
              {"precompiled_charsmap", KEY_CHARSMAP, 0},
              {"bos_token_id", KEY_ROLE, SB_TOK_ROLE_BOS},
              {"eos_token_id", KEY_ROLE, SB_TOK_ROLE_EOS},
              {"eot_token_id", KEY_ROLE, SB_TOK_ROLE_EOT},
              {"unknown_token_id", KEY_ROLE, SB_TOK_ROLE_UNK},
              {"padding_token_id", KEY_ROLE, SB_TOK_ROLE_PAD}};
#define WANTED ((int)(sizeof wanted / sizeof wanted[0]))
static const char prefix[] = "tokenizer.ggml.";

static sb_status read_value(sbi_source *s, int w, uint32_t type, sbi_gguf_keys *k)
{
    switch (wanted[w].key) {
    case KEY_MODEL:
        return read_string(s, type, &k->model);
    case KEY_PRE:
        return read_string(s, type, &k->pre);
    case KEY_TOKENS:
        return read_strings(s, type, &k->tokens);
    case KEY_MERGES:
        return read_strings(s, type, &k->merges);
    case KEY_TYPES:
        return read_types(s, type, k);
    case KEY_SCORES:
        return read_scores(s, type, k);
    case KEY_ADD_BOS:
        return read_int(s, type, &k->add_bos);
    case KEY_ADD_PREFIX:
        return read_int(s, type, &k->add_prefix);
    case KEY_TRIMS:
        return read_int(s, type, &k->trims);
    case KEY_CHARSMAP:
        return read_charsmap(s, type, k);
    default:
        return read_int(s, type, &k->role[wanted[w].role]);
    }
}

static sb_status read_entry(sbi_source *s, sbi_bytes *key, sbi_gguf_keys *k, uint32_t *seen)
{
    uint32_t  type = 0;
    size_t    p    = sizeof prefix - 1;
    int       w    = WANTED;
    sb_status st;
    key->n = 0;
    if ((st = sbi_source_string(s, MAX_KEY_BYTES, key)) != SB_OK)
        return st;
    if (key->n == 0)
        return sb_fail(SB_ERR_USAGE, "an empty key");
    if (key->n > p && memcmp(key->data, prefix, p) == 0)
        for (w = 0; w < WANTED; w++)
            if (strlen(wanted[w].name) == key->n - p &&
                memcmp(key->data + p, wanted[w].name, key->n - p) == 0)
                break;
    st = sbi_source_type(s, &type);
    if (w == WANTED) {
        char word[SBI_TOK_QUOTE];
        if (st == SB_OK)
            st = sbi_source_skip(s, type);
        return st == SB_OK
                   ? st
                   : sb_wrap(st, "key %s", sbi_tok_quote((const char *)key->data, key->n, word));
    }
    if (st == SB_OK && (*seen >> w & 1u) != 0)
        st = sb_fail(SB_ERR_USAGE, "the key stands there twice");
    *seen |= 1u << w;
    if (st == SB_OK)
        st = read_value(s, w, type, k);
    return st == SB_OK ? st : sb_wrap(st, "%s%s", prefix, wanted[w].name);
}

static sb_status read_header(sbi_source *s, uint64_t *n_entries)
{
    uint64_t  magic, version, tensors;
    sb_status st;
    if ((st = sbi_source_uint(s, 4, &magic)) != SB_OK ||
        (st = sbi_source_uint(s, 4, &version)) != SB_OK)
        return st;
    if ((version & 0xFFFF) == 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "GGUF in big-endian order");
    if (version != 2 && version != 3)
        return sb_fail(SB_ERR_UNSUPPORTED, "GGUF version %llu; 2 and 3 are supported",
                       (unsigned long long)version);
    if ((st = sbi_source_uint(s, 8, &tensors)) != SB_OK ||
        (st = sbi_source_uint(s, 8, n_entries)) != SB_OK)
        return st;
    if (*n_entries > sbi_source_left(s) / MIN_ENTRY_BYTES)
        return sb_fail(SB_ERR_USAGE, "%llu keys, but the file has %llu bytes left",
                       (unsigned long long)*n_entries, (unsigned long long)sbi_source_left(s));
    return SB_OK;
}

static sb_status check_roles(const sbi_gguf_keys *k, uint32_t seen)
{
    for (int w = 0; w < WANTED; w++)
        if (wanted[w].key == KEY_ROLE && (seen >> w & 1u) != 0 &&
            (k->role[wanted[w].role] < 0 || k->role[wanted[w].role] >= k->tokens.n))
            return sb_fail(SB_ERR_USAGE, "%s%s: %lld; there are %lld tokens", prefix,
                           wanted[w].name, (long long)k->role[wanted[w].role],
                           (long long)k->tokens.n);
    return SB_OK;
}

sb_status sbi_tok_read_gguf(sbi_source *s, const char *pre, sb_tok *t)
{
    sbi_gguf_keys k       = {.add_bos = -1, .add_prefix = -1};
    sbi_bytes     key     = {0};
    uint64_t      entries = 0;
    uint32_t      seen    = 0;
    sb_status     st;
    for (int r = 0; r < SB_TOK_ROLE_COUNT; r++)
        k.role[r] = -1;
    st = read_header(s, &entries);
    for (uint64_t i = 0; i < entries && st == SB_OK; i++)
        st = read_entry(s, &key, &k, &seen);
    if (st == SB_OK && k.tokens.at != NULL)
        st = check_roles(&k, seen);
    if (st == SB_OK)
        st = sbi_gguf_build(&k, pre, t);
    free(key.data);
    free(k.model.text.data);
    free(k.pre.text.data);
    free(k.tokens.text.data);
    free(k.tokens.at);
    free(k.merges.text.data);
    free(k.merges.at);
    free(k.types);
    free(k.scores);
    return st;
}
