/* Questions and documents of SQuAD and HotpotQA, read from the files RULER uses [workloads 1.8]. */
#ifndef SB_WORKLOADS_RULER_QA_H
#define SB_WORKLOADS_RULER_QA_H

#include <stdint.h>

#include "kernels/base/status.h"

typedef enum sb_ruler_qa_kind { SB_RULER_SQUAD, SB_RULER_HOTPOTQA } sb_ruler_qa_kind;

typedef struct sb_ruler_question {
    const char  *query;
    const char **answers;
    int64_t      n_answers;
    int64_t     *gold; /* documents: the question's own */
    int64_t      n_gold;
    int64_t     *more; /* SQuAD: the other paragraphs of its article */
    int64_t      n_more;
    uint8_t *supports; /* [n_gold] 1: holds the answer (HotpotQA: named in supporting_facts, where
                          the file has them) */
} sb_ruler_question;

typedef struct sb_ruler_qa {
    sb_ruler_qa_kind   kind;
    const char       **docs; /* sorted by code point, without doubles */
    int64_t            n_docs;
    sb_ruler_question *questions; /* in file order; SQuAD: the answerable ones */
    int64_t            n_questions;
    char               sha256[65]; /* of the file */
    void              *owned;      /* the parsed file and the texts made from it */
} sb_ruler_qa;

/* SQuAD: dev-v2.0.json; HotpotQA: hotpot_dev_distractor_v1.json. Errors name file and field:
 * "data[3].paragraphs[0].context". */
sb_status sb_ruler_qa_open(const char *path, sb_ruler_qa_kind kind, sb_ruler_qa **out);
void      sb_ruler_qa_close(sb_ruler_qa *qa);

#endif
