/* cuDNN opened at run time: the program starts without it and says what is missing. Only the
 * backend (graph) interface is used. Compiled where cudnn.h is found (SB_HAVE_CUDNN). */
#ifndef SB_KERNELS_EXEC_CUDNN_LIBRARY_H
#define SB_KERNELS_EXEC_CUDNN_LIBRARY_H

#include <cudnn.h>

#include "kernels/base/status.h"

/* name: as in cudnn.h, without the leading "cudnn". */
#define SBI_CUDNN_CALLS(X)                                                                         \
    X(GetVersion)                                                                                  \
    X(GetErrorString)                                                                              \
    X(GetLastErrorString)                                                                          \
    X(Create)                                                                                      \
    X(SetStream)                                                                                   \
    X(BackendCreateDescriptor)                                                                     \
    X(BackendDestroyDescriptor)                                                                    \
    X(BackendSetAttribute)                                                                         \
    X(BackendGetAttribute)                                                                         \
    X(BackendFinalize)                                                                             \
    X(BackendExecute)

typedef struct sbi_cudnn {
#define SBI_CUDNN_FIELD(name) __typeof__(cudnn##name) *name;
    SBI_CUDNN_CALLS(SBI_CUDNN_FIELD)
#undef SBI_CUDNN_FIELD
} sbi_cudnn;

/* The library, opened on the first call and kept; NULL with the thread's error text
 * (SB_ERR_UNSUPPORTED) when there is none or it lacks a function. Not for two threads at once. */
const sbi_cudnn *sbi_cudnn_open(void);

/* SB_OK, or the library's own words behind `what`: SB_ERR_UNSUPPORTED where it says "not
 * supported", SB_ERR_NOMEM, else SB_ERR_DEVICE. */
sb_status sbi_cudnn_status(const sbi_cudnn *lib, cudnnStatus_t s, const char *what);

#endif
