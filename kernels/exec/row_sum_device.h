/* Lengths of lists to where they start: row pointers on a device. */
#ifndef SB_KERNELS_EXEC_ROW_SUM_DEVICE_H
#define SB_KERNELS_EXEC_ROW_SUM_DEVICE_H

#include <stdint.h>

#include "kernels/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of device memory that a sum over `lists` lists works in. A bound that needs no device, so
 * that memory can be planned where there is none. Errors: SB_ERR_UNSUPPORTED 2^31 lists. */
sb_status sb_row_sum_bytes(int64_t lists, int64_t *bytes);

/* row_ptr[1 .. lists], each a length, become running sums; row_ptr[0] is the caller's. room: device
 * memory, `bytes` of it as above. Queued on `stream`. Errors: SB_ERR_DEVICE. */
sb_status sb_row_sum_cuda(void *room, int64_t bytes, int64_t *row_ptr, int64_t lists, void *stream);

#ifdef __cplusplus
}
#endif
#endif
