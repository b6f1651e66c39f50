/* The judge: attention in fp64, key by key, from a predicate. It knows nothing of plans, segments
 * or tiles. */
#ifndef SB_TESTS_ORACLE_JUDGE_H
#define SB_TESTS_ORACLE_JUDGE_H

#include "kernels/base/tensor.h"

/* May query token q (a global id) see key token k? k <= q is the predicate's business as well. */
typedef int (*judge_visible)(int64_t q, int64_t k, const void *state);

/* One row: o [dim] and *lse of query `head`, local row `row`, over the keys at hand. No visible
 * key: o = 0, lse = -inf. */
void judge_row(const sb_tensor *q, const sb_tensor *k, const sb_tensor *v, float scale,
               judge_visible visible, const void *state, int64_t head, int64_t row, double *o,
               double *lse);

/* Global id of a local token. */
int64_t judge_gid(const sb_gid *gid, int64_t local);

#endif
