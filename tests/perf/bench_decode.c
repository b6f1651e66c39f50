/* One decode step: how long does one query over a long cache take, densely and with lists, and what
 * does that say of memory?
 *   bench_decode [n_keys [head_dim [heads [kv_heads [threads [repeat]]]]]]
 *   default       32768   128       32     8         all     31
 * GB/s counts the bytes of the K and V rows that the lists name, once a KV head (dense, lists for
 * all heads) or once a query head (lists of their own). Set OMP_WAIT_POLICY=passive where other
 * programs run. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/base/rng.h"
#include "kernels/exec/attend.h"
#include "tests/perf/bench.h"

typedef struct form {
    const char *name;
    int64_t     width_tokens; /* 0: dense */
    double      share;
    int         per_head;
} form;

static const form forms[] = {{"dense", 0, 1.0, 0},
                             {"blocks of 128, all heads", 128, 0.1, 0},
                             {"blocks of 128, each head", 128, 0.1, 1},
                             {"blocks of 64, each head", 64, 0.1, 1},
                             {"blocks of 64, each head", 64, 0.02, 1},
                             {"tiles of 2, each head", 2, 0.02, 1},
                             {"tokens, each head", 1, 0.02, 1}};

/* The last row's list; *keys: how many it names in all lists together. */
static void fill(sb_plan *p, const form *f, int64_t n, int64_t heads, int64_t *keys)
{
    sb_rng  r     = {7};
    int64_t tiles = (n + f->width_tokens - 1) / f->width_tokens, lists = f->per_head ? heads : 1;
    sb_csr  c    = {.n_heads      = lists,
                    .unit_tokens  = f->width_tokens,
                    .width_tokens = f->width_tokens,
                    .row_ptr      = bench_room((lists + 1) * 8),
                    .id           = bench_room(lists * tiles * 4)};
    *p           = (sb_plan){.parts      = f->width_tokens == 1 ? SB_PART_TOKENS : SB_PART_TILES,
                             .row_tokens = n,
                             .n_rows     = 1,
                             .row_id     = bench_room(4)};
    p->row_id[0] = 0;
    c.row_ptr[0] = 0;
    for (int64_t h = 0, at = 0; h < lists; h++) {
        for (int64_t t = 0; t < tiles; t++)
            if (t == tiles - 1 || sb_rng_below(&r, 1000000) < (uint64_t)(f->share * 1e6))
                c.id[at++] = (int32_t)t;
        c.row_ptr[h + 1] = at;
    }
    *keys = c.row_ptr[lists] * f->width_tokens;
    if (f->width_tokens == 1)
        p->tokens = c;
    else
        p->tiles = c;
}

int main(int argc, char **argv)
{
    int64_t   n = bench_arg(argc, argv, 1, 32768), d = bench_arg(argc, argv, 2, 128);
    int64_t   heads = bench_arg(argc, argv, 3, 32), kv_heads = bench_arg(argc, argv, 4, 8);
    int64_t   repeat = bench_arg(argc, argv, 6, 31);
    sb_ctx    ctx    = {.backend = &sb_backend_cpu,
                        .threads = (int32_t)bench_arg(argc, argv, 5, bench_cores())};
    sb_run    all = {0, n}, last = {n - 1, 1};
    sb_tensor k = bench_tensor(kv_heads, n, d, &all, 2), v = bench_tensor(kv_heads, n, d, &all, 3),
              q = bench_tensor(heads, 1, d, &last, 1), o = bench_tensor(heads, 1, d, &last, 4);
    float      *lse = bench_room(heads * 4);
    sb_attn_in  in  = {.q = &q, .k = &k, .v = &v, .scale = 0.088f};
    sb_attn_out out = {.o = &o, .lse = lse};
    printf("N %lld d %lld H %lld/%lld, %d threads, %lld repetitions\n", (long long)n, (long long)d,
           (long long)heads, (long long)kv_heads, (int)ctx.threads, (long long)repeat);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const form *f    = &forms[i];
        sb_plan     p    = {0};
        bench_times t    = {0};
        int64_t     keys = n, lists = kv_heads;
        if (f->width_tokens > 0)
            fill(&p, f, n, heads, &keys);
        if (f->per_head)
            lists = 1; /* counted over all heads already */
        for (int64_t r = -1; r < repeat; r++) {
            double t0 = bench_now_ns();
            bench_must(f->width_tokens == 0
                           ? sb_attend_dense_cpu(&ctx, NULL, &in, NULL, NULL, &out)
                           : sb_attend_block_csr_cpu(&ctx, NULL, &in, &p, NULL, &out));
            if (r >= 0)
                bench_add(&t, bench_now_ns() - t0);
        }
        printf("%-26s share %.2f: median %8.1f us (%.1f to %.1f), %.1f GB/s\n", f->name, f->share,
               bench_median(&t) * 1e-3, bench_least(&t) * 1e-3, bench_most(&t) * 1e-3,
               (double)(keys * lists * d * 4) / bench_median(&t));
        free(p.row_id);
        free(p.tiles.row_ptr);
        free(p.tiles.id);
        free(p.tokens.row_ptr);
        free(p.tokens.id);
    }
    free(q.data);
    free(k.data);
    free(v.data);
    free(o.data);
    free(lse);
    return 0;
}
