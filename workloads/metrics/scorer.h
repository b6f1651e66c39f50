/* Scores of a text against reference texts as the field's suites compute them: pure functions with
 * versioned names. A name stands for one published behaviour, quirks included; README.md has the
 * table of names, sources and quirks. */
#ifndef SB_WORKLOADS_METRICS_SCORER_H
#define SB_WORKLOADS_METRICS_SCORER_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/base/status.h"

/* UTF-8, any bytes, no closing zero needed. */
typedef struct sb_text {
    const char *data;
    size_t      bytes;
} sb_text;

sb_text sb_text_of(const char *s); /* NULL is the empty text */

typedef struct sb_jieba sb_jieba; /* workloads/metrics/jieba.h */

/* What a score is made from. A scorer that needs a field says so in `needs`; others ignore it. */
typedef struct sb_score_req {
    const sb_text *preds; /* one; the loft_ scorers take the list that the model's answer held */
    int64_t        n_preds;
    const sb_text *refs;
    int64_t        n_refs;
    const sb_text *classes; /* classification: the row's all_classes, in its order */
    int64_t        n_classes;
    const int64_t *relevance; /* helmet_ndcg: relevance of refs[i], a document's id */
    sb_text        question;  /* babilong: labels named in it are no answers */
    const char    *task;      /* babilong: "qa1" .. "qa20" */
    const char    *prefix;    /* helmet_: what the answer stands after; NULL "Answer:" */
    int32_t drop_first;    /* infbench_math_calc: 1 leaves out the first number (its gpt4 rule) */
    const sb_jieba *jieba; /* the _zh scorers that segment words */
    uint8_t        *hit;   /* [n_refs] or NULL; SB_GIVES_HITS writes here which were found */
} sb_score_req;

typedef enum sb_score_need {
    SB_NEED_CLASSES   = 1,
    SB_NEED_RELEVANCE = 2,
    SB_NEED_TASK      = 4,
    SB_NEED_JIEBA     = 8,
    SB_NEED_PRED_LIST = 16, /* takes any number of predictions, none included */
    SB_NEED_REF_LIST  = 32, /* the references together are one answer, not alternatives */
    SB_GIVES_HITS     = 64  /* looks for every reference by itself: fills hit and n_hits */
} sb_score_need;

typedef enum sb_score_flag {
    SB_SCORE_EMPTY    = 1, /* the prediction is empty */
    SB_SCORE_NULL     = 2, /* no answer could be read from it */
    SB_SCORE_RAISES   = 4, /* the original stops with an exception here that it catches: 0 */
    SB_SCORE_BAD_UTF8 = 8  /* some bytes were read as U+FFFD */
} sb_score_flag;

typedef struct sb_text_score {
    double   value;    /* [0,1], unrounded unless the original rounds each sample */
    uint32_t flags;    /* sb_score_flag */
    int64_t  best_ref; /* the first reference that gave the value; -1 where none is singled out */
    int64_t  n_hits;   /* references found, -1 without SB_GIVES_HITS */
} sb_text_score;

typedef struct sb_scorer sb_scorer;
struct sb_scorer {
    const char *name; /* "qa_f1@1" */
    const char *source;
    int32_t     is_binary;
    uint32_t    needs;
    int32_t     k; /* of a name that ends in a number, else 0 */
    sb_status (*score)(const sb_scorer *self, const sb_score_req *req, sb_text_score *out);
};

/* Can the value only be 0 or 1 for a sample of n_refs references? */
int sb_scorer_is_binary(const sb_scorer *s, int64_t n_refs);

/* Ends with a NULL. */
extern const sb_scorer *const sb_scorers[];
const sb_scorer              *sb_scorer_find(const char *name); /* NULL: no such name */

/* Check the request against what the scorer needs, then score. *out changes on success only.
 *   SB_ERR_USAGE        a field is missing, or a reference is not of the form the scorer reads
 *   SB_ERR_UNSUPPORTED  the texts are so long that the original's algorithm would not end soon
 *   SB_ERR_NOMEM */
sb_status sb_scorer_score(const sb_scorer *s, const sb_score_req *req, sb_text_score *out);

#endif
