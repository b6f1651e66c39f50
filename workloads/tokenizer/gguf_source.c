/* Bounded reading of a GGUF file: nothing is taken or skipped that is not there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workloads/tokenizer/gguf.h"

const unsigned char sbi_gguf_type_bytes[SBI_GGUF_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

uint64_t sbi_source_left(const sbi_source *s) { return s->size - s->at; }

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
    if (n <= sbi_source_left(s))
        return SB_OK;
    return sb_fail(SB_ERR_USAGE, "%llu bytes wanted at byte %llu, the file has %llu left",
                   (unsigned long long)n, (unsigned long long)s->at,
                   (unsigned long long)sbi_source_left(s));
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

sb_status sbi_source_uint(sbi_source *s, size_t bytes, uint64_t *out)
{
    unsigned char raw[8] = {0};
    sb_status     st     = take(s, raw, bytes);
    *out                 = 0;
    for (size_t i = bytes; i-- > 0;)
        *out = *out << 8 | raw[i];
    return st;
}

sb_status sbi_source_type(sbi_source *s, uint32_t *type)
{
    uint64_t  v;
    sb_status st = sbi_source_uint(s, 4, &v);
    if (st == SB_OK && v >= SBI_GGUF_TYPES)
        st = sb_fail(SB_ERR_USAGE, "type %llu is unknown", (unsigned long long)v);
    *type = (uint32_t)v;
    return st;
}

sb_status sbi_source_string(sbi_source *s, uint64_t max, sbi_bytes *to)
{
    uint64_t  n;
    sb_status st = sbi_source_uint(s, 8, &n);
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

sb_status sbi_source_array(sbi_source *s, uint32_t *type, uint64_t *n)
{
    sb_status st = sbi_source_type(s, type);
    if (st == SB_OK)
        st = sbi_source_uint(s, 8, n);
    if (st != SB_OK)
        return st;
    if (*type == SBI_GGUF_ARRAY)
        return sb_fail(SB_ERR_USAGE, "an array of arrays");
    if (*n > sbi_source_left(s) / (*type == SBI_GGUF_STRING ? 8 : sbi_gguf_type_bytes[*type]))
        return sb_fail(SB_ERR_USAGE, "an array of %llu, but the file has %llu bytes left",
                       (unsigned long long)*n, (unsigned long long)sbi_source_left(s));
    return SB_OK;
}

static sb_status skip_string(sbi_source *s)
{
    uint64_t  n;
    sb_status st = sbi_source_uint(s, 8, &n);
    return st == SB_OK ? skip(s, n) : st;
}

sb_status sbi_source_skip(sbi_source *s, uint32_t type)
{
    uint64_t  n;
    sb_status st;
    if (type == SBI_GGUF_STRING)
        return skip_string(s);
    if (type != SBI_GGUF_ARRAY)
        return skip(s, sbi_gguf_type_bytes[type]);
    if ((st = sbi_source_array(s, &type, &n)) != SB_OK)
        return st;
    if (type != SBI_GGUF_STRING)
        return skip(s, n * sbi_gguf_type_bytes[type]); /* n fits, take_array looked */
    for (uint64_t i = 0; i < n && st == SB_OK; i++)
        st = skip_string(s);
    return st;
}
