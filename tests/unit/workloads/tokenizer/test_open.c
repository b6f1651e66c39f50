/* tokenizer.json: what is accepted, and every refusal with its key. */
#include "tests/unit/workloads/tokenizer/case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *from, *to;
    sb_status   want;
    const char *words;
} bad[] = {
    /* the file */
    {"{\"version\"", "[\"version\"", SB_ERR_USAGE, "tokenizer small: |line 1, column |no JSON"},
    {"{\"version\": \"1.0\"", "{\"version\": \"2.0\"", SB_ERR_UNSUPPORTED,
     "version: found \"2.0\"|\"1.0\""},
    {"\"truncation\": null", "\"extra\": 1", SB_ERR_UNSUPPORTED, "the file: unknown key \"extra\""},
    {"\"truncation\": null", "\"version\": \"1.0\"", SB_ERR_USAGE, "no JSON: duplicate"},
    /* model */
    {"\"model\": {", "\"model\": 3, \"padding\": {", SB_ERR_USAGE, "no JSON: duplicate"},
    {"\"type\": \"BPE\"", "\"type\": \"Unigram\"", SB_ERR_UNSUPPORTED,
     "model.type: found \"Unigram\"; supported is BPE"},
    {"\"type\": \"BPE\"", "\"type\": \"WordPiece\"", SB_ERR_UNSUPPORTED,
     "model.type: found \"WordPiece\""},
    {"\"dropout\": null", "\"dropout\": 0.1", SB_ERR_UNSUPPORTED, "model.dropout: found 0.1"},
    {"\"continuing_subword_prefix\": null", "\"continuing_subword_prefix\": \"##\"",
     SB_ERR_UNSUPPORTED, "model.continuing_subword_prefix: found \"##\""},
    {"\"end_of_word_suffix\": null", "\"end_of_word_suffix\": \"</w>\"", SB_ERR_UNSUPPORTED,
     "model.end_of_word_suffix"},
    {"\"byte_fallback\": false", "\"byte_fallback\": true", SB_ERR_UNSUPPORTED,
     "model.byte_fallback: found true"},
    {"\"byte_fallback\": false", "\"byte_fallback\": 1", SB_ERR_USAGE,
     "model.byte_fallback: found 1"},
    {"\"ignore_merges\": false", "\"ignore_merges\": \"no\"", SB_ERR_USAGE,
     "model.ignore_merges: found \"no\""},
    {"\"fuse_unk\": false", "\"fuse_unk\": 0", SB_ERR_USAGE, "model.fuse_unk: found 0"},
    {"\"dropout\": null", "\"droupout\": null", SB_ERR_UNSUPPORTED,
     "model: unknown key \"droupout\""},
    {"\"vocab\": {", "\"vocabulary\": {", SB_ERR_UNSUPPORTED, "model: unknown key"},
    {"\"merges\": [", "\"merges\": null, \"unk_token\": [", SB_ERR_USAGE, "no JSON: duplicate"},
    /* vocabulary */
    {"\"bc\": 256", "\"bc\": 257", SB_ERR_USAGE, "model.vocab: two tokens have id 257"},
    {"\"bc\": 256", "\"bc\": 266", SB_ERR_USAGE, "model.vocab: found 266; an id from 0 to 265"},
    {"\"bc\": 256", "\"bc\": -1", SB_ERR_USAGE, "model.vocab: found -1"},
    {"\"bc\": 256", "\"bc\": 256.5", SB_ERR_USAGE, "model.vocab: found 256.5"},
    {"\"bc\": 256", "\"bc\": \"256\"", SB_ERR_USAGE, "model.vocab: found \"256\""},
    {"\"bc\": 256", "\"bc\": 99999999999999999999", SB_ERR_USAGE, "no JSON"},
    {"\"bc\": 256", "\"\": 256", SB_ERR_USAGE, "model.vocab: token 256 has 0 bytes"},
    {"\"bc\": 256", "\"\\u0000\": 256", SB_ERR_USAGE, "no JSON"},
    /* merges */
    {"\"b c\"", "\"bc\"", SB_ERR_USAGE, "model.merges[0]: two words with a blank"},
    {"\"b c\"", "\" c\"", SB_ERR_USAGE, "model.merges[0]: two words with a blank"},
    {"\"b c\"", "\"b \"", SB_ERR_USAGE, "model.merges[0]: two words with a blank"},
    {"\"b c\"", "\"b c d\"", SB_ERR_USAGE, "model.merges[0]: two words with a blank"},
    {"\"b c\"", "\"b d\"", SB_ERR_USAGE,
     "model.merges[0]: tokens 98 and 100 together are no token"},
    {"\"b c\"", "\"xyz c\"", SB_ERR_USAGE, "model.merges[0]: \"xyz\" is no token"},
    {"\"b c\"", "\"b xyz\"", SB_ERR_USAGE, "model.merges[0]: \"xyz\" is no token"},
    {"\"b c\"", "[\"b\"]", SB_ERR_USAGE, "model.merges[0]: found an array"},
    {"\"b c\"", "[\"b\", 3]", SB_ERR_USAGE, "model.merges[0]: found an array"},
    {"\"b c\"", "7", SB_ERR_USAGE, "model.merges[0]: found 7"},
    {"\"a b\"", "\"b c\"", SB_ERR_USAGE,
     "model.merges[1]: tokens 98 and 99 are merged a second time"},
    {"[\"a\", \"a\"]", "[\"a \", \"a\"]", SB_ERR_USAGE, "model.merges[4]: \"a \" is no token"},
    /* added tokens */
    {"\"id\": 264", "\"id\": 263", SB_ERR_USAGE, "added_tokens[0].id: 263 is another token's"},
    {"\"id\": 264", "\"id\": 900", SB_ERR_USAGE, "added_tokens[0].id: found 900"},
    {"\"id\": 264", "\"id\": null", SB_ERR_USAGE, "added_tokens[0].id: found null"},
    {"\"id\": 264, \"content\": \"<|end|>\"", "\"id\": 264, \"content\": \"abc\"", SB_ERR_USAGE,
     "added_tokens[0].id: 264, but model.vocab gives its text 258"},
    {"\"<|end|>\"", "3", SB_ERR_USAGE, "added_tokens[0].content: found 3"},
    {"\"<|end|>\"", "\"<mark>\"", SB_ERR_USAGE, "added_tokens|ids |have the same text"},
    {"\"<|end|>\"", "\"\"", SB_ERR_USAGE, "token 264 has 0 bytes"},
    {"\"single_word\": false", "\"single_word\": true", SB_ERR_UNSUPPORTED,
     "added_tokens[0].single_word: found true"},
    {"\"lstrip\": false", "\"lstrip\": 0", SB_ERR_USAGE, "added_tokens[0].lstrip: found 0"},
    {"\"special\": true", "\"special\": \"yes\"", SB_ERR_USAGE,
     "added_tokens[0].special: found \"yes\""},
    {"\"special\": true", "\"spezial\": true", SB_ERR_UNSUPPORTED,
     "added_tokens[0]: unknown key \"spezial\""},
    {"\"added_tokens\": [", "\"added_tokens\": {}, \"decoder\": [", SB_ERR_USAGE,
     "no JSON: duplicate"},
    /* normalizer, pre_tokenizer, decoder */
    {"\"normalizer\": null", "\"normalizer\": {\"type\": \"NFKC\"}", SB_ERR_UNSUPPORTED,
     "normalizer.type: found \"NFKC\"; supported are null and NFC"},
    {"\"normalizer\": null", "\"normalizer\": 3", SB_ERR_USAGE, "normalizer: found 3"},
    {"\"pre_tokenizer\": {\"type\": \"ByteLevel\"", "\"pre_tokenizer\": {\"type\": \"Whitespace\"",
     SB_ERR_UNSUPPORTED, "pre_tokenizer.type: found \"Whitespace\""},
    {"\"add_prefix_space\": false", "\"add_prefix_space\": true", SB_ERR_UNSUPPORTED,
     "pre_tokenizer.add_prefix_space: found true"},
    {"\"add_prefix_space\": false", "\"trim_offset\": false", SB_ERR_UNSUPPORTED,
     "pre_tokenizer: unknown key \"trim_offset\""},
    {"\"add_prefix_space\": false, ", "", SB_ERR_UNSUPPORTED,
     "pre_tokenizer.add_prefix_space: found nothing"},
    {"\"use_regex\": true", "\"use_regex\": false", SB_ERR_UNSUPPORTED,
     "pre_tokenizer.use_regex: found false"},
    {"\"decoder\": {\"type\": \"ByteLevel\"}", "\"decoder\": {\"type\": \"Metaspace\"}",
     SB_ERR_UNSUPPORTED, "decoder.type: found \"Metaspace\""},
    /* post_processor */
    {"\"post_processor\": null", "\"post_processor\": {\"type\": \"BertProcessing\"}",
     SB_ERR_UNSUPPORTED, "post_processor.type: found \"BertProcessing\""},
    {"\"post_processor\": null",
     "\"post_processor\": {\"type\": \"Sequence\", \"processors\": [{\"type\": \"X\"}]}",
     SB_ERR_UNSUPPORTED, "post_processor.processors[0].type: found \"X\""},
    {"\"post_processor\": null", "\"post_processor\": {\"type\": \"Sequence\", \"processors\": 1}",
     SB_ERR_USAGE, "post_processor.processors: found 1"},
    {"\"post_processor\": null",
     "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"Sequence\": {\"id\": "
     "\"A\"}},"
     " {\"SpecialToken\": {\"id\": \"<|end|>\"}}], \"special_tokens\": {}}",
     SB_ERR_UNSUPPORTED, "post_processor.single: found an array"},
    {"\"post_processor\": null",
     "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": "
     "{\"id\": \"x\"}},"
     " {\"Sequence\": {\"id\": \"A\"}}], \"special_tokens\": {}}",
     SB_ERR_UNSUPPORTED, "post_processor.special_tokens: found nothing"},
    {"\"post_processor\": null",
     "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": "
     "{\"id\": \"x\"}},"
     " {\"Sequence\": {\"id\": \"A\"}}], \"special_tokens\": {\"x\": {\"ids\": [266]}}}",
     SB_ERR_USAGE, "post_processor.special_tokens: found 266"},
};

START_TEST(refused)
{
    sb_tok *t = NULL;
    must_refuse(open_changed(bad[_i].from, bad[_i].to, &t), bad[_i].want, bad[_i].words);
    ck_assert_ptr_null(t);
}
END_TEST

#define BYTE_LEVEL                                                                                 \
    "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"trim_offsets\": " \
    "true, \"use_regex\": true}"
#define SEQUENCE(first, regex)                                                                     \
    "\"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [" first                       \
    ", {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": " regex "}]}"
#define SPLIT(pattern, behavior)                                                                   \
    "{\"type\": \"Split\", \"pattern\": {\"Regex\": \"" pattern "\"}, \"behavior\": \"" behavior   \
    "\", \"invert\": false}"
#define LLAMA(n)                                                                                   \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|" n                      \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"

static const struct {
    const char *to;
    const char *splitter; /* NULL: refused */
    const char *words;
} pre[] = {
    {SEQUENCE(SPLIT(LLAMA("\\\\p{N}{1,3}"), "Isolated"), "false"), "llama-bpe", ""},
    {SEQUENCE(SPLIT(LLAMA("\\\\p{N}"), "Isolated"), "false"), "qwen2", ""},
    {SEQUENCE("{\"type\": \"Digits\", \"individual_digits\": true}", "true"), "smollm", ""},
    {SEQUENCE(SPLIT(LLAMA("\\\\p{N}"), "Isolated"), "true"), NULL,
     "pretokenizers[1].use_regex: found true"},
    {SEQUENCE(SPLIT(LLAMA("\\\\p{N}"), "Removed"), "false"), NULL,
     "pretokenizers[0].behavior: found \"Removed\""},
    {SEQUENCE(SPLIT("\\\\p{N}+", "Isolated"), "false"), NULL,
     "pretokenizers[0].pattern.Regex|letter for letter"},
    {SEQUENCE("{\"type\": \"Split\", \"pattern\": {\"String\": \"x\"}, \"behavior\": \"Isolated\"}",
              "false"),
     NULL, "pretokenizers[0].pattern.Regex: found nothing"},
    {SEQUENCE("{\"type\": \"Split\", \"pattern\": {\"Regex\": \"x\"}, \"behavior\": \"Isolated\", "
              "\"invert\": true}",
              "false"),
     NULL, "pretokenizers[0].invert: found true"},
    {SEQUENCE("{\"type\": \"Digits\", \"individual_digits\": false}", "true"), NULL,
     "individual_digits: found false"},
    {SEQUENCE("{\"type\": \"Digits\", \"individual_digits\": true}", "false"), NULL,
     "pretokenizers[1].use_regex: found false"},
    {SEQUENCE("{\"type\": \"Punctuation\"}", "true"), NULL,
     "pretokenizers[0].type: found \"Punctuation\""},
    {SEQUENCE("{\"type\": \"Digits\", \"individual_digits\": true}, {\"type\": \"Digits\"}",
              "true"),
     NULL, "pre_tokenizer.pretokenizers[1].individual_digits: found nothing"},
    {SEQUENCE(SPLIT("[\\r\\n]", "Isolated") ", " SPLIT("\\\\s?\\\\p{L}+", "Isolated"), "false"),
     NULL, "pre_tokenizer.pretokenizers: found an array|DeepSeek-Coder"},
    {SEQUENCE(SPLIT(LLAMA("\\\\p{N}"), "Isolated") ", " SPLIT("x", "Removed"), "false"), NULL,
     "pretokenizers[1].behavior: found \"Removed\""},
    {"\"pre_tokenizer\": null", NULL, "pre_tokenizer: found null"},
};

START_TEST(pre_tokenizers)
{
    sb_tok   *t  = NULL;
    sb_status st = open_changed(BYTE_LEVEL, pre[_i].to, &t);
    if (pre[_i].splitter == NULL) {
        must_refuse(st, strstr(pre[_i].to, "null") != NULL ? SB_ERR_USAGE : SB_ERR_UNSUPPORTED,
                    pre[_i].words);
        ck_assert_ptr_null(t);
        return;
    }
    ck_assert_msg(st == SB_OK, "%s", sb_error_text());
    ck_assert_str_eq(sb_tok_splitter(t), pre[_i].splitter);
    sb_tok_close(t);
}
END_TEST

START_TEST(facts)
{
    sb_tok              *t = must_open_changed("", "");
    size_t               n = 0;
    const unsigned char *b = sb_tok_bytes(t, T_BLANK_A, &n);
    ck_assert_int_eq(sb_tok_size(t), T_SIZE);
    ck_assert_str_eq(sb_tok_splitter(t), "gpt-2");
    ck_assert_int_eq(sb_tok_find(t, "abc", 3), T_ABC);
    ck_assert_int_eq(sb_tok_find(t, " a", 2), T_BLANK_A);
    ck_assert_int_eq(sb_tok_find(t, "<|end|>", 7), T_END);
    ck_assert_int_eq(sb_tok_find(t, "<|end|", 6), -1);
    ck_assert_int_eq(sb_tok_find(t, "<mark>", 6), T_MARK);
    ck_assert_int_eq(sb_tok_find(t, "", 0), -1);
    ck_assert_uint_eq(n, 2);
    ck_assert_mem_eq(b, " a", 2);
    ck_assert_ptr_null(sb_tok_bytes(t, T_SIZE, &n));
    ck_assert_ptr_null(sb_tok_bytes(t, -1, &n));
    ck_assert(sb_tok_is_special(t, T_END) && !sb_tok_is_special(t, T_MARK) &&
              !sb_tok_is_special(t, T_SIZE));
    ck_assert_int_eq(sb_tok_special(t, SB_TOK_ROLE_BOS), -1);
    ck_assert_int_eq(sb_tok_adds_bos(t), 0);
    sb_tok_close(t);
    sb_tok_close(NULL);
}
END_TEST

/* What decides about ids changes the hash; what does not leaves it. */
START_TEST(identity)
{
    static const struct {
        const char *from, *to;
        int         same;
    } change[] = {
        {"\"truncation\": null", "\"truncation\": {\"max_length\": 5}", 1},
        {"\"b c\"", "[\"b\", \"c\"]", 1},
        {"\"type\": \"BPE\", ", "", 1},
        {"\"b c\", \"a b\"", "\"a b\", \"b c\"", 0},
        {", \"' s\"]", "]", 0},
        {"\"lstrip\": false", "\"lstrip\": true", 0},
        {"\"special\": true", "\"special\": false", 0},
        {"\"<mark>\"", "\"<park>\"", 0},
        {"\"normalizer\": null", "\"normalizer\": {\"type\": \"NFC\"}", 0},
        {"\"ignore_merges\": false", "\"ignore_merges\": true", 0},
        {BYTE_LEVEL, SEQUENCE("{\"type\": \"Digits\", \"individual_digits\": true}", "true"), 0},
        {"\"bc\": 256, \"ab\": 257", "\"bc\": 257, \"ab\": 256", 0}};
    sb_tok *t = must_open_changed("", "");
    ck_assert_uint_eq(strlen(sb_tok_sha256(t)), 64);
    for (size_t i = 0; i < sizeof change / sizeof change[0]; i++) {
        sb_tok *u = must_open_changed(change[i].from, change[i].to);
        ck_assert_msg((strcmp(sb_tok_sha256(t), sb_tok_sha256(u)) == 0) == change[i].same, "%s",
                      change[i].to);
        sb_tok_close(u);
    }
    sb_tok_close(t);
}
END_TEST

START_TEST(paths)
{
    sb_tok        *t     = NULL;
    char           dir[] = "/tmp/sb_tok_XXXXXX", path[64];
    sb_tok_options opt   = {"gpt-2"};
    FILE          *f;
    char          *text = small_json();
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/tokenizer.json", dir);
    must_refuse(sb_tok_open(dir, NULL, &t), SB_ERR_USAGE,
                "found no tokenizer.json and no tokenizer.model");
    must_refuse(sb_tok_open("/dev/null", NULL, &t), SB_ERR_USAGE, "/dev/null: not a file");
    f = fopen(path, "w");
    ck_assert_int_eq(fclose(f), 0);
    must_refuse(sb_tok_open(path, NULL, &t), SB_ERR_USAGE, "no JSON");
    f = fopen(path, "w");
    ck_assert_uint_eq(fwrite(text, 1, strlen(text), f), strlen(text));
    ck_assert_int_eq(fclose(f), 0);
    must_refuse(sb_tok_open(path, &opt, &t), SB_ERR_USAGE, "pre is for GGUF files");
    ck_assert_ptr_null(t);
    ck_assert_msg(sb_tok_open(dir, NULL, &t) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(sb_tok_size(t), T_SIZE);
    sb_tok_close(t);
    must_refuse(sb_tok_open_bytes("x", "GGU", 3, NULL, &t), SB_ERR_USAGE, "tokenizer x: |no JSON");
    (void)unlink(path);
    (void)rmdir(dir);
    free(text);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("open");
    TCase *t = tcase_create("open");
    tcase_add_loop_test(t, refused, 0, (int)(sizeof bad / sizeof bad[0]));
    tcase_add_loop_test(t, pre_tokenizers, 0, (int)(sizeof pre / sizeof pre[0]));
    tcase_add_test(t, facts);
    tcase_add_test(t, identity);
    tcase_add_test(t, paths);
    suite_add_tcase(s, t);
    return run_suite(s);
}
