/* config.json, generation_config.json and the keys of GGUF as a model's shape [models 1.2]. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/model/checkpoint/config.h"
#include "tests/unit/harness/model/checkpoint/bytes.h"

/* Llama-3.1-8B-Instruct's, shortened to what is read. */
#define LLAMA                                                                                      \
    "\"architectures\":[\"LlamaForCausalLM\"],\"num_hidden_layers\":32,\"hidden_size\":4096,"      \
    "\"intermediate_size\":14336,\"num_attention_heads\":32,\"num_key_value_heads\":8,"            \
    "\"vocab_size\":128256,\"max_position_embeddings\":131072,\"rms_norm_eps\":1e-05,"             \
    "\"rope_theta\":500000.0,\"hidden_act\":\"silu\",\"attention_bias\":false,"                    \
    "\"tie_word_embeddings\":false,\"bos_token_id\":128000,\"pretraining_tp\":1,"                  \
    "\"eos_token_id\":[128001,128008,128009]"
#define LLAMA3                                                                                     \
    "\"rope_scaling\":{\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"           \
    "\"original_max_position_embeddings\":8192,\"rope_type\":\"llama3\"}"

static sb_status parse(const char *more, const char *generation, sb_model_config *c)
{
    char text[4096];
    (void)snprintf(text, sizeof text, "{" LLAMA "%s%s}", more[0] != '\0' ? "," : "", more);
    return sb_config_from_json("config.json", text, strlen(text), "generation_config.json",
                               generation, generation != NULL ? strlen(generation) : 0, c);
}

START_TEST(llama_3_1)
{
    sb_model_config c;
    ck_assert_msg(parse(LLAMA3, NULL, &c) == SB_OK, "%s", sb_error_text());
    ck_assert(c.family == SB_FAMILY_LLAMA && c.n_layers == 32 && c.width == 4096 && c.heads == 32 &&
              c.kv_heads == 8 && c.head_dim == 128 && c.mlp_width == 14336 && c.vocab == 128256 &&
              c.max_positions == 131072 && c.eps == 1e-5 && c.tied == 0 && !c.qkv_bias &&
              !c.o_bias && !c.mlp_bias && c.window_tokens == 0 && c.bos == 128000);
    ck_assert(c.rope.type == SB_ROPE_LLAMA3 && c.rope.theta == 5e5 && c.rope.factor == 8 &&
              c.rope.low == 1 && c.rope.high == 4 && c.rope.original == 8192 && c.rope.dims == 128);
    ck_assert(c.n_stops == 3 && c.stops[0] == 128001 && c.stops[2] == 128009);
}
END_TEST

START_TEST(generation_config_overrides_the_stops)
{
    sb_model_config c;
    ck_assert_int_eq(parse("", "{\"eos_token_id\":[7,9],\"temperature\":0.6}", &c), SB_OK);
    ck_assert(c.n_stops == 2 && c.stops[0] == 7 && c.stops[1] == 9 && c.bos == 128000);
    ck_assert_int_eq(parse("", "{\"eos_token_id\":5,\"bos_token_id\":3}", &c), SB_OK);
    ck_assert(c.n_stops == 1 && c.stops[0] == 5 && c.bos == 3);
    ck_assert_int_eq(parse("", "{}", &c), SB_OK);
    ck_assert_int_eq(c.n_stops, 3);
}
END_TEST

/* More keys than LLAMA may repeat one: this takes the whole text. */
static sb_status whole(const char *text, sb_model_config *c)
{
    return sb_config_from_json("config.json", text, strlen(text), NULL, NULL, 0, c);
}

#define SMALL                                                                                      \
    "\"num_hidden_layers\":2,\"hidden_size\":64,\"intermediate_size\":96,"                         \
    "\"num_attention_heads\":4,\"vocab_size\":100,\"max_position_embeddings\":512"

START_TEST(defaults_and_other_families)
{
    sb_model_config c;
    ck_assert_msg(whole("{\"architectures\":[\"Qwen2ForCausalLM\"]," SMALL
                        ",\"sliding_window\":4096,\"use_sliding_window\":false,"
                        "\"rope_scaling\":null,\"dual_chunk_attention_config\":{\"chunk_size\":"
                        "262144,\"local_size\":8192}}",
                        &c) == SB_OK,
                  "%s", sb_error_text());
    ck_assert(c.family == SB_FAMILY_QWEN2 && c.kv_heads == 4 && c.head_dim == 16 && c.qkv_bias &&
              !c.o_bias && c.tied == -1 && c.window_tokens == 0 && c.eps == 1e-6 &&
              c.rope.theta == 1e4 && c.rope.type == SB_ROPE_DEFAULT && c.n_stops == 0 &&
              c.bos == -1 && c.dual_chunk_tokens == 262144);
    ck_assert_int_eq(whole("{\"architectures\":[\"MistralForCausalLM\"]," SMALL
                           ",\"sliding_window\":128,\"head_dim\":32,\"attention_bias\":true}",
                           &c),
                     SB_OK);
    ck_assert(c.window_tokens == 128 && c.head_dim == 32 && c.qkv_bias && c.o_bias);
    ck_assert_int_eq(whole("{\"architectures\":[\"LlamaForCausalLM\"]," SMALL
                           ",\"rope_parameters\":{\"rope_type\":\"yarn\",\"factor\":4,"
                           "\"rope_theta\":1000000}}",
                           &c),
                     SB_OK);
    ck_assert(c.rope.type == SB_ROPE_YARN && c.rope.theta == 1e6 && c.rope.factor == 4);
    ck_assert_int_eq(whole("{\"architectures\":[\"LlamaForCausalLM\"]," SMALL
                           ",\"original_max_position_embeddings\":128,\"rope_scaling\":{\"type\":"
                           "\"su\",\"short_factor\":[1,1,1,1,1,1,1,1],"
                           "\"long_factor\":[1,2,3,4,5,6,7,8]}}",
                           &c),
                     SB_OK);
    ck_assert(c.rope.type == SB_ROPE_LONGROPE && c.rope.original == 128 &&
              c.rope.long_factor[7] == 8);
}
END_TEST

/* ---- Gemma 3 ---- */

#define GEMMA3 "{\"architectures\":[\"Gemma3ForCausalLM\"]," SMALL ",\"head_dim\":32"

START_TEST(gemma3)
{
    sb_model_config c;
    ck_assert_msg(whole(GEMMA3 ",\"query_pre_attn_scalar\":64,\"rope_scaling\":{\"rope_type\":"
                               "\"linear\",\"factor\":8}}",
                        &c) == SB_OK,
                  "%s", sb_error_text());
    ck_assert(c.family == SB_FAMILY_GEMMA3 && c.scale == 0.125 && c.embed_scale && c.tied == -1 &&
              c.window_tokens == 4096 && c.windowed[0] && c.windowed[1] && !c.qkv_bias);
    ck_assert(c.rope.theta == 1e6 && c.rope.type == SB_ROPE_LINEAR && c.rope.factor == 8 &&
              c.local_rope.theta == 1e4 && c.local_rope.type == SB_ROPE_DEFAULT);
    ck_assert_msg(whole(GEMMA3 ",\"sliding_window\":24,\"layer_types\":[\"full_attention\","
                               "\"sliding_attention\"],\"rope_parameters\":{\"full_attention\":{"
                               "\"rope_type\":\"linear\",\"factor\":4,\"rope_theta\":2e6},"
                               "\"sliding_attention\":{\"rope_theta\":5000}}}",
                        &c) == SB_OK,
                  "%s", sb_error_text());
    ck_assert(c.scale == 0.0625 && c.window_tokens == 24 && !c.windowed[0] && c.windowed[1]);
    ck_assert(c.rope.theta == 2e6 && c.rope.factor == 4 && c.local_rope.theta == 5000 &&
              c.local_rope.type == SB_ROPE_DEFAULT);
    ck_assert_msg(whole("{\"architectures\":[\"Gemma3ForConditionalGeneration\"],"
                        "\"eos_token_id\":[1,106],\"text_config\":{\"hidden_size\":2560,"
                        "\"intermediate_size\":10240,\"num_hidden_layers\":34,"
                        "\"rope_scaling\":{\"factor\":8.0,\"rope_type\":\"linear\"},"
                        "\"sliding_window\":1024},\"vision_config\":{\"hidden_size\":1152}}",
                        &c) == SB_OK,
                  "%s", sb_error_text());
    ck_assert(c.towers && c.heads == 8 && c.kv_heads == 4 && c.head_dim == 256 && c.width == 2560 &&
              c.vocab == 262208 && c.max_positions == 131072 && c.window_tokens == 1024 &&
              c.rope.factor == 8 && c.n_stops == 2 && c.stops[1] == 106 && !c.windowed[5] &&
              c.windowed[6] && c.scale == 1.0 / 16);
    ck_assert_int_eq(whole("{\"architectures\":[\"Gemma3ForConditionalGeneration\"],"
                           "\"text_config\":[]}",
                           &c),
                     SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "`text_config`: found [], allowed a mapping"));
    ck_assert_int_eq(whole(GEMMA3 ",\"sliding_window_pattern\":2}", &c), SB_OK);
    ck_assert(c.windowed[0] && !c.windowed[1]);
}
END_TEST

/* ---- TransNormerLLM ---- */

#define TRANSNORMER                                                                                \
    "{\"architectures\":[\"TransnormerForCausalLM\"],\"decoder_layers\":2,\"decoder_embed_dim\":"  \
    "64,"                                                                                          \
    "\"decoder_attention_heads\":4,\"hidden_dim\":128,\"vocab_size\":100"

START_TEST(transnormer)
{
    sb_model_config c;
    ck_assert_msg(whole(TRANSNORMER
                        ",\"glu_dim\":-1,\"linear_act_fun\":\"1+elu\","
                        "\"linear_use_lrpe_list\":[0,1],\"norm_type\":\"simplermsnorm\","
                        "\"no_scale_embedding\":true,\"eos_token_id\":2}",
                        &c) == SB_OK,
                  "%s", sb_error_text());
    ck_assert(c.family == SB_FAMILY_TRANSNORMER && c.n_layers == 2 && c.width == 64 &&
              c.heads == 4 && c.kv_heads == 4 && c.head_dim == 32 && c.mlp_width == 64 &&
              c.act == SB_ACT_ELU1 && !c.lrpe[0] && c.lrpe[1] && !c.embed_scale && c.tied == -1 &&
              c.eps == 1e-6 && c.max_positions == INT32_MAX && c.n_stops == 1);
    ck_assert_int_eq(whole(TRANSNORMER ",\"glu_dim\":96,\"linear_act_fun\":\"swish\","
                                       "\"linear_use_lrpe_list\":[0,0]}",
                           &c),
                     SB_OK);
    ck_assert(c.mlp_width == 96 && c.act == SB_ACT_SILU && c.embed_scale);
}
END_TEST

typedef struct refusal {
    const char *more, *text;
    sb_status   st;
} refusal;

static const refusal refusals[] = {
    {"\"num_attention_heads\":31", "duplicate", SB_ERR_USAGE},
    {"\"quantization_config\":{}", "`quantization_config`", SB_ERR_UNSUPPORTED},
    {"\"num_local_experts\":8", "`num_local_experts`", SB_ERR_UNSUPPORTED},
    {"\"partial_rotary_factor\":0.5", "`partial_rotary_factor`: found 0.5", SB_ERR_UNSUPPORTED},
    {"\"head_dim\":127", "127 head dims, allowed an even number", SB_ERR_USAGE},
    {"\"head_dim\":0", "`head_dim`: found 0", SB_ERR_USAGE},
    {"\"head_dim\":1024", "allowed 1 to 512", SB_ERR_USAGE},
    {"\"head_dim\":4294967424", "`head_dim`: found 4294967424", SB_ERR_USAGE},
    {"\"mlp_bias\":1", "`mlp_bias`: found 1, allowed true or false", SB_ERR_USAGE},
    {"\"rope_scaling\":{\"rope_type\":\"ntk\"}", "`rope_type`: found \"ntk\"", SB_ERR_UNSUPPORTED},
    {"\"rope_scaling\":{\"type\":7}", "`type`: found 7", SB_ERR_UNSUPPORTED},
    {"\"rope_scaling\":[]", "`rope_scaling`", SB_ERR_USAGE},
    {"\"rope_scaling\":{\"type\":\"linear\",\"factor\":\"2\"}", "`factor`", SB_ERR_USAGE},
    {"\"rope_scaling\":{\"type\":\"linear\",\"factor\":0.5}", "factor 0.5", SB_ERR_USAGE},
    {"\"rope_scaling\":{\"type\":\"longrope\"}", "`short_factor`", SB_ERR_USAGE},
    {"\"rope_parameters\":{\"full_attention\":{}}", "`rope_parameters`", SB_ERR_UNSUPPORTED},
    {"\"dual_chunk_attention_config\":{}", "chunk_size", SB_ERR_USAGE},
};

START_TEST(what_is_refused)
{
    const refusal  *r = &refusals[_i];
    sb_model_config c;
    ck_assert_int_eq(parse(r->more, NULL, &c), r->st);
    ck_assert_msg(strstr(sb_error_text(), r->text) != NULL, "`%s` not in `%s`", r->text,
                  sb_error_text());
    ck_assert_msg(strncmp(sb_error_text(), "config.json", 11) == 0, "%s", sb_error_text());
}
END_TEST

START_TEST(whole_files_that_are_refused)
{
    static const refusal all[] = {
        {"", "found no JSON", SB_ERR_USAGE},
        {"[]", "found no mapping", SB_ERR_USAGE},
        {"{}", "`architectures`: found nothing", SB_ERR_UNSUPPORTED},
        {"{\"architectures\":[\"Gemma2ForCausalLM\"]," SMALL "}", "Gemma2", SB_ERR_UNSUPPORTED},
        {"{\"architectures\":[\"LlamaForCausalLM\"]}", "`num_hidden_layers`", SB_ERR_USAGE},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," SMALL ",\"num_key_value_heads\":3}",
         "a multiple of them", SB_ERR_USAGE},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," SMALL ",\"rms_norm_eps\":0}", "eps 0",
         SB_ERR_USAGE},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," SMALL ",\"rms_norm_eps\":NaN}",
         "found no JSON", SB_ERR_USAGE},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," SMALL ",\"rope_theta\":-1}", "theta -1",
         SB_ERR_USAGE},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," SMALL ",\"hidden_act\":\"gelu\"}",
         "`hidden_act`: found \"gelu\"", SB_ERR_UNSUPPORTED},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," SMALL ",\"eos_token_id\":\"a\"}",
         "`eos_token_id`", SB_ERR_USAGE},
        {"{\"architectures\":[\"LlamaForCausalLM\"]," SMALL ",\"bos_token_id\":-1}",
         "`bos_token_id`", SB_ERR_USAGE},
        {GEMMA3 ",\"final_logit_softcapping\":30}", "`final_logit_softcapping`: found 30",
         SB_ERR_UNSUPPORTED},
        {GEMMA3 ",\"hidden_activation\":\"silu\"}", "`hidden_activation`: found \"silu\"",
         SB_ERR_UNSUPPORTED},
        {GEMMA3 ",\"use_bidirectional_attention\":true}", "`use_bidirectional_attention`",
         SB_ERR_UNSUPPORTED},
        {GEMMA3 ",\"layer_types\":[\"full_attention\"]}", "`layer_types`", SB_ERR_USAGE},
        {GEMMA3 ",\"layer_types\":[\"full_attention\",\"chunked\"]}", "found \"chunked\"",
         SB_ERR_USAGE},
        {GEMMA3 ",\"sliding_window\":0}", "`sliding_window`: found 0", SB_ERR_USAGE},
        {GEMMA3 ",\"sliding_window_pattern\":0}", "`sliding_window_pattern`", SB_ERR_USAGE},
        {GEMMA3 ",\"query_pre_attn_scalar\":0}", "`query_pre_attn_scalar`: found 0", SB_ERR_USAGE},
        {GEMMA3 ",\"rope_local_base_freq\":-1}", "theta -1", SB_ERR_USAGE},
        {GEMMA3 ",\"rope_parameters\":{\"full_attention\":{}}}", "`rope_parameters`", SB_ERR_USAGE},
        {TRANSNORMER "}", "`glu_dim`: found nothing", SB_ERR_USAGE},
        {TRANSNORMER ",\"glu_dim\":96}", "`linear_act_fun`: found nothing", SB_ERR_UNSUPPORTED},
        {TRANSNORMER ",\"glu_dim\":96,\"linear_act_fun\":\"exp\"}", "found \"exp\"",
         SB_ERR_UNSUPPORTED},
        {TRANSNORMER ",\"glu_dim\":96,\"linear_act_fun\":\"relu\"}",
         "`linear_use_lrpe_list`: found nothing", SB_ERR_USAGE},
        {TRANSNORMER ",\"glu_dim\":96,\"linear_act_fun\":\"relu\",\"linear_use_lrpe_list\":[1,2]}",
         "`linear_use_lrpe_list`: found 2", SB_ERR_USAGE},
        {TRANSNORMER ",\"glu_dim\":96,\"bias\":true}", "`bias`: found true", SB_ERR_UNSUPPORTED},
        {TRANSNORMER ",\"norm_type\":\"layernorm\"}", "`norm_type`", SB_ERR_UNSUPPORTED},
        {TRANSNORMER ",\"gate_dim\":16}", "`gate_dim`: found 16", SB_ERR_UNSUPPORTED},
        {TRANSNORMER ",\"glu_dim\":96,\"hidden_dim\":130}", "found no JSON", SB_ERR_USAGE}};
    sb_model_config c;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ck_assert_int_eq(whole(all[i].more, &c), all[i].st);
        ck_assert_msg(strstr(sb_error_text(), all[i].text) != NULL, "`%s` not in `%s`", all[i].text,
                      sb_error_text());
    }
    ck_assert_int_eq(parse("", "{\"eos_token_id\":[1", &c), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "generation_config.json:1:"));
}
END_TEST

/* ---- GGUF ---- */

typedef struct gguf_case {
    const char *arch, *change, *text; /* change: this key is left out, or put in by `put` */
    void (*put)(bytes *b);
    int       n_put;
    sb_status st;
} gguf_case;

static sb_status from_gguf(const gguf_case *k, sb_model_config *c)
{
    static bytes             b;
    static const char *const names[] = {"block_count",         "embedding_length",
                                        "feed_forward_length", "attention.head_count",
                                        "context_length",      "vocab_size"};
    static const uint32_t    v[]     = {2, 64, 96, 4, 512, 100};
    sb_gguf                 *g       = NULL;
    bytes                    keys    = {0};
    char                     name[96];
    uint64_t                 n = 2 + (uint64_t)k->n_put;
    bytes_free(&b);
    put_text_key(&keys, "general.architecture", k->arch);
    for (int i = 0; i < 6; i++)
        if (k->change == NULL || strcmp(k->change, names[i]) != 0) {
            (void)snprintf(name, sizeof name, "%s.%s", k->arch, names[i]);
            put_u32_key(&keys, name, v[i]);
            n++;
        }
    (void)snprintf(name, sizeof name, "%s.attention.layer_norm_rms_epsilon", k->arch);
    put_f32_key(&keys, name, 1e-5f);
    if (k->put != NULL)
        k->put(&keys);
    put_header(&b, 3, 0, n);
    put(&b, keys.data, keys.n);
    bytes_trim(&b);
    bytes_free(&keys);
    sb_status st = sb_gguf_open_bytes("made.gguf", b.data, b.n, &g);
    ck_assert_msg(st == SB_OK, "%s", sb_error_text());
    st = sb_config_from_gguf(g, c);
    sb_gguf_close(g);
    return st;
}

static void put_yarn(bytes *b)
{
    put_text_key(b, "qwen2.rope.scaling.type", "yarn");
    put_f32_key(b, "qwen2.rope.scaling.factor", 4);
    put_u32_key(b, "qwen2.rope.scaling.original_context_length", 128);
    put_f32_key(b, "qwen2.rope.freq_base", 1000000);
    put_u32_key(b, "tokenizer.ggml.eos_token_id", 5);
    put_u32_key(b, "tokenizer.ggml.eot_token_id", 6);
    put_u32_key(b, "tokenizer.ggml.eom_token_id", 5);
}
static void put_kv(bytes *b)
{
    put_key(b, "llama.attention.head_count_kv", 9);
    put_uint(b, 4, 4);
    put_uint(b, 8, 2);
    put_uint(b, 4, 2);
    put_uint(b, 4, 2);
}
static void put_kvs(bytes *b)
{
    put_key(b, "llama.attention.head_count_kv", 9);
    put_uint(b, 4, 4);
    put_uint(b, 8, 2);
    put_uint(b, 4, 2);
    put_uint(b, 4, 1);
}
static void put_experts(bytes *b) { put_u32_key(b, "llama.expert_count", 8); }
static void put_partial(bytes *b) { put_u32_key(b, "llama.rope.dimension_count", 8); }
static void put_values(bytes *b) { put_u32_key(b, "llama.attention.value_length", 8); }
static void put_dynamic(bytes *b) { put_text_key(b, "llama.rope.scaling.type", "dynamic"); }

static void put_window(bytes *b)
{
    put_u32_key(b, "gemma3.attention.sliding_window", 24);
    put_u32_key(b, "gemma3.attention.key_length", 32);
    put_u32_key(b, "gemma3.attention.value_length", 32);
}
static void put_cap(bytes *b)
{
    put_window(b);
    put_f32_key(b, "gemma3.final_logit_softcapping", 30);
}

START_TEST(keys_of_gguf)
{
    static const gguf_case good[] = {{.arch = "llama", .put = put_kv, .n_put = 1},
                                     {.arch = "qwen2", .put = put_yarn, .n_put = 7},
                                     {.arch = "gemma3", .put = put_window, .n_put = 3}};
    sb_model_config        c;
    ck_assert_msg(from_gguf(&good[0], &c) == SB_OK, "%s", sb_error_text());
    ck_assert(c.family == SB_FAMILY_LLAMA && c.kv_heads == 2 && c.head_dim == 16 && c.tied == -1 &&
              c.vocab == 100 && c.n_stops == 0 && c.bos == -1);
    ck_assert_msg(from_gguf(&good[1], &c) == SB_OK, "%s", sb_error_text());
    ck_assert(c.family == SB_FAMILY_QWEN2 && c.qkv_bias && c.rope.type == SB_ROPE_YARN &&
              c.rope.factor == 4 && c.rope.original == 128 && c.rope.theta == 1e6);
    ck_assert(c.n_stops == 2 && c.stops[0] == 5 && c.stops[1] == 6);
    ck_assert_msg(from_gguf(&good[2], &c) == SB_OK, "%s", sb_error_text());
    ck_assert(c.family == SB_FAMILY_GEMMA3 && c.window_tokens == 24 && c.windowed[0] &&
              c.windowed[1] && c.head_dim == 32 && c.scale == 1 / sqrt(32.0) && c.embed_scale &&
              c.rope.theta == 1e6 && c.local_rope.theta == 1e4);
}
END_TEST

START_TEST(keys_of_gguf_that_are_refused)
{
    static const gguf_case bad[] = {
        {"phi3", NULL, "found `phi3`, allowed llama, qwen2 and gemma3", NULL, 0,
         SB_ERR_UNSUPPORTED},
        {"llama", "block_count", "`llama.block_count` is missing", NULL, 0, SB_ERR_USAGE},
        {"llama", "context_length", "`llama.context_length` is missing", NULL, 0, SB_ERR_USAGE},
        {"llama", NULL, "different values per layer", put_kvs, 1, SB_ERR_UNSUPPORTED},
        {"llama", NULL, "mixture of experts", put_experts, 1, SB_ERR_UNSUPPORTED},
        {"llama", NULL, "8 of 16 dims rotated", put_partial, 1, SB_ERR_UNSUPPORTED},
        {"llama", NULL, "value_length`: found 8", put_values, 1, SB_ERR_UNSUPPORTED},
        {"llama", NULL, "found `dynamic`", put_dynamic, 1, SB_ERR_UNSUPPORTED},
        {"transnormer", NULL, "found `transnormer`", NULL, 0, SB_ERR_UNSUPPORTED},
        {"gemma3", NULL, "`gemma3.attention.sliding_window` is missing", NULL, 0, SB_ERR_USAGE},
        {"gemma3", NULL, "final_logit_softcapping`: found 30", put_cap, 4, SB_ERR_UNSUPPORTED}};
    sb_model_config c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(from_gguf(&bad[i], &c), bad[i].st);
        ck_assert_msg(strstr(sb_error_text(), bad[i].text) != NULL, "`%s` not in `%s`", bad[i].text,
                      sb_error_text());
    }
}
END_TEST

int main(void)
{
    Suite   *s  = suite_create("model config");
    TCase   *tc = tcase_create("keys");
    SRunner *sr;
    int      failed;
    tcase_add_test(tc, llama_3_1);
    tcase_add_test(tc, generation_config_overrides_the_stops);
    tcase_add_test(tc, defaults_and_other_families);
    tcase_add_test(tc, gemma3);
    tcase_add_test(tc, transnormer);
    tcase_add_loop_test(tc, what_is_refused, 0, sizeof refusals / sizeof *refusals);
    tcase_add_test(tc, whole_files_that_are_refused);
    tcase_add_test(tc, keys_of_gguf);
    tcase_add_test(tc, keys_of_gguf_that_are_refused);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
