/* One call of the linear scan, checked; for its own files. */
#ifndef SB_KERNELS_EXEC_LINEAR_SCAN_CALL_H
#define SB_KERNELS_EXEC_LINEAR_SCAN_CALL_H

#include "kernels/exec/linear_scan_room.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Local tokens [start, start + n) of the sequence: rows from 0 of q, from key_slot of k and v. */
typedef struct sbi_scan_call {
    const sbi_scan_room *room;
    const sbi_flash_ops *ops;
    const sb_attn_in    *in;
    sb_attn_out         *out;
    int64_t              start, n, key_slot;
    int32_t              on_device; /* tensors are device memory: gates are not looked at */
    int32_t              has_keys; /* 0: no tokens, or (decode) another rank's */
} sbi_scan_call;

/* room, in, out and on_device are set; fills the rest. Errors as sb_attend_linear_scan_cpu has
 * them. Local. */
sb_status sbi_scan_call_open(sbi_scan_call *c);

#ifdef __cplusplus
}
#endif

#endif
