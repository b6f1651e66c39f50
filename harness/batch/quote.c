#include "harness/batch/quote.h"

#include <ctype.h>
#include <string.h>

static int is_plain(char c) { return isalnum((unsigned char)c) || strchr("_./:@%+=-", c) != NULL; }

static void put_quoted(const char *text, size_t n, FILE *out)
{
    (void)fputc('\'', out);
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\'')
            (void)fputs("'\\''", out);
        else
            (void)fputc(text[i], out);
    (void)fputc('\'', out);
}

static void put_literal(const char *text, size_t n, FILE *out)
{
    size_t plain = 0;
    while (plain < n && is_plain(text[plain]))
        plain++;
    if (plain == n)
        (void)fwrite(text, 1, n, out);
    else
        put_quoted(text, n, out);
}

void sbi_quote_word(const char *text, FILE *out)
{
    if (text[0] == '\0')
        (void)fputs("''", out);
    else
        put_literal(text, strlen(text), out);
}

/* Bytes of the reference $NAME or ${NAME} at p, 0 when there is none; the name is name[0..n). */
static size_t reference(const char *p, const char **name, size_t *n)
{
    int braces = p[1] == '{';
    *name      = p + 1 + braces;
    *n         = 0;
    if (!isalpha((unsigned char)**name) && **name != '_')
        return 0;
    while (isalnum((unsigned char)(*name)[*n]) || (*name)[*n] == '_')
        (*n)++;
    if (braces && (*name)[*n] != '}')
        return 0;
    return 1 + *n + (braces ? 2 : 0);
}

void sbi_quote_path(const char *text, FILE *out)
{
    const char *p = text, *name;
    size_t      n, bytes;
    while (*p != '\0') {
        if (*p == '$' && (bytes = reference(p, &name, &n)) > 0) {
            (void)fprintf(out, "\"${%.*s:?}\"", (int)n, name);
            p += bytes;
            continue;
        }
        size_t literal = 1;
        while (p[literal] != '\0' && p[literal] != '$')
            literal++;
        put_literal(p, literal, out);
        p += literal;
    }
    if (text[0] == '\0')
        (void)fputs("''", out);
}

void sbi_quote_log(const char *folder, const char *pattern, FILE *out)
{
    int plain = 1;
    for (const char *p = folder; *p != '\0'; p++)
        plain = plain && is_plain(*p);
    if (!plain)
        (void)fputc('"', out);
    for (const char *p = folder; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\')
            (void)fputc('\\', out);
        else if (*p == '%')
            (void)fputc('%', out);
        (void)fputc(*p, out);
    }
    (void)fputs(pattern, out);
    if (!plain)
        (void)fputc('"', out);
}

void sbi_quote_sbatch(const char *text, FILE *out) { sbi_quote_log(text, "", out); }

void sbi_quote_name(const char *text, FILE *out)
{
    for (; *text != '\0'; text++)
        (void)fputc(isalnum((unsigned char)*text) || strchr("_.,+=:-", *text) != NULL ? *text : '_',
                    out);
}
