/* cuBLASLt opened at run time: the program starts without it and says what is missing. Included
 * where cublasLt.h is found (SB_HAVE_CUBLASLT). */
#ifndef SB_KERNELS_BACKEND_CUBLASLT_LIBRARY_H
#define SB_KERNELS_BACKEND_CUBLASLT_LIBRARY_H

#include <cublasLt.h>

#include "kernels/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* name: as in cublasLt.h, without the leading "cublasLt". */
#define SBI_CUBLASLT_CALLS(X)                                                                      \
    X(Create)                                                                                      \
    X(Destroy)                                                                                     \
    X(GetVersion)                                                                                  \
    X(MatmulDescCreate)                                                                            \
    X(MatmulDescDestroy)                                                                           \
    X(MatmulDescSetAttribute)                                                                      \
    X(MatrixLayoutCreate)                                                                          \
    X(MatrixLayoutDestroy)                                                                         \
    X(MatmulPreferenceCreate)                                                                      \
    X(MatmulPreferenceDestroy)                                                                     \
    X(MatmulPreferenceSetAttribute)                                                                \
    X(MatmulAlgoGetHeuristic)                                                                      \
    X(Matmul)

typedef struct sbi_cublaslt {
#define SBI_CUBLASLT_FIELD(name) __typeof__(cublasLt##name) *name;
    SBI_CUBLASLT_CALLS(SBI_CUBLASLT_FIELD)
#undef SBI_CUBLASLT_FIELD
} sbi_cublaslt;

/* The library, opened on the first call and kept; NULL with the thread's error text
 * (SB_ERR_UNSUPPORTED) when there is none or it lacks a function. Not for two threads at once. */
const sbi_cublaslt *sbi_cublaslt_open(void);

/* SB_OK, or "cublaslt: WHAT: status N": SB_ERR_UNSUPPORTED where it says "not supported",
 * SB_ERR_NOMEM, else SB_ERR_DEVICE. */
sb_status sbi_cublaslt_status(cublasStatus_t s, const char *what);

#ifdef __cplusplus
}
#endif
#endif
