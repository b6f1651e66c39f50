/* The rows of a section, and which of them belong together. */
#ifndef SB_RESULTS_REPORT_TABLE_H
#define SB_RESULTS_REPORT_TABLE_H

#include "results/names/names.h"
#include "results/report/section.h"

enum { SBI_MAX_COLUMNS = 40 };

typedef struct sbi_table {
    const sbi_section *section;
    const sb_names    *names;
    sb_answer rows; /* columns in the section's order; names are labels, and a method's real is its
                     number */
    int n_columns;
    int varies[SBI_MAX_COLUMNS]; /* 1: two rows differ there */
} sbi_table;

/* A statement whose columns are not the section's is SB_ERR_INTERNAL. */
sb_status sbi_table_read(sb_store *s, const sb_names *names, const sbi_section *section,
                         sbi_table *out);
void      sbi_table_fini(sbi_table *t);
/* Column of that name; -1 for NULL or where there is none. */
int         sbi_table_column(const sbi_table *t, const char *name);
const char *sbi_table_text(const sbi_table *t, int64_t row, int column); /* NULL for NULL */
double sbi_table_real(const sbi_table *t, int64_t row, int column); /* NaN for NULL, column -1 */
int    sbi_table_series(const sbi_table *t); /* the column of series; -1: none */

/* Rows drawn together: equal in every facet, and in `apart` (-1: in facets alone). */
typedef struct sbi_panels {
    int64_t *rows;  /* of all, panel behind panel, each in the table's order */
    int64_t *first; /* [n + 1] */
    int64_t  n;
} sbi_panels;
sb_status sbi_panels_make(const sbi_table *t, int apart, sbi_panels *out);
void      sbi_panels_fini(sbi_panels *p);

/* Column c of the row as one says it: "ranks 2", "niah_single". malloc'd. */
char *sbi_table_say(const sbi_table *t, int64_t row, int column);

#endif
