/* Rows of a user's file: found, hashed, read in any order; every kind of damage is told by file and
 * line, and the other rows can still be had. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/workloads/ruler/common.h"
#include "workloads/base/jsonl.h"
#include "workloads/base/record_file.h"
#include "workloads/base/row_fields.h"

static sbi_record_file *open_ok(const char *path)
{
    sbi_record_file *f = NULL;
    if (sbi_record_file_open(path, &f) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return f;
}

/* Row i holds {"n": want}. */
static void expect_row(sbi_record_file *f, int64_t i, int64_t want, int64_t line)
{
    json_t *v = NULL;
    if (sbi_record_file_read(f, i, &v) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    ck_assert_int_eq(json_integer_value(json_object_get(v, "n")), want);
    ck_assert_int_eq(sbi_record_file_line(f, i), line);
    json_decref(v);
}

static void expect_bad(sbi_record_file *f, int64_t i, const char *text)
{
    json_t *v = NULL;
    expect_error(sbi_record_file_read(f, i, &v), SB_ERR_USAGE, text);
    ck_assert_ptr_null(v);
}

START_TEST(lines_in_any_order)
{
    const char      *text = "{\"n\": 1}\r\n\n \t\r\n  {\"n\": 2}\n{\"n\": 3}";
    sbi_record_file *f    = open_ok(put_text("a.jsonl", text));
    ck_assert_int_eq(sbi_record_file_count(f), 3);
    ck_assert_str_eq(sbi_record_file_sha256(f), hash64(text, strlen(text)));
    expect_row(f, 2, 3, 5);
    expect_row(f, 0, 1, 1);
    expect_row(f, 1, 2, 4);
    expect_row(f, 0, 1, 1);
    sbi_record_file_close(f);
}
END_TEST

START_TEST(an_array)
{
    const char *text =
        " \n[\n {\"n\": 1, \"s\": \"],}{[\\\"]\"},{\"n\": 2, \"a\": [1, {\"b\": []}]}\n,"
        "\n{\"n\":\n3}\n]\n";
    sbi_record_file *f = open_ok(put_text("a.json", text));
    ck_assert_int_eq(sbi_record_file_count(f), 3);
    ck_assert_str_eq(sbi_record_file_sha256(f), hash64(text, strlen(text)));
    expect_row(f, 1, 2, 3);
    expect_row(f, 2, 3, 5);
    expect_row(f, 0, 1, 3);
    sbi_record_file_close(f);
}
END_TEST

START_TEST(bad_lines)
{
    static const char text[] = "{\"n\": 1}\n"
                               "{\"n\": \xff}\n"
                               "{\"n\": \0 2}\n"
                               "[1, 2]\n"
                               "{\"n\": }\n"
                               "{\"s\": \"\\u0000\"}\n"
                               "{\"s\": \"\\ud800\"}\n"
                               "7\n"
                               "{\"n\": 9} {\"n\": 10}\n"
                               "\xef\xbb\xbf{\"n\": 10}\n"
                               "{\"n\": 11}\n"
                               "{\"n\": 12, \"s\": \"abc";
    sbi_record_file  *f      = open_ok(put_file("b.jsonl", text, sizeof text - 1));
    ck_assert_int_eq(sbi_record_file_count(f), 12);
    expect_bad(f, 1, "b.jsonl: line 2, byte 6: not UTF-8");
    expect_bad(f, 2, "b.jsonl: line 3, byte 7: a NUL byte");
    expect_bad(f, 3, "b.jsonl: line 4: an array, not an object");
    expect_bad(f, 4, "b.jsonl: line 5, byte ");
    expect_bad(f, 5, "b.jsonl: line 6, byte ");
    expect_bad(f, 6, "b.jsonl: line 7, byte ");
    expect_bad(f, 7, "b.jsonl: line 8, byte ");
    expect_bad(f, 8, "b.jsonl: line 9, byte ");
    expect_bad(f, 9, "b.jsonl: line 10, byte ");
    expect_bad(f, 11, "the file ends inside this row");
    expect_row(f, 0, 1, 1);
    expect_row(f, 10, 11, 11);
    sbi_record_file_close(f);
}
END_TEST

START_TEST(bad_elements)
{
    const char *text   = "[{\"n\": 1}, 5, [1], \"a,]b\", {\"n\": \xc3}, }, {\"n\": 7}, {\"n\": 8";
    sbi_record_file *f = open_ok(put_text("b.json", text));
    ck_assert_int_eq(sbi_record_file_count(f), 8);
    expect_bad(f, 1, "b.json: line 1, byte ");
    expect_bad(f, 2, "an array, not an object");
    expect_bad(f, 3, "b.json: line 1, byte ");
    expect_bad(f, 4, "not UTF-8");
    expect_bad(f, 5, "b.json: line 1, byte ");
    expect_bad(f, 7, "the file ends inside this row");
    expect_row(f, 6, 7, 1);
    sbi_record_file_close(f);
    /* the end is missing, though every row is whole */
    f = open_ok(put_text("c.json", "[{\"n\": 1},\n{\"n\": 2},\n"));
    ck_assert_int_eq(sbi_record_file_count(f), 3);
    expect_row(f, 1, 2, 2);
    expect_bad(f, 2, "c.json: line 3, byte 0: the file ends inside this row");
    sbi_record_file_close(f);
}
END_TEST

START_TEST(files_that_cannot_be_opened)
{
    sbi_record_file *f = NULL;
    expect_error(sbi_record_file_open("/nowhere/a.jsonl", &f), SB_ERR_IO,
                 "/nowhere/a.jsonl: No such");
    expect_error(sbi_record_file_open(folder(), &f), SB_ERR_IO, "not a file");
    expect_error(sbi_record_file_open(put_text("e.jsonl", ""), &f), SB_ERR_USAGE,
                 "e.jsonl: no rows in it");
    expect_error(sbi_record_file_open(put_text("e.jsonl", "\n \n\r\n"), &f), SB_ERR_USAGE,
                 "no rows");
    expect_error(sbi_record_file_open(put_text("e.json", "[ ]"), &f), SB_ERR_USAGE, "no rows");
    expect_error(sbi_record_file_open(put_text("e.json", "[{}]\n{}"), &f), SB_ERR_USAGE,
                 "e.json: line 2: something stands behind the array");
    ck_assert_ptr_null(f);
}
END_TEST

/* The path of a line of two gigabytes, taken by one of a megabyte: it is not kept, it is told with
 * its length, and its neighbours are there. */
START_TEST(a_line_that_is_too_long)
{
    int64_t     before  = sbi_jsonl_max_line_bytes;
    sbi_text    t       = {0};
    const char *forms[] = {"{\"n\": 1}\n%{\"n\": 3}\n", "[{\"n\": 1},\n%,{\"n\": 3}]"};
    for (int form = 0; form < 2; form++) {
        sbi_record_file *f;
        sbi_text_reset(&t);
        for (const char *c = forms[form]; *c != '\0'; c++) {
            if (*c != '%') {
                sbi_text_putc(&t, *c);
                continue;
            }
            sbi_text_puts(&t, "{\"n\": 2, \"s\": \"");
            for (int i = 0; i < 100000; i++)
                sbi_text_puts(&t, "0123456789");
            sbi_text_puts(&t, form == 0 ? "\"}\n" : "\"}");
        }
        ck_assert_int_eq(sbi_text_status(&t), SB_OK);
        f                        = open_ok(put_file("l.jsonl", t.p, (size_t)t.n));
        sbi_jsonl_max_line_bytes = 1000;
        expect_bad(f, 1, "l.jsonl: line 2: 1000017 bytes, more than the 1000");
        expect_row(f, 0, 1, 1);
        expect_row(f, 2, 3, form == 0 ? 3 : 2);
        sbi_jsonl_max_line_bytes = before;
        expect_row(f, 1, 2, 2);
        sbi_record_file_close(f);
    }
    sbi_text_fini(&t);
}
END_TEST

START_TEST(a_file_that_changes)
{
    const char      *path = put_text("g.jsonl", "{\"n\": 1}\n{\"n\": 2}\n");
    sbi_record_file *f    = open_ok(path);
    json_t          *v    = NULL;
    FILE            *more;
    expect_row(f, 1, 2, 2);
    more = fopen(path, "ab");
    ck_assert_ptr_nonnull(more);
    fputs("{\"n\": 3}\n", more);
    ck_assert_int_eq(fclose(more), 0);
    expect_error(sbi_record_file_read(f, 1, &v), SB_ERR_IO, "g.jsonl: has changed");
    ck_assert_ptr_null(v);
    sbi_record_file_close(f);
}
END_TEST

START_TEST(numbers_as_text)
{
    static const struct {
        const char *json, *text;
    } values[] = {{"5", "5"},
                  {"-12", "-12"},
                  {"49.0", "49.0"},
                  {"49.5", "49.5"},
                  {"0.1", "0.1"},
                  {"1e16", "1e+16"},
                  {"1e15", "1000000000000000.0"},
                  {"1e-5", "1e-05"},
                  {"0.0001", "0.0001"},
                  {"-0.0", "-0.0"},
                  {"123456.789", "123456.789"},
                  {"\"a\"", "a"}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        json_t        *v    = json_loads(values[i].json, JSON_DECODE_ANY, NULL);
        sbi_row_source s    = {"f", 1, NULL};
        char          *text = NULL;
        ck_assert_int_eq(sbi_row_value_text(&s, "x", v, &text), SB_OK);
        ck_assert_str_eq(text, values[i].text); /* str() of CPython 3.11 */
        free(text);
        json_decref(v);
    }
}
END_TEST

/* Damaged files give rows or errors of rows, nothing else. */
START_TEST(mutations)
{
    sb_rng rng = {7};
    for (int round = 0; round < fuzz_rounds(2000); round++) {
        sbi_text         t = {0};
        sbi_record_file *f = NULL;
        sb_status        st;
        sbi_text_puts(&t, round % 2 == 0 ? "{\"n\": 1, \"s\": \"caf\xc3\xa9\"}\n{\"n\": [2, {}]}\n"
                                         : "[{\"n\": 1, \"s\": \"],\"},\n {\"n\": [2, {}]}]");
        for (uint64_t i = 0; i < 1 + sb_rng_below(&rng, 3); i++)
            mutate(&t, &rng);
        st = sbi_record_file_open(put_file("m.jsonl", sbi_text_str(&t), (size_t)t.n), &f);
        if (st != SB_OK)
            ck_assert_int_eq(st, SB_ERR_USAGE);
        for (int64_t i = 0; st == SB_OK && i < sbi_record_file_count(f); i++) {
            json_t   *v    = NULL;
            sb_status read = sbi_record_file_read(f, i, &v);
            ck_assert(read == SB_OK ? json_is_object(v) : read == SB_ERR_USAGE && v == NULL);
            json_decref(v);
        }
        sbi_record_file_close(f);
        sbi_text_fini(&t);
    }
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("record_file");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, lines_in_any_order);
    tcase_add_test(t, an_array);
    tcase_add_test(t, bad_lines);
    tcase_add_test(t, bad_elements);
    tcase_add_test(t, files_that_cannot_be_opened);
    tcase_add_test(t, a_line_that_is_too_long);
    tcase_add_test(t, a_file_that_changes);
    tcase_add_test(t, numbers_as_text);
    tcase_add_test(t, mutations);
    return run_suite_of("record_file", t);
}
