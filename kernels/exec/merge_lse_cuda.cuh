/* merge_lse.h on the device. */
#ifndef SB_KERNELS_EXEC_MERGE_LSE_CUDA_CUH
#define SB_KERNELS_EXEC_MERGE_LSE_CUDA_CUH

#include <cuda_runtime.h>

#include "kernels/base/step.h"
#include "kernels/exec/merge_lse.h"

/* Where merged rows go: row i of head i / rows_per_head. */
typedef struct sbi_merge_job {
    sb_partials parts; /* device memory */
    sb_dtype    dtype;
    void       *o;   /* [rows_per_head][dim] a head, head_stride elements apart */
    float      *lse; /* [rows], or NULL */
    int64_t     rows_per_head, head_stride;
    int32_t     merge; /* 1: o (fp32) and lse hold a running partial, the first part */
    int32_t     early; /* 1: the kernel before it on the stream makes the parts and lets this one
                          start (sbi_let_next_start) */
    /* Device memory; not NULL: only so many parts are there as decode_split.h makes of its keys, at
     * most n_parts. */
    const sb_step *step;
} sbi_merge_job;

/* The next kernel on the stream may start, if it was launched so: it waits by itself for what this
 * one writes. */
static __device__ __forceinline__ void sbi_let_next_start(void)
{
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
    cudaTriggerProgrammaticLaunchCompletion();
#endif
}

/* As sb_merge_lse_cuda. */
sb_status sbi_merge_lse_cuda(const sbi_merge_job *job, cudaStream_t stream);

#endif
