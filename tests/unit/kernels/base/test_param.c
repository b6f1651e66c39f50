/* Parameter tables: ranges, enums, what is refused and how it is said, JSON that reads back equal.
 */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/param.h"
#include "kernels/base/rng.h"

typedef struct knobs {
    int64_t tokens, any;
    double  gamma, tau, free;
    int32_t kind;
} knobs;

#define P(field) offsetof(knobs, field)
static const sb_param table[] = {
    {"tokens", "1024", "[16,1048576]", "budget in tokens", SB_I64, P(tokens)},
    {"any", "-3", "(,)", "any whole number", SB_I64, P(any)},
    {"gamma", "0.95", "(0,1)", "share", SB_F64, P(gamma)},
    {"tau", "0", "[0,1]", "share", SB_F64, P(tau)},
    {"free", "1e-3", "(,)", "any number", SB_F64, P(free)},
    {"kind", "elu1", "elu1|gla|gated_delta", "recurrence", SB_ENUM, P(kind)},
    {0},
};
#undef P

static knobs k;

static sb_status set(const char *name, const char *text)
{
    const sb_param *p = sb_params_find(table, name);
    ck_assert_ptr_nonnull(p);
    return sb_param_set(p, &k, text);
}

static const char *json(const char *name)
{
    static char buf[64];
    ck_assert_int_eq(sb_param_json(sb_params_find(table, name), &k, buf, sizeof buf), SB_OK);
    return buf;
}

static void defaults(void) { ck_assert_int_eq(sb_params_default(table, &k), SB_OK); }

START_TEST(defaults_fill_every_field)
{
    memset(&k, 0xff, sizeof k);
    defaults();
    ck_assert_int_eq(k.tokens, 1024);
    ck_assert_int_eq(k.any, -3);
    ck_assert(k.gamma == 0.95 && k.tau == 0 && k.free == 1e-3);
    ck_assert_int_eq(k.kind, 0);
}
END_TEST

START_TEST(a_bad_default_is_our_fault)
{
    static const sb_param bad[] = {{"x", "2", "[0,1]", "", SB_F64, 0}, {0}};
    double                x     = 0;
    ck_assert_int_eq(sb_params_default(bad, &x), SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "default of x"));
}
END_TEST

START_TEST(find_knows_its_names)
{
    ck_assert_str_eq(sb_params_find(table, "kind")->name, "kind");
    ck_assert_ptr_null(sb_params_find(table, "kin"));
    ck_assert_ptr_null(sb_params_find(table, ""));
    ck_assert_ptr_null(sb_params_find(NULL, "kind"));
}
END_TEST

START_TEST(range_ends_are_open_or_closed)
{
    static const char *const good[][2] = {{"tokens", "16"},
                                          {"tokens", "1048576"},
                                          {"tau", "0"},
                                          {"tau", "1"},
                                          {"tau", "1.0"},
                                          {"tau", ".5"},
                                          {"gamma", "0.0001"},
                                          {"gamma", "99e-2"},
                                          {"any", "9223372036854775807"},
                                          {"any", "-9223372036854775808"},
                                          {"free", "-1e300"}};
    static const char *const bad[][2]  = {
         {"tokens", "15"}, {"tokens", "1048577"}, {"tau", "-0.001"}, {"tau", "1.001"},
         {"gamma", "0"},   {"gamma", "1"},        {"gamma", "-1"},   {"any", "9223372036854775808"},
         {"free", "1e400"}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        ck_assert_msg(set(good[i][0], good[i][1]) == SB_OK, "%s %s: %s", good[i][0], good[i][1],
                      sb_error_text());
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(set(bad[i][0], bad[i][1]) == SB_ERR_USAGE, "%s %s", bad[i][0], bad[i][1]);
}
END_TEST

START_TEST(bad_text_changes_nothing)
{
    static const char *const bad[] = {"",
                                      " ",
                                      "x",
                                      "12x",
                                      "1.5",
                                      "1e3",
                                      "0x40",
                                      " 64",
                                      "64 ",
                                      "+64",
                                      "--5",
                                      "nan",
                                      "inf",
                                      "64,",
                                      "64\n",
                                      "true",
                                      "99999999999999999999"};
    defaults();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_msg(set("tokens", bad[i]) == SB_ERR_USAGE, "tokens took `%s`", bad[i]);
        ck_assert_int_eq(k.tokens, 1024);
    }
    static const char *const bad_real[] = {"",     " ",    "x",   "nan",  "inf", "-inf", "0x1p-1",
                                           " 0.5", "0.5 ", "0,5", "+0.5", "1e",  "."};
    for (size_t i = 0; i < sizeof bad_real / sizeof *bad_real; i++) {
        ck_assert_msg(set("free", bad_real[i]) == SB_ERR_USAGE, "free took `%s`", bad_real[i]);
        ck_assert(k.free == 1e-3);
    }
    static const char *const bad_kind[] = {"",  "el",  "elu", "elu1x", "elu1|gla",
                                           "|", "GLA", "0",   "delta"};
    for (size_t i = 0; i < sizeof bad_kind / sizeof *bad_kind; i++) {
        ck_assert_msg(set("kind", bad_kind[i]) == SB_ERR_USAGE, "kind took `%s`", bad_kind[i]);
        ck_assert_int_eq(k.kind, 0);
    }
}
END_TEST

START_TEST(refusals_say_what_was_found_and_what_is_allowed)
{
    ck_assert_int_eq(set("gamma", "2"), SB_ERR_USAGE);
    ck_assert_str_eq(sb_error_text(), "found `2`, allowed a number in (0,1)");
    ck_assert_int_eq(set("kind", "rat"), SB_ERR_USAGE);
    ck_assert_str_eq(sb_error_text(), "found `rat`, allowed one of elu1, gla, gated_delta");
    char long_text[4000];
    memset(long_text, 'y', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    ck_assert_int_eq(set("gamma", long_text), SB_ERR_USAGE);
    ck_assert_uint_lt(strlen(sb_error_text()),
                      200); /* a hostile file does not flood the terminal */
}
END_TEST

START_TEST(allowed_reads_well)
{
    static const struct {
        sb_param    p;
        const char *want;
    } cases[] = {
        {{"a", "1", "[1,)", "", SB_I64, 0}, "a whole number >= 1"},
        {{"a", "1", "(0,)", "", SB_F64, 0}, "a number > 0"},
        {{"a", "1", "(,)", "", SB_F64, 0}, "a number"},
        {{"a", "1", "[1048577,)", "", SB_I64, 0}, "a whole number >= 1048577"},
        {{"a", "1", "[0,0.5]", "", SB_F64, 0}, "a number in [0,0.5]"},
        {{"a", "x", "x", "", SB_ENUM, 0}, "one of x"},
        {{"a", "x", "x|y", "", SB_ENUM, 0}, "one of x, y"},
    };
    char buf[64];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sb_param_allowed(&cases[i].p, buf, sizeof buf);
        ck_assert_str_eq(buf, cases[i].want);
    }
    for (size_t n = 1; n < 40; n++) { /* short buffers: cut and ended */
        char small[64];
        memset(small, '#', sizeof small);
        sb_param_allowed(sb_params_find(table, "kind"), small, n);
        ck_assert_ptr_nonnull(memchr(small, '\0', n));
        ck_assert_int_eq(small[n], '#');
    }
}
END_TEST

START_TEST(json_is_short_and_reads_back_equal)
{
    static const char *const same[] = {"0",         "1",    "0.1",   "0.95", "0.3",
                                       "123456789", "-2.5", "1e-07", "1e+22"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        ck_assert_int_eq(set("free", same[i]), SB_OK);
        ck_assert_str_eq(json("free"), same[i]);
    }
    sb_rng r = {5};
    for (int i = 0; i < 20000; i++) {
        uint64_t u = sb_rng_next(&r);
        double   d;
        memcpy(&d, &u, sizeof d);
        if (!isfinite(d))
            continue;
        k.free = d;
        ck_assert(strtod(json("free"), NULL) == d);
    }
    ck_assert_int_eq(set("any", "-9223372036854775808"), SB_OK);
    ck_assert_str_eq(json("any"), "-9223372036854775808");
    ck_assert_int_eq(set("kind", "gated_delta"), SB_OK);
    ck_assert_str_eq(json("kind"), "\"gated_delta\"");
    ck_assert_int_eq(set("kind", "gla"), SB_OK);
    ck_assert_str_eq(json("kind"), "\"gla\"");
}
END_TEST

START_TEST(equal_values_have_equal_json) /* points are found again by the hash of this text */
{
    ck_assert_int_eq(set("tau", "-0"), SB_OK);
    ck_assert_str_eq(json("tau"), "0");
    ck_assert_int_eq(set("gamma", "0.950"), SB_OK);
    ck_assert_str_eq(json("gamma"), "0.95");
    ck_assert_int_eq(set("gamma", "95e-2"), SB_OK);
    ck_assert_str_eq(json("gamma"), "0.95");
    ck_assert_int_eq(set("tokens", "0064"), SB_OK);
    ck_assert_str_eq(json("tokens"), "64");
}
END_TEST

START_TEST(json_that_does_not_fit_is_an_error)
{
    char buf[4];
    defaults();
    ck_assert_int_eq(sb_param_json(sb_params_find(table, "tokens"), &k, buf, 4), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_param_json(sb_params_find(table, "gamma"), &k, buf, 4), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_param_json(sb_params_find(table, "kind"), &k, buf, 4), SB_ERR_INTERNAL);
}
END_TEST

/* A file's value is its name and what it holds; the path is where to look. */
START_TEST(files_are_what_they_hold)
{
    static const sb_param files[] = {{"plan", "none", "a JSON file of spans", "", SB_FILE, 0}, {0}};
    sb_param_file         f;
    char                  buf[SB_PARAM_JSON_BYTES], longest[SB_PARAM_PATH_BYTES + 1];
    ck_assert_int_eq(sb_params_default(files, &f), SB_OK);
    ck_assert_str_eq(f.path, "");
    ck_assert_int_eq(sb_param_json(files, &f, buf, sizeof buf), SB_OK);
    ck_assert_str_eq(buf, "\"none\"");
    ck_assert_int_eq(sb_param_set(files, &f, "/a/b \"c\\.json"), SB_OK);
    ck_assert_str_eq(f.path, "/a/b \"c\\.json");
    ck_assert_int_eq(sb_param_json(files, &f, buf, sizeof buf), SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "plan has not been read"));
    memset(f.sha256, '7', 64);
    f.content = &f;
    ck_assert_int_eq(sb_param_json(files, &f, buf, sizeof buf), SB_OK);
    ck_assert_ptr_eq(strstr(buf, "\"b \\\"c\\\\.json@7777"), buf);
    ck_assert_int_eq(sb_param_json(files, &f, buf, 20), SB_ERR_INTERNAL);
    ck_assert_int_eq(sb_param_set(files, &f, "x"), SB_OK); /* another file: not read yet */
    ck_assert(f.sha256[0] == '\0' && f.content == NULL);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    ck_assert_int_eq(sb_param_set(files, &f, longest), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "allowed none or the path of a JSON file of"));
    longest[256] = '\0'; /* a name may have 255 bytes */
    ck_assert_int_eq(sb_param_set(files, &f, longest), SB_ERR_USAGE);
    longest[255] = '\0';
    ck_assert_int_eq(sb_param_set(files, &f, longest), SB_OK);
    memset(f.sha256, '7', 64);
    ck_assert_int_eq(sb_param_json(files, &f, buf, sizeof buf), SB_OK);
    ck_assert_int_eq(sb_param_set(files, &f, ""), SB_ERR_USAGE);
    ck_assert_int_eq(sb_param_set(files, &f, "a/"), SB_ERR_USAGE);
    ck_assert_int_eq(sb_param_set(files, &f, "a\nb"), SB_ERR_USAGE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("param");
    TCase *t = tcase_create("param");
    tcase_add_test(t, defaults_fill_every_field);
    tcase_add_test(t, a_bad_default_is_our_fault);
    tcase_add_test(t, find_knows_its_names);
    tcase_add_test(t, range_ends_are_open_or_closed);
    tcase_add_test(t, bad_text_changes_nothing);
    tcase_add_test(t, refusals_say_what_was_found_and_what_is_allowed);
    tcase_add_test(t, allowed_reads_well);
    tcase_add_test(t, json_is_short_and_reads_back_equal);
    tcase_add_test(t, equal_values_have_equal_json);
    tcase_add_test(t, json_that_does_not_fit_is_an_error);
    tcase_add_test(t, files_are_what_they_hold);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
