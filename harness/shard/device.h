/* Attend on a device with a plan of the host, for methods whose selection does not read q and k.
 *
 *   open   q, k, v -> device                               once
 *   attend plan on the host -> placed -> attend            each call; o and lse stay on the device
 *   fetch  o, lse -> host                                  when somebody looks
 *
 * One rank: keys gathered from others would have to be copied in each call. */
#ifndef SB_HARNESS_SHARD_DEVICE_H
#define SB_HARNESS_SHARD_DEVICE_H

#include "kernels/base/method.h"

typedef struct sb_device_call sb_device_call;

/* Tensors are host memory and borrowed for this call only; q's ids until destroy. Errors:
 * SB_ERR_NO_FIT with the bytes where the device has too little memory; SB_ERR_DEVICE. */
sb_status sb_device_call_open(const sb_backend *backend, const sb_tensor *q, const sb_tensor *k,
                              const sb_tensor *v, sb_device_call **out);
void      sb_device_call_close(sb_device_call *c); /* NULL is fine */

/* m's attend on the device by `plan`, whose arrays are host memory: checked, copied and followed.
 * The copy's time goes to SB_PHASE_SELECT of ctx, attend's own where attend puts it. Returns when o
 * and lse are there. shape: what the plan was laid out for. A method's state starts anew. The room
 * for the index grows when an index needs more than any before, and so does what attend works in.
 */
sb_status sb_device_call_attend(sb_device_call *c, const sb_ctx *ctx, const sb_method *m,
                                const void *params, const sb_shape *shape, const sb_plan *plan,
                                float scale);

/* The last results into a bf16 tensor of q's shape and [heads][n_q] of lse. */
sb_status sb_device_call_fetch(const sb_device_call *c, const sb_tensor *o, float *lse);

size_t sb_device_call_bytes(const sb_device_call *c); /* device memory held */

#endif
