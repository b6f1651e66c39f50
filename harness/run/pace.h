/* How long a sample of so much work will take, from those that ran: what a time limit and the
 * watchdog go by. */
#ifndef SB_HARNESS_RUN_PACE_H
#define SB_HARNESS_RUN_PACE_H

enum { SB_PACE_BINS = 160 }; /* one a doubling of work, from 1 on */

typedef struct sb_pace {                              /* zeroes: nothing seen */
    double work[SB_PACE_BINS], seconds[SB_PACE_BINS]; /* of a bin's slowest sample; 0: none */
} sb_pace;

void sb_pace_add(sb_pace *p, double work, double seconds);

/* By the slowest sample of about as much work, or of the most that is less, in proportion: a short
 * sample's seconds are mostly not work, and grow too fast from it. Where all that ran had more
 * work: as long as the least of it. 0: nothing seen. */
double sb_pace_s(const sb_pace *p, double work);

#endif
