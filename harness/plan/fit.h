/* A machine's constants from stored samples: least squares of relative errors, start_s and 1 / rate
 * not below 0.
 *
 *   minimise over the rows of an entry: sum ((start_s + x / rate - t) / t)^2
 *
 * x is the work that sb_plan_predict sees, at the density the sample had. Of a link: rounds *
 * latency
 * + bytes / bandwidth, over what several ranks waited for data that nothing hides. Of merges: bytes
 * over what computing takes longer in a ring than behind a gather, in the same layout. Methods that
 * the machine has no entry of get one, one for each value of a parameter that names a kind (impl,
 * pattern, kind). */
#ifndef SB_HARNESS_PLAN_FIT_H
#define SB_HARNESS_PLAN_FIT_H

#include "harness/plan/stored.h"

typedef struct sb_fit_options {
    const char *from, *densities_from; /* of the new entries: which file, which figure */
    int64_t     up_to_tokens;    /* costs and links come from samples up to that length; 0: all */
    int64_t     densities_up_to; /* likewise */
    int32_t     links_alone; /* 1: costs and densities stay as they are; links and merges do not */
} sb_fit_options;

/* One constant, as it was and as it is. old NaN: there was none. */
typedef struct sb_fit_change {
    char      what[160]; /* "compute minference pattern=block_sparse", "link inside", "merge" */
    double    old_rate, new_rate, old_start_s, new_start_s;
    sb_origin origin; /* new: rows, spread */
} sb_fit_change;

typedef struct sb_fit {
    sb_machine    *machine; /* the new one; texts are the old one's and the options' */
    sb_fit_change *change;
    int64_t        n;
} sb_fit;

/* Errors: SB_ERR_USAGE when no sample is of the machine's backend and length; SB_ERR_NOMEM. */
sb_status sb_machine_fit(const sb_machine *old, const sb_stored *rows, const sb_fit_options *o,
                         sb_fit *out);
void      sb_fit_fini(sb_fit *f);

/* a[i] * u + b[i] * v = t[i] (t > 0) in least squares of relative errors with u, v >= 0; *spread:
 * their rms. n >= 1. */
void sb_fit_two(const double *a, const double *b, const double *t, int64_t n, double *u, double *v,
                double *spread);

#endif
