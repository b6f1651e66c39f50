/* The tokenizer.ggml.* keys of a GGUF file [4, 5.1] -> vocabulary.
 *
 * Nothing is believed: every count and length is compared with the bytes that are left before
 * anything is allocated or skipped, so memory stays within a small multiple of the file's size.
 * Other keys are stepped over; tensors are not looked at. */
#include "workloads/tokenizer/gguf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workloads/tokenizer/utf8.h"
#include "workloads/tokenizer/vocab.h"

#define MAX_KEY_BYTES 65535
#define MIN_ENTRY_BYTES 13 /* key length, type, one byte of value; the key is not empty */

enum { U8, I8, U16, I16, U32, I32, F32, BOOL, STRING, ARRAY, U64, I64, F64, TYPES };
static const unsigned char type_bytes[TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };

/* A list of strings: one block of bytes, and where each starts. */
typedef struct strings {
    sbi_bytes text;
    uint64_t *at; /* n + 1 */
    int64_t   n;
} strings;

typedef struct vocab_keys {
    strings  model, pre, tokens, merges;
    int32_t *types;
    int64_t  n_types;
    int64_t  role[SB_TOK_ROLE_COUNT];
    int64_t  add_bos;
    uint32_t seen; /* a bit for each line of the table below */
} vocab_keys;

static uint64_t left(const sbi_source *s) { return s->size - s->at; }

static sb_status fill(sbi_source *s)
{
    size_t want =
        s->size - s->at < SBI_SOURCE_WINDOW ? (size_t)(s->size - s->at) : SBI_SOURCE_WINDOW;
    s->window_at = s->at;
    s->window_n  = 0;
    while (s->window_n < want) {
        ssize_t r =
            pread(s->fd, s->window + s->window_n, want - s->window_n, (off_t)(s->at + s->window_n));
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return sb_fail(SB_ERR_IO, "reading byte %llu: %s", (unsigned long long)s->at,
                           strerror(errno));
        if (r == 0)
            return sb_fail(SB_ERR_IO, "the file became shorter while it was read");
        s->window_n += (size_t)r;
    }
    return SB_OK;
}

static sb_status need(const sbi_source *s, uint64_t n)
{
    if (n <= left(s))
        return SB_OK;
    return sb_fail(SB_ERR_USAGE, "%llu bytes wanted at byte %llu, the file has %llu left",
                   (unsigned long long)n, (unsigned long long)s->at, (unsigned long long)left(s));
}

static sb_status take(sbi_source *s, void *to, size_t n)
{
    unsigned char *out = to;
    sb_status      st  = need(s, n);
    if (st != SB_OK)
        return st;
    if (s->mem != NULL) {
        if (n > 0)
            memcpy(out, s->mem + s->at, n);
        s->at += n;
        return SB_OK;
    }
    while (n > 0) {
        size_t have, off;
        if (s->at < s->window_at || s->at >= s->window_at + s->window_n)
            if ((st = fill(s)) != SB_OK)
                return st;
        off  = (size_t)(s->at - s->window_at);
        have = s->window_n - off < n ? s->window_n - off : n;
        memcpy(out, s->window + off, have);
        out += have;
        s->at += have;
        n -= have;
    }
    return SB_OK;
}

static sb_status skip(sbi_source *s, uint64_t n)
{
    sb_status st = need(s, n);
    if (st == SB_OK)
        s->at += n;
    return st;
}

/* A little-endian number of 1 to 8 bytes. */
static sb_status take_uint(sbi_source *s, size_t bytes, uint64_t *out)
{
    unsigned char raw[8] = {0};
    sb_status     st     = take(s, raw, bytes);
    *out                 = 0;
    for (size_t i = bytes; i-- > 0;)
        *out = *out << 8 | raw[i];
    return st;
}

static sb_status take_type(sbi_source *s, uint32_t *type)
{
    uint64_t  v;
    sb_status st = take_uint(s, 4, &v);
    if (st == SB_OK && v >= TYPES)
        st = sb_fail(SB_ERR_USAGE, "type %llu is unknown", (unsigned long long)v);
    *type = (uint32_t)v;
    return st;
}

/* Appends the string at hand to `to`. */
static sb_status take_string(sbi_source *s, uint64_t max, sbi_bytes *to)
{
    uint64_t  n;
    sb_status st = take_uint(s, 8, &n);
    if (st != SB_OK)
        return st;
    if (n > max)
        return sb_fail(SB_ERR_USAGE, "a string of %llu bytes; up to %llu are possible",
                       (unsigned long long)n, (unsigned long long)max);
    if (n == 0)
        return SB_OK;
    if ((st = need(s, n)) != SB_OK || (st = sbi_bytes_reserve(to, to->n + (size_t)n)) != SB_OK)
        return st;
    st = take(s, to->data + to->n, (size_t)n);
    if (st == SB_OK)
        to->n += (size_t)n;
    return st;
}

/* Type and count of an array, which must fit in the file. */
static sb_status take_array(sbi_source *s, uint32_t *type, uint64_t *n)
{
    sb_status st = take_type(s, type);
    if (st == SB_OK)
        st = take_uint(s, 8, n);
    if (st != SB_OK)
        return st;
    if (*type == ARRAY)
        return sb_fail(SB_ERR_USAGE, "an array of arrays");
    if (*n > left(s) / (*type == STRING ? 8 : type_bytes[*type]))
        return sb_fail(SB_ERR_USAGE, "an array of %llu, but the file has %llu bytes left",
                       (unsigned long long)*n, (unsigned long long)left(s));
    return SB_OK;
}

static sb_status skip_string(sbi_source *s)
{
    uint64_t  n;
    sb_status st = take_uint(s, 8, &n);
    return st == SB_OK ? skip(s, n) : st;
}

static sb_status skip_value(sbi_source *s, uint32_t type)
{
    uint64_t  n;
    sb_status st;
    if (type == STRING)
        return skip_string(s);
    if (type != ARRAY)
        return skip(s, type_bytes[type]);
    if ((st = take_array(s, &type, &n)) != SB_OK)
        return st;
    if (type != STRING)
        return skip(s, n * type_bytes[type]); /* n fits, take_array looked */
    for (uint64_t i = 0; i < n && st == SB_OK; i++)
        st = skip_string(s);
    return st;
}

/* ---- the keys that are read ---- */

static sb_status read_strings(sbi_source *s, uint32_t type, strings *out)
{
    uint64_t  n = 0;
    sb_status st;
    if (type != ARRAY)
        return sb_fail(SB_ERR_USAGE, "a list of strings is wanted");
    if ((st = take_array(s, &type, &n)) != SB_OK)
        return st;
    if (type != STRING)
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
        if ((st = take_string(s, 2 * SBI_TOK_MAX_TOKEN_BYTES, &out->text)) != SB_OK)
            return sb_wrap(st, "[%llu]", (unsigned long long)i);
    }
    out->at[n] = out->text.n;
    return SB_OK;
}

static sb_status read_string(sbi_source *s, uint32_t type, strings *out)
{
    if (type != STRING)
        return sb_fail(SB_ERR_USAGE, "a string is wanted");
    return take_string(s, MAX_KEY_BYTES, &out->text);
}

/* Any integer type; bool counts as 0 and 1. */
static sb_status read_int(sbi_source *s, uint32_t type, int64_t *out)
{
    uint64_t  v;
    size_t    n = type_bytes[type];
    sb_status st;
    if (type == F32 || type == F64 || n == 0)
        return sb_fail(SB_ERR_USAGE, "an integer is wanted");
    if ((st = take_uint(s, n, &v)) != SB_OK)
        return st;
    if ((type == I8 || type == I16 || type == I32) && (v >> (8 * n - 1)) != 0)
        v |= UINT64_MAX << (8 * n);
    if (type == U64 && v > INT64_MAX)
        return sb_fail(SB_ERR_USAGE, "%llu is out of range", (unsigned long long)v);
    *out = (int64_t)v;
    return SB_OK;
}

static sb_status read_types(sbi_source *s, uint32_t type, vocab_keys *k)
{
    uint64_t  n  = 0;
    sb_status st = SB_OK;
    if (type != ARRAY)
        return sb_fail(SB_ERR_USAGE, "a list of integers is wanted");
    if ((st = take_array(s, &type, &n)) != SB_OK)
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
        if (v < NORMAL || v > UNUSED)
            return sb_fail(v == BYTE ? SB_ERR_UNSUPPORTED : SB_ERR_USAGE,
                           "[%llu]: type %lld; 1 to 5 are possible in a byte-level vocabulary",
                           (unsigned long long)i, (long long)v);
        k->types[i] = (int32_t)v;
    }
    return SB_OK;
}

enum { KEY_MODEL, KEY_PRE, KEY_TOKENS, KEY_MERGES, KEY_TYPES, KEY_ADD_BOS, KEY_ADD_EOS, KEY_ROLE };
static const struct {
    const char *name;
    int         key, role;
} wanted[] = {{"model", KEY_MODEL, 0},
              {"pre", KEY_PRE, 0},
              {"tokens", KEY_TOKENS, 0},
              {"merges", KEY_MERGES, 0},
              {"token_type", KEY_TYPES, 0},
              {"add_bos_token", KEY_ADD_BOS, 0},
              {"bos_token_id", KEY_ROLE, SB_TOK_ROLE_BOS},
              {"eos_token_id", KEY_ROLE, SB_TOK_ROLE_EOS},
              {"eot_token_id", KEY_ROLE, SB_TOK_ROLE_EOT},
              {"unknown_token_id", KEY_ROLE, SB_TOK_ROLE_UNK},
              {"padding_token_id", KEY_ROLE, SB_TOK_ROLE_PAD}};
#define WANTED ((int)(sizeof wanted / sizeof wanted[0]))
static const char prefix[] = "tokenizer.ggml.";

static sb_status read_value(sbi_source *s, int w, uint32_t type, vocab_keys *k)
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
    case KEY_ADD_BOS:
        return read_int(s, type, &k->add_bos);
    default:
        return read_int(s, type, &k->role[wanted[w].role]);
    }
}

static sb_status read_entry(sbi_source *s, sbi_bytes *key, vocab_keys *k)
{
    uint32_t  type = 0;
    size_t    p    = sizeof prefix - 1;
    int       w    = WANTED;
    sb_status st;
    key->n = 0;
    if ((st = take_string(s, MAX_KEY_BYTES, key)) != SB_OK)
        return st;
    if (key->n == 0)
        return sb_fail(SB_ERR_USAGE, "an empty key");
    if (key->n > p && memcmp(key->data, prefix, p) == 0)
        for (w = 0; w < WANTED; w++)
            if (strlen(wanted[w].name) == key->n - p &&
                memcmp(key->data + p, wanted[w].name, key->n - p) == 0)
                break;
    st = take_type(s, &type);
    if (w == WANTED) {
        char word[SBI_TOK_QUOTE];
        if (st == SB_OK)
            st = skip_value(s, type);
        return st == SB_OK
                   ? st
                   : sb_wrap(st, "key %s", sbi_tok_quote((const char *)key->data, key->n, word));
    }
    if (st == SB_OK && (k->seen >> w & 1u) != 0)
        st = sb_fail(SB_ERR_USAGE, "the key stands there twice");
    k->seen |= 1u << w;
    if (st == SB_OK)
        st = read_value(s, w, type, k);
    return st == SB_OK ? st : sb_wrap(st, "%s%s", prefix, wanted[w].name);
}

static sb_status read_header(sbi_source *s, uint64_t *n_entries)
{
    uint64_t  magic, version, tensors;
    sb_status st;
    if ((st = take_uint(s, 4, &magic)) != SB_OK || (st = take_uint(s, 4, &version)) != SB_OK)
        return st;
    if ((version & 0xFFFF) == 0)
        return sb_fail(SB_ERR_UNSUPPORTED, "GGUF in big-endian order");
    if (version != 2 && version != 3)
        return sb_fail(SB_ERR_UNSUPPORTED, "GGUF version %llu; 2 and 3 are supported",
                       (unsigned long long)version);
    if ((st = take_uint(s, 8, &tensors)) != SB_OK || (st = take_uint(s, 8, n_entries)) != SB_OK)
        return st;
    if (*n_entries > left(s) / MIN_ENTRY_BYTES)
        return sb_fail(SB_ERR_USAGE, "%llu keys, but the file has %llu bytes left",
                       (unsigned long long)*n_entries, (unsigned long long)left(s));
    return SB_OK;
}

/* ---- from the keys to a vocabulary ---- */

static int is_word(const strings *s, const char *word)
{
    return s->text.n == strlen(word) && memcmp(s->text.data, word, s->text.n) == 0;
}

static sb_status choose_split(const vocab_keys *k, const char *pre, const sbi_split **out)
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

static sb_status check_keys(const vocab_keys *k)
{
    char word[SBI_TOK_QUOTE];
    if (k->model.text.n == 0)
        return sb_fail(SB_ERR_USAGE, "tokenizer.ggml.model is missing: no vocabulary in this file");
    if (!is_word(&k->model, "gpt2"))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "tokenizer.ggml.model: %s; supported is \"gpt2\" (byte-level BPE)",
                       sbi_tok_quote((const char *)k->model.text.data, k->model.text.n, word));
    if (k->tokens.at == NULL || k->merges.at == NULL || k->types == NULL)
        return sb_fail(SB_ERR_USAGE, "%s%s is missing", prefix,
                       k->tokens.at == NULL   ? "tokens"
                       : k->merges.at == NULL ? "merges"
                                              : "token_type");
    if (k->n_types != k->tokens.n)
        return sb_fail(SB_ERR_USAGE, "tokenizer.ggml.token_type: %lld types for %lld tokens",
                       (long long)k->n_types, (long long)k->tokens.n);
    for (int w = 0; w < WANTED; w++)
        if (wanted[w].key == KEY_ROLE && (k->seen >> w & 1u) != 0 &&
            (k->role[wanted[w].role] < 0 || k->role[wanted[w].role] >= k->tokens.n))
            return sb_fail(SB_ERR_USAGE, "%s%s: %lld; there are %lld tokens", prefix,
                           wanted[w].name, (long long)k->role[wanted[w].role],
                           (long long)k->tokens.n);
    return SB_OK;
}

static const char *string_at(const strings *s, int64_t i, size_t *n)
{
    *n = (size_t)(s->at[i + 1] - s->at[i]);
    return *n > 0 ? (const char *)s->text.data + s->at[i] : "";
}

static sb_status set_tokens(const vocab_keys *k, sb_tok *t)
{
    int64_t       n     = k->tokens.n;
    sbi_tok_text *texts = calloc(n > 0 ? (size_t)n : 1, sizeof *texts);
    sb_status     st;
    if (texts == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %lld tokens", (long long)n);
    for (int64_t i = 0; i < n; i++) {
        texts[i].text    = string_at(&k->tokens, i, &texts[i].n);
        texts[i].content = k->types[i] == UNUSED;
    }
    st = sbi_tok_set_tokens(t, texts, n);
    free(texts);
    return st == SB_OK ? st : sb_wrap(st, "tokenizer.ggml.tokens");
}

static sb_status add_merges(const vocab_keys *k, sb_tok *t)
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
static sb_status add_added(const vocab_keys *k, sb_tok *t)
{
    int64_t   n  = 0;
    sb_status st = SB_OK;
    for (int64_t i = 0; i < k->n_types; i++)
        n += k->types[i] >= UNKNOWN && k->types[i] <= USER_DEFINED;
    st = sbi_tok_reserve_added(t, n);
    for (int64_t i = 0; i < k->n_types && st == SB_OK; i++) {
        size_t      bytes;
        const char *s  = string_at(&k->tokens, i, &bytes);
        sbi_added   to = {.id = (int32_t)i, .special = k->types[i] != USER_DEFINED};
        if (k->types[i] < UNKNOWN || k->types[i] > USER_DEFINED)
            continue;
        if ((st = sbi_tok_add_added(t, s, bytes, &to)) != SB_OK)
            return sb_wrap(st, "tokenizer.ggml.tokens[%lld]", (long long)i);
    }
    return st;
}

static sb_status build(const vocab_keys *k, const char *pre, sb_tok *t)
{
    const sbi_split *split = NULL;
    sb_status        st;
    if ((st = check_keys(k)) != SB_OK || (st = choose_split(k, pre, &split)) != SB_OK ||
        (st = set_tokens(k, t)) != SB_OK || (st = add_merges(k, t)) != SB_OK ||
        (st = add_added(k, t)) != SB_OK)
        return st;
    for (int r = 0; r < SB_TOK_ROLE_COUNT; r++)
        t->role[r] = (int32_t)k->role[r];
    t->nfc           = split->gguf_nfc;
    t->ignore_merges = split->gguf_ignore_merges;
    t->adds_bos      = k->add_bos < 0 ? split->gguf_adds_bos : k->add_bos != 0;
    if (t->adds_bos && t->role[SB_TOK_ROLE_BOS] < 0)
        return sb_fail(SB_ERR_USAGE, "tokenizer.ggml.bos_token_id is missing, and a BOS is to be "
                                     "added");
    st = sbi_tok_finish(t, split);
    return st == SB_OK ? st : sb_wrap(st, "tokenizer.ggml.tokens");
}

sb_status sbi_tok_read_gguf(sbi_source *s, const char *pre, sb_tok *t)
{
    vocab_keys k       = {.add_bos = -1};
    sbi_bytes  key     = {0};
    uint64_t   entries = 0;
    sb_status  st;
    for (int r = 0; r < SB_TOK_ROLE_COUNT; r++)
        k.role[r] = -1;
    st = read_header(s, &entries);
    for (uint64_t i = 0; i < entries && st == SB_OK; i++)
        st = read_entry(s, &key, &k);
    if (st == SB_OK)
        st = build(&k, pre, t);
    free(key.data);
    free(k.model.text.data);
    free(k.pre.text.data);
    free(k.tokens.text.data);
    free(k.tokens.at);
    free(k.merges.text.data);
    free(k.merges.at);
    free(k.types);
    return st;
}
