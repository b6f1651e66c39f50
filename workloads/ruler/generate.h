/* Inside the suite: one trial prompt, and what the generators share. */
#ifndef SB_WORKLOADS_RULER_GENERATE_H
#define SB_WORKLOADS_RULER_GENERATE_H

#include "workloads/base/pytext.h"
#include "workloads/base/rng_cpython.h"
#include "workloads/ruler/ruler.h"

/* A prompt in the making. */
typedef struct sbi_draft {
    sbi_text       text, context;
    char         **answers;
    int64_t        n_answers, cap_answers;
    sb_ruler_span *spans; /* while the context is built: places in it */
    int64_t        n_spans, cap_spans;
    int            failed;
    const char    *raises; /* the original raises an exception here, and this is it: no prompt */
} sbi_draft;

void      sbi_draft_reset(sbi_draft *d);
void      sbi_draft_fini(sbi_draft *d);
sb_status sbi_draft_status(const sbi_draft *d);
void      sbi_draft_answer(sbi_draft *d, const char *s, int64_t n_bytes);
void sbi_draft_span(sbi_draft *d, sb_ruler_span_kind kind, int32_t ref, int64_t begin, int64_t end);
/* Append prompt.format(fields); fields[0] is the context, whose spans move to where it was put, and
 * the query span follows it. */
sb_status sbi_draft_format(sbi_draft *d, const char *prompt, sbi_field *fields, int n_fields);

/* niah's template where one value is asked for [1.4]. */
void sbi_prompt_singular(sbi_text *t);

/* Everything a generator draws from. */
typedef struct sbi_gen {
    sb_ruler_spec spec;
    sb_mt         py, np;
    char         *prompt; /* wrapper(template) + answer prefix, singular where one value is asked */
    int64_t      *cwe_order; /* cwe's list after its shuffle */
    char         *shot;      /* vt's example; NULL while that is being made */
} sbi_gen;

sb_status sbi_niah_make(sbi_gen *g, int64_t units, sbi_draft *d);
sb_status sbi_vt_make(sbi_gen *g, int64_t units, sbi_draft *d);
/* Put the example, with other names and another value, before the task. */
sb_status sbi_vt_insert_shot(sbi_gen *g, sbi_draft *d);
sb_status sbi_cwe_open(sbi_gen *g);
sb_status sbi_cwe_make(sbi_gen *g, int64_t units, sbi_draft *d);
sb_status sbi_qa_make(sbi_gen *g, int64_t question, int64_t units, sbi_draft *d);

/* fwe: the vocabulary of one prompt, and the prompt of so many words from it. */
typedef struct sbi_coded sbi_coded;
sb_status                sbi_fwe_vocabulary(sbi_gen *g, int64_t n_words, sbi_coded **out);
void                     sbi_fwe_close(sbi_coded *c);
sb_status sbi_fwe_make(sbi_gen *g, const sbi_coded *c, int64_t n_words, sbi_draft *d);

/* Random(seed).shuffle of 0 .. n - 1: the original seeds a new generator for some shuffles. */
void sbi_seeded_shuffle(const sbi_gen *g, void *items, int64_t n, size_t item_bytes);

#endif
