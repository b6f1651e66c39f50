/* Stored samples as cases of the model: what was asked, and what it took. */
#ifndef SB_HARNESS_PLAN_STORED_H
#define SB_HARNESS_PLAN_STORED_H

#include "harness/plan/plan.h"

/* Which of its repetitions stands for a sample. */
typedef enum sb_statistic {
    SB_STATISTIC_MEDIAN,
    SB_STATISTIC_MIN,
    SB_STATISTIC_COUNT
} sb_statistic;

typedef struct sb_stored_row {
    sb_plan_case c; /* density: the lanes that it computed, where the sample tells; else 0 */
    void        *params;
    char        *task;
    double       seconds[SB_PHASE_COUNT]; /* NaN: not stored */
    int64_t      received_bytes;
} sb_stored_row;

typedef struct sb_stored {
    sb_stored_row *row;
    int64_t        n, capacity;
    int64_t        n_left_out; /* samples without a shape, or whose parameters name files */
} sb_stored;

/* Ok samples on that backend, of launches that were not oversubscribed. Errors: those of the
 * database; SB_ERR_NOMEM. */
sb_status sb_stored_read(const char *db_path, sb_backend_id backend, sb_statistic statistic,
                         sb_stored *out);
void      sb_stored_fini(sb_stored *s);

#endif
