#include "kernels/backend/cpu_isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[SB_CPU_ISA_COUNT] = {"generic", "avx2", "avx512"};

const char *sb_cpu_isa_name(sb_cpu_isa isa)
{
    return (unsigned)isa < SB_CPU_ISA_COUNT ? names[isa] : "unknown";
}

int sb_cpu_isa_available(sb_cpu_isa isa)
{
    switch (isa) {
    case SB_CPU_GENERIC:
        return 1;
#if defined(__x86_64__)
    case SB_CPU_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case SB_CPU_AVX512:
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("fma");
#endif
    default:
        return 0;
    }
}

/* "generic, avx2": for the error texts. */
static void available_names(char *buf, size_t bytes)
{
    size_t n = 0;
    buf[0]   = '\0';
    for (int i = 0; i < SB_CPU_ISA_COUNT; i++)
        if (sb_cpu_isa_available((sb_cpu_isa)i) && n < bytes)
            n += (size_t)snprintf(buf + n, bytes - n, "%s%s", n > 0 ? ", " : "", names[i]);
}

sb_status sb_cpu_isa_choose(sb_cpu_isa *out)
{
    const char *want = getenv("SPAN_CPU_KERNEL");
    if (want == NULL || want[0] == '\0') {
        int best = SB_CPU_ISA_COUNT - 1;
        while (!sb_cpu_isa_available((sb_cpu_isa)best))
            best--; /* generic always is */
        *out = (sb_cpu_isa)best;
        return SB_OK;
    }
    char here[64];
    available_names(here, sizeof here);
    for (int i = 0; i < SB_CPU_ISA_COUNT; i++) {
        if (strcmp(want, names[i]) != 0)
            continue;
        if (!sb_cpu_isa_available((sb_cpu_isa)i))
            return sb_fail(
                SB_ERR_DEVICE,
                "SPAN_CPU_KERNEL: found `%s`, which this CPU or build lacks; allowed here: %s",
                want, here);
        *out = (sb_cpu_isa)i;
        return SB_OK;
    }
    return sb_fail(SB_ERR_USAGE, "SPAN_CPU_KERNEL: found `%.40s`, allowed here: %s", want, here);
}
