/* Is the time of methods that carry a state linear in the length, and how fast is it beside dense?
 *   bench_linear [longest [head_dim [heads [threads]]]]      default 65536 128 8, all cores
 * Calls of plan and attend at 8192 tokens and twice that up to the longest; CPU time a token and
 * head stands beside wall time, so that a busy machine can be read too. GFLOP by
 * plan->attend_flops, of dense 4 d a visible pair. Dense runs up to 16384 tokens. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernels/registry.h"
#include "tests/perf/bench.h"

enum { REPEAT = 3, DENSE_MAX_TOKENS = 16384 };

static const struct {
    const char *method, *kind;
    int         gates; /* 1: a gate a token, 2: a channel */
} runs[] = {{"lightning", NULL, 0}, {"linear", "elu1", 0},        {"linear", "retnet", 0},
            {"linear", "gla", 2},   {"linear", "gated_delta", 1}, {"linear", "aaren", 0},
            {"dense", NULL, 0}};
enum { N_RUNS = sizeof runs / sizeof *runs };

static double cpu_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static sb_tensor gates(int64_t heads, int64_t tokens, int64_t dim)
{
    sb_tensor t = {.dtype       = SB_F32,
                   .heads       = heads,
                   .tokens      = tokens,
                   .dim         = dim,
                   .head_stride = tokens * dim,
                   .data        = bench_room(heads * tokens * dim * 4)};
    for (int64_t i = 0; i < heads * tokens * dim; i++)
        ((float *)t.data)[i] = -0.001f * (float)(i % 97);
    return t;
}

/* One method at one shape; returns the FLOP of a call. */
static double time_method(const sb_method *m, const char *kind, const sb_shape *shape,
                          const sb_attn_in *in, sb_attn_out *out, int32_t threads, bench_times *t,
                          double *cpu_ns)
{
    double   params[64] = {0}, c0 = 0;
    sb_arena a;
    sb_plan  plan = {0};
    sb_ctx   ctx  = {.backend = &sb_backend_cpu, .arena = &a, .threads = threads};
    bench_must(sb_params_default(m->params, params));
    if (kind != NULL)
        bench_must(sb_param_set(sb_params_find(m->params, "kind"), params, kind));
    sb_arena_init_count(&a);
    bench_must(m->layout(&ctx, params, shape, &plan, NULL));
    size_t bytes  = a.high_water_bytes;
    void  *memory = bench_room((int64_t)bytes + 64);
    sb_arena_init(&a, memory, bytes, SB_ARENA_PLAIN);
    bench_must(m->layout(&ctx, params, shape, &plan, NULL));
    for (int r = -1; r < REPEAT; r++) {
        int64_t t0 = sb_now_ns();
        c0         = r == 0 ? cpu_now_ns() : c0;
        bench_must(m->plan[SB_CPU](&ctx, params, shape, in->q, in->k, NULL, &plan));
        bench_must(m->attend[SB_CPU](&ctx, params, in, &plan, NULL, out));
        if (r >= 0)
            bench_add(t, (double)(sb_now_ns() - t0));
    }
    *cpu_ns = (cpu_now_ns() - c0) / REPEAT;
    free(memory);
    return plan.attend_flops > 0 ? (double)plan.attend_flops
                                 : 2.0 * (double)(shape->head_dim * shape->heads) *
                                       (double)shape->n_keys * (double)(shape->n_keys + 1);
}

static void at_length(int64_t n, int64_t d, int64_t heads, int32_t threads)
{
    sb_run    all = {0, n};
    sb_tensor q = bench_tensor(heads, n, d, &all, 1), k = bench_tensor(heads, n, d, &all, 2),
              v = bench_tensor(heads, n, d, &all, 3), o = bench_tensor(heads, n, d, &all, 4);
    sb_tensor channel = gates(heads, n, d), token = gates(heads, n, 1);
    float    *lse   = bench_room(heads * n * 4);
    sb_shape  shape = {
         .q_gid = q.gid, .n_keys = n, .heads = heads, .kv_heads = heads, .head_dim = d};
    for (int i = 0; i < N_RUNS; i++) {
        const sb_method *m   = sb_method_find(runs[i].method);
        sb_attn_in       in  = {.q = &q, .k = &k, .v = &v, .scale = 0.088f};
        sb_attn_out      out = {.o = &o, .lse = lse};
        bench_times      t   = {0};
        double           cpu_ns;
        in.gate = runs[i].gates == 0 ? NULL : runs[i].gates == 1 ? &token : &channel;
        if ((m->caps & SB_CAP_STATE) == 0 && n > DENSE_MAX_TOKENS)
            continue;
        double flop = time_method(m, runs[i].kind, &shape, &in, &out, threads, &t, &cpu_ns);
        printf("%-11s N %7lld: %9.1f ms (%.1f to %.1f), CPU %7.0f ns a token and head, %5.1f "
               "GFLOP/s a core\n",
               runs[i].kind != NULL ? runs[i].kind : m->name, (long long)n, bench_median(&t) * 1e-6,
               bench_least(&t) * 1e-6, bench_most(&t) * 1e-6, cpu_ns / (double)(n * heads),
               flop / cpu_ns);
    }
    free(q.data);
    free(k.data);
    free(v.data);
    free(o.data);
    free(channel.data);
    free(token.data);
    free(lse);
}

int main(int argc, char **argv)
{
    int64_t longest = bench_arg(argc, argv, 1, 65536), d = bench_arg(argc, argv, 2, 128),
            heads           = bench_arg(argc, argv, 3, 8);
    int32_t         threads = (int32_t)bench_arg(argc, argv, 4, bench_cores());
    sb_device_facts facts;
    bench_must(sb_backend_cpu.facts(&facts));
    printf("%s, %d threads, %s; d %lld, H %lld\n", facts.name, threads, facts.detail, (long long)d,
           (long long)heads);
    for (int64_t n = longest < 8192 ? longest : 8192; n <= longest; n *= 2)
        at_length(n, d, heads, threads);
    return 0;
}
