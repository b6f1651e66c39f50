/* Whole checkpoints: the same weights out of both formats, and what is refused by name
 * [models 1.3, 2.1, 3]. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/model/checkpoint/checkpoint.h"
#include "tests/unit/harness/model/checkpoint/tiny.h"

static sb_checkpoint *open_it(const char *path)
{
    sb_checkpoint *c = NULL;
    ck_assert_msg(sb_checkpoint_open(path, &c) == SB_OK, "%s", sb_error_text());
    return c;
}

static void refused(const char *path, sb_status want, const char *text)
{
    sb_checkpoint *c = NULL;
    ck_assert_int_eq(sb_checkpoint_open(path, &c), want);
    ck_assert_msg(strstr(sb_error_text(), text) != NULL, "`%s` not in `%s`", text, sb_error_text());
    ck_assert_ptr_null(c);
}

static void same_matrix(const sb_matrix *a, const sb_matrix *b)
{
    float x[512], y[512];
    ck_assert(a->rows == b->rows && a->cols == b->cols && a->cols <= 512);
    for (int64_t r = 0; r < a->rows; r++) {
        ck_assert(sb_matrix_row(a, r, x) && sb_matrix_row(b, r, y));
        ck_assert_mem_eq(x, y, (size_t)a->cols * sizeof *x);
    }
    ck_assert((a->bias == NULL) == (b->bias == NULL));
    if (a->bias != NULL)
        ck_assert_mem_eq(a->bias, b->bias, (size_t)a->rows * sizeof *a->bias);
}

static void same_weights(const sb_checkpoint *a, const sb_checkpoint *b)
{
    const sb_model_config *c = sb_checkpoint_config(a);
    size_t                 w = (size_t)c->width * sizeof(float);
    for (int64_t l = 0; l < c->n_layers; l++) {
        const sb_layer_weights *x = sb_checkpoint_layer(a, l), *y = sb_checkpoint_layer(b, l);
        ck_assert_mem_eq(x->norm1, y->norm1, w);
        ck_assert_mem_eq(x->norm2, y->norm2, w);
        same_matrix(&x->q, &y->q);
        same_matrix(&x->k, &y->k);
        same_matrix(&x->v, &y->v);
        same_matrix(&x->o, &y->o);
        same_matrix(&x->gate, &y->gate);
        same_matrix(&x->up, &y->up);
        same_matrix(&x->down, &y->down);
    }
    same_matrix(sb_checkpoint_embedding(a), sb_checkpoint_embedding(b));
    same_matrix(sb_checkpoint_head(a), sb_checkpoint_head(b));
    ck_assert_mem_eq(sb_checkpoint_norm(a), sb_checkpoint_norm(b), w);
}

START_TEST(both_formats_hold_the_same)
{
    tiny t  = tiny_llama;
    t.files = _i == 0 ? 1 : 3;
    t.tied  = _i != 2;
    if (_i == 1)
        t.family = "qwen2";
    if (_i == 2)
        t.o_bias = 1;
    tiny_folder(&t, tiny_path("hf"));
    tiny_gguf(&t, tiny_path("m.gguf"));
    sb_checkpoint *a = open_it(tiny_path("hf")), *b = open_it(tiny_path("m.gguf"));
    same_weights(a, b);
    const sb_model_config *x = sb_checkpoint_config(a), *y = sb_checkpoint_config(b);
    ck_assert(x->family == y->family && x->tied == y->tied && x->tied == t.tied &&
              x->vocab == y->vocab && x->head_dim == y->head_dim && x->n_stops == 1 &&
              y->n_stops == 1 && x->stops[0] == y->stops[0] && x->bos == y->bos);
    ck_assert((sb_checkpoint_layer(a, 1)->q.bias != NULL) == (_i > 0));
    ck_assert((sb_checkpoint_layer(a, 1)->o.bias != NULL) == (_i == 2));
    ck_assert_uint_eq(strlen(sb_checkpoint_identity(a)), 32);
    ck_assert_str_ne(sb_checkpoint_identity(a), sb_checkpoint_identity(b));
    ck_assert_str_eq(sb_checkpoint_chat_template(a), "");
    sb_checkpoint_close(a);
    sb_checkpoint_close(b);
}
END_TEST

/* Without the permutation undone, q and k are other matrices; v is not. */
START_TEST(a_file_without_the_permutation_differs)
{
    tiny  t = tiny_llama;
    float x[96], y[96];
    tiny_gguf(&t, tiny_path("m.gguf"));
    t.unpermuted = 1;
    tiny_gguf(&t, tiny_path("u.gguf"));
    sb_checkpoint *a = open_it(tiny_path("m.gguf")), *b = open_it(tiny_path("u.gguf"));
    ck_assert(sb_matrix_row(&sb_checkpoint_layer(a, 0)->k, 1, x) &&
              sb_matrix_row(&sb_checkpoint_layer(b, 0)->k, 1, y));
    ck_assert_mem_ne(x, y, sizeof x);
    same_matrix(&sb_checkpoint_layer(a, 0)->v, &sb_checkpoint_layer(b, 0)->v);
    sb_checkpoint_close(a);
    sb_checkpoint_close(b);
}
END_TEST

/* The file `name` of the folder gets `from` replaced by `to`, of the same length. */
static void patch(const char *name, const char *from, const char *to)
{
    char        path[600];
    static char data[1 << 22];
    size_t      n, len = strlen(from);
    (void)snprintf(path, sizeof path, "%s/%s", tiny_path("hf"), name);
    FILE *f = fopen(path, "rb");
    ck_assert_ptr_nonnull(f);
    n = fread(data, 1, sizeof data, f);
    (void)fclose(f);
    ck_assert_uint_eq(len, strlen(to));
    for (size_t i = 0; i + len <= n; i++)
        if (memcmp(data + i, from, len) == 0) {
            memcpy(data + i, to, len);
            tiny_write(path, data, n);
            return;
        }
    ck_abort_msg("%s: no %s", path, from);
}

START_TEST(tensors_that_do_not_fit)
{
    tiny t = tiny_llama;
    tiny_folder(&t, tiny_path("hf"));
    patch("model.safetensors", "layers.1.mlp.up_proj", "layers.1.mlp.up_prok");
    refused(tiny_path("hf"), SB_ERR_USAGE, "tensor `model.layers.1.mlp.up_proj.weight` is missing");
    tiny_folder(&t, tiny_path("hf"));
    patch("config.json", "\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1");
    refused(
        tiny_path("hf"), SB_ERR_USAGE,
        "`model.layers.1.input_layernorm.weight`: found one that a llama of this shape does not");
    tiny_folder(&t, tiny_path("hf"));
    patch("config.json", "\"intermediate_size\": 160", "\"intermediate_size\": 128");
    refused(tiny_path("hf"), SB_ERR_USAGE,
            "`model.layers.0.mlp.gate_proj.weight`: found 2 dimensions, shape [160, 96] of BF16, "
            "allowed [128, 96]");
    tiny_folder(&t, tiny_path("hf"));
    patch("config.json", "\"vocab_size\": 320", "\"vocab_size\": 321");
    refused(tiny_path("hf"), SB_ERR_USAGE, "`model.embed_tokens.weight`");
    tiny_folder(&t, tiny_path("hf"));
    patch("config.json", "\"tie_word_embeddings\": true", "\"tie_word_embeddings\":false");
    refused(tiny_path("hf"), SB_ERR_USAGE, "`lm_head.weight` is missing");
    tiny_folder(&t, tiny_path("hf"));
    patch("model.safetensors", "\"BF16\",\"shape\":[320,96]", "\"I16\", \"shape\":[320,96]");
    refused(tiny_path("hf"), SB_ERR_UNSUPPORTED,
            "`model.embed_tokens.weight`: found I16, allowed F32, F16, BF16, F64");
    t.tied = 0; /* a tied model that stores a head too: the head is not looked at */
    tiny_folder(&t, tiny_path("hf"));
    patch("config.json", "\"tie_word_embeddings\": false", "\"tie_word_embeddings\": true ");
    sb_checkpoint *c = open_it(tiny_path("hf"));
    ck_assert_ptr_eq(sb_checkpoint_head(c)->data, sb_checkpoint_embedding(c)->data);
    sb_checkpoint_close(c);
}
END_TEST

static void write_index(const char *text)
{
    char path[600];
    (void)snprintf(path, sizeof path, "%s/model.safetensors.index.json", tiny_path("hf"));
    tiny_write(path, text, strlen(text));
}

START_TEST(tensors_of_other_families_that_do_not_fit)
{
    tiny_folder(&tiny_gemma3, tiny_path("hf"));
    sb_checkpoint *c = open_it(tiny_path("hf"));
    sb_checkpoint_close(c);
    patch("model.safetensors", "1.self_attn.q_norm", "1.self_attn.q_nurm");
    refused(tiny_path("hf"), SB_ERR_USAGE, "`model.layers.1.self_attn.q_norm.weight` is missing");
    tiny_folder(&tiny_gemma3, tiny_path("hf"));
    patch("config.json", "\"head_dim\": 256", "\"head_dim\": 128");
    refused(tiny_path("hf"), SB_ERR_USAGE, "tensor `model.layers.0.");
    tiny_folder(&tiny_transnormer, tiny_path("hf"));
    patch("model.safetensors", "0.token_mixer.lrpe", "0.token_mixer.lape");
    refused(tiny_path("hf"), SB_ERR_USAGE, "`model.layers.0.token_mixer.lrpe.theta` is missing");
    tiny_folder(&tiny_transnormer, tiny_path("hf"));
    patch("model.safetensors", "[4,1,32]", "[1,4,32]");
    refused(tiny_path("hf"), SB_ERR_USAGE,
            "found 3 dimensions, 128 values of BF16, allowed [4, 1, 32]");
    tiny_folder(&tiny_transnormer, tiny_path("hf"));
    patch("config.json", "[1, 0, 0]", "[0, 0, 0]");
    refused(tiny_path("hf"), SB_ERR_USAGE,
            "lrpe.theta`: found one that a transnormer of this shape");
    tiny_folder(&tiny_transnormer, tiny_path("hf"));
    patch("config.json", "\"hidden_dim\": 128", "\"hidden_dim\": 120");
    refused(tiny_path("hf"), SB_ERR_USAGE, "allowed [4, 1, 30]");
}
END_TEST

START_TEST(shards_that_do_not_fit)
{
    tiny t  = tiny_llama;
    t.files = 2;
    tiny_folder(&t, tiny_path("hf"));
    patch("model.safetensors.index.json", "norm.weight\": \"model-00001-of",
          "norm.weight\": \"model-00002-of");
    refused(tiny_path("hf"), SB_ERR_USAGE, "found here too, allowed in model-00002");
    tiny_folder(&t, tiny_path("hf"));
    patch("model.safetensors.index.json", "\"model.norm.weight\"", "\"model.norn.weight\"");
    refused(tiny_path("hf"), SB_ERR_USAGE, "`model.norn.weight` is missing: the index says");
    tiny_folder(&t, tiny_path("hf"));
    char gone[600];
    (void)snprintf(gone, sizeof gone, "%s/model-00002-of-00002.safetensors", tiny_path("hf"));
    ck_assert_int_eq(unlink(gone), 0);
    refused(tiny_path("hf"), SB_ERR_USAGE, "model-00002-of-00002.safetensors");
    write_index("{\"weight_map\": {\"a\": \"../b.safetensors\"}}");
    refused(tiny_path("hf"), SB_ERR_USAGE, "weight_map `a`");
    write_index("{\"weight_map\": {\"a\": \"x/b.safetensors\"}}");
    refused(tiny_path("hf"), SB_ERR_USAGE, "weight_map `a`");
    write_index("{\"weight_map\": {\"a\": 7}}");
    refused(tiny_path("hf"), SB_ERR_USAGE, "weight_map `a`");
    write_index("{\"weight_map\": {}}");
    refused(tiny_path("hf"), SB_ERR_USAGE, "`weight_map`");
    write_index("{\"weight_map\"");
    refused(tiny_path("hf"), SB_ERR_USAGE, "index.json:1:");
}
END_TEST

START_TEST(folders_that_are_none)
{
    tiny t = tiny_llama;
    char path[600];
    refused("/nonexistent", SB_ERR_USAGE, "neither a folder");
    refused("no/suchmodel", SB_ERR_USAGE, "neither a folder");
    (void)mkdir(tiny_path("hf"), 0777);
    refused(tiny_path("hf"), SB_ERR_USAGE, "config.json");
    tiny_folder(&t, tiny_path("hf"));
    (void)snprintf(path, sizeof path, "%s/model.safetensors", tiny_path("hf"));
    ck_assert_int_eq(unlink(path), 0);
    refused(tiny_path("hf"), SB_ERR_USAGE, "found 0 .safetensors files");
    tiny_write(tiny_path("m.gguf"), "no gguf", 7);
    refused(tiny_path("m.gguf"), SB_ERR_USAGE, "is it a GGUF file");
}
END_TEST

START_TEST(templates_are_found)
{
    static const char one[] = "{\"chat_template\": \"{{ a }}\"}";
    static const char two[] = "{\"chat_template\": [{\"name\": \"x\", \"template\": \"1\"}, "
                              "{\"name\": \"default\", \"template\": \"2\"}]}";
    tiny              t     = tiny_llama;
    char              path[600];
    tiny_folder(&t, tiny_path("hf"));
    (void)snprintf(path, sizeof path, "%s/tokenizer_config.json", tiny_path("hf"));
    tiny_write(path, one, sizeof one - 1);
    sb_checkpoint *c = open_it(tiny_path("hf"));
    ck_assert_str_eq(sb_checkpoint_chat_template(c), "{{ a }}");
    sb_checkpoint_close(c);
    tiny_write(path, two, sizeof two - 1);
    c = open_it(tiny_path("hf"));
    ck_assert_str_eq(sb_checkpoint_chat_template(c), "2");
    sb_checkpoint_close(c);
    tiny_write(path, "{", 1);
    refused(tiny_path("hf"), SB_ERR_USAGE, "tokenizer_config.json:1:");
    (void)snprintf(path, sizeof path, "%s/chat_template.jinja", tiny_path("hf"));
    tiny_write(path, "jinja", 5);
    c = open_it(tiny_path("hf"));
    ck_assert_str_eq(sb_checkpoint_chat_template(c), "jinja");
    sb_checkpoint_close(c);
}
END_TEST

START_TEST(a_name_of_the_hub)
{
    tiny t = tiny_llama;
    char path[600];
    ck_assert_int_eq(setenv("HF_HUB_CACHE", tiny_path("hub"), 1), 0);
    (void)mkdir(tiny_path("hub"), 0777);
    (void)snprintf(path, sizeof path, "%s/models--some--model", tiny_path("hub"));
    (void)mkdir(path, 0777);
    (void)strcat(path, "/snapshots");
    (void)mkdir(path, 0777);
    refused("some/model", SB_ERR_USAGE, "neither a folder");
    (void)strcat(path, "/0123abcd");
    tiny_folder(&t, path);
    sb_checkpoint *c = open_it("some/model");
    ck_assert_str_eq(sb_checkpoint_path(c), path);
    sb_checkpoint_close(c);
}
END_TEST

int main(void)
{
    Suite   *s  = suite_create("checkpoint");
    TCase   *tc = tcase_create("files");
    SRunner *sr;
    int      failed;
    tcase_set_timeout(tc, 120);
    tcase_add_checked_fixture(tc, NULL, tiny_clean);
    tcase_add_loop_test(tc, both_formats_hold_the_same, 0, 3);
    tcase_add_test(tc, a_file_without_the_permutation_differs);
    tcase_add_test(tc, tensors_that_do_not_fit);
    tcase_add_test(tc, tensors_of_other_families_that_do_not_fit);
    tcase_add_test(tc, shards_that_do_not_fit);
    tcase_add_test(tc, folders_that_are_none);
    tcase_add_test(tc, templates_are_found);
    tcase_add_test(tc, a_name_of_the_hub);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
