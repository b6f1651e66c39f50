/* RULER's aggregates [workloads 1.11]. A row's score is that of workloads/metrics: ruler_all@1,
 * ruler_part@1. Pure functions. */
#ifndef SB_WORKLOADS_RULER_SCORE_H
#define SB_WORKLOADS_RULER_SCORE_H

#include <stdint.h>

/* RULER's figure of a task: 100 * mean, rounded to two decimals as Python's round does. */
double sb_ruler_task_figure(const double *values, int64_t n);

enum { SB_RULER_LENGTHS = 6 };  /* 4K, 8K, ... 128K */
#define SB_RULER_EFFECTIVE 85.6 /* Llama-2-7B-chat's score at 4K, which a length must exceed */

typedef struct sb_ruler_summary {
    double mean, increasing, decreasing; /* weights 1 .. 6 and 6 .. 1 */
    int64_t
        effective_tokens; /* the longest length whose score is above SB_RULER_EFFECTIVE; 0 none */
} sb_ruler_summary;

/* scores: means over the 13 tasks at 4096, 8192, ... 131072 tokens. */
sb_ruler_summary sb_ruler_summarise(const double scores[SB_RULER_LENGTHS]);

#endif
