#include "tests/oracle/case.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"

static int64_t at_least(int64_t x) { return x > 0 ? x : 1; }

static void *room(int64_t bytes)
{
    void *p = aligned_alloc(64, ((size_t)at_least(bytes) + 63) / 64 * 64);
    ck_assert_ptr_nonnull(p);
    return p;
}

sb_tensor sb_case_tensor(sb_dtype dtype, int64_t heads, int64_t tokens, int64_t dim)
{
    sb_tensor t = {
        .dtype = dtype, .heads = heads, .tokens = tokens, .dim = dim, .head_stride = tokens * dim};
    t.data = room(heads * tokens * dim * sb_dtype_bytes(dtype));
    return t;
}

static void fill(sb_tensor *t, uint64_t seed, float size)
{
    for (int64_t i = 0; i < t->heads * t->tokens * t->dim; i++) {
        float u                 = (float)(sb_mix(seed + (uint64_t)i) >> 40) * 0x1p-23f - 1.0f;
        ((sb_bf16 *)t->data)[i] = sb_bf16_from_f32(u * size);
    }
}

sb_case *sb_case_random(sb_case_shape s, uint64_t seed)
{
    sb_case *c   = calloc(1, sizeof *c);
    c->shape     = s;
    c->q_run     = (sb_run){s.n_k - s.n_q, s.n_q};
    c->k_run     = (sb_run){0, s.n_k};
    c->threads   = 2;
    c->scale     = 1.0f / sqrtf((float)s.dim);
    c->q         = sb_case_tensor(SB_BF16, s.heads, s.n_q, s.dim);
    c->k         = sb_case_tensor(SB_BF16, s.kv_heads, s.n_k, s.dim);
    c->v         = sb_case_tensor(SB_BF16, s.kv_heads, s.n_k, s.dim);
    c->q.gid     = (sb_gid){&c->q_run, 1, s.n_q};
    c->k.gid     = (sb_gid){&c->k_run, 1, s.n_k};
    c->v.gid     = c->k.gid;
    uint64_t mix = sb_mix(seed);
    fill(&c->q, mix, 3.0f);
    fill(&c->k, mix ^ 0x1111111111111111u,
         3.0f); /* scores spread over about +-10: neither flat nor one-hot */
    fill(&c->v, mix ^ 0x2222222222222222u, 2.0f);
    return c;
}

void sb_case_destroy(sb_case *c)
{
    free(c->q.data);
    free(c->k.data);
    free(c->v.data);
    free(c->memory);
    free(c->file_memory);
    free(c);
}

static const sb_param *file_param(const sb_method *m)
{
    const sb_param *p = m->params;
    while (p->name != NULL && p->type != SB_FILE)
        p++;
    ck_assert_msg(p->name != NULL, "%s has no file", m->name);
    return p;
}

const void *sb_case_read(const sb_method *m, const char *text, unsigned char **memory)
{
    sb_arena    a;
    const void *content = NULL;
    int64_t     n       = (int64_t)strlen(text);
    *memory             = NULL;
    sb_arena_init_count(&a);
    sb_status st = m->read_file(file_param(m), text, n, &a, &content);
    ck_assert(st == SB_OK || st == SB_ERR_USAGE);
    if (st != SB_OK)
        return NULL;
    size_t bytes = a.high_water_bytes;
    *memory      = room((int64_t)bytes);
    sb_arena_init(&a, *memory, bytes, SB_ARENA_PLAIN);
    ck_assert_msg(m->read_file(file_param(m), text, n, &a, &content) == SB_OK, "%s",
                  sb_error_text());
    ck_assert_uint_eq(a.high_water_bytes, bytes);
    return content;
}

/* The method's file parameter, as harness/config would leave it. */
static void set_file(sb_case *c, const sb_method *m)
{
    const sb_param *p = file_param(m);
    sb_param_file   f = {.path = "case.json"};
    free(c->file_memory);
    f.content = sb_case_read(m, c->file_text, &c->file_memory);
    ck_assert_msg(f.content != NULL, "%s", sb_error_text());
    memcpy(c->params + p->offset, &f, sizeof f);
}

void sb_case_params(sb_case *c, const sb_method *m, const char *text)
{
    ck_assert_uint_le(m->params_bytes, sizeof c->params);
    ck_assert_int_eq(sb_params_default(m->params, c->params), SB_OK);
    char buf[512], *save = NULL;
    ck_assert_uint_lt(strlen(text), sizeof buf);
    memcpy(buf, text, strlen(text) + 1);
    for (char *item = strtok_r(buf, ", ", &save); item != NULL;
         item       = strtok_r(NULL, ", ", &save)) {
        char *value              = strtok_r(NULL, ", ", &save);
        item[strcspn(item, ":")] = '\0';
        const sb_param *p        = sb_params_find(m->params, item);
        ck_assert_msg(p != NULL && value != NULL, "%s has no parameter %s", m->name, item);
        ck_assert_msg(sb_param_set(p, c->params, value) == SB_OK, "%s: %s", item, sb_error_text());
    }
}

static sb_status lay(sb_case *c, const sb_method *m, sb_arena *a, sb_dtype dtype,
                     const sb_tensor *q)
{
    sb_ctx ctx = {.backend = &sb_backend_cpu, .arena = a, .layer = c->layer, .threads = c->threads};
    sb_status st  = m->layout(&ctx, c->params, &c->seen, &c->plan, NULL);
    c->o          = (sb_tensor){.dtype       = dtype,
                                .heads       = q->heads,
                                .tokens      = q->tokens,
                                .dim         = q->dim,
                                .head_stride = q->tokens * q->dim,
                                .gid         = q->gid};
    if (st == SB_OK)
        st = sb_arena_alloc(a, q->heads * q->tokens * q->dim, (size_t)sb_dtype_bytes(dtype), "o",
                            &c->o.data);
    if (st == SB_OK)
        st = sb_arena_alloc(a, q->heads * q->tokens, sizeof(float), "lse", (void **)&c->lse);
    return st;
}

sb_status sb_case_attend_on(sb_case *c, const sb_method *m, const char *params, sb_dtype dtype,
                            const sb_tensor *q, const sb_tensor *k, const sb_tensor *v)
{
    q = q != NULL ? q : &c->q;
    k = k != NULL ? k : &c->k;
    v = v != NULL ? v : &c->v;
    sb_case_params(c, m, params);
    if (c->file_text != NULL)
        set_file(c, m);
    c->seen      = (sb_shape){.q_gid          = q->gid,
                              .n_keys         = c->shape.n_k,
                              .heads          = q->heads,
                              .kv_heads       = k->heads,
                              .head_dim       = q->dim,
                              .is_decode      = c->is_decode,
                              .first_head     = c->first_head,
                              .model_heads    = c->model_heads,
                              .model_kv_heads = c->model_kv_heads};
    sb_status st = m->check(c->params, &c->seen);
    if (st != SB_OK)
        return st;
    sb_arena count;
    sb_arena_init_count(&count);
    if ((st = lay(c, m, &count, dtype, q)) != SB_OK)
        return st;
    free(c->memory);
    c->memory = room((int64_t)count.high_water_bytes);
    sb_arena_init(&c->arena, c->memory, count.high_water_bytes, SB_ARENA_GUARD);
    ck_assert_msg(lay(c, m, &c->arena, dtype, q) == SB_OK, "%s", sb_error_text());
    sb_ctx ctx = {
        .backend = &sb_backend_cpu, .arena = &c->arena, .layer = c->layer, .threads = c->threads};
    sb_attn_in  in  = {.q = q, .k = k, .v = v, .scale = c->scale};
    sb_attn_out out = {.o = &c->o, .lse = c->lse, .mode = SB_OUT_SET};
    /* as harness/shard does: such a plan reads all keys, wherever the executor has them */
    const sb_tensor *plan_k =
        m->plan_keys == SB_PLAN_KEYS_ALL && k->tokens != c->shape.n_k ? &c->k : k;
    if ((st = m->plan[SB_CPU](&ctx, c->params, &c->seen, q, plan_k, NULL, &c->plan)) == SB_OK)
        st = m->attend[SB_CPU](&ctx, c->params, &in, &c->plan, NULL, &out);
    ck_assert_msg(sb_arena_canaries_intact(&c->arena), "%s wrote past what it laid out", m->name);
    return st;
}

sb_status sb_case_attend(sb_case *c, const sb_method *m, const char *params, sb_dtype dtype)
{
    return sb_case_attend_on(c, m, params, dtype, NULL, NULL, NULL);
}

sb_case_error sb_case_judge(const sb_case *c, const sb_tensor *q, const sb_tensor *k,
                            const sb_tensor *v, judge_visible visible, const void *state,
                            int64_t step)
{
    double  want[256], lse, num = 0, den = 0, worst = 0;
    int64_t n = q->tokens;
    for (int64_t h = 0; h < q->heads; h++)
        for (int64_t i = 0; i < n; i++) {
            if (i % step != 0 && i + 8 < n)
                continue;
            judge_row(q, k, v, c->scale, visible, state, h, i, want, &lse);
            double got_lse = (double)c->lse[h * n + i];
            if (got_lse != lse)
                worst =
                    fmax(worst, isinf(lse) || !isfinite(got_lse) ? INFINITY : fabs(got_lse - lse));
            for (int64_t x = 0; x < q->dim; x++) {
                double got = c->o.dtype == SB_BF16
                                 ? (double)sb_bf16_to_f32(sb_tensor_bf16(&c->o, h, i)[x])
                                 : (double)sb_tensor_f32(&c->o, h, i)[x];
                num += (got - want[x]) * (got - want[x]);
                den += want[x] * want[x];
            }
        }
    ck_assert_msg(isfinite(num),
                  "o is not finite everywhere"); /* one check: each costs a system call */
    return (sb_case_error){.nmse = den > 0 ? num / den : num, .lse_abs = worst};
}

sb_tensor sb_case_take(const sb_tensor *t, int64_t first, const sb_gid *gid)
{
    sb_tensor out   = sb_case_tensor(t->dtype, t->heads, gid->n_tokens, t->dim);
    int64_t   bytes = sb_dtype_bytes(t->dtype);
    out.gid         = *gid;
    for (int64_t h = 0; h < t->heads; h++) {
        int64_t local = 0;
        for (int32_t r = 0; r < gid->n_runs; local += gid->run[r++].len)
            memcpy((char *)out.data + (h * out.head_stride + local * t->dim) * bytes,
                   (const char *)t->data +
                       (h * t->head_stride + (gid->run[r].start - first) * t->dim) * bytes,
                   (size_t)(gid->run[r].len * t->dim * bytes));
    }
    return out;
}

sb_gid sb_case_zigzag(sb_run run[2], int64_t first, int64_t end, int64_t quantum, int64_t rank,
                      int64_t ranks)
{
    int64_t begin = first / quantum * quantum, units = (end - begin + quantum - 1) / quantum;
    int64_t chunk[2] = {rank, 2 * ranks - 1 - rank}, total = 0;
    for (int i = 0; i < 2; i++) {
        int64_t a = begin + units * chunk[i] / (2 * ranks) * quantum,
                b = begin + units * (chunk[i] + 1) / (2 * ranks) * quantum;
        a         = a < first ? first : a;
        b         = b > end ? end : b;
        run[i]    = (sb_run){a, b > a ? b - a : 0};
        total += run[i].len;
    }
    return (sb_gid){run, 2, total};
}
