/* How fast is dense attention on this CPU beside OpenBLAS sgemm on the same cores, in the same run?
 *   bench_dense [n_tokens [head_dim [heads [kv_heads [threads]]]]]      default 8192 128 8 4, all
 * cores Counts 4 * d FLOP a visible pair (quality_metrics B4) and prints the median and best of
 * several repetitions. */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend/cpu_isa.h"
#include "kernels/base/rng.h"
#include "kernels/exec/attend.h"

enum { REPEAT = 5 };

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void *room(int64_t bytes)
{
    void *p = NULL;
    if (sb_backend_cpu.alloc((size_t)bytes, &p) != SB_OK) {
        fprintf(stderr, "%s\n", sb_error_text());
        exit(1);
    }
    return p;
}

static sb_tensor random_tensor(int64_t heads, int64_t tokens, int64_t dim, const sb_run *run,
                               uint64_t seed)
{
    sb_tensor t = {.dtype       = SB_BF16,
                   .heads       = heads,
                   .tokens      = tokens,
                   .dim         = dim,
                   .head_stride = tokens * dim,
                   .gid         = {.run = run, .n_runs = 1, .n_tokens = tokens}};
    t.data      = room(heads * tokens * dim * 2);
    for (int64_t i = 0; i < heads * tokens * dim; i++)
        ((sb_bf16 *)t.data)[i] =
            sb_bf16_from_f32((float)(sb_mix(seed + (uint64_t)i) >> 40) * 0x1p-23f - 1.0f);
    return t;
}

/* Seconds of one n x n x n product: the ceiling beside which ours stands. */
static double sgemm_gflops(int n)
{
    float *a = room((int64_t)n * n * 4), *b = room((int64_t)n * n * 4),
          *c = room((int64_t)n * n * 4);
    double s[REPEAT];
    for (int64_t i = 0; i < (int64_t)n * n; i++)
        a[i] = b[i] = (float)(i % 17) * 0.125f;
    for (int r = -1; r < REPEAT; r++) {
        int64_t t0 = sb_now_ns();
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, n, n, n, 1.0f, a, n, b, n, 0.0f, c,
                    n);
        if (r >= 0)
            s[r] = (double)(sb_now_ns() - t0);
    }
    qsort(s, REPEAT, sizeof *s, by_value);
    free(a);
    free(b);
    free(c);
    return 2.0 * n * n * n / s[REPEAT / 2];
}

int main(int argc, char **argv)
{
    int64_t         arg[5] = {8192, 128, 8, 4, 0};
    sb_device_facts facts;
    if (sb_backend_cpu.facts(&facts) != SB_OK) {
        fprintf(stderr, "%s\n", sb_error_text());
        return 2;
    }
    arg[4] = facts.count;
    for (int i = 1; i < argc && i <= 5; i++)
        arg[i - 1] = atoll(argv[i]);
    int64_t   n = arg[0], d = arg[1];
    sb_run    all = {0, n}, last = {n - 1, 1};
    sb_tensor q = random_tensor(arg[2], n, d, &all, 1), k = random_tensor(arg[3], n, d, &all, 2),
              v = random_tensor(arg[3], n, d, &all, 3), o = random_tensor(arg[2], n, d, &all, 4);
    float      *lse = room(arg[2] * n * 4);
    sb_ctx      ctx = {.backend = &sb_backend_cpu, .threads = (int32_t)arg[4]};
    sb_attn_in  in  = {.q = &q, .k = &k, .v = &v, .scale = 0.088f};
    sb_attn_out out = {.o = &o, .lse = lse};
    double flop     = 4.0 * (double)d * (double)arg[2] * (double)n * (double)(n + 1) / 2, s[REPEAT];
    openblas_set_num_threads((int)arg[4]);
    double blas = sgemm_gflops(2048);
    for (int r = -1; r < REPEAT; r++) {
        int64_t t0 = sb_now_ns();
        if (sb_attend_dense_cpu(&ctx, NULL, &in, NULL, NULL, &out) != SB_OK) {
            fprintf(stderr, "%s\n", sb_error_text());
            return 1;
        }
        if (r >= 0)
            s[r] = (double)(sb_now_ns() - t0);
    }
    qsort(s, REPEAT, sizeof *s, by_value);
    double median = flop / s[REPEAT / 2];
    printf("%s, %d threads\n", facts.name, (int)arg[4]);
    printf("dense N %lld d %lld H %lld/%lld: median %.1f ms, %.1f GFLOP/s (best %.1f)\n",
           (long long)n, (long long)d, (long long)arg[2], (long long)arg[3], s[REPEAT / 2] * 1e-6,
           median, flop / s[0]);
    printf("OpenBLAS (%s kernels) sgemm 2048: median %.1f GFLOP/s; dense reaches %.0f %%\n",
           openblas_get_corename(), blas, 100.0 * median / blas);
    q.tokens = o.tokens = 1;
    q.gid = o.gid = (sb_gid){.run = &last, .n_runs = 1, .n_tokens = 1};
    q.head_stride = o.head_stride = d;
    for (int r = -1; r < REPEAT; r++) {
        int64_t t0 = sb_now_ns();
        if (sb_attend_dense_cpu(&ctx, NULL, &in, NULL, NULL, &out) != SB_OK)
            return 1;
        if (r >= 0)
            s[r] = (double)(sb_now_ns() - t0);
    }
    qsort(s, REPEAT, sizeof *s, by_value);
    printf("decode, 1 query: median %.3f ms, %.1f GB/s of K and V\n", s[REPEAT / 2] * 1e-6,
           (double)(arg[3] * n * d * 4) / s[REPEAT / 2]);
    free(q.data);
    free(k.data);
    free(v.data);
    free(o.data);
    free(lse);
    return 0;
}
