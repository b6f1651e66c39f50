/* Is the time of methods that carry a state linear in the length, and how fast is it beside dense?
 *   bench_linear [longest [head_dim [heads [threads]]]]      default 65536 128 8, all cores
 * Median and best of several calls of the whole operator, at 8192 tokens and twice that up to the
 * longest; ns of CPU time a token and head (so a busy machine can be read too); FLOP of a chunked
 * pass [lightning 7, linear 7], the exact triangle of 64 rows. Dense is timed up to 16384 tokens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/registry.h"

enum { REPEAT = 3 };

static const struct {
    const char *method, *name, *value;
    int         gates;    /* 1: a gate a token, 2: a channel */
    double      products; /* times 2 d^2 FLOP a token and head, beside the triangles */
} kinds[] = {{"lightning", NULL, NULL, 0, 2},
             {"linear", "kind", "elu1", 0, 2},
             {"linear", "kind", "retnet", 0, 2},
             {"linear", "kind", "gla", 2, 2},
             {"linear", "kind", "gated_delta", 1, 3},
             {"linear", "kind", "aaren", 0, 0},
             {"dense", NULL, NULL, 0, 0}};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static void *room(int64_t bytes)
{
    void *p = NULL;
    if (sb_backend_cpu.alloc((size_t)bytes, &p) != SB_OK) {
        fprintf(stderr, "%s\n", sb_error_text());
        exit(1);
    }
    return p;
}

static sb_tensor tensor(sb_dtype dtype, int64_t heads, int64_t tokens, int64_t dim,
                        const sb_run *run, uint64_t seed)
{
    sb_tensor t = {.dtype       = dtype,
                   .heads       = heads,
                   .tokens      = tokens,
                   .dim         = dim,
                   .head_stride = tokens * dim,
                   .gid         = {.run = run, .n_runs = 1, .n_tokens = tokens}};
    t.data      = room(heads * tokens * dim * sb_dtype_bytes(dtype));
    for (int64_t i = 0; i < heads * tokens * dim; i++) {
        float u = (float)(sb_mix(seed + (uint64_t)i) >> 40) * 0x1p-24f;
        if (dtype == SB_BF16)
            ((sb_bf16 *)t.data)[i] = sb_bf16_from_f32(2 * u - 1);
        else
            ((float *)t.data)[i] = -0.1f * u;
    }
    return t;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double cpu_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static sb_status time_calls(const sb_method *m, const void *params, const sb_shape *shape,
                            const sb_attn_in *in, sb_attn_out *out, int32_t threads,
                            double seconds[REPEAT], double *cpu_ns)
{
    sb_arena  a;
    sb_plan   plan = {0};
    sb_ctx    ctx  = {.backend = &sb_backend_cpu, .arena = &a, .threads = threads};
    sb_status st;
    sb_arena_init_count(&a);
    if ((st = m->check(params, shape)) != SB_OK ||
        (st = m->layout(&ctx, params, shape, &plan, NULL)) != SB_OK)
        return st;
    size_t bytes  = a.high_water_bytes + 64;
    void  *memory = room((int64_t)bytes);
    *cpu_ns       = 0;
    for (int r = -1; st == SB_OK && r < REPEAT; r++) {
        double c0 = cpu_now_ns();
        sb_arena_init(&a, memory, bytes, SB_ARENA_PLAIN);
        st         = m->layout(&ctx, params, shape, &plan, NULL);
        int64_t t0 = sb_now_ns();
        if (st == SB_OK)
            st = m->plan[SB_CPU](&ctx, params, shape, in->q, in->k, NULL, &plan);
        if (st == SB_OK)
            st = m->attend[SB_CPU](&ctx, params, in, &plan, NULL, out);
        if (r >= 0) {
            seconds[r] = (double)(sb_now_ns() - t0) * 1e-9;
            *cpu_ns += (cpu_now_ns() - c0) / REPEAT;
        }
    }
    sb_backend_cpu.free(memory);
    qsort(seconds, REPEAT, sizeof *seconds, by_value);
    return st;
}

int main(int argc, char **argv)
{
    int64_t         arg[4] = {65536, 128, 8, 0};
    sb_device_facts facts;
    if (sb_backend_cpu.facts(&facts) != SB_OK) {
        fprintf(stderr, "%s\n", sb_error_text());
        return 2;
    }
    arg[3] = facts.count;
    for (int i = 1; i < argc && i <= 4; i++)
        arg[i - 1] = atoll(argv[i]);
    int64_t longest = arg[0], d = arg[1], heads = arg[2];
    printf("%s, %d threads, %s; d %lld H %lld\n", facts.name, (int)arg[3], facts.detail,
           (long long)d, (long long)heads);
    for (int64_t n = longest < 8192 ? longest : 8192; n <= longest; n *= 2) {
        sb_run    all     = {0, n};
        sb_tensor q       = tensor(SB_BF16, heads, n, d, &all, 1),
                  k       = tensor(SB_BF16, heads, n, d, &all, 2),
                  v       = tensor(SB_BF16, heads, n, d, &all, 3),
                  o       = tensor(SB_BF16, heads, n, d, &all, 4);
        sb_tensor channel = tensor(SB_F32, heads, n, d, &all, 5),
                  token   = tensor(SB_F32, heads, n, 1, &all, 6);
        float   *lse      = room(heads * n * 4);
        sb_shape shape    = {
               .q_gid = q.gid, .n_keys = n, .heads = heads, .kv_heads = heads, .head_dim = d};
        for (int i = 0; i < N_KINDS; i++) {
            const sb_method *m          = sb_method_find(kinds[i].method);
            double           params[64] = {0}, s[REPEAT], cpu = 0;
            int              dense = strcmp(m->name, "dense") == 0;
            sb_attn_in       in    = {.q = &q, .k = &k, .v = &v, .scale = 0.088f};
            sb_attn_out      out   = {.o = &o, .lse = lse};
            in.gate = kinds[i].gates == 0 ? NULL : kinds[i].gates == 1 ? &token : &channel;
            if (dense && n > 16384)
                continue;
            sb_status st = sb_params_default(m->params, params);
            if (st == SB_OK && kinds[i].name != NULL)
                st = sb_param_set(sb_params_find(m->params, kinds[i].name), params, kinds[i].value);
            if (st == SB_OK)
                st = time_calls(m, params, &shape, &in, &out, (int32_t)arg[3], s, &cpu);
            if (st != SB_OK) {
                fprintf(stderr, "%s\n", sb_error_text());
                return 1;
            }
            double x = (double)d, rows = (double)(n * heads);
            double flop = dense ? 2 * x * rows * (double)(n + 1)
                                : rows * (kinds[i].products * 2 * x * x +
                                          (kinds[i].products > 0 ? 2 * 65 * x : 4 * x));
            printf("%-11s N %7lld: median %9.1f ms, best %9.1f, %6.0f ns a token and head, %5.1f "
                   "GFLOP/s a core\n",
                   kinds[i].value != NULL ? kinds[i].value : m->name, (long long)n,
                   s[REPEAT / 2] * 1e3, s[0] * 1e3, cpu / rows, flop / cpu);
        }
        free(q.data), free(k.data), free(v.data), free(o.data), free(channel.data);
        free(token.data), free(lse);
    }
    return 0;
}
