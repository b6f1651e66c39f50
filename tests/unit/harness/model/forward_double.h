/* The probe with a device that is none (fake_device.h): its steps are the CPU's, at work in that
 * memory; tables stay where the CPU has them. */
#ifndef SB_TESTS_UNIT_HARNESS_MODEL_FORWARD_DOUBLE_H
#define SB_TESTS_UNIT_HARNESS_MODEL_FORWARD_DOUBLE_H

#include "harness/model/model.h"

sb_model *forward_double_probe(void);
void      forward_double_forget(sb_model *m);       /* it has no device any more */
int       forward_double_holds(const sb_tensor *t); /* 1: rows in use are that device's */

#endif
