/* NCCL as a table of functions, opened at run time: the program starts where there is none. */
#ifndef SB_HARNESS_COMM_NCCL_LIBRARY_H
#define SB_HARNESS_COMM_NCCL_LIBRARY_H

#include <nccl.h>

#include "kernels/base/status.h"

/* Every call that is used, without its `nccl`. */
#define SBI_NCCL_CALLS(X)                                                                          \
    X(GetVersion)                                                                                  \
    X(GetUniqueId)                                                                                 \
    X(CommInitRankConfig)                                                                          \
    X(CommGetAsyncError)                                                                           \
    X(CommFinalize)                                                                                \
    X(CommDestroy)                                                                                 \
    X(CommAbort)                                                                                   \
    X(GroupStart)                                                                                  \
    X(GroupEnd)                                                                                    \
    X(Send)                                                                                        \
    X(Recv)                                                                                        \
    X(GetErrorString)                                                                              \
    X(GetLastError)

typedef struct sbi_nccl {
#define SBI_NCCL_FIELD(name) __typeof__(&nccl##name) name;
    SBI_NCCL_CALLS(SBI_NCCL_FIELD)
#undef SBI_NCCL_FIELD
    int version; /* 22809 */
} sbi_nccl;

/* NULL with the reason as error text: no library, one without a call that is used, one older than
 * 2.18 (communicators without blocking) or of another major version. */
const sbi_nccl *sbi_nccl_open(void);

/* SB_OK also for ncclInProgress; else SB_ERR_COMM with the library's texts. comm NULL: none yet. */
sb_status sbi_nccl_status(const sbi_nccl *lib, ncclResult_t r, ncclComm_t comm, const char *what);

#endif
