/* Counts of fuzz_jsonl.c, for its test. */
#ifndef SB_TESTS_FUZZ_JSONL_H
#define SB_TESTS_FUZZ_JSONL_H

#include "tests/fuzz/common.h"

/* What was asked of the suites since the program began. */
extern long fuzz_jsonl_opened, fuzz_jsonl_rows, fuzz_jsonl_bad_rows;

#endif
