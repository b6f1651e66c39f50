/* rng_dump SEED...: the streams of these seeds on stdout, for tests/golden/cpython_random.py
 * --compare. */
#include <stdlib.h>

#include "tests/unit/workloads/base/rng_streams.h"

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        rng_stream_python(stdout, strtoull(argv[i], NULL, 10));
    return fflush(stdout) == 0 ? 0 : 1;
}
