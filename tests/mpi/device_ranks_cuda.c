#include "tests/mpi/device_ranks.h"
#include "tests/tolerance.h"

const sb_backend *ranks_backend(void) { return &sb_backend_cuda; }

void ranks_method(const sb_method *m, int fails, sb_method *out)
{
    (void)fails;
    *out = *m;
}

int ranks_can_fail(void) { return 0; }

void ranks_fail_call(const char *name) { (void)name; }

int ranks_device_is_empty(void) { return 1; }

/* Another kernel, or other tiles of keys: P is rounded beside another maximum. States: chunks of
 * other rows, no further apart than one may be from the judge. */
double ranks_nmse(const sb_method *m)
{
    return (m->caps & SB_CAP_STATE) != 0 ? SB_SCAN_REL_BF16 * SB_SCAN_REL_BF16
                                         : 2 * (SB_NMSE_PO_BF16 + SB_NMSE_BF16);
}
