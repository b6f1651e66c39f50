/* See report_case.h. */
#include "tests/unit/results/report_case.h"

#include <check.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void put_bad(sb_store *s, int64_t run, int64_t point, int64_t input, const char *status,
                    const char *why)
{
    sb_sample_facts f = {
        .run_id = run, .point_id = point, .input_id = input, .status = status, .error = why};
    if (strcmp(status, "failed") == 0) {
        f.metric          = "exact@1";
        f.score_is_binary = 1;
    }
    facts_put(s, &f);
}

void report_fill(sb_store *s)
{
    int64_t run = facts_run(s, "abc123", 0);
    for (int m = 0; m < 2; m++)
        for (int l = 0; l < 2; l++)
            for (int r = 1; r <= 2; r++) {
                sb_point_facts p  = {.method        = m == 0 ? "dense" : "hip",
                                     .method_json   = m == 0 ? "{}" : "{\"top_k_tokens\":512}",
                                     .length_tokens = 1024 << l,
                                     .ranks         = r};
                int64_t        ns = (m == 0 ? 4000000 : l == 0 ? 8000000 : 2000000) / r;
                int64_t        at = facts_point(s, p);
                for (int row = 0; row < 4; row++) {
                    sb_sample_facts f =
                        facts_ok(run, at, facts_input(s, row), m == 0 || row < 2, ns);
                    facts_put(s, &f);
                }
            }
    int64_t odd =
        facts_point(s, (sb_point_facts){.method = "hip", .method_json = "{\"top_k_tokens\":64}"});
    put_bad(s, run, odd, facts_input(s, 0), "failed", "rank 1: broken");
    put_bad(s, run, odd, facts_input(s, 1), "unsupported", "no such shape");
    put_bad(s, run, odd, facts_input(s, 2), "no_fit", "needs 80 GiB, 64 are free");
    const sb_ceiling_facts c = {"matmul", "f32", 1e11, 0};
    FACTS_OK(sb_store_put_ceiling(s, run, &c));
    FACTS_OK(sb_store_end_run(s, run, "finished"));
    FACTS_OK(sb_store_refresh_intervals(s));
}

/* facts_point would make JSON of the name by hand. */
static int64_t named_point(sb_store *s, const char *method, const char *name)
{
    char           text[512], hash[65];
    int64_t        id = 0;
    sb_point_facts f  = {.hash          = hash,
                         .identity_json = "[]",
                         .experiment    = "task",
                         .model         = name,
                         .model_json    = "{}",
                         .suite         = name,
                         .task          = name,
                         .task_json     = "{}",
                         .length_tokens = 1024,
                         .method        = method,
                         .method_json   = "{}",
                         .decode        = "method",
                         .scheme        = "allgather",
                         .layout        = "zigzag",
                         .backend       = "cpu",
                         .dtype         = "bf16",
                         .ranks         = 1};
    (void)snprintf(text, sizeof text, "%s %s", method, name);
    FACTS_OK(sbi_text_sha256(text, hash));
    FACTS_OK(sb_store_put_point(s, &f, &id));
    return id;
}

void report_fill_named(sb_store *s, const char *name)
{
    int64_t run = facts_run(s, name, 0);
    for (int m = 0; m < 2; m++) {
        int64_t         at = named_point(s, m == 0 ? "dense" : name, name);
        sb_sample_facts f  = facts_ok(run, at, facts_input(s, 0), 1.0, 1000000);
        f.prediction       = name;
        facts_put(s, &f);
        put_bad(s, run, at, facts_input(s, 1), "unsupported", name);
    }
    FACTS_OK(sb_store_refresh_intervals(s));
}

/* text: the columns that it may take, 0 any; -1: a page */
static char *written(const char *path, sb_report_plots plots, int text)
{
    const sb_report_facts f   = {"t.db", "0.1.0", "abc"};
    sb_store             *s   = facts_open(path, SB_STORE_READ);
    char                 *out = NULL;
    size_t                n   = 0;
    FILE                 *to  = open_memstream(&out, &n);
    ck_assert_ptr_nonnull(to);
    sb_status st =
        text >= 0 ? sb_report_write_text(s, &f, text, to) : sb_report_write_html(s, &f, plots, to);
    (void)fclose(to);
    sb_store_close(s);
    ck_assert_msg(st == SB_OK, "%s", sb_error_text());
    ck_assert_uint_eq(strlen(out), n);
    return out;
}

char *report_page(const char *path, sb_report_plots plots) { return written(path, plots, -1); }

char *report_text(const char *path, int width) { return written(path, SB_REPORT_NO_PLOTS, width); }

sbi_table report_table(sb_store *s, const sb_names *names, const char *id)
{
    sbi_table t = {0};
    for (const sbi_section *x = sbi_sections; x->id != NULL; x++)
        if (strcmp(x->id, id) == 0)
            FACTS_OK(sbi_table_read(s, names, x, &t));
    ck_assert_ptr_nonnull(t.section);
    return t;
}

/* Does the row have "column=text"? */
static int has(const sbi_table *t, int64_t row, const char *want)
{
    char        name[64];
    const char *is = strchr(want, '=');
    (void)snprintf(name, sizeof name, "%.*s", (int)(is - want), want);
    int column = sbi_table_column(t, name);
    ck_assert_msg(column >= 0, "no column %s", name);
    const char *text = sbi_table_text(t, row, column);
    return text != NULL && strcmp(text, is + 1) == 0;
}

const char *report_cell(const sbi_table *t, const char *column, ...)
{
    const char *found = NULL;
    int         n     = 0;
    for (int64_t i = 0; i < t->rows.n_rows; i++) {
        va_list     args;
        int         all = 1;
        const char *want;
        va_start(args, column);
        while ((want = va_arg(args, const char *)) != NULL)
            all &= has(t, i, want);
        va_end(args);
        if (all) {
            found = sbi_table_text(t, i, sbi_table_column(t, column));
            n++;
        }
    }
    ck_assert_msg(n == 1, "%s of %s: %d rows", column, t->section->id, n);
    return found;
}

int report_count(const char *text, const char *word)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, word)) != NULL; p += strlen(word))
        n++;
    return n;
}
