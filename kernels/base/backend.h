/* A backend is a record: where memory lives and how work is ordered. `cpu` is the default and the oracle. */
#ifndef SB_KERNELS_BASE_BACKEND_H
#define SB_KERNELS_BASE_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/phase.h"
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
    char    uuid[40];    /* of the device in use, hex; two ranks with one share it. "": none */
} sb_device_facts;

/* NVML's bits of throttle_reasons that slow a busy card. */
enum {
    SB_THROTTLE_POWER_CAP   = 0x4,
    SB_THROTTLE_HW_SLOWDOWN = 0x8,
    SB_THROTTLE_SW_THERMAL  = 0x20,
    SB_THROTTLE_HW_THERMAL  = 0x40,
    SB_THROTTLE_HW_BRAKE    = 0x80
};

/* How a device stands at a moment: read beside a measurement, so that a figure taken while the card
 * was slowed down or shared can be told from others. -1: not told. */
typedef struct sb_device_state {
    int32_t sm_clock_mhz, memory_clock_mhz, temperature_c;
    int32_t ecc, mig;        /* 1 on, 0 off */
    int32_t other_processes; /* that compute on the device, ours not counted */
    int64_t power_mw, power_limit_mw;
    int64_t throttle_reasons; /* bits; 0: none, or idle bits of NVML */
    int64_t energy_mj;        /* since the driver was loaded: differences count */
} sb_device_state;

/* What a device can do at best, measured by libraries and loops that do nothing else (gpu_targets
 * 1): the limits that kernels' rates are read against. */
typedef struct sb_ceilings {
    double matmul_bf16_flops_per_s; /* cuBLASLt, 8192 cubed, random operands; 0: no cuBLASLt */
    double copy_bytes_per_s;        /* device memory, bytes read and written */
    double exp2_per_s;              /* fp32, ex2.approx */
    char   cublaslt[64];            /* "13.0.2", or why there is none */
} sb_ceilings;

/* Where the time of queued work goes: calls return before it is done, so the device itself notes
 * when each phase begins. A phase lasts until the next one begins, or until read. */
typedef struct sb_timeline {
    /* What is queued on `stream` from here on belongs to `phase`; the first one starts the clock.
     */
    sb_status (*enter)(struct sb_timeline *t, sb_phase phase, void *stream);
    /* Waits for what is queued, adds the phases to *times (NULL: nobody asks) and starts anew. */
    sb_status (*read)(struct sb_timeline *t, void *stream, sb_phase_times *times);
    void (*close)(struct sb_timeline *t);
} sb_timeline;

/* Work on a device that was queued once, to be launched again as one thing. */
typedef struct sb_graph sb_graph;

/* `stream`, here and in sb_ctx: NULL is the backend's own, in whose order all that names no other
 * is done. */
typedef struct sb_backend {
    const char   *name;
    sb_backend_id id;
    sb_status (*available)(void); /* SB_ERR_DEVICE with the reason when it cannot run here */
    sb_status (*facts)(sb_device_facts *out);
    sb_status (*alloc)(size_t bytes, void **out); /* aligned to SB_ARENA_ALIGN at least */
    void (*free)(void *p);
    sb_status (*copy)(void *dst, const void *src, size_t bytes, sb_copy_kind kind, void *stream);
    /* `rows` pieces of `bytes`, from and to places that lie src_step and dst_step bytes apart. */
    sb_status (*copy_rows)(void *dst, size_t dst_step, const void *src, size_t src_step,
                           size_t bytes, size_t rows, sb_copy_kind kind, void *stream);
    sb_status (*fill)(void *dst, int byte, size_t bytes, void *stream);
    sb_status (*sync)(void *stream);
    /* ---- NULL on backends whose calls wait: their memory is the host's, and there are no streams
     * ---- */
    /* The device that this process works on from here on, of those it sees. Before anything else.
     */
    sb_status (*select)(int32_t device);
    sb_status (*stream_open)(void **out);
    void (*stream_close)(void *stream);
    /* Work queued on `stream` from here on comes after what is queued on `other` now. */
    sb_status (*stream_after)(void *stream, void *other);
    /* *idle: 1 when all that is queued on `stream` is done, else 0. Does not wait. */
    sb_status (*stream_idle)(void *stream, int *idle);
    /* Host memory that copies to and from the device run along with. */
    sb_status (*pinned_alloc)(size_t bytes, void **out);
    void (*pinned_free)(void *p);
    /* Host clocks tell where there is none. Not for two threads at once. */
    sb_status (*timeline_open)(sb_timeline **out);
    /* NULL: this backend has none. state: well below a millisecond; SB_ERR_UNSUPPORTED with the
     * reason where the driver does not tell; not for two threads at once. ceilings: medians of
     * timings of some milliseconds each, about .3 s and 2 GiB of device memory in all. */
    sb_status (*state)(sb_device_state *out);
    sb_status (*ceilings)(sb_ceilings *out);
    /* Bytes of the device's memory that nobody holds now; other processes may take them. NULL: not
     * told. */
    sb_status (*room)(int64_t *bytes);
    /* ---- NULL, all four: this backend has no graphs ---- */
    /* What this thread queues on `stream` from here on is noted and not done, until graph_end.
     * Calls that wait, or that take or give back memory, fail meanwhile and spoil it.
     * SB_ERR_UNSUPPORTED with the reason: the driver cannot. */
    sb_status (*graph_begin)(void *stream);
    /* *out: what was noted, with the addresses and numbers of then; they must stay valid. NULL: it
     * is given up. In any case noting ends, nothing of it was done, and the stream is as before
     * graph_begin. SB_ERR_UNSUPPORTED: spoilt, or the driver makes no graph of it, with the reason.
     * Some microseconds a kernel. */
    sb_status (*graph_end)(void *stream, sb_graph **out);
    /* All of it, behind what is queued on `stream`. */
    sb_status (*graph_launch)(sb_graph *g, void *stream);
    void (*graph_close)(sb_graph *g); /* NULL is fine; what is under way is done first */
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
