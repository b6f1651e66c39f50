/* The cuda backend: memory of the current device, work ordered by a stream (NULL: the
 * backend's own, cuda_stream.h).
 *
 * cudart is linked statically and opens the driver on first use, so a program with this file starts
 * on hosts that have neither driver nor GPU; `available` then says so. copy and fill return when
 * the work is queued; sync waits. Host memory of a copy must stay valid until then. A failed call
 * is taken off cudart's error slot, so that it is not blamed on a later launch. */
#include <cuda_runtime.h>

#include <cstdio>

#include "kernels/backend/cuda_parts.h"
#include "kernels/backend/cuda_status.cuh"
#include "kernels/backend/cuda_stream.h"
#include "kernels/base/arena.h"
#include "kernels/base/backend.h"

/* Exists to be asked for: a device for which nothing was compiled cannot run it. */
static __global__ void compiled_for_this_device(int *p)
{
    if (p != nullptr)
        *p = 1;
}

static sb_status cuda_available(void)
{
    int         n = 0; /* left unwritten on error */
    cudaError_t e = cudaGetDeviceCount(&n);
    if (e == cudaErrorInsufficientDriver || e == cudaErrorNoDevice ||
        (e == cudaSuccess && n == 0)) {
        (void)cudaGetLastError();
        return sb_fail(SB_ERR_DEVICE, "no CUDA device: %s",
                       e == cudaSuccess ? "none is visible" : cudaGetErrorString(e));
    }
    if (e != cudaSuccess)
        return sb_cuda_status(e, "counting devices");
    cudaFuncAttributes a;
    e = cudaFuncGetAttributes(&a, compiled_for_this_device);
    if (e == cudaErrorNoKernelImageForDevice || e == cudaErrorInvalidDeviceFunction ||
        e == cudaErrorUnsupportedPtxVersion) {
        cudaDeviceProp prop;
        (void)cudaGetLastError();
        if (cudaGetDeviceProperties(&prop, 0) == cudaSuccess)
            return sb_fail(SB_ERR_DEVICE,
                           "this program holds no code for %s (compute capability %d.%d): %s",
                           prop.name, prop.major, prop.minor, cudaGetErrorString(e));
    }
    return e == cudaSuccess ? SB_OK : sb_cuda_status(e, "looking for compiled kernels");
}

static sb_status cuda_facts(sb_device_facts *out)
{
    sb_device_facts f = {};
    cudaDeviceProp  prop;
    int             n = 0, device = 0, driver = 0, runtime = 0;
    cudaError_t     e = cudaGetDeviceCount(&n);
    if (e == cudaSuccess)
        e = cudaGetDevice(&device);
    if (e == cudaSuccess)
        e = cudaGetDeviceProperties(&prop, device);
    if (e == cudaSuccess)
        e = cudaDriverGetVersion(&driver);
    if (e == cudaSuccess)
        e = cudaRuntimeGetVersion(&runtime);
    if (e != cudaSuccess)
        return sb_cuda_status(e, "reading device facts");
    (void)snprintf(f.name, sizeof f.name, "%.127s", prop.name);
    (void)snprintf(f.detail, sizeof f.detail,
                   "compute capability %d.%d, %d multiprocessors, driver CUDA %d.%d, runtime %d.%d",
                   prop.major, prop.minor, prop.multiProcessorCount, driver / 1000,
                   driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10);
    for (int i = 0; i < 16; i++)
        (void)snprintf(f.uuid + 2 * i, sizeof f.uuid - static_cast<size_t>(2 * i), "%02x",
                       static_cast<unsigned>(static_cast<unsigned char>(prop.uuid.bytes[i])));
    f.count        = n;
    f.memory_bytes = static_cast<int64_t>(prop.totalGlobalMem);
    *out           = f;
    return SB_OK;
}

static sb_status cuda_alloc(size_t bytes, void **out)
{
    void       *p = nullptr; /* cudaMalloc aligns to 256 bytes */
    cudaError_t e = cudaMalloc(&p, bytes > 0 ? bytes : SB_ARENA_ALIGN);
    if (e != cudaSuccess) {
        char what[64];
        (void)snprintf(what, sizeof what, "%zu bytes of device memory", bytes);
        return sb_cuda_status(e, what);
    }
    *out = p;
    return SB_OK;
}

static void cuda_free(void *p)
{
    if (p != nullptr && cudaFree(p) != cudaSuccess)
        (void)cudaGetLastError();
}

static sb_status kind_of(sb_copy_kind kind, cudaMemcpyKind *out)
{
    static const cudaMemcpyKind kinds[SB_COPY_COUNT] = {
        cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice};
    if (static_cast<unsigned>(kind) >= SB_COPY_COUNT)
        return sb_fail(SB_ERR_INTERNAL, "cuda: copy of unknown kind %d", static_cast<int>(kind));
    *out = kinds[kind];
    return SB_OK;
}

static sb_status cuda_copy(void *dst, const void *src, size_t bytes, sb_copy_kind kind,
                           void *stream)
{
    cudaMemcpyKind how = cudaMemcpyDefault;
    sb_status      st  = kind_of(kind, &how);
    if (st != SB_OK)
        return st;
    cudaError_t e = cudaMemcpyAsync(dst, src, bytes, how, sb_cuda_stream(stream));
    return e == cudaSuccess ? SB_OK : sb_cuda_status(e, "copy");
}

static sb_status cuda_copy_rows(void *dst, size_t dst_step, const void *src, size_t src_step,
                                size_t bytes, size_t rows, sb_copy_kind kind, void *stream)
{
    cudaMemcpyKind how = cudaMemcpyDefault;
    sb_status      st  = kind_of(kind, &how);
    if (st != SB_OK || bytes == 0 || rows == 0)
        return st;
    cudaError_t e =
        cudaMemcpy2DAsync(dst, dst_step, src, src_step, bytes, rows, how, sb_cuda_stream(stream));
    return e == cudaSuccess ? SB_OK : sb_cuda_status(e, "copy of rows");
}

static sb_status cuda_fill(void *dst, int byte, size_t bytes, void *stream)
{
    cudaError_t e = cudaMemsetAsync(dst, byte, bytes, sb_cuda_stream(stream));
    return e == cudaSuccess ? SB_OK : sb_cuda_status(e, "fill");
}

/* Errors of kernels that ran earlier on the stream surface here. */
static sb_status cuda_sync(void *stream)
{
    cudaError_t e = cudaStreamSynchronize(sb_cuda_stream(stream));
    return e == cudaSuccess ? SB_OK : sb_cuda_status(e, "waiting for the stream");
}

static sb_status cuda_select(int32_t device) { return SB_CUDA(cudaSetDevice(device)); }

static sb_status cuda_stream_open(void **out)
{
    cudaStream_t s  = nullptr;
    sb_status    st = SB_CUDA(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking));
    if (st == SB_OK)
        *out = s;
    return st;
}

static void cuda_stream_close(void *stream)
{
    if (stream != nullptr && cudaStreamDestroy(static_cast<cudaStream_t>(stream)) != cudaSuccess)
        (void)cudaGetLastError();
}

static sb_status cuda_stream_after(void *stream, void *other)
{
    cudaEvent_t done = nullptr;
    sb_status   st   = SB_CUDA(cudaEventCreateWithFlags(&done, cudaEventDisableTiming));
    if (st == SB_OK)
        st = SB_CUDA(cudaEventRecord(done, sb_cuda_stream(other)));
    if (st == SB_OK)
        st = SB_CUDA(cudaStreamWaitEvent(sb_cuda_stream(stream), done, 0));
    if (done != nullptr) /* what waits for it keeps what it needs */
        (void)cudaEventDestroy(done);
    return st;
}

static sb_status cuda_stream_idle(void *stream, int *idle)
{
    cudaError_t e = cudaStreamQuery(sb_cuda_stream(stream));
    *idle         = e == cudaSuccess;
    if (e == cudaErrorNotReady) {
        (void)cudaGetLastError();
        return SB_OK;
    }
    return sb_cuda_status(e, "asking a stream");
}

static sb_status cuda_pinned_alloc(size_t bytes, void **out)
{
    void     *p = nullptr;
    sb_status st =
        SB_CUDA(cudaHostAlloc(&p, bytes > 0 ? bytes : SB_ARENA_ALIGN, cudaHostAllocDefault));
    if (st == SB_OK)
        *out = p;
    return st;
}

static void cuda_pinned_free(void *p)
{
    if (p != nullptr && cudaFreeHost(p) != cudaSuccess)
        (void)cudaGetLastError();
}

static sb_status cuda_room(int64_t *bytes)
{
    size_t    left = 0, all = 0;
    sb_status st = SB_CUDA(cudaMemGetInfo(&left, &all));
    if (st == SB_OK)
        *bytes = static_cast<int64_t>(left);
    return st;
}

const sb_backend sb_backend_cuda = {
    /* name */ "cuda",
    /* id */ SB_CUDA,
    /* available */ cuda_available,
    /* facts */ cuda_facts,
    /* alloc */ cuda_alloc,
    /* free */ cuda_free,
    /* copy */ cuda_copy,
    /* copy_rows */ cuda_copy_rows,
    /* fill */ cuda_fill,
    /* sync */ cuda_sync,
    /* select */ cuda_select,
    /* stream_open */ cuda_stream_open,
    /* stream_close */ cuda_stream_close,
    /* stream_after */ cuda_stream_after,
    /* stream_idle */ cuda_stream_idle,
    /* pinned_alloc */ cuda_pinned_alloc,
    /* pinned_free */ cuda_pinned_free,
    /* timeline_open */ sbi_timeline_cuda,
    /* state */ sbi_state_cuda,
    /* ceilings */ sbi_ceilings_cuda,
    /* room */ cuda_room,
    /* graph_begin */ sbi_graph_begin_cuda,
    /* graph_end */ sbi_graph_end_cuda,
    /* graph_launch */ sbi_graph_launch_cuda,
    /* graph_close */ sbi_graph_close_cuda,
};
