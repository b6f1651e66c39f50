#include "workloads/base/row_fields.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *sbi_row_kind(const json_t *v)
{
    if (v == NULL)
        return "nothing";
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return json_array_size(v) == 0 ? "an empty array" : "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_NULL:
        return "null";
    default:
        return "true or false";
    }
}

static sb_status no_memory(const sbi_row_source *s)
{
    return sb_fail(SB_ERR_NOMEM, "%s: line %" PRId64 ": no memory", s->path, s->line);
}

sb_status sbi_row_wrong(const sbi_row_source *s, const char *field, const json_t *v,
                        const char *want)
{
    return sb_fail(SB_ERR_USAGE, "%s: line %" PRId64 ": %s: %s, not %s", s->path, s->line, field,
                   sbi_row_kind(v), want);
}

sb_status sbi_row_fail(const sbi_row_source *s, const char *field, const char *fmt, ...)
{
    char    text[256];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return sb_fail(SB_ERR_USAGE, "%s: line %" PRId64 ": %s: %s", s->path, s->line, field, text);
}

sb_status sbi_row_string(const sbi_row_source *s, const char *field, const char **out)
{
    const json_t *v = json_object_get(s->row, field);
    if (!json_is_string(v))
        return sbi_row_wrong(s, field, v, "a string");
    *out = json_string_value(v);
    return SB_OK;
}

sb_status sbi_row_word(const sbi_row_source *s, const char *field, const char *allowed,
                       const char **out)
{
    const char *found = "", *at = allowed;
    sb_status   st = sbi_row_string(s, field, &found);
    if (st != SB_OK)
        return st;
    for (;;) {
        size_t n = strcspn(at, "|");
        if (strlen(found) == n && strncmp(found, at, n) == 0) {
            *out = found;
            return SB_OK;
        }
        if (at[n] == '\0')
            return sbi_row_fail(s, field, "`%.40s`, not one of %s", found, allowed);
        at += n + 1;
    }
}

sb_status sbi_row_count(const sbi_row_source *s, const char *field, int64_t *out)
{
    const json_t *v = json_object_get(s->row, field);
    if (!json_is_integer(v))
        return sbi_row_wrong(s, field, v, "a whole number");
    if (json_integer_value(v) < 0)
        return sbi_row_fail(s, field, "%" JSON_INTEGER_FORMAT ", less than 0",
                            json_integer_value(v));
    *out = json_integer_value(v);
    return SB_OK;
}

/* The fewest digits that read back equal, with a point or an exponent, as repr does. */
static void real_text(double x, char *buf, size_t n)
{
    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(buf, n, "%.*g", digits, x);
        if (strtod(buf, NULL) == x)
            break;
    }
    if (fabs(x) < 1e16 && fabs(x) >= 1e-4) { /* where repr writes no exponent */
        int decimals = 0;
        do
            (void)snprintf(buf, n, "%.*f", decimals++, x);
        while (strtod(buf, NULL) != x);
    }
    if (strpbrk(buf, ".e") == NULL)
        (void)snprintf(buf + strlen(buf), n - strlen(buf), ".0");
}

sb_status sbi_row_value_text(const sbi_row_source *s, const char *field, const json_t *v,
                             char **out)
{
    char  number[64];
    char *copy;
    if (json_is_integer(v))
        (void)snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
    else if (json_is_real(v))
        real_text(json_real_value(v), number, sizeof number);
    else if (!json_is_string(v))
        return sbi_row_wrong(s, field, v, "a string or a number");
    copy = strdup(json_is_string(v) ? json_string_value(v) : number);
    if (copy == NULL)
        return no_memory(s);
    *out = copy;
    return SB_OK;
}

sb_status sbi_row_texts(const sbi_row_source *s, const char *field, const json_t *array,
                        int strings, char ***out, int64_t *n)
{
    int64_t   count = (int64_t)json_array_size(array);
    sb_status st    = SB_OK;
    if (!json_is_array(array) || count == 0)
        return sbi_row_wrong(s, field, array,
                             strings ? "an array of strings" : "an array of strings or numbers");
    if ((*out = calloc((size_t)count, sizeof **out)) == NULL)
        return no_memory(s);
    while (st == SB_OK && *n < count) {
        const json_t *v = json_array_get(array, (size_t)*n);
        char          where[80];
        (void)snprintf(where, sizeof where, "%.40s[%" PRId64 "]", field, *n);
        if (strings && !json_is_string(v))
            st = sbi_row_wrong(s, where, v, "a string");
        else
            st = sbi_row_value_text(s, where, v, &(*out)[*n]);
        *n += st == SB_OK;
    }
    return st;
}

char *sbi_row_dump(const json_t *v, int digits)
{
    char *text;
    errno = 0;
    text  = json_dumps(v, JSON_ENSURE_ASCII | JSON_REAL_PRECISION((size_t)digits));
    if (text != NULL && errno == ENOMEM) {
        free(text);
        text = NULL;
    }
    return text;
}

sb_status sbi_row_id(const sbi_row_source *s, const char *field, sb_text_row *out)
{
    const json_t *v = json_object_get(s->row, field);
    if (v == NULL || json_is_null(v))
        return (out->id = strdup("")) != NULL ? SB_OK : no_memory(s);
    if (!json_is_string(v) && !json_is_integer(v))
        return sbi_row_wrong(s, field, v, "a string or a whole number");
    return sbi_row_value_text(s, field, v, &out->id);
}

sb_status sbi_row_meta(const sbi_row_source *s, const char *const *fields, sb_text_row *out)
{
    json_t *meta = json_object();
    int     bad  = meta == NULL;
    for (; !bad && *fields != NULL; fields++) {
        json_t *v = json_object_get(s->row, *fields);
        if (v != NULL)
            bad = json_object_set(meta, *fields, v) != 0; /* takes a reference of its own */
    }
    out->meta = bad ? NULL : sbi_row_dump(meta, 0);
    json_decref(meta);
    return out->meta != NULL ? SB_OK : no_memory(s);
}
