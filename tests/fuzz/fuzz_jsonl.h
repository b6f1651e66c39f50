/* The entry that libFuzzer calls; see fuzz_jsonl.c. */
#ifndef SB_TESTS_FUZZ_JSONL_H
#define SB_TESTS_FUZZ_JSONL_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was asked of the suites since the program began. */
extern long fuzz_jsonl_opened, fuzz_jsonl_rows, fuzz_jsonl_bad_rows;

#endif
