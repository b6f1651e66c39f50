#include "harness/batch/template.h"

#include <string.h>

typedef struct line {
    const char *begin, *end; /* without its line end */
} line;

static const sbi_value_text *find(const sbi_value_text *v, int n, const char *name, size_t bytes)
{
    for (int i = 0; i < n; i++)
        if (strlen(v[i].name) == bytes && memcmp(v[i].name, name, bytes) == 0)
            return &v[i];
    return NULL;
}

/* The next {{NAME}} of the line from `at`: NULL when there is none; an unfinished one has *close
 * NULL. */
static const char *next_mark(const line *l, const char *at, const char **close)
{
    const char *open = memmem(at, (size_t)(l->end - at), "{{", 2);
    *close           = NULL;
    if (open != NULL)
        *close = memmem(open, (size_t)(l->end - open), "}}", 2);
    return open;
}

/* Replace the line's names. */
static sb_status put_line(const line *l, const sbi_value_text *v, int n, FILE *out)
{
    const char *close, *open;
    for (const char *at = l->begin; (open = next_mark(l, at, &close)) != NULL; at = close + 2) {
        const sbi_value_text *x =
            close == NULL ? NULL : find(v, n, open + 2, (size_t)(close - open) - 2);
        if (x == NULL)
            return sb_fail(SB_ERR_INTERNAL, "template: no value for `%.*s`",
                           (int)(l->end - open < 40 ? l->end - open : 40), open);
        if (x->text == NULL)
            return SB_OK;
    }
    const char *at = l->begin;
    while ((open = next_mark(l, at, &close)) != NULL) {
        (void)fwrite(at, 1, (size_t)(open - at), out);
        (void)fputs(find(v, n, open + 2, (size_t)(close - open) - 2)->text, out);
        at = close + 2;
    }
    (void)fwrite(at, 1, (size_t)(l->end - at), out);
    (void)fputc('\n', out);
    return SB_OK;
}

static int begins(const line *l, const char *mark)
{
    size_t n = strlen(mark);
    return (size_t)(l->end - l->begin) > n + 2 && memcmp(l->begin, mark, n) == 0;
}

sb_status sbi_template_fill(const char *text, const sbi_value_text *v, int n, FILE *out)
{
    const char *open_name = NULL; /* of the section we are in; they do not nest */
    size_t      open_n    = 0;
    int         skip      = 0;
    for (line l = {text, NULL}; *l.begin != '\0'; l.begin = l.end + (*l.end == '\n')) {
        l.end          = l.begin + strcspn(l.begin, "\n");
        size_t      k  = begins(&l, "{{#") || begins(&l, "{{/") ? (size_t)(l.end - l.begin) - 5 : 0;
        sb_status   st = SB_OK;
        const char *name = l.begin + 3;
        if (k > 0 && l.begin[2] == '#') {
            const sbi_value_text *x = find(v, n, name, k);
            if (x == NULL || open_name != NULL)
                return sb_fail(SB_ERR_INTERNAL, "template: section `%.*s`", (int)k, name);
            open_name = name;
            open_n    = k;
            skip      = x->text == NULL;
        } else if (k > 0) {
            if (open_name == NULL || open_n != k || memcmp(open_name, name, k) != 0)
                return sb_fail(SB_ERR_INTERNAL, "template: end of section `%.*s`", (int)k, name);
            open_name = NULL;
            skip      = 0;
        } else if (!skip) {
            st = put_line(&l, v, n, out);
        }
        if (st != SB_OK)
            return st;
    }
    if (open_name != NULL)
        return sb_fail(SB_ERR_INTERNAL, "template: section `%.*s` has no end", (int)open_n,
                       open_name);
    return ferror(out) ? sb_fail(SB_ERR_IO, "the job script cannot be written") : SB_OK;
}
