/* A model's shape from config.json and generation_config.json [models 1.2]. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "harness/model/checkpoint/config.h"
#include "harness/model/checkpoint/cursor.h"

typedef struct source {
    const char *name;
    json_t     *root;
} source;

/* A null counts as absent, as it does for the original. */
static json_t *get(const json_t *map, const char *key)
{
    json_t *v = json_object_get(map, key);
    return json_is_null(v) ? NULL : v;
}

static sb_status wrong(const source *s, sb_status st, const char *key, const json_t *v,
                       const char *allowed)
{
    char  shown[SBI_QUOTE_BYTES];
    char *text = v != NULL ? json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
    st         = sb_fail(st, "%s: key `%s`: found %s, allowed %s", s->name, key,
                 text != NULL ? sbi_quote(text, strlen(text), shown) : "nothing", allowed);
    free(text);
    return st;
}

static sb_status may_int(const source *s, const json_t *map, const char *key, int64_t *out)
{
    const json_t *v = get(map, key);
    if (v == NULL)
        return SB_OK;
    if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > INT32_MAX)
        return wrong(s, SB_ERR_USAGE, key, v, "a whole number from 1 to 2^31 - 1");
    *out = (int64_t)json_integer_value(v);
    return SB_OK;
}

static sb_status need_int(const source *s, const char *key, int64_t *out)
{
    return get(s->root, key) != NULL ? may_int(s, s->root, key, out)
                                     : wrong(s, SB_ERR_USAGE, key, NULL, "a whole number");
}

static sb_status may_real(const source *s, const json_t *map, const char *key, double *out)
{
    const json_t *v = get(map, key);
    if (v == NULL)
        return SB_OK;
    if (!json_is_number(v))
        return wrong(s, SB_ERR_USAGE, key, v, "a number");
    *out = json_number_value(v);
    return SB_OK;
}

static sb_status may_bool(const source *s, const char *key, int32_t *out)
{
    const json_t *v = get(s->root, key);
    if (v == NULL)
        return SB_OK;
    if (!json_is_boolean(v))
        return wrong(s, SB_ERR_USAGE, key, v, "true or false");
    *out = json_is_true(v);
    return SB_OK;
}

/* ---- rope ---- */

static sb_status factors(const source *s, const json_t *rope, const char *key, int64_t pairs,
                         float *out)
{
    const json_t *list = get(rope, key);
    if (!json_is_array(list) || (int64_t)json_array_size(list) != pairs ||
        pairs > SB_ROPE_MAX_PAIRS)
        return wrong(s, SB_ERR_USAGE, key, NULL, "a list of head_dim / 2 numbers");
    for (int64_t i = 0; i < pairs; i++) {
        const json_t *v = json_array_get(list, (size_t)i);
        if (!json_is_number(v))
            return wrong(s, SB_ERR_USAGE, key, v, "numbers");
        out[i] = (float)json_number_value(v);
    }
    return SB_OK;
}

static sb_status rope_type(const source *s, const json_t *rope, sb_rope_type *out)
{
    const char   *key = get(rope, "rope_type") != NULL ? "rope_type" : "type";
    const json_t *v   = get(rope, key);
    const char   *w   = json_string_value(v);
    if (v == NULL) { /* rope_parameters of a model without scaling may leave it out */
        *out = SB_ROPE_DEFAULT;
        return SB_OK;
    }
    if (w != NULL && strcmp(w, "su") == 0)
        w = "longrope";
    for (int t = 0; w != NULL && t < SB_ROPE_DIVISORS; t++)
        if (strcmp(w, sb_rope_type_name((sb_rope_type)t)) == 0) {
            *out = (sb_rope_type)t;
            return SB_OK;
        }
    return wrong(s, SB_ERR_UNSUPPORTED, key, v, "default, linear, dynamic, llama3, yarn, longrope");
}

/* One object for all layers of a kind. */
static sb_status read_scaling(const source *s, const json_t *rope, sb_rope_spec *r)
{
    sb_status st = rope_type(s, rope, &r->type);
    if (get(rope, "full_attention") != NULL || get(rope, "sliding_attention") != NULL)
        return wrong(s, SB_ERR_UNSUPPORTED, "rope_parameters", NULL,
                     "one set of parameters for all layers");
    if (st != SB_OK || (st = may_real(s, rope, "rope_theta", &r->theta)) != SB_OK ||
        (st = may_real(s, rope, "factor", &r->factor)) != SB_OK ||
        (st = may_real(s, rope, "low_freq_factor", &r->low)) != SB_OK ||
        (st = may_real(s, rope, "high_freq_factor", &r->high)) != SB_OK ||
        (st = may_real(s, rope, "beta_fast", &r->beta_fast)) != SB_OK ||
        (st = may_real(s, rope, "beta_slow", &r->beta_slow)) != SB_OK ||
        (st = may_real(s, rope, "attention_factor", &r->attention_factor)) != SB_OK ||
        (st = may_int(s, rope, "original_max_position_embeddings", &r->original)) != SB_OK)
        return st;
    if (r->type != SB_ROPE_LONGROPE)
        return SB_OK;
    st = factors(s, rope, "short_factor", r->dims / 2, r->short_factor);
    return st == SB_OK ? factors(s, rope, "long_factor", r->dims / 2, r->long_factor) : st;
}

/* Gemma 3: one for layers that see everything, one for windowed ones, which is never scaled where
 * the file has but one scaling. */
static sb_status read_two_ropes(const source *s, const json_t *scaling, const json_t *params,
                                sb_model_config *c)
{
    const json_t *full    = get(params, "full_attention");
    const json_t *sliding = get(params, "sliding_attention");
    sb_status     st;
    c->local_rope       = c->rope;
    c->local_rope.theta = 10000;
    if ((st = may_real(s, s->root, "rope_local_base_freq", &c->local_rope.theta)) != SB_OK)
        return st;
    if (params == NULL)
        return scaling != NULL ? read_scaling(s, scaling, &c->rope) : SB_OK;
    if (!json_is_object(full) || !json_is_object(sliding))
        return wrong(s, SB_ERR_USAGE, "rope_parameters", params,
                     "mappings full_attention and sliding_attention");
    st = read_scaling(s, full, &c->rope);
    return st == SB_OK ? read_scaling(s, sliding, &c->local_rope) : st;
}

static sb_status read_rope(const source *s, sb_model_config *c)
{
    const json_t *scaling = get(s->root, "rope_scaling"), *params = get(s->root, "rope_parameters");
    sb_rope_spec *r       = &c->rope;
    double        partial = 1;
    sb_status     st      = may_real(s, s->root, "partial_rotary_factor", &partial);
    r->dims               = (int32_t)c->head_dim;
    r->max_positions      = c->max_positions;
    if (st == SB_OK && partial != 1)
        st = wrong(s, SB_ERR_UNSUPPORTED, "partial_rotary_factor",
                   get(s->root, "partial_rotary_factor"), "1");
    if (st != SB_OK || (st = may_real(s, s->root, "rope_theta", &r->theta)) != SB_OK ||
        (st = may_int(s, s->root, "original_max_position_embeddings", &r->original)) != SB_OK)
        return st;
    if (scaling != NULL && !json_is_object(scaling))
        return wrong(s, SB_ERR_USAGE, "rope_scaling", scaling, "a mapping or null");
    if (params != NULL && !json_is_object(params))
        return wrong(s, SB_ERR_USAGE, "rope_parameters", params, "a mapping or null");
    if (c->family == SB_FAMILY_GEMMA3)
        return read_two_ropes(s, scaling, params, c);
    if (params != NULL)
        return read_scaling(s, params, r);
    return scaling != NULL ? read_scaling(s, scaling, r) : SB_OK;
}

/* ---- tokens ---- */

/* An id, or a list of them. */
static sb_status read_stops(const source *s, sb_model_config *c)
{
    const json_t *v = get(s->root, "eos_token_id");
    size_t        n = json_is_array(v) ? json_array_size(v) : 1;
    if (v == NULL)
        return SB_OK;
    if (n > SB_CONFIG_MAX_STOPS)
        return wrong(s, SB_ERR_USAGE, "eos_token_id", v, "at most 16 token ids");
    c->n_stops = 0;
    for (size_t i = 0; i < n; i++) {
        const json_t *id = json_is_array(v) ? json_array_get(v, i) : v;
        if (!json_is_integer(id) || json_integer_value(id) < 0 ||
            json_integer_value(id) > INT32_MAX)
            return wrong(s, SB_ERR_USAGE, "eos_token_id", v, "token ids");
        c->stops[c->n_stops++] = (int32_t)json_integer_value(id);
    }
    return SB_OK;
}

static sb_status read_tokens(const source *s, sb_model_config *c)
{
    const json_t *v = get(s->root, "bos_token_id");
    if (v != NULL) {
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > INT32_MAX)
            return wrong(s, SB_ERR_USAGE, "bos_token_id", v, "a token id");
        c->bos = (int32_t)json_integer_value(v);
    }
    return read_stops(s, c);
}

/* ---- the model ---- */

static sb_status read_family(const source *s, sb_model_config *c)
{
    static const struct {
        const char *name;
        sb_family   family;
        int32_t     towers;
    } known[]          = {{"LlamaForCausalLM", SB_FAMILY_LLAMA, 0},
                          {"MistralForCausalLM", SB_FAMILY_LLAMA, 0},
                          {"Qwen2ForCausalLM", SB_FAMILY_QWEN2, 0},
                          {"Gemma3ForCausalLM", SB_FAMILY_GEMMA3, 0},
                          {"Gemma3ForConditionalGeneration", SB_FAMILY_GEMMA3, 1},
                          {"TransnormerForCausalLM", SB_FAMILY_TRANSNORMER, 0}};
    const json_t *list = get(s->root, "architectures");
    const char   *w    = json_string_value(json_array_get(list, 0));
    for (size_t i = 0; w != NULL && i < sizeof known / sizeof *known; i++)
        if (strcmp(w, known[i].name) == 0) {
            c->family = known[i].family;
            c->towers = known[i].towers;
            return SB_OK;
        }
    return wrong(s, SB_ERR_UNSUPPORTED, "architectures", list,
                 "LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Gemma3ForCausalLM, "
                 "Gemma3ForConditionalGeneration, TransnormerForCausalLM");
}

static sb_status only(const source *s, const char *key, const char *allowed)
{
    const json_t *v = get(s->root, key);
    const char   *w = json_string_value(v);
    return v == NULL || (w != NULL && strcmp(w, allowed) == 0)
               ? SB_OK
               : wrong(s, SB_ERR_UNSUPPORTED, key, v, allowed);
}

static sb_status refuse_features(const source *s, sb_family family)
{
    /* gate_dim: of TransNormerLLM3 */
    static const char *const refused[] = {
        "quantization_config",    "num_local_experts",       "num_experts", "num_experts_per_tok",
        "attn_logit_softcapping", "final_logit_softcapping", "gate_dim"};
    sb_status st;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        if (get(s->root, refused[i]) != NULL)
            return wrong(s, SB_ERR_UNSUPPORTED, refused[i], get(s->root, refused[i]),
                         "a model without it");
    if (family != SB_FAMILY_GEMMA3)
        return only(s, "hidden_act", "silu");
    st = only(s, "hidden_act", "gelu_pytorch_tanh");
    if (st == SB_OK)
        st = only(s, "hidden_activation", "gelu_pytorch_tanh");
    if (st == SB_OK && json_is_true(get(s->root, "use_bidirectional_attention")))
        st = wrong(s, SB_ERR_UNSUPPORTED, "use_bidirectional_attention",
                   get(s->root, "use_bidirectional_attention"), "false");
    return st;
}

static sb_status read_window(const source *s, sb_model_config *c)
{
    int32_t   use = c->family != SB_FAMILY_QWEN2;
    sb_status st  = may_bool(s, "use_sliding_window", &use);
    return st == SB_OK && use ? may_int(s, s->root, "sliding_window", &c->window_tokens) : st;
}

static sb_status read_dual_chunk(const source *s, sb_model_config *c)
{
    const json_t *d = get(s->root, "dual_chunk_attention_config");
    if (d == NULL)
        return SB_OK;
    if (!json_is_object(d) || get(d, "chunk_size") == NULL)
        return wrong(s, SB_ERR_USAGE, "dual_chunk_attention_config", d,
                     "a mapping with chunk_size");
    return may_int(s, d, "chunk_size", &c->dual_chunk_tokens);
}

/* ---- Gemma 3 ---- */

static sb_status read_layer_types(const source *s, const json_t *list, sb_model_config *c)
{
    static const char allowed[] = "full_attention or sliding_attention for each layer";
    if (!json_is_array(list) || (int64_t)json_array_size(list) != c->n_layers)
        return wrong(s, SB_ERR_USAGE, "layer_types", list, allowed);
    for (int64_t l = 0; l < c->n_layers; l++) {
        const json_t *v = json_array_get(list, (size_t)l);
        const char   *w = json_string_value(v);
        if (w == NULL || (strcmp(w, "full_attention") != 0 && strcmp(w, "sliding_attention") != 0))
            return wrong(s, SB_ERR_USAGE, "layer_types", v, allowed);
        c->windowed[l] = w[0] == 's';
    }
    return SB_OK;
}

static sb_status read_gemma3(const source *s, sb_model_config *c)
{
    const json_t *types   = get(s->root, "layer_types");
    int64_t       pattern = SB_GEMMA3_PATTERN;
    double        scalar  = 256; /* of the original where the file has none */
    sb_status     st;
    if (c->n_layers > SB_CONFIG_MAX_LAYERS)
        return SB_OK; /* the check of ranges says so */
    c->window_tokens = 4096;
    if ((st = may_int(s, s->root, "sliding_window", &c->window_tokens)) != SB_OK ||
        (st = may_int(s, s->root, "sliding_window_pattern", &pattern)) != SB_OK ||
        (st = may_real(s, s->root, "query_pre_attn_scalar", &scalar)) != SB_OK)
        return st;
    if (!(scalar > 0) || scalar > 1e9)
        return wrong(s, SB_ERR_USAGE, "query_pre_attn_scalar",
                     get(s->root, "query_pre_attn_scalar"), "a positive number");
    sbi_config_gemma3(c, pattern, scalar);
    return types != NULL ? read_layer_types(s, types, c) : SB_OK;
}

/* ---- TransNormerLLM ---- */

static sb_status read_act(const source *s, sb_model_config *c)
{
    static const struct {
        const char   *name;
        sb_activation act;
    } known[]       = {{"silu", SB_ACT_SILU}, {"swish", SB_ACT_SILU},      {"relu", SB_ACT_RELU},
                       {"elu", SB_ACT_ELU},   {"1+elu", SB_ACT_ELU1},      {"2+elu", SB_ACT_ELU2},
                       {"gelu", SB_ACT_GELU}, {"sigmoid", SB_ACT_SIGMOID}, {"leak", SB_ACT_LEAK},
                       {"sine", SB_ACT_SINE}, {"none", SB_ACT_IDENTITY},   {"identity", SB_ACT_IDENTITY}};
    const json_t *v = get(s->root, "linear_act_fun");
    const char   *w = json_string_value(v);
    for (size_t i = 0; w != NULL && i < sizeof known / sizeof *known; i++)
        if (strcmp(w, known[i].name) == 0) {
            c->act = known[i].act;
            return SB_OK;
        }
    return wrong(s, SB_ERR_UNSUPPORTED, "linear_act_fun", v,
                 "silu, swish, relu, elu, 1+elu, 2+elu, gelu, sigmoid, leak, sine, none");
}

static sb_status read_lrpe(const source *s, sb_model_config *c)
{
    static const char key[] = "linear_use_lrpe_list", allowed[] = "a list of 0 and 1, one a layer";
    const json_t     *list = get(s->root, key);
    if (!json_is_array(list) || (int64_t)json_array_size(list) != c->n_layers)
        return wrong(s, SB_ERR_USAGE, key, list, allowed);
    for (int64_t l = 0; l < c->n_layers; l++) {
        const json_t *v = json_array_get(list, (size_t)l);
        if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 1)
            return wrong(s, SB_ERR_USAGE, key, v, allowed);
        c->lrpe[l] = (uint8_t)json_integer_value(v);
    }
    return SB_OK;
}

static sb_status read_transnormer(const source *s, sb_model_config *c)
{
    int64_t       hidden = 0;
    int32_t       bias = 0, plain = 0;
    const json_t *glu = get(s->root, "glu_dim");
    sb_status     st;
    c->max_positions = INT32_MAX; /* most files do not say: there are no positions but LRPE's */
    if ((st = need_int(s, "decoder_layers", &c->n_layers)) != SB_OK ||
        (st = need_int(s, "decoder_embed_dim", &c->width)) != SB_OK ||
        (st = need_int(s, "decoder_attention_heads", &c->heads)) != SB_OK ||
        (st = need_int(s, "hidden_dim", &hidden)) != SB_OK ||
        (st = need_int(s, "vocab_size", &c->vocab)) != SB_OK ||
        (st = may_int(s, s->root, "max_position_embeddings", &c->max_positions)) != SB_OK ||
        (st = may_bool(s, "bias", &bias)) != SB_OK ||
        (st = may_bool(s, "no_scale_embedding", &plain)) != SB_OK ||
        (st = only(s, "norm_type", "simplermsnorm")) != SB_OK ||
        (st = only(s, "glu_act", "none")) != SB_OK)
        return st;
    c->mlp_width = c->width;
    if (!json_is_integer(glu) || json_integer_value(glu) != -1)
        st = need_int(s, "glu_dim", &c->mlp_width);
    if (st == SB_OK && bias)
        st = wrong(s, SB_ERR_UNSUPPORTED, "bias", get(s->root, "bias"), "false");
    if (st == SB_OK && (c->heads < 1 || hidden % c->heads != 0))
        st = wrong(s, SB_ERR_USAGE, "hidden_dim", get(s->root, "hidden_dim"),
                   "a multiple of decoder_attention_heads");
    if (st != SB_OK || c->n_layers > SB_CONFIG_MAX_LAYERS)
        return st;
    c->kv_heads    = c->heads;
    c->head_dim    = hidden / c->heads;
    c->embed_scale = !plain;
    st             = read_act(s, c);
    return st == SB_OK ? read_lrpe(s, c) : st;
}

static sb_status need_unless(const source *s, int has_default, const char *key, int64_t *out)
{
    return has_default ? may_int(s, s->root, key, out) : need_int(s, key, out);
}

static sb_status read_shape(const source *s, sb_model_config *c)
{
    int32_t   bias = 0;
    int       gemma = c->family == SB_FAMILY_GEMMA3;
    sb_status st;
    if (gemma) { /* files of its larger models leave out what is so */
        c->heads         = 8;
        c->vocab         = 262208;
        c->max_positions = 131072;
    }
    if ((st = need_int(s, "num_hidden_layers", &c->n_layers)) != SB_OK ||
        (st = need_int(s, "hidden_size", &c->width)) != SB_OK ||
        (st = need_int(s, "intermediate_size", &c->mlp_width)) != SB_OK ||
        (st = need_unless(s, gemma, "num_attention_heads", &c->heads)) != SB_OK ||
        (st = need_unless(s, gemma, "vocab_size", &c->vocab)) != SB_OK ||
        (st = need_unless(s, gemma, "max_position_embeddings", &c->max_positions)) != SB_OK)
        return st;
    c->kv_heads = gemma ? 4 : c->heads;
    c->head_dim = gemma ? 256 : c->width / c->heads;
    if ((st = may_int(s, s->root, "num_key_value_heads", &c->kv_heads)) != SB_OK ||
        (st = may_int(s, s->root, "head_dim", &c->head_dim)) != SB_OK ||
        (st = may_real(s, s->root, "rms_norm_eps", &c->eps)) != SB_OK ||
        (st = may_real(s, s->root, "initializer_range", &c->init_sd)) != SB_OK ||
        (st = may_bool(s, "tie_word_embeddings", &c->tied)) != SB_OK ||
        (st = may_bool(s, "attention_bias", &bias)) != SB_OK ||
        (st = may_bool(s, "mlp_bias", &c->mlp_bias)) != SB_OK)
        return st;
    c->qkv_bias = c->family == SB_FAMILY_QWEN2 || bias;
    c->o_bias   = c->family != SB_FAMILY_QWEN2 && bias;
    if (gemma)
        return read_gemma3(s, c);
    if ((st = read_window(s, c)) != SB_OK)
        return st;
    return read_dual_chunk(s, c);
}

static sb_status parse(const char *name, const char *text, size_t bytes, source *out)
{
    json_error_t e;
    char         shown[SBI_QUOTE_BYTES];
    *out = (source){.name = name, .root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &e)};
    if (out->root == NULL)
        return sb_fail(json_error_code(&e) == json_error_out_of_memory ? SB_ERR_NOMEM
                                                                       : SB_ERR_USAGE,
                       "%s:%d:%d: found no JSON (%s)", name, e.line, e.column,
                       sbi_quote(e.text, strlen(e.text), shown));
    return json_is_object(out->root)
               ? SB_OK
               : sb_fail(SB_ERR_USAGE, "%s: found no mapping, allowed one", name);
}

/* Of a model with other towers beside: the text model's part of the file, then what stands outside.
 */
static sb_status read_text_part(const source *s, sb_model_config *c)
{
    source        text = {.name = s->name, .root = get(s->root, "text_config")};
    const json_t *tied = get(s->root, "tie_word_embeddings");
    sb_status     st   = SB_OK;
    if (!json_is_object(text.root))
        return wrong(s, SB_ERR_USAGE, "text_config", text.root, "a mapping");
    if ((st = refuse_features(&text, c->family)) == SB_OK && (st = read_shape(&text, c)) == SB_OK &&
        (st = read_rope(&text, c)) == SB_OK)
        st = read_tokens(&text, c);
    return st == SB_OK && tied != NULL ? may_bool(s, "tie_word_embeddings", &c->tied) : st;
}

static sb_status read_model(const source *s, sb_model_config *c)
{
    sb_status st;
    if ((st = read_family(s, c)) != SB_OK || (st = refuse_features(s, c->family)) != SB_OK)
        return st;
    if (c->family == SB_FAMILY_GEMMA3)
        c->rope.theta = 1e6;
    if (c->family == SB_FAMILY_TRANSNORMER)
        st = read_transnormer(s, c);
    else if (c->towers)
        st = read_text_part(s, c);
    else if ((st = read_shape(s, c)) == SB_OK)
        st = read_rope(s, c);
    if (st != SB_OK || (st = read_tokens(s, c)) != SB_OK)
        return st;
    return sbi_config_check(s->name, c);
}

sb_status sb_config_from_json(const char *name, const char *text, size_t bytes,
                              const char *generation_name, const char *generation,
                              size_t generation_bytes, sb_model_config *out)
{
    source          s, gen = {0};
    sb_model_config c = {
        .tied    = -1,
        .bos     = -1,
        .eps     = 1e-6, /* of the original where the file has none, as the next */
        .init_sd = 0.02,
        .rope    = {
               .theta = 10000, .factor = 1, .low = 1, .high = 4, .beta_fast = 32, .beta_slow = 1}};
    sb_status st = parse(name, text, bytes, &s);
    if (st == SB_OK)
        st = read_model(&s, &c);
    if (st == SB_OK && generation != NULL &&
        (st = parse(generation_name, generation, generation_bytes, &gen)) == SB_OK)
        st = read_tokens(&gen, &c);
    if (st == SB_OK)
        *out = c;
    json_decref(s.root);
    json_decref(gen.root);
    return st;
}
