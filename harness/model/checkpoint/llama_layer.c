/* What a layer does around attention [models 1.4, 7.1]. */
#include "harness/model/checkpoint/llama_state.h"
#include "kernels/nn/norm.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

/* Some rows of the residual, and where they stand among the local tokens. */
typedef struct part {
    float       *x;
    const float *turn;
    int64_t      first, n;
    int          one;
} part;

static part part_of(const sbi_llama *l, int one, int64_t first)
{
    const sb_model_config *c = sb_checkpoint_config(l->c);
    if (one)
        return (part){.x = l->x1, .turn = l->turn1, .first = 0, .n = 1, .one = 1};
    return (part){.x     = l->x + first * c->width,
                  .turn  = l->turn + first * c->head_dim,
                  .first = first,
                  .n     = min_i64(l->chunk, l->rows - first)};
}

static sb_status project(const sbi_llama *l, const sb_matrix *w, const char *name, const part *p,
                         const float *x, float *y, sb_project_mode mode)
{
    sb_status st = p->one ? sb_project_one(w, x, y, mode, l->scratch, l->threads)
                          : sb_project(w, x, p->n, y, w->rows, mode, l->scratch, l->threads);
    return st == SB_OK ? st : sb_wrap(st, "%s: weights `%s`", sb_checkpoint_path(l->c), name);
}

static void round_row(const float *x, int64_t n, sb_bf16 *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = sb_bf16_from_f32(x[i]);
}

/* Heads of fp32 rows to their tensor, q and k turned to their position on the way. */
static void scatter(const sbi_llama *l, const part *p, float *x, int turn, sb_tensor *to)
{
    int64_t d = to->dim, pairs = d / 2;
#pragma omp parallel for schedule(static) num_threads(l->threads) if (p->n > 16)
    for (int64_t r = 0; r < p->n; r++) {
        const float *t = p->turn + r * d;
        for (int64_t h = 0; h < to->heads; h++) {
            float *row = x + (r * to->heads + h) * d;
            if (turn)
                sb_rope_rotate(row, pairs, t, t + pairs);
            round_row(row, d, sb_tensor_bf16(to, h, p->first + r));
        }
    }
}

static sb_status check(const sbi_llama *l, int32_t layer, const sb_tensor *t, int64_t heads,
                       int64_t rows, const char *name)
{
    const sb_model_config *c = sb_checkpoint_config(l->c);
    if (layer >= 0 && layer < c->n_layers && t->dtype == SB_BF16 && t->heads == heads &&
        t->dim == c->head_dim && t->tokens >= rows)
        return SB_OK;
    return sb_fail(SB_ERR_INTERNAL,
                   "llama: layer %d: %s is [%lld][%lld][%lld], expected [%lld][>= "
                   "%lld][%lld]",
                   layer, name, (long long)t->heads, (long long)t->tokens, (long long)t->dim,
                   (long long)heads, (long long)rows, (long long)c->head_dim);
}

sb_status sbi_llama_check_qkv(const sbi_llama *l, int32_t layer, int64_t rows, const sb_tensor *q,
                              const sb_tensor *k, const sb_tensor *v)
{
    const sb_model_config *c  = sb_checkpoint_config(l->c);
    sb_status              st = check(l, layer, q, c->heads, rows, "q");
    if (st == SB_OK)
        st = check(l, layer, k, c->kv_heads, rows, "k");
    return st == SB_OK ? check(l, layer, v, c->kv_heads, rows, "v") : st;
}

sb_status sbi_llama_check_o(const sbi_llama *l, int32_t layer, int64_t rows, const sb_tensor *o)
{
    return check(l, layer, o, sb_checkpoint_config(l->c)->heads, rows, "o");
}

static sb_status qkv_part(sbi_llama *l, const sb_layer_weights *w, const part *p, sb_tensor *q,
                          sb_tensor *k, sb_tensor *v)
{
    const sb_model_config *c = sb_checkpoint_config(l->c);
    sb_status              st;
    sb_rmsnorm(p->x, p->n, c->width, w->norm1, c->eps, l->norm, l->threads);
    if ((st = project(l, &w->q, "q", p, l->norm, l->q, SB_PROJECT_SET)) != SB_OK ||
        (st = project(l, &w->k, "k", p, l->norm, l->k, SB_PROJECT_SET)) != SB_OK ||
        (st = project(l, &w->v, "v", p, l->norm, l->v, SB_PROJECT_SET)) != SB_OK)
        return st;
    scatter(l, p, l->q, 1, q);
    scatter(l, p, l->k, 1, k);
    scatter(l, p, l->v, 0, v);
    return SB_OK;
}

sb_status sbi_llama_qkv(sb_model *m, int32_t layer, int one, sb_tensor *q, sb_tensor *k,
                        sb_tensor *v)
{
    sbi_llama *l    = m->impl;
    int64_t    rows = one ? 1 : l->rows;
    sb_status  st   = sbi_llama_check_qkv(l, layer, rows, q, k, v);
    for (int64_t first = 0; st == SB_OK && first < rows; first += l->chunk) {
        part p = part_of(l, one, first);
        st     = qkv_part(l, sb_checkpoint_layer(l->c, layer), &p, q, k, v);
    }
    return st;
}

/* Heads side by side, a row a token. */
static void gather(const sbi_llama *l, const part *p, const sb_tensor *o, float *out)
{
    int64_t d = o->dim;
#pragma omp parallel for schedule(static) num_threads(l->threads) if (p->n > 16)
    for (int64_t r = 0; r < p->n; r++)
        for (int64_t h = 0; h < o->heads; h++) {
            const sb_bf16 *from = sb_tensor_bf16(o, h, p->first + r);
            float         *to   = out + (r * o->heads + h) * d;
            for (int64_t i = 0; i < d; i++)
                to[i] = sb_bf16_to_f32(from[i]);
        }
}

static sb_status absorb_part(sbi_llama *l, const sb_layer_weights *w, const part *p,
                             const sb_tensor *o)
{
    const sb_model_config *c = sb_checkpoint_config(l->c);
    sb_status              st;
    gather(l, p, o, l->q);
    if ((st = project(l, &w->o, "o", p, l->q, p->x, SB_PROJECT_ADD)) != SB_OK)
        return st;
    sb_rmsnorm(p->x, p->n, c->width, w->norm2, c->eps, l->norm, l->threads);
    if ((st = project(l, &w->gate, "gate", p, l->norm, l->gate, SB_PROJECT_SET)) != SB_OK ||
        (st = project(l, &w->up, "up", p, l->norm, l->up, SB_PROJECT_SET)) != SB_OK)
        return st;
    sb_swiglu(l->gate, l->up, p->n, c->mlp_width, c->mlp_width, l->threads);
    return project(l, &w->down, "down", p, l->gate, p->x, SB_PROJECT_ADD);
}

sb_status sbi_llama_absorb(sb_model *m, int32_t layer, int one, const sb_tensor *o)
{
    sbi_llama *l    = m->impl;
    int64_t    rows = one ? 1 : l->rows;
    sb_status  st   = sbi_llama_check_o(l, layer, rows, o);
    for (int64_t first = 0; st == SB_OK && first < rows; first += l->chunk) {
        part p = part_of(l, one, first);
        st     = absorb_part(l, sb_checkpoint_layer(l->c, layer), &p, o);
    }
    return st;
}

/* The logits of a row. */
sb_status sbi_llama_row(const sb_model *m, int64_t row, float *out)
{
    const sbi_llama       *l = m->impl;
    const sb_model_config *c = sb_checkpoint_config(l->c);
    const float           *x = row < 0 ? l->x1 : l->x + row * c->width;
    if (row >= l->rows)
        return sb_fail(SB_ERR_INTERNAL, "llama: row %lld of %lld", (long long)row,
                       (long long)l->rows);
    sb_rmsnorm(x, 1, c->width, sb_checkpoint_norm(l->c), c->eps, l->norm, 1);
    sb_status st = sb_project_one(sb_checkpoint_head(l->c), l->norm, out, SB_PROJECT_SET,
                                  l->scratch, l->threads);
    return st == SB_OK ? st : sb_wrap(st, "%s: output weights", sb_checkpoint_path(l->c));
}
