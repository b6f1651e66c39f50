/* The cache of row files: what is stored comes back, what is damaged does not, and of two
 * processes one makes. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness/gen/cache.h"
#include "tests/unit/harness/gen/scratch.h"

#define ROWS_FILE "c/sets/ab/" KEY ".rows"
#define SUM_FILE "c/sets/ab/" KEY ".sum"

static sb_gen_cache *open_cache(void)
{
    sb_gen_cache *c = NULL;
    ck_assert_msg(sb_gen_cache_open(in_scratch("c"), &c) == SB_OK, "%s", sb_error_text());
    return c;
}

static void store(sb_gen_cache *c, const char *rows, const char *note)
{
    sb_gen_cache_lock *l = NULL;
    put_file(in_scratch("made"), rows);
    ck_assert_int_eq(sb_gen_cache_lock_key(c, KEY, NULL, NULL, &l), SB_OK);
    ck_assert_msg(sb_gen_cache_store(l, in_scratch("made"), note) == SB_OK, "%s", sb_error_text());
    sb_gen_cache_unlock(l);
}

static sb_gen_cache_hit fetch(sb_gen_cache *c)
{
    sb_gen_cache_hit hit;
    ck_assert_msg(sb_gen_cache_fetch(c, KEY, in_scratch("dest"), &hit) == SB_OK, "%s",
                  sb_error_text());
    return hit;
}

/* A miss; damaged says whether it is one that is told. dest must not have been touched. */
static void check_miss(sb_gen_cache *c, int damaged)
{
    put_file(in_scratch("dest"), "older\n");
    sb_gen_cache_hit hit = fetch(c);
    ck_assert_int_eq(hit.found, 0);
    ck_assert_ptr_null(hit.note);
    ck_assert_int_eq(hit.damaged != NULL, damaged);
    if (damaged)
        ck_assert_msg(strstr(hit.damaged, ROWS_FILE) != NULL &&
                          strstr(hit.damaged, "removed") != NULL,
                      "%s", hit.damaged);
    check_file(in_scratch("dest"), "older\n");
    sb_gen_cache_hit_fini(&hit);
}

START_TEST(what_is_stored_comes_back)
{
    sb_gen_cache *c = open_cache();
    check_miss(c, 0);
    store(c, "abc", "3 rows");
    sb_gen_cache_hit hit = fetch(c);
    ck_assert_int_eq(hit.found, 1);
    ck_assert_str_eq(hit.note, "3 rows");
    /* FIPS 180-2, appendix B.1 */
    ck_assert_str_eq(hit.sha256,
                     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    check_file(in_scratch("dest"), "abc");
    sb_gen_cache_hit_fini(&hit);
    put_file(in_scratch("dest"), "edited"); /* a copy, not the entry itself */
    hit = fetch(c);
    ck_assert_int_eq(hit.found, 1);
    check_file(in_scratch("dest"), "abc");
    sb_gen_cache_hit_fini(&hit);
    store(c, "", ""); /* over what is there; nothing at all is an entry too */
    hit = fetch(c);
    ck_assert_int_eq(hit.found, 1);
    ck_assert_str_eq(hit.note, "");
    check_file(in_scratch("dest"), "");
    sb_gen_cache_hit_fini(&hit);
    sb_gen_cache_close(c);
}
END_TEST

/* What happens to the two files of an entry, and whether that is told. */
static const struct damage {
    const char *file;
    long        cut_to, flip_at; /* -1: no */
    int         told;
} damages[] = {
    {ROWS_FILE, -1, 0, 1}, {ROWS_FILE, 2, -1, 1},  {ROWS_FILE, -1, -1, 1}, /* neither: removed */
    {SUM_FILE, -1, 0, 1},  {SUM_FILE, -1, 64, 1},  {SUM_FILE, -1, 70, 1},  {SUM_FILE, -1, 131, 1},
    {SUM_FILE, 0, -1, 1},  {SUM_FILE, 100, -1, 1}, {SUM_FILE, -1, -1, 0}, /* as a maker that died
                                                                             leaves it */
};

START_TEST(a_damaged_entry_is_told_and_made_anew)
{
    const struct damage *d = &damages[_i];
    sb_gen_cache        *c = open_cache();
    store(c, "abc", "note");
    if (d->cut_to >= 0)
        ck_assert_int_eq(truncate(in_scratch(d->file), d->cut_to), 0);
    else if (d->flip_at >= 0) {
        FILE *f = fopen(in_scratch(d->file), "r+b");
        ck_assert_ptr_nonnull(f);
        ck_assert_int_eq(fseek(f, d->flip_at, SEEK_SET), 0);
        ck_assert_int_ne(fputc('#', f), EOF);
        ck_assert_int_eq(fclose(f), 0);
    } else
        ck_assert_int_eq(unlink(in_scratch(d->file)), 0);
    check_miss(c, d->told);
    check_miss(c, 0); /* removed: told once */
    if (d->told)
        ck_assert_int_ne(access(in_scratch(ROWS_FILE), F_OK), 0);
    store(c, "abc", "note");
    sb_gen_cache_hit hit = fetch(c);
    ck_assert_int_eq(hit.found, 1);
    sb_gen_cache_hit_fini(&hit);
    sb_gen_cache_close(c);
}
END_TEST

/* ---- two processes ---- */

enum { PROCESSES = 4 };

/* As a caller does it; made gets one byte for each time that rows were made. */
static int ask_once(const char *dest)
{
    sb_gen_cache      *c   = NULL;
    sb_gen_cache_lock *l   = NULL;
    sb_gen_cache_hit   hit = {0};
    sb_status          st  = sb_gen_cache_open(in_scratch("c"), &c);
    if (st == SB_OK)
        st = sb_gen_cache_lock_key(c, KEY, NULL, NULL, &l);
    if (st == SB_OK)
        st = sb_gen_cache_fetch(c, KEY, dest, &hit);
    if (st == SB_OK && !hit.found) {
        FILE *count = fopen(in_scratch("count"), "ab");
        if (count == NULL || fputc('x', count) == EOF || fclose(count) != 0)
            return 1;
        (void)nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL); /* the others wait */
        put_file(dest, "rows\n");
        st = sb_gen_cache_store(l, dest, "1");
    }
    int bad = st != SB_OK || hit.damaged != NULL;
    sb_gen_cache_hit_fini(&hit);
    sb_gen_cache_unlock(l);
    sb_gen_cache_close(c);
    return bad;
}

START_TEST(one_makes_the_others_wait_and_read)
{
    pid_t child[PROCESSES];
    char  dest[PROCESSES][128];
    for (int i = 0; i < PROCESSES; i++) {
        (void)snprintf(dest[i], sizeof dest[i], "%s/dest%d", scratch, i);
        if ((child[i] = fork()) == 0)
            _exit(ask_once(dest[i]));
        ck_assert_int_gt(child[i], 0);
    }
    for (int i = 0; i < PROCESSES; i++) {
        int how;
        ck_assert_int_eq(waitpid(child[i], &how, 0), child[i]);
        ck_assert_int_eq(how, 0);
        check_file(dest[i], "rows\n");
    }
    check_file(in_scratch("count"), "x");
}
END_TEST

START_TEST(a_maker_that_dies_leaves_no_lock_and_no_entry)
{
    sb_gen_cache *c = open_cache();
    int           ready[2];
    char          byte;
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        sb_gen_cache_lock *l = NULL;
        if (sb_gen_cache_lock_key(c, KEY, NULL, NULL, &l) != SB_OK)
            _exit(1);
        put_file(in_scratch(ROWS_FILE), "rows without a sum");
        put_file(in_scratch(SUM_FILE ".partial-1"), "half");
        (void)!write(ready[1], "x", 1);
        (void)pause();
        _exit(1);
    }
    ck_assert_int_eq(read(ready[0], &byte, 1), 1);
    check_miss(c, 0);
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    store(c, "abc", "");
    sb_gen_cache_hit hit = fetch(c);
    ck_assert_int_eq(hit.found, 1);
    ck_assert_int_ne(access(in_scratch(SUM_FILE ".partial-1"), F_OK), 0); /* swept */
    sb_gen_cache_hit_fini(&hit);
    sb_gen_cache_close(c);
    (void)close(ready[0]);
    (void)close(ready[1]);
}
END_TEST

static int third_time(void *arg) { return ++*(int *)arg == 3; }

START_TEST(waiting_can_be_stopped)
{
    sb_gen_cache      *c    = open_cache();
    sb_gen_cache_lock *held = NULL, *other = NULL;
    int                asked = 0;
    ck_assert_int_eq(sb_gen_cache_lock_key(c, KEY, NULL, NULL, &held), SB_OK);
    ck_assert_int_eq(sb_gen_cache_lock_key(c, KEY, third_time, &asked, &other), SB_ERR_STOPPED);
    ck_assert_int_eq(asked, 3);
    ck_assert_ptr_null(other);
    sb_gen_cache_unlock(held);
    ck_assert_int_eq(sb_gen_cache_lock_key(c, KEY, third_time, &asked, &other), SB_OK);
    sb_gen_cache_unlock(other);
    sb_gen_cache_close(c);
}
END_TEST

/* ---- where, and where not ---- */

static void check_dir(const char *own, const char *xdg, const char *user, const char *want)
{
    sb_gen_cache *c = NULL;
    ck_assert_int_eq(setenv("SPAN_CACHE_DIR", own, 1), 0);
    ck_assert_int_eq(setenv("XDG_CACHE_HOME", xdg, 1), 0);
    ck_assert_int_eq(setenv("HOME", user, 1), 0);
    ck_assert_msg(sb_gen_cache_open(NULL, &c) == SB_OK, "%s", sb_error_text());
    ck_assert_str_eq(sb_gen_cache_dir(c), want);
    sb_gen_cache_close(c);
}

START_TEST(the_folder_is_the_first_that_is_named)
{
    sb_gen_cache *c = NULL;
    check_dir(in_scratch("own"), in_scratch("xdg"), in_scratch("home"), in_scratch("own"));
    check_dir("", in_scratch("xdg"), in_scratch("home"), in_scratch("xdg/spanbench"));
    check_dir("", "", in_scratch("home"), in_scratch("home/.cache/spanbench"));
    check_dir("", "relative", in_scratch("home"), in_scratch("home/.cache/spanbench"));
    ck_assert_int_eq(unsetenv("HOME"), 0);
    ck_assert_int_eq(sb_gen_cache_open(NULL, &c), SB_ERR_IO);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "SPAN_CACHE_DIR"));
    ck_assert_ptr_null(c);
}
END_TEST

START_TEST(a_folder_that_cannot_be_written_is_told)
{
    sb_gen_cache *c = NULL;
    put_file(in_scratch("file"), "");
    ck_assert_int_eq(sb_gen_cache_open(in_scratch("file"), &c), SB_ERR_IO);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "Not a directory"));
    ck_assert_int_eq(sb_gen_cache_open("/proc/self/cache", &c), SB_ERR_IO); /* for root too */
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "/proc/self/cache"));
    if (geteuid() != 0) {
        ck_assert_int_eq(mkdir(in_scratch("c"), 0777) | mkdir(in_scratch("c/sets"), 0555), 0);
        ck_assert_int_eq(sb_gen_cache_open(in_scratch("c"), &c), SB_ERR_IO);
        ck_assert_ptr_nonnull(strstr(sb_error_text(), "Permission denied"));
    }
    ck_assert_ptr_null(c);
}
END_TEST

/* A limit on the size of files stands for a full disk: the old entry is gone, no half one there. */
START_TEST(no_room_leaves_no_entry)
{
    sb_gen_cache      *c = open_cache();
    sb_gen_cache_lock *l = NULL;
    struct rlimit      old, small;
    store(c, "abc", "note");
    put_file(in_scratch("made"), "more than sixteen bytes of rows");
    ck_assert_int_eq(sb_gen_cache_lock_key(c, KEY, NULL, NULL, &l), SB_OK);
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = (struct rlimit){.rlim_cur = _i == 0 ? 16 : 40, .rlim_max = old.rlim_max};
    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    sb_status st = sb_gen_cache_store(l, in_scratch("made"), "note"); /* 40: the sum does not fit */
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_DFL);
    ck_assert_int_eq(st, SB_ERR_IO);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "File too large"));
    sb_gen_cache_unlock(l);
    check_miss(c, 0);
    sb_gen_cache_close(c);
}
END_TEST

START_TEST(bad_calls)
{
    sb_gen_cache      *c = open_cache();
    sb_gen_cache_lock *l = NULL;
    sb_gen_cache_hit   hit;
    ck_assert_int_eq(sb_gen_cache_fetch(c, "../x", in_scratch("d"), &hit), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_gen_cache_lock_key(c, "AB" KEY, NULL, NULL, &l), SB_ERR_INTERNAL);
    store(c, "abc", "");
    ck_assert_int_eq(sb_gen_cache_fetch(c, KEY, in_scratch("no/such"), &hit), SB_ERR_IO);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "no/such"));
    ck_assert_int_eq(sb_gen_cache_lock_key(c, KEY, NULL, NULL, &l), SB_OK);
    ck_assert_int_eq(sb_gen_cache_store(l, in_scratch("not there"), ""), SB_ERR_IO);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "not there"));
    sb_gen_cache_unlock(l);
    sb_gen_cache_close(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("gen_cache");
    TCase *t = tcase_create("cache");
    tcase_add_checked_fixture(t, scratch_make, scratch_remove);
    tcase_set_timeout(t, 60);
    tcase_add_test(t, what_is_stored_comes_back);
    tcase_add_loop_test(t, a_damaged_entry_is_told_and_made_anew, 0,
                        (int)(sizeof damages / sizeof damages[0]));
    tcase_add_test(t, one_makes_the_others_wait_and_read);
    tcase_add_test(t, a_maker_that_dies_leaves_no_lock_and_no_entry);
    tcase_add_test(t, waiting_can_be_stopped);
    tcase_add_test(t, the_folder_is_the_first_that_is_named);
    tcase_add_test(t, a_folder_that_cannot_be_written_is_told);
    tcase_add_loop_test(t, no_room_leaves_no_entry, 0, 2);
    tcase_add_test(t, bad_calls);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
