/* The index and what plan works in: laid out beside each other, so that plan allocates nothing. */
#ifndef SB_KERNELS_HIP_ROOM_H
#define SB_KERNELS_HIP_ROOM_H

#include "kernels/hip/scores.h"
#include "kernels/hip/state.h"

/* One search: the queries that ask, the chunks that are left, and their halves. */
typedef struct sbi_hip_finder {
    sbi_hip_queries queries;
    sbi_hip_chunk  *kept; /* [M] */
    sbi_hip_chunk  *half; /* [2 M] */
    int64_t        *key;  /* [2 M] their scores */
    int64_t         n_kept, n_halves;
    int64_t         pairs; /* multiplied in this plan, on this rank */
} sbi_hip_finder;

/* A local query block and where its list stands before the lists are moved together. */
typedef struct sbi_hip_row {
    sb_row_part at;
    sbi_hip_span span;
    int64_t      first_id; /* in a head's part of the ids */
} sbi_hip_row;

typedef struct sbi_hip_room {
    int64_t         heads_per_kv, ids_per_head;
    sb_product_fn   product; /* chosen by layout: plan then has no way to fail before ranks talk */
    sbi_hip_row    *row;     /* [local query blocks] */
    int32_t         n_finders;
    sbi_hip_finder *finder; /* prefill: one a thread; decode: one a query head */
    int64_t        *keys;   /* those of all finders, side by side: decode reduces them at once */
    sb_hip_state   *state;  /* decode: in place of the cache's, where there is none */
} sbi_hip_room;

/* Index and room for the shape; plan->method_data is the room. A row of the index has place for
 * min(candidates, M) blocks. Errors: those of sb_cpu_isa_choose. */
sb_status sbi_hip_layout(sb_ctx *ctx, const sb_hip_params *p, const sb_shape *shape, sb_plan *plan);

/* Before a search: name the local query blocks, plan->row_id and room->row, and count no pairs. */
void sbi_hip_rows(const sb_hip_params *p, const sb_shape *shape, sb_plan *plan);

/* FLOP of the pairs counted since [hip 7, quality_metrics B4]. */
int64_t sbi_hip_flops(const sbi_hip_room *room, const sb_shape *shape);

#endif
