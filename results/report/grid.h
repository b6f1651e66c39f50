/* A table of texts for a terminal, fitted to its width. */
#ifndef SB_RESULTS_REPORT_GRID_H
#define SB_RESULTS_REPORT_GRID_H

#include "results/report/table.h"

typedef struct sbi_grid {
    char        **text; /* [row][column], row 0 the headings; no control characters; malloc'd */
    int           n;    /* columns */
    int64_t       n_rows;
    unsigned char right[SBI_MAX_COLUMNS]; /* figures: on the right, never wrapped */
    unsigned char name[SBI_MAX_COLUMNS];  /* "hip top_k_tokens=64": may become "hip 64" */
    int           gap;                    /* blanks between columns; sbi_grid_print chooses */
} sbi_grid;

/* Print at most `width` columns wide, where figures leave it the choice; 0: as wide as it likes, a
 * line a row. Too wide, headings are wrapped; then names lose the words in front of their values;
 * then texts are wrapped, the widest column first; at last words are broken. Nothing is cut off.
 * Changes texts. Errors: SB_ERR_NOMEM. */
sb_status sbi_grid_print(sbi_grid *g, int width, FILE *out);
void      sbi_grid_fini(sbi_grid *g);

/* Words of `text` behind an indentation of two, in lines of at most `width` columns (0: one). */
void sbi_put_wrapped(FILE *out, const char *text, int width);

#endif
