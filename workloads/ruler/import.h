/* Rows made elsewhere: RULER's own validation.jsonl, also with the predictions that its call_api.py
 * adds. The safest way to the original essay and qa rows. A bad line is kept as its error; the
 * others are used [workloads 1.4, 1.10]. */
#ifndef SB_WORKLOADS_RULER_IMPORT_H
#define SB_WORKLOADS_RULER_IMPORT_H

#include "workloads/ruler/ruler.h"

typedef struct sb_ruler_bad_line {
    int64_t line; /* of the file, from 1 */
    char   *why;  /* names file, line and field */
} sb_ruler_bad_line;

/* Row numbers are places in the file, bad rows counted: RULER's own `index` may collide and is
 * kept, not used. Of spans only the answer prefix is known. n_tokens is RULER's length less
 * gen_tokens, -1 where the row does not say. */
typedef struct sb_ruler_import {
    sb_ruler_sample   *rows;
    char             **predictions; /* [n_rows] field "pred", NULL where there is none */
    int64_t            n_rows;
    sb_ruler_bad_line *bad;
    int64_t            n_bad;
    char               sha256[65]; /* of the file */
} sb_ruler_import;

/* gen_tokens: of the templates. Checked fields: input (string), outputs (strings, none empty, as
 * many as the task has answers), answer_prefix (string, may be absent), index, length,
 * length_w_model_temp, token_position_answer (whole numbers, may be absent), pred (string, may be
 * absent). SB_ERR_IO, SB_ERR_NOMEM; SB_ERR_USAGE when no row is good (the first error is told). */
sb_status sb_ruler_import_open(const char *path, const sb_ruler_task *task, int64_t gen_tokens,
                               sb_ruler_import **out);
void      sb_ruler_import_close(sb_ruler_import *im);

/* A copy of row `row`, 0 <= row < n_rows + n_bad; SB_ERR_USAGE: it is a bad one, with its error. */
sb_status sb_ruler_import_row(const sb_ruler_import *im, int64_t row, sb_ruler_sample *out);

/* How many answers a row of the task has; 0 when that differs (qa). */
int64_t sb_ruler_task_answers(const sb_ruler_task *task);

#endif
