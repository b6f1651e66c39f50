#include "tests/cuda/device_scan.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/linear_scan.h"
#include "kernels/linear/linear.h"
#include "tests/cuda/device_case.h"

static const sb_backend *const b = &sb_backend_cuda;

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

/* Rows [first, first + n) of gates or betas, dense. */
static sb_tensor side_rows(const sb_tensor *t, int64_t first, int64_t n)
{
    sb_tensor r   = *t;
    r.tokens      = n;
    r.head_stride = n * t->dim;
    r.data        = malloc((size_t)(t->heads * r.head_stride + 1) * sizeof(float));
    ck_assert_ptr_nonnull(r.data);
    for (int64_t h = 0; h < t->heads; h++)
        memcpy(sb_tensor_f32(&r, h, 0), sb_tensor_f32(t, h, first),
               (size_t)r.head_stride * sizeof(float));
    return r;
}

/* Layout, which refuses what attend would, and plan on the host; *memory to be freed. */
static sb_status plan_on_host(scan_case *s, sb_comm *comm, const sb_shape *shape,
                              const sb_tensor *q, const sb_tensor *k, sb_plan *plan, void **memory)
{
    sb_arena a;
    sb_ctx   ctx = {.backend  = b,
                    .comm     = comm,
                    .arena    = &a,
                    .threads  = 1,
                    .layer    = s->layer,
                    .n_layers = s->n_layers};
    sb_arena_init_count(&a);
    sb_status st = s->m->layout(&ctx, s->c->params, shape, plan, NULL);
    if (st != SB_OK)
        return st;
    size_t bytes = a.high_water_bytes;
    *memory      = aligned_alloc(64, (bytes + 63) / 64 * 64);
    sb_arena_init(&a, *memory, bytes, SB_ARENA_PLAIN);
    must(s->m->layout(&ctx, s->c->params, shape, plan, NULL));
    st = s->m->plan[SB_CPU](&ctx, s->c->params, shape, q, k, &s->cache, plan);
    if (s->slope >= 0) {
        int64_t heads;
        double *slope = sb_scan_slopes(plan, &heads);
        for (int64_t h = 0; h < heads; h++)
            slope[h] = s->slope;
    }
    return st;
}

static void take_outputs(scan_case *s, const device_case *d, int64_t first)
{
    for (int64_t h = 0; h < d->got.heads; h++)
        for (int64_t i = 0; i < d->got.tokens; i++) {
            float *to = sb_tensor_f32(&s->o, h, first + i);
            ck_assert_msg(d->got_lse[h * d->got.tokens + i] == 0.0f, "lse of row %lld",
                          (long long)i);
            for (int64_t x = 0; x < d->got.dim; x++)
                to[x] = d->got.dtype == SB_F32 ? sb_tensor_f32(&d->got, h, i)[x]
                                               : sb_bf16_to_f32(sb_tensor_bf16(&d->got, h, i)[x]);
        }
}

static sb_status attend(scan_case *s, const sb_shape *shape, const sb_plan *plan, device_case *d,
                        int64_t first, const char *kernel)
{
    size_t    work_bytes  = (size_t)s->m->device_bytes(s->c->params, shape);
    size_t    state_bytes = (size_t)s->cache.state_bytes;
    void     *room = device_room(work_bytes), *state = device_room(state_bytes);
    sb_arena  work;
    sb_cache  cache = s->cache;
    sb_status st;
    sb_arena_init(&work, room, work_bytes, SB_ARENA_PLAIN);
    cache.state = state;
    d->work     = &work;
    d->cache    = &cache;
    must(b->copy(state, s->cache.state, state_bytes, SB_COPY_TO_DEVICE, NULL));
    must(b->sync(NULL));
    st = device_attend(d, s->m->attend[SB_CUDA], plan, s->c->scale, SB_OUT_SET, kernel);
    if (st == SB_OK) {
        must(b->copy(s->cache.state, state, state_bytes, SB_COPY_TO_HOST, NULL));
        must(b->sync(NULL));
        device_guard(state, state_bytes, "the state");
        device_guard(room, work_bytes, "the work room");
        ck_assert_uint_eq(work.used_bytes, 0);
        ck_assert_uint_le(work.high_water_bytes, work_bytes);
        take_outputs(s, d, first);
    }
    b->free(room);
    b->free(state);
    return st;
}

static sb_status scan(scan_case *s, int64_t first, int64_t n, int is_decode, const char *kernel,
                      sb_comm *comm, sb_link *link)
{
    const sb_case_shape *c   = &s->c->shape;
    sb_run               own = {first, n}, seen[] = {{0, first}, {first, n}};
    sb_gid               gid = {&own, 1, n}, all = {seen, 2, first + n};
    const sb_gid        *keys  = is_decode ? &all : &gid;
    sb_shape             shape = {.q_gid     = gid,
                                  .n_keys    = is_decode ? first + n : c->n_k,
                                  .heads     = c->heads,
                                  .kv_heads  = c->kv_heads,
                                  .head_dim  = c->dim,
                                  .is_decode = is_decode};
    sb_plan              plan  = {0};
    device_case          d;
    void                *memory = NULL;
    sb_status            st     = s->m->check(s->c->params, &shape);
    if (st != SB_OK)
        return st;
    sb_tensor q = sb_case_take(&s->c->q, 0, &gid), k = sb_case_take(&s->c->k, 0, keys),
              v = sb_case_take(&s->c->v, 0, keys);
    st          = plan_on_host(s, comm, &shape, &q, &k, &plan, &memory);
    if (st == SB_OK) {
        device_open(&d, &q, &k, &v, s->dtype);
        d.comm = comm;
        d.link = link;
        if (s->gate.data != NULL) {
            sb_tensor gate = side_rows(&s->gate, first, n), beta = side_rows(&s->beta, first, n);
            device_sides(&d, &gate, &beta);
            free(gate.data);
            free(beta.data);
        }
        st = attend(s, &shape, &plan, &d, first, kernel);
        device_close(&d);
    }
    free(memory);
    free(q.data);
    free(k.data);
    free(v.data);
    return st;
}

sb_status device_scan(scan_case *s, int64_t first, int64_t n, int is_decode, const char *kernel)
{
    return scan(s, first, n, is_decode, kernel, NULL, NULL);
}

sb_status device_scan_rank(scan_case *s, int64_t first, int64_t n, const char *kernel,
                           sb_comm *comm, sb_link *link)
{
    return scan(s, first, n, 0, kernel, comm, link);
}

static int is_mean(const scan_case *s)
{
    return strcmp(s->m->name, "linear") == 0 &&
           ((const sb_linear_params *)(const void *)s->c->params)->kind == SB_LINEAR_AAREN;
}

device_judged device_judge(const scan_case *s)
{
    int64_t       d = s->c->shape.dim, n = s->c->shape.n_q, heads = s->c->shape.heads;
    int64_t       floats = (s->cache.state_bytes - 64) / 4;
    linear_judge  j      = scan_case_judge(s);
    device_judged out    = {.rows = is_mean(s) ? 1 : d};
    /* z is less than a state, and heads are few */
    out.states  = is_mean(s) ? heads : floats / (d * d);
    int64_t per = heads / out.states, each = out.rows * d;
    out.o     = malloc((size_t)(heads * n * d) * sizeof *out.o);
    out.state = malloc((size_t)(out.states * each) * sizeof *out.state);
    ck_assert(out.o != NULL && out.state != NULL);
    for (int64_t h = 0; h < heads; h++)
        linear_judge_head(&j, &s->c->q, &s->c->k, &s->c->v, h, out.o + h * n * d,
                          h % per == 0 ? out.state + h / per * each : NULL);
    return out;
}

void device_judged_free(device_judged *j)
{
    free(j->o);
    free(j->state);
}

double device_state_error(const scan_case *s, const device_judged *j)
{
    int64_t d    = s->c->shape.dim;
    double  most = 0;
    for (int64_t h = 0; h < j->states; h++) {
        const float *got = scan_case_state(s, j->states, h);
        double       num = 0, den = 0, over = is_mean(s) ? (double)got[d + 1] : 1;
        for (int64_t i = 0; i < j->rows * d; i++) {
            double want = j->state[h * j->rows * d + i], e = (double)got[i] / over - want;
            num += e * e;
            den += want * want;
        }
        most = fmax(most, isfinite(num) ? sqrt(num / den) : INFINITY);
    }
    return most;
}
