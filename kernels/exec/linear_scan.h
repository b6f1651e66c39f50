/* Attention that carries a state from token to token instead of choosing keys [lightning 3,
 * linear 3]. Per head, with row vectors q, k, v of a token:
 *
 *   DECAY  S = e^-s S + k'v                         one s >= 0 a head; o = scale q S
 *   GATE   S = diag(e^g) S + k'v                    a gate g <= 0 a key channel and token
 *   DELTA  S = e^g S;  S += k' beta (v - k S)       a gate and a beta a token
 *   MEAN   o = sum e^(scale q.k) v / sum e^(scale q.k)   one q a head: that of token 0
 *
 * S [key channel][value channel] fp32 counts the token in ("post state"). Decay exponents are sums
 * of numbers <= 0, never differences that could overflow. `chunked` takes chunk_tokens rows at a
 * time (matrix products), `recurrent` one. Over ranks, which own consecutive tokens,
 *
 *   own tokens from S = 0 -> (A, B) | to the ranks behind | S_in = fold over the ranks before,
 *   ascending | the rows that S_in reaches, again or for the first time
 *
 * so that B (and A where lengths do not give it) is all that travels, over the link of the context,
 * and ranks wait for each other only there. After sb_scan_reach tokens of DECAY nothing is left of
 * S_in: later rows are done with the first step. Gates and betas are the data's and MEAN divides by
 * what S_in adds to: there it reaches all rows. After a prefill the state lives on the rank with
 * the last token. Queries and keys of a call are the same tokens. */
#ifndef SB_KERNELS_EXEC_LINEAR_SCAN_H
#define SB_KERNELS_EXEC_LINEAR_SCAN_H

#include <math.h>

#include "kernels/base/host_device.h"
#include "kernels/base/method.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sb_scan_rule {
    SB_SCAN_DECAY,
    SB_SCAN_GATE,
    SB_SCAN_DELTA,
    SB_SCAN_MEAN,
    SB_SCAN_RULE_COUNT
} sb_scan_rule;

/* Of a prefill; decode is recurrent always. */
typedef enum sb_scan_form {
    SB_SCAN_AUTO, /* recurrent for sequences of up to 64 tokens [linear 4] */
    SB_SCAN_RECURRENT,
    SB_SCAN_CHUNKED,
    SB_SCAN_FORM_COUNT
} sb_scan_form;

/* What q and k go through first, row by row, in fp32 [linear 3.1, lightning 4]. */
typedef enum sb_scan_map {
    SB_SCAN_IDENTITY,
    SB_SCAN_SILU,
    SB_SCAN_RELU,
    SB_SCAN_SQRELU, /* relu(x)^2 */
    SB_SCAN_ELU,
    SB_SCAN_ELU1,   /* elu(x) + 1 */
    SB_SCAN_DPFP,   /* nu = 4: 8 d channels */
    SB_SCAN_TAYLOR, /* second order: 1 + d + d (d + 1) / 2 channels */
    SB_SCAN_MAP_COUNT
} sb_scan_map;

typedef struct sb_scan {
    sb_scan_rule rule;
    sb_scan_form form;
    sb_scan_map  map;
    int32_t      normalize;      /* DECAY: o is divided by the sum of its weights, + 1e-10 */
    int32_t      unit_rows;      /* DELTA: q and k are scaled to length 1 */
    int32_t      per_query_head; /* 1: a state a query head, 0: one a KV head */
    int64_t      chunk_tokens;   /* multiple of 16; GATE: at most 16 are used, which is less work */
    double       scale;          /* of o; 0: the call's */
    double       gate, beta;     /* of every token where the call brings none */
} sb_scan;

/* Channels that the map makes of head_dim. */
int64_t sb_scan_map_dim(sb_scan_map map, int64_t head_dim);

/* SB_OK, or SB_ERR_UNSUPPORTED: the shape, as for other methods, or a chunk that is no multiple of
 * 16. */
sb_status sb_scan_check(const sb_scan *scan, const sb_shape *shape);

/* For the method's record: bytes of sb_cache.state, of the records of a rank's tokens for all
 * heads, 1 for quantum_tokens. */
int64_t sb_scan_state_bytes(const sb_scan *scan, const sb_shape *shape);
int64_t sb_scan_record_bytes(const sb_scan *scan, const sb_shape *shape);
int64_t sb_scan_quantum(const void *params);

enum { SB_SCAN_BATCH = 8 }; /* ranks whose records a rank takes in at a time */

/* Of n tokens behind a state, the first that feel more than 2^-60 of it where it decays by e^-slope
 * a token; n where it does not decay. */
static SB_HOST_DEVICE inline int64_t sb_scan_reach(double slope, int64_t n)
{
    double bits = 60 * 0.69314718055994531;
    return slope * (double)n > bits ? (int64_t)ceil(bits / slope) : n;
}

/* Workspace: a state a head, what a thread needs; over ranks the own record and some of others.
 * Errors: SB_ERR_UNSUPPORTED what a device's attend would refuse, where ctx->backend is one. */
sb_status sb_scan_layout(sb_ctx *ctx, const sb_scan *scan, const sb_shape *shape, sb_plan *plan);

/* FLOP of the products of a call [lightning 7, linear 7], for plan->attend_flops: all query heads,
 * the local rows, triangles exact and chunks counted from token 0, so that ranks add up to what one
 * rank spends; the states that ranks make for each other come on top. */
int64_t sb_scan_flops(const sb_plan *plan, const sb_shape *shape);

/* [state heads]: s of DECAY, for the method's plan to fill. *n is their number. */
double *sb_scan_slopes(const sb_plan *plan, int64_t *n);

/* q, k, v, gate, beta as in method.h; o bf16 or fp32, rounded once; mode SET only. cache may be
 * NULL: then a call starts at token 0 and leaves no state. A call starts from zero at token 0, else
 * from cache->state, which must stand there. In decode a rank that does not hold the token's key
 * has no part in it. Collective in prefill, where several ranks have ctx->link. Products, sums and
 * state in fp32, decays from fp64; same bits for any number of threads, and from every run on as
 * many ranks, which fold states in rank order; those of one rank but for that order, within 1e-5.
 * Errors: SB_ERR_UNSUPPORTED shards that are not contiguous, MERGE; SB_ERR_INTERNAL tensors that do
 * not fit, a state that stands elsewhere; SB_ERR_USAGE gates above 0; SB_ERR_PEER. */
sb_status sb_attend_linear_scan_cpu(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                    const sb_plan *plan, sb_cache *cache, sb_attn_out *out);

/* The same on a device, for maps of one channel to one, head_dim 64 and 128, chunks of 64 rows, one
 * rank, or several in prefill. Tensors, lse and cache->state (header and states as on the
 * CPU) in device memory; sb_scan_device_bytes of ctx->arena, an arena over device memory, are used
 * until the call is done. Mapped and weighted q and k, weighted scores, what DELTA adds to S and
 * the copy of S that meets q are rounded to bf16, sums and S itself are not; token by token
 * (decode, recurrent) and in MEAN nothing is. Asynchronous on ctx->stream, but for a call that goes
 * on from a state, brings gates or is timed, and over ranks. Gates above 0 are found out at the
 * end, over ranks before states travel: o may be written, the state stays. Same bits from every
 * run. Errors: as above, and SB_ERR_UNSUPPORTED for what is not done there; SB_ERR_DEVICE. */
sb_status sb_attend_linear_scan_cuda(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                     const sb_plan *plan, sb_cache *cache, sb_attn_out *out);
int64_t   sb_scan_device_bytes(const sb_scan *scan, const sb_shape *shape);

#ifdef __cplusplus
}
#endif

#endif
