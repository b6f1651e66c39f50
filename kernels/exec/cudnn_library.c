#include "kernels/exec/cudnn_library.h"

#include "kernels/base/library.h"

static const char NAME[] = "libcudnn.so.9";

const sbi_cudnn *sbi_cudnn_open(void)
{
    static sbi_cudnn table;
    static int       is_open;
    if (is_open)
        return &table;
    void *library = NULL;
    if (sb_library_open("cudnn", NAME, &library) != SB_OK)
        return NULL;
#define SBI_CUDNN_RESOLVE(name)                                                                    \
    if (sb_library_find("cudnn", NAME, library, "cudnn" #name, &table.name) != SB_OK)              \
        return NULL;
    SBI_CUDNN_CALLS(SBI_CUDNN_RESOLVE)
#undef SBI_CUDNN_RESOLVE
    is_open = 1;
    return &table;
}

sb_status sbi_cudnn_status(const sbi_cudnn *lib, cudnnStatus_t s, const char *what)
{
    char more[256] = "";
    if (s == CUDNN_STATUS_SUCCESS)
        return SB_OK;
    lib->GetLastErrorString(more, sizeof more);
    for (char *p = more; *p != '\0'; p++)
        if (*p == '\n')
            *p = ' ';
    return sb_fail((int)s >= CUDNN_STATUS_NOT_SUPPORTED && (int)s < CUDNN_STATUS_INTERNAL_ERROR
                       ? SB_ERR_UNSUPPORTED
                   : s == CUDNN_STATUS_ALLOC_FAILED ? SB_ERR_NOMEM
                                                    : SB_ERR_DEVICE,
                   "cudnn: %s: %s%s%s", what, lib->GetErrorString(s), more[0] != '\0' ? ": " : "",
                   more);
}
