#include "harness/model/checkpoint/cursor.h"

#include <inttypes.h>
#include <stdio.h>

static sb_status need(const sbi_cursor *c, uint64_t n)
{
    if (n <= sbi_left(c))
        return SB_OK;
    return sb_fail(SB_ERR_USAGE,
                   "%" PRIu64 " bytes wanted at byte %" PRIu64 ", the file has %" PRIu64
                   " left: is it cut short?",
                   n, c->at, sbi_left(c));
}

sb_status sbi_cursor_skip(sbi_cursor *c, uint64_t n)
{
    sb_status st = need(c, n);
    if (st == SB_OK)
        c->at += n;
    return st;
}

sb_status sbi_cursor_uint(sbi_cursor *c, int bytes, uint64_t *out)
{
    sb_status st = need(c, (uint64_t)bytes);
    uint64_t  v  = 0;
    if (st != SB_OK)
        return st;
    for (int i = bytes; i-- > 0;)
        v = v << 8 | c->bytes[c->at + (uint64_t)i];
    c->at += (uint64_t)bytes;
    *out = v;
    return SB_OK;
}

sb_status sbi_cursor_text(sbi_cursor *c, const char **text, uint64_t *n)
{
    uint64_t  len;
    sb_status st = sbi_cursor_uint(c, 8, &len);
    if (st != SB_OK || (st = need(c, len)) != SB_OK)
        return st;
    *text = (const char *)(c->bytes + c->at);
    *n    = len;
    c->at += len;
    return SB_OK;
}

const char *sbi_quote(const char *text, uint64_t n, char buf[SBI_QUOTE_BYTES])
{
    size_t to = 0;
    for (uint64_t i = 0; i < n; i++) {
        unsigned char s = (unsigned char)text[i];
        if (to >= SBI_QUOTE_BYTES - 12) {
            (void)snprintf(buf + to, SBI_QUOTE_BYTES - to, "...");
            return buf;
        }
        if (s >= 0x20 && s < 0x7f)
            buf[to++] = (char)s;
        else
            to += (size_t)snprintf(buf + to, SBI_QUOTE_BYTES - to, "\\x%02x", s);
    }
    buf[to] = '\0';
    return buf;
}
