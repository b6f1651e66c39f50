/* Generated rows of InfiniteBench's kinds: golden hashes, rows that do not depend on others, their
 * length, and each task solved from its own prompt by plain code. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "tests/unit/workloads/suites/rig.h"
#include "workloads/infinitebench/infinitebench.h"
#include "workloads/metrics/infbench.h"

static sb_text_set *open_task(rig *g, const char *task, const char *length)
{
    return rig_open(g, "infinitebench_synth",
                    ARGS(rig_arg("task", task), rig_arg("length", length), "tok=bytes/4"));
}

/* Rows 0 and 7 at 2,000 tokens of four bytes, seed 42: sha256 of the prompt, cut to 16 digits.
 * Whoever changes a draw or the built-in texts changes SB_INFINITEBENCH_SYNTH_VERSION. */
static const struct golden {
    const char *task, *row0, *row7, *answer0;
} golden[] = {
    {"passkey_synth", "4c70846d91aa7475", "86112a066eb4ee26", "61212"},
    {"number_string_synth", "3697416905f41ce4", "0fd0d6a6b42b6c54", "5211119993"},
    {"kv_retrieval_synth", "89fb06d9018fa681", "53d6280deb72602e",
     "9d3eeef5-1d85-44be-b60a-049726142035"},
    {"math_find_synth", "704dcd909101d207", "f0515cf669521289", "94"},
    {"math_calc_synth", "ae8c86cb256e6486", "c068f57e645675af", "99"},
    {"code_run_synth", "3b65ae126dc3e8a6", "058b6f4035057749", "-21"},
};

enum { TASKS = sizeof golden / sizeof *golden };

START_TEST(golden_rows)
{
    for (int i = 0; i < TASKS; i++) {
        rig          g;
        sb_text_set *set = open_task(&g, golden[i].task, "2000");
        sb_text_row  a = rig_row(set, 0), b = rig_row(set, 7);
        ck_assert_str_eq(hash16(a.prompt, strlen(a.prompt)), golden[i].row0);
        ck_assert_str_eq(hash16(b.prompt, strlen(b.prompt)), golden[i].row7);
        ck_assert_str_eq(a.refs[0], golden[i].answer0);
        sb_text_row_fini(&a);
        sb_text_row_fini(&b);
        set->suite->close(set);
    }
}
END_TEST

START_TEST(the_table_of_tasks)
{
    for (const sb_text_task *t = sb_infinitebench_synth_suite.tasks; t->name != NULL; t++) {
        char               name[64];
        const char        *end = strstr(t->name, "_synth");
        const sb_infbench *d;
        ck_assert_ptr_nonnull(end);
        ck_assert_str_eq(end, "_synth"); /* never the original's name */
        (void)snprintf(name, sizeof name, "%.*s", (int)(end - t->name), t->name);
        d = sb_infbench_find(name);
        ck_assert_ptr_nonnull(d);
        ck_assert_str_eq(t->scorer, d->metric);
        ck_assert_int_eq(t->gen_tokens, d->max_gen_tokens);
    }
    ck_assert_int_eq(sb_infinitebench_synth_suite.to_length, 1);
}
END_TEST

/* A row is the same whatever was asked before, and other where seed, length or row is. */
START_TEST(rows_by_themselves)
{
    for (int i = 0; i < TASKS; i++) {
        static const int order[]     = {3, 0, 5, 3};
        char             seen[6][65] = {{0}};
        rig              g;
        sb_text_set     *set = open_task(&g, golden[i].task, "900");
        sb_text_row      r;
        for (int k = 0; k < 4; k++) {
            r = rig_row(set, order[k]);
            ck_assert(seen[order[k]][0] == '\0' || strcmp(seen[order[k]], r.sha256) == 0);
            memcpy(seen[order[k]], r.sha256, 65);
            ck_assert_int_eq(r.row, order[k]);
            sb_text_row_fini(&r);
        }
        ck_assert_str_ne(seen[0], seen[3]);
        set->suite->close(set);
        set = open_task(&g, golden[i].task, "900");
        r   = rig_row(set, 5);
        ck_assert_str_eq(r.sha256, seen[5]);
        ck_assert_int_eq(set->suite->n_rows(set), -1);
        sb_text_row_fini(&r);
        set->suite->close(set);
        set =
            rig_open(&g, "infinitebench_synth",
                     ARGS(rig_arg("task", golden[i].task), "length=900", "tok=bytes/4", "seed=43"));
        r = rig_row(set, 5);
        ck_assert_str_ne(r.sha256, seen[5]);
        sb_text_row_fini(&r);
        set->suite->close(set);
    }
}
END_TEST

/* Prompt and answer fit, and fall short by a 256th or one unit at most. */
START_TEST(made_to_a_length)
{
    static const char *const lengths[]    = {"300", "1000", "20000"};
    static const char *const toks[]       = {"bytes", "characters", "words", "bytes/4"};
    static const int64_t     unit_bytes[] = {96, 96, 86,
                                             4,  5,  500}; /* code_run: a layer of functions */
    for (int i = 0; i < TASKS; i++) {
        for (int k = 0; k < 12; k++) {
            rig          g;
            const char  *tok = toks[k / 3], *length = lengths[k % 3];
            int64_t      most = atoll(length), per = strcmp(tok, "bytes/4") == 0 ? 4 : 1;
            sb_text_set *set;
            if (strcmp(tok, "bytes") == 0 || strcmp(tok, "characters") == 0) {
                length = k % 3 == 0 ? "4000" : k % 3 == 1 ? "8000" : "40000";
                most   = atoll(length);
            }
            set = rig_open(&g, "infinitebench_synth",
                           ARGS(rig_arg("task", golden[i].task), rig_arg("length", length),
                                rig_arg("tok", tok)));
            for (int row = 0; row < 10; row++) {
                sb_text_row r     = rig_row(set, row);
                int64_t     total = r.n_tokens + r.gen_tokens, again;
                ck_assert_int_eq(g.req.tok->count(g.req.tok->ctx, r.prompt, r.prompt_bytes, &again),
                                 SB_OK);
                ck_assert_int_eq(again, r.n_tokens);
                ck_assert_int_le(total, most);
                ck_assert_msg(most - total <= most / 256 + unit_bytes[i] / per + 2,
                              "%s %s %s row %d: %lld", golden[i].task, tok, length, row,
                              (long long)total);
                sb_text_row_fini(&r);
            }
            set->suite->close(set);
        }
    }
}
END_TEST

START_TEST(too_short)
{
    for (int i = 0; i < TASKS; i++)
        rig_cannot_open("infinitebench_synth",
                        ARGS(rig_arg("task", golden[i].task), "length=40", "tok=bytes"),
                        SB_ERR_NO_FIT, "length 40 is too short: the shortest row has ");
    rig_cannot_open("infinitebench_synth", ARGS("length=400"), SB_ERR_USAGE, "needs a tokenizer");
    rig_cannot_open("infinitebench_synth", ARGS("length=0", "tok=bytes"), SB_ERR_NO_FIT,
                    "length 0");
}
END_TEST

/* Every needle span holds what the answer is read from. */
static int spans_of(const sb_text_row *r, const char *kind, const char *text)
{
    int n = 0;
    for (int64_t i = 0; i < r->n_spans; i++) {
        const sb_text_span *s = &r->spans[i];
        ck_assert_int_le(0, s->byte_begin);
        ck_assert_int_lt(s->byte_begin, s->byte_end);
        ck_assert_int_le(s->byte_end, r->prompt_bytes);
        if (i > 0)
            ck_assert_int_le(r->spans[i - 1].byte_begin, s->byte_begin);
        if (strcmp(s->kind, kind) != 0)
            continue;
        n++;
        ck_assert_int_ge(sbi_text_find(r->prompt + s->byte_begin, s->byte_end - s->byte_begin, text,
                                       (int64_t)strlen(text)),
                         0);
    }
    return n;
}

/* Places of all depths within 59 rows; the key stands twice, in its needle. */
START_TEST(keys_are_hidden_everywhere)
{
    for (int number = 0; number < 2; number++) {
        rig          g;
        sb_text_set *set = open_task(&g, number ? "number_string_synth" : "passkey_synth", "3000");
        int          at[59] = {0}, leading_zero = 0;
        for (int row = 0; row < 59; row++) {
            sb_text_row r    = rig_row(set, row);
            json_t     *meta = json_loads(r.meta, 0, NULL);
            double      d    = json_real_value(json_object_get(meta, "depth"));
            size_t      n    = strlen(r.refs[0]);
            ck_assert_uint_eq(n, number ? 10 : 5);
            ck_assert_uint_eq(strspn(r.refs[0], "0123456789"), n);
            leading_zero += r.refs[0][0] == '0';
            ck_assert_int_eq(spans_of(&r, "needle", r.refs[0]), 1);
            ck_assert_int_eq(spans_of(&r, "query", "?"), 1);
            ck_assert_double_eq_tol((double)r.spans[0].byte_begin / (double)r.prompt_bytes, d,
                                    0.02);
            ck_assert_double_eq(rig_score(&r, r.refs[0]), 1);
            at[(int)(d * 58 + 0.5)]++;
            json_decref(meta);
            sb_text_row_fini(&r);
        }
        for (int i = 0; i < 59; i++)
            ck_assert_int_eq(at[i], 1);
        ck_assert_int_gt(leading_zero, 0);
        set->suite->close(set);
    }
}
END_TEST

/* Five steps that double a digit where it stands: taken back one by one, five digits are left. */
static int undoubled(const char *digits, int left)
{
    size_t n = strlen(digits);
    if (left == 0)
        return n == 5;
    for (size_t i = 0; i + 1 < n; i++) {
        char shorter[16];
        if (digits[i] != digits[i + 1])
            continue;
        memcpy(shorter, digits, i);
        memcpy(shorter + i, digits + i + 1, n - i);
        if (undoubled(shorter, left - 1))
            return 1;
    }
    return 0;
}

START_TEST(half_of_a_number_string_is_doubled)
{
    rig          g;
    sb_text_set *set = open_task(&g, "number_string_synth", "600");
    for (int row = 0; row < 40; row++) {
        sb_text_row r = rig_row(set, row);
        ck_assert(undoubled(r.refs[0], 5));
        sb_text_row_fini(&r);
    }
    set->suite->close(set);
}
END_TEST

START_TEST(pairs_are_json)
{
    rig          g;
    sb_text_set *set = open_task(&g, "kv_retrieval_synth", "3000");
    double       low = 1, high = 0;
    for (int row = 0; row < 30; row++) {
        sb_text_row r     = rig_row(set, row);
        const char *begin = strchr(r.prompt, '{'), *end = strrchr(r.prompt, '}');
        json_t     *all  = json_loadb(begin, (size_t)(end - begin) + 1, 0, NULL), *value;
        json_t     *meta = json_loads(r.meta, 0, NULL);
        const char *key;
        int64_t     hits = 0, i = 0;
        double      d = json_real_value(json_object_get(meta, "depth"));
        ck_assert_ptr_nonnull(all);
        ck_assert_uint_eq(json_object_size(all),
                          (size_t)json_integer_value(json_object_get(meta, "units")));
        json_object_foreach(all, key, value)
        {
            const char *s = json_string_value(value);
            ck_assert_uint_eq(strlen(key), 36);
            ck_assert(key[14] == '4' && strchr("89ab", key[19]) != NULL && key[8] == '-' &&
                      key[23] == '-');
            if (strcmp(s, r.refs[0]) == 0) {
                char quoted[40];
                (void)snprintf(quoted, sizeof quoted, "\"%s\"", key);
                hits++;
                ck_assert_ptr_nonnull(strstr(end, quoted)); /* the question asks for it */
                ck_assert_int_eq(spans_of(&r, "needle", key), 1);
                ck_assert_double_eq_tol((double)i / (double)json_object_size(all), d, 1e-5);
            }
            i++;
        }
        ck_assert_int_eq(hits, 1);
        low  = d < low ? d : low;
        high = d > high ? d : high;
        ck_assert_double_eq(rig_score(&r, r.refs[0]), 1);
        json_decref(meta);
        json_decref(all);
        sb_text_row_fini(&r);
    }
    ck_assert_double_lt(low, 0.05);
    ck_assert_double_gt(high, 0.9);
    set->suite->close(set);
}
END_TEST

static int by_value(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static int read_numbers(const char *prompt, int *v)
{
    int   n  = 0;
    char *at = (char *)(uintptr_t)(strchr(prompt, '[') + 1);
    while (at[-1] != ']') {
        v[n++] = (int)strtol(at, &at, 10);
        at += at[0] == ',' ? 2 : 1;
    }
    return n;
}

START_TEST(lists_are_searched)
{
    rig          g;
    int          v[4000];
    sb_text_set *set = open_task(&g, "math_find_synth", "1200");
    for (int row = 0; row < 70; row++) {
        sb_text_row r = rig_row(set, row);
        int         n = read_numbers(r.prompt, v), rank = row % 7 % 3, at;
        char        want[16];
        qsort(v, (size_t)n, sizeof *v, by_value);
        ck_assert_int_ge(v[0], 0);
        ck_assert_int_le(v[n - 1], 99);
        if (row % 7 == 6) {
            int twice = v[(n - 1) / 2] + v[n / 2];
            (void)snprintf(want, sizeof want,
                           n % 2 == 1  ? "%d"
                           : twice % 2 ? "%d.5"
                                       : "%d.0",
                           twice / 2);
        } else if (row % 7 < 3) {
            for (at = n - 1; rank > 0; at--)
                rank -= v[at] != v[at - 1];
            (void)snprintf(want, sizeof want, "%d", v[at]);
        } else {
            for (at = 0; rank > 0; at++)
                rank -= v[at] != v[at + 1];
            (void)snprintf(want, sizeof want, "%d", v[at]);
        }
        ck_assert_msg(strcmp(r.refs[0], want) == 0, "row %d: %s, not %s", row, r.refs[0], want);
        ck_assert_double_eq(rig_score(&r, r.refs[0]), 1);
        sb_text_row_fini(&r);
    }
    set->suite->close(set);
}
END_TEST

START_TEST(expressions_are_worked_out)
{
    rig          g;
    sb_text_set *set =
        rig_open(&g, "infinitebench_synth",
                 ARGS("task=math_calc_synth", "length=2000", "tok=bytes/4", "calc_gen_tokens=3"));
    for (int row = 0; row < 20; row++) {
        sb_text_row r     = rig_row(set, row);
        char       *at    = (char *)(uintptr_t)strstr(r.prompt, "\n\n") + 2;
        long        value = strtol(at, &at, 10);
        int64_t     n     = 0;
        sbi_text    all   = {0};
        while (strncmp(at, " + ", 3) == 0 || strncmp(at, " - ", 3) == 0) {
            long sign = at[1] == '+' ? 1 : -1, term = strtol(at + 3, &at, 10);
            value += sign * term;
            ck_assert(value >= 0 && value <= 99 && term >= 0 && term <= 99);
            ck_assert_int_lt(n, r.n_refs);
            ck_assert_int_eq(atol(r.refs[n]), value);
            n++;
        }
        ck_assert_int_eq(n, r.n_refs);
        ck_assert_int_eq(r.gen_tokens, 3 * (n + 1));
        for (int64_t i = 0; i < 10; i++) {
            sbi_text_puts(&all, r.refs[i]);
            sbi_text_puts(&all, i == 4 ? ", 100, " : ", ");
        }
        r.n_refs = r.n_refs > 64 ? 64 : r.n_refs; /* what the rig's score has room for */
        ck_assert_double_eq_tol(rig_score(&r, sbi_text_str(&all)), 5.0 / 64, 1e-12);
        r.n_refs = n;
        sbi_text_fini(&all);
        sb_text_row_fini(&r);
    }
    set->suite->close(set);
}
END_TEST

/* Follow the calls through the text of the prompt. */
static long call(const char *prompt, long number, long x, int *depth)
{
    char        head[64];
    const char *at;
    long        next;
    (void)snprintf(head, sizeof head, "\ndef func_%ld(x):\n    return ", number);
    at = strstr(prompt, head);
    ck_assert_ptr_nonnull(at);
    ck_assert_ptr_null(strstr(at + 1, head));
    at += strlen(head);
    (*depth)++;
    if (strncmp(at, "func_", 5) == 0) {
        char *end;
        next = strtol(at + 5, &end, 10);
        ck_assert_int_eq(strncmp(end, "(x)", 3), 0);
        x  = call(prompt, next, x, depth);
        at = end + 3;
    } else {
        ck_assert_int_eq(*at, 'x');
        at++;
    }
    if (*at == '\n')
        return x;
    ck_assert(strncmp(at, " + ", 3) == 0 || strncmp(at, " - ", 3) == 0);
    return x + (at[1] == '+' ? 1 : -1) * atol(at + 3);
}

START_TEST(functions_are_run)
{
    rig          g;
    sb_text_set *set = open_task(&g, "code_run_synth", "1500");
    for (int row = 0; row < 25; row++) {
        sb_text_row r  = rig_row(set, row);
        const char *at = NULL;
        long        number, x;
        int         depth = 0;
        for (int64_t i = 0; i < r.n_spans; i++)
            if (strcmp(r.spans[i].kind, "query") == 0)
                at = r.prompt + r.spans[i].byte_begin;
        ck_assert_ptr_nonnull(at);
        ck_assert_int_eq(sscanf(at, "func_%ld(%ld)", &number, &x), 2);
        ck_assert(x >= -10 && x <= 10);
        ck_assert_int_eq(call(r.prompt, number, x, &depth), atol(r.refs[0]));
        ck_assert_int_eq(depth, 2 * (1 + row % 5));
        ck_assert_int_eq(spans_of(&r, "needle", "def func_"), depth);
        ck_assert_double_eq(rig_score(&r, r.refs[0]), 1);
        {
            json_t *meta  = json_loads(r.meta, 0, NULL);
            int64_t found = 0;
            for (const char *f = r.prompt; (f = strstr(f, "\ndef func_")) != NULL; f++)
                found++;
            ck_assert_int_eq(json_integer_value(json_object_get(meta, "units")), found);
            ck_assert_int_eq(json_integer_value(json_object_get(meta, "layers")), depth);
            json_decref(meta);
        }
        sb_text_row_fini(&r);
    }
    set->suite->close(set);
}
END_TEST

/* A file with the prompts only takes our words for what is generated. */
START_TEST(texts_of_ones_own)
{
    rig         g;
    const char *texts = put_text("t.json", "{\"passkey\": \"{context}|{input}\", \"chat\": false}");
    sb_text_set *set  = rig_open(&g, "infinitebench_synth",
                                 ARGS("length=300", "tok=bytes/4", rig_arg("templates", texts)));
    sb_text_row  r    = rig_row(set, 0);
    json_t      *f    = set->suite->facts(set);
    ck_assert_int_eq(r.chat, 0);
    ck_assert_int_eq(r.spans[0].byte_begin, 0); /* depth 0 */
    ck_assert_ptr_nonnull(strchr(r.prompt, '|'));
    ck_assert_str_eq(json_string_value(json_object_get(f, "generator")),
                     SB_INFINITEBENCH_SYNTH_VERSION);
    ck_assert_str_eq(json_string_value(json_object_get(f, "tokenizer")), "bytes/4");
    ck_assert_uint_eq(json_string_length(json_object_get(f, "templates_sha256")), 64);
    json_decref(f);
    sb_text_row_fini(&r);
    set->suite->close(set);
    texts =
        put_text("t.json", "{\"passkey\": \"{context}|{input}\", \"generated\": {\"noise\": \"x\", "
                           "\"passkey\": {\"needle\": \"no key\", \"question\": \"q\"}}}");
    rig_cannot_open("infinitebench_synth",
                    ARGS("length=300", "tok=bytes", rig_arg("templates", texts)), SB_ERR_USAGE,
                    "t.json: generated.passkey: needle: placeholder {key} is missing");
    texts = put_text("t.json",
                     "{\"passkey\": \"{context}|{input}\", \"generated\": {\"noise\": \"\"}}");
    rig_cannot_open("infinitebench_synth",
                    ARGS("length=300", "tok=bytes", rig_arg("templates", texts)), SB_ERR_USAGE,
                    "t.json: generated: noise: empty");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("infinitebench_synth");
    tcase_add_checked_fixture(t, folder_set_up, folder_tear_down);
    tcase_add_test(t, golden_rows);
    tcase_add_test(t, the_table_of_tasks);
    tcase_add_test(t, rows_by_themselves);
    tcase_add_test(t, made_to_a_length);
    tcase_add_test(t, too_short);
    tcase_add_test(t, keys_are_hidden_everywhere);
    tcase_add_test(t, half_of_a_number_string_is_doubled);
    tcase_add_test(t, pairs_are_json);
    tcase_add_test(t, lists_are_searched);
    tcase_add_test(t, expressions_are_worked_out);
    tcase_add_test(t, functions_are_run);
    tcase_add_test(t, texts_of_ones_own);
    return run_suite_of("infinitebench_synth", t);
}
