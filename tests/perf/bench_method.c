/* What planning costs beside attention: phases of one method's plan and the time of its attend
 * against density, with dense attention by turns.
 *   bench_method METHOD [n_tokens [head_dim [heads [kv_heads [threads [repeat]]]]]] [-- NAME=V,V
 * ..] default              8192      128      8      2         all     3 One parameter may have
 * several values: a line each. Ratio is attend / (density * dense): 1 is perfect. Inputs are
 * random, so methods that keep a share of the mass keep that share of blocks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/attend.h"
#include "kernels/exec/index_stats.h"
#include "kernels/registry.h"
#include "tests/perf/bench.h"

typedef struct input {
    sb_attn_in  in;
    sb_attn_out out;
    sb_shape    shape;
    int32_t     threads;
    int64_t     repeat;
} input;

static double density(const sb_plan *p, const sb_shape *shape)
{
    double num = 0, den = 0;
    for (int64_t h = 0; h < shape->heads; h++) {
        sb_index_stats s;
        bench_must(sb_index_stats_count(p, shape, h, &s));
        num += (double)s.rho_num;
        den += (double)s.rho_den;
    }
    return num / den;
}

static void run(const sb_method *m, const void *params, input *x, const char *label)
{
    sb_arena    arena;
    sb_plan     plan;
    sb_ctx      ctx   = {.backend = &sb_backend_cpu, .arena = &arena, .threads = x->threads};
    bench_times dense = {0}, phase[SB_PHASE_COUNT] = {{0}};
    bench_must(m->check(params, &x->shape));
    sb_arena_init_count(&arena);
    bench_must(m->layout(&ctx, params, &x->shape, &plan, NULL));
    void *room = bench_room((int64_t)arena.high_water_bytes + 64);
    sb_arena_init(&arena, room, arena.high_water_bytes, SB_ARENA_PLAIN);
    bench_must(m->layout(&ctx, params, &x->shape, &plan, NULL));
    for (int64_t r = -1; r < x->repeat; r++) {
        sb_phase_times t  = {.kernel = NULL};
        int64_t        t0 = sb_now_ns();
        bench_must(sb_attend_dense_cpu(&ctx, NULL, &x->in, NULL, NULL, &x->out));
        int64_t t1 = sb_now_ns();
        ctx.phases = &t;
        bench_must(m->plan[SB_CPU](&ctx, params, &x->shape, x->in.q, x->in.k, NULL, &plan));
        bench_must(m->attend[SB_CPU](&ctx, params, &x->in, &plan, NULL, &x->out));
        ctx.phases = NULL;
        if (r < 0)
            continue;
        bench_add(&dense, (double)(t1 - t0));
        for (int p = 0; p < SB_PHASE_COUNT; p++)
            bench_add(&phase[p], (double)t.ns[p]);
    }
    double rho = density(&plan, &x->shape), d = bench_median(&dense) * 1e-6;
    double estimate = bench_median(&phase[SB_PHASE_ESTIMATE]) * 1e-6,
           select   = bench_median(&phase[SB_PHASE_SELECT]) * 1e-6,
           permute  = bench_median(&phase[SB_PHASE_PERMUTE]) * 1e-6,
           compute  = bench_median(&phase[SB_PHASE_COMPUTE]) * 1e-6;
    printf("%-16s %8.4f %9.1f %9.1f %8.1f %8.1f %9.1f %7.3f %6.2f %6.2f\n", label, rho, d, estimate,
           permute, select, compute, (estimate + permute + select) / d, compute / (rho * d),
           d / (estimate + permute + select + compute));
    fflush(stdout);
    free(room);
}

/* name=value into params; the first of several values, the rest into *more. */
static void set(const sb_method *m, void *params, char *text, char **name, char **more)
{
    char *eq = strchr(text, '=');
    if (eq == NULL) {
        fprintf(stderr, "found `%s`, allowed name=value\n", text);
        exit(2);
    }
    *eq               = '\0';
    *name             = text;
    *more             = eq + 1;
    char           *v = strsep(more, ",");
    const sb_param *p = sb_params_find(m->params, text);
    if (p == NULL) {
        fprintf(stderr, "%s has no parameter %s\n", m->name, text);
        exit(2);
    }
    bench_must(sb_param_set(p, params, v));
}

int main(int argc, char **argv)
{
    int              split = 1;
    const sb_method *m     = argc > 1 ? sb_method_find(argv[1]) : NULL;
    while (split < argc && strcmp(argv[split], "--") != 0)
        split++;
    if (m == NULL) {
        fprintf(stderr, "bench_method METHOD [sizes] [-- NAME=V,V ..]\n");
        return 2;
    }
    int64_t   n = bench_arg(split, argv, 2, 8192), d = bench_arg(split, argv, 3, 128);
    int64_t   heads = bench_arg(split, argv, 4, 8), kv_heads = bench_arg(split, argv, 5, 2);
    sb_run    all = {0, n};
    sb_tensor q = bench_tensor(heads, n, d, &all, 1), k = bench_tensor(kv_heads, n, d, &all, 2),
              v = bench_tensor(kv_heads, n, d, &all, 3), o = bench_tensor(heads, n, d, &all, 4);
    input x = {
        .in    = {.q = &q, .k = &k, .v = &v, .scale = 0.088f},
        .out   = {.o = &o, .lse = bench_room(heads * n * 4)},
        .shape = {.q_gid = q.gid, .n_keys = n, .heads = heads, .kv_heads = kv_heads, .head_dim = d},
        .threads = (int32_t)bench_arg(split, argv, 6, bench_cores()),
        .repeat  = bench_arg(split, argv, 7, 3)};
    void *params  = bench_room((int64_t)m->params_bytes + 1);
    char *several = NULL, *name = NULL;
    bench_must(sb_params_default(m->params, params));
    for (int i = split + 1; i < argc; i++) {
        char *this_name, *more;
        set(m, params, argv[i], &this_name, &more);
        if (more != NULL) {
            several = more;
            name    = this_name;
        }
    }
    printf("%s, N %lld d %lld H %lld/%lld, %d threads, medians of %lld, ms\n", m->name,
           (long long)n, (long long)d, (long long)heads, (long long)kv_heads, (int)x.threads,
           (long long)x.repeat);
    printf("%-16s %8s %9s %9s %8s %8s %9s %7s %6s %6s\n", name != NULL ? name : "", "density",
           "dense", "estimate", "permute", "select", "attend", "plan/d", "ratio", "x");
    const char *label = "first value";
    do {
        run(m, params, &x, label);
        label = several != NULL ? strsep(&several, ",") : NULL;
        if (label != NULL)
            bench_must(sb_param_set(sb_params_find(m->params, name), params, label));
    } while (label != NULL);
    free(q.data);
    free(k.data);
    free(v.data);
    free(o.data);
    free(x.out.lse);
    free(params);
    return 0;
}
