/* The parts of spanbench score: CSV [RFC 4180], lists as Python and numpy print them, what a path
 * says, the limit of a row, rows that stand twice. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/score/csv.h"
#include "harness/score/literal.h"
#include "harness/score/score.h"
#include "harness/score/tally.h"
#include "tests/unit/workloads/ruler/common.h"
#include "workloads/base/jsonl.h"

/* ---- CSV ---- */

/* The rows as "cell|cell;" and, for a bad one, "!". */
static void rows_of(const char *bytes, size_t n, char *out, size_t room)
{
    sbi_csv  *c = NULL;
    json_t   *row;
    size_t    used = 0;
    sb_status st   = sbi_csv_open(put_file("t.csv", bytes, n), &c);
    out[0]         = '\0';
    ck_assert_msg(st == SB_OK, "%s", sb_error_text());
    while ((st = sbi_csv_next(c, &row)) == SB_ERR_USAGE || row != NULL) {
        const char *key;
        json_t     *v;
        if (st == SB_ERR_USAGE) {
            used += (size_t)snprintf(out + used, room - used, "!");
            continue;
        }
        ck_assert_int_eq(st, SB_OK);
        json_object_foreach(row, key, v)
        {
            used += (size_t)snprintf(out + used, room - used, "%s|", json_string_value(v));
        }
        used += (size_t)snprintf(out + used, room - used, ";");
        json_decref(row);
    }
    sbi_csv_close(c);
}

static const struct csv_case {
    const char *bytes, *rows;
} csv_cases[] = {
    {"a,b\n1,2\n", "1|2|;"},
    {"a,b\r\n1,2\r\n3,4\r\n", "1|2|;3|4|;"},
    {"a,b\n1,2", "1|2|;"},
    {"a,b\n,\n", "||;"},
    {"a,b\n\"x, y\",\"say \"\"hi\"\"\"\n", "x, y|say \"hi\"|;"},
    {"a,b\n\"two\nlines\",\"three\r\n\r\nlines\"\n", "two\nlines|three\r\n\r\nlines|;"},
    {"a,b\n 1 ,\t2\n", " 1 |\t2|;"},
    {"a,b\n\"\",\" \"\n", "| |;"},
    {"\xef\xbb\xbf\"a\",b\n1,2\n", "1|2|;"},
    {"a,b\n\n\n1,2\n\n", "1|2|;"},
    {"a,b\n1\n3,4\n", "!3|4|;"},
    {"a,b\n1,2,3\n3,4\n", "!3|4|;"},
    {"a,b\nx\"y,2\n3,4\n", "!3|4|;"},
    {"a,b\n\"x\"y,2\n3,4\n", "!3|4|;"},
    {"a,b\n1,\xff\n3,4\n", "!3|4|;"},
    {"a,b\n3,4\n1,\"open\n", "3|4|;!"},
    {"a\n\xc3\xa9\n", "\xc3\xa9|;"},
};

START_TEST(csv_rows)
{
    char out[512];
    rows_of(csv_cases[_i].bytes, strlen(csv_cases[_i].bytes), out, sizeof out);
    ck_assert_str_eq(out, csv_cases[_i].rows);
}
END_TEST

START_TEST(csv_nul_byte)
{
    static const char bytes[] = "a,b\n1,\0\n3,4\n";
    char              out[64];
    rows_of(bytes, sizeof bytes - 1, out, sizeof out);
    ck_assert_str_eq(out, "!3|4|;");
}
END_TEST

START_TEST(csv_long_rows)
{
    char    text[3000] = "a\n\"", out[3000];
    int64_t before     = sbi_jsonl_max_line_bytes;
    memset(text + 3, 'x', 1000);
    for (int i = 100; i < 1000; i += 100)
        text[i] = '\n'; /* the limit is of the row, not of a line */
    strcpy(text + 1003, "\"\nshort\n");
    rows_of(text, strlen(text), out, sizeof out);
    ck_assert_str_eq(out + strlen(out) - 9, "|;short|;");
    sbi_jsonl_max_line_bytes = 999;
    rows_of(text, strlen(text), out, sizeof out);
    sbi_jsonl_max_line_bytes = before;
    ck_assert_msg(out[0] == '!', "%.40s", out);
    ck_assert_str_eq(out + strlen(out) - 7, "short|;");
}
END_TEST

START_TEST(csv_headers)
{
    sbi_csv *c = NULL;
    expect_error(sbi_csv_open(put_text("h.csv", ""), &c), SB_ERR_USAGE, "no header line");
    expect_error(sbi_csv_open(put_text("h.csv", "a,b,a\n"), &c), SB_ERR_USAGE,
                 "two columns are named `a`");
    expect_error(sbi_csv_open(put_text("h.csv", "a,\xff\n"), &c), SB_ERR_USAGE, "not UTF-8");
    expect_error(sbi_csv_open("/nonexistent/x.csv", &c), SB_ERR_IO, "/nonexistent/x.csv");
    ck_assert_ptr_null(c);
}
END_TEST

/* ---- lists ---- */

static const struct literal_case {
    const char *text, *items; /* NULL: no list */
} literals[] = {
    {"['a', 'b']", "a|b|"},
    {"['a' 'b']", "a|b|"},
    {"['a'\n 'b']", "a|b|"},
    {" [ \"it's\" , 'say \"x\"' ] ", "it's|say \"x\"|"},
    {"['a\\'b\\\\c\\n\\t\\x41\\u00e9\\U0001f600']", "a'b\\c\n\tA\xc3\xa9\xf0\x9f\x98\x80|"},
    {"[]", ""},
    {"['']", "|"},
    {"[1, -2.5, 3e4]", "1|-2.5|3e4|"},
    {"plain", NULL},
    {"", NULL},
    {"['a'", NULL},
    {"['a'] x", NULL},
    {"['a\\q']", NULL},
    {"['\\x00']", NULL},
    {"['\\ud800']", NULL},
    {"[a]", NULL},
    {"['a', ...]", NULL},
};

START_TEST(lists)
{
    const struct literal_case *l     = &literals[_i];
    char                     **items = NULL, got[200] = "";
    int64_t                    n = 0;
    ck_assert_int_eq(sbi_literal_list(l->text, &items, &n), SB_OK);
    ck_assert_int_eq(n == -1, l->items == NULL);
    for (int64_t i = 0; i < n; i++) {
        (void)snprintf(got + strlen(got), sizeof got - strlen(got), "%s|", items[i]);
        free(items[i]);
    }
    if (n >= 0)
        free(items);
    ck_assert_str_eq(got, l->items != NULL ? l->items : "");
}
END_TEST

/* ---- paths ---- */

static const struct path_case {
    const char *path, *name, *folder;
    int64_t     length;
    int32_t     is_e;
} paths[] = {
    {"vt.jsonl", "vt", "", 0, 0},
    {"out/4096/pred/vt.jsonl", "vt", "pred", 4096, 0},
    {"/a/ruler/131072/vt/validation.jsonl", "validation", "vt", 131072, 0},
    {"r/ruler__8192__model__knorm__0.50/predictions.csv", "predictions",
     "ruler__8192__model__knorm__0.50", 8192, 0},
    {"r/ruler__4096/8192/x.json", "x", "8192", 8192, 0},
    {"run/42/x.jsonl", "x", "42", 0, 0}, /* too small for a length */
    {"4096.jsonl", "4096", "", 0, 0},
    {"pred_e/m/qasper.jsonl", "qasper", "m", 0, 1},
    {"pred/m/qasper_e.jsonl", "qasper_e", "m", 0, 1},
    {"pred_even/m/qasper.jsonl", "qasper", "m", 0, 0},
};

START_TEST(what_paths_say)
{
    sbi_context c = {0};
    sbi_context_from_path(paths[_i].path, &c);
    ck_assert_str_eq(c.name, paths[_i].name);
    ck_assert_str_eq(c.folder, paths[_i].folder);
    ck_assert_int_eq(c.length_tokens, paths[_i].length);
    ck_assert_int_eq(c.is_e, paths[_i].is_e);
}
END_TEST

START_TEST(long_names)
{
    char        path[3000];
    sbi_context c = {0};
    memset(path, 'x', sizeof path);
    path[1000]            = '/';
    path[sizeof path - 1] = '\0';
    sbi_context_from_path(path, &c);
    ck_assert_uint_eq(strlen(c.name), 255);
    ck_assert_uint_eq(strlen(c.folder), 255);
}
END_TEST

/* ---- rows that stand twice ---- */

START_TEST(rows_are_noted_once)
{
    sbi_tally       t = {0};
    const sbi_seen *before;
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 5000; i++) {
            char hex[65];
            (void)snprintf(hex, sizeof hex, "%016x%048x", i % 50, i); /* many in one place */
            ck_assert_int_eq(sbi_tally_note(&t, hex, round, i, &before), SB_OK);
            ck_assert_int_eq(before != NULL, round);
            if (before != NULL)
                ck_assert_int_eq(before->line, i);
        }
    ck_assert_int_eq(t.n_seen, 5000);
    sbi_tally_fini(&t);
}
END_TEST

/* ---- a whole run: a line past the limit is bad, the rest is scored ---- */

static int notes;

static void count(void *arg, const char *text)
{
    (void)arg;
    notes += strstr(text, "line 2") != NULL;
}

START_TEST(a_line_past_the_limit)
{
    char             long_line[2000];
    sbi_text         t      = {0};
    const char      *file   = NULL;
    int64_t          before = sbi_jsonl_max_line_bytes;
    sb_score_table   table  = {0};
    sb_score_outcome r;
    sb_score_options o = {.files = &file, .n_files = 1, .task = "vt", .note = count};
    memset(long_line, 'x', sizeof long_line - 1);
    long_line[sizeof long_line - 1] = '\0';
    for (int i = 0; i < 3; i++) {
        sbi_text_puts(&t,
                      "{\"pred\": \"a b c d e\", \"outputs\": [\"a\", \"b\", \"c\", \"d\", \"z\"], "
                      "\"input\": \"");
        sbi_text_putc(&t, (char)('0' + i));
        sbi_text_puts(&t, i == 1 ? long_line : "");
        sbi_text_puts(&t, "\"}\n");
    }
    file                     = put_text("vt.jsonl", sbi_text_str(&t));
    sbi_jsonl_max_line_bytes = 1500;
    ck_assert_msg(sb_score_run(&o, &table, &r) == SB_OK, "%s", sb_error_text());
    sbi_jsonl_max_line_bytes = before;
    ck_assert_int_eq(r.rows, 2);
    ck_assert_int_eq(r.bad, 1);
    ck_assert_int_eq(notes, 1);
    ck_assert_int_eq(table.lines[0].n, 2);
    ck_assert_double_eq_tol(table.lines[0].score, 0.8, 1e-15);
    ck_assert_str_eq(table.lines[0].figure, "80.00");
    sb_score_table_fini(&table);
    sbi_text_fini(&t);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("score_parts");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_loop_test(t, csv_rows, 0, (int)(sizeof csv_cases / sizeof *csv_cases));
    tcase_add_test(t, csv_nul_byte);
    tcase_add_test(t, csv_long_rows);
    tcase_add_test(t, csv_headers);
    tcase_add_loop_test(t, lists, 0, (int)(sizeof literals / sizeof *literals));
    tcase_add_loop_test(t, what_paths_say, 0, (int)(sizeof paths / sizeof *paths));
    tcase_add_test(t, long_names);
    tcase_add_test(t, rows_are_noted_once);
    tcase_add_test(t, a_line_past_the_limit);
    return run_suite_of("score_parts", t);
}
