/* What the device executors share: the checked call. */
#ifndef SB_KERNELS_EXEC_ATTEND_CUDA_CUH
#define SB_KERNELS_EXEC_ATTEND_CUDA_CUH

#include "kernels/backend/cuda_status.cuh"
#include "kernels/exec/attend.h"

/* A call whose tensors have been checked. */
typedef struct sbi_cuda_job {
    const sb_attn_in *in;
    const sb_plan    *plan; /* NULL: dense; arrays in device memory */
    sb_attn_out      *out;
    cudaStream_t      stream;
    const sb_ctx     *ctx; /* of the call: arena and phases */
    int32_t in_slots;      /* 1: k and v have a row a slot of plan->slots, for each query head */
} sbi_cuda_job;

/* Room that is there for what follows on `stream`, until cudaFreeAsync. It comes from a pool of the
 * executors that keeps what it once had (a few MiB), so that only the first call of a size waits
 * for the driver. */
sb_status sbi_cuda_scratch(size_t bytes, cudaStream_t stream, void **out);

/* Any plan on any device from compute capability 8.0 on. Asynchronous. */
sb_status sbi_attend_portable_cuda(const sbi_cuda_job *job);

/* Few queries over many keys, dense or by a plan, on any device from 8.0 on. Asynchronous. The
 * refusal: as below. */
const char *sbi_attend_decode_refusal(const sbi_cuda_job *job);
sb_status   sbi_attend_decode_cuda(const sbi_cuda_job *job);

#if defined(SB_HAVE_SM90A)
/* The Hopper kernel, for devices of compute capability 9.0. Asynchronous. What it cannot do, as
 * "found ..." would go on; NULL: it can do this call. */
const char *sbi_attend_sm90_refusal(const sbi_cuda_job *job);
sb_status   sbi_attend_sm90_cuda(const sbi_cuda_job *job);
/* The same for tiles of 64 keys, single keys beside them, over row blocks of 64 queries. */
const char *sbi_attend_pairs_refusal(const sbi_cuda_job *job);
sb_status   sbi_attend_pairs_cuda(const sbi_cuda_job *job);
/* Plans with slots: K and V are copied in their order, a few heads at a time, into room from
 * ctx->arena, for the kernel above. */
const char *sbi_attend_slots_refusal(const sbi_cuda_job *job);
sb_status   sbi_attend_slots_cuda(const sbi_cuda_job *job);
/* The same for any plan, key by key. */
const char *sbi_attend_gather_refusal(const sbi_cuda_job *job);
sb_status   sbi_attend_gather_cuda(const sbi_cuda_job *job);
#endif

#endif
