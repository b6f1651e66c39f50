#include "harness/run/memory.h"

#include <stdio.h>
#include <string.h>

/* The number of KiB behind `key` in a /proc file of "key: value kB" lines, -1 when there is none.
 */
static int64_t proc_kib(const char *path, const char *key)
{
    char    line[256];
    int64_t kib = -1;
    FILE   *f   = fopen(path, "r");
    if (f == NULL)
        return -1;
    while (kib < 0 && fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':') {
            long long v;
            if (sscanf(line + strlen(key) + 1, "%lld", &v) == 1)
                kib = v;
        }
    (void)fclose(f);
    return kib;
}

int64_t sb_memory_available_bytes(void)
{
    int64_t kib = proc_kib("/proc/meminfo", "MemAvailable");
    return kib < 0 ? INT64_MAX / 4 : kib * 1024;
}

void sb_memory_reset_high_water(void)
{
    FILE *f = fopen("/proc/self/clear_refs", "w");
    if (f == NULL)
        return;
    (void)fputs("5\n", f);
    (void)fclose(f);
}

int64_t sb_memory_high_water_bytes(void)
{
    int64_t kib = proc_kib("/proc/self/status", "VmHWM");
    return kib < 0 ? 0 : kib * 1024;
}
