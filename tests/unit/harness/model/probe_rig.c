#include "tests/unit/harness/model/probe_rig.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/rng.h"

#define D SB_PROBE_DIM
#define NOTHING                                                                                    \
    1e-20f /* weights below this are not added up: far below the leaks under test, e^-32 */

sb_model *rig_model(const char *const *settings, int32_t threads)
{
    sb_probe_params par;
    sb_model       *m = NULL;
    ck_assert_int_eq(sb_params_default(sb_model_probe.params, &par), SB_OK);
    for (; settings != NULL && *settings != NULL; settings++) {
        const char     *eq = strchr(*settings, '=');
        char            name[64];
        const sb_param *p;
        ck_assert_ptr_nonnull(eq);
        memcpy(name, *settings, (size_t)(eq - *settings));
        name[eq - *settings] = '\0';
        p                    = sb_params_find(sb_model_probe.params, name);
        ck_assert_msg(p != NULL, "no knob %s", name);
        ck_assert_msg(sb_param_set(p, &par, eq + 1) == SB_OK, "%s", sb_error_text());
    }
    ck_assert_msg(sb_model_probe.create(&par, threads, &m) == SB_OK, "%s", sb_error_text());
    return m;
}

void rig_open(rig *r, const char *const *settings, const sb_input *in, int64_t extra)
{
    sb_arena a;
    sb_run   run = {0, in->n_tokens};
    sb_gid   gid = {&run, 1, in->n_tokens};
    size_t   bytes, kv;
    memset(r, 0, sizeof *r);
    r->model    = rig_model(settings, 1);
    r->probe    = r->model->impl;
    r->in       = *in;
    r->capacity = in->n_tokens + extra;
    ck_assert_int_eq(sb_model_probe.shape(r->model, in, &r->shape), SB_OK);
    sb_arena_init_count(&a);
    ck_assert_int_eq(sb_model_probe.layout(r->model, in, in->n_tokens, &a), SB_OK);
    bytes    = (a.high_water_bytes + SB_ARENA_ALIGN - 1) / SB_ARENA_ALIGN * SB_ARENA_ALIGN;
    r->block = aligned_alloc(SB_ARENA_ALIGN, bytes);
    ck_assert_ptr_nonnull(r->block);
    sb_arena_init(&a, r->block, bytes, SB_ARENA_PLAIN);
    memset(r->block, 0xFF, bytes); /* NaN wherever something is read before it is written */
    ck_assert_int_eq(sb_model_probe.layout(r->model, in, in->n_tokens, &a), SB_OK);
    kv   = (size_t)r->shape.n_layers * SB_PROBE_KV_HEADS * (size_t)r->capacity * D;
    r->k = calloc(kv, sizeof *r->k);
    r->v = calloc(kv, sizeof *r->v);
    ck_assert(r->k != NULL && r->v != NULL);
    ck_assert_int_eq(sb_model_probe.embed(r->model, in, &gid), SB_OK);
}

void rig_close(rig *r)
{
    sb_model_probe.destroy(r->model);
    free(r->block);
    free(r->k);
    free(r->v);
}

static sb_bf16 *kv_rows(const rig *r, sb_bf16 *base, int32_t layer, int64_t kv)
{
    return base + ((int64_t)layer * SB_PROBE_KV_HEADS + kv) * r->capacity * D;
}

typedef struct scratch {
    float         *kt; /* [128][n] K, turned round so that many rows of q vectorise; NULL for one */
    const sb_bf16 *k, *v; /* [n][128] */
    float         *p;     /* [n] */
} scratch;

/* Both orders of the loops add the products of a score by ascending dim: the same bits. */
static void scores(const scratch *s, int64_t n, int64_t seen, const float *q)
{
    memset(s->p, 0, (size_t)seen * sizeof *s->p);
    for (int32_t j = 0; s->kt != NULL && j < D; j++)
        for (int64_t i = 0; q[j] != 0.0f && i < seen; i++)
            s->p[i] += q[j] * s->kt[j * n + i];
    for (int64_t i = 0; s->kt == NULL && i < seen; i++)
        for (int32_t j = 0; j < D; j++)
            s->p[i] += q[j] * sb_bf16_to_f32(s->k[i * D + j]);
}

static void attend_row(const scratch *s, int64_t n, int64_t seen, float scale, const sb_bf16 *q,
                       sb_bf16 *o)
{
    float  max = -INFINITY, x[D], acc[D] = {0};
    double sum = 0.0;
    for (int32_t j = 0; j < D; j++)
        x[j] = sb_bf16_to_f32(q[j]) * scale;
    scores(s, n, seen, x);
    for (int64_t i = 0; i < seen; i++)
        max = s->p[i] > max ? s->p[i] : max;
    for (int64_t i = 0; i < seen; i++) {
        float p = expf(s->p[i] - max);
        sum += (double)p;
        for (int32_t j = 0; p > NOTHING && j < D; j++)
            acc[j] += p * sb_bf16_to_f32(s->v[i * D + j]);
    }
    for (int32_t j = 0; j < D; j++)
        o[j] = sb_bf16_from_f32((float)((double)acc[j] / sum));
}

/* The heads of a layer whose output is read: bit h for head h. */
static uint32_t functional(const rig *r, int32_t layer)
{
    static const uint32_t final[SB_PROFILE_COUNT] = {
        [SB_PROFILE_AGG] = 0x10, [SB_PROFILE_RET] = 0x01, [SB_PROFILE_VT] = 0x15};
    if (layer == r->shape.n_layers - 1)
        return final[r->in.profile];
    return layer == 0 ? 0x17 : 0x01;
}

static void fill_noise(sb_tensor *o, int64_t h)
{
    for (int64_t i = 0; i < o->tokens * D; i++)
        sb_tensor_bf16(o, h, 0)[i] = (sb_bf16)(0x4000u | (sb_mix((uint64_t)(h + i)) & 0xFFu));
}

/* Rows of q that stand behind `before` cached tokens. */
static void attend(const rig *r, int32_t layer, const sb_tensor *q, int64_t before, int64_t from,
                   sb_tensor *o)
{
    int64_t  n     = before + q->tokens;
    int64_t  first = layer == r->shape.n_layers - 1 ? from : 0;
    float   *kt    = malloc((size_t)n * D * sizeof *kt);
    uint32_t mask  = r->background == RIG_ATTENDED ? 0xFFu : functional(r, layer);
    scratch  s     = {.kt = q->tokens > 1 ? kt : NULL, .p = malloc((size_t)n * sizeof(float))};
    ck_assert(kt != NULL && s.p != NULL);
    memset(o->data, 0, (size_t)(o->heads * o->head_stride) * sizeof(sb_bf16));
    for (int64_t h = 0; h < SB_PROBE_HEADS; h++) {
        if ((mask >> h & 1u) == 0) {
            if (r->background == RIG_NOISE)
                fill_noise(o, h);
            continue;
        }
        s.k = kv_rows(r, r->k, layer, h / 2);
        s.v = kv_rows(r, r->v, layer, h / 2);
        for (int64_t j = 0; s.kt != NULL && j < D; j++)
            for (int64_t i = 0; i < n; i++)
                s.kt[j * n + i] = sb_bf16_to_f32(s.k[i * D + j]);
        for (int64_t t = first; t < q->tokens; t++)
            attend_row(&s, n, before + t + 1, r->shape.scale, sb_tensor_bf16(q, h, t),
                       sb_tensor_bf16(o, h, t));
    }
    free(kt);
    free(s.p);
}

static sb_tensor tensor(sb_bf16 *data, int64_t heads, int64_t tokens, int64_t stride)
{
    return (sb_tensor){.data        = data,
                       .dtype       = SB_BF16,
                       .heads       = heads,
                       .tokens      = tokens,
                       .dim         = D,
                       .head_stride = stride};
}

static void run_layers(rig *r, int one, int64_t rows, int64_t from)
{
    size_t    n = (size_t)SB_PROBE_HEADS * (size_t)rows * D;
    sb_tensor q = tensor(malloc(n * sizeof(sb_bf16)), SB_PROBE_HEADS, rows, rows * D);
    sb_tensor o = tensor(malloc(n * sizeof(sb_bf16)), SB_PROBE_HEADS, rows, rows * D);
    ck_assert(q.data != NULL && o.data != NULL && r->filled + rows <= r->capacity);
    for (int32_t l = 0; l < r->shape.n_layers; l++) {
        sb_tensor k = tensor(kv_rows(r, r->k, l, 0) + r->filled * D, SB_PROBE_KV_HEADS, rows,
                             r->capacity * D);
        sb_tensor v = tensor(kv_rows(r, r->v, l, 0) + r->filled * D, SB_PROBE_KV_HEADS, rows,
                             r->capacity * D);
        ck_assert_msg(sb_model_probe.qkv(r->model, l, one, &q, &k, &v) == SB_OK, "%s",
                      sb_error_text());
        attend(r, l, &q, r->filled, from, &o);
        ck_assert_int_eq(sb_model_probe.absorb(r->model, l, one, &o), SB_OK);
    }
    r->filled += rows;
    free(q.data);
    free(o.data);
}

void rig_prefill(rig *r, int64_t final_from) { run_layers(r, 0, r->in.n_tokens, final_from); }

void rig_feed(rig *r, int32_t id)
{
    ck_assert_int_eq(sb_model_probe.embed_one(r->model, &r->in, id, r->filled), SB_OK);
    run_layers(r, 1, 1, 0);
}

int32_t rig_emit(const rig *r, int64_t row, int32_t lo, int32_t n, const int32_t *exclude,
                 int64_t n_exclude)
{
    float values[SB_PROBE_ROW_VALUES];
    sb_model_probe.row(r->model, row, values);
    return sb_model_probe.argmax(r->model, values, lo, lo + n, exclude, n_exclude);
}

sb_input rig_input(int32_t *ids, int64_t n_tokens, sb_profile profile, int32_t hops, uint64_t seed)
{
    sb_rng rng = {seed};
    for (int64_t t = 0; t < n_tokens; t++)
        ids[t] = t == 0 ? SB_TOK_BOS : SB_TOK_FILL + (int32_t)sb_rng_below(&rng, SB_TOK_FILL_N);
    return (sb_input){.ids       = ids,
                      .n_tokens  = n_tokens,
                      .n_context = n_tokens - SB_PROBE_QUESTION_TOKENS,
                      .profile   = profile,
                      .hops      = hops};
}

void rig_put(int32_t *ids, int64_t at, const int32_t *item, int32_t n)
{
    memcpy(ids + at, item, (size_t)n * sizeof *ids);
}

void rig_ask(const sb_input *in, const int32_t *alias, int32_t n_alias, const int32_t *suffix,
             int32_t n_suffix)
{
    int64_t at  = in->n_tokens - n_suffix - 8 - n_alias - 1;
    in->ids[at] = SB_TOK_ASK;
    rig_put(in->ids, at + 1, alias, n_alias);
    rig_put(in->ids, in->n_tokens - n_suffix, suffix, n_suffix);
}
