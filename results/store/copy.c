/* One attached shard into main. Rows travel by natural key; their ids are new.
 *
 * For each table with an id a temporary map (old id in the shard -> id in main, is_new) is filled,
 * and the tables that refer to it are copied through that map. Measures hang on new samples only: a
 * sample is never changed once it is stored. */
#include <string.h>

#include "results/store/internal.h"

typedef struct copied {
    const char *table;
    const char *key; /* natural key columns, NULL: rows that hang on a parent and come with it when
                        it is new */
    const char *parents[3]; /* tables referred to by PARENT_id, NULL-terminated unless full */
} copied;

static const copied tables[] = {
    {"run", "uuid", {NULL}},
    {"point", "hash", {NULL}},
    {"dataset",
     "suite task mode generator_version params_json corpus corpus_sha256 length_tokens seed",
     {NULL}},
    {"input", "sha256", {"dataset", NULL}},
    {"sample", "run_id point_id input_id", {"run", "point", "input"}},
    {"ceiling", NULL, {"run", NULL}},
    {"reference", NULL, {"input", NULL}},
    {"span", NULL, {"input", NULL}},
    {"score", NULL, {"sample", NULL}},
    {"hit", NULL, {"sample", NULL}},
    {"timing", NULL, {"sample", NULL}},
    {"quality", NULL, {"sample", NULL}},
    {"needle", NULL, {"sample", NULL}},
    {"comm", NULL, {"sample", NULL}},
    {"memory", NULL, {"sample", NULL}},
    {"energy", NULL, {"sample", NULL}},
    {"device_state", NULL, {"sample", NULL}},
    {"rank_work", NULL, {"sample", NULL}},
    {"anchor_timing", NULL, {"sample", NULL}},
};

static sb_status run_text(sqlite3 *db, const char *path, sqlite3_str *text)
{
    char *sql = sqlite3_str_finish(text);
    if (sql == NULL)
        return sb_fail(SB_ERR_NOMEM, "%s: no memory for a statement", path);
    sb_status st = sbi_exec(db, path, sql);
    sqlite3_free(sql);
    return st;
}

/* The parent that column `name` refers to, or NULL. */
static const char *parent_of(const copied *t, const char *name)
{
    for (int i = 0; i < 3 && t->parents[i] != NULL; i++) {
        size_t n = strlen(t->parents[i]);
        if (strncmp(name, t->parents[i], n) == 0 && strcmp(name + n, "_id") == 0)
            return t->parents[i];
    }
    return NULL;
}

static void append_joins(sqlite3_str *sql, const copied *t)
{
    for (int i = 0; i < 3 && t->parents[i] != NULL; i++)
        sqlite3_str_appendf(sql, " JOIN temp.map_%s AS m_%s ON m_%s.old = t.%s_id", t->parents[i],
                            t->parents[i], t->parents[i], t->parents[i]);
}

/* "a, b" and "t.a, m_run.new": stored columns of the table, its id left out (generated columns are
 * not listed). */
static sb_status column_lists(sqlite3 *db, const char *path, const copied *t, sqlite3_str *names,
                              sqlite3_str *values)
{
    sqlite3_stmt *stmt = NULL;
    int           rc;
    int           n = 0;
    if (sqlite3_prepare_v2(db, "SELECT name FROM pragma_table_info(?, 'main')", -1, &stmt, NULL) !=
            SQLITE_OK ||
        sqlite3_bind_text(stmt, 1, t->table, -1, SQLITE_STATIC) != SQLITE_OK) {
        sb_status st = sbi_db_fail(db, path, NULL);
        sqlite3_finalize(stmt);
        return st;
    }
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        if (strcmp(name, "id") == 0)
            continue;
        const char *parent = parent_of(t, name);
        const char *comma  = n++ == 0 ? "" : ", ";
        sqlite3_str_appendf(names, "%s%s", comma, name);
        if (parent != NULL)
            sqlite3_str_appendf(values, "%sm_%s.new", comma, parent);
        else
            sqlite3_str_appendf(values, "%st.%s", comma, name);
    }
    sb_status st = rc == SQLITE_DONE ? SB_OK : sbi_db_fail(db, path, NULL);
    sqlite3_finalize(stmt);
    return st;
}

static sb_status insert_rows(sqlite3 *db, const char *path, const copied *t)
{
    sqlite3_str *names  = sqlite3_str_new(db);
    sqlite3_str *values = sqlite3_str_new(db);
    sqlite3_str *sql    = sqlite3_str_new(db);
    sb_status    st     = column_lists(db, path, t, names, values);
    sqlite3_str_appendf(sql, "INSERT INTO main.%s (%s) SELECT %s FROM shard.%s AS t", t->table,
                        sqlite3_str_value(names), sqlite3_str_value(values), t->table);
    append_joins(sql, t);
    if (t->key == NULL)
        sqlite3_str_appendf(sql, " WHERE m_%s.is_new", t->parents[0]);
    else
        sqlite3_str_appendall(sql, " WHERE true ORDER BY t.id ON CONFLICT DO NOTHING");
    sqlite3_free(sqlite3_str_finish(names));
    sqlite3_free(sqlite3_str_finish(values));
    if (st == SB_OK)
        return run_text(db, path, sql);
    sqlite3_free(sqlite3_str_finish(sql));
    return st;
}

/* Ids in main of all rows of the shard; above `newest` they came with this copy. */
static sb_status fill_map(sqlite3 *db, const char *path, const copied *t, int64_t newest)
{
    sqlite3_str *sql = sqlite3_str_new(db);
    sqlite3_str_appendf(sql,
                        "CREATE TEMP TABLE map_%s (old INTEGER PRIMARY KEY, new INTEGER NOT NULL, "
                        "is_new INTEGER NOT NULL);"
                        "INSERT INTO temp.map_%s SELECT t.id, o.id, o.id > %lld FROM shard.%s AS t",
                        t->table, t->table, newest, t->table);
    append_joins(sql, t);
    sqlite3_str_appendf(sql, " JOIN main.%s AS o ON ", t->table);
    for (const char *p = t->key; *p != '\0';) {
        int         n = (int)strcspn(p, " ");
        char        name[64];
        const char *parent;
        (void)snprintf(name, sizeof name, "%.*s", n, p);
        parent = parent_of(t, name);
        if (parent != NULL)
            sqlite3_str_appendf(sql, "%so.%s = m_%s.new", p == t->key ? "" : " AND ", name, parent);
        else
            sqlite3_str_appendf(sql, "%so.%s = t.%s", p == t->key ? "" : " AND ", name, name);
        p += n;
        p += *p == ' ';
    }
    return run_text(db, path, sql);
}

static sb_status copy_table(sqlite3 *db, const char *path, const copied *t)
{
    char      sql[96];
    int64_t   newest = 0;
    sb_status st     = SB_OK;
    if (t->key != NULL) {
        (void)snprintf(sql, sizeof sql, "SELECT coalesce(max(id), 0) FROM main.%s", t->table);
        st = sbi_scalar(db, path, sql, &newest);
    }
    if (st == SB_OK)
        st = insert_rows(db, path, t);
    if (st == SB_OK && t->key != NULL)
        st = fill_map(db, path, t, newest);
    return st == SB_OK ? st : sb_wrap(st, "table %s", t->table);
}

static sb_status drop_maps(sqlite3 *db, const char *path)
{
    return sbi_exec(db, path,
                    "DROP TABLE IF EXISTS temp.map_run; DROP TABLE IF EXISTS temp.map_point;"
                    "DROP TABLE IF EXISTS temp.map_dataset; DROP TABLE IF EXISTS temp.map_input;"
                    "DROP TABLE IF EXISTS temp.map_sample");
}

sb_status sbi_copy_shard(sqlite3 *db, const char *path, int64_t *n_new, int64_t *n_known)
{
    sb_status st = drop_maps(db, path);
    for (int i = 0; st == SB_OK && i < SBI_COUNT(tables); i++)
        st = copy_table(db, path, &tables[i]);
    /* a shard merged while its run went on, and again after it ended */
    if (st == SB_OK)
        st = sbi_exec(db, path,
                      "UPDATE main.run SET status = t.status, finished_utc = t.finished_utc FROM "
                      "shard.run AS t "
                      "WHERE t.uuid = main.run.uuid AND main.run.status = 'running' AND t.status "
                      "<> 'running'");
    if (st == SB_OK)
        st = sbi_scalar(db, path, "SELECT coalesce(sum(is_new), 0) FROM temp.map_sample", n_new);
    if (st == SB_OK)
        st = sbi_scalar(db, path, "SELECT coalesce(sum(1 - is_new), 0) FROM temp.map_sample",
                        n_known);
    return st == SB_OK ? drop_maps(db, path) : st;
}
