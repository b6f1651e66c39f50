/* What the tests of pbs_attn share: cases with their judge's rule, and reading of a plan. */
#ifndef SB_TESTS_PROPERTY_PBS_CASE_H
#define SB_TESTS_PROPERTY_PBS_CASE_H

#include "kernels/pbs_attn/pbs_attn.h"
#include "tests/oracle/case.h"
#include "tests/property/pbs_judge.h"

enum { MAX_N = 2048, MAX_BLOCKS = 512, PCASE_JUDGED = 10 };

/* A shape, parameters, and the same for the judge. */
typedef struct pcase_judged {
    sb_case_shape shape;
    const char   *params;
    pjudge_rule   rule;
} pcase_judged;

extern const pcase_judged pcase_table[PCASE_JUDGED];

/* One thread: many small calls on a busy machine would wait at each other's barriers. */
sb_case *pcase_quick(sb_case_shape shape, uint64_t seed);

/* Run the method into c->o (fp32), or fail the test. */
void pcase_attend(sb_case *c, const char *method, const char *params);

void *pcase_copy(const void *from, int64_t count, size_t bytes); /* free() it */

/* The list of (head, local row) as flags [MAX_BLOCKS], checked to ascend; returns its length. */
int64_t pcase_flags(const sb_plan *p, int64_t head, int64_t row, int *keep);

/* pi[slot] = token of one head. */
void pcase_order(const sb_plan *p, int64_t head, int64_t *pi);

/* The method's own A of (head, row), computed anew from the room that its plan left; returns how
 * many blocks have one. */
int64_t pcase_scores(sb_case *c, int64_t head, int64_t row, double *a);

#endif
