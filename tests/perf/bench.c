#include "tests/perf/bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kernels/base/rng.h"

void bench_must(sb_status st)
{
    if (st == SB_OK)
        return;
    fprintf(stderr, "%s\n", sb_error_text());
    exit(1);
}

void *bench_room(int64_t bytes)
{
    void *p = NULL;
    bench_must(sb_backend_cpu.alloc((size_t)bytes, &p));
    return p;
}

sb_tensor bench_tensor(int64_t heads, int64_t tokens, int64_t dim, const sb_run *run, uint64_t seed)
{
    sb_tensor t = {.dtype       = SB_BF16,
                   .heads       = heads,
                   .tokens      = tokens,
                   .dim         = dim,
                   .head_stride = tokens * dim,
                   .gid         = {.run = run, .n_runs = 1, .n_tokens = tokens}};
    t.data      = bench_room(heads * tokens * dim * 2);
    for (int64_t i = 0; i < heads * tokens * dim; i++)
        ((sb_bf16 *)t.data)[i] =
            sb_bf16_from_f32((float)(sb_mix(seed + (uint64_t)i) >> 40) * 0x1p-23f - 1.0f);
    return t;
}

double bench_now_ns(void)
{
    const char     *clock = getenv("BENCH_CLOCK");
    struct timespec t;
    if (clock == NULL || strcmp(clock, "cpu") != 0)
        return (double)sb_now_ns();
    if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) != 0)
        exit(1);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void bench_add(bench_times *t, double ns)
{
    if (t->n < BENCH_REPEAT_MAX)
        t->ns[t->n++] = ns;
}

static void sort(bench_times *t) { qsort(t->ns, (size_t)t->n, sizeof *t->ns, by_value); }

double bench_median(bench_times *t)
{
    sort(t);
    return t->n % 2 ? t->ns[t->n / 2] : (t->ns[t->n / 2 - 1] + t->ns[t->n / 2]) / 2;
}

double bench_least(bench_times *t)
{
    sort(t);
    return t->ns[0];
}

double bench_most(bench_times *t)
{
    sort(t);
    return t->ns[t->n - 1];
}

int64_t bench_arg(int argc, char **argv, int i, int64_t otherwise)
{
    return i < argc ? atoll(argv[i]) : otherwise;
}

int32_t bench_cores(void)
{
    sb_device_facts facts;
    bench_must(sb_backend_cpu.facts(&facts));
    return facts.count;
}
