/* Which CPU kernel variant runs: the widest that this CPU has, or the one the environment asks for.
 * The program is built for a plain x86-64-v2 (or any other) CPU; wider instructions sit in files of
 * their own. */
#ifndef SB_KERNELS_BACKEND_CPU_ISA_H
#define SB_KERNELS_BACKEND_CPU_ISA_H

#include "kernels/base/status.h"

typedef enum sb_cpu_isa {
    SB_CPU_GENERIC, /* portable C */
    SB_CPU_AVX2,    /* AVX2 and FMA */
    SB_CPU_AVX512,  /* AVX-512 F, BW, DQ, VL */
    SB_CPU_ISA_COUNT
} sb_cpu_isa;

const char *sb_cpu_isa_name(sb_cpu_isa isa); /* "generic", "avx2", "avx512" */
int         sb_cpu_isa_available(sb_cpu_isa isa);

/* *out = the variant named by SPAN_CPU_KERNEL (generic, avx2 or avx512), or the widest available
 * one when the variable is unset or empty. Read at every call, so a test may switch between calls.
 * Errors: SB_ERR_USAGE for an unknown name, SB_ERR_DEVICE for a variant this CPU lacks; both name
 * what is allowed here. */
sb_status sb_cpu_isa_choose(sb_cpu_isa *out);

#endif
