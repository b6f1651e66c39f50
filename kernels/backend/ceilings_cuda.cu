/* The ceilings of backend.h: a product of cuBLASLt, a copy, a loop of exponentials. */
#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>

#include "kernels/backend/cublaslt.h"
#include "kernels/backend/cuda_parts.h"
#include "kernels/backend/cuda_stream.h"

#if defined(SB_HAVE_CUBLASLT)
#include "kernels/backend/cublaslt_library.h"
#endif

namespace
{
enum { WARM_UPS = 3, TIMINGS = 9, EDGE = 8192 };
enum { EXP_THREADS = 256, EXP_BLOCKS_PER_SM = 8, EXP_LOOPS = 4096, EXP_CHAINS = 8 };
const size_t COPY_BYTES = size_t(1) << 30;

sb_status status(cudaError_t e, const char *what)
{
    if (e == cudaSuccess)
        return SB_OK;
    (void)cudaGetLastError();
    return sb_fail(e == cudaErrorMemoryAllocation ? SB_ERR_NOMEM : SB_ERR_DEVICE,
                   "ceilings: %s: %s", what, cudaGetErrorString(e));
}

/* bf16 between -2 and 2 out of a hash: operands that keep the multipliers busy. */
__global__ void fill(uint16_t *p, int64_t n)
{
    for (int64_t i = blockIdx.x * int64_t(blockDim.x) + threadIdx.x; i < n;
         i += int64_t(gridDim.x) * blockDim.x) {
        uint32_t x = static_cast<uint32_t>(i) * 2654435761u;
        x ^= x >> 15;
        x *= 2246822519u;
        x ^= x >> 13;
        const float f = static_cast<float>(x >> 8) * (4.0f / 16777216.0f) - 2.0f;
        p[i]          = static_cast<uint16_t>(__float_as_uint(f) >> 16);
    }
}

/* EXP_CHAINS independent chains a thread; 2^x of x in [0, 1] stays in [1, 2], less 1 in [0, 1]. */
__global__ void exponentials(float *out)
{
    float x[EXP_CHAINS];
    for (int c = 0; c < EXP_CHAINS; c++)
        x[c] = static_cast<float>(threadIdx.x + c) * (1.0f / 512.0f);
    for (int i = 0; i < EXP_LOOPS; i++)
#pragma unroll
        for (int c = 0; c < EXP_CHAINS; c++) {
            float y;
            asm volatile("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x[c]));
            x[c] = y - 1.0f;
        }
    float sum = 0.0f;
    for (int c = 0; c < EXP_CHAINS; c++)
        sum += x[c];
    if (sum == -1.0f) /* never: the compiler cannot know */
        out[threadIdx.x] = sum;
}

/* Median seconds of a call. */
template <typename Call> sb_status time_of(Call call, double *seconds)
{
    cudaEvent_t at[2] = {nullptr, nullptr};
    float       ms[TIMINGS];
    sb_status   st = status(cudaEventCreate(&at[0]), "event");
    if (st == SB_OK)
        st = status(cudaEventCreate(&at[1]), "event");
    for (int i = -WARM_UPS; st == SB_OK && i < TIMINGS; i++) {
        if ((st = status(cudaEventRecord(at[0], sb_cuda_stream(nullptr)), "event")) == SB_OK &&
            (st = call()) == SB_OK &&
            (st = status(cudaEventRecord(at[1], sb_cuda_stream(nullptr)), "event")) == SB_OK &&
            (st = status(cudaEventSynchronize(at[1]), "waiting")) == SB_OK && i >= 0)
            st = status(cudaEventElapsedTime(&ms[i], at[0], at[1]), "event");
    }
    for (cudaEvent_t e : at)
        if (e != nullptr)
            (void)cudaEventDestroy(e);
    if (st != SB_OK)
        return st;
    std::sort(ms, ms + TIMINGS);
    *seconds = static_cast<double>(ms[TIMINGS / 2]) * 1e-3;
    return SB_OK;
}

sb_status measure_copy(char *a, char *b, double *rate)
{
    double    s  = 1;
    sb_status st = time_of(
        [=] {
            return status(cudaMemcpyAsync(b, a, COPY_BYTES, cudaMemcpyDeviceToDevice,
                                          sb_cuda_stream(nullptr)),
                          "copy");
        },
        &s);
    if (st == SB_OK)
        *rate = 2.0 * static_cast<double>(COPY_BYTES) / s;
    return st;
}

sb_status measure_exp(float *room, int sms, double *rate)
{
    const int blocks = sms * EXP_BLOCKS_PER_SM;
    double    s      = 1;
    sb_status st     = time_of(
        [=] {
            exponentials<<<blocks, EXP_THREADS, 0, sb_cuda_stream(nullptr)>>>(room);
            return status(cudaGetLastError(), "exponentials");
        },
        &s);
    if (st == SB_OK)
        *rate = static_cast<double>(blocks) * EXP_THREADS * EXP_LOOPS * EXP_CHAINS / s;
    return st;
}

#if defined(SB_HAVE_CUBLASLT)
sb_status lt_status(cublasStatus_t s, const char *what)
{
    return s == CUBLAS_STATUS_SUCCESS ? SB_OK : sb_wrap(sbi_cublaslt_status(s, what), "ceilings");
}

struct product {
    cublasLtHandle_t           handle;
    cublasLtMatmulDesc_t       desc;
    cublasLtMatrixLayout_t     layout;
    cublasLtMatmulPreference_t preference;
};

sb_status prepare(const sbi_cublaslt *l, product *p, size_t workspace_bytes,
                  cublasLtMatmulHeuristicResult_t *best)
{
    int       n  = 0;
    sb_status st = lt_status(l->Create(&p->handle), "starting");
    if (st == SB_OK)
        st = lt_status(l->MatmulDescCreate(&p->desc, CUBLAS_COMPUTE_32F, CUDA_R_32F), "product");
    if (st == SB_OK)
        st = lt_status(l->MatrixLayoutCreate(&p->layout, CUDA_R_16BF, EDGE, EDGE, EDGE), "layout");
    if (st == SB_OK)
        st = lt_status(l->MatmulPreferenceCreate(&p->preference), "preference");
    if (st == SB_OK)
        st = lt_status(l->MatmulPreferenceSetAttribute(p->preference,
                                                       CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                       &workspace_bytes, sizeof workspace_bytes),
                       "preference");
    if (st == SB_OK)
        st = lt_status(l->MatmulAlgoGetHeuristic(p->handle, p->desc, p->layout, p->layout,
                                                 p->layout, p->layout, p->preference, 1, best, &n),
                       "choosing an algorithm");
    if (st == SB_OK && n == 0)
        st = sb_fail(SB_ERR_DEVICE, "ceilings: cuBLASLt has no algorithm for bf16");
    return st;
}

void dispose(const sbi_cublaslt *l, product *p)
{
    if (p->preference != nullptr)
        (void)l->MatmulPreferenceDestroy(p->preference);
    if (p->layout != nullptr)
        (void)l->MatrixLayoutDestroy(p->layout);
    if (p->desc != nullptr)
        (void)l->MatmulDescDestroy(p->desc);
    if (p->handle != nullptr)
        (void)l->Destroy(p->handle);
}

/* room: 3 matrices and a workspace behind them. */
sb_status measure_matmul(char *room, size_t room_bytes, sb_ceilings *out)
{
    const size_t                    matrix = size_t(EDGE) * EDGE * 2;
    const sbi_cublaslt             *l      = sbi_cublaslt_open();
    product                         p      = {};
    cublasLtMatmulHeuristicResult_t best   = {};
    double                          s      = 1;
    if (l == nullptr || sb_cublaslt_describe(out->cublaslt, sizeof out->cublaslt) != SB_OK) {
        (void)snprintf(out->cublaslt, sizeof out->cublaslt, "%.63s", sb_error_text());
        return SB_OK; /* its absence is told, no failure */
    }
    fill<<<1024, 256, 0, sb_cuda_stream(nullptr)>>>(reinterpret_cast<uint16_t *>(room),
                                                    int64_t(2) * EDGE * EDGE);
    sb_status st = status(cudaGetLastError(), "operands");
    if (st == SB_OK)
        st = prepare(l, &p, room_bytes - 3 * matrix, &best);
    const float one = 1.0f, zero = 0.0f;
    if (st == SB_OK)
        st = time_of(
            [&] {
                return lt_status(l->Matmul(p.handle, p.desc, &one, room, p.layout, room + matrix,
                                           p.layout, &zero, room + 2 * matrix, p.layout,
                                           room + 2 * matrix, p.layout, &best.algo,
                                           room + 3 * matrix, room_bytes - 3 * matrix,
                                           sb_cuda_stream(nullptr)),
                                 "product");
            },
            &s);
    dispose(l, &p);
    if (st == SB_OK)
        out->matmul_bf16_flops_per_s = 2.0 * EDGE * EDGE * EDGE / s;
    return st;
}
#else
sb_status measure_matmul(char *, size_t, sb_ceilings *out)
{
    (void)snprintf(out->cublaslt, sizeof out->cublaslt, "built without cublasLt.h");
    return SB_OK;
}
#endif
} // namespace

extern "C" sb_status sbi_ceilings_cuda(sb_ceilings *out)
{
    sb_ceilings c      = {};
    int         device = 0, sms = 0;
    char       *room = nullptr;
    sb_status   st   = status(cudaGetDevice(&device), "device");
    if (st == SB_OK)
        st = status(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, device), "device");
    if (st == SB_OK)
        st = status(cudaMalloc(reinterpret_cast<void **>(&room), 2 * COPY_BYTES), "2 GiB");
    if (st == SB_OK)
        st = measure_copy(room, room + COPY_BYTES, &c.copy_bytes_per_s);
    if (st == SB_OK)
        st = measure_exp(reinterpret_cast<float *>(room), sms, &c.exp2_per_s);
    if (st == SB_OK)
        st = measure_matmul(room, 2 * COPY_BYTES, &c);
    if (room != nullptr)
        (void)cudaFree(room);
    if (st == SB_OK)
        *out = c;
    return st;
}
