/* One look of the quality pass at one made-up layer. */
#ifndef SB_TESTS_PROPERTY_QUALITY_CASE_H
#define SB_TESTS_PROPERTY_QUALITY_CASE_H

#include "harness/run/quality.h"
#include "tests/oracle/case.h"

/* What to look at beside the case's last result. Zeroes: nothing special, every head on its own. */
typedef struct quality_look {
    const sb_method  *method; /* the record the look is told of */
    const sb_input   *input;
    sb_quality_detail detail;
} quality_look;

/* The case's last result as layer 0 of 1; borrows from c and ctx. */
sb_layer_view quality_view(const sb_case *c, const sb_method *m, sb_ctx *ctx);

/* Look at layer 0 of 1: plan, o (bf16) and lse of the case's last sb_case_attend. sb_quality_fini
 * the result. */
sb_quality quality_look_at(sb_case *c, const quality_look *how);

/* Attend first. */
sb_quality quality_of(sb_case *c, const char *method, const char *params);

/* The record of a head, -1: the summary. */
const sb_quality_facts *quality_fact(const sb_quality *q, int32_t head);

#endif
