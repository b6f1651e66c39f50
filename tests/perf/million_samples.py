#!/usr/bin/env python3
"""A large results database, filled by SQL with facts that look like a sweep's, and the time that each view takes to answer.

    tests/perf/million_samples.py SPANBENCH [--samples N] [--keep FILE]

10 methods x 20 tasks x lengths x seeds, 100 inputs a point; two timed phases of 3 repetitions, 2 layers of quality, one needle, one hit a
sample. Half of the tasks have 0/1 scores, half fractions. Prints a table: rows of the view, seconds of `spanbench query` (whole process,
median of 3), before and after the figures are stored. Needs about 1.3 GB on disk for a million samples.
"""
import argparse, os, shutil, sqlite3, statistics, subprocess, tempfile, time

METHODS, TASKS, LENGTHS, N = 10, 20, 10, 100


def fill(db, samples):
    points = max(METHODS * TASKS, samples // N)
    cells = -(-points // METHODS)
    db.executescript(f"""
PRAGMA foreign_keys = OFF; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
BEGIN;
INSERT INTO run (uuid, started_utc, finished_utc, status, commit_id, version, sweep_name, config_text, config_sha256, command, cpu, device, backend,
                 comm, mpi_version, ranks, threads, cores, oversubscribed)
VALUES ('00000000-0000-4000-8000-000000000000', '2026-01-01T00:00:00.000000000Z', '2026-01-02T00:00:00.000000000Z', 'finished', 'c', '0', 's', '',
        '', 'made by SQL', 'cpu', '', 'cpu', 'self', '3.1', 2, 1, 2, 0);
CREATE TEMP TABLE d (i INTEGER PRIMARY KEY);
WITH RECURSIVE c(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM c WHERE i + 1 < 100) INSERT INTO d SELECT i FROM c;
CREATE TEMP TABLE cell AS
SELECT a.i + 100 * b.i AS id, 'task_' || ((a.i + 100 * b.i) % {TASKS}) AS task, 1024 << ((a.i + 100 * b.i) / {TASKS} % {LENGTHS}) AS length,
       (a.i + 100 * b.i) / {TASKS * LENGTHS} AS seed
  FROM d AS a, d AS b WHERE a.i + 100 * b.i < {cells};
INSERT INTO dataset (id, suite, task, mode, generator_version, params_json, corpus, corpus_sha256, length_tokens, seed)
SELECT id + 1, 'probe', task, 'native', '1', '{{}}', '', '', length, seed FROM cell;
INSERT INTO input (id, dataset_id, row_no, sha256, n_prompt_tokens, n_context_tokens, n_gen_tokens)
SELECT cell.id * {N} + d.i + 1, cell.id + 1, d.i, printf('%064x', cell.id * {N} + d.i), 8, length, 1 FROM cell, d WHERE d.i < {N};
INSERT INTO reference SELECT id, 0, 'x' FROM input;
INSERT INTO span SELECT id, 0, 'needle', 0, 1, 2, (id * 37 % 1000) / 1000.0 FROM input;
INSERT INTO point (id, hash, identity_json, experiment, model, model_json, suite, task, task_json, length_tokens, seed, method, method_json, decode,
                   scheme, layout, backend, dtype, ranks, training_free)
SELECT cell.id * {METHODS} + m.i + 1, printf('%064x', cell.id * {METHODS} + m.i), '{{}}', 'task', 'probe', '{{}}', 'probe', task, '{{}}', length, seed,
       CASE m.i WHEN 0 THEN 'dense' ELSE 'method_' || m.i END, '{{}}', 'dense', 'allgather', 'contiguous', 'cpu', 'f32', 2, 1
  FROM cell, d AS m WHERE m.i < {METHODS};
INSERT INTO sample (id, run_id, point_id, input_id, is_anchor, status, prediction, fallback, n_gen, kernel)
SELECT (p.id - 1) * {N} + d.i + 1, 1, p.id, (p.id - 1) / {METHODS} * {N} + d.i + 1, 0, 'ok', 'x', 0, 1, 'avx2'
  FROM point AS p, d WHERE d.i < {N};
INSERT INTO score
SELECT s.id, CASE WHEN p.task LIKE '%1' OR p.task LIKE '%3' OR p.task LIKE '%5' OR p.task LIKE '%7' OR p.task LIKE '%9' THEN 'f1@1' ELSE 'exact@1' END,
       CASE WHEN p.task LIKE '%1' OR p.task LIKE '%3' OR p.task LIKE '%5' OR p.task LIKE '%7' OR p.task LIKE '%9'
            THEN (s.id * 7919 % 101) / 100.0 ELSE s.id * 7919 % 101 < 80 END,
       NOT (p.task LIKE '%1' OR p.task LIKE '%3' OR p.task LIKE '%5' OR p.task LIKE '%7' OR p.task LIKE '%9')
  FROM sample AS s JOIN point AS p ON p.id = s.point_id;
INSERT INTO hit SELECT id, 0, id * 7919 % 101 < 80 FROM sample;
INSERT INTO timing (sample_id, phase, repetition, layer_key, is_warmup, ns)
SELECT s.id, ph.column1, d.i, -1, 0, 1000000 + (s.id * 7919 + d.i * 104729) % 99991
  FROM sample AS s, (VALUES ('attention'), ('prefill')) AS ph, d WHERE d.i < 3;
INSERT INTO quality (sample_id, layer, head_key, def_version, rho_num, rho_den, tile_lanes, tile_lanes_dense, recall_mean, recall_se, recall_tail,
                     recall_p05, rel_l2, rows_sampled, rows_total, blocks_exec, blocks_dense, f_est, f_exec, f_dense, recall_min, needle_mass,
                     needle_mass_kept, needle_block_recall, floor)
SELECT s.id, d.i, -1, 1, 100, 1000, 10, 100, .9, .01, .9, .8, .01, 100, 1000, 3, 30, 10, 1000, 10000, .5, .2, .1, .5, .001
  FROM sample AS s, d WHERE d.i < 2;
INSERT INTO needle SELECT s.id, d.i, 0, .5, .2, .1 FROM sample AS s, d WHERE d.i < 2;
INSERT INTO comm SELECT id, 'prefill', 1000, 1000, 2, 5000 FROM sample;
INSERT INTO rank_work SELECT id, 0, 60, 100, 60, 55, 10, 20, NULL FROM sample;
INSERT INTO energy (sample_id, phase, millijoules, repetitions, duration_ns, step_ns, idle_mw) SELECT id, 'prefill', 1000, 3, 3000000, 1000, 10 FROM sample;
COMMIT;
""")


def seconds(command, times):
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        out = subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken), out.stdout.count(b"\n") - 1


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("spanbench")
    ask.add_argument("--samples", type=int, default=1_000_000)
    ask.add_argument("--keep")
    ask = ask.parse_args()
    work = tempfile.mkdtemp()
    path = ask.keep or os.path.join(work, "million.db")
    try:
        here = os.path.dirname(os.path.abspath(__file__))
        shutil.copy(os.path.join(here, "../../results/baselines/worked.db"), path)
        os.chmod(path, 0o644)
        subprocess.run([ask.spanbench, "db", "migrate", path], check=True, capture_output=True)
        db = sqlite3.connect(path)
        db.execute("PRAGMA foreign_keys = OFF")
        for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            db.execute(f"DELETE FROM {table}")
        db.commit()
        fill(db, ask.samples)
        public = [v.removeprefix("live_") for (v,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'view' AND name GLOB 'live_*'")]
        n = db.execute("SELECT count(*) FROM sample").fetchone()[0]
        db.close()
        query = lambda v: [ask.spanbench, "query", path, f"SELECT * FROM {v}", "--format", "csv"]
        before = {v: seconds(query(v), 1) for v in public}
        refresh, _ = seconds([ask.spanbench, "db", "migrate", path], 1)
        print(f"{n} samples, {os.path.getsize(path) / 1e9:.2f} GB; figures stored in {refresh:.0f} s\n")
        print("| view | rows | computed, s | stored, s |\n| --- | ---: | ---: | ---: |")
        for v in public:
            stored, rows = seconds(query(v), 3)
            print(f"| {v} | {rows} | {before[v][0]:.2f} | {stored:.2f} |")
    finally:
        shutil.rmtree(work)


main()
