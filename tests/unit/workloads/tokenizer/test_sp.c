/* SentencePiece vocabularies: merging by score, blanks, bytes, both file formats, and what is
 * refused. tests/golden compares with the originals. */
#include "tests/unit/workloads/tokenizer/case.h"
#include "tests/unit/workloads/tokenizer/gguf_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define B "\xE2\x96\x81" /* U+2581 */

enum { NORMAL = 1, UNKNOWN, CONTROL, USER, UNUSED, BYTE };
typedef struct piece {
    const char *text;
    float       score;
    uint32_t    type;
} piece;

/* Ids from 0; behind them the 256 bytes when there are some. */
enum { UNK, BOS, BLANK, A, B_, C, AB, BC, ABC, BLANK_A, TWO, FOUR, CAB, MARK, N_PIECES };
static const piece small[N_PIECES] = {
    {"<unk>", 0, UNKNOWN}, {"<s>", 0, CONTROL}, {B, -100, NORMAL},  {"a", -101, NORMAL},
    {"b", -102, NORMAL},   {"c", -103, NORMAL}, {"ab", -3, NORMAL}, {"bc", -2, NORMAL},
    {"abc", -5, NORMAL},   {B "a", -4, NORMAL}, {B B, -7, NORMAL},  {B B B B, -8, NORMAL},
    {"cab", -3, NORMAL}, /* as good as ab */
    {"{" B "}", 0, USER}};
static gguf_file g;
static piece     now[N_PIECES];
static int       n_now, n_bytes, with_scores;

static void reset(void)
{
    memcpy(now, small, sizeof now);
    n_now       = N_PIECES;
    n_bytes     = 256;
    with_scores = 1;
}

static void put_bits(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    gguf_u32(&g, bits);
}

static void make(int prefix)
{
    uint64_t n = (uint64_t)(n_now + n_bytes);
    char     text[8];
    gguf_begin(&g, 3);
    gguf_string(&g, "tokenizer.ggml.model", "llama");
    gguf_array(&g, "tokenizer.ggml.tokens", 8, n);
    for (int i = 0; i < n_now; i++)
        gguf_text(&g, now[i].text);
    for (int b = 0; b < n_bytes; b++) {
        (void)snprintf(text, sizeof text, "<0x%02X>", (unsigned)b & 255);
        gguf_text(&g, text);
    }
    if (with_scores) {
        gguf_array(&g, "tokenizer.ggml.scores", 6, n);
        for (int i = 0; i < n_now + n_bytes; i++)
            put_bits(i < n_now ? now[i].score : 0);
    }
    gguf_array(&g, "tokenizer.ggml.token_type", 5, n);
    for (int i = 0; i < n_now + n_bytes; i++)
        gguf_u32(&g, i < n_now ? now[i].type : BYTE);
    gguf_int(&g, "tokenizer.ggml.bos_token_id", BOS);
    if (prefix >= 0)
        gguf_int(&g, "tokenizer.ggml.add_space_prefix", (uint32_t)prefix);
}

static sb_status open_now(sb_tok **out)
{
    return sb_tok_open_bytes("sp.gguf", g.data, g.n, NULL, out);
}

static sb_tok *must_make(int prefix)
{
    sb_tok *t = NULL;
    make(prefix);
    ck_assert_msg(open_now(&t) == SB_OK, "%s", sb_error_text());
    return t;
}

/* Bytes have the ids N_PIECES + byte, N_PIECES being 14. */
typedef struct pair {
    const char *text, *ids;
} pair;

static void check(const sb_tok *t, const pair *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(strcmp(ids_of(t, p[i].text), p[i].ids) == 0, "`%s`: %s, not %s", p[i].text,
                      ids_of(t, p[i].text), p[i].ids);
}

START_TEST(merging)
{
    static const pair none[]  = {{"", ""},
                                 {"a", "3"},
                                 {"abc", "8"}, /* bc, then abc */
                                 {"ab", "6"},
                                 {"cab", "12"}, /* ab, then cab: equal scores */
                                 {"ababc", "6 8"},
                                 {"abcab", "8 6"}, /* bc first, so no cab */
                                 {" a", "9"},
                                 {" ab", "2 6"},    /* ab before _a */
                                 {"  a", "2 9"},    /* _a before __ */
                                 {"     ", "11 2"}, /* leftmost */
                                 {"a b", "3 2 4"},
                                 {"a" B "b", "3 2 4"}, /* U+2581 is a blank */
                                 {"x", "134"},         /* 14 + 0x78 */
                                 {"\xC3\xA9", "209 183"},
                                 {"ax\xC3\xA9"
                                   "b",
                                  "3 134 209 183 4"},
                                 {"<s>a", "1 3"},
                                 {"<unk>", "0"},
                                 {"<0x0A>", "74 62 134 62 79 76"}, /* its letters */
                                 {"\n", "24"},
                                 {"a{ }b", "3 13 4"},
                                 {"a{" B "}b", "3 13 4"}};
    static const pair front[] = {
        {"", ""},           {"a", "9"},
        {"ab", "2 6"},      {" a", "2 9"}, /* one more, whatever is there */
        {"<s>a", "1 9"},    {"a<s> a<s>", "9 1 2 9 1"},
        {"{ }a", "2 13 3"}, /* user-defined pieces begin no text */
        {"\n", "2 24"}};
    sb_tok *t;
    reset();
    t = must_make(0);
    check(t, none, sizeof none / sizeof none[0]);
    sb_tok_close(t);
    t = must_make(1);
    check(t, front, sizeof front / sizeof front[0]);
    sb_tok_close(t);
    t = must_make(-1); /* left out: yes */
    check(t, front, sizeof front / sizeof front[0]);
    ck_assert_str_eq(sb_tok_splitter(t), "sentencepiece");
    ck_assert_int_eq(sb_tok_adds_bos(t), 1);
    ck_assert_int_eq(sb_tok_special(t, SB_TOK_ROLE_BOS), BOS);
    ck_assert_int_eq(sb_tok_size(t), N_PIECES + 256);
    ck_assert_int_eq(sb_tok_find(t, " a", 2), BLANK_A);
    ck_assert_int_eq(sb_tok_find(t, "\n", 1), N_PIECES + 10);
    ck_assert_int_eq(sb_tok_find(t, "<s>", 3), BOS);
    ck_assert_int_eq(sb_tok_find(t, "<0x0A>", 6), -1);
    sb_tok_close(t);
}
END_TEST

/* Equal scores: the leftmost place, whatever the ids. */
START_TEST(ties)
{
    sb_tok *t;
    for (int odd = 0; odd < 2; odd++) {
        reset();
        now[BC].text  = odd ? "bc" : "ca";
        now[CAB].text = odd ? "ca" : "bc";
        now[BC].score = now[CAB].score = -2;
        now[ABC].text                  = "cc"; /* bc goes no further */
        t                              = must_make(0);
        ck_assert_str_eq(ids_of(t, "bca"), odd ? "7 3" : "12 3");
        ck_assert_str_eq(ids_of(t, "cabc"), odd ? "12 7" : "7 12");
        sb_tok_close(t);
    }
}
END_TEST

/* Special tokens that are to be read literally are letters, and make no stretches. */
START_TEST(literal)
{
    sb_tok     *t;
    sb_tok_ctx *c;
    sb_tok_ids  ids    = {0};
    const int   want[] = {BOS, BLANK_A, N_PIECES + '<', N_PIECES + 's', N_PIECES + '>', BLANK_A};
    reset();
    t = must_make(1);
    c = must_ctx(t);
    ck_assert_int_eq(sb_tok_encode(c, "a<s> a", 6, SB_TOK_SPECIALS_LITERAL, SB_TOK_BOS_AUTO, &ids),
                     SB_OK);
    ck_assert_int_eq(ids.n, 6);
    for (int i = 0; i < 6; i++)
        ck_assert_int_eq(ids.ids[i], want[i]);
    sb_tok_ids_fini(&ids);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

START_TEST(unknown)
{
    static const pair want[] = {{"axyb", "3 0 4"}, {"x\xC3\xA9", "0"}, {"x a", "0 9"}};
    sb_tok           *t;
    reset();
    n_bytes = 0;
    t       = must_make(0);
    check(t, want, sizeof want / sizeof want[0]);
    sb_tok_close(t);
}
END_TEST

static void must_decode(const sb_tok *t, const int32_t *ids, int64_t n, const char *want)
{
    char          *text = NULL;
    const char    *part;
    size_t         bytes, at = 0;
    char           joined[64];
    sb_tok_stream *s = NULL;
    ck_assert_int_eq(sb_tok_decode(t, ids, n, SB_TOK_SHOW_TEXT, &text, NULL), SB_OK);
    ck_assert_str_eq(text, want);
    free(text);
    ck_assert_int_eq(sb_tok_stream_create(t, SB_TOK_SHOW_TEXT, &s), SB_OK);
    for (int twice = 0; twice < 2; twice++, at = 0) { /* a stream that ended begins again */
        for (int64_t i = 0; i <= n; i++) {
            ck_assert_int_eq(i < n ? sb_tok_stream_push(s, ids[i], &part, &bytes)
                                   : sb_tok_stream_end(s, &part, &bytes),
                             SB_OK);
            memcpy(joined + at, part, bytes);
            at += bytes;
        }
        joined[at] = '\0';
        ck_assert_str_eq(joined, want);
    }
    sb_tok_stream_destroy(s);
}

#define DECODE(t, want, ...)                                                                       \
    must_decode(t, (const int32_t[]){__VA_ARGS__},                                                 \
                (int64_t)(sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t)), want)

START_TEST(decoding)
{
    const int b = N_PIECES; /* the first byte */
    sb_tok   *t;
    reset();
    t = must_make(1);
    DECODE(t, "a a", BLANK_A, BLANK_A);
    DECODE(t, "a", BOS, BLANK_A);
    DECODE(t, " a", TWO, A);
    DECODE(t, "", BLANK);
    DECODE(t, " a", BLANK, BLANK_A);
    DECODE(t, "{ }a", MARK, A);
    DECODE(t,
           "\xC3\xA9"
           "a",
           b + 0xC3, b + 0xA9, A);
    DECODE(t,
           "\xEF\xBF\xBD"
           "a",
           b + 0xC3, A);
    DECODE(t,
           "\xEF\xBF\xBD\xEF\xBF\xBD"
           "a",
           b + 0xE2, b + 0x82, A); /* one for each byte */
    DECODE(t, "a\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD", A, b + 0xF0, b + 0x9F, b + 0x98);
    DECODE(t, "\xEF\xBF\xBD\xC3\xA9", b + 0xC3, b + 0xC3, b + 0xA9);
    sb_tok_close(t);
    t = must_make(0);
    DECODE(t, " a a", BLANK_A, BLANK_A);
    sb_tok_close(t);
}
END_TEST

/* A text of any length: the heap, not the array, and pieces that end at blanks. */
START_TEST(long_text)
{
    const size_t n    = 400000;
    char        *text = malloc(n);
    double       start;
    sb_tok      *t;
    sb_tok_ctx  *c;
    sb_tok_ids   ids;
    ck_assert_ptr_nonnull(text);
    reset();
    t     = must_make(1);
    c     = must_ctx(t);
    start = cpu_seconds();
    for (size_t i = 0; i < n; i++)
        text[i] = "abc"[i % 3];
    ids = encode_all(c, text, n);
    ck_assert_int_eq(ids.ids[1], BC); /* the first a went with the blank */
    ck_assert_int_eq(ids.ids[2], ABC);
    ck_assert_int_eq(ids.n, 1 + (int64_t)n / 3 + 1);
    sb_tok_ids_fini(&ids);
    memset(text, ' ', n);
    ids = encode_all(c, text, n);
    ck_assert_int_eq(ids.n, (int64_t)n / 4 + 1);
    sb_tok_ids_fini(&ids);
    ck_assert_msg(cpu_seconds() - start < 2, "%.2f s", cpu_seconds() - start);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
    free(text);
}
END_TEST

/* A piece with a blank behind a letter joins words: nothing is cut there. */
START_TEST(blanks_inside)
{
    sb_tok *t;
    reset();
    t = must_make(0);
    ck_assert_uint_eq(sb_tok_safe_cut(t, "ab a", 4, 3), 2);
    sb_tok_close(t);
    now[CAB] = (piece){"b" B, -1, NORMAL};
    t        = must_make(0);
    ck_assert_uint_eq(sb_tok_safe_cut(t, "ab a", 4, 3), 0);
    ck_assert_str_eq(ids_of(t, "ab a"), "3 12 3");
    sb_tok_close(t);
    now[CAB]  = (piece){"," B, -1, NORMAL}; /* not a letter: words may be cut apart */
    now[MARK] = (piece){",", -1, NORMAL};
    t         = must_make(0);
    ck_assert_uint_eq(sb_tok_safe_cut(t, "ab a", 4, 3), 2);
    ck_assert_str_eq(ids_of(t, "b, a"), "4 12 3");
    sb_tok_close(t);
}
END_TEST

static void refuse(sb_status want, const char *words)
{
    sb_tok *t = NULL;
    make(1);
    must_refuse(open_now(&t), want, words);
    ck_assert_ptr_null(t);
    reset();
}

START_TEST(refused)
{
    static char long_piece[1100];
    reset();
    with_scores = 0;
    refuse(SB_ERR_USAGE, "tokenizer.ggml.scores is missing");
    now[AB].score = NAN;
    refuse(SB_ERR_USAGE, "token 6: its score is no finite number");
    now[AB].score = INFINITY;
    refuse(SB_ERR_USAGE, "token 6: its score is no finite number");
    n_bytes = 255;
    refuse(SB_ERR_USAGE, "tokens: 1 of the 256 tokens <0x00> to <0xFF> are missing");
    n_bytes = 257;
    refuse(SB_ERR_USAGE, "token 270 is token 14 again");
    now[CAB].text = "ab";
    refuse(SB_ERR_USAGE, "token 12 is token 6 again");
    now[BOS].text = "<unk>";
    refuse(SB_ERR_USAGE, "ids |have the same text");
    now[CAB].type = BYTE;
    refuse(SB_ERR_USAGE, "token 12 is to be a byte and is not spelt <0x00>");
    now[CAB].type = 7;
    refuse(SB_ERR_USAGE, "tokenizer.ggml.token_type: [12]: type 7; 1 to 6 are possible");
    now[CAB].text = "";
    refuse(SB_ERR_USAGE, "token 12 has 0 bytes");
    now[CAB].text = "c\xFF";
    refuse(SB_ERR_USAGE, "token 12 is not UTF-8");
    now[CAB].text = "cad";
    refuse(SB_ERR_UNSUPPORTED, "token 12 holds U+0064, a character that is no token itself");
    now[ABC].type = UNUSED; /* a + bc */
    refuse(SB_ERR_UNSUPPORTED, "token 8 is marked unused, but merges make it");
    now[BLANK].text = "d";
    refuse(SB_ERR_UNSUPPORTED, "the blank (U+2581) is no token");
    now[UNK].type = CONTROL;
    n_bytes       = 0;
    refuse(SB_ERR_USAGE, "neither tokens of bytes nor an unknown one");
    memset(long_piece, 'a', sizeof long_piece - 1);
    now[CAB].text = long_piece;
    refuse(SB_ERR_UNSUPPORTED, "token 12 has 1099 bytes; 1 to 1024 are possible");
    now[MARK].text = long_piece;
    refuse(SB_ERR_UNSUPPORTED, "token 13|a text of 1099 bytes; 1 to 512");
}
END_TEST

START_TEST(refused_keys)
{
    sb_tok        *t   = NULL;
    sb_tok_options opt = {"gpt-2"};
    reset();
    make(1);
    must_refuse(sb_tok_open_bytes("x", g.data, g.n, &opt, &t), SB_ERR_USAGE,
                "pre: found gpt-2; a SentencePiece vocabulary has no splitter");
    gguf_array(&g, "tokenizer.ggml.precompiled_charsmap", 1, 3);
    g.n += 3;
    must_refuse(open_now(&t), SB_ERR_UNSUPPORTED, "tokenizer.ggml.precompiled_charsmap");
    make(1);
    gguf_array(&g, "tokenizer.ggml.precompiled_charsmap", 1, 0);
    ck_assert_msg(open_now(&t) == SB_OK, "%s", sb_error_text());
    sb_tok_close(t);
    t = NULL;
    gguf_int(&g, "tokenizer.ggml.remove_extra_whitespaces", 1);
    must_refuse(open_now(&t), SB_ERR_UNSUPPORTED, "remove_extra_whitespaces: found true");
    reset();
    with_scores = 0;
    make(1);
    gguf_array(&g, "tokenizer.ggml.scores", 6, 3);
    for (int i = 0; i < 3; i++)
        put_bits(0);
    must_refuse(open_now(&t), SB_ERR_USAGE, "tokenizer.ggml.scores: 3 scores for 270 tokens");
    make(1);
    gguf_array(&g, "tokenizer.ggml.scores", 5, 3);
    for (int i = 0; i < 3; i++)
        gguf_u32(&g, 0);
    must_refuse(open_now(&t), SB_ERR_USAGE, "tokenizer.ggml.scores: a list of 32-bit floats");
    make(1);
    gguf_array(&g, "tokenizer.ggml.scores", 6, UINT64_C(1) << 61);
    must_refuse(open_now(&t), SB_ERR_USAGE, "tokenizer.ggml.scores: an array of 23058430092136939");
    ck_assert_ptr_null(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sp");
    TCase *t = tcase_create("sp");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, merging);
    tcase_add_test(t, ties);
    tcase_add_test(t, literal);
    tcase_add_test(t, unknown);
    tcase_add_test(t, decoding);
    tcase_add_test(t, long_text);
    tcase_add_test(t, blanks_inside);
    tcase_add_test(t, refused);
    tcase_add_test(t, refused_keys);
    suite_add_tcase(s, t);
    return run_suite(s);
}
