/* What the workload tests share: parameters at their defaults, the two corpora, one call that makes
 * an input, and its text. */
#ifndef SB_TESTS_WORKLOADS_CASE_H
#define SB_TESTS_WORKLOADS_CASE_H

#include <check.h>

#include "workloads/probe/probe.h"
#include "workloads/probe/vocab.h"
#include "workloads/registry.h"

#define FIXTURE_CORPUS "tests/fixtures/corpus" /* 1,080 words of CC0 1.0 in two files */

typedef struct request {
    const char          *task;
    int64_t              length, row;
    uint64_t             seed;
    const char          *corpus; /* NULL: zipf */
    sb_probe_task_params params;
} request;

sb_probe_task_params params_default(void);
request              request_of(const char *task, int64_t length, int64_t row);
sb_status            try_make(const request *r, sb_input *out);
sb_input             make(const request *r); /* fails the test on error */
sb_input             make_row(const char *task, int64_t length, int64_t row);

/* Everything an input says, ids included, is equal (the row number is not compared). */
int inputs_equal(const sb_input *a, const sb_input *b);

int in_class(int32_t id, int32_t first, int32_t count);
int is_filler(int32_t id);
/* The tokens [begin, begin + n) as text joined by blanks, in a static buffer. */
const char *text_of(const int32_t *ids, int64_t n);
int64_t     count_token(const sb_input *in, int32_t id); /* in the context */
/* Places in the context where the n tokens stand in a row. */
int64_t count_ngram(const sb_input *in, const int32_t *gram, int64_t n);

int run_suite(Suite *s); /* exit status */

#endif
