/* The watchdog: whose time is over and what it says, ranks on threads of which one hangs, and
 * failing allocations. Linked with --wrap for calloc; the names with two underscores are the
 * linker's. */
#include <check.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/comm/comms.h"
#include "harness/run/deadline.h"
#include "harness/run/forecast.h"
#include "harness/watch/watch.h"
#include "tests/mpi/ranks.h"

void      *__real_calloc(size_t n, size_t size);
void      *__wrap_calloc(size_t n, size_t size);
static int countdown; /* 0: not armed */

void *__wrap_calloc(size_t n, size_t size)
{
    return countdown > 0 && --countdown == 0 ? NULL : __real_calloc(n, size);
}

typedef struct seen {
    sem_t           over;
    sb_watch_report r;
} seen;

static void note(void *arg, const sb_watch_report *r)
{
    seen *s = arg;
    s->r    = *r;
    sem_post(&s->over);
}

/* 1: it reported within `s` seconds. */
static int reports(seen *s, double within_s)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    int64_t ns = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec + (int64_t)(within_s * 1e9);
    t          = (struct timespec){ns / 1000000000, ns % 1000000000};
    return sem_timedwait(&s->over, &t) == 0;
}

/* over is initialised: somebody may wait for it already. */
static sb_watch *begin(seen *s, double fixed_s)
{
    const sb_watch_options o = {.fixed_s = fixed_s, .expired = note, .arg = s};
    sb_watch              *w = NULL;
    ck_assert_int_eq(sb_watch_start(&o, &w), SB_OK);
    return w;
}

static sb_watch *start(seen *s, double fixed_s)
{
    sem_init(&s->over, 0, 0);
    return begin(s, fixed_s);
}

static void nap(double s) { (void)usleep((useconds_t)(s * 1e6)); }

START_TEST(a_phase_that_takes_too_long_is_reported)
{
    seen      s;
    char      text[1400], host[64] = "";
    sb_watch *w = start(&s, .2);
    sb_watch_rank(w, 1, 4);
    sb_watch_point(w, "point 3 (dense)");
    sb_watch_enter(w, "loading", 0);
    sb_watch_enter(w, "storing", 0);
    ck_assert(reports(&s, 5));
    sb_watch_stop(w);
    ck_assert_int_eq(s.r.rank, 1);
    ck_assert_int_eq(s.r.size, 4);
    ck_assert_str_eq(s.r.phase, "storing");
    ck_assert_str_eq(s.r.last, "loading");
    ck_assert_double_ge(s.r.spent_s, .2);
    ck_assert_double_le(s.r.spent_s, 4);
    sb_watch_text(&s.r, text, sizeof text);
    (void)gethostname(host, sizeof host - 1);
    ck_assert_ptr_nonnull(strstr(text, "rank 1 of 4 on "));
    ck_assert_ptr_nonnull(strstr(text, host));
    ck_assert_ptr_nonnull(strstr(text, ": point 3 (dense): storing takes "));
    ck_assert_ptr_nonnull(strstr(text, "0.2 s are allowed: not in a call between ranks"));
    ck_assert_ptr_nonnull(strstr(text, ", after loading"));
    ck_assert(!reports(&s, .3)); /* once */
}
END_TEST

START_TEST(every_phase_has_its_time_anew)
{
    seen      s;
    sb_watch *w = start(&s, .4);
    for (int i = 0; i < 6; i++) { /* 1.2 s in all */
        if (i % 2 == 0)
            sb_watch_enter(w, "a", 0);
        else
            sb_watch_again(w, "half of a");
        nap(.2);
    }
    ck_assert(!reports(&s, 0));
    sb_watch_stop(w);
}
END_TEST

START_TEST(allowed_is_five_times_the_prediction_and_a_minute_at_least)
{
    static const double want[][2] = {{0, 60}, {12, 60}, {12.5, 62.5}, {1000, 5000}, {1e300, 5e300}};
    seen                s;
    sb_watch           *w = start(&s, 0);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        sb_watch_enter(w, "x", want[i][0]);
        ck_assert_double_eq(sb_watch_allowed_s(w), want[i][1]);
    }
    ck_assert(!reports(&s, .05));
    sb_watch_stop(w);
    ck_assert_double_eq(sb_watch_allowed_s(NULL), INFINITY);
}
END_TEST

/* The thread may sleep towards a later moment when a shorter phase begins. */
START_TEST(a_call_that_does_not_return_is_named)
{
    seen      s;
    char      text[1400];
    sb_watch *w = start(&s, .3);
    sb_watch_call(w, "allreduce", 8);
    sb_watch_returned(w, sb_fail(SB_ERR_COMM, "cable cut"));
    sb_watch_enter(w, "pass", 0);
    sb_watch_call(w, "allgather", 4096);
    ck_assert(reports(&s, 5));
    sb_watch_stop(w);
    ck_assert_str_eq(s.r.call, "allgather of 4096 bytes");
    ck_assert_double_ge(s.r.call_s, .25);
    ck_assert_int_eq(s.r.calls, 1);
    sb_watch_text(&s.r, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "waiting for other ranks since"));
    ck_assert_ptr_nonnull(strstr(text, "; last error: cable cut"));
}
END_TEST

START_TEST(no_watch_is_no_work)
{
    sb_comm *c = NULL, *same = NULL;
    sb_link *l = NULL;
    sb_watch_enter(NULL, "x", 1);
    sb_watch_again(NULL, "x");
    sb_watch_point(NULL, "x");
    sb_watch_rank(NULL, 0, 1);
    sb_watch_call(NULL, "x", 1);
    sb_watch_returned(NULL, SB_OK);
    sb_watch_stop(NULL);
    ck_assert_int_eq(sb_comm_self_create(&c), SB_OK);
    ck_assert_int_eq(sb_watch_comm(NULL, c, &same), SB_OK);
    ck_assert_ptr_eq(same, c);
    ck_assert_int_eq(sb_watch_link(NULL, NULL, &l), SB_OK);
    ck_assert_ptr_null(l);
    sb_comm_destroy(c);
}
END_TEST

START_TEST(a_watched_communicator_is_the_same_one)
{
    seen          s;
    sb_watch     *w    = start(&s, 60);
    sb_comm      *c    = NULL;
    int64_t       n[1] = {4}, at[1] = {0}, x = 5;
    unsigned char from[4] = {1, 2, 3, 4}, to[4] = {0};
    ck_assert_int_eq(sb_comm_self_create(&c), SB_OK);
    ck_assert_int_eq(sb_watch_comm(w, c, &c), SB_OK);
    ck_assert_str_eq(c->ops->name, "self");
    ck_assert_int_eq(c->size, 1);
    ck_assert_int_eq(sb_comm_allgatherv(c, from, to, n, at), SB_OK);
    ck_assert_mem_eq(from, to, 4);
    ck_assert_int_eq(sb_comm_bcast(c, to, 4, 0), SB_OK);
    ck_assert_int_eq(sb_comm_allreduce_i64(c, &x, 1, SB_REDUCE_SUM), SB_OK);
    ck_assert_int_eq(x, 5);
    ck_assert_int_eq(sb_comm_barrier(c), SB_OK);
    ck_assert_int_eq(c->stats.calls, 4);
    sb_comm_destroy(c);
    sb_watch_stop(w);
}
END_TEST

/* ---- links ---- */

static int n_posts, n_told;

static sb_status fake_post(sb_link *l, const sb_transfer *t, int64_t n, void *stream)
{
    (void)l, (void)t, (void)n, (void)stream;
    n_posts++;
    return SB_OK;
}
static sb_status fake_wait(sb_link *l, void *stream)
{
    (void)l, (void)stream;
    return sb_fail(SB_ERR_COMM, "no cable");
}
static void fake_destroy(sb_link *l) { (void)l; }
static void fake_give_up(sb_link *l)
{
    (void)l;
    n_told++;
}
static const sb_link_ops fake_ops = {"fake",    fake_post,    fake_wait,
                                     fake_wait, fake_destroy, fake_give_up};

START_TEST(a_watched_link_is_told_to_give_up)
{
    seen    s;
    char    byte  = 0;
    sb_link inner = {.ops = &fake_ops, .rank = 0, .size = 2}, gone = inner, *l = NULL, *m = NULL;
    sb_transfer t = {&byte, 1, 1, 0};
    sb_watch   *w = start(&s, .2);
    ck_assert_int_eq(sb_watch_link(w, &gone, &m), SB_OK);
    sb_link_destroy(m);
    ck_assert_int_eq(sb_watch_link(w, &inner, &l), SB_OK);
    ck_assert_str_eq(l->ops->name, "fake");
    sb_watch_enter(w, "ring", 0);
    ck_assert_int_eq(sb_link_post(l, &t, 1, NULL), SB_OK);
    ck_assert_int_eq(n_posts, 1);
    ck_assert_int_eq(l->sent_bytes, 1);
    ck_assert_int_eq(sb_link_wait(l, NULL), SB_ERR_COMM);
    ck_assert_int_eq(sb_link_drain(l, NULL), SB_ERR_COMM);
    ck_assert(reports(&s, 5));
    ck_assert_str_eq(s.r.error, "no cable");
    ck_assert_int_eq(n_told, 1);
    sb_link_destroy(l);
    sb_watch_stop(w);
}
END_TEST

/* ---- ranks on threads: one of them hangs ---- */

enum { RANKS = 3, LAZY = 1, ROUNDS = 5 };
static seen  each[RANKS];
static sem_t go_on;

static void one_hangs(span_rank *r)
{
    int32_t   me = r->comm->rank;
    sb_comm  *c  = NULL;
    sb_watch *w  = begin(&each[me], .5);
    sb_watch_rank(w, me, RANKS);
    SPAN_EXPECT(r, sb_watch_comm(w, r->comm, &c) == SB_OK, "wrapped");
    sb_watch_enter(w, "rounds", 0);
    for (int i = 0; i < ROUNDS; i++) {
        if (me == LAZY && i == 3)
            while (sem_wait(&go_on) != 0) /* until all others have reported */
                ;
        SPAN_EXPECT(r, sb_comm_barrier(c) == SB_OK, "round %d", i);
    }
    sb_comm_destroy(c);
    sb_watch_stop(w);
}

static void *let_go(void *arg)
{
    int *told = arg;
    for (int i = 0; i < RANKS; i++)
        *told += reports(&each[i], 20);
    sem_post(&go_on);
    return NULL;
}

START_TEST(the_rank_that_hangs_stands_out)
{
    static const span_case hang = {"one_hangs", one_hangs};
    char                   why[512];
    int                    told = 0;
    pthread_t              id;
    for (int i = 0; i < RANKS; i++)
        sem_init(&each[i].over, 0, 0);
    sem_init(&go_on, 0, 0);
    ck_assert_int_eq(pthread_create(&id, NULL, let_go, &told), 0);
    span_run_threads(&hang, RANKS, why, sizeof why);
    pthread_join(id, NULL);
    ck_assert_str_eq(why, "");
    ck_assert_int_eq(told, RANKS);
    for (int i = 0; i < RANKS; i++) {
        ck_assert_int_eq(each[i].r.rank, i);
        ck_assert_str_eq(each[i].r.call, i == LAZY ? "" : "barrier of 0 bytes");
        ck_assert_int_eq(each[i].r.calls, 3);
    }
}
END_TEST

/* ---- the rest ---- */

START_TEST(failing_allocations)
{
    seen             s;
    sb_watch_options o     = {.expired = note, .arg = &s};
    sb_watch        *w     = NULL;
    sb_comm         *c     = NULL, *same;
    sb_link          inner = {.ops = &fake_ops, .rank = 0, .size = 2}, *l = NULL;
    countdown = 1;
    ck_assert_int_eq(sb_watch_start(&o, &w), SB_ERR_NOMEM);
    ck_assert_ptr_null(w);
    w = start(&s, 0);
    ck_assert_int_eq(sb_comm_self_create(&c), SB_OK);
    for (int k = 1; k <= 2; k++) {
        same      = c;
        countdown = k;
        ck_assert_int_eq(sb_watch_comm(w, c, &same), SB_ERR_NOMEM);
        ck_assert_ptr_eq(same, c);
        countdown = k;
        ck_assert_int_eq(sb_watch_link(w, &inner, &l), SB_ERR_NOMEM);
        ck_assert_ptr_null(l);
    }
    countdown = 0;
    sb_comm_destroy(c);
    sb_watch_stop(w);
}
END_TEST

/* 4 N^2 H d L flops: 4 * 2^40 * 32 * 128 * 1 = 1.8e16; on 8 ranks of a TFLOP/s 2252 s. */
START_TEST(deadlines_follow_shape_and_backend)
{
    sb_point p = {.length_tokens = 1 << 20, .ranks = 8, .backend = SB_CUDA};
    ck_assert_double_eq_tol(sb_deadline_pass_s(&p, 32, 128, 1), 2251.8, .1);
    p.quality = SB_QUALITY_SAMPLED;
    ck_assert_double_eq_tol(sb_deadline_pass_s(&p, 32, 128, 1), 22518, 1);
    p.backend = SB_CPU;
    ck_assert_double_eq_tol(sb_deadline_pass_s(&p, 32, 128, 2), 4.50360e7, 1e3);
    ck_assert_double_eq_tol(sb_deadline_input_s(&p), 134.8, .1);
}
END_TEST

/* The plan's constants count where they are this machine's: by the name of the processor. */
START_TEST(the_plan_is_asked_for_machines_it_knows)
{
    char        processor[256];
    sb_machine *m = sb_deadline_machine(&sb_backend_cpu);
    sb_forecast_processor(processor, sizeof processor);
    ck_assert_int_eq(m != NULL, strstr(processor, "EPYC") != NULL);
    sb_machine_free(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("watch");
    TCase *t = tcase_create("watch");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, a_phase_that_takes_too_long_is_reported);
    tcase_add_test(t, every_phase_has_its_time_anew);
    tcase_add_test(t, allowed_is_five_times_the_prediction_and_a_minute_at_least);
    tcase_add_test(t, a_call_that_does_not_return_is_named);
    tcase_add_test(t, no_watch_is_no_work);
    tcase_add_test(t, a_watched_communicator_is_the_same_one);
    tcase_add_test(t, a_watched_link_is_told_to_give_up);
    tcase_add_test(t, the_rank_that_hangs_stands_out);
    tcase_add_test(t, failing_allocations);
    tcase_add_test(t, the_plan_is_asked_for_machines_it_knows);
    tcase_add_test(t, deadlines_follow_shape_and_backend);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
