#include "workloads/base/tok.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"

static sb_status count_bytes(void *ctx, const char *text, int64_t n_bytes, int64_t *n_tokens)
{
    (void)ctx;
    (void)text;
    *n_tokens = n_bytes;
    return SB_OK;
}

static sb_status count_quarter(void *ctx, const char *text, int64_t n_bytes, int64_t *n_tokens)
{
    (void)ctx;
    (void)text;
    *n_tokens = (n_bytes + 3) / 4;
    return SB_OK;
}

static sb_status count_characters(void *ctx, const char *text, int64_t n_bytes, int64_t *n_tokens)
{
    (void)ctx;
    *n_tokens = sbi_utf8_count(text, n_bytes);
    return SB_OK;
}

static sb_status count_words(void *ctx, const char *text, int64_t n_bytes, int64_t *n_tokens)
{
    int64_t n      = 0;
    int     inside = 0;
    (void)ctx;
    for (int64_t i = 0; i < n_bytes;) {
        int space = sbi_py_isspace(sbi_py_next(text, &i));
        n += !space && !inside;
        inside = !space;
    }
    *n_tokens = n;
    return SB_OK;
}

static sb_status encode_characters(void *ctx, const char *text, int64_t n_bytes, int32_t **ids,
                                   int64_t *n)
{
    int64_t  count = sbi_utf8_count(text, n_bytes), at = 0;
    int32_t *v = malloc((size_t)(count + 1) * sizeof *v);
    (void)ctx;
    if (v == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %" PRId64 " ids", count);
    for (int64_t i = 0; i < count; i++)
        v[i] = (int32_t)sbi_py_next(text, &at);
    *ids = v;
    *n   = count;
    return SB_OK;
}

static void put_character(sbi_text *t, uint32_t c)
{
    char s[4];
    if (c < 0x80) {
        sbi_text_putc(t, (char)c);
        return;
    }
    if (c < 0x800) {
        s[0] = (char)(0xc0 | c >> 6);
        s[1] = (char)(0x80 | (c & 0x3f));
        sbi_text_put(t, s, 2);
        return;
    }
    s[0] = (char)(c < 0x10000 ? 0xe0 | c >> 12 : 0xf0 | c >> 18);
    s[1] = (char)(0x80 | (c < 0x10000 ? c >> 6 & 0x3f : c >> 12 & 0x3f));
    s[2] = (char)(0x80 | (c < 0x10000 ? c & 0x3f : c >> 6 & 0x3f));
    s[3] = (char)(0x80 | (c & 0x3f));
    sbi_text_put(t, s, c < 0x10000 ? 3 : 4);
}

static sb_status decode_characters(void *ctx, const int32_t *ids, int64_t n, char **out,
                                   int64_t *out_bytes)
{
    sbi_text  t = {0};
    sb_status st;
    (void)ctx;
    sbi_text_put(&t, "", 0);
    for (int64_t i = 0; i < n; i++)
        put_character(&t, (uint32_t)ids[i]);
    if ((st = sbi_text_status(&t)) == SB_OK) {
        *out_bytes = t.n;
        *out       = t.p != NULL ? sbi_text_take(&t) : strdup("");
        if (*out == NULL)
            st = sb_fail(SB_ERR_NOMEM, "no memory for a text");
    }
    sbi_text_fini(&t);
    return st;
}

static const sb_tok_ops counters[] = {
    {.name = "bytes", .sha256 = "", .count = count_bytes},
    {.name = "bytes/4", .sha256 = "", .count = count_quarter},
    {.name   = "characters",
     .sha256 = "",
     .count  = count_characters,
     .encode = encode_characters,
     .decode = decode_characters},
    {.name = "words", .sha256 = "", .count = count_words},
};

const sb_tok_ops *sb_tok_ops_find(const char *name)
{
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        if (strcmp(counters[i].name, name) == 0)
            return &counters[i];
    return NULL;
}
