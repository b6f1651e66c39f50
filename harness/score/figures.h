/* From scores to figures: means with intervals, the suites' own tables, RULER's lengths. */
#ifndef SB_HARNESS_SCORE_FIGURES_H
#define SB_HARNESS_SCORE_FIGURES_H

#include "harness/score/score.h"
#include "harness/score/tally.h"

/* choices: what was asked for, by group's `choice`. Groups are put into the order of their suites.
 */
sb_status sbi_figures(sbi_tally *t, const sbi_choice *choices, sb_score_table *out);

#endif
