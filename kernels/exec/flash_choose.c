#include <stddef.h>

#include "kernels/backend/cpu_isa.h"
#include "kernels/exec/flash.h"

static const sbi_flash_ops *const variants[SB_CPU_ISA_COUNT] = {
    [SB_CPU_GENERIC] = &sbi_flash_generic,
#if defined(__x86_64__)
    [SB_CPU_AVX2]   = &sbi_flash_avx2,
    [SB_CPU_AVX512] = &sbi_flash_avx512,
#endif
};

sb_status sbi_flash_choose(const sbi_flash_ops **out)
{
    sb_cpu_isa isa;
    sb_status  st = sb_cpu_isa_choose(&isa);
    if (st == SB_OK)
        *out = variants[isa];
    return st;
}
