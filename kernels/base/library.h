/* Libraries that are opened at run time, so that the program starts where there are none. */
#ifndef SB_KERNELS_BASE_LIBRARY_H
#define SB_KERNELS_BASE_LIBRARY_H

#include "kernels/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* *out: the library, which stays loaded. SB_ERR_UNSUPPORTED: "`who`: NAME cannot be loaded: ...".
 */
sb_status sb_library_open(const char *who, const char *name, void **out);

/* The address of a function into the function pointer at `to`. SB_ERR_UNSUPPORTED: "`who`: NAME
 * has no SYMBOL". */
sb_status sb_library_find(const char *who, const char *name, void *library, const char *symbol,
                          void *to);

#ifdef __cplusplus
}
#endif
#endif
