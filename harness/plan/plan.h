/* What a point of a sweep will cost, before it runs: seconds of each phase, bytes moved, memory of
 * a rank [sharding 10]. No GPU, no MPI, nothing is computed.
 *
 *   machine file -> costs, links, densities --.
 *   point -> shape, work of each phase -------+-> sb_plan_predict -> seconds, bytes
 *   point -> arenas counted as the run does --'-> sb_plan_fit_memory -> fits or not
 *
 * harness/run/forecast.h does all of it for a point of a sweep. */
#ifndef SB_HARNESS_PLAN_PLAN_H
#define SB_HARNESS_PLAN_PLAN_H

#include "harness/config/machine.h"
#include "harness/config/sweep.h"
#include "harness/shard/shard.h"

/* One operator call, or a prefill that makes n_layers of them. */
typedef struct sb_plan_case {
    const sb_method *method;
    const void      *params;
    const char      *task;                /* task or distribution, for its densities; NULL: any */
    int64_t          n_tokens, n_queries; /* the queries are the last ones */
    int64_t          heads, kv_heads, head_dim;
    int32_t          n_layers;
    int32_t          is_model;      /* 1: with the rest of a model around attention, and decode */
    int64_t          decode_tokens; /* tokens fed after the prefill */
    double token_flops; /* of the model beside attention, a token; 0: the machine's own figures,
                           which are the probe's */
    double head_flops;  /* beside them, of reading a next token, which no ranks share */
    sb_scheme        scheme;
    sb_layout_kind   layout;
    int32_t          asked; /* KV heads gathered at a time, or ranks of a team [shard/scheme.h]; 0:
                               as the scheme does by itself */
    int32_t ranks, threads; /* threads of a rank, on the CPU */
    double  density;        /* share of dense's lanes, where it is known; 0: the machine's table */
} sb_plan_case;

typedef struct sb_prediction {
    /* one repetition on the slowest rank, all layers: as the database's phases. LOAD: what comes
     * before the first one. DECODE_TOKEN: one token */
    double  seconds[SB_PHASE_COUNT];
    double  hidden_s;                      /* communication that goes on behind compute */
    int64_t received_bytes;                /* by the rank that receives most, a repetition */
    int64_t rounds;                        /* messages one after the other, likewise */
    double  compute_flops, estimate_flops; /* of the busiest rank */
    double  density;   /* lanes computed / lanes of dense; NaN: the method has none */
    double  imbalance; /* busiest rank's compute / mean; 1: even */
    int32_t weakest;   /* sb_source_kind: the least certain constant used */
    char    note[288]; /* what to mistrust; "" : nothing */
    /* memory of the rank that needs most, and of what there is; set by sb_plan_fit_memory */
    int64_t host_bytes, device_bytes;
    int32_t fits; /* 1 or 0 */
} sb_prediction;

/* Errors: SB_ERR_UNSUPPORTED where the scheme cannot shard the method or shape that way, with the
 * reason; SB_ERR_USAGE where the machine has no constant for it; SB_ERR_NOMEM. *out changes on
 * success only. Cost: the runs of all ranks; ring over few runs a rank: ranks squared. */
sb_status sb_plan_predict(const sb_machine *m, const sb_plan_case *c, sb_prediction *out);

/* The map of its tokens. Errors: those of sb_map_create_for. */
sb_status sb_plan_map(const sb_plan_case *c, sb_map *out);

/* Set the memory part: do `ranks` ranks with this much each fit the machine? Text of the reason in
 * `why` when not. */
void sb_plan_fit_memory(const sb_machine *m, int32_t ranks, int64_t host_bytes,
                        int64_t device_bytes, sb_prediction *p, char *why, size_t why_bytes);

/* Seconds of one repetition: a prefill, or attention alone. */
double sb_plan_repetition_s(const sb_plan_case *c, const sb_prediction *p);
/* For the watchdog: max(60, 5 * predicted) s for one pass of the phase. [cluster_runtime 4] */
double sb_plan_deadline_s(const sb_prediction *p, sb_phase phase);
/* For Slurm: 1.5 * seconds + 120. [sharding 10] */
double sb_plan_time_limit_s(double seconds);

/* ---- machines ---- */

/* NAME: a path when it ends in .yaml, else one of the machines in the program (configs/plan).
 * Errors as sb_machine_load; SB_ERR_USAGE names what there is. */
sb_status sb_plan_machine(const char *name, FILE *errors, sb_machine **out);
/* The name of the first machine in the program with that backend; on the CPU rather one whose
 * `processor` words stand in `processor` (or NULL). Never NULL. */
const char *sb_plan_machine_default(sb_backend_id backend, const char *processor);
/* Names of all in the program, NULL-terminated. */
const char *const *sb_plan_machine_names(void);

#endif
