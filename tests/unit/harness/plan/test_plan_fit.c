/* Constants that were planted are found again; what is shipped predicts what was held out. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/plan/fit.h"
#include "harness/plan/parts.h"
#include "results/store/store.h"
#include "tests/unit/harness/plan/rig.h"

#define BASELINE "results/baselines/methods_h100.db"

START_TEST(two_constants_from_rows)
{
    double a[4] = {1, 1, 1, 1}, b[4] = {1e9, 2e9, 4e9, 1e12}, t[4], u, v, spread;
    for (int i = 0; i < 4; i++)
        t[i] = 3e-5 + b[i] / 5e11;
    sb_fit_two(a, b, t, 4, &u, &v, &spread);
    ck_assert_double_eq_tol(u, 3e-5, 1e-12);
    ck_assert_double_eq_tol(1 / v, 5e11, 1);
    ck_assert_double_lt(spread, 1e-9);
    sb_fit_two(a, b, t, 1, &u, &v, &spread); /* one row says nothing of a start */
    ck_assert_double_eq(u, 0);
    ck_assert_double_eq_tol(v * b[0], t[0], 1e-12);
    for (int i = 0; i < 4; i++) /* a negative start */
        t[i] = b[i] / 5e11 - 5e-4;
    sb_fit_two(a, b, t, 4, &u, &v, &spread);
    ck_assert_double_ge(u, 0);
    ck_assert_double_gt(v, 0);
    for (int i = 0; i < 4; i++) /* no work at all */
        t[i] = 2;
    sb_fit_two(a, b, t, 4, &u, &v, &spread);
    ck_assert_double_eq_tol(u, 2, 1e-9);
    ck_assert_double_lt(v * 1e12, 1e-9);
}
END_TEST

/* ---- planted constants ---- */

static const char PLANTED[] =
    "machine: planted\nbackend: cpu\nprocessor: none\nranks_per_host: 4\n"
    "memory: {host_gib: 8, source: spec, from: test}\n"
    "links:\n  - {name: inside, latency_s: 4e-6, bytes_per_s: 3e9, source: seed, from: test}\n"
    "  - {name: between, latency_s: 5e-5, bytes_per_s: 1e9, source: seed, from: test}\n"
    "costs:\n"
    "  - {phase: compute, method: dense, params: {impl: native}, rate: 7e10, start_s: 2e-5, "
    "source: seed, from: test}\n"
    "  - {phase: compute, method: dense, params: {impl: cudnn}, rate: 6e10, start_s: 1e-5, source: "
    "seed, from: test}\n"
    "  - {phase: compute, method: flexprefill, rate: 5e10, start_s: 1e-3, source: seed, from: "
    "test}\n"
    "  - {phase: estimate, method: flexprefill, rate: 3e10, start_s: 2e-4, source: seed, from: "
    "test}\n"
    "  - {phase: select, method: flexprefill, rate: 9e7, start_s: 1e-4, source: seed, from: test}\n"
    "  - {phase: prefill, method: any, rate: 2e6, start_s: 1e-3, source: seed, from: test}\n"
    "  - {phase: decode_token, method: any, rate: 4e9, start_s: 3e-4, source: seed, from: test}\n"
    "  - {phase: attention, method: any, rate: 0, start_s: 5e-5, source: seed, from: test}\n"
    "densities:\n"
    "  - {method: flexprefill, task: niah, tokens: [2K, 4K, 8K], share: [0.5, 0.3, 0.2], source: "
    "seed, from: test}\n";
static const char SEED[] =
    "machine: seed\nbackend: cpu\nprocessor: none\nranks_per_host: 4\n"
    "memory: {host_gib: 8, source: spec, from: test}\n"
    "links:\n  - {name: inside, latency_s: 1e-3, bytes_per_s: 1e12, source: seed, from: test}\n"
    "  - {name: between, latency_s: 1e-3, bytes_per_s: 1e12, source: seed, from: test}\n"
    "costs:\n  - {phase: compute, method: any, rate: 1e9, start_s: 1, source: seed, from: test}\n";

enum { N_ROWS = 18 };

/* What a database would hold had the planted machine run it. */
static void make_rows(const sb_machine *m, sb_stored_row *row, sb_stored *out)
{
    static const char *const methods[3][2] = {
        {"dense", "impl=native"}, {"dense", "impl=cudnn"}, {"flexprefill", ""}};
    *out = (sb_stored){.row = row};
    for (int k = 0; k < 3; k++)
        for (int64_t n = 2048; n <= 8192; n *= 2)
            for (int32_t R = 1; R <= 2; R++) {
                sb_stored_row *r = &row[out->n++];
                sb_prediction  p;
                r->c          = rig_case(methods[k][0], methods[k][1], k, n, R, SB_SCHEME_ALLGATHER,
                                         SB_LAYOUT_ZIGZAG, 2);
                r->task       = (char *)(uintptr_t) "niah";
                r->c.task     = r->task;
                r->params     = (void *)(uintptr_t)r->c.params;
                r->c.is_model = 1;
                r->c.decode_tokens = 1;
                p                  = rig_predict(m, &r->c);
                memcpy(r->seconds, p.seconds, sizeof r->seconds);
                /* a token's gather is no part of its own cost */
                if (R > 1)
                    r->seconds[SB_PHASE_DECODE_TOKEN] -= 2 * m->inside.latency_s;
                r->c.density = p.density;
            }
}

static const sb_cost *cost(const sb_machine *m, const char *phase, const char *method,
                           const char *json)
{
    for (int64_t i = 0; i < m->n_costs; i++) {
        const sb_cost *k = &m->costs[i];
        if (strcmp(sb_phase_name((sb_phase)k->phase), phase) == 0 &&
            strcmp(k->method == NULL ? "any" : k->method->name, method) == 0 &&
            (json == NULL || (k->params.n > 0 && strcmp(k->params.json[0], json) == 0)))
            return k;
    }
    ck_abort_msg("no %s %s", phase, method);
    return NULL;
}

static void same_cost(const sb_machine *a, const sb_machine *b, const char *phase,
                      const char *method, const char *json)
{
    const sb_cost *x = cost(a, phase, method, json), *y = cost(b, phase, method, json);
    ck_assert_msg(fabs(x->rate - y->rate) <= 1e-6 * x->rate, "%s %s: %g, planted %g", phase, method,
                  y->rate, x->rate);
    ck_assert_msg(fabs(x->start_s - y->start_s) <= 1e-6 * x->start_s + 1e-12,
                  "%s %s: start %g, planted %g", phase, method, y->start_s, x->start_s);
    ck_assert_int_eq(y->origin.source, SB_SOURCE_FITTED);
    ck_assert_int_gt(y->origin.rows, 0);
    ck_assert_double_lt(y->origin.spread, 1e-6);
}

static const sb_fit_options all_rows = {.from = "test.db", .densities_from = "test.db, lanes"};

START_TEST(fit_recovers_planted_constants)
{
    sb_machine   *planted = rig_parse(PLANTED), *seed = rig_parse(SEED);
    sb_stored_row row[N_ROWS] = {{.task = NULL}};
    sb_stored     rows;
    sb_fit        f;
    make_rows(planted, row, &rows);
    ck_assert_msg(sb_machine_fit(seed, &rows, &all_rows, &f) == SB_OK, "%s", sb_error_text());
    same_cost(planted, f.machine, "compute", "dense", "\"native\"");
    same_cost(planted, f.machine, "compute", "dense", "\"cudnn\"");
    same_cost(planted, f.machine, "compute", "flexprefill", NULL);
    same_cost(planted, f.machine, "estimate", "flexprefill", NULL);
    same_cost(planted, f.machine, "select", "flexprefill", NULL);
    same_cost(planted, f.machine, "prefill", "any", NULL);
    same_cost(planted, f.machine, "decode_token", "any", NULL);
    ck_assert_double_eq_tol(cost(f.machine, "attention", "any", NULL)->start_s, 5e-5, 1e-9);
    ck_assert_double_eq_tol(f.machine->inside.latency_s, 4e-6, 1e-9);
    ck_assert_double_eq_tol(f.machine->inside.bytes_per_s, 3e9, 1e4);
    ck_assert_double_eq(f.machine->between.bytes_per_s, 1e12); /* no row of two hosts: as it was */
    ck_assert_int_eq(f.machine->n_densities, 1);
    ck_assert_double_eq_tol(f.machine->densities[0].share[1], 0.3, 1e-12);
    /* and what it then predicts is what was stored */
    for (int64_t i = 0; i < rows.n; i++) {
        sb_plan_case c  = row[i].c;
        c.density       = 0;
        sb_prediction p = rig_predict(f.machine, &c);
        ck_assert_double_eq_tol(p.seconds[SB_PHASE_ATTENTION] / row[i].seconds[SB_PHASE_ATTENTION],
                                1, 1e-6);
    }
    sb_fit_fini(&f);
    sb_machine_free(planted);
    sb_machine_free(seed);
}
END_TEST

/* Ranks that wait for a slower one, a ring's hidden passes and states that wait for scans say
 * nothing of a link; nor do links of compute, when they alone are asked for. */
START_TEST(links_alone_from_what_moves_soonest)
{
    static const double GB = 1e9;
    enum { N = 6 };
    static const struct {
        sb_scheme scheme;
        int64_t   tokens;
        double    waits_s;
    } cases[N]             = {{SB_SCHEME_ALLGATHER, 2048, 0},  {SB_SCHEME_ALLGATHER, 2048, 0.5},
                              {SB_SCHEME_ULYSSES, 8192, 0.25}, {SB_SCHEME_ULYSSES, 8192, 0},
                              {SB_SCHEME_ALLGATHER, 8192, 0},  {SB_SCHEME_RING, 8192, 3}};
    sb_machine    *planted = rig_parse(PLANTED), *seed = rig_parse(SEED);
    sb_stored_row  row[N + 1] = {{.task = NULL}};
    sb_stored      rows       = {.row = row, .n = N + 1};
    sb_fit_options o          = {.from = "test.db", .densities_from = "", .links_alone = 1};
    sb_fit         f;
    for (int k = 0; k < N; k++) {
        row[k].c        = rig_case("dense", "impl=native", 0, cases[k].tokens, 2, cases[k].scheme,
                                   sb_layout_default(cases[k].scheme), 2);
        row[k].task     = (char *)(uintptr_t) "niah";
        sb_prediction p = rig_predict(planted, &row[k].c);
        memcpy(row[k].seconds, p.seconds, sizeof p.seconds);
        row[k].seconds[SB_PHASE_COMMUNICATE] += cases[k].waits_s;
    }
    row[N].c    = rig_case("lightning", "", 1, 8192, 2, SB_SCHEME_STATE, SB_LAYOUT_CONTIGUOUS, 2);
    row[N].task = (char *)(uintptr_t) "niah";
    row[N].seconds[SB_PHASE_COMMUNICATE] = 7;
    ck_assert_msg(sb_machine_fit(seed, &rows, &o, &f) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(f.n, 1);
    ck_assert_str_eq(f.change[0].what, "link inside");
    ck_assert_double_eq_tol(f.machine->inside.bytes_per_s / GB, planted->inside.bytes_per_s / GB,
                            1e-6);
    ck_assert_double_eq_tol(f.machine->inside.latency_s, planted->inside.latency_s, 1e-9);
    ck_assert_int_eq(f.machine->inside.origin.rows, 5);
    ck_assert_int_eq(f.machine->n_costs, seed->n_costs);
    ck_assert_double_eq(f.machine->costs[0].rate, seed->costs[0].rate);
    sb_fit_fini(&f);
    sb_machine_free(planted);
    sb_machine_free(seed);
}
END_TEST

/* What a ring computes longer than a gather is its merges; less than a tenth is noise. */
START_TEST(merges_from_rings_beside_gathers)
{
    enum { N = 6 };
    sb_machine    *planted = rig_parse(PLANTED), *seed = rig_parse(SEED);
    sb_stored_row  row[N] = {{.task = NULL}};
    sb_stored      rows   = {.row = row, .n = N};
    sb_fit_options o      = {.from = "test.db", .densities_from = "", .links_alone = 1};
    sb_fit         f;
    for (int k = 0; k < N; k++) {
        int in_ring = k % 2;
        row[k].c =
            rig_case("dense", k < 4 ? "impl=native" : "impl=cudnn", k / 4, k < 2 ? 2048 : 8192, 2,
                     in_ring ? SB_SCHEME_RING : SB_SCHEME_ALLGATHER, SB_LAYOUT_ZIGZAG, 2);
        row[k].task                = (char *)(uintptr_t) "niah";
        planted->merge.bytes_per_s = k < 4 ? 1e8 : 1e12; /* the last pair: as good as none */
        sb_prediction p            = rig_predict(planted, &row[k].c);
        memcpy(row[k].seconds, p.seconds, sizeof p.seconds);
    }
    row[N - 1].seconds[SB_PHASE_COMPUTE] *= 1.09;
    ck_assert_msg(sb_machine_fit(seed, &rows, &o, &f) == SB_OK, "%s", sb_error_text());
    ck_assert_str_eq(f.change[f.n - 1].what, "merge");
    ck_assert_double_eq_tol(f.machine->merge.bytes_per_s / 1e8, 1, 1e-4); /* of two starts */
    ck_assert_int_eq(f.machine->merge.origin.rows, 2);
    ck_assert_double_lt(f.machine->merge.origin.spread, 1e-4);
    sb_fit_fini(&f);
    sb_machine_free(planted);
    sb_machine_free(seed);
}
END_TEST

START_TEST(longer_samples_can_be_held_out)
{
    sb_machine    *planted = rig_parse(PLANTED), *seed = rig_parse(SEED);
    sb_stored_row  row[N_ROWS] = {{.task = NULL}};
    sb_stored      rows;
    sb_fit         f;
    sb_fit_options o = all_rows;
    make_rows(planted, row, &rows);
    for (int64_t i = 0; i < rows.n; i++)
        if (row[i].c.n_tokens == 8192)
            for (int ph = 0; ph < SB_PHASE_COUNT; ph++)
                row[i].seconds[ph] *= 100;
    o.up_to_tokens = 4096;
    ck_assert_int_eq(sb_machine_fit(seed, &rows, &o, &f), SB_OK);
    same_cost(planted, f.machine, "compute", "flexprefill", NULL);
    ck_assert_int_eq(f.machine->densities[0].n, 3);
    sb_fit_fini(&f);
    o.densities_up_to = 4096;
    ck_assert_int_eq(sb_machine_fit(seed, &rows, &o, &f), SB_OK);
    ck_assert_int_eq(f.machine->densities[0].n, 2);
    sb_fit_fini(&f);
    o.up_to_tokens = 100;
    ck_assert_int_eq(sb_machine_fit(seed, &rows, &o, &f), SB_ERR_USAGE);
    sb_machine_free(planted);
    sb_machine_free(seed);
}
END_TEST

START_TEST(a_written_machine_reads_back_equal)
{
    sb_machine *planted = rig_parse(PLANTED), *again;
    char       *text = NULL, *twice = NULL;
    size_t      n, k;
    FILE       *to = open_memstream(&text, &n);
    planted->merge = (sb_merge_cost){1.5e9, {SB_SOURCE_FITTED, "rings: \"a\"", 3, 0.125}};
    ck_assert_int_eq(sb_machine_write(planted, "one line\nanother", to), SB_OK);
    (void)fclose(to);
    again = rig_parse(text);
    to    = open_memstream(&twice, &k);
    ck_assert_int_eq(sb_machine_write(again, "one line\nanother", to), SB_OK);
    (void)fclose(to);
    ck_assert_str_eq(text, twice);
    ck_assert_int_eq(again->n_costs, planted->n_costs);
    ck_assert_double_eq(again->costs[2].rate, planted->costs[2].rate);
    ck_assert_double_eq(again->merge.bytes_per_s, 1.5e9);
    ck_assert_int_eq(again->merge.origin.rows, 3);
    free(text);
    free(twice);
    sb_machine_free(planted);
    sb_machine_free(again);
}
END_TEST

/* ---- what was measured ---- */

/* The stored runs, in a copy that is of this program's schema. */
static void read_baseline(sb_stored *rows)
{
    char      path[] = "/tmp/baseline_XXXXXX", buf[65536];
    int       fd     = mkstemp(path);
    FILE     *from   = fopen(BASELINE, "rb");
    sb_store *store  = NULL;
    ck_assert(fd >= 0 && from != NULL);
    for (size_t n; (n = fread(buf, 1, sizeof buf, from)) > 0;)
        ck_assert_int_eq(write(fd, buf, n), (ssize_t)n);
    (void)fclose(from);
    (void)close(fd);
    ck_assert_msg(sb_store_open(path, SB_STORE_WRITE, &store) == SB_OK, "%s", sb_error_text());
    sb_store_close(store);
    ck_assert_msg(sb_stored_read(path, SB_CUDA, SB_STATISTIC_MEDIAN, rows) == SB_OK, "%s",
                  sb_error_text());
    (void)unlink(path);
}

/* FLOP as plans counted them against the formulas of work.c; hip's are a mean over rows. */
START_TEST(formulas_are_those_of_the_plans)
{
    sb_stored rows;
    read_baseline(&rows);
    ck_assert_int_eq(rows.n, 51);
    ck_assert_int_eq(rows.n_left_out, 0);
    static const struct {
        const char *method, *param, *json;
        int64_t     n;
        double      flops; /* column f_est of the same database */
    } said[] = {{"flexprefill", "gamma", "0.95", 131072, 274886295552},
                {"xattention", "stride_tokens", "16", 8192, 17448304640},
                {"xattention", "stride_tokens", "8", 131072, 8804682956800},
                {"pbs_attn", "tau", "0.9", 131072, 279164485632},
                {"minference", "pattern", "\"block_sparse\"", 32768, 1075838976},
                {"minference", "slash_tokens", "2048", 131072, 137438953472},
                {"hip", "top_k_tokens", "512", 131072, 3692326649856},
                {"hip", "top_k_tokens", "2048", 32768, 1483367694336},
                {"anchor_attention", "theta", "12", 131072, 1959612383232}};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        int found = 0;
        for (int64_t k = 0; k < rows.n; k++) {
            const sb_plan_case *c = &rows.row[k].c;
            const sb_param     *p = sb_params_find(c->method->params, said[i].param);
            char                json[SB_PARAM_JSON_BYTES];
            if (strcmp(c->method->name, said[i].method) != 0 || c->n_tokens != said[i].n ||
                sb_param_json(p, c->params, json, sizeof json) != SB_OK ||
                strcmp(json, said[i].json) != 0)
                continue;
            double mine = sbi_work_of(c).estimate_flops;
            ck_assert_msg(fabs(mine / said[i].flops - 1) < 0.06, "%s %s: %g, counted %g",
                          said[i].method, said[i].json, mine, said[i].flops);
            found = 1;
        }
        ck_assert_msg(found, "%s %s", said[i].method, said[i].json);
    }
    sb_stored_fini(&rows);
}
END_TEST

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Rates from 8K and 32K tokens, densities from all lengths: 128K. */
START_TEST(held_out_lengths_are_predicted)
{
    sb_machine    *seed = NULL;
    sb_stored      rows;
    sb_fit         f;
    sb_fit_options o = all_rows;
    double         e[64];
    size_t         n = 0;
    ck_assert_int_eq(sb_plan_machine("h100", stderr, &seed), SB_OK);
    read_baseline(&rows);
    o.up_to_tokens = 32768;
    ck_assert_int_eq(sb_machine_fit(seed, &rows, &o, &f), SB_OK);
    for (int64_t i = 0; i < rows.n; i++) {
        sb_plan_case c = rows.row[i].c;
        if (c.n_tokens <= 32768)
            continue;
        c.density       = 0;
        sb_prediction p = rig_predict(f.machine, &c);
        e[n++] = fabs(p.seconds[SB_PHASE_ATTENTION] / rows.row[i].seconds[SB_PHASE_ATTENTION] - 1);
    }
    qsort(e, n, sizeof *e, by_size);
    ck_assert_uint_ge(n, 12);
    ck_assert_double_le(e[n / 2], 0.15);
    ck_assert_double_le(e[n - 1], 0.30);
    sb_fit_fini(&f);
    sb_stored_fini(&rows);
    sb_machine_free(seed);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("plan");
    TCase *t = tcase_create("fit");
    tcase_add_test(t, two_constants_from_rows);
    tcase_add_test(t, fit_recovers_planted_constants);
    tcase_add_test(t, links_alone_from_what_moves_soonest);
    tcase_add_test(t, merges_from_rings_beside_gathers);
    tcase_add_test(t, longer_samples_can_be_held_out);
    tcase_add_test(t, a_written_machine_reads_back_equal);
    tcase_add_test(t, formulas_are_those_of_the_plans);
    tcase_add_test(t, held_out_lengths_are_predicted);
    tcase_set_timeout(t, 60);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
