/* Rows: the known answers of workloads 1.9, access in any order, spans, and what is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/workloads/ruler/common.h"
#include "workloads/base/pytext.h"

static sb_ruler_words     *words; /* NULL: not here */
static sb_ruler_templates *official;

static sb_ruler_spec spec_of(const char *task, int64_t length)
{
    sb_ruler_spec s = {.task          = sb_ruler_task_find(task),
                       .seed          = 42,
                       .length_tokens = length,
                       .templates     = official,
                       .words         = words,
                       .counter       = *sb_tok_ops_find("bytes/4")};
    ck_assert_ptr_nonnull(s.task);
    return s;
}

static sb_ruler_set *open_ok(const sb_ruler_spec *s)
{
    sb_ruler_set *set = NULL;
    if (sb_ruler_open(s, &set) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return set;
}

static sb_ruler_sample row_ok(sb_ruler_set *set, int64_t row)
{
    sb_ruler_sample s = {0};
    if (sb_ruler_row(set, row, &s) != SB_OK)
        ck_abort_msg("%s", sb_error_text());
    return s;
}

static const struct known {
    const char *task;
    int64_t     units, shot_units, length[3];
    const char *file, *input, *answers;
} known[] = {
    {"niah_multikey_3",
     135,
     0,
     {4086, 4086, 4086},
     "7f01007d634ab53b",
     "557786877f12a2f2",
     "0fdfde19-cfd8-45fc-869f-f56280520405 "},
    {"vt",
     154,
     17,
     {4082, 4082, 4082},
     "eb811018e2bb3ca4",
     "b1656c1b5548b27a",
     "VHFUP ILRNU YTRHR QCYGI UDBZP "},
    {"fwe",
     0,
     0,
     {4005, 4005, 4005},
     "fd953d8e948b5c2e",
     "b7731a7e764454e8",
     "ufnllw iwshay rhbtmq "},
    {"niah_single_1",
     172,
     0,
     {4091, 4089, 4092},
     "d0d2e50d1ec0c657",
     "5e4a7d86916e942f",
     "5437923 "},
    {"niah_multikey_2",
     235,
     0,
     {3683, 3705, 3682},
     "8f2c2d3896cc8794",
     "5b460f94f53c96cf",
     "8251427 "},
    {"cwe",
     239,
     0,
     {3934, 3991, 3899},
     "1a6406bc2d16e6d5",
     "b5b640dcfa3c161d",
     "poster veto advancement strive foresee spare snake teach canvas bless "},
};
enum { N_KNOWN = sizeof known / sizeof *known, N_KNOWN_ALONE = 3 /* need no word list */ };

START_TEST(known_answers)
{
    const struct known *k    = &known[_i];
    sb_ruler_spec       spec = spec_of(k->task, 4096);
    sb_ruler_set       *set  = open_ok(&spec);
    sbi_text            file = {0}, answers = {0};
    if (k->units > 0)
        ck_assert_int_eq(sb_ruler_units(set), k->units);
    ck_assert_int_eq(sb_ruler_shot_units(set), k->shot_units);
    for (int r = 0; r < 3; r++) {
        sb_ruler_sample s    = row_ok(set, r);
        char           *line = NULL;
        ck_assert_int_eq(s.n_tokens + s.gen_tokens, k->length[r]);
        ck_assert_int_eq(sb_ruler_sample_json(spec.task, &s, &line), SB_OK);
        sbi_text_puts(&file, line);
        if (r == 0) {
            ck_assert_str_eq(hash16(s.text, (size_t)s.input_bytes), k->input);
            for (int64_t i = 0; i < s.n_answers; i++) {
                sbi_text_puts(&answers, s.answers[i]);
                sbi_text_putc(&answers, ' ');
            }
            ck_assert_str_eq(answers.p, k->answers);
        }
        free(line);
        sb_ruler_sample_fini(&s);
    }
    ck_assert_str_eq(hash16(file.p, (size_t)file.n), k->file);
    sbi_text_fini(&file);
    sbi_text_fini(&answers);
    sb_ruler_close(set);
}
END_TEST

static int64_t occurrences(const sb_ruler_sample *s, const char *word)
{
    int64_t n = 0, size = (int64_t)strlen(word);
    for (int64_t i = 0; i < s->input_bytes;) {
        int64_t end = i;
        while (end < s->input_bytes && s->text[end] != ' ' && s->text[end] != '\n')
            end++;
        n += end - i == size && memcmp(s->text + i, word, (size_t)size) == 0;
        i = end + 1;
    }
    return n;
}

START_TEST(counts_of_coded_words) /* row 0 of the known answer */
{
    static const int64_t want[] = {466, 207, 116};
    sb_ruler_spec        spec   = spec_of("fwe", 4096);
    sb_ruler_set        *set    = open_ok(&spec);
    sb_ruler_sample      s      = row_ok(set, 0);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(occurrences(&s, s.answers[i]), want[i]);
    ck_assert_int_eq(occurrences(&s, "..."), 1865);
    sb_ruler_sample_fini(&s);
    sb_ruler_close(set);
}
END_TEST

START_TEST(rows_in_any_order)
{
    static const int   order[] = {4, 1, 3, 3, 0, 2};
    static const char *tasks[] = {"vt", "niah_multikey_3", "fwe"};
    sb_ruler_spec      spec    = spec_of(tasks[_i], 2000);
    sb_ruler_set      *set     = open_ok(&spec);
    char               first[5][65];
    for (int r = 0; r < 5; r++) {
        sb_ruler_sample s = row_ok(set, r);
        memcpy(first[r], s.sha256, 65);
        for (int q = 0; q < r; q++)
            ck_assert_str_ne(first[q], first[r]);
        sb_ruler_sample_fini(&s);
    }
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        sb_ruler_sample s = row_ok(set, order[i]);
        ck_assert_int_eq(s.row, order[i]);
        ck_assert_str_eq(s.sha256, first[order[i]]);
        sb_ruler_sample_fini(&s);
    }
    sb_ruler_close(set);
}
END_TEST

static int64_t bytes_of(const sb_ruler_span *p) { return p->byte_end - p->byte_begin; }

static void check_span(const sb_ruler_sample *s, const sb_ruler_span *p,
                       int64_t seen[SB_RULER_SPAN_KINDS])
{
    ck_assert_int_ge(p->byte_begin, 0);
    ck_assert_int_le(p->byte_begin, p->byte_end);
    ck_assert_int_le(p->byte_end, s->text_bytes);
    seen[p->kind]++;
    if (p->kind == SB_RULER_SPAN_NEEDLE && p->ref >= 0) {
        const char *answer = s->answers[p->ref];
        ck_assert_msg(sbi_text_find(s->text + p->byte_begin, bytes_of(p), answer,
                                    (int64_t)strlen(answer)) >= 0,
                      "%s is not in \"%.*s\"", answer, (int)bytes_of(p), s->text + p->byte_begin);
    }
    if (p->kind == SB_RULER_SPAN_ANSWER_PREFIX)
        ck_assert(p->byte_begin == s->input_bytes && p->byte_end == s->text_bytes);
    if (p->kind == SB_RULER_SPAN_QUERY)
        ck_assert_int_eq(p->byte_end, s->input_bytes);
}

static const struct spans_case {
    const char *task;
    int64_t     needles, shots; /* needles -1: some */
} spans_cases[] = {{"vt", 5, 1},
                   {"niah_multikey_3", 1, 0},
                   {"fwe", -1, 0},
                   {"niah_single_1", 1, 0},
                   {"niah_multikey_2", 1, 0},
                   {"cwe", 60, 1}};
enum { N_SPANS_ALONE = 3 };

START_TEST(spans_hold_what_they_say)
{
    const struct spans_case *c    = &spans_cases[_i];
    sb_ruler_spec            spec = spec_of(c->task, 3000);
    sb_ruler_set            *set  = open_ok(&spec);
    for (int r = 0; r < 4; r++) {
        sb_ruler_sample s                         = row_ok(set, r);
        int64_t         seen[SB_RULER_SPAN_KINDS] = {0};
        for (int64_t i = 0; i < s.n_spans; i++) {
            check_span(&s, &s.spans[i], seen);
            ck_assert(i == 0 || s.spans[i].byte_begin >= s.spans[i - 1].byte_begin);
        }
        ck_assert_int_eq(seen[SB_RULER_SPAN_QUERY], 1);
        ck_assert_int_eq(seen[SB_RULER_SPAN_ANSWER_PREFIX], 1);
        ck_assert_int_eq(seen[SB_RULER_SPAN_SHOT], c->shots);
        if (c->needles > 0)
            ck_assert_int_eq(seen[SB_RULER_SPAN_NEEDLE], c->needles);
        else
            for (int64_t i = 0, n = 0; i < 3; i++) { /* fwe: every occurrence of the three */
                for (int64_t j = 0; j < s.n_spans; j++)
                    n += s.spans[j].kind == SB_RULER_SPAN_NEEDLE && s.spans[j].ref == i;
                ck_assert_int_eq(n, occurrences(&s, s.answers[i]));
                n = 0;
            }
        ck_assert_int_eq(seen[SB_RULER_SPAN_DISTRACTOR],
                         spec.task->haystack == SB_RULER_NEEDLES ? s.units : 0);
        sb_ruler_sample_fini(&s);
    }
    sb_ruler_close(set);
}
END_TEST

START_TEST(own_wording_works_for_every_task)
{
    sb_ruler_templates *own     = NULL;
    static const char  *tasks[] = {
         "vt", "niah_multikey_3", "fwe", "niah_single_1", "niah_multikey_2", "cwe"};
    ck_assert_int_eq(sb_ruler_templates_open("configs/templates/ruler.json",
                                             "configs/templates/chat.json", "llama3", &own),
                     SB_OK);
    for (size_t i = 0; i < (words != NULL ? 6u : 3u); i++) {
        sb_ruler_spec   spec = spec_of(tasks[i], 4096);
        sb_ruler_set   *set;
        sb_ruler_sample s;
        spec.templates = own;
        set            = open_ok(&spec);
        s              = row_ok(set, 0);
        ck_assert_int_le(s.n_tokens + s.gen_tokens, 4096);
        ck_assert_int_gt(s.n_tokens + s.gen_tokens, 3600);
        ck_assert_ptr_null(strstr(s.text, "{"));
        ck_assert_ptr_nonnull(strstr(s.text + s.input_bytes - 40,
                                     "assistant<|end_header_id|>")); /* right before the prefix */
        ck_assert_str_eq(sb_ruler_set_facts(set).wrapper, "llama3");
        ck_assert_str_ne(sb_ruler_set_facts(set).templates_sha256, official->sha256);
        sb_ruler_sample_fini(&s);
        sb_ruler_close(set);
    }
    sb_ruler_templates_close(own);
}
END_TEST

START_TEST(missing_inputs_are_named)
{
    static const char *want[][2] = {{"niah_single_1", "wonderwords"},
                                    {"cwe", "wonderwords"},
                                    {"niah_single_2", "wonderwords"},
                                    {"qa_1", "SQuAD"},
                                    {"qa_2", "hotpot_dev_distractor_v1.json"}};
    sb_ruler_spec      spec      = spec_of(want[_i][0], 4096);
    sb_ruler_set      *set       = NULL;
    spec.words                   = NULL;
    expect_error(sb_ruler_open(&spec, &set), SB_ERR_UNSUPPORTED, want[_i][1]);
    ck_assert_ptr_null(set);
}
END_TEST

START_TEST(what_does_not_fit_ends)
{
    static const struct {
        const char *task;
        int64_t     length;
        sb_status   want;
    } cases[]            = {{"niah_multikey_3", 300, SB_ERR_NO_FIT},
                            {"vt", 200, SB_ERR_NO_FIT},
                            {"fwe", 240, SB_ERR_NO_FIT},
                            {"fwe", 60, SB_ERR_NO_FIT},
                            {"vt", 0, SB_ERR_USAGE},
                            {"vt", -5, SB_ERR_USAGE}};
    sb_ruler_spec   spec = spec_of(cases[_i].task, cases[_i].length);
    sb_ruler_set   *set  = NULL;
    sb_ruler_sample s    = {0};
    sb_status       st   = sb_ruler_open(&spec, &set);
    if (st == SB_OK)
        st = sb_ruler_row(set, 0, &s);
    ck_assert_int_eq(st, cases[_i].want);
    sb_ruler_sample_fini(&s);
    sb_ruler_close(set);
}
END_TEST

static sb_status count_fails(void *ctx, const char *text, int64_t n_bytes, int64_t *n)
{
    int *left = ctx;
    (void)text;
    *n = n_bytes / 4;
    return --*left < 0 ? sb_fail(SB_ERR_IO, "the tokenizer fell over") : SB_OK;
}

START_TEST(errors_of_the_counter_come_through)
{
    for (int calls = 0; calls < 30; calls++) {
        int             left = calls;
        sb_ruler_spec   spec = spec_of("vt", 1000);
        sb_ruler_set   *set  = NULL;
        sb_ruler_sample s    = {0};
        sb_status       st;
        spec.counter =
            (sb_tok_ops){.name = "failing", .sha256 = "", .count = count_fails, .ctx = &left};
        st = sb_ruler_open(&spec, &set);
        if (st == SB_OK)
            st = sb_ruler_row(set, 0, &s);
        if (st == SB_OK) {
            ck_assert_int_gt(calls, 5);
            sb_ruler_sample_fini(&s);
            sb_ruler_close(set);
            return;
        }
        expect_error(st, SB_ERR_IO, "the tokenizer fell over");
        sb_ruler_close(set);
    }
    ck_abort_msg("never enough calls");
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("rows");
    int    failed;
    words    = open_wonderwords();
    official = open_templates(OFFICIAL_TEXTS, NULL);
    if (words == NULL)
        (void)puts("wonderwords 2.2.0 is not here: tasks that need it are not checked");
    tcase_add_loop_test(t, known_answers, 0, words != NULL ? N_KNOWN : N_KNOWN_ALONE);
    tcase_add_test(t, counts_of_coded_words);
    tcase_add_loop_test(t, rows_in_any_order, 0, 3);
    tcase_add_loop_test(t, spans_hold_what_they_say, 0, words != NULL ? 6 : N_SPANS_ALONE);
    tcase_add_test(t, own_wording_works_for_every_task);
    tcase_add_loop_test(t, missing_inputs_are_named, 0, 5);
    tcase_add_loop_test(t, what_does_not_fit_ends, 0, 6);
    tcase_add_test(t, errors_of_the_counter_come_through);
    failed = run_suite_of("ruler_rows", t);
    sb_ruler_words_close(words);
    sb_ruler_templates_close(official);
    return failed;
}
