/* `db check`: the file is whole, and its facts keep the promises that no CHECK constraint can
 * state. */
#include <string.h>

#include "results/store/internal.h"
#include "results/store/names.h"

/* Each query lists its offenders, one text a row. */
static const struct {
    const char *what, *sql;
} invariants[] = {
    /* an input without references asks nothing: ids without meaning, for times alone */
    {"sample without a score",
     "SELECT 'sample ' || s.id || ' (' || s.status || ')' FROM sample AS s JOIN point AS p ON p.id "
     "= s.point_id "
     "WHERE p.experiment = 'task' AND s.status IN ('ok', 'failed') "
     "AND EXISTS (SELECT 1 FROM reference AS r WHERE r.input_id = s.input_id) "
     "AND NOT EXISTS (SELECT 1 FROM score AS c WHERE c.sample_id = s.id)"},
    {"sample that was never run has a score, times or quality",
     "SELECT 'sample ' || s.id || ' (' || s.status || ')' FROM sample AS s WHERE s.status IN "
     "('unsupported', 'no_fit') AND "
     "(EXISTS (SELECT 1 FROM score AS c WHERE c.sample_id = s.id) OR EXISTS (SELECT 1 FROM timing "
     "AS t WHERE t.sample_id = "
     "s.id) OR EXISTS (SELECT 1 FROM quality AS q WHERE q.sample_id = s.id))"},
    {"failed sample with a score above 0",
     "SELECT 'sample ' || s.id FROM sample AS s JOIN score AS c ON c.sample_id = s.id WHERE "
     "s.status = 'failed' AND c.value "
     "<> 0"},
    /* a sweep may ask for no times at all; decode steps are timed where an answer has some */
    {"ok sample without a time, of a run that has times",
     "SELECT 'sample ' || s.id FROM sample AS s WHERE s.status = 'ok' "
     "AND NOT EXISTS (SELECT 1 FROM timing AS t WHERE t.sample_id = s.id) "
     "AND s.run_id IN (SELECT o.run_id FROM sample AS o JOIN timing AS t ON t.sample_id = o.id "
     "WHERE t.phase <> 'decode_token')"},
    {"sample without a reason", "SELECT 'sample ' || id || ' (' || status || ')' FROM sample WHERE "
                                "status <> 'ok' AND trim(error) = ''"},
    {"hits that differ in number from the references",
     "SELECT 'sample ' || s.id || ': ' || h.n || ' hits, ' || "
     "(SELECT count(*) FROM reference AS r WHERE r.input_id = s.input_id) || ' references' "
     "FROM (SELECT sample_id, count(*) AS n FROM hit GROUP BY sample_id) AS h JOIN sample AS s ON "
     "s.id = h.sample_id "
     "WHERE h.n <> (SELECT count(*) FROM reference AS r WHERE r.input_id = s.input_id)"},
    {"row of a data set with more than one content",
     "SELECT 'dataset ' || dataset_id || ' row ' || row_no FROM input GROUP BY dataset_id, row_no "
     "HAVING count(*) > 1"},
    {"recall outside 0..1", "SELECT 'sample ' || sample_id || ' layer ' || layer FROM quality "
                            "WHERE recall_mean < 0 OR recall_mean > 1.002"},
    {"text that is not JSON",
     "SELECT 'point ' || id FROM point WHERE NOT (json_valid(identity_json) AND "
     "json_valid(model_json) AND "
     "json_valid(task_json) AND json_valid(method_json)) UNION ALL SELECT 'dataset ' || id FROM "
     "dataset WHERE NOT "
     "json_valid(params_json) UNION ALL SELECT 'run ' || id FROM run WHERE NOT "
     "(coalesce(json_valid(build_json), 1) AND "
     "coalesce(json_valid(hosts_json), 1) AND coalesce(json_valid(env_json), 1))"},
    {"comparison with another cell, or with no dense point",
     "SELECT 'point ' || c.point_id || ' with ' || c.base_id FROM comparison AS c JOIN point AS p "
     "ON p.id = c.point_id JOIN point AS q ON q.id = c.base_id WHERE q.method <> 'dense' OR "
     "p.method = 'dense' OR (q.model, q.model_json, q.suite, q.length_tokens, q.seed) <> (p.model, "
     "p.model_json, p.suite, p.length_tokens, p.seed) OR (c.scope = 'task' AND (q.task, "
     "q.task_json) <> (p.task, p.task_json))"},
    {"comparison that contradicts itself",
     "SELECT 'point ' || point_id || ' ' || scope || ' ' || metric FROM comparison WHERE "
     "non_inferior <> (lo > -margin) OR (kind = 'mcnemar' AND (abs(difference - (c - b) * 1.0 / "
     "n) > 1e-9 OR difference < lo - 1e-9 OR difference > hi + 1e-9)) OR (scope = 'mean') <> "
     "(metric = '') OR (kind IS NOT NULL AND p_holm IS NULL)"},
    {"comparison refused without need",
     "SELECT 'point ' || point_id || ' ' || scope || ' ' || metric FROM comparison WHERE kind IS "
     "NULL AND trim(reason) = ''"},
    {"run uuid that is none",
     "SELECT 'run ' || id FROM run WHERE uuid NOT LIKE '________-____-4___-____-____________'"},
};

/* A point's hash must be the hash of its identity: the one row whose content proves itself. Where a
 * path was hidden the text that proves it is gone. */
static sb_status check_hashes(sqlite3 *db, const char *path, FILE *out, int64_t *n)
{
    sqlite3_stmt *stmt = NULL;
    char          hex[65];
    int           rc;
    sb_status     st = SB_OK;
    if (sqlite3_prepare_v2(db, "SELECT id, hash, identity_json FROM point", -1, &stmt, NULL) !=
        SQLITE_OK)
        return sbi_db_fail(db, path, "point hashes");
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && st == SB_OK) {
        const char *hash = (const char *)sqlite3_column_text(stmt, 1);
        const char *text = (const char *)sqlite3_column_text(stmt, 2);
        if (sbi_has_hidden_path(sbi_or_empty(text)))
            continue;
        st = sbi_text_sha256(sbi_or_empty(text), hex);
        if (st == SB_OK && strcmp(hex, sbi_or_empty(hash)) != 0) {
            (void)fprintf(out, "%s: point %lld: its hash is not that of its identity\n", path,
                          (long long)sqlite3_column_int64(stmt, 0));
            *n += 1;
        }
    }
    if (st == SB_OK && rc != SQLITE_DONE)
        st = sbi_db_fail(db, path, "point hashes");
    sqlite3_finalize(stmt);
    return st;
}

sb_status sb_store_check(const char *path, FILE *out)
{
    sqlite3  *db = NULL;
    int64_t   n  = 0;
    sb_status st = sbi_open_check(path, &db);
    if (st != SB_OK)
        return st;
    st = sbi_verify(db, path, SBI_THOROUGH, path, out, &n);
    for (int i = 0; st == SB_OK && i < SBI_COUNT(invariants); i++)
        st = sbi_findings(db, path, invariants[i].sql, path, invariants[i].what, out, &n);
    if (st == SB_OK)
        st = check_hashes(db, path, out, &n);
    if (st == SB_OK)
        st = sbi_figures_check(db, path, out, &n);
    sqlite3_close(db);
    if (st != SB_OK)
        return st;
    if (n > 0)
        return sb_fail(SB_ERR_IO, "%s: %lld finding%s", path, (long long)n, n == 1 ? "" : "s");
    return SB_OK;
}
