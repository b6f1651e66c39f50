#include "harness/cli/watchdog.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/comm/comms.h"

enum {
    OTHERS_S   = 1, /* ranks whose time is over at the same moment get their line out */
    LEAVING_S  = 3, /* a rank in MPI_Finalize goes first */
    LAST_WAY_S = 10 /* MPI_Abort may hang as well */
};

static void leave(int sig)
{
    (void)sig;
    _exit(SB_EXIT_WATCHDOG);
}

/* One write: lines of several ranks do not mix. A rank in MPI_Finalize calls MPI_Abort before the
 * others: of Open MPI 4.1 jobs where another rank did, mpirun (PMIx 4.2) hung or crashed in its own
 * end in 26 of 454, where that rank itself did in none of 318. */
static void expired(void *arg, const sb_watch_report *r)
{
    char text[1400], line[1500];
    (void)arg;
    sb_watch_text(r, text, sizeof text);
    int n = snprintf(line, sizeof line, "\nspanbench: watchdog: %s\n", text);
    n     = n < (int)sizeof line ? n : (int)sizeof line - 1;
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        leave(0);
    (void)signal(SIGALRM, leave);
    int in_finalize = strcmp(r->phase, "leaving") == 0 && r->call[0] == '\0';
    (void)sleep(OTHERS_S + (in_finalize ? 0 : LEAVING_S));
    (void)alarm(LAST_WAY_S);
    sb_mpi_abort(SB_EXIT_WATCHDOG);
}

sb_status sb_watchdog_start(const char *option, sb_watch **out)
{
    const char      *from = option != NULL ? "--watchdog" : "SPAN_WATCHDOG";
    const char      *text = option != NULL ? option : getenv("SPAN_WATCHDOG");
    sb_watch_options o    = {.expired = expired};
    *out                  = NULL;
    if (text != NULL) {
        char *end;
        o.fixed_s = strtod(text, &end);
        if (end == text || *end != '\0' ||
            !(o.fixed_s == 0 || (o.fixed_s >= 0.1 && o.fixed_s <= 1e9)))
            return sb_fail(SB_ERR_USAGE,
                           "%s: found `%s`, allowed seconds from 0.1 to 1e9, or 0: no watchdog",
                           from, text);
        if (o.fixed_s == 0)
            return SB_OK;
    }
    return sb_watch_start(&o, out);
}
