/* What both sides print of a seed's stream: tests/golden/cpython_random.py does the same with
 * Python's own `random`. */
#ifndef SB_TESTS_RNG_STREAMS_H
#define SB_TESTS_RNG_STREAMS_H

#include <stdint.h>
#include <stdio.h>

void rng_stream_python(FILE *out, uint64_t seed);
void rng_stream_numpy(FILE *out, uint32_t seed);

#endif
