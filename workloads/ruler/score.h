/* RULER's two metrics and its aggregates [workloads 1.11]. Pure functions, versioned by name. */
#ifndef SB_WORKLOADS_RULER_SCORE_H
#define SB_WORKLOADS_RULER_SCORE_H

#include "workloads/ruler/ruler.h"

/* "ruler_string_match_all@1", "ruler_string_match_part@1": stored with every score. */
const char *sb_ruler_metric_name(sb_ruler_metric m);
int sb_ruler_metric_is_binary(sb_ruler_metric m, int64_t n_answers); /* can it only be 0 or 1? */

/* What the original makes of a prediction before it looks: white space off its ends, every byte
 * below 0x20 a line feed, again off its ends. prediction: n_bytes of UTF-8, NUL bytes allowed. *out
 * is malloc'd. */
sb_status sb_ruler_clean(const char *prediction, int64_t n_bytes, char **out);

typedef struct sb_ruler_score {
    double  value; /* [0,1], unrounded: the share of answers found (all), or 1 if any was (part) */
    int64_t n_hits;
    int     is_null; /* nothing is left of the prediction: RULER counts these as nulls */
} sb_ruler_score;

/* An answer is found where its lower case stands in the prediction's, anywhere. hit: [n_answers] or
 * NULL. SB_ERR_USAGE: not UTF-8, or no answers; SB_ERR_NOMEM. */
sb_status sb_ruler_score_row(sb_ruler_metric m, const char *prediction, int64_t n_bytes,
                             char *const *answers, int64_t n_answers, uint8_t *hit,
                             sb_ruler_score *out);

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
