/* For what is written for Hopper only. */
#ifndef SB_KERNELS_EXEC_NEED_SM90_H
#define SB_KERNELS_EXEC_NEED_SM90_H

#include "kernels/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Why kernels of sm_90a cannot run here, as "found ..." would go on; NULL: they were compiled, and
 * the current device is of compute capability 9.0. */
const char *sbi_no_sm90(void);

/* The same as a status: SB_ERR_UNSUPPORTED, "`what`: found ...". SB_OK where there is no device at
 * all: sizes are asked for, before there is one to run on. */
sb_status sbi_need_sm90(const char *what);

#ifdef __cplusplus
}
#endif
#endif
