#include "kernels/base/library.h"

#include <dlfcn.h>
#include <string.h>

sb_status sb_library_open(const char *who, const char *name, void **out)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s: %s cannot be loaded: %s", who, name, dlerror());
    *out = library;
    return SB_OK;
}

sb_status sb_library_find(const char *who, const char *name, void *library, const char *symbol,
                          void *to)
{
    void *f = dlsym(library, symbol);
    if (f == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s: %s has no %s", who, name, symbol);
    memcpy(to, &f, sizeof f); /* C has no cast from an object to a function pointer */
    return SB_OK;
}
