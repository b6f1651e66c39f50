/* See text.h. */
#include "results/report/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Length of the UTF-8 sequence at p and its code point; 0: not UTF-8 (also surrogates, overlong).
 */
static int decode(const unsigned char *p, uint32_t *cp)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    int                   n       = *p < 0x80                 ? 1
                                    : *p >= 0xc2 && *p < 0xe0 ? 2
                                    : (*p & 0xf0) == 0xe0     ? 3
                                    : *p >= 0xf0 && *p < 0xf5 ? 4
                                                              : 0;
    if (n == 0)
        return 0;
    *cp = n == 1 ? *p : *p & (0xffu >> (n + 1));
    for (int i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        *cp = *cp << 6 | (p[i] & 0x3fu);
    }
    return *cp < least[n] || *cp > 0x10ffff || (*cp >= 0xd800 && *cp < 0xe000) ? 0 : n;
}

/* One character as it may stand in a page; returns the bytes taken. Marks that turn the direction
 * of writing are no text to show. */
static int put_character(FILE *out, const unsigned char *p)
{
    uint32_t cp    = 0;
    int      n     = decode(p, &cp);
    int      turns = (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
    if (n == 0 || (cp >= 0x80 && cp < 0xa0) || turns || (cp & 0xfffe) == 0xfffe) {
        (void)fputs("\xef\xbf\xbd", out);
        return n == 0 ? 1 : n;
    }
    if (cp < 0x20)
        (void)fprintf(out, "\xe2\x90%c", 0x80 + (int)cp);
    else if (cp == 0x7f)
        (void)fputs("\xe2\x90\xa1", out);
    else
        (void)fwrite(p, 1, (size_t)n, out);
    return n;
}

void sbi_put_html(FILE *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0';) {
        const char *as = *p == '&'    ? "&amp;"
                         : *p == '<'  ? "&lt;"
                         : *p == '>'  ? "&gt;"
                         : *p == '"'  ? "&quot;"
                         : *p == '\'' ? "&#39;"
                         : *p == '\n' ? "\n"
                         : *p == '\t' ? "\t"
                                      : NULL;
        if (as != NULL) {
            (void)fputs(as, out);
            p++;
        } else {
            p += put_character(out, p);
        }
    }
}

void sbi_put_plain(FILE *out, const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0';)
        if (*p == '\n' || *p == '\t' || *p == '\r') {
            (void)fputc(' ', out);
            p++;
        } else {
            p += put_character(out, p);
        }
}

void sbi_put_csv(FILE *out, const char *text, int is_number)
{
    int formula = !is_number && *text != '\0' && strchr("=+-@\t\r", *text) != NULL;
    if (!formula && strpbrk(text, ",\"\r\n") == NULL) {
        (void)fputs(text, out);
        return;
    }
    (void)fputs(formula ? "\"'" : "\"", out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            (void)fputc('"', out);
        (void)fputc(*text, out);
    }
    (void)fputc('"', out);
}

void sbi_put_url(FILE *out, const char *text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~,:()*";
    for (; *text != '\0'; text++)
        if (strchr(plain, *text) != NULL)
            (void)fputc(*text, out);
        else
            (void)fprintf(out, "%%%02X", (unsigned char)*text);
}

char *sbi_bare_values(const char *text)
{
    char *out = calloc(strlen(text) + 1, 1);
    for (size_t n = 0; out != NULL && *text != '\0';) {
        size_t word = strcspn(text, " "), key = strcspn(text, "= ");
        key = key < word ? key + 1 : 0;
        memcpy(out + n, text + key, word - key);
        n += word - key;
        text += word;
        if (*text == ' ')
            out[n++] = *text++;
    }
    return out;
}

int64_t sbi_width(const char *text)
{
    int64_t n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

void sbi_tokens(double n, char buf[32])
{
    static const struct {
        double      unit;
        const char *letter;
    } units[] = {{1048576, "M"}, {1024, "K"}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (n >= units[i].unit && fmod(n, units[i].unit) == 0) {
            (void)snprintf(buf, 32, "%.0f%s", n / units[i].unit, units[i].letter);
            return;
        }
    (void)snprintf(buf, 32, "%.9g", n);
}

/* Three digits that count: 1234, 123, 12.3, 1.23, 0.123. */
static void three(double d, char buf[64], const char *unit)
{
    double a      = fabs(d);
    int    digits = a >= 99.95 ? 0 : a >= 9.995 ? 1 : a >= 0.9995 ? 2 : 3;
    (void)snprintf(buf, 64, "%.*f%s", digits, d, unit);
}

char *sbi_show_cell(sbi_show show, const char *text, double real)
{
    char buf[64];
    if (text == NULL)
        return strdup("");
    if (show == SBI_SHOW_TIME && strlen(text) > 19 && text[10] == 'T') {
        (void)snprintf(buf, sizeof buf, "%.10s %.8s", text, text + 11);
        return strdup(buf);
    }
    if (!isfinite(real))
        return strdup(text);
    switch (show) {
    case SBI_SHOW_SHARE:
        (void)snprintf(buf, sizeof buf, "%.1f %%", 100 * real);
        break;
    case SBI_SHOW_POINTS:
        (void)snprintf(buf, sizeof buf, "%+.1f", 100 * real);
        break;
    case SBI_SHOW_MS:
        three(real, buf, "");
        break;
    case SBI_SHOW_FACTOR:
        three(real, buf, " \xc3\x97");
        break;
    case SBI_SHOW_NUMBER:
        (void)snprintf(buf, sizeof buf, "%.4g", real);
        break;
    case SBI_SHOW_MIB:
        three(real / 1048576, buf, "");
        break;
    case SBI_SHOW_GIGA:
        three(real / 1e9, buf, "");
        break;
    case SBI_SHOW_COUNT:
        (void)snprintf(buf, sizeof buf, "%.15g", real);
        break;
    case SBI_SHOW_FLAG:
        (void)snprintf(buf, sizeof buf, "%s", real != 0 ? "yes" : "");
        break;
    default:
        return strdup(text);
    }
    return strdup(buf);
}
