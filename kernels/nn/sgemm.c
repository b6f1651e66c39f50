#include "kernels/nn/sgemm.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static int32_t callers = INT32_MAX;

/* Of "OpenBLAS 0.3.21 ... MAX_THREADS=64". */
static int32_t room_of(void *lib)
{
    void *symbol = dlsym(lib, "openblas_get_config");
    char *(*config)(void);
    if (symbol == NULL)
        return INT32_MAX;
    memcpy(&config, &symbol, sizeof config);
    const char *text = config();
    const char *at   = text != NULL ? strstr(text, "MAX_THREADS=") : NULL;
    long        n    = at != NULL ? strtol(at + strlen("MAX_THREADS="), NULL, 10) : 0;
    return n > 0 && n < INT32_MAX / 2 ? (int32_t)(2 * n) : INT32_MAX;
}

/* A library's threads do not survive an unload, so it is never closed. */
static sb_sgemm_fn open_one(const char *name)
{
    void *lib   = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    void *sgemm = lib == NULL ? NULL : dlsym(lib, "cblas_sgemm");
    void *limit = lib == NULL ? NULL : dlsym(lib, "openblas_set_num_threads");
    if (sgemm == NULL)
        return NULL;
    sb_sgemm_fn f;
    void (*set)(int);
    if (limit != NULL) {
        memcpy(&set, &limit, sizeof set);
        set(1);
    }
    callers = room_of(lib);
    memcpy(&f, &sgemm, sizeof f);
    return f;
}

sb_status sb_sgemm_find(sb_sgemm_fn *out)
{
    /* A reference BLAS is left out: it is slower than plain code. */
    static const char *const names[] = {"libopenblas.so.0", "libmkl_rt.so.2", "libmkl_rt.so.1",
                                        "libblis.so.4"};
    static sb_sgemm_fn       found;
    for (size_t i = 0; found == NULL && i < sizeof names / sizeof *names; i++)
        found = open_one(names[i]);
    if (found == NULL)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "no OpenBLAS, MKL or BLIS is installed (Debian: libopenblas0)");
    *out = found;
    return SB_OK;
}

int32_t sb_sgemm_callers(void) { return callers; }
