/* See facts.h. */
#include "tests/unit/results/facts.h"

#include <check.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *facts_dir(void)
{
    static char dir[256];
    const char *base = getenv("TMPDIR");
    (void)snprintf(dir, sizeof dir, "%s/span-results-XXXXXX", base == NULL ? "/tmp" : base);
    ck_assert_ptr_nonnull(mkdtemp(dir));
    sbi_synchronous = 0; /* hundreds of small databases in no time */
    return dir;
}

const char *facts_path(const char *dir, const char *name)
{
    static char paths[4][512];
    static int  next;
    char       *path = paths[next++ % 4];
    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info, (void)kind, (void)at;
    return remove(path);
}

void facts_remove(const char *dir) { (void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS); }

sb_store *facts_open(const char *path, sb_store_mode mode)
{
    sb_store *s = NULL;
    FACTS_OK(sb_store_open(path, mode, &s));
    return s;
}

int64_t facts_run(sb_store *s, const char *commit, int oversubscribed)
{
    int64_t            id = 0;
    const sb_run_facts f  = {.commit_id      = commit,
                             .version        = "0.1.0",
                             .build_json     = "{\"compiler\":\"cc\"}",
                             .sweep_name     = "unit",
                             .config_text    = "sweep: unit\n",
                             .config_sha256  = "",
                             .command        = "spanbench run unit.yaml",
                             .hosts_json     = "[\"host\"]",
                             .cpu            = "a cpu",
                             .backend        = "cpu",
                             .comm           = "self",
                             .mpi_version    = "none",
                             .env_json       = "{}",
                             .ranks          = 1,
                             .threads        = 1,
                             .cores          = 1,
                             .oversubscribed = oversubscribed};
    FACTS_OK(sb_store_begin_run(s, &f, &id));
    return id;
}

static const char *either(const char *text, const char *other)
{
    return text == NULL ? other : text;
}

static void complete(sb_point_facts *f, char identity[1024], char hash[65])
{
    f->experiment    = either(f->experiment, "task");
    f->model         = either(f->model, "probe");
    f->model_json    = either(f->model_json, "{\"head_dim\":64}");
    f->suite         = either(f->suite, "probe");
    f->task          = either(f->task, "niah_single");
    f->task_json     = either(f->task_json, "{}");
    f->length_tokens = f->length_tokens == 0 ? 1024 : f->length_tokens;
    f->method        = either(f->method, "dense");
    f->method_json   = either(f->method_json, "{}");
    f->decode        = either(f->decode, "method");
    f->scheme        = either(f->scheme, "allgather");
    f->layout        = either(f->layout, "zigzag");
    f->backend       = either(f->backend, "cpu");
    f->dtype         = either(f->dtype, "bf16");
    f->ranks         = f->ranks == 0 ? 1 : f->ranks;
    f->training_free = 1;
    (void)snprintf(identity, 1024,
                   "[\"%s\",%s,\"%s\",\"%s\",%s,%lld,%llu,\"%s\",%s,\"%s\",\"%s\",\"%s\",%d]",
                   f->model, f->model_json, f->suite, f->task, f->task_json,
                   (long long)f->length_tokens, (unsigned long long)f->seed, f->method,
                   f->method_json, f->decode, f->scheme, f->layout, f->ranks);
    f->identity_json = identity;
    FACTS_OK(sbi_text_sha256(identity, hash));
    f->hash = hash;
}

void facts_point_hash(sb_point_facts f, char hash[65])
{
    char identity[1024];
    complete(&f, identity, hash);
}

int64_t facts_point(sb_store *s, sb_point_facts f)
{
    char    identity[1024], hash[65];
    int64_t id = 0;
    complete(&f, identity, hash);
    FACTS_OK(sb_store_put_point(s, &f, &id));
    return id;
}

void facts_input_hash(int64_t row, char hash[65])
{
    char text[64];
    (void)snprintf(text, sizeof text, "input %lld", (long long)row);
    FACTS_OK(sbi_text_sha256(text, hash));
}

int64_t facts_input(sb_store *s, int64_t row)
{
    static const char *const refs[]  = {"A", "B"};
    const sb_span_facts      span    = {"needle", 0, 10, 14, 0.25};
    const sb_dataset_facts   dataset = {.suite             = "probe",
                                        .task              = "niah_single",
                                        .mode              = "native",
                                        .generator_version = "1",
                                        .params_json       = "{}",
                                        .corpus            = "zipf",
                                        .length_tokens     = 1024,
                                        .seed              = UINT64_MAX};
    char                     sha[65];
    int64_t                  dataset_id = 0, id = 0;
    facts_input_hash(row, sha);
    FACTS_OK(sb_store_put_dataset(s, &dataset, &dataset_id));
    const sb_input_facts f = {.dataset_id       = dataset_id,
                              .row_no           = row,
                              .sha256           = sha,
                              .n_prompt_tokens  = 1024,
                              .n_context_tokens = 1000,
                              .n_gen_tokens     = 2,
                              .refs             = refs,
                              .n_refs           = 2,
                              .spans            = &span,
                              .n_spans          = 1};
    FACTS_OK(sb_store_put_input(s, &f, &id));
    return id;
}

sb_sample_facts facts_ok(int64_t run, int64_t point, int64_t input, double score, int64_t ns)
{
    static const uint8_t   hits[] = {1, 0};
    static sb_timing_facts ring[64][2]; /* the caller puts the sample before 64 more are made */
    static int             next;
    static const sb_memory_facts  memory    = {"arena_high_water", 4096};
    static const sb_comm_facts    comm      = {"prefill", 100, 200, 3, 40};
    static const sb_balance_facts balance   = {0, 30, 40, 36, 24, 6, 24, 1}; /* of 2 ranks */
    static const sb_quality_facts quality   = {.layer        = 0,
                                               .head         = -1,
                                               .def_version  = 1,
                                               .rho_num      = 1,
                                               .rho_den      = 4,
                                               .f_exec       = 768, /* lanes of a kernel of 64 dims */
                                               .f_est        = 128,
                                               .f_dense      = 1024,
                                               .recall_mean  = 0.5,
                                               .rows_sampled = 2,
                                               .rows_total   = 2};
    static const sb_state_facts   states[2] = {{"before", 1980, 2619, 40, 1, 0, 0, 120000, 0},
                                               {"after", 1755, -1, 61, 1, 0, 2, 698000, 4}};
    /* 9 repetitions in 2 s, 1.2 kJ; 0.2 kJ of it would have been used without them */
    static const sb_energy_facts energy = {"prefill", 1200000, 9, 2000000000, 50000000, 100000};
    /* twice and four times the timing below */
    static sb_anchor_facts anchors[64];
    sb_anchor_facts       *anchor = &anchors[next % 64];
    *anchor                       = (sb_anchor_facts){2 * ns, 4 * ns, "sm90"};
    sb_timing_facts *t            = ring[next++ % 64];
    t[0] = (sb_timing_facts){.layer = -1, .phase = "attention", .ns = ns};
    t[1] = (sb_timing_facts){.layer = -1, .phase = "prefill", .ns = 2 * ns};
    return (sb_sample_facts){.run_id          = run,
                             .point_id        = point,
                             .input_id        = input,
                             .status          = "ok",
                             .prediction      = "A; C",
                             .plan_digest     = "00ff",
                             .n_gen           = 2,
                             .metric          = "exact@1",
                             .score           = score,
                             .score_is_binary = score == 0.0 || score == 1.0,
                             .hits            = hits,
                             .n_hits          = 2,
                             .timings         = t,
                             .n_timings       = 2,
                             .quality         = &quality,
                             .n_quality       = 1,
                             .comm            = &comm,
                             .n_comm          = 1,
                             .balance         = &balance,
                             .n_balance       = 1,
                             .memory          = &memory,
                             .n_memory        = 1,
                             .kernel          = "avx2",
                             .n_steps         = 9,
                             .graph_steps     = 8,
                             .graph_reason    = "the driver",
                             .states          = states,
                             .n_states        = 2,
                             .energy          = &energy,
                             .n_energy        = 1,
                             .anchors         = anchor,
                             .n_anchors       = 1};
}

void facts_put(sb_store *s, const sb_sample_facts *f) { FACTS_OK(sb_store_put_sample(s, f)); }

static sqlite3_stmt *first_row(const char *path, const char *sql, sqlite3 **db)
{
    sqlite3_stmt *stmt = NULL;
    FACTS_OK(sbi_open_read(path, db));
    ck_assert_msg(sqlite3_prepare_v2(*db, sql, -1, &stmt, NULL) == SQLITE_OK, "%s: %s", sql,
                  sqlite3_errmsg(*db));
    ck_assert_msg(sqlite3_step(stmt) == SQLITE_ROW, "%s: no row: %s", sql, sqlite3_errmsg(*db));
    return stmt;
}

double facts_real(const char *path, const char *sql)
{
    sqlite3      *db   = NULL;
    sqlite3_stmt *stmt = first_row(path, sql, &db);
    ck_assert_msg(sqlite3_column_type(stmt, 0) != SQLITE_NULL, "%s: NULL", sql);
    double value = sqlite3_column_double(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

int64_t facts_int(const char *path, const char *sql)
{
    sqlite3      *db    = NULL;
    sqlite3_stmt *stmt  = first_row(path, sql, &db);
    int64_t       value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

char *facts_text(const char *path, const char *sql)
{
    sqlite3      *db   = NULL;
    sqlite3_stmt *stmt = first_row(path, sql, &db);
    const char   *text = (const char *)sqlite3_column_text(stmt, 0);
    char         *copy = strdup(text == NULL ? "" : text);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return copy;
}
