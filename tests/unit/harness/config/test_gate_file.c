/* Gate files: defaults, the shipped one, every refusal with its place, and files of noise. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/config/gate.h"
#include "harness/config/pool.h"

static sb_status load(const char *text, size_t n, char **errors, sb_gate_file **out)
{
    char   path[] = "/tmp/gate_XXXXXX";
    int    fd     = mkstemp(path);
    size_t room;
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, n), (ssize_t)n);
    (void)close(fd);
    FILE     *to = open_memstream(errors, &room);
    sb_status st = sb_gate_load(path, to, out);
    (void)fclose(to);
    for (char *at; (at = strstr(*errors, path)) != NULL;) /* its name is another each time */
        memmove(at, at + strlen(path), strlen(at + strlen(path)) + 1);
    (void)unlink(path);
    return st;
}

static int same(const sb_gate_rules *a, const sb_gate_rules *b)
{
    int equal = a->inconclusive == b->inconclusive && a->missing == b->missing && a->alpha == b->alpha &&
                a->margin == b->margin && a->margin_mean == b->margin_mean && a->test_identical == b->test_identical &&
                a->latency_ratio == b->latency_ratio && a->min_repetitions == b->min_repetitions &&
                a->run_noise == b->run_noise && a->run_noise_absolute == b->run_noise_absolute &&
                a->memory_ratio == b->memory_ratio && a->density_ratio == b->density_ratio && a->skip == b->skip &&
                a->phases.n == b->phases.n && a->kinds.n == b->kinds.n && a->n_overrides == b->n_overrides;
    for (int64_t i = 0; equal && i < a->phases.n; i++)
        equal = strcmp(a->phases.v[i], b->phases.v[i]) == 0;
    for (int64_t i = 0; equal && i < a->kinds.n; i++)
        equal = strcmp(a->kinds.v[i], b->kinds.v[i]) == 0;
    return equal;
}

/* The shipped file writes out what holds anyway. */
START_TEST(default_file_says_the_defaults)
{
    sb_gate_file *shipped = NULL, *plain = NULL;
    ck_assert_msg(sb_gate_load("configs/gates/default.yaml", stderr, &shipped) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(sb_gate_load(NULL, stderr, &plain), SB_OK);
    ck_assert(same(&shipped->rules, &plain->rules));
    ck_assert_str_eq(shipped->rules.name, "default");
    sb_gate_free(shipped);
    sb_gate_free(plain);
}
END_TEST

START_TEST(every_key_is_read)
{
    static const char text[] =
        "gate: mine\ninconclusive: fail\nmissing: warn\nalpha: 0.01\ncoverage: off\n"
        "accuracy: {margin: 0.05, margin_mean: 0.02, identical: test}\n"
        "latency: {phases: [prefill, decode_token], max_ratio: 1.1, min_repetitions: 20, run_noise: 0.02, "
        "run_noise_absolute: 0.1}\nmemory: {kinds: predicted, max_ratio: 2}\ndensity: off\n"
        "cells:\n  - {method: hip, length: [4K, 8192], latency_ratio: 1.5, skip: [memory, accuracy]}\n"
        "  - {task: [vt, cwe], suite: probe, model: probe, sharding: state, backend: cpu, margin: 0.1, memory_ratio: 3, "
        "density_ratio: 1}\n";
    sb_gate_file *f = NULL;
    char         *errors;
    ck_assert_msg(load(text, sizeof text - 1, &errors, &f) == SB_OK, "%s", errors);
    const sb_gate_rules *r = &f->rules;
    ck_assert_str_eq(r->name, "mine");
    ck_assert_int_eq(r->inconclusive, SB_GATE_EFFECT_FAIL);
    ck_assert_int_eq(r->missing, SB_GATE_EFFECT_WARN);
    ck_assert(r->alpha == 0.01 && r->margin == 0.05 && r->margin_mean == 0.02 && r->test_identical == 1);
    ck_assert(r->latency_ratio == 1.1 && r->min_repetitions == 20 && r->run_noise == 0.02 && r->run_noise_absolute == 0.1);
    ck_assert(r->memory_ratio == 2 && r->kinds.n == 1 && strcmp(r->kinds.v[0], "predicted") == 0);
    ck_assert(r->phases.n == 2 && strcmp(r->phases.v[1], "decode_token") == 0);
    ck_assert_uint_eq(r->skip, 1u << SB_GATE_COVERAGE | 1u << SB_GATE_DENSITY);
    ck_assert_int_eq(r->n_overrides, 2);
    const sb_gate_override *a = &r->overrides[0], *b = &r->overrides[1];
    ck_assert(a->lengths.n == 2 && a->lengths.v[0] == 4096 && a->latency_ratio == 1.5 && isnan(a->margin));
    ck_assert_uint_eq(a->skip, 1u << SB_GATE_MEMORY | 1u << SB_GATE_ACCURACY);
    ck_assert(b->tasks.n == 2 && b->suites.n == 1 && b->margin == 0.1 && b->memory_ratio == 3 && b->density_ratio == 1);
    free(errors);
    sb_gate_free(f);
}
END_TEST

static const struct {
    const char *text, *error;
} bad[] = {
    {"", ""},
    {"- a\n", "allowed a mapping with `gate`"},
    {"alpha: 0.05\n", ":1:1: gate: found nothing, allowed a name for the gate"},
    {"gate: x\nlatencies: {}\n", ":2:1: latencies: found an unknown key, allowed"},
    {"gate: x\nlatency: {max_ration: 1}\n", "did you mean `max_ratio`?"},
    {"gate: x\nlatency: {max_ratio: 0.9}\n", ":2:22: latency.max_ratio: found `0.9`, allowed"},
    {"gate: x\nlatency: {min_repetitions: 3}\n", "latency.min_repetitions: found `3`, allowed"},
    {"gate: x\nlatency: {phases: [prefil]}\n", "latency.phases[0]: found `prefil`, allowed one of"},
    {"gate: x\nlatency: {phases: [prefill, prefill]}\n", "a second time"},
    {"gate: x\nlatency: {phases: []}\n", "latency.phases: found an empty list, allowed a list of names"},
    {"gate: x\nlatency: {phases: {a: 1}}\n", "latency.phases"},
    {"gate: x\nlatency: yes\n", "latency: found `yes`, allowed off, or a mapping"},
    {"gate: x\ninconclusive: ignore\n", ":2:15: inconclusive: found `ignore`, allowed one of fail, warn"},
    {"gate: x\nalpha: 0\n", "alpha: found `0`, allowed"},
    {"gate: x\nalpha: nan\n", "alpha: found `nan`"},
    {"gate: x\naccuracy: {margin: 3}\n", "accuracy.margin: found `3`, allowed"},
    {"gate: x\ncoverage: 1\n", "coverage: found `1`, allowed one of on, off"},
    {"gate: x\ncells: [a]\n", "cells[0]: found `a`, allowed a mapping"},
    {"gate: x\ncells:\n  - {method: hip, skip: [everything]}\n", "cells[0].skip[0]: found `everything`, allowed one of coverage"},
    {"gate: x\ncells:\n  - {length: 0}\n", "cells[0].length: found `0`"},
    {"gate: x\ncells:\n  - {method: {}}\n", "cells[0].method: found an empty mapping"},
    {"gate: x\ngate: y\n", "gate"},
    {"gate: x\naccuracy: off\nlatency: off\nmemory: off\ndensity: off\ncoverage: off\n", "found every check off"},
    {"gate: [x]\n", "gate: found a list, allowed a name"},
    {"gate: x\nmemory: *a\n", ""},
    {"gate: x\n\x01", "control character"},
};

START_TEST(refusals_name_their_place)
{
    sb_gate_file *f = NULL;
    char         *errors;
    sb_status     st = load(bad[_i].text, strlen(bad[_i].text), &errors, &f);
    ck_assert_msg(st == SB_ERR_USAGE && f == NULL, "%s: %d", bad[_i].text, (int)st);
    ck_assert_msg(errors[0] != '\0' && strstr(errors, bad[_i].error) != NULL, "%s\ngave: %s", bad[_i].text, errors);
    free(errors);
}
END_TEST

/* Cut anywhere, any byte changed: an answer, never a crash. */
START_TEST(noise_is_survived)
{
    static const char text[] = "gate: x\nlatency: {phases: [prefill], max_ratio: 1.1}\ncells:\n  - {method: [a, b], length: 4K, skip: [memory]}\n";
    uint64_t          state = 7;
    for (int k = 0; k < 2000; k++) {
        char          mutant[sizeof text];
        size_t        n = sizeof text - 1;
        char         *errors;
        sb_gate_file *f = NULL;
        memcpy(mutant, text, sizeof text);
        for (int j = 0; j <= k % 3; j++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            mutant[(state >> 33) % n] = (state >> 20) % 4 == 0 ? (char)(state >> 40) : "{}[],:-#&*!|>'\"%@\n 0x"[(state >> 40) % 22];
        }
        if (k % 5 == 0)
            n = (size_t)(state >> 33) % n;
        sb_status st = load(mutant, n, &errors, &f);
        ck_assert(st == SB_OK || st == SB_ERR_USAGE);
        ck_assert_int_eq(st == SB_OK, f != NULL);
        free(errors);
        sb_gate_free(f);
    }
}
END_TEST

START_TEST(memory_may_run_out)
{
    sb_gate_file *f  = NULL;
    sb_status     st = SB_ERR_NOMEM;
    for (int64_t k = 0; st != SB_OK; k++) {
        sbi_pool_limit_calls = k;
        st                   = sb_gate_load("configs/gates/default.yaml", NULL, &f);
        ck_assert(st == SB_OK || (st == SB_ERR_NOMEM && f == NULL));
        ck_assert_int_lt(k, 5000);
    }
    sb_gate_free(f);
    sbi_pool_limit_calls = INT64_MAX;
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gate file");
    TCase *tc    = tcase_create("gate file");
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, default_file_says_the_defaults);
    tcase_add_test(tc, every_key_is_read);
    tcase_add_loop_test(tc, refusals_name_their_place, 0, sizeof bad / sizeof *bad);
    tcase_add_test(tc, noise_is_survived);
    tcase_add_test(tc, memory_may_run_out);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
