/* Where a database may lie: network mounts (statfs(2) is faked by the linker's --wrap, whose names
 * have two underscores) and full disks. Read-only places are in test_store.c. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/results/facts.h"
#include "tests/unit/results/main.h"

int __real_statfs(const char *path, struct statfs *info);
int __wrap_statfs(const char *path, struct statfs *info);

static unsigned magic; /* 0: what the file lies on */

int __wrap_statfs(const char *path, struct statfs *info)
{
    int rc = __real_statfs(path, info);
    if (rc == 0 && magic != 0)
        info->f_type = (__fsword_t)magic;
    return rc;
}

static char  dir[256];
static char *path;

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", facts_dir());
    path                = strdup(facts_path(dir, "t.db"));
    sbi_busy_timeout_ms = 50;
    magic               = 0;
}

static void teardown(void)
{
    facts_remove(dir);
    free(path);
}

static void put_rows(const char *file, int64_t first, int64_t last)
{
    sb_store *s   = facts_open(file, SB_STORE_WRITE);
    int64_t   run = facts_run(s, "c", 0);
    for (int64_t row = first; row < last; row++) {
        sb_sample_facts f =
            facts_ok(run, facts_point(s, (sb_point_facts){0}), facts_input(s, row), 1, 10);
        facts_put(s, &f);
    }
    sb_store_close(s);
}

/* statfs(2), and the names that an error or a warning gives them */
static const struct {
    unsigned    magic;
    const char *name;
} mounts[] = {{0x6969, "NFS"},      {0x0BD00BD0, "Lustre"}, {0x47504653, "GPFS"},
              {0xFF534D42, "CIFS"}, {0x19830326, "BeeGFS"}, {0x65735546, "FUSE"},
              {0xEF53, NULL},       {0x01021994, NULL},     {0x58465342, NULL}};
START_TEST(network_mounts_are_known)
{
    put_rows(path, 0, 1);
    magic = mounts[_i].magic;
    if (mounts[_i].name == NULL)
        ck_assert_ptr_null(sbi_network_fs(path));
    else
        ck_assert_str_eq(sbi_network_fs(path), mounts[_i].name);
}
END_TEST

static void to_wal(const char *file)
{
    sqlite3 *db = NULL;
    ck_assert_int_eq(sqlite3_open(file, &db), SQLITE_OK);
    FACTS_OK(sbi_exec(db, file, "PRAGMA journal_mode = WAL; UPDATE sample SET n_gen = 3"));
    sqlite3_close(db);
    ck_assert_int_eq(sbi_is_wal(file), 1);
}

/* Nobody reads a write-ahead log over the network; a writer turns it off first, and makes none. */
START_TEST(no_write_ahead_log_on_a_network)
{
    sb_store   *s      = NULL;
    const char *file[] = {path};
    char       *said   = NULL;
    size_t      n      = 0;
    put_rows(path, 0, 2);
    to_wal(path);
    sb_store_close(facts_open(path, SB_STORE_READ)); /* here it may */
    magic   = 0x6969;
    FILE *f = open_memstream(&said, &n);
    ck_assert_int_eq(sb_store_open(path, SB_STORE_READ, &s), SB_ERR_IO);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "write-ahead log, which NFS cannot carry"));
    ck_assert_int_eq(sb_store_check(path, f), SB_ERR_IO);
    ck_assert_int_ne(sb_store_merge(facts_path(dir, "main.db"), file, 1, f), SB_OK);
    (void)fclose(f);
    ck_assert_ptr_nonnull(strstr(said, "refused: "));
    ck_assert_ptr_nonnull(strstr(said, "NFS"));
    free(said);
    sb_store_close(facts_open(path, SB_STORE_WRITE));
    ck_assert_int_eq(sbi_is_wal(path), 0);
    ck_assert_int_eq(access(facts_path(dir, "t.db-wal"), F_OK), -1);
    ck_assert_int_eq(facts_int(path, "SELECT sum(n_gen) FROM sample"), 6);
    put_rows(path, 2, 3); /* and it stays so */
    ck_assert_int_eq(sbi_is_wal(path), 0);
    ck_assert_int_eq(access(facts_path(dir, "t.db-shm"), F_OK), -1);
}
END_TEST

/* A child in which no file may grow beyond `limit` bytes; its exit code. */
static int with_limit(rlim_t limit, int (*what)(void))
{
    int status = 0;
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, limit});
        _exit(what());
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(WIFEXITED(status), 1);
    return WEXITSTATUS(status);
}

static int put_until_full(void)
{
    sb_store *s = NULL;
    if (sb_store_open(path, SB_STORE_WRITE, &s) != SB_OK)
        return 90;
    int64_t run = facts_run(s, "full", 0), point = facts_point(s, (sb_point_facts){0});
    for (int row = 10; row < 90; row++) {
        sb_sample_facts f = facts_ok(run, point, 1, 1, 10);
        sb_sample_facts g = f;
        char            text[4000];
        memset(text, 'x', sizeof text - 1);
        text[sizeof text - 1] = '\0';
        g.prediction          = text;
        g.input_id            = row - 9;
        sb_status st          = sb_store_put_sample(s, &g);
        if (st != SB_OK) { /* the disk is full: it says so, and what was stored before stays */
            int fine = st == SB_ERR_IO && strstr(sb_error_text(), path) != NULL;
            sb_store_close(s);
            return fine ? row - 10 : 91;
        }
    }
    return 92;
}

START_TEST(a_full_disk_keeps_whole_samples)
{
    int64_t bytes = 0;
    put_rows(path, 0, 80);
    FACTS_OK(sbi_file_bytes(path, &bytes));
    int n = with_limit((rlim_t)bytes + 100000, put_until_full);
    ck_assert_int_gt(n, 5);
    ck_assert_int_lt(n, 80);
    FACTS_OK(sb_store_check(path, stdout));
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM sample"), 80 + n);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM score"), 80 + n);
    put_rows(path, 100, 101); /* there is room again */
    FACTS_OK(sb_store_check(path, stdout));
}
END_TEST

static int merge_until_full(void)
{
    char        name[2][300];
    const char *shards[2];
    FILE       *none = fopen("/dev/null", "w");
    for (int i = 0; i < 2; i++) {
        (void)snprintf(name[i], sizeof name[i], "%s/s%d.db", dir, i);
        shards[i] = name[i];
    }
    sb_status st = sb_store_merge(path, shards, 2, none);
    return st == SB_ERR_IO ? 0 : 1;
}

/* One transaction a shard: the one that does not fit leaves nothing of itself. */
START_TEST(a_full_disk_keeps_whole_shards)
{
    int64_t bytes = 0;
    put_rows(facts_path(dir, "s0.db"), 0, 20);
    put_rows(facts_path(dir, "s1.db"), 20, 420);
    FACTS_OK(sbi_file_bytes(facts_path(dir, "s1.db"), &bytes));
    ck_assert_int_eq(with_limit((rlim_t)(bytes / 2), merge_until_full), 0);
    FACTS_OK(sb_store_check(path, stdout));
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM sample"), 20);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM input"), 20);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM run"), 1);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM merged_shards"), 1);
    ck_assert_int_eq(merge_until_full(), 1); /* with room it is merged, the first is known */
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM sample"), 420);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("places");
    TCase *t     = tcase_create("places");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, network_mounts_are_known, 0, (int)(sizeof mounts / sizeof mounts[0]));
    tcase_add_test(t, no_write_ahead_log_on_a_network);
    tcase_add_test(t, a_full_disk_keeps_whole_samples);
    tcase_add_test(t, a_full_disk_keeps_whole_shards);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
