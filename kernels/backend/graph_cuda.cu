/* Graphs: what one thread queues on a stream, captured. Capture is the thread's own, so that other
 * threads go on as they do. */
#include <cuda_runtime.h>

#include <cstdlib>

#include "kernels/backend/cuda_parts.h"
#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"

struct sb_graph {
    cudaGraphExec_t exec;
};

/* What the device or the memory is at fault for stays that; the rest is a graph that cannot be. */
static sb_status graph_status(cudaError_t e, const char *what)
{
    switch (e) {
    case cudaErrorInvalidValue:
    case cudaErrorInvalidResourceHandle:
    case cudaErrorNotSupported:
    case cudaErrorNotPermitted:
    case cudaErrorCallRequiresNewerDriver:
    case cudaErrorInsufficientDriver:
    case cudaErrorIllegalState:
    case cudaErrorStreamCaptureUnsupported:
    case cudaErrorStreamCaptureInvalidated:
    case cudaErrorStreamCaptureMerge:
    case cudaErrorStreamCaptureUnmatched:
    case cudaErrorStreamCaptureUnjoined:
    case cudaErrorStreamCaptureIsolation:
    case cudaErrorStreamCaptureImplicit:
    case cudaErrorCapturedEvent:
    case cudaErrorStreamCaptureWrongThread:
        (void)cudaGetLastError();
        return sb_fail(SB_ERR_UNSUPPORTED, "cuda graphs: %s: %s (%d)", what, cudaGetErrorString(e),
                       static_cast<int>(e));
    default:
        return sb_cuda_status(e, what);
    }
}

extern "C" sb_status sbi_graph_begin_cuda(void *stream)
{
    return graph_status(
        cudaStreamBeginCapture(sb_cuda_stream(stream), cudaStreamCaptureModeThreadLocal),
        "begin of capture");
}

extern "C" sb_status sbi_graph_end_cuda(void *stream, sb_graph **out)
{
    cudaGraph_t noted = nullptr;
    sb_graph   *g     = nullptr;
    cudaError_t e     = cudaStreamEndCapture(sb_cuda_stream(stream), &noted);
    if (out == nullptr) { /* why is known: its text stays */
        if (e != cudaSuccess)
            (void)cudaGetLastError();
        else
            (void)cudaGraphDestroy(noted);
        return SB_OK;
    }
    sb_status st = e == cudaSuccess ? SB_OK : graph_status(e, "end of capture");
    if (st == SB_OK && (g = static_cast<sb_graph *>(calloc(1, sizeof *g))) == nullptr)
        st = sb_fail(SB_ERR_NOMEM, "cuda graphs: no memory for the handle");
    if (st == SB_OK)
        st = graph_status(cudaGraphInstantiate(&g->exec, noted, 0), "making it launchable");
    if (noted != nullptr)
        (void)cudaGraphDestroy(noted);
    if (st == SB_OK)
        *out = g;
    else
        free(g);
    return st;
}

extern "C" sb_status sbi_graph_launch_cuda(sb_graph *g, void *stream)
{
    return sb_cuda_status(cudaGraphLaunch(g->exec, sb_cuda_stream(stream)), "launch of a graph");
}

extern "C" void sbi_graph_close_cuda(sb_graph *g)
{
    if (g != nullptr && cudaGraphExecDestroy(g->exec) != cudaSuccess)
        (void)cudaGetLastError();
    free(g);
}
