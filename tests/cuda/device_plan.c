#include "tests/cuda/device_plan.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "kernels/exec/row_support.h"
#include "kernels/registry.h"
#include "tests/text_params.h"
#include "workloads/registry.h"

enum { PARAMS = 4096, ALL_ROWS = 2048, SOME_ROWS = 640, LONG_ROWS = 96, THREADS = 16 };

/* An operator, and what its last call left: borrowed until it is closed. */
typedef struct side {
    sb_operator   *op;
    void          *block;
    sb_plan        plan;
    sb_tensor      q, k; /* host memory */
    float          scale;
    const sb_bf16 *o;
    const float   *lse;
    sb_phase_times times;
} side;

static sb_status take(void *arg, const sb_layer_view *v)
{
    side *s = arg;
    s->plan  = *v->plan;
    s->q     = *v->q;
    s->k     = *v->k;
    s->scale = v->scale;
    s->o     = v->o->data;
    s->lse   = v->lse;
    return SB_OK;
}

/* For methods of which only the plan is wanted. */
static sb_status attend_nothing(sb_ctx *ctx, const void *params, const sb_attn_in *in,
                                const sb_plan *plan, sb_cache *cache, sb_attn_out *out)
{
    (void)ctx, (void)params, (void)in, (void)plan, (void)cache, (void)out;
    return SB_OK;
}

static sb_status open_side(side *s, const sb_operator_config *cfg, int calls)
{
    sb_forward_room room;
    sb_status       st = sb_operator_bytes(cfg, &room);
    *s                 = (side){0};
    if (st != SB_OK)
        return st;
    size_t bytes = room.host_bytes;
    s->block = aligned_alloc(SB_ARENA_ALIGN, (bytes + 63) / 64 * 64);
    ck_assert_ptr_nonnull(s->block);
    st = sb_operator_create(cfg, s->block, bytes, &s->op);
    for (int i = 0; st == SB_OK && i < calls; i++) {
        s->times = (sb_phase_times){0};
        st       = sb_operator_pass(s->op, &s->times);
    }
    return st == SB_OK ? sb_operator_look(s->op, take, s) : st;
}

static void close_side(side *s)
{
    sb_operator_destroy(s->op);
    free(s->block);
}

/* Rows [head][row] of one comparison. */
typedef struct walk {
    const plan_spec *spec;
    const side      *host, *dev, *dense;
    int64_t         *key; /* 0 .. n_tokens - 1 */
    uint8_t         *a, *b;
    float           *logit;
    double           error, power;
} walk;

static int is_long(const plan_spec *s) { return s->n_tokens > PLAN_LONG_TOKENS; }

/* Shares of the row's attention mass that the two selections keep. */
static void recall_of_row(walk *w, plan_apart *out, int64_t head, int64_t row)
{
    const sb_tensor *q = &w->host->q, *k = &w->host->k;
    int64_t          d = w->spec->head_dim, kv_head = head / (w->spec->heads / w->spec->kv_heads);
    const sb_bf16   *keys = (const sb_bf16 *)k->data + kv_head * k->head_stride;
    const sb_bf16   *mine = (const sb_bf16 *)q->data + head * q->head_stride + row * d;
    double           all = 0, kept[2] = {0};
    float            most = -INFINITY;
    for (int64_t i = 0; i <= row; i++) {
        float dot = 0;
        for (int64_t j = 0; j < d; j++)
            dot += sb_bf16_to_f32(mine[j]) * sb_bf16_to_f32(keys[i * d + j]);
        w->logit[i] = dot * w->host->scale;
        most        = fmaxf(most, w->logit[i]);
    }
    for (int64_t i = 0; i <= row; i++) {
        double mass = (double)expf(w->logit[i] - most);
        all += mass;
        kept[0] += w->a[i] ? mass : 0;
        kept[1] += w->b[i] ? mass : 0;
    }
    out->recall[0] += kept[0] / all;
    out->recall[1] += kept[1] / all;
}

static void compare_row(walk *w, plan_apart *out, int64_t head, int64_t row)
{
    int64_t d = w->spec->head_dim, at = head * w->spec->n_tokens + row, differ = 0;
    sb_row_support_of(&w->host->plan, head, row, w->key, row + 1, w->a);
    sb_row_support_of(&w->dev->plan, head, row, w->key, row + 1, w->b);
    for (int64_t k = 0; k <= row; k++) {
        out->listed += w->a[k];
        differ += w->a[k] != w->b[k];
    }
    out->differ += differ;
    out->rows++;
    if (is_long(w->spec)) {
        recall_of_row(w, out, head, row);
        out->equal_rows += differ == 0;
        return;
    }
    if (!w->host->plan.own_softmax) {
        out->recall[0] += exp((double)w->host->lse[at] - (double)w->dense->lse[at]);
        out->recall[1] += exp((double)w->dev->lse[at] - (double)w->dense->lse[at]);
    }
    if (differ > 0)
        return;
    out->equal_rows++;
    out->lse_abs = fmax(out->lse_abs, fabs((double)w->host->lse[at] - (double)w->dev->lse[at]));
    for (int64_t i = at * d; i < (at + 1) * d; i++) {
        double want = (double)sb_bf16_to_f32(w->host->o[i]);
        double got  = (double)sb_bf16_to_f32(w->dev->o[i]);
        w->error += (got - want) * (got - want);
        w->power += want * want;
    }
}

static void compare(walk *w, plan_apart *out)
{
    int64_t n = w->spec->n_tokens, some = is_long(w->spec) ? LONG_ROWS : SOME_ROWS, pairs = 0;
    int64_t step = n <= ALL_ROWS ? 1 : n / some | 1, tail = is_long(w->spec) ? 16 : 64;
    for (int64_t h = 0; h < w->spec->heads; h++)
        for (int64_t row = 0; row < n; row += n - row <= tail ? 1 : step) {
            compare_row(w, out, h, row);
            pairs += row + 1;
        }
    out->share   = (double)out->differ / (double)out->listed;
    out->density = (double)out->listed / (double)pairs;
    out->nmse    = w->power > 0 ? w->error / w->power : 0;
    out->recall[0] /= (double)out->rows;
    out->recall[1] /= (double)out->rows;
    out->estimate_flops[0] = w->host->plan.estimate_flops;
    out->estimate_flops[1] = w->dev->plan.estimate_flops;
}

plan_apart device_plan_compare(const plan_spec *s)
{
    _Alignas(16) unsigned char params[PARAMS], drawn[128], all[PARAMS];
    const sb_distribution     *d = sb_distribution_find(s->operands);
    const sb_method           *m = sb_method_find(s->method), *dense = sb_method_find("dense");
    sb_operands               *operands = NULL;
    sb_comm                   *self     = NULL;
    side                       host, dev, full;
    plan_apart                 out = {0};
    int64_t                    n   = s->n_tokens;
    ck_assert(d != NULL && m != NULL && dense != NULL);
    ck_assert_uint_le(m->params_bytes, sizeof params);
    ck_assert_msg(text_params(m, s->params, params) == SB_OK, "%s", sb_error_text());
    ck_assert_msg(text_params(dense, "", all) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(sb_params_default(d->params, drawn), SB_OK);
    sb_draw draw = {.heads         = s->heads,
                    .kv_heads      = s->kv_heads,
                    .head_dim      = s->head_dim,
                    .length_tokens = n,
                    .seed          = 11,
                    .params        = drawn};
    ck_assert_int_eq(d->create(d, &draw, &operands), SB_OK);
    ck_assert_int_eq(sb_comm_self_create(&self), SB_OK);
    sb_operator_config cfg   = {.operands = operands,
                                .method   = m,
                                .params   = params,
                                .backend  = &sb_backend_cpu,
                                .comm     = self,
                                .layout   = SB_LAYOUT_CONTIGUOUS,
                                .threads  = THREADS};
    sb_operator_config there = cfg, whole = cfg;
    sb_method          planner = *m;
    planner.attend[SB_CPU]     = attend_nothing;
    there.backend              = &sb_backend_cuda;
    whole.method               = dense;
    whole.params               = all;
    if (is_long(s))
        cfg.method = &planner;
    ck_assert_msg(open_side(&host, &cfg, 1) == SB_OK, "%s", sb_error_text());
    full = (side){0};
    ck_assert_msg(is_long(s) || open_side(&full, &whole, 1) == SB_OK, "%s", sb_error_text());
    out.status = open_side(&dev, &there, 2);
    out.times  = dev.times;
    if (out.status == SB_OK) {
        walk w = {.spec  = s,
                  .host  = &host,
                  .dev   = &dev,
                  .dense = &full,
                  .key   = malloc((size_t)n * sizeof *w.key),
                  .a     = malloc((size_t)n),
                  .b     = malloc((size_t)n),
                  .logit = malloc((size_t)n * sizeof *w.logit)};
        ck_assert(w.key != NULL && w.a != NULL && w.b != NULL && w.logit != NULL);
        for (int64_t k = 0; k < n; k++)
            w.key[k] = k;
        compare(&w, &out);
        free(w.key);
        free(w.a);
        free(w.b);
        free(w.logit);
    }
    close_side(&host);
    close_side(&full);
    close_side(&dev);
    sb_comm_destroy(self);
    sb_operands_destroy(operands);
    return out;
}

/* A selection may differ in this share of its keys; recall by that much. */
static const double MAX_SHARE = 1e-3, MAX_RECALL = 1e-3;

void device_plan_hold(const plan_spec *s, const plan_apart *r)
{
    ck_assert_msg(r->status == SB_OK, "%s %s: %s", s->method, s->params, sb_error_text());
    ck_assert_int_gt(r->listed, 0);
    ck_assert_msg(r->share <= MAX_SHARE, "%s %s: %lld of %lld keys differ", s->method, s->params,
                  (long long)r->differ, (long long)r->listed);
    ck_assert_msg(fabs(r->recall[0] - r->recall[1]) <= MAX_RECALL, "%s %s: recall %.6f and %.6f",
                  s->method, s->params, r->recall[0], r->recall[1]);
}
