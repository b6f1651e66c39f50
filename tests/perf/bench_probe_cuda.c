/* What does the probe cost on this GPU around attention, beside copies of as many bytes?
 *   bench_probe_cuda [n_tokens [hops [repeat]]]     default 131072 4 15
 * The steps of a vt question in turn: embed, q k v and absorb of each layer. Host's clock around a
 * wait, so a launch (some microseconds) is in it. Bytes are those that are written. */
#include <stdio.h>
#include <stdlib.h>

#include "harness/model/probe/state.h"
#include "tests/perf/bench.h"

enum { MAX_LAYERS = 8 };

static const sb_backend *const   b   = &sb_backend_cuda;
static const sb_model_ops *const ops = &sb_model_probe_cuda;

static sb_tensor on_device(int64_t heads, int64_t n)
{
    sb_tensor t = {.dtype       = SB_BF16,
                   .heads       = heads,
                   .tokens      = n,
                   .dim         = SB_PROBE_DIM,
                   .head_stride = n * SB_PROBE_DIM};
    bench_must(b->alloc((size_t)(heads * t.head_stride) * sizeof(sb_bf16), &t.data));
    bench_must(b->fill(t.data, 0, (size_t)(heads * t.head_stride) * sizeof(sb_bf16), NULL));
    return t;
}

static void say(const char *what, int32_t layer, bench_times *t, double bytes, bench_times *copy)
{
    double ns = bench_median(t);
    (void)printf("%-8s layer %2d  %9.3f ms (%.3f to %.3f)  %8.1f MB written  %6.0f GB/s", what,
                 layer, ns * 1e-6, bench_least(t) * 1e-6, bench_most(t) * 1e-6, bytes * 1e-6,
                 bytes / ns);
    if (copy != NULL)
        (void)printf("  copied in %.3f ms", bench_median(copy) * 1e-6);
    (void)printf("\n");
}

static void done(bench_times *t, int64_t t0, int64_t r)
{
    bench_must(b->sync(NULL));
    if (r >= 0)
        bench_add(t, (double)(sb_now_ns() - t0));
}

int main(int argc, char **argv)
{
    int64_t         n = bench_arg(argc, argv, 1, 131072), hops = bench_arg(argc, argv, 2, 4);
    int64_t         repeat = bench_arg(argc, argv, 3, 15);
    sb_probe_params par;
    sb_model       *m;
    sb_arena        a;
    void           *room;
    sb_run          all = {0, n};
    sb_gid          gid = {&all, 1, n};
    sb_input        in  = {.n_tokens  = n,
                           .n_context = n - 64,
                           .profile   = SB_PROFILE_VT,
                           .hops      = (int32_t)hops,
                           .ids       = bench_room(n * (int64_t)sizeof(int32_t))};
    bench_must(b->available());
    for (int64_t i = 0; i < n; i++)
        in.ids[i] = (int32_t)(64 + i * 2654435761 % 30000);
    bench_must(sb_params_default(sb_model_probe.params, &par));
    bench_must(sb_model_probe.create(&par, 1, &m));
    sb_arena_init_count(&a);
    bench_must(ops->layout(m, &in, n, &a));
    size_t bytes = a.high_water_bytes;
    bench_must(b->alloc(bytes, &room));
    sb_arena_init(&a, room, bytes, SB_ARENA_PLAIN);
    bench_must(ops->layout(m, &in, n, &a));
    sb_tensor   q = on_device(SB_PROBE_HEADS, n), k = on_device(SB_PROBE_KV_HEADS, n);
    sb_tensor   v = on_device(SB_PROBE_KV_HEADS, n), o = on_device(SB_PROBE_HEADS, n);
    bench_times embed = {0}, copy = {0}, qkv[MAX_LAYERS] = {{0}}, absorb[MAX_LAYERS] = {{0}};
    int32_t     layers = sb_probe_n_layers(SB_PROFILE_VT, in.hops);
    double      row    = SB_PROBE_DIM * (double)sizeof(sb_bf16) * (double)n;
    if (layers > MAX_LAYERS)
        bench_must(sb_fail(SB_ERR_USAGE, "hops: found %d, allowed up to 6", in.hops));
    for (int64_t r = -2; r < repeat; r++) {
        int64_t t0 = sb_now_ns();
        bench_must(ops->embed(m, &in, &gid));
        done(&embed, t0, r);
        for (int32_t l = 0; l < layers; l++) {
            t0 = sb_now_ns();
            bench_must(ops->qkv(m, l, 0, &q, &k, &v));
            done(&qkv[l], t0, r);
            t0 = sb_now_ns();
            bench_must(ops->absorb(m, l, 0, &o));
            done(&absorb[l], t0, r);
        }
        t0 = sb_now_ns(); /* as many bytes as q, k and v of a layer, twice q */
        bench_must(b->copy(o.data, q.data, (size_t)row * SB_PROBE_HEADS, SB_COPY_ON_DEVICE, NULL));
        bench_must(b->copy(o.data, q.data, (size_t)row * SB_PROBE_HEADS, SB_COPY_ON_DEVICE, NULL));
        done(&copy, t0, r);
    }
    say("embed", -1, &embed, row + (double)n * (2 * SB_PROBE_TOPIC + 14), NULL);
    for (int32_t l = 0; l < layers; l++) {
        double  taken = 0;
        int32_t dims;
        for (int32_t h = 0; h < SB_PROBE_HEADS; h++)
            if (sb_probe_writes(m->impl, l, h, &dims) != NULL)
                taken += row * dims / SB_PROBE_DIM;
        say("qkv", l, &qkv[l], SB_PROBE_MAPS * row, &copy);
        say("absorb", l, &absorb[l], taken, NULL);
    }
    void *rooms[] = {room, q.data, k.data, v.data, o.data};
    for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++)
        b->free(rooms[i]);
    sb_model_probe.destroy(m);
    free(in.ids);
    return 0;
}
