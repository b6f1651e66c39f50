/* Every method spanbench knows, in the order reports list them. */
#ifndef SB_KERNELS_REGISTRY_H
#define SB_KERNELS_REGISTRY_H

#include "kernels/base/method.h"

extern const sb_method *const sb_methods[]; /* NULL-terminated */

const sb_method *sb_method_find(const char *name); /* NULL when unknown */

#endif
