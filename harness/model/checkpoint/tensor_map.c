#include "harness/model/checkpoint/tensor_map.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/log.h"

enum { NAME_BYTES = 128 };

typedef enum side {
    SIDE_WIDTH,
    SIDE_Q,
    SIDE_KV,
    SIDE_QKVU,
    SIDE_MLP,
    SIDE_VOCAB,
    SIDE_HEAD,
    SIDE_NONE
} side;

/* A tensor of a layer: its place in sb_layer_weights, names in both formats, [out, in]. */
typedef struct entry {
    const char *hf, *gguf;
    size_t      at;
    side        out, in; /* in SIDE_NONE: one dimension */
    int         turned;  /* 1: a GGUF of arch llama holds its rows for interleaved rotation */
} entry;

/* What a layer of a family has. Biases go with the matrices, by their place. */
typedef struct family_map {
    const entry *norms, *matrices;
    int          n_norms, n_matrices;
    int          last_norm; /* 0: it has no weights */
} family_map;

#define L(field) offsetof(sb_layer_weights, field)
static const entry norms[] = {
    {"input_layernorm", "attn_norm", L(norm1), SIDE_WIDTH, SIDE_NONE, 0},
    {"post_attention_layernorm", "ffn_norm", L(norm2), SIDE_WIDTH, SIDE_NONE, 0}};
static const entry gemma3_norms[] = {
    {"input_layernorm", "attn_norm", L(norm1), SIDE_WIDTH, SIDE_NONE, 0},
    {"post_attention_layernorm", "post_attention_norm", L(post1), SIDE_WIDTH, SIDE_NONE, 0},
    {"pre_feedforward_layernorm", "ffn_norm", L(norm2), SIDE_WIDTH, SIDE_NONE, 0},
    {"post_feedforward_layernorm", "post_ffw_norm", L(post2), SIDE_WIDTH, SIDE_NONE, 0},
    {"self_attn.q_norm", "attn_q_norm", L(q_norm), SIDE_HEAD, SIDE_NONE, 0},
    {"self_attn.k_norm", "attn_k_norm", L(k_norm), SIDE_HEAD, SIDE_NONE, 0}};
static const entry matrices[] = {{"self_attn.q_proj", "attn_q", L(q), SIDE_Q, SIDE_WIDTH, 1},
                                 {"self_attn.k_proj", "attn_k", L(k), SIDE_KV, SIDE_WIDTH, 1},
                                 {"self_attn.v_proj", "attn_v", L(v), SIDE_KV, SIDE_WIDTH, 0},
                                 {"self_attn.o_proj", "attn_output", L(o), SIDE_WIDTH, SIDE_Q, 0},
                                 {"mlp.gate_proj", "ffn_gate", L(gate), SIDE_MLP, SIDE_WIDTH, 0},
                                 {"mlp.up_proj", "ffn_up", L(up), SIDE_MLP, SIDE_WIDTH, 0},
                                 {"mlp.down_proj", "ffn_down", L(down), SIDE_WIDTH, SIDE_MLP, 0}};
/* No GGUF file has these. q, k, v and u are the quarters of the first one. */
static const entry transnormer_matrices[] = {
    {"token_mixer.qkvu_proj", "", L(q), SIDE_QKVU, SIDE_WIDTH, 0},
    {"token_mixer.out_proj", "", L(o), SIDE_WIDTH, SIDE_Q, 0},
    {"channel_mixer.l1", "", L(gate), SIDE_MLP, SIDE_WIDTH, 0},
    {"channel_mixer.l2", "", L(up), SIDE_MLP, SIDE_WIDTH, 0},
    {"channel_mixer.l3", "", L(down), SIDE_WIDTH, SIDE_MLP, 0}};
#undef L
#define N(list) (int)(sizeof(list) / sizeof *(list))
static const family_map families[SB_FAMILY_COUNT] = {
    [SB_FAMILY_LLAMA]       = {norms, matrices, N(norms), N(matrices), 1},
    [SB_FAMILY_QWEN2]       = {norms, matrices, N(norms), N(matrices), 1},
    [SB_FAMILY_GEMMA3]      = {gemma3_norms, matrices, N(gemma3_norms), N(matrices), 1},
    [SB_FAMILY_TRANSNORMER] = {NULL, transnormer_matrices, 0, N(transnormer_matrices), 0}};
#undef N

typedef struct mapping {
    sbi_weights     *w;
    const char      *path;
    sb_model_config *c;
    sbi_tensors     *t;
    int64_t          used;   /* of the vectors, numbers */
    const char      *prefix; /* of Hugging Face's names of the text model */
} mapping;

static const family_map *family_of(const mapping *m) { return &families[m->c->family]; }

static int64_t extent(const sb_model_config *c, side s)
{
    switch (s) {
    case SIDE_WIDTH:
        return c->width;
    case SIDE_Q:
        return c->heads * c->head_dim;
    case SIDE_KV:
        return c->kv_heads * c->head_dim;
    case SIDE_QKVU:
        return 4 * c->heads * c->head_dim;
    case SIDE_HEAD:
        return c->head_dim;
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
        (void)snprintf(name, NAME_BYTES, "%slayers.%" PRId64 ".%s.%s", m->prefix, layer, e->hf,
                       kind);
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

/* Angles of LRPE, [heads, 1, head_dim]. */
static const entry lrpe = {"token_mixer.lrpe", "", 0, SIDE_Q, SIDE_NONE, 0};

static sb_status check_lrpe(mapping *m, int64_t layer)
{
    char        name[NAME_BYTES];
    int64_t     heads = m->c->heads, values = heads * m->c->head_dim;
    sbi_weight *t;
    if (!m->c->lrpe[layer])
        return SB_OK;
    name_of(m, layer, &lrpe, "theta", name);
    if ((t = sbi_weights_find(m->w, name)) == NULL)
        return sb_fail(SB_ERR_USAGE, "%s: tensor `%s` is missing", m->path, name);
    if (!t->known || sb_block_formats[t->type].values > 1)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s: tensor `%s`: found %s, allowed F32, F16, BF16, F64",
                       t->file, name, t->type_name);
    if (t->n_dims != 3 || t->shape[0] != heads || t->shape[1] != 1 || t->n_values != values)
        return sb_fail(SB_ERR_USAGE,
                       "%s: tensor `%s`: found %d dimensions, %" PRId64
                       " values of %s, allowed [%" PRId64 ", 1, %" PRId64 "]",
                       t->file, name, t->n_dims, t->n_values, t->type_name, heads, m->c->head_dim);
    t->used = 1;
    return SB_OK;
}

/* First walk: are all there, with their shapes? Only then is anything allocated. */
static sb_status check_layer(mapping *m, int64_t layer)
{
    char              name[NAME_BYTES];
    const family_map *f = family_of(m);
    sbi_weight       *t;
    sb_status         st = check_lrpe(m, layer);
    for (int i = 0; st == SB_OK && i < f->n_norms; i++) {
        name_of(m, layer, &f->norms[i], "weight", name);
        st = find(m, name, extent(m->c, f->norms[i].out), 0, &t);
    }
    for (int i = 0; st == SB_OK && i < f->n_matrices; i++) {
        const entry *e = &f->matrices[i];
        name_of(m, layer, e, "weight", name);
        st = find(m, name, extent(m->c, e->out), extent(m->c, e->in), &t);
    }
    return st;
}

static int has_bias(const sb_model_config *c, int i)
{
    if (c->family == SB_FAMILY_TRANSNORMER)
        return 0;
    return i < 3 ? c->qkv_bias : i == 3 ? c->o_bias : c->mlp_bias;
}

/* Biases are where the shape says so; in a GGUF file, which does not say, where there is one. */
static sb_status check_biases(mapping *m, int64_t layer)
{
    char              name[NAME_BYTES];
    const family_map *f = family_of(m);
    sbi_weight       *t;
    sb_status         st = SB_OK;
    for (int i = 0; st == SB_OK && i < f->n_matrices; i++) {
        name_of(m, layer, &f->matrices[i], "bias", name);
        if (has_bias(m->c, i) || (m->w->gguf != NULL && sbi_weights_find(m->w, name) != NULL))
            st = find(m, name, extent(m->c, f->matrices[i].out), 0, &t);
    }
    return st;
}

typedef enum outer { OUTER_EMBEDDING, OUTER_NORM, OUTER_HEAD } outer;

static void outer_name(const mapping *m, outer o, char name[NAME_BYTES])
{
    static const char *const gguf[] = {"token_embd", "output_norm", "output"};
    static const char *const hf[]   = {"embed_tokens", "norm", "lm_head"};
    const char              *prefix = m->prefix;
    if (o == OUTER_HEAD) /* beside `model.`, not in it */
        prefix = strcmp(prefix, "language_model.model.") == 0 ? "language_model." : "";
    (void)snprintf(name, NAME_BYTES, "%s%s.weight", m->w->gguf != NULL ? "" : prefix,
                   m->w->gguf != NULL ? gguf[o] : hf[o]);
}

/* Two ways that files of models with more towers name the text model. */
static const char *find_prefix(const sbi_weights *w, const sb_model_config *c)
{
    if (!c->towers)
        return "model.";
    return sbi_weights_find(w, "language_model.model.embed_tokens.weight") != NULL
               ? "language_model.model."
               : "model.language_model.";
}

static sb_status check_last_norm(mapping *m)
{
    char        name[NAME_BYTES];
    sbi_weight *t;
    outer_name(m, OUTER_NORM, name);
    return family_of(m)->last_norm ? find(m, name, m->c->width, 0, &t) : SB_OK;
}

static sb_status check_outer(mapping *m)
{
    char embedding[NAME_BYTES], head[NAME_BYTES];
    outer_name(m, OUTER_EMBEDDING, embedding);
    outer_name(m, OUTER_HEAD, head);
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
    m->t->head = m->c->tied || h == NULL ? m->t->embedding : matrix_of(m, h, 0);
    return check_last_norm(m);
}

static int of_another_tower(const sbi_weight *t)
{
    static const char *const names[] = {"vision_tower.", "multi_modal_projector.",
                                        "model.vision_tower.", "model.multi_modal_projector."};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(t->name, names[i], strlen(names[i])) == 0)
            return 1;
    return 0;
}

static int is_rotary(const sbi_weight *t)
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
    int64_t skipped = 0, towers = 0;
    for (int64_t i = 0; i < m->w->n; i++) {
        const sbi_weight *t     = &m->w->w[i];
        int               other = m->c->towers && of_another_tower(t);
        towers += other;
        if (t->used || other)
            continue;
        if (!is_rotary(t))
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
    if (towers > 0)
        sb_log(SB_LOG_INFO, "%s: %lld tensors of other towers than the text model are not used",
               m->path, (long long)towers);
    return SB_OK;
}

/* ---- second walk ---- */

static int64_t vector_values(const mapping *m)
{
    const family_map *f     = family_of(m);
    int64_t           layer = 0, angles = m->c->heads * m->c->head_dim;
    for (int i = 0; i < f->n_norms; i++)
        layer += extent(m->c, f->norms[i].out);
    for (int i = 0; i < f->n_matrices; i++)
        layer += extent(m->c, f->matrices[i].out);
    if (m->c->family == SB_FAMILY_TRANSNORMER)
        layer += angles;
    return m->c->n_layers * layer + m->c->width;
}

/* A vector in fp32; turned: in the order of the matrix's rows. */
static float *vector(mapping *m, const sbi_weight *t, int64_t interleaved_dim)
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

/* Gemma 3 multiplies by 1 + w; GGUF files hold that already. */
static const float *norm(mapping *m, const sbi_weight *t)
{
    float *to = vector(m, t, 0);
    if (m->c->family == SB_FAMILY_GEMMA3 && m->w->gguf == NULL)
        for (int64_t i = 0; i < t->n_values; i++)
            to[i] += 1;
    return to;
}

static sb_matrix rows_of(const sb_matrix *all, int64_t first, int64_t n)
{
    sb_matrix              some = *all;
    const sb_block_format *f    = &sb_block_formats[all->type];
    some.data += first * (all->cols / f->values * f->bytes);
    some.rows = n;
    return some;
}

static void take_quarters(sb_layer_weights *to, const sb_matrix *all)
{
    int64_t n = all->rows / 4;
    to->q     = rows_of(all, 0, n);
    to->k     = rows_of(all, n, n);
    to->v     = rows_of(all, 2 * n, n);
    to->u     = rows_of(all, 3 * n, n);
}

static void take_layer(mapping *m, int64_t layer)
{
    char              name[NAME_BYTES];
    const family_map *f = family_of(m);
    const sbi_weight *t;
    unsigned char    *to = (unsigned char *)&m->t->layers[layer];
    for (int i = 0; i < f->n_norms; i++) {
        name_of(m, layer, &f->norms[i], "weight", name);
        const float *v = norm(m, sbi_weights_find(m->w, name));
        memcpy(to + f->norms[i].at, &v, sizeof v);
    }
    for (int i = 0; i < f->n_matrices; i++) {
        const entry *e = &f->matrices[i];
        name_of(m, layer, e, "weight", name);
        sb_matrix a = matrix_of(m, sbi_weights_find(m->w, name), e->turned);
        name_of(m, layer, e, "bias", name);
        if ((t = sbi_weights_find(m->w, name)) != NULL && t->used)
            a.bias = vector(m, t, a.interleaved_dim);
        if (e->out == SIDE_QKVU)
            take_quarters(&m->t->layers[layer], &a);
        else
            memcpy(to + e->at, &a, sizeof a);
    }
    if (m->c->lrpe[layer]) {
        name_of(m, layer, &lrpe, "theta", name);
        m->t->layers[layer].theta = vector(m, sbi_weights_find(m->w, name), 0);
    }
}

sb_status sbi_tensors_map(sbi_weights *w, const char *path, sb_model_config *config,
                          sbi_tensors *out)
{
    char    name[NAME_BYTES];
    mapping m    = {.w = w, .path = path, .c = config, .t = out, .prefix = find_prefix(w, config)};
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
    outer_name(&m, OUTER_NORM, name);
    if (family_of(&m)->last_norm)
        out->norm = norm(&m, sbi_weights_find(w, name));
    return SB_OK;
}

/* ---- weights to come ---- */

static void shape_layer(mapping *m, int64_t layer)
{
    const family_map *f  = family_of(m);
    unsigned char    *to = (unsigned char *)&m->t->layers[layer];
    for (int i = 0; i < f->n_norms; i++) {
        const float *one = m->t->vectors;
        memcpy(to + f->norms[i].at, &one, sizeof one);
    }
    for (int i = 0; i < f->n_matrices; i++) {
        sb_matrix a = {.type = SB_BLOCK_BF16,
                       .rows = extent(m->c, f->matrices[i].out),
                       .cols = extent(m->c, f->matrices[i].in),
                       .bias = has_bias(m->c, i) ? m->t->vectors + m->c->width : NULL};
        memcpy(to + f->matrices[i].at, &a, sizeof a);
    }
}

sb_status sbi_tensors_of_shape(const char *path, const sb_model_config *config, sbi_tensors *out)
{
    sb_model_config c      = *config;
    mapping         m      = {.path = path, .c = &c, .t = out};
    int64_t         widest = c.width; /* of zeros, which all biases share */
    for (int i = 0; i < family_of(&m)->n_matrices; i++) {
        int64_t rows = extent(&c, family_of(&m)->matrices[i].out);
        widest       = rows > widest ? rows : widest;
    }
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
