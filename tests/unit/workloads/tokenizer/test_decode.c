/* Ids back to text, whole and id by id; UTF-8 that tokens split. */
#include "tests/golden/tokenizer_text.h"
#include "tests/unit/workloads/tokenizer/case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must_decode(const sb_tok *t, const int32_t *ids, int64_t n, sb_tok_show show,
                        const char *want)
{
    char          *text  = NULL;
    size_t         bytes = 0, at = 0;
    sb_tok_stream *s = NULL;
    char           joined[256];
    const char    *part = NULL;
    ck_assert_int_eq(sb_tok_decode(t, ids, n, show, &text, &bytes), SB_OK);
    ck_assert_str_eq(text, want);
    ck_assert_uint_eq(bytes, strlen(want));
    free(text);
    ck_assert_int_eq(sb_tok_stream_create(t, show, &s), SB_OK);
    for (int64_t i = 0; i <= n; i++) {
        ck_assert_int_eq(i < n ? sb_tok_stream_push(s, ids[i], &part, &bytes)
                               : sb_tok_stream_end(s, &part, &bytes),
                         SB_OK);
        ck_assert_uint_lt(at + bytes, sizeof joined);
        ck_assert_uint_eq(strlen(part), bytes);
        memcpy(joined + at, part, bytes);
        at += bytes;
    }
    joined[at] = '\0';
    ck_assert_str_eq(joined, want);
    sb_tok_stream_destroy(s);
}

START_TEST(specials_and_bad_bytes)
{
    sb_tok       *t     = must_open_changed("", "");
    const int32_t ids[] = {T_ABC, T_END, T_BLANK_A, T_MARK, 0xC3, 0xA9, 0xC3};
    char         *text  = NULL;
    must_decode(t, ids, 6, SB_TOK_SHOW_TEXT, "abc a<mark>\xC3\xA9");
    must_decode(t, ids, 6, SB_TOK_SHOW_SPECIALS, "abc<|end|> a<mark>\xC3\xA9");
    must_decode(t, ids, 7, SB_TOK_SHOW_TEXT, "abc a<mark>\xC3\xA9\xEF\xBF\xBD");
    must_decode(t, ids, 0, SB_TOK_SHOW_TEXT, "");
    must_decode(t, (int32_t[]){0xF0, 0x9F, 0x98, 'x', 0x80}, 5, SB_TOK_SHOW_TEXT,
                "\xEF\xBF\xBDx\xEF\xBF\xBD");
    must_refuse(sb_tok_decode(t, (int32_t[]){T_SIZE}, 1, SB_TOK_SHOW_TEXT, &text, NULL),
                SB_ERR_USAGE, "id 266 is outside the vocabulary of 266 tokens");
    must_refuse(sb_tok_decode(t, (int32_t[]){-1}, 1, SB_TOK_SHOW_TEXT, &text, NULL), SB_ERR_USAGE,
                "id -1");
    ck_assert_ptr_null(text);
    sb_tok_close(t);
}
END_TEST

/* A character comes out with its last byte, no earlier and no later. */
START_TEST(stream_of_split_characters)
{
    static const char *const text[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    sb_tok                  *t      = must_open_changed("", "");
    sb_tok_stream           *s      = NULL;
    const char              *out;
    size_t                   n;
    ck_assert_int_eq(sb_tok_stream_create(t, SB_TOK_SHOW_TEXT, &s), SB_OK);
    for (int i = 0; i < 3; i++)
        for (size_t k = 0; k < strlen(text[i]); k++) {
            ck_assert_int_eq(sb_tok_stream_push(s, (unsigned char)text[i][k], &out, &n), SB_OK);
            if (k + 1 < strlen(text[i]))
                ck_assert_uint_eq(n, 0);
            else
                ck_assert_str_eq(out, text[i]);
        }
    /* a start that cannot go on is told at once, what cannot start too */
    ck_assert_int_eq(sb_tok_stream_push(s, 0xE2, &out, &n), SB_OK);
    ck_assert_uint_eq(n, 0);
    ck_assert_int_eq(sb_tok_stream_push(s, 'x', &out, &n), SB_OK);
    ck_assert_str_eq(out, "\xEF\xBF\xBDx");
    ck_assert_int_eq(sb_tok_stream_push(s, 0x80, &out, &n), SB_OK);
    ck_assert_str_eq(out, "\xEF\xBF\xBD");
    ck_assert_int_eq(sb_tok_stream_push(s, 0xC0, &out, &n), SB_OK);
    ck_assert_str_eq(out, "\xEF\xBF\xBD");
    must_refuse(sb_tok_stream_push(s, 4000, &out, &n), SB_ERR_USAGE, "id 4000");
    ck_assert_int_eq(sb_tok_stream_push(s, 0xC3, &out, &n), SB_OK);
    ck_assert_int_eq(sb_tok_stream_end(s, &out, &n), SB_OK);
    ck_assert_str_eq(out, "\xEF\xBF\xBD");
    ck_assert_int_eq(sb_tok_stream_end(s, &out, &n), SB_OK);
    ck_assert_uint_eq(n, 0);
    sb_tok_stream_destroy(s);
    sb_tok_stream_destroy(NULL);
    sb_tok_close(t);
}
END_TEST

/* decode(encode(x)) is x: every character of two bytes at most, all pairs of ASCII, mixed text.
 * Bytes that are no UTF-8 come back as U+FFFD. */
START_TEST(round_trip)
{
    static const char *const files[] = {"gpt2.json", "llama3.json"};
    char                     path[64];
    sb_tok                  *t;
    sb_tok_ctx              *c;
    golden_text              g = golden_text_make(50, 200000);
    (void)snprintf(path, sizeof path, FIXTURES "%s", files[_i]);
    t = must_open(path);
    c = must_ctx(t);
    for (int64_t d = -2; d < g.n_docs; d++) {
        unsigned char  two[70000], again[4] = {0xEF, 0xBF, 0xBD, 0};
        unsigned char *s = d < 0 ? two : g.data + g.at[d];
        size_t         n = d < 0 ? 0 : g.at[d + 1] - g.at[d], bytes, m = 0;
        char          *text, *want;
        sb_tok_ids     ids;
        for (int a = 0; d == -2 && a < 128; a++)
            for (int b = 0; b < 128; b++)
                two[n++] = (unsigned char)a, two[n++] = (unsigned char)b;
        for (int a = 0xC2; d == -1 && a < 0xE0; a++)
            for (int b = 0x80; b < 0xC0; b++)
                two[n++] = (unsigned char)a, two[n++] = (unsigned char)b;
        ids = encode_all(c, s, n);
        ck_assert_int_eq(sb_tok_decode(t, ids.ids, ids.n, SB_TOK_SHOW_SPECIALS, &text, &bytes),
                         SB_OK);
        /* lstrip and rstrip take blanks away; those documents are no round trip */
        want = malloc(3 * n + 1);
        ck_assert_ptr_nonnull(want);
        for (size_t i = 0; i < n;) {
            size_t len = s[i] < 0x80   ? 1
                         : s[i] < 0xC2 ? 0
                         : s[i] < 0xE0 ? 2
                         : s[i] < 0xF0 ? 3
                         : s[i] < 0xF5 ? 4
                                       : 0,
                   k   = 1;
            int ok     = len > 0;
            for (; ok && k < len && i + k < n; k++) {
                unsigned char low = 0x80, high = 0xBF;
                if (k == 1 && s[i] == 0xE0)
                    low = 0xA0;
                if (k == 1 && s[i] == 0xED)
                    high = 0x9F;
                if (k == 1 && s[i] == 0xF0)
                    low = 0x90;
                if (k == 1 && s[i] == 0xF4)
                    high = 0x8F;
                if (s[i + k] < low || s[i + k] > high)
                    break;
            }
            if (ok && k == len)
                memcpy(want + m, s + i, len), m += len;
            else
                memcpy(want + m, again, 3), m += 3;
            i += k;
        }
        want[m] = '\0';
        if (memmem(s, n, "<left>", 6) == NULL && memmem(s, n, "<right>", 7) == NULL)
            ck_assert_msg(bytes == m && memcmp(text, want, m) == 0, "document %d", (int)d);
        free(want);
        free(text);
        sb_tok_ids_fini(&ids);
    }
    golden_text_fini(&g);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("decode");
    TCase *t = tcase_create("decode");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, specials_and_bad_bytes);
    tcase_add_test(t, stream_of_split_characters);
    tcase_add_loop_test(t, round_trip, 0, 2);
    suite_add_tcase(s, t);
    return run_suite(s);
}
