/* Which device a rank works on. */
#ifndef SB_HARNESS_SHARD_BIND_H
#define SB_HARNESS_SHARD_BIND_H

#include "kernels/base/backend.h"
#include "kernels/base/comm.h"

/* This process's device from here on: its local rank modulo the devices it sees. Nothing to do on
 * the cpu. Local. Errors: those of backend->available, facts and select. */
sb_status sb_device_bind(const sb_comm *comm, const sb_backend *backend);

/* How many of the other processes on this rank's device (sb_device_state; < 0: not told) are none
 * of ours. Ranks of this host may each have a context there (NCCL opens its peers'); NVML's process
 * ids are the host's, so that in a container none can be told apart: as many as there may be are
 * taken for ranks. */
int32_t sb_device_strangers(const sb_comm *comm, int32_t other_processes);

#endif
