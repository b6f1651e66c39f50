/* Reading the slot -> token map of a plan (plan.h). */
#ifndef SB_KERNELS_EXEC_SLOTS_H
#define SB_KERNELS_EXEC_SLOTS_H

#include "kernels/base/plan.h"

/* Offsets of one query head, [n_slots]. */
static inline uint16_t *sb_slots_of(const sb_slots *s, int64_t head)
{
    return s->offset + (s->n_heads == 1 ? 0 : head) * s->n_slots;
}

/* The token in slot `slot`; of = sb_slots_of. */
static inline int64_t sb_slot_token(const sb_slots *s, const uint16_t *of, int64_t slot)
{
    return slot - slot % s->segment_tokens + of[slot];
}

#endif
