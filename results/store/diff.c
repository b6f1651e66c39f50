/* `db diff`: do two databases hold the same facts? Each file lists its facts as (key, label,
 * value), sorted by key, and the two lists are walked side by side. Measured values, hosts and run
 * ids are no facts here; how many timing rows there are is one. Anchors, which depend on where a
 * job was cut, are left out. */
#include <stdlib.h>
#include <string.h>

#include "results/store/internal.h"
#include "results/store/names.h"

enum { MAX_DIFFERENCES = 50 };

/* quote() prints reals so that they read back the same. The order inside group_concat is that of
 * its subquery's index. */
static const char facts_sql[] =
    "WITH s AS MATERIALIZED (SELECT l.*, p.hash, i.sha256, p.method || ' ' || p.task || ' ' || "
    "p.length_tokens || ' row ' || "
    "  i.row_no AS label FROM latest_sample AS l JOIN point AS p ON p.id = l.point_id JOIN input "
    "AS i ON i.id = l.input_id "
    "  WHERE l.is_anchor = 0) "
    "SELECT 'point ' || p.hash AS key, p.method || ' ' || p.task || ' ' || p.length_tokens AS "
    "label, "
    "  unnamed(p.identity_json) || ' chance ' || quote(p.chance) || ' training_free ' || "
    "p.training_free AS "
    "value "
    "  FROM point AS p WHERE p.id IN (SELECT point_id FROM s) "
    "UNION ALL SELECT 'input ' || i.sha256, 'row ' || i.row_no, 'dataset ' || d.suite || '/' || "
    "d.task || ' ' || d.mode || ' ' "
    "  || d.generator_version || ' ' || unnamed(d.params_json) || ' ' || d.corpus_sha256 || ' ' || "
    "d.length_tokens || ' ' || d.seed || "
    "  ' tokens ' || i.n_prompt_tokens || '/' || i.n_context_tokens || '/' || i.n_gen_tokens || ' "
    "references ' || "
    "  coalesce((SELECT group_concat(quote(text)) FROM (SELECT text FROM reference AS r WHERE "
    "r.input_id = i.id ORDER BY "
    "  ref_no)), 'none') || ' spans ' || coalesce((SELECT group_concat(kind || quote(ref_no) || "
    "':' || tok_begin || '-' || "
    "  tok_end || '@' || quote(depth)) FROM (SELECT * FROM span AS r WHERE r.input_id = i.id ORDER "
    "BY span_no)), 'none') "
    "  FROM input AS i JOIN dataset AS d ON d.id = i.dataset_id WHERE i.id IN (SELECT input_id "
    "FROM s) "
    "UNION ALL SELECT 'sample ' || hash || ' ' || sha256 || ' status', label, status FROM s "
    "UNION ALL SELECT 'sample ' || hash || ' ' || sha256 || ' prediction', label, "
    "quote(prediction) FROM s "
    "UNION ALL SELECT 'sample ' || hash || ' ' || sha256 || ' plan digest', label, "
    "quote(plan_digest) FROM s "
    "UNION ALL SELECT 'sample ' || hash || ' ' || sha256 || ' fallback', label, fallback FROM s "
    "UNION ALL SELECT 'sample ' || hash || ' ' || sha256 || ' tokens generated', label, n_gen FROM "
    "s "
    "UNION ALL SELECT 'sample ' || hash || ' ' || sha256 || ' score ' || c.metric, label, "
    "quote(c.value) || ' binary ' || "
    "  c.is_binary FROM s JOIN score AS c ON c.sample_id = s.sample_id "
    "UNION ALL SELECT 'sample ' || hash || ' ' || sha256 || ' hits', label, coalesce((SELECT "
    "group_concat(hit, '') FROM "
    "  (SELECT hit FROM hit AS h WHERE h.sample_id = s.sample_id ORDER BY ref_no)), 'none') FROM s "
    "UNION ALL SELECT 'sample ' || hash || ' ' || sha256 || ' quality layer ' || q.layer || ' head "
    "' || q.head_key, label, "
    "  q.def_version || ' rho ' || quote(q.rho_num) || '/' || quote(q.rho_den) || ' tiles ' || "
    "quote(q.tile_lanes) || '/' || quote(q.tile_lanes_dense) || ' blocks ' || "
    "quote(q.blocks_exec) || '/' || quote(q.blocks_dense) || ' flop ' || quote(q.f_est) || ' ' || "
    "quote(q.f_exec) || ' ' || quote(q.f_dense) || ' recall ' || quote(q.recall_mean) || ' ' || "
    "quote(q.recall_se) || ' ' || quote(q.recall_lo) || ' ' || quote(q.recall_hi) || ' ' || "
    "quote(q.recall_tail) || ' ' || quote(q.recall_p05) || ' ' || quote(q.recall_min) || ' ' || "
    "quote(q.recall_w) || ' ' || quote(q.recall_overflow) || ' ' || quote(q.oracle_gap) || "
    "' needle ' || quote(q.needle_block_recall) || ' ' || quote(q.needle_mass) || ' ' || "
    "quote(q.needle_mass_kept) || ' error ' || quote(q.rel_l2) || ' ' || quote(q.rel_l2_se) || "
    "' ' || quote(q.rel_l2_unreliable) || ' ' || quote(q.rel_l2_p99) || ' ' || quote(q.rel_l1) || "
    "' ' || quote(q.cos_row) || ' ' || quote(q.floor) || ' rows ' || q.rows_sampled || '/' || "
    "q.rows_total FROM s JOIN quality AS q ON q.sample_id = s.sample_id "
    "UNION ALL SELECT 'sample ' || hash || ' ' || sha256 || ' needle layer ' || n.layer || ' span "
    "' || n.span_no, label, quote(n.key_recall) || ' ' || quote(n.mass) || ' ' || "
    "quote(n.mass_kept) FROM s JOIN needle AS n ON n.sample_id = s.sample_id "
    "UNION ALL SELECT 'sample ' || hash || ' ' || sha256 || ' timing rows ' || t.phase || "
    "iif(t.is_warmup, ' warm-up', ''), "
    "  label, t.n FROM s JOIN (SELECT sample_id, phase, is_warmup, count(*) AS n FROM timing GROUP "
    "BY sample_id, phase, "
    "  is_warmup) AS t ON t.sample_id = s.sample_id "
    "ORDER BY key";

typedef struct side {
    const char   *path;
    sqlite3      *db;
    sqlite3_stmt *stmt;
    int           has_row;
} side;

static sb_status advance(side *d)
{
    int rc     = sqlite3_step(d->stmt);
    d->has_row = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SB_OK : sbi_db_fail(d->db, d->path, NULL);
}

/* Paths by their hash: a file without names holds the same facts. */
static void unnamed(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    sbi_naming  none = {0};
    char       *out  = NULL;
    const char *text = (const char *)sqlite3_value_text(argv[0]);
    (void)argc;
    if (sbi_naming_replace(&none, SBI_TEXT_FACT, sbi_or_empty(text), &out) == SB_OK)
        sqlite3_result_text(ctx, out, -1, SQLITE_TRANSIENT);
    else
        sqlite3_result_error_nomem(ctx);
    free(out);
}

static sb_status side_open(side *d)
{
    sb_status st = sbi_open_read(d->path, &d->db);
    if (st != SB_OK)
        return st;
    if (sqlite3_create_function(d->db, "unnamed", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
                                unnamed, NULL, NULL) != SQLITE_OK)
        return sbi_db_fail(d->db, d->path, "unnamed");
    if (sqlite3_prepare_v2(d->db, facts_sql, -1, &d->stmt, NULL) != SQLITE_OK)
        return sbi_db_fail(d->db, d->path, NULL);
    return advance(d);
}

static void side_close(side *d)
{
    sqlite3_finalize(d->stmt);
    sqlite3_close(d->db);
}

static const char *text(const side *d, int column)
{
    return sbi_or_empty((const char *)sqlite3_column_text(d->stmt, column));
}

/* "sample 1f0c3a4b5d6e 9a8b7c6d5e4f score exact@1" out of a key with full hashes. */
static void print_key(const char *key, FILE *out)
{
    while (*key != '\0') {
        int n = (int)strcspn(key, " ");
        (void)fprintf(out, "%.*s", n == 64 ? 12 : n, key);
        key += n;
        if (*key == ' ')
            (void)fputc(*key++, out);
    }
}

static void print_difference(const side *a, const side *b, int order, FILE *out)
{
    const side *one = order > 0 ? b : a;
    print_key(text(one, 0), out);
    (void)fprintf(out, " (%s): ", text(one, 1));
    if (order != 0)
        (void)fprintf(out, "only in %s: %.200s\n", one->path, text(one, 2));
    else
        (void)fprintf(out, "%.200s | %.200s\n", text(a, 2), text(b, 2));
}

sb_status sb_store_diff(const char *a, const char *b, FILE *out, int *equal)
{
    side      x = {.path = a};
    side      y = {.path = b};
    int64_t   n = 0, facts = 0;
    sb_status st = side_open(&x);
    if (st == SB_OK)
        st = side_open(&y);
    while (st == SB_OK && (x.has_row || y.has_row)) {
        int order = !x.has_row ? 1 : !y.has_row ? -1 : strcmp(text(&x, 0), text(&y, 0));
        if (order != 0 || strcmp(text(&x, 2), text(&y, 2)) != 0) {
            if (n++ < MAX_DIFFERENCES)
                print_difference(&x, &y, order, out);
        }
        facts++;
        if (order <= 0)
            st = advance(&x);
        if (st == SB_OK && order >= 0)
            st = advance(&y);
    }
    side_close(&x);
    side_close(&y);
    if (st != SB_OK)
        return st;
    if (n > MAX_DIFFERENCES)
        (void)fprintf(out, "... %lld more\n", (long long)(n - MAX_DIFFERENCES));
    (void)fprintf(out, "%lld facts compared, %lld differ\n", (long long)facts, (long long)n);
    *equal = n == 0;
    return SB_OK;
}
