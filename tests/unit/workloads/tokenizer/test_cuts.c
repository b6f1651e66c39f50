/* Safe cuts [5.4] and the counter that stands on them. */
#include "tests/golden/tokenizer_text.h"
#include "tests/unit/workloads/tokenizer/case.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const files[] = {
    "gpt2.json",       "llama3.json",   "qwen2.json",         "smollm.json",
    "sp_llama.gguf",   "sp_gemma.gguf", "sp_legacy_off.json", "sp_words.json",
    "sp_unknown.gguf", "tekken.json",   "deepseek_v3.json",   "deepseek_coder.json"};
#define FILES ((int)(sizeof files / sizeof files[0]))

static sb_tok *fixture(int i)
{
    char path[64];
    (void)snprintf(path, sizeof path, FIXTURES "%s", files[i]);
    return must_open(path);
}

/* Every safe cut of many documents: the ids of the sides are those of the whole. */
START_TEST(every_cut)
{
    sb_tok     *t      = fixture(_i);
    sb_tok_ctx *c      = must_ctx(t);
    golden_text g      = golden_text_make(20 + (uint64_t)_i, 150000);
    int64_t     n_cuts = 0;
    for (int64_t d = 0; d < g.n_docs; d++) {
        const unsigned char *s = g.data + g.at[d];
        size_t               n = g.at[d + 1] - g.at[d], limit = n;
        sb_tok_ids           whole = encode_all(c, s, n);
        while ((limit = sb_tok_safe_cut(t, s, n, limit - 1)) > 0) {
            sb_tok_ids a = encode_all(c, s, limit), b = {0};
            int64_t    count = -1;
            ck_assert_int_eq(sb_tok_encode_rest(c, s + limit, n - limit, SB_TOK_SPECIALS_PARSE, &b),
                             SB_OK);
            ck_assert_int_eq(
                sb_tok_count_rest(c, s + limit, n - limit, SB_TOK_SPECIALS_PARSE, &count), SB_OK);
            ck_assert_int_eq(count, b.n);
            ck_assert_int_eq(s[limit], ' ');
            ck_assert_msg(a.n + b.n == whole.n && memcmp(a.ids, whole.ids, (size_t)a.n * 4) == 0 &&
                              (b.n == 0 || memcmp(b.ids, whole.ids + a.n, (size_t)b.n * 4) == 0),
                          "%s, document %d, cut at %zu of %zu", files[_i], (int)d, limit, n);
            n_cuts++;
            sb_tok_ids_fini(&a);
            sb_tok_ids_fini(&b);
        }
        sb_tok_ids_fini(&whole);
    }
    ck_assert_int_gt(n_cuts, 2000);
    golden_text_fini(&g);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

START_TEST(where)
{
    sb_tok     *t = must_open_changed("", "");
    const char *s = "ab cd, ef  3\xC2\xBD \xC3\xA9 \xCC\x81 ! \xFF x";
    /* from the end: before " !" stands a mark, before " x" no character */
    ck_assert_uint_eq(sb_tok_safe_cut(t, s, strlen(s), strlen(s) - 1), 17);
    ck_assert_uint_eq(sb_tok_safe_cut(t, s, strlen(s), 16), 14);
    ck_assert_uint_eq(sb_tok_safe_cut(t, s, strlen(s), 13), 9);
    ck_assert_uint_eq(sb_tok_safe_cut(t, s, strlen(s), 8), 2);
    ck_assert_uint_eq(sb_tok_safe_cut(t, s, strlen(s), 2), 2);
    ck_assert_uint_eq(sb_tok_safe_cut(t, s, strlen(s), 1), 0);
    ck_assert_uint_eq(sb_tok_safe_cut(t, s, 0, 0), 0);
    ck_assert_uint_eq(sb_tok_safe_cut(t, s, 3, 99), 2); /* a limit past the end is the end */
    sb_tok_close(t);
}
END_TEST

/* An added token that spans such a place, or takes the blank behind it, leaves no cut safe. */
START_TEST(hidden)
{
    static const char *const mark[] = {"\"<m x>\"",
                                       "\"a b\"",
                                       "\"<mark\", \"rstrip\": true",
                                       "\"<mark>\", \"rstrip\": true",
                                       "\" mark\", \"lstrip\": true",
                                       "\"a, b\""};
    static const int         safe[] = {0, 0, 0, 1, 1, 1};
    for (int i = 0; i < 6; i++) {
        char    to[160];
        sb_tok *t;
        (void)snprintf(to, sizeof to, "\"content\": %s", mark[i]);
        if (strstr(to, "rstrip") == NULL)
            strcat(to, ", \"rstrip\": false");
        if (strstr(to, "lstrip") == NULL)
            strcat(to, ", \"lstrip\": false");
        t = must_open_changed(
            "\"content\": \"<mark>\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false",
            to);
        ck_assert_msg((sb_tok_safe_cut(t, "ab cd", 5, 4) == 2) == safe[i], "%s", mark[i]);
        sb_tok_close(t);
    }
}
END_TEST

/* Fed in crumbs of any size, the counter counts what the whole text has, at every step. */
START_TEST(counter)
{
    sb_tok         *t     = fixture(_i);
    sb_tok_ctx     *c     = must_ctx(t);
    sb_tok_counter *k     = NULL;
    golden_text     g     = golden_text_make(40 + (uint64_t)_i, 60000);
    uint64_t        state = 3;
    ck_assert_int_eq(sb_tok_counter_create(c, SB_TOK_SPECIALS_PARSE, &k), SB_OK);
    for (int64_t d = 0; d < g.n_docs; d++) {
        const unsigned char *s = g.data + g.at[d];
        size_t               n = g.at[d + 1] - g.at[d], at = 0;
        int64_t              whole, step;
        sb_tok_counter_reset(k);
        ck_assert_int_eq(sb_tok_counter_value(k, &step), SB_OK);
        ck_assert_int_eq(step, 0);
        while (at < n) {
            size_t more = next_random(&state) % (d % 2 == 0 ? 7 : 200);
            more        = more < n - at ? more : n - at;
            ck_assert_int_eq(sb_tok_counter_append(k, s + at, more), SB_OK);
            at += more;
            if (next_random(&state) % 4 != 0 && at < n)
                continue;
            ck_assert_int_eq(sb_tok_counter_value(k, &step), SB_OK);
            ck_assert_int_eq(sb_tok_count(c, s, at, SB_TOK_SPECIALS_PARSE, &whole), SB_OK);
            ck_assert_msg(step == whole, "%s, document %d, %zu bytes: %d, not %d", files[_i],
                          (int)d, at, (int)step, (int)whole);
        }
    }
    sb_tok_counter_destroy(k);
    sb_tok_counter_destroy(NULL);
    golden_text_fini(&g);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

/* A million words one by one: linear, for only the tail is looked at again. */
START_TEST(counter_is_linear)
{
    sb_tok         *t     = fixture(1);
    sb_tok_ctx     *c     = must_ctx(t);
    sb_tok_counter *k     = NULL;
    int64_t         count = 0, last = 0;
    double          start = cpu_seconds();
    ck_assert_int_eq(sb_tok_counter_create(c, SB_TOK_SPECIALS_LITERAL, &k), SB_OK);
    for (int i = 0; i < 300000; i++) {
        ck_assert_int_eq(sb_tok_counter_append(k, " licence", 8), SB_OK);
        ck_assert_int_eq(sb_tok_counter_value(k, &count), SB_OK);
        ck_assert_int_gt(count, last);
        last = count;
    }
    ck_assert_msg(cpu_seconds() - start < 5, "%.2f s", cpu_seconds() - start);
    sb_tok_counter_destroy(k);
    sb_tok_ctx_destroy(c);
    sb_tok_close(t);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cuts");
    TCase *t = tcase_create("cuts");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, every_cut, 0, FILES);
    tcase_add_test(t, where);
    tcase_add_test(t, hidden);
    tcase_add_loop_test(t, counter, 0, FILES);
    tcase_add_test(t, counter_is_linear);
    suite_add_tcase(s, t);
    return run_suite(s);
}
