/* Machine files: those that are shipped, and every refusal with its place. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/config/pool.h"
#include "harness/plan/plan.h"

#define HEAD "machine: m\nbackend: cpu\nprocessor: p\nranks_per_host: 2\n"
#define MEMORY "memory: {host_gib: 1, source: seed, from: f}\n"
#define INSIDE "  - {name: inside, latency_s: 0, bytes_per_s: 1, source: seed, from: f}\n"
#define LINKS                                                                                      \
    "links:\n" INSIDE "  - {name: between, latency_s: 0, bytes_per_s: 1, source: seed, from: f}\n"
#define COST(more)                                                                                 \
    "costs:\n  - {phase: compute, method: dense, rate: 1, start_s: 0, source: seed, from: f" more  \
    "}\n"
#define FINE HEAD MEMORY LINKS COST("")

static const struct {
    const char *text, *error;
} bad[] = {
    {"", "rig:1:1: (file): found nothing"},
    {"machine: m\n", "backend: found nothing, allowed one of cpu, cuda"},
    {HEAD LINKS COST(""), "memory: found nothing"},
    {HEAD MEMORY COST(""), "links: found nothing, allowed a list of two links, inside and between"},
    {HEAD MEMORY LINKS, "costs: found nothing, allowed a list of costs"},
    {HEAD MEMORY "links:\n" INSIDE COST(""),
     "rig:7:3: links: found a list, allowed a list of two links"},
    {HEAD MEMORY "links:\n" INSIDE INSIDE COST(""), "allowed each link once"},
    {FINE "colour: red\n", "rig:11:1: colour: found an unknown key, allowed backend"},
    {HEAD MEMORY LINKS COST(", params: {impl: fast}"),
     "costs[0].params.impl: found `fast`, allowed one of auto, native, cudnn"},
    {HEAD MEMORY LINKS COST(", params: {gamma: 1}"),
     "costs[0].params.gamma: found an unknown key, allowed impl"},
    {HEAD MEMORY LINKS COST(", spread: x"),
     "costs[0].spread: found `x`, allowed a number in [0,1e6]"},
    {HEAD MEMORY LINKS COST(", rows: -1"), "costs[0].rows: found `-1`, allowed a whole number"},
    {HEAD MEMORY LINKS
     "costs:\n  - {phase: compute, method: dense, start_s: 0, source: seed, from: f}\n",
     "rig:10:5: costs[0].rate: found nothing, allowed a number"},
    {HEAD MEMORY LINKS
     "costs:\n  - {phase: compute, method: dens, rate: 1, start_s: 0, source: seed, from: f}\n",
     "did you mean `dense`?"},
    {HEAD MEMORY LINKS
     "costs:\n  - {phase: communicate, method: any, rate: 1, start_s: 0, source: seed, from: f}\n",
     "costs[0].phase: found `communicate`, allowed another phase: `links` say what it costs"},
    {HEAD MEMORY LINKS "costs:\n  - {phase: compute, method: any, params: {a: 1}, rate: 1, "
                       "start_s: 0, source: seed, from: f}\n",
     "allowed no parameters without a method"},
    {HEAD MEMORY LINKS
     "costs:\n  - {phase: compute, method: dense, rate: 1, start_s: 0, source: guess, from: f}\n",
     "costs[0].source: found `guess`, allowed one of measured, fitted, spec, seed"},
    {HEAD MEMORY LINKS
     "costs:\n  - {phase: compute, method: dense, rate: 1, start_s: 0, source: seed}\n",
     "costs[0].from: found nothing, allowed a text: where the figures come from"},
    {FINE "densities:\n  - {method: hip, tokens: [1K, 2K], share: [0.5], source: seed, from: f}\n",
     "densities[0].share: found a list, allowed as many shares as tokens"},
    {FINE
     "densities:\n  - {method: hip, tokens: [2K, 1K], share: [0.5, 0.5], source: seed, from: f}\n",
     "densities[0].tokens: found a list, allowed lengths in ascending order"},
    {FINE "densities:\n  - {method: hip, tokens: [1K], share: [15], source: seed, from: f}\n",
     "densities[0].share[0]: found `15`, allowed a number in (0,10]"},
    {FINE "merge: {bytes_per_s: 0, source: seed, from: f}\n",
     "merge.bytes_per_s: found `0`, allowed a number in (0,1e18]"},
    {FINE "merge: {bytes_per_s: 1, source: seed}\n", "merge.from: found nothing, allowed a text"},
    {FINE "densities:\n  - {method: any, tokens: [1K], share: [1], source: seed, from: f}\n",
     "densities[0].method: found `any`"},
};
enum { N_BAD = sizeof bad / sizeof *bad };

static sb_status parse(const char *text, char **errors, sb_machine **out)
{
    size_t    room;
    FILE     *to = open_memstream(errors, &room);
    sb_status st = sb_machine_parse("rig", text, strlen(text), to, out);
    (void)fclose(to);
    return st;
}

START_TEST(bad_file_is_refused_with_its_place)
{
    sb_machine *m      = NULL;
    char       *errors = NULL;
    ck_assert_int_eq(parse(bad[_i].text, &errors, &m), SB_ERR_USAGE);
    ck_assert_ptr_null(m);
    ck_assert_msg(strstr(errors, bad[_i].error) != NULL, "wanted %s, got %s", bad[_i].error,
                  errors);
    free(errors);
}
END_TEST

START_TEST(shipped_machines_load)
{
    const char *const *names = sb_plan_machine_names();
    for (int i = 0; names[i] != NULL; i++) {
        sb_machine *m = NULL, *file = NULL;
        char        path[128];
        ck_assert_msg(sb_plan_machine(names[i], stderr, &m) == SB_OK, "%s", sb_error_text());
        ck_assert_str_eq(m->name, names[i]);
        ck_assert_str_eq(sb_plan_machine_default((sb_backend_id)m->backend, m->processor),
                         names[i]);
        (void)snprintf(path, sizeof path, "configs/plan/%s.yaml", names[i]);
        ck_assert_int_eq(sb_plan_machine(path, stderr, &file), SB_OK);
        ck_assert_int_eq(file->n_costs, m->n_costs);
        sb_machine_free(file);
        sb_machine_free(m);
    }
    sb_machine *m = NULL;
    ck_assert_int_eq(sb_plan_machine("h1000", stderr, &m), SB_ERR_USAGE);
    ck_assert_str_eq(sb_error_text(), "machine: found `h1000`, allowed h100, epyc_milan, or a path "
                                      "that ends in .yaml");
    ck_assert_int_eq(sb_plan_machine("no/such.yaml", NULL, &m), SB_ERR_USAGE);
}
END_TEST

START_TEST(every_failed_allocation_is_told)
{
    for (int64_t k = 0;; k++) {
        sb_machine *m        = NULL;
        sbi_pool_limit_calls = k;
        sb_status st         = sb_machine_parse("rig", FINE, strlen(FINE), NULL, &m);
        sbi_pool_limit_calls = INT64_MAX;
        sb_machine_free(m);
        if (st == SB_OK)
            break;
        ck_assert_int_eq(st, SB_ERR_NOMEM);
        ck_assert_int_lt(k, 100000);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("machine files");
    TCase *t = tcase_create("files");
    tcase_add_loop_test(t, bad_file_is_refused_with_its_place, 0, N_BAD);
    tcase_add_test(t, shipped_machines_load);
    tcase_add_test(t, every_failed_allocation_is_told);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
