/* How fast is dense attention on this CPU beside OpenBLAS sgemm on the same cores, in the same run?
 *   bench_dense [n_tokens [head_dim [heads [kv_heads [threads [repeat]]]]]]
 *   default      8192      128       8      4         all     7
 * Counts 4 * d FLOP a visible pair [quality_metrics B4]. The two take turns, so what else runs on
 * the machine meets both; medians, with the least and the most. OpenBLAS may take the CPU for
 * another one: the kernels it chose are printed, and OPENBLAS_CORETYPE overrides them. */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/exec/attend.h"
#include "tests/perf/bench.h"

enum { GEMM = 2048 }; /* rows and columns of the yardstick */

typedef struct gemm {
    float *a, *b, *c;
} gemm;

static double sgemm_ns(const gemm *g)
{
    double t0 = bench_now_ns();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, GEMM, GEMM, GEMM, 1.0f, g->a, GEMM, g->b,
                GEMM, 0.0f, g->c, GEMM);
    return bench_now_ns() - t0;
}

static double dense_ns(sb_ctx *ctx, const sb_attn_in *in, sb_attn_out *out)
{
    double t0 = bench_now_ns();
    bench_must(sb_attend_dense_cpu(ctx, NULL, in, NULL, NULL, out));
    return bench_now_ns() - t0;
}

int main(int argc, char **argv)
{
    int64_t   n = bench_arg(argc, argv, 1, 8192), d = bench_arg(argc, argv, 2, 128);
    int64_t   heads = bench_arg(argc, argv, 3, 8), kv_heads = bench_arg(argc, argv, 4, 4);
    int32_t   threads = (int32_t)bench_arg(argc, argv, 5, bench_cores());
    int64_t   repeat  = bench_arg(argc, argv, 6, 7);
    sb_run    all = {0, n}, last = {n - 1, 1};
    sb_tensor q = bench_tensor(heads, n, d, &all, 1), k = bench_tensor(kv_heads, n, d, &all, 2),
              v = bench_tensor(kv_heads, n, d, &all, 3), o = bench_tensor(heads, n, d, &all, 4);
    float          *lse   = bench_room(heads * n * 4);
    int64_t         bytes = (int64_t)GEMM * GEMM * 4;
    gemm            g     = {bench_room(bytes), bench_room(bytes), bench_room(bytes)};
    sb_ctx          ctx   = {.backend = &sb_backend_cpu, .threads = threads};
    sb_attn_in      in    = {.q = &q, .k = &k, .v = &v, .scale = 0.088f};
    sb_attn_out     out   = {.o = &o, .lse = lse};
    bench_times     blas = {0}, dense = {0}, ratio = {0}, decode = {0};
    double          flop      = 4.0 * (double)d * (double)heads * (double)n * (double)(n + 1) / 2;
    double          gemm_flop = 2.0 * GEMM * GEMM * GEMM;
    sb_device_facts facts;
    bench_must(sb_backend_cpu.facts(&facts));
    for (int64_t i = 0; i < (int64_t)GEMM * GEMM; i++)
        g.a[i] = g.b[i] = (float)(i % 17) * 0.125f;
    openblas_set_num_threads(threads);
    for (int64_t r = -1; r < repeat; r++) {
        double x = sgemm_ns(&g), y = dense_ns(&ctx, &in, &out);
        if (r < 0)
            continue;
        bench_add(&blas, x);
        bench_add(&dense, y);
        bench_add(&ratio, 100.0 * (flop / y) / (gemm_flop / x));
    }
    printf("%s, %d threads, %lld repetitions\n", facts.name, (int)threads, (long long)repeat);
    printf("dense N %lld d %lld H %lld/%lld: median %.1f ms, %.1f GFLOP/s (%.1f to %.1f)\n",
           (long long)n, (long long)d, (long long)heads, (long long)kv_heads,
           bench_median(&dense) * 1e-6, flop / bench_median(&dense), flop / bench_most(&dense),
           flop / bench_least(&dense));
    printf("OpenBLAS (%s kernels) sgemm %d: median %.1f GFLOP/s (%.1f to %.1f)\n",
           openblas_get_corename(), (int)GEMM, gemm_flop / bench_median(&blas),
           gemm_flop / bench_most(&blas), gemm_flop / bench_least(&blas));
    printf("dense reaches %.0f %% of sgemm (%.0f to %.0f)\n", bench_median(&ratio),
           bench_least(&ratio), bench_most(&ratio));
    q.tokens = o.tokens = 1;
    q.gid = o.gid = (sb_gid){.run = &last, .n_runs = 1, .n_tokens = 1};
    q.head_stride = o.head_stride = d;
    for (int64_t r = -1; r < repeat; r++) {
        double y = dense_ns(&ctx, &in, &out);
        if (r >= 0)
            bench_add(&decode, y);
    }
    printf("decode, 1 query: median %.3f ms (%.3f to %.3f), %.1f GB/s of K and V\n",
           bench_median(&decode) * 1e-6, bench_least(&decode) * 1e-6, bench_most(&decode) * 1e-6,
           (double)(kv_heads * n * d * 4) / bench_median(&decode));
    free(q.data);
    free(k.data);
    free(v.data);
    free(o.data);
    free(lse);
    free(g.a);
    free(g.b);
    free(g.c);
    return 0;
}
