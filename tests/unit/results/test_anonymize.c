/* `db anonymize`: what names people and places is gone from the file, byte by byte, and nothing
 * that was measured changes. */
#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "results/store/names.h"
#include "tests/unit/results/facts.h"
#include "tests/unit/results/main.h"

static char  dir[256];
static char *path, *out;

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", facts_dir());
    path                = strdup(facts_path(dir, "t.db"));
    out                 = strdup(facts_path(dir, "out.db"));
    sbi_busy_timeout_ms = 50;
}

static void teardown(void)
{
    facts_remove(dir);
    free(path), free(out);
}

/* Nothing of these may be left anywhere in the file. */
static const char *const secrets[] = {
    "node07", "node08",   "example.org",  "jdoe",     "zuse",       "physics42",
    "/home",  "/scratch", "904711470001", "secret_q", "10.1.2.3",   "0a1b2c3d",
    "bigjob", "essays",   "login3",       "old_name", "llm/models", "mallory"};

static int64_t named_run(sb_store *s, const char *hosts)
{
    int64_t            id = 0;
    const sb_run_facts f  = {
         .commit_id     = "0123456789ab",
         .version       = "0.1.0",
         .build_json    = "{\"compiler\":\"cc\",\"flags\":\"-I/home/jdoe/include -O2\"}",
         .sweep_name    = "jdoe_quick",
         .config_text   = "# for jdoe@login3.example.org, see file:///scratch/a\nsweep: jdoe_quick\n"
                           "workloads:\n  - {corpus: {path: /home/jdoe/essays}, lengths: [4K]}\n",
         .config_sha256 = "",
         .command       = "spanbench run /home/jdoe/s.yaml --db=/scratch/jdoe/t.db --host node08",
         .hosts_json    = hosts,
         .cpu           = "a cpu",
         .device        = "NVIDIA H100 GPU-0a1b2c3d-1111-2222-3333-444455556666",
         .backend       = "cuda",
         .comm          = "self",
         .mpi_version   = "Open MPI 4.1.4 jdoe@zuse",
         .env_json =
             "{\"CUDA_VISIBLE_DEVICES\":\"GPU-0a1b2c3d-1111-2222-3333-444455556666\","
              "\"binding.0\":\"cpus 0-3 numa 0 device NVIDIA H100 uuid 5eed0a1b2c3d nic mlx5_0\","
              "\"OMP_PLACES\":\"{0}:4\",\"SLURM_CLUSTER_NAME\":\"zuse\",\"SLURM_JOB_ACCOUNT\":"
              "\"physics42\",\"SLURM_JOB_ID\":\"904711470001\",\"SLURM_JOB_NAME\":\"bigjob\","
              "\"SLURM_JOB_NODELIST\":\"node[07-08]\",\"SLURM_JOB_NUM_NODES\":\"2\","
              "\"SLURM_JOB_PARTITION\":\"secret_q\",\"SLURM_JOB_UID\":\"904711470001\","
              "\"SLURM_JOB_USER\":\"jdoe\",\"SPAN_CACHE\":\"/scratch/jdoe\\u00e9\"}",
         .ranks   = 2,
         .threads = 1,
         .cores   = 64};
    FACTS_OK(sb_store_begin_run(s, &f, &id));
    return id;
}

/* Two runs, two points of which one has a path in its identity, a failed and an unsupported sample.
 */
static void make(const char *file, int64_t first)
{
    sb_store      *s       = facts_open(file, SB_STORE_WRITE);
    int64_t        runs[]  = {named_run(s, "[\"node07.example.org\",\"node08.example.org\"]"),
                              named_run(s, "[\"node08.example.org\"]")};
    sb_point_facts kinds[] = {{.task_json = "{\"corpus\":{\"path\":\"~/essays\"},\"x\":0.95}"},
                              {.task_json = "{\"corpus\":{\"path\":\"~/essays\"},\"x\":0.95}",
                               .method    = "hip",
                               .model     = "/opt/llm/models/tiny"}};
    for (int r = 0; r < 2; r++)
        for (int p = 0; p < 2; p++)
            for (int64_t row = first; row < first + 4; row++) {
                sb_sample_facts f = facts_ok(runs[r], facts_point(s, kinds[p]), facts_input(s, row),
                                             row % 2 ? 0.25 : 0.75, 1000 + row);
                if (row == first + 3) {
                    f = (sb_sample_facts){.run_id   = runs[r],
                                          .point_id = f.point_id,
                                          .input_id = f.input_id,
                                          .status   = "failed",
                                          .error    = "rank 1 on node08: /scratch/jdoe/m.bin:"
                                                      " cannot read it (10.1.2.3, tokens 5)",
                                          .metric   = "exact@1",
                                          .score_is_binary = 0};
                }
                facts_put(s, &f);
            }
    FACTS_OK(sb_store_refresh_intervals(s));
    FACTS_OK(sb_store_end_run(s, runs[0], "finished"));
    FACTS_OK(sb_store_end_run(s, runs[1], "finished"));
    /* an old text that is only in free pages, and one of a shard's path */
    FACTS_OK(sbi_exec(
        s->db, file,
        "PRAGMA secure_delete = OFF; INSERT INTO merged_shards VALUES (printf('%064d', 1), "
        "'/scratch/jdoe/shard.db', 0, ''); UPDATE run SET env_json = json_object('SPAN_X', "
        "hex(zeroblob(10000)) || 'old_name') WHERE id = 1"));
    FACTS_OK(
        sbi_exec(s->db, file, "UPDATE run SET env_json = (SELECT env_json FROM run WHERE id = 2)"));
    sb_store_close(s);
}

static char *anonymous(const char *const *files, int64_t n, const char *to)
{
    char     *said = NULL;
    size_t    size = 0;
    FILE     *f    = open_memstream(&said, &size);
    sb_status st   = sb_store_anonymize(files, n, to, f);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_msg(st == SB_OK, "%s", sb_error_text());
    return said;
}

static unsigned char *slurp(const char *name, size_t *n)
{
    FILE *f = fopen(name, "rb");
    ck_assert_msg(f != NULL, "%s", name);
    ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
    *n                   = (size_t)ftell(f);
    unsigned char *bytes = malloc(*n + 1);
    rewind(f);
    ck_assert_uint_eq(fread(bytes, 1, *n, f), *n);
    (void)fclose(f);
    return bytes;
}

static int has_bytes(const char *name, const char *word)
{
    size_t         n     = 0;
    unsigned char *bytes = slurp(name, &n);
    int            found = memmem(bytes, n, word, strlen(word)) != NULL;
    free(bytes);
    return found;
}

static int files_in_dir(void)
{
    int            n = 0;
    DIR           *d = opendir(dir);
    struct dirent *e;
    while ((e = readdir(d)) != NULL)
        n += e->d_name[0] != '.';
    (void)closedir(d);
    return n;
}

/* The same rows but for names: a cell that differs holds a pseudonym. Returns how many do. */
static int64_t compare_views(const char *a, const char *b)
{
    int64_t   n = 0;
    sb_store *x = facts_open(a, SB_STORE_READ);
    sb_store *y = facts_open(b, SB_STORE_READ);
    for (const sb_view *v = sb_views; v->name != NULL; v++) {
        char      sql[64];
        sb_answer p = {0}, q = {0};
        (void)snprintf(sql, sizeof sql, "SELECT * FROM %s", v->name);
        FACTS_OK(sb_store_ask(x, sql, &p));
        FACTS_OK(sb_store_ask(y, sql, &q));
        ck_assert_int_eq(p.n_rows, q.n_rows);
        for (int64_t i = 0; i < p.n_rows * p.n_columns; i++) {
            static const char *const named[] = {"model", "task_params", "reason", "device"};
            const char              *column  = p.names[i % p.n_columns];
            int                      may     = 0;
            if (p.text[i] == q.text[i] ||
                (p.text[i] != NULL && q.text[i] != NULL && strcmp(p.text[i], q.text[i]) == 0))
                continue;
            for (size_t k = 0; k < sizeof named / sizeof *named; k++)
                may |= strcmp(column, named[k]) == 0;
            ck_assert_msg(
                may && (strstr(q.text[i], "path-") != NULL || strstr(q.text[i], "gpu-1") != NULL),
                "%s.%s: %s, then %s", v->name, column, p.text[i], q.text[i]);
            n++;
        }
        sb_answer_fini(&p);
        sb_answer_fini(&q);
    }
    sb_store_close(x);
    sb_store_close(y);
    return n;
}

static void no_difference(const char *a, const char *b)
{
    char  *said  = NULL;
    size_t n     = 0;
    int    equal = 0;
    FILE  *f     = open_memstream(&said, &n);
    FACTS_OK(sb_store_diff(a, b, f, &equal));
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_msg(equal, "%s", said);
    free(said);
}

START_TEST(names_are_gone_and_figures_stay)
{
    const char *files[] = {path};
    make(path, 0);
    size_t         n = 0, m = 0;
    unsigned char *before = slurp(path, &n);
    for (size_t i = 0; i + 1 < sizeof secrets / sizeof *secrets; i++)
        ck_assert_msg(has_bytes(path, secrets[i]), "the test has no %s", secrets[i]);
    char          *said  = anonymous(files, 1, out);
    unsigned char *after = slurp(path, &m);
    ck_assert(n == m && memcmp(before, after, n) == 0); /* the source is not touched */
    free(before), free(after);
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        ck_assert_msg(!has_bytes(out, secrets[i]), "%s is still there", secrets[i]);
    ck_assert_int_eq(files_in_dir(), 2);
    static const char *const lines[] = {"run.hosts_json: 2 rows",
                                        "run.env_json: 2 rows",
                                        "sample.error: 4 rows",
                                        "merged_shards.path: 1 row",
                                        "point.task_json: 2 row",
                                        "point.identity_json: 2 rows",
                                        "point.model: 1 row",
                                        "host: 5 names",
                                        "user: 2 names",
                                        "account: 1 names",
                                        "gpu: 2 names"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        ck_assert_msg(strstr(said, lines[i]) != NULL, "wanted `%s` in:\n%s", lines[i], said);
    free(said);
    FACTS_OK(sb_store_check(out, stdout));
    no_difference(path, out);
    ck_assert_int_gt(compare_views(path, out), 10);
    /* the same host, wherever it stands */
    char *text = facts_text(out, "SELECT hosts_json FROM run WHERE id = 1");
    ck_assert_str_eq(text, "[\"host-1\",\"host-2\"]");
    free(text);
    text = facts_text(out, "SELECT hosts_json || command FROM run WHERE id = 2");
    ck_assert_str_eq(text, "[\"host-2\"]spanbench run path-2 --db=path-3 --host host-2");
    free(text);
    text = facts_text(out, "SELECT error FROM sample WHERE error IS NOT NULL");
    ck_assert_ptr_nonnull(strstr(text, "rank 1 on host-2: path-"));
    ck_assert_ptr_nonnull(strstr(text, ", tokens 5)"));
    free(text);
    text = facts_text(out, "SELECT env_json FROM run");
    ck_assert_ptr_nonnull(strstr(text, "\"SLURM_JOB_NUM_NODES\":\"2\""));
    ck_assert_ptr_nonnull(strstr(text, "\"SLURM_JOB_USER\":\"user-2\""));
    ck_assert_ptr_nonnull(strstr(text, "\"OMP_PLACES\":\"{0}:4\""));
    free(text);
    text = facts_text(out, "SELECT task_json FROM point");
    ck_assert_ptr_nonnull(strstr(text, "\"x\":0.95"));
    free(text);
    text = facts_text(out, "SELECT model FROM point WHERE method = 'hip'");
    ck_assert_ptr_nonnull(strstr(text, "/tiny"));
    free(text);
    /* keys */
    ck_assert_int_eq(facts_int(out, "SELECT count(*) FROM sample"), 16);
    for (int i = 0; i < 3; i++) {
        static const char *const keys[] = {"SELECT group_concat(hash) FROM point",
                                           "SELECT group_concat(uuid || commit_id) FROM run",
                                           "SELECT group_concat(sha256) FROM input"};
        char                    *x = facts_text(path, keys[i]), *y = facts_text(out, keys[i]);
        ck_assert_str_eq(x, y);
        free(x), free(y);
    }
}
END_TEST

/* Twice, and in place: the second time there is nothing to find, and texts stay. */
START_TEST(it_is_idempotent_in_place)
{
    const char *files[] = {path};
    sqlite3    *db      = NULL;
    make(path, 0);
    /* as a tool leaves it: journal mode WAL, changes in the WAL file */
    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    FACTS_OK(sbi_exec(db, path,
                      "PRAGMA journal_mode = WAL; UPDATE sample SET error = "
                      "'see /home/mallory' WHERE id = 4"));
    sqlite3_close(db);
    struct stat info, later;
    ck_assert_int_eq(stat(path, &info), 0);
    free(anonymous(files, 1, NULL));
    ck_assert_int_eq(stat(path, &later), 0);
    ck_assert(later.st_ino == info.st_ino && later.st_size <= info.st_size);
    ck_assert_int_eq(files_in_dir(), 1); /* no journal, no WAL, no copy */
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        ck_assert_msg(!has_bytes(path, secrets[i]), "%s is still there", secrets[i]);
    char *said = anonymous(files, 1, out);
    ck_assert_msg(strstr(said, "no names found") != NULL, "%s", said);
    free(said);
    ck_assert_int_eq(compare_views(path, out), 0);
    no_difference(path, out);
    FACTS_OK(sb_store_check(path, stdout));
}
END_TEST

START_TEST(shards_still_merge)
{
    const char *files[] = {path, facts_path(dir, "b.db")};
    char       *whole = strdup(facts_path(dir, "whole.db")), *said = NULL;
    size_t      n = 0;
    make(files[0], 0);
    make(files[1], 4);
    FILE *f = open_memstream(&said, &n);
    FACTS_OK(sb_store_merge(whole, files, 2, f));
    free(anonymous(files, 2, NULL)); /* in one call */
    FACTS_OK(sb_store_merge(out, files, 2, f));
    (void)fclose(f);
    free(said);
    FACTS_OK(sb_store_check(out, stdout));
    no_difference(whole, out);
    ck_assert_int_eq(facts_int(out, "SELECT count(*) FROM point"), 2);
    ck_assert_int_eq(facts_int(out, "SELECT count(DISTINCT hosts_json) FROM run"), 2);
    free(anonymous((const char *const *)&whole, 1, NULL));
    no_difference(whole, out);
    free(whole);
}
END_TEST

START_TEST(a_new_host_gets_a_new_number)
{
    const char *files[] = {path};
    make(path, 0);
    free(anonymous(files, 1, NULL));
    sb_store *s = facts_open(path, SB_STORE_WRITE);
    (void)named_run(s, "[\"node99\"]"); /* a run after it was published */
    sb_store_close(s);
    free(anonymous(files, 1, NULL));
    char *text = facts_text(path, "SELECT hosts_json FROM run WHERE id = 3");
    ck_assert_str_eq(text, "[\"host-6\"]"); /* 1 to 5 are taken */
    free(text);
}
END_TEST

/* Whole files: refused, with the reason, and left as they were. `limit` of the size of any file. */
static int refused(const char *to, rlim_t limit, const char *word)
{
    int   status = 0;
    pid_t child  = fork();
    if (child == 0) {
        const char *files[] = {path};
        FILE       *none    = fopen("/dev/null", "w");
        if (getuid() == 0 && limit == 0 &&
            (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
            _exit(10);
        (void)signal(SIGXFSZ, SIG_IGN);
        if (limit > 0)
            (void)setrlimit(RLIMIT_FSIZE, &(struct rlimit){limit, limit});
        if (sb_store_anonymize(files, 1, to, none) != SB_ERR_IO)
            _exit(1);
        if (strstr(sb_error_text(), word) == NULL) {
            (void)fprintf(stderr, "found: %s\n", sb_error_text());
            _exit(2);
        }
        _exit(0);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

START_TEST(read_only_files_and_full_disks_leave_it_whole)
{
    size_t   n = 0, m = 0;
    sqlite3 *db = NULL;
    make(path, 0);
    FACTS_OK(sbi_open_write(path, &db)); /* without free pages a journal is larger than its file */
    FACTS_OK(sbi_exec(db, path, "VACUUM"));
    sqlite3_close(db);
    unsigned char *before = slurp(path, &n);
    ck_assert_int_eq(chmod(dir, 0755) + chmod(path, 0444), 0);
    ck_assert_int_eq(refused(NULL, 0, "read-only"), 0);
    ck_assert_int_eq(chmod(path, 0666) + chmod(dir, 0555), 0);
    ck_assert_int_eq(refused(NULL, 0, "Permission denied"), 0);
    ck_assert_int_eq(refused(out, 0, "Permission denied"), 0);
    ck_assert_int_eq(chmod(dir, 0755), 0);
    /* no room for the copy; for the copy, but not for the journal */
    ck_assert_int_eq(refused(NULL, (rlim_t)(n / 2), path), 0);
    ck_assert_int_eq(refused(out, (rlim_t)(n / 2), out), 0);
    ck_assert_int_eq(refused(NULL, (rlim_t)n, path), 0);
    sb_store_close(facts_open(path, SB_STORE_READ)); /* rolls back, if there were anything */
    unsigned char *after = slurp(path, &m);
    ck_assert(n == m && memcmp(before, after, n) == 0);
    ck_assert_int_eq(files_in_dir(), 1);
    free(before), free(after);
}
END_TEST

START_TEST(other_files_are_refused)
{
    const char *files[] = {path};
    FILE       *none    = fopen("/dev/null", "w");
    ck_assert_int_eq(sb_store_anonymize(files, 1, NULL, none), SB_ERR_IO); /* there is none */
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "No such file"));
    ck_assert_int_eq(access(path, F_OK), -1);
    make(path, 0);
    ck_assert_int_eq(sb_store_anonymize(files, 1, path, none), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "is there already"));
    ck_assert_int_eq(truncate(path, 8192), 0);
    ck_assert_int_ne(sb_store_anonymize(files, 1, out, none), SB_OK);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "damaged"));
    (void)fclose(none);
    ck_assert_int_eq(files_in_dir(), 1);
}
END_TEST

static const struct {
    sbi_text_kind kind;
    const char   *text, *want;
} texts[] = {
    {SBI_TEXT_PLAIN, "", ""},
    {SBI_TEXT_PLAIN, "blocks of 128 x 128, 32/8 heads, 3 / 4",
     "blocks of 128 x 128, 32/8 heads, 3 / 4"},
    {SBI_TEXT_PLAIN, "metric exact@1 of safetensors@1", "metric exact@1 of safetensors@1"},
    {SBI_TEXT_PLAIN, "read /a/b.c: No such file.", "read path-1: No such file."},
    {SBI_TEXT_PLAIN, "cp '/a/b' ../c ~/d ~e", "cp 'path-1' path-2 path-3 path-4"},
    {SBI_TEXT_PLAIN, "https://x.org/a?b=c, then", "path-1=c, then"},
    {SBI_TEXT_PLAIN, "ann@x.org wrote; ANN read. annex", "user-1@host-1 wrote; user-1 read. annex"},
    {SBI_TEXT_PLAIN, "at 10.0.0.1, version 1.2.3", "at host-1, version 1.2.3"},
    {SBI_TEXT_PLAIN, "MIG-GPU-01234567-89ab/1/0 and MIG-01234567-89ab", "path-1 and gpu-1"},
    {SBI_TEXT_PLAIN, "host-3 of user-2 reads path-9 (cause-7)",
     "host-3 of user-2 reads path-9 (cause-7)"},
    {SBI_TEXT_PLAIN, "{\"a/b\":\"/c\\\"\", \"n\":1.50}", "{\"a/b\":\"path-1\\\"\", \"n\":1.50}"},
    {SBI_TEXT_PLAIN, "{a: /b/c, d: [1, 2]}", "{a: path-1, d: [1, 2]}"},
    {SBI_TEXT_HOSTS, "[\"n1.x.org\", \"n1\", \"localhost\"]",
     "[\"host-1\", \"host-1\", \"localhost\"]"},
    {SBI_TEXT_HOSTS, "[\"host-4\",\"n1\"]", "[\"host-4\",\"host-1\"]"},
    {SBI_TEXT_ENV, "{\"SLURM_JOB_COMMENT\":\"a b\",\"OMP_NUM_THREADS\":\"4\"}",
     "{\"SLURM_JOB_COMMENT\":\"name-1\",\"OMP_NUM_THREADS\":\"4\"}"},
    {SBI_TEXT_ENV, "{\"binding.1\":\"cpus 0 numa ? device H100 uuid 5eed0a1b nic mlx5_0\"}",
     "{\"binding.1\":\"cpus 0 numa ? device H100 uuid gpu-1 nic mlx5_0\"}"},
    {SBI_TEXT_PATH, "shard.db", "path-1"},
    {SBI_TEXT_FACT, "{\"path\":\"essays\",\"x\":[0.1,\"a/b\"]}",
     "{\"path\":\"path-beef0ddba1e6\",\"x\":[0.1,\"a/b\"]}"},
    {SBI_TEXT_FACT, "zipf", "zipf"},
    {SBI_TEXT_MODEL, "meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"},
};
START_TEST(words)
{
    sbi_naming t     = {0};
    char      *got   = NULL;
    char      *twice = NULL;
    sbi_naming_reserve(&t, "");
    FACTS_OK(sbi_naming_collect(&t, texts[_i].kind, texts[_i].text));
    FACTS_OK(sbi_naming_replace(&t, texts[_i].kind, texts[_i].text, &got));
    ck_assert_str_eq(got, texts[_i].want);
    FACTS_OK(sbi_naming_replace(&t, texts[_i].kind, got, &twice));
    ck_assert_str_eq(twice, got);
    free(got), free(twice);
    sbi_naming_fini(&t);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("anonymize");
    TCase *t     = tcase_create("anonymize");
    tcase_set_timeout(t, 120);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, names_are_gone_and_figures_stay);
    tcase_add_test(t, it_is_idempotent_in_place);
    tcase_add_test(t, shards_still_merge);
    tcase_add_test(t, a_new_host_gets_a_new_number);
    tcase_add_test(t, read_only_files_and_full_disks_leave_it_whole);
    tcase_add_test(t, other_files_are_refused);
    tcase_add_loop_test(t, words, 0, (int)(sizeof texts / sizeof texts[0]));
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
