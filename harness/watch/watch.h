/* The watchdog: a thread that ends a run which no longer gets on [cluster_runtime 4]. The program
 * says what it does and how long that may take; when the time is over the thread reports where this
 * rank stands. A peer that is gone or hangs shows as a call between ranks that does not return.
 *
 *   enter(phase, allowed) ... enter(next phase, allowed) ...     every enter starts the clock anew
 *
 * Clocks are monotonic. The functions take NULL for "no watchdog" and do nothing then. All but
 * start and stop may be called from any thread. */
#ifndef SB_HARNESS_WATCH_WATCH_H
#define SB_HARNESS_WATCH_WATCH_H

#include "kernels/base/comm.h"
#include "kernels/base/link.h"

typedef struct sb_watch sb_watch;

typedef struct sb_watch_report {
    int32_t rank, size; /* size 0: not known yet */
    char    host[64];
    char    point[384]; /* what is measured; "": nothing */
    char    phase[96];
    double  spent_s, allowed_s;
    char    call[64]; /* between ranks, not returned; "": none */
    double  call_s;
    int64_t calls;      /* between ranks, returned so far */
    char    last[96];   /* phase, or part of one, that was done before */
    char    error[256]; /* the last call between ranks that failed here; "": none */
} sb_watch_report;

typedef struct sb_watch_options {
    double fixed_s; /* > 0: every phase may take this long; 0: what each enter says */
    /* Once, from the watchdog's thread. The program's ends the process; if it returns, so does the
     * watch: nothing is reported again. */
    void (*expired)(void *arg, const sb_watch_report *r);
    void *arg;
} sb_watch_options;

/* The clock of the first phase, "start", runs from here: SB_WATCH_LEAST_S unless fixed. Errors:
 * SB_ERR_NOMEM, SB_ERR_INTERNAL (no thread). */
sb_status sb_watch_start(const sb_watch_options *o, sb_watch **out);
/* Waits for a report that has begun. */
void sb_watch_stop(sb_watch *w);

/* No phase is allowed less, and what is predicted five times over: other users of the machine and a
 * predictor that errs must not end a run. */
#define SB_WATCH_LEAST_S 60
#define SB_WATCH_PATIENCE 5

void sb_watch_rank(sb_watch *w, int32_t rank, int32_t size);
void sb_watch_point(sb_watch *w, const char *text);
/* predicted_s: how long the phase should take; allowed is max(LEAST_S, PATIENCE * predicted_s). */
void   sb_watch_enter(sb_watch *w, const char *phase, double predicted_s);
double sb_watch_allowed_s(sb_watch *w); /* for the present phase; infinite without a watchdog */
/* The same phase goes on, with all its time again: a part of it is done. */
void sb_watch_again(sb_watch *w, const char *part);
/* A call between ranks begins, and ends with st (whose text is the thread's error text). */
void sb_watch_call(sb_watch *w, const char *name, int64_t bytes);
void sb_watch_returned(sb_watch *w, sb_status st);

/* A communicator and a link that note every call and pass it on to `inner`, which they own from
 * here on. A link is told to give up before `expired` is called. With w NULL they are inner itself.
 * Errors: SB_ERR_NOMEM, and inner is as before. Local. */
sb_status sb_watch_comm(sb_watch *w, sb_comm *inner, sb_comm **out);
sb_status sb_watch_link(sb_watch *w, sb_link *inner, sb_link **out);

/* For the files of this folder: the links that are told. */
void sbi_watch_keep_link(sb_watch *w, sb_link *l);
void sbi_watch_drop_link(sb_watch *w, const sb_link *l);

/* "rank 1 of 2 on n07: dense, niah_single 4096: prefill 2 of 4 takes 61 s, 60 s are allowed; ..."
 */
void sb_watch_text(const sb_watch_report *r, char *out, size_t bytes);

#endif
