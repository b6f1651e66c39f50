#include "workloads/base/tok.h"

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

static const sb_tok_ops counters[] = {
    {.name = "bytes", .sha256 = "", .count = count_bytes},
    {.name = "bytes/4", .sha256 = "", .count = count_quarter},
    {.name = "characters", .sha256 = "", .count = count_characters},
    {.name = "words", .sha256 = "", .count = count_words},
};

const sb_tok_ops *sb_tok_ops_find(const char *name)
{
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        if (strcmp(counters[i].name, name) == 0)
            return &counters[i];
    return NULL;
}
