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
        if (strcmp(s->points[j].task_name, s->points[i].task_name) == 0)
            return 0;
    return !s->points[i].anchor_only;
}

/* Do points of the sweep differ in sharding or layout? Then a column says which: the same inputs
 * under two shardings are no two samples. */
static int shardings_differ(const sb_sweep *s)
{
    for (int64_t i = 1; i < s->n_points; i++)
        if (s->points[i].scheme != s->points[0].scheme ||
            s->points[i].layout != s->points[0].layout)
            return 1;
    return 0;
}

/* Several models, or one with several parameters? Then a column says which. */
static const char *model_column(const sb_sweep *s, char *buf, size_t bytes, const char *of)
{
    buf[0] = '\0';
    for (int64_t i = 1; i < s->n_points && buf[0] == '\0'; i++)
        if (strcmp(s->points[i].model, s->points[0].model) != 0)
            (void)snprintf(buf, bytes, ", %s.model", of);
    return buf;
}

/* A score with its half width, "0.95 ±0.07"; alone where there is no interval. */
static void with_width(FILE *f, const char *score, const char *half, int digits)
{
    (void)fprintf(f,
                  "printf('%%.%df', %s) || CASE WHEN %s IS NOT NULL THEN printf(' ±%%.%df', %s) "
                  "ELSE '' END",
                  digits, score, half, digits, half);
}

/* Suites have means of their own. */
static const char *suite_column(const sb_sweep *s)
{
    for (int64_t i = 1; i < s->n_points; i++)
        if (strcmp(s->points[i].suite, s->points[0].suite) != 0)
            return ", l.suite";
    return "";
}

static void task_column(FILE *f, const char *task)
{
    char score[128], half[192];
    (void)snprintf(score, sizeof score, "avg(a.score) FILTER (WHERE a.task = '%s')", task);
    (void)snprintf(half, sizeof half, /* of one row: means of several have none */
                   "max(a.half_width) FILTER (WHERE a.task = '%s' AND a.n_rows = 1)", task);
    (void)fprintf(f, ",\n CASE WHEN %s IS NOT NULL THEN ", score);
    with_width(f, score, half, 2);
    (void)fprintf(f, " END AS \"%s\"", task);
}

static sb_status scores_sql(FILE *f, const sb_sweep *s)
{
    char      model[32];
    sb_status st = asked(f, s);
    (void)fprintf(f,
                  ", a AS (SELECT q.name, q.place, v.*, m.group_id, count(*) OVER (PARTITION BY "
                  "q.name, v.model, v.length, v.ranks, v.sharding, v.layout, v.task) AS n_rows "
                  "FROM asked AS q JOIN accuracy AS v USING (point_hash) JOIN mean_member AS m "
                  "USING (point_id))\n"
                  "SELECT a.name AS method%s, a.length, a.ranks%s",
                  model_column(s, model, sizeof model, "a"),
                  shardings_differ(s) ? ", a.sharding || ' ' || a.layout AS sharding" : "");
    for (int64_t i = 0; i < s->n_points; i++)
        if (first_of_task(s, i))
            task_column(f, s->points[i].task_name);
    (void)fputs(",\n CASE WHEN count(DISTINCT a.group_id) > 1 THEN NULL WHEN m.score IS NULL THEN "
                "m.reason ELSE ",
                f);
    with_width(f, "m.score", "m.half_width", 3);
    (void)fputs(" END AS mean, iif(min(a.n) = max(a.n), min(a.n), min(a.n) || '..' || max(a.n)) AS "
                "n\n"
                "FROM a LEFT JOIN accuracy_mean AS m ON m.group_id = a.group_id"
                " GROUP BY a.name, a.model, a.length, a.ranks, a.sharding, a.layout"
                " ORDER BY a.length, min(a.place)",
                f);
    return st;
}

/* What methods lose beside dense on the same inputs; nothing where dense is all there is. */
static sb_status losses_sql(FILE *f, const sb_sweep *s)
{
    char      model[32];
    sb_status st = asked(f, s);
    (void)fprintf(
        f,
        ", g AS (SELECT q.name, min(q.place) AS place, m.group_id FROM asked AS q JOIN "
        "point AS p ON p.hash = q.point_hash JOIN mean_member AS m ON m.point_id = p.id "
        "GROUP BY q.name, m.group_id)\n"
        "SELECT g.name AS method%s%s, l.length, l.ranks%s, l.n_tasks AS tasks, l.n AS pairs",
        model_column(s, model, sizeof model, "l"), suite_column(s),
        shardings_differ(s) ? ", l.sharding || ' ' || l.layout AS sharding" : "");
    fixed(f, "l.difference", 3, "difference");
    (void)fputs(",\n CASE WHEN l.lo IS NOT NULL THEN printf('%+.3f .. %+.3f', l.lo, l.hi) END AS "
                "\"95 %\"",
                f);
    fixed(f, "l.half_width", 3, "half_width");
    fixed(f, "l.p_holm", 4, "p_holm");
    (void)fputs(",\n coalesce(l.verdict, l.reason) AS verdict\n"
                "FROM g JOIN losses_mean AS l USING (group_id) ORDER BY l.length, g.place",
                f);
    return st;
}

static int has_candidate(const sb_sweep *s)
{
    for (int64_t i = 0; i < s->n_points; i++)
        if (!s->points[i].anchor_only && strcmp(s->points[i].method->name, "dense") != 0)
            return 1;
    return 0;
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
    char      model[32];
    sb_status st = asked(f, s);
    (void)fprintf(f, "SELECT a.name AS method%s, s.length, s.ranks%s, sum(s.n_samples) AS n",
                  model_column(s, model, sizeof model, "s"),
                  shardings_differ(s) ? ", s.sharding || ' ' || s.layout AS sharding" : "");
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
    (void)fputs("GROUP BY a.name, s.model, s.length, s.ranks, s.sharding, s.layout"
                " ORDER BY s.length, min(a.place)",
                f);
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

static int has_anchors(const sb_sweep *s)
{
    for (int64_t i = 0; i < s->n_points; i++)
        if (s->points[i].anchor != NULL)
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
    (void)fprintf(f, ", s.ranks%s, a.name AS method, sum(t.n) AS n",
                  shardings_differ(s) ? ", s.sharding || ' ' || s.layout AS sharding" : "");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        fixed(f, columns[i].expr, columns[i].digits, columns[i].name);
    if (has_anchors(s))
        fixed(f, "avg(s.anchored_x)", 2, "anchored_x");
    (void)fputs("\nFROM asked a JOIN speedup s USING (point_hash)\n", f);
    for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
        (void)fprintf(f,
                      "LEFT JOIN latency %s ON %s.point_hash = s.point_hash AND %s.phase = '%s'"
                      " AND %s.is_anchor = 0\n",
                      phases[i][0], phases[i][0], phases[i][0], phases[i][1], phases[i][0]);
    (void)fputs("GROUP BY s.task, s.task_params, s.length, s.model_params, s.ranks, s.sharding,"
                " s.layout, a.name ORDER BY min(a.place)",
                f);
    return st;
}

/* Title and table; nothing where no row is. */
static sb_status print_rows(sb_store *db, const char *sql, const char *title, FILE *out)
{
    char  *table = NULL;
    size_t n     = 0;
    FILE  *f     = open_memstream(&table, &n);
    if (f == NULL)
        return sb_fail(SB_ERR_NOMEM, "summary: no memory for a table");
    sb_status st = sb_store_query(db, sql, SB_FORMAT_TABLE, f);
    if (fclose(f) != 0 && st == SB_OK)
        st = sb_fail(SB_ERR_NOMEM, "summary: no memory for a table");
    if (st == SB_OK) {
        const char *rule = strchr(table, '\n'); /* names, the rule below them, rows */
        const char *rows = rule != NULL ? strchr(rule + 1, '\n') : NULL;
        if (rows != NULL && rows[1] != '\0')
            (void)fprintf(out, "\n%s\n%s", title, table);
    }
    free(table);
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
    if (st == SB_OK)
        st = print_rows(db, sql, title, out);
    free(sql);
    return st;
}

static sb_status print_task(sb_store *db, const sb_sweep *sweep, FILE *out)
{
    char            title[448], model[32];
    const sb_point *p       = &sweep->points[0];
    const char     *several = model_column(sweep, model, sizeof model, "a");
    (void)snprintf(title, sizeof title,
                   "accuracy by task, 95 %% half width, n samples a task (model %s%s)",
                   several[0] != '\0' ? "as named" : p->model,
                   p->text == NULL ? ": figures of a constructed model, not RULER scores" : "");
    sb_status st = print(db, sweep, scores_sql, title, out);
    if (st == SB_OK && has_candidate(sweep))
        st =
            print(db, sweep, losses_sql,
                  "loss against dense on the same inputs, mean over tasks (p_holm over all methods "
                  "of a length; non-inferior: above -0.01)",
                  out);
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
