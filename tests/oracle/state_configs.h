/* Every method that carries a state, with parameters that reach all of its code: for the generic
 * tests, which walk this table. */
#ifndef SB_TESTS_ORACLE_STATE_CONFIGS_H
#define SB_TESTS_ORACLE_STATE_CONFIGS_H

#include <stdint.h>

typedef struct state_config {
    const char *method, *params;
    int64_t     gate_dim; /* 0: no gates; 1; -1: head_dim */
    double      lowest;   /* of the random gates */
    int32_t     layer, n_layers;
} state_config;

extern const state_config state_configs[]; /* ends with method NULL */
int                       state_config_count(void);

#endif
