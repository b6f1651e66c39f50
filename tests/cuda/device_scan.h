/* Calls of a scan_case on the device: the plan from the host, operands and state copied there,
 * outputs and state copied back. */
#ifndef SB_TESTS_CUDA_DEVICE_SCAN_H
#define SB_TESTS_CUDA_DEVICE_SCAN_H

#include "tests/oracle/scan_case.h"

/* As scan_case_run. kernel: of SPAN_CUDA_KERNEL. Outputs are poisoned before, guards behind o, lse,
 * state and work room found intact. On failure o and state of the case stay as they are. */
sb_status device_scan(scan_case *s, int64_t first, int64_t n, int is_decode, const char *kernel);

#endif
