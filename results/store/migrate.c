/* The schema as an ordered list of migrations, and the views, which are never migrated but
 * re-created when their text differs. */
#include <string.h>

#include "results/store/comments.h"
#include "results/store/internal.h"
#include "results/store/sql.h"

/* Entry i brings a database from user_version i to i + 1. Only ever appended to. */
static const char *const migrations[] = {
    sbi_sql_0001_first,  sbi_sql_0002_quality, sbi_sql_0003_comparison, sbi_sql_0004_device,
    sbi_sql_0005_energy, sbi_sql_0006_anchor,  sbi_sql_0007_rank_work,  sbi_sql_0008_graphs};

/* In the order they use each other. */
static const struct {
    const char *name, *sql;
} views[] = {
    {"figures_key", sbi_sql_figures_key},
    {"figures_stale", sbi_sql_figures_stale},
    {"latest_sample", sbi_sql_latest_sample},
    {"latest_score", sbi_sql_latest_score},
    {"interval_key", sbi_sql_interval_key},
    {"mean_member", sbi_sql_mean_member},
    {"mean_key", sbi_sql_mean_key},
    {"pair_key", sbi_sql_pair_key},
    {"mean_pair_key", sbi_sql_mean_pair_key},
    {"phase_time", sbi_sql_phase_time},
    {"accuracy", sbi_sql_accuracy},
    {"accuracy_mean", sbi_sql_accuracy_mean},
    {"ruler_length", sbi_sql_ruler_length},
    {"losses", sbi_sql_losses},
    {"losses_mean", sbi_sql_losses_mean},
    {"latency", sbi_sql_latency},
    {"speedup", sbi_sql_speedup},
    {"fidelity", sbi_sql_fidelity},
    {"needle_recall", sbi_sql_needle_recall},
    {"energy_use", sbi_sql_energy_use},
    {"balance", sbi_sql_balance},
    {"weak_scaling", sbi_sql_weak_scaling},
    {"coverage", sbi_sql_coverage},
};

const sb_view sb_views[] = {
    {"accuracy", "score of every point in [0,1], with n, n_failed and its 95 % interval"},
    {"accuracy_mean",
     "mean score over all tasks of a set, with n and interval; NULL with a reason"},
    {"ruler_length", "mean over RULER's 13 tasks by length; NULL unless all are there"},
    {"losses", "every point beside dense on the same inputs: difference, interval, test, verdict"},
    {"losses_mean", "the same for the mean over all tasks of a set"},
    {"latency", "median, p95 and extremes in ms of every point and phase"},
    {"speedup",
     "attention and prefill times dense / method of the same run, with density and recall"},
    {"fidelity", "density, recall, output error and FLOP of every point, over layers and samples"},
    {"needle_recall", "answers found and needle keys seen, by depth, length and method"},
    {"energy_use", "joules and watts of a repetition, above idle too, where the device tells"},
    {"balance",
     "work of the ranks, most / mean, share of keys they need, traffic; of several ranks"},
    {"weak_scaling",
     "attention on R ranks beside one rank with an R-th of the tokens, per work, and strong"},
    {"coverage", "samples of every point by status, with a reason where some are not ok"},
    {NULL, NULL},
};

int sbi_schema_version(void) { return SBI_COUNT(migrations); }

sb_status sbi_schema_comments(sbi_comments *c)
{
    sb_status st = SB_OK;
    for (int v = 0; st == SB_OK && v < sbi_schema_version(); v++)
        st = sbi_comments_read(c, migrations[v], v + 1);
    for (int i = 0; st == SB_OK && i < SBI_COUNT(views); i++)
        st = sbi_comments_read(c, views[i].sql, 0);
    return st;
}

sb_status sbi_migrate(sqlite3 *db, const char *path, int from)
{
    char pragma[96];
    for (int v = from; v < sbi_schema_version(); v++) {
        sb_status st = sbi_exec(db, path, migrations[v]);
        if (st != SB_OK)
            return sb_wrap(st, "migration to schema version %d", v + 1);
    }
    (void)snprintf(pragma, sizeof pragma, "PRAGMA application_id = %d; PRAGMA user_version = %d",
                   SBI_APPLICATION_ID, sbi_schema_version());
    return sbi_exec(db, path, pragma);
}

sb_status sbi_views_refresh(sqlite3 *db, const char *path)
{
    sb_status st = sbi_figures_open(db, path);
    for (int i = 0; st == SB_OK && i < SBI_COUNT(views); i++)
        st = sbi_figures_view(db, path, views[i].name, views[i].sql);
    return st;
}

/* Names inside a view of schema temp are found in the file. */
sb_status sbi_views_lend(sqlite3 *db, const char *path)
{
    static const char create[] = "CREATE VIEW ";
    sb_status         st       = SB_OK;
    for (int i = 0; st == SB_OK && i < SBI_COUNT(views); i++) {
        char    known[128];
        int64_t has = 0;
        (void)snprintf(known, sizeof known,
                       "SELECT count(*) FROM main.sqlite_schema WHERE name = '%s'", views[i].name);
        if ((st = sbi_scalar(db, path, known, &has)) != SB_OK || has > 0)
            continue;
        char *text = sqlite3_mprintf("CREATE TEMP VIEW %s",
                                     strstr(views[i].sql, create) + sizeof create - 1);
        st         = text != NULL ? sbi_exec(db, path, text)
                                  : sb_fail(SB_ERR_NOMEM, "%s: no memory for a view", path);
        sqlite3_free(text);
    }
    return st;
}

sb_status sbi_open_model(sbi_model_part part, sqlite3 **out)
{
    sqlite3 *db = NULL;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK) {
        sb_status st = sbi_db_fail(db, ":memory:", NULL);
        sqlite3_close(db);
        return st;
    }
    sb_status st = sbi_migrate(db, ":memory:", 0);
    if (st == SB_OK && part == SBI_MODEL_WHOLE)
        st = sbi_views_refresh(db, ":memory:");
    if (st != SB_OK) {
        sqlite3_close(db);
        return st;
    }
    *out = db;
    return SB_OK;
}
