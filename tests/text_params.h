/* Parameters of a method as a test writes them: "block_tokens=64 window_blocks=2". */
#ifndef SB_TESTS_TEXT_PARAMS_H
#define SB_TESTS_TEXT_PARAMS_H

#include <stdio.h>
#include <string.h>

#include "kernels/base/method.h"

/* Defaults, then what the text says. */
static inline sb_status text_params(const sb_method *m, const char *text, void *params)
{
    char      buf[256], *save = NULL;
    sb_status st = sb_params_default(m->params, params);
    if (st == SB_OK && strlen(text) >= sizeof buf)
        st = sb_fail(SB_ERR_USAGE, "%s: parameters of %zu letters, allowed below %zu", m->name,
                     strlen(text), sizeof buf);
    (void)snprintf(buf, sizeof buf, "%s", text);
    for (char *w = strtok_r(buf, " ", &save); st == SB_OK && w != NULL;
         w       = strtok_r(NULL, " ", &save)) {
        char *eq = strchr(w, '=');
        if (eq == NULL)
            return sb_fail(SB_ERR_USAGE, "%s: found `%s`, allowed name=value", m->name, w);
        *eq               = '\0';
        const sb_param *p = sb_params_find(m->params, w);
        st                = p != NULL ? sb_param_set(p, params, eq + 1)
                                      : sb_fail(SB_ERR_USAGE, "%s has no parameter %s", m->name, w);
    }
    return st;
}

#endif
