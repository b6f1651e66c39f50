/* The report: what stands in its sections, that every text comes out as text, and why a section is
 * empty. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "results/report/gnuplot.h"
#include "results/report/grid.h"
#include "results/report/text.h"
#include "tests/unit/results/main.h"
#include "tests/unit/results/report_case.h"

static char  dir[256];
static char *path;

static void setup(void)
{
    (void)snprintf(dir, sizeof dir, "%s", facts_dir());
    path = strdup(facts_path(dir, "t.db"));
}

static void teardown(void)
{
    facts_remove(dir);
    free(path);
}

static void fill(void (*how)(sb_store *))
{
    sb_store *s = facts_open(path, SB_STORE_WRITE);
    how(s);
    sb_store_close(s);
}

static void nothing(sb_store *s) { (void)s; }

static char *put(void (*how)(FILE *, const char *), const char *text)
{
    char  *out = NULL;
    size_t n   = 0;
    FILE  *f   = open_memstream(&out, &n);
    how(f, text);
    (void)fclose(f);
    return out;
}

/* ---- text ---- */
static const struct {
    const char *in, *html, *plain;
} texts[] = {
    {"a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;", "a<b>&\"'"},
    {"x\ny\tz", "x\ny\tz", "x y z"},
    {"\x1b[31m\x07", "\xe2\x90\x9b[31m\xe2\x90\x87", "\xe2\x90\x9b[31m\xe2\x90\x87"},
    {"\x7f", "\xe2\x90\xa1", "\xe2\x90\xa1"},
    {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
     "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"\xff\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* no UTF-8, overlong */
    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* a surrogate */
    {"a\xe2\x80\xae"
     "b",
     "a\xef\xbf\xbd"
     "b",
     "a\xef\xbf\xbd"
     "b"},                                        /* turns the direction */
    {"\xc2\x9b", "\xef\xbf\xbd", "\xef\xbf\xbd"}, /* C1: a terminal's escape */
    {"\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd"}, /* cut off */
};
START_TEST(escapes)
{
    char *html = put(sbi_put_html, texts[_i].in), *plain = put(sbi_put_plain, texts[_i].in);
    ck_assert_str_eq(html, texts[_i].html);
    ck_assert_str_eq(plain, texts[_i].plain);
    free(html), free(plain);
}
END_TEST

static const struct {
    const char *in;
    int         number;
    const char *out;
} fields[] = {{"plain", 0, "plain"},
              {"a,b", 0, "\"a,b\""},
              {"say \"x\"", 0, "\"say \"\"x\"\"\""},
              {"two\nlines", 0, "\"two\nlines\""},
              {"=1+1", 0, "\"'=1+1\""},
              {"@x", 0, "\"'@x\""},
              {"-0.5", 1, "-0.5"},
              {"-x", 0, "\"'-x\""},
              {"", 0, ""}};
START_TEST(csv)
{
    char  *out = NULL;
    size_t n   = 0;
    FILE  *f   = open_memstream(&out, &n);
    sbi_put_csv(f, fields[_i].in, fields[_i].number);
    (void)fclose(f);
    ck_assert_str_eq(out, fields[_i].out);
    free(out);
}
END_TEST

static const struct {
    sbi_show    show;
    const char *text;
    double      real;
    const char *out;
} cells[] = {{SBI_SHOW_SHARE, "0.875", 0.875, "87.5 %"},
             {SBI_SHOW_POINTS, "-0.03", -0.03, "-3.0"},
             {SBI_SHOW_MS, "1234.5", 1234.5, "1234"},
             {SBI_SHOW_MS, "0.01234", 0.01234, "0.012"},
             {SBI_SHOW_FACTOR, "2.126", 2.126, "2.13 \xc3\x97"},
             {SBI_SHOW_MIB, "3145728", 3145728, "3.00"},
             {SBI_SHOW_FLAG, "1", 1, "yes"},
             {SBI_SHOW_FLAG, "0", 0, ""},
             {SBI_SHOW_SHARE, NULL, NAN, ""},
             {SBI_SHOW_SHARE, "odd", NAN, "odd"},
             {SBI_SHOW_COUNT, "1048576", 1048576, "1048576"},
             {SBI_SHOW_TIME, "2026-01-02T03:04:05.678901234Z", NAN, "2026-01-02 03:04:05"}};
START_TEST(cell)
{
    char *out = sbi_show_cell(cells[_i].show, cells[_i].text, cells[_i].real);
    ck_assert_str_eq(out, cells[_i].out);
    free(out);
}
END_TEST

START_TEST(tokens)
{
    char buf[32];
    sbi_tokens(4096, buf);
    ck_assert_str_eq(buf, "4K");
    sbi_tokens(1048576, buf);
    ck_assert_str_eq(buf, "1M");
    sbi_tokens(1000, buf);
    ck_assert_str_eq(buf, "1000");
}
END_TEST

/* ---- rows of the store ---- */
START_TEST(answers)
{
    sb_answer r = {0};
    fill(nothing);
    sb_store *s = facts_open(path, SB_STORE_READ);
    FACTS_OK(sb_store_ask(
        s, "SELECT 1 AS a, 0.5 AS b, 'x' AS c, NULL AS d UNION ALL SELECT 2, 1e300, '7', 3", &r));
    ck_assert_int_eq(r.n_columns, 4);
    ck_assert_int_eq(r.n_rows, 2);
    ck_assert_str_eq(r.names[3], "d");
    ck_assert_ptr_null(r.text[3]);
    ck_assert(isnan(r.real[2]) && isnan(r.real[3]) && isnan(r.real[6]));
    ck_assert(r.real[0] == 1 && r.real[1] == 0.5 && r.real[5] == 1e300 && r.real[7] == 3);
    sb_answer_fini(&r);
    sb_answer untouched = {.n_rows = 7};
    ck_assert_int_eq(sb_store_ask(s, "DELETE FROM point", &untouched), SB_ERR_USAGE);
    ck_assert_int_eq(sb_store_ask(s, "SELECT abs(-9223372036854775807 - 1)", &untouched),
                     SB_ERR_USAGE);
    ck_assert_int_eq(untouched.n_rows, 7);
    sb_store_close(s);
}
END_TEST

/* ---- names ---- */
START_TEST(names)
{
    sb_names  n = {0};
    sb_store *s = facts_open(path, SB_STORE_WRITE);
    (void)facts_point(
        s, (sb_point_facts){.method = "hip", .method_json = "{\"a\":1,\"b\":2,\"s\":\"x\"}"});
    (void)facts_point(
        s, (sb_point_facts){.method = "hip", .method_json = "{\"a\":1,\"b\":3,\"s\":\"y\"}"});
    (void)facts_point(s, (sb_point_facts){.method = "a_shape", .method_json = "{\"a\":5}"});
    (void)facts_point(s, (sb_point_facts){.method = "odd", .method_json = "[]"});
    (void)facts_point(s, (sb_point_facts){.method = "dense"});
    (void)facts_point(
        s, (sb_point_facts){.model      = "none",
                            .experiment = "attention",
                            .model_json = "{\"heads\":8,\"kv_heads\":2,\"head_dim\":64}"});
    sb_store_close(s);
    s = facts_open(path, SB_STORE_READ);
    FACTS_OK(sb_names_read(s, &n));
    ck_assert_int_eq(n.n_methods, 5);
    ck_assert_str_eq(sb_names_method(&n, 0)->label, "dense");
    ck_assert_str_eq(sb_names_method(&n, 1)->label, "a_shape");
    ck_assert_str_eq(sb_names_method(&n, 2)->label, "hip b=2 s=x");
    ck_assert_str_eq(sb_names_method(&n, 3)->label, "hip b=3 s=y");
    ck_assert_str_eq(sb_names_method(&n, 4)->label, "odd");
    ck_assert_str_eq(
        sb_names_find(&n, 'o', "none\x1f{\"heads\":8,\"kv_heads\":2,\"head_dim\":64}")->label,
        "operator alone, 8/2 heads of 64");
    ck_assert_ptr_null(sb_names_find(&n, 'm', "none"));
    sb_names_fini(&n);
    sb_store_close(s);
}
END_TEST

/* ---- scaling ---- */
static void put_ranks(sb_store *s, int64_t run, const char *method, const char *scheme,
                      const char *layout, int ranks, int64_t ns)
{
    sb_sample_facts f = facts_ok(
        run,
        facts_point(
            s,
            (sb_point_facts){.method = method, .scheme = scheme, .layout = layout, .ranks = ranks}),
        facts_input(s, 0), 1.0, ns);
    facts_put(s, &f);
}

static void shardings_fill(sb_store *s)
{
    int64_t run = facts_run(s, "c", 0);
    put_ranks(s, run, "dense", "allgather", "zigzag", 1, 800);
    put_ranks(s, run, "dense", "ring", "zigzag", 1, 1600); /* no base: another is faster */
    put_ranks(s, run, "dense", "allgather", "zigzag", 2, 500);
    put_ranks(s, run, "dense", "ring", "zigzag", 2, 800);
    put_ranks(s, run, "dense", "ulysses", "contiguous", 4, 400); /* not run on one */
    put_ranks(s, run, "hip", "ulysses", "contiguous", 2, 100);   /* on none but more */
    put_ranks(s, run, "hip", "ring", "zigzag", 2, 80);
    put_ranks(s, run, "hip", "ulysses", "contiguous", 4, 50);
    put_ranks(s, run, "lightning", "state", "contiguous", 1, 90);
    put_ranks(s, run, "lightning", "state", "contiguous", 2, 60);
    put_ranks(s, run, "pbs_attn", "ring", "zigzag", 2, 60); /* on one number of ranks */
}

/* Every sharding is counted from the method's best time on the fewest ranks, under whatever
 * sharding that was, and says so. */
START_TEST(scaling_counts_from_the_best)
{
    static const struct {
        const char *method, *sharding, *ranks, *speedup, *efficiency, *base;
    } want[] = {
        {"dense", "allgather zigzag", "1", "1", "1", "allgather zigzag on 1"},
        {"dense", "allgather zigzag", "2", "1.6", "0.8", "allgather zigzag on 1"},
        {"dense", "ring zigzag", "1", "1", "1", "allgather zigzag on 1"},
        {"dense", "ring zigzag", "2", "1", "0.5", "allgather zigzag on 1"},
        {"dense", "ulysses contiguous", "1", "1", "1", "allgather zigzag on 1"},
        {"dense", "ulysses contiguous", "4", "2", "0.5", "allgather zigzag on 1"},
        {"hip", "ulysses contiguous", "2", "1", "1", "ring zigzag on 2"},
        {"hip", "ulysses contiguous", "4", "1.6", "0.8", "ring zigzag on 2"},
        {"lightning", "state contiguous", "1", "1", "1", "state contiguous on 1"},
        {"lightning", "state contiguous", "2", "1.5", "0.75", "state contiguous on 1"},
    };
    enum { N_WANT = sizeof want / sizeof *want };
    sb_names n = {0};
    fill(shardings_fill);
    sb_store *s = facts_open(path, SB_STORE_READ);
    FACTS_OK(sb_names_read(s, &n));
    sbi_table t = report_table(s, &n, "scaling");
    for (size_t i = 0; i < N_WANT; i++) {
        char method[32], placed[48], ranks[16];
        (void)snprintf(method, sizeof method, "method=%s", want[i].method);
        (void)snprintf(placed, sizeof placed, "sharding=%s", want[i].sharding);
        (void)snprintf(ranks, sizeof ranks, "ranks=%s", want[i].ranks);
        const char *at = "phase=attention";
        ck_assert_str_eq(report_cell(&t, "speedup", method, placed, ranks, at, NULL),
                         want[i].speedup);
        ck_assert_str_eq(report_cell(&t, "efficiency", method, placed, ranks, at, NULL),
                         want[i].efficiency);
        ck_assert_str_eq(report_cell(&t, "base", method, placed, ranks, at, NULL), want[i].base);
    }
    ck_assert_int_eq(t.rows.n_rows, 2 * N_WANT); /* of attention and of prefill */
    sbi_table_fini(&t);
    sb_names_fini(&n);
    sb_store_close(s);
}
END_TEST

/* report_fill has both lengths on one rank and on two, with as many pairs in each: hip takes 8 ms
 * for the short one and 2 for the long one on one rank, 1 ms for the latter on two. */
START_TEST(weak_scaling_stands_below)
{
    sb_names n = {0};
    fill(report_fill);
    sb_store *s = facts_open(path, SB_STORE_READ);
    FACTS_OK(sb_names_read(s, &n));
    sbi_table   t  = report_table(s, &n, "weak_scaling");
    const char *at = "method=hip top_k_tokens=512";
    ck_assert_str_eq(report_cell(&t, "efficiency", at, NULL), "4");
    ck_assert_str_eq(report_cell(&t, "strong", at, NULL), "1");
    ck_assert_str_eq(report_cell(&t, "base_ms", at, NULL), "8");
    ck_assert_str_eq(report_cell(&t, "ms", at, NULL), "1");
    ck_assert_str_eq(report_cell(&t, "n_pairs", at, NULL), "1");
    ck_assert_int_eq(t.rows.n_rows, 2);
    sbi_table_fini(&t);
    sb_names_fini(&n);
    sb_store_close(s);
}
END_TEST

/* ---- figures ---- */
START_TEST(figures)
{
    sb_names n = {0};
    fill(report_fill);
    sb_store *s = facts_open(path, SB_STORE_READ);
    FACTS_OK(sb_names_read(s, &n));

    sbi_table t =
        report_table(s, &n, "break_even"); /* 0.5 at 1024, 2 at 2048: a third of the way */
    ck_assert_str_eq(report_cell(&t, "break_even", "part=attention", "ranks=1", NULL), "1365");
    ck_assert_str_eq(report_cell(&t, "verdict", "part=prefill", "ranks=2", NULL),
                     "faster from there on");
    ck_assert_int_eq(t.rows.n_rows, 4);
    sbi_table_fini(&t);

    t = report_table(s, &n, "speedup");
    ck_assert_str_eq(report_cell(&t, "attention_x", "method=hip top_k_tokens=512", "length=2048",
                                 "ranks=1", NULL),
                     "2");
    ck_assert_str_eq(report_cell(&t, "dense_impl", "method=dense", "length=2048", "ranks=1", NULL),
                     "avx2");
    ck_assert_ptr_nonnull(
        report_cell(&t, "dense_mfu", "method=dense", "length=1024", "ranks=2", NULL));
    sbi_table_fini(&t);

    t = report_table(s, &n, "scaling");
    ck_assert_str_eq(
        report_cell(&t, "speedup", "phase=prefill", "method=dense", "length=1024", "ranks=2", NULL),
        "2");
    ck_assert_str_eq(report_cell(&t, "efficiency", "phase=attention", "method=hip top_k_tokens=512",
                                 "length=2048", "ranks=2", NULL),
                     "1");
    sbi_table_fini(&t);

    t = report_table(s, &n, "accuracy");
    ck_assert_str_eq(
        report_cell(&t, "score", "method=hip top_k_tokens=512", "length=1024", "ranks=1", NULL),
        "0.5");
    ck_assert_str_eq(report_cell(&t, "n", "method=dense", "length=1024", "ranks=1", NULL), "4");
    sbi_table_fini(&t);

    t = report_table(s, &n, "pareto"); /* at 2048 hip is faster and worse: both on the frontier; at
                                          1024 slower and worse */
    ck_assert_str_eq(
        report_cell(&t, "frontier", "method=hip top_k_tokens=512", "length=1024", "ranks=1", NULL),
        "0");
    ck_assert_str_eq(
        report_cell(&t, "frontier", "method=hip top_k_tokens=512", "length=2048", "ranks=1", NULL),
        "1");
    ck_assert_str_eq(report_cell(&t, "frontier", "method=dense", "length=1024", "ranks=1", NULL),
                     "1");
    sbi_table_fini(&t);

    t = report_table(s, &n, "needles");
    ck_assert_str_eq(report_cell(&t, "n", "method=dense", "length=1024", "ranks=1", NULL), "4");
    ck_assert_str_eq(report_cell(&t, "depth", "method=dense", "length=1024", "ranks=1", NULL),
                     "0.2");
    sbi_table_fini(&t);

    t = report_table(s, &n, "phases"); /* phases nobody timed stay empty */
    ck_assert_ptr_null(report_cell(&t, "estimate", "method=dense", "length=1024", "ranks=1", NULL));
    ck_assert_str_eq(report_cell(&t, "attention", "method=dense", "length=1024", "ranks=1", NULL),
                     "4");
    sbi_table_fini(&t);

    t = report_table(s, &n, "memory");
    ck_assert_str_eq(report_cell(&t, "arena", "method=dense", "length=1024", "ranks=1", NULL),
                     "4096");
    sbi_table_fini(&t);

    t = report_table(s, &n, "communication"); /* ranks 1 move nothing and have no row */
    ck_assert_int_eq(t.rows.n_rows, 4);
    ck_assert_str_eq(
        report_cell(&t, "received", "part=prefill", "method=dense", "length=1024", "ranks=2", NULL),
        "100");
    ck_assert_str_eq(report_cell(&t, "sent", "method=dense", "length=2048", NULL), "200");
    ck_assert_str_eq(report_cell(&t, "exposed_ms", "method=dense", "length=2048", NULL), "4e-05");
    ck_assert_str_eq(report_cell(&t, "exposed_share", "method=dense", "length=2048", NULL),
                     "1e-05");
    ck_assert_str_eq(report_cell(&t, "whole_ms", "method=dense", "length=2048", NULL), "4");
    sbi_table_fini(&t);

    t = report_table(s, &n, "balance"); /* 30 of 40 on one of two ranks */
    ck_assert_str_eq(report_cell(&t, "imbalance", "method=dense", "length=1024", "ranks=2", NULL),
                     "1.5");
    ck_assert_str_eq(
        report_cell(&t, "step_imbalance", "method=dense", "length=1024", "ranks=2", NULL), "1.8");
    ck_assert_str_eq(report_cell(&t, "phi", "method=dense", "length=2048", "ranks=2", NULL),
                     "0.25");
    sbi_table_fini(&t);

    t = report_table(s, &n, "energy"); /* 1200 J in 9 repetitions of 2 s, idle 100 W */
    ck_assert_int_eq(t.rows.n_rows, 8);
    ck_assert_double_eq_tol(strtod(report_cell(&t, "joules", "part=prefill", "method=dense",
                                               "length=1024", "ranks=1", NULL),
                                   NULL),
                            1200.0 / 9, 1e-9);
    ck_assert_double_eq_tol(
        strtod(report_cell(&t, "above_idle_joules", "method=dense", "length=1024", "ranks=1", NULL),
               NULL),
        1000.0 / 9, 1e-9);
    ck_assert_str_eq(report_cell(&t, "watts", "method=dense", "length=2048", "ranks=2", NULL),
                     "600");
    ck_assert_str_eq(report_cell(&t, "error", "method=dense", "length=2048", "ranks=2", NULL),
                     "0.05");
    sbi_table_fini(&t);

    t = report_table(s, &n, "failures");
    ck_assert_int_eq(t.rows.n_rows, 3);
    ck_assert_str_eq(report_cell(&t, "status", "reason=needs 80 GiB, 64 are free", NULL), "no_fit");
    ck_assert_str_eq(report_cell(&t, "method", "reason=rank 1: broken", NULL),
                     "hip top_k_tokens=64");
    sbi_table_fini(&t);

    sb_names_fini(&n);
    sb_store_close(s);
}
END_TEST

/* Ranks drawn apart, lengths of a cloud too. */
START_TEST(panels)
{
    sb_names   n = {0};
    sbi_panels p = {0};
    fill(report_fill);
    sb_store *s = facts_open(path, SB_STORE_READ);
    FACTS_OK(sb_names_read(s, &n));
    sbi_table t = report_table(s, &n, "pareto");
    FACTS_OK(sbi_panels_make(&t, -1, &p));
    ck_assert_int_eq(p.n, 2);
    ck_assert_int_eq(p.first[2], t.rows.n_rows);
    sbi_panels_fini(&p);
    FACTS_OK(sbi_panels_make(&t, sbi_table_column(&t, "length"), &p));
    ck_assert_int_eq(p.n, 4);
    sbi_panels_fini(&p);
    char *say = sbi_table_say(&t, 0, sbi_table_column(&t, "ranks"));
    ck_assert_str_eq(say, "ranks 1");
    free(say);
    sbi_table_fini(&t);
    sb_names_fini(&n);
    sb_store_close(s);
}
END_TEST

/* ---- pages ---- */
static int n_sections(void)
{
    int n = 0;
    while (sbi_sections[n].id != NULL)
        n++;
    return n;
}

START_TEST(empty)
{
    fill(nothing);
    char *page = report_page(path, SB_REPORT_NO_PLOTS), *text = report_text(path, 0);
    ck_assert_int_eq(report_count(page, "<table>"), 0);
    ck_assert_int_eq(report_count(page, "<p class=\"none\">"), n_sections());
    ck_assert_int_eq(report_count(page, "The database is empty"), n_sections());
    ck_assert_ptr_nonnull(strstr(text, "The database is empty: nothing was run."));
    free(page), free(text);
}
END_TEST

static void operator_alone(sb_store *s)
{
    int64_t         run = facts_run(s, "c", 0);
    sb_sample_facts f   = facts_ok(run,
                                   facts_point(s, (sb_point_facts){.experiment = "attention",
                                                                   .model      = "none",
                                                                   .suite      = "synthetic",
                                                                   .task       = "random",
                                                                   .decode     = "none"}),
                                   facts_input(s, 0), 1, 1000);
    f.metric            = NULL;
    f.prediction        = NULL;
    facts_put(s, &f);
}

START_TEST(attention_only)
{
    fill(operator_alone);
    char *page = report_page(path, SB_REPORT_NO_PLOTS);
    ck_assert_int_eq(report_count(page, "Only the operator alone was run"),
                     4); /* accuracy, tasks, losses, pareto */
    ck_assert_ptr_nonnull(strstr(page, "operator alone"));
    ck_assert_ptr_nonnull(strstr(page, "Nothing: every sample that was asked for is ok."));
    ck_assert_ptr_nonnull(strstr(page, "Every point has the same number of ranks: 1."));
    ck_assert_ptr_nonnull(strstr(page, "Dense is the only method that ran."));
    ck_assert_ptr_nonnull(strstr(page, "Every point ran on one rank: nothing moves."));
    free(page);
}
END_TEST

START_TEST(failures)
{
    fill(report_fill);
    char *page = report_page(path, SB_REPORT_NO_PLOTS), *text = report_text(path, 0);
    ck_assert_ptr_nonnull(strstr(page, ">needs 80 GiB, 64 are free</td>"));
    ck_assert_ptr_nonnull(strstr(page, ">no such shape</td>"));
    ck_assert_ptr_nonnull(
        strstr(page, "<td class=\"t\">failed</td><td class=\"t\">hip top_k_tokens=64</td><td>1</td>"
                     "<td>1</td><td class=\"t\">rank 1: broken</td>"));
    ck_assert_ptr_nonnull(strstr(text, "rank 1: broken"));
    ck_assert_int_eq(report_count(page, "<table>"), n_sections());
    ck_assert_int_eq(report_count(page, "href=\"data:text/csv"), n_sections());
    ck_assert_int_eq(report_count(page, "class=\"plot\""), 0);
    free(page), free(text);
}
END_TEST

/* No line is wider than the terminal, and nothing is cut off. */
static void long_names(sb_store *s)
{
    static const char *const settings[] = {
        "{\"pattern\":\"vertical_slash\",\"slash_tokens\":6096,\"vertical_tokens\":1000}",
        "{\"pattern\":\"block_sparse\",\"slash_tokens\":2048,\"vertical_tokens\":512}"};
    int64_t run = facts_run(s, "abc123", 0);
    report_fill(s);
    for (int i = 0; i < 2; i++) {
        int64_t at =
            facts_point(s, (sb_point_facts){.method = "minference", .method_json = settings[i]});
        sb_sample_facts f = facts_ok(run, at, facts_input(s, 0), 1, 1000000);
        facts_put(s, &f);
        f = (sb_sample_facts){
            .run_id = run, .point_id = at, .input_id = facts_input(s, 1), .status = "unsupported"};
        f.error = "a reason of many words that does not end where the line of a terminal does, nor "
                  "where two of them do";
        facts_put(s, &f);
    }
    FACTS_OK(sb_store_refresh_intervals(s));
}

START_TEST(terminal_width)
{
    static const int widths[] = {80, 120, 0};
    fill(long_names);
    char *text = report_text(path, widths[_i]);
    for (const char *p = text; widths[_i] > 0 && *p != '\0'; p++) {
        char   line[512];
        size_t n = strcspn(p, "\n");
        (void)snprintf(line, sizeof line, "%.*s", (int)n, p);
        ck_assert_msg(sbi_width(line) <= widths[_i], "%s", line);
        ck_assert_msg(n == 0 || p[n - 1] != ' ', "a blank at the end: %s", line);
        p += n;
    }
    ck_assert_int_eq(report_count(text, "..."), 0);
    ck_assert_ptr_nonnull(strstr(text, "reason of"));
    ck_assert_ptr_nonnull(strstr(text, "them do\n"));
    if (widths[_i] == 0)
        ck_assert_ptr_nonnull(strstr(
            text, "minference pattern=vertical_slash slash_tokens=6096 vertical_tokens=1000"));
    if (widths[_i] == 120)
        ck_assert_ptr_nonnull(strstr(text, "minference vertical_slash 6096 1000"));
    free(text);
}
END_TEST

static const struct {
    int         width;
    const char *first, *out;
} grids[] = {
    {0, "a reason of words",
     "  method    n, any  why\n"
     "  hip k=64       7  a reason of words\n"},
    {34, "a reason of words", /* the heading gives way first */
     "  method     n,  why\n"
     "            any\n"
     "  hip k=64    7  a reason of words\n"},
    {32, "a reason of words", /* then the name, whose value says enough */
     "  method   n,  why\n"
     "          any\n"
     "  hip 64    7  a reason of words\n"},
    {27, "a reason of words", /* then the widest text */
     "  method   n,  why\n"
     "          any\n"
     "  hip 64    7  a reason of\n"
     "               words\n"},
    {0, "",
     "  method    n, any  why\n"
     "  hip k=64       7\n"},
};
START_TEST(grid_fits)
{
    const char *row[] = {"method", "n, any", "why", "hip k=64", "7", grids[_i].first};
    sbi_grid    g     = {.text   = calloc(6, sizeof *g.text),
                         .n      = 3,
                         .n_rows = 2,
                         .right  = {0, 1, 0},
                         .name   = {1, 0, 0}};
    char       *out   = NULL;
    size_t      n     = 0;
    FILE       *f     = open_memstream(&out, &n);
    for (int i = 0; i < 6; i++)
        g.text[i] = strdup(row[i]);
    FACTS_OK(sbi_grid_print(&g, grids[_i].width, f));
    (void)fclose(f);
    ck_assert_str_eq(out, grids[_i].out);
    sbi_grid_fini(&g);
    free(out);
}
END_TEST

START_TEST(same_page_twice)
{
    fill(report_fill);
    sb_report_plots plots =
        sb_report_check_gnuplot() == SB_OK ? SB_REPORT_PLOTS : SB_REPORT_NO_PLOTS;
    char *a = report_page(path, plots), *b = report_page(path, plots);
    ck_assert_str_eq(a, b);
    free(a), free(b);
}
END_TEST

/* What a text may try: markup, attributes, entities, gnuplot's substitutions, shell, spreadsheet
 * formulas, terminal escapes. */
static const char *const hostile[] = {
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "</svg></title></style></table><script>",
    "`touch hostile_was_here`",
    "$(touch hostile_was_here) `touch hostile_was_here` @x ~0~ %s%n\\n",
    "x' ; system('touch hostile_was_here') ; y = '",
    "a\nEOD\nsystem 'touch hostile_was_here'\n$d0 << EOD",
    "=HYPERLINK(\"http://x\")",
    "\x1b]0;title\x07\x1b[2J",
    "]]>--><!-- &amp; &lt;",
    "url(#x) rgb(1, 1, 3) gnuplot_plot_1 id='x'",
    "\xff\xfe\xe2\x80\xae",
};
static const char *want_escaped(const char *name, char **keep)
{
    return *keep = put(sbi_put_html, name);
}

START_TEST(hostile_names)
{
    sb_store *s = facts_open(path, SB_STORE_WRITE);
    report_fill_named(s, hostile[_i]);
    sb_store_close(s);
    int drawn = strpbrk(hostile[_i], "`~'[") != NULL || strstr(hostile[_i], "svg") != NULL;
    sb_report_plots plots =
        drawn && sb_report_check_gnuplot() == SB_OK ? SB_REPORT_PLOTS : SB_REPORT_NO_PLOTS;
    char *page = report_page(path, plots), *text = report_text(path, 0), *keep = NULL;
    ck_assert_ptr_null(strstr(page, "<script"));
    ck_assert_ptr_null(strstr(page, "<img"));
    ck_assert_int_eq(report_count(page, "onerror="),
                     report_count(page, "&gt;&lt;img src=x onerror=")); /* in text alone */
    ck_assert_int_eq(report_count(page, "</style>"), 1);
    ck_assert_int_eq(report_count(page, "<svg "), report_count(page, "</svg>"));
    ck_assert_ptr_nonnull(strstr(page, want_escaped(hostile[_i], &keep)));
    ck_assert_int_ne(access("hostile_was_here", F_OK), 0);
    ck_assert_ptr_null(strchr(text, '\x1b'));
    for (const char *p = page; *p != '\0'; p++)
        ck_assert_msg((unsigned char)*p >= 0x20 || *p == '\n' || *p == '\t',
                      "control character in the page");
    free(page), free(text), free(keep);
}
END_TEST

START_TEST(plots)
{
    if (sb_report_check_gnuplot() != SB_OK) {
        printf("skipped: %s\n", sb_error_text());
        return;
    }
    fill(report_fill);
    char *page = report_page(path, SB_REPORT_PLOTS);
    int   n    = report_count(page, "class=\"plot\"");
    /* on 1 and 2 ranks: means, tasks, losses, two speed-ups, what dense reaches, density, recall,
     * memory, energy: 20; clouds and phases at two lengths: 8; needles of two methods: 4, of the
     * failed point: 1; scaling of two phases at two lengths: 4; traffic and waits of 2 ranks: 2 */
    ck_assert_int_eq(n, 39);
    ck_assert_int_eq(report_count(page, "</svg>"), report_count(page, "<svg "));
    ck_assert_int_eq(report_count(page, "~"), 0); /* every label was put in */
    ck_assert_int_eq(report_count(page, "gnuplot_plot_1</title>"), 0);
    ck_assert_int_eq(report_count(page, "rgb("), 0);
    ck_assert_int_eq(report_count(page, "break-even of hip top_k_tokens=512 at 1365 tokens"), 4);
    ck_assert_int_eq(report_count(page, "id=\"tasks-"), report_count(page, "id=\"tasks-") / 2 * 2);
    free(page);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("report");
    TCase *t     = tcase_create("report");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, escapes, 0, (int)(sizeof texts / sizeof *texts));
    tcase_add_loop_test(t, csv, 0, (int)(sizeof fields / sizeof *fields));
    tcase_add_loop_test(t, cell, 0, (int)(sizeof cells / sizeof *cells));
    tcase_add_test(t, tokens);
    tcase_add_test(t, answers);
    tcase_add_test(t, names);
    tcase_add_test(t, scaling_counts_from_the_best);
    tcase_add_test(t, weak_scaling_stands_below);
    tcase_add_test(t, figures);
    tcase_add_test(t, panels);
    tcase_add_test(t, empty);
    tcase_add_test(t, attention_only);
    tcase_add_test(t, failures);
    tcase_add_loop_test(t, terminal_width, 0, 3);
    tcase_add_loop_test(t, grid_fits, 0, (int)(sizeof grids / sizeof *grids));
    tcase_add_test(t, same_page_twice);
    tcase_add_loop_test(t, hostile_names, 0, (int)(sizeof hostile / sizeof *hostile));
    tcase_add_test(t, plots);
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
