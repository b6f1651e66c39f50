/* The tables of unicode_ranges.h hold what Python says of each code point; only two lower-case
 * rules need more than a table: U+0130 becomes two code points, and a capital sigma that ends a
 * word becomes a final one. */
#include "workloads/base/pytext.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/unicode_ranges.h"

void sbi_text_fini(sbi_text *t)
{
    free(t->p);
    *t = (sbi_text){0};
}

void sbi_text_reset(sbi_text *t)
{
    t->n = 0;
    if (t->p != NULL)
        t->p[0] = '\0';
}

static int reserve(sbi_text *t, int64_t more)
{
    char   *p;
    int64_t cap = t->cap != 0 ? t->cap : 64;
    if (t->failed || t->n + more < t->cap)
        return !t->failed;
    while (cap <= t->n + more)
        cap *= 2;
    p = realloc(t->p, (size_t)cap);
    if (p == NULL) {
        t->failed = 1;
        return 0;
    }
    t->p   = p;
    t->cap = cap;
    return 1;
}

void sbi_text_put(sbi_text *t, const char *s, int64_t n_bytes)
{
    if (!reserve(t, n_bytes))
        return;
    if (n_bytes > 0)
        memcpy(t->p + t->n, s, (size_t)n_bytes);
    t->n += n_bytes;
    t->p[t->n] = '\0';
}

void sbi_text_puts(sbi_text *t, const char *s) { sbi_text_put(t, s, (int64_t)strlen(s)); }

void sbi_text_putc(sbi_text *t, char c) { sbi_text_put(t, &c, 1); }

void sbi_text_put_i64(sbi_text *t, int64_t v)
{
    char buf[24];
    int  n = snprintf(buf, sizeof buf, "%" PRId64, v);
    sbi_text_put(t, buf, n);
}

const char *sbi_text_str(const sbi_text *t) { return t->p != NULL ? t->p : ""; }

sb_status sbi_text_status(const sbi_text *t)
{
    return t->failed ? sb_fail(SB_ERR_NOMEM, "no memory for a text beyond %" PRId64 " bytes", t->n)
                     : SB_OK;
}

char *sbi_text_take(sbi_text *t)
{
    char *p = t->p;
    sbi_text_put(t, "", 0); /* an empty text is a string too */
    p = t->p;
    if (t->failed) {
        sbi_text_fini(t);
        return NULL;
    }
    *t = (sbi_text){0};
    return p;
}

uint32_t sbi_py_next(const char *s, int64_t *at)
{
    const unsigned char *u = (const unsigned char *)s + *at;
    if (u[0] < 0x80) {
        *at += 1;
        return u[0];
    }
    if (u[0] < 0xe0) {
        *at += 2;
        return (u[0] & 0x1fu) << 6 | (u[1] & 0x3fu);
    }
    if (u[0] < 0xf0) {
        *at += 3;
        return (u[0] & 0x0fu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);
    }
    *at += 4;
    return (u[0] & 0x07u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);
}

static int is_continuation(unsigned char c) { return (c & 0xc0) == 0x80; }

/* Bytes of the sequence that starts at u, 0 when it is none. */
static int64_t sequence(const unsigned char *u, int64_t n)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int64_t               want, at = 0;
    uint32_t              c;
    if (u[0] < 0x80)
        return 1;
    want = u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : u[0] < 0xf5 ? 4 : 0;
    if (want == 0 || want > n)
        return 0;
    for (int64_t i = 1; i < want; i++)
        if (!is_continuation(u[i]))
            return 0;
    c = sbi_py_next((const char *)u, &at);
    return c < least[want] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : want;
}

int64_t sbi_utf8_check(const char *s, int64_t n_bytes)
{
    for (int64_t i = 0; i < n_bytes;) {
        int64_t step = sequence((const unsigned char *)s + i, n_bytes - i);
        if (step == 0)
            return i;
        i += step;
    }
    return -1;
}

int64_t sbi_utf8_count(const char *s, int64_t n_bytes)
{
    int64_t n = 0;
    for (int64_t i = 0; i < n_bytes; i++)
        n += !is_continuation((unsigned char)s[i]);
    return n;
}

int64_t sbi_utf8_prefix(const char *s, int64_t n_bytes, int64_t n_points)
{
    int64_t i = 0;
    for (; i < n_bytes; i++)
        if (!is_continuation((unsigned char)s[i]) && n_points-- == 0)
            break;
    return i;
}

int sbi_py_isspace(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 ||
           c == 0x1680 || (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
           c == 0x202f || c == 0x205f || c == 0x3000;
}

static const unicode_range *range_of(const unicode_range *table, size_t n, uint32_t c)
{
    size_t low = 0, high = n; /* ranges do not overlap */
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (table[mid].first <= c)
            low = mid + 1;
        else
            high = mid;
    }
    if (low == 0 || c > table[low - 1].last ||
        (c - table[low - 1].first) % table[low - 1].step != 0)
        return NULL;
    return &table[low - 1];
}

#define RANGE_OF(table, c) range_of(table, sizeof table / sizeof *table, c)

int sbi_py_isdigit(uint32_t c) { return RANGE_OF(digit_ranges, c) != NULL; }
int sbi_py_isalpha(uint32_t c) { return RANGE_OF(alpha_ranges, c) != NULL; }
int sbi_py_isupper(uint32_t c) { return RANGE_OF(upper_ranges, c) != NULL; }
int sbi_py_islower(uint32_t c) { return RANGE_OF(islower_ranges, c) != NULL; }

/* The code point that ends before s[at]. */
static uint32_t utf8_before(const char *s, int64_t *at)
{
    int64_t back = *at - 1, p;
    while (is_continuation((unsigned char)s[back]))
        back--;
    *at = p = back;
    return sbi_py_next(s, &p);
}

void sbi_py_strip(const char *s, int64_t *begin, int64_t *end)
{
    while (*begin < *end) {
        int64_t at = *begin;
        if (!sbi_py_isspace(sbi_py_next(s, &at)))
            break;
        *begin = at;
    }
    while (*begin < *end) {
        int64_t at = *end;
        if (!sbi_py_isspace(utf8_before(s, &at)))
            break;
        *end = at;
    }
}

static void put_point(sbi_text *out, uint32_t c)
{
    char buf[4];
    int  n = 0;
    if (c < 0x80) {
        buf[n++] = (char)c;
    } else if (c < 0x800) {
        buf[n++] = (char)(0xc0 | c >> 6);
    } else if (c < 0x10000) {
        buf[n++] = (char)(0xe0 | c >> 12);
        buf[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    } else {
        buf[n++] = (char)(0xf0 | c >> 18);
        buf[n++] = (char)(0x80 | (c >> 12 & 0x3f));
        buf[n++] = (char)(0x80 | (c >> 6 & 0x3f));
    }
    if (c >= 0x80)
        buf[n++] = (char)(0x80 | (c & 0x3f));
    sbi_text_put(out, buf, n);
}

/* The sigma at [at, behind) ends a word: a letter stands before it and none behind it, looking past
 * marks. */
static int sigma_is_final(const char *s, int64_t n_bytes, int64_t at, int64_t behind)
{
    uint32_t c     = 0;
    int      found = 0;
    while (at > 0 && !found) {
        c     = utf8_before(s, &at);
        found = RANGE_OF(ignorable_ranges, c) == NULL;
    }
    if (!found || RANGE_OF(cased_ranges, c) == NULL)
        return 0;
    while (behind < n_bytes) {
        c = sbi_py_next(s, &behind);
        if (RANGE_OF(ignorable_ranges, c) == NULL)
            return RANGE_OF(cased_ranges, c) == NULL;
    }
    return 1;
}

void sbi_py_lower(sbi_text *out, const char *s, int64_t n_bytes)
{
    if (!reserve(out, n_bytes))
        return;
    for (int64_t i = 0; i < n_bytes;) {
        int64_t              at = i;
        uint32_t             c;
        const unicode_range *r;
        if ((unsigned char)s[i] < 0x80) {
            sbi_text_putc(out, s[i] >= 'A' && s[i] <= 'Z' ? (char)(s[i] + 32) : s[i]);
            i++;
            continue;
        }
        c = sbi_py_next(s, &i);
        if (c == 0x130) {
            sbi_text_puts(out, "i\xcc\x87");
        } else if (c == 0x3a3) {
            put_point(out, sigma_is_final(s, n_bytes, at, i) ? 0x3c2 : 0x3c3);
        } else {
            r = RANGE_OF(lower_ranges, c);
            put_point(out, r != NULL ? (uint32_t)((int32_t)c + r->delta) : c);
        }
    }
}

int64_t sbi_text_find(const char *s, int64_t n_bytes, const char *what, int64_t what_bytes)
{
    const char *p = what_bytes == 0 ? s : memmem(s, (size_t)n_bytes, what, (size_t)what_bytes);
    return p != NULL ? p - s : -1;
}

int64_t sbi_text_rfind(const char *s, int64_t n_bytes, const char *what, int64_t what_bytes)
{
    for (int64_t i = n_bytes - what_bytes; i >= 0; i--)
        if (memcmp(s + i, what, (size_t)what_bytes) == 0)
            return i;
    return -1;
}

void sbi_py_replace(sbi_text *t, const char *from, const char *to)
{
    sbi_text out = {0};
    int64_t  n = (int64_t)strlen(from), at = 0, found;
    assert(n > 0);
    if (t->failed || sbi_text_find(sbi_text_str(t), t->n, from, n) < 0)
        return;
    while ((found = sbi_text_find(t->p + at, t->n - at, from, n)) >= 0) {
        sbi_text_put(&out, t->p + at, found);
        sbi_text_puts(&out, to);
        at += found + n;
    }
    sbi_text_put(&out, t->p + at, t->n - at);
    sbi_text_fini(t);
    *t = out;
}

static void put_escape(sbi_text *out, uint32_t unit)
{
    static const char hex[]  = "0123456789abcdef";
    char              buf[6] = {
                     '\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15]};
    sbi_text_put(out, buf, 6);
}

void sbi_py_json(sbi_text *out, const char *s, int64_t n_bytes)
{
    static const char plain[] = "\"\\\n\r\t\b\f", letter[] = "\"\\nrtbf";
    sbi_text_putc(out, '"');
    for (int64_t i = 0; i < n_bytes;) {
        int64_t     run = i;
        uint32_t    c;
        const char *hit;
        while (run < n_bytes && s[run] >= ' ' && s[run] <= '~' && s[run] != '"' && s[run] != '\\')
            run++;
        sbi_text_put(out, s + i, run - i);
        if ((i = run) == n_bytes)
            break;
        c   = sbi_py_next(s, &i);
        hit = c != 0 && c < 0x80 ? strchr(plain, (int)c) : NULL;
        if (hit != NULL) {
            sbi_text_putc(out, '\\');
            sbi_text_putc(out, letter[hit - plain]);
        } else if (c > 0xffff) {
            put_escape(out, 0xd7c0 + (c >> 10));
            put_escape(out, 0xdc00 + (c & 0x3ff));
        } else {
            put_escape(out, c);
        }
    }
    sbi_text_putc(out, '"');
}

static sb_status put_field(sbi_text *out, const char *name, int64_t n, sbi_field *fields,
                           int n_fields)
{
    for (int i = 0; i < n_fields; i++) {
        sbi_field *f = &fields[i];
        if ((int64_t)strlen(f->name) == n && memcmp(f->name, name, (size_t)n) == 0) {
            if (f->at < 0)
                f->at = out->n;
            sbi_text_put(out, f->value, f->n_bytes);
            return SB_OK;
        }
    }
    return sb_fail(SB_ERR_USAGE, "placeholder {%.*s} is not one that this text can hold",
                   n > 40 ? 40 : (int)n, name);
}

sb_status sbi_py_format(sbi_text *out, const char *fmt, sbi_field *fields, int n_fields)
{
    sb_status st = SB_OK;
    for (int i = 0; i < n_fields; i++)
        fields[i].at = -1;
    while (*fmt != '\0' && st == SB_OK) {
        size_t n = strcspn(fmt, "{}");
        sbi_text_put(out, fmt, (int64_t)n);
        fmt += n;
        if (*fmt == '\0')
            break;
        if (fmt[1] == fmt[0]) {
            sbi_text_putc(out, *fmt);
            fmt += 2;
            continue;
        }
        n = *fmt == '{' ? strcspn(fmt + 1, "{}") : 0;
        if (*fmt == '}' || fmt[1 + n] != '}')
            return sb_fail(SB_ERR_USAGE, "a lone %c: a literal brace is written twice", *fmt);
        st = put_field(out, fmt + 1, (int64_t)n, fields, n_fields);
        fmt += n + 2;
    }
    return st != SB_OK ? st : sbi_text_status(out);
}
