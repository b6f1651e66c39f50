/* What a gate demands. harness/config reads it from YAML (configs/gates). */
#ifndef SB_RESULTS_GATE_RULES_H
#define SB_RESULTS_GATE_RULES_H

#include <stdint.h>

typedef enum sb_gate_check {
    SB_GATE_COVERAGE,
    SB_GATE_ACCURACY,
    SB_GATE_ACCURACY_MEAN,
    SB_GATE_LATENCY,
    SB_GATE_MEMORY,
    SB_GATE_DENSITY,
    SB_GATE_CHECK_COUNT
} sb_gate_check;

typedef enum sb_gate_effect {
    SB_GATE_EFFECT_FAIL,
    SB_GATE_EFFECT_WARN,
    SB_GATE_EFFECT_COUNT
} sb_gate_effect;

typedef struct sb_gate_words {
    const char **v;
    int64_t      n; /* 0: any */
} sb_gate_words;
typedef struct sb_gate_numbers {
    int64_t *v;
    int64_t  n; /* 0: any */
} sb_gate_numbers;

/* Other bounds for the cells that all of its lists match; the last entry that gives a bound wins.
 * A bound of NaN is not given. */
typedef struct sb_gate_override {
    sb_gate_words   methods, suites, tasks, models, shardings, backends;
    sb_gate_numbers lengths; /* tokens */
    double          margin, latency_ratio, memory_ratio, density_ratio;
    uint32_t        skip; /* bit 1u << sb_gate_check */
} sb_gate_override;

enum { SB_GATE_MAX_PHASES = 8 };

typedef struct sb_gate_rules {
    const char *name;
    int32_t     inconclusive, missing; /* sb_gate_effect */
    double      alpha; /* chance that a gate over equal programs fails by any of its tests */

    double  margin, margin_mean; /* scores in [0, 1]: of one task, of a mean over tasks */
    int32_t test_identical;      /* 1: judge equal outputs by their number, too */

    sb_gate_words phases;          /* at most SB_GATE_MAX_PHASES */
    double        latency_ratio;   /* new / base */
    int64_t       min_repetitions; /* a side */
    /* SD between runs of ln(method / dense anchor), and of ln(time) without an anchor: what sides
     * of fewer than 4 runs cannot see themselves. 0: not known, and then such sides are
     * inconclusive. */
    double run_noise, run_noise_absolute;

    sb_gate_words kinds; /* of memory */
    double        memory_ratio;

    double density_ratio;

    uint32_t                skip; /* checks that are off for all cells */
    const sb_gate_override *overrides;
    int64_t                 n_overrides;
} sb_gate_rules;

#endif
