/* Random and adversarial requests for every scorer, from a seed: the same on any machine. The test
 * scores them and compares a hash of the values; the program metrics_cases writes them out, so that
 * the published code can score them too (originals.py). */
#ifndef SB_TESTS_METRICS_CASES_H
#define SB_TESTS_METRICS_CASES_H

#include "workloads/metrics/scorer.h"

#define METRIC_CASES 10000
#define METRIC_SEED 20261126u

#define CASE_TEXTS_MOST 16

typedef struct metric_case {
    sb_score_req req; /* points into the rest; jieba is left NULL */
    sb_text      preds[CASE_TEXTS_MOST], refs[CASE_TEXTS_MOST], classes[CASE_TEXTS_MOST];
    int64_t      relevance[CASE_TEXTS_MOST];
    char         task[8];
    char        *memory;
} metric_case;

/* Case i of a scorer; the seed decides together with the scorer's name. */
void metric_case_make(const sb_scorer *s, uint64_t seed, int64_t i, metric_case *out);
void metric_case_free(metric_case *c);

/* "%.12f\n" of a value: what is hashed, so that no last bit of a double decides. */
#define METRIC_VALUE_FORMAT "%.12f\n"

#endif
