/* The forward pass on a device: the layers of llama_layer.c over the steps of device_rows.h. Rows
 * go through a layer in chunks; what a chunk needs stands in `act` and `wide`:
 *
 *   qkv     x -norm-> act -product-> wide (q | k | v) -spread-> tensors
 *   absorb  o -gather-> act -product, adds-> x -norm-> act -product-> wide (gate | up) -gate,
 *           product, adds-> x */
#include <string.h>

#include "harness/model/checkpoint/llama_state.h"

int64_t sbi_llama_device_chunk_rows = 8192; /* products of some 1e11 FLOP and more: at full rate */

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t heads_width(const sb_model_config *c)
{
    return (c->heads + 2 * c->kv_heads) * c->head_dim;
}

/* The others' norms, windows and gates are the CPU's alone. */
static sb_status shape(const sb_model *m, const sb_input *in, sb_model_shape *out)
{
    const sbi_llama *l = m->impl;
    sb_family        f = sb_checkpoint_config(l->c)->family;
    if (f == SB_FAMILY_LLAMA || f == SB_FAMILY_QWEN2)
        return m->ops->shape(m, in, out);
    return sb_fail(SB_ERR_UNSUPPORTED,
                   "%s: found architecture %s, allowed llama and qwen2: others run on backend cpu",
                   sb_checkpoint_path(l->c), sb_family_name(f));
}

static sb_status put_frequencies(sbi_llama *l, const sb_input *in)
{
    const sb_model_config *c = sb_checkpoint_config(l->c);
    const sb_backend      *b = l->there.steps->backend;
    sb_status              st =
        sb_rope_frequencies(&c->rope, in->n_tokens + in->n_feed, l->inv_freq, &l->there.multiplier);
    if (st == SB_OK)
        st = b->copy(l->there.inv_freq, l->inv_freq,
                     (size_t)(c->head_dim / 2) * sizeof *l->inv_freq, SB_COPY_TO_DEVICE, NULL);
    return st == SB_OK ? b->sync(NULL) : st;
}

static sb_status layout(sb_model *m, const sb_input *in, int64_t rows, sb_arena *a)
{
    sbi_llama             *l     = m->impl;
    sbi_llama_there       *t     = &l->there;
    const sb_model_config *c     = sb_checkpoint_config(l->c);
    int64_t                chunk = max_i64(min_i64(sbi_llama_device_chunk_rows, rows), 1);
    int64_t                wide  = max_i64(heads_width(c) * (int64_t)sizeof(float),
                                           2 * c->mlp_width * (int64_t)sizeof(sb_bf16));
    void                  *at[12];
    const struct {
        int64_t     count;
        size_t      bytes;
        const char *what;
    } all[] = {
        {rows * c->width, sizeof(float), "residual rows"},
        {c->width, sizeof(float), "residual row of a decode step"},
        {rows, sizeof(int32_t), "token ids"},
        {1, sizeof(int32_t), "token id of a decode step"},
        {rows, sizeof(int32_t), "positions"},
        {1, sizeof(int32_t), "position of a decode step"},
        {chunk * max_i64(c->width, c->heads * c->head_dim), sizeof(sb_bf16), "rows into products"},
        {chunk * wide, 1, "rows out of products"},
        {c->vocab, sizeof(float), "logits"},
        {c->head_dim / 2, sizeof(float), "rotary frequencies"},
        {(int64_t)t->steps->product_bytes, 1, "room of products"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        sb_status st = sb_arena_alloc(a, all[i].count, all[i].bytes, all[i].what, &at[i]);
        if (st != SB_OK)
            return st;
    }
    if (a->counting)
        return SB_OK;
    t->rows      = rows;
    t->chunk     = chunk;
    t->x         = at[0];
    t->x1        = at[1];
    t->ids       = at[2];
    t->id1       = at[3];
    t->position  = at[4];
    t->position1 = at[5];
    t->act       = at[6];
    t->wide      = at[7];
    t->logits    = at[8];
    t->inv_freq  = at[9];
    t->work      = at[10];
    return put_frequencies(l, in);
}

/* ---- embedding ---- */

static sb_status check_ids(const sbi_llama *l, const sb_input *in, const sb_gid *gid)
{
    sb_status st = SB_OK;
    if (gid->n_tokens != l->there.rows)
        return sb_fail(SB_ERR_INTERNAL, "llama: %lld tokens in %lld rows", (long long)gid->n_tokens,
                       (long long)l->there.rows);
    for (int32_t r = 0; r < gid->n_runs; r++) {
        int64_t begin = gid->run[r].start, end = begin + gid->run[r].len;
        if (begin < 0 || end > in->n_tokens)
            return sb_fail(SB_ERR_INTERNAL, "llama: tokens up to %lld of %lld", (long long)end,
                           (long long)in->n_tokens);
        for (int64_t pos = begin; st == SB_OK && pos < end; pos++)
            st = sbi_llama_check_id(l, in->ids[pos], pos);
    }
    return st;
}

static sb_status embed(sb_model *m, const sb_input *in, const sb_gid *gid)
{
    const sbi_llama       *l     = m->impl;
    const sbi_llama_there *t     = &l->there;
    int64_t                width = sb_checkpoint_config(l->c)->width, row = 0;
    sb_status              st = check_ids(l, in, gid);
    for (int32_t r = 0; st == SB_OK && r < gid->n_runs; row += gid->run[r++].len) {
        int64_t pos = gid->run[r].start, n = gid->run[r].len;
        st = t->steps->backend->copy(t->ids + row, in->ids + pos, (size_t)n * sizeof *t->ids,
                                     SB_COPY_TO_DEVICE, NULL);
        if (st == SB_OK)
            st = t->steps->embed(t->embedding, width, t->ids + row, pos, n, t->x + row * width,
                                 t->position + row, NULL);
    }
    return st;
}

static sb_status embed_one(sb_model *m, const sb_input *in, int32_t id, int64_t pos)
{
    sbi_llama       *l  = m->impl;
    sbi_llama_there *t  = &l->there;
    sb_status        st = sbi_llama_check_id(l, id, pos);
    (void)in;
    t->id = id; /* until `row` waits */
    if (st == SB_OK)
        st = t->steps->backend->copy(t->id1, &t->id, sizeof t->id, SB_COPY_TO_DEVICE, NULL);
    return st == SB_OK ? t->steps->embed(t->embedding, sb_checkpoint_config(l->c)->width, t->id1,
                                         pos, 1, t->x1, t->position1, NULL)
                       : st;
}

/* ---- layers ---- */

/* Some rows of the residual. */
typedef struct part {
    float         *x;
    const int32_t *position;
    int64_t        first, n; /* the first one's place among the local tokens */
} part;

static part part_of(const sbi_llama *l, int one, int64_t first)
{
    const sbi_llama_there *t = &l->there;
    if (one)
        return (part){.x = t->x1, .position = t->position1, .first = 0, .n = 1};
    return (part){.x        = t->x + first * sb_checkpoint_config(l->c)->width,
                  .position = t->position + first,
                  .first    = first,
                  .n        = min_i64(t->chunk, t->rows - first)};
}

/* Of n rows that stand in `act`, cols numbers each. */
static sb_status product(const sbi_llama_there *t, const sb_bf16 *w, int64_t rows, int64_t cols,
                         int64_t n, void *y, sb_dtype y_type, int32_t adds)
{
    const sb_rows_product p = {.w      = w,
                               .x      = t->act,
                               .y      = y,
                               .rows   = rows,
                               .cols   = cols,
                               .n      = n,
                               .ldx    = cols,
                               .y_type = y_type,
                               .adds   = adds};
    return t->steps->product(t->products, &p, t->work, NULL);
}

static sb_status qkv_part(const sbi_llama *l, const sbi_layer_there *w, const part *p,
                          const sb_step *step, const sb_tensor *q, const sb_tensor *k,
                          const sb_tensor *v)
{
    const sbi_llama_there *t      = &l->there;
    const sb_model_config *c      = sb_checkpoint_config(l->c);
    const sb_rows_spread   spread = {.rows       = t->wide,
                                     .bias       = w->qkv_bias,
                                     .position   = p->position,
                                     .inv_freq   = t->inv_freq,
                                     .multiplier = t->multiplier,
                                     .n          = p->n,
                                     .first      = p->first,
                                     .step       = step,
                                     .q          = q,
                                     .k          = k,
                                     .v          = v};
    sb_status st = t->steps->norm(p->x, p->n, c->width, w->norm1, c->eps, t->act, NULL);
    if (st == SB_OK)
        st = product(t, w->qkv, heads_width(c), c->width, p->n, t->wide, SB_F32, 0);
    return st == SB_OK ? t->steps->spread(&spread, NULL) : st;
}

static sb_status qkv(sb_model *m, int32_t layer, int one, sb_tensor *q, sb_tensor *k, sb_tensor *v)
{
    const sbi_llama *l    = m->impl;
    int64_t          rows = one ? 1 : l->there.rows;
    sb_status        st   = sbi_llama_check_qkv(l, layer, rows, q, k, v);
    for (int64_t first = 0; st == SB_OK && first < rows; first += l->there.chunk) {
        part p = part_of(l, one, first);
        st     = qkv_part(l, &l->there.layers[layer], &p, NULL, q, k, v);
    }
    return st;
}

static sb_status qkv_step(sb_model *m, int32_t layer, const sb_step *step, sb_tensor *q,
                          sb_tensor *k, sb_tensor *v)
{
    const sbi_llama *l  = m->impl;
    sb_status        st = sbi_llama_check_qkv(l, layer, 1, q, k, v);
    part             p  = part_of(l, 1, 0);
    return st == SB_OK ? qkv_part(l, &l->there.layers[layer], &p, step, q, k, v) : st;
}

static sb_status add_bias(const sbi_llama *l, const part *p, const float *bias)
{
    return bias == NULL
               ? SB_OK
               : l->there.steps->add(p->x, bias, p->n, sb_checkpoint_config(l->c)->width, NULL);
}

static sb_status mlp(const sbi_llama *l, const sbi_layer_there *w, const part *p)
{
    const sbi_llama_there *t    = &l->there;
    const sb_model_config *c    = sb_checkpoint_config(l->c);
    const sb_rows_product  down = {.w      = w->down,
                                   .x      = t->wide,
                                   .y      = p->x,
                                   .rows   = c->width,
                                   .cols   = c->mlp_width,
                                   .n      = p->n,
                                   .ldx    = 2 * c->mlp_width, /* up stands behind each */
                                   .y_type = SB_F32,
                                   .adds   = 1};
    sb_status st = t->steps->norm(p->x, p->n, c->width, w->norm2, c->eps, t->act, NULL);
    if (st == SB_OK)
        st = product(t, w->gate_up, 2 * c->mlp_width, c->width, p->n, t->wide, SB_BF16, 0);
    if (st == SB_OK)
        st = t->steps->gate(t->wide, w->gate_up_bias, p->n, c->mlp_width, NULL);
    if (st == SB_OK)
        st = t->steps->product(t->products, &down, t->work, NULL);
    return st == SB_OK ? add_bias(l, p, w->down_bias) : st;
}

static sb_status absorb(sb_model *m, int32_t layer, int one, const sb_tensor *o)
{
    const sbi_llama       *l    = m->impl;
    const sbi_llama_there *t    = &l->there;
    const sb_model_config *c    = sb_checkpoint_config(l->c);
    int64_t                rows = one ? 1 : t->rows;
    sb_status              st   = sbi_llama_check_o(l, layer, rows, o);
    for (int64_t first = 0; st == SB_OK && first < rows; first += t->chunk) {
        const sbi_layer_there *w = &t->layers[layer];
        part                   p = part_of(l, one, first);
        if ((st = t->steps->gather(o, p.first, p.n, t->act, NULL)) == SB_OK &&
            (st = product(t, w->o, c->width, c->heads * c->head_dim, p.n, p.x, SB_F32, 1)) ==
                SB_OK &&
            (st = add_bias(l, &p, w->o_bias)) == SB_OK)
            st = mlp(l, w, &p);
    }
    return st;
}

/* The logits of a row. */
static sb_status row(const sb_model *m, int64_t at, float *out)
{
    const sbi_llama       *l = m->impl;
    const sbi_llama_there *t = &l->there;
    const sb_model_config *c = sb_checkpoint_config(l->c);
    if (at >= t->rows)
        return sb_fail(SB_ERR_INTERNAL, "llama: row %lld of %lld", (long long)at,
                       (long long)t->rows);
    sb_status st = t->steps->norm(at < 0 ? t->x1 : t->x + at * c->width, 1, c->width, t->norm,
                                  c->eps, t->act, NULL);
    if (st == SB_OK)
        st = product(t, t->head, c->vocab, c->width, 1, t->logits, SB_F32, 0);
    if (st == SB_OK)
        st = t->steps->backend->copy(t->passing, t->logits, (size_t)c->vocab * sizeof *out,
                                     SB_COPY_TO_HOST, NULL);
    if (st == SB_OK && (st = t->steps->backend->sync(NULL)) == SB_OK)
        memcpy(out, t->passing, (size_t)c->vocab * sizeof *out);
    return st;
}

const sb_model_ops sbi_llama_device_ops = {.name      = "checkpoint",
                                           .summary   = "a checkpoint with its rows on a device",
                                           .shape     = shape,
                                           .layout    = layout,
                                           .embed     = embed,
                                           .embed_one = embed_one,
                                           .qkv       = qkv,
                                           .qkv_step  = qkv_step,
                                           .absorb    = absorb,
                                           .row       = row,
                                           .load      = sbi_llama_load};
