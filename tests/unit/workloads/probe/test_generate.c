/* Inputs as a function of their request: nothing else decides them; every request gives a
 * well-formed input or a clear error. */
#include "kernels/base/rng.h"
#include "tests/unit/workloads/case.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_TASKS 8

static const char *task_name(int i) { return sb_tasks[i]->name; }

START_TEST(registry)
{
    static const char *const names[N_TASKS] = {"niah_single",
                                               "niah_multikey",
                                               "niah_multivalue",
                                               "niah_multiquery",
                                               "vt",
                                               "qa_2hop",
                                               "cwe",
                                               "fwe"};
    for (int i = 0; i < N_TASKS; i++) {
        ck_assert_str_eq(sb_tasks[i]->suite, "probe");
        ck_assert_ptr_eq(sb_task_find("probe", names[i]), sb_tasks[i]);
        ck_assert_str_eq(task_name(i), names[i]);
        ck_assert_ptr_nonnull(sb_tasks[i]->summary);
        ck_assert_uint_eq(sb_tasks[i]->params_bytes, sizeof(sb_probe_task_params));
    }
    ck_assert_ptr_null(sb_tasks[N_TASKS]);
    ck_assert_ptr_null(sb_task_find("probe", "niah"));
    ck_assert_ptr_null(sb_task_find("ruler", "vt"));
    ck_assert_int_eq(sb_suite_exists("probe"), 1);
    ck_assert_int_eq(sb_suite_exists("ruler"), 0);
}
END_TEST

START_TEST(defaults_are_the_specs)
{
    sb_probe_task_params p = params_default();
    ck_assert_int_eq(p.distractors, 4);
    ck_assert_int_eq(p.hops, 4);
    ck_assert_double_eq(p.cwe_ratio, 1.5);
    ck_assert_int_eq(p.burst_tokens, 8);
}
END_TEST

START_TEST(metrics_and_chance)
{
    sb_probe_task_params p               = params_default();
    const double         v               = 1.0 / 4096;
    const double         chance[N_TASKS] = {v * v / 128, v * v / 128, 4 * v * v / 128, v * v / 128,
                                            5.0 / 128,   v * v,       10.0 / 128,      3.0 / 128};
    static const char *const metric[N_TASKS] = {
        "exact@1",        "exact@1", "fraction_set@1", "fraction_ordered@1",
        "fraction_set@1", "exact@1", "fraction_set@1", "fraction_set@1"};
    for (int i = 0; i < N_TASKS; i++) {
        ck_assert_double_eq(sb_tasks[i]->chance(&p), chance[i]);
        ck_assert_str_eq(sb_tasks[i]->metric->name, metric[i]);
    }
    p.hops = 8;
    ck_assert_double_eq(sb_task_find("probe", "vt")->chance(&p), 9.0 / 128);
}
END_TEST

/* ---- determinism ---- */

/* Row r alone, in a set, in reverse, between other tasks: always the same input [workloads 5 (i)].
 */
START_TEST(a_row_does_not_depend_on_its_set)
{
    sb_input set[6];
    for (int64_t r = 0; r < 6; r++)
        set[r] = make_row(task_name(_i), 1500, r);
    for (int64_t r = 5; r >= 0; r--) {
        sb_input other = make_row(task_name((_i + 3) % N_TASKS), 2000, r);
        sb_input again = make_row(task_name(_i), 1500, r);
        ck_assert(inputs_equal(&again, &set[r]));
        ck_assert_int_eq(again.row, r);
        sb_input_fini(&again);
        sb_input_fini(&other);
    }
    for (int r = 0; r < 6; r++)
        for (int q = 0; q < r; q++)
            ck_assert_str_ne(set[r].sha256, set[q].sha256);
    for (int r = 0; r < 6; r++)
        sb_input_fini(&set[r]);
}
END_TEST

START_TEST(seed_task_length_and_corpus_matter)
{
    request  base = request_of("niah_single", 1024, 0), other;
    sb_input a    = make(&base), b;
#define DIFFERS(change)                                                                            \
    do {                                                                                           \
        other = base;                                                                              \
        change;                                                                                    \
        b = make(&other);                                                                          \
        ck_assert_str_ne(a.sha256, b.sha256);                                                      \
        sb_input_fini(&b);                                                                         \
    } while (0)
    DIFFERS(other.seed = 43);
    DIFFERS(other.seed = UINT64_MAX);
    DIFFERS(other.length = 1025);
    DIFFERS(other.task = "niah_multikey");
    DIFFERS(other.corpus = FIXTURE_CORPUS);
    DIFFERS(other.params.hops = 3);
    sb_input_fini(&a);
}
END_TEST

/* Frozen: a change here needs a new SB_PROBE_VERSION. */
START_TEST(golden)
{
    static const struct {
        const char *task;
        int64_t     length, row;
        const char *corpus, *sha256;
    } want[] = {
#include "tests/golden/probe_inputs.h"
    };
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        request r   = request_of(want[i].task, want[i].length, want[i].row);
        r.corpus    = want[i].corpus;
        sb_input in = make(&r);
        if (strcmp(in.sha256, want[i].sha256) != 0)
            ck_abort_msg("{\"%s\", %lld, %lld, %s, \"%s\"},", r.task, (long long)r.length,
                         (long long)r.row, r.corpus != NULL ? "FIXTURE_CORPUS" : "NULL", in.sha256);
        sb_input_fini(&in);
    }
}
END_TEST

/* ---- lengths and parameters ---- */

START_TEST(the_floor_of_length_is_exact)
{
    const sb_task *t = sb_tasks[_i];
    ck_assert_int_eq(t->min_length(&(sb_probe_task_params){4, 4, 1.5, 8}), t->min_length_tokens);
    sb_input out = {0};
    request  r   = request_of(t->name, t->min_length_tokens, 0);
    sb_input in  = make(&r);
    ck_assert_int_le(t->min_length_tokens, 1000);
    sb_input_fini(&in);
    r.length--;
    ck_assert_int_eq(try_make(&r, &out), SB_ERR_USAGE);
    char want[128];
    (void)snprintf(want, sizeof want, "probe/%s: context too small: needs %lld, has %lld tokens",
                   t->name, (long long)r.length + 1, (long long)r.length);
    ck_assert_str_eq(sb_error_text(), want);
    ck_assert_ptr_null(out.ids); /* unchanged */
}
END_TEST

/* Parameters at their ends, lengths small: either it works, or the error names the length from
 * which on it does. */
START_TEST(extreme_parameters)
{
    static const int64_t distractors[] = {0, 8}, hops[] = {1, 8}, bursts[] = {1, 3, INT64_MAX};
    static const double  ratios[]  = {1.0001, 1.3, 2, 1000};
    static const int64_t lengths[] = {65, 300, 1024, 1300, 2112, 4160, 8256};
    for (int k = 0; k < 2 * 2 * 3 * 4 * 7; k++) {
        request  r            = request_of(task_name(_i), lengths[k % 7], k);
        sb_input in           = {0};
        r.params.distractors  = distractors[k / 7 % 2];
        r.params.hops         = hops[k / 14 % 2];
        r.params.burst_tokens = bursts[k / 28 % 3];
        r.params.cwe_ratio    = ratios[k / 84 % 4];
        if (try_make(&r, &in) != SB_OK) {
            const char *at = strstr(sb_error_text(), "needs ");
            ck_assert_ptr_nonnull(at);
            int64_t need = strtoll(at + 6, NULL, 10);
            ck_assert_int_eq(need, sb_tasks[_i]->min_length(&r.params));
            ck_assert_int_gt(need, r.length);
            if (need > 1 << 14)
                continue; /* cwe_ratio 1000 asks for more than the test wants to make */
            r.length = need - 1;
            ck_assert_int_eq(try_make(&r, &in), SB_ERR_USAGE);
            r.length = need;
            in       = make(&r);
        }
        ck_assert_int_ge(r.length, sb_tasks[_i]->min_length(&r.params));
        ck_assert_int_eq(in.n_tokens, r.length);
        int outside = 0;
        for (int64_t i = 0; i < in.n_tokens; i++)
            outside += in.ids[i] < 0 || in.ids[i] >= SB_TOK_VOCAB;
        ck_assert_int_eq(outside, 0);
        sb_input_fini(&in);
    }
}
END_TEST

START_TEST(huge_ratio_needs_a_huge_context)
{
    request  r         = request_of("cwe", 4096, 0);
    sb_input in        = {0};
    r.params.cwe_ratio = 1e300;
    ck_assert_int_gt(sb_task_find("probe", "cwe")->min_length(&r.params), INT64_C(1) << 50);
    ck_assert_int_eq(try_make(&r, &in), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "context too small"));
    r.params.cwe_ratio = 1e6;
    ck_assert_int_eq(try_make(&r, &in), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "needs 10000183, has 4096"));
}
END_TEST

START_TEST(bad_requests_are_refused)
{
    static const int64_t lengths[] = {INT64_MIN, -1, 0, 1, 63, 64, (1 << 28) + 1, INT64_MAX};
    request              good      = request_of(task_name(_i), 1024, 0), r;
    sb_input             in        = {0};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        r        = good;
        r.length = lengths[i];
        ck_assert_int_eq(try_make(&r, &in), SB_ERR_USAGE);
        ck_assert_ptr_nonnull(strstr(sb_error_text(), task_name(_i)));
    }
#define REFUSED(change)                                                                            \
    do {                                                                                           \
        r = good;                                                                                  \
        change;                                                                                    \
        ck_assert_int_eq(try_make(&r, &in), SB_ERR_USAGE);                                         \
        ck_assert_ptr_null(in.ids);                                                                \
    } while (0)
    REFUSED(r.row = -1);
    REFUSED(r.params.distractors = 9);
    REFUSED(r.params.distractors = -1);
    REFUSED(r.params.hops = 0);
    REFUSED(r.params.hops = 9);
    REFUSED(r.params.cwe_ratio = 1);
    REFUSED(r.params.cwe_ratio = (double)NAN);
    REFUSED(r.params.burst_tokens = 0);
    sb_gen_req none = {.length_tokens = 1024};
    ck_assert_int_eq(sb_tasks[_i]->generate(sb_tasks[_i], &none, &in), SB_ERR_INTERNAL);
}
END_TEST

START_TEST(odd_lengths)
{
    static const int64_t lengths[] = {913, 997, 1000, 1023, 1025, 4095, 4097, 12345, 65521};
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        sb_input in = make_row(task_name(_i), lengths[i], 7);
        ck_assert_int_eq(in.n_tokens, lengths[i]);
        ck_assert_int_eq(in.n_context, lengths[i] - 64);
        sb_input_fini(&in);
    }
}
END_TEST

/* ---- filler ---- */

/* Text runs on in order of place, round the corpus, across the items. */
START_TEST(text_filler_is_the_corpus_in_order)
{
    request    r = request_of(task_name(_i), 6000, 2);
    sb_corpus *c;
    int64_t    at = -1, seen = 0;
    r.corpus    = FIXTURE_CORPUS;
    sb_input in = make(&r);
    ck_assert_int_eq(sb_corpus_open(FIXTURE_CORPUS, &c), SB_OK);
    int32_t *want = malloc((size_t)c->n_words * sizeof *want);
    int32_t *got  = malloc((size_t)in.n_tokens * sizeof *got);
    ck_assert(want != NULL && got != NULL);
    for (int64_t i = 0; i < c->n_words; i++)
        want[i] = SB_TOK_FILL + (int32_t)(sb_mix(c->word_hash[i]) % 4096);
    for (int64_t i = 0; i < in.n_tokens; i++)
        if (is_filler(in.ids[i]))
            got[seen++] = in.ids[i];
    ck_assert_int_gt(seen, 60);
    for (int64_t s = 0; s < c->n_words && at < 0; s++) {
        int64_t k = 0;
        while (k < seen && got[k] == want[(s + k) % c->n_words])
            k++;
        if (k == seen)
            at = s;
    }
    ck_assert_int_ge(at, 0);
    free(want);
    free(got);
    sb_corpus_close(c);
    sb_input_fini(&in);
}
END_TEST

/* Items, places and answers do not depend on where filler comes from. */
START_TEST(corpus_changes_filler_only)
{
    int64_t  other = 0;
    request  r     = request_of(task_name(_i), 5000, 9);
    sb_input a     = make(&r);
    r.corpus       = FIXTURE_CORPUS;
    sb_input b     = make(&r);
    for (int64_t i = 0; i < a.n_tokens; i++)
        other += is_filler(a.ids[i]) != is_filler(b.ids[i]) ||
                 (!is_filler(a.ids[i]) && a.ids[i] != b.ids[i]);
    ck_assert_int_eq(other, 0);
    for (int64_t i = 0; i < a.n_refs; i++)
        ck_assert_str_eq(a.refs[i], b.refs[i]);
    sb_input_fini(&a);
    sb_input_fini(&b);
}
END_TEST

START_TEST(text_starts_differ_between_rows)
{
    request r  = request_of("fwe", 1024, 0);
    int     eq = 0;
    r.corpus   = FIXTURE_CORPUS;
    sb_input a = make(&r);
    for (r.row = 1; r.row < 20; r.row++) {
        sb_input b = make(&r);
        eq += memcmp(a.ids + a.n_context, b.ids + b.n_context, 50 * sizeof *a.ids) == 0;
        sb_input_fini(&b);
    }
    ck_assert_int_le(eq, 1);
    sb_input_fini(&a);
}
END_TEST

/* Weights 1/(r+3) over 4096 ranks [probe_model 6]: the shares of the first ranks and of the tail.
 */
START_TEST(zipf_filler_has_its_frequencies)
{
    sb_input in       = make_row("niah_single", 1 << 20, 0);
    int64_t  first[3] = {0}, tail = 0, n = 0;
    double   z = 0, ztail = 0;
    for (int r = 0; r < 4096; r++) {
        z += 1.0 / (r + 3);
        ztail += r >= 2048 ? 1.0 / (r + 3) : 0;
    }
    for (int64_t i = 0; i < in.n_tokens; i++) {
        if (!is_filler(in.ids[i]))
            continue;
        int32_t rank = in.ids[i] - SB_TOK_FILL;
        n++;
        tail += rank >= 2048;
        if (rank < 3)
            first[rank]++;
    }
    for (int r = 0; r < 3; r++) /* 5 standard deviations: 0.001 */
        ck_assert_double_eq_tol((double)first[r] / (double)n, 1.0 / (r + 3) / z, 0.0015);
    ck_assert_double_eq_tol((double)tail / (double)n, ztail / z, 0.0015);
    sb_input_fini(&in);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("generate");
    TCase *t = tcase_create("generate");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, registry);
    tcase_add_test(t, defaults_are_the_specs);
    tcase_add_test(t, metrics_and_chance);
    tcase_add_loop_test(t, a_row_does_not_depend_on_its_set, 0, N_TASKS);
    tcase_add_test(t, seed_task_length_and_corpus_matter);
    tcase_add_test(t, golden);
    tcase_add_loop_test(t, the_floor_of_length_is_exact, 0, N_TASKS);
    tcase_add_loop_test(t, extreme_parameters, 0, N_TASKS);
    tcase_add_test(t, huge_ratio_needs_a_huge_context);
    tcase_add_loop_test(t, bad_requests_are_refused, 0, N_TASKS);
    tcase_add_loop_test(t, odd_lengths, 0, N_TASKS);
    tcase_add_loop_test(t, text_filler_is_the_corpus_in_order, 0, N_TASKS);
    tcase_add_loop_test(t, corpus_changes_filler_only, 0, N_TASKS);
    tcase_add_test(t, text_starts_differ_between_rows);
    tcase_add_test(t, zipf_filler_has_its_frequencies);
    suite_add_tcase(s, t);
    return run_suite(s);
}
