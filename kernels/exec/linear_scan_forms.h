/* The forms of a linear scan, for its own files: each takes local rows [first, first + m), writes
 * their outputs (where h->out asks) and carries h->state on. */
#ifndef SB_KERNELS_EXEC_LINEAR_SCAN_FORMS_H
#define SB_KERNELS_EXEC_LINEAR_SCAN_FORMS_H

#include "kernels/exec/linear_scan_room.h"

void sbi_scan_chunks_decay(const sbi_scan_head *h, int64_t first, int64_t m); /* DECAY, DELTA */
void sbi_scan_chunks_gate(const sbi_scan_head *h, int64_t first, int64_t m);
void sbi_scan_tokens(const sbi_scan_head *h, int64_t first, int64_t m); /* all three, recurrent */
void sbi_scan_tokens_mean(const sbi_scan_head *h, int64_t first, int64_t m);

/* DELTA, between its keys and its outputs: s->v [m][cols], the values, become what enters S. Fills
 * s->g, s->w, s->row of the chunk [linear 3.4]. */
void sbi_scan_delta(const sbi_scan_head *h, int64_t first, int64_t m);

/* State of m = 0 tokens with which a record of this head starts. */
void sbi_scan_clear(const sbi_scan_head *h);

/* h->state, as of the tokens before another rank's `tokens`, made the one after them. */
void sbi_scan_apply(const sbi_scan_head *h, const float *record, int64_t tokens);

#endif
