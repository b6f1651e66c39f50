/* Reading the slot -> token map of a plan (plan.h).
 *
 * With slots a list names slots, and a row of segment g that lists all of its own segment may see
 * any slot of it: which of them, only their tokens tell. So ranges run to the end of the segment of
 * the tile's last row, are packed in slot order like other lists (key_blocks.h), and the lanes of
 * keys behind a row are masked one by one. */
#ifndef SB_KERNELS_EXEC_SLOTS_H
#define SB_KERNELS_EXEC_SLOTS_H

#include "kernels/base/host_device.h"
#include "kernels/base/plan.h"
#include "kernels/base/status.h"

static inline SB_HOST_DEVICE int sb_plan_has_slots(const sb_plan *plan)
{
    return plan != NULL && plan->slots.n_heads > 0;
}

/* Offsets of one query head, [n_slots]. */
static inline SB_HOST_DEVICE uint16_t *sb_slots_of(const sb_slots *s, int64_t head)
{
    return s->offset + (s->n_heads == 1 ? 0 : head) * s->n_slots;
}

/* The token in slot `slot`; of = sb_slots_of. */
static inline SB_HOST_DEVICE int64_t sb_slot_token(const sb_slots *s, const uint16_t *of,
                                                   int64_t slot)
{
    return slot - slot % s->segment_tokens + of[slot];
}

/* First slot behind the segment that holds token `token`: no token up to it stands there or later.
 */
static inline SB_HOST_DEVICE int64_t sb_slots_end(const sb_slots *s, int64_t token)
{
    int64_t end = (token / s->segment_tokens + 1) * s->segment_tokens;
    return end < s->n_slots ? end : s->n_slots;
}

/* Can executors run this plan? SB_ERR_INTERNAL: slots beside a window, whose rule counts tokens, or
 * segments of a size that offsets cannot hold. Plans without slots are fine. */
static inline sb_status sb_slots_check(const sb_plan *plan)
{
    if (!sb_plan_has_slots(plan))
        return SB_OK;
    if (plan->parts & SB_PART_WINDOW)
        return sb_fail(SB_ERR_INTERNAL, "plan: slots and a window");
    if (plan->slots.segment_tokens < 1 || plan->slots.segment_tokens > 65536)
        return sb_fail(SB_ERR_INTERNAL, "plan: segments of %lld slots, allowed 1 to 65536",
                       (long long)plan->slots.segment_tokens);
    return SB_OK;
}

#endif
