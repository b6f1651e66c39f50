/* The thread's error text. Fixed buffers: reporting "no memory" must not need any. */
#include "kernels/base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_BYTES = 2048, WHERE_BYTES = 192 };

static _Thread_local char text[TEXT_BYTES];
static _Thread_local char where[WHERE_BYTES];

/* Paths as they stand in the repository, whatever directory the compiler was started in. */
static const char *from_root(const char *file)
{
    static const char *const tops[] = {"kernels/", "harness/", "workloads/", "results/", "tests/"};
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
        const char *p = strstr(file, tops[i]);
        if (p != NULL)
            return p;
    }
    return file;
}

sb_status sb_fail_at(const char *file, int line, sb_status st, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    (void)snprintf(where, sizeof where, "%s:%d", from_root(file), line);
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
    size_t n    = strnlen(head, sizeof head - 3);
    size_t left = sizeof text - n - 3;
    memcpy(text, head, n);
    memcpy(text + n, ": ", 2);
    size_t m = strnlen(old, left);
    memcpy(text + n + 2, old, m);
    text[n + 2 + m] = '\0';
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
        [SB_OK] = "ok",
        [SB_ERR_NOMEM] = "no_memory",
        [SB_ERR_IO] = "io",
        [SB_ERR_USAGE] = "usage",
        [SB_ERR_UNSUPPORTED] = "unsupported",
        [SB_ERR_NO_FIT] = "no_fit",
        [SB_ERR_DEVICE] = "device",
        [SB_ERR_COMM] = "comm",
        [SB_ERR_PEER] = "peer",
        [SB_ERR_STOPPED] = "stopped",
        [SB_ERR_INTERNAL] = "internal",
    };
    return (unsigned)st < SB_STATUS_COUNT ? names[st] : "unknown";
}
