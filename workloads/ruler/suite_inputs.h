/* Inside the suite: the user's files that a request names, opened as far as the task needs them. */
#ifndef SB_WORKLOADS_RULER_SUITE_INPUTS_H
#define SB_WORKLOADS_RULER_SUITE_INPUTS_H

#include "workloads/base/text_suite.h"
#include "workloads/ruler/native.h"
#include "workloads/ruler/ruler.h"

typedef struct sbi_ruler_inputs {
    sb_ruler_templates *templates;
    sb_ruler_words     *words; /* these: NULL where the task needs none or none was given */
    sb_punkt           *punkt;
    sb_ruler_essay     *essay;
    sb_ruler_qa        *qa;
    sb_ruler_lexicon   *lexicon; /* native */
    sb_ruler_passages  *passages;
} sbi_ruler_inputs;

/* *in is zeroed; what was opened when an error comes is closed by sbi_ruler_inputs_close too. */
sb_status sbi_ruler_inputs_templates(const sb_text_req *req, sbi_ruler_inputs *in);
/* The rest, for mode ruler_compat. SB_ERR_UNSUPPORTED names the keys that were not given. */
sb_status sbi_ruler_inputs_compat(const sb_text_req *req, const sb_ruler_task *task,
                                  sbi_ruler_inputs *in);
/* The rest, for mode native. Only qa_1 and qa_2 need a file; without it none is opened. */
sb_status sbi_ruler_inputs_native(const sb_text_req *req, const sb_ruler_task *task,
                                  sbi_ruler_inputs *in);
void      sbi_ruler_inputs_close(sbi_ruler_inputs *in);

#endif
