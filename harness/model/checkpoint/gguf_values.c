/* Values of GGUF keys as numbers and text. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "harness/model/checkpoint/gguf.h"

static sb_status need_key(const sb_gguf *g, const char *key, const sb_gguf_key **out)
{
    *out = sb_gguf_find_key(g, key);
    return *out != NULL ? SB_OK : sb_fail(SB_ERR_USAGE, "%s: key `%s` is missing", g->path, key);
}

static uint64_t number(const unsigned char *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes; i-- > 0;)
        v = v << 8 | p[i];
    return v;
}

/* Bytes of an integer type and whether it has a sign; 0: none. */
static int int_bytes(sb_gguf_type t, int *sign)
{
    *sign = t == SB_GGUF_I8 || t == SB_GGUF_I16 || t == SB_GGUF_I32 || t == SB_GGUF_I64;
    switch (t) {
    case SB_GGUF_U8:
    case SB_GGUF_I8:
    case SB_GGUF_BOOL:
        return 1;
    case SB_GGUF_U16:
    case SB_GGUF_I16:
        return 2;
    case SB_GGUF_U32:
    case SB_GGUF_I32:
        return 4;
    case SB_GGUF_U64:
    case SB_GGUF_I64:
        return 8;
    default:
        return 0;
    }
}

sb_status sb_gguf_int(const sb_gguf *g, const char *key, int64_t lo, int64_t hi, int64_t *out)
{
    const sb_gguf_key *k;
    sb_status          st = need_key(g, key, &k);
    if (st != SB_OK)
        return st;
    int      sign, n = int_bytes(k->type == SB_GGUF_ARRAY ? k->item : k->type, &sign);
    uint64_t items = k->n;
    if (n == 0 || items == 0)
        return sb_fail(SB_ERR_USAGE,
                       "%s: key `%s`: found no integer, allowed one in %" PRId64 " to %" PRId64,
                       g->path, key, lo, hi);
    uint64_t u = number(k->at, n);
    for (uint64_t i = 1; i < items; i++)
        if (number(k->at + i * (uint64_t)n, n) != u)
            return sb_fail(SB_ERR_UNSUPPORTED,
                           "%s: key `%s`: found different values per layer, allowed equal ones",
                           g->path, key);
    if (sign && n < 8 && u >> (8 * n - 1) != 0)
        u |= UINT64_MAX << 8 * n;
    int64_t v = (int64_t)u;
    if ((!sign && u > INT64_MAX) || v < lo || v > hi)
        return sb_fail(SB_ERR_USAGE,
                       "%s: key `%s`: found %s%" PRIu64 ", allowed %" PRId64 " to %" PRId64,
                       g->path, key, sign && v < 0 ? "-" : "", sign && v < 0 ? 0 - u : u, lo, hi);
    *out = v;
    return SB_OK;
}

sb_status sb_gguf_real(const sb_gguf *g, const char *key, double *out)
{
    const sb_gguf_key *k;
    sb_status          st = need_key(g, key, &k);
    if (st != SB_OK)
        return st;
    if (k->type == SB_GGUF_F64) {
        memcpy(out, k->at, sizeof *out);
        return SB_OK;
    }
    if (k->type == SB_GGUF_F32) {
        float f;
        memcpy(&f, k->at, sizeof f);
        *out = (double)f;
        return SB_OK;
    }
    return sb_fail(SB_ERR_USAGE, "%s: key `%s`: found no real number, allowed one", g->path, key);
}

sb_status sb_gguf_text(const sb_gguf *g, const char *key, char **out)
{
    const sb_gguf_key *k;
    sb_status          st = need_key(g, key, &k);
    if (st != SB_OK)
        return st;
    if (k->type != SB_GGUF_STRING || (k->n > 0 && memchr(k->at, 0, k->n) != NULL))
        return sb_fail(SB_ERR_USAGE, "%s: key `%s`: found no text, allowed one without NUL",
                       g->path, key);
    char *text = malloc(k->n + 1);
    if (text == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: key `%s`: no memory for %" PRIu64 " bytes", g->path, key,
                       k->n);
    memcpy(text, k->at, k->n);
    text[k->n] = '\0';
    *out       = text;
    return SB_OK;
}
