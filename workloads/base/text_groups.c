#include "workloads/base/text_groups.h"

#include <stdio.h>
#include <string.h>

void sb_text_percent(double sum, int64_t n, int32_t decimals, char *buf, size_t buf_bytes)
{
    int bytes = snprintf(buf, buf_bytes, "%.*f", (int)decimals, 100 * sum / (double)n);
    if (bytes < 0 || (size_t)bytes >= buf_bytes)
        return;
    while (bytes >= 2 && buf[bytes - 1] == '0' && buf[bytes - 2] != '.')
        buf[--bytes] = '\0';
}
