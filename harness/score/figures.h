/* From scores to figures: means with intervals, the suites' own tables, RULER's lengths. */
#ifndef SB_HARNESS_SCORE_FIGURES_H
#define SB_HARNESS_SCORE_FIGURES_H

#include "harness/score/score.h"
#include "harness/score/tally.h"
#include "workloads/ruler/score.h"

/* choices: what was asked for, by group's `choice`. Groups are put into the order of their suites.
 */
sb_status sbi_figures(sbi_tally *t, const sbi_choice *choices, sb_score_table *out);

/* ---- between figures.c and means.c ---- */

/* A new line of the group's suite and length, its numbers still missing. */
sb_status sbi_line_add(sb_score_table *t, const char *kind, const sbi_group *g, const char *task,
                       const char *metric, sb_score_line **out);
sb_status sbi_line_reason(sb_score_line *l, const char *why);
uint64_t  sbi_line_seed(const sb_score_line *l); /* of its bootstrap */
/* What the suite's own table shows; values in the order of the file, in which it sums them. */
void sbi_line_figure(sb_score_line *l, const sb_text_suite *suite, const double *values, int64_t n);
int  sbi_by_value(const void *a, const void *b); /* doubles, for qsort */

int64_t sbi_mean_tasks(const sb_text_suite *s); /* that its mean is over */
/* The mean over groups [0, n) of one suite, metric and length. *mean: in per cent, NaN: none. */
sb_status sbi_mean_add(sb_score_table *t, const sbi_group *g, int64_t n, const char *metric,
                       double *mean);
/* RULER's averages over lengths; scores in per cent, NaN: none. */
sb_status sbi_ruler_add(sb_score_table *t, const sbi_group *g, const char *metric,
                        const double scores[SB_RULER_LENGTHS]);

#endif
