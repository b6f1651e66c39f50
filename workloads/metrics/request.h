/* What the scorers of this folder share: a request's texts as code points, and the walk over
 * alternative references. */
#ifndef SB_WORKLOADS_METRICS_REQUEST_H
#define SB_WORKLOADS_METRICS_REQUEST_H

#include "workloads/metrics/text.h"

typedef struct sbi_req {
    const sb_score_req *in;
    const sb_scorer    *self;
    sbi_pool            pool;
    sbi_strs            preds, refs;
    sbi_str             pred; /* preds[0], empty when there is none */
    uint32_t            flags;
} sbi_req;

typedef sb_status (*sbi_body)(sbi_req *r, sb_text_score *out);
/* made: what the body made of the prediction, once for all references. */
typedef sb_status (*sbi_pair_score)(sbi_req *r, const void *made, sbi_str ref, double *value);

/* Decode, let body fill value (and best_ref, -1 before), free, hand out. */
sb_status sbi_score(const sb_scorer *self, const sb_score_req *in, sbi_body body,
                    sb_text_score *out);
/* The largest value over the references, at least 0. */
sb_status sbi_best(sbi_req *r, sbi_pair_score one, const void *made, sb_text_score *out);

#endif
