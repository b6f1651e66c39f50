/* The stream that work goes to. */
#ifndef SB_KERNELS_BACKEND_CUDA_STREAM_H
#define SB_KERNELS_BACKEND_CUDA_STREAM_H

#include <cuda_runtime_api.h>

#ifdef __cplusplus
extern "C" {
#endif

/* `stream`, as calls get it from sb_ctx or the backend's callers. NULL: the backend's own of the
 * current device, made on first use: one for all that have none of their own, so that their work
 * stays in the order in which it was queued. It never waits for the legacy default stream, on which
 * nothing is queued: a capture (backend.h graph_begin) can have it. Where none can be made, that
 * one serves, for good: the calls to come say what is wrong with the device. */
cudaStream_t sb_cuda_stream(void *stream);

#ifdef __cplusplus
}
#endif
#endif
