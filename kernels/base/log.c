#include "kernels/base/log.h"

#include <stdarg.h>
#include <stdio.h>

static int          log_rank  = -1;
static sb_log_level log_level = SB_LOG_INFO;

void sb_log_init(int rank, sb_log_level level)
{
    log_rank  = rank;
    log_level = level;
}

void sb_log(sb_log_level level, const char *fmt, ...)
{
    static const char *const names[SB_LOG_COUNT] = {"error: ", "warning: ", "", "debug: "};
    if (level > log_level)
        return;
    char    line[4096]; /* one write a line: lines of several ranks do not mix */
    int     n = log_rank >= 0 ? snprintf(line, sizeof line, "[%d] ", log_rank) : 0;
    va_list ap;
    n += snprintf(line + n, sizeof line - (size_t)n, "%s", names[level]);
    va_start(ap, fmt);
    (void)vsnprintf(line + n, sizeof line - (size_t)n, fmt, ap);
    va_end(ap);
    (void)fprintf(stderr, "%s\n", line);
}
