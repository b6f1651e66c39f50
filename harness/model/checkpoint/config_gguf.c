/* A model's shape from the keys of a GGUF file [models 1.2]. A is the architecture. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/model/checkpoint/config.h"

enum { KEY_BYTES = 96 };

typedef struct source {
    const sb_gguf *g;
    const char    *arch;
    char           key[KEY_BYTES];
} source;

static const char *key_of(source *s, const char *name)
{
    (void)snprintf(s->key, sizeof s->key, "%s.%s", s->arch, name);
    return s->key;
}

static int has(source *s, const char *name)
{
    return sb_gguf_find_key(s->g, key_of(s, name)) != NULL;
}

static sb_status need_int(source *s, const char *name, int64_t *out)
{
    return sb_gguf_int(s->g, key_of(s, name), 1, INT32_MAX, out);
}

static sb_status may_int(source *s, const char *name, int64_t *out)
{
    return has(s, name) ? need_int(s, name, out) : SB_OK;
}

static sb_status may_real(source *s, const char *name, double *out)
{
    return has(s, name) ? sb_gguf_real(s->g, key_of(s, name), out) : SB_OK;
}

static sb_status read_family(const sb_gguf *g, char **arch, sb_family *out)
{
    sb_status st = sb_gguf_text(g, "general.architecture", arch);
    if (st != SB_OK)
        return st;
    for (int f = 0; f < SB_FAMILY_TRANSNORMER; f++) /* GGUF has none of the rest */
        if (strcmp(*arch, sb_family_name((sb_family)f)) == 0) {
            *out = (sb_family)f;
            return SB_OK;
        }
    return sb_fail(SB_ERR_UNSUPPORTED,
                   "%s: key `general.architecture`: found `%.40s`, allowed llama, qwen2 and gemma3",
                   g->path, *arch);
}

/* Keys of what is not run here. */
static sb_status refuse_features(source *s)
{
    static const char *const names[] = {"expert_count", "expert_used_count"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int64_t   n  = 0;
        sb_status st = has(s, names[i]) ? sb_gguf_int(s->g, s->key, 0, INT32_MAX, &n) : SB_OK;
        if (st != SB_OK)
            return st;
        if (n > 0)
            return sb_fail(SB_ERR_UNSUPPORTED,
                           "%s: key `%s`: found a mixture of experts, allowed none", s->g->path,
                           s->key);
    }
    return SB_OK;
}

static sb_status refuse_caps(source *s)
{
    static const char *const names[] = {"attn_logit_softcapping", "final_logit_softcapping"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        double    v  = 0;
        sb_status st = may_real(s, names[i], &v);
        if (st != SB_OK)
            return st;
        if (v != 0)
            return sb_fail(SB_ERR_UNSUPPORTED, "%s: key `%s`: found %g, allowed none", s->g->path,
                           key_of(s, names[i]), v);
    }
    return SB_OK;
}

/* F32 values of a tensor of rope factors, one a pair. */
static sb_status rope_tensor(source *s, const char *name, int64_t pairs, float *out)
{
    const sb_gguf_tensor *t = sb_gguf_find_tensor(s->g, name);
    if (t->type != SB_BLOCK_F32 || t->n_values != pairs)
        return sb_fail(SB_ERR_USAGE,
                       "%s: tensor `%s`: found %lld values of %s, allowed %lld of F32", s->g->path,
                       name, (long long)t->n_values, sb_block_formats[t->type].name,
                       (long long)pairs);
    memcpy(out, t->data, (size_t)pairs * sizeof *out);
    return SB_OK;
}

static sb_status rope_factors(source *s, sb_rope_spec *r)
{
    int64_t   pairs = r->dims / 2;
    int       freqs = sb_gguf_find_tensor(s->g, "rope_freqs.weight") != NULL;
    int       l     = sb_gguf_find_tensor(s->g, "rope_factors_long.weight") != NULL;
    int       sh    = sb_gguf_find_tensor(s->g, "rope_factors_short.weight") != NULL;
    sb_status st    = SB_OK;
    if (!freqs && !l && !sh)
        return SB_OK;
    if (r->dims / 2 > SB_ROPE_MAX_PAIRS)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s: found %d rotated dims, allowed at most %d",
                       s->g->path, r->dims, 2 * SB_ROPE_MAX_PAIRS);
    if (r->type != SB_ROPE_DEFAULT && (freqs || r->type != SB_ROPE_LONGROPE))
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "%s: found rope scaling %s and tensors of rope factors, allowed one of them",
                       s->g->path, sb_rope_type_name(r->type));
    if (freqs) {
        r->type = SB_ROPE_DIVISORS;
        return rope_tensor(s, "rope_freqs.weight", pairs, r->short_factor);
    }
    if (l != sh)
        return sb_fail(SB_ERR_USAGE, "%s: tensor `%s` is missing", s->g->path,
                       l ? "rope_factors_short.weight" : "rope_factors_long.weight");
    r->type = SB_ROPE_LONGROPE;
    st      = rope_tensor(s, "rope_factors_long.weight", pairs, r->long_factor);
    return st == SB_OK ? rope_tensor(s, "rope_factors_short.weight", pairs, r->short_factor) : st;
}

static sb_status rope_scaling(source *s, sb_rope_spec *r)
{
    char     *type = NULL;
    sb_status st   = SB_OK;
    if (has(s, "rope.scaling.type")) {
        if ((st = sb_gguf_text(s->g, s->key, &type)) != SB_OK)
            return st;
        if (strcmp(type, "linear") == 0)
            r->type = SB_ROPE_LINEAR;
        else if (strcmp(type, "yarn") == 0)
            r->type = SB_ROPE_YARN;
        else if (strcmp(type, "longrope") == 0)
            r->type = SB_ROPE_LONGROPE;
        else if (strcmp(type, "none") != 0)
            st = sb_fail(SB_ERR_UNSUPPORTED,
                         "%s: key `%s`: found `%.40s`, allowed none, linear, yarn, longrope",
                         s->g->path, s->key, type);
        free(type);
    }
    if (st != SB_OK || (st = may_real(s, "rope.scaling.factor", &r->factor)) != SB_OK ||
        (st = may_int(s, "rope.scaling.original_context_length", &r->original)) != SB_OK ||
        (st = may_real(s, "rope.scaling.attn_factor", &r->attention_factor)) != SB_OK)
        return st;
    return rope_factors(s, r);
}

static sb_status read_rope(source *s, sb_model_config *c)
{
    sb_rope_spec *r    = &c->rope;
    int64_t       dims = c->head_dim;
    sb_status     st   = may_int(s, "rope.dimension_count", &dims);
    if (st != SB_OK)
        return st;
    if (dims != c->head_dim)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "%s: key `%s`: found %lld of %lld dims rotated, allowed all", s->g->path,
                       key_of(s, "rope.dimension_count"), (long long)dims, (long long)c->head_dim);
    r->dims          = (int32_t)dims;
    r->max_positions = c->max_positions;
    if ((st = may_real(s, "rope.freq_base", &r->theta)) != SB_OK)
        return st;
    return rope_scaling(s, r);
}

static sb_status read_shape(source *s, sb_model_config *c)
{
    int64_t   tokens = 0, value_dim = 0;
    sb_status st;
    if ((st = need_int(s, "block_count", &c->n_layers)) != SB_OK ||
        (st = need_int(s, "embedding_length", &c->width)) != SB_OK ||
        (st = need_int(s, "feed_forward_length", &c->mlp_width)) != SB_OK ||
        (st = need_int(s, "attention.head_count", &c->heads)) != SB_OK ||
        (st = need_int(s, "context_length", &c->max_positions)) != SB_OK ||
        (st = sb_gguf_real(s->g, key_of(s, "attention.layer_norm_rms_epsilon"), &c->eps)) != SB_OK)
        return st;
    c->kv_heads = c->heads;
    c->head_dim = c->width / c->heads;
    if ((st = may_int(s, "attention.head_count_kv", &c->kv_heads)) != SB_OK ||
        (st = may_int(s, "attention.key_length", &c->head_dim)) != SB_OK)
        return st;
    value_dim = c->head_dim;
    if ((st = may_int(s, "attention.value_length", &value_dim)) != SB_OK ||
        (st = may_int(s, "attention.sliding_window", &c->window_tokens)) != SB_OK)
        return st;
    if (value_dim != c->head_dim)
        return sb_fail(SB_ERR_UNSUPPORTED, "%s: key `%s`: found %lld, allowed %lld as of keys",
                       s->g->path, key_of(s, "attention.value_length"), (long long)value_dim,
                       (long long)c->head_dim);
    const sb_gguf_key *list = sb_gguf_find_key(s->g, "tokenizer.ggml.tokens");
    if (has(s, "vocab_size"))
        st = need_int(s, "vocab_size", &tokens);
    else if (list != NULL && list->type == SB_GGUF_ARRAY && list->n <= INT32_MAX)
        tokens = (int64_t)list->n;
    c->vocab = tokens;
    return st;
}

/* Old files have no key for the pattern and the windowed layers' theta, no file one for the scalar:
 * those of the original, whose largest model (62 layers) has width / heads. */
static sb_status read_gemma3(source *s, sb_model_config *c)
{
    int64_t   pattern = SB_GEMMA3_PATTERN;
    double    theta   = 10000;
    sb_status st;
    if (c->window_tokens == 0)
        return sb_fail(SB_ERR_USAGE, "%s: key `%s` is missing", s->g->path,
                       key_of(s, "attention.sliding_window"));
    if ((st = may_int(s, "attention.sliding_window_pattern", &pattern)) != SB_OK ||
        (st = may_real(s, "rope.freq_base_swa", &theta)) != SB_OK)
        return st;
    c->local_rope = (sb_rope_spec){
        .dims = c->rope.dims, .theta = theta, .factor = 1, .max_positions = c->max_positions};
    if (c->n_layers <= SB_CONFIG_MAX_LAYERS)
        sbi_config_gemma3(c, pattern,
                          c->n_layers == 62 ? (double)c->width / (double)c->heads
                                            : (double)c->head_dim);
    return SB_OK;
}

static sb_status read_stop(const sb_gguf *g, const char *key, sb_model_config *c)
{
    int64_t   id = 0;
    sb_status st = SB_OK;
    if (sb_gguf_find_key(g, key) == NULL || (st = sb_gguf_int(g, key, 0, INT32_MAX, &id)) != SB_OK)
        return st;
    for (int32_t i = 0; i < c->n_stops; i++)
        if (c->stops[i] == id)
            return SB_OK;
    c->stops[c->n_stops++] = (int32_t)id;
    return SB_OK;
}

static sb_status read_tokens(const sb_gguf *g, sb_model_config *c)
{
    int64_t   bos = -1;
    sb_status st  = SB_OK;
    if (sb_gguf_find_key(g, "tokenizer.ggml.bos_token_id") != NULL)
        st = sb_gguf_int(g, "tokenizer.ggml.bos_token_id", 0, INT32_MAX, &bos);
    c->bos = (int32_t)bos;
    if (st == SB_OK)
        st = read_stop(g, "tokenizer.ggml.eos_token_id", c);
    if (st == SB_OK)
        st = read_stop(g, "tokenizer.ggml.eot_token_id", c);
    return st == SB_OK ? read_stop(g, "tokenizer.ggml.eom_token_id", c) : st;
}

sb_status sb_config_from_gguf(const sb_gguf *g, sb_model_config *out)
{
    char           *arch = NULL;
    sb_model_config c    = {.tied = -1,
                            .bos  = -1,
                            .rope = {.theta = 10000, .factor = 1, .beta_fast = 32, .beta_slow = 1}};
    sb_status       st   = read_family(g, &arch, &c.family);
    source          s    = {.g = g, .arch = arch};
    c.qkv_bias           = c.family == SB_FAMILY_QWEN2;
    if (c.family == SB_FAMILY_GEMMA3)
        c.rope.theta = 1e6;
    if (st == SB_OK && (st = refuse_features(&s)) == SB_OK && (st = refuse_caps(&s)) == SB_OK &&
        (st = read_shape(&s, &c)) == SB_OK && (st = read_rope(&s, &c)) == SB_OK &&
        (c.family != SB_FAMILY_GEMMA3 || (st = read_gemma3(&s, &c)) == SB_OK) &&
        (st = read_tokens(g, &c)) == SB_OK && (st = sbi_config_check(g->path, &c)) == SB_OK)
        *out = c;
    free(arch);
    return st;
}
