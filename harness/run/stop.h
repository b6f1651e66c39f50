/* When to stop: a signal (SIGINT, SIGTERM, SIGUSR1) or the time limit. The first signal asks to
 * finish the sample; a second SIGINT or SIGTERM leaves at once with exit code 75 (every stored
 * sample is a finished transaction, so nothing is lost but the sample at hand). */
#ifndef SB_HARNESS_RUN_STOP_H
#define SB_HARNESS_RUN_STOP_H

#include <stdint.h>

#define SB_EXIT_RESUMABLE 75

void sb_stop_install(void);
int  sb_stop_signalled(void); /* the signal's number, 0: none */

/* A deadline on the monotonic clock; limit_s <= 0: none. */
void   sb_stop_set_limit(double limit_s);
double sb_stop_left_s(void);          /* infinite without a limit */
int    sb_stop_expired(void *unused); /* 1 when the deadline has passed: given up inside a sample */

#endif
