/* Rows of a CSV file [RFC 4180] with a header line, as objects of strings, one at a time: quoted
 * fields, doubled quotes, line breaks inside quotes, CRLF or LF. A bad row is told and the next one
 * can still be read. Memory: the longest row. */
#ifndef SB_HARNESS_SCORE_CSV_H
#define SB_HARNESS_SCORE_CSV_H

#include <jansson.h>
#include <stdint.h>

#include "kernels/base/status.h"

typedef struct sbi_csv sbi_csv;

/* SB_ERR_IO; SB_ERR_USAGE: no header, or a column named twice; SB_ERR_NOMEM. */
sb_status sbi_csv_open(const char *path, sbi_csv **out);
void      sbi_csv_close(sbi_csv *c);

int     sbi_csv_has(const sbi_csv *c, const char *column);
int64_t sbi_csv_line(const sbi_csv *c); /* where the row that came last begins, from 1 */

/* *root: the next row, to be given back with json_decref, or NULL behind the last. SB_ERR_USAGE:
 * this row has too many or too few fields, a quote where none may stand, a NUL byte, bytes that are
 * not UTF-8, or is longer than sbi_jsonl_max_line_bytes. */
sb_status sbi_csv_next(sbi_csv *c, json_t **root);

#endif
