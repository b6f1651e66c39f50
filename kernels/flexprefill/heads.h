/* Pattern, columns and diagonals of every head [flexprefill 3.1 to 3.7]. */
#ifndef SB_KERNELS_FLEXPREFILL_HEADS_H
#define SB_KERNELS_FLEXPREFILL_HEADS_H

#include "kernels/flexprefill/probe.h"

/* room->k_mean: means of all key blocks over the keys they have [3.5]. */
void sbi_flex_key_means(const sbi_flex_room *room, const sbi_flex_in *in);

/* One head into room->choice, from room->last and the keys; the arrays of "one head at a time" keep
 * what led to it. Estimates are timed as estimate, budgets and choice as select. */
void sbi_flex_choose_head(sb_ctx *ctx, const sbi_flex_room *room, const sbi_flex_in *in,
                          int64_t head);

/* room->choice, aware and n_aware on all ranks, which share the heads: a head's scores come from
 * one rank and only its choice travels. Collective. */
sb_status sbi_flex_choose_heads(sb_ctx *ctx, sbi_flex_room *room, const sbi_flex_in *in);

#endif
