/* What every softmax method asks of a shape on the executors of this folder; methods add their own
 * conditions. */
#ifndef SB_KERNELS_EXEC_SHAPE_CHECK_H
#define SB_KERNELS_EXEC_SHAPE_CHECK_H

#include "kernels/base/method.h"

/* SB_OK, or SB_ERR_UNSUPPORTED naming what was found and what is allowed: head_dim, heads over
 * kv_heads, query ids past the keys, and more blocks of unit_tokens than int32 ids can name. */
sb_status sb_shape_check(const sb_shape *shape, int64_t unit_tokens);

#endif
