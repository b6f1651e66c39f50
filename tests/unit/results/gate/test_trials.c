/* How often the gate finds what was planted, and how often it cries over identical reruns, on times
 * that were measured (tests/fixtures/gate/README.md) and on invented ones with heavy tails. Seeds
 * are fixed, so figures are, too. By hand over a pool of one's own (tests/perf/gate_noise.sh):
 *   SPAN_GATE_POOL=pool.csv SPAN_GATE_RUNS=20 SPAN_GATE_TRIALS=1000 build-ci/tests/test_gate_trials */
#include <check.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/results/gate/trials.h"
#include "tests/unit/results/main.h"

static const char *attention[] = {"attention"};

static sb_gate_rules rules_of(void)
{
    return (sb_gate_rules){.name            = "default",
                           .inconclusive    = SB_GATE_EFFECT_WARN,
                           .alpha           = 0.05,
                           .margin          = 0.03,
                           .margin_mean     = 0.01,
                           .phases          = {attention, 1},
                           .latency_ratio   = 1.02,
                           .min_repetitions = 8,
                           .memory_ratio    = 1.05,
                           .density_ratio   = 1.02};
}

typedef struct tally {
    int64_t gates, alarms;        /* gates that break by a cell where nothing was planted */
    int64_t found, undecided;     /* planted cells: found; inconclusive */
    int64_t verdicts, inconclusive; /* of all judged cells */
} tally;

typedef enum planted { NOTHING, SLOWER, WORSE, ABSENT } planted;

static const char *const planted_names[] = {"nothing", "5 % latency", "4 points of accuracy", "a missing cell"};

static int is_of(const sb_gate_finding *f, int64_t method)
{
    return method >= 0 && strtoll(f->hash + 48, NULL, 16) == method + 1;
}

static void count(const sb_gate_report *r, planted what, int64_t method, tally *t)
{
    static const sb_gate_check looked_at[] = {SB_GATE_CHECK_COUNT, SB_GATE_LATENCY, SB_GATE_ACCURACY, SB_GATE_COVERAGE};
    int                        alarm = 0, found = 0, undecided = 0;
    for (int64_t i = 0; i < r->n_findings; i++) {
        const sb_gate_finding *f  = &r->findings[i];
        int                    is = is_of(f, method) && f->check == looked_at[what];
        found |= is && f->breaks;
        undecided |= is && f->verdict == SB_GATE_INCONCLUSIVE;
        alarm |= !is && f->breaks;
        if (!is && f->breaks && getenv("SPAN_GATE_TELL") != NULL)
            (void)fprintf(stderr, "  alarm: %s %s: %s; Holm %g\n", sb_gate_check_names[f->check], f->cell, f->evidence, f->p_holm);
        t->verdicts += f->check == SB_GATE_LATENCY || f->check == SB_GATE_ACCURACY;
        t->inconclusive += f->verdict == SB_GATE_INCONCLUSIVE;
    }
    t->gates++;
    t->alarms += alarm;
    t->found += found;
    t->undecided += undecided;
}

/* Both sides drawn from the pool without a run in common; something planted into a random method of
 * the new one. */
static tally trials(const trials_pool *p, int64_t n_runs, int64_t n_trials, int64_t n_inputs, double flips,
                    planted what, uint64_t seed)
{
    sb_gate_rules rules = rules_of();
    tally         t     = {0};
    sb_xoshiro    x;
    sb_xoshiro_init(&x, seed);
    ck_assert_msg(2 * n_runs <= p->n_runs, "%lld runs a side of a pool of %lld", (long long)n_runs, (long long)p->n_runs);
    int64_t *runs = malloc((size_t)(2 * n_runs) * sizeof *runs);
    ck_assert_ptr_nonnull(runs);
    for (int64_t k = 0; k < n_trials; k++) {
        int64_t       method = what == NOTHING ? -1 : 1 + (int64_t)(sb_xoshiro_next(&x) % (uint64_t)(p->n_methods - 1));
        sbi_gate_side sides[2];
        trials_choose(&x, p->n_runs, 2 * n_runs, runs);
        trials_plan base = {.runs = runs, .n_runs = n_runs, .n_rows = p->n_rows, .n_reps = p->n_reps, .slower = -1,
                            .absent = -1, .n_inputs = n_inputs, .right = 0.85, .worse = -1,
                            .answers = sb_xoshiro_next(&x)};
        trials_plan new  = base;
        new.runs   = runs + n_runs;
        new.flips  = flips;
        new.rerun  = sb_xoshiro_next(&x);
        new.slower = what == SLOWER ? method : -1;
        new.factor = 1.05;
        new.worse  = what == WORSE ? method : -1;
        new.loss   = 0.04;
        new.absent = what == ABSENT ? method : -1;
        trials_side(p, &base, &rules, &sides[0]);
        trials_side(p, &new, &rules, &sides[1]);
        sb_gate_report *r = calloc(1, sizeof *r);
        ck_assert_ptr_nonnull(r);
        ck_assert_msg(sbi_gate_sides(&rules, &sides[0], &sides[1], r) == SB_OK, "%s", sb_error_text());
        count(r, what, method, &t);
        sb_gate_report_free(r);
        sbi_gate_side_fini(&sides[0]);
        sbi_gate_side_fini(&sides[1]);
    }
    free(runs);
    return t;
}

/* Figures for the page, where somebody asks for them. */
static void tell(const char *pool, int64_t n_runs, planted what, const tally *t)
{
    if (getenv("SPAN_GATE_TELL") == NULL && getenv("SPAN_GATE_POOL") == NULL)
        return;
    (void)fprintf(stderr,
                  "%s, %lld runs a side, planted %s: found %lld, undecided %lld, false alarms %lld of %lld gates; "
                  "%.1f %% of %lld verdicts inconclusive\n",
                  pool, (long long)n_runs, planted_names[what], (long long)t->found, (long long)t->undecided,
                  (long long)t->alarms, (long long)t->gates, 100.0 * (double)t->inconclusive / (double)t->verdicts,
                  (long long)t->verdicts);
}

typedef struct source {
    const char *name, *path; /* NULL: invented */
    double      drift;
    int64_t     n_runs, n_inputs;
    double      flips;
    double      inconclusive; /* the share of reruns' verdicts that may be */
} source;

static const source sources[] = {
    {"H100", "tests/fixtures/gate/reruns_h100.csv", 0, 8, 500, 0.002, 0.05},
    {"cores of a virtual machine", "tests/fixtures/gate/reruns_cpu.csv", 0, 28, 500, 0.005, 0.10},
    {"heavy tails", NULL, 0.01, 16, 500, 0.005, 0.10},
};
enum { N_SOURCES = sizeof sources / sizeof *sources };

static void open_pool(const source *s, trials_pool *p)
{
    if (s->path == NULL)
        trials_invent(p, 120, s->drift, 11);
    else
        trials_read(s->path, p);
}

START_TEST(planted_regressions_are_found)
{
    const source *s = &sources[_i];
    trials_pool   p;
    open_pool(s, &p);
    for (planted what = SLOWER; what <= ABSENT; what++) {
        tally t = trials(&p, s->n_runs, 100, s->n_inputs, s->flips, what, 21 + (uint64_t)what);
        tell(s->name, s->n_runs, what, &t);
        ck_assert_msg(t.found >= 90, "%s: %s found %lld times in 100", s->name, planted_names[what], (long long)t.found);
        ck_assert_int_le(t.alarms, 5);
    }
    trials_free(&p);
}
END_TEST

START_TEST(identical_reruns_pass)
{
    const source *s = &sources[_i];
    trials_pool   p;
    open_pool(s, &p);
    tally t = trials(&p, s->n_runs, 200, s->n_inputs, s->flips, NOTHING, 31);
    tell(s->name, s->n_runs, NOTHING, &t);
    ck_assert_int_le(t.alarms, 10);
    ck_assert_double_le((double)t.inconclusive / (double)t.verdicts, s->inconclusive);
    trials_free(&p);
}
END_TEST

/* Few runs, wild noise: no false alarm, and no wrong pass either. */
START_TEST(few_runs_are_never_sure)
{
    trials_pool p;
    trials_invent(&p, 60, 0.1, 12);
    for (int64_t n = 1; n <= 3; n++) {
        tally t = trials(&p, n, 50, 0, 0, SLOWER, 41);
        ck_assert_int_eq(t.found + t.alarms, 0);
        ck_assert_int_eq(t.undecided, 50);
        ck_assert_int_eq(t.inconclusive, t.verdicts);
    }
    tally t = trials(&p, 6, 200, 0, 0, NOTHING, 42);
    ck_assert_int_le(t.alarms, 10);
    tally slower = trials(&p, 6, 200, 0, 0, SLOWER, 43);
    ck_assert_int_ge(slower.found + slower.undecided, 190); /* at most 5 % pass wrongly */
    trials_free(&p);
}
END_TEST

START_TEST(own_pool)
{
    const char *path = getenv("SPAN_GATE_POOL"), *runs = getenv("SPAN_GATE_RUNS"), *n = getenv("SPAN_GATE_TRIALS");
    trials_pool p;
    if (path == NULL)
        return;
    trials_read(path, &p);
    for (planted what = NOTHING; what <= ABSENT; what++) {
        tally t = trials(&p, runs == NULL ? 6 : strtoll(runs, NULL, 10), n == NULL ? 200 : strtoll(n, NULL, 10), 500,
                         0.005, what, 51 + (uint64_t)what);
        tell(path, runs == NULL ? 6 : strtoll(runs, NULL, 10), what, &t);
    }
    trials_free(&p);
}
END_TEST

int main(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, 64 << 20); /* the same memory for every trial */
    Suite *suite = suite_create("gate trials");
    TCase *tc    = tcase_create("trials");
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, planted_regressions_are_found, 0, N_SOURCES);
    tcase_add_loop_test(tc, identical_reruns_pass, 0, N_SOURCES);
    tcase_add_test(tc, few_runs_are_never_sure);
    tcase_add_test(tc, own_pool);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
