/* A file of predictions, opened: its format found out, its rows one after the other. */
#ifndef SB_HARNESS_SCORE_SOURCE_H
#define SB_HARNESS_SCORE_SOURCE_H

#include "harness/score/formats.h"

typedef struct sbi_source sbi_source;

/* format NULL: the one whose fields the first good row has. c is copied; what it borrows stays
 * borrowed. SB_ERR_USAGE: no row, no format fits, or the file's name does not say what its rows
 * leave out; SB_ERR_IO, SB_ERR_NOMEM. */
sb_status sbi_source_open(const char *path, const sbi_format *format, const sbi_context *c,
                          sbi_source **out);
void      sbi_source_close(sbi_source *s);

const sbi_format  *sbi_source_format(const sbi_source *s);
const sbi_context *sbi_source_context(const sbi_source *s);
const char        *sbi_source_sha256(const sbi_source *s); /* of the file's bytes */
int64_t            sbi_source_line(const sbi_source *s);   /* of the row that came last */

/* *row: the next row's object, to be given back with json_decref, NULL behind the last one; it must
 * live as long as *out is used. SB_ERR_USAGE: this row is bad, reading can go on. */
sb_status sbi_source_next(sbi_source *s, json_t **row, sbi_prediction *out);

#endif
