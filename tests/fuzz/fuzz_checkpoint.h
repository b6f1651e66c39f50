#ifndef SB_TESTS_FUZZ_CHECKPOINT_H
#define SB_TESTS_FUZZ_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); /* the name is libFuzzer's */

#endif
