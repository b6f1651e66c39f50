/* Does sparse time fall in proportion to density? Prints time / (density * dense time) for random
 * lists of several forms: 1 is perfect, 2 means that half of the gain is lost.
 *   bench_sparse [n_tokens [head_dim [heads [kv_heads [threads [repeat]]]]]]
 *   default       8192      128       8      2         all     3
 * Every query head has lists of its own; density is the share of visible pairs, counted exactly
 * [quality_metrics B1]. Dense runs again before each form. Then one decode step with the last row's
 * list. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/index_stats.h"
#include "tests/perf/bench.h"

typedef struct form {
    const char *name;
    int64_t     row_tokens, width_tokens; /* a tile is width keys at a multiple of width */
    int         tokens;                   /* 1: as TOKENS */
} form;

static const form   forms[]  = {{"blocks of 128", 128, 128, 0},
                                {"blocks of 64", 64, 64, 0},
                                {"tiles of 16", 64, 16, 0},
                                {"tiles of 2", 64, 2, 0},
                                {"tokens", 64, 1, 1}};
static const double shares[] = {0.05, 0.1, 0.2, 0.4, 0.7, 1.0};

/* Each row block lists its own key block and a random `share` of the tiles before it. */
static void fill(sb_plan *p, sb_csr *c, const form *f, int64_t n, int64_t heads, double share)
{
    sb_rng  r       = {(uint64_t)(share * 1000)};
    int64_t at      = 0;
    int64_t most    = (n + f->width_tokens - 1) / f->width_tokens;
    p->n_rows       = (n + f->row_tokens - 1) / f->row_tokens;
    *p              = (sb_plan){.parts      = f->tokens ? SB_PART_TOKENS : SB_PART_TILES,
                                .row_tokens = f->row_tokens,
                                .n_rows     = p->n_rows,
                                .row_id     = bench_room(p->n_rows * 4)};
    c->n_heads      = heads;
    c->unit_tokens  = f->width_tokens;
    c->width_tokens = f->width_tokens;
    c->row_ptr      = bench_room((heads * p->n_rows + 1) * 8);
    c->capacity     = heads * p->n_rows * (most + 1);
    c->id           = bench_room(c->capacity * 4);
    c->row_ptr[0]   = 0;
    for (int64_t h = 0; h < heads; h++)
        for (int64_t b = 0; b < p->n_rows; b++) {
            int64_t own  = b * f->row_tokens / f->width_tokens;
            int64_t end  = ((b + 1) * f->row_tokens + f->width_tokens - 1) / f->width_tokens;
            p->row_id[b] = (int32_t)b;
            for (int64_t t = 0; t < end && t < most; t++)
                if (t >= own || sb_rng_below(&r, 1000000) < (uint64_t)(share * 1e6))
                    c->id[at++] = (int32_t)t;
            c->row_ptr[h * p->n_rows + b + 1] = at;
        }
    if (f->tokens)
        p->tokens = *c;
    else
        p->tiles = *c;
}

static double density(const sb_plan *p, const sb_shape *shape, double *work)
{
    double num = 0, den = 0, lanes = 0, dense = 0;
    for (int64_t h = 0; h < shape->heads; h++) {
        sb_index_stats s;
        bench_must(sb_index_stats_count(p, shape, h, &s));
        num += (double)s.rho_num;
        den += (double)s.rho_den;
        lanes += (double)s.tile_lanes;
        dense += (double)s.tile_lanes_dense;
    }
    *work = lanes / dense;
    return num / den;
}

static double run_ns(sb_ctx *ctx, const sb_attn_in *in, const sb_plan *p, sb_attn_out *out)
{
    double t0 = bench_now_ns();
    bench_must(p == NULL ? sb_attend_dense_cpu(ctx, NULL, in, NULL, NULL, out)
                         : sb_attend_block_csr_cpu(ctx, NULL, in, p, NULL, out));
    return bench_now_ns() - t0;
}

/* Median of `repeat` calls; the first of several does not count. */
static double median_ns(sb_ctx *ctx, const sb_attn_in *in, const sb_plan *p, sb_attn_out *out,
                        int64_t repeat)
{
    bench_times t = {0};
    for (int64_t r = repeat > 1 ? -1 : 0; r < repeat; r++) {
        double ns = run_ns(ctx, in, p, out);
        if (r >= 0)
            bench_add(&t, ns);
    }
    return bench_median(&t);
}

int main(int argc, char **argv)
{
    int64_t   n = bench_arg(argc, argv, 1, 8192), d = bench_arg(argc, argv, 2, 128);
    int64_t   heads = bench_arg(argc, argv, 3, 8), kv_heads = bench_arg(argc, argv, 4, 2);
    int64_t   repeat = bench_arg(argc, argv, 6, 3);
    sb_ctx    ctx    = {.backend = &sb_backend_cpu,
                        .threads = (int32_t)bench_arg(argc, argv, 5, bench_cores())};
    sb_run    all = {0, n}, last = {n - 1, 1};
    sb_tensor q = bench_tensor(heads, n, d, &all, 1), k = bench_tensor(kv_heads, n, d, &all, 2),
              v = bench_tensor(kv_heads, n, d, &all, 3), o = bench_tensor(heads, n, d, &all, 4);
    sb_tensor   q1 = bench_tensor(heads, 1, d, &last, 1), o1 = bench_tensor(heads, 1, d, &last, 4);
    float      *lse  = bench_room(heads * n * 4);
    sb_attn_in  in   = {.q = &q, .k = &k, .v = &v, .scale = 0.088f};
    sb_attn_in  step = {.q = &q1, .k = &k, .v = &v, .scale = 0.088f};
    sb_attn_out out = {.o = &o, .lse = lse}, out1 = {.o = &o1, .lse = lse};
    sb_shape    shape = {
           .q_gid = q.gid, .n_keys = n, .heads = heads, .kv_heads = kv_heads, .head_dim = d};
    printf("N %lld d %lld H %lld/%lld, %d threads, medians of %lld\n", (long long)n, (long long)d,
           (long long)heads, (long long)kv_heads, (int)ctx.threads, (long long)repeat);
    printf("%-14s %8s %8s %10s %10s %6s | %10s %10s\n", "lists", "density", "work", "dense ms",
           "ms", "ratio", "dense step", "step us");
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        double dense      = median_ns(&ctx, &in, NULL, &out, repeat);
        double dense_step = median_ns(&ctx, &step, NULL, &out1, 21);
        for (size_t s = 0; s < sizeof shares / sizeof *shares; s++) {
            sb_plan p = {0};
            sb_csr  c = {0};
            double  work;
            fill(&p, &c, &forms[i], n, heads, shares[s]);
            double rho    = density(&p, &shape, &work);
            double sparse = median_ns(&ctx, &in, &p, &out, repeat);
            printf("%-14s %8.4f %8.4f %10.1f %10.1f %6.2f | %10.0f %10.0f\n", forms[i].name, rho,
                   work, dense * 1e-6, sparse * 1e-6, sparse / (rho * dense), dense_step * 1e-3,
                   median_ns(&ctx, &step, &p, &out1, 21) * 1e-3);
            fflush(stdout);
            free(p.row_id);
            free(c.row_ptr);
            free(c.id);
        }
    }
    free(q.data);
    free(k.data);
    free(v.data);
    free(o.data);
    free(q1.data);
    free(o1.data);
    free(lse);
    return 0;
}
