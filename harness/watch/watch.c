#include "harness/watch/watch.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_LINKS = 8 };

struct sb_watch {
    sb_watch_options o;
    pthread_t        thread;
    pthread_mutex_t  lock;
    pthread_cond_t   wake;
    /* under lock */
    sb_watch_report now; /* spent_s, call_s: filled when it is over */
    int64_t         since_ns, deadline_ns, call_ns;
    int64_t         sleeps_until_ns; /* the thread's; 0: awake */
    int             stop;
    sb_link        *links[MAX_LINKS];
};

static double seconds_since(int64_t ns) { return (double)(sb_now_ns() - ns) * 1e-9; }

/* The clock that sb_now_ns reads. */
static struct timespec moment(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static void *keep(void *arg)
{
    sb_watch *w = arg;
    pthread_mutex_lock(&w->lock);
    while (!w->stop && sb_now_ns() < w->deadline_ns) {
        struct timespec at = moment(w->deadline_ns);
        w->sleeps_until_ns = w->deadline_ns;
        (void)pthread_cond_timedwait(&w->wake, &w->lock, &at);
        w->sleeps_until_ns = 0;
    }
    if (!w->stop) {
        w->now.spent_s    = seconds_since(w->since_ns);
        w->now.call_s     = w->now.call[0] != '\0' ? seconds_since(w->call_ns) : 0;
        sb_watch_report r = w->now;
        for (int i = 0; i < MAX_LINKS; i++)
            if (w->links[i] != NULL && w->links[i]->ops->give_up != NULL)
                w->links[i]->ops->give_up(w->links[i]);
        pthread_mutex_unlock(&w->lock);
        w->o.expired(w->o.arg, &r);
        return NULL;
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* With the lock. The thread is woken only when it would sleep for too long. */
static void wind(sb_watch *w)
{
    w->since_ns    = sb_now_ns();
    w->deadline_ns = w->now.allowed_s * 1e9 < (double)(INT64_MAX / 2)
                         ? w->since_ns + (int64_t)(w->now.allowed_s * 1e9)
                         : INT64_MAX / 2;
    if (w->sleeps_until_ns > w->deadline_ns)
        pthread_cond_signal(&w->wake);
}

sb_status sb_watch_start(const sb_watch_options *o, sb_watch **out)
{
    pthread_condattr_t attr;
    sb_watch          *w = calloc(1, sizeof *w);
    if (w == NULL)
        return sb_fail(SB_ERR_NOMEM, "watchdog: no memory for the handle");
    w->o = *o;
    (void)gethostname(w->now.host, sizeof w->now.host - 1);
    (void)snprintf(w->now.phase, sizeof w->now.phase, "start");
    w->now.allowed_s = o->fixed_s > 0 ? o->fixed_s : SB_WATCH_LEAST_S;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
    wind(w);
    if (pthread_create(&w->thread, NULL, keep, w) != 0) {
        pthread_cond_destroy(&w->wake);
        pthread_mutex_destroy(&w->lock);
        free(w);
        return sb_fail(SB_ERR_INTERNAL, "watchdog: no thread for it");
    }
    *out = w;
    return SB_OK;
}

void sb_watch_stop(sb_watch *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = 1;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* ---- what the program says ---- */

static int begin_note(sb_watch *w)
{
    if (w == NULL)
        return 0;
    pthread_mutex_lock(&w->lock);
    return 1;
}

static void end_note(sb_watch *w) { pthread_mutex_unlock(&w->lock); }

void sb_watch_rank(sb_watch *w, int32_t rank, int32_t size)
{
    if (!begin_note(w))
        return;
    w->now.rank = rank;
    w->now.size = size;
    end_note(w);
}

void sb_watch_point(sb_watch *w, const char *text)
{
    if (!begin_note(w))
        return;
    (void)snprintf(w->now.point, sizeof w->now.point, "%s", text);
    end_note(w);
}

/* With the lock: what was entered before is done. */
static void turn_to(sb_watch *w, const char *phase)
{
    memcpy(w->now.last, w->now.phase, sizeof w->now.last);
    (void)snprintf(w->now.phase, sizeof w->now.phase, "%s", phase);
}

void sb_watch_enter(sb_watch *w, const char *phase, double predicted_s)
{
    if (!begin_note(w))
        return;
    turn_to(w, phase);
    w->now.allowed_s =
        w->o.fixed_s > 0 ? w->o.fixed_s : fmax(SB_WATCH_LEAST_S, SB_WATCH_PATIENCE * predicted_s);
    wind(w);
    end_note(w);
}

double sb_watch_allowed_s(sb_watch *w)
{
    if (!begin_note(w))
        return INFINITY;
    double s = w->now.allowed_s;
    end_note(w);
    return s;
}

void sb_watch_again(sb_watch *w, const char *part)
{
    if (!begin_note(w))
        return;
    turn_to(w, part);
    wind(w);
    end_note(w);
}

void sb_watch_call(sb_watch *w, const char *name, int64_t bytes)
{
    if (!begin_note(w))
        return;
    (void)snprintf(w->now.call, sizeof w->now.call, "%s of %lld bytes", name, (long long)bytes);
    w->call_ns = sb_now_ns();
    end_note(w);
}

void sb_watch_returned(sb_watch *w, sb_status st)
{
    if (!begin_note(w))
        return;
    w->now.call[0] = '\0';
    w->now.calls++;
    if (st != SB_OK)
        (void)snprintf(w->now.error, sizeof w->now.error, "%s", sb_error_text());
    end_note(w);
}

static void replace_link(sb_watch *w, const sb_link *old, sb_link *new)
{
    if (!begin_note(w))
        return;
    for (int i = 0; i < MAX_LINKS; i++)
        if (w->links[i] == old) {
            w->links[i] = new;
            break;
        }
    end_note(w);
}

void sbi_watch_keep_link(sb_watch *w, sb_link *l) { replace_link(w, NULL, l); }

void sbi_watch_drop_link(sb_watch *w, const sb_link *l) { replace_link(w, l, NULL); }

void sb_watch_text(const sb_watch_report *r, char *out, size_t bytes)
{
    char who[32] = "this process", doing[128] = "not in a call between ranks", after[128] = "";
    if (r->size > 0)
        (void)snprintf(who, sizeof who, "rank %d of %d", r->rank, r->size);
    if (r->call[0] != '\0')
        (void)snprintf(doing, sizeof doing, "waiting for other ranks since %.1f s in %s", r->call_s,
                       r->call);
    if (r->last[0] != '\0')
        (void)snprintf(after, sizeof after, ", after %s", r->last);
    (void)snprintf(
        out, bytes,
        "%s on %s: %s%s%s takes %.1f s, %.1f s are allowed: %s; %lld calls between ranks "
        "returned%s%s%s",
        who, r->host, r->point, r->point[0] != '\0' ? ": " : "", r->phase, r->spent_s, r->allowed_s,
        doing, (long long)r->calls, after, r->error[0] != '\0' ? "; last error: " : "", r->error);
}
