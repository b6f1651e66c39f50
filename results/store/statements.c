/* Every prepared statement of the store, by name, and the calls that bind and run them. */
#include <jansson.h>
#include <math.h>

#include "results/store/internal.h"

static const char *const sql_of[SBI_STMT_COUNT] = {
    [SBI_BEGIN]          = "BEGIN IMMEDIATE",
    [SBI_FIGURES_FORGET] = "DELETE FROM stored_figures",
    [SBI_COMMIT]         = "COMMIT",
    [SBI_RUN_INSERT] =
        "INSERT INTO run (uuid, started_utc, status, commit_id, version, build_json, sweep_name, "
        "config_text, config_sha256, "
        "command, hosts_json, cpu, device, backend, comm, mpi_version, env_json, ranks, threads, "
        "cores, oversubscribed) "
        "VALUES (?, ?, 'running', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SBI_RUN_END]        = "UPDATE run SET status = ?2, finished_utc = ?3 WHERE id = ?1",
    [SBI_CEILING_INSERT] = "INSERT INTO ceiling (run_id, kind, dtype, flops_per_s, bytes_per_s) "
                           "VALUES (?, ?, ?, ?, ?)",
    [SBI_POINT_FIND]     = "SELECT id FROM point WHERE hash = ?",
    [SBI_POINT_INSERT]   = "INSERT INTO point (hash, identity_json, experiment, model, model_json, "
                           "suite, task, task_json, length_tokens, seed, "
                           "method, method_json, decode, scheme, layout, backend, dtype, ranks, "
                           "training_free, chance) "
                           "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SBI_DATASET_FIND]   = "SELECT id FROM dataset WHERE suite = ? AND task = ? AND mode = ? AND "
                           "generator_version = ? AND params_json = ? AND "
                           "corpus = ? AND corpus_sha256 = ? AND length_tokens = ? AND seed = ?",
    [SBI_DATASET_INSERT] = "INSERT INTO dataset (suite, task, mode, generator_version, "
                           "params_json, corpus, corpus_sha256, length_tokens, seed) "
                           "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SBI_INPUT_FIND]     = "SELECT id FROM input WHERE sha256 = ?",
    [SBI_INPUT_INSERT]   = "INSERT INTO input (dataset_id, row_no, sha256, n_prompt_tokens, "
                           "n_context_tokens, n_gen_tokens) "
                           "VALUES (?, ?, ?, ?, ?, ?)",
    [SBI_REFERENCE_INSERT] = "INSERT INTO reference (input_id, ref_no, text) VALUES (?, ?, ?)",
    [SBI_SPAN_INSERT]   = "INSERT INTO span (input_id, span_no, kind, ref_no, tok_begin, tok_end, "
                          "depth) VALUES (?, ?, ?, ?, ?, ?, ?)",
    [SBI_SAMPLE_INSERT] = "INSERT INTO sample (run_id, point_id, input_id, is_anchor, status, "
                          "error, prediction, plan_digest, fallback, n_gen, kernel, "
                          "graph_steps, graph_reason) "
                          "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SBI_SCORE_INSERT] =
        "INSERT INTO score (sample_id, metric, value, is_binary) VALUES (?, ?, ?, ?)",
    [SBI_HIT_INSERT]    = "INSERT INTO hit (sample_id, ref_no, hit) VALUES (?, ?, ?)",
    [SBI_TIMING_INSERT] = "INSERT INTO timing (sample_id, phase, repetition, layer_key, is_warmup, "
                          "ns) VALUES (?, ?, ?, ?, ?, ?)",
    [SBI_QUALITY_INSERT] =
        "INSERT INTO quality (sample_id, layer, head_key, def_version, rho_num, rho_den, "
        "tile_lanes, tile_lanes_dense, blocks_exec, blocks_dense, f_est, f_exec, f_dense, "
        "recall_mean, recall_se, recall_lo, recall_hi, recall_tail, recall_p05, recall_min, "
        "recall_w, recall_overflow, oracle_gap, needle_block_recall, needle_mass, "
        "needle_mass_kept, rel_l2, rel_l2_se, rel_l2_unreliable, rel_l2_p99, rel_l1, cos_row, "
        "floor, rows_sampled, rows_total) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
        "?, ?, ?, ?, ?, ?, ?, ?)",
    [SBI_NEEDLE_INSERT] = "INSERT INTO needle (sample_id, layer, span_no, key_recall, mass, "
                          "mass_kept) VALUES (?, ?, ?, ?, ?, ?)",
    [SBI_COMM_INSERT]   = "INSERT INTO comm (sample_id, phase, received_bytes, sent_bytes, calls, "
                          "exposed_ns) VALUES (?, ?, ?, ?, ?, ?)",
    [SBI_STATE_INSERT]  = "INSERT INTO device_state (sample_id, place, sm_clock_mhz, "
                          "memory_clock_mhz, power_mw, temperature_c, throttle_reasons, "
                          "other_processes, ecc, mig) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SBI_ENERGY_INSERT] = "INSERT INTO energy (sample_id, phase, millijoules, repetitions, "
                          "duration_ns, step_ns, idle_mw) VALUES (?, ?, ?, ?, ?, ?, ?)",
    [SBI_ANCHOR_INSERT] = "INSERT INTO anchor_timing (sample_id, repetition, before_ns, after_ns, "
                          "kernel) VALUES (?, ?, ?, ?, ?)",
    [SBI_BALANCE_INSERT] =
        "INSERT INTO rank_work (sample_id, layer, work_max, work_sum, step_work, "
        "lpt_max, keys_needed, keys_foreign, fetched) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SBI_MEMORY_INSERT] = "INSERT INTO memory (sample_id, kind, bytes) VALUES (?, ?, ?)",
    [SBI_SAMPLE_DONE] =
        "SELECT iif(s.status = 'ok', 1, 2) FROM sample AS s JOIN run AS r ON r.id = "
        "s.run_id WHERE s.point_id = (SELECT id FROM point WHERE hash = ?) "
        "AND s.input_id = (SELECT id FROM input WHERE sha256 = ?) "
        "AND r.commit_id = ? AND s.is_anchor = 0 AND s.status <> 'failed' ORDER BY 1 "
        "LIMIT 1",
    [SBI_SAMPLE_SAME] =
        "SELECT l.sample_id FROM latest_sample AS l WHERE l.point_id = (SELECT id FROM point WHERE "
        "hash = ?1) AND l.input_id = (SELECT id FROM input WHERE sha256 = ?2) AND l.prediction IS "
        "?3 AND l.status = iif(?3 IS NULL, 'unsupported', 'ok')",
    [SBI_SCORE_COUNT] = "SELECT count(*) FROM score WHERE sample_id = ?",
    [SBI_SCORE_SAME]  = "SELECT 1 FROM score WHERE sample_id = ? AND metric = ? AND value = ?",
    [SBI_INTERVAL_STALE] =
        "SELECT y.point_id, y.metric, y.rows_key, 0, y.n FROM interval_key AS y LEFT JOIN interval "
        "AS i ON i.point_id = y.point_id AND i.metric = y.metric AND i.kind = 'bootstrap' "
        "WHERE y.is_binary = 0 AND y.n >= 2 AND i.rows_key IS NOT y.rows_key",
    [SBI_INTERVAL_VALUES] = "SELECT l.value FROM latest_score AS l JOIN input AS i ON i.id = "
                            "l.input_id WHERE l.point_id = ? AND l.metric = ? "
                            "ORDER BY i.sha256",
    [SBI_INTERVAL_PUT] =
        "INSERT INTO interval (point_id, metric, kind, rows_key, n, lo, hi) "
        "VALUES (?, ?, 'bootstrap', ?, ?, ?, ?) ON CONFLICT DO UPDATE "
        "SET rows_key = excluded.rows_key, n = excluded.n, lo = excluded.lo, hi = excluded.hi",
    [SBI_INTERVAL_DROP] = "DELETE FROM interval WHERE (point_id, metric, rows_key) NOT IN "
                          "(SELECT point_id, metric, rows_key FROM interval_key)",
    [SBI_POINT_HASH]    = "SELECT hash FROM point WHERE id = ?",
    /* the third column names the part in the seed */
    [SBI_PAIR_PARTS_TASK] =
        "SELECT y.point_id, y.metric, q.hash || ' ' || p.hash || ' ' || y.metric, y.base_id, 0 "
        "FROM temp.pair AS y JOIN point AS p ON p.id = y.point_id JOIN point AS q ON q.id = "
        "y.base_id WHERE y.point_id = ? AND y.metric = ?",
    [SBI_PAIR_PARTS_MEAN] =
        "SELECT y.point_id, y.metric, q.hash || ' ' || p.hash || ' ' || y.metric, y.base_id, 0 "
        "FROM temp.pair AS y JOIN point AS p ON p.id = y.point_id JOIN point AS q ON q.id = "
        "y.base_id WHERE y.group_id = ? ORDER BY p.task, p.hash, y.metric",
    [SBI_PAIR_SCORES] =
        "SELECT l.point_id <> ?1 AS is_base, l.input_id, i.row_no, l.value FROM latest_score AS l "
        "JOIN input AS i ON i.id = l.input_id WHERE l.point_id IN (?1, ?2) AND l.metric = ?3 "
        "ORDER BY i.sha256, is_base",
    [SBI_COMPARISON_STALE_TASK] =
        "SELECT y.point_id, y.metric, y.rows_key, y.base_id, 0 FROM temp.pair AS y LEFT JOIN "
        "comparison AS c ON c.point_id = y.point_id AND c.scope = 'task' AND c.metric = y.metric "
        "WHERE y.base_id IS NOT NULL AND c.point_id IS NULL",
    [SBI_COMPARISON_STALE_MEAN] =
        "SELECT y.group_id, '', y.rows_key, y.base_id, 0 FROM temp.mean_pair AS y LEFT JOIN "
        "comparison AS c ON c.point_id = y.group_id AND c.scope = 'mean' WHERE c.point_id IS NULL",
    [SBI_COMPARISON_PUT] =
        "INSERT INTO comparison (point_id, scope, metric, base_id, rows_key, n_tasks, n, "
        "n_unpaired, n_differ, b, c, kind, reason, difference, lo, hi, p, margin, non_inferior, "
        "resolution) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SBI_COMPARISON_DROP_TASK] =
        "DELETE FROM comparison WHERE scope = 'task' AND NOT EXISTS (SELECT 1 FROM temp.pair AS y "
        "WHERE y.point_id = comparison.point_id AND y.metric = comparison.metric AND y.base_id "
        "IS NOT NULL AND y.rows_key = comparison.rows_key)",
    [SBI_COMPARISON_DROP_MEAN] =
        "DELETE FROM comparison WHERE scope = 'mean' AND (point_id, rows_key) NOT IN "
        "(SELECT group_id, rows_key FROM temp.mean_pair)",
    [SBI_MEAN_STALE] =
        "SELECT y.group_id, '', y.rows_key, 0, y.n_total FROM temp.mean AS y LEFT JOIN "
        "mean_interval AS i ON i.point_id = y.group_id WHERE y.reason IS NULL AND i.point_id IS "
        "NULL",
    [SBI_MEAN_SCORES] =
        "SELECT p.id, p.hash || ' ' || l.metric, l.value FROM temp.member AS m JOIN point AS p ON "
        "p.id = m.point_id JOIN latest_score AS l ON l.point_id = p.id JOIN input AS i ON i.id = "
        "l.input_id WHERE m.group_id = ? ORDER BY p.task, p.hash, i.sha256",
    [SBI_MEAN_PUT]  = "INSERT INTO mean_interval (point_id, rows_key, n_tasks, n, lo, hi) VALUES "
                      "(?, ?, ?, ?, ?, ?)",
    [SBI_MEAN_DROP] = "DELETE FROM mean_interval WHERE (point_id, rows_key) NOT IN (SELECT "
                      "group_id, rows_key FROM temp.mean WHERE reason IS NULL)",
    [SBI_FAMILY_LIST] =
        "SELECT 0, y.family, c.point_id, c.metric, c.p FROM comparison AS c JOIN temp.pair AS y ON "
        "y.point_id = c.point_id AND y.metric = c.metric WHERE c.scope = 'task' AND c.p IS NOT "
        "NULL UNION ALL SELECT 1, m.set_id, c.point_id, c.metric, c.p FROM comparison AS c JOIN "
        "temp.mean AS m ON m.group_id = c.point_id WHERE c.scope = 'mean' AND c.p IS NOT NULL "
        "ORDER BY 1, 2",
    [SBI_FAMILY_PUT] = "UPDATE comparison SET p_holm = ?4 WHERE point_id = ?1 AND scope = ?2 AND "
                       "metric = ?3",
};

static int bind(sqlite3_stmt *stmt, int at, const sbi_value *v)
{
    switch (v->kind) {
    case SBI_INT:
        return sqlite3_bind_int64(stmt, at, v->i);
    case SBI_REAL:
        return isnan(v->d) ? sqlite3_bind_null(stmt, at) : sqlite3_bind_double(stmt, at, v->d);
    case SBI_TEXT: /* the caller's text outlives the step */
        return sqlite3_bind_text(stmt, at, v->t, -1, SQLITE_STATIC);
    case SBI_NULL:
        break;
    }
    return sqlite3_bind_null(stmt, at);
}

sb_status sbi_prepare(sb_store *s, sbi_stmt id, const sbi_value *values, int n, sqlite3_stmt **out)
{
    if (s->stmts[id] == NULL && sqlite3_prepare_v3(s->db, sql_of[id], -1, SQLITE_PREPARE_PERSISTENT,
                                                   &s->stmts[id], NULL) != SQLITE_OK)
        return sbi_db_fail(s->db, s->path, "cannot prepare a statement");
    sqlite3_reset(s->stmts[id]);
    for (int i = 0; i < n; i++)
        if (bind(s->stmts[id], i + 1, &values[i]) != SQLITE_OK)
            return sbi_db_fail(s->db, s->path, "cannot bind a value");
    *out = s->stmts[id];
    return SB_OK;
}

sb_status sbi_find(sb_store *s, sbi_stmt id, const sbi_value *values, int n, int64_t *out,
                   int *found)
{
    sqlite3_stmt *stmt = NULL;
    sb_status     st   = sbi_prepare(s, id, values, n, &stmt);
    if (st != SB_OK)
        return st;
    int rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        *out   = sqlite3_column_int64(stmt, 0);
        *found = 1;
    } else if (rc == SQLITE_DONE) {
        *found = 0;
    } else {
        st = sbi_db_fail(s->db, s->path, NULL);
    }
    sqlite3_reset(stmt);
    sqlite3_clear_bindings(stmt);
    return st;
}

sb_status sbi_run(sb_store *s, sbi_stmt id, const sbi_value *values, int n)
{
    int64_t ignored = 0;
    int     found   = 0;
    return sbi_find(s, id, values, n, &ignored, &found);
}

sb_status sbi_need_json(const char *column, const char *text)
{
    json_error_t error;
    if (text == NULL)
        return SB_OK;
    /* as real: a seed may lie above int64 */
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
    if (value == NULL)
        return sb_fail(SB_ERR_INTERNAL, "%s: found `%.80s`, which is not JSON: %s", column, text,
                       error.text);
    json_decref(value);
    return SB_OK;
}

sb_status sbi_need_writer(const sb_store *s, const char *what)
{
    if (s == NULL || s->mode != SB_STORE_WRITE)
        return sb_fail(SB_ERR_INTERNAL, "%s: the database is not open for writing", what);
    return SB_OK;
}

sb_status sbi_begin(sb_store *s) { return s->batch ? SB_OK : sbi_run(s, SBI_BEGIN, NULL, 0); }

sb_status sbi_end(sb_store *s, sb_status st)
{
    if (s->batch)
        return st;
    if (st == SB_OK)
        st = sbi_run(s, SBI_COMMIT, NULL, 0);
    if (st != SB_OK && !sqlite3_get_autocommit(s->db)) {
        /* plain exec: must not replace the text of the first error, and some errors have rolled
         * back already */
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    }
    return st;
}

sb_status sb_store_begin(sb_store *s)
{
    sb_status st = sbi_need_writer(s, "begin");
    if (st == SB_OK && s->batch)
        return sb_fail(SB_ERR_INTERNAL, "%s: begin: a batch is open already", s->path);
    if (st == SB_OK && (st = sbi_begin(s)) == SB_OK)
        s->batch = 1;
    return st;
}

sb_status sb_store_end(sb_store *s, sb_status st)
{
    if (!s->batch)
        return st != SB_OK ? st : sb_fail(SB_ERR_INTERNAL, "%s: end: no batch is open", s->path);
    s->batch = 0;
    return sbi_end(s, st);
}
