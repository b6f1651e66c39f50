/* Rows of a statement as an aligned table, CSV (RFC 4180), JSON or Markdown.
 *
 * Table and Markdown are for people: 6 significant digits, line breaks shown as blanks. CSV and
 * JSON carry every digit. Only the table needs all rows before it can print the first. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "results/store/internal.h"

typedef struct cells { /* row-major, columns a row */
    char  **text;
    int64_t n, room;
} cells;

/* Shortest of 15 or 17 digits that reads back the same. */
static void real_text(double d, int digits, char buf[40])
{
    (void)snprintf(buf, 40, "%.*g", digits, d);
    if (digits == 15 && strtod(buf, NULL) != d)
        (void)snprintf(buf, 40, "%.17g", d);
}

static char *blob_text(sqlite3_stmt *stmt, int c)
{
    const unsigned char *bytes = sqlite3_column_blob(stmt, c);
    int                  n     = sqlite3_column_bytes(stmt, c);
    char                *hex   = malloc(2 * (size_t)n + 1);
    if (hex == NULL)
        return NULL;
    for (int i = 0; i < n; i++)
        (void)snprintf(hex + 2 * (size_t)i, 3, "%02x", bytes[i]);
    hex[2 * (size_t)n] = '\0';
    return hex;
}

char *sbi_cell_text(sqlite3_stmt *stmt, int c, int digits)
{
    char buf[40];
    switch (sqlite3_column_type(stmt, c)) {
    case SQLITE_NULL:
        return strdup("");
    case SQLITE_FLOAT:
        real_text(sqlite3_column_double(stmt, c), digits, buf);
        return strdup(buf);
    case SQLITE_BLOB:
        return blob_text(stmt, c);
    default: {
        const char *text = (const char *)sqlite3_column_text(stmt, c);
        return text == NULL ? NULL : strdup(text);
    }
    }
}

/* Also a text that a query made of a number, as printf('%.2f', x) does; an empty cell (NULL) goes
 * with either side. */
static int looks_numeric(const char *text)
{
    return *text == '\0' ||
           (text[strspn(text, "0123456789+-.eE")] == '\0' && strpbrk(text, "0123456789") != NULL);
}

static sb_status no_memory(const char *path)
{
    return sb_fail(SB_ERR_NOMEM, "%s: no memory for the rows", path);
}

sb_status sbi_stepped(sqlite3_stmt *stmt, const char *path, int rc)
{
    if (rc == SQLITE_DONE)
        return SB_OK;
    sqlite3 *db = sqlite3_db_handle(stmt);
    /* what the statement itself asks for: a sum beyond 64 bits, LIMIT 'a', a text beyond a GB */
    if ((rc & 0xff) == SQLITE_ERROR || (rc & 0xff) == SQLITE_MISMATCH ||
        (rc & 0xff) == SQLITE_TOOBIG)
        return sb_fail(SB_ERR_USAGE, "%s: %s", path, sqlite3_errmsg(db));
    return sbi_db_fail(db, path, NULL);
}

/* ---- CSV ---- */
static void csv_field(const char *text, FILE *out)
{
    if (strpbrk(text, ",\"\r\n") == NULL && *text != '\0') {
        (void)fputs(text, out);
        return;
    }
    if (*text == '\0') /* an empty text and NULL both print as nothing */
        return;
    (void)fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            (void)fputc('"', out);
        (void)fputc(*text, out);
    }
    (void)fputc('"', out);
}

static sb_status print_csv(sqlite3_stmt *stmt, const char *path, FILE *out)
{
    int columns = sqlite3_column_count(stmt);
    int rc;
    for (int c = 0; c < columns; c++) {
        (void)fputs(c == 0 ? "" : ",", out);
        csv_field(sbi_or_empty(sqlite3_column_name(stmt, c)), out);
    }
    (void)fputs("\r\n", out);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        for (int c = 0; c < columns; c++) {
            char *text = sbi_cell_text(stmt, c, 15);
            if (text == NULL)
                return no_memory(path);
            (void)fputs(c == 0 ? "" : ",", out);
            csv_field(text, out);
            free(text);
        }
        (void)fputs("\r\n", out);
    }
    return sbi_stepped(stmt, path, rc);
}

/* ---- JSON: an array of objects, one a line ---- */

/* text with a ? for every byte that is not ASCII, where it is no UTF-8. */
static json_t *json_text(char *text)
{
    json_t *value = json_string(text);
    if (value == NULL) {
        for (char *p = text; *p != '\0'; p++)
            if ((unsigned char)*p >= 0x80)
                *p = '?';
        value = json_string(text);
    }
    return value;
}

static json_t *json_cell(sqlite3_stmt *stmt, int c)
{
    json_t *value = NULL;
    switch (sqlite3_column_type(stmt, c)) {
    case SQLITE_NULL:
        return json_null();
    case SQLITE_INTEGER:
        return json_integer(sqlite3_column_int64(stmt, c));
    case SQLITE_FLOAT:
        return isfinite(sqlite3_column_double(stmt, c)) ? json_real(sqlite3_column_double(stmt, c))
                                                        : json_null();
    default: {
        char *text = sbi_cell_text(stmt, c, 15);
        if (text == NULL)
            return NULL;
        value = json_text(text);
        free(text);
        return value;
    }
    }
}

/* What column c is called in an object that holds the columns before it: its name, with its place
 * behind it where that is taken. malloc'd; NULL: no memory. */
static char *json_key(const json_t *object, const char *column, int c)
{
    size_t  room = strlen(column) + 64;
    char   *key  = malloc(room);
    json_t *same = NULL;
    if (key == NULL)
        return NULL;
    (void)strcpy(key, column);
    if ((same = json_text(key)) == NULL) { /* key is ASCII now where it was no UTF-8 */
        free(key);
        return NULL;
    }
    json_decref(same);
    size_t n = strlen(key);
    for (int place = c + 1; json_object_get(object, key) != NULL; place++)
        (void)snprintf(key + n, room - n, "_%d", place);
    return key;
}

static int json_put(json_t *object, sqlite3_stmt *stmt, int c)
{
    char *key = json_key(object, sbi_or_empty(sqlite3_column_name(stmt, c)), c);
    int   ok  = key != NULL && json_object_set_new(object, key, json_cell(stmt, c)) == 0;
    free(key);
    return ok;
}

static sb_status print_json(sqlite3_stmt *stmt, const char *path, FILE *out)
{
    int columns = sqlite3_column_count(stmt);
    int rc;
    (void)fputs("[", out);
    for (int64_t row = 0; (rc = sqlite3_step(stmt)) == SQLITE_ROW; row++) {
        json_t *object = json_object();
        int     failed = object == NULL;
        for (int c = 0; c < columns && !failed; c++)
            failed = !json_put(object, stmt, c);
        (void)fputs(row == 0 ? "\n" : ",\n", out);
        failed = failed || json_dumpf(object, out, JSON_COMPACT | JSON_PRESERVE_ORDER) != 0;
        json_decref(object);
        if (failed)
            return ferror(out) ? SB_OK : no_memory(path); /* the caller looks at `out` */
    }
    (void)fputs("\n]\n", out);
    return sbi_stepped(stmt, path, rc);
}

/* ---- table and Markdown ---- */
static int64_t width_of(const char *text) /* code points */
{
    int64_t n = 0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static sb_status cells_add(cells *all, char *text, const char *path)
{
    if (text != NULL && all->n == all->room) {
        int64_t room  = all->room == 0 ? 256 : 2 * all->room;
        char  **grown = realloc(all->text, (size_t)room * sizeof *grown);
        if (grown == NULL) {
            free(text);
            text = NULL;
        } else {
            all->text = grown;
            all->room = room;
        }
    }
    if (text == NULL)
        return no_memory(path);
    for (char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = ' '; /* a terminal gets no control characters from a database */
    all->text[all->n++] = text;
    return SB_OK;
}

static void markdown_text(const char *text, FILE *out)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            (void)fputc('\\', out);
        (void)fputc(*text, out);
    }
}

static void print_cells(const cells *all, int columns, const int64_t *width, const int *right,
                        int markdown, FILE *out)
{
    for (int64_t i = 0; i < all->n; i++) {
        int     c    = (int)(i % columns);
        int     last = c == columns - 1;
        int64_t pad  = width[c] - width_of(all->text[i]);
        if (markdown) {
            (void)fputs("| ", out);
            markdown_text(all->text[i], out);
            (void)fputs(last ? " |\n" : " ", out);
        } else {
            (void)fprintf(out, "%*s%s", right[c] ? (int)pad : 0, "", all->text[i]);
            (void)fprintf(out, "%*s", last ? 0 : (right[c] ? 2 : (int)pad + 2), "");
            if (last)
                (void)fputc('\n', out);
        }
        if (last && i < columns) { /* the rule under the names */
            for (int k = 0; k < columns; k++) {
                if (markdown)
                    (void)fprintf(out, "|%s%s", right[k] ? " ---:" : " --- ",
                                  k == columns - 1 ? "|\n" : "");
                for (int64_t d = 0; !markdown && d < width[k]; d++)
                    (void)fputc('-', out);
                if (!markdown)
                    (void)fputs(k == columns - 1 ? "\n" : "  ", out);
            }
        }
    }
}

static sb_status print_aligned(sqlite3_stmt *stmt, const char *path, int markdown, FILE *out)
{
    int       columns = sqlite3_column_count(stmt);
    cells     all     = {NULL, 0, 0};
    int64_t  *width   = calloc((size_t)columns, sizeof *width);
    int      *right   = malloc((size_t)columns * sizeof *right);
    sb_status st      = width == NULL || right == NULL ? no_memory(path) : SB_OK;
    int       rc      = SQLITE_DONE;
    for (int c = 0; st == SB_OK && c < columns; c++) {
        right[c] = 1;
        st       = cells_add(&all, strdup(sbi_or_empty(sqlite3_column_name(stmt, c))), path);
    }
    while (st == SB_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        for (int c = 0; st == SB_OK && c < columns; c++) {
            st = cells_add(&all, sbi_cell_text(stmt, c, 6), path);
            if (st == SB_OK)
                right[c] = right[c] && looks_numeric(all.text[all.n - 1]);
        }
    if (st == SB_OK)
        st = sbi_stepped(stmt, path, rc);
    if (st == SB_OK) {
        for (int64_t i = 0; i < all.n; i++) {
            int64_t w = width_of(all.text[i]);
            if (w > width[i % columns])
                width[i % columns] = w;
        }
        print_cells(&all, columns, width, right, markdown, out);
    }
    for (int64_t i = 0; i < all.n; i++)
        free(all.text[i]);
    free(all.text);
    free(width);
    free(right);
    return st;
}

sb_status sbi_print(sqlite3_stmt *stmt, const char *path, sb_format format, FILE *out)
{
    sb_status st;
    switch (format) {
    case SB_FORMAT_CSV:
        st = print_csv(stmt, path, out);
        break;
    case SB_FORMAT_JSON:
        st = print_json(stmt, path, out);
        break;
    case SB_FORMAT_TABLE:
    case SB_FORMAT_MARKDOWN:
        st = print_aligned(stmt, path, format == SB_FORMAT_MARKDOWN, out);
        break;
    default:
        return sb_fail(SB_ERR_INTERNAL, "query: unknown format %d", (int)format);
    }
    if (st == SB_OK && (fflush(out) != 0 || ferror(out)))
        st = sb_fail(SB_ERR_IO, "%s: cannot write the rows out", path);
    return st;
}
