/* Phases of queued work by events, and as NVTX ranges for profilers (of the host's queueing; a
 * profiler lays them over the kernels that were launched inside). Events are made once and used
 * again. */
#include <cuda_runtime.h>

#if defined(__has_include) && __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define RANGE_PUSH(name) (void)nvtxRangePushA(name)
#define RANGE_POP() (void)nvtxRangePop()
#else
#define RANGE_PUSH(name) (void)(name)
#define RANGE_POP() (void)0
#endif

#include <cstdlib>

#include "kernels/backend/cuda_parts.h"
#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/backend/timeline_cuda.h"

namespace
{
enum { MAX_MARKS = 256 };

struct timeline {
    sb_timeline head; /* first: the caller's pointer is this one's */
    cudaEvent_t at[MAX_MARKS];
    sb_phase    phase[MAX_MARKS];
    int         n_made, n;
};

timeline *of(sb_timeline *t) { return reinterpret_cast<timeline *>(t); }

sb_status mark(timeline *t, void *stream)
{
    sb_status st = SB_OK;
    if (t->n == MAX_MARKS)
        return sb_fail(SB_ERR_INTERNAL, "timeline: more than %d phases in one call",
                       static_cast<int>(MAX_MARKS) - 1);
    if (t->n == t->n_made && (st = SB_CUDA(cudaEventCreate(&t->at[t->n]))) == SB_OK)
        t->n_made++;
    return st == SB_OK ? SB_CUDA(cudaEventRecord(t->at[t->n], sb_cuda_stream(stream))) : st;
}

sb_status enter(sb_timeline *t_, sb_phase phase, void *stream)
{
    timeline *t = of(t_);
    if (t->n > 0 && t->phase[t->n - 1] == phase) /* goes on */
        return SB_OK;
    sb_status st = mark(t, stream);
    if (st != SB_OK)
        return st;
    if (t->n > 0)
        RANGE_POP();
    RANGE_PUSH(sb_phase_name(phase));
    t->phase[t->n++] = phase;
    return SB_OK;
}

sb_status read(sb_timeline *t_, void *stream, sb_phase_times *times)
{
    timeline *t = of(t_);
    int       n = t->n;
    if (n == 0)
        return SB_CUDA(cudaStreamSynchronize(sb_cuda_stream(stream)));
    sb_status st = mark(t, stream);
    RANGE_POP();
    t->n = 0;
    if (st == SB_OK)
        st = SB_CUDA(cudaEventSynchronize(t->at[n]));
    for (int i = 0; st == SB_OK && times != nullptr && i < n; i++) {
        float ms = 0;
        if ((st = SB_CUDA(cudaEventElapsedTime(&ms, t->at[i], t->at[i + 1]))) == SB_OK)
            times->ns[t->phase[i]] += static_cast<int64_t>(static_cast<double>(ms) * 1e6);
    }
    return st;
}

void close(sb_timeline *t_)
{
    timeline *t = of(t_);
    if (t == nullptr)
        return;
    if (t->n > 0)
        RANGE_POP();
    for (int i = 0; i < t->n_made; i++)
        (void)cudaEventDestroy(t->at[i]);
    free(t);
}
} // namespace

extern "C" sb_status sbi_timeline_cuda(sb_timeline **out)
{
    timeline *t = static_cast<timeline *>(calloc(1, sizeof *t));
    if (t == nullptr)
        return sb_fail(SB_ERR_NOMEM, "timeline: no memory for %zu bytes", sizeof *t);
    t->head.enter = enter;
    t->head.read  = read;
    t->head.close = close;
    *out          = &t->head;
    return SB_OK;
}

extern "C" sb_status sb_cuda_step(const sb_ctx *ctx, sb_phase phase, sb_status (*queue)(void *arg),
                                  void *arg)
{
    sb_timeline *own  = nullptr;
    sb_ctx       here = *ctx;
    sb_status    st   = SB_OK;
    if (ctx->timeline == nullptr && ctx->phases != nullptr)
        st = sbi_timeline_cuda(&own);
    if (own != nullptr)
        here.timeline = own;
    if (st == SB_OK)
        st = sb_ctx_enter(&here, phase);
    if (st == SB_OK)
        st = queue(arg);
    if (own != nullptr && st == SB_OK)
        st = own->read(own, ctx->stream, ctx->phases);
    if (own != nullptr)
        own->close(own);
    return st;
}
