#include "tests/oracle/scan_case.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/linear_scan.h"
#include "kernels/lightning/lightning.h"
#include "kernels/linear/linear.h"
#include "kernels/registry.h"

static sb_shape shape_of(const scan_case *s)
{
    const sb_case_shape *c = &s->c->shape;
    return (sb_shape){.q_gid    = s->c->q.gid,
                      .n_keys   = c->n_k,
                      .heads    = c->heads,
                      .kv_heads = c->kv_heads,
                      .head_dim = c->dim};
}

scan_case *scan_case_open(sb_case_shape shape, const char *method, const char *params,
                          uint64_t seed)
{
    scan_case *s = calloc(1, sizeof *s);
    sb_arena   count;
    s->c     = sb_case_random(shape, seed);
    s->m     = sb_method_find(method);
    s->slope = -1;
    s->dtype = SB_F32;
    s->o     = sb_case_tensor(SB_F32, shape.heads, shape.n_q, shape.dim);
    sb_case_params(s->c, s->m, params);
    sb_shape sh    = shape_of(s);
    int64_t  bytes = s->m->state_bytes(s->c->params, &sh);
    sb_arena_init_count(&count);
    ck_assert_int_eq(sb_cache_layout_state(&s->cache, &count, bytes), SB_OK);
    s->cache_memory = aligned_alloc(64, (count.high_water_bytes + 63) / 64 * 64);
    sb_arena_init(&count, s->cache_memory, count.high_water_bytes, SB_ARENA_PLAIN);
    ck_assert_int_eq(sb_cache_layout_state(&s->cache, &count, bytes), SB_OK);
    scan_case_reset(s);
    return s;
}

void scan_case_close(scan_case *s)
{
    sb_case_destroy(s->c);
    free(s->gate.data);
    free(s->beta.data);
    free(s->o.data);
    free(s->cache_memory);
    free(s);
}

void scan_case_reset(scan_case *s)
{
    sb_cache_reset(&s->cache);
    memset(s->o.data, 0xff, (size_t)(s->o.heads * s->o.head_stride) * sizeof(float));
}

void scan_case_gates(scan_case *s, int64_t dim, double lowest)
{
    const sb_case_shape *c = &s->c->shape;
    free(s->gate.data);
    free(s->beta.data);
    s->gate = sb_case_tensor(SB_F32, c->kv_heads, c->n_k, dim);
    s->beta = sb_case_tensor(SB_F32, c->kv_heads, c->n_k, 1);
    for (int64_t i = 0; i < c->kv_heads * c->n_k * dim; i++)
        ((float *)s->gate.data)[i] =
            (float)(lowest * (double)(sb_mix(77 + (uint64_t)i) >> 11) * 0x1p-53);
    for (int64_t i = 0; i < c->kv_heads * c->n_k; i++)
        ((float *)s->beta.data)[i] = (float)(sb_mix(~(uint64_t)i) >> 40) * 0x1p-24f;
}

/* Rows [first, first + n) of all heads, in place. */
static sb_tensor rows(const sb_tensor *t, int64_t first, int64_t n, const sb_gid *gid)
{
    sb_tensor r = *t;
    r.data      = (char *)t->data + first * t->dim * sb_dtype_bytes(t->dtype);
    r.tokens    = n;
    r.gid       = *gid;
    return r;
}

typedef struct piece {
    sb_arena  arena;
    sb_plan   plan;
    sb_tensor o;
    float    *lse;
} piece;

static sb_status lay(const scan_case *s, sb_ctx *ctx, const sb_shape *shape, piece *p)
{
    sb_status st = s->m->layout(ctx, s->c->params, shape, &p->plan, NULL);
    int64_t   n  = shape->q_gid.n_tokens;
    p->o         = (sb_tensor){.dtype       = s->dtype,
                               .heads       = shape->heads,
                               .tokens      = n,
                               .dim         = shape->head_dim,
                               .head_stride = n * shape->head_dim};
    if (st == SB_OK)
        st = sb_arena_alloc(ctx->arena, p->o.heads * p->o.head_stride,
                            (size_t)sb_dtype_bytes(s->dtype), "o", &p->o.data);
    if (st == SB_OK)
        st = sb_arena_alloc(ctx->arena, p->o.heads * n, sizeof(float), "lse", (void **)&p->lse);
    return st;
}

static void take_outputs(scan_case *s, const piece *p, int64_t first)
{
    int weighs = 0; /* one check at the end: each costs a system call */
    for (int64_t h = 0; h < p->o.heads; h++)
        for (int64_t i = 0; i < p->o.tokens; i++) {
            float *to = sb_tensor_f32(&s->o, h, first + i);
            weighs |= p->lse[h * p->o.tokens + i] != 0.0f;
            for (int64_t x = 0; x < p->o.dim; x++)
                to[x] = p->o.dtype == SB_F32 ? sb_tensor_f32(&p->o, h, i)[x]
                                             : sb_bf16_to_f32(sb_tensor_bf16(&p->o, h, i)[x]);
        }
    ck_assert_int_eq(weighs, 0);
}

sb_status scan_case_run(scan_case *s, int64_t first, int64_t n, int is_decode)
{
    piece    p   = {0};
    sb_case *c   = s->c;
    sb_run   own = {first, n}, seen[] = {{0, first}, {first, n}};
    sb_gid   gid = {&own, 1, n}, all = {seen, 2, first + n};
    sb_shape shape  = shape_of(s);
    sb_ctx   ctx    = {.backend  = &sb_backend_cpu,
                       .arena    = &p.arena,
                       .threads  = c->threads,
                       .layer    = s->layer,
                       .n_layers = s->n_layers};
    shape.q_gid     = gid;
    shape.n_keys    = is_decode ? first + n : shape.n_keys;
    shape.is_decode = is_decode;
    sb_status st    = s->m->check(c->params, &shape);
    if (st != SB_OK)
        return st;
    sb_arena_init_count(&p.arena);
    ck_assert_int_eq(lay(s, &ctx, &shape, &p), SB_OK);
    size_t bytes  = p.arena.high_water_bytes;
    void  *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
    sb_arena_init(&p.arena, memory, bytes, SB_ARENA_GUARD);
    ck_assert_int_eq(lay(s, &ctx, &shape, &p), SB_OK);
    ck_assert_uint_eq(p.arena.high_water_bytes, bytes);
    sb_tensor q = rows(&c->q, first, n, &gid), k = rows(&c->k, first, n, &gid),
              v = rows(&c->v, first, n, &gid), gate = {0}, beta = {0};
    sb_attn_in  in  = {.q = &q, .k = &k, .v = &v, .scale = c->scale};
    sb_attn_out out = {.o = &p.o, .lse = p.lse, .mode = SB_OUT_SET};
    if (is_decode) {
        k = rows(&c->k, 0, first + n, &all);
        v = rows(&c->v, 0, first + n, &all);
    }
    if (s->gate.data != NULL) {
        gate    = rows(&s->gate, first, n, &gid);
        beta    = rows(&s->beta, first, n, &gid);
        in.gate = &gate;
        in.beta = &beta;
    }
    st = s->m->plan[SB_CPU](&ctx, c->params, &shape, &q, &k, &s->cache, &p.plan);
    ck_assert_uint_eq(p.plan.parts, 0);
    if (s->slope >= 0) {
        int64_t heads;
        double *slope = sb_scan_slopes(&p.plan, &heads);
        for (int64_t h = 0; h < heads; h++)
            slope[h] = s->slope;
    }
    if (st == SB_OK)
        st = s->m->attend[SB_CPU](&ctx, c->params, &in, &p.plan, &s->cache, &out);
    if (st == SB_OK)
        take_outputs(s, &p, first);
    ck_assert_msg(sb_arena_canaries_intact(&p.arena), "%s wrote past what it laid out", s->m->name);
    free(memory);
    return st;
}

void scan_case_ok(scan_case *s, int64_t first, int64_t n, int is_decode)
{
    ck_assert_msg(scan_case_run(s, first, n, is_decode) == SB_OK, "%s: %s", s->m->name,
                  sb_error_text());
}

const float *scan_case_state(const scan_case *s, int64_t state_heads, int64_t head)
{
    int64_t floats = (s->cache.state_bytes - 64) / 4 / state_heads;
    return (const float *)s->cache.state + 16 + head * floats;
}

double scan_rel(const float *got, const float *want, int64_t n)
{
    double num = 0, den = 0;
    for (int64_t i = 0; i < n; i++) {
        double w = (double)want[i], e = (double)got[i] - w;
        num += e * e;
        den += w * w;
    }
    ck_assert_msg(isfinite(num), "no number among the results");
    return den > 0 ? sqrt(num / den) : sqrt(num);
}

double *scan_case_want(const scan_case *s, const linear_judge *j)
{
    double *want = malloc((size_t)(s->o.heads * s->o.head_stride) * sizeof *want);
    for (int64_t h = 0; h < s->o.heads; h++)
        linear_judge_head(j, &s->c->q, &s->c->k, &s->c->v, h, want + h * s->o.head_stride, NULL);
    return want;
}

double scan_case_error(const scan_case *s, const double *want)
{
    double num = 0, den = 0;
    for (int64_t i = 0; i < s->o.heads * s->o.head_stride; i++) {
        double e = (double)((const float *)s->o.data)[i] - want[i];
        num += e * e;
        den += want[i] * want[i];
    }
    ck_assert_msg(isfinite(num), "no number among the results");
    return den > 0 ? sqrt(num / den) : sqrt(num);
}

/* ---- the judge of a method's parameters ---- */

/* [lightning 3.1], as its page writes it: base(H) as a list. */
static void slopes_of(int64_t heads, double *out)
{
    int64_t p = 1, n = 0;
    while (p * 2 <= heads)
        p *= 2;
    for (; n < p; n++)
        out[n] = pow(pow(2, -8.0 / (double)p), (double)(n + 1));
    if (n < heads) {
        double wide[256];
        slopes_of(2 * p, wide);
        for (int64_t i = 0; n < heads; i += 2)
            out[n++] = wide[i];
    }
}

static linear_judge lightning_judge(const scan_case *s)
{
    static const linear_map    maps[] = {MAP_SILU, MAP_RELU, MAP_ELU, MAP_ELU1, MAP_IDENTITY};
    const sb_lightning_params *p      = (const void *)s->c->params;
    linear_judge               j = {.update = LINEAR_DECAY, .map = maps[p->act], .scale = p->scale};
    int64_t                    heads = s->c->shape.heads, kv = s->c->shape.kv_heads;
    int64_t                    n = p->slope_heads == SB_LIGHTNING_PER_Q ? heads : kv;
    double                     base[128], l = s->layer, L = s->n_layers > 1 ? s->n_layers : 1;
    slopes_of(n, base);
    for (int64_t h = 0; h < heads; h++) {
        int64_t at = h / (heads / n);
        double  f  = 1 + 1e-5;
        if (p->slope_rule == SB_LIGHTNING_PAPER)
            j.slope[h] = 8.0 * (double)at / (double)n * (1 - l / L);
        else if (p->slope_rule == SB_LIGHTNING_MINIMAX)
            j.slope[h] = pow(0.5, 8.0 * (double)(at + 1) / (double)n) *
                         (L > 1 ? 1 - l / (L - 1 + 1e-5) + 1e-5 : f);
        else
            j.slope[h] = base[at] * (L > 1 ? 1 - l / (L - 1) + 1e-5 : f);
    }
    return j;
}

linear_judge scan_case_judge(const scan_case *s)
{
    static const linear_update updates[] = {LINEAR_DECAY, LINEAR_DECAY, LINEAR_GATE, LINEAR_DELTA,
                                            LINEAR_MEAN};
    static const linear_map    maps[]    = {MAP_ELU1,   MAP_IDENTITY, MAP_RELU,  MAP_SILU,
                                            MAP_SQRELU, MAP_DPFP,     MAP_TAYLOR};
    const sb_linear_params    *p         = (const void *)s->c->params;
    linear_judge               j;
    if (strcmp(s->m->name, "lightning") == 0) {
        j = lightning_judge(s);
    } else {
        int elu1 = p->kind == SB_LINEAR_ELU1;
        j        = (linear_judge){.update    = updates[p->kind],
                                  .map       = elu1 ? maps[p->feature_map] : MAP_IDENTITY,
                                  .normalize = elu1 && p->normalize == 0,
                                  .unit      = p->kind == SB_LINEAR_GATED_DELTA && p->qk_norm == 0,
                                  .scale     = p->scale,
                                  .gate0     = p->gate,
                                  .beta0     = p->beta};
        for (int64_t h = 0; p->kind == SB_LINEAR_RETNET && h < s->c->shape.heads; h++)
            j.slope[h] = -log(1 - pow(2, -5.0 - (double)h));
    }
    j.scale = j.scale > 0 ? j.scale : (double)s->c->scale;
    for (int64_t h = 0; s->slope >= 0 && h < s->c->shape.heads; h++)
        j.slope[h] = s->slope;
    j.gate = s->gate.data != NULL ? &s->gate : NULL;
    j.beta = s->beta.data != NULL ? &s->beta : NULL;
    return j;
}
