/* Two ways to the same place. Few runs a rank (contiguous, zigzag): one gather per head and run,
 * every run straight to where it belongs. Many runs (block_striped): that would be thousands of
 * small collectives, so one gather per head brings whole shards, rank by rank,
 *
 *   stage   | rank 0: run run run | rank 1: run run run |
 *   all     | 0 | 1 | 0 | 1 | 0 | 1 |
 *
 * and the runs are copied out. */
#include "harness/shard/gather.h"

#include <string.h>

static int32_t most_runs(const sb_map *map)
{
    int32_t most = 0;
    for (int32_t r = 0; r < map->ranks; r++) {
        int32_t n = map->run_first[r + 1] - map->run_first[r];
        most      = n > most ? n : most;
    }
    return most;
}

int sbi_gather_needs_stage(const sb_map *map)
{
    return map->ranks > 1 && most_runs(map) > SBI_DIRECT_RUNS;
}

/* Run j of every rank, where it has one: straight from the shard to its ids. */
static sb_status gather_runs(const sb_shard *s, sb_comm *comm, const sb_tensor *local,
                             const sb_tensor *all, int64_t head, int32_t j, int64_t slot)
{
    int64_t row_bytes = s->head_dim * (int64_t)sizeof(sb_bf16);
    for (int32_t r = 0; r < comm->size; r++) {
        sb_gid gid        = sb_map_gid(s->map, r);
        s->count_bytes[r] = j < gid.n_runs ? gid.run[j].len * row_bytes : 0;
        s->displ_bytes[r] = j < gid.n_runs ? gid.run[j].start * row_bytes : 0;
    }
    return sb_comm_allgatherv(comm, sb_tensor_bf16(local, head, slot), sb_tensor_bf16(all, head, 0),
                              s->count_bytes, s->displ_bytes);
}

static sb_status gather_direct(const sb_shard *s, sb_comm *comm, const sb_tensor *local,
                               const sb_tensor *all)
{
    int32_t rounds = most_runs(s->map);
    sb_gid  mine   = sb_map_gid(s->map, comm->rank);
    for (int64_t h = 0; h < all->heads; h++) {
        int64_t slot = 0;
        for (int32_t j = 0; j < rounds; j++) {
            sb_status st = gather_runs(s, comm, local, all, h, j, slot);
            if (st != SB_OK)
                return st;
            slot += j < mine.n_runs ? mine.run[j].len : 0;
        }
    }
    return SB_OK;
}

static void place_runs(const sb_shard *s, const sb_tensor *all, int64_t head)
{
    const sb_bf16 *from = s->stage;
    for (int32_t i = 0; i < s->map->run_first[s->map->ranks]; i++) { /* rank by rank, as staged */
        sb_run run = s->map->run[i];
        memcpy(sb_tensor_bf16(all, head, run.start), from,
               (size_t)(run.len * s->head_dim) * sizeof *from);
        from += run.len * s->head_dim;
    }
}

static sb_status gather_staged(const sb_shard *s, sb_comm *comm, const sb_tensor *local,
                               const sb_tensor *all)
{
    int64_t at = 0, row_bytes = s->head_dim * (int64_t)sizeof(sb_bf16);
    for (int32_t r = 0; r < comm->size; r++) {
        s->count_bytes[r] = s->map->rank_tokens[r] * row_bytes;
        s->displ_bytes[r] = at;
        at += s->count_bytes[r];
    }
    for (int64_t h = 0; h < all->heads; h++) {
        sb_status st = sb_comm_allgatherv(comm, sb_tensor_bf16(local, h, 0), s->stage,
                                          s->count_bytes, s->displ_bytes);
        if (st != SB_OK)
            return st;
        place_runs(s, all, h);
    }
    return SB_OK;
}

sb_status sbi_gather(const sb_shard *s, sb_comm *comm, const sb_tensor *local, const sb_tensor *all)
{
    return s->stage != NULL ? gather_staged(s, comm, local, all)
                            : gather_direct(s, comm, local, all);
}
