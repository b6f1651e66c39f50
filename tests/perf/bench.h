/* What the benchmarks share: random tensors, and repeated timings with their spread. A failure
 * prints its text and ends the program. */
#ifndef SB_TESTS_PERF_BENCH_H
#define SB_TESTS_PERF_BENCH_H

#include "kernels/base/method.h"

enum { BENCH_REPEAT_MAX = 64 };

void     *bench_room(int64_t bytes);
sb_tensor bench_tensor(int64_t heads, int64_t tokens, int64_t dim, const sb_run *run,
                       uint64_t seed);
void      bench_must(sb_status st);

/* Wall time; with BENCH_CLOCK=cpu in the environment the process's CPU time, which is what counts
 * on a machine that others use: run one thread then. */
double bench_now_ns(void);

/* Nanoseconds of `n` calls, after one that does not count. */
typedef struct bench_times {
    int32_t n;
    double  ns[BENCH_REPEAT_MAX]; /* ascending once bench_sort has run */
} bench_times;
void   bench_add(bench_times *t, double ns);
double bench_median(bench_times *t);
double bench_least(bench_times *t);
double bench_most(bench_times *t);

/* argv[i] as a number, `otherwise` where there is none. */
int64_t bench_arg(int argc, char **argv, int i, int64_t otherwise);

/* Cores that this process may use. */
int32_t bench_cores(void);

#endif
