#include "harness/model/checkpoint/llama.h"

#include <stdlib.h>
#include <string.h>

#include <math.h>

#include "harness/model/checkpoint/llama_state.h"
#include "kernels/base/log.h"
#include "kernels/nn/sgemm.h"

int64_t sbi_llama_chunk_rows =
    1024; /* weights are expanded once a chunk: 2 FLOP a row pay for it */

#define P(field) offsetof(sb_llama_params, field)
const sb_param sb_llama_param_table[] = {{"extrapolate", "no", "no|yes",
                                          "run texts longer than the model was trained for",
                                          SB_ENUM, P(extrapolate)},
                                         {0}};
#undef P

static sb_status refuse_length(const sbi_llama *l, int64_t n_tokens, const char *what,
                               int64_t allowed, const char *more)
{
    return sb_fail(SB_ERR_UNSUPPORTED, "%s: found %lld tokens, allowed %lld: %s%s",
                   sb_checkpoint_path(l->c), (long long)n_tokens, (long long)allowed, what, more);
}

static sb_status check_length(const sbi_llama *l, const sb_input *in)
{
    const sb_model_config *c = sb_checkpoint_config(l->c);
    int64_t                n = in->n_tokens + in->n_feed;
    if (c->window_tokens > 0 && n > c->window_tokens && c->family != SB_FAMILY_GEMMA3)
        return refuse_length(l, n, "the model attends within a sliding window, which is not done",
                             c->window_tokens, "");
    if (c->dual_chunk_tokens > 0 && n > c->dual_chunk_tokens)
        return refuse_length(l, n,
                             "beyond, the model attends in chunks (dual chunk attention), "
                             "which is not done",
                             c->dual_chunk_tokens, "");
    if (n > c->max_positions && !l->par.extrapolate)
        return refuse_length(
            l, n, "the model was trained for that length", c->max_positions,
            " (extrapolate: yes, of generate --extrapolate, runs it nevertheless)");
    if (n > INT32_MAX)
        return refuse_length(l, n, "positions are 31-bit numbers", INT32_MAX, "");
    return SB_OK;
}

static sb_status shape(const sb_model *m, const sb_input *in, sb_model_shape *out)
{
    const sbi_llama       *l  = m->impl;
    const sb_model_config *c  = sb_checkpoint_config(l->c);
    sb_status              st = check_length(l, in);
    if (st != SB_OK)
        return st;
    *out = (sb_model_shape){.heads    = c->heads,
                            .kv_heads = c->kv_heads,
                            .head_dim = c->head_dim,
                            .n_layers = l->n_calls,
                            .scale =
                                (float)(c->scale > 0 ? c->scale : 1.0 / sqrt((double)c->head_dim))};
    return SB_OK;
}

static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

static sb_status frequencies(sbi_llama *l, int64_t n_tokens)
{
    const sb_model_config *c = sb_checkpoint_config(l->c);
    if (c->family == SB_FAMILY_TRANSNORMER)
        return SB_OK;
    sb_status st = sb_rope_frequencies(&c->rope, n_tokens, l->inv_freq, &l->multiplier);
    if (st != SB_OK || c->family != SB_FAMILY_GEMMA3)
        return st;
    return sb_rope_frequencies(&c->local_rope, n_tokens, l->local_inv_freq, &l->local_multiplier);
}

static sb_status layout(sb_model *m, const sb_input *in, int64_t rows, sb_arena *a)
{
    sbi_llama             *l = m->impl;
    const sb_model_config *c = sb_checkpoint_config(l->c);
    int64_t padded = sb_project_padded_rows(rows), chunk = min_i64(sbi_llama_chunk_rows, padded);
    int64_t q = c->heads * c->head_dim, kv = c->kv_heads * c->head_dim;
    int64_t     widest = max_i64(max_i64(c->width, c->mlp_width), q);
    int64_t     local  = c->family == SB_FAMILY_GEMMA3 ? c->head_dim : 0;
    int64_t     first  = l->n_calls > c->n_layers ? q : 0;
    sb_sgemm_fn sgemm;
    sb_status   st;
    if (sb_checkpoint_is_random(l->c))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "%s: random weights are drawn on devices, allowed backend cuda",
                       sb_checkpoint_path(l->c));
    const struct {
        float     **to;
        int64_t     rows, width;
        const char *what;
    } all[] = {{&l->x, padded, c->width, "residual rows"},
               {&l->x1, 1, c->width, "residual row of a decode step"},
               {&l->turn, rows, c->head_dim, "rotations"},
               {&l->turn1, 1, c->head_dim, "rotation of a decode step"},
               {&l->local, rows, local, "rotations of windowed layers"},
               {&l->local1, 1, local, "such a rotation of a decode step"},
               {&l->first, rows, first, "first halves of outputs"},
               {&l->first1, 1, first, "first half of an output of a decode step"},
               {&l->norm, max_i64(chunk, 1), c->width, "normalised rows"},
               {&l->q, max_i64(chunk, 1), q, "query rows"},
               {&l->k, max_i64(chunk, 1), kv, "key rows"},
               {&l->v, max_i64(chunk, 1), kv, "value rows"},
               {&l->gate, max_i64(chunk, 1), c->mlp_width, "gate rows"},
               {&l->up, max_i64(chunk, 1), c->mlp_width, "up rows"},
               {&l->scratch, 1, sb_project_scratch(widest, l->threads), "expanded weights"}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        void *p = NULL;
        st      = all[i].width == 0
                      ? SB_OK
                      : sb_arena_alloc(a, all[i].rows * all[i].width, sizeof(float), all[i].what, &p);
        if (st != SB_OK)
            return st;
        *all[i].to = p;
    }
    l->rows  = rows;
    l->chunk = max_i64(chunk, 1);
    if (!a->counting && (st = sb_sgemm_find(&sgemm)) != SB_OK)
        return st;
    return frequencies(l, in->n_tokens + in->n_feed);
}

sb_status sbi_llama_check_id(const sbi_llama *l, int32_t id, int64_t pos)
{
    const sb_model_config *c = sb_checkpoint_config(l->c);
    return id >= 0 && id < c->vocab
               ? SB_OK
               : sb_fail(SB_ERR_USAGE, "%s: token %lld: found id %d, allowed 0 to %lld",
                         sb_checkpoint_path(l->c), (long long)pos, id, (long long)c->vocab - 1);
}

/* What turns q and k at a position. The original of TransNormerLLM casts positions to the type of
 * its activations, which is that of the weights [lightning 3.5]. */
static void place(const sbi_llama *l, int64_t pos, float *turn, float *local)
{
    const sb_model_config *c     = sb_checkpoint_config(l->c);
    int64_t                pairs = c->head_dim / 2;
    if (c->family == SB_FAMILY_TRANSNORMER) {
        int bf16 = sb_checkpoint_embedding(l->c)->type == SB_BLOCK_BF16;
        turn[0]  = bf16 ? sb_bf16_round((float)pos) : (float)pos;
        return;
    }
    sb_rope_angles(l->inv_freq, pairs, l->multiplier, pos, turn, turn + pairs);
    if (c->family == SB_FAMILY_GEMMA3)
        sb_rope_angles(l->local_inv_freq, pairs, l->local_multiplier, pos, local, local + pairs);
}

/* The factor is a bf16 in the originals, whose activations are [models 1.4]. */
static void scale_row(const sb_model_config *c, float *x)
{
    float factor = sb_bf16_round((float)sqrt((double)c->width));
    for (int64_t i = 0; c->embed_scale && i < c->width; i++)
        x[i] *= factor;
}

static sb_status embed_row(const sbi_llama *l, int32_t id, int64_t pos, float *x, float *turn,
                           float *local)
{
    const sb_model_config *c  = sb_checkpoint_config(l->c);
    sb_status              st = sbi_llama_check_id(l, id, pos);
    if (st != SB_OK)
        return st;
    place(l, pos, turn, local);
    if (!sb_matrix_row(sb_checkpoint_embedding(l->c), id, x))
        return sb_fail(SB_ERR_USAGE,
                       "%s: embedding of token id %d: found a scale that is no finite number, "
                       "allowed one",
                       sb_checkpoint_path(l->c), id);
    scale_row(c, x);
    return SB_OK;
}

static sb_status embed(sb_model *m, const sb_input *in, const sb_gid *gid)
{
    sbi_llama             *l   = m->impl;
    const sb_model_config *c   = sb_checkpoint_config(l->c);
    int64_t                row = 0;
    for (int32_t r = 0; r < gid->n_runs; r++)
        for (int64_t i = 0; i < gid->run[r].len; i++, row++) {
            int64_t   pos = gid->run[r].start + i;
            sb_status st  = row < l->rows && pos < in->n_tokens
                                ? embed_row(l, in->ids[pos], pos, l->x + row * c->width,
                                            l->turn + row * c->head_dim,
                                           l->local == NULL ? NULL : l->local + row * c->head_dim)
                                : sb_fail(SB_ERR_INTERNAL, "llama: token %lld in row %lld of %lld",
                                          (long long)pos, (long long)row, (long long)l->rows);
            if (st != SB_OK)
                return st;
        }
    int64_t padded = sb_project_padded_rows(l->rows);
    memset(l->x + row * c->width, 0, (size_t)((padded - row) * c->width) * sizeof *l->x);
    return SB_OK;
}

static sb_status embed_one(sb_model *m, const sb_input *in, int32_t id, int64_t pos)
{
    sbi_llama *l = m->impl;
    (void)in;
    return embed_row(l, id, pos, l->x1, l->turn1, l->local1);
}

static int32_t argmax(const sb_model *m, const float *row, int32_t lo, int32_t hi,
                      const int32_t *exclude, int64_t n_exclude)
{
    int32_t best = -1;
    (void)m;
    for (int32_t i = lo; i < hi; i++) {
        int skip = best >= 0 && !(row[i] > row[best]);
        for (int64_t k = 0; !skip && k < n_exclude; k++)
            skip = exclude[k] == i;
        if (!skip)
            best = i;
    }
    return best >= 0 ? best : lo;
}

static void destroy(sb_model *m)
{
    sbi_llama *l = m->impl;
    sbi_llama_there_fini(l);
    sb_prompter_close(l->prompter);
    sb_checkpoint_close(l->owned);
    free(l);
}

void sbi_llama_on_device(sbi_llama *l, const sb_device_rows *steps)
{
    l->there.steps          = steps;
    l->there_ops            = sbi_llama_device_ops;
    l->there_ops.row_values = l->ops.row_values;
    l->ops.cuda             = steps != NULL ? &l->there_ops : NULL;
}

sb_status sb_llama_create(const sb_checkpoint *c, const sb_llama_params *params, int32_t threads,
                          sb_model **out)
{
    sbi_llama *l = calloc(1, sizeof *l);
    if (l == NULL)
        return sb_fail(SB_ERR_NOMEM, "llama: no memory for the handle");
    l->c              = c;
    l->par            = *params;
    l->threads        = threads > 1 ? threads : 1;
    l->ops            = sb_model_llama;
    l->ops.row_values = sb_checkpoint_config(c)->vocab;
    l->model          = (sb_model){.ops = &l->ops, .impl = l};
    sbi_llama_on_device(l, SB_IF_CUDA(&sb_device_rows_cuda));
    sbi_llama_calls(l);
    *out              = &l->model;
    return SB_OK;
}

static sb_status create(const void *params, int32_t threads, sb_model **out)
{
    const sb_llama_params *p  = params;
    sb_checkpoint         *c  = NULL;
    sb_prompter           *t  = NULL;
    sb_model              *m  = NULL;
    sb_status              st = sb_checkpoint_open(p->path, &c);
    if (st == SB_OK && p->wrapper[0] != '\0' && !sb_checkpoint_is_random(c))
        st = sb_prompter_open(c, p->wrapper, &t);
    if (st == SB_OK)
        st = sb_llama_create(c, p, threads, &m);
    if (st != SB_OK) {
        sb_prompter_close(t);
        sb_checkpoint_close(c);
        return st;
    }
    if (t != NULL && sb_prompter_unknown_template(t))
        sb_log(SB_LOG_WARN,
               "%s: its chat template (xxh64 %s) is not known: no wrapper; `wrapper` chooses one",
               p->path, sb_prompter_template_hash(t));
    ((sbi_llama *)m->impl)->owned    = c;
    ((sbi_llama *)m->impl)->prompter = t;
    *out                             = m;
    return SB_OK;
}

const sb_checkpoint *sb_llama_checkpoint(const sb_model *m)
{
    return m->ops->create == create ? ((const sbi_llama *)m->impl)->c : NULL;
}

static const char *const no_suites[] = {NULL};

const sb_model_ops sb_model_llama = {
    .name         = "checkpoint",
    .summary      = "a Llama, Qwen2, Mistral, Gemma 3, TransNormerLLM checkpoint: {path: ...}",
    .params       = sb_llama_param_table,
    .params_bytes = sizeof(sb_llama_params),
    .suites       = no_suites,
    .look         = sbi_llama_look,
    .create       = create,
    .destroy      = destroy,
    .shape        = shape,
    .layer        = sbi_llama_attends,
    .layout       = layout,
    .embed        = embed,
    .embed_one    = embed_one,
    .qkv          = sbi_llama_qkv,
    .absorb       = sbi_llama_absorb,
    .row          = sbi_llama_row,
    .argmax       = argmax,
    .tok          = sbi_llama_tok,
    .read         = sbi_llama_read,
    .say          = sbi_llama_say,
    .shared_bytes = sbi_llama_shared_bytes,
    .token_flops  = sbi_llama_token_flops,
    .head_flops   = sbi_llama_head_flops,
    .kept_bytes   = sbi_llama_kept_bytes};
