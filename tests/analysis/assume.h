/* What `gcc -fanalyzer` and clang's analyzer cannot see from one source alone; run.py puts it
 * before each but those that define these. sb_fail never returns SB_OK: without that every path
 * behind `pointer == NULL ? sb_fail(...) : SB_OK` goes on with NULL. sb_wrap returns what it is
 * given, and sb_comm_agree SB_OK only where this rank's status was that too. No functions: a large
 * source is followed without looking into any. */
#ifndef SB_TESTS_ANALYSIS_ASSUME_H
#define SB_TESTS_ANALYSIS_ASSUME_H

#include "kernels/base/comm.h"
#include "kernels/base/status.h"

#undef sb_fail
#define sb_fail(...)                                                                               \
    __extension__({                                                                                \
        sb_status sbi_failed = sb_fail_at(__FILE__, __LINE__, __VA_ARGS__);                        \
        if (sbi_failed == SB_OK)                                                                   \
            __builtin_unreachable();                                                               \
        sbi_failed;                                                                                \
    })

#define sb_wrap(st, ...)                                                                           \
    __extension__({                                                                                \
        sb_status sbi_wrapped = (st);                                                              \
        (void)(sb_wrap)(sbi_wrapped, __VA_ARGS__);                                                 \
        sbi_wrapped;                                                                               \
    })

#define sb_comm_agree(c, st)                                                                       \
    __extension__({                                                                                \
        sb_status sbi_own = (st), sbi_all = (sb_comm_agree)(c, sbi_own);                           \
        if (sbi_all == SB_OK && sbi_own != SB_OK)                                                  \
            __builtin_unreachable();                                                               \
        sbi_all;                                                                                   \
    })

#endif
