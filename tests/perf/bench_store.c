/* How long the stored figures and the views take on a large database:
 *     bench_store [SAMPLES [DB]]        (1,000,000 samples, thrown away; with DB the file is kept)
 * 8 tasks x 5 lengths x 10 methods = 400 points of SAMPLES / 400 inputs each, half of the tasks
 * fractional; a sample has one score, two hits, three times of one repetition, quality of one layer
 * and one needle. Prints CPU seconds (user and system: other processes do not count) of filling it,
 * of a first refresh, of one where nothing changed, of one after one score changed, and of every
 * view, whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "results/store/internal.h"

/* $I: inputs of a point, $N: samples */
static const char fill_sql[] =
    "INSERT INTO run (uuid, started_utc, status, commit_id, version, sweep_name, config_text, "
    "config_sha256, command, cpu, device, backend, comm, mpi_version, ranks, threads, cores, "
    "oversubscribed) VALUES ('00000000-0000-4000-8000-000000000000', '2026', 'finished', 'c', 'v', "
    "'s', '', '', '', 'cpu', '', 'cpu', 'self', '', 1, 1, 1, 0), "
    "('00000000-0000-4000-8000-000000000001', '2027', 'finished', 'c', 'v', 's', '', '', '', "
    "'cpu', '', 'cpu', 'self', '', 1, 1, 1, 0);"
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 399)"
    "INSERT INTO point SELECT i + 1, printf('%064x', i * 7919 + 11), '{}', 'task', 'probe', '{}', "
    "'probe', 'task_' || (i % 8), '{}', 1024 << (i / 8 % 5), 1, iif(i / 40 = 0, 'dense', 'method_' "
    "|| (i / 40)), "
    "'{}', 'method', 'allgather', 'zigzag', 'cpu', 'bf16', 1, 1, NULL FROM n;"
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 39)"
    "INSERT INTO dataset SELECT i + 1, 'probe', 'task_' || (i % 8), 'native', '1', '{}', '', '', "
    "1024 << (i / 8), 1 FROM n;"
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 40 * $I - 1)"
    "INSERT INTO input SELECT i + 1, i / $I + 1, i % $I, printf('%064x', i * 104729 + 5), 1024, "
    "1000, 2 FROM n;"
    "INSERT INTO reference SELECT id, column1, 'x' FROM input, (VALUES (0), (1)) ORDER BY 1, 2;"
    "INSERT INTO span SELECT id, 0, 'needle', 0, 10, 14, (id % 10) / 10.0 FROM input;"
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < $N - 1)"
    "INSERT INTO sample (id, run_id, point_id, input_id, is_anchor, status, prediction, fallback, "
    "n_gen) "
    "SELECT i + 1, 1, i / $I + 1, i % (40 * $I) + 1, 0, 'ok', '', 0, 2 FROM n;"
    "INSERT INTO score SELECT id, 'm@1', iif(point_id % 2, (id * 7919 % 97 > point_id / 40 * 5), "
    "(id * 7919 % 97) / 97.0), point_id % 2 FROM sample;"
    "INSERT INTO hit SELECT id, column1, (id + column1) % 3 > 0 FROM sample, (VALUES (0), (1)) "
    "ORDER BY 1, 2;"
    "INSERT INTO timing (sample_id, phase, repetition, layer_key, is_warmup, ns) SELECT id, "
    "column1, 0, -1, 0, column2 * (1000 + id * 31 % 97) / (1 + point_id / 40) FROM sample, "
    "(VALUES ('attention', 900), ('compute', 700), ('prefill', 2000)) ORDER BY 1, 2;"
    "INSERT INTO quality (sample_id, layer, head_key, def_version, rho_num, rho_den, f_est, "
    "f_exec, "
    "f_dense, recall_mean, rows_sampled, rows_total) SELECT id, 0, -1, 1, 100 + id % 7, 1000, 10, "
    "500, 4000, (id % 101) / 101.0, 10, 10 FROM sample;"
    "INSERT INTO needle SELECT id, 0, 0, (id % 5) / 4.0, 0.5, 0.25 FROM sample;"
    "INSERT INTO ceiling VALUES (1, 'matmul', 'f32', 1e12, NULL)";
static const char change_sql[] =
    "INSERT INTO sample (id, run_id, point_id, input_id, is_anchor, status, prediction, fallback, "
    "n_gen) "
    "VALUES ($N + 1, 2, 100, 60 * $I % (40 * $I) + 1, 0, 'ok', '', 0, 2); INSERT INTO score VALUES "
    "($N + 1, 'm@1', 0.5, 0)";

static double now(void)
{
    struct rusage u;
    (void)getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static int report(const char *what, double since, sb_status st)
{
    if (st != SB_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, sb_error_text());
        return 1;
    }
    (void)printf("%-28s %8.2f s\n", what, now() - since);
    (void)fflush(stdout);
    return 0;
}

/* A statement with $N and $I in place. */
static sb_status run(sb_store *s, const char *sql, int64_t samples)
{
    sqlite3_str *text = sqlite3_str_new(s->db);
    for (const char *p = sql; *p != '\0'; p++)
        if (*p == '$')
            sqlite3_str_appendf(text, "%lld", (long long)(*++p == 'N' ? samples : samples / 400));
        else
            sqlite3_str_appendchar(text, 1, *p);
    char     *made = sqlite3_str_finish(text);
    sb_status st   = made == NULL ? sb_fail(SB_ERR_NOMEM, "no memory") : sbi_begin(s);
    if (st == SB_OK)
        st = sbi_end(s, sbi_exec(s->db, s->path, made));
    sqlite3_free(made);
    return st;
}

static int time_views(const char *path)
{
    int       bad  = 0;
    sb_store *s    = NULL;
    FILE     *sink = fopen("/dev/null", "w");
    if (sink == NULL || sb_store_open(path, SB_STORE_READ, &s) != SB_OK)
        return report("open", 0, SB_ERR_IO);
    for (const sb_view *v = sb_views; v->name != NULL; v++) {
        char   sql[64];
        double t = now();
        (void)snprintf(sql, sizeof sql, "SELECT * FROM %s", v->name);
        bad |= report(v->name, t, sb_store_query(s, sql, SB_FORMAT_CSV, sink));
    }
    (void)fclose(sink);
    sb_store_close(s);
    return bad;
}

int main(int argc, char **argv)
{
    static const char *const what[]  = {"first refresh", "refresh, nothing changed",
                                        "refresh, one score changed"};
    int64_t                  samples = argc > 1 ? atoll(argv[1]) : 1000000;
    const char              *path    = argc > 2 ? argv[2] : "bench_store.db";
    sb_store                *s       = NULL;
    double                   t       = now();
    if (samples < 800 || samples % 400 != 0) {
        (void)fprintf(stderr, "bench_store: found %s samples, allowed a multiple of 400 from 800\n",
                      argc > 1 ? argv[1] : "");
        return 2;
    }
    (void)remove(path);
    sbi_synchronous = 0;
    sb_status st    = sb_store_open(path, SB_STORE_WRITE, &s);
    if (st == SB_OK)
        st = run(s, fill_sql, samples);
    int bad = report("filled", t, st);
    for (int i = 0; i < 3 && !bad; i++) {
        if (i == 2)
            bad = report("change", now(), run(s, change_sql, samples));
        t = now();
        bad |= report(what[i], t, sb_store_refresh_intervals(s));
    }
    sb_store_close(s);
    t   = now();
    bad = bad || report("open for writing", t, sb_store_open(path, SB_STORE_WRITE, &s));
    if (!bad)
        sb_store_close(s);
    bad = bad || time_views(path);
    if (argc < 3)
        (void)remove(path);
    return bad;
}
