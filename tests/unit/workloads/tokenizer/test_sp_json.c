/* tokenizer.json of the SentencePiece kind: its shapes, and what is refused. */
#include "tests/unit/workloads/tokenizer/case.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define B "\xE2\x96\x81" /* U+2581 */

/* ids: <unk> 0, <s> 1, blank 2, a 3, b 4, ab 5, blank+a 6, two blanks 7, bytes from 8 to 263, then
 * the added <mark> 264. */
static const char rest[] =
    "\"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", \"fuse_unk\": true, "
    "\"byte_fallback\": true, \"ignore_merges\": false,"
    " \"merges\": [\"" B " a\", \"a b\", [\"" B "\", \"" B "\"]],"
    " \"vocab\": {\"<unk>\": 0, \"<s>\": 1, \"" B "\": 2, \"a\": 3, \"b\": 4, \"ab\": 5, \"" B
    "a\": 6, \"" B B "\": 7";
#define REPLACE "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" B "\"}"
#define PREPEND "{\"type\": \"Prepend\", \"prepend\": \"" B "\"}"
#define NORMALIZER                                                                                 \
    "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [" PREPEND ", " REPLACE "]}"
#define METASPACE(more)                                                                            \
    "\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"" B "\"" more "}"

static char *make(const char *shape)
{
    char *text = malloc(32768), *w = text;
    ck_assert_ptr_nonnull(text);
    w += sprintf(w,
                 "{\"version\": \"1.0\", \"added_tokens\": [{\"id\": 1, \"content\": \"<s>\", "
                 "\"special\": true, \"normalized\": false}, {\"id\": 264, \"content\": "
                 "\"<mark>\", \"normalized\": true}], %s, %s",
                 shape, rest);
    for (int b = 0; b < 256; b++)
        w += sprintf(w, ", \"<0x%02X>\": %d", (unsigned)b, 8 + b);
    (void)sprintf(w, "}}}");
    return text;
}

static sb_status open_text(char *text, sb_tok **out)
{
    sb_status st = sb_tok_open_bytes("sp.json", text, strlen(text), NULL, out);
    free(text);
    return st;
}

static const struct {
    const char *shape;
    const char *ids[7]; /* of the texts below */
} shapes[] = {
    {NORMALIZER, {"6", "2 6", "7 6", "6 4", "1 6", "6 1 6", "6 68 117 3 122 115 70"}},
    {"\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [" REPLACE "]}",
     {"3", "6", "2 6", "5", "1 3", "3 1 3", "3 264"}},
    {"\"normalizer\": " REPLACE ", \"pre_tokenizer\": {\"type\": \"Split\", \"pattern\": "
     "{\"String\": \" \"}, \"behavior\": \"MergedWithPrevious\", \"invert\": false}",
     {"3", "6", "2 6", "5", "1 3", "3 1 3", "3 264"}},
    {METASPACE(", \"prepend_scheme\": \"first\", \"split\": false"),
     {"6", "6", "2 6", "6 4", "1 3", "6 1 3", "6 264"}},
    {METASPACE(", \"prepend_scheme\": \"always\", \"split\": false"),
     {"6", "6", "2 6", "6 4", "1 6", "6 1 6", "6 264"}},
    {METASPACE(", \"prepend_scheme\": \"never\", \"split\": false"),
     {"3", "6", "2 6", "5", "1 3", "3 1 3", "3 264"}},
    {METASPACE(", \"add_prefix_space\": true, \"split\": false"),
     {"6", "6", "2 6", "6 4", "1 6", "6 1 6", "6 264"}},
    {METASPACE(", \"add_prefix_space\": false, \"split\": false"),
     {"3", "6", "2 6", "5", "1 3", "3 1 3", "3 264"}},
    {METASPACE(""), {"6", "6", "2 6", "6 4", "1 6", "6 1 6", "6 264"}},
};
static const char *const texts[7] = {"a", " a", "  a", "ab", "<s>a", "a<s>a", "a<mark>"};

START_TEST(shape)
{
    sb_tok *t = NULL;
    ck_assert_msg(open_text(make(shapes[_i].shape), &t) == SB_OK, "%s", sb_error_text());
    for (int k = 0; k < 7; k++)
        if (strcmp(shapes[_i].ids[k], "") != 0)
            ck_assert_msg(strcmp(ids_of(t, texts[k]), shapes[_i].ids[k]) == 0, "`%s`: %s, not %s",
                          texts[k], ids_of(t, texts[k]), shapes[_i].ids[k]);
    ck_assert_str_eq(sb_tok_splitter(t), "sentencepiece");
    sb_tok_close(t);
}
END_TEST

/* A run of blanks is one piece or, with split, one each. */
START_TEST(words)
{
    sb_tok *t = NULL, *u = NULL;
    ck_assert_int_eq(open_text(make(METASPACE("")), &t), SB_OK);
    ck_assert_int_eq(open_text(make(METASPACE(", \"split\": false")), &u), SB_OK);
    ck_assert_str_eq(ids_of(t, "b   b"), "2 4 2 2 2 4");
    ck_assert_str_eq(ids_of(u, "b   b"), "2 4 7 2 4");
    ck_assert_str_ne(sb_tok_sha256(t), sb_tok_sha256(u));
    sb_tok_close(t);
    sb_tok_close(u);
}
END_TEST

/* With ignore_merges a stretch that is a token is that token; part of one is not. */
START_TEST(whole)
{
    char   *text = make(METASPACE(", \"prepend_scheme\": \"never\", \"split\": false"));
    char   *at   = strstr(text, "\"ignore_merges\": false");
    sb_tok *t    = NULL;
    memcpy(at, "\"ignore_merges\": true ", 22);
    at = strstr(text, "\"a b\", ");
    memset(at, ' ', 7); /* no merge makes ab */
    ck_assert_msg(open_text(text, &t) == SB_OK, "%s", sb_error_text());
    ck_assert_str_eq(ids_of(t, "ab"), "5");
    ck_assert_str_eq(ids_of(t, "ab<s>ab a"), "5 1 3 4 6");
    ck_assert_uint_eq(sb_tok_safe_cut(t, "ab a", 4, 3), 0);
    sb_tok_close(t);
}
END_TEST

static const struct {
    const char *shape, *from, *to;
    sb_status   want;
    const char *words;
} bad[] = {
    {NORMALIZER, "\"<0x41>\": 73", "\"<0x4>\": 73", SB_ERR_USAGE,
     "model.vocab: 1 of the 256 tokens <0x00> to <0xFF> are missing"},
    {NORMALIZER, "\"byte_fallback\": true", "\"byte_fallback\": 1", SB_ERR_USAGE,
     "model.byte_fallback: found 1"},
    {NORMALIZER, "\"" B B "\": 7", "\" " B "\": 7, \"" B B "\": 265", SB_ERR_USAGE,
     "model.vocab: token 265 is token 7 again"},
    {NORMALIZER, "\"" B "\": 2", "\"c\": 2", SB_ERR_UNSUPPORTED, "the blank (U+2581) is no token"},
    {NORMALIZER, "\"a b\"", "\"a c\"", SB_ERR_USAGE, "model.merges[1]: \"c\" is no token"},
    {NORMALIZER, "\"a b\"", "\"b a\"", SB_ERR_USAGE,
     "model.merges[1]: tokens 4 and 3 together are no token"},
    {NORMALIZER, "\"a b\"", "[\"ab\", \"\"]", SB_ERR_USAGE, "model.merges[1]: \"\" is no token"},
    {NORMALIZER, "\"a b\"", "\"" B " a\"", SB_ERR_USAGE,
     "model.merges[1]: tokens 2 and 3 are merged a second time"},
    {NORMALIZER, "\"ab\": 5", "\"ab\": 5000000000", SB_ERR_USAGE, "model.vocab: found 5000000000"},
    {NORMALIZER, "\"ab\": 5", "\"ab\": 4", SB_ERR_USAGE, "model.vocab: two tokens have id 4"},
    {NORMALIZER, "\"Prepend\", \"prepend\": \"" B "\"", "\"Prepend\", \"prepend\": \"_\"",
     SB_ERR_UNSUPPORTED, "normalizer.normalizers: found an array; supported are Replace"},
    {NORMALIZER, "{\"String\": \" \"}", "{\"String\": \"x\"}", SB_ERR_UNSUPPORTED,
     "normalizer.normalizers: found an array"},
    {NORMALIZER, PREPEND ", ", "{\"type\": \"NFKC\"}, ", SB_ERR_UNSUPPORTED,
     "normalizer.normalizers: found an array"},
    {NORMALIZER ", \"pre_tokenizer\": {\"type\": \"Whitespace\"}", "", "", SB_ERR_UNSUPPORTED,
     "pre_tokenizer.type: found \"Whitespace\"; supported with this normalizer"},
    {NORMALIZER ", \"decoder\": {\"type\": \"ByteLevel\"}", "", "", SB_ERR_UNSUPPORTED,
     "decoder.type: found \"ByteLevel\""},
    {NORMALIZER ", \"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Fuse\"}, "
                "{\"type\": \"Strip\", \"content\": \" \", \"start\": 2, \"stop\": 0}]}",
     "", "", SB_ERR_UNSUPPORTED, "decoder.decoders[1]: found an object"},
    {"\"normalizer\": {\"type\": \"Prepend\", \"prepend\": \"" B "\"}", "", "", SB_ERR_UNSUPPORTED,
     "normalizer.type: found \"Prepend\""},
    {METASPACE(", \"prepend_scheme\": \"last\""), "", "", SB_ERR_UNSUPPORTED,
     "pre_tokenizer.prepend_scheme: found \"last\"; supported are always, first and never"},
    {METASPACE(", \"prepend_scheme\": \"always\", \"add_prefix_space\": false"), "", "",
     SB_ERR_USAGE, "pre_tokenizer.add_prefix_space: found false; prepend_scheme says otherwise"},
    {METASPACE(", \"split\": 1"), "", "", SB_ERR_USAGE, "pre_tokenizer.split: found 1"},
    {METASPACE(", \"spilt\": true"), "", "", SB_ERR_UNSUPPORTED,
     "pre_tokenizer: unknown key \"spilt\""},
    {"\"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"_\"}", "", "",
     SB_ERR_UNSUPPORTED, "pre_tokenizer.replacement: found \"_\"; supported is U+2581"},
};

START_TEST(refused)
{
    char   *text = make(bad[_i].shape), *at = strstr(text, bad[_i].from);
    char   *changed = malloc(strlen(text) + 256);
    sb_tok *t       = NULL;
    ck_assert_msg(at != NULL && changed != NULL, "`%s` is not there", bad[_i].from);
    (void)sprintf(changed, "%.*s%s%s", (int)(at - text), text, bad[_i].to,
                  at + strlen(bad[_i].from));
    free(text);
    must_refuse(open_text(changed, &t), bad[_i].want, bad[_i].words);
    ck_assert_ptr_null(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sp_json");
    TCase *t = tcase_create("sp_json");
    tcase_add_loop_test(t, shape, 0, (int)(sizeof shapes / sizeof shapes[0]));
    tcase_add_test(t, words);
    tcase_add_test(t, whole);
    tcase_add_loop_test(t, refused, 0, (int)(sizeof bad / sizeof bad[0]));
    suite_add_tcase(s, t);
    return run_suite(s);
}
