#include "harness/cli/options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

sb_status sb_sets_add(sb_sets *s, char *text)
{
    enum { MAX_SETS = sizeof s->set / sizeof *s->set };
    char *eq = strchr(text, '=');
    if (eq == NULL || eq == text)
        return sb_fail(SB_ERR_USAGE, "--set: found `%s`, allowed PATH=VALUE", text);
    if (s->n == MAX_SETS)
        return sb_fail(SB_ERR_USAGE, "--set: at most %d", (int)MAX_SETS);
    *eq            = '\0';
    s->set[s->n++] = (sb_set){text, eq + 1};
    return SB_OK;
}

sb_status sb_option_number(const char *name, const char *text, double low, double high, double *out)
{
    char  *end;
    double v = strtod(text, &end);
    if (end == text || *end != '\0' || !(v >= low && v <= high))
        return sb_fail(SB_ERR_USAGE, "--%s: found `%s`, allowed a number from %g to %g", name, text,
                       low, high);
    *out = v;
    return SB_OK;
}

sb_status sb_option_whole(const char *name, const char *text, int64_t low, int64_t high,
                          int64_t *out)
{
    char *end;
    errno       = 0;
    long long v = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || v < low || v > high)
        return sb_fail(SB_ERR_USAGE,
                       "--%s: found `%s`, allowed a whole number from %" PRId64 " to %" PRId64,
                       name, text, low, high);
    *out = v;
    return SB_OK;
}
