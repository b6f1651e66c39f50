#include "harness/cli/summary.h"

#include <stdlib.h>
#include <string.h>

#include "results/store/store.h"

/* WITH asked(point_hash, place, name): the sweep's points in file order. Hashes, names and numbers
 * need no quoting. */
static sb_status asked(FILE *f, const sb_sweep *s)
{
    sb_status st = SB_OK;
    (void)fputs("WITH asked(point_hash, place, name) AS (VALUES ", f);
    for (int64_t i = 0, n = 0; st == SB_OK && i < s->n_points; i++) {
        char name[512];
        if (s->points[i].anchor_only)
            continue;
        st = sb_point_label(&s->points[i], name, sizeof name);
        (void)fprintf(f, "%s('%s', %lld, '", n++ > 0 ? ", " : "", s->points[i].hash, (long long)i);
        (void)fprintf(f, "%s')", name);
    }
    (void)fputs(")\n", f);
    return st;
}

/* A column with fixed decimals; printf() in SQL would make a number of NULL. */
static void fixed(FILE *f, const char *expr, int digits, const char *name)
{
    (void)fprintf(f, ",\n CASE WHEN %s IS NOT NULL THEN printf('%%.%df', %s) END AS \"%s\"", expr,
                  digits, expr, name);
}

/* 1 when the task of point i did not stand in an earlier point. */
static int first_of_task(const sb_sweep *s, int64_t i)
{
    for (int64_t j = 0; j < i; j++)
        if (s->points[j].task == s->points[i].task)
            return 0;
    return !s->points[i].anchor_only;
}

static sb_status scores_sql(FILE *f, const sb_sweep *s)
{
    sb_status st = asked(f, s);
    (void)fputs("SELECT name AS method, length, ranks", f);
    for (int64_t i = 0; i < s->n_points; i++)
        if (first_of_task(s, i)) {
            const char *task = s->points[i].task_name;
            char        expr[128];
            (void)snprintf(expr, sizeof expr, "avg(score) FILTER (WHERE task = '%s')", task);
            fixed(f, expr, 2, strncmp(task, "niah_", 5) == 0 ? task + 5 : task);
        }
    fixed(f, "avg(score)", 3, "mean");
    (void)fputs(", sum(n) AS n\n"
                "FROM asked JOIN accuracy USING (point_hash)"
                " GROUP BY name, length, ranks ORDER BY length, min(place)",
                f);
    return st;
}

static sb_status times_sql(FILE *f, const sb_sweep *s)
{
    static const struct {
        const char *expr;
        int         digits;
        const char *name;
    } columns[]  = {{"avg(p.median_ms)", 1, "prefill_ms"},
                    {"avg(t.median_ms)", 1, "attention_ms"},
                    {"avg(d.median_ms)", 2, "decode_token_ms"},
                    {"avg(s.attention_x)", 2, "attention_x"},
                    {"avg(s.prefill_x)", 2, "prefill_x"},
                    {"avg(s.density)", 3, "density"},
                    {"avg(s.recall)", 3, "recall"}};
    sb_status st = asked(f, s);
    (void)fputs("SELECT a.name AS method, s.length, s.ranks, sum(s.n_samples) AS n", f);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        fixed(f, columns[i].expr, columns[i].digits, columns[i].name);
    (void)fputs("\nFROM asked a JOIN speedup s USING (point_hash)\n", f);
    static const char *const phases[][2] = {
        {"p", "prefill"}, {"t", "attention"}, {"d", "decode_token"}};
    for (size_t i = 0; i < 3; i++)
        (void)fprintf(f,
                      "LEFT JOIN latency %s ON %s.point_hash = s.point_hash AND %s.phase = '%s'"
                      " AND %s.is_anchor = 0\n",
                      phases[i][0], phases[i][0], phases[i][0], phases[i][1], phases[i][0]);
    (void)fputs("GROUP BY a.name, s.length, s.ranks ORDER BY s.length, min(a.place)", f);
    return st;
}

/* Do inputs of the sweep differ in heads or head_dim? Then a column says which. */
static int shapes_differ(const sb_sweep *s)
{
    for (int64_t i = 1; i < s->n_points; i++)
        if (strcmp(s->points[i].model_json, s->points[0].model_json) != 0)
            return 1;
    return 0;
}

/* The operator alone: a line each input, since two distributions have no common time or density.
 * The phases stand beside their whole; index is estimate, select and permute together. */
static sb_status attention_sql(FILE *f, const sb_sweep *s)
{
    static const struct {
        const char *expr;
        int         digits;
        const char *name;
    } columns[]                          = {{"avg(t.median_ms)", 1, "attention_ms"},
                                            {"avg(e.median_ms + l.median_ms + p.median_ms)", 1, "index_ms"},
                                            {"avg(c.median_ms)", 1, "compute_ms"},
                                            {"avg(m.median_ms)", 1, "communicate_ms"},
                                            {"avg(s.attention_x)", 2, "attention_x"},
                                            {"avg(s.density)", 3, "density"},
                                            {"avg(s.recall)", 3, "recall"}};
    static const char *const phases[][2] = {{"t", "attention"}, {"e", "estimate"},
                                            {"l", "select"},    {"p", "permute"},
                                            {"c", "compute"},   {"m", "communicate"}};
    sb_status                st          = asked(f, s);
    int                      shape       = shapes_differ(s);
    (void)fputs("SELECT s.task AS input, s.length", f);
    if (shape)
        (void)fputs(", json_extract(s.model_params, '$.heads') || '/' ||"
                    " json_extract(s.model_params, '$.kv_heads') || ' x ' ||"
                    " json_extract(s.model_params, '$.head_dim') AS \"heads x dim\"",
                    f);
    (void)fputs(", s.ranks, a.name AS method, sum(t.n) AS n", f);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        fixed(f, columns[i].expr, columns[i].digits, columns[i].name);
    (void)fputs("\nFROM asked a JOIN speedup s USING (point_hash)\n", f);
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
        (void)fprintf(f,
                      "LEFT JOIN latency %s ON %s.point_hash = s.point_hash AND %s.phase = '%s'"
                      " AND %s.is_anchor = 0\n",
                      phases[i][0], phases[i][0], phases[i][0], phases[i][1], phases[i][0]);
    (void)fputs("GROUP BY s.task, s.task_params, s.length, s.model_params, s.ranks, a.name"
                " ORDER BY min(a.place)",
                f);
    return st;
}

static sb_status print(sb_store *db, const sb_sweep                             *s,
                       sb_status (*write)(FILE *, const sb_sweep *), const char *title, FILE *out)
{
    char  *sql = NULL;
    size_t n   = 0;
    FILE  *f   = open_memstream(&sql, &n);
    if (f == NULL)
        return sb_fail(SB_ERR_NOMEM, "summary: no memory for its query");
    sb_status st = write(f, s);
    if (fclose(f) != 0 && st == SB_OK)
        st = sb_fail(SB_ERR_NOMEM, "summary: no memory for its query");
    if (st == SB_OK) {
        (void)fprintf(out, "\n%s\n", title);
        st = sb_store_query(db, sql, SB_FORMAT_TABLE, out);
    }
    free(sql);
    return st;
}

static sb_status print_task(sb_store *db, const sb_sweep *sweep, FILE *out)
{
    char title[128];
    (void)snprintf(title, sizeof title,
                   "accuracy by task (model %s: figures of a constructed model, not RULER scores)",
                   sweep->points[0].model);
    sb_status st = print(db, sweep, scores_sql, title, out);
    if (st == SB_OK)
        st = print(db, sweep, times_sql,
                   "latency beside the dense anchor of the same process, density and recall (means "
                   "over tasks)",
                   out);
    return st;
}

sb_status sb_summary_print(const char *db_path, const sb_sweep *sweep, FILE *out)
{
    sb_store *db = NULL;
    sb_status st = sb_store_open(db_path, SB_STORE_READ, &db);
    if (st == SB_OK && sweep->points[0].input != NULL)
        st = print(db, sweep, attention_sql,
                   "attention alone (medians) beside the dense anchor of the same process, density "
                   "and recall",
                   out);
    else if (st == SB_OK)
        st = print_task(db, sweep, out);
    (void)fputc('\n', out);
    sb_store_close(db);
    return st;
}
