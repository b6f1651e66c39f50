/* Rows of InfiniteBench's kinds, drawn by us: what a generator makes of a row's seed and a size. */
#ifndef SB_WORKLOADS_INFINITEBENCH_SYNTH_H
#define SB_WORKLOADS_INFINITEBENCH_SYNTH_H

#include <stdint.h>

#include "kernels/base/rng.h"
#include "workloads/base/pytext.h"
#include "workloads/infinitebench/infinitebench.h"
#include "workloads/infinitebench/prompt.h"

enum { SBI_IB_TARGETS = 7 };

/* The words that generated rows are made of; all in one JSON object. */
typedef struct sbi_ib_words {
    const char *noise; /* one line, repeated */
    const char *passkey_needle, *passkey_question, *number_needle, *number_question;
    const char *kv_begin, *kv_question, *find_question, *run_begin, *run_question;
    const char
        *target[SBI_IB_TARGETS]; /* largest, second, third, smallest, second, third, median */
} sbi_ib_words;

/* `generated` of texts; SB_ERR_USAGE names file and key. */
sb_status sbi_ib_words_find(const json_t *texts, const char *file, sbi_ib_words *out);

typedef struct sbi_ib_range {
    int64_t begin, end; /* bytes of the context */
} sbi_ib_range;

/* A row being made; strings grow, nothing is asked until the end. */
typedef struct sbi_ib_draft {
    sbi_text     context, input;
    sbi_text     refs; /* one after the other, each with a zero */
    int64_t      n_refs;
    sbi_ib_range needle[16]; /* what the answer stands in, by place */
    int          n_needles;
    double       depth;  /* of the one needle, 0 to 1; -1: not one place */
    int64_t      layers; /* code_run; 0 */
    const char  *target; /* math_find; NULL */
    int64_t      units;  /* code_run: functions made, whole layers; 0: as asked for */
} sbi_ib_draft;

void sbi_ib_draft_reset(sbi_ib_draft *d);
void sbi_ib_draft_fini(sbi_ib_draft *d);

/* A generator. units: lines, pairs, numbers, terms or functions, at least `least`; the same row at
 * another size is another row. SB_ERR_NOMEM. */
typedef struct sbi_ib_kind {
    const char *task; /* of the original, whose prompt it takes */
    int64_t     least;
    sb_status (*make)(const sbi_ib_words *w, sb_rng rng, int64_t row, int64_t units,
                      sbi_ib_draft *d);
} sbi_ib_kind;

extern const sbi_ib_kind sbi_ib_kinds[]; /* in the order of the suite's tasks */

#endif
