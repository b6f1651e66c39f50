/* One input run at one point: passes in order, and everything there is to store about them.
 *
 *   [quality pass, not timed] -> warm-ups -> repetitions (prefill only, phases timed apart) ->
 * decode script -> score
 *
 * Accuracy and latency so come from the same tokens, weights and index. Collective: every rank
 * calls it and gets the same result (times are maxima over ranks). */
#ifndef SB_HARNESS_RUN_SAMPLE_H
#define SB_HARNESS_RUN_SAMPLE_H

#include "harness/config/sweep.h"
#include "harness/model/forward.h"
#include "results/store/store.h"

/* Host memory kept between samples, so that only a larger input allocates. */
typedef struct sb_block {
    void  *base;
    size_t bytes;
} sb_block;
void sb_block_fini(sb_block *b);

/* How the energy counter of a device moves (energy.h); all zero: it has none, or was not asked. */
typedef struct sb_energy_basis {
    int64_t step_ns, idle_mw;
} sb_energy_basis;

typedef struct sb_bench {
    sb_comm          *comm;
    const sb_backend *backend;
    /* Of rings and of heads over ranks, over the memory of backend; NULL: one rank, or not asked
     * for. */
    sb_link          *link;
    /* Adjacent ranks that share a host, the same on all ranks: fewest of any host; 0 counts as 1 */
    int32_t                host_ranks;
    sb_model         *model;
    const struct sb_jieba *jieba; /* of scorers that need it; else NULL */
    int32_t           threads;
    sb_energy_basis   energy;
    sb_block          block;
    int (*should_stop)(void *arg); /* asked before each layer, or pass of the operator alone */
    void *stop_arg;
    void (*progress)(void *arg, int64_t pass,
                     int64_t n_passes); /* NULL: silent; called after each pass */
    void *progress_arg;
} sb_bench;

/* Facts that point into `own`; free with sb_result_fini. run_id, point_id, input_id are the
 * caller's to set. */
typedef struct sb_result {
    sb_sample_facts facts;
    double          wall_s;
    double          median_ms;  /* of the repetitions: prefill, or attention alone */
    int64_t         passes;     /* prefills made */
    int32_t         has_index;  /* 0: the method selects no keys */
    struct {
        sb_timing_facts *timings;
        void            *quality, *needles, *balance;
        uint8_t         *hits;
        char            *prediction, *error, *graph_reason;
        char             digest[17];
        sb_comm_facts    comm[2];
        sb_memory_facts  memory[5];
        sb_state_facts   states[2];
        sb_energy_facts  energy[2];
        sb_anchor_facts *anchors;
    } own;
} sb_result;
void sb_result_fini(sb_result *r);

/* What one rank needs for the point on this input, on b's backend. */
sb_status sb_sample_bytes(const sb_bench *b, const sb_point *p, const sb_input *in,
                          sb_forward_room *out);

/* A method that cannot run here, memory that does not suffice and a failure inside the run are
 * results (status unsupported, no_fit, failed, with the reason), and SB_OK is returned. Errors:
 * SB_ERR_STOPPED when asked to stop (nothing to store), SB_ERR_COMM. */
sb_status sb_sample_run(sb_bench *b, const sb_point *p, const sb_input *in, sb_result *out);

/* A row that was never run: status and reason only. */
sb_status sb_result_unrun(const char *status, const char *reason, sb_result *out);

#endif
