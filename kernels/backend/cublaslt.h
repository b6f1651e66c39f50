/* cuBLASLt opened at run time: the program starts without it and says what is missing. Its table of
 * calls (sbi_cublaslt) is seen where its header is (SB_HAVE_CUBLASLT). */
#ifndef SB_KERNELS_BACKEND_CUBLASLT_H
#define SB_KERNELS_BACKEND_CUBLASLT_H

#include <stddef.h>

#include "kernels/base/status.h"

#if defined(SB_HAVE_CUBLASLT)
#include <cublasLt.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* "13.0.2"; SB_ERR_UNSUPPORTED says why there is none. For `doctor` and the ceilings. */
sb_status sb_cublaslt_describe(char *out, size_t bytes);

#if defined(SB_HAVE_CUBLASLT)
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
#endif

#ifdef __cplusplus
}
#endif
#endif
