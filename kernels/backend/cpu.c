/* The cpu backend: host memory, work done when a call returns. It is the default and the oracle. */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "kernels/backend/cpu_isa.h"
#include "kernels/base/arena.h"
#include "kernels/base/backend.h"

static sb_status cpu_available(void)
{
    sb_cpu_isa isa;
    return sb_cpu_isa_choose(&isa); /* a bad SPAN_CPU_KERNEL is found before any work starts */
}

/* The "model name" of /proc/cpuinfo; CPUs without that line (arm64) go by the machine name. */
static void cpu_model(char *buf, size_t bytes)
{
    struct utsname u;
    buf[0]  = '\0';
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (f != NULL) {
        char line[512];
        while (buf[0] == '\0' && fgets(line, sizeof line, f) != NULL) {
            char *colon = strchr(line, ':');
            if (strncmp(line, "model name", 10) != 0 || colon == NULL)
                continue;
            line[strcspn(line, "\n")] = '\0';
            (void)snprintf(buf, bytes, "%s", colon + 1 + strspn(colon + 1, " \t"));
        }
        (void)fclose(f);
    }
    if (buf[0] == '\0')
        (void)snprintf(buf, bytes, "%s", uname(&u) == 0 ? u.machine : "cpu");
}

static int32_t cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (int32_t)CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int32_t)n : 1;
}

static sb_status cpu_facts(sb_device_facts *out)
{
    sb_cpu_isa isa;
    sb_status  st = sb_cpu_isa_choose(&isa);
    if (st != SB_OK)
        return st;
    char model[96];
    cpu_model(model, sizeof model);
    sb_device_facts f = {.count = cpu_count()};
    (void)snprintf(f.name, sizeof f.name, "%s %s", model, sb_cpu_isa_name(isa));
    (void)snprintf(f.detail, sizeof f.detail, "kernel variant %s", sb_cpu_isa_name(isa));
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    f.memory_bytes = pages > 0 && page > 0 ? (int64_t)pages * page : 0;
    *out           = f;
    return SB_OK;
}

static sb_status cpu_alloc(size_t bytes, void **out)
{
    size_t rounded = bytes;
    if (bytes > SIZE_MAX - SB_ARENA_ALIGN)
        return sb_fail(SB_ERR_NOMEM, "cpu memory: %zu bytes overflow", bytes);
    rounded = (bytes + SB_ARENA_ALIGN - 1) / SB_ARENA_ALIGN * SB_ARENA_ALIGN;
    void *p = aligned_alloc(SB_ARENA_ALIGN, rounded > 0 ? rounded : SB_ARENA_ALIGN);
    if (p == NULL)
        return sb_fail(SB_ERR_NOMEM, "cpu memory: no %zu bytes to be had", bytes);
    *out = p;
    return SB_OK;
}

static void cpu_free(void *p) { free(p); }

static sb_status cpu_copy(void *dst, const void *src, size_t bytes, sb_copy_kind kind, void *stream)
{
    (void)kind;
    (void)stream;
    if (bytes > 0)
        memmove(dst, src, bytes);
    return SB_OK;
}

static sb_status cpu_copy_rows(void *dst, size_t dst_step, const void *src, size_t src_step,
                               size_t bytes, size_t rows, sb_copy_kind kind, void *stream)
{
    sb_status st = SB_OK;
    for (size_t i = 0; st == SB_OK && i < rows; i++)
        st = cpu_copy((char *)dst + i * dst_step, (const char *)src + i * src_step, bytes, kind,
                      stream);
    return st;
}

static sb_status cpu_fill(void *dst, int byte, size_t bytes, void *stream)
{
    (void)stream;
    if (bytes > 0)
        memset(dst, byte, bytes);
    return SB_OK;
}

static sb_status cpu_sync(void *stream)
{
    (void)stream;
    return SB_OK;
}

const sb_backend sb_backend_cpu = {
    .name      = "cpu",
    .id        = SB_CPU,
    .available = cpu_available,
    .facts     = cpu_facts,
    .alloc     = cpu_alloc,
    .free      = cpu_free,
    .copy      = cpu_copy,
    .copy_rows = cpu_copy_rows,
    .fill      = cpu_fill,
    .sync      = cpu_sync,
};
