/* A results database as one page: tables and plots of what ran, how well, how fast, and what did
 * not run.
 *
 * The page is a pure function of the database and of sb_report_facts: no time, host or path of the
 * caller goes in. No text of the database reaches gnuplot; everything is escaped where it is
 * written. Reads through the store only. */
#ifndef SB_RESULTS_REPORT_REPORT_H
#define SB_RESULTS_REPORT_REPORT_H

#include <stdio.h>

#include "results/store/store.h"

typedef struct sb_report_facts {
    const char *database;         /* its name, as the page shows it */
    const char *version, *commit; /* of the program that writes the page */
} sb_report_facts;

typedef enum sb_report_plots { SB_REPORT_NO_PLOTS, SB_REPORT_PLOTS } sb_report_plots;

/* Is there a gnuplot on PATH that is new enough? Errors: SB_ERR_USAGE, with what to install. */
sb_status sb_report_check_gnuplot(void);
/* One HTML page without references to anything outside. SB_REPORT_PLOTS starts one gnuplot a plot.
 * s is open for reading. Errors: SB_ERR_USAGE no gnuplot; SB_ERR_IO of the database or `out`, or
 * gnuplot failed (with its words); SB_ERR_NOMEM. */
sb_status sb_report_write_html(sb_store *s, const sb_report_facts *f, sb_report_plots plots,
                               FILE *out);
/* The essentials as text, a table a section; control characters are shown as pictures. width: of
 * the terminal in columns, which longer cells are wrapped to; 0: a row is a line. */
sb_status sb_report_write_text(sb_store *s, const sb_report_facts *f, int width, FILE *out);

#endif
