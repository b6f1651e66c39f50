/* A million tokens, 32 heads of 128, of the linear scan: q, k, v and o hold 2^32 numbers each, so
 * an offset in 32 bits would miss. Sampled rows, the last ones among them, against sums in fp64
 * over all tokens before them; with a decay, and with next to none, where the state sums up the
 * whole sequence. Operands repeat after a prime number of rows. Without a device, or with one of
 * less than 40 GB: skipped (77). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "kernels/base/rng.h"
#include "kernels/exec/linear_scan.h"
#include "kernels/registry.h"
#include "tests/cuda/device_main.h"
#include "tests/oracle/linear_judge.h"
#include "tests/tolerance.h"

enum { N = 1 << 20, HEADS = 32, D = 128, PERIOD = 65537 };
enum { SALT_Q = 11, SALT_K = 20011, SALT_V = 40009 };

static const sb_backend *const b = &sb_backend_cuda;
static sb_bf16                *period; /* [PERIOD][D] */
static double                 *mapped; /* the same after the map */
static sb_run                  all = {0, N};
static sb_tensor               q, k, v, o;

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

static void *room(int64_t bytes)
{
    void *p = NULL;
    must(b->alloc((size_t)bytes, &p));
    must(b->fill(p, 0xFF, (size_t)bytes, NULL));
    return p;
}

/* Row of the period that token t of head h has; salt: of q, k and v. */
static int64_t row_of(int64_t salt, int64_t h, int64_t t) { return (t + 4099 * h + salt) % PERIOD; }

static sb_tensor operand(int64_t salt)
{
    sb_tensor t = {.dtype       = SB_BF16,
                   .heads       = HEADS,
                   .tokens      = N,
                   .dim         = D,
                   .head_stride = (int64_t)N * D,
                   .gid         = {&all, 1, N}};
    t.data      = room((int64_t)HEADS * N * D * 2);
    for (int64_t h = 0; h < HEADS; h++)
        for (int64_t at = 0; at < N;) {
            int64_t row = row_of(salt, h, at), n = PERIOD - row < N - at ? PERIOD - row : N - at;
            must(b->copy(sb_tensor_bf16(&t, h, at), period + row * D,
                         (size_t)(n * D) * sizeof *period, SB_COPY_TO_DEVICE, NULL));
            at += n;
        }
    must(b->sync(NULL));
    return t;
}

static void open_operands(void)
{
    double x[D];
    period = malloc((size_t)PERIOD * D * sizeof *period);
    mapped = malloc((size_t)PERIOD * D * sizeof *mapped);
    ck_assert(period != NULL && mapped != NULL);
    for (int64_t i = 0; i < (int64_t)PERIOD * D; i++)
        period[i] = sb_bf16_from_f32((float)(sb_mix((uint64_t)i) >> 40) * 0x1p-22f - 2.0f);
    for (int64_t i = 0; i < PERIOD; i++) {
        for (int c = 0; c < D; c++)
            x[c] = (double)sb_bf16_to_f32(period[i * D + c]);
        linear_map_row(MAP_SILU, x, D, mapped + i * D);
    }
    q      = operand(SALT_Q);
    k      = operand(SALT_K);
    v      = operand(SALT_V);
    o      = q;
    o.data = room((int64_t)HEADS * N * D * 2);
}

/* Row t of head h: sum over j <= t of e^(-slope (t - j)) q_t.k_j v_j. */
static void judge_row(int64_t h, int64_t t, double slope, double *want)
{
    const double *query = mapped + row_of(SALT_Q, h, t) * D;
    for (int x = 0; x < D; x++)
        want[x] = 0;
    for (int64_t j = 0; j <= t; j++) {
        const double  *key   = mapped + row_of(SALT_K, h, j) * D;
        const sb_bf16 *value = period + row_of(SALT_V, h, j) * D;
        double         w = -slope * (double)(t - j), s = 0;
        if (w < -60)
            continue;
        for (int c = 0; c < D; c++)
            s += query[c] * key[c];
        s *= exp(w);
        for (int x = 0; x < D; x++)
            want[x] += s * (double)sb_bf16_to_f32(value[x]);
    }
}

/* _i: layer of two, of which the second hardly decays. */
START_TEST(rows_of_a_million)
{
    static const char *const kernels[] = {"portable", "auto"};
    static const int64_t     rows[]    = {N - 1, N - 77, N / 2 + 13, 3};
    enum { ROWS = sizeof rows / sizeof *rows };
    const sb_method           *m = sb_method_find("lightning");
    _Alignas(16) unsigned char params[4096];
    double                     want[2][ROWS][D];
    int64_t                    n;
    sb_shape                   shape = {
                          .q_gid = q.gid, .n_keys = N, .heads = HEADS, .kv_heads = HEADS, .head_dim = D};
    sb_plan        plan = {0};
    sb_arena       host, work;
    sb_phase_times times = {0};
    sb_ctx         ctx   = {
                  .backend = &sb_backend_cpu, .arena = &host, .layer = _i, .n_layers = 2, .threads = 1};
    must(sb_params_default(m->params, params));
    sb_arena_init_count(&host);
    must(m->layout(&ctx, params, &shape, &plan, NULL));
    size_t bytes  = host.high_water_bytes;
    void  *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    sb_arena_init(&host, memory, bytes, SB_ARENA_PLAIN);
    must(m->layout(&ctx, params, &shape, &plan, NULL));
    must(m->plan[SB_CPU](&ctx, params, &shape, &q, &k, NULL, &plan));
    const double *slope = sb_scan_slopes(&plan, &n);
    for (int h = 0; h < 2; h++)
        for (int r = 0; r < ROWS; r++)
            judge_row(h * (HEADS - 1), rows[r], slope[h * (HEADS - 1)], want[h][r]);
    bytes           = (size_t)m->device_bytes(params, &shape);
    void *work_room = room((int64_t)bytes);
    ctx.backend     = b;
    ctx.arena       = &work;
    ctx.phases      = &times;
    for (int x = 0; x < 2; x++) {
        sb_attn_in  in  = {.q = &q, .k = &k, .v = &v, .scale = 0.0883883f};
        sb_attn_out out = {.o = &o, .mode = SB_OUT_SET};
        double      num = 0, den = 0;
        times = (sb_phase_times){0};
        sb_arena_init(&work, work_room, bytes, SB_ARENA_PLAIN);
        must(b->fill(o.data, 0xFF, (size_t)HEADS * N * D * 2, NULL));
        ck_assert_int_eq(setenv("SPAN_CUDA_KERNEL", kernels[x], 1), 0);
        must(m->attend[SB_CUDA](&ctx, params, &in, &plan, NULL, &out));
        for (int h = 0; h < 2; h++)
            for (int r = 0; r < ROWS; r++) {
                sb_bf16 got[D];
                must(b->copy(got, sb_tensor_bf16(&o, h * (HEADS - 1), rows[r]), sizeof got,
                             SB_COPY_TO_HOST, NULL));
                must(b->sync(NULL));
                double row = 0, all_of = 0;
                for (int c = 0; c < D; c++) {
                    double e = (double)sb_bf16_to_f32(got[c]) - want[h][r][c];
                    row += e * e;
                    all_of += want[h][r][c] * want[h][r][c];
                }
                ck_assert_msg(isfinite(row) &&
                                  row <= 4 * all_of * SB_SCAN_REL_BF16 * SB_SCAN_REL_BF16,
                              "%s, head %d, row %lld: %g", kernels[x], h * (HEADS - 1),
                              (long long)rows[r], sqrt(row / all_of));
                num += row / all_of;
                den += 1;
            }
        (void)printf("%s, layer %d: %.2f ms, error %.2g\n", kernels[x], _i,
                     (double)times.ns[SB_PHASE_COMPUTE] * 1e-6, sqrt(num / den));
        ck_assert_double_le(sqrt(num / den), SB_SCAN_REL_BF16);
    }
    unsetenv("SPAN_CUDA_KERNEL");
    b->free(work_room);
    free(memory);
}
END_TEST

int main(void)
{
    int missing = device_missing(40);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("a scan of a million tokens");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 300);
    tcase_add_unchecked_fixture(t, open_operands, NULL);
    tcase_add_loop_test(t, rows_of_a_million, 0, 2);
    suite_add_tcase(s, t);
    return device_run(s);
}
