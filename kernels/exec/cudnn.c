#include "kernels/exec/cudnn.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#if defined(SB_HAVE_CUDNN)

#include <cuda_runtime.h>

#include "kernels/backend/cuda_stream.h"
#include "kernels/backend/timeline_cuda.h"
#include "kernels/exec/cudnn_graph.h"

enum { MAX_PLANS = 8 };

/* One shape's plan, and what all of them share. */
typedef struct entry {
    sbi_cudnn_shape shape;
    sbi_cudnn_plan  plan;
    int64_t         used; /* counts up: the least is the oldest */
} entry;

typedef struct state {
    const sbi_cudnn *lib;
    cudnnHandle_t    handle;
    int              device; /* of the handle and the plans */
    entry            plan[MAX_PLANS];
    int64_t          n_plans, calls;
    void            *workspace;
    size_t           workspace_bytes;
} state;

static state the;

static sb_status cuda_status(cudaError_t e, const char *what)
{
    if (e == cudaSuccess)
        return SB_OK;
    (void)cudaGetLastError();
    return sb_fail(e == cudaErrorMemoryAllocation ? SB_ERR_NOMEM : SB_ERR_DEVICE,
                   "cudnn: %s: %s (%d)", what, cudaGetErrorString(e), (int)e);
}

static sb_status begin(cudaStream_t stream)
{
    int       device = 0;
    sb_status st     = cuda_status(cudaGetDevice(&device), "asking for the device");
    if (st != SB_OK)
        return st;
    if ((the.lib = sbi_cudnn_open()) == NULL)
        return SB_ERR_UNSUPPORTED;
    if (the.handle != NULL && device != the.device)
        return sb_fail(SB_ERR_INTERNAL, "cudnn: a process stays with one device");
    if (the.handle == NULL)
        st = sbi_cudnn_status(the.lib, the.lib->Create(&the.handle), "starting");
    the.device = device;
    return st == SB_OK ? sbi_cudnn_status(the.lib, the.lib->SetStream(the.handle, stream), "stream")
                       : st;
}

static int is_one_run(const sb_gid *g, int64_t first)
{
    return g->n_runs == 1 && g->run[0].start == first;
}

static sb_status check(const sb_attn_in *in, const sb_attn_out *out)
{
    int64_t n_q = in->q->tokens, n_k = in->k->tokens;
    if (out->mode != SB_OUT_SET || out->o->dtype != SB_BF16)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "cudnn: found a running or fp32 output, allowed a fresh one in bf16");
    if (!is_one_run(&in->k->gid, 0) || n_q > n_k || !is_one_run(&in->q->gid, n_k - n_q))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "cudnn: found keys or queries in several runs, allowed all keys and the "
                       "last queries");
    if (n_k > INT32_MAX)
        return sb_fail(SB_ERR_UNSUPPORTED, "cudnn: found %lld keys, allowed below 2^31",
                       (long long)n_k);
    return SB_OK;
}

static sb_status plan_of(const sbi_cudnn_shape *s, entry **out)
{
    entry *oldest = &the.plan[0];
    for (int64_t i = 0; i < the.n_plans; i++) {
        if (memcmp(&the.plan[i].shape, s, sizeof *s) == 0) {
            the.plan[i].used = ++the.calls;
            *out             = &the.plan[i];
            return SB_OK;
        }
        if (the.plan[i].used < oldest->used)
            oldest = &the.plan[i];
    }
    sbi_cudnn_plan made;
    sb_status      st = sbi_cudnn_plan_create(the.lib, the.handle, s, &made);
    if (st != SB_OK)
        return st;
    if (the.n_plans < MAX_PLANS)
        oldest = &the.plan[the.n_plans++];
    else
        sbi_cudnn_plan_destroy(the.lib, &oldest->plan);
    *oldest = (entry){*s, made, ++the.calls};
    *out    = oldest;
    return SB_OK;
}

static sb_status grow_workspace(int64_t bytes)
{
    if ((size_t)bytes <= the.workspace_bytes)
        return SB_OK;
    (void)cudaFree(the.workspace); /* waits for whoever still uses it */
    the.workspace       = NULL;
    the.workspace_bytes = 0;
    sb_status st        = cuda_status(cudaMalloc(&the.workspace, (size_t)bytes), "workspace");
    if (st == SB_OK)
        the.workspace_bytes = (size_t)bytes;
    return st;
}

static sb_status execute(const sbi_cudnn_plan *plan, const sb_attn_in *in, sb_attn_out *out)
{
    float   scale = in->scale, neg_inf = -INFINITY;
    int32_t n_k = (int32_t)in->k->tokens, n_q = (int32_t)in->q->tokens;
    int64_t uid[] = {SBI_CUDNN_Q,     SBI_CUDNN_K,       SBI_CUDNN_V,   SBI_CUDNN_O,  SBI_CUDNN_LSE,
                     SBI_CUDNN_SCALE, SBI_CUDNN_NEG_INF, SBI_CUDNN_N_K, SBI_CUDNN_N_Q};
    void   *at[]  = {in->q->data, in->k->data, in->v->data, out->o->data, out->lse,
                     &scale,      &neg_inf,    &n_k,        &n_q};
    int64_t n     = (int64_t)(sizeof uid / sizeof *uid) - (n_k == n_q ? 2 : 0);
    cudnnBackendDescriptor_t pack = NULL;
    const sbi_cudnn         *lib  = the.lib;
    cudnnStatus_t s = lib->BackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack);
    if (s == CUDNN_STATUS_SUCCESS)
        s = lib->BackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, n,
                                     uid);
    if (s == CUDNN_STATUS_SUCCESS)
        s = lib->BackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                                     CUDNN_TYPE_VOID_PTR, n, at);
    if (s == CUDNN_STATUS_SUCCESS)
        s = lib->BackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR,
                                     1, &the.workspace);
    if (s == CUDNN_STATUS_SUCCESS)
        s = lib->BackendFinalize(pack);
    if (s == CUDNN_STATUS_SUCCESS)
        s = lib->BackendExecute(the.handle, plan->plan, pack);
    sb_status st = sbi_cudnn_status(lib, s, "attention");
    if (pack != NULL)
        (void)lib->BackendDestroyDescriptor(pack);
    return st;
}

typedef struct queued {
    const sbi_cudnn_plan *plan;
    const sb_attn_in     *in;
    sb_attn_out          *out;
} queued;

static sb_status queue(void *arg)
{
    const queued *q = arg;
    return execute(q->plan, q->in, q->out);
}

sb_status sb_attend_dense_cudnn(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    cudaStream_t    stream = sb_cuda_stream(ctx->stream);
    entry          *e      = NULL;
    sbi_cudnn_shape s;
    (void)params;
    (void)plan;
    (void)cache;
    sb_status st = check(in, out);
    if (st != SB_OK || in->q->tokens == 0)
        return st;
    memset(&s, 0, sizeof s); /* compared byte by byte */
    s.heads         = in->q->heads;
    s.kv_heads      = in->k->heads;
    s.n_q           = in->q->tokens;
    s.n_k           = in->k->tokens;
    s.dim           = in->q->dim;
    s.q_head_stride = in->q->head_stride;
    s.k_head_stride = in->k->head_stride;
    s.v_head_stride = in->v->head_stride;
    s.o_head_stride = out->o->head_stride;
    if ((st = begin(stream)) != SB_OK || (st = plan_of(&s, &e)) != SB_OK ||
        (st = grow_workspace(e->plan.workspace_bytes)) != SB_OK)
        return st;
    if (ctx->phases != NULL)
        ctx->phases->kernel = "cudnn";
    queued q = {&e->plan, in, out};
    return sb_cuda_step(ctx, SB_PHASE_COMPUTE, queue, &q);
}

sb_status sb_cudnn_describe(char *out, size_t bytes)
{
    const sbi_cudnn *lib = sbi_cudnn_open();
    if (lib == NULL)
        return SB_ERR_UNSUPPORTED;
    size_t v = lib->GetVersion();
    (void)snprintf(out, bytes, "%zu.%zu.%zu (built against %d.%d.%d)", v / 10000, v / 100 % 100,
                   v % 100, CUDNN_MAJOR, CUDNN_MINOR, CUDNN_PATCHLEVEL);
    return SB_OK;
}

#else /* no cudnn.h where this was built */

sb_status sb_attend_dense_cudnn(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    (void)ctx;
    (void)params;
    (void)in;
    (void)plan;
    (void)cache;
    (void)out;
    return sb_fail(SB_ERR_UNSUPPORTED, "cudnn: this program was built without cudnn.h");
}

sb_status sb_cudnn_describe(char *out, size_t bytes)
{
    (void)out;
    (void)bytes;
    return sb_fail(SB_ERR_UNSUPPORTED, "this program was built without cudnn.h");
}

#endif
