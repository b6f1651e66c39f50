/* What the fuzzers share: the entry that libFuzzer calls, files in memory, what must hold. */
#ifndef SB_TESTS_FUZZ_COMMON_H
#define SB_TESTS_FUZZ_COMMON_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "kernels/base/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size); /* the name is libFuzzer's */

/* Inputs that the reader took and refused since the program began: a test in which nothing is taken
 * would find nothing. */
extern long fuzz_taken, fuzz_refused;

/* Abort, which is a finding, with what and the thread's error text. */
void fuzz_must(int yes, const char *what);

/* A file in memory with this content, and a path by which it opens; one a slot, kept until the
 * slot's next content. */
enum { FUZZ_SLOTS = 2 };
const char *fuzz_file(int slot, const void *data, size_t size);

/* Where a reader of files of ours prints its errors. */
typedef struct fuzz_errors {
    FILE  *to;
    char  *text;
    size_t n;
} fuzz_errors;
void fuzz_errors_open(fuzz_errors *e);
/* Of a reader that ended with st: OK and silence, or a refusal in lines of
 *   PATH[:LINE:COL]: KEY: found X, allowed Y
 * without control characters. Counts it, frees e; 1 when taken. */
int fuzz_errors_close(fuzz_errors *e, sb_status st, const void *made, const char *path);

#endif
