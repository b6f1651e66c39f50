/* Scores in the order a draw needs: by the hash of their inputs, which no merge changes. Two points
 * are paired by input alone (its sha256 is its key): inputs of other content are never paired. */
#include <stdlib.h>
#include <string.h>

#include "results/store/internal.h"

static sb_status no_memory(const sb_store *s)
{
    return sb_fail(SB_ERR_NOMEM, "%s: no memory for scores", s->path);
}

/* `p` with room for at least n + 1 items, or NULL; sizes are powers of two, so every power may be
 * where it grows. */
static void *room_for(void *p, int64_t n, size_t bytes)
{
    if (n > 0 && (n & (n - 1)) != 0)
        return p;
    return realloc(p, (size_t)(n == 0 ? 1 : 2 * n) * bytes);
}

sb_status sbi_values_add(sb_store *s, sbi_values *v, double value)
{
    double *grown = room_for(v->value, v->n, sizeof *grown);
    if (grown == NULL)
        return no_memory(s);
    v->value         = grown;
    v->value[v->n++] = value;
    v->of[v->n_strata - 1]++;
    return SB_OK;
}

sb_status sbi_values_stratum(sb_store *s, sbi_values *v, const char *named)
{
    int64_t *grown = room_for(v->of, v->n_strata, sizeof *grown);
    if (grown == NULL)
        return no_memory(s);
    v->of                = grown;
    v->of[v->n_strata++] = 0;
    size_t before        = v->names == NULL ? 0 : strlen(v->names);
    char  *names         = realloc(v->names, before + strlen(named) + 2);
    if (names == NULL)
        return no_memory(s);
    v->names = names;
    (void)snprintf(names + before, strlen(named) + 2, "%s\n", named);
    return SB_OK;
}

void sbi_values_fini(sbi_values *v)
{
    free(v->value);
    free(v->of);
    free(v->names);
    *v = (sbi_values){0};
}

sb_status sbi_values_seed(const sbi_values *v, uint64_t *seed)
{
    char      hex[65];
    sb_status st = sbi_text_sha256(sbi_or_empty(v->names), hex);
    if (st != SB_OK)
        return st;
    hex[16] = '\0';
    *seed   = strtoull(hex, NULL, 16);
    return SB_OK;
}

/* ---- two points ---- */
typedef struct lone { /* an input that one side has alone */
    int64_t row_no;
    int     is_base;
} lone;

static int compare_lone(const void *a, const void *b)
{
    const lone *x = a, *y = b;
    int         row = (x->row_no > y->row_no) - (x->row_no < y->row_no);
    return row != 0 ? row : x->is_base - y->is_base;
}

/* How many row numbers stand on both sides? */
static int64_t rows_on_both(lone *l, int64_t n)
{
    int64_t both = 0;
    if (n > 1)
        qsort(l, (size_t)n, sizeof *l, compare_lone);
    for (int64_t i = 1; i < n; i++)
        both += l[i].row_no == l[i - 1].row_no && l[i].is_base && !l[i - 1].is_base;
    return both;
}

static sb_status count_pair(sb_store *s, sbi_pairs *p, double base, double candidate)
{
    p->b += base > candidate;
    p->c += candidate > base;
    p->all_binary = p->all_binary && (base == 0 || base == 1) && (candidate == 0 || candidate == 1);
    return sbi_values_add(s, &p->differences, candidate - base);
}

/* Rows come by input, the candidate's before the base's. */
static sb_status read_rows(sb_store *s, sqlite3_stmt *stmt, sbi_pairs *p, lone **left, int64_t *n)
{
    int64_t   input = 0;
    double    value = 0;
    int       rc = SQLITE_DONE, waiting = 0; /* a candidate's score whose partner may follow */
    sb_status st = SB_OK;
    while (st == SB_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        int is_base = sqlite3_column_int(stmt, 0);
        if (is_base && waiting && sqlite3_column_int64(stmt, 1) == input) {
            waiting = 0;
            *n -= 1;
            st = count_pair(s, p, sqlite3_column_double(stmt, 3), value);
            continue;
        }
        lone *grown = room_for(*left, *n, sizeof *grown);
        if (grown == NULL)
            return no_memory(s);
        *left       = grown;
        (*left)[*n] = (lone){sqlite3_column_int64(stmt, 2), is_base};
        *n += 1;
        waiting = !is_base;
        input   = sqlite3_column_int64(stmt, 1);
        value   = sqlite3_column_double(stmt, 3);
    }
    return st != SB_OK || rc == SQLITE_DONE ? st : sbi_db_fail(s->db, s->path, "paired scores");
}

sb_status sbi_pairs_add(sb_store *s, sbi_pairs *p, int64_t point_id, int64_t base_id,
                        const char *metric, const char *named)
{
    sqlite3_stmt   *stmt   = NULL;
    lone           *left   = NULL;
    int64_t         n_left = 0;
    const sbi_value key[]  = {sbi_int(point_id), sbi_int(base_id), sbi_text(metric)};
    sb_status       st     = sbi_values_stratum(s, &p->differences, named);
    if (st == SB_OK)
        st = sbi_prepare(s, SBI_PAIR_SCORES, key, SBI_COUNT(key), &stmt);
    if (st == SB_OK) {
        st = read_rows(s, stmt, p, &left, &n_left);
        sqlite3_reset(stmt);
    }
    if (st == SB_OK) {
        p->n_unpaired += n_left;
        p->n_differ += rows_on_both(left, n_left);
    }
    free(left);
    return st;
}
