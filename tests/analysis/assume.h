/* What `gcc -fanalyzer` cannot see from one source alone; run.py puts it before each. sb_fail never
 * returns SB_OK: without that every path behind `pointer == NULL ? sb_fail(...) : SB_OK` goes on
 * with NULL. */
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

#endif
