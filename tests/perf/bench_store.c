/* How long the stored figures and the views take on a large database (no times, no quality):
 *     bench_store [DB]
 * 8 tasks x 5 lengths x 10 methods x 250 inputs = 100,000 samples, half of the tasks fractional.
 * Prints seconds of a first refresh, of one where nothing changed, of one after one score changed,
 * and of each view over scores; with DB the file is kept. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "results/store/internal.h"

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
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)"
    "INSERT INTO input SELECT i + 1, i / 250 + 1, i % 250, printf('%064x', i * 104729 + 5), 1024, "
    "1000, 2 FROM n;"
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)"
    "INSERT INTO sample SELECT i + 1, 1, i / 250 + 1, i % 10000 + 1, 0, 'ok', NULL, '', NULL, 0, 2 "
    "FROM n;"
    "INSERT INTO score SELECT id, 'm@1', iif(point_id % 2, (id * 7919 % 97 > point_id / 40 * 5), "
    "(id * 7919 % 97) / 97.0), point_id % 2 FROM sample";
static const char change_sql[] =
    "INSERT INTO sample VALUES (100001, 2, 100, 2600, 0, 'ok', NULL, "
    "'', NULL, 0, 2); INSERT INTO score VALUES (100001, 'm@1', 0.5, 0)";

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int report(const char *what, double since, sb_status st)
{
    if (st != SB_OK) {
        (void)fprintf(stderr, "%s: %s\n", what, sb_error_text());
        return 1;
    }
    (void)printf("%-28s %8.2f s\n", what, now() - since);
    return 0;
}

static int time_views(const char *path)
{
    static const char *const views[] = {"accuracy", "accuracy_mean", "losses", "losses_mean",
                                        "ruler_length"};
    int                      bad     = 0;
    sb_store                *s       = NULL;
    FILE                    *sink    = fopen("/dev/null", "w");
    if (sink == NULL || sb_store_open(path, SB_STORE_READ, &s) != SB_OK)
        return report("open", 0, SB_ERR_IO);
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        char   sql[64];
        double t = now();
        (void)snprintf(sql, sizeof sql, "SELECT * FROM %s", views[i]);
        bad |= report(views[i], t, sb_store_query(s, sql, SB_FORMAT_CSV, sink));
    }
    (void)fclose(sink);
    sb_store_close(s);
    return bad;
}

int main(int argc, char **argv)
{
    static const char *const what[] = {"first refresh", "refresh, nothing changed",
                                       "refresh, one score changed"};
    const char              *path   = argc > 1 ? argv[1] : "bench_store.db";
    sb_store                *s      = NULL;
    double                   t      = now();
    int                      bad    = 0;
    (void)remove(path);
    sbi_synchronous = 0;
    sb_status st    = sb_store_open(path, SB_STORE_WRITE, &s);
    if (st == SB_OK && (st = sbi_begin(s)) == SB_OK)
        st = sbi_end(s, sbi_exec(s->db, path, fill_sql));
    bad = report("100,000 samples", t, st);
    for (int i = 0; i < 3 && !bad; i++) {
        if (i == 2)
            bad = report("change", now(), sbi_exec(s->db, path, change_sql));
        t = now();
        bad |= report(what[i], t, sb_store_refresh_intervals(s));
    }
    sb_store_close(s);
    bad = bad || time_views(path);
    if (argc < 2)
        (void)remove(path);
    return bad;
}
