/* Collecting and printing the errors of a sweep file, and guessing what a misspelt word was meant
 * to be. */
#include "harness/config/errors.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_BYTES = 60, WORD_BYTES = 48 };

void sbi_names_add(sbi_ctx *c, sbi_names *names, const char *name)
{
    void *v = names->v;
    if (name == NULL || !sbi_pool_grow(&c->temp, &v, names->n, &names->capacity, sizeof *names->v))
        return;
    names->v             = v;
    names->v[names->n++] = name;
}

void sbi_names_add_table(sbi_ctx *c, sbi_names *names, const sb_param *table)
{
    for (const sb_param *p = table; p != NULL && p->name != NULL; p++)
        sbi_names_add(c, names, p->name);
}

void sbi_names_add_range(sbi_ctx *c, sbi_names *names, const char *range)
{
    for (const char *s = range;; s++) {
        size_t n = strcspn(s, "|");
        sbi_names_add(c, names, sbi_pool_text(&c->temp, s, n));
        s += n;
        if (*s == '\0')
            return;
    }
}

/* Bytes of the character at s when it may be printed as it stands: not a control character (also
 * not an 8-bit one, U+0080..U+009F, which some terminals obey) and not half of something; a --set
 * path can hold any bytes. Else 0. */
static size_t printable_bytes(const unsigned char *s)
{
    size_t n = s[0] < 0x80   ? 1
               : s[0] < 0xc2 ? 0
               : s[0] < 0xe0 ? 2
               : s[0] < 0xf0 ? 3
               : s[0] < 0xf5 ? 4
                             : 0;
    if (s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0))
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

const char *sbi_safe(sbi_ctx *c, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    char                 buf[SHOWN_BYTES + 8];
    size_t               n = 0;
    while (*s != '\0' && n < SHOWN_BYTES) {
        size_t bytes = printable_bytes(s);
        if (bytes == 0)
            n += (size_t)snprintf(buf + n, 5, "\\x%02x", *s++);
        for (; bytes > 0; bytes--)
            buf[n++] = (char)*s++;
    }
    if (*s != '\0') {
        memcpy(buf + n, "...", 3);
        n += 3;
    }
    const char *out = sbi_pool_text(&c->temp, buf, n);
    return out != NULL ? out : "";
}

const char *sbi_where(sbi_ctx *c, sbi_pos pos)
{
    const char *out = pos.set > 0 ? sbi_pool_printf(&c->temp, "in --set %s",
                                                    sbi_safe(c, c->sets[pos.set - 1].path))
                                  : sbi_pool_printf(&c->temp, "on line %" PRId32, pos.line);
    return out != NULL ? out : "";
}

void sbi_internal(sbi_ctx *c)
{
    if (!c->temp.failed && !c->keep->failed && c->internal == NULL)
        c->internal = sbi_pool_text(&c->temp, sb_error_text(), strlen(sb_error_text()));
}

static void add(sbi_ctx *c, sbi_pos pos, const char *key, char *text)
{
    void *v = c->errors;
    if (c->n_errors == SBI_MAX_ERRORS) {
        c->n_untold++;
        return;
    }
    if (text == NULL ||
        !sbi_pool_grow(&c->temp, &v, c->n_errors, &c->errors_capacity, sizeof *c->errors))
        return;
    c->errors     = v;
    char *own_key = sbi_pool_text(&c->temp, key, strlen(key));
    if (own_key == NULL)
        return;
    c->errors[c->n_errors] = (sbi_error){pos, c->n_errors, own_key, text};
    c->n_errors++;
}

void sbi_error_add(sbi_ctx *c, sbi_pos pos, const char *key, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int   n    = vsnprintf(NULL, 0, fmt, ap);
    char *text = sbi_pool_alloc(&c->temp, n < 0 ? 1 : (int64_t)n + 1, 1);
    if (text != NULL && n >= 0)
        (void)vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    va_end(ap);
    add(c, pos, key, text);
}

/* Edits (insert, delete, replace, swap of neighbours) that lead from a to b: optimal string
 * alignment. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    size_t row[3][WORD_BYTES + 1];
    if (n > WORD_BYTES || m > WORD_BYTES)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        row[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = row[i % 3], *up = row[(i + 2) % 3], *up2 = row[(i + 1) % 3];
        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = up[j - 1] + (a[i - 1] != b[j - 1]);
            best        = up[j] + 1 < best ? up[j] + 1 : best;
            best        = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                up2[j - 2] + 1 < best)
                best = up2[j - 2] + 1;
            now[j] = best;
        }
    }
    return row[n % 3][m];
}

/* A name within a third of its length, or one that the word begins (`window` for window_tokens);
 * the first of the nearest. */
static const char *nearest(const char *word, const sbi_names *names)
{
    const char *best   = NULL;
    size_t      best_d = SIZE_MAX, n = strlen(word);
    for (int64_t i = 0; i < names->n; i++) {
        size_t len = strlen(names->v[i]);
        size_t d   = distance(word, names->v[i]);
        if (n >= 3 && n < len && strncmp(word, names->v[i], n) == 0)
            d = 1;
        if (d < best_d && d <= (len < 3 ? 0 : len < 6 ? 1 : len / 3)) {
            best_d = d;
            best   = names->v[i];
        }
    }
    return best;
}

void sbi_error_choice(sbi_ctx *c, sbi_pos pos, const char *key, const char *found, const char *word,
                      const char *intro, const sbi_names *names)
{
    size_t bytes = 1;
    for (int64_t i = 0; i < names->n; i++)
        bytes += strlen(names->v[i]) + 2;
    char *list = sbi_pool_alloc(&c->temp, (int64_t)bytes, 1);
    char *end  = list;
    if (list == NULL)
        return;
    for (int64_t i = 0; i < names->n; i++)
        end += sprintf(end, "%s%s", i > 0 ? ", " : "", names->v[i]);
    if (names->n == 1 && strcmp(intro, "one of ") == 0)
        intro = "";
    const char *near = word != NULL ? nearest(word, names) : NULL;
    if (near != NULL)
        sbi_error_add(c, pos, key, "found %s, allowed %s%s; did you mean `%s`?", found, intro, list,
                      near);
    else
        sbi_error_add(c, pos, key, "found %s, allowed %s%s", found, intro, list);
}

static int by_place(const void *pa, const void *pb)
{
    const sbi_error *a = pa, *b = pb;
    if (a->pos.set != b->pos.set)
        return a->pos.set < b->pos.set ? -1 : 1;
    if (a->pos.line != b->pos.line)
        return a->pos.line < b->pos.line ? -1 : 1;
    if (a->pos.col != b->pos.col)
        return a->pos.col < b->pos.col ? -1 : 1;
    return a->seq < b->seq ? -1 : 1;
}

static int same(const sbi_error *a, const sbi_error *b)
{
    return a->pos.set == b->pos.set && a->pos.line == b->pos.line && a->pos.col == b->pos.col &&
           strcmp(a->key, b->key) == 0 && strcmp(a->text, b->text) == 0;
}

static char *line_of(sbi_ctx *c, const sbi_error *e)
{
    if (e->pos.set > 0) {
        const char *path = c->sets[e->pos.set - 1].path;
        if (e->key[0] == '\0' || strcmp(e->key, path) == 0)
            return sbi_pool_printf(&c->temp, "--set %s: %s", sbi_safe(c, path), e->text);
        return sbi_pool_printf(&c->temp, "--set %s: %s: %s", sbi_safe(c, path), e->key, e->text);
    }
    if (e->pos.line == 0)
        return sbi_pool_printf(&c->temp, "%s: %s", c->path, e->text);
    return sbi_pool_printf(&c->temp, "%s:%" PRId32 ":%" PRId32 ": %s: %s", c->path, e->pos.line,
                           e->pos.col, e->key[0] != '\0' ? e->key : "(file)", e->text);
}

sb_status sbi_errors_report(sbi_ctx *c, FILE *out)
{
    int64_t     shown = 0;
    const char *first = "";
    qsort(c->errors, (size_t)c->n_errors, sizeof *c->errors, by_place);
    for (int64_t i = 0; i < c->n_errors; i++) {
        if (i > 0 && same(&c->errors[i - 1], &c->errors[i]))
            continue;
        char *line = line_of(c, &c->errors[i]);
        if (line == NULL)
            return sb_fail(SB_ERR_NOMEM, "sweep %s: no memory for its errors", c->path);
        if (shown++ == 0)
            first = line;
        if (out != NULL)
            (void)fprintf(out, "%s\n", line);
    }
    if (c->n_untold > 0 && out != NULL)
        (void)fprintf(out, "%s: found %" PRId64 " errors more, allowed none; mend these first\n",
                      c->path, c->n_untold);
    shown += c->n_untold;
    if (out != NULL) /* told in full: once is enough */
        return sb_fail(SB_ERR_USAGE, "%s: %" PRId64 " error%s, listed above", c->path, shown,
                       shown == 1 ? "" : "s");
    if (shown == 1)
        return sb_fail(SB_ERR_USAGE, "%s", first);
    return sb_fail(SB_ERR_USAGE, "%s: %" PRId64 " errors, the first: %s", c->path, shown, first);
}

sb_status sbi_read_outcome(sbi_ctx *c, const char *what, const char *called, FILE *errors)
{
    if (c->temp.failed || c->keep->failed)
        return sb_fail(SB_ERR_NOMEM, "%s %s: no memory", what, called);
    if (c->internal != NULL)
        return sb_fail(SB_ERR_INTERNAL, "%s %s: %s", what, called, c->internal);
    return c->n_errors > 0 ? sbi_errors_report(c, errors) : SB_OK;
}
