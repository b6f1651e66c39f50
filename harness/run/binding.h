/* Where each rank runs: its host, the cores and NUMA nodes it may use, its device, the network
 * adapters on its nodes. Stored with the run (`binding.R` in env_json), printed by doctor. */
#ifndef SB_HARNESS_RUN_BINDING_H
#define SB_HARNESS_RUN_BINDING_H

#include "kernels/base/backend.h"
#include "kernels/base/comm.h"

typedef struct sb_binding {
    char    host[64];
    char    cpus[128]; /* "0-7,64-71": the affinity mask */
    char    numa[32];  /* "0" or "0,1": nodes of those cores; "?": the system does not tell */
    char    device[128], uuid[40];
    int64_t device_bytes;
    char    nics[128]; /* "mlx5_0,mlx5_1": adapters of those nodes, else all there are; "": none */
} sb_binding;

/* Where sysfs is: tests have one of their own. */
extern const char *sb_binding_sys;

/* *all [comm->size], on every rank; free() it. b: the backend of the run, whose device is selected.
 * Errors: SB_ERR_NOMEM, those of facts and of the communicator. Collective. */
sb_status sb_binding_gather(sb_comm *comm, const sb_backend *b, sb_binding **all);

/* Are all devices of one kind (name and memory)? Times of a run of several kinds are the slowest
 * one's, and no ratio of them means anything. SB_ERR_USAGE names two ranks and what they have. */
sb_status sb_binding_same_devices(const sb_binding *all, int32_t n);

/* "cpus 0-7 numa 0 device NVIDIA H100 80GB HBM3 uuid 1f.. nic mlx5_0" */
void sb_binding_text(const sb_binding *b, char *out, size_t bytes);

#endif
