/* How fast is the linear scan on this GPU, beside a copy of as many bytes?
 *   bench_scan_cuda [n_tokens [head_dim [heads [kv_heads [repeat [kernels [method
 * [parameters [gates]]]]]]]]] default          131072    128       32     32        21
 * sm90,portable lightning parameters: "act=identity scale=0". gates: 0 none, 1 one a token, 2 one a
 * channel, in device memory, -0.05 each. Device time by events, one launch of each kernel in turn
 * so that clock and power drift hit all alike; median with least and most. Bytes: q, k, v and o
 * once. The copy moves q to o, by the host's clock. Operands repeat after 65537 rows. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/registry.h"
#include "tests/perf/bench.h"
#include "tests/text_params.h"

enum { MAX_KERNELS = 4, PERIOD = 65537 };

static const sb_backend *const b = &sb_backend_cuda;

static sb_tensor on_device(int64_t heads, int64_t n, int64_t d, const sb_run *run, uint64_t seed)
{
    int64_t   rows   = n < PERIOD ? n : PERIOD;
    sb_tensor period = bench_tensor(1, rows, d, run, seed), t = period;
    t.heads       = heads;
    t.tokens      = n;
    t.head_stride = n * d;
    t.gid         = (sb_gid){run, 1, n};
    bench_must(b->alloc((size_t)(heads * n * d) * sizeof(sb_bf16), &t.data));
    for (int64_t h = 0; h < heads; h++)
        for (int64_t at = 0; at < n;) {
            int64_t row = (at + 4099 * h) % rows, m = rows - row < n - at ? rows - row : n - at;
            bench_must(b->copy(sb_tensor_bf16(&t, h, at), sb_tensor_bf16(&period, 0, row),
                               (size_t)(m * d) * sizeof(sb_bf16), SB_COPY_TO_DEVICE, NULL));
            at += m;
        }
    bench_must(b->sync(NULL));
    free(period.data);
    return t;
}

/* Gates of all tokens, the same number each. */
static sb_tensor gates_on_device(int64_t heads, int64_t n, int64_t dim, const sb_run *run)
{
    sb_tensor t   = {.dtype       = SB_F32,
                     .heads       = heads,
                     .tokens      = n,
                     .dim         = dim,
                     .head_stride = n * dim,
                     .gid         = {run, 1, n}};
    float    *row = bench_room(n * dim * (int64_t)sizeof *row);
    for (int64_t i = 0; i < n * dim; i++)
        row[i] = -0.05f;
    bench_must(b->alloc((size_t)(heads * n * dim) * sizeof *row, &t.data));
    for (int64_t h = 0; h < heads; h++)
        bench_must(b->copy(sb_tensor_f32(&t, h, 0), row, (size_t)(n * dim) * sizeof *row,
                           SB_COPY_TO_DEVICE, NULL));
    bench_must(b->sync(NULL));
    free(row);
    return t;
}

static void say(const char *what, int64_t n, int64_t d, int64_t heads, bench_times *t, double bytes)
{
    double ns = bench_median(t);
    (void)printf("%-10s n %7lld d %3lld heads %lld  %9.3f ms (%.3f to %.3f, %d runs)  %6.0f GB/s\n",
                 what, (long long)n, (long long)d, (long long)heads, ns * 1e-6,
                 bench_least(t) * 1e-6, bench_most(t) * 1e-6, t->n, bytes / ns);
}

int main(int argc, char **argv)
{
    int64_t n = bench_arg(argc, argv, 1, 131072), d = bench_arg(argc, argv, 2, 128);
    int64_t heads = bench_arg(argc, argv, 3, 32), kv_heads = bench_arg(argc, argv, 4, 32);
    int64_t repeat = bench_arg(argc, argv, 5, 21), n_kernels = 0;
    char    text[128], *kernel[MAX_KERNELS];
    (void)snprintf(text, sizeof text, "%s", argc > 6 ? argv[6] : "sm90,portable");
    for (char *k = strtok(text, ","); k != NULL && n_kernels < MAX_KERNELS; k = strtok(NULL, ","))
        kernel[n_kernels++] = k;
    const sb_method           *m = sb_method_find(argc > 7 ? argv[7] : "lightning");
    _Alignas(16) unsigned char params[4096];
    sb_run                     all = {0, n};
    sb_device_facts            facts;
    if (m == NULL || m->device_bytes == NULL)
        bench_must(sb_fail(SB_ERR_USAGE, "found %s, allowed lightning, linear", argv[7]));
    bench_must(text_params(m, argc > 8 ? argv[8] : "", params));
    bench_must(b->available());
    bench_must(b->facts(&facts));

    sb_shape shape = {
        .q_gid = {&all, 1, n}, .n_keys = n, .heads = heads, .kv_heads = kv_heads, .head_dim = d};
    sb_arena       host, work;
    sb_plan        plan = {0};
    sb_phase_times phases;
    sb_ctx         ctx = {.backend = &sb_backend_cpu, .arena = &host, .n_layers = 1, .threads = 1};
    bench_must(m->check(params, &shape));
    sb_arena_init_count(&host);
    bench_must(m->layout(&ctx, params, &shape, &plan, NULL));
    size_t bytes = host.high_water_bytes;
    void  *room  = bench_room((int64_t)bytes + 64), *work_room, *o_room;
    sb_arena_init(&host, room, bytes, SB_ARENA_PLAIN);
    bench_must(m->layout(&ctx, params, &shape, &plan, NULL));
    sb_tensor q = on_device(heads, n, d, &all, 1), k = on_device(kv_heads, n, d, &all, 2),
              v = on_device(kv_heads, n, d, &all, 3), o = q;
    bench_must(m->plan[SB_CPU](&ctx, params, &shape, &q, &k, NULL, &plan));
    bytes = (size_t)m->device_bytes(params, &shape);
    bench_must(b->alloc(bytes, &work_room));
    bench_must(b->alloc((size_t)(heads * n * d) * sizeof(sb_bf16), &o_room));
    o.data      = o_room;
    ctx.backend = b;
    ctx.arena   = &work;
    ctx.phases  = &phases;

    int64_t     gates              = bench_arg(argc, argv, 9, 0);
    sb_tensor   gate               = {0};
    bench_times times[MAX_KERNELS] = {0}, copies = {0};
    sb_attn_in  in    = {.q = &q, .k = &k, .v = &v, .scale = d == 64 ? 0.125f : 0.0883883f};
    sb_attn_out out   = {.o = &o, .mode = SB_OUT_SET};
    if (gates > 0) {
        gate    = gates_on_device(kv_heads, n, gates == 1 ? 1 : d, &all);
        in.gate = &gate;
    }
    double      moved = (double)(2 * n * d * (2 * heads + 2 * kv_heads));
    size_t      rows  = (size_t)(heads * n * d) * sizeof(sb_bf16);
    for (int64_t r = -2; r < repeat; r++) {
        int64_t t0 = sb_now_ns();
        bench_must(b->copy(o.data, q.data, rows, SB_COPY_ON_DEVICE, NULL));
        bench_must(b->sync(NULL));
        if (r >= 0)
            bench_add(&copies, (double)(sb_now_ns() - t0));
        for (int64_t i = 0; i < n_kernels; i++) {
            phases = (sb_phase_times){0};
            sb_arena_init(&work, work_room, bytes, SB_ARENA_PLAIN);
            bench_must(setenv("SPAN_CUDA_KERNEL", kernel[i], 1) == 0 ? SB_OK : SB_ERR_INTERNAL);
            bench_must(m->attend[SB_CUDA](&ctx, params, &in, &plan, NULL, &out));
            if (r >= 0)
                bench_add(&times[i], (double)phases.ns[SB_PHASE_COMPUTE]);
        }
    }
    (void)printf("%s %s; work room %.1f MB\n", m->name, argc > 8 ? argv[8] : "",
                 (double)bytes * 1e-6);
    say("copy q to o", n, d, heads, &copies, 2.0 * (double)rows);
    for (int64_t i = 0; i < n_kernels; i++)
        say(kernel[i], n, d, heads, &times[i], moved);
    (void)fprintf(stderr, "%s; %s\n", facts.name, facts.detail);
    void *rooms[] = {q.data, k.data, v.data, o_room, work_room, gate.data};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        if (rooms[i] != NULL)
            b->free(rooms[i]);
    free(room);
    return 0;
}
