/* gnuplot as a child process. */
#ifndef SB_RESULTS_REPORT_GNUPLOT_H
#define SB_RESULTS_REPORT_GNUPLOT_H

#include "kernels/base/status.h"

extern int sbi_gnuplot_timeout_ms; /* silence after which it is given up; tests turn it down */

/* Is gnuplot on PATH and new enough? SB_ERR_USAGE with what to install. */
sb_status sbi_gnuplot_check(void);
/* Run the commands; *svg is what it wrote, malloc'd. Own start-up files are not read. SB_ERR_IO
 * with gnuplot's words when it fails or falls silent; SB_ERR_USAGE when there is none. */
sb_status sbi_gnuplot_run(const char *commands, char **svg);

#endif
