/* What a fuzzer feeds: any bytes as a gate file. What is taken holds rules that a gate can judge
 * by: whatever the file says, no bound is outside of what the keys allow. */
#include <math.h>
#include <string.h>

#include "harness/config/gate.h"
#include "tests/fuzz/common.h"

static void check_words(const sb_gate_words *w)
{
    fuzz_must(w->n >= 0 && (w->n == 0 || w->v != NULL), "a list");
    for (int64_t i = 0; i < w->n; i++)
        for (int64_t j = 0; j < i; j++)
            fuzz_must(strcmp(w->v[i], w->v[j]) != 0, "words are distinct");
}

static void check_bound(double x) { fuzz_must(isnan(x) || (x >= 0 && isfinite(x)), "a bound"); }

static void check(const sb_gate_rules *r)
{
    fuzz_must(r->name != NULL && r->name[0] != '\0', "a name");
    fuzz_must(r->inconclusive >= 0 && r->inconclusive < SB_GATE_EFFECT_COUNT, "inconclusive");
    fuzz_must(r->missing >= 0 && r->missing < SB_GATE_EFFECT_COUNT, "missing");
    fuzz_must(r->alpha > 0 && r->alpha < 1, "alpha");
    fuzz_must(r->margin >= 0 && r->margin <= 1 && r->margin_mean >= 0 && r->margin_mean <= 1,
              "margins");
    fuzz_must(r->latency_ratio >= 1 && r->memory_ratio >= 1 && r->density_ratio >= 1, "ratios");
    fuzz_must(r->min_repetitions > 0 && r->run_noise >= 0 && r->run_noise_absolute >= 0, "latency");
    fuzz_must(r->phases.n <= SB_GATE_MAX_PHASES, "phases");
    fuzz_must((r->skip >> SB_GATE_CHECK_COUNT) == 0, "checks that are off");
    check_words(&r->phases);
    check_words(&r->kinds);
    for (int64_t i = 0; i < r->n_overrides; i++) {
        const sb_gate_override *o = &r->overrides[i];
        check_words(&o->methods);
        check_words(&o->suites);
        check_words(&o->tasks);
        check_words(&o->models);
        check_words(&o->shardings);
        check_words(&o->backends);
        for (int64_t k = 0; k < o->lengths.n; k++)
            fuzz_must(o->lengths.v[k] > 0, "a length");
        check_bound(o->margin);
        check_bound(o->latency_ratio);
        check_bound(o->memory_ratio);
        check_bound(o->density_ratio);
        fuzz_must((o->skip >> SB_GATE_CHECK_COUNT) == 0, "checks that a cell skips");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char   *path = fuzz_file(0, data, size);
    sb_gate_file *f    = NULL;
    fuzz_errors   e;
    fuzz_errors_open(&e);
    sb_status st = sb_gate_load(path, e.to, &f);
    if (fuzz_errors_close(&e, st, f, path))
        check(&f->rules);
    sb_gate_free(f);
    return 0;
}
