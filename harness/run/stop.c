#include "harness/run/stop.h"

#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

#include "kernels/base/phase.h"

static volatile sig_atomic_t signalled;
static int64_t               deadline_ns; /* 0: none */
static int                   watched;     /* somebody sits before stderr */

static void on_signal(int sig)
{
    static const char first[] =
        "\nspanbench: stopping when the sample at hand is done; once more stops at once\n";
    static const char text[] =
        "\nspanbench: stopped at once; stored samples are kept, run again to go on\n";
    if (signalled != 0 && sig != SIGUSR1) {
        ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
        (void)n;
        _exit(SB_EXIT_RESUMABLE);
    }
    signalled = sig;
    if (watched && sig != SIGUSR1) {
        ssize_t n = write(STDERR_FILENO, first, sizeof first - 1);
        (void)n;
    }
}

void sb_stop_install(void)
{
    watched            = isatty(STDERR_FILENO);
    struct sigaction a = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&a.sa_mask);
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
    sigaction(SIGUSR1, &a, NULL);
}

int sb_stop_signalled(void) { return signalled; }

/* Part of the limit is kept for leaving: the layer at hand, the intervals, MPI_Finalize. */
void sb_stop_set_limit(double limit_s)
{
    double leave_s = 0.5 + 0.02 * limit_s;
    deadline_ns    = limit_s > 0 ? sb_now_ns() + (int64_t)((limit_s - leave_s) * 1e9) : 0;
}

double sb_stop_left_s(void)
{
    return deadline_ns == 0 ? INFINITY : (double)(deadline_ns - sb_now_ns()) * 1e-9;
}

int sb_stop_expired(void *unused)
{
    (void)unused;
    return deadline_ns != 0 && sb_now_ns() >= deadline_ns;
}
