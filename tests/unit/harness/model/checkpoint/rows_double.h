/* The steps of device_rows.h on a device that is none (fake_device.h): rows_plain.h at work in its
 * memory. */
#ifndef SB_TESTS_CHECKPOINT_ROWS_DOUBLE_H
#define SB_TESTS_CHECKPOINT_ROWS_DOUBLE_H

#include "kernels/nn/device_rows.h"

/* Tells its free memory, as fake_backend does not. */
extern const sb_device_rows rows_double;
extern int                  rows_double_missing; /* 1: products cannot be opened */

#endif
