/* Dense causal attention: every key up to the query's own. The baseline and the reference of all
 * others. */
#ifndef SB_KERNELS_DENSE_DENSE_H
#define SB_KERNELS_DENSE_DENSE_H

#include "kernels/base/method.h"

extern const sb_method sb_dense;

#endif
