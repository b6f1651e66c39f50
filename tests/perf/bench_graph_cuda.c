/* What do launches cost, and what would a CUDA graph of a call save?
 *   bench_graph_cuda [queued]      calls in a row a sample, 200
 *
 * Attend calls of 32 query heads over 8 KV heads, d 128, on a stream of their own: a call as it is,
 * and the same captured once and launched as a graph, in turn. Time: wall time of the queued calls
 * and the wait behind them, over their number; median of 9 samples. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/registry.h"
#include "tests/perf/bench.h"
#include "tests/perf/graph.h"
#include "tests/text_params.h"

enum { HEADS = 32, KV_HEADS = 8, DIM = 128, SAMPLES = 9 };

static const sb_backend *const b = &sb_backend_cuda;

typedef struct subject {
    const char *method, *params;
    int64_t     queries; /* 0: as many as keys */
} subject;

static const subject subjects[] = {
    {"dense", "", 1},
    {"dense", "", 0},
    {"streaming_llm", "window_tokens=512 sink_tokens=4", 1},
    {"streaming_llm", "window_tokens=512 sink_tokens=4", 0},
    {"linear", "kind=retnet", 0},
};

typedef struct call {
    sb_ctx           ctx;
    sb_attn_in       in;
    sb_attn_out      out;
    const sb_method *m;
    void            *params;
    sb_plan          plan;
    sb_arena         work;
    void            *work_room;
    size_t           work_bytes;
} call;

static void attend(void *arg)
{
    call *c = arg;
    sb_arena_init(&c->work, c->work_room, c->work_bytes, SB_ARENA_PLAIN);
    bench_must(c->m->attend[SB_CUDA](&c->ctx, c->params, &c->in, &c->plan, NULL, &c->out));
}

static sb_tensor on_device(int64_t heads, int64_t n, const sb_run *run, uint64_t seed)
{
    sb_tensor host = bench_tensor(heads, n, DIM, run, seed), t = host;
    size_t    bytes = (size_t)(heads * t.head_stride) * sizeof(sb_bf16);
    bench_must(b->alloc(bytes, &t.data));
    bench_must(b->copy(t.data, host.data, bytes, SB_COPY_TO_DEVICE, NULL));
    bench_must(b->sync(NULL));
    free(host.data);
    return t;
}

static void measure(call *c, const subject *s, int64_t n, int64_t queued, void *stream)
{
    bench_times plain = {0}, graphed = {0};
    attend(c); /* loads kernels, fills the pool */
    bench_stream_wait(stream);
    void *graph = bench_graph_capture(stream, attend, c);
    for (int r = -1; r < SAMPLES; r++) {
        double t0 = bench_now_ns();
        for (int64_t i = 0; i < queued; i++)
            attend(c);
        bench_stream_wait(stream);
        double t1 = bench_now_ns();
        for (int64_t i = 0; i < queued; i++)
            bench_graph_launch(graph, stream);
        bench_stream_wait(stream);
        if (r < 0)
            continue;
        bench_add(&plain, (t1 - t0) / (double)queued);
        bench_add(&graphed, (bench_now_ns() - t1) / (double)queued);
    }
    double x = bench_median(&plain), y = bench_median(&graphed);
    (void)printf("%-14s %s n %5lld  call %8.2f us (%.2f to %.2f)  graph %8.2f us (%.2f to %.2f)  "
                 "%.1f %%\n",
                 s->method, s->queries == 1 ? "decode " : "prefill", (long long)n, x * 1e-3,
                 bench_least(&plain) * 1e-3, bench_most(&plain) * 1e-3, y * 1e-3,
                 bench_least(&graphed) * 1e-3, bench_most(&graphed) * 1e-3, 100 * (x / y - 1));
    bench_graph_close(graph);
}

static void run(const subject *s, int64_t n, int64_t queued, void *stream)
{
    _Alignas(16) unsigned char params[4096];
    int64_t                    rows = s->queries > 0 ? s->queries : n;
    sb_run                     all = {0, n}, last = {n - rows, rows};
    call                       c = {.m = sb_method_find(s->method), .params = params};
    sb_arena                   host;
    sb_ctx   planner = {.backend = &sb_backend_cpu, .arena = &host, .n_layers = 1, .threads = 1};
    sb_shape shape   = {.q_gid     = {&last, 1, rows},
                        .n_keys    = n,
                        .heads     = HEADS,
                        .kv_heads  = KV_HEADS,
                        .head_dim  = DIM,
                        .is_decode = s->queries > 0};
    bench_must(text_params(c.m, s->params, params));
    sb_arena_init_count(&host);
    bench_must(c.m->layout(&planner, params, &shape, &c.plan, NULL));
    size_t bytes = host.high_water_bytes;
    void  *room  = bench_room((int64_t)bytes + 64), *lse;
    sb_arena_init(&host, room, bytes, SB_ARENA_PLAIN);
    bench_must(c.m->layout(&planner, params, &shape, &c.plan, NULL));
    sb_tensor q = on_device(HEADS, rows, &last, 1), k = on_device(KV_HEADS, n, &all, 2),
              v = on_device(KV_HEADS, n, &all, 3), o = on_device(HEADS, rows, &last, 4);
    bench_must(c.m->plan[SB_CPU](&planner, params, &shape, &q, &k, NULL, &c.plan));
    bench_must(b->alloc((size_t)(HEADS * rows) * sizeof(float), &lse));
    c.work_bytes = c.m->device_bytes != NULL ? (size_t)c.m->device_bytes(params, &shape) : 256;
    bench_must(b->alloc(c.work_bytes, &c.work_room));
    c.ctx = (sb_ctx){.backend = b, .arena = &c.work, .stream = stream, .n_layers = 1, .threads = 1};
    c.in  = (sb_attn_in){.q = &q, .k = &k, .v = &v, .scale = 0.0883883f};
    c.out = (sb_attn_out){.o = &o, .lse = lse, .mode = SB_OUT_SET};
    measure(&c, s, n, queued, stream);
    void *rooms[] = {q.data, k.data, v.data, o.data, lse, c.work_room};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        b->free(rooms[i]);
    free(room);
}

int main(int argc, char **argv)
{
    int64_t         queued = bench_arg(argc, argv, 1, 200);
    sb_device_facts facts;
    bench_must(b->available());
    bench_must(b->facts(&facts));
    void *stream = bench_stream_open();
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        for (int64_t n = 1024; n <= 8192; n *= 2)
            run(&subjects[i], n, subjects[i].queries > 0 ? queued : queued / 4 + 1, stream);
    (void)fprintf(stderr, "%s; %s\n", facts.name, facts.detail);
    bench_stream_close(stream);
    return 0;
}
