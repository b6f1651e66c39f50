/* --point: by place or by hash. */
#include "harness/config/sweep.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MIN_PREFIX = 6, HASH_DIGITS = 64 };

/* A decimal number up to *end; -1 when there is none or it is too large. */
static int64_t number(const char *s, const char **end)
{
    char *stop;
    if (*s < '0' || *s > '9')
        return -1;
    errno       = 0;
    long long v = strtoll(s, &stop, 10);
    *end        = stop;
    return errno == 0 ? (int64_t)v : -1;
}

static sb_status by_prefix(const sb_sweep *s, const char *what, int64_t *first, int64_t *last)
{
    int64_t found = -1, n = 0;
    size_t  len = strlen(what);
    for (int64_t i = 0; i < s->n_points; i++)
        if (strncmp(s->points[i].hash, what, len) == 0) {
            found = i;
            n++;
        }
    if (n == 0)
        return sb_fail(SB_ERR_USAGE,
                       "--point: found no point whose hash begins with `%.64s` among the %" PRId64
                       " of %s",
                       what, s->n_points, s->path);
    if (n > 1)
        return sb_fail(SB_ERR_USAGE,
                       "--point: found %" PRId64
                       " points whose hash begins with `%.64s`, allowed one: give more digits",
                       n, what);
    *first = *last = found;
    return SB_OK;
}

sb_status sb_sweep_select(const sb_sweep *s, const char *what, int64_t *first, int64_t *last)
{
    const char *end = what;
    size_t      len = strlen(what);
    int64_t     a = number(what, &end), b = a;
    if (a >= 0 && *end == '-')
        b = number(end + 1, &end);
    if (a >= 0 && b >= a && *end == '\0' && b < s->n_points) {
        *first = a;
        *last  = b;
        return SB_OK;
    }
    if (len >= MIN_PREFIX && len <= HASH_DIGITS && strspn(what, "0123456789abcdef") == len)
        return by_prefix(s, what, first, last);
    return sb_fail(SB_ERR_USAGE,
                   "--point: found `%.80s`, allowed a place from 0 to %" PRId64
                   ", a range such as 0-%" PRId64 ", or at least %d hex digits of a point's hash",
                   what, s->n_points - 1, s->n_points - 1, MIN_PREFIX);
}
