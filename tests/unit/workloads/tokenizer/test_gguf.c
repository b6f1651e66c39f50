/* Vocabularies of GGUF files: what is read, every refusal, and files that lie. */
#include "tests/unit/workloads/tokenizer/case.h"
#include "tests/unit/workloads/tokenizer/gguf_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static gguf_file g;

static sb_status open_it(const char *pre, sb_tok **out)
{
    sb_tok_options opt = {pre};
    void          *own = malloc(g.n); /* exactly so many bytes: the sanitizer sees one too many */
    sb_status      st;
    ck_assert_ptr_nonnull(own);
    memcpy(own, g.data, g.n);
    st = sb_tok_open_bytes("small.gguf", own, g.n, &opt, out);
    free(own);
    return st;
}

static void refuse_it(sb_status want, const char *words)
{
    sb_tok *t = NULL;
    must_refuse(open_it(NULL, &t), want, words);
    must_refuse(open_it(NULL, &t), want, "tokenizer small.gguf: ");
    ck_assert_ptr_null(t);
}

START_TEST(same_as_json)
{
    sb_tok *json = must_open_changed("", ""), *t = NULL;
    char    path[] = "/tmp/sb_gguf_XXXXXX";
    int     fd     = mkstemp(path);
    gguf_small(&g, "gpt2", "gpt-2", 0);
    ck_assert_msg(open_it(NULL, &t) == SB_OK, "%s", sb_error_text());
    ck_assert_str_eq(sb_tok_sha256(t), sb_tok_sha256(json));
    ck_assert_int_eq(sb_tok_special(t, SB_TOK_ROLE_BOS), T_END);
    ck_assert_int_eq(sb_tok_special(t, SB_TOK_ROLE_EOS), -1);
    ck_assert_str_eq(ids_of(t, "abc a<|end|>"), "258 259 264");
    sb_tok_close(t);
    t = NULL;
    ck_assert_int_ge(fd, 0); /* the same through a file, larger than one window */
    gguf_string(&g, "padding", "");
    ck_assert_int_eq(write(fd, g.data, g.n), (ssize_t)g.n);
    (void)close(fd);
    ck_assert_msg(sb_tok_open(path, NULL, &t) == SB_OK, "%s", sb_error_text());
    ck_assert_str_eq(sb_tok_sha256(t), sb_tok_sha256(json));
    sb_tok_close(t);
    sb_tok_close(json);
    (void)unlink(path);
}
END_TEST

/* Strings and skipped values that lie across the window of a file. */
START_TEST(across_windows)
{
    sb_tok *t = NULL, *small = must_open_changed("", "");
    char    path[] = "/tmp/sb_gguf_XXXXXX";
    for (size_t before = 65536 - 4200; before < 65536 - 4000; before += 13) {
        FILE          *f;
        unsigned char *big = calloc(1, 200000);
        size_t         n   = 0;
        uint64_t       keys;
        int            fd;
        strcpy(path + sizeof path - 7, "XXXXXX");
        fd = mkstemp(path);
        gguf_small(&g, "gpt2", "gpt-2", 0);
        ck_assert_ptr_nonnull(big);
        memcpy(big, g.data, 24);
        keys = g.n_keys + 1;
        memcpy(big + 16, &keys, 8);
        n          = 24;
        big[n]     = 1; /* one key "k": a string of `before` bytes */
        big[n + 8] = 'k';
        big[n + 9] = 8;
        memcpy(big + n + 13, &before, 8);
        n += 21 + before;
        memcpy(big + n, g.data + 24, g.n - 24);
        n += g.n - 24;
        f = fdopen(fd, "wb");
        ck_assert_uint_eq(fwrite(big, 1, n, f), n);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_msg(sb_tok_open(path, NULL, &t) == SB_OK, "%zu: %s", before, sb_error_text());
        ck_assert_str_eq(sb_tok_sha256(t), sb_tok_sha256(small));
        sb_tok_close(t);
        t = NULL;
        free(big);
        (void)unlink(path);
    }
    sb_tok_close(small);
}
END_TEST

START_TEST(splitters)
{
    static const struct {
        const char *pre, *splitter;
    } known[] = {{"gpt-2", "gpt-2"},
                 {"gpt2", "gpt-2"},
                 {"llama-bpe", "llama-bpe"},
                 {"llama3", "llama-bpe"},
                 {"qwen2", "qwen2"},
                 {"smollm", "smollm"},
                 {"starcoder", "smollm"},
                 {"glm4", "chatglm-bpe"},
                 {"tekken", "tekken"},
                 {"deepseek-v3", "deepseek-v3"},
                 {"deepseek-coder", "deepseek-coder"}};
    sb_tok *t = NULL;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        gguf_small(&g, "gpt2", known[i].pre, 0);
        ck_assert_msg(open_it(NULL, &t) == SB_OK, "%s", sb_error_text());
        ck_assert_str_eq(sb_tok_splitter(t), known[i].splitter);
        sb_tok_close(t);
        t = NULL;
    }
    gguf_small(&g, "gpt2", "falcon", 0);
    refuse_it(SB_ERR_UNSUPPORTED, "tokenizer.ggml.pre: \"falcon\" is not supported|llama-bpe");
    gguf_small(&g, "gpt2", "llama3 llama-v3", 0);
    refuse_it(SB_ERR_UNSUPPORTED, "tokenizer.ggml.pre: \"llama3 llama-v3\" is not");
    gguf_small(&g, "gpt2", "default", 0);
    refuse_it(SB_ERR_UNSUPPORTED, "tokenizer.ggml.pre: found \"default\"|name the splitter");
    ck_assert_msg(open_it("qwen2", &t) == SB_OK, "%s", sb_error_text());
    sb_tok_close(t);
    t = NULL;
    gguf_small(&g, "gpt2", "", G_PRE);
    refuse_it(SB_ERR_UNSUPPORTED, "tokenizer.ggml.pre: found nothing");
    must_refuse(open_it("qwen", &t), SB_ERR_USAGE, "pre: \"qwen\" is unknown; allowed: gpt-2, ");
}
END_TEST

/* What GGUF does not say and goes with the splitter; what it says wins. */
START_TEST(defaults_of_a_splitter)
{
    sb_tok *t = NULL;
    gguf_small(&g, "gpt2", "llama-bpe", G_ADD_BOS);
    ck_assert_int_eq(open_it(NULL, &t), SB_OK);
    ck_assert_int_eq(sb_tok_adds_bos(t), 1);
    sb_tok_close(t);
    t = NULL;
    gguf_small(&g, "gpt2", "llama-bpe", 0);
    ck_assert_int_eq(open_it(NULL, &t), SB_OK);
    ck_assert_int_eq(sb_tok_adds_bos(t), 0);
    sb_tok_close(t);
    t = NULL;
    gguf_small(&g, "gpt2", "qwen2", G_ADD_BOS);
    ck_assert_int_eq(open_it(NULL, &t), SB_OK);
    ck_assert_int_eq(sb_tok_adds_bos(t), 0);
    ck_assert_str_eq(ids_of(t, "e\xCC\x81"), "195 169"); /* NFC: U+00E9 */
    sb_tok_close(t);
    gguf_small(&g, "gpt2", "llama-bpe", G_ADD_BOS | G_BOS);
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.bos_token_id is missing");
}
END_TEST

START_TEST(keys)
{
    gguf_small(&g, "bert", "gpt-2", 0);
    refuse_it(SB_ERR_UNSUPPORTED,
              "tokenizer.ggml.model: \"bert\"; supported are \"gpt2\"|\"llama\"");
    gguf_small(&g, "", "", G_MODEL);
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.model is missing");
    gguf_small(&g, "gpt2", "gpt-2", G_TOKENS);
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.tokens is missing");
    gguf_small(&g, "gpt2", "gpt-2", G_TYPES);
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.token_type is missing");
    gguf_small(&g, "gpt2", "gpt-2", G_MERGES);
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.merges is missing");
    gguf_small(&g, "gpt2", "gpt-2", 0);
    gguf_string(&g, "tokenizer.ggml.pre", "qwen2");
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.pre: the key stands there twice");
    gguf_small(&g, "gpt2", "gpt-2", 0);
    gguf_string(&g, "", "qwen2");
    refuse_it(SB_ERR_USAGE, "an empty key");
    gguf_small(&g, "gpt2", "gpt-2", 0);
    gguf_int(&g, "tokenizer.ggml.eos_token_id", 266);
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.eos_token_id: 266; there are 266 tokens");
    gguf_small(&g, "gpt2", "gpt-2", 0);
    gguf_string(&g, "tokenizer.ggml.eos_token_id", "3");
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.eos_token_id: an integer is wanted");
    gguf_small(&g, "gpt2", "gpt-2", 0);
    gguf_key(&g, "tokenizer.ggml.eos_token_id", 10);
    gguf_u64(&g, UINT64_MAX);
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.eos_token_id: 18446744073709551615 is out of range");
    gguf_small(&g, "gpt2", "gpt-2", G_TYPES);
    gguf_array(&g, "tokenizer.ggml.token_type", 5, 3);
    for (int i = 0; i < 3; i++)
        gguf_u32(&g, 1);
    refuse_it(SB_ERR_USAGE, "token_type: 3 types for 266 tokens");
    gguf_small(&g, "gpt2", "gpt-2", G_TYPES);
    gguf_array(&g, "tokenizer.ggml.token_type", 5, 1);
    gguf_u32(&g, 6);
    refuse_it(SB_ERR_UNSUPPORTED, "tokenizer.ggml.token_type: [0]: type 6");
    gguf_small(&g, "gpt2", "gpt-2", G_TYPES);
    gguf_array(&g, "tokenizer.ggml.token_type", 6, 1);
    gguf_u32(&g, 1);
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.token_type: an integer is wanted");
    gguf_small(&g, "gpt2", "gpt-2", G_MERGES);
    gguf_array(&g, "tokenizer.ggml.merges", 8, 1);
    gguf_text(&g, " b");
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.merges[0]: two words with a blank");
    gguf_small(&g, "gpt2", "gpt-2", G_MERGES);
    gguf_array(&g, "tokenizer.ggml.merges", 8, 1);
    gguf_text(&g, "b d");
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.merges[0]: tokens 98 and 100 together");
    gguf_small(&g, "gpt2", "gpt-2", G_TOKENS);
    gguf_string(&g, "tokenizer.ggml.tokens", "a");
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.tokens: a list of strings is wanted");
    gguf_small(&g, "gpt2", "gpt-2", G_TOKENS);
    gguf_array(&g, "tokenizer.ggml.tokens", 4, 1);
    gguf_u32(&g, 1);
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.tokens: a list of strings is wanted");
    gguf_small(&g, "gpt2", "gpt-2", G_TOKENS | G_TYPES);
    gguf_array(&g, "tokenizer.ggml.token_type", 5, 130);
    for (int i = 0; i < 130; i++)
        gguf_u32(&g, 1);
    gguf_array(&g, "tokenizer.ggml.tokens", 8, 130);
    for (int i = 0; i < 130; i++)
        gguf_text(&g, "\xFF");
    gguf_int(&g, "other", 1);
    g.data[0] = 'G';
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.bos_token_id: 264; there are 130 tokens");
    gguf_small(&g, "gpt2", "gpt-2", G_TOKENS | G_TYPES | G_BOS);
    gguf_array(&g, "tokenizer.ggml.token_type", 5, 130);
    for (int i = 0; i < 130; i++)
        gguf_u32(&g, 1);
    gguf_array(&g, "tokenizer.ggml.tokens", 8, 130);
    for (int i = 0; i < 130; i++)
        gguf_text(&g, "\xFF");
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.tokens: token 0 is not UTF-8");
    gguf_small(&g, "gpt2", "gpt-2", G_TOKENS | G_TYPES | G_BOS);
    gguf_array(&g, "tokenizer.ggml.token_type", 5, 130);
    for (int i = 0; i < 130; i++)
        gguf_u32(&g, 1);
    gguf_array(&g, "tokenizer.ggml.tokens", 8, 130);
    for (int i = 0; i < 130; i++)
        gguf_text(&g, "x");
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.tokens: token 1 is token 0 again");
}
END_TEST

/* The first string of a list, or the only one, is empty. */
START_TEST(empty_strings)
{
    gguf_small(&g, "", "gpt-2", 0);
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.model is missing");
    gguf_small(&g, "gpt2", "gpt-2", G_TOKENS | G_TYPES | G_BOS);
    gguf_array(&g, "tokenizer.ggml.token_type", 5, 130);
    for (int i = 0; i < 130; i++)
        gguf_u32(&g, 1);
    gguf_array(&g, "tokenizer.ggml.tokens", 8, 130);
    for (int i = 0; i < 130; i++)
        gguf_text(&g, "");
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.tokens: token 0 has 0 bytes");
    gguf_small(&g, "gpt2", "gpt-2", G_MERGES);
    gguf_array(&g, "tokenizer.ggml.merges", 8, 1);
    gguf_text(&g, "");
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.merges[0]: two words");
}
END_TEST

/* Counts and lengths that no file can have: refused before anything is allocated for them. */
START_TEST(lies)
{
    static const uint64_t huge[] = {UINT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 61,
                                    UINT64_C(1) << 32, 100000};
    for (size_t i = 0; i < sizeof huge / sizeof huge[0]; i++) {
        gguf_small(&g, "gpt2", "gpt-2", 0);
        memcpy(g.data + 16, &huge[i], 8);
        refuse_it(SB_ERR_USAGE, "keys, but the file has");
        gguf_small(&g, "gpt2", "gpt-2", G_TOKENS);
        gguf_array(&g, "tokenizer.ggml.tokens", 8, huge[i]);
        refuse_it(SB_ERR_USAGE, "tokenizer.ggml.tokens: an array of");
        gguf_small(&g, "gpt2", "gpt-2", 0);
        gguf_array(&g, "other", 12, huge[i]);
        refuse_it(SB_ERR_USAGE, "key \"other\": an array of");
        gguf_small(&g, "gpt2", "gpt-2", 0);
        gguf_key(&g, "other", 8);
        gguf_u64(&g, huge[i]);
        refuse_it(SB_ERR_USAGE, "key \"other\": |bytes wanted");
        gguf_small(&g, "gpt2", "gpt-2", G_MODEL);
        gguf_key(&g, "tokenizer.ggml.model", 8);
        gguf_u64(&g, huge[i]);
        refuse_it(SB_ERR_USAGE, "tokenizer.ggml.model: a string of");
    }
    gguf_small(&g, "gpt2", "gpt-2", 0);
    gguf_array(&g, "other", 9, 1);
    refuse_it(SB_ERR_USAGE, "key \"other\": an array of arrays");
    gguf_small(&g, "gpt2", "gpt-2", 0);
    gguf_key(&g, "other", 13);
    refuse_it(SB_ERR_USAGE, "key \"other\": type 13 is unknown");
    gguf_small(&g, "gpt2", "gpt-2", G_TOKENS);
    gguf_array(&g, "tokenizer.ggml.tokens", 8, 1);
    gguf_u64(&g, 200000);
    refuse_it(SB_ERR_USAGE, "tokenizer.ggml.tokens: [0]: a string of 200000 bytes");
    gguf_small(&g, "gpt2", "gpt-2", 0);
    g.data[4] = 1;
    refuse_it(SB_ERR_UNSUPPORTED, "GGUF version 1");
    g.data[4] = 4;
    refuse_it(SB_ERR_UNSUPPORTED, "GGUF version 4");
    g.data[4] = 0;
    g.data[7] = 3;
    refuse_it(SB_ERR_UNSUPPORTED, "big-endian");
}
END_TEST

START_TEST(cut_anywhere)
{
    size_t whole;
    gguf_small(&g, "gpt2", "gpt-2", 0);
    whole = g.n;
    for (size_t n = 4; n < whole; n++) {
        sb_tok *t    = NULL;
        g.n          = n;
        sb_status st = open_it(NULL, &t);
        ck_assert_msg(st == SB_ERR_USAGE, "%zu bytes: %d %s", n, st, sb_error_text());
        ck_assert_ptr_null(t);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gguf");
    TCase *t = tcase_create("gguf");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, same_as_json);
    tcase_add_test(t, across_windows);
    tcase_add_test(t, splitters);
    tcase_add_test(t, defaults_of_a_splitter);
    tcase_add_test(t, keys);
    tcase_add_test(t, empty_strings);
    tcase_add_test(t, lies);
    tcase_add_test(t, cut_anywhere);
    suite_add_tcase(s, t);
    return run_suite(s);
}
