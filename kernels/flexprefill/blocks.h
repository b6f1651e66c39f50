/* Query-aware heads: the blocks whose estimated mass sums to gamma over all row blocks
 * [flexprefill 3.9].
 *
 * A global sort without sorting: each rank scores its own row blocks against all key blocks, and
 * one score is found at which the falling sequence of all scores crosses gamma * n_blocks. Masses
 * are integers, so the sums of the ranks are exact and every rank cuts at the same place, whoever
 * holds the rows. */
#ifndef SB_KERNELS_FLEXPREFILL_BLOCKS_H
#define SB_KERNELS_FLEXPREFILL_BLOCKS_H

#include "kernels/flexprefill/probe.h"

/* Scores of the local rows of all query-aware heads, into their places in the index: fp32 patterns
 * of a softmax over the key blocks up to the row's own. n_blocks^2 * d FLOP a head. */
void sbi_flex_scores(const sbi_flex_room *room, const sbi_flex_in *in, const sb_plan *plan);

/* room->cut and room->ties; equal scores come in the order of their rows, then of their columns.
 * Four sums over the ranks: 16 KiB a head three times, then 8 bytes a row block. Collective. */
sb_status sbi_flex_find_cuts(sb_ctx *ctx, const sbi_flex_room *room, const sbi_flex_in *in,
                             const sb_plan *plan);

/* A score's mass in units of 2^-40. */
uint64_t sbi_flex_mass(int32_t score);

#endif
