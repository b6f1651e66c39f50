#include <stdlib.h>

#include "tests/mpi/device_double.h"
#include "tests/mpi/device_ranks.h"
#include "tests/tolerance.h"
#include "tests/unit/harness/run/fake_device.h"

/* For the double of NCCL, which works in the memory of devices. */
void fake_nccl_begin(void *stream);
void fake_nccl_end(void);

void fake_nccl_begin(void *stream) { fake_enter(stream); }
void fake_nccl_end(void) { fake_leave(); }

const sb_backend *ranks_backend(void)
{
    if (fake_device.limit == 0) {
        fake_reset();
        fake_device.uuid = getenv("OMPI_COMM_WORLD_RANK"); /* each rank has its own */
    }
    return &fake_backend;
}

void ranks_method(const sb_method *m, int fails, sb_method *out) { device_double(m, fails, out); }

int ranks_can_fail(void) { return 1; }

void ranks_fail_call(const char *name) { fake_device.fail_call = name; }

int ranks_device_is_empty(void) { return fake_device.used == 0; }

/* The same arithmetic, and sums in another order; one rounding. */
double ranks_nmse(const sb_method *m)
{
    (void)m;
    return SB_NMSE_BF16;
}
