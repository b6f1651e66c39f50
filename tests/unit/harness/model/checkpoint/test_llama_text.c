/* A checkpoint as a model that reads text: what it tells of itself, questions to tokens, answers to
 * text. */
#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/model/checkpoint/llama.h"
#include "tests/unit/harness/model/checkpoint/tiny.h"
#include "workloads/base/text_suite.h"

static const char template_text[] = "{{ messages }}"; /* nobody knows it */

/* A folder with tokenizer and, where asked for, a chat template. */
static const char *folder(const char *name, int with_template)
{
    static char dir[512];
    static char buf[1 << 20];
    char        path[600];
    tiny        t  = tiny_llama;
    FILE       *in = fopen("tests/fixtures/tokenizer/smollm.json", "rb");
    ck_assert_ptr_nonnull(in);
    size_t n = fread(buf, 1, sizeof buf, in);
    (void)fclose(in);
    (void)snprintf(dir, sizeof dir, "%s", tiny_path(name));
    t.vocab = 656;
    tiny_folder(&t, dir);
    (void)snprintf(path, sizeof path, "%s/tokenizer.json", dir);
    tiny_write(path, buf, n);
    (void)snprintf(path, sizeof path, "%s/chat_template.jinja", dir);
    (void)remove(path);
    if (with_template)
        tiny_write(path, template_text, sizeof template_text - 1);
    return dir;
}

static sb_status look(const char *path, const char *wrapper, sb_llama_params *par,
                      sb_model_seen *seen)
{
    ck_assert_int_eq(sb_params_default(sb_llama_param_table, par), SB_OK);
    *seen = (sb_model_seen){.name = ""};
    return sb_model_llama.look(path, wrapper, par, seen);
}

static sb_model *model(const char *dir, const char *wrapper)
{
    sb_llama_params par = {.extrapolate = 0};
    sb_model_seen   seen;
    sb_model       *m = NULL;
    ck_assert_msg(look(dir, wrapper, &par, &seen) == SB_OK, "%s", sb_error_text());
    free(seen.facts_json);
    ck_assert_msg(sb_model_llama.create(&par, 1, &m) == SB_OK, "%s", sb_error_text());
    return m;
}

START_TEST(a_look_tells_what_it_is)
{
    sb_llama_params par;
    sb_model_seen   seen;
    char            path[600];
    const char     *dir = folder("look", 1);
    (void)snprintf(path, sizeof path, "%s//", dir);
    ck_assert_msg(look(path, "auto", &par, &seen) == SB_OK, "%s", sb_error_text());
    json_t *facts = json_loads(seen.facts_json, 0, NULL);
    ck_assert_str_eq(seen.name, "look");
    ck_assert_str_eq(par.path, path);
    ck_assert_str_eq(par.wrapper, "auto");
    ck_assert_str_eq(json_string_value(json_object_get(facts, "name")), "look");
    ck_assert_str_eq(json_string_value(json_object_get(facts, "architecture")), "llama");
    ck_assert_str_eq(json_string_value(json_object_get(facts, "weights")), "BF16");
    ck_assert_str_eq(json_string_value(json_object_get(facts, "wrapper")), "base");
    ck_assert_str_eq(json_string_value(json_object_get(facts, "tokenizer")), "smollm");
    ck_assert_uint_eq(strlen(json_string_value(json_object_get(facts, "identity"))), 32);
    ck_assert_uint_eq(strlen(json_string_value(json_object_get(facts, "chat_template"))), 16);
    json_decref(facts);
    free(seen.facts_json);
}
END_TEST

START_TEST(a_look_says_whether_it_is_the_wrapper)
{
    sb_llama_params par;
    sb_model_seen   seen;
    const char     *dir = folder("wrapper", 0);
    ck_assert_int_eq(look(dir, "nobody", &par, &seen), SB_ERR_USAGE);
    ck_assert_int_eq(seen.wrapper_wrong, 1);
    ck_assert_int_eq(look("/nowhere/at/all", "auto", &par, &seen), SB_ERR_USAGE);
    ck_assert_int_eq(seen.wrapper_wrong, 0);
    ck_assert_ptr_null(seen.facts_json);
}
END_TEST

/* The text of tokens [begin, end). */
static char *text_of(const sb_model *m, const sb_input *in, int64_t begin, int64_t end)
{
    int64_t           unused;
    char             *text = NULL;
    const sb_tok_ops *t    = m->ops->tok(m, &unused);
    ck_assert_int_eq(t->decode(t->ctx, in->ids + begin, end - begin, &text, &unused), SB_OK);
    return text;
}

static const char prompt[] =
    "The keeper hides the key under the third stone. Where is the key? It is";

/* "third stone", "key?" and the answer's beginning; wrapped up to it. */
static sb_text_row row_of(char **refs, sb_text_span *spans, int32_t chat)
{
    const char *third = strstr(prompt, "third stone"), *where = strstr(prompt, "Where");
    spans[0] = (sb_text_span){third - prompt, third - prompt + 11, "needle", 0};
    spans[1] = (sb_text_span){where - prompt, where - prompt + 17, "query", -1};
    spans[2] =
        (sb_text_span){(int64_t)strlen(prompt) - 5, (int64_t)strlen(prompt), "answer_prefix", -1};
    return (sb_text_row){.row          = 3,
                         .prompt       = (char *)prompt,
                         .prompt_bytes = (int64_t)strlen(prompt),
                         .input_bytes  = (int64_t)strlen(prompt) - 6,
                         .refs         = refs,
                         .n_refs       = 2,
                         .scorer       = "ruler_all@1",
                         .gen_tokens   = 5,
                         .chat         = chat,
                         .spans        = spans,
                         .n_spans      = 3};
}

START_TEST(a_row_becomes_tokens_with_its_spans)
{
    char        *refs[] = {(char *)"stone", (char *)"third"}, *text;
    sb_text_span spans[3];
    sb_input     in   = {0};
    sb_text_row  row  = row_of(refs, spans, _i);
    sb_model    *m    = model(folder("row", 0), "chatml");
    int64_t      wrap = 0;
    (void)m->ops->tok(m, &wrap);
    ck_assert_int_gt(wrap, 0);
    ck_assert_msg(m->ops->read(m, &row, &in) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(in.row, 3);
    ck_assert_int_eq(in.n_emit, 5);
    ck_assert_int_eq(in.n_feed, 4);
    ck_assert_int_eq(in.n_refs, 2);
    ck_assert_str_eq(in.refs[1], "third");
    ck_assert_int_eq(in.n_spans, 2); /* an answer prefix is none of the three kinds */
    ck_assert_int_eq(in.spans[0].kind, SB_SPAN_NEEDLE);
    ck_assert_int_eq(in.spans[0].ref, 0);
    ck_assert_int_eq(in.spans[1].kind, SB_SPAN_QUERY);
    for (int i = 0; i < 2; i++) {
        text = text_of(m, &in, in.spans[i].tok_begin, in.spans[i].tok_end);
        ck_assert_msg(strstr(text, i == 0 ? "third stone" : "Where is the key?") != NULL, "%s",
                      text);
        ck_assert_uint_le(strlen(text), i == 0 ? 14 : 20); /* a token more at either end at most */
        free(text);
    }
    ck_assert_int_eq(in.n_context, in.spans[1].tok_begin);
    ck_assert_double_eq_tol(in.spans[0].depth, (double)in.spans[0].tok_begin / (double)in.n_context,
                            1e-12);
    text = text_of(m, &in, 0, in.n_tokens);
    ck_assert_str_eq(text + strlen(text) - 6, " It is");
    /* special tokens are left out of a text: the wrapper's words stay */
    ck_assert_int_eq(strncmp(text, "user\n", 5) == 0, _i);
    ck_assert_int_eq(strstr(text, "key?assistant\n It is") != NULL ||
                         strstr(text, "key?\nassistant\n It is") != NULL,
                     _i);
    free(text);
    sb_input_fini(&in);
    m->ops->destroy(m);
}
END_TEST

START_TEST(an_answer_ends_at_a_stop)
{
    sb_model         *m = model(folder("say", 0), "base");
    int32_t           ids[6];
    char             *text = NULL;
    int64_t           n    = 0, unused, got;
    int32_t          *made = NULL;
    const sb_tok_ops *t    = m->ops->tok(m, &unused);
    ck_assert_int_eq(t->encode(t->ctx, "abc", 3, &made, &got), SB_OK);
    ck_assert_int_ge(got, 1);
    for (int i = 0; i < 6; i++)
        ids[i] = i < got && i < 3 ? made[i] : -1;
    int64_t have = got < 3 ? got : 3;
    ids[have]    = 2; /* eos_token_id of the tiny model */
    free(made);
    ck_assert_int_eq(m->ops->say(m, ids, 6, &text, &n), SB_OK);
    ck_assert_int_eq(n, have);
    ck_assert_int_eq(strncmp("abc", text, strlen(text)), 0);
    free(text);
    m->ops->destroy(m);
}
END_TEST

START_TEST(costs_are_those_of_its_shape)
{
    sb_model   *m = model(folder("cost", 0), "base");
    const tiny *t = &tiny_llama;
    double      q = (double)(t->heads * t->head_dim), kv = (double)(t->kv_heads * t->head_dim);
    double      w = (double)t->width, mlp = (double)t->mlp;
    struct stat info;
    char        path[600];
    ck_assert_double_eq_tol(m->ops->token_flops(m),
                            (double)t->layers * 2 * (2 * w * q + 2 * w * kv + 3 * w * mlp), 0.5);
    ck_assert_double_eq_tol(m->ops->head_flops(m), 2 * w * 656, 0.5); /* tied, with padding rows */
    (void)snprintf(path, sizeof path, "%s/model.safetensors", tiny_path("cost"));
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(m->ops->shared_bytes(m), info.st_size);
    m->ops->destroy(m);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("a checkpoint reads");
    TCase *c = tcase_create("text");
    tcase_set_timeout(c, 120);
    tcase_add_checked_fixture(c, NULL, tiny_clean);
    tcase_add_test(c, a_look_tells_what_it_is);
    tcase_add_test(c, a_look_says_whether_it_is_the_wrapper);
    tcase_add_loop_test(c, a_row_becomes_tokens_with_its_spans, 0, 2);
    tcase_add_test(c, an_answer_ends_at_a_stop);
    tcase_add_test(c, costs_are_those_of_its_shape);
    suite_add_tcase(s, c);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed > 0;
}
