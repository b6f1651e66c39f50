/* Bad sweep files. Each NAME.yaml of tests/fixtures/bad_sweeps has its exact errors beside it in
 * NAME.expect; files that git or an editor would not keep as they are, and bad --set, are made
 * here. */
#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/harness/config/fakes.h"

#define FIXTURES "tests/fixtures/bad_sweeps"

enum { MIN_FIXTURES = 45, MAX_FIXTURES = 400 };

static char *names[MAX_FIXTURES]; /* without .yaml, sorted */
static int   n_names, n_expects;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_fixtures(void)
{
    DIR *d = opendir(FIXTURES);
    for (struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        const char *dot = strrchr(e->d_name, '.');
        if (dot != NULL && strcmp(dot, ".expect") == 0)
            n_expects++;
        if (dot != NULL && strcmp(dot, ".yaml") == 0 && n_names < MAX_FIXTURES)
            names[n_names++] = strndup(e->d_name, (size_t)(dot - e->d_name));
    }
    if (d != NULL)
        (void)closedir(d);
    qsort(names, (size_t)n_names, sizeof *names, by_name);
}

/* malloc'd; NULL when it cannot be read. */
static char *slurp(const char *path)
{
    char  *text = NULL;
    size_t n    = 0;
    FILE  *f    = fopen(path, "r"), *to;
    if (f == NULL)
        return NULL;
    to = open_memstream(&text, &n);
    for (int ch; (ch = fgetc(f)) != EOF;)
        (void)fputc(ch, to);
    (void)fclose(to);
    (void)fclose(f);
    return text;
}

START_TEST(fixture_gets_its_exact_errors)
{
    char      path[512], prefix[64], *got = NULL;
    size_t    n = 0;
    sb_sweep *s = NULL;
    (void)snprintf(path, sizeof path, FIXTURES "/%s.expect", names[_i]);
    char *want = slurp(path);
    ck_assert_msg(want != NULL, "no %s", path);
    (void)snprintf(path, sizeof path, FIXTURES "/%s.yaml", names[_i]);
    FILE *to = open_memstream(&got, &n);
    ck_assert_ptr_nonnull(to);
    ck_assert_int_eq(sb_sweep_load(path, NULL, 0, &fake_env, to, &s), SB_ERR_USAGE);
    ck_assert_int_eq(fclose(to), 0);
    ck_assert_ptr_null(s);
    /* every line begins with the file's path; .expect holds the name alone */
    (void)snprintf(prefix, sizeof prefix, FIXTURES "/");
    for (char *line = got; *line != '\0'; line = strchr(line, '\n') + 1) {
        ck_assert_msg(strncmp(line, prefix, strlen(prefix)) == 0, "%s: %s", path, line);
        memmove(line, line + strlen(prefix), strlen(line + strlen(prefix)) + 1);
    }
    ck_assert_msg(strcmp(got, want) == 0, "%s:\n--- found\n%s--- expected\n%s", path, got, want);
    /* without a stream the summary still tells the first error */
    ck_assert_int_eq(sb_sweep_load(path, NULL, 0, &fake_env, NULL, &s), SB_ERR_USAGE);
    *strchr(got, '\n') = '\0';
    ck_assert_ptr_nonnull(strstr(sb_error_text(), got));
    free(got);
    free(want);
}
END_TEST

START_TEST(fixtures_are_complete)
{
    ck_assert_int_ge(n_names, MIN_FIXTURES);
    ck_assert_int_lt(n_names, MAX_FIXTURES);
    ck_assert_int_eq(n_names, n_expects);
}
END_TEST

#define HEAD "sweep: t\nexperiment: task\n"
#define BODY                                                                                       \
    "model: {name: probe}\nworkloads:\n  - {suite: probe, tasks: [niah_single], lengths: "         \
    "[1024]}\nmethods: [dense]\n"

typedef struct raw_case {
    const char *text;
    size_t      bytes;
    const char *want;
} raw_case;

#define RAW(text, want)                                                                            \
    {                                                                                              \
        text, sizeof(text) - 1, want                                                               \
    }
static const raw_case raw_cases[] = {
    RAW(HEAD BODY "x\0y", "raw.yaml:7:2: (file): found the control character 0x00, allowed UTF-8 "
                          "text without them\n"),
    RAW("\0", "raw.yaml:1:1: (file): found the control character 0x00, allowed UTF-8 text without "
              "them\n"),
    RAW(HEAD "\x1b[31m" BODY, "raw.yaml:3:1: (file): found the control character 0x1b, allowed "
                              "UTF-8 text without them\n"),
    RAW(HEAD "# caf\xe9\n" BODY,
        "raw.yaml:3:6: (file): found the byte 0xe9, which is not UTF-8, allowed UTF-8 text\n"),
    RAW(HEAD "# \xc3\xa9 \xc0\xaf\n",
        "raw.yaml:3:5: (file): found the byte 0xc0, which is not UTF-8, allowed UTF-8 text\n"),
    RAW(HEAD "# \xed\xa0\x80\n",
        "raw.yaml:3:3: (file): found the byte 0xed, which is not UTF-8, allowed UTF-8 text\n"),
    RAW(HEAD "# \xf4\x90\x80\x80\n",
        "raw.yaml:3:3: (file): found the byte 0xf4, which is not UTF-8, allowed UTF-8 text\n"),
    RAW(HEAD "# \xe2\x82",
        "raw.yaml:3:3: (file): found the byte 0xe2, which is not UTF-8, allowed UTF-8 text\n"),
    RAW("\xff\xfes\0w\0",
        "raw.yaml:1:1: (file): found the byte 0xff, which is not UTF-8, allowed UTF-8 text\n"),
    RAW("\x7f"
        "ELF\x02\x01\x01\x00",
        "raw.yaml:1:1: (file): found the control character 0x7f, allowed UTF-8 text without "
        "them\n"),
    RAW("\xef\xbb\xbf",
        "raw.yaml:1:1: (file): found nothing (empty, or comments only), allowed a sweep\n"),
    RAW("\n\n\n",
        "raw.yaml:1:1: (file): found nothing (empty, or comments only), allowed a sweep\n"),
};

START_TEST(bytes_that_are_no_text)
{
    const raw_case *c      = &raw_cases[_i];
    char           *errors = NULL;
    sb_sweep       *s      = NULL;
    ck_assert_int_eq(fake_load("raw.yaml", c->text, c->bytes, NULL, 0, &errors, &s), SB_ERR_USAGE);
    ck_assert_str_eq(errors, c->want);
    free(errors);
}
END_TEST

/* A text of `bytes` made of one unit, repeated. */
static char *repeated(const char *unit, size_t bytes)
{
    char  *text = malloc(bytes + 1);
    size_t n    = strlen(unit);
    ck_assert_ptr_nonnull(text);
    for (size_t i = 0; i < bytes; i++)
        text[i] = unit[i % n];
    text[bytes] = '\0';
    return text;
}

START_TEST(size_limit)
{
    enum { MIB = 1024 * 1024 };
    char     *errors = NULL, *text = repeated("# comment\n", 2 * MIB);
    sb_sweep *s = NULL;
    ck_assert_int_eq(fake_load("raw.yaml", text, 2 * MIB, NULL, 0, &errors, &s), SB_ERR_USAGE);
    ck_assert_str_eq(
        errors, "raw.yaml: found a file of more than 1048576 bytes, allowed at most 1048576\n");
    free(errors);
    memcpy(text, HEAD BODY, strlen(HEAD BODY));
    text[strlen(HEAD BODY)] = '#';
    ck_assert_int_eq(fake_load("raw.yaml", text, MIB + 1, NULL, 0, &errors, &s), SB_ERR_USAGE);
    free(errors);
    ck_assert_int_eq(fake_load("raw.yaml", text, MIB, NULL, 0, &errors, &s), SB_OK);
    free(errors);
    free(text);
    sb_sweep_free(s);
}
END_TEST

/* What costs a careless reader time or stack: a MiB each. The whole program has a time limit. */
static const char *const bombs[] = {
    "[",     "{",           "- ", "a: ", "? ",       "[[]",  "{a: ",   "a: b\n",
    "- a\n", "\"",          "'",  "| ",  "x",        "[a, ", "*a ",    "&a ",
    "!a ",   ",",           "]",  "\n",  " ",        "\t",   "-\n",    "---\n",
    "...\n", "%YAML 1.1\n", "\\", "- [", "k: [a]\n", "? - ", "&a *a ", "{a: &a [*a], ",
    "<<: ",  "'': ",        ": ", "#"};

START_TEST(a_mebibyte_of_anything_ends)
{
    char     *errors = NULL, *text = repeated(bombs[_i], 1024 * 1024);
    sb_sweep *s = NULL;
    ck_assert_int_eq(fake_load("raw.yaml", text, 1024 * 1024, NULL, 0, &errors, &s), SB_ERR_USAGE);
    ck_assert_ptr_null(s);
    ck_assert_ptr_nonnull(strstr(errors, ": found "));
    free(errors);
    free(text);
}
END_TEST

START_TEST(errors_past_a_thousand_are_counted)
{
    char *text = repeated("a: b\n", 5000), *errors = fake_load_bad(text, NULL, 0);
    int   lines = 0;
    for (const char *at = errors; *at != '\0'; at++)
        lines += *at == '\n';
    ck_assert_int_eq(lines, 1001);
    /* 999 repeated keys, 6 errors of the top level: 1 unknown key, 5 missing */
    ck_assert_ptr_nonnull(
        strstr(errors, "bad.yaml: found 5 errors more, allowed none; mend these first\n"));
    free(errors);
    free(text);
}
END_TEST

START_TEST(paths_that_are_no_file)
{
    char      dir[] = "/tmp/sweep_XXXXXX", path[64], *errors = NULL, want[640];
    size_t    n = 0;
    sb_sweep *s = NULL;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/fifo", dir);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    FILE *to = open_memstream(&errors, &n);
    ck_assert_ptr_nonnull(to);
    ck_assert_int_eq(sb_sweep_load(path, NULL, 0, &fake_env, to, &s), SB_ERR_USAGE);
    ck_assert_int_eq(sb_sweep_load(dir, NULL, 0, &fake_env, to, &s), SB_ERR_USAGE);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(sb_sweep_load(path, NULL, 0, &fake_env, to, &s), SB_ERR_USAGE);
    ck_assert_int_eq(sb_sweep_load("", NULL, 0, &fake_env, to, &s), SB_ERR_USAGE);
    ck_assert_int_eq(sb_sweep_load("/dev/null", NULL, 0, &fake_env, to, &s), SB_ERR_USAGE);
    ck_assert_int_eq(fclose(to), 0);
    (void)snprintf(
        want, sizeof want,
        "%s: found a device or pipe, allowed a readable YAML file\n"
        "%s: found a directory, allowed a readable YAML file\n"
        "%s: found no readable file (No such file or directory), allowed a readable YAML file\n"
        ": found no readable file (No such file or directory), allowed a readable YAML file\n"
        "/dev/null: found a device or pipe, allowed a readable YAML file\n",
        path, dir, path);
    ck_assert_str_eq(errors, want);
    ck_assert_int_eq(rmdir(dir), 0);
    free(errors);
}
END_TEST

typedef struct set_case {
    const char *path, *value, *want;
} set_case;

static const set_case set_cases[] = {
    {"workloads[0].samples", "0",
     "--set workloads[0].samples: found `0`, allowed a whole number in [1,1000000]\n"},
    {"workloads[0].sample", "2",
     "--set workloads[0].sample: found an unknown key, allowed suite, tasks, lengths, samples, "
     "seed, corpus, needles; did you mean "
     "`samples`?\n"},
    {"modle.name", "probe",
     "--set modle.name: modle: found an unknown key, allowed sweep, experiment, backend, model, "
     "workloads, methods, sharding, decode, "
     "quality, timing, graphs, exclude; did you mean `model`?\n"},
    {"methods[0]", "{name: flexprefill, gamma: 3}",
     "--set methods[0]: methods[0].gamma: found `3`, allowed a number in (0,1)\n"},
    {"methods[0].gamma", "0.9", "--set methods[0].gamma: found an unknown key, allowed name\n"},
    {"workloads[0].lengths", "[1024, x, 1024]",
     "--set workloads[0].lengths: workloads[0].lengths[1]: found `x`, allowed a whole number of "
     "tokens from 1 to 1024M, also as 4K (x "
     "1024) or 1M (x 1048576)\n"
     "--set workloads[0].lengths: workloads[0].lengths[2]: found `1024` a second time (first in "
     "--set workloads[0].lengths), allowed "
     "each once\n"},
    {"methods[1]", "dense",
     "--set methods[1]: found a point that `methods[0]` on line 6 already has, allowed each point "
     "once\n"},
    {"methods[2]", "dense", "--set methods[2]: found index 2 of `methods`, allowed 0 to 1\n"},
    {"methods.gamma", "1",
     "--set methods.gamma: found a key for the list `methods`, allowed an index: `methods[0]` to "
     "`methods[1]`\n"},
    {"model[0]", "1",
     "--set model[0]: found an index for `model`, which is no list, allowed a key\n"},
    {"sweep[0]", "1",
     "--set sweep[0]: found an index for `sweep`, which is no list, allowed a key\n"},
    {"sweep.name", "x",
     "--set sweep.name: sweep: found a mapping, allowed a name: letters, digits, `_`, `-`, `.`, at "
     "most 64, the first a letter or digit\n"},
    {"", "x", "--set : found no path in ``, allowed a path such as `workloads[0].samples`\n"},
    {".", "x", "--set .: found no path in `.`, allowed a path such as `workloads[0].samples`\n"},
    {"a..b", "x",
     "--set a..b: found no path in `a..b`, allowed a path such as `workloads[0].samples`\n"},
    {"a.", "x", "--set a.: found no path in `a.`, allowed a path such as `workloads[0].samples`\n"},
    {"[0]", "x",
     "--set [0]: found no path in `[0]`, allowed a path such as `workloads[0].samples`\n"},
    {"methods[", "x",
     "--set methods[: found no path in `methods[`, allowed a path such as "
     "`workloads[0].samples`\n"},
    {"methods[x]", "x",
     "--set methods[x]: found no path in `methods[x]`, allowed a path such as "
     "`workloads[0].samples`\n"},
    {"methods[-1]", "x",
     "--set methods[-1]: found no path in `methods[-1]`, allowed a path such as "
     "`workloads[0].samples`\n"},
    {"methods[0]x", "x",
     "--set methods[0]x: found no path in `methods[0]x`, allowed a path such as "
     "`workloads[0].samples`\n"},
    {"methods[99999999999999999999]", "x",
     "--set methods[99999999999999999999]: found index 9223372036854775807 of `methods`, allowed 0 "
     "to 1\n"},
    {"a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q", "x",
     "--set a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q: found no path in "
     "`a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q`, allowed a path such as "
     "`workloads[0].samples`\n"},
    {"backend", "[cpu",
     "--set backend: found a YAML syntax error (while parsing a flow sequence from line 1 on: did "
     "not find expected ',' or ']'), "
     "allowed well-formed YAML\n"},
    {"backend", "", "--set backend: found nothing, allowed one of auto, cpu, cuda\n"},
    {"backend", "&a cpu",
     "--set backend: found the anchor `&a`, allowed plain values: write it out\n"},
    {"backend", "cpu\n---\ncuda", "--set backend: found a second document, allowed one a file\n"},
    {"backend", "\x01",
     "--set backend: found a YAML syntax error (control characters are not allowed), allowed "
     "well-formed YAML\n"},
    {"back\x1b[31mend", "cpu",
     "--set back\\x1b[31mend: found no path in `back\\x1b[31mend`, allowed a path such as "
     "`workloads[0].samples`\n"},
    {"timing", "{dense: no}",
     "--set timing: timing.dense: found `no`, allowed one of beside, none\n"},
    {"timing", "{warmup: 1, warmup: 2}",
     "--set timing: warmup: found the key a second time (first in --set timing), allowed once\n"},
};

START_TEST(bad_set)
{
    const set_case *c      = &set_cases[_i];
    sb_set          set    = {c->path, c->value};
    char           *errors = fake_load_bad(HEAD BODY, &set, 1);
    ck_assert_str_eq(errors, c->want);
    free(errors);
}
END_TEST

START_TEST(set_of_bytes_that_are_no_text)
{
    char  *path = repeated("\x80", 5000), *value = repeated("\xff", 5000);
    sb_set sets[] = {{path, "x"}, {"backend", value}, {"a\xe2\x82", "x"}};
    char  *errors = fake_load_bad(HEAD BODY, sets, 3);
    ck_assert_ptr_nonnull(strstr(errors, "--set \\x80\\x80"));
    ck_assert_ptr_nonnull(strstr(errors, "--set backend: found a YAML syntax error ("));
    ck_assert_ptr_nonnull(strstr(errors, "--set a\\xe2\\x82: "));
    for (const char *at = errors; *at != '\0'; at++)
        ck_assert((unsigned char)*at < 0x80);
    free(errors);
    free(path);
    free(value);
}
END_TEST

START_TEST(file_and_set_errors_come_together)
{
    static const sb_set sets[] = {{"decode", "x"}, {"backend", "y"}};
    char               *errors = fake_load_bad(HEAD BODY "timing: {warmup: z}\n", sets, 2);
    ck_assert_str_eq(errors,
                     "bad.yaml:7:18: timing.warmup: found `z`, allowed a whole number in [0,1000]\n"
                     "--set decode: found `x`, allowed one of method, dense\n"
                     "--set backend: found `y`, allowed one of auto, cpu, cuda\n");
    ck_assert_ptr_nonnull(strstr(sb_error_text(), ": 3 errors, listed above"));
    free(errors);
}
END_TEST

int main(void)
{
    list_fixtures();
    Suite *s = suite_create("bad sweeps");
    TCase *t = tcase_create("bad files");
    tcase_set_timeout(t, 30);
    tcase_add_test(t, fixtures_are_complete);
    tcase_add_loop_test(t, fixture_gets_its_exact_errors, 0, n_names);
    tcase_add_loop_test(t, bytes_that_are_no_text, 0, sizeof raw_cases / sizeof *raw_cases);
    tcase_add_test(t, size_limit);
    tcase_add_loop_test(t, a_mebibyte_of_anything_ends, 0, sizeof bombs / sizeof *bombs);
    tcase_add_test(t, errors_past_a_thousand_are_counted);
    tcase_add_test(t, paths_that_are_no_file);
    tcase_add_loop_test(t, bad_set, 0, sizeof set_cases / sizeof *set_cases);
    tcase_add_test(t, set_of_bytes_that_are_no_text);
    tcase_add_test(t, file_and_set_errors_come_together);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    for (int i = 0; i < n_names; i++)
        free(names[i]);
    return failures != 0;
}
