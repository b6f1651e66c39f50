#include "workloads/tokenizer/utf8.h"

#include <stdlib.h>
#include <string.h>

static size_t char_bytes(unsigned char lead)
{
    return lead < 0x80   ? 1
           : lead < 0xC2 ? 0
           : lead < 0xE0 ? 2
           : lead < 0xF0 ? 3
           : lead < 0xF5 ? 4
                         : 0;
}

sbi_utf8_kind sbi_utf8_next(const unsigned char *s, size_t n, size_t *bytes)
{
    size_t        want = char_bytes(s[0]);
    unsigned char low = 0x80, high = 0xBF; /* what the second byte may be */
    *bytes = 1;
    if (want == 1)
        return SBI_UTF8_CHAR;
    if (want == 0)
        return SBI_UTF8_BAD;
    if (s[0] == 0xE0)
        low = 0xA0; /* shorter forms exist */
    else if (s[0] == 0xED)
        high = 0x9F; /* surrogates */
    else if (s[0] == 0xF0)
        low = 0x90;
    else if (s[0] == 0xF4)
        high = 0x8F; /* past U+10FFFF */
    for (size_t i = 1; i < want; i++, low = 0x80, high = 0xBF) {
        if (i == n)
            return SBI_UTF8_PARTIAL;
        if (s[i] < low || s[i] > high)
            return SBI_UTF8_BAD;
        *bytes = i + 1;
    }
    return SBI_UTF8_CHAR;
}

size_t sbi_utf8_valid(const unsigned char *s, size_t n)
{
    size_t at = 0, bytes;
    while (at < n) {
        uint64_t eight;
        while (n - at >= sizeof eight) { /* ASCII, eight bytes a step */
            memcpy(&eight, s + at, sizeof eight);
            if ((eight & UINT64_C(0x8080808080808080)) != 0)
                break;
            at += sizeof eight;
        }
        if (at == n || sbi_utf8_next(s + at, n - at, &bytes) != SBI_UTF8_CHAR)
            break;
        at += bytes;
    }
    return at;
}

int32_t sbi_utf8_code(const unsigned char *s)
{
    switch (char_bytes(s[0])) {
    case 1:
        return s[0];
    case 2:
        return (s[0] & 31) << 6 | (s[1] & 63);
    case 3:
        return (s[0] & 15) << 12 | (s[1] & 63) << 6 | (s[2] & 63);
    default:
        return (s[0] & 7) << 18 | (s[1] & 63) << 12 | (s[2] & 63) << 6 | (s[3] & 63);
    }
}

int32_t sbi_utf8_before(const unsigned char *s, size_t at)
{
    size_t back = 0, bytes;
    while (back < 4 && back < at) {
        back++;
        if ((s[at - back] & 0xC0) != 0x80)
            break;
    }
    if (back == 0 || sbi_utf8_next(s + at - back, back, &bytes) != SBI_UTF8_CHAR || bytes != back)
        return -1;
    return sbi_utf8_code(s + at - back);
}

size_t sbi_utf8_replace(const unsigned char *s, size_t n, int each, unsigned char *out)
{
    size_t at = 0, w = 0;
    while (at < n) {
        size_t good = sbi_utf8_valid(s + at, n - at), bad;
        memcpy(out + w, s + at, good);
        at += good;
        w += good;
        if (at == n)
            break;
        (void)sbi_utf8_next(s + at, n - at, &bad);
        out[w++] = 0xEF; /* U+FFFD */
        out[w++] = 0xBF;
        out[w++] = 0xBD;
        at += each ? 1 : bad;
    }
    return w;
}

sb_status sbi_bytes_reserve(sbi_bytes *b, size_t n)
{
    size_t         want = b->capacity < 64 ? 64 : b->capacity;
    unsigned char *more;
    if (n <= b->capacity)
        return SB_OK;
    while (want < n)
        want = want > SIZE_MAX / 2 ? n : 2 * want;
    more = realloc(b->data, want);
    if (more == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %zu bytes of text", want);
    b->data     = more;
    b->capacity = want;
    return SB_OK;
}

sb_status sbi_bytes_put(sbi_bytes *b, const void *data, size_t n)
{
    sb_status st = SB_OK;
    if (n > SIZE_MAX - b->n)
        return sb_fail(SB_ERR_NOMEM, "no memory for a text of more than %zu bytes", SIZE_MAX);
    if ((st = sbi_bytes_reserve(b, b->n + n)) != SB_OK || n == 0)
        return st;
    memcpy(b->data + b->n, data, n);
    b->n += n;
    return SB_OK;
}
