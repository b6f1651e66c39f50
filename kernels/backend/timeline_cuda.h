/* One step of a call on the cuda backend, and where its time goes. */
#ifndef SB_KERNELS_BACKEND_TIMELINE_CUDA_H
#define SB_KERNELS_BACKEND_TIMELINE_CUDA_H

#include "kernels/base/method.h"

#ifdef __cplusplus
extern "C" {
#endif

/* queue(arg) puts work on ctx->stream that belongs to `phase`. Under ctx->timeline it is entered
 * there; without one, where ctx->phases is given, the step is timed by itself: the call waits. */
sb_status sb_cuda_step(const sb_ctx *ctx, sb_phase phase, sb_status (*queue)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif
#endif
