/* What the device kernels of a linear scan share. */
#ifndef SB_KERNELS_EXEC_LINEAR_SCAN_CUDA_CUH
#define SB_KERNELS_EXEC_LINEAR_SCAN_CUDA_CUH

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "kernels/exec/attend_cuda.cuh"
#include "kernels/exec/linear_scan_device.h"

/* What a call does: all, or over ranks one and, behind what came before, the other. */
typedef enum sbi_scan_part {
    SBI_SCAN_WHOLE,
    SBI_SCAN_STATES, /* each segment's, from zero, and in `end` the record of all rows; no outputs
                      */
    SBI_SCAN_OUTPUTS /* of segments with such states */
} sbi_scan_part;

/* A checked call; arrays in device memory. Query head h reads state h / group, which
 * key head h / kv_group makes. */
typedef struct sbi_scan_cuda_job {
    const sb_bf16 *q, *k, *v; /* from the call's first row on */
    void          *o;
    int64_t        q_stride, k_stride, v_stride, o_stride; /* elements between heads */
    int64_t        n, state_floats, record_floats, segments, segment_tokens;
    int32_t        heads, state_heads, group, kv_group, d, o_is_f32, normalize, unit_rows;
    int32_t        is_first; /* the call starts at token 0 */
    sb_scan_rule   rule;
    sbi_scan_part  part;
    sb_scan_map    map;
    float          scale;
    const float   *gate, *beta; /* beside the call's rows; NULL: gate0, beta0 of every token */
    int64_t        gate_stride, beta_stride; /* elements between KV heads */
    int32_t        gate_dim;                 /* d or 1 */
    float          gate0, beta0;
    const float   *start; /* [state_heads][state_floats], never NULL */
    float         *end;   /* the same after the call; NULL: nobody asks. STATES: [state_heads]
                             [record_floats] */

    sbi_scan_device_room room;
} sbi_scan_cuda_job;

/* Records of up to BATCH ranks that follow one another, added to what came before them. */
typedef struct sbi_scan_fold {
    sb_scan_rule  rule;
    const double *slope;                 /* DECAY: [state_heads] */
    const float  *others;                /* [n][records_floats], of heads [record_floats] */
    int64_t       tokens[SB_SCAN_BATCH]; /* of each; 0: has none, and sent nothing */
    int64_t       state_floats, record_floats, records_floats, own_tokens;
    int32_t       n, state_heads, d;
    float       *state; /* [state_heads][state_floats]: before the first of them, then after them */
    const float  *own;   /* record of the own tokens */
    float       *end; /* the states after the own tokens; NULL: nobody asks, or more ranks follow */
} sbi_scan_fold;

/* All asynchronous on the stream. DECAY: segments side by side; token by token; for Hopper. */
sb_status sbi_scan_portable_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream);
sb_status sbi_scan_token_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream);
#if defined(SB_HAVE_SM90A)
const char *sbi_scan_sm90_refusal(const sbi_scan_cuda_job *job);
sb_status   sbi_scan_sm90_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream);
#endif
/* Over ranks: the fold of any rule, which leaves the last two to their files. */
sb_status sbi_scan_fold_cuda(const sbi_scan_fold *fold, cudaStream_t stream);
sb_status sbi_scan_delta_fold_cuda(const sbi_scan_fold *fold, cudaStream_t stream);
sb_status sbi_scan_mean_fold_cuda(const sbi_scan_fold *fold, cudaStream_t stream);
/* DECAY: what `start` adds to bf16 outputs that were made without it. slope: job->room.slope in
 * host memory. */
sb_status sbi_scan_prefix_cuda(const sbi_scan_cuda_job *job, const double *slope,
                               cudaStream_t stream);
/* Segments side by side; GATE and DELTA token by token. Gates that are no numbers <= 0 set
 * *room.bad. */
sb_status sbi_scan_gate_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream);
sb_status sbi_scan_delta_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream);
sb_status sbi_scan_mean_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream);
/* The query of token 0, which this call has, into the states of room.start. */
sb_status sbi_scan_mean_query_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream);
sb_status sbi_scan_gated_token_cuda(const sbi_scan_cuda_job *job, cudaStream_t stream);

#if defined(__CUDACC__)
/* Shared memory of a CTA of that kernel; unsupported where the device has less. */
template <typename K> sb_status sbi_scan_room_of(K *kernel, int bytes)
{
    int       device = 0, most = 0;
    sb_status st = SB_CUDA(cudaGetDevice(&device));
    if (st == SB_OK)
        st =
            SB_CUDA(cudaDeviceGetAttribute(&most, cudaDevAttrMaxSharedMemoryPerBlockOptin, device));
    if (st == SB_OK && most < bytes)
        st = sb_fail(SB_ERR_UNSUPPORTED,
                     "linear scan: found a device with %d bytes of shared memory a block, wanted "
                     "%d",
                     most, bytes);
    return st != SB_OK ? st
                       : SB_CUDA(cudaFuncSetAttribute(
                             kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes));
}

/* Record of rank i of those folded. */
static __device__ __forceinline__ const float *scan_record_of(const sbi_scan_fold &f, int i,
                                                              int64_t head)
{
    return f.others + i * f.records_floats + head * f.record_floats;
}

/* Slot of room.entry, .gates and .trans for what `segment` makes of zero: that of the segment
 * after. With all segments' the last one's is slot 0, which nobody has written yet. */
static __device__ __forceinline__ int64_t scan_slot(const sbi_scan_cuda_job &a, int64_t head,
                                                    int64_t segment)
{
    return head * a.segments + (segment + 1 < a.segments ? segment + 1 : 0);
}

/* Log decays of channels c and c + 1, c even, and the beta of a local row. */
static __device__ __forceinline__ float2 scan_gates(const sbi_scan_cuda_job &a, int64_t kv,
                                                    int64_t row, int c)
{
    if (a.gate == nullptr)
        return make_float2(a.gate0, a.gate0);
    const float *g = a.gate + kv * a.gate_stride + row * a.gate_dim;
    if (a.gate_dim == 1)
        return make_float2(__ldg(g), __ldg(g));
    return __ldg(reinterpret_cast<const float2 *>(g + c));
}
static __device__ __forceinline__ float scan_beta(const sbi_scan_cuda_job &a, int64_t kv,
                                                  int64_t row)
{
    return a.beta == nullptr ? a.beta0 : __ldg(a.beta + kv * a.beta_stride + row);
}

static __device__ __forceinline__ float scan_inverse(float x)
{
    float y; /* within 1 in the last bit; 0 of infinity */
    asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* What an element of q and k goes through [linear 3.1]. */
static __device__ __forceinline__ float scan_map(sb_scan_map map, float x)
{
    switch (map) {
    case SB_SCAN_SILU:
        return x * scan_inverse(1.0f + __expf(-x));
    case SB_SCAN_RELU:
        return fmaxf(x, 0.0f);
    case SB_SCAN_SQRELU:
        return fmaxf(x, 0.0f) * fmaxf(x, 0.0f);
    case SB_SCAN_ELU:
        return x > 0.0f ? x : expm1f(x);
    case SB_SCAN_ELU1:
        return x > 0.0f ? x + 1.0f : __expf(x);
    default:
        return x;
    }
}

/* e^total as S <- a S + b S; see sbi_scan_decay. */
static __device__ __forceinline__ float2 scan_decay(double total)
{
    return total < -0.7 ? make_float2(0.0f, static_cast<float>(exp(total)))
                        : make_float2(1.0f, static_cast<float>(expm1(total)));
}
/* The same of a sum in fp32 whose parts have one sign: as precise, relative to the total. */
static __device__ __forceinline__ float2 scan_decay_near(float total)
{
    return total < -0.7f ? make_float2(0.0f, expf(total)) : make_float2(1.0f, expm1f(total));
}
static __device__ __forceinline__ float scan_fade(float2 f, float s)
{
    return fmaf(f.y, s, f.x * s);
}
#endif

#endif
