/* From text to ids: merging, pieces, added tokens, what is not UTF-8, and text of any length. */
#include "tests/unit/workloads/tokenizer/case.h"

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPECIAL_MARK                                                                               \
    "\"content\": \"<mark>\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false"

START_TEST(merging)
{
    static const struct {
        const char *text, *ids;
    } want[]  = {{"", ""},
                 {"a", "97"},
                 {"abc", "258"}, /* b+c before a+b */
                 {"ab", "257"},
                 {"abab", "257 257"},
                 {"aaa", "260 97"}, /* leftmost */
                 {"aaaa", "261"},
                 {"aaaaa", "261 97"},
                 {"aaaaaaa", "261 260 97"},
                 {"abcabc", "258 258"},
                 {" a", "259"},
                 {" ab", "32 257"},
                 {"bcbc", "256 256"},
                 {"a\xC3\xA9", "97 195 169"}};
    sb_tok *t = must_open_changed("", "");
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        ck_assert_str_eq(ids_of(t, want[i].text), want[i].ids);
    sb_tok_close(t);
}
END_TEST

/* Pieces meet no merge across their border: "a" and "'s", letters and blanks. */
/* No merge runs over the border of a piece. */
START_TEST(pieces)
{
    sb_tok *t = must_open_changed("", "");
    ck_assert_str_eq(ids_of(t, "a's"), "97 263");
    ck_assert_str_eq(ids_of(t, "a  a"), "97 32 259"); /* all but the last blank are a piece */
    ck_assert_str_eq(ids_of(t, "a\xE1\xA0\x8E a"), "97 225 160 142 259");
    ck_assert_str_eq(ids_of(t, "'S"), "39 83");
    sb_tok_close(t);
}
END_TEST

/* How a text falls into pieces. */
typedef struct cut_case {
    const char *text, *cut; /* `|` between the pieces */
} cut_case;

static const cut_case gpt2[]   = {{"Hello world", "Hello| world"},
                                  {"don't DON'T", "don|'t| DON|'|T"},
                                  {"a  b", "a| | b"},
                                  {"a \n b", "a| \n| b"},
                                  {"x   ", "x|   "},
                                  {"12345 6", "12345| 6"},
                                  {"!?a", "!?|a"},
                                  {" !a", " !|a"},
                                  {"a\xE1\xA0\x8E"
                                     "b",
                                   "a|\xE1\xA0\x8E|b"}, /* U+180E is other */
                                  {"a\xC2\x85\xC2\xA0"
                                     "b",
                                   "a|\xC2\x85|\xC2\xA0|b"}, /* U+0085, U+00A0 are blanks */
                                  {"a\x1C"
                                     "b",
                                   "a|\x1C|b"},
                                  {"'\xC5\xBF x", "'|\xC5\xBF| x"}, /* case counts */
                                  {"\xE3\x80\x80x", "\xE3\x80\x80|x"}};
static const cut_case llama3[] = {{"don't DON'T", "don|'t| DON|'T"},
                                  {"1234567", "123|456|7"},
                                  {"a\n\n b", "a|\n\n| b"},
                                  {"!\n\nx", "!\n\n|x"},
                                  {"(a", "(a"},
                                  {"\ta", "\ta"},
                                  {"\r\na", "\r\n|a"},
                                  {"  a", " | a"},
                                  {"  1", " | |1"}, /* no blank goes with a number */
                                  {"'\xC5\xBF it", "'\xC5\xBF| it"}, /* U+017F folds to s */
                                  {"a\xE1\xA0\x8E\n", "a|\xE1\xA0\x8E\n"},
                                  {"a\xC2\x85\n", "a|\xC2\x85\n"},
                                  {"\xC2\xBD\xD9\xA3", "\xC2\xBD\xD9\xA3"}};
static const cut_case qwen2[]  = {
     {"1234567", "1|2|3|4|5|6|7"}, {"  1", " | |1"}, {"DON'T", "DON|'T"}};
static const cut_case smollm[] = {{"a 12", "a| |1|2"},         {"a  12", "a|  |1|2"},
                                  {"a  b1", "a| | b|1"},       {"x1's", "x|1|'s"},
                                  {"\xC2\xBD!", "\xC2\xBD|!"}, {"1 \n", "1| \n"}};

static const cut_case tekken[] = {
    {"HelloWorld XMLHttp", "Hello|World| XMLHttp"}, /* at a capital behind small letters */
    {"AB abC", "AB| ab|C"},
    {"123", "1|2|3"},
    {"a/b //\n/c", "a|/b| //\n/|c"},
    {"don't", "don|'t"},
    {"\xC3\x89t\xC3\xA9", "\xC3\x89t\xC3\xA9"},
    {"\xE4\xB8\xAD\xE6\x96\x87"
     "a",
     "\xE4\xB8\xAD\xE6\x96\x87"
     "a"}};
static const cut_case deepseek_v3[] = {
    {"1234 567", "123|4| |567"},
    {"a\xE4\xB8\xAD\xE6\x96\x87"
     "b",
     "a|\xE4\xB8\xAD\xE6\x96\x87|b"},
    {"_name x.y", "_name| x|.y"},
    {"\x01\x02"
     "1",
     "\x01\x02|1"}, /* no stage matches these: they stay together */
    {"a !?\n\n b", "a| !?\n\n| b"},
    {"x \xE2\x90\xA7", "x| \xE2\x90\xA7"}}; /* U+2427 is a symbol since Unicode 16 */
static const cut_case deepseek_coder[] = {
    {"a\nb", "a|\n|b"},
    {"12", "1|2"},
    {"int x;", "int| x|;"},
    {"a\xE3\x81\x82s", "a|\xE3\x81\x82|s"}, /* letters, then cut again by script */
    {"a  = b", "a|  =| b"}};

/* With ignore_merges, no merges and the expected pieces as tokens: a piece is one token or it is
 * not what was expected. */
static void check_cuts(const char *splitter, const cut_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_t      *root, *model, *vocab;
        char        *text = small_json(), *file, copy[128], *save = NULL;
        sb_tok      *t = NULL;
        json_error_t e;
        sb_tok_ids   ids = {0};
        sb_tok_ctx  *c;
        int64_t      at        = 0;
        const char  *fixture[] = {"llama-bpe",        "llama3.json",    "qwen2",
                                  "qwen2.json",       "smollm",         "smollm.json",
                                  "tekken",           "tekken.json",    "deepseek-v3",
                                  "deepseek_v3.json", "deepseek-coder", "deepseek_coder.json"};
        root                   = json_loads(text, 0, &e);
        model                  = json_object_get(root, "model");
        vocab                  = json_object_get(model, "vocab");
        for (int k = 0; k < 12; k += 2)
            if (strcmp(fixture[k], splitter) == 0) {
                char path[64];
                (void)snprintf(path, sizeof path, FIXTURES "%s", fixture[k + 1]);
                json_t *other = json_load_file(path, 0, &e);
                ck_assert_ptr_nonnull(other);
                json_object_set(root, "pre_tokenizer", json_object_get(other, "pre_tokenizer"));
                json_decref(other);
            }
        json_object_set_new(model, "ignore_merges", json_true());
        json_object_set_new(model, "merges", json_array());
        json_object_set_new(root, "added_tokens", json_array());
        for (int id = 256; id < 264; id++) {
            static const char *const old[] = {"bc",
                                              "ab",
                                              "abc",
                                              "\xC4\xA0"
                                              "a",
                                              "aa",
                                              "aaaa",
                                              "st",
                                              "'s"};
            json_object_del(vocab, old[id - 256]);
        }
        (void)snprintf(copy, sizeof copy, "%s", cases[i].cut);
        for (char *p = strtok_r(copy, "|", &save); p != NULL; p = strtok_r(NULL, "|", &save)) {
            char  spelt[128] = "";
            char *w          = spelt;
            for (const unsigned char *s = (const unsigned char *)p; *s != 0; s++) {
                const char *key;
                json_t     *id;
                json_object_foreach(vocab, key, id) if (json_integer_value(id) == *s)
                {
                    w += sprintf(w, "%s", key);
                    break;
                }
            }
            if (json_object_get(vocab, spelt) == NULL)
                json_object_set_new(vocab, spelt,
                                    json_integer((json_int_t)json_object_size(vocab)));
        }
        file = json_dumps(root, JSON_COMPACT);
        ck_assert_msg(sb_tok_open_bytes("cuts", file, strlen(file), NULL, &t) == SB_OK, "%s",
                      sb_error_text());
        ck_assert_str_eq(sb_tok_splitter(t), splitter);
        c   = must_ctx(t);
        ids = encode_all(c, cases[i].text, strlen(cases[i].text));
        (void)snprintf(copy, sizeof copy, "%s", cases[i].cut);
        for (char *p = strtok_r(copy, "|", &save); p != NULL; p = strtok_r(NULL, "|", &save), at++)
            ck_assert_msg(at < ids.n && ids.ids[at] == sb_tok_find(t, p, strlen(p)),
                          "%s `%s`: piece %d is not `%s`", splitter, cases[i].text, (int)at, p);
        ck_assert_int_eq(at, ids.n);
        sb_tok_ids_fini(&ids);
        sb_tok_ctx_destroy(c);
        sb_tok_close(t);
        free(file);
        free(text);
        json_decref(root);
    }
}

START_TEST(cuts)
{
    check_cuts("gpt-2", gpt2, sizeof gpt2 / sizeof gpt2[0]);
    check_cuts("llama-bpe", llama3, sizeof llama3 / sizeof llama3[0]);
    check_cuts("qwen2", qwen2, sizeof qwen2 / sizeof qwen2[0]);
    check_cuts("smollm", smollm, sizeof smollm / sizeof smollm[0]);
    check_cuts("tekken", tekken, sizeof tekken / sizeof tekken[0]);
    check_cuts("deepseek-v3", deepseek_v3, sizeof deepseek_v3 / sizeof deepseek_v3[0]);
    check_cuts("deepseek-coder", deepseek_coder, sizeof deepseek_coder / sizeof deepseek_coder[0]);
}
END_TEST

START_TEST(added_tokens)
{
    sb_tok *t = must_open_changed("", "");
    ck_assert_str_eq(ids_of(t, "a<|end|>b"), "97 264 98");
    ck_assert_str_eq(ids_of(t, "<|end|>"), "264");
    ck_assert_str_eq(ids_of(t, "<|end|><|end|>"), "264 264");
    ck_assert_str_eq(ids_of(t, "<|end|"), "60 124 101 110 100 124");
    ck_assert_str_eq(ids_of(t, "<<mark>"), "60 265");
    ck_assert_str_eq(ids_of(t, "a <mark> a"),
                     "97 32 265 259"); /* the blank is alone: the text ends for it */
    sb_tok_close(t);
    t = must_open_changed(SPECIAL_MARK,
                          "\"content\": \"<mark>\", \"lstrip\": true, \"rstrip\": false");
    ck_assert_str_eq(ids_of(t, "a \xE3\x80\x80\t<mark> b"), "97 265 32 98");
    ck_assert_str_eq(ids_of(t, "  <mark>  <mark>"), "265 265");
    ck_assert_str_eq(ids_of(t, "<|end|> <mark>"), "264 265");
    sb_tok_close(t);
    t = must_open_changed(SPECIAL_MARK,
                          "\"content\": \"<mark>\", \"lstrip\": false, \"rstrip\": true");
    ck_assert_str_eq(ids_of(t, "a <mark> \n\xC2\x85"
                               "b"),
                     "97 32 265 98");
    sb_tok_close(t);
    /* leftmost, then longest; one is the beginning of the other */
    t = must_open_changed("\"<mark>\"", "\"<|end|><|end|>\"");
    ck_assert_str_eq(ids_of(t, "<|end|><|end|><|end|>"), "265 264");
    sb_tok_close(t);
    /* "normalized" ones are looked for in what the others left */
    t = must_open_changed(SPECIAL_MARK ", \"normalized\": false",
                          "\"content\": \"x<|\", \"normalized\": true");
    ck_assert_str_eq(ids_of(t, "x<|end|>"), "120 264");
    ck_assert_str_eq(ids_of(t, "x<|"), "265");
    sb_tok_close(t);
}
END_TEST

START_TEST(nfc_and_normalized)
{
    sb_tok *t    = NULL;
    char   *text = small_json(), *w;
    char    changed[16384];
    w = strstr(text, "\"normalizer\": null");
    ck_assert_ptr_nonnull(w);
    *w = '\0';
    (void)snprintf(changed, sizeof changed, "%s\"normalizer\": {\"type\": \"NFC\"}%s", text,
                   w + 18);
    ck_assert_int_eq(sb_tok_open_bytes("x", changed, strlen(changed), NULL, &t), SB_OK);
    ck_assert_str_eq(ids_of(t, "e\xCC\x81"), "195 169");
    ck_assert_str_eq(ids_of(t, "\xE2\x84\xAB"), "195 133"); /* U+212B -> U+00C5 */
    ck_assert_str_eq(ids_of(t, "a\xCC\xA3\xCC\x81"),
                     "225 186 161 204 129"); /* a + dot below composes first */
    ck_assert_str_eq(ids_of(t, "a\xCC\x81\xCC\xA3"), "225 186 161 204 129"); /* in whatever order */
    ck_assert_str_eq(ids_of(t, "\xE1\x84\x80\xE1\x85\xA1"), "234 176 128");  /* Hangul */
    ck_assert_str_eq(ids_of(t, "abc"), "258");
    ck_assert_str_eq(ids_of(t, "a<|end|>\xCC\x81"), "97 264 204 129"); /* a barrier */
    sb_tok_close(t);
    t = NULL;
    w = strstr(changed, "\"normalized\": false");
    memcpy(w, "\"normalized\": true ", 19);
    must_refuse(sb_tok_open_bytes("x", changed, strlen(changed), NULL, &t), SB_ERR_UNSUPPORTED,
                "added_tokens[0].normalized: found true; only false is supported with NFC");
    free(text);
}
END_TEST

/* Normalising piece by piece (65,536 bytes at a time) is normalising the whole. */
START_TEST(nfc_of_long_text)
{
    sb_tok     *t     = must_open(FIXTURES "qwen2.json");
    sb_tok_ctx *c     = must_ctx(t);
    uint64_t    state = 5;
    char       *text = malloc(400000), *once = malloc(400000);
    size_t      n = 0, m = 0;
    ck_assert(text != NULL && once != NULL);
    while (n < 200000) { /* e + acute as two characters, as one; never an ASCII character at some
                            stretches */
        uint64_t r = next_random(&state) % 10;
        if (r < 5) {
            memcpy(text + n, "\xC3\xA9\xCC\xA3", 4), n += 4;
            memcpy(once + m, "\xE1\xBA\xB9\xCC\x81", 5), m += 5; /* U+1EB9 U+0301 */
        } else if (r < 9) {
            memcpy(text + n, "e\xCC\x81", 3), n += 3;
            memcpy(once + m, "\xC3\xA9", 2), m += 2;
        } else {
            memcpy(text + n, " x", 2), n += 2;
            memcpy(once + m, " x", 2), m += 2;
        }
    }
    sb_tok_ids a = encode_all(c, text, n), b = encode_all(c, once, m);
    ck_assert_int_eq(a.n, b.n);
    ck_assert_mem_eq(a.ids, b.ids, (size_t)a.n * sizeof *a.ids);
    sb_tok_ids_fini(&a);
    sb_tok_ids_fini(&b);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
    free(text);
    free(once);
}
END_TEST

START_TEST(not_utf8)
{
    /* as Python's errors="replace": what each becomes, in U+FFFD */
    static const struct {
        const char *bytes;
        int         replaced;
    } want[]  = {{"\xFF", 1},
                 {"\x80", 1},
                 {"\xC3", 1},
                 {"\xE2\x82", 1},
                 {"\xE2\x28", 1},
                 {"\xED\xA0\x80", 3},
                 {"\xF0\x9F\x98", 1},
                 {"\xF4\x90\x80\x80", 4},
                 {"\xC0\xAF", 2},
                 {"\xE0\x80\x80", 3},
                 {"\xF8\x88", 2},
                 {"\xC3\xC3", 2},
                 {"\xF0\x9F\x98\xE2", 2}};
    sb_tok *t = must_open_changed("", "");
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        char expect[128] = "97";
        char text[16]    = "a";
        strcat(text, want[i].bytes);
        for (int k = 0; k < want[i].replaced; k++)
            strcat(expect, " 239 191 189");
        if (strchr(want[i].bytes, '(') != NULL)
            strcat(expect, " 40");
        ck_assert_msg(strcmp(ids_of(t, text), expect) == 0, "case %zu: %s, expected %s", i,
                      ids_of(t, text), expect);
    }
    ck_assert_str_eq(ids_of_bytes(t, "a\0b", 3), "97 0 98"); /* NUL is a character */
    sb_tok_close(t);
}
END_TEST

START_TEST(bytes_without_token)
{
    /* smollm's vocabulary knows no U+0004: nothing stands for it, and its neighbours meet */
    sb_tok *t = must_open(FIXTURES "smollm.json");
    ck_assert_int_eq(sb_tok_find(t, "\4", 1), -1);
    ck_assert_str_eq(ids_of(t, "\4"), "");
    char apart[64];
    (void)snprintf(apart, sizeof apart, "%s", ids_of(t, "!\4\5!"));
    ck_assert_str_eq(apart, ids_of(t, "!!"));
    ck_assert_ptr_null(strchr(apart, ' ')); /* "!!" is one token */
    sb_tok_close(t);
}
END_TEST

/* The unknown token stands for such bytes where the file names one. */
START_TEST(unknown)
{
    for (int fuse = 0; fuse < 2; fuse++) {
        json_error_t e;
        char        *text = small_json(), *file;
        json_t      *root = json_loads(text, 0, &e), *model = json_object_get(root, "model");
        sb_tok      *t = NULL;
        json_object_del(json_object_get(model, "vocab"), "\xC4\x84"); /* byte 4 */
        json_object_set_new(json_object_get(model, "vocab"), "<unk>", json_integer(4));
        json_object_set_new(model, "unk_token", json_string("<unk>"));
        json_object_set_new(model, "fuse_unk", json_boolean(fuse));
        file = json_dumps(root, 0);
        ck_assert_msg(sb_tok_open_bytes("unk", file, strlen(file), NULL, &t) == SB_OK, "%s",
                      sb_error_text());
        ck_assert_str_eq(ids_of(t, "!\4\4!\4"), fuse ? "33 4 33 4" : "33 4 4 33 4");
        sb_tok_close(t);
        free(file);
        t = NULL;
        json_object_set_new(model, "unk_token", json_string("<none>"));
        file = json_dumps(root, 0);
        must_refuse(sb_tok_open_bytes("unk", file, strlen(file), NULL, &t), SB_ERR_USAGE,
                    "model.unk_token: found \"<none>\"");
        free(file);
        free(text);
        json_decref(root);
    }
}
END_TEST

START_TEST(parts_and_policy)
{
    sb_tok       *t     = must_open_changed("", "");
    sb_tok_ctx   *c     = must_ctx(t);
    sb_tok_ids    ids   = {0};
    sb_tok_part   p[3]  = {{"<|end|>a", 8, SB_TOK_SPECIALS_PARSE},
                           {"b<|end|><mark>c", 15, SB_TOK_SPECIALS_LITERAL},
                           {"<|end|>", 7, SB_TOK_SPECIALS_PARSE}};
    const int32_t all[] = {T_END, T_AB, '<', '|', 'e', 'n', 'd', '|', '>', T_MARK, 'c', T_END};
    ck_assert_int_eq(sb_tok_encode_parts(c, p, 3, SB_TOK_BOS_NONE, &ids), SB_OK);
    /* "ab" is merged over the seam; <mark> is no special token */
    ck_assert_int_eq(ids.n, (int64_t)(sizeof all / sizeof all[0]));
    ck_assert_mem_eq(ids.ids, all, sizeof all);
    ids.n = 0; /* half of a special token in a literal part is none */
    p[0]  = (sb_tok_part){"<|en", 4, SB_TOK_SPECIALS_PARSE};
    p[1]  = (sb_tok_part){"d|>", 3, SB_TOK_SPECIALS_LITERAL};
    ck_assert_int_eq(sb_tok_encode_parts(c, p, 2, SB_TOK_BOS_NONE, &ids), SB_OK);
    ck_assert_int_eq(ids.n, 7);
    ids.n         = 0;
    p[1].specials = SB_TOK_SPECIALS_PARSE;
    ck_assert_int_eq(sb_tok_encode_parts(c, p, 2, SB_TOK_BOS_NONE, &ids), SB_OK);
    ck_assert_int_eq(ids.n, 1);
    ids.n = 0; /* appended; an empty part; UTF-8 does not run over a seam */
    p[0]  = (sb_tok_part){"\xC3", 1, SB_TOK_SPECIALS_PARSE};
    p[1]  = (sb_tok_part){NULL, 0, SB_TOK_SPECIALS_LITERAL};
    p[2]  = (sb_tok_part){"\xA9", 1, SB_TOK_SPECIALS_PARSE};
    ck_assert_int_eq(sb_tok_encode_parts(c, p, 3, SB_TOK_BOS_NONE, &ids), SB_OK);
    ck_assert_int_eq(ids.n, 6);
    ck_assert_int_eq(sb_tok_encode(c, "<|end|>", 7, SB_TOK_SPECIALS_LITERAL, SB_TOK_BOS_NONE, &ids),
                     SB_OK);
    ck_assert_int_eq(ids.n, 13);
    ck_assert_int_eq(sb_tok_encode_parts(c, NULL, 0, SB_TOK_BOS_NONE, &ids), SB_OK);
    ck_assert_int_eq(ids.n, 13);
    must_refuse(sb_tok_encode(c, "a", 1, SB_TOK_SPECIALS_PARSE, SB_TOK_BOS_ALWAYS, &ids),
                SB_ERR_UNSUPPORTED, "no BOS");
    ck_assert_int_eq(ids.n, 13);
    sb_tok_ids_fini(&ids);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

START_TEST(bos)
{
    sb_tok     *t   = must_open(FIXTURES "llama3.json");
    sb_tok_ctx *c   = must_ctx(t);
    int32_t     id  = sb_tok_special(t, SB_TOK_ROLE_BOS);
    sb_tok_ids  ids = {0};
    ck_assert_int_eq(sb_tok_adds_bos(t), 1);
    ck_assert_int_eq(id, sb_tok_find(t, "<|begin_of_text|>", 17));
    ck_assert_int_eq(sb_tok_encode(c, "x", 1, SB_TOK_SPECIALS_PARSE, SB_TOK_BOS_NONE, &ids), SB_OK);
    ck_assert_int_eq(ids.n, 1);
    ck_assert_int_eq(sb_tok_encode(c, "x", 1, SB_TOK_SPECIALS_PARSE, SB_TOK_BOS_AUTO, &ids), SB_OK);
    ck_assert_int_eq(ids.n, 3);
    ck_assert_int_eq(ids.ids[1], id);
    ck_assert_int_eq(
        sb_tok_encode(c, "<|begin_of_text|>x", 18, SB_TOK_SPECIALS_PARSE, SB_TOK_BOS_AUTO, &ids),
        SB_OK);
    ck_assert_int_eq(ids.n, 5);
    ck_assert(ids.ids[3] == id && ids.ids[4] == ids.ids[0]);
    ck_assert_int_eq(
        sb_tok_encode(c, "<|begin_of_text|>x", 18, SB_TOK_SPECIALS_PARSE, SB_TOK_BOS_ALWAYS, &ids),
        SB_OK);
    ck_assert_int_eq(ids.n, 8);
    ck_assert(ids.ids[5] == id && ids.ids[6] == id);
    ck_assert_int_eq(sb_tok_encode(c, "", 0, SB_TOK_SPECIALS_PARSE, SB_TOK_BOS_AUTO, &ids), SB_OK);
    ck_assert_int_eq(ids.n, 9);
    sb_tok_ids_fini(&ids);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

START_TEST(ignore_merges)
{
    sb_tok *t = must_open_changed("\"ignore_merges\": false", "\"ignore_merges\": true"), *u;
    ck_assert_str_eq(ids_of(t, "abc abc"), "258 32 258");
    u = must_open_changed("\"b c\", \"a b\", \"a bc\"", "\"b c\", \"a b\"");
    ck_assert_str_eq(ids_of(u, "abc"), "97 256"); /* no merge reaches it */
    sb_tok_close(u);
    sb_tok_close(t);
}
END_TEST

/* ---- against a naive reading of the file ---- */

typedef struct naive {
    json_t *root, *vocab, *merges;
    char    spell[256][3];
} naive;

/* Takes root. */
static void naive_init(naive *v, json_t *root)
{
    int next = 0x100;
    v->root  = root;
    ck_assert_ptr_nonnull(v->root);
    v->vocab     = json_object_get(json_object_get(v->root, "model"), "vocab");
    v->merges    = json_object();
    json_t *list = json_object_get(json_object_get(v->root, "model"), "merges");
    for (size_t i = 0; i < json_array_size(list); i++) {
        json_t *m = json_array_get(list, i);
        char    pair[256];
        if (json_is_string(m))
            (void)snprintf(pair, sizeof pair, "%s", json_string_value(m));
        else
            (void)snprintf(pair, sizeof pair, "%s %s", json_string_value(json_array_get(m, 0)),
                           json_string_value(json_array_get(m, 1)));
        json_object_set_new(v->merges, pair, json_integer((json_int_t)i));
    }
    for (int b = 0; b < 256; b++) {
        int own  = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b <= 0xAC) || b >= 0xAE,
            code = own ? b : next++;
        if (code < 0x80)
            (void)snprintf(v->spell[b], 3, "%c", code);
        else
            (void)snprintf(v->spell[b], 3, "%c%c", 0xC0 | code >> 6, 0x80 | (code & 63));
    }
}

/* Symbols as strings; look at every pair, merge the best, again. */
static sb_tok_ids naive_encode(const naive *v, const char *s, size_t n)
{
    char(*sym)[128] = calloc(n, sizeof *sym);
    sb_tok_ids out  = {calloc(n, sizeof(int32_t)), 0, (int64_t)n};
    ck_assert(sym != NULL && out.ids != NULL);
    for (size_t i = 0; i < n; i++)
        strcpy(sym[i], v->spell[(unsigned char)s[i]]);
    for (;;) {
        size_t     best = 0;
        json_int_t low  = -1;
        for (size_t i = 0; i + 1 < n; i++) {
            char    pair[260];
            json_t *r;
            (void)snprintf(pair, sizeof pair, "%s %s", sym[i], sym[i + 1]);
            r = json_object_get(v->merges, pair);
            if (r != NULL && (low < 0 || json_integer_value(r) < low)) {
                low  = json_integer_value(r);
                best = i;
            }
        }
        if (low < 0)
            break;
        memcpy(sym[best] + strlen(sym[best]), sym[best + 1], strlen(sym[best + 1]) + 1);
        n--;
        memmove(sym[best + 1], sym[best + 2], (n - best - 1) * sizeof *sym);
    }
    for (size_t i = 0; i < n; i++)
        out.ids[out.n++] = (int32_t)json_integer_value(json_object_get(v->vocab, sym[i]));
    free(sym);
    return out;
}

/* Pieces of letters, short (array) and long (heap). */
START_TEST(merge_equals_naive)
{
    static const char *const few[] = {"e",  "t",  "a",  "o",  "n", "th",   "he", "in",
                                      "er", "an", "re", "on", "s", "tion", "x"};
    naive                    v;
    json_error_t             e;
    sb_tok                  *t     = must_open(FIXTURES "gpt2.json");
    sb_tok_ctx              *c     = must_ctx(t);
    uint64_t                 state = 11;
    naive_init(&v, json_load_file(FIXTURES "gpt2.json", 0, &e));
    for (int i = 0; i < 1500; i++) {
        char   s[600] = "";
        size_t parts  = 1 + next_random(&state) % (i % 3 == 0 ? 90 : 14);
        for (size_t k = 0; k < parts; k++)
            strcat(s, few[next_random(&state) % (i % 7 == 0 ? 3 : 15)]);
        sb_tok_ids a = encode_all(c, s, strlen(s)), b = naive_encode(&v, s, strlen(s));
        ck_assert_msg(a.n == b.n && memcmp(a.ids, b.ids, (size_t)a.n * 4) == 0, "%s", s);
        sb_tok_ids_fini(&a);
        sb_tok_ids_fini(&b);
    }
    json_decref(v.merges);
    json_decref(v.root);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

/* The small vocabulary with n random merges of a, b and c in random order: unlike in a trained one,
 * a pair may rank before the pairs that its parts are made of, and parts may be out of reach. */
static json_t *random_vocabulary(uint64_t *state, int n)
{
    json_error_t e;
    char         token[200][16] = {"a", "b", "c"}, pair[200][32];
    int          have           = 3;
    char        *text           = small_json();
    json_t      *root = json_loads(text, 0, &e), *model = json_object_get(root, "model");
    json_t      *vocab = json_object_get(model, "vocab"), *merges = json_array();
    while (have < n + 3) {
        const char *a = token[next_random(state) % (uint64_t)have];
        const char *b = token[next_random(state) % (uint64_t)have];
        char        both[32];
        (void)snprintf(both, sizeof both, "%s%s", a, b);
        if (strlen(both) > 12)
            continue;
        (void)snprintf(pair[have], sizeof pair[have], "%s %s", a, b);
        (void)snprintf(token[have], sizeof token[have], "%s", both);
        for (int i = 3; i < have; i++)
            if (strcmp(pair[i], pair[have]) == 0)
                goto again;
        if (json_object_get(vocab, both) == NULL)
            json_object_set_new(vocab, both, json_integer(0));
        have++;
    again:;
    }
    for (int i = have - 1; i > 3; i--) { /* shuffle */
        int  k = 3 + (int)(next_random(state) % (uint64_t)(i - 2));
        char swap[32];
        memcpy(swap, pair[i], sizeof swap);
        memcpy(pair[i], pair[k], sizeof swap);
        memcpy(pair[k], swap, sizeof swap);
    }
    for (int i = 3; i < have; i++)
        json_array_append_new(merges, json_string(pair[i]));
    json_object_set_new(model, "merges", merges);
    free(text);
    return root;
}

START_TEST(random_vocabularies)
{
    uint64_t state = 17;
    for (int round = 0; round < 60; round++) {
        naive       v;
        sb_tok     *t = NULL;
        sb_tok_ctx *c;
        char       *file;
        json_t     *root = random_vocabulary(&state, 4 + round);
        json_object_set_new(root, "added_tokens", json_array());
        const char *key;
        json_t     *id;
        json_int_t  next = 0;
        json_object_foreach(json_object_get(json_object_get(root, "model"), "vocab"), key, id)
            json_integer_set(id, next++);
        file = json_dumps(root, JSON_COMPACT);
        ck_assert_msg(sb_tok_open_bytes("random", file, strlen(file), NULL, &t) == SB_OK, "%s",
                      sb_error_text());
        free(file);
        naive_init(&v, root);
        c = must_ctx(t);
        for (int i = 0; i < 60; i++) {
            char   s[120];
            size_t n = i % 2 == 0 ? 1 + next_random(&state) % 32 : 33 + next_random(&state) % 80;
            for (size_t k = 0; k < n; k++)
                s[k] = (char)('a' + next_random(&state) % 3);
            sb_tok_ids a = encode_all(c, s, n), b = naive_encode(&v, s, n);
            ck_assert_msg(a.n == b.n && memcmp(a.ids, b.ids, (size_t)a.n * 4) == 0,
                          "round %d: %.*s", round, (int)n, s);
            sb_tok_ids_fini(&a);
            sb_tok_ids_fini(&b);
        }
        json_decref(v.merges);
        json_decref(v.root);
        sb_tok_ctx_destroy(c);
        sb_tok_close(t);
    }
}
END_TEST

/* 1 MB of one thing: linear but for a logarithm, so far below two seconds. */
START_TEST(one_megabyte_of)
{
    static const char *const what[] = {
        "a", " ", "\n", "\xF0\x9F\x98\x80", "3", "!", "\xCC\x81\xCC\xA3", "<", "\t ", "'"};
    static const char *const files[] = {"gpt2.json", "llama3.json", "qwen2.json", "smollm.json"};
    char                     path[64];
    size_t                   n = 1 << 20, k = strlen(what[_i]);
    char                    *text = malloc(n);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < n; i++)
        text[i] = what[_i][i % k];
    for (int f = 0; f < 4; f++) {
        (void)snprintf(path, sizeof path, FIXTURES "%s", files[f]);
        sb_tok     *t     = must_open(path);
        sb_tok_ctx *c     = must_ctx(t);
        int64_t     count = 0;
        double      start = cpu_seconds();
        ck_assert_int_eq(sb_tok_count(c, text, n, SB_TOK_SPECIALS_PARSE, &count), SB_OK);
        ck_assert_msg(cpu_seconds() - start < 2, "%s: %.2f s", path, cpu_seconds() - start);
        ck_assert_int_gt(count, 0);
        sb_tok_ctx_destroy(c);
        sb_tok_close(t);
    }
    free(text);
}
END_TEST

typedef struct job {
    const sb_tok *t;
    const char   *text;
    size_t        n;
    sb_tok_ids    ids;
} job;

static void *encode_job(void *arg)
{
    job        *j = arg;
    sb_tok_ctx *c = NULL;
    if (sb_tok_ctx_create(j->t, &c) == SB_OK)
        (void)sb_tok_encode(c, j->text, j->n, SB_TOK_SPECIALS_PARSE, SB_TOK_BOS_NONE, &j->ids);
    sb_tok_ctx_destroy(c);
    return NULL;
}

/* Four threads, one tokenizer, each a stretch between safe cuts. */
START_TEST(threads)
{
    sb_tok     *t = must_open(FIXTURES "llama3.json");
    sb_tok_ctx *c = must_ctx(t);
    FILE       *f = fopen("tests/fixtures/corpus/cc0_part1.txt", "rb");
    char        text[16384];
    size_t      n, from = 0;
    job         j[4];
    pthread_t   id[4];
    int64_t     at = 0;
    ck_assert_ptr_nonnull(f);
    n = fread(text, 1, sizeof text, f);
    (void)fclose(f);
    sb_tok_ids whole = encode_all(c, text, n);
    for (int i = 0; i < 4; i++) {
        size_t to = i < 3 ? sb_tok_safe_cut(t, text, n, n * (size_t)(i + 1) / 4) : n;
        ck_assert_uint_gt(to, from);
        j[i] = (job){t, text + from, to - from, {NULL, 0, 0}};
        from = to;
        ck_assert_int_eq(pthread_create(&id[i], NULL, encode_job, &j[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(id[i], NULL), 0);
        ck_assert_int_le(at + j[i].ids.n, whole.n);
        ck_assert_mem_eq(whole.ids + at, j[i].ids.ids, (size_t)j[i].ids.n * 4);
        at += j[i].ids.n;
        sb_tok_ids_fini(&j[i].ids);
    }
    ck_assert_int_eq(at, whole.n);
    sb_tok_ids_fini(&whole);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("encode");
    TCase *t = tcase_create("encode");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, merging);
    tcase_add_test(t, pieces);
    tcase_add_test(t, cuts);
    tcase_add_test(t, added_tokens);
    tcase_add_test(t, nfc_and_normalized);
    tcase_add_test(t, nfc_of_long_text);
    tcase_add_test(t, not_utf8);
    tcase_add_test(t, bytes_without_token);
    tcase_add_test(t, unknown);
    tcase_add_test(t, parts_and_policy);
    tcase_add_test(t, bos);
    tcase_add_test(t, ignore_merges);
    tcase_add_test(t, merge_equals_naive);
    tcase_add_test(t, random_vocabularies);
    tcase_add_loop_test(t, one_megabyte_of, 0, 10);
    tcase_add_test(t, threads);
    suite_add_tcase(s, t);
    return run_suite(s);
}
