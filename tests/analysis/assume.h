/* What `gcc -fanalyzer` and clang's analyzer cannot see from one source alone; run.py puts it
 * before each. sb_fail never returns SB_OK: without that every path behind `pointer == NULL ?
 * sb_fail(...) : SB_OK` goes on with NULL. sb_comm_agree returns SB_OK only where this rank's
 * status was that too. */
#ifndef SB_TESTS_ANALYSIS_ASSUME_H
#define SB_TESTS_ANALYSIS_ASSUME_H

#include "kernels/base/status.h"

static inline sb_status sbi_assumed_failure(sb_status st)
{
    if (st == SB_OK)
        __builtin_unreachable();
    return st;
}

#undef sb_fail
#define sb_fail(...) sbi_assumed_failure(sb_fail_at(__FILE__, __LINE__, __VA_ARGS__))

#ifndef SB_DEFINES_AGREE /* in the source that does */
#include "kernels/base/comm.h"

static inline sb_status sbi_assumed_agreement(sb_comm *c, sb_status st)
{
    sb_status of_all = sb_comm_agree(c, st);
    if (of_all == SB_OK && st != SB_OK)
        __builtin_unreachable();
    return of_all;
}

#define sb_comm_agree(c, st) sbi_assumed_agreement(c, st)
#endif

#endif
