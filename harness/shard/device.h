/* Attention calls on a device.
 *
 *   open    q, k, v -> device                                              once
 *   attend  plan, there or on the host and then placed there -> attend     each call
 *   fetch   o, lse, the index -> host                                      when somebody looks
 *
 * o, lse and the index stay on the device. One rank: keys gathered from others would have to be
 * copied in each call. */
#ifndef SB_HARNESS_SHARD_DEVICE_H
#define SB_HARNESS_SHARD_DEVICE_H

#include "kernels/base/method.h"

typedef struct sb_device_call sb_device_call;

/* Tensors are host memory and borrowed for this call only; q's ids until destroy. Errors:
 * SB_ERR_NO_FIT with the bytes where the device has too little memory; SB_ERR_DEVICE. */
sb_status sb_device_call_open(const sb_backend *backend, const sb_tensor *q, const sb_tensor *k,
                              const sb_tensor *v, sb_device_call **out);
void      sb_device_call_close(sb_device_call *c); /* NULL is fine */

/* 1: m's plan runs on the device itself, so that no index is laid out in host memory. */
int sb_device_plans(const sb_backend *backend, const sb_method *m);

/* m's plan and attend on the device. shape: of the call. plan: where the device plans, it becomes
 * the plan with its arrays in device memory; else it has been made in host memory, and is checked,
 * copied (SB_PHASE_SELECT of ctx) and followed. Phases come from the device's own clock. Returns
 * when o and lse are there. A method's state starts anew. The room for the index grows when an
 * index needs more than any before, and so does what attend works in. */
sb_status sb_device_call_attend(sb_device_call *c, const sb_ctx *ctx, const sb_method *m,
                                const void *params, const sb_shape *shape, sb_plan *plan,
                                float scale);

/* The last results into a bf16 tensor of q's shape and [heads][n_q] of lse. */
sb_status sb_device_call_fetch(const sb_device_call *c, const sb_tensor *o, float *lse);

/* *out: the last call's plan with its arrays in host memory. Where the host planned that is `plan`
 * itself, else a copy that lives until the next call or fetch. */
sb_status sb_device_call_fetch_plan(sb_device_call *c, const sb_plan *plan, const sb_plan **out);

size_t sb_device_call_bytes(const sb_device_call *c); /* device memory held */

#endif
