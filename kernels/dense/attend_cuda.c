/* Which implementation of dense attention runs on the cuda backend. */
#include <string.h>

#include "kernels/dense/dense.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/cudnn.h"

enum {
    MAX_SHAPES = 16,
    TRIALS     = 4, /* even: each is first as often */
    TRIAL_TOKENS =
        32768, /* of longer calls the first ones are tried: both kernels are at their rate there */
    FEW_QUERIES = 16 /* decode: a kernel of our own, and each step is another shape */
};

/* What `auto` found out about a shape. */
typedef struct choice {
    int64_t       n_q, n_k, heads, kv_heads, dim;
    sb_dense_impl impl;
} choice;

static choice  known[MAX_SHAPES];
static int64_t n_known; /* counts on; the oldest is replaced */

static sb_status run(sb_dense_impl impl, sb_ctx *ctx, const sb_attn_in *in, sb_attn_out *out)
{
    return impl == SB_DENSE_CUDNN ? sb_attend_dense_cudnn(ctx, NULL, in, NULL, NULL, out)
                                  : sb_attend_dense_cuda(ctx, NULL, in, NULL, NULL, out);
}

static sb_status time_of(sb_dense_impl impl, const sb_ctx *ctx, const sb_attn_in *in,
                         sb_attn_out *out, int64_t *ns)
{
    sb_ctx         here = *ctx;
    sb_phase_times t    = {0};
    here.phases         = &t;
    here.timeline       = NULL; /* each trial waits and times itself */
    sb_status st        = run(impl, &here, in, out);
    *ns += t.ns[SB_PHASE_COMPUTE];
    return st;
}

/* Device times of TRIALS calls of each, in turn and in an order that turns too: a chip that was
 * held at its power cap before is faster with each call, which must not speak for the one tried
 * later. The first of each does not count: it makes plans. */
static sb_status race(const sb_ctx *ctx, const sb_attn_in *in, sb_attn_out *out,
                      sb_dense_impl *impl)
{
    int64_t   native = 0, cudnn = 0;
    sb_status st = time_of(SB_DENSE_NATIVE, ctx, in, out, &native);
    if (st != SB_OK)
        return st;
    if ((st = time_of(SB_DENSE_CUDNN, ctx, in, out, &cudnn)) == SB_ERR_UNSUPPORTED) {
        *impl = SB_DENSE_NATIVE;
        return SB_OK;
    }
    native = cudnn = 0;
    for (int i = 0; i < TRIALS && st == SB_OK; i++) {
        const int first = i % 2 == 0;
        st              = first ? time_of(SB_DENSE_NATIVE, ctx, in, out, &native)
                                : time_of(SB_DENSE_CUDNN, ctx, in, out, &cudnn);
        if (st == SB_OK)
            st = first ? time_of(SB_DENSE_CUDNN, ctx, in, out, &cudnn)
                       : time_of(SB_DENSE_NATIVE, ctx, in, out, &native);
    }
    *impl = cudnn < native ? SB_DENSE_CUDNN : SB_DENSE_NATIVE;
    return st;
}

/* Both implementations on the call, or on its first TRIAL_TOKENS queries with the keys that these
 * see. Writes to out, which the call itself then overwrites. */
static sb_status try_both(const sb_ctx *ctx, const sb_attn_in *in, const sb_attn_out *out,
                          sb_dense_impl *impl)
{
    sb_tensor  q = *in->q, k = *in->k, v = *in->v, o = *out->o;
    int64_t    left_out = q.tokens > TRIAL_TOKENS ? q.tokens - TRIAL_TOKENS : 0;
    sb_run     q_run = {k.tokens - q.tokens, q.tokens - left_out}, k_run = {0, k.tokens - left_out};
    sb_attn_in some      = *in;
    sb_attn_out some_out  = *out;
    q.tokens = o.tokens = q_run.len;
    k.tokens = v.tokens = k_run.len;
    q.gid = o.gid = (sb_gid){.run = &q_run, .n_runs = 1, .n_tokens = q_run.len};
    k.gid = v.gid = (sb_gid){.run = &k_run, .n_runs = 1, .n_tokens = k_run.len};
    some.q        = &q;
    some.k        = &k;
    some.v        = &v;
    some_out.o    = &o;
    return race(ctx, &some, &some_out, impl);
}

static sb_status choose(const sb_ctx *ctx, const sb_attn_in *in, const sb_attn_out *out,
                        sb_dense_impl *impl)
{
    choice  c  = {in->q->tokens, in->k->tokens, in->q->heads,
                  in->k->heads,  in->q->dim,    SB_DENSE_NATIVE};
    int64_t t0 = sb_now_ns();
    for (int64_t i = 0; i < n_known && i < MAX_SHAPES; i++)
        if (known[i].n_q == c.n_q && known[i].n_k == c.n_k && known[i].heads == c.heads &&
            known[i].kv_heads == c.kv_heads && known[i].dim == c.dim) {
            *impl = known[i].impl;
            return SB_OK;
        }
    sb_status st = try_both(ctx, in, out, &c.impl);
    if (ctx->phases != NULL)
        ctx->phases->aside_ns += sb_now_ns() - t0;
    if (st != SB_OK)
        return st;
    known[n_known++ % MAX_SHAPES] = c;
    *impl                         = c.impl;
    return SB_OK;
}

static int is_run(const sb_gid *g, int64_t start)
{
    return g->n_runs == 1 && g->run[0].start == start;
}

/* What cuDNN cannot do, and what is not worth a trial; a running output cannot be tried twice. */
static int is_native(const sb_attn_in *in, const sb_attn_out *out)
{
    int64_t n_q = in->q->tokens, n_k = in->k->tokens;
    return out->mode != SB_OUT_SET || out->o->dtype != SB_BF16 || n_q <= FEW_QUERIES ||
           !is_run(&in->k->gid, 0) || !is_run(&in->q->gid, n_k - n_q);
}

sb_status sb_dense_attend_cuda(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                               const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    const sb_dense_params *p    = params;
    sb_dense_impl          impl = p == NULL ? SB_DENSE_AUTO : (sb_dense_impl)p->impl;
    sb_status              st;
    (void)plan;
    (void)cache;
    if (impl == SB_DENSE_AUTO && is_native(in, out))
        impl = SB_DENSE_NATIVE;
    if (impl == SB_DENSE_AUTO && (st = choose(ctx, in, out, &impl)) != SB_OK)
        return st;
    return run(impl, ctx, in, out);
}
