/* A writer killed at any moment loses at most the sample it was working on, and leaves a file that
 * opens and checks. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/results/facts.h"
#include "tests/unit/results/main.h"

enum { ROUNDS = 20, SAMPLES = 4000 };

static int quiet_check(const char *path)
{
    sb_status st = sb_store_check(path, stdout);
    if (st != SB_OK)
        (void)printf("%s\n", sb_error_text());
    return st == SB_OK;
}

/* Writes samples and says so on the pipe, one byte a sample that is stored. */
static void write_until_killed(const char *path, int pipe_end)
{
    sb_store *s     = facts_open(path, SB_STORE_WRITE);
    int64_t   run   = facts_run(s, "c", 0);
    int64_t   point = facts_point(s, (sb_point_facts){0});
    for (int64_t row = 0; row < SAMPLES; row++) {
        sb_sample_facts f = facts_ok(run, point, facts_input(s, row), 1.0, 10);
        facts_put(s, &f);
        if (write(pipe_end, "x", 1) != 1)
            _exit(3);
    }
    _exit(4); /* was never killed */
}

/* Bytes read: `most`, or fewer when the writer is gone. */
static int64_t read_bytes(int fd, int64_t most)
{
    char    byte;
    int64_t n = 0;
    while (n < most && read(fd, &byte, 1) == 1)
        n++;
    return n;
}

START_TEST(killed_writers_leave_a_sound_file)
{
    char    dir[256];
    int64_t stored = 0;
    (void)snprintf(dir, sizeof dir, "%s", facts_dir());
    char *path      = strdup(facts_path(dir, "t.db"));
    sbi_synchronous = 1; /* as a real job */
    srand(7);
    for (int round = 0; round < ROUNDS; round++) {
        int fds[2], status = 0;
        ck_assert_int_eq(pipe(fds), 0);
        pid_t child = fork();
        if (child == 0) {
            (void)close(fds[0]);
            write_until_killed(path, fds[1]);
        }
        (void)close(fds[1]);
        /* some moment of the start (every fifth round), or of the sample after the k-th */
        int64_t told = read_bytes(fds[0], round % 5 == 0 ? 0 : rand() % 12);
        (void)usleep((useconds_t)(rand() % (round % 5 == 0 ? 30000 : 2000)));
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        ck_assert_int_eq(waitpid(child, &status, 0), child);
        ck_assert_msg(WIFSIGNALED(status), "the writer ended with code %d before it was killed",
                      WEXITSTATUS(status));
        told += read_bytes(fds[0], INT64_MAX);
        (void)close(fds[0]);
        if (access(path, F_OK) != 0 || told == 0)
            continue; /* killed before the schema, perhaps: the next round opens whatever is there
                       */
        ck_assert(quiet_check(path)); /* a reader rolls the journal back */
        stored += told;
        int64_t found = facts_int(path, "SELECT count(*) FROM sample");
        ck_assert_int_ge(found, stored);
        ck_assert_int_le(found, stored + round + 1); /* one a round was stored and not yet told */
    }
    sb_store_close(facts_open(path, SB_STORE_WRITE));
    ck_assert(quiet_check(path));
    ck_assert_int_gt(stored, 0);
    facts_remove(dir);
    free(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kill");
    TCase *t     = tcase_create("kill");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, killed_writers_leave_a_sound_file);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
