/* ROUGE-L as two packages compute it. */
#ifndef SB_WORKLOADS_METRICS_ROUGE_H
#define SB_WORKLOADS_METRICS_ROUGE_H

#include "workloads/metrics/text.h"

/* The package rouge 1.0.1, F of its rouge-l, called from `frames` Python frames below the top:
 * its walk recurses, and where that would pass CPython's 1000 frames it raises. *raises is 1 then,
 * or when a text has no sentence; *f is 0. */
sb_status sbi_rouge_l(sbi_pool *p, sbi_str pred, sbi_str ref, int64_t frames, double *f,
                      int *raises);

typedef struct sbi_prf {
    double precision, recall, f;
} sbi_prf;

/* The package rouge_score 0.1.2, rougeL and rougeLsum; the latter takes lines as sentences. */
sb_status sbi_rouge_score_l(sbi_pool *p, sbi_str pred, sbi_str ref, int stem, sbi_prf *out);
sb_status sbi_rouge_score_lsum(sbi_pool *p, sbi_str pred, sbi_str ref, int stem, sbi_prf *out);

/* NLTK's PorterStemmer in its default mode, over [a-z0-9]: w[0..n) is changed, the new length
 * returned. w needs room for n + 1. */
int64_t sbi_porter(char *w, int64_t n);

#endif
