/* A device that is none (fake_device.h) for methods: records whose plans and attends are the CPU's,
 * at work in that memory. */
#ifndef SB_TESTS_MPI_DEVICE_DOUBLE_H
#define SB_TESTS_MPI_DEVICE_DOUBLE_H

#include "kernels/base/method.h"

/* *out: m with a device. Such as plan on a real one plan there too. The next calls are of this
 * method; those of dense, too. fails: its attends do, on this rank. */
void device_double(const sb_method *m, int fails, sb_method *out);

#endif
