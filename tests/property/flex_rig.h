/* The steps of flexprefill one by one on a case, with the room they work in open to the tests. */
#ifndef SB_TESTS_PROPERTY_FLEX_RIG_H
#define SB_TESTS_PROPERTY_FLEX_RIG_H

#include "kernels/flexprefill/heads.h"
#include "tests/oracle/case.h"

typedef struct flex_rig {
    sb_arena       arena;
    unsigned char *memory;
    sb_ctx         ctx;
    sb_plan        plan;
    sbi_flex_room *room;
    sbi_flex_in    in;
} flex_rig;

/* Laid out for the case, rows named, last queries and key means in place: ready for heads. */
flex_rig flex_open(sb_case *c, const char *params, int32_t threads);
void     flex_close(flex_rig *r);

static inline int flex_has(const uint64_t *set, int64_t i) { return set[i / 64] >> i % 64 & 1; }

/* For tests of many short runs: starting threads would take most of their time. */
sb_case *flex_one_thread(sb_case_shape shape, uint64_t seed);

/* The method, or dense attention, run on the case; aborts when it fails. */
void flex_attend(sb_case *c, const char *params);
void flex_dense(sb_case *c);

/* Free it. */
void *flex_copy(const void *from, int64_t count, size_t bytes);

/* The list of (head, local row) as flags, checked for order and for the first and the own block. */
void flex_flags(const sb_plan *p, int64_t head, int64_t row, int *keep);

/* The share of all causal blocks that the plan lists. */
double flex_density(const sb_plan *p);

#endif
