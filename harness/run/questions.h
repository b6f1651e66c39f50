/* Questions as text for the model of a point: the set they come from is kept while points ask for
 * the same one. */
#ifndef SB_HARNESS_RUN_QUESTIONS_H
#define SB_HARNESS_RUN_QUESTIONS_H

#include "harness/config/sweep.h"
#include "harness/model/model.h"
#include "workloads/metrics/jieba.h"

typedef struct sb_questions {
    sb_text_set *set;     /* of the last point asked for; NULL: none yet, or it cannot be opened */
    char        *key;     /* what it was opened for */
    sb_status    refused; /* not SB_OK: it cannot be opened */
    char        *why;     /* then the reason */
    char        *facts_json; /* what its rows are made from, "{}" of a set that cannot be opened */
    int64_t      n_rows;     /* -1: any number */
    sb_jieba    *jieba;      /* NULL: not needed yet, or not there */
} sb_questions;

void sb_questions_fini(sb_questions *q);

/* Row `row` of the point's questions as an input of the model, in->text the row. A set or a row
 * that cannot be made is no error but an input that is refused, with the reason, for it becomes a
 * stored row. A row behind the last one has no sha256. Errors: SB_ERR_NOMEM, SB_ERR_INTERNAL. */
sb_status sb_questions_row(sb_questions *q, sb_model *m, const sb_point *p, int64_t row,
                           sb_input *in);

/* The row's own scorer; NULL where it names none that is known. */
struct sb_scorer;
const struct sb_scorer *sb_questions_scorer(const sb_input *in);

#endif
