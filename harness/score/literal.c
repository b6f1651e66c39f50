#include "harness/score/literal.h"

#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"

static int hex_of(const char *s, int digits, uint32_t *out)
{
    uint32_t v = 0;
    for (int i = 0; i < digits; i++) {
        const char *all = "0123456789abcdef";
        const char *at =
            s[i] == '\0' ? NULL : strchr(all, s[i] >= 'A' && s[i] <= 'F' ? s[i] + 32 : s[i]);
        if (at == NULL)
            return 0;
        v = 16 * v + (uint32_t)(at - all);
    }
    *out = v;
    return v != 0 && v < 0x110000 && (v < 0xd800 || v > 0xdfff);
}

static void put_point(sbi_text *t, uint32_t c)
{
    if (c < 0x80) {
        sbi_text_putc(t, (char)c);
        return;
    }
    if (c < 0x800) {
        sbi_text_putc(t, (char)(0xc0 | c >> 6));
    } else {
        if (c < 0x10000) {
            sbi_text_putc(t, (char)(0xe0 | c >> 12));
        } else {
            sbi_text_putc(t, (char)(0xf0 | c >> 18));
            sbi_text_putc(t, (char)(0x80 | (c >> 12 & 0x3f)));
        }
        sbi_text_putc(t, (char)(0x80 | (c >> 6 & 0x3f)));
    }
    sbi_text_putc(t, (char)(0x80 | (c & 0x3f)));
}

/* Behind a backslash; where it goes on, NULL: no escape of a printed text. */
static const char *escape(const char *s, sbi_text *t)
{
    static const char names[] = "\\\\''\"\"n\nt\tr\r";
    uint32_t          c;
    int               digits = *s == 'x' ? 2 : *s == 'u' ? 4 : *s == 'U' ? 8 : 0;
    if (digits > 0) {
        if (!hex_of(s + 1, digits, &c))
            return NULL;
        put_point(t, c);
        return s + 1 + digits;
    }
    for (const char *e = names; *e != '\0'; e += 2)
        if (*e == *s) {
            sbi_text_putc(t, e[1]);
            return s + 1;
        }
    return NULL;
}

/* An item at s into t; where it ends, NULL: none. */
static const char *item(const char *s, sbi_text *t)
{
    char   quote = *s;
    size_t n;
    if (quote != '\'' && quote != '"') {
        n = strspn(s, "+-.0123456789eE");
        sbi_text_put(t, s, (int64_t)n);
        return strcspn(s, "0123456789") < n ? s + n : NULL;
    }
    sbi_text_put(t, "", 0);
    for (s++; s != NULL && *s != quote;) {
        if (*s == '\0')
            return NULL;
        if (*s == '\\')
            s = escape(s + 1, t);
        else
            sbi_text_putc(t, *s++);
    }
    return s == NULL ? NULL : s + 1;
}

static void drop(char **items, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        free(items[i]);
    free(items);
}

sb_status sbi_literal_list(const char *text, char ***items, int64_t *n)
{
    static const char blank[] = " \t\r\n";
    const char       *s       = text + strspn(text, blank);
    char            **list    = NULL;
    int64_t           count   = 0;
    *n                        = -1;
    if (*s != '[')
        return SB_OK;
    for (s++;;) {
        sbi_text t = {0};
        char   **more;
        s += strspn(s, blank);
        if (*s == ']')
            break;
        s = item(s, &t);
        if (s == NULL) {
            sbi_text_fini(&t);
            drop(list, count);
            return SB_OK;
        }
        more = realloc(list, (size_t)(count + 1) * sizeof *list);
        list = more != NULL ? more : list;
        if (more == NULL || t.failed || (list[count] = strdup(sbi_text_str(&t))) == NULL) {
            sbi_text_fini(&t);
            drop(list, count);
            return sb_fail(SB_ERR_NOMEM, "no memory for a list of answers");
        }
        count++;
        sbi_text_fini(&t);
        s += strspn(s, blank);
        s += *s == ',';
    }
    s++;
    if (s[strspn(s, blank)] != '\0') {
        drop(list, count);
        return SB_OK;
    }
    *items = list;
    *n     = count;
    return SB_OK;
}
