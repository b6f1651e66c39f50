/* Parts of the prediction: pairs of a causal mask, lanes and work of a method, links. */
#ifndef SB_HARNESS_PLAN_PARTS_H
#define SB_HARNESS_PLAN_PARTS_H

#include "harness/plan/plan.h"
#include "harness/shard/scheme.h"

typedef struct sbi_traffic sbi_traffic;

/* ---- pairs.c: query-key pairs, closed forms over runs of ids ---- */

/* Sum over queries of the run of min(id + 1, keys). */
double sbi_pairs(sb_run queries, double keys);
/* Of them those whose key is in `from`, where each query sees the `keys` keys up to its own. */
double sbi_pairs_between(sb_run queries, sb_run from, double keys);
/* The keys a row sees when all rows of [first, n) together see `share` of their causal pairs. */
double sbi_pairs_keys(int64_t first, int64_t n, double share);

/* ---- lanes.c ---- */

/* How many lanes a method computes, of those that dense does. */
typedef struct sbi_lanes {
    double      share;  /* of the lanes of dense, all rows together */
    double      keys;   /* rows see that many at most; INFINITY: each the same share of its own */
    int         window; /* 1: they are those right before the row, sinks aside */
    int64_t     sink_tokens, window_tokens; /* then: as the method says, the own key included */
    int         known;  /* 0: no entry for it, taken for dense */
    sb_origin   origin;
    const char *note; /* static text, or NULL */
} sbi_lanes;

sbi_lanes sbi_lanes_of(const sb_machine *m, const sb_plan_case *c);
/* 1: the density follows from parameters and shape alone. */
int sbi_lanes_follow(const sb_plan_case *c);
/* 1: p has all parameters that w wants. */
int sbi_wanted_match(const sb_wanted *w, const void *params);
/* 1: and all parameters that w does not name are at their defaults. */
int sbi_wanted_exact(const sb_wanted *w, const sb_method *m, const void *params);

/* ---- work.c ---- */

/* Of all ranks together, one layer. */
typedef struct sbi_work {
    double compute_flops; /* of methods with lanes: of dense, to be multiplied by a share */
    double estimate_flops, select_entries, permute_bytes;
    int    estimate_is_triangle; /* 1: shared out as pairs are, 0: as rows are */
    int    has_lanes;            /* 0: linear methods */
} sbi_work;

sbi_work sbi_work_of(const sb_plan_case *c);
/* A parameter by name; `or` where the method has none of that name. */
double sbi_param_value(const sb_method *m, const void *params, const char *name, double fallback);

/* ---- predict.c ---- */

/* What the busiest rank has to do in each phase, one layer, divided by its threads: the x of
 * seconds = start_s + x / rate. LOAD to COMPUTE, PREFILL and DECODE_TOKEN; 0 where there is none.
 * *traffic (or NULL): what links move. Errors: as sb_plan_predict. */
sb_status sbi_phase_work(const sb_machine *m, const sb_plan_case *c, double x[SB_PHASE_COUNT],
                         sbi_traffic *traffic);

/* ---- links.c ---- */

struct sbi_traffic {
    int64_t received_bytes; /* of the rank that receives most */
    int64_t rounds;
    double  seconds, first_s; /* all of it; its first part, which nothing can hide */
    /* of a ring, of keys or of queries, read and written in memory for partial outputs: all; of
     * them those of the first step, of each later one. The rest is the rounding, or merge, at the
     * end */
    double merged_bytes, set_bytes, merge_bytes;
};

/* 1: a rank's device plans for its rows, and every one of them looks at the last queries over all
 * keys: what is not chosen by row blocks is not shared out. */
int sbi_all_ranks_probe(const sb_machine *m, const sb_plan_case *c);

/* K and V (and what a scheme moves besides) of one layer. */
void sbi_traffic_of(const sb_machine *m, const sb_plan_case *c, sb_scheme_use use,
                    const sb_map *map, const sbi_lanes *lanes, sbi_traffic *out);

#endif
