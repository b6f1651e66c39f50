/* The tables at the end of `spanbench run`: what the database says about the points of one sweep.
 */
#ifndef SB_HARNESS_CLI_SUMMARY_H
#define SB_HARNESS_CLI_SUMMARY_H

#include <stdio.h>

#include "harness/config/sweep.h"

/* Accuracy by task, then accuracy, latency, density and recall by method and length; of the
 * operator alone, latency, density and recall of each input. Reads the views only. */
sb_status sb_summary_print(const char *db_path, const sb_sweep *sweep, FILE *out);

#endif
