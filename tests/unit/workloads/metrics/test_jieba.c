/* Segmentation with a dictionary and a model of a few lines: each rule alone; and data files that
 * are not what they should be. The real data are tested by test_metrics_golden zh. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/results/main.h"
#include "tests/unit/workloads/metrics/jieba_data.h"
#include "workloads/metrics/jieba.h"

static const struct {
    const char *text, *cut; /* segments parted by "|" */
} cuts[] = {
    {"", ""},
    {A B, A B},
    {A B C, A B "|" C}, /* 50/131 * 20/131 against 10/131 * 50/131 */
    {A B C D, A B C D}, /* 1/131 is more than three words' product */
    {B C D, B C "|" D},
    {D B, D B}, /* unknown, the model: D begins, B ends */
    {B D, B D},
    {D B D, D B "|" D},
    {C D, C "|" D}, /* equally improbable, and S is the later letter */
    {"x" A B, "x|" A B},
    {A "x1.5%y-z", A "|x1.5%|y|-|z"}, /* a known single, then Latin forms */
    {"3.14%+C", "3.14%|+|C"},
    {"a \r\n\n\t b", "a| |\r\n|\n|\t| |b"},
    {"\xe3\x80\x82" A "\xef\xbc\x81", "\xe3\x80\x82|" A "|\xef\xbc\x81"},
    {"\xf0\x9f\x98\x80\xc3\xa9", "\xf0\x9f\x98\x80|\xc3\xa9"},
    {"a_b", "a|_|b"},
};

static void put_utf8(char **to, int32_t c)
{
    if (c < 0x80) {
        *(*to)++ = (char)c;
        return;
    }
    for (int n = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3, k = n; k >= 0; k--)
        *(*to)++ =
            (char)(k == n ? (0xF0 << (3 - n)) | (c >> (6 * k)) : 0x80 | ((c >> (6 * k)) & 63));
}

START_TEST(segments)
{
    sb_jieba *j;
    sbi_pool  pool = {0};
    sbi_str   s;
    sbi_strs  out;
    uint32_t  flags = 0;
    char      text[256], *at = text;
    jieba_data_write(jieba_data_good);
    ck_assert_msg(sb_jieba_open(jieba_data_folder, &j) == SB_OK, "%s", sb_error_text());
    ck_assert_str_eq(sb_jieba_folder(j), jieba_data_folder);
    ck_assert_uint_eq(strlen(sb_jieba_sha256(j)), 64);
    ck_assert_int_eq(sbi_decode(&pool, sb_text_of(cuts[_i].text), &s, &flags), SB_OK);
    ck_assert_int_eq(sbi_jieba_cut(j, &pool, s, &out), SB_OK);
    for (int64_t i = 0; i < out.n; i++) {
        if (i > 0)
            *at++ = '|';
        for (int64_t k = 0; k < out.s[i].n; k++)
            put_utf8(&at, out.s[i].c[k]);
    }
    *at = '\0';
    ck_assert_str_eq(text, cuts[_i].cut);
    sbi_pool_free(&pool);
    sb_jieba_close(j);
}
END_TEST

static const struct {
    int         file;
    const char *text, *says;
} bad[] = {
    {0, NULL, "python3-jieba"},
    {0, "", "no word in it"},
    {0, A "\n", "dict.txt:1: no word, blank and count"},
    {0, A " 1 n\n" B " x n\n", "dict.txt:2: no count"},
    {0, A " -1 n\n", "no count"},
    {0, A " 1x n\n", "no count"},
    {0, A " 99999999999999999999 n\n", "no count"},
    {0, A " 9223372036854775807 n\n" B " 1 n\n", "63 bits"},
    {0, A " 1 n\n\n" B " 1 n\n", "dict.txt:2"},
    {0, "\xff 1 n\n", "not UTF-8"},
    {1, NULL, "prob_start.py"},
    {1, "", "expected a line that starts with P="},
    {1, "P=[1]", "expected {"},
    {1, "P={'B' -1}", "expected :"},
    {1, "P={'B': x}", "expected a number"},
    {1, "P={'B': nan}", "expected a number"},
    {1, "P={'Q': -1}", "one of the states"},
    {1, "P={'B': -1", "expected , or }"},
    {1, "P={'B': -1} x", "expected the end"},
    {2, "P={'B': -1}", "expected {"},
    {2, "P={'B': {'Q': -1}}", "one of the states"},
    {3, "P={'B': {'\\u4e': -1}}", "four hexadecimal digits"},
    {3, "P={'B': {'\\u4e00: -1}}", "expected the string to end"},
    {3, "P={'B': {'ab': -1}}", "string of one character"},
    {3, "P={'B': {'': -1}}", "string of one character"},
    {3, "P={'B': {'\xff': -1}}", "string of one character"},
    {3, "P={\n'B': {4: -1}}", "prob_emit.py:2: expected a string"},
};

START_TEST(bad_data)
{
    const char *text[4] = {jieba_data_good[0], jieba_data_good[1], jieba_data_good[2],
                           jieba_data_good[3]};
    sb_jieba   *j       = NULL;
    text[bad[_i].file]  = bad[_i].text;
    jieba_data_write(text);
    ck_assert_int_eq(sb_jieba_open(jieba_data_folder, &j), SB_ERR_USAGE);
    ck_assert_msg(strstr(sb_error_text(), bad[_i].says) != NULL, "%s", sb_error_text());
    ck_assert_msg(strstr(sb_error_text(), jieba_data_folder) != NULL, "%s", sb_error_text());
    ck_assert_ptr_null(j);
}
END_TEST

/* The hash tells the data apart. */
START_TEST(hash)
{
    const char *text[4] = {jieba_data_good[0], jieba_data_good[1], jieba_data_good[2],
                           jieba_data_good[3]};
    sb_jieba   *a, *b;
    jieba_data_write(text);
    ck_assert_int_eq(sb_jieba_open(jieba_data_folder, &a), SB_OK);
    text[0] = A " 11 n\n";
    jieba_data_write(text);
    ck_assert_int_eq(setenv("SPANBENCH_JIEBA", jieba_data_folder, 1), 0);
    ck_assert_int_eq(sb_jieba_open(NULL, &b), SB_OK);
    ck_assert_str_ne(sb_jieba_sha256(a), sb_jieba_sha256(b));
    sb_jieba_close(a);
    sb_jieba_close(b);
    sb_jieba_close(NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("jieba");
    TCase *t     = tcase_create("jieba");
    tcase_add_checked_fixture(t, jieba_data_make, jieba_data_remove);
    tcase_add_loop_test(t, segments, 0, (int)(sizeof cuts / sizeof *cuts));
    tcase_add_loop_test(t, bad_data, 0, (int)(sizeof bad / sizeof *bad));
    tcase_add_test(t, hash);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
