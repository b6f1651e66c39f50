/* Attention calls on a device, whose memory holds their operands and results.
 *
 *   take, upload    memory of whoever makes the calls                       once
 *   attend          plan, there or on the host and then placed there -> attend     each call
 *   fetch           rows, the index -> host                                 when somebody looks
 *
 * The index, and what plan and attend work in, stand in rooms that the calls share: layers of a
 * model, prefill and decode, one after the other. With several ranks, rows that come from others
 * stand in the caller's memory there and travel over a link (link.h); a call is one rank's own. */
#ifndef SB_HARNESS_SHARD_DEVICE_H
#define SB_HARNESS_SHARD_DEVICE_H

#include "kernels/base/method.h"
#include "kernels/exec/merge_lse.h"

typedef struct sb_device_call sb_device_call;

/* Errors: SB_ERR_DEVICE; SB_ERR_NOMEM of the host. */
sb_status sb_device_call_open(const sb_backend *backend, sb_device_call **out);
void      sb_device_call_close(sb_device_call *c); /* NULL is fine; all its memory goes */

/* *out: bytes of device memory, until close. Errors: SB_ERR_NO_FIT with the bytes where the device
 * has too little. */
sb_status sb_device_call_take(sb_device_call *c, size_t bytes, void **out);
/* Like take, filled with the tokens in use of a bf16 tensor: a cache has room for more. `from` is
 * host memory; its ids are borrowed. */
sb_status sb_device_call_upload(sb_device_call *c, const sb_tensor *from, sb_tensor *out);

/* bf16 rows on the device into host memory, of the same shape but for head_stride; waits. */
sb_status sb_device_fetch(const sb_backend *backend, const sb_tensor *from, const sb_tensor *to);
sb_status sb_device_fetch_bytes(const sb_backend *backend, const void *from, size_t bytes,
                                void *to);

/* Gates and betas of the calls to come (method.h sb_attn_in): host memory, copied now; NULL: none.
 * Errors: as open. */
sb_status sb_device_call_sides(sb_device_call *c, const sb_tensor *gate, const sb_tensor *beta);

/* Room for the partial of a decode step, o [heads][head_dim] and lse [heads], of the next call. */
sb_status sb_device_call_partial(sb_device_call *c, int64_t heads, int64_t head_dim, float **out);

/* 1: m's plan runs on the device itself, so that no index is laid out in host memory. */
int sb_device_plans(const sb_backend *backend, const sb_method *m);

/* m's plan and attend on the device. ctx->last_q: of methods with plan_last_queries, where other
 * ranks have some of them (NULL: they are the last rows of in->q). shape: of the call; in, out and
 * the cache's state: device memory, ids are host memory; out->lse NULL: nobody wants it. plan:
 * where the device plans, it becomes the plan with its arrays in device memory; else it has been
 * made in host memory, and is checked, copied (SB_PHASE_SELECT of ctx) and followed. Phases come
 * from the device's own clock. Returns when the results are there; of a decode step without
 * ctx->phases and without an index it returns when it is queued, and an error of the device shows
 * where somebody waits. cache (or NULL): of methods that carry a state on; without one it starts
 * anew. The room for the index grows when an index needs more than any before, and so does what
 * attend works in. */
sb_status sb_device_call_attend(sb_device_call *c, const sb_ctx *ctx, const sb_method *m,
                                const void *params, const sb_attn_in *in, const sb_shape *shape,
                                sb_plan *plan, sb_cache *cache, const sb_attn_out *out);

/* The last call's rows, method and shape once more, over other keys: its plan is followed where it
 * stands, neither made nor copied anew. Returns as attend does. */
sb_status sb_device_call_again(sb_device_call *c, const sb_ctx *ctx, const sb_method *m,
                               const void *params, const sb_attn_in *in, const sb_shape *shape,
                               const sb_attn_out *out);

/* Device memory that calls take on top of operands and results, each the most of any call. */
typedef struct sb_device_room {
    size_t index, work, lse, partial;
} sb_device_room;

/* Raise *room to what such a call needs (ctx->step not NULL: what one with a step does, whatever it
 * points to): exactly, but for the index of a plan made on the host, of
 * which the copy takes no more than host_index_bytes, its room there. wants_lse: 0, where out->lse
 * will be NULL. Local, nothing is allocated. Errors: SB_ERR_UNSUPPORTED, of a method that does not
 * attend there; those of its layout. */
sb_status sb_device_call_count(const sb_ctx *ctx, const sb_method *m, const void *params,
                               const sb_shape *shape, size_t host_index_bytes, int wants_lse,
                               sb_device_room *room);

/* *out: the last call's plan with its arrays in host memory. Where the host planned that is `plan`
 * itself, else a copy that lives until the next call or fetch. */
sb_status sb_device_call_fetch_plan(sb_device_call *c, const sb_plan *plan, const sb_plan **out);

size_t sb_device_call_bytes(const sb_device_call *c); /* most device memory held so far */

/* sb_merge_lse on a device; p, o and lse as there. Queued on `stream`. NULL: this build has none.
 * Tests with a device of their own put theirs here. */
typedef sb_status (*sb_device_merge_fn)(const sb_partials *p, sb_dtype dtype, void *o, float *lse,
                                        void *stream);
extern sb_device_merge_fn sb_device_merge;

/* By it, which must not be NULL: a running output on a device as bf16 rows there, each number
 * rounded once; both lie head by head without gaps. lse: of the rows; those without a key become 0.
 */
sb_status sb_device_round_off(const sb_tensor *from, const float *lse, const sb_tensor *to,
                              void *stream);

#endif
