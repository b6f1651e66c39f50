#include "harness/model/checkpoint/tensor_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"

enum { NAME_BYTES = 128 };

typedef enum side { SIDE_WIDTH, SIDE_Q, SIDE_KV, SIDE_MLP, SIDE_VOCAB, SIDE_NONE } side;

/* A tensor of a layer: its place in sb_layer_weights, names in both formats, [out, in]. */
typedef struct entry {
    const char *hf, *gguf;
    size_t      at;
    side        out, in; /* in SIDE_NONE: one dimension */
    int         turned;  /* 1: a GGUF of arch llama holds its rows for interleaved rotation */
} entry;

#define L(field) offsetof(sb_layer_weights, field)
static const entry norms[] = {
    {"input_layernorm", "attn_norm", L(norm1), SIDE_WIDTH, SIDE_NONE, 0},
    {"post_attention_layernorm", "ffn_norm", L(norm2), SIDE_WIDTH, SIDE_NONE, 0}};
static const entry matrices[] = {{"self_attn.q_proj", "attn_q", L(q), SIDE_Q, SIDE_WIDTH, 1},
                                 {"self_attn.k_proj", "attn_k", L(k), SIDE_KV, SIDE_WIDTH, 1},
                                 {"self_attn.v_proj", "attn_v", L(v), SIDE_KV, SIDE_WIDTH, 0},
                                 {"self_attn.o_proj", "attn_output", L(o), SIDE_WIDTH, SIDE_Q, 0},
                                 {"mlp.gate_proj", "ffn_gate", L(gate), SIDE_MLP, SIDE_WIDTH, 0},
                                 {"mlp.up_proj", "ffn_up", L(up), SIDE_MLP, SIDE_WIDTH, 0},
                                 {"mlp.down_proj", "ffn_down", L(down), SIDE_WIDTH, SIDE_MLP, 0}};
enum { N_NORMS = sizeof norms / sizeof *norms, N_MATRICES = sizeof matrices / sizeof *matrices };

typedef struct mapping {
    sbi_weights     *w;
    const char      *path;
    sb_model_config *c;
    sbi_tensors     *t;
    int64_t          used; /* of the vectors, numbers */
} mapping;

static int64_t extent(const sb_model_config *c, side s)
{
    switch (s) {
    case SIDE_WIDTH:
        return c->width;
    case SIDE_Q:
        return c->heads * c->head_dim;
    case SIDE_KV:
        return c->kv_heads * c->head_dim;
    case SIDE_MLP:
        return c->mlp_width;
    case SIDE_VOCAB:
        return c->vocab;
    default:
        return 1;
    }
}

static void name_of(const mapping *m, int64_t layer, const entry *e, const char *kind,
                    char name[NAME_BYTES])
{
    if (m->w->gguf != NULL)
        (void)snprintf(name, NAME_BYTES, "blk.%" PRId64 ".%s.%s", layer, e->gguf, kind);
    else
        (void)snprintf(name, NAME_BYTES, "model.layers.%" PRId64 ".%s.%s", layer, e->hf, kind);
}

static sb_status wrong_shape(const sbi_weight *t, int64_t out, int64_t in)
{
    char want[48], found[48];
    if (in == 0)
        (void)snprintf(want, sizeof want, "[%" PRId64 "]", out);
    else
        (void)snprintf(want, sizeof want, "[%" PRId64 ", %" PRId64 "]", out, in);
    if (t->n_dims == 1)
        (void)snprintf(found, sizeof found, "[%" PRId64 "]", t->shape[0]);
    else
        (void)snprintf(found, sizeof found, "[%" PRId64 ", %" PRId64 "]", t->shape[0], t->shape[1]);
    return sb_fail(SB_ERR_USAGE, "%s: tensor `%s`: found %d dimensions, shape %s of %s, allowed %s",
                   t->file, t->name, t->n_dims, found, t->type_name, want);
}

/* in 0: a vector. */
static sb_status find(const mapping *m, const char *name, int64_t out, int64_t in, sbi_weight **to)
{
    sbi_weight *t = sbi_weights_find(m->w, name);
    if (t == NULL)
        return sb_fail(SB_ERR_USAGE, "%s: tensor `%s` is missing", m->path, name);
    if (!t->known)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s: tensor `%s`: found %s, allowed F32, F16, BF16, F64",
                       t->file, name, t->type_name);
    if (t->n_dims != (in == 0 ? 1 : 2) || t->shape[0] != out || (in != 0 && t->shape[1] != in))
        return wrong_shape(t, out, in);
    if (in == 0 && sb_block_formats[t->type].values > 1)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s: tensor `%s`: found %s, allowed plain numbers",
                       t->file, name, t->type_name);
    t->used = 1;
    *to     = t;
    return SB_OK;
}

static sb_matrix matrix_of(const mapping *m, const sbi_weight *t, int turned)
{
    int interleaved = turned && m->w->gguf != NULL && m->c->family == SB_FAMILY_LLAMA;
    return (sb_matrix){.data            = t->data,
                       .type            = t->type,
                       .rows            = t->shape[0],
                       .cols            = t->shape[1],
                       .interleaved_dim = interleaved ? m->c->head_dim : 0};
}

/* First walk: are all there, with their shapes? Only then is anything allocated. */
static sb_status check_layer(mapping *m, int64_t layer)
{
    char        name[NAME_BYTES];
    sbi_weight *t;
    sb_status   st = SB_OK;
    for (int i = 0; st == SB_OK && i < N_NORMS; i++) {
        name_of(m, layer, &norms[i], "weight", name);
        st = find(m, name, extent(m->c, norms[i].out), 0, &t);
    }
    for (int i = 0; st == SB_OK && i < N_MATRICES; i++) {
        name_of(m, layer, &matrices[i], "weight", name);
        st = find(m, name, extent(m->c, matrices[i].out), extent(m->c, matrices[i].in), &t);
    }
    return st;
}

static int has_bias(const sb_model_config *c, int i)
{
    return i < 3 ? c->qkv_bias : i == 3 ? c->o_bias : c->mlp_bias;
}

/* Biases are where the shape says so; in a GGUF file, which does not say, where there is one. */
static sb_status check_biases(mapping *m, int64_t layer)
{
    char        name[NAME_BYTES];
    sbi_weight *t;
    sb_status   st = SB_OK;
    for (int i = 0; st == SB_OK && i < N_MATRICES; i++) {
        name_of(m, layer, &matrices[i], "bias", name);
        if (has_bias(m->c, i) || (m->w->gguf != NULL && sbi_weights_find(m->w, name) != NULL))
            st = find(m, name, extent(m->c, matrices[i].out), 0, &t);
    }
    return st;
}

static const char *outer(const mapping *m, const char *hf, const char *gguf)
{
    return m->w->gguf != NULL ? gguf : hf;
}

static sb_status check_outer(mapping *m)
{
    const char *embedding = outer(m, "model.embed_tokens.weight", "token_embd.weight");
    const char *head      = outer(m, "lm_head.weight", "output.weight");
    sbi_weight *t = sbi_weights_find(m->w, embedding), *h = sbi_weights_find(m->w, head);
    if (m->c->vocab == 0 && t != NULL)
        m->c->vocab = t->shape[0];
    if (m->c->tied < 0)
        m->c->tied = h == NULL;
    sb_status st = find(m, embedding, m->c->vocab, m->c->width, &t);
    if (st == SB_OK)
        m->t->embedding = matrix_of(m, t, 0);
    if (st == SB_OK && !m->c->tied)
        st = find(m, head, m->c->vocab, m->c->width, &h);
    if (st != SB_OK)
        return st;
    if (h != NULL)
        h->used = 1; /* a tied model that also stores it: not looked at, as the original does */
    m->t->head = m->c->tied ? m->t->embedding : matrix_of(m, h, 0);
    return find(m, outer(m, "model.norm.weight", "output_norm.weight"), m->c->width, 0, &t);
}

static int ignored(const sbi_weight *t)
{
    static const char freq[] = "rotary_emb.inv_freq";
    size_t            n = strlen(t->name), f = sizeof freq - 1;
    if (n >= f && strcmp(t->name + n - f, freq) == 0)
        return 1;
    return strcmp(t->name, "rope_freqs.weight") == 0 ||
           strcmp(t->name, "rope_factors_long.weight") == 0 ||
           strcmp(t->name, "rope_factors_short.weight") == 0;
}

static sb_status check_unused(const mapping *m)
{
    int64_t skipped = 0;
    for (int64_t i = 0; i < m->w->n; i++) {
        const sbi_weight *t = &m->w->w[i];
        if (t->used)
            continue;
        if (!ignored(t))
            return sb_fail(SB_ERR_USAGE,
                           "%s: tensor `%s`: found one that a %s of this shape does not have%s",
                           t->file, t->name, sb_family_name(m->c->family),
                           strstr(t->name, "attention.wq") != NULL
                               ? " (files in Meta's or Mistral's own layout are not read: use the "
                                 "Hugging Face one)"
                               : "");
        skipped += m->w->gguf == NULL;
    }
    if (skipped > 0)
        sb_log(SB_LOG_INFO,
               "%s: %lld tensors of rotary frequencies are not used: they are computed", m->path,
               (long long)skipped);
    return SB_OK;
}

/* ---- second walk ---- */

static int64_t vector_values(const mapping *m)
{
    int64_t layer = 2 * m->c->width;
    for (int i = 0; i < N_MATRICES; i++)
        layer += extent(m->c, matrices[i].out);
    return m->c->n_layers * layer + m->c->width;
}

/* A vector in fp32; turned: in the order of the matrix's rows. */
static const float *vector(mapping *m, const sbi_weight *t, int64_t interleaved_dim)
{
    float    *to      = m->t->vectors + m->used;
    sb_matrix as_rows = {.data            = t->data,
                         .type            = t->type,
                         .rows            = t->n_values,
                         .cols            = 1,
                         .interleaved_dim = interleaved_dim};
    for (int64_t i = 0; i < t->n_values; i++)
        (void)sb_matrix_row(&as_rows, i, to + i); /* plain numbers have no scales */
    m->used += t->n_values;
    return to;
}

static void take_layer(mapping *m, int64_t layer)
{
    char              name[NAME_BYTES];
    const sbi_weight *t;
    unsigned char    *to = (unsigned char *)&m->t->layers[layer];
    for (int i = 0; i < N_NORMS; i++) {
        name_of(m, layer, &norms[i], "weight", name);
        const float *v = vector(m, sbi_weights_find(m->w, name), 0);
        memcpy(to + norms[i].at, &v, sizeof v);
    }
    for (int i = 0; i < N_MATRICES; i++) {
        name_of(m, layer, &matrices[i], "weight", name);
        sb_matrix a = matrix_of(m, sbi_weights_find(m->w, name), matrices[i].turned);
        name_of(m, layer, &matrices[i], "bias", name);
        if ((t = sbi_weights_find(m->w, name)) != NULL && t->used)
            a.bias = vector(m, t, a.interleaved_dim);
        memcpy(to + matrices[i].at, &a, sizeof a);
    }
}

sb_status sbi_tensors_map(sbi_weights *w, const char *path, sb_model_config *config,
                          sbi_tensors *out)
{
    mapping m    = {.w = w, .path = path, .c = config, .t = out};
    *out         = (sbi_tensors){0};
    sb_status st = check_outer(&m);
    for (int64_t l = 0; st == SB_OK && l < config->n_layers; l++)
        if ((st = check_layer(&m, l)) == SB_OK)
            st = check_biases(&m, l);
    if (st == SB_OK)
        st = check_unused(&m);
    if (st != SB_OK)
        return st;
    out->layers  = calloc((size_t)config->n_layers, sizeof *out->layers);
    out->vectors = calloc((size_t)vector_values(&m), sizeof *out->vectors);
    if (out->layers == NULL || out->vectors == NULL) {
        sbi_tensors_fini(out);
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for %" PRId64 " layers", path,
                       config->n_layers);
    }
    for (int64_t l = 0; l < config->n_layers; l++)
        take_layer(&m, l);
    out->norm =
        vector(&m, sbi_weights_find(w, outer(&m, "model.norm.weight", "output_norm.weight")), 0);
    return SB_OK;
}

/* ---- weights to come ---- */

static void shape_layer(mapping *m, int64_t layer)
{
    unsigned char *to = (unsigned char *)&m->t->layers[layer];
    for (int i = 0; i < N_NORMS; i++) {
        const float *one = m->t->vectors;
        memcpy(to + norms[i].at, &one, sizeof one);
    }
    for (int i = 0; i < N_MATRICES; i++) {
        sb_matrix a = {.type = SB_BLOCK_BF16,
                       .rows = extent(m->c, matrices[i].out),
                       .cols = extent(m->c, matrices[i].in),
                       .bias = has_bias(m->c, i) ? m->t->vectors + m->c->width : NULL};
        memcpy(to + matrices[i].at, &a, sizeof a);
    }
}

sb_status sbi_tensors_of_shape(const char *path, const sb_model_config *config, sbi_tensors *out)
{
    sb_model_config c      = *config;
    mapping         m      = {.path = path, .c = &c, .t = out};
    int64_t         widest = c.width; /* of zeros, which all biases share */
    for (int i = 0; i < N_MATRICES; i++)
        widest = extent(&c, matrices[i].out) > widest ? extent(&c, matrices[i].out) : widest;
    *out         = (sbi_tensors){0};
    out->layers  = calloc((size_t)c.n_layers, sizeof *out->layers);
    out->vectors = calloc((size_t)(c.width + widest), sizeof *out->vectors);
    if (out->layers == NULL || out->vectors == NULL) {
        sbi_tensors_fini(out);
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for %" PRId64 " layers", path, c.n_layers);
    }
    for (int64_t i = 0; i < c.width; i++)
        out->vectors[i] = 1;
    for (int64_t l = 0; l < c.n_layers; l++)
        shape_layer(&m, l);
    out->norm      = out->vectors;
    out->embedding = (sb_matrix){.type = SB_BLOCK_BF16, .rows = c.vocab, .cols = c.width};
    out->head      = out->embedding;
    return SB_OK;
}

void sbi_tensors_fini(sbi_tensors *t)
{
    free(t->layers);
    free(t->vectors);
    *t = (sbi_tensors){0};
}
