/* What must hold of a configuration that was taken, whichever file it came from. */
#ifndef SB_TESTS_FUZZ_MODEL_CONFIG_H
#define SB_TESTS_FUZZ_MODEL_CONFIG_H

#include "harness/model/checkpoint/config.h"

void fuzz_model_config(const sb_model_config *c);

#endif
