/* The first failure of a team of threads, whose error texts are a thread's own (status.h). */
#ifndef SB_KERNELS_BASE_FIRST_ERROR_H
#define SB_KERNELS_BASE_FIRST_ERROR_H

#include <stdio.h>

#include "kernels/base/status.h"

/* All zero: none yet. */
typedef struct sb_first_error {
    sb_status status;
    char      text[512];
} sb_first_error;

/* By the thread that failed, under a lock of the team (`omp critical`). SB_OK is fine. */
static inline void sb_first_error_note(sb_first_error *e, sb_status st)
{
    if (st == SB_OK || e->status != SB_OK)
        return;
    e->status = st;
    (void)snprintf(e->text, sizeof e->text, "%s", sb_error_text());
}

/* For the calling thread: its text is the first one's. */
static inline sb_status sb_first_error_raise(const sb_first_error *e)
{
    return e->status == SB_OK ? SB_OK : sb_fail(e->status, "%s", e->text);
}

#endif
