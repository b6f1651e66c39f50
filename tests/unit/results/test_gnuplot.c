/* gnuplot as a child: none, too old, failing, silent, and one that writes what no gnuplot writes.
 * The programs are scripts on a PATH of their own. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "results/report/gnuplot.h"
#include "results/report/panel.h"
#include "tests/unit/results/main.h"
#include "tests/unit/results/report_case.h"

static char dir[256];

static void setup(void) { (void)snprintf(dir, sizeof dir, "%s", facts_dir()); }

static void teardown(void) { facts_remove(dir); }

/* Put a script named gnuplot first (and last) on PATH; NULL: none at all. */
static void pretend(const char *script)
{
    char where[512];
    if (script != NULL) {
        FILE *f = fopen(facts_path(dir, "gnuplot"), "w");
        (void)fprintf(f, "#!/bin/sh\nPATH=/usr/bin:/bin\n%s\n", script);
        ck_assert_int_eq(fclose(f), 0);
        ck_assert_int_eq(chmod(facts_path(dir, "gnuplot"), 0755), 0);
    }
    (void)snprintf(where, sizeof where, "%s", dir);
    ck_assert_int_eq(setenv("PATH", where, 1), 0);
}

static const struct {
    const char *script;
    sb_status   st;
    const char *says;
} versions[] = {
    {NULL, SB_ERR_USAGE,
     "not found on PATH; install gnuplot 5.4 or later (Debian: gnuplot-nox), or use --no-plots"},
    {"echo gnuplot 5.2 patchlevel 8", SB_ERR_USAGE, "found 5.2, allowed 5.4 or later"},
    {"echo gnuplot 4.6 patchlevel 0", SB_ERR_USAGE, "found 4.6"},
    {"echo no plotter", SB_ERR_USAGE, "says `no plotter"},
    {"exit 127", SB_ERR_USAGE, "cannot be run"},
    {"echo gnuplot 5.4 patchlevel 4", SB_OK, ""},
    {"echo gnuplot 6.0 patchlevel 0", SB_OK, ""},
};
START_TEST(version)
{
    pretend(versions[_i].script);
    sb_status st = sbi_gnuplot_check();
    ck_assert_msg(st == versions[_i].st, "%s", sb_error_text());
    if (st != SB_OK)
        ck_assert_msg(strstr(sb_error_text(), versions[_i].says) != NULL, "%s", sb_error_text());
}
END_TEST

static const struct {
    const char *script, *says;
} bad[] = {
    {"echo 'line 3: what is this?' >&2; exit 3", "exit code 3: line 3: what is this?"},
    {"kill -9 $$", "signal 9"},
    {"exec sleep 30", "wrote nothing for 300 ms"},
};
START_TEST(bad_end)
{
    char *svg = NULL;
    pretend(bad[_i].script);
    sbi_gnuplot_timeout_ms = 300;
    ck_assert_int_eq(sbi_gnuplot_run("plot 1\n", &svg), SB_ERR_IO);
    ck_assert_msg(strstr(sb_error_text(), bad[_i].says) != NULL, "%s", sb_error_text());
    ck_assert_ptr_null(svg);
}
END_TEST

/* The commands arrive whole, the answer comes back whole, both larger than a pipe. */
START_TEST(large)
{
    size_t n    = 1 << 20;
    char  *text = malloc(n + 1), *svg = NULL;
    memset(text, 'x', n);
    text[n] = '\0';
    pretend("exec cat");
    FACTS_OK(sbi_gnuplot_run(text, &svg));
    ck_assert_str_eq(svg, text);
    free(text), free(svg);
}
END_TEST

/* A page whose drawing fails is an error, not a page with a hole. */
START_TEST(no_half_page)
{
    const sb_report_facts f   = {"t.db", "0", "c"};
    char                 *out = NULL;
    size_t                n   = 0;
    sb_store             *s   = facts_open(facts_path(dir, "t.db"), SB_STORE_WRITE);
    report_fill(s);
    sb_store_close(s);
    s        = facts_open(facts_path(dir, "t.db"), SB_STORE_READ);
    FILE *to = open_memstream(&out, &n);
    pretend(
        "[ \"$1\" = --version ] && echo gnuplot 5.4 patchlevel 4 && exit\necho '<svg>odd</svg>'");
    ck_assert_int_eq(sb_report_write_html(s, &f, SB_REPORT_PLOTS, to), SB_ERR_IO);
    ck_assert_msg(strstr(sb_error_text(), "not what gnuplot 5.4 writes") != NULL, "%s",
                  sb_error_text());
    (void)fclose(to);
    sb_store_close(s);
    free(out);
}
END_TEST

/* A drawing becomes an element of the page: own names, our colours, texts put in, no marker that
 * nothing draws. */
START_TEST(element)
{
    static const char svg[] =
        "<?xml version='1.0'?>\n<svg viewBox=\"0 0 1 1\">\n<title>Gnuplot</title>\n<g "
        "id=\"gnuplot_canvas\">\n"
        "<rect x=\"0\" y=\"0\" width=\"4\" height=\"3\" fill=\"none\"/><defs><path "
        "id='gpPt0'/>\n\t<path id='gpPt1'/>\n\t<path id='gpPt2'/><use "
        "xlink:href='#gpPt2' id='gpPt3'/><use xlink:href='#gpPt1' id='gpPt4'/></defs>"
        "<use xlink:href='#gpPt3'/><filter id='x'><feFlood/></filter><use xlink:href='#gpPt0' "
        "color='white'/>"
        "<g fill=\"none\" color=\"black\">\n</g>\n<path stroke='rgb(  1,   1,   3)' "
        "fill=\"rgb(1,2,0)\"/>"
        "<rect fill = 'rgb( 10, 20, 255)'/><g id=\"gnuplot_plot_1\" "
        "><title>gnuplot_plot_1</title></g>"
        "<g id=\"gnuplot_plot_2\" "
        "><title>gnuplot_plot_2</title></g><text>~0~</text><text>~7~</text></g>\n</svg>\n";
    static const char want[] =
        "<g id=\"p-1-gnuplot_canvas\"><defs><path id='p-1-gpPt0'/><path id='p-1-gpPt2'/><use "
        "href='#p-1-gpPt2' id='p-1-gpPt3'/></defs><use href='#p-1-gpPt3'/><use "
        "href='#p-1-gpPt0' color='var(--paper)'/><path stroke='var(--s3)' "
        "fill=\"var(--ink)\"/><rect fill = '#0a14ff'/><g><title>a &lt;b&gt; ~0~</title></g>"
        "<g></g><text>x&amp;y</text><text>~7~</text></g></svg>\n";
    char      *out = NULL;
    size_t     n   = 0;
    FILE      *to  = open_memstream(&out, &n);
    sbi_script s   = {.width    = 4,
                      .height   = 3,
                      .titles   = {(char[]){"a <b> ~0~"}},
                      .n_titles = 2,
                      .labels   = {(char[]){"x&y"}},
                      .n_labels = 1};
    FACTS_OK(sbi_put_svg(to, svg, &s, "p-1", "what \"it\" is"));
    (void)fclose(to);
    ck_assert_msg(strstr(out, "viewBox=\"0 0 4 3\"") != NULL, "%s", out);
    ck_assert_msg(strstr(out, "<title>what &quot;it&quot; is</title>") != NULL, "%s", out);
    ck_assert_str_eq(strstr(out, "<g id="), want);
    free(out);
}
END_TEST

/* Ticks of an axis: few, and never none. */
static const struct {
    double      lo, hi;
    const char *ticks;
} axes[] = {{0.9, 110, "(1, 2, 5, 10, 20, 50, 100)"},
            {0.9, 1100, "(1, 3, 10, 30, 100, 300, 1000)"},
            {0.8, 6, "(1, 1.5, 2, 3, 4, 5)"},
            {90, 210, "(100, 150, 200)"},
            {1e-3, 1e5, "(0.001, 0.01, 0.1, 1, 10, 100, 1000, 10000, 100000)"},
            {101, 104, "(101, 101.5, 102, 102.5, 103, 103.5, 104)"}};
START_TEST(ticks)
{
    sbi_script s = {0};
    FACTS_OK(sbi_script_init(&s, 10, 10));
    sbi_axis_log(&s, 'y', (sbi_span){axes[_i].lo, axes[_i].hi});
    (void)fflush(s.f);
    const char *at = strstr(s.text, "set ytics (");
    ck_assert_msg(at != NULL && strncmp(at + 10, axes[_i].ticks, strlen(axes[_i].ticks)) == 0, "%s",
                  s.text);
    sbi_script_fini(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("report: gnuplot");
    TCase *t     = tcase_create("gnuplot");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 30);
    tcase_add_loop_test(t, version, 0, (int)(sizeof versions / sizeof *versions));
    tcase_add_loop_test(t, bad_end, 0, (int)(sizeof bad / sizeof *bad));
    tcase_add_test(t, large);
    tcase_add_test(t, no_half_page);
    tcase_add_test(t, element);
    tcase_add_loop_test(t, ticks, 0, (int)(sizeof axes / sizeof *axes));
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
