#include "tests/unit/harness/model/checkpoint/tiny.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/tensors/safetensors.h"

const tiny tiny_llama = {.family   = "llama",
                         .layers   = 2,
                         .width    = 96,
                         .heads    = 4,
                         .kv_heads = 2,
                         .head_dim = 64,
                         .mlp      = 160,
                         .vocab    = 320,
                         .tied     = 1,
                         .files    = 1,
                         .seed     = 7};

const tiny tiny_gemma3 = {.family   = "gemma3",
                          .layers   = 4,
                          .width    = 96, /* its root is no bf16 */
                          .heads    = 4,
                          .kv_heads = 2,
                          .head_dim = 256,
                          .mlp      = 160,
                          .vocab    = 320,
                          .tied     = 1,
                          .files    = 1,
                          .seed     = 7};

const tiny tiny_transnormer = {.family   = "transnormer",
                               .layers   = 3,
                               .width    = 96,
                               .heads    = 4,
                               .kv_heads = 4,
                               .head_dim = 32,
                               .mlp      = 160,
                               .vocab    = 320,
                               .tied     = 1,
                               .files    = 1,
                               .seed     = 7};

enum { MAX_TENSORS = 128 };

typedef struct item {
    char    hf[96], gguf[64], file[128]; /* file: the name instead of hf, if any */
    int64_t out, in;                     /* in 0: a vector; LRPE's [out, 1, in] */
    int     turned, norm, bias, angles;
} item;

typedef struct items {
    item    v[MAX_TENSORS];
    int64_t n;
} items;

static int is(const tiny *t, const char *family) { return strcmp(t->family, family) == 0; }

static void add(items *l, const char *hf, const char *gguf, int64_t out, int64_t in, int turned)
{
    item *i = &l->v[l->n++];
    ck_assert_int_le(l->n, MAX_TENSORS);
    *i = (item){.out = out, .in = in, .turned = turned};
    (void)snprintf(i->hf, sizeof i->hf, "%s", hf);
    (void)snprintf(i->gguf, sizeof i->gguf, "%s", gguf);
    i->bias = strstr(hf, ".bias") != NULL;
    i->norm = in == 0 && !i->bias;
}

static void add_named(items *l, int64_t layer, const char *hf, const char *gguf, int64_t out,
                      int64_t in)
{
    char hf_name[96], gguf_name[64];
    (void)snprintf(hf_name, sizeof hf_name, "model.layers.%d.%s", (int)layer, hf);
    (void)snprintf(gguf_name, sizeof gguf_name, "blk.%d.%s", (int)layer, gguf);
    add(l, hf_name, gguf_name, out, in, 0);
}

static void add_gemma3_layer(const tiny *t, items *l, int64_t layer)
{
    const int64_t q = t->heads * t->head_dim, kv = t->kv_heads * t->head_dim;
    add_named(l, layer, "input_layernorm.weight", "attn_norm.weight", t->width, 0);
    add_named(l, layer, "post_attention_layernorm.weight", "post_attention_norm.weight", t->width,
              0);
    add_named(l, layer, "pre_feedforward_layernorm.weight", "ffn_norm.weight", t->width, 0);
    add_named(l, layer, "post_feedforward_layernorm.weight", "post_ffw_norm.weight", t->width, 0);
    add_named(l, layer, "self_attn.q_norm.weight", "attn_q_norm.weight", t->head_dim, 0);
    add_named(l, layer, "self_attn.k_norm.weight", "attn_k_norm.weight", t->head_dim, 0);
    add_named(l, layer, "self_attn.q_proj.weight", "attn_q.weight", q, t->width);
    add_named(l, layer, "self_attn.k_proj.weight", "attn_k.weight", kv, t->width);
    add_named(l, layer, "self_attn.v_proj.weight", "attn_v.weight", kv, t->width);
    add_named(l, layer, "self_attn.o_proj.weight", "attn_output.weight", t->width, q);
    add_named(l, layer, "mlp.gate_proj.weight", "ffn_gate.weight", t->mlp, t->width);
    add_named(l, layer, "mlp.up_proj.weight", "ffn_up.weight", t->mlp, t->width);
    add_named(l, layer, "mlp.down_proj.weight", "ffn_down.weight", t->width, t->mlp);
}

static void add_transnormer_layer(const tiny *t, items *l, int64_t layer)
{
    const int64_t q = t->heads * t->head_dim;
    add_named(l, layer, "token_mixer.qkvu_proj.weight", "", 4 * q, t->width);
    add_named(l, layer, "token_mixer.out_proj.weight", "", t->width, q);
    if (layer == 0) {
        add_named(l, layer, "token_mixer.lrpe.theta", "", t->heads, t->head_dim);
        l->v[l->n - 1].angles = 1;
    }
    add_named(l, layer, "channel_mixer.l1.weight", "", t->mlp, t->width);
    add_named(l, layer, "channel_mixer.l2.weight", "", t->mlp, t->width);
    add_named(l, layer, "channel_mixer.l3.weight", "", t->width, t->mlp);
}

static void add_layer(const tiny *t, items *l, int64_t layer)
{
    const int64_t q = t->heads * t->head_dim, kv = t->kv_heads * t->head_dim;
    const struct {
        const char *hf, *gguf;
        int64_t     out, in;
        int         turned, bias;
    } all[] = {{"input_layernorm", "attn_norm", t->width, 0, 0, 0},
               {"post_attention_layernorm", "ffn_norm", t->width, 0, 0, 0},
               {"self_attn.q_proj", "attn_q", q, t->width, 1, 1},
               {"self_attn.k_proj", "attn_k", kv, t->width, 1, 1},
               {"self_attn.v_proj", "attn_v", kv, t->width, 0, 1},
               {"self_attn.o_proj", "attn_output", t->width, q, 0, 2},
               {"mlp.gate_proj", "ffn_gate", t->mlp, t->width, 0, 0},
               {"mlp.up_proj", "ffn_up", t->mlp, t->width, 0, 0},
               {"mlp.down_proj", "ffn_down", t->width, t->mlp, 0, 0}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char hf[96], gguf[64];
        int  bias = (all[i].bias == 1 && strcmp(t->family, "qwen2") == 0) ||
                   (all[i].bias != 0 && t->o_bias);
        for (int b = 0; b <= bias; b++) {
            const char *kind = b ? "bias" : "weight";
            (void)snprintf(hf, sizeof hf, "model.layers.%d.%s.%s", (int)layer, all[i].hf, kind);
            (void)snprintf(gguf, sizeof gguf, "blk.%d.%s.%s", (int)layer, all[i].gguf, kind);
            add(l, hf, gguf, all[i].out, b ? 0 : all[i].in, all[i].turned);
        }
    }
}

static void list(const tiny *t, items *l)
{
    l->n = 0;
    add(l, "model.embed_tokens.weight", "token_embd.weight", t->vocab, t->width, 0);
    for (int64_t i = 0; i < t->layers; i++)
        (is(t, "gemma3")        ? add_gemma3_layer
         : is(t, "transnormer") ? add_transnormer_layer
                                : add_layer)(t, l, i);
    if (!is(t, "transnormer"))
        add(l, "model.norm.weight", "output_norm.weight", t->width, 0, 0);
    if (!t->tied)
        add(l, "lm_head.weight", "output.weight", t->vocab, t->width, 0);
}

/* Number `at` of a tensor, from its name: near normal, exactly a bf16. */
static float value(const tiny *t, const item *i, int64_t at)
{
    uint64_t x   = t->seed * 0x9e3779b97f4a7c15u + (uint64_t)at;
    double   sum = 0;
    for (const char *c = i->hf; *c != '\0'; c++)
        x = (x ^ (unsigned char)*c) * 0x100000001b3u;
    for (int k = 0; k < 4; k++) {
        x ^= x >> 33;
        x *= 0xff51afd7ed558ccdu;
        x ^= x >> 33;
        sum += (double)(x >> 11) * 0x1p-53 - 0.5;
    }
    if (i->angles) /* radians a position */
        return sb_bf16_round((float)fabs(sum));
    if (i->norm) /* Hugging Face's Gemma 3 has what is added to 1 */
        return is(t, "gemma3") ? sb_bf16_round((float)(0.2 * sum))
                               : sb_bf16_round((float)(1 + 0.2 * sum));
    if (i->bias)
        return t->zero_bias ? 0 : sb_bf16_round((float)(0.3 * sum));
    double gain = t->gain > 0 ? (double)t->gain : 1;
    int    big  = i->out == t->vocab; /* embedding and head: of size 1 */
    return sb_bf16_round((float)(1.7 * sum * (big ? 1 : gain / sqrt((double)i->in))));
}

static int64_t count(const item *i) { return i->out * (i->in > 0 ? i->in : 1); }

/* ---- Hugging Face ---- */

static int gemma3_config(const tiny *t, char *text, size_t room)
{
    return snprintf(
        text, room,
        "{%s"
        "\"num_hidden_layers\": %d, \"hidden_size\": %d, \"intermediate_size\": %d, "
        "\"num_attention_heads\": %d, \"num_key_value_heads\": %d, \"head_dim\": %d, "
        "\"vocab_size\": %d, \"max_position_embeddings\": 4096, \"rms_norm_eps\": 1e-6, "
        "\"rope_theta\": 1000000.0, \"rope_local_base_freq\": 10000.0, "
        "\"rope_scaling\": {\"rope_type\": \"linear\", \"factor\": 8.0}, "
        "\"sliding_window\": 24, \"sliding_window_pattern\": 3, "
        "\"query_pre_attn_scalar\": 256, \"hidden_activation\": \"gelu_pytorch_tanh\", "
        "\"attn_logit_softcapping\": null, \"final_logit_softcapping\": null, "
        "\"bos_token_id\": 1, \"eos_token_id\": [2], \"torch_dtype\": \"bfloat16\"%s%s}\n",
        t->towers ? "\"architectures\": [\"Gemma3ForConditionalGeneration\"], \"text_config\": {"
                  : "\"architectures\": [\"Gemma3ForCausalLM\"], \"model_type\": \"gemma3_text\", ",
        (int)t->layers, (int)t->width, (int)t->mlp, (int)t->heads, (int)t->kv_heads,
        (int)t->head_dim, (int)t->vocab, t->extra != NULL ? t->extra : "",
        t->towers ? "}, \"vision_config\": {}" : "");
}

static int transnormer_config(const tiny *t, char *text, size_t room)
{
    int n = snprintf(
        text, room,
        "{\"architectures\": [\"TransnormerForCausalLM\"], \"model_type\": \"transnormer\", "
        "\"decoder_layers\": %d, \"decoder_embed_dim\": %d, \"decoder_attention_heads\": %d, "
        "\"hidden_dim\": %d, \"glu_dim\": %d, \"linear_act_fun\": \"swish\", "
        "\"glu_act\": \"none\", \"norm_type\": \"simplermsnorm\", \"bias\": false, "
        "\"no_scale_embedding\": false, \"vocab_size\": %d, \"pad_token_id\": 0, "
        "\"bos_token_id\": 1, \"eos_token_id\": 2%s, \"linear_use_lrpe_list\": [1",
        (int)t->layers, (int)t->width, (int)t->heads, (int)(t->heads * t->head_dim), (int)t->mlp,
        (int)t->vocab, t->extra != NULL ? t->extra : "");
    for (int64_t i = 1; i < t->layers; i++)
        n += snprintf(text + n, room - (size_t)n, ", 0");
    return n + snprintf(text + n, room - (size_t)n, "]}\n");
}

static int llama_config(const tiny *t, char *text, size_t room)
{
    int qwen = strcmp(t->family, "qwen2") == 0;
    return snprintf(
        text, room,
        "{\"architectures\": [\"%s\"], \"num_hidden_layers\": %d, \"hidden_size\": %d, "
        "\"intermediate_size\": %d, \"num_attention_heads\": %d, \"num_key_value_heads\": %d, "
        "\"head_dim\": %d, \"vocab_size\": %d, \"max_position_embeddings\": 4096, "
        "\"rms_norm_eps\": 1e-5, \"rope_theta\": 10000.0, \"hidden_act\": \"silu\", "
        "\"tie_word_embeddings\": %s, \"attention_bias\": %s, \"bos_token_id\": 1, "
        "\"eos_token_id\": 2, \"torch_dtype\": \"bfloat16\"%s}\n",
        qwen ? "Qwen2ForCausalLM" : "LlamaForCausalLM", (int)t->layers, (int)t->width, (int)t->mlp,
        (int)t->heads, (int)t->kv_heads, (int)t->head_dim, (int)t->vocab,
        t->tied ? "true" : "false", t->o_bias ? "true" : "false", t->extra != NULL ? t->extra : "");
}

static void write_config(const tiny *t, const char *dir)
{
    char path[512], text[2048];
    int  n = (is(t, "gemma3")        ? gemma3_config
              : is(t, "transnormer") ? transnormer_config
                                     : llama_config)(t, text, sizeof text);
    ck_assert_int_lt(n, (int)sizeof text);
    (void)snprintf(path, sizeof path, "%s/config.json", dir);
    tiny_write(path, text, (size_t)n);
}

static void file_name(const tiny *t, int k, char *name, size_t n)
{
    if (t->files == 1)
        (void)snprintf(name, n, "model.safetensors");
    else
        (void)snprintf(name, n, "model-%05d-of-%05d.safetensors", k + 1, t->files);
}

static void write_part(const tiny *t, const items *l, int k, const char *dir)
{
    sb_file_spec        spec[MAX_TENSORS];
    const item         *of[MAX_TENSORS];
    int64_t             n = 0;
    char                name[64], path[640];
    sb_safetensors_out *o = NULL;
    file_name(t, k, name, sizeof name);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    for (int64_t i = 0; i < l->n; i++)
        if (i % t->files == k) {
            of[n]     = &l->v[i];
            spec[n++] =
                (sb_file_spec){.name   = l->v[i].file[0] != 0 ? l->v[i].file : l->v[i].hf,
                               .dtype  = SB_FILE_BF16,
                               .n_dims = l->v[i].angles   ? 3
                                         : l->v[i].in > 0 ? 2
                                                          : 1,
                               .shape = {l->v[i].out, l->v[i].angles ? 1 : l->v[i].in, l->v[i].in}};
        }
    ck_assert_msg(sb_safetensors_create(path, spec, n, NULL, 0, &o) == SB_OK, "%s",
                  sb_error_text());
    for (int64_t i = 0; i < n; i++) {
        int64_t  m = count(of[i]);
        sb_bf16 *v = malloc((size_t)m * sizeof *v);
        ck_assert_ptr_nonnull(v);
        for (int64_t j = 0; j < m; j++)
            v[j] = sb_bf16_from_f32(value(t, of[i], j));
        ck_assert_int_eq(sb_safetensors_write(o, v, m * (int64_t)sizeof *v), SB_OK);
        free(v);
    }
    ck_assert_msg(sb_safetensors_commit(o) == SB_OK, "%s", sb_error_text());
}

static void write_index(const tiny *t, const items *l, const char *dir)
{
    char  path[512], name[64];
    FILE *f;
    (void)snprintf(path, sizeof path, "%s/model.safetensors.index.json", dir);
    ck_assert_ptr_nonnull(f = fopen(path, "w"));
    (void)fprintf(f, "{\"metadata\": {\"total_size\": 1}, \"weight_map\": {");
    for (int64_t i = 0; i < l->n; i++) {
        file_name(t, (int)(i % t->files), name, sizeof name);
        (void)fprintf(f, "%s\"%s\": \"%s\"", i > 0 ? ", " : "", l->v[i].hf, name);
    }
    (void)fprintf(f, "}}\n");
    ck_assert_int_eq(fclose(f), 0);
}

/* The same numbers under the names of a model with an image tower. */
static void put_tower(const tiny *t, items *l)
{
    const char *prefix = t->towers == 1 ? "language_model.model." : "model.language_model.";
    for (int64_t i = 0; i < l->n; i++)
        (void)snprintf(l->v[i].file, sizeof l->v[i].file, "%s%s", prefix,
                       l->v[i].hf + strlen("model."));
    add(l, "vision", "", 8, 0, 0);
    (void)snprintf(l->v[l->n - 1].file, sizeof l->v[0].file, "%svision_tower.class.weight",
                   t->towers == 1 ? "" : "model.");
}

void tiny_folder(const tiny *t, const char *dir)
{
    static items l;
    list(t, &l);
    if (t->towers)
        put_tower(t, &l);
    (void)mkdir(dir, 0777);
    write_config(t, dir);
    for (int k = 0; k < t->files; k++)
        write_part(t, &l, k, dir);
    if (t->files > 1)
        write_index(t, &l, dir);
}

/* ---- GGUF ---- */

static void gguf_keys(const tiny *t, bytes *b)
{
    const struct {
        const char *name;
        int64_t     v;
    } ints[] = {{"block_count", t->layers},
                {"embedding_length", t->width},
                {"feed_forward_length", t->mlp},
                {"attention.head_count", t->heads},
                {"attention.head_count_kv", t->kv_heads},
                {"attention.key_length", t->head_dim},
                {"attention.value_length", t->head_dim},
                {"rope.dimension_count", t->head_dim},
                {"context_length", 4096},
                {"vocab_size", t->vocab}};
    char key[96];
    put_text_key(b, "general.architecture", t->family);
    for (size_t i = 0; i < sizeof ints / sizeof *ints; i++) {
        (void)snprintf(key, sizeof key, "%s.%s", t->family, ints[i].name);
        put_u32_key(b, key, (uint32_t)ints[i].v);
    }
    (void)snprintf(key, sizeof key, "%s.rope.freq_base", t->family);
    put_f32_key(b, key, is(t, "gemma3") ? 1e6f : 1e4f);
    (void)snprintf(key, sizeof key, "%s.attention.layer_norm_rms_epsilon", t->family);
    put_f32_key(b, key, is(t, "gemma3") ? 1e-6f : 1e-5f);
    if (is(t, "gemma3")) {
        put_u32_key(b, "gemma3.attention.sliding_window", 24);
        put_u32_key(b, "gemma3.attention.sliding_window_pattern", 3);
        put_text_key(b, "gemma3.rope.scaling.type", "linear");
        put_f32_key(b, "gemma3.rope.scaling.factor", 8);
    }
    put_u32_key(b, "tokenizer.ggml.bos_token_id", 1);
    put_u32_key(b, "tokenizer.ggml.eos_token_id", 2);
}

/* Where row `row` of a file's tensor comes from: the converter's permutation. */
static int64_t source_row(const tiny *t, const item *i, int64_t row)
{
    int64_t d = t->head_dim, in = row % d;
    if (!i->turned || strcmp(t->family, "llama") != 0 || t->unpermuted)
        return row;
    return row - in + in % 2 * (d / 2) + in / 2;
}

static void gguf_data(const tiny *t, const item *i, bytes *b)
{
    int64_t cols = i->in > 0 ? i->in : 1;
    float   v[1024];
    sb_bf16 h[1024];
    ck_assert_int_le(cols, 1024);
    for (int64_t r = 0; r < i->out; r++) {
        for (int64_t c = 0; c < cols; c++) {
            v[c] = value(t, i, source_row(t, i, r) * cols + c) +
                   (i->norm && is(t, "gemma3") ? 1.0f : 0.0f);
            h[c] = sb_bf16_from_f32(v[c]);
        }
        put(b, i->in > 0 ? (void *)h : (void *)v, (size_t)cols * (i->in > 0 ? 2 : 4));
    }
    put_pad(b, 32);
}

void tiny_gguf_bytes(const tiny *t, bytes *out)
{
    static items l;
    bytes        keys = {0}, data = {0};
    uint64_t     at = 0;
    list(t, &l);
    gguf_keys(t, &keys);
    put_header(out, 3, (uint64_t)l.n, is(t, "gemma3") ? 19 : 15);
    put(out, keys.data, keys.n);
    for (int64_t i = 0; i < l.n; i++) {
        const item *e     = &l.v[i];
        int64_t     ne[2] = {e->in > 0 ? e->in : e->out, e->out};
        put_tensor(out, e->gguf, e->in > 0 ? 2 : 1, ne, e->in > 0 ? 30 : 0, at);
        at += ((uint64_t)count(e) * (e->in > 0 ? 2 : 4) + 31) / 32 * 32;
    }
    put_pad(out, 32);
    for (int64_t i = 0; i < l.n; i++)
        gguf_data(t, &l.v[i], &data);
    put(out, data.data, data.n);
    bytes_free(&keys);
    bytes_free(&data);
}

void tiny_gguf(const tiny *t, const char *path)
{
    bytes b = {0};
    tiny_gguf_bytes(t, &b);
    tiny_write(path, b.data, b.n);
    bytes_free(&b);
}

/* ---- files ---- */

static char folder[64];

const char *tiny_path(const char *name)
{
    static char path[4][512];
    static int  next;
    if (folder[0] == '\0') {
        (void)snprintf(folder, sizeof folder, "/tmp/sb_tiny.XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
    }
    next = (next + 1) % 4;
    (void)snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

void tiny_clean(void)
{
    char command[128];
    if (folder[0] == '\0')
        return;
    (void)snprintf(command, sizeof command, "rm -rf '%s'", folder);
    if (system(command) != 0)
        (void)fprintf(stderr, "%s is left\n", folder);
    folder[0] = '\0';
}

void tiny_write(const char *path, const void *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    ck_assert_msg(f != NULL, "%s", path);
    ck_assert_uint_eq(n == 0 ? 0 : fwrite(data, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

tiny tiny_variant(int i)
{
    tiny t = tiny_llama;
    if (i == 1)
        t.family = "qwen2";
    if (i == 2) {
        t.tied   = 0;
        t.o_bias = 1;
    }
    if (i == 3)
        t.extra = ",\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4,"
                  "\"original_max_position_embeddings\":64}";
    return t;
}

const char *tiny_hf(const tiny *t)
{
    tiny_folder(t, tiny_path("hf"));
    return tiny_path("hf");
}
