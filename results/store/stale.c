/* Lists of stored figures that are out of date: what is computed again. */
#include <stdlib.h>
#include <string.h>

#include "results/store/internal.h"

static char *column_copy(sqlite3_stmt *stmt, int column)
{
    const char *text = (const char *)sqlite3_column_text(stmt, column);
    return strdup(text == NULL ? "" : text);
}

static sb_status no_memory(const sb_store *s)
{
    return sb_fail(SB_ERR_NOMEM, "%s: no memory for the list of figures to compute", s->path);
}

static sb_status append(sb_store *s, sbi_stale_list *list, sqlite3_stmt *stmt)
{
    if (list->n == list->room) {
        int64_t    room  = list->room == 0 ? 16 : 2 * list->room;
        sbi_stale *grown = realloc(list->at, (size_t)room * sizeof *grown);
        if (grown == NULL)
            return no_memory(s);
        list->at   = grown;
        list->room = room;
    }
    sbi_stale *w = &list->at[list->n++];
    w->point_id  = sqlite3_column_int64(stmt, 0);
    w->metric    = column_copy(stmt, 1);
    w->rows_key  = column_copy(stmt, 2);
    w->base_id   = sqlite3_column_int64(stmt, 3);
    w->n         = sqlite3_column_int64(stmt, 4);
    return w->metric == NULL || w->rows_key == NULL ? no_memory(s) : SB_OK;
}

sb_status sbi_stale_read(sb_store *s, sbi_stmt id, const sbi_value *key, int n_key,
                         sbi_stale_list *list)
{
    sqlite3_stmt *stmt = NULL;
    int           rc   = SQLITE_DONE;
    *list              = (sbi_stale_list){NULL, 0, 0};
    sb_status st       = sbi_prepare(s, id, key, n_key, &stmt);
    while (st == SB_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        st = append(s, list, stmt);
    if (st == SB_OK && rc != SQLITE_DONE)
        st = sbi_db_fail(s->db, s->path, "list of figures to compute");
    if (stmt != NULL)
        sqlite3_reset(stmt);
    return st;
}

void sbi_stale_fini(sbi_stale_list *list)
{
    for (int64_t i = 0; i < list->n; i++) {
        free(list->at[i].metric);
        free(list->at[i].rows_key);
    }
    free(list->at);
    *list = (sbi_stale_list){NULL, 0, 0};
}

sb_status sbi_stale_each(sb_store *s, sbi_stmt id, sbi_compute compute, int64_t *n_done)
{
    sbi_stale_list list;
    sb_status      st = sbi_stale_read(s, id, NULL, 0, &list);
    for (int64_t i = 0; st == SB_OK && i < list.n; i++)
        st = compute(s, &list.at[i]);
    *n_done += list.n;
    sbi_stale_fini(&list);
    return st;
}
