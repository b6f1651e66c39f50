/* Holm's correction of every family of stored comparisons: the tests that a reader of one table
 * sees together (view pair_key says which). */
#include <stdlib.h>

#include "results/stats/compare.h"
#include "results/store/internal.h"

typedef struct member {
    char   *metric;
    int64_t point_id, family;
    int     is_mean;
} member;

typedef struct members {
    member *at;
    double *p;
    int64_t n, room;
} members;

static sb_status no_memory(const sb_store *s)
{
    return sb_fail(SB_ERR_NOMEM, "%s: no memory for families of tests", s->path);
}

static sb_status grow(sb_store *s, members *m)
{
    if (m->n < m->room)
        return SB_OK;
    int64_t room = m->room == 0 ? 64 : 2 * m->room;
    member *at   = realloc(m->at, (size_t)room * sizeof *at);
    if (at == NULL)
        return no_memory(s);
    m->at     = at;
    double *p = realloc(m->p, (size_t)room * sizeof *p);
    if (p == NULL)
        return no_memory(s);
    m->p    = p;
    m->room = room;
    return SB_OK;
}

static sb_status read_members(sb_store *s, members *m)
{
    sqlite3_stmt *stmt = NULL;
    int           rc   = SQLITE_DONE;
    sb_status     st   = sbi_prepare(s, SBI_FAMILY_LIST, NULL, 0, &stmt);
    while (st == SB_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW && (st = grow(s, m)) == SB_OK) {
        member *x   = &m->at[m->n];
        x->is_mean  = sqlite3_column_int(stmt, 0);
        x->family   = sqlite3_column_int64(stmt, 1);
        x->point_id = sqlite3_column_int64(stmt, 2);
        x->metric   = sqlite3_mprintf("%s", sqlite3_column_text(stmt, 3));
        m->p[m->n]  = sqlite3_column_double(stmt, 4);
        m->n++;
        if (x->metric == NULL)
            st = no_memory(s);
    }
    if (st == SB_OK && rc != SQLITE_DONE)
        st = sbi_db_fail(s->db, s->path, "families of tests");
    if (stmt != NULL)
        sqlite3_reset(stmt);
    return st;
}

sb_status sbi_families_refresh(sb_store *s)
{
    members   m  = {0};
    sb_status st = read_members(s, &m);
    for (int64_t from = 0, to; st == SB_OK && from < m.n; from = to) {
        for (to = from + 1; to < m.n && m.at[to].family == m.at[from].family &&
                            m.at[to].is_mean == m.at[from].is_mean;)
            to++;
        st = sb_stats_holm(m.p + from, to - from, m.p + from);
    }
    for (int64_t i = 0; st == SB_OK && i < m.n; i++) {
        const sbi_value v[] = {sbi_int(m.at[i].point_id),
                               sbi_text(m.at[i].is_mean ? "mean" : "task"),
                               sbi_text(m.at[i].metric), sbi_real(m.p[i])};
        st                  = sbi_run(s, SBI_FAMILY_PUT, v, SBI_COUNT(v));
    }
    for (int64_t i = 0; i < m.n; i++)
        sqlite3_free(m.at[i].metric);
    free(m.at);
    free(m.p);
    return st;
}
