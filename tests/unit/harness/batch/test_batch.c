/* How points become array elements, what does not fit, templates and quoting. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/batch/batch.h"
#include "harness/batch/quote.h"
#include "harness/batch/template.h"

enum { METHODS = 5 }; /* of a cell, dense first */
static const sb_method dense = {.name = "dense"}, other = {.name = "other"};

/* cells of METHODS points, two cells a length */
typedef struct rig {
    sb_sweep      s;
    sb_batch_cost cost[1000];
    sb_point      p[1000];
    sb_site       site;
} rig;

static void rig_init(rig *r, int64_t cells, double seconds)
{
    static char model[] = "probe", params[] = "{}";
    *r = (rig){.site = {.name        = "here",
                        .tasks       = 4,
                        .cores       = 8,
                        .max_nodes   = 2,
                        .max_minutes = 100,
                        .max_array   = 1000,
                        .element_s   = 600,
                        .margin      = 1.5,
                        .start_s     = 120,
                        .signal_s    = 120}};
    for (int64_t i = 0; i < cells * METHODS; i++) {
        int64_t cell = i / METHODS;
        r->p[i]      = (sb_point){.cell          = (int32_t)cell,
                                  .length_tokens = 1024 << (cell / 2),
                                  .model         = model,
                                  .model_json    = params,
                                  .samples       = 10,
                                  .repetitions   = 1,
                                  .method        = i % METHODS == 0 ? &dense : &other};
        r->cost[i]   = (sb_batch_cost){.seconds = seconds, .anchor_s = seconds / 10};
    }
    r->s.points   = r->p;
    r->s.n_points = cells * METHODS;
}

/* Every point once, in order. */
static void check_cover(const rig *r, const sb_batch_job *j)
{
    int64_t next = 0;
    for (int64_t k = 0; k < j->n_elements; k++) {
        ck_assert_int_eq(j->elements[k].first, next);
        ck_assert_int_ge(j->elements[k].last, next);
        next = j->elements[k].last + 1;
    }
    ck_assert_int_eq(next, r->s.n_points);
}

START_TEST(cells_of_one_shape_stay_together)
{
    static rig   r;
    sb_batch_job j;
    rig_init(&r, 8, 20); /* 100 s a cell */
    ck_assert_int_eq(sb_batch_shape(&r.s, r.cost, &r.site, 4, &j), SB_OK);
    check_cover(&r, &j);
    ck_assert_int_eq(j.n_elements, 4); /* lengths */
    for (int64_t k = 0; k < 4; k++)
        ck_assert_double_eq(j.elements[k].seconds, 200);
    ck_assert_double_eq(j.total_s, 800);
    ck_assert_int_eq(j.minutes, 9); /* 120 + 120 + 1.5 * 200 */
    ck_assert(j.nodes == 1 && j.tasks_per_node == 4 && j.cpus_per_task == 2);
    sb_batch_fini(&j);
}
END_TEST

START_TEST(a_long_cell_is_cut_and_each_part_times_its_anchor)
{
    static rig   r;
    sb_batch_job j;
    rig_init(&r, 2, 250);
    ck_assert_int_eq(sb_batch_shape(&r.s, r.cost, &r.site, 4, &j), SB_OK);
    check_cover(&r, &j);
    ck_assert_int_eq(j.n_elements, 6);
    ck_assert_double_eq(j.elements[0].seconds, 500); /* with dense itself */
    ck_assert_double_eq(j.elements[1].seconds, 525);
    ck_assert_double_eq(j.elements[2].seconds, 275);
    sb_batch_fini(&j);
}
END_TEST

START_TEST(untimed_points_need_no_anchor)
{
    static rig   r;
    sb_batch_job j;
    rig_init(&r, 2, 250);
    for (int64_t i = 0; i < r.s.n_points; i++)
        r.p[i].repetitions = 0;
    ck_assert_int_eq(sb_batch_shape(&r.s, r.cost, &r.site, 4, &j), SB_OK);
    ck_assert_double_eq(j.elements[1].seconds, 500);
    sb_batch_fini(&j);
}
END_TEST

START_TEST(a_short_array_takes_longer_elements)
{
    static rig   r;
    sb_batch_job j;
    rig_init(&r, 40, 20);
    r.site.element_s = 100;
    r.site.max_array = 7; /* 40 cells of 100 s, 20 shapes, at most 3840 s an element */
    ck_assert_int_eq(sb_batch_shape(&r.s, r.cost, &r.site, 4, &j), SB_OK);
    check_cover(&r, &j);
    ck_assert_int_le(j.n_elements, 7);
    sb_batch_fini(&j);
    r.site.max_array = 1;
    ck_assert_int_eq(sb_batch_shape(&r.s, r.cost, &r.site, 4, &j), SB_ERR_NO_FIT);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "array elements of at most 3840 s each, site "
                                                  "here allows 1 (limits.array"));
}
END_TEST

START_TEST(a_point_longer_than_any_job_is_resumed)
{
    static rig   r;
    sb_batch_job j;
    rig_init(&r, 1, 9000); /* 900 s a sample, jobs of 3840 s */
    ck_assert_int_eq(sb_batch_shape(&r.s, r.cost, &r.site, 4, &j), SB_OK);
    check_cover(&r, &j);
    ck_assert_int_eq(j.n_elements, METHODS);
    ck_assert_int_eq(j.minutes, 100);
    ck_assert_int_eq(j.requeues, 6); /* ceil(2 * 9900 / 3840) on top of the 0 of the site */
    sb_batch_fini(&j);
}
END_TEST

static const struct {
    int64_t     ranks, host_bytes, device_bytes;
    double      seconds, memory_gib, device_memory_gib;
    int64_t     gpus;
    int         on_gpu;
    const char *error;
} unfit[] = {
    {9, 0, 0, 20, 0, 0, 0, 0, "9 ranks at 4 a node need 3 nodes, site here allows 2"},
    {4, 0, 0, 20, 0, 0, 2, 1, "4 ranks a node need 4 GPUs, a node of site here has 2"},
    {4, 3ll << 30, 0, 20, 11, 0, 0, 0,
     "needs 3.0 GiB a rank, 4 ranks a node 12.0 GiB; a node of site here has 11.0"},
    {4, 1, 90ll << 30, 20, 0, 79, 4, 1, "needs 90.0 GiB of a GPU; one of site here has 79.0"},
    {4, 0, 0, 40000, 0, 0, 0, 0,
     "one sample and its anchor are predicted to take 4000 s; the longest job of site here has "
     "room for 3840 s"},
};

START_TEST(what_does_not_fit_is_refused_with_numbers)
{
    static rig   r;
    sb_batch_job j = {.n_points = -7};
    rig_init(&r, 4, unfit[_i].seconds);
    r.site.memory_gib        = unfit[_i].memory_gib;
    r.site.device_memory_gib = unfit[_i].device_memory_gib;
    r.site.gpus              = unfit[_i].gpus;
    for (int64_t i = 0; i < r.s.n_points; i++)
        r.p[i].backend = unfit[_i].on_gpu ? SB_CUDA : SB_CPU;
    r.cost[7].host_bytes   = unfit[_i].host_bytes;
    r.cost[7].device_bytes = unfit[_i].device_bytes;
    ck_assert_int_eq(sb_batch_shape(&r.s, r.cost, &r.site, unfit[_i].ranks, &j), SB_ERR_NO_FIT);
    ck_assert_msg(strstr(sb_error_text(), unfit[_i].error) != NULL, "%s", sb_error_text());
    ck_assert_int_eq(j.n_points, -7); /* outputs change on success only */
}
END_TEST

/* ---- templates ---- */
static char *fill(const char *text, sb_status *st)
{
    char                *out = NULL;
    size_t               n;
    static char          a[] = "one", empty[] = "";
    const sbi_value_text v[] = {{"A", a}, {"EMPTY", empty}, {"NONE", NULL}};
    FILE                *f   = open_memstream(&out, &n);
    *st                      = sbi_template_fill(text, v, 3, f);
    (void)fclose(f);
    return out;
}

static const struct {
    const char *text, *want; /* NULL: refused */
} templates[] = {
    {"x {{A}}{{A}}\n", "x oneone\n"},
    {"no line end", "no line end\n"},
    {"a {{EMPTY}} b\n", "a  b\n"},
    {"gone {{A}} {{NONE}}\nstays\n", "stays\n"},
    {"{{#A}}\nx\n{{/A}}\ny\n", "x\ny\n"},
    {"{{#NONE}}\nx {{B}}\n{{/NONE}}\ny\n", "y\n"},
    {"${x#y} { {{A}} }\n", "${x#y} { one }\n"},
    {"{{B}}\n", NULL},
    {"{{A\n", NULL},
    {"{{#A}}\nx\n", NULL},
    {"{{/A}}\n", NULL},
    {"{{#A}}\n{{#NONE}}\n{{/NONE}}\n{{/A}}\n", NULL},
    {"{{#B}}\n{{/B}}\n", NULL},
};

START_TEST(templates_are_filled)
{
    sb_status st;
    char     *out = fill(templates[_i].text, &st);
    if (templates[_i].want == NULL) {
        ck_assert_int_eq(st, SB_ERR_INTERNAL);
    } else {
        ck_assert_int_eq(st, SB_OK);
        ck_assert_str_eq(out, templates[_i].want);
    }
    free(out);
}
END_TEST

/* ---- quoting ---- */
static char *quoted(void (*quote)(const char *, FILE *), const char *text)
{
    char  *out = NULL;
    size_t n;
    FILE  *f = open_memstream(&out, &n);
    quote(text, f);
    (void)fclose(f);
    return out;
}

static const struct {
    void (*quote)(const char *, FILE *);
    const char *text, *want;
} quotes[] = {
    {sbi_quote_word, "a/b-c_1.2=y@z:%+", "a/b-c_1.2=y@z:%+"},
    {sbi_quote_word, "a,b", "'a,b'"},
    {sbi_quote_word, "", "''"},
    {sbi_quote_word, "a b", "'a b'"},
    {sbi_quote_word, "it's", "'it'\\''s'"},
    {sbi_quote_word, "$HOME", "'$HOME'"},
    {sbi_quote_word, "\xc3\xa4", "'\xc3\xa4'"},
    {sbi_quote_path, "/tmp/$USER/x", "/tmp/\"${USER:?}\"/x"},
    {sbi_quote_path, "${TMPDIR}", "\"${TMPDIR:?}\""},
    {sbi_quote_path, "$(id)`id`$1${x", "'$(id)`id`''$1''${x'"},
    {sbi_quote_path, "", "''"},
    {sbi_quote_sbatch, "/a/b", "/a/b"},
    {sbi_quote_sbatch, "/a b/100%\"\\", "\"/a b/100%%\\\"\\\\\""},
    {sbi_quote_name, "a\nb #c$(d)", "a_b__c__d_"},
};

START_TEST(texts_are_quoted)
{
    char *out = quoted(quotes[_i].quote, quotes[_i].text);
    ck_assert_str_eq(out, quotes[_i].want);
    free(out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("batch");
    TCase *tc    = tcase_create("batch");
    tcase_add_test(tc, cells_of_one_shape_stay_together);
    tcase_add_test(tc, a_long_cell_is_cut_and_each_part_times_its_anchor);
    tcase_add_test(tc, untimed_points_need_no_anchor);
    tcase_add_test(tc, a_short_array_takes_longer_elements);
    tcase_add_test(tc, a_point_longer_than_any_job_is_resumed);
    tcase_add_loop_test(tc, what_does_not_fit_is_refused_with_numbers, 0,
                        sizeof unfit / sizeof *unfit);
    tcase_add_loop_test(tc, templates_are_filled, 0, sizeof templates / sizeof *templates);
    tcase_add_loop_test(tc, texts_are_quoted, 0, sizeof quotes / sizeof *quotes);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
