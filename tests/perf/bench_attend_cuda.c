/* How fast are the device executors on this GPU?
 *   bench_attend_cuda dense|lists|window [n_tokens [head_dim [heads [kv_heads [repeat [kernels
 *                                 [percent|sink [tile_tokens|window_tokens]]]]]]]]
 *   default                        32768     128       32     8         21      sm90,portable
 *                                  10        128
 * Device time by events, one launch of each kernel in turn so that clock and power drift hit all
 * alike; median with least and most. dense: 4 * d FLOP a pair, n^2 / 2 pairs a head. lists: random
 * tiles, each with the work of a dense tile, the diagonal's always among them. window: the pairs it
 * keeps. kernels: of SPAN_CUDA_KERNEL, and for dense also cudnn. The share is of the
 * 989 TFLOP/s in the H100 SXM data sheet. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/cudnn.h"
#include "kernels/exec/plan_place.h"
#include "tests/perf/bench.h"

enum { MAX_KERNELS = 4, ROW_TOKENS = 128 };

static const sb_backend *const b = &sb_backend_cuda;

static sb_tensor on_device(int64_t heads, int64_t tokens, int64_t dim, const sb_run *run,
                           uint64_t seed)
{
    sb_tensor t = bench_tensor(heads, tokens, dim, run, seed);
    size_t    n = (size_t)(heads * tokens * dim) * sizeof(sb_bf16);
    void     *p = NULL;
    bench_must(b->alloc(n, &p));
    bench_must(b->copy(p, t.data, n, SB_COPY_TO_DEVICE, NULL));
    bench_must(b->sync(NULL));
    free(t.data);
    t.data = p;
    return t;
}

/* percent of the tiles up to each row block's diagonal, and those of the diagonal. */
static sb_plan lists(int64_t heads, int64_t n, int64_t tile_tokens, int64_t percent)
{
    sb_rng  r    = {42};
    int64_t rows = (n + ROW_TOKENS - 1) / ROW_TOKENS, per = ROW_TOKENS / tile_tokens;
    sb_plan p       = {.parts      = SB_PART_TILES,
                       .row_tokens = ROW_TOKENS,
                       .n_rows     = rows,
                       .tiles      = {.n_heads      = heads,
                                      .capacity     = heads * rows * (rows * per),
                                      .unit_tokens  = tile_tokens,
                                      .width_tokens = tile_tokens}};
    p.row_id        = bench_room(rows * (int64_t)sizeof *p.row_id);
    p.tiles.row_ptr = bench_room((heads * rows + 1) * (int64_t)sizeof *p.tiles.row_ptr);
    p.tiles.id      = bench_room(p.tiles.capacity * (int64_t)sizeof *p.tiles.id);
    int64_t at      = 0;
    for (int64_t i = 0; i < rows; i++)
        p.row_id[i] = (int32_t)i;
    for (int64_t i = 0; i < heads * rows; i++) {
        int64_t row        = i % rows;
        p.tiles.row_ptr[i] = at;
        for (int64_t t = 0; t < (row + 1) * per && t * tile_tokens < n; t++)
            if (t >= row * per || (int64_t)sb_rng_below(&r, 1000) < percent * 10)
                p.tiles.id[at++] = (int32_t)t;
    }
    p.tiles.row_ptr[heads * rows] = at;
    return p;
}

int main(int argc, char **argv)
{
    int     is_lists = argc > 1 && strcmp(argv[1], "lists") == 0;
    int64_t n = bench_arg(argc, argv, 2, 32768), d = bench_arg(argc, argv, 3, 128);
    int64_t heads = bench_arg(argc, argv, 4, 32), kv_heads = bench_arg(argc, argv, 5, 8);
    int64_t repeat = bench_arg(argc, argv, 6, 21), percent = bench_arg(argc, argv, 8, 10);
    int64_t tile = bench_arg(argc, argv, 9, 128), n_kernels = 0;
    int     is_window = argc > 1 && strcmp(argv[1], "window") == 0;
    char    text[128], *kernel[MAX_KERNELS];
    (void)snprintf(text, sizeof text, "%s", argc > 7 ? argv[7] : "sm90,portable");
    for (char *k = strtok(text, ","); k != NULL && n_kernels < MAX_KERNELS; k = strtok(NULL, ","))
        kernel[n_kernels++] = k;

    sb_run          all = {0, n};
    sb_device_facts facts;
    bench_must(b->available());
    bench_must(b->facts(&facts));
    sb_tensor q = on_device(heads, n, d, &all, 1), k = on_device(kv_heads, n, d, &all, 2),
              v = on_device(kv_heads, n, d, &all, 3), o = q;
    void   *o_room, *lse, *index = NULL;
    sb_plan placed;
    double  flop = 2.0 * (double)d * (double)heads * (double)n * (double)n, density = 1;
    bench_must(b->alloc((size_t)(heads * n * d) * sizeof(sb_bf16), &o_room));
    bench_must(b->alloc((size_t)(heads * n) * sizeof(float), &lse));
    o.data = o_room;
    if (is_lists) {
        sb_plan  p    = lists(heads, n, tile, percent);
        int64_t  rows = p.n_rows, used = p.tiles.row_ptr[heads * rows];
        sb_arena a;
        sb_arena_init_count(&a);
        bench_must(sb_plan_place(b, NULL, &a, &p, &q.gid, heads, n, &placed));
        size_t bytes = a.high_water_bytes;
        bench_must(b->alloc(bytes, &index));
        sb_arena_init(&a, index, bytes, SB_ARENA_PLAIN);
        bench_must(sb_plan_place(b, NULL, &a, &p, &q.gid, heads, n, &placed));
        bench_must(b->sync(NULL));
        density = (double)used * (double)tile /
                  ((double)heads * (double)rows * (double)(rows + 1) / 2 * ROW_TOKENS);
        flop *= density;
        free(p.row_id);
        free(p.tiles.row_ptr);
        free(p.tiles.id);
    }
    if (is_window) {
        double pairs = 0;
        placed = (sb_plan){.parts = SB_PART_WINDOW, .sink_tokens = percent, .window_tokens = tile};
        for (int64_t i = 0; i < n; i++) {
            int64_t out_of_window = i + 1 > tile ? i + 1 - tile : 0;
            pairs += (double)(i + 1 - out_of_window);
            pairs += (double)(out_of_window < percent ? out_of_window : percent);
        }
        density = 2 * pairs / ((double)n * (double)n);
        flop *= density;
    }
    bench_times    times[MAX_KERNELS] = {0};
    sb_phase_times phases;
    sb_ctx         ctx = {.backend = b, .phases = &phases, .threads = 1};
    sb_attn_in     in  = {.q = &q, .k = &k, .v = &v, .scale = d == 64 ? 0.125f : 0.0883883f};
    sb_attn_out    out = {.o = &o, .lse = lse, .mode = SB_OUT_SET};
    for (int64_t r = -2; r < repeat; r++)
        for (int64_t i = 0; i < n_kernels; i++) {
            phases = (sb_phase_times){0};
            int cudnn = strcmp(kernel[i], "cudnn") == 0;
            bench_must(cudnn || setenv("SPAN_CUDA_KERNEL", kernel[i], 1) == 0 ? SB_OK
                                                                              : SB_ERR_INTERNAL);
            bench_must(cudnn ? sb_attend_dense_cudnn(&ctx, NULL, &in, NULL, NULL, &out)
                       : is_lists || is_window
                           ? sb_attend_block_csr_cuda(&ctx, NULL, &in, &placed, NULL, &out)
                           : sb_attend_dense_cuda(&ctx, NULL, &in, NULL, NULL, &out));
            if (r >= 0)
                bench_add(&times[i], (double)phases.ns[SB_PHASE_COMPUTE]);
        }
    for (int64_t i = 0; i < n_kernels; i++) {
        double ns = bench_median(&times[i]), rate = flop / ns * 1e-3;
        (void)printf("%-8s %s tile %3lld density %.3f  n %7lld d %3lld heads %lld/%lld  %9.3f ms "
                     "(%.3f to %.3f, %d runs)  %6.1f TFLOP/s  %4.1f %%\n",
                     kernel[i],
                     is_lists    ? "lists"
                     : is_window ? "window"
                                 : "dense",
                     (long long)tile, density, (long long)n, (long long)d, (long long)heads,
                     (long long)kv_heads, ns * 1e-6, bench_least(&times[i]) * 1e-6,
                     bench_most(&times[i]) * 1e-6, times[i].n, rate, rate / 9.89);
    }
    (void)fprintf(stderr, "%s; %s\n", facts.name, facts.detail);
    void *rooms[] = {q.data, k.data, v.data, o_room, lse, index};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        b->free(rooms[i]);
    return 0;
}
