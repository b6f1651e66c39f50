/* For what is written for Hopper only. */
#ifndef SB_KERNELS_EXEC_NEED_SM90_H
#define SB_KERNELS_EXEC_NEED_SM90_H

#include "kernels/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* SB_OK where kernels of sm_90a run: they were compiled, and the current device is of compute
 * capability 9.0. Else SB_ERR_UNSUPPORTED: "`what`: found ..., allowed ...". */
sb_status sbi_need_sm90(const char *what);

#ifdef __cplusplus
}
#endif
#endif
