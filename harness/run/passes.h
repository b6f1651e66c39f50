/* What a sample of either experiment does: room for it, its facts, and failures that become
 * results. For the files of this folder. */
#ifndef SB_HARNESS_RUN_PASSES_H
#define SB_HARNESS_RUN_PASSES_H

#include "harness/run/quality.h"
#include "harness/run/sample.h"
#include "harness/shard/scheme.h"
#include "kernels/base/phase.h"

/* How the point's prefill shares tokens and heads out over b's ranks. */
int           sbi_may_link(const sb_point *p); /* 1: with several ranks, blocks move over a link */
sb_scheme_use sbi_sharding(const sb_bench *b, const sb_point *p, int64_t heads, int64_t kv_heads);

/* The shape of one rank's call, of a whole one: some of the heads, where they are shared out.
 * SB_OK, or SB_ERR_UNSUPPORTED with the reason why the point's sharding cannot be, for this method
 * or these heads. */
sb_status sbi_check_sharding(const sb_bench *b, const sb_point *p, sb_shape *shape);

#define SBI_NO_CUDA "this build has no cuda backend (SPAN_CUDA)"
const sb_backend *sbi_backend_of(const sb_point *p); /* NULL: not in this build */

/* SB_ERR_NO_FIT with the numbers: this host has no room for `bytes` on each of its ranks beside the
 * model's files, once. b->model may be NULL. */
sb_status sbi_check_room(const sb_bench *b, size_t bytes);

/* The same, and grow the kept block. */
sb_status sbi_reserve(sb_bench *b, size_t bytes);

sb_status sbi_timings_room(sb_result *out, int64_t n);
void      sbi_timing_add(sb_result *out, sb_phase phase, int64_t repetition, int64_t is_warmup,
                         int64_t ns);

/* Bytes and exposed time since the counters were last cleared, maximum over ranks; clears them. */
sb_status sbi_take_comm(sb_bench *b, const char *phase, int64_t exposed_ns, sb_comm_facts *out);

double sbi_median_ms(int64_t *ns, int64_t n); /* sorts; n = 0: NaN */

/* 1: dense runs right before and after each repetition of p (timing: anchor). Not of a method that
 * carries a state over several ranks, which has no room for the keys that dense gathers; nor in a
 * layout other than dense's best, which would flatter whatever runs beside it. */
int sbi_is_anchored(const sb_point *p);

/* Passes of a point: [one outside the clock, which looks at the index] warm-ups, repetitions. Where
 * nothing is timed the first is also the one that is answered from. */
int     sbi_looks_first(const sb_point *p);
int64_t sbi_passes(const sb_point *p);

/* Bytes, of the host and of a device; 0: nobody predicted them, or no memory of its own. */
typedef struct sbi_memory {
    size_t predicted, arena_high_water, device_predicted, device;
} sbi_memory;
/* Collective: maxima over ranks. */
sb_status sbi_memory_facts(sb_bench *b, const sbi_memory *m, sb_result *out);

/* How this rank's device stands now, "before" or "after" the timed repetitions; a backend that does
 * not tell adds nothing. */
void sbi_state_add(const sb_bench *b, const char *place, sb_result *out);
/* The facts move from q to out. */
void sbi_quality_facts(sb_quality *q, sb_result *out);

/* Of a sample that went well: point the facts at what the result owns. */
void sbi_own_facts(sb_status st, sb_result *out);

/* What a sample is scored in; name NULL: in nothing. */
typedef struct sbi_scored_in {
    const char *name;
    int32_t     is_binary;
} sbi_scored_in;

/* Collective. st of any rank becomes the same result on all ranks (status, reason with the rank),
 * and SB_OK; a stop and a broken communicator stay errors. metric is what a failed sample scores 0
 * in. */
sb_status sbi_failure(sb_comm *comm, sbi_scored_in metric, sb_status st, sb_result *out);

#endif
