/* Corpora: what counts as a word, what is read, what is passed over, what is refused, and what
 * identifies them. */
#include "tests/unit/workloads/case.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[1024]; /* fresh directory of the running test */

static const char *path(const char *name)
{
    static char buf[4][PATH_MAX];
    static int  turn;
    char       *p = buf[turn++ % 4];
    (void)snprintf(p, PATH_MAX, "%s/%s", root, name);
    return p;
}

static void write_bytes(const char *name, const void *data, size_t bytes)
{
    FILE *f = fopen(path(name), "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(data, 1, bytes, f), bytes);
    ck_assert_int_eq(fclose(f), 0);
}

static void write_text(const char *name, const char *text)
{
    write_bytes(name, text, strlen(text));
}

/* "alpha<sep>b<first><sep>alpha<sep>b<first+1>..." */
static void write_words(const char *name, int first, int last, char sep)
{
    FILE *f = fopen(path(name), "wb");
    ck_assert_ptr_nonnull(f);
    for (int i = first; i < last; i++)
        (void)fprintf(f, "alpha%cb%d%c", sep, i, sep);
    ck_assert_int_eq(fclose(f), 0);
}

static void make_dir(const char *name) { ck_assert_int_eq(mkdir(path(name), 0755), 0); }

static void set_up(void)
{
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(root, sizeof root, "%s/spanbench_corpus_XXXXXX", tmp != NULL ? tmp : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void tear_down(void)
{
    char command[PATH_MAX];
    (void)snprintf(command, sizeof command, "chmod -R u+rwX '%s' && rm -rf '%s'", root, root);
    ck_assert_int_eq(system(command), 0);
}

static sb_corpus *open_ok(const char *spec)
{
    sb_corpus *c = NULL;
    if (sb_corpus_open(spec, &c) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return c;
}

static void refused(const char *spec, sb_status want, const char *text)
{
    sb_corpus *c = NULL;
    ck_assert_int_eq(sb_corpus_open(spec, &c), want);
    ck_assert_ptr_null(c);
    if (strstr(sb_error_text(), text) == NULL || strstr(sb_error_text(), "corpus ") == NULL)
        ck_abort_msg("found: %s; wanted: %s", sb_error_text(), text);
}

/* sha256 of the 1200 words, each with a line feed, by an independent program. */
#define WORDS_SHA "5d28eb2acb35754fb23fdabba71dee520e7b69d8174f8b832440ea1fbc3fb340"

START_TEST(words_in_order_identify_a_corpus)
{
    write_words("one.txt", 0, 600, ' ');
    sb_corpus *c = open_ok(root);
    ck_assert_int_eq(c->n_words, 1200);
    ck_assert_int_eq(c->n_files, 1);
    ck_assert_str_eq(c->sha256, WORDS_SHA);
    ck_assert_str_eq(c->name, root);
    ck_assert_uint_eq(c->word_hash[0], c->word_hash[2]); /* alpha */
    ck_assert_uint_ne(c->word_hash[1], c->word_hash[3]);
    sb_corpus_close(c);
}
END_TEST

/* Files in byte order of names, depth first; the split over files and the separators do not matter.
 */
START_TEST(files_are_read_in_path_order)
{
    make_dir("B");
    make_dir("B/deep");
    make_dir("a");
    write_words("a/z", 450, 600, '\n');
    write_words("B/deep/x.rst", 150, 300, '-');
    write_words("B/zz.md", 300, 450, '\t');
    write_words("A.txt", 0, 150, '.');
    sb_corpus *c = open_ok(root);
    ck_assert_int_eq(c->n_files, 4);
    ck_assert_str_eq(c->sha256, WORDS_SHA);
    sb_corpus_close(c);
}
END_TEST

START_TEST(a_word_is_a_run_of_letters_digits_and_apostrophes)
{
    write_words("filling.txt", 0, 600, ' ');
    write_text("a.txt", "don't Don't caf\xc3\xa9;x2--y  \r\n\"last");
    sb_corpus *c = open_ok(root);
    ck_assert_int_eq(c->n_words, 1200 + 6); /* don't, Don't, café, x2, y, last */
    ck_assert_uint_ne(c->word_hash[0], c->word_hash[1]);
    sb_corpus_close(c);
}
END_TEST

START_TEST(what_is_no_text_is_passed_over)
{
    static const char zero[] = "a\0b";
    write_words("one.txt", 0, 600, ' ');
    write_bytes("binary", zero, sizeof zero);
    write_text("packed.gz", "words words words");
    write_text("empty.txt", "");
    ck_assert_int_eq(mkfifo(path("fifo"), 0600), 0);
    ck_assert_int_eq(symlink("nowhere", path("dangling")), 0);
    sb_corpus *c = open_ok(root);
    ck_assert_int_eq(c->n_files, 1);
    ck_assert_str_eq(c->sha256, WORDS_SHA);
    sb_corpus_close(c);
}
END_TEST

START_TEST(a_late_nul_is_a_separator)
{
    char *text = malloc(8192);
    ck_assert_ptr_nonnull(text);
    for (int i = 0; i < 8192; i++)
        text[i] = i % 4 == 3 ? ' ' : 'w';
    text[5000] = '\0';
    write_bytes("late.txt", text, 8192);
    sb_corpus *c = open_ok(root);
    ck_assert_int_eq(c->n_files, 1);
    ck_assert_int_ge(c->n_words, 2048);
    sb_corpus_close(c);
    free(text);
}
END_TEST

START_TEST(links_to_files_are_followed_and_loops_are_not)
{
    make_dir("sub");
    write_words("sub/one.txt", 0, 600, ' ');
    ck_assert_int_eq(symlink("..", path("sub/up")), 0);
    ck_assert_int_eq(symlink(".", path("here")), 0);
    sb_corpus *c = open_ok(root);
    ck_assert_int_eq(c->n_files, 1);
    ck_assert_str_eq(c->sha256, WORDS_SHA);
    sb_corpus_close(c);

    ck_assert_int_eq(symlink("sub/one.txt", path("again.txt")), 0);
    c = open_ok(root);
    ck_assert_int_eq(c->n_files, 2);
    ck_assert_int_eq(c->n_words, 2400);
    sb_corpus_close(c);

    ck_assert_int_eq(symlink("sub", path("root_link")), 0); /* the root itself may be a link */
    c = open_ok(path("root_link"));
    ck_assert_str_eq(c->sha256, WORDS_SHA);
    sb_corpus_close(c);
}
END_TEST

START_TEST(directories_without_enough_text_are_refused)
{
    refused(path("missing"), SB_ERR_USAGE, "no such directory");
    refused("", SB_ERR_USAGE, "empty path");
    refused(root, SB_ERR_USAGE, "no text file found (0 empty, binary or .gz files passed over)");
    write_bytes("binary", "\0\1\2", 3);
    write_text("x.gz", "text");
    refused(root, SB_ERR_USAGE, "no text file found (2 empty, binary or .gz files passed over)");
    write_text("few.txt", "one two three");
    refused(root, SB_ERR_USAGE, "3 words in 1 text files; at least 1000 needed");
    refused(path("few.txt"), SB_ERR_USAGE, "not a directory");
    refused(path("few.txt/x"), SB_ERR_IO, "Not a directory");
}
END_TEST

START_TEST(unreadable_files_are_an_error_that_names_them)
{
    if (geteuid() == 0)
        return; /* root reads everything */
    write_words("one.txt", 0, 600, ' ');
    write_text("secret.txt", "words");
    ck_assert_int_eq(chmod(path("secret.txt"), 0), 0);
    refused(root, SB_ERR_IO, "secret.txt: Permission denied");
    ck_assert_int_eq(unlink(path("secret.txt")), 0);
    make_dir("closed");
    ck_assert_int_eq(chmod(path("closed"), 0), 0);
    refused(root, SB_ERR_IO, "closed: Permission denied");
}
END_TEST

START_TEST(too_much_text_is_refused)
{
    int64_t was = sbi_corpus_max_bytes;
    write_words("a.txt", 0, 600, ' ');
    write_words("b.txt", 0, 600, ' ');
    sbi_corpus_max_bytes = 8000;
    refused(root, SB_ERR_USAGE, "more than 8000 bytes of text (reached at ");
    sbi_corpus_max_bytes = was;
    sb_corpus *c         = open_ok(root);
    ck_assert_int_eq(c->n_words, 2400);
    sb_corpus_close(c);
}
END_TEST

START_TEST(a_sparse_giant_is_refused_unread)
{
    write_words("a.txt", 0, 600, ' ');
    write_words("giant.txt", 0, 1000, ' ');
    ck_assert_int_eq(truncate(path("giant.txt"), (off_t)1 << 40), 0);
    refused(root, SB_ERR_USAGE, "giant.txt");
}
END_TEST

START_TEST(zipf_has_no_words_but_an_identity)
{
    sb_corpus *c = open_ok("zipf");
    ck_assert_ptr_null(c->word_hash);
    ck_assert_int_eq(c->n_words, 0);
    ck_assert_str_eq(c->name, "zipf");
    ck_assert_uint_eq(strlen(c->sha256), 64);
    sb_corpus_close(c);
    sb_corpus_close(NULL);
}
END_TEST

START_TEST(the_default_is_the_licence_texts)
{
    if (access(SB_CORPUS_DEFAULT_PATH, R_OK | X_OK) != 0)
        return; /* not a Debian system */
    sb_corpus *c = open_ok("default");
    ck_assert_str_eq(c->name, SB_CORPUS_DEFAULT_PATH);
    ck_assert_int_gt(c->n_words, 10000);
    sb_corpus_close(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("corpus");
    TCase *t = tcase_create("corpus");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_add_test(t, words_in_order_identify_a_corpus);
    tcase_add_test(t, files_are_read_in_path_order);
    tcase_add_test(t, a_word_is_a_run_of_letters_digits_and_apostrophes);
    tcase_add_test(t, what_is_no_text_is_passed_over);
    tcase_add_test(t, a_late_nul_is_a_separator);
    tcase_add_test(t, links_to_files_are_followed_and_loops_are_not);
    tcase_add_test(t, directories_without_enough_text_are_refused);
    tcase_add_test(t, unreadable_files_are_an_error_that_names_them);
    tcase_add_test(t, too_much_text_is_refused);
    tcase_add_test(t, a_sparse_giant_is_refused_unread);
    tcase_add_test(t, zipf_has_no_words_but_an_identity);
    tcase_add_test(t, the_default_is_the_licence_texts);
    suite_add_tcase(s, t);
    return run_suite(s);
}
