/* The verbs query and db as a user calls them: exit codes, data on stdout, text on stderr. Each
 * call runs in a child. */
#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "tests/unit/results/facts.h"
#include "tests/unit/results/main.h"

static char  dir[256];
static char *path, *other, *fresh, *out_path, *err_path;

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", facts_dir());
    path     = strdup(facts_path(dir, "t.db"));
    other    = strdup(facts_path(dir, "other.db"));
    fresh    = strdup(facts_path(dir, "new.db"));
    out_path = strdup(facts_path(dir, "out"));
    err_path = strdup(facts_path(dir, "err"));
    for (int i = 0; i < 2; i++) {
        sb_store       *s = facts_open(i == 0 ? path : other, SB_STORE_WRITE);
        sb_sample_facts f = facts_ok(facts_run(s, "c", 0), facts_point(s, (sb_point_facts){0}),
                                     facts_input(s, i), 1.0, 10);
        facts_put(s, &f);
        sb_store_close(s);
    }
}

static void teardown(void)
{
    facts_remove(dir);
    free(path), free(other), free(fresh), free(out_path), free(err_path);
}

static void redirect(const char *file, int to)
{
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || dup2(fd, to) < 0)
        _exit(99);
}

/* Arguments are split at '|'; D and O stand for the two databases, N for a name that is free. */
static int call(const char *line)
{
    char *copy = strdup(line);
    char *argv[16];
    int   argc = 0;
    for (char *p = strtok(copy, "|"); p != NULL; p = strtok(NULL, "|"))
        argv[argc++] = strcmp(p, "D") == 0   ? path
                       : strcmp(p, "O") == 0 ? other
                       : strcmp(p, "N") == 0 ? fresh
                                             : p;
    argv[argc] = NULL;
    (void)fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        redirect(out_path, 1);
        redirect(err_path, 2);
        int code = strcmp(argv[0], "query") == 0 ? sb_cmd_query(argc, argv) : sb_cmd_db(argc, argv);
        (void)fflush(NULL);
        _exit(code);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_msg(WIFEXITED(status), "%s: killed by signal %d", line, WTERMSIG(status));
    free(copy);
    return WEXITSTATUS(status);
}

static int file_has(const char *file, const char *word)
{
    char   text[8192];
    FILE  *f = fopen(file, "rb");
    size_t n = fread(text, 1, sizeof text - 1, f);
    text[n]  = '\0';
    (void)fclose(f);
    return strstr(text, word) != NULL;
}

static const struct {
    const char *line;
    int         code;
    const char *out, *err; /* a word that must be there; "" none wanted */
} calls[] = {
    {"query|--help", 0, "Usage: spanbench query", ""},
    {"db|--help", 0, "Usage: spanbench db", ""},
    {"db|check|--help", 0, "Usage: spanbench db", ""},
    {"query|D|--view|accuracy|--format|csv", 0,
     "method,params,model,task,length,ranks,sharding,n,score,lo,hi", ""},
    {"query|--format=json|D|SELECT score FROM accuracy", 0, "{\"score\":1.0}", ""},
    {"query|D|SELECT method, score FROM accuracy", 0, "dense       1", ""},
    {"query|-f|markdown|D|SELECT 1 AS n", 0, "| n |", ""},
    {"query|D", 2, "", "wanted a database and a SELECT"},
    {"query", 2, "", "wanted a database"},
    {"query|D|SELECT 1|more", 2, "", "found 3 arguments"},
    {"query|D|SELECT 1|--view|accuracy", 2, "", "nothing beside --view"},
    {"query|D|--view|sample", 2, "", "found `sample`"},
    {"query|D|--view", 2, "", "--view"},
    {"query|D|SELECT 1|--format|xml", 2, "", "allowed table, csv, json, markdown"},
    {"query|D|SELECT 1|--colour", 2, "", "--colour"},
    {"query|D|SELECT nowhere FROM point", 2, "", "no such column: nowhere"},
    {"query|D|DELETE FROM point", 2, "", "only reading is allowed"},
    {"query|/no/such.db|SELECT 1", 1, "", "No such file"},
    {"db", 2, "", "Usage"},
    {"db|vacuum", 2, "", "found vacuum, allowed check, merge, diff, migrate, anonymize"},
    {"db|migrate", 2, "", "found no database"},
    {"db|migrate|D|O", 0, "", "up to date"},
    {"db|migrate|/no/such.db", 1, "", "No such file"},
    {"db|check|D", 0, "", "sound"},
    {"db|check", 2, "", "wanted one database"},
    {"db|check|D|O", 2, "", "found 2 files"},
    {"db|check|/no/such.db", 1, "", "No such file"},
    {"db|diff|D|D", 0, "0 differ", ""},
    {"db|diff|D|O", 1, "only in", ""},
    {"db|diff|D", 2, "", "wanted two databases"},
    {"db|diff|D|/no/such.db", 1, "", "No such file"},
    {"db|anonymize|D", 0, "run.hosts_json: 1 rows", ""},
    {"db|anonymize|D|O", 0, "host: 1 names", ""},
    {"db|anonymize|-o|N|D", 0, "run.hosts_json", ""},
    {"db|anonymize|D|-o|O", 2, "", "is there already"},
    {"db|anonymize|D|O|-o|N", 2, "", "allowed one with -o"},
    {"db|anonymize|D|-o", 2, "", "-o"},
    {"db|anonymize", 2, "", "found no database"},
    {"db|anonymize|/no/such.db", 1, "", "No such file"},
    {"db|merge|D", 2, "", "at least one shard"},
    {"db|merge|D|O", 0, "1 samples added", ""},
    {"db|merge|D|O|/no/such.db", 1, "refused", "1 of 2 shards refused"},
};

START_TEST(verbs)
{
    ck_assert_msg(call(calls[_i].line) == calls[_i].code, "%s", calls[_i].line);
    ck_assert_msg(file_has(out_path, calls[_i].out), "%s: no `%s` on stdout", calls[_i].line,
                  calls[_i].out);
    ck_assert_msg(file_has(err_path, calls[_i].err), "%s: no `%s` on stderr", calls[_i].line,
                  calls[_i].err);
    if (calls[_i].code == 2) /* a usage error leaves no data */
        ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM sample"), 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("verbs query and db");
    TCase *t     = tcase_create("verbs");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, verbs, 0, (int)(sizeof calls / sizeof calls[0]));
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
