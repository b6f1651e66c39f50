/* Emitted token ids -> prediction text: the tokens of a group joined by a blank, groups joined by
 * "; ". */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/task.h"

#define TOKEN_TEXT_BYTES 32

sb_status sb_prediction_text(const sb_task *t, const sb_input *in, const int32_t *emitted,
                             int64_t n_emitted, char **out)
{
    if (n_emitted < 0 || n_emitted > in->n_emit)
        return sb_fail(SB_ERR_INTERNAL,
                       "%s/%s: %" PRId64 " emitted tokens for a script with %" PRId64, t->suite,
                       t->name, n_emitted, in->n_emit);
    size_t room = (size_t)n_emitted * (TOKEN_TEXT_BYTES + 1) + (size_t)in->n_groups * 2 + 1;
    char  *text = malloc(room);
    size_t len  = 0;
    if (text == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for %zu bytes of prediction", room);
    for (int64_t g = 0; g < in->n_groups; g++) {
        int64_t k = 0, in_group = 0;
        if (g > 0) {
            memcpy(text + len, "; ", 2);
            len += 2;
        }
        for (int64_t i = 0; i < in->n_script && k < n_emitted; i++) {
            if (in->script[i].kind != SB_SCRIPT_EMIT)
                continue;
            if (in->script[i].c == g) {
                if (in_group++ > 0)
                    text[len++] = ' ';
                t->token_text(emitted[k], text + len, TOKEN_TEXT_BYTES);
                len += strlen(text + len);
            }
            k++;
        }
    }
    text[len] = '\0';
    *out      = text;
    return SB_OK;
}
