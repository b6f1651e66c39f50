/* What the parts of a page share. */
#ifndef SB_RESULTS_REPORT_PAGE_H
#define SB_RESULTS_REPORT_PAGE_H

#include "results/report/panel.h"
#include "results/report/report.h"

typedef struct sbi_page {
    FILE           *out;
    sb_report_plots plots;
    int             n_plots; /* drawn so far */
    int             in_grid; /* 1: inside the grid of panels */
} sbi_page;

/* figure.c: the plots of a section; nothing where plots are off. */
sb_status sbi_put_figure(sbi_page *page, const sbi_table *t);
/* rows.c: its rows as an HTML table with CSV; open: not behind a fold. */
sb_status sbi_put_rows(sbi_page *page, const sbi_table *t, int open);
/* What every row has in common, "model probe, ranks 2"; nothing where nothing is. */
sb_status sbi_put_common(sbi_page *page, const sbi_table *t);
/* Why a section is empty: the cell of section->why, malloc'd. */
sb_status sbi_ask_why(sb_store *s, const sbi_section *section, char **why);

#endif
