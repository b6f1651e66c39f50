/* What device_ranks.c runs on: GPUs (device_ranks_cuda.c), or a device that is none
 * (device_ranks_double.c). */
#ifndef SB_TESTS_MPI_DEVICE_RANKS_H
#define SB_TESTS_MPI_DEVICE_RANKS_H

#include "kernels/base/method.h"

const sb_backend *ranks_backend(void);
/* The record to run there. fails: where ranks_can_fail, its attends do, on this rank. */
void   ranks_method(const sb_method *m, int fails, sb_method *out);
int    ranks_can_fail(void);
void   ranks_fail_call(const char *name); /* of the backend, each from here on; NULL: none */
int    ranks_device_is_empty(void); /* 1, where nobody can tell */
double ranks_nmse(const sb_method *m); /* of outputs against one rank's, both in bf16 */

#endif
