/* One panel: rows in, commands for gnuplot out.
 *
 * gnuplot sees numbers and words of ours only. Texts of the database stay here as titles (of the
 * n-th thing plotted) and labels (written "~k~" in the commands); svg.c puts them in, escaped.
 * Colours are placeholders too: rgb (1, kind, index), which svg.c turns into the style sheet's
 * variables. */
#ifndef SB_RESULTS_REPORT_PANEL_H
#define SB_RESULTS_REPORT_PANEL_H

#include <stdio.h>

#include "results/report/table.h"

enum { SBI_SERIES_COLOURS = 8, SBI_PHASE_COLOURS = 5, SBI_MAX_TEXTS = 512 };
/* Placeholders for colours, as gnuplot writes them: '#0101NN' and so on, NN in hex. */
#define SBI_COLOUR_SERIES 0x010100
#define SBI_COLOUR_INK 0x010200
#define SBI_COLOUR_GRID 0x010201
#define SBI_COLOUR_MUTED 0x010202
#define SBI_COLOUR_PHASE 0x010300

typedef struct sbi_script {
    FILE  *f; /* commands */
    char  *text;
    size_t bytes;
    FILE  *plots; /* the arguments of the one plot command */
    char  *plots_text;
    size_t plots_bytes;
    int    width, height;
    char  *titles[SBI_MAX_TEXTS]; /* of things plotted; NULL: none */
    int    n_titles;
    char  *labels[SBI_MAX_TEXTS];
    int    n_labels;
    int    n_blocks; /* data blocks written */
} sbi_script;

typedef struct sbi_panel {
    const sbi_table *t;
    const sbi_plot  *plot;
    const int64_t   *rows; /* of the table */
    int64_t          n_rows;
} sbi_panel;

sb_status sbi_script_init(sbi_script *s, int width, int height);
sb_status sbi_script_end(sbi_script *s); /* the plot command; text is complete then */
void      sbi_script_fini(sbi_script *s);
/* Begin a data block; write its rows to s->f, then end it. */
void sbi_script_block(sbi_script *s);
void sbi_script_block_end(sbi_script *s);
/* Plot the last block: "using ... with ...", and its title (copied; NULL none). */
sb_status sbi_script_plot(sbi_script *s, const char *how, const char *title);
sb_status sbi_script_label(sbi_script *s, const char *text, int *k);

/* The title of an axis, 'x' or 'y'; lines: of text between it and the axis. */
void sbi_script_axis_title(sbi_script *s, char axis, const char *words, int lines);

/* Points, colours and dashes of a method's number. */
int sbi_point_type(int number);
int sbi_series_colour(int number); /* 0 .. SBI_SERIES_COLOURS - 1 */
int sbi_series_dash(int number, int untrained);

/* ticks.c: range and ticks of an axis, 'x' or 'y'. */
typedef struct sbi_span {
    double lo, hi; /* lo > hi: nothing yet */
} sbi_span;
#define SBI_NO_SPAN ((sbi_span){1, 0})
void sbi_span_add(sbi_span *s, double v); /* not finite: left out */
void sbi_axis_log(sbi_script *s, char axis, sbi_span r);
void sbi_axis_linear(sbi_script *s, char axis, sbi_span r);

/* Each writes a whole script; *drawn 0: there was no finite value. */
sb_status sbi_draw_lines(const sbi_panel *p, sbi_script *s, int *drawn);
sb_status sbi_draw_cloud(const sbi_panel *p, sbi_script *s, int *drawn);
sb_status sbi_draw_heat(const sbi_panel *p, sbi_script *s, int *drawn);
sb_status sbi_draw_stack(const sbi_panel *p, sbi_script *s, int *drawn);
int       sbi_stack_height(const sbi_panel *p); /* that its bars need */

/* svg.c: gnuplot's drawing as an element of the page. id makes its names unique; title says what it
 * is. */
sb_status sbi_put_svg(FILE *out, const char *svg, const sbi_script *s, const char *id,
                      const char *title);

#endif
