/* From an index to key ranges: which keys may the rows of one query tile see?
 *
 * For query rows whose ids lie in [first, last], all in one row block, a plan gives an ascending
 * list of disjoint ranges of key ids. A key k of a range is visible to row q iff k <= q  and  (the
 * range is `listed`  or the window rule of plan.h lets q see it).
 *
 *   sink      tiles (listed)      window
 *   |==|......|====|..|===|.......|=======>   keys, ascending; nothing past `last`
 *
 * Parts may overlap (a listed tile inside the window): a key comes once, listed ranges win (but for
 * plans that say overlap_twice, whose executors drop the listed ones on their second walk). Every
 * key of every range is visible to at least one row id of [first, last], but for the gaps of a
 * dilated window. Executors, pair counts and tile counts all read this one list.
 *
 * Where the plan has slots (slots.h), ranges are of slots: k is the token of a slot, and the last
 * ones, of the segment of `last`, may hold tokens that no row sees. */
#ifndef SB_KERNELS_EXEC_SEGMENTS_H
#define SB_KERNELS_EXEC_SEGMENTS_H

#include <stddef.h>

#include "kernels/base/host_device.h"
#include "kernels/base/plan.h"
#include "kernels/exec/tiles.h"

typedef struct sb_segment {
    int64_t begin, end; /* key ids (or slots) [begin, end) */
    int32_t listed;     /* 1: from tiles or tokens, 0: subject to the window rule */
} sb_segment;

typedef struct sb_segments {  /* an iterator: no storage, no allocation */
    int64_t        limit;     /* last + 1; of slots: the end of its segment */
    sb_segment     window[2]; /* sink and recent keys still to come; empty when begin == end */
    sb_segment     next;      /* next listed range; empty at the end */
    const int32_t *tile, *tile_end;
    const int32_t *token, *token_end;
    int64_t        unit_tokens, width_tokens;
} sb_segments;

/* The two numbers of a query head's window; dense is one without end. window_tokens as arithmetic
 * can bear it: SB_WINDOW_ALL minus an id would overflow. */
static inline SB_HOST_DEVICE sb_head_window sb_plan_window(const sb_plan *plan, int64_t head)
{
    const int64_t  most = INT64_C(1) << 61;
    sb_head_window w    = {0, most};
    if (plan != NULL) {
        w.sink_tokens   = plan->sink_tokens;
        w.window_tokens = plan->window_tokens;
    }
    if (plan != NULL && plan->form.head != NULL)
        w = plan->form.head[head];
    w.window_tokens = w.window_tokens < most ? w.window_tokens : most;
    return w;
}

/* 1: two numbers say all about the window. */
static inline SB_HOST_DEVICE int sb_plan_window_is_plain(const sb_plan *plan)
{
    return plan == NULL || (plan->form.unit_tokens <= 1 && plan->form.dilation_tokens <= 1 &&
                            plan->form.n_spans == 0);
}

/* The window as one row has it: keys below sink_end, and those from `first` on that are a multiple
 * of `step` away. */
typedef struct sb_row_window {
    int64_t sink_end, first, step;
} sb_row_window;

sb_row_window sb_plan_row_window(const sb_plan *plan, int64_t head, int64_t q);

/* 1: the executors pack the listed keys of a row block together, 64 after 64; 0: they take the
 * 64-key blocks that the ranges touch (tiles.h SB_TILE_KEYS says why there are both). A function of
 * the plan's form: every row follows one rule, whatever its list. */
static inline int sb_plan_packs(const sb_plan *plan)
{
    if (plan == NULL)
        return 0;
    return (plan->parts & SB_PART_TOKENS) != 0 || plan->slots.n_heads > 0 ||
           ((plan->parts & SB_PART_TILES) != 0 && (plan->tiles.unit_tokens % SB_TILE_KEYS != 0 ||
                                                   plan->tiles.width_tokens % SB_TILE_KEYS != 0));
}

/* Local CSR row of the row block that holds token gid; -1 when this plan has none (not a local
 * row). 0 without lists. */
int64_t sb_plan_row(const sb_plan *plan, int64_t gid);

/* Start the list for rows [first, last] of query head `head`; row from sb_plan_row(plan, first).
 * plan NULL: dense. */
void sb_segments_begin(sb_segments *s, const sb_plan *plan, int64_t head, int64_t row,
                       int64_t first, int64_t last);

/* From here on as if nothing were listed: windows alone. */
void sb_segments_drop_listed(sb_segments *s);

/* 1 and the next range, or 0 at the end. Amortised cost: one step a listed id. */
int sb_segments_next(sb_segments *s, sb_segment *out);

#endif
