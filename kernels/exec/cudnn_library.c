#include "kernels/exec/cudnn_library.h"

#include <dlfcn.h>
#include <string.h>

static const char NAME[] = "libcudnn.so.9";

static int resolve(void *library, const char *name, void *to)
{
    void *f = dlsym(library, name);
    if (f == NULL) {
        (void)sb_fail(SB_ERR_UNSUPPORTED, "cudnn: %s has no %s", NAME, name);
        return 0;
    }
    memcpy(to, &f, sizeof f); /* C has no cast from an object to a function pointer */
    return 1;
}

const sbi_cudnn *sbi_cudnn_open(void)
{
    static sbi_cudnn table;
    static int       is_open;
    if (is_open)
        return &table;
    /* stays loaded: the library keeps state on the device */
    void *library = dlopen(NAME, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        (void)sb_fail(SB_ERR_UNSUPPORTED, "cudnn: %s cannot be loaded: %s", NAME, dlerror());
        return NULL;
    }
#define SBI_CUDNN_RESOLVE(name)                                                                    \
    if (!resolve(library, "cudnn" #name, &table.name))                                             \
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
