#include "kernels/backend/cublaslt.h"

#include <stdio.h>

#if defined(SB_HAVE_CUBLASLT)
#include "kernels/backend/cublaslt_library.h"
#include "kernels/base/library.h"

static sb_status load(const char *name, sbi_cublaslt *table)
{
    void     *library = NULL;
    sb_status st      = sb_library_open("cublaslt", name, &library);
#define SBI_CUBLASLT_RESOLVE(call)                                                                 \
    if (st == SB_OK)                                                                               \
        st = sb_library_find("cublaslt", name, library, "cublasLt" #call, &table->call);
    SBI_CUBLASLT_CALLS(SBI_CUBLASLT_RESOLVE)
#undef SBI_CUBLASLT_RESOLVE
    return st;
}

const sbi_cublaslt *sbi_cublaslt_open(void)
{
    static sbi_cublaslt table;
    static int          is_open;
    if (!is_open && load("libcublasLt.so.13", &table) != SB_OK &&
        load("libcublasLt.so.12", &table) != SB_OK) {
        (void)sb_wrap(SB_ERR_UNSUPPORTED, "no libcublasLt.so.13 either");
        return NULL;
    }
    is_open = 1;
    return &table;
}

sb_status sbi_cublaslt_status(cublasStatus_t s, const char *what)
{
    if (s == CUBLAS_STATUS_SUCCESS)
        return SB_OK;
    return sb_fail(s == CUBLAS_STATUS_NOT_SUPPORTED  ? SB_ERR_UNSUPPORTED
                   : s == CUBLAS_STATUS_ALLOC_FAILED ? SB_ERR_NOMEM
                                                     : SB_ERR_DEVICE,
                   "cublaslt: %s: status %d", what, (int)s);
}

sb_status sb_cublaslt_describe(char *out, size_t bytes)
{
    const sbi_cublaslt *l = sbi_cublaslt_open();
    if (l == NULL)
        return SB_ERR_UNSUPPORTED;
    size_t v = l->GetVersion();
    (void)snprintf(out, bytes, "%zu.%zu.%zu", v / 10000, v / 100 % 100, v % 100);
    return SB_OK;
}
#else
sb_status sb_cublaslt_describe(char *out, size_t bytes)
{
    (void)out, (void)bytes;
    return sb_fail(SB_ERR_UNSUPPORTED, "cublaslt: built without cublasLt.h");
}
#endif
