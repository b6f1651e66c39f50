/* Verdicts out of two small databases: every check, every verdict, and the reports byte by byte
 * (tests/golden/gate; SPAN_GOLDEN_WRITE=1 writes them anew). */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/gate/gate.h"
#include "tests/unit/results/facts.h"
#include "tests/unit/results/main.h"

static char  dir[256];
static char *paths[2];

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", facts_dir());
    paths[0] = strdup(facts_path(dir, "base.db"));
    paths[1] = strdup(facts_path(dir, "new.db"));
}

static void teardown(void)
{
    facts_remove(dir);
    free(paths[0]);
    free(paths[1]);
}

static const char *phases[] = {"attention"}, *kinds[] = {"arena_high_water"};

static sb_gate_rules rules_of(void)
{
    return (sb_gate_rules){.name            = "unit",
                           .inconclusive    = SB_GATE_EFFECT_WARN,
                           .alpha           = 0.05,
                           .margin          = 0.03,
                           .margin_mean     = 0.01,
                           .phases          = {phases, 1},
                           .latency_ratio   = 1.02,
                           .min_repetitions = 8,
                           .kinds           = {kinds, 1},
                           .memory_ratio    = 1.05,
                           .density_ratio   = 1.02};
}

/* What one side of a test holds. */
typedef struct plan {
    int64_t     n_runs, n_inputs, n_reps;
    int64_t     n_wrong;  /* of the method; dense is right */
    int64_t     shift;    /* input numbers begin here */
    double      slower;   /* the method's times */
    int64_t     bytes;    /* of memory; 0: none */
    int64_t     attended; /* of 1000 pairs; 0: no quality */
    int32_t     oversubscribed;
    const char *status, *commit, *task; /* of the method; NULL: ok, "c" */
    int         no_method, no_dense, other_outputs;
} plan;

static void put_samples(sb_store *s, const plan *p, int64_t run, int64_t run_no, const char *method)
{
    int     is_dense = strcmp(method, "dense") == 0;
    int64_t point    = facts_point(s, (sb_point_facts){.method = method, .task = p->task});
    for (int64_t i = 0; i < p->n_inputs; i++) {
        sb_timing_facts  times[32];
        sb_memory_facts  memory  = {"arena_high_water", p->bytes};
        sb_quality_facts quality = {.head         = -1,
                                    .def_version  = 1,
                                    .rho_num      = p->attended,
                                    .rho_den      = 1000,
                                    .rows_sampled = 1,
                                    .rows_total   = 1};
        double           right   = is_dense || i >= p->n_wrong;
        sb_sample_facts  f       = facts_ok(run, point, facts_input(s, i + p->shift), right, 10);
        for (int64_t k = 0; k < p->n_reps; k++) {
            int64_t wander =
                (run_no * 7919 + i * 104729 + k * 1299709 + is_dense * 15485863) % 1000;
            double ns = 1e6 + 10 * (double)wander;
            times[k]  = (sb_timing_facts){-1, "attention", (int32_t)k, 0,
                                          (int64_t)(is_dense ? ns : ns * p->slower / 2)};
        }
        f.timings    = times;
        f.n_timings  = p->n_reps;
        f.memory     = p->bytes > 0 ? &memory : NULL;
        f.n_memory   = p->bytes > 0;
        f.quality    = p->attended > 0 && !is_dense ? &quality : NULL;
        f.n_quality  = p->attended > 0 && !is_dense;
        f.prediction = right ? "A B" : "?";
        if (p->other_outputs)
            f.plan_digest = "0f";
        if (!is_dense && p->status != NULL) {
            f.status = p->status;
            f.error  = "why it did not";
            f.score  = 0;
            if (strcmp(p->status, "failed") != 0) {
                f.metric = f.prediction = NULL;
                f.n_hits                = 0;
            }
            f.n_timings = f.n_memory = f.n_quality = 0;
            f.plan_digest                          = NULL;
        }
        facts_put(s, &f);
    }
}

static void make(const char *path, const plan *p)
{
    sb_store *s = facts_open(path, SB_STORE_WRITE);
    for (int64_t r = 0; r < p->n_runs; r++) {
        int64_t run = facts_run(s, p->commit == NULL ? "c" : p->commit, p->oversubscribed);
        if (!p->no_dense)
            put_samples(s, p, run, r, "dense");
        if (!p->no_method)
            put_samples(s, p, run, r, "hip");
    }
    sb_store_close(s);
}

static plan sound(void)
{
    return (plan){
        .n_runs = 6, .n_inputs = 20, .n_reps = 4, .slower = 1, .bytes = 1000, .attended = 100};
}

static sb_gate_report *compare_by(const sb_gate_rules *rules, const char *commit_base,
                                  const char *commit_new)
{
    sb_store *s[2]    = {facts_open(paths[0], SB_STORE_READ), facts_open(paths[1], SB_STORE_READ)};
    sb_gate_report *r = NULL;
    FACTS_OK(sb_gate_compare(rules, &(sb_gate_source){s[0], commit_base, "base.db"},
                             &(sb_gate_source){s[1], commit_new, "new.db"}, &r));
    sb_store_close(s[0]);
    sb_store_close(s[1]);
    return r;
}

static sb_gate_report *compare(const plan *base, const plan *new)
{
    sb_gate_rules rules = rules_of();
    make(paths[0], base);
    make(paths[1], new);
    return compare_by(&rules, NULL, NULL);
}

static const sb_gate_finding *find(const sb_gate_report *r, sb_gate_check check, const char *method)
{
    const sb_gate_finding *hit = NULL;
    for (int64_t i = 0; i < r->n_findings; i++)
        if (r->findings[i].check == check &&
            strncmp(r->findings[i].cell, method, strlen(method)) == 0) {
            ck_assert_ptr_null(hit);
            hit = &r->findings[i];
        }
    ck_assert_msg(hit != NULL, "no finding %s of %s", sb_gate_check_names[check], method);
    return hit;
}

static void expect(const sb_gate_report *r, sb_gate_check check, const char *method,
                   sb_gate_verdict verdict, const char *evidence)
{
    const sb_gate_finding *f = find(r, check, method);
    ck_assert_msg(f->verdict == verdict && strstr(f->evidence, evidence) != NULL, "%s: %s: %s",
                  sb_gate_check_names[check], sb_gate_verdict_names[f->verdict], f->evidence);
}

START_TEST(equal_sides_pass)
{
    plan            p = sound();
    sb_gate_report *r = compare(&p, &p);
    ck_assert_int_eq(r->passed, 1);
    ck_assert_int_eq(r->n_cells, 2);
    ck_assert_int_eq(r->counts[SB_GATE_PASS], r->n_findings);
    expect(r, SB_GATE_COVERAGE, "hip", SB_GATE_PASS, "all 20 inputs");
    expect(r, SB_GATE_ACCURACY, "hip", SB_GATE_PASS, "all 20 outputs and selections are the same");
    expect(r, SB_GATE_LATENCY, "hip", SB_GATE_PASS, "beside dense");
    expect(r, SB_GATE_LATENCY, "dense", SB_GATE_PASS, "no anchor");
    expect(r, SB_GATE_MEMORY, "hip", SB_GATE_PASS, "ratio 1.0000");
    expect(r, SB_GATE_DENSITY, "hip", SB_GATE_PASS, "ratio 1.0000");
    sb_gate_report_free(r);
}
END_TEST

START_TEST(each_regression_is_told_apart)
{
    plan base = sound(), new = sound();
    new.n_wrong       = 6;
    new.slower        = 1.05;
    new.bytes         = 1060;
    new.attended      = 103;
    sb_gate_report *r = compare(&base, &new);
    ck_assert_int_eq(r->passed, 0);
    ck_assert_int_eq(r->n_breaks, 5); /* memory of dense, too */
    expect(r, SB_GATE_ACCURACY, "hip", SB_GATE_FAIL, "1.0000 -> 0.7000, difference -0.3000");
    expect(r, SB_GATE_LATENCY, "hip", SB_GATE_FAIL, "ratio 1.05");
    expect(r, SB_GATE_MEMORY, "hip", SB_GATE_FAIL, "ratio 1.0600");
    expect(r, SB_GATE_DENSITY, "hip", SB_GATE_FAIL, "ratio 1.0300");
    expect(r, SB_GATE_ACCURACY, "dense", SB_GATE_PASS, "");
    expect(r, SB_GATE_LATENCY, "dense", SB_GATE_PASS, "");
    /* one-sided exact McNemar of (6, 0): 2^-6 */
    ck_assert_double_eq_tol(find(r, SB_GATE_ACCURACY, "hip")->p, 1.0 / 64, 1e-12);
    sb_gate_report_free(r);
}
END_TEST

START_TEST(what_is_gone_is_missing)
{
    plan base = sound(), new = sound();
    new.no_method     = 1;
    sb_gate_report *r = compare(&base, &new);
    expect(r, SB_GATE_COVERAGE, "hip", SB_GATE_MISSING, "none of the baseline's 20 inputs");
    ck_assert_int_eq(r->passed, 0);
    sb_gate_report_free(r);
    sb_gate_rules warn = rules_of();
    warn.missing       = SB_GATE_EFFECT_WARN;
    r                  = compare_by(&warn, NULL, NULL);
    ck_assert_int_eq(r->passed, 1);
    sb_gate_report_free(r);
}
END_TEST

START_TEST(fewer_inputs_are_missing)
{
    plan base = sound(), new = sound();
    new.n_inputs      = 15;
    sb_gate_report *r = compare(&base, &new);
    expect(r, SB_GATE_COVERAGE, "hip", SB_GATE_MISSING,
           "5 of the baseline's 20 inputs were not run");
    expect(r, SB_GATE_LATENCY, "hip", SB_GATE_PASS, "beside dense"); /* over the 15 in common */
    sb_gate_report_free(r);
}
END_TEST

START_TEST(other_inputs_are_never_paired)
{
    plan base = sound(), new = sound();
    new.shift         = 1000;
    sb_gate_report *r = compare(&base, &new);
    expect(r, SB_GATE_COVERAGE, "hip", SB_GATE_MISSING, "20 of the baseline's 20 inputs");
    for (int64_t i = 0; i < r->n_findings; i++)
        ck_assert(r->findings[i].check == SB_GATE_COVERAGE ||
                  r->findings[i].verdict == SB_GATE_INCONCLUSIVE);
    sb_gate_report_free(r);
}
END_TEST

START_TEST(what_no_longer_runs_fails)
{
    static const char *const ways[] = {"failed", "unsupported", "no_fit"};
    plan                     base = sound(), new = sound();
    new.status        = ways[_i];
    sb_gate_report *r = compare(&base, &new);
    expect(r, SB_GATE_COVERAGE, "hip", SB_GATE_FAIL, "20 of 20 inputs that were ok no longer are");
    expect(r, SB_GATE_COVERAGE, "hip", SB_GATE_FAIL, ways[_i]);
    expect(r, SB_GATE_COVERAGE, "hip", SB_GATE_FAIL, "why it did not");
    ck_assert_int_eq(r->passed, 0);
    sb_gate_report_free(r);
}
END_TEST

START_TEST(few_repetitions_decide_nothing)
{
    plan base = sound(), new = sound();
    base.n_runs = new.n_runs = 1;
    base.n_inputs = new.n_inputs = 1;
    base.n_reps = new.n_reps = 3;
    new.slower               = 3;
    sb_gate_report *r        = compare(&base, &new);
    expect(r, SB_GATE_LATENCY, "hip", SB_GATE_INCONCLUSIVE,
           "too few repetitions: 3 and 3 usable, at least 8");
    ck_assert_int_eq(r->passed, 1); /* inconclusive: warn */
    sb_gate_report_free(r);
    sb_gate_rules strict = rules_of();
    strict.inconclusive  = SB_GATE_EFFECT_FAIL;
    r                    = compare_by(&strict, NULL, NULL);
    ck_assert_int_eq(r->passed, 0);
    sb_gate_report_free(r);
}
END_TEST

START_TEST(one_run_needs_its_noise)
{
    plan base = sound(), new = sound();
    base.n_runs = new.n_runs = 1;
    new.slower               = 1.2;
    sb_gate_report *r        = compare(&base, &new);
    expect(r, SB_GATE_LATENCY, "hip", SB_GATE_INCONCLUSIVE,
           "a verdict takes 4 runs a side, or run_noise");
    sb_gate_report_free(r);
    sb_gate_rules known = rules_of();
    known.run_noise     = 0.01;
    r                   = compare_by(&known, NULL, NULL);
    expect(r, SB_GATE_LATENCY, "hip", SB_GATE_FAIL, "ratio 1.20");
    expect(r, SB_GATE_LATENCY, "dense", SB_GATE_INCONCLUSIVE, "a verdict takes");
    sb_gate_report_free(r);
    known.run_noise = 0.2; /* as much as the regression itself */
    r               = compare_by(&known, NULL, NULL);
    expect(r, SB_GATE_LATENCY, "hip", SB_GATE_INCONCLUSIVE, "ratio 1.20");
    sb_gate_report_free(r);
}
END_TEST

START_TEST(times_that_cannot_be_compared)
{
    plan base = sound(), new = sound();
    new.oversubscribed = 1;
    sb_gate_report *r  = compare(&base, &new);
    expect(r, SB_GATE_LATENCY, "hip", SB_GATE_INCONCLUSIVE, "oversubscribed");
    sb_gate_report_free(r);
}
END_TEST

START_TEST(without_dense_times_stand_alone)
{
    plan base = sound(), new = sound();
    base.no_dense = new.no_dense = 1;
    sb_gate_report *r            = compare(&base, &new);
    expect(r, SB_GATE_LATENCY, "hip", SB_GATE_PASS, "no anchor: times as they are");
    sb_gate_report_free(r);
}
END_TEST

/* A loss that the pairs cannot tell from chance, and equal scores by other selections. */
START_TEST(small_samples_are_undecided)
{
    plan base = sound(), new = sound();
    new.n_wrong       = 2;
    sb_gate_report *r = compare(&base, &new);
    expect(r, SB_GATE_ACCURACY, "hip", SB_GATE_INCONCLUSIVE, "20 pairs: 2 worse, 0 better");
    sb_gate_report_free(r);
    (void)remove(paths[1]);
    new               = sound();
    new.other_outputs = 1;
    make(paths[1], &new);
    sb_gate_rules rules = rules_of();
    r                   = compare_by(&rules, NULL, NULL);
    expect(r, SB_GATE_ACCURACY, "hip", SB_GATE_INCONCLUSIVE,
           "difference +0.0000"); /* 20 pairs resolve 16 points */
    sb_gate_report_free(r);
}
END_TEST

START_TEST(empty_baseline_never_passes)
{
    plan            none = {0}, p = sound();
    sb_gate_report *r = compare(&none, &p);
    ck_assert_int_eq(r->n_findings, 0);
    ck_assert_int_eq(r->passed, 0);
    ck_assert_int_eq(r->n_unmatched_new, 2);
    sb_gate_report_free(r);
}
END_TEST

START_TEST(two_commits_of_one_database)
{
    plan p   = sound();
    p.commit = "one";
    make(paths[0], &p);
    p.commit = "two";
    p.slower = 1.1;
    make(paths[0], &p);
    make(paths[1], &p);
    sb_gate_rules   rules = rules_of();
    sb_store       *s     = facts_open(paths[0], SB_STORE_READ);
    sb_gate_report *r     = NULL;
    FACTS_OK(sb_gate_compare(&rules, &(sb_gate_source){s, "one", "x.db"},
                             &(sb_gate_source){s, "two", "x.db"}, &r));
    expect(r, SB_GATE_LATENCY, "hip", SB_GATE_FAIL, "ratio 1.1");
    ck_assert_str_eq(r->base, "x.db, commit one");
    sb_gate_report_free(r);
    sb_store_close(s);
    /* without a commit, times are those of the newest one */
    r = compare_by(&rules, NULL, NULL);
    expect(r, SB_GATE_LATENCY, "hip", SB_GATE_PASS, "in 6 and 6 runs");
    sb_gate_report_free(r);
}
END_TEST

START_TEST(cells_have_their_own_bounds)
{
    plan base = sound(), new = sound();
    new.slower = 1.1;
    new.bytes  = 2000;
    make(paths[0], &base);
    make(paths[1], &new);
    const char      *hip[] = {"hip"}, *other[] = {"xattention"};
    int64_t          length[] = {1024};
    sb_gate_override o[]      = {{.methods       = {hip, 1},
                                  .lengths       = {length, 1},
                                  .margin        = NAN,
                                  .latency_ratio = 1.2,
                                  .memory_ratio  = NAN,
                                  .density_ratio = NAN,
                                  .skip          = 1u << SB_GATE_MEMORY},
                                 {.methods       = {other, 1},
                                  .margin        = NAN,
                                  .latency_ratio = 1.0,
                                  .memory_ratio  = NAN,
                                  .density_ratio = NAN}};
    sb_gate_rules    rules    = rules_of();
    rules.overrides           = o;
    rules.n_overrides         = 2;
    sb_gate_report *r         = compare_by(&rules, NULL, NULL);
    expect(r, SB_GATE_LATENCY, "hip", SB_GATE_PASS, "at most 1.2");
    expect(r, SB_GATE_MEMORY, "dense", SB_GATE_FAIL, "ratio 2.0000");
    for (int64_t i = 0; i < r->n_findings; i++)
        ck_assert(r->findings[i].check != SB_GATE_MEMORY ||
                  strncmp(r->findings[i].cell, "hip", 3) != 0);
    sb_gate_report_free(r);
}
END_TEST

/* Cells are called as the report calls them: parameters that differ on either side, no others. */
START_TEST(labels_are_short)
{
    static const char *const settings[] = {"{\"align\":1,\"top_k_tokens\":512}",
                                           "{\"align\":1,\"top_k_tokens\":64}"};
    static const char *const expected[] = {
        "dense | operator alone, 8/2 heads of 64, synthetic random 1024 | cpu allgather/zigzag x1",
        "hip top_k_tokens=512 | operator alone, 8/2 heads of 64, synthetic random 1024 | cpu "
        "allgather/zigzag x1"};
    for (int side = 0; side < 2; side++) { /* base has 512 alone, new has both */
        sb_store *s   = facts_open(paths[side], SB_STORE_WRITE);
        int64_t   run = facts_run(s, "c", 0);
        for (int m = 0; m < 2 + side; m++) {
            sb_sample_facts f = facts_ok(
                run,
                facts_point(s, (sb_point_facts){.method      = m == 0 ? "dense" : "hip",
                                                .method_json = m == 0 ? "{}" : settings[m - 1],
                                                .model       = "none",
                                                .model_json  = "{\"head_dim\":64,"
                                                               "\"heads\":8,"
                                                               "\"kv_heads\":2}",
                                                .suite       = "synthetic",
                                                .task        = "random"}),
                facts_input(s, 0), 1, 1000);
            facts_put(s, &f);
        }
        sb_store_close(s);
    }
    sb_gate_rules   rules   = rules_of();
    sb_gate_report *r       = compare_by(&rules, NULL, NULL);
    int             seen[2] = {0, 0};
    for (int64_t i = 0; i < r->n_findings; i++) {
        int k = strncmp(r->findings[i].cell, "hip", 3) == 0;
        ck_assert_str_eq(r->findings[i].cell, expected[k]);
        seen[k]++;
    }
    ck_assert(seen[0] > 0 && seen[1] > 0);
    sb_gate_report_free(r);
}
END_TEST

START_TEST(means_over_tasks)
{
    static const char *const tasks[] = {"niah_single", "vt", "cwe"};
    for (int side = 0; side < 2; side++)
        for (int t = 0; t < 3; t++) {
            plan p    = sound();
            p.n_runs  = 1;
            p.task    = tasks[t];
            p.n_wrong = side * 3; /* 3 of 20 in each task: not shown alone, shown together */
            make(paths[side], &p);
        }
    sb_gate_rules   rules = rules_of();
    sb_gate_report *r     = compare_by(&rules, NULL, NULL);
    expect(r, SB_GATE_ACCURACY_MEAN, "hip", SB_GATE_FAIL, "60 pairs: 9 worse");
    expect(r, SB_GATE_ACCURACY_MEAN, "dense", SB_GATE_PASS, "the same");
    for (int64_t i = 0; i < r->n_findings; i++)
        ck_assert(r->findings[i].check != SB_GATE_ACCURACY ||
                  r->findings[i].verdict != SB_GATE_FAIL);
    sb_gate_report_free(r);
}
END_TEST

/* ---- reports ---- */
typedef sb_status (*writer)(const sb_gate_report *r, FILE *out);
static sb_status text(const sb_gate_report *r, FILE *out)
{
    return sb_gate_write_text(r, SB_GATE_BRIEF, out);
}
static sb_status markdown(const sb_gate_report *r, FILE *out)
{
    return sb_gate_write_markdown(r, SB_GATE_EVERY, out);
}

static void golden(const sb_gate_report *r, writer write, const char *path)
{
    char  *got = NULL, *want = NULL;
    size_t n = 0, room = 0;
    FILE  *out = open_memstream(&got, &n);
    FACTS_OK(write(r, out));
    (void)fclose(out);
    if (getenv("SPAN_GOLDEN_WRITE") != NULL) {
        FILE *to = fopen(path, "w");
        ck_assert(to != NULL && fwrite(got, 1, n, to) == n && fclose(to) == 0);
    }
    FILE *in = fopen(path, "r");
    ck_assert_msg(in != NULL, "%s", path);
    ssize_t m = getdelim(&want, &room, '\0', in);
    (void)fclose(in);
    ck_assert_msg(m == (ssize_t)n && memcmp(got, want, n) == 0, "%s differs:\n%s", path, got);
    free(got);
    free(want);
}

START_TEST(reports_are_as_recorded)
{
    plan base = sound(), new = sound();
    new.n_wrong       = 6;
    new.slower        = 1.05;
    new.attended      = 103;
    new.n_inputs      = 19;
    sb_gate_report *r = compare(&base, &new);
    golden(r, text, "tests/golden/gate/report.txt");
    golden(r, sb_gate_write_junit, "tests/golden/gate/report.xml");
    golden(r, markdown, "tests/golden/gate/report.md");
    sb_gate_report_free(r);
}
END_TEST

/* Names come out of databases that others made. */
START_TEST(reports_escape_names)
{
    char            hostile[] = "<a & \"b\">|\x01\xff`c`";
    sb_gate_finding f         = {.cell     = hostile,
                                 .what     = hostile,
                                 .hash     = "0f",
                                 .evidence = hostile,
                                 .breaks   = 1,
                                 .verdict  = SB_GATE_FAIL};
    sb_gate_report  report    = {.gate       = hostile,
                                 .base       = hostile,
                                 .new        = hostile,
                                 .findings   = &f,
                                 .n_findings = 1},
                   *r         = &report;
    char  *got                = NULL;
    size_t n                  = 0;
    FILE  *out                = open_memstream(&got, &n);
    FACTS_OK(sb_gate_write_junit(r, out));
    (void)fflush(out);
    ck_assert_ptr_nonnull(strstr(got, "&lt;a &amp; &quot;b&quot;&gt;|\xef\xbf\xbd\xef\xbf\xbd`c`"));
    FACTS_OK(sb_gate_write_markdown(r, SB_GATE_EVERY, out));
    (void)fclose(out);
    ck_assert_ptr_nonnull(strstr(got, "&lt;a &amp; \"b\">\\|"));
    free(got);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gate");
    TCase *tc    = tcase_create("gate");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, equal_sides_pass);
    tcase_add_test(tc, each_regression_is_told_apart);
    tcase_add_test(tc, what_is_gone_is_missing);
    tcase_add_test(tc, fewer_inputs_are_missing);
    tcase_add_test(tc, other_inputs_are_never_paired);
    tcase_add_loop_test(tc, what_no_longer_runs_fails, 0, 3);
    tcase_add_test(tc, few_repetitions_decide_nothing);
    tcase_add_test(tc, one_run_needs_its_noise);
    tcase_add_test(tc, times_that_cannot_be_compared);
    tcase_add_test(tc, without_dense_times_stand_alone);
    tcase_add_test(tc, small_samples_are_undecided);
    tcase_add_test(tc, empty_baseline_never_passes);
    tcase_add_test(tc, two_commits_of_one_database);
    tcase_add_test(tc, cells_have_their_own_bounds);
    tcase_add_test(tc, labels_are_short);
    tcase_add_test(tc, means_over_tasks);
    tcase_add_test(tc, reports_are_as_recorded);
    tcase_add_test(tc, reports_escape_names);
    suite_add_tcase(suite, tc);
    return run_suite(suite);
}
