/* The steps of device_rows.h in plain loops over host memory, with the same rounding points; sums
 * run in order. backend and products are the user's to add. */
#ifndef SB_TESTS_UNIT_KERNELS_NN_ROWS_PLAIN_H
#define SB_TESTS_UNIT_KERNELS_NN_ROWS_PLAIN_H

#include "kernels/nn/device_rows.h"

extern const sb_device_rows rows_plain;

#endif
