/* Which device a rank works on. */
#ifndef SB_HARNESS_SHARD_BIND_H
#define SB_HARNESS_SHARD_BIND_H

#include "kernels/base/backend.h"
#include "kernels/base/comm.h"

/* This process's device from here on: its local rank modulo the devices it sees. Nothing to do on
 * the cpu. Local. Errors: those of backend->available, facts and select. */
sb_status sb_device_bind(const sb_comm *comm, const sb_backend *backend);

#endif
