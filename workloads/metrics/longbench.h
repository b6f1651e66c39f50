/* LongBench v1 and v2: which metric scores which dataset. */
#ifndef SB_WORKLOADS_METRICS_LONGBENCH_H
#define SB_WORKLOADS_METRICS_LONGBENCH_H

#include "workloads/metrics/scorer.h"

typedef struct sb_longbench {
    const char *name;
    const char *metric; /* a scorer's name */
    int32_t     max_gen_tokens, rows;
    int32_t     in_e;   /* has an E variant, <name>_e.jsonl */
    int32_t first_line; /* the prediction counts up to its first line break after leading ones */
    int32_t chat;       /* 0: the prompt goes without the model's chat wrapper */
    int32_t stop_at_newline; /* generation ends there too, after one token at least */
} sb_longbench;

extern const sb_longbench sb_longbench_datasets[];                /* 21, closed by a NULL name */
const sb_longbench       *sb_longbench_find(const char *dataset); /* without "_e"; NULL */

/* The part of the prediction that is scored: a slice of it. */
sb_text sb_longbench_clean(const sb_longbench *d, sb_text pred);

/* LongBench-E reports by the row's `length`: 0 below 4000, 1 below 8000, else 2. */
#define SB_LONGBENCH_BUCKETS 3
int32_t     sb_longbench_bucket(int64_t length);
const char *sb_longbench_bucket_name(int32_t bucket); /* "0-4k", "4-8k", "8k+" */

/* The letter that a v2 response names, 'A'..'D', or 0. */
char sb_longbench_v2_answer(sb_text response);

#endif
