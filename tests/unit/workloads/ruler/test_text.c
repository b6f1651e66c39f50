/* Python's string functions: every code point against hashes of what CPython 3.11 (Unicode 14)
 * gives. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "workloads/base/pytext.h"

static void put_point(sbi_text *t, uint32_t c)
{
    char buf[5] = {0};
    if (c < 0x80) {
        buf[0] = (char)c;
    } else if (c < 0x800) {
        buf[0] = (char)(0xc0 | c >> 6);
        buf[1] = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        buf[0] = (char)(0xe0 | c >> 12);
        buf[1] = (char)(0x80 | (c >> 6 & 63));
        buf[2] = (char)(0x80 | (c & 63));
    } else {
        buf[0] = (char)(0xf0 | c >> 18);
        buf[1] = (char)(0x80 | (c >> 12 & 63));
        buf[2] = (char)(0x80 | (c >> 6 & 63));
        buf[3] = (char)(0x80 | (c & 63));
    }
    sbi_text_puts(t, buf);
}

/* Each code point but NUL and surrogates, with what stands around it. */
static sbi_text every(const char *before, const char *after)
{
    sbi_text t = {0};
    for (uint32_t c = 1; c < 0x110000; c++) {
        if (c >= 0xd800 && c < 0xe000)
            continue;
        sbi_text_puts(&t, before);
        put_point(&t, c);
        sbi_text_puts(&t, after);
    }
    ck_assert_int_eq(sbi_utf8_check(t.p, t.n), -1);
    return t;
}

static void check_lower(sbi_text *t, const char *want)
{
    sbi_text out = {0};
    sbi_py_lower(&out, t->p, t->n);
    ck_assert_str_eq(hash64(out.p, (size_t)out.n), want);
    sbi_text_fini(&out);
    sbi_text_fini(t);
}

START_TEST(lower_of_every_code_point)
{
    sbi_text t = every("", "\n");
    check_lower(&t, "0fd52b670bc397db29b61a6c7472d017db8c761db2e65691a2fae559d55f1e00");
}
END_TEST

START_TEST(final_sigma_beside_every_code_point)
{
    sbi_text t = {0};
    for (uint32_t c = 1; c < 0x110000; c++) { /* "A" sigma c " A" sigma c "B " c sigma " " */
        if (c >= 0xd800 && c < 0xe000)
            continue;
        sbi_text_puts(&t, "A\xce\xa3");
        put_point(&t, c);
        sbi_text_puts(&t, " A\xce\xa3");
        put_point(&t, c);
        sbi_text_puts(&t, "B ");
        put_point(&t, c);
        sbi_text_puts(&t, "\xce\xa3 ");
    }
    check_lower(&t, "a5591aa60816c0050f8f8ccdb91175fb7d5e24c0dc26b520db8720acd73d1bd3");
}
END_TEST

START_TEST(json_of_every_code_point)
{
    sbi_text t = every("", ""), out = {0};
    sbi_py_json(&out, t.p, t.n);
    ck_assert_str_eq(hash64(out.p, (size_t)out.n),
                     "238042a7bdb2ab62767fa85d38d57ff311c191712767405ce7ec43a7a4165a7c");
    sbi_text_fini(&out);
    sbi_text_fini(&t);
}
END_TEST

START_TEST(white_space_of_every_code_point)
{
    sbi_text t = every("", "x");
    int64_t  n = 0;
    ck_assert_int_eq(sb_tok_ops_find("words")->count(NULL, t.p, t.n, &n), SB_OK);
    ck_assert_int_eq(n, 30); /* len(text.split()) */
    sbi_text_fini(&t);
}
END_TEST

static const struct bad_utf8 {
    const char *text;
    int64_t     at;
} bad_utf8[] = {
    {"ab\x80", 2},           {"a\xc0\x80", 1},        {"\xe0\x80\x80", 0},
    {"\xed\xa0\x80", 0},     {"\xf0\x80\x80\x80", 0}, {"\xf4\x90\x80\x80", 0},
    {"\xf5\x80\x80\x80", 0}, {"x\xe2\x82", 1},        {"\xe2\x28\xa1", 0},
    {"\xc1\xbf", 0},         {"\xc3\xa9", -1},        {"\xf4\x8f\xbf\xbf", -1},
    {"\xed\x9f\xbf", -1},
};

START_TEST(utf8_is_checked)
{
    ck_assert_int_eq(sbi_utf8_check(bad_utf8[_i].text, (int64_t)strlen(bad_utf8[_i].text)),
                     bad_utf8[_i].at);
}
END_TEST

static const struct format_case {
    const char *format, *want; /* want NULL: refused */
} formats[] = {
    {"{a}-{b}-{a}", "1-two-1"},
    {"{{a}} {a}", "{a} 1"},
    {"{{{a}}}", "{1}"},
    {"{c}", NULL},
    {"{a", NULL},
    {"a}", NULL},
    {"{a:>3}", NULL},
    {"{a!r}", NULL},
    {"{}", NULL},
    {"{", NULL},
    {"}", NULL},
    {"", ""},
    {"{a{b}}", NULL},
    {"}}{{", "}{"},
};

START_TEST(format_as_python_does)
{
    sbi_field f[2] = {{"a", "1", 1, -1}, {"b", "two", 3, -1}};
    sbi_text  out  = {0};
    sb_status st   = sbi_py_format(&out, formats[_i].format, f, 2);
    ck_assert_int_eq(st, formats[_i].want != NULL ? SB_OK : SB_ERR_USAGE);
    if (formats[_i].want != NULL)
        ck_assert_str_eq(sbi_text_str(&out), formats[_i].want);
    sbi_text_fini(&out);
}
END_TEST

START_TEST(replace_goes_left_to_right)
{
    sbi_text t = {0};
    sbi_text_puts(&t, "aaaa are answers are");
    sbi_py_replace(&t, "aa", "b");
    sbi_py_replace(&t, "are", "is");
    sbi_py_replace(&t, "none", "x");
    ck_assert_str_eq(t.p, "bb is answers is");
    ck_assert_int_eq(sbi_text_rfind(t.p, t.n, "is", 2), 14);
    ck_assert_int_eq(sbi_text_find(t.p, t.n, "is", 2), 3);
    ck_assert_int_eq(sbi_text_find(t.p, t.n, "zz", 2), -1);
    sbi_text_fini(&t);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("text");
    tcase_add_test(t, lower_of_every_code_point);
    tcase_add_test(t, final_sigma_beside_every_code_point);
    tcase_add_test(t, json_of_every_code_point);
    tcase_add_test(t, white_space_of_every_code_point);
    tcase_add_loop_test(t, utf8_is_checked, 0, (int)(sizeof bad_utf8 / sizeof *bad_utf8));
    tcase_add_loop_test(t, format_as_python_does, 0, (int)(sizeof formats / sizeof *formats));
    tcase_add_test(t, replace_goes_left_to_right);
    return run_suite_of("ruler_text", t);
}
