/* Opening, natural keys, what a put refuses, resume. */
#include <check.h>
#include <grp.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/results/facts.h"
#include "tests/unit/results/main.h"

static char  dir[256];
static char *path;

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", facts_dir());
    path                = strdup(facts_path(dir, "t.db"));
    sbi_busy_timeout_ms = 50;
}

static void teardown(void)
{
    facts_remove(dir);
    free(path);
}

static void write_file(const char *name, const void *bytes, size_t n)
{
    FILE *f = fopen(name, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, n, f), n);
    ck_assert_int_eq(fclose(f), 0);
}

/* Both modes refuse the file and say `word`. */
static void refused(const char *name, const char *word)
{
    for (int mode = 0; mode < SB_STORE_MODE_COUNT; mode++) {
        sb_store *s = NULL;
        ck_assert_int_ne(sb_store_open(name, (sb_store_mode)mode, &s), SB_OK);
        ck_assert_ptr_null(s);
        ck_assert_msg(strstr(sb_error_text(), word) != NULL, "mode %d: wanted `%s` in `%s`", mode,
                      word, sb_error_text());
        ck_assert_ptr_nonnull(strstr(sb_error_text(), name));
    }
}

START_TEST(write_creates_directories_and_schema)
{
    const char *deep = facts_path(dir, "a/b c/d/t.db");
    sb_store   *s    = facts_open(deep, SB_STORE_WRITE);
    sb_store_close(s);
    ck_assert_int_eq(facts_int(deep, "SELECT application_id FROM pragma_application_id"),
                     SBI_APPLICATION_ID);
    ck_assert_int_eq(facts_int(deep, "SELECT user_version FROM pragma_user_version"),
                     sbi_schema_version());
    static const char *const tables[] = {
        "run",           "point",      "dataset",       "input",         "reference",    "span",
        "sample",        "score",      "hit",           "timing",        "quality",      "needle",
        "comm",          "memory",     "ceiling",       "energy",        "device_state", "interval",
        "merged_shards", "comparison", "mean_interval", "anchor_timing", "rank_work"};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        char sql[128];
        (void)snprintf(sql, sizeof sql, "SELECT strict FROM pragma_table_list('%s')", tables[i]);
        ck_assert_msg(facts_int(deep, sql) == 1, "%s is not a STRICT table", tables[i]);
    }
    ck_assert_int_eq(facts_int(deep,
                               "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name "
                               "NOT LIKE 'stored\\_%' ESCAPE '\\'"),
                     (int)(sizeof tables / sizeof tables[0]));
    for (const sb_view *v = sb_views; v->name != NULL; v++) {
        char sql[128];
        (void)snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", v->name);
        ck_assert_int_eq(facts_int(deep, sql), 0);
    }
    ck_assert_int_eq(access(facts_path(dir, "a/b c/d/t.db-journal"), F_OK), -1);
}
END_TEST

START_TEST(views_are_replaced_when_their_text_differs)
{
    sb_store *s = facts_open(path, SB_STORE_WRITE);
    FACTS_OK(sbi_exec(s->db, path, "DROP VIEW coverage; CREATE VIEW coverage AS SELECT 7 AS n"));
    sb_store_close(s);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM coverage"), 1);
    sb_store_close(facts_open(path, SB_STORE_WRITE));
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM coverage"), 0);
    int64_t cookie = facts_int(path, "SELECT schema_version FROM pragma_schema_version");
    sb_store_close(facts_open(path, SB_STORE_WRITE));
    ck_assert_int_eq(facts_int(path, "SELECT schema_version FROM pragma_schema_version"),
                     cookie); /* untouched now */
}
END_TEST

START_TEST(foreign_files_are_refused)
{
    sqlite3 *db = NULL;
    write_file(path, "no database at all, only some text in a file\n", 45);
    refused(path, "not an SQLite database");

    const char *other = facts_path(dir, "other.db");
    ck_assert_int_eq(sqlite3_open(other, &db), SQLITE_OK);
    FACTS_OK(sbi_exec(db, other, "CREATE TABLE mine (a); INSERT INTO mine VALUES (1)"));
    sqlite3_close(db);
    refused(other, "not a spanbench database");
    ck_assert_int_eq(sqlite3_open(other, &db), SQLITE_OK);
    FACTS_OK(sbi_exec(db, other, "SELECT a FROM mine")); /* and left as it was */
    sqlite3_close(db);

    refused(dir, "not a plain file");
}
END_TEST

START_TEST(newer_schema_is_refused)
{
    sb_store *s = facts_open(path, SB_STORE_WRITE);
    FACTS_OK(sbi_exec(s->db, path, "PRAGMA user_version = 99"));
    sb_store_close(s);
    refused(path, "newer");
}
END_TEST

START_TEST(read_never_creates)
{
    sb_store *s = NULL;
    ck_assert_int_eq(sb_store_open(path, SB_STORE_READ, &s), SB_ERR_IO);
    ck_assert_ptr_null(s);
    ck_assert_int_eq(access(path, F_OK), -1);
    write_file(path, "", 0);
    ck_assert_int_eq(sb_store_open(path, SB_STORE_READ, &s), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "empty"));
    sb_store_close(facts_open(path, SB_STORE_WRITE)); /* an empty file is a new one */
    sb_store_close(NULL);
}
END_TEST

START_TEST(second_writer_and_reader_hear_of_the_first)
{
    int ready[2], done[2];
    ck_assert_int_eq(pipe(ready) + pipe(done), 0);
    pid_t child = fork();
    if (child == 0) {
        sb_store *s = NULL;
        char      c = sb_store_open(path, SB_STORE_WRITE, &s) == SB_OK ? 'y' : 'n';
        (void)!write(ready[1], &c, 1);
        (void)!read(done[0], &c, 1);
        sb_store_close(s);
        _exit(0);
    }
    char c = 0;
    ck_assert_int_eq(read(ready[0], &c, 1), 1);
    ck_assert_int_eq(c, 'y');
    refused(path, "another process is writing it");
    ck_assert_int_eq(write(done[1], &c, 1), 1);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    sb_store_close(facts_open(path, SB_STORE_WRITE));
}
END_TEST

/* As an ordinary user: root may write everywhere. */
START_TEST(read_only_places)
{
    sb_store_close(facts_open(path, SB_STORE_WRITE));
    ck_assert_int_eq(chmod(path, 0444) + chmod(dir, 0555), 0);
    pid_t child = fork();
    if (child == 0) {
        sb_store *s = NULL;
        if (getuid() == 0 && (setgroups(0, NULL) != 0 || setgid(65534) != 0 || setuid(65534) != 0))
            _exit(10);
        if (sb_store_open(path, SB_STORE_READ, &s) != SB_OK)
            _exit(1);
        sb_store_close(s);
        if (sb_store_open(path, SB_STORE_WRITE, &s) != SB_ERR_IO ||
            strstr(sb_error_text(), "read-only") == NULL)
            _exit(2);
        if (sb_store_open(facts_path(dir, "new.db"), SB_STORE_WRITE, &s) != SB_ERR_IO ||
            strstr(sb_error_text(), "new.db") == NULL)
            _exit(3);
        if (sb_store_open(facts_path(dir, "sub/new.db"), SB_STORE_WRITE, &s) != SB_ERR_IO ||
            strstr(sb_error_text(), "Permission denied") == NULL)
            _exit(4);
        _exit(0);
    }
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(chmod(dir, 0755), 0);
    ck_assert_msg(WIFEXITED(status), "signal");
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(natural_keys_give_the_known_id)
{
    sb_store *s = facts_open(path, SB_STORE_WRITE);
    int64_t   a = facts_point(s, (sb_point_facts){.seed = 1});
    int64_t   b = facts_point(s, (sb_point_facts){.seed = 2});
    ck_assert_int_ne(a, b);
    ck_assert_int_eq(facts_point(s, (sb_point_facts){.seed = 1}), a);
    int64_t i = facts_input(s, 4);
    ck_assert_int_eq(facts_input(s, 4), i);
    ck_assert_int_ne(facts_input(s, 5), i);
    int64_t run = facts_run(s, "c", 0);
    ck_assert_int_ne(facts_run(s, "c", 0), run);
    sb_store_close(s);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM dataset"), 1);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM reference"), 4);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM span WHERE ref_no = 0 AND depth = 0.25"),
                     2);
    ck_assert_int_eq(facts_int(path, "SELECT count(DISTINCT uuid) FROM run WHERE status = "
                                     "'running' AND started_utc > '2020'"),
                     2);
}
END_TEST

START_TEST(sample_round_trip)
{
    sb_store       *s   = facts_open(path, SB_STORE_WRITE);
    int64_t         run = facts_run(s, "c", 0);
    sb_sample_facts f =
        facts_ok(run, facts_point(s, (sb_point_facts){0}), facts_input(s, 0), 0.3, 123);
    facts_put(s, &f);
    FACTS_OK(sb_store_end_run(s, run, "stopped"));
    int64_t bytes = 0, samples = 0;
    FACTS_OK(sb_store_size(s, &bytes, &samples));
    ck_assert_int_eq(samples, 1);
    ck_assert_int_gt(bytes, 4096);
    sb_store_close(s);
    ck_assert_int_eq(
        facts_int(
            path,
            "SELECT count(*) FROM sample JOIN score ON score.sample_id = sample.id WHERE status = "
            "'ok' AND prediction = 'A; C' AND plan_digest = '00ff' AND n_gen = 2 AND value = 0.3"),
        1);
    ck_assert_int_eq(facts_int(path, "SELECT sum(hit) * 10 + count(*) FROM hit"), 12);
    ck_assert_int_eq(
        facts_int(path, "SELECT ns FROM timing WHERE phase = 'attention' AND layer IS NULL"), 123);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM quality WHERE head IS NULL AND rho_den "
                                     "= 4 AND tile_lanes IS NULL"),
                     1);
    ck_assert_int_eq(
        facts_int(path, "SELECT received_bytes + sent_bytes + calls + exposed_ns FROM comm"), 343);
    ck_assert_int_eq(facts_int(path, "SELECT bytes FROM memory"), 4096);
    ck_assert_int_eq(
        facts_int(
            path,
            "SELECT count(*) FROM run WHERE status = 'stopped' AND finished_utc >= started_utc"),
        1);
}
END_TEST

/* Every column of quality_metrics B6, and NULL where a figure does not exist. */
/* What the driver does not tell (-1) is NULL, not a figure. */
START_TEST(steps_by_graphs_round_trip)
{
    sb_store       *s   = facts_open(path, SB_STORE_WRITE);
    int64_t         run = facts_run(s, "c", 0), point = facts_point(s, (sb_point_facts){0});
    sb_sample_facts f = facts_ok(run, point, facts_input(s, 0), 0.3, 123);
    facts_put(s, &f);
    f              = facts_ok(run, point, facts_input(s, 1), 0.3, 123);
    f.n_steps      = 0;
    f.graph_reason = NULL;
    facts_put(s, &f);
    sb_store_close(s);
    ck_assert_int_eq(facts_int(path, "SELECT graph_steps FROM sample WHERE graph_reason = "
                                     "'the driver'"),
                     8);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM sample WHERE graph_steps IS NULL AND "
                                     "graph_reason IS NULL"),
                     1);
}
END_TEST

START_TEST(kernel_and_device_states_round_trip)
{
    sb_store       *s   = facts_open(path, SB_STORE_WRITE);
    int64_t         run = facts_run(s, "c", 0);
    sb_sample_facts f =
        facts_ok(run, facts_point(s, (sb_point_facts){0}), facts_input(s, 0), 0.3, 123);
    facts_put(s, &f);
    sb_store_close(s);
    char *kernel = facts_text(path, "SELECT kernel FROM sample");
    ck_assert_str_eq(kernel, "avx2");
    free(kernel);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM device_state"), 2);
    ck_assert_int_eq(facts_int(path, "SELECT sm_clock_mhz FROM device_state WHERE place = 'after'"),
                     1755);
    ck_assert_int_eq(facts_int(path, "SELECT power_mw FROM device_state WHERE place = 'before'"),
                     120000);
    ck_assert_int_eq(
        facts_int(path, "SELECT memory_clock_mhz IS NULL FROM device_state WHERE place = 'after'"),
        1);
    ck_assert_int_eq(facts_int(path, "SELECT throttle_reasons + 10 * other_processes FROM "
                                     "device_state WHERE place = 'after'"),
                     24);
}
END_TEST

START_TEST(quality_round_trip)
{
    static const sb_quality_facts all     = {.layer               = 1,
                                             .head                = -1,
                                             .def_version         = 1,
                                             .rho_num             = 3,
                                             .rho_den             = 10,
                                             .tile_lanes          = 64,
                                             .tile_lanes_dense    = 128,
                                             .blocks_exec         = 1.5,
                                             .blocks_dense        = 6,
                                             .f_est               = 100,
                                             .f_exec              = INT64_C(1) << 60,
                                             .f_dense             = INT64_C(1) << 61,
                                             .recall_mean         = 0.51,
                                             .recall_se           = 0.01,
                                             .recall_lo           = 0.49,
                                             .recall_hi           = 0.53,
                                             .recall_tail         = 0.4,
                                             .recall_p05          = 0.2,
                                             .recall_min          = 0.1,
                                             .recall_w            = 0.45,
                                             .recall_overflow     = 1,
                                             .oracle_gap          = 0.07,
                                             .needle_block_recall = 0.75,
                                             .needle_mass         = 0.3,
                                             .needle_mass_kept    = 0.2,
                                             .rel_l2              = 0.6,
                                             .rel_l2_se           = 0.05,
                                             .rel_l2_unreliable   = 1,
                                             .rel_l2_p99          = 1.2,
                                             .rel_l1              = 0.55,
                                             .cos_row             = 0.8,
                                             .floor               = 0.0017,
                                             .rows_sampled        = 576,
                                             .rows_total          = 9000};
    sb_quality_facts              none    = {.head              = -1,
                                             .def_version       = 1,
                                             .blocks_exec       = NAN,
                                             .f_est             = -1,
                                             .f_exec            = -1,
                                             .recall_overflow   = -1,
                                             .rel_l2_unreliable = -1};
    double                       *reals[] = {&none.recall_mean, &none.recall_se,
                                             &none.recall_lo,   &none.recall_hi,
                                             &none.recall_tail, &none.recall_p05,
                                             &none.recall_min,  &none.recall_w,
                                             &none.oracle_gap,  &none.needle_block_recall,
                                             &none.needle_mass, &none.needle_mass_kept,
                                             &none.rel_l2,      &none.rel_l2_se,
                                             &none.rel_l2_p99,  &none.rel_l1,
                                             &none.cos_row,     &none.floor};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        *reals[i] = NAN;
    static const sb_needle_facts needles[] = {{0, 3, 0.5, 0.25, 0.125}, {0, 4, NAN, 0, 0}};
    sb_quality_facts             both[]    = {all, none};
    sb_store                    *s         = facts_open(path, SB_STORE_WRITE);
    sb_sample_facts f = facts_ok(facts_run(s, "c", 0), facts_point(s, (sb_point_facts){0}),
                                 facts_input(s, 0), 1, 9);
    f.quality         = both;
    f.n_quality       = 2;
    f.needles         = needles;
    f.n_needles       = 2;
    facts_put(s, &f);
    sb_store_close(s);
    char *row = facts_text(
        path,
        "SELECT printf('%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s', "
        "blocks_exec, blocks_dense, f_est, f_exec, f_dense, recall_lo, recall_hi, recall_min, "
        "recall_w, recall_overflow, oracle_gap, needle_block_recall, needle_mass, "
        "needle_mass_kept, rel_l2_se, rel_l2_unreliable, rel_l2_p99, rel_l1, cos_row, floor) "
        "FROM quality WHERE layer = 1");
    ck_assert_str_eq(row, "1.5|6|100|1152921504606846976|2305843009213693952|0.49|0.53|0.1|0.45|1|"
                          "0.07|0.75|0.3|0.2|0.05|1|1.2|0.55|0.8|0.0017");
    free(row);
    ck_assert_int_eq(
        facts_int(path,
                  "SELECT count(*) FROM quality WHERE layer = 0 AND coalesce(rho_num, rho_den, "
                  "tile_lanes, blocks_exec, blocks_dense, f_est, f_exec, f_dense, recall_mean, "
                  "recall_lo, recall_hi, recall_min, recall_w, recall_overflow, oracle_gap, "
                  "needle_block_recall, needle_mass, needle_mass_kept, rel_l2, rel_l2_se, "
                  "rel_l2_unreliable, rel_l2_p99, rel_l1, cos_row, floor) IS NULL"),
        1);
    ck_assert_int_eq(facts_int(path,
                               "SELECT count(*) FROM needle WHERE (span_no = 3 AND key_recall "
                               "= 0.5 AND mass = 0.25 AND mass_kept = 0.125) OR (span_no = 4 "
                               "AND key_recall IS NULL)"),
                     2);
}
END_TEST

START_TEST(ceilings_are_of_a_run)
{
    sb_store        *s   = facts_open(path, SB_STORE_WRITE);
    int64_t          run = facts_run(s, "c", 0);
    sb_ceiling_facts f = {"matmul", "f32", 5e10, 0}, link = {"link", NULL, 0, 1e9};
    FACTS_OK(sb_store_put_ceiling(s, run, &f));
    FACTS_OK(sb_store_put_ceiling(s, run, &link));
    ck_assert_int_eq(sb_store_put_ceiling(s, run, &f), SB_ERR_INTERNAL); /* once */
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "ceiling matmul f32 of run"));
    ck_assert_int_eq(sb_store_put_ceiling(s, 99, &link), SB_ERR_INTERNAL); /* no such run */
    sb_store_close(s);
    ck_assert_int_eq(facts_int(path, "SELECT count(*) FROM ceiling WHERE (flops_per_s = 5e10 AND "
                                     "bytes_per_s IS NULL) OR (dtype = '' AND bytes_per_s = 1e9)"),
                     2);
}
END_TEST

typedef void (*spoil)(sb_sample_facts *f);
static void spoil_status(sb_sample_facts *f) { f->status = "fine"; }
static void spoil_no_reason(sb_sample_facts *f) { f->status = "failed", f->score = 0; }
static void spoil_reason(sb_sample_facts *f) { f->error = "ok, yet an error"; }
static void spoil_score(sb_sample_facts *f) { f->score = 1.5; }
static void spoil_nan(sb_sample_facts *f) { f->score = 0.0 / 0.0; }
static void spoil_binary(sb_sample_facts *f) { f->score = 0.5, f->score_is_binary = 1; }
static void spoil_failed(sb_sample_facts *f) { f->status = "failed", f->error = "x", f->score = 1; }
static void spoil_unrun(sb_sample_facts *f) { f->status = "no_fit", f->error = "x"; }
static void spoil_point(sb_sample_facts *f) { f->point_id = 99; }
static void spoil_needle(sb_sample_facts *f)
{
    static const sb_needle_facts n = {0, 0, 1.5, 0, 0};
    f->needles                     = &n;
    f->n_needles                   = 1;
}
static void spoil_time(sb_sample_facts *f)
{
    static const sb_timing_facts t[] = {{-1, "attention", 0, 0, 5}, {-1, "attention", 1, 0, -5}};
    f->timings                       = t;
}
static void spoil_phase(sb_sample_facts *f)
{
    static const sb_timing_facts t[] = {{-1, "attention", 0, 0, 5}, {-1, "coffee", 0, 0, 5}};
    f->timings                       = t;
}
static void spoil_twice(sb_sample_facts *f)
{
    static const sb_timing_facts t[] = {{-1, "attention", 0, 0, 5}, {-1, "attention", 0, 0, 5}};
    f->timings                       = t;
}
static const spoil spoils[] = {spoil_status, spoil_no_reason, spoil_reason, spoil_score, spoil_nan,
                               spoil_binary, spoil_failed,    spoil_unrun,  spoil_point, spoil_time,
                               spoil_phase,  spoil_twice,     spoil_needle};

/* A refused sample leaves nothing behind, and the next good one goes in. */
START_TEST(bad_facts_leave_nothing)
{
    sb_store       *s     = facts_open(path, SB_STORE_WRITE);
    int64_t         run   = facts_run(s, "c", 0);
    int64_t         point = facts_point(s, (sb_point_facts){0});
    sb_sample_facts good  = facts_ok(run, point, facts_input(s, 0), 1.0, 10);
    sb_sample_facts bad   = good;
    spoils[_i](&bad);
    ck_assert_int_eq(sb_store_put_sample(s, &bad), SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "sample (run 1, point"));
    facts_put(s, &good);
    ck_assert_int_eq(sb_store_put_sample(s, &good), SB_ERR_INTERNAL); /* the key is taken */
    sb_store_close(s);
    ck_assert_int_eq(
        facts_int(
            path,
            "SELECT (SELECT count(*) FROM sample) * 100 + (SELECT count(*) FROM timing) * 10 + "
            "(SELECT count(*) FROM score)"),
        121);
}
END_TEST

START_TEST(bad_points_and_runs)
{
    sb_store      *s  = facts_open(path, SB_STORE_WRITE);
    int64_t        id = -7;
    sb_point_facts f  = {.hash          = "abc",
                         .identity_json = "{}",
                         .experiment    = "task",
                         .model         = "probe",
                         .model_json    = "{}",
                         .suite         = "probe",
                         .task          = "vt",
                         .task_json     = "{}",
                         .method        = "dense",
                         .method_json   = "{}",
                         .decode        = "method",
                         .scheme        = "allgather",
                         .layout        = "zigzag",
                         .backend       = "cpu",
                         .dtype         = "bf16",
                         .ranks         = 1};
    ck_assert_int_eq(sb_store_put_point(s, &f, &id), SB_ERR_INTERNAL); /* not 64 hex digits */
    f.method_json = "{gamma: 1}";
    ck_assert_int_eq(sb_store_put_point(s, &f, &id), SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "method_json"));
    f.method_json = NULL;
    ck_assert_int_eq(sb_store_put_point(s, &f, &id), SB_ERR_INTERNAL);
    ck_assert_int_eq(id, -7);
    ck_assert_int_eq(sb_store_end_run(s, 5, "finished"), SB_ERR_INTERNAL);
    int64_t run = facts_run(s, "c", 0);
    ck_assert_int_eq(sb_store_end_run(s, run, "exploded"), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_store_end_run(s, run, "running"), SB_ERR_INTERNAL);
    sb_store_close(s);
    s = facts_open(path, SB_STORE_READ);
    ck_assert_int_eq(sb_store_put_point(s, &f, &id), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_store_refresh_intervals(s), SB_ERR_INTERNAL);
    sb_store_close(s);
}
END_TEST

static int is_done(sb_store *s, sb_point_facts f, int64_t row, const char *commit)
{
    char hash[65], sha[65];
    int  done = -1;
    facts_point_hash(f, hash);
    facts_input_hash(row, sha);
    FACTS_OK(sb_store_sample_done(s, hash, sha, commit, &done));
    return done;
}

START_TEST(done_means_ok_or_refused_by_this_commit)
{
    sb_store       *s     = facts_open(path, SB_STORE_WRITE);
    int64_t         run   = facts_run(s, "one", 0);
    sb_point_facts  p     = {0};
    int64_t         point = facts_point(s, p);
    sb_sample_facts f     = facts_ok(run, point, facts_input(s, 0), 0.0, 10);
    facts_put(s, &f); /* a wrong answer is an answer */
    facts_put(s, &(sb_sample_facts){.run_id          = run,
                                    .point_id        = point,
                                    .input_id        = facts_input(s, 1),
                                    .status          = "failed",
                                    .error           = "x",
                                    .metric          = "exact@1",
                                    .score_is_binary = 1});
    facts_put(s, &(sb_sample_facts){.run_id   = run,
                                    .point_id = point,
                                    .input_id = facts_input(s, 2),
                                    .status   = "no_fit",
                                    .error    = "x"});
    f           = facts_ok(run, point, facts_input(s, 3), 1.0, 10);
    f.is_anchor = 1;
    facts_put(s, &f);
    static const int want[] = {1, 0, 2, 0, 0}; /* 2: refused */
    for (int row = 0; row < 5; row++) {
        ck_assert_int_eq(is_done(s, p, row, "one"), want[row]);
        ck_assert_int_eq(is_done(s, p, row, "two"), 0);
    }
    ck_assert_int_eq(is_done(s, (sb_point_facts){.seed = 9}, 0, "one"), 0);
    run = facts_run(s, "one", 0); /* any run of the commit */
    ck_assert_int_eq(is_done(s, p, 0, "one"), 1);
    sb_store_close(s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store");
    TCase *t     = tcase_create("store");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, write_creates_directories_and_schema);
    tcase_add_test(t, views_are_replaced_when_their_text_differs);
    tcase_add_test(t, foreign_files_are_refused);
    tcase_add_test(t, newer_schema_is_refused);
    tcase_add_test(t, read_never_creates);
    tcase_add_test(t, second_writer_and_reader_hear_of_the_first);
    tcase_add_test(t, read_only_places);
    tcase_add_test(t, natural_keys_give_the_known_id);
    tcase_add_test(t, sample_round_trip);
    tcase_add_test(t, steps_by_graphs_round_trip);
    tcase_add_test(t, kernel_and_device_states_round_trip);
    tcase_add_test(t, quality_round_trip);
    tcase_add_test(t, ceilings_are_of_a_run);
    tcase_add_loop_test(t, bad_facts_leave_nothing, 0, (int)(sizeof spoils / sizeof spoils[0]));
    tcase_add_test(t, bad_points_and_runs);
    tcase_add_test(t, done_means_ok_or_refused_by_this_commit);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
