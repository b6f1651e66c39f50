/* Parsing, checking and printing of parameter tables. Ranges are written as mathematicians do:
 * "[1,)", "(0,1)", "[0,0.5]". */
#include "kernels/base/param.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const sb_param *sb_params_find(const sb_param *table, const char *name)
{
    for (const sb_param *p = table; p != NULL && p->name != NULL; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

sb_status sb_params_default(const sb_param *table, void *params)
{
    for (const sb_param *p = table; p != NULL && p->name != NULL; p++)
        if (sb_param_set(p, params, p->def) != SB_OK)
            return sb_wrap(SB_ERR_INTERNAL, "default of %s", p->name);
    return SB_OK;
}

typedef struct range {
    double lo, hi; /* infinite where the text leaves the end open */
    int    lo_open, hi_open;
} range;

static range range_parse(const char *text)
{
    range       r     = {-INFINITY, INFINITY, text[0] == '(', 1};
    const char *comma = strchr(text, ',');
    size_t      n     = strlen(text);
    if (text[1] != ',')
        r.lo = strtod(text + 1, NULL);
    if (comma != NULL && comma[1] != ')' && comma[1] != ']')
        r.hi = strtod(comma + 1, NULL);
    r.hi_open = text[n - 1] == ')';
    return r;
}

static int range_holds(const range *r, double x)
{
    return (r->lo_open ? x > r->lo : x >= r->lo) && (r->hi_open ? x < r->hi : x <= r->hi);
}

void sb_param_allowed(const sb_param *p, char *buf, size_t buf_bytes)
{
    if (p->type == SB_ENUM) {
        size_t n = (size_t)snprintf(buf, buf_bytes, "one of ");
        for (const char *s = p->range; *s != '\0' && n + 3 < buf_bytes; s++) {
            if (*s == '|')
                buf[n++] = ',';
            buf[n++] = *s == '|' ? ' ' : *s;
        }
        if (n < buf_bytes)
            buf[n] = '\0';
        return;
    }
    if (p->type == SB_FILE) {
        (void)snprintf(buf, buf_bytes, "none or the path of %s", p->range);
        return;
    }
    const char *what = p->type == SB_I64 ? "a whole number" : "a number";
    range       r    = range_parse(p->range);
    if (isinf(r.lo) && isinf(r.hi))
        (void)snprintf(buf, buf_bytes, "%s", what);
    else if (isinf(r.hi))
        (void)snprintf(buf, buf_bytes, "%s %s %.15g", what, r.lo_open ? ">" : ">=", r.lo);
    else
        (void)snprintf(buf, buf_bytes, "%s in %s", what, p->range);
}

static sb_status refuse(const sb_param *p, const char *text)
{
    char allowed[256];
    sb_param_allowed(p, allowed, sizeof allowed);
    return sb_fail(SB_ERR_USAGE, "found `%.80s`, allowed %s", text, allowed);
}

static sb_status set_enum(const sb_param *p, void *field, const char *text)
{
    int32_t index = 0;
    size_t  n     = strlen(text);
    for (const char *s = p->range;; index++) {
        size_t len = strcspn(s, "|");
        if (n > 0 && len == n && strncmp(s, text, n) == 0) {
            memcpy(field, &index, sizeof index);
            return SB_OK;
        }
        if (s[len] == '\0')
            return refuse(p, text);
        s += len + 1;
    }
}

/* Last component of a path; "" where it names a folder. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static sb_status set_file(const sb_param *p, void *field, const char *text)
{
    sb_param_file f = {0};
    if (strcmp(text, "none") != 0) {
        if (strlen(text) >= sizeof f.path || base_name(text)[0] == '\0' ||
            strlen(base_name(text)) > 255)
            return refuse(p, text);
        for (const char *s = text; *s != '\0'; s++)
            if ((unsigned char)*s < 0x20 || *s == 0x7f)
                return refuse(p, text);
        memcpy(f.path, text, strlen(text) + 1);
    }
    memcpy(field, &f, sizeof f);
    return SB_OK;
}

sb_status sb_param_set(const sb_param *p, void *params, const char *text)
{
    char *field = (char *)params + p->offset;
    char *end;
    range r;
    if (p->type == SB_ENUM)
        return set_enum(p, field, text);
    if (p->type == SB_FILE)
        return set_file(p, field, text);
    /* The C library also takes blanks, a leading "+", hexadecimal, nan and inf: not numbers in a
     * sweep file. */
    if (text[0] == '+' || text[strspn(text, "0123456789.eE+-")] != '\0')
        return refuse(p, text);
    r     = range_parse(p->range);
    errno = 0;
    if (p->type == SB_I64) {
        int64_t v = strtoll(text, &end, 10);
        if (end == text || *end != '\0' || errno != 0 || !range_holds(&r, (double)v))
            return refuse(p, text);
        memcpy(field, &v, sizeof v);
        return SB_OK;
    }
    double d = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(d) || !range_holds(&r, d))
        return refuse(p, text);
    d += 0.0; /* -0 becomes 0: equal values print alike, and so hash alike */
    memcpy(field, &d, sizeof d);
    return SB_OK;
}

/* "NAME@SHA256" or "none"; the number of characters, or -1 where it has not been read. */
static int file_json(const void *field, char *buf, size_t buf_bytes)
{
    sb_param_file f;
    char          name[2 * SB_PARAM_PATH_BYTES];
    size_t        n = 0;
    memcpy(&f, field, sizeof f);
    if (f.path[0] == '\0')
        return snprintf(buf, buf_bytes, "\"none\"");
    for (const char *s = base_name(f.path); *s != '\0'; s++) {
        if (*s == '"' || *s == '\\')
            name[n++] = '\\';
        name[n++] = *s;
    }
    name[n] = '\0';
    return f.sha256[0] == '\0' ? -1 : snprintf(buf, buf_bytes, "\"%s@%s\"", name, f.sha256);
}

sb_status sb_param_json(const sb_param *p, const void *params, char *buf, size_t buf_bytes)
{
    const char *field = (const char *)params + p->offset;
    int         n     = 0;
    if (p->type == SB_FILE && (n = file_json(field, buf, buf_bytes)) < 0)
        return sb_fail(SB_ERR_INTERNAL, "the file of parameter %s has not been read", p->name);
    if (p->type == SB_I64) {
        int64_t v;
        memcpy(&v, field, sizeof v);
        n = snprintf(buf, buf_bytes, "%" PRId64, v);
    } else if (p->type == SB_F64) {
        double d;
        memcpy(&d, field, sizeof d);
        for (int digits = 1; digits <= 17; digits++) {
            n = snprintf(buf, buf_bytes, "%.*g", digits, d);
            if (strtod(buf, NULL) == d)
                break;
        }
    } else if (p->type == SB_ENUM) {
        int32_t     index;
        const char *s = p->range;
        memcpy(&index, field, sizeof index);
        for (; index > 0; index--)
            s = strchr(s, '|') + 1;
        n = snprintf(buf, buf_bytes, "\"%.*s\"", (int)strcspn(s, "|"), s);
    }
    if (n < 0 || (size_t)n >= buf_bytes)
        return sb_fail(SB_ERR_INTERNAL, "parameter %s does not fit %zu bytes of JSON", p->name,
                       buf_bytes);
    return SB_OK;
}
