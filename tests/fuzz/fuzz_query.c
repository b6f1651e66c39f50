/* What a fuzzer feeds: any text as the statement of `spanbench query`, over a small database, in
 * every format. Nothing is written, whatever it says; JSON is JSON with every column; CSV has as
 * many fields in every row. A statement that computes for long is cut off, as a user would. */
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "results/store/internal.h"
#include "tests/fuzz/common.h"

#define DATABASE "tests/fixtures/schema/v7.db"

enum { STEPS = 20000, MOST_BYTES = 100000 };

static int stop(void *unused)
{
    (void)unused;
    return 1;
}

static void limit(sb_store *s, int steps)
{
    (void)sqlite3_limit(s->db, SQLITE_LIMIT_LENGTH, MOST_BYTES);
    sqlite3_progress_handler(s->db, steps, stop, NULL);
}

static char path[64];

static void remove_copy(void) { (void)unlink(path); }

/* A copy of the fixture in today's schema, which nothing may change. */
static sb_store *open_copy(void)
{
    sb_store *s  = NULL;
    int       fd = mkstemp(strcpy(path, "/tmp/fuzz_query_XXXXXX"));
    char      bytes[4096];
    size_t    n;
    FILE     *from = fopen(DATABASE, "rb");
    fuzz_must(fd >= 0 && from != NULL && atexit(remove_copy) == 0, DATABASE);
    while ((n = fread(bytes, 1, sizeof bytes, from)) > 0)
        fuzz_must(write(fd, bytes, n) == (ssize_t)n, "write");
    fuzz_must(close(fd) == 0 && fclose(from) == 0, "close");
    if (sb_store_open(path, SB_STORE_WRITE, &s) == SB_OK) /* an older schema becomes today's */
        sb_store_close(s);
    fuzz_must(sb_store_open(path, SB_STORE_READ, &s) == SB_OK, "open");
    return s;
}

static void check_csv(const char *text)
{
    int64_t fields = 1, want = 0;
    int     quoted = 0;
    for (const char *p = text; *p != '\0'; p++) {
        quoted ^= *p == '"';
        fields += *p == ',' && !quoted;
        if (p[0] == '\r' && p[1] == '\n' && !quoted) {
            want = want == 0 ? fields : want;
            fuzz_must(fields == want, "as many fields in every row");
            fields = 1;
        }
    }
    fuzz_must(!quoted && want > 0, "whole rows");
}

static void check_json(const char *text)
{
    json_error_t e;
    json_t      *v = json_loads(text, 0, &e);
    size_t       i;
    json_t      *row;
    fuzz_must(json_is_array(v), "JSON");
    json_array_foreach(v, i, row)
        fuzz_must(json_object_size(row) == json_object_size(json_array_get(v, 0)),
                  "as many keys in every row");
    json_decref(v);
}

static sb_status ask(sb_store *s, const char *sql, sb_format format, char **text)
{
    size_t n;
    FILE  *f = open_memstream(text, &n);
    fuzz_must(f != NULL, "open_memstream");
    sb_status st = sb_store_query(s, sql, format, f);
    fuzz_must(fclose(f) == 0, "fclose");
    return st;
}

/* Columns of a statement that was taken; a check on JSON that does not ask the printer. */
static int columns_of(sb_store *s, const char *sql)
{
    sqlite3_stmt *stmt = NULL;
    fuzz_must(sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) == SQLITE_OK, "prepare");
    int n = sqlite3_column_count(stmt);
    sqlite3_finalize(stmt);
    return n;
}

static void check_columns(const char *json, int columns)
{
    json_t *v = json_loads(json, 0, NULL);
    if (json_array_size(v) > 0)
        fuzz_must(json_object_size(json_array_get(v, 0)) == (size_t)columns,
                  "a key for every column");
    json_decref(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static sb_store *s;
    static char      hash[65];
    char            *sql = strndup((const char *)data, size), *text = NULL, now[65];
    fuzz_must(sql != NULL, "strndup");
    if (s == NULL) {
        s = open_copy();
        fuzz_must(sbi_file_sha256(path, hash) == SB_OK, "sha256");
    }
    limit(s, STEPS);
    for (sb_format f = 0; f < SB_FORMAT_COUNT; f++) {
        sb_status st  = ask(s, sql, f, &text);
        int       cut = (sqlite3_errcode(s->db) & 0xff) == SQLITE_INTERRUPT;
        if (st != SB_OK && st != SB_ERR_USAGE && !cut)
            fuzz_must((sqlite3_errcode(s->db) & 0xff) == SQLITE_TOOBIG,
                      "what a statement ends with");
        if (f == 0)
            *(st == SB_OK ? &fuzz_taken : &fuzz_refused) += 1;
        if (st == SB_OK && f == SB_FORMAT_CSV)
            check_csv(text);
        if (st == SB_OK && f == SB_FORMAT_JSON) {
            check_json(text);
            check_columns(text, columns_of(s, sql));
        }
        free(text);
        text = NULL;
        if (st != SB_OK)
            break;
    }
    free(sql);
    fuzz_must(sqlite3_total_changes(s->db) == 0 && sqlite3_get_autocommit(s->db),
              "nothing written");
    if ((fuzz_taken + fuzz_refused) % 64 == 0)
        fuzz_must(sbi_file_sha256(path, now) == SB_OK && strcmp(now, hash) == 0, "the same file");
    return 0;
}
