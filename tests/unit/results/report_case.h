/* Databases and pages for the tests of results/report. */
#ifndef SB_TESTS_UNIT_RESULTS_REPORT_CASE_H
#define SB_TESTS_UNIT_RESULTS_REPORT_CASE_H

#include "results/report/report.h"
#include "results/report/table.h"
#include "tests/unit/results/facts.h"

/* Every kind of row: dense and hip at 1024 and 2048 tokens on 1 and 2 ranks with scores and times,
 * a failed, an unsupported and a no_fit sample. hip takes twice dense's time at 1024 and half at
 * 2048; two ranks halve every time. */
void report_fill(sb_store *s);
/* The same with this text as method, model, task and reason. */
void report_fill_named(sb_store *s, const char *name);
/* The page of a database, malloc'd; fails the test on an error. */
char *report_page(const char *path, sb_report_plots plots);
char *report_text(const char *path, int width); /* 0: any */
/* The section of that id, read. */
sbi_table report_table(sb_store *s, const sb_names *names, const char *id);
/* Cell of the only row whose columns have these texts: "method=hip", ..., NULL. */
const char *report_cell(const sbi_table *t, const char *column, ...) __attribute__((sentinel));
int         report_count(const char *text, const char *word);

#endif
