/* Points beside dense on the same inputs, and means over tasks [workloads 5.2]: what SQL cannot
 * compute, stored with the key of its rows. Seeds come from the points' hashes and metrics, and
 * scores from their inputs' order, so any database with the same facts gets the same figures. */
#include <string.h>

#include "results/stats/compare.h"
#include "results/store/internal.h"

/* The keys of this moment; asking the views for them once is most of what a refresh costs. */
static const char keys_sql[] =
    "CREATE TEMP TABLE pair AS SELECT * FROM pair_key;"
    "CREATE INDEX temp.pair_by_group ON pair (group_id);"
    "CREATE INDEX temp.pair_by_point ON pair (point_id);"
    "CREATE TEMP TABLE mean AS SELECT * FROM mean_key;"
    "CREATE INDEX temp.mean_by_group ON mean (group_id);"
    "CREATE TEMP TABLE mean_pair AS SELECT y.* FROM mean_pair_key AS y JOIN mean AS m ON "
    "m.group_id = y.group_id WHERE m.reason IS NULL AND y.n_based = y.n_parts;"
    "CREATE TEMP TABLE member AS SELECT point_id, group_id FROM mean_member;"
    "CREATE INDEX temp.member_by_group ON member (group_id)";
static const char drop_sql[] =
    "DROP TABLE IF EXISTS temp.pair; DROP TABLE IF EXISTS temp.mean;"
    "DROP TABLE IF EXISTS temp.mean_pair; DROP TABLE IF EXISTS temp.member";

static sb_status reset_step(sb_store *s, sqlite3_stmt *stmt, sb_status st, int rc, const char *what)
{
    if (st == SB_OK && rc != SQLITE_DONE)
        st = sbi_db_fail(s->db, s->path, what);
    if (stmt != NULL)
        sqlite3_reset(stmt);
    return st;
}

/* ---- one comparison ---- */
typedef struct outcome {
    const char *kind;
    double      difference, p, margin;
    sb_interval interval;
} outcome;

/* Why these pairs are not compared, or NULL. */
static const char *refusal(const sbi_pairs *p, int is_mean)
{
    const sbi_values *d = &p->differences;
    if (p->n_differ > 0)
        return "rows of the same number have other inputs at dense";
    for (int64_t i = 0; i < d->n_strata; i++)
        if (d->of[i] == 0)
            return "no input in common with dense";
    for (int64_t i = 1; i < d->n_strata; i++)
        if (d->of[i] != d->of[0])
            return "tasks differ in pairs";
    return d->n < 2 && (is_mean || !p->all_binary) ? "one pair" : NULL;
}

/* Strata are equally long, so the mean of all is the mean of their means. */
static double mean_of(const sbi_values *v)
{
    double sum = 0;
    for (int64_t i = 0; i < v->n; i++)
        sum += v->value[i];
    return sum / (double)v->n;
}

static sb_status judge(const sbi_pairs *p, int is_mean, outcome *o)
{
    const sbi_values *d    = &p->differences;
    uint64_t          seed = 0;
    o->margin              = is_mean ? SB_STATS_MARGIN_MEAN : SB_STATS_MARGIN_TASK;
    o->difference          = mean_of(d);
    if (p->all_binary && !is_mean) {
        o->kind       = "mcnemar";
        o->difference = (double)(p->c - p->b) / (double)d->n;
        o->p          = sb_stats_mcnemar(p->b, p->c);
        return sb_stats_paired_score(p->b, p->c, d->n, &o->interval);
    }
    o->kind      = "paired_bootstrap";
    sb_status st = sbi_values_seed(d, &seed);
    if (st == SB_OK)
        st = sb_stats_bootstrap_strata(d->value, d->of, d->n_strata, (sb_interval){-1, 1}, seed,
                                       &o->interval);
    return st == SB_OK ? sb_stats_sign_flip(d->value, d->n, seed, &o->p) : st;
}

static sb_status store(sb_store *s, const sbi_stale *w, const sbi_pairs *p, int is_mean)
{
    outcome     o      = {0};
    const char *reason = refusal(p, is_mean);
    sb_status   st     = reason == NULL ? judge(p, is_mean, &o) : SB_OK;
    int64_t     n      = p->differences.n;
    if (st != SB_OK)
        return st;
    const sbi_value v[] = {
        sbi_int(w->point_id),
        sbi_text(is_mean ? "mean" : "task"),
        sbi_text(w->metric),
        sbi_int(w->base_id),
        sbi_text(w->rows_key),
        sbi_int(p->differences.n_strata),
        sbi_int(n),
        sbi_int(p->n_unpaired),
        sbi_int(p->n_differ),
        sbi_int(p->b),
        sbi_int(p->c),
        sbi_text(o.kind),
        sbi_text(reason),
        reason != NULL ? sbi_null() : sbi_real(o.difference),
        reason != NULL ? sbi_null() : sbi_real(o.interval.lo),
        reason != NULL ? sbi_null() : sbi_real(o.interval.hi),
        reason != NULL ? sbi_null() : sbi_real(o.p),
        reason != NULL ? sbi_null() : sbi_real(o.margin),
        reason != NULL ? sbi_null() : sbi_int(sb_stats_non_inferior(o.interval.lo, o.margin)),
        reason != NULL ? sbi_null() : sbi_real(sb_stats_paired_resolution(p->b + p->c, n))};
    return sbi_run(s, SBI_COMPARISON_PUT, v, SBI_COUNT(v));
}

/* The pairs of every part: (point, base, metric) of one row of pair_key each, in the order of the
 * tasks. */
static sb_status compare(sb_store *s, const sbi_stale *w, int is_mean)
{
    sbi_stale_list  parts;
    sbi_pairs       pairs = {.all_binary = 1};
    const sbi_value key[] = {sbi_int(w->point_id), sbi_text(w->metric)};
    sb_status       st = sbi_stale_read(s, is_mean ? SBI_PAIR_PARTS_MEAN : SBI_PAIR_PARTS_TASK, key,
                                  is_mean ? 1 : 2, &parts);
    /* rows_key holds both hashes and the metric here: what the seed is made of */
    for (int64_t i = 0; st == SB_OK && i < parts.n; i++)
        st = sbi_pairs_add(s, &pairs, parts.at[i].point_id, parts.at[i].base_id, parts.at[i].metric,
                           parts.at[i].rows_key);
    if (st == SB_OK)
        st = store(s, w, &pairs, is_mean);
    sbi_values_fini(&pairs.differences);
    sbi_stale_fini(&parts);
    return st;
}

static sb_status compare_task(sb_store *s, const sbi_stale *w) { return compare(s, w, 0); }
static sb_status compare_mean(sb_store *s, const sbi_stale *w) { return compare(s, w, 1); }

/* ---- the interval of one mean over tasks ---- */
static sb_status mean_interval(sb_store *s, const sbi_stale *w)
{
    sqlite3_stmt   *stmt  = NULL;
    sbi_values      v     = {0};
    sb_interval     found = {0, 0};
    uint64_t        seed  = 0;
    int64_t         last  = -1;
    int             rc    = SQLITE_DONE;
    const sbi_value key   = sbi_int(w->point_id);
    sb_status       st    = sbi_prepare(s, SBI_MEAN_SCORES, &key, 1, &stmt);
    while (st == SB_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        if (v.n_strata == 0 || sqlite3_column_int64(stmt, 0) != last)
            st = sbi_values_stratum(s, &v, (const char *)sqlite3_column_text(stmt, 1));
        last = sqlite3_column_int64(stmt, 0);
        if (st == SB_OK)
            st = sbi_values_add(s, &v, sqlite3_column_double(stmt, 2));
    }
    st = reset_step(s, stmt, st, rc, "scores of a mean");
    if (st == SB_OK)
        st = sbi_values_seed(&v, &seed);
    if (st == SB_OK)
        st =
            sb_stats_bootstrap_strata(v.value, v.of, v.n_strata, (sb_interval){0, 1}, seed, &found);
    if (st == SB_OK) {
        const sbi_value row[] = {sbi_int(w->point_id), sbi_text(w->rows_key), sbi_int(v.n_strata),
                                 sbi_int(v.n),         sbi_real(found.lo),    sbi_real(found.hi)};
        st                    = sbi_run(s, SBI_MEAN_PUT, row, SBI_COUNT(row));
    }
    sbi_values_fini(&v);
    return st;
}

/* ---- all of them ---- */
static sb_status drop_stale(sb_store *s, int64_t *n_changed)
{
    static const sbi_stmt drops[] = {SBI_COMPARISON_DROP_TASK, SBI_COMPARISON_DROP_MEAN,
                                     SBI_MEAN_DROP};
    sb_status             st      = SB_OK;
    for (int i = 0; st == SB_OK && i < SBI_COUNT(drops); i++) {
        st = sbi_run(s, drops[i], NULL, 0);
        *n_changed += sqlite3_changes(s->db);
    }
    return st;
}

sb_status sbi_comparisons_refresh(sb_store *s)
{
    int64_t   n_changed = 0;
    sb_status st        = sbi_exec(s->db, s->path, drop_sql);
    if (st == SB_OK)
        st = sbi_exec(s->db, s->path, keys_sql);
    if (st == SB_OK)
        st = drop_stale(s, &n_changed);
    if (st == SB_OK)
        st = sbi_stale_each(s, SBI_MEAN_STALE, mean_interval, &n_changed);
    if (st == SB_OK)
        st = sbi_stale_each(s, SBI_COMPARISON_STALE_TASK, compare_task, &n_changed);
    if (st == SB_OK)
        st = sbi_stale_each(s, SBI_COMPARISON_STALE_MEAN, compare_mean, &n_changed);
    if (st == SB_OK && n_changed > 0)
        st = sbi_families_refresh(s);
    return st == SB_OK ? sbi_exec(s->db, s->path, drop_sql) : st;
}
