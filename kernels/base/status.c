/* The thread's error text. Fixed buffers: reporting "no memory" must not need any. */
#include "kernels/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_BYTES = 2048, WHERE_BYTES = 192 };

static _Thread_local char text[TEXT_BYTES];
static _Thread_local char where[WHERE_BYTES];

sb_status sb_fail_at(const char *file, int line, sb_status st, const char *fmt, ...)
{
    char    fresh[TEXT_BYTES]; /* the old text may be one of the arguments */
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(fresh, sizeof fresh, fmt, ap);
    va_end(ap);
    memcpy(text, fresh, sizeof text);
    (void)snprintf(where, sizeof where, "%s:%d", file,
                   line); /* the build maps __FILE__ to a path from the repository root */
    return st;
}

sb_status sb_wrap(sb_status st, const char *fmt, ...)
{
    char    head[TEXT_BYTES], old[TEXT_BYTES];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(head, sizeof head, fmt, ap);
    va_end(ap);
    memcpy(old, text, sizeof old);
    const char *parts[] = {head, old[0] != '\0' ? ": " : "", old};
    size_t      n       = 0;
    for (int i = 0; i < 3; i++) {
        size_t m = strnlen(parts[i], sizeof text - 1 - n);
        memcpy(text + n, parts[i], m);
        n += m;
    }
    text[n] = '\0';
    return st;
}

const char *sb_error_text(void) { return text; }

const char *sb_error_where(void) { return where; }

void sb_error_clear(void)
{
    text[0]  = '\0';
    where[0] = '\0';
}

const char *sb_status_name(sb_status st)
{
    static const char *const names[SB_STATUS_COUNT] = {
        [SB_OK]              = "ok",
        [SB_ERR_NOMEM]       = "no_memory",
        [SB_ERR_IO]          = "io",
        [SB_ERR_USAGE]       = "usage",
        [SB_ERR_UNSUPPORTED] = "unsupported",
        [SB_ERR_NO_FIT]      = "no_fit",
        [SB_ERR_DEVICE]      = "device",
        [SB_ERR_COMM]        = "comm",
        [SB_ERR_PEER]        = "peer",
        [SB_ERR_STOPPED]     = "stopped",
        [SB_ERR_INTERNAL]    = "internal",
    };
    return (unsigned)st < SB_STATUS_COUNT ? names[st] : "unknown";
}
