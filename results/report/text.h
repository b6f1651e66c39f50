/* Text on its way out: into HTML and SVG, CSV, links and terminals. Whatever stands in the database
 * comes out as text. */
#ifndef SB_RESULTS_REPORT_TEXT_H
#define SB_RESULTS_REPORT_TEXT_H

#include <stdint.h>
#include <stdio.h>

#include "results/report/section.h"

/* For content and quoted attributes of HTML and SVG. Control characters become their pictures
 * (U+2400 on), bytes that are no UTF-8 become U+FFFD; line feed and tab stay. */
void sbi_put_html(FILE *out, const char *text);
/* For a terminal: the same characters without the entities; line feed and tab become blanks. */
void sbi_put_plain(FILE *out, const char *text);
/* A field of RFC 4180. A text that a spreadsheet would take for a formula gets ' in front; numbers
 * stay. */
void sbi_put_csv(FILE *out, const char *text, int is_number);
/* Percent-encoded, for a link. */
void sbi_put_url(FILE *out, const char *text);

/* A cell as people read it, malloc'd; "" for a NULL. NULL: out of memory. */
char *sbi_show_cell(sbi_show show, const char *text, double real);
/* "hip a=1 b=x" -> "hip 1 x", malloc'd. NULL: out of memory. */
char *sbi_bare_values(const char *text);
/* Columns that a terminal needs for the text. */
int64_t sbi_width(const char *text);
/* 4096 -> "4K", 1048576 -> "1M", else the number. */
void sbi_tokens(double n, char buf[32]);

#endif
