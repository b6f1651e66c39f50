/* K or V of every rank into id order (spec sharding 4a), for the files of this folder. */
#ifndef SB_HARNESS_SHARD_GATHER_H
#define SB_HARNESS_SHARD_GATHER_H

#include "harness/shard/shard.h"

/* Up to so many runs a rank travel one by one, straight to their places; more come in one block a
 * head and rank and are copied out: moving a few runs costs less than copying a head once more. */
enum { SBI_DIRECT_RUNS = 4 };

/* Would a gather of this map go through s->stage? */
int sbi_gather_needs_stage(const sb_map *map);

/* local [kv_heads][own tokens][head_dim] -> all [kv_heads][n_tokens][head_dim], both bf16. Only
 * with more than one rank. Collective; kv_heads calls of the communicator through the stage, else
 * kv_heads times the runs of the rank that has most. */
sb_status sbi_gather(const sb_shard *s, sb_comm *comm, const sb_tensor *local,
                     const sb_tensor *all);

#endif
