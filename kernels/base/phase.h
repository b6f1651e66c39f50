/* Where time goes, by the names the database uses. A method brackets its own steps; the harness brackets the rest. */
#ifndef SB_KERNELS_BASE_PHASE_H
#define SB_KERNELS_BASE_PHASE_H

#include <stdint.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sb_phase {
    SB_PHASE_LOAD,
    SB_PHASE_ESTIMATE,
    SB_PHASE_SELECT,
    SB_PHASE_PERMUTE,
    SB_PHASE_COMPUTE,
    SB_PHASE_COMMUNICATE, /* exposed, not hidden behind compute */
    SB_PHASE_ATTENTION,   /* wall time of the operator: made of the five above */
    SB_PHASE_PREFILL,     /* ids to the first new token, on all ranks */
    SB_PHASE_DECODE_TOKEN,
    SB_PHASE_COUNT
} sb_phase;

typedef struct sb_phase_times {
    int64_t     ns[SB_PHASE_COUNT];
    int64_t     aside_ns; /* spent in a pass on what is no part of it (trials of kernels): not in
                             `attention` and `prefill` */
    const char *kernel; /* static name of the kernel that attended last; NULL: none said so */
} sb_phase_times;

static inline int64_t sb_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Usage: int64_t t0 = sb_now_ns(); ... sb_phase_add(ctx->phases, SB_PHASE_SELECT, t0); */
static inline void sb_phase_add(sb_phase_times *p, sb_phase phase, int64_t since_ns)
{
    if (p != NULL)
        p->ns[phase] += sb_now_ns() - since_ns;
}

const char *sb_phase_name(sb_phase phase); /* "estimate", ..., "decode_token" */

#ifdef __cplusplus
}
#endif
#endif
