/* A section of the report as data: a statement, what its columns are, and what is drawn of them. */
#ifndef SB_RESULTS_REPORT_SECTION_H
#define SB_RESULTS_REPORT_SECTION_H

/* How a cell is printed. Figures stay as they are in CSV; percent only in print. */
typedef enum sbi_show {
    SBI_SHOW_TEXT,
    SBI_SHOW_NAME,   /* "name 0x1f parameters": shown as the name and the parameters that differ */
    SBI_SHOW_COUNT,  /* whole numbers, tokens */
    SBI_SHOW_SHARE,  /* 0.875 -> 87.5 % */
    SBI_SHOW_POINTS, /* -0.03 -> -3.0, in percentage points */
    SBI_SHOW_MS,
    SBI_SHOW_FACTOR, /* 2.13 x */
    SBI_SHOW_NUMBER, /* 4 significant digits */
    SBI_SHOW_MIB,
    SBI_SHOW_GIGA, /* 1e9 a second */
    SBI_SHOW_TIME, /* ISO 8601: to the second */
    SBI_SHOW_FLAG  /* 1: yes, 0: nothing */
} sbi_show;

enum {
    SBI_FACET =
        1, /* rows that differ here are drawn apart; left out of the table where all are equal */
    SBI_SERIES = 2, /* one line, or bar, each */
    SBI_BRIEF  = 4, /* also in the text version */
    SBI_QUIET  = 8  /* in CSV only */
};
typedef struct sbi_column {
    const char *name, *heading; /* of the statement, of the table */
    sbi_show    show;
    unsigned    role;
} sbi_column;

typedef enum sbi_draw {
    SBI_DRAW_NONE,
    SBI_DRAW_LINES, /* y over x with lo..hi */
    SBI_DRAW_CLOUD, /* one point each, bars both ways, the frontier joined */
    SBI_DRAW_HEAT,  /* y (0..1) as colour over x and depth, a panel a series */
    SBI_DRAW_STACK  /* parts as one bar a series */
} sbi_draw;

enum {
    SBI_LOG_Y      = 1,
    SBI_PERCENT    = 2,   /* y is a share: 0..100 % */
    SBI_UNIT_LINE  = 4,   /* mark y = 1: as fast as dense */
    SBI_ZERO_LINE  = 8,   /* mark y = 0 */
    SBI_BREAK_EVEN = 16,  /* mark where a line rises through 1 */
    SBI_IDEAL      = 32,  /* draw y = x / least x */
    SBI_ONE_LINE   = 128, /* all rows say the same of dense: one line of its colour */
    SBI_NO_DENSE   = 64   /* leave dense out: it is what others are compared with */
};
typedef struct sbi_plot {
    sbi_draw    draw;
    const char *title;       /* of every panel */
    const char *x, *x_title; /* column, axis */
    const char *y, *y_title;
    const char *lo, *hi;     /* columns of the bar; NULL: none */
    const char *x_lo, *x_hi; /* CLOUD */
    const char *n;        /* column with the number of samples, told under the axis; NULL: none */
    const char *apart;    /* one more column whose values are drawn apart; NULL: none */
    const char *parts[6]; /* STACK: columns; ends with NULL */
    double      scale;    /* of y (STACK, CLOUD: of x): 100 for percent */
    unsigned    flags;
} sbi_plot;

typedef struct sbi_section {
    const char       *id, *title;
    const char       *lead;       /* what is shown, and how to read it; HTML of ours */
    const char *const with, *sql; /* with: text in front of sql, or NULL */
    const char       *why;        /* statement that says in one cell why there are no rows */
    const sbi_column *columns;    /* ends with {0} */
    const sbi_plot   *plots;      /* ends with {0}; NULL: a table alone */
    int               level;      /* of its heading: 2, or 3 below the one before */
} sbi_section;
extern const sbi_section sbi_sections[]; /* ends with {0} */

#endif
