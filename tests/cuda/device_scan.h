/* Calls of a scan_case on the device: the plan from the host, operands and state copied there,
 * outputs and state copied back. */
#ifndef SB_TESTS_CUDA_DEVICE_SCAN_H
#define SB_TESTS_CUDA_DEVICE_SCAN_H

#include "tests/oracle/scan_case.h"

/* As scan_case_run. kernel: of SPAN_CUDA_KERNEL. Outputs are poisoned before, guards behind o, lse,
 * state and work room found intact. On failure o and state of the case stay as they are. */
sb_status device_scan(scan_case *s, int64_t first, int64_t n, int is_decode, const char *kernel);

/* The same of one of several ranks, which has the tokens [first, first + n), in a prefill. */
sb_status device_scan_rank(scan_case *s, int64_t first, int64_t n, const char *kernel,
                           sb_comm *comm, sb_link *link);

/* What the judge says of a case: outputs, and the states after all tokens. */
typedef struct device_judged {
    double *o;     /* [heads][n][d] */
    double *state; /* [states][rows][d]: rows are d, of a running mean one, w / u */
    int64_t states, rows;
} device_judged;
device_judged device_judge(const scan_case *s);
void          device_judged_free(device_judged *j);

/* Largest relative error of a state in the case's cache. */
double device_state_error(const scan_case *s, const device_judged *j);

#endif
