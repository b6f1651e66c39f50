/* Word lists: the order of niah's list without keeping it, against a list made the plain way;
 * errors; wonderwords 2.2.0 itself where it could be downloaded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "workloads/base/rng_cpython.h"
#include "workloads/base/sha256.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static sb_ruler_words *open_here(const char *nouns, const char *adjectives, const char *verbs)
{
    sb_ruler_words *w = NULL;
    (void)put_text("nounlist.txt", nouns);
    (void)put_text("adjectivelist.txt", adjectives);
    (void)put_text("verblist.txt", verbs);
    if (sb_ruler_words_open(folder(), NULL, NULL, &w) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return w;
}

static char *join(const char *a, const char *b)
{
    char *s = malloc(strlen(a) + strlen(b) + 2);
    ck_assert_ptr_nonnull(s);
    (void)sprintf(s, "%s-%s", a, b);
    return s;
}

/* Every adjective with every noun, sorted, doubles out. */
static void check_pairs(const sb_ruler_words *w, const char *const *adjectives,
                        const char *const *nouns)
{
    char  *all[4096];
    size_t n = 0, kept = 0;
    for (size_t a = 0; adjectives[a] != NULL; a++)
        for (size_t b = 0; nouns[b] != NULL; b++)
            all[n++] = join(adjectives[a], nouns[b]);
    qsort(all, n, sizeof *all, by_text);
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && strcmp(all[i], all[i - 1]) == 0)
            continue;
        const char *adjective, *noun;
        char       *got;
        sb_ruler_words_pair(w, (int64_t)kept++, &adjective, &noun);
        got = join(adjective, noun);
        ck_assert_str_eq(got, all[i]);
        free(got);
    }
    ck_assert_int_eq(sb_ruler_words_n_pairs(w), (int64_t)kept);
    for (size_t i = 0; i < n; i++)
        free(all[i]);
}

START_TEST(order_without_the_list)
{
    /* families within families, an adjective whose end meets a noun's beginning, characters below
     * and above the hyphen */
    static const char *const adjectives[] = {"old",
                                             "old-fashioned",
                                             "old-fashioned-red",
                                             "old fashioned",
                                             "older",
                                             "old+new",
                                             "red",
                                             "red-hot",
                                             "x",
                                             "jalape\xc3\xb1o",
                                             "ol",
                                             "\xe2\x82\xac",
                                             NULL};
    static const char *const nouns[]      = {
             "fashioned-cat", "cat", "red-cat",           "hot-cat", "a b",
             "zoo",           "ATM", "\xc3\xa9t\xc3\xa9", NULL};
    sb_ruler_words *w = open_here(
        "zoo\ncat \r\nfashioned-cat\ncat\nred-cat\nhot-cat\t\na b\nATM\n\xc3\xa9t\xc3\xa9",
        "x\nold-fashioned-red\nold\nold "
        "fashioned\nolder\nold+new\nred-hot\nred\nold-fashioned\nold\njalape\xc3\xb1o\nol\n"
        "\xe2\x82\xac\n",
        "go\ncat\n");
    check_pairs(w, adjectives, nouns);
    ck_assert_int_eq(sb_ruler_words_n_all(w), 8 + 12 + 1);
    ck_assert_str_eq(sb_ruler_words_version(w), "unknown");
    sb_ruler_words_close(w);
}
END_TEST

START_TEST(wrong_files_are_named)
{
    sb_ruler_words *w = NULL;
    expect_error(sb_ruler_words_open(folder(), NULL, NULL, &w), SB_ERR_IO, "nounlist.txt");
    (void)put_text("nounlist.txt", "cat\n");
    expect_error(sb_ruler_words_open(folder(), NULL, NULL, &w), SB_ERR_IO, "adjectivelist.txt");
    (void)put_text("adjectivelist.txt", "");
    (void)put_text("verblist.txt", "go\n");
    expect_error(sb_ruler_words_open(folder(), NULL, NULL, &w), SB_ERR_USAGE,
                 "adjectivelist.txt: no words");
    (void)put_file("adjectivelist.txt", "red\nol\0d\n", 9);
    expect_error(sb_ruler_words_open(folder(), NULL, NULL, &w), SB_ERR_USAGE,
                 "adjectivelist.txt: line 2, byte 3: a NUL byte");
    (void)put_text("adjectivelist.txt", "red\nblue\xff\n");
    expect_error(sb_ruler_words_open(folder(), NULL, NULL, &w), SB_ERR_USAGE,
                 "adjectivelist.txt: line 2, byte 5: not UTF-8");
    (void)put_text("adjectivelist.txt", "red\n");
    expect_error(sb_ruler_words_open(folder(), NULL, "2.2.0", &w), SB_ERR_USAGE,
                 "nounlist.txt has sha256");
    expect_error(sb_ruler_words_open(folder(), NULL, "9", &w), SB_ERR_USAGE, "wonderwords 9");
    expect_error(sb_ruler_words_open(folder(), put_text("e.json", "[1]"), NULL, &w), SB_ERR_USAGE,
                 "e.json: an array");
    expect_error(sb_ruler_words_open(folder(), put_text("e.json", "{\"0\": 1}"), NULL, &w),
                 SB_ERR_USAGE, "e.json: 0: a number");
    expect_error(sb_ruler_words_open(folder(), put_text("e.json", "{\"0\": \"a\""), NULL, &w),
                 SB_ERR_USAGE, "e.json: line 1");
    ck_assert_ptr_null(w);
}
END_TEST

START_TEST(english_words_keep_their_order)
{
    sb_ruler_words *w = NULL;
    (void)put_text("nounlist.txt", "cat\n");
    (void)put_text("adjectivelist.txt", "red\n");
    (void)put_text("verblist.txt", "go\n");
    ck_assert_int_eq(
        sb_ruler_words_open(folder(),
                            put_text("e.json", "{\"1\": \"zoo\", \"0\": \"ant\", \"x\": \"bee\"}"),
                            NULL, &w),
        SB_OK);
    ck_assert_int_eq(sb_ruler_words_n_english(w), 3);
    ck_assert_str_eq(sb_ruler_words_english(w)[0], "zoo");
    ck_assert_str_eq(sb_ruler_words_english(w)[2], "bee");
    ck_assert_int_eq((int)strlen(sb_ruler_words_english_sha256(w)), 64);
    sb_ruler_words_close(w);
}
END_TEST

/* sha256 of all strings, each with a line feed, from CPython's sorted(set(...)). */
START_TEST(wonderwords_2_2_0)
{
    sb_ruler_words *w = open_wonderwords();
    const char     *adjective, *noun;
    sbi_sha256      h;
    char            hex[65];
    sb_mt           r;
    int64_t         index;
    ck_assert_str_eq(sb_ruler_words_version(w), "2.2.0");
    ck_assert_int_eq(sb_ruler_words_n_pairs(w), 6175260);
    ck_assert_int_eq(sb_ruler_words_n_all(w), 8169);
    sb_mt_seed_python(&r, 42);
    index = sb_mt_below(&r, sb_ruler_words_n_pairs(w));
    ck_assert_int_eq(index, 5363900);
    sb_ruler_words_pair(w, index, &adjective, &noun);
    ck_assert_str_eq(adjective, "tenuous");
    ck_assert_str_eq(noun, "hospice");
    ck_assert_int_eq(sb_mt_randint(&r, 1000000, 9999999), 2867825);
    sbi_sha256_init(&h);
    for (int64_t i = 0; i < 6175260; i++) {
        char line[128];
        int  n;
        sb_ruler_words_pair(w, i, &adjective, &noun);
        n = snprintf(line, sizeof line, "%s-%s\n", adjective, noun);
        sbi_sha256_put(&h, line, (size_t)n);
    }
    ck_assert_int_eq(sbi_sha256_hex(&h, hex), SB_OK);
    ck_assert_str_eq(hex, "580c302cb6895a55829c7b24a9a1bf2d9caa00053b24738fc153de0167346ca5");
    sbi_sha256_init(&h);
    for (int64_t i = 0; i < 8169; i++) {
        sbi_sha256_put(&h, sb_ruler_words_all(w)[i], strlen(sb_ruler_words_all(w)[i]));
        sbi_sha256_put(&h, "\n", 1);
    }
    ck_assert_int_eq(sbi_sha256_hex(&h, hex), SB_OK);
    ck_assert_str_eq(hex, "10feb3d31855a30984bf97fb0f252cb16a2c20ab3e832360ae9b122c28273b10");
    sb_ruler_words_close(w);
}
END_TEST

int main(void)
{
    TCase          *t = tcase_create("words");
    sb_ruler_words *w = open_wonderwords();
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, order_without_the_list);
    tcase_add_test(t, wrong_files_are_named);
    tcase_add_test(t, english_words_keep_their_order);
    if (w != NULL)
        tcase_add_test(t, wonderwords_2_2_0);
    else
        (void)puts("wonderwords 2.2.0 is not here: its list is not checked");
    sb_ruler_words_close(w);
    return run_suite_of("ruler_words", t);
}
