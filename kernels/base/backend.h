/* A backend is a record: where memory lives and how work is ordered. `cpu` is the default and the oracle. */
#ifndef SB_KERNELS_BASE_BACKEND_H
#define SB_KERNELS_BASE_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sb_backend_id { SB_CPU, SB_CUDA, SB_BACKEND_COUNT } sb_backend_id;

typedef enum sb_copy_kind { SB_COPY_TO_DEVICE, SB_COPY_TO_HOST, SB_COPY_ON_DEVICE, SB_COPY_COUNT } sb_copy_kind;

typedef struct sb_device_facts {
    char    name[128];   /* "Intel(R) Xeon(R) ... avx512", "NVIDIA H100 80GB HBM3" */
    int32_t count;       /* devices visible to this process; CPU: cores in the affinity mask */
    int64_t memory_bytes;
    char    detail[160]; /* driver, compute capability; CPU: the chosen kernel variant */
} sb_device_facts;

typedef struct sb_backend {
    const char   *name;
    sb_backend_id id;
    sb_status (*available)(void); /* SB_ERR_DEVICE with the reason when it cannot run here */
    sb_status (*facts)(sb_device_facts *out);
    sb_status (*alloc)(size_t bytes, void **out); /* aligned to SB_ARENA_ALIGN at least */
    void (*free)(void *p);
    sb_status (*copy)(void *dst, const void *src, size_t bytes, sb_copy_kind kind, void *stream);
    sb_status (*fill)(void *dst, int byte, size_t bytes, void *stream);
    sb_status (*sync)(void *stream);
} sb_backend;

extern const sb_backend sb_backend_cpu;
extern const sb_backend sb_backend_cuda; /* only in builds with SB_HAVE_CUDA */

#if defined(SB_HAVE_CUDA)
#define SB_IF_CUDA(f) (f)
#else
#define SB_IF_CUDA(f) NULL
#endif

#ifdef __cplusplus
}
#endif
#endif
