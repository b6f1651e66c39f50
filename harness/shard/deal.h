/* The layout lpt [sharding 7.5]: stripes of rows are dealt out by what they are expected to cost,
 * longest processing time first, each to the rank that has least so far.
 *
 *   expected  1 2 3 4 5 6 7 8      dense: the keys before a stripe
 *   2 ranks   1 0 0 1 1 0 0 1      8 | 7 6 | 5 to 8, 4 to ... : 18 each
 *
 * What is expected stands before any plan: sb_method.row_lanes, from parameters and shape. It is a
 * function of those alone, in whole numbers, so every rank deals alike and none asks another. Of
 * patterns that parameters fix it is what will be computed, of budgets the budget; methods whose
 * share of keys only the data tells are taken to keep the same share of every row's keys. How well
 * that did stands beside what a deal by the true index would have reached (balance.h).
 *
 * Tokens go where their rows go. So a rank has at most a quarter more stripes than its even share,
 * whatever they cost, and stripes without queries go to whoever has fewest. */
#ifndef SB_HARNESS_SHARD_DEAL_H
#define SB_HARNESS_SHARD_DEAL_H

#include "harness/shard/shard.h"

/* A map of any layout for a prefill by m: shape->n_keys tokens and the heads of the whole model;
 * q_gid is not read. Tokens before first_query have no query. Errors: those of sb_map_create;
 * SB_ERR_USAGE: work past 2^63. Local. Cost of lpt: a call of row_lanes every 16 to 128 tokens,
 * stripes * (ranks + log stripes). */
sb_status sb_map_create_for(sb_layout_kind kind, const sb_method *m, const void *params,
                            const sb_shape *shape, int64_t first_query, int64_t quantum_tokens,
                            int32_t ranks, sb_map *out);

/* Expected work of every stripe: work[sb_map_stripes], rows with a query times their lanes. m NULL:
 * every key up to the row. Errors: SB_ERR_USAGE. */
sb_status sb_deal_expect(const sb_method *m, const void *params, const sb_shape *shape,
                         int64_t first_query, int64_t quantum_tokens, int64_t *work);

/* The most stripes of n that one of the ranks may have. */
int64_t sb_deal_most(int64_t n, int32_t ranks);

/* Deal n stripes of work >= 0 out, none past `most` to a rank (ranks * most >= n). Ties: the first
 * of the stripes; of the ranks the one with fewest stripes, then the first. owner: [n], or NULL;
 * load: [ranks]. Errors: SB_ERR_NOMEM; SB_ERR_USAGE where all work together passes 2^63. */
sb_status sb_deal(const int64_t *work, int64_t n, int32_t ranks, int64_t most, int32_t *owner,
                  int64_t *load);

#endif
