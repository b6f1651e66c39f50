/* A point as the reader of a table knows it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/config/sweep.h"

sb_status sb_point_label(const sb_point *p, char *buf, size_t buf_bytes)
{
    char      def[SB_PARAM_JSON_BYTES], now[SB_PARAM_JSON_BYTES];
    size_t    at       = (size_t)snprintf(buf, buf_bytes, "%s", p->method->name);
    void     *defaults = calloc(1, p->method->params_bytes + 1);
    sb_status st       = SB_OK;
    if (defaults == NULL)
        return sb_fail(SB_ERR_NOMEM, "label: no memory for the defaults of %s", p->method->name);
    st = sb_params_default(p->method->params, defaults);
    for (const sb_param *q = p->method->params; st == SB_OK && q != NULL && q->name != NULL; q++) {
        if ((st = sb_param_json(q, defaults, def, sizeof def)) != SB_OK ||
            (st = sb_param_json(q, p->method_params, now, sizeof now)) != SB_OK)
            break;
        if (strcmp(def, now) == 0 || at >= buf_bytes)
            continue;
        int quoted = now[0] == '"'; /* an enum's word: shown without its quotes */
        if (q->type == SB_FILE && strrchr(now, '@') != NULL)
            strrchr(now, '@')[1] =
                '\0'; /* the hash is for the database; '@' stands for the quote */
        at += (size_t)snprintf(buf + at, buf_bytes - at, " %s=%.*s", q->name,
                               (int)strlen(now) - 2 * quoted, now + quoted);
    }
    if (p->decode == SB_DECODE_DENSE && at < buf_bytes)
        (void)snprintf(buf + at, buf_bytes - at, " decode=dense");
    free(defaults);
    return st;
}

const char *sb_point_sharding(const sb_point *p, char buf[SB_SHARDING_BYTES])
{
    int64_t n = p->team > 0 ? p->team : p->heads_at_once;
    if (n == 0)
        return sb_scheme_name(p->scheme);
    (void)snprintf(buf, SB_SHARDING_BYTES, "%s:%lld", sb_scheme_name(p->scheme), (long long)n);
    return buf;
}
