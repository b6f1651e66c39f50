/* What a person sees while a sweep runs, on stderr and from rank 0 only: one line that is rewritten
 * on a terminal, one line a point elsewhere. */
#ifndef SB_HARNESS_RUN_PROGRESS_H
#define SB_HARNESS_RUN_PROGRESS_H

#include "harness/config/sweep.h"

typedef struct sb_progress {
    int32_t on;       /* rank 0 */
    int32_t terminal; /* stderr is one: rewrite the line */
    int32_t colour;
    int64_t n_points, point_no;    /* 1-based */
    double  work_total, work_done; /* token pairs, for the time left */
    int64_t start_ns;
    /* the present point */
    const sb_point *point;
    int64_t         row, rows, run_here;
    double          score_sum, ms_sum;
    int64_t         ok, failed, passes;
    int64_t         point_ns;
    char            label[256], reason[160];
} sb_progress;

void sb_progress_init(sb_progress *p, int32_t on);
void sb_progress_point(sb_progress *p, const sb_point *point, int64_t point_no);
void sb_progress_sample(sb_progress *p, int64_t row);
/* A pass over the tokens ended (an sb_bench progress callback; arg is the sb_progress). */
void sb_progress_pass(void *p, int64_t pass, int64_t n_passes);
/* score: NaN where nothing is scored. ms: of the prefill, or of attention alone. */
void sb_progress_result(sb_progress *p, const char *status, const char *reason, double score,
                        double ms);
void sb_progress_skipped(sb_progress *p);
void sb_progress_point_end(sb_progress *p); /* prints the point's line when anything ran */
void sb_progress_clear(sb_progress *p);     /* before other output on a terminal */

/* "niah_single 4096" work of one pass, in token pairs (of the operator alone, times heads and
 * head_dim): what time is roughly proportional to. */
double sb_progress_work(const sb_point *p);

#endif
