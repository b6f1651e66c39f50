/* InfiniteBench: rows of the user's own files as prompts, made as the published programs make them,
 * and rows of the same kinds that we generate [workloads 3]. The generated ones are a suite of
 * their own with names of their own: the originals were drawn without a seed, so ours can only be
 * alike. No text of theirs is built in: prompts are our own wording, or what the key `templates`
 * names. */
#ifndef SB_WORKLOADS_INFINITEBENCH_INFINITEBENCH_H
#define SB_WORKLOADS_INFINITEBENCH_INFINITEBENCH_H

#include "workloads/base/text_suite.h"

#define SB_INFINITEBENCH_VERSION "infinitebench 1"
#define SB_INFINITEBENCH_SYNTH_VERSION "infinitebench_synth 1"

extern const sb_text_suite sb_infinitebench_suite;       /* "infinitebench": 12 tasks, files */
extern const sb_text_suite sb_infinitebench_synth_suite; /* "infinitebench_synth": 6, to a length */

typedef struct sb_infinitebench_params {
    int64_t prefix_tokens;
} sb_infinitebench_params;

typedef struct sb_infinitebench_synth_params {
    int64_t calc_gen_tokens; /* math_calc: to generate, for each term of the expression */
} sb_infinitebench_synth_params;

/* Texts built in, from configs/templates; no zero behind them. */
extern const char   sbi_infinitebench_texts[];
extern const size_t sbi_infinitebench_texts_bytes;

#endif
