/* Sealing, identity and prediction text of inputs. */
#include "tests/unit/workloads/case.h"

#include <stdlib.h>
#include <string.h>

#define EMIT(lo, hi, g)                                                                            \
    {                                                                                              \
        SB_SCRIPT_EMIT, lo, hi, g                                                                  \
    }
#define FEED(id)                                                                                   \
    {                                                                                              \
        SB_SCRIPT_FEED, id, 0, 0                                                                   \
    }
#define FEED_EMIT(i)                                                                               \
    {                                                                                              \
        SB_SCRIPT_FEED_EMIT, i, 0, 0                                                               \
    }
#define MARK                                                                                       \
    {                                                                                              \
        SB_SCRIPT_MARK, 0, 0, 0                                                                    \
    }
#define ROLLBACK                                                                                   \
    {                                                                                              \
        SB_SCRIPT_ROLLBACK, 0, 0, 0                                                                \
    }

typedef struct refusal {
    sb_script_op op[4];
    int64_t      n;
    const char  *text;
} refusal;

static const refusal refusals[] = {
    {{FEED_EMIT(0)}, 1, "feeds emit 0 of 0"},
    {{EMIT(1, 9, 0), FEED_EMIT(1)}, 2, "feeds emit 1 of 1"},
    {{EMIT(1, 9, 0), FEED_EMIT(-1)}, 2, "feeds emit -1"},
    {{EMIT(1, 9, 0), ROLLBACK}, 2, "rollback without mark"},
    {{EMIT(9, 9, 0)}, 1, "empty class"},
    {{EMIT(-2, 9, 0)}, 1, "empty class"},
    {{EMIT(1, 9, 1)}, 1, "group 1 opened before group 0"},
    {{EMIT(1, 9, 0), EMIT(1, 9, 2)}, 2, "group 2 opened before group 1"},
    {{EMIT(1, 9, -1)}, 1, "group -1"},
    {{FEED(-5)}, 1, "feeds token -5"},
    {{{SB_SCRIPT_COUNT, 0, 0, 0}}, 1, "unknown kind"},
};

START_TEST(scripts_that_cannot_be_replayed_are_refused)
{
    const refusal *r     = &refusals[_i];
    int32_t        ids[] = {0, 1};
    sb_script_op   op[4];
    memcpy(op, r->op, sizeof op);
    sb_input in = {.ids = ids, .n_tokens = 2, .n_context = 1, .script = op, .n_script = r->n};
    in.n_emit   = 77;
    ck_assert_int_eq(sb_input_seal(&in), SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), r->text));
    ck_assert_int_eq(in.n_emit, 77);
    ck_assert_str_eq(in.sha256, "");
}
END_TEST

START_TEST(seal_counts)
{
    int32_t      ids[] = {0, 1};
    sb_script_op op[]  = {MARK,         EMIT(1, 9, 0), EMIT(1, 9, 1), ROLLBACK,
                          FEED_EMIT(0), EMIT(1, 9, 0), FEED(3),       EMIT(1, 9, 1)};
    sb_input     in    = {.ids = ids, .n_tokens = 2, .n_context = 1, .script = op, .n_script = 8};
    ck_assert_int_eq(sb_input_seal(&in), SB_OK);
    ck_assert_int_eq(in.n_emit, 4);
    ck_assert_int_eq(in.n_feed, 2);
    ck_assert_int_eq(in.n_groups, 2);
    ck_assert_uint_eq(strlen(in.sha256), 64);
}
END_TEST

/* The identity covers what the model sees and what is expected, and not the row number. */
START_TEST(identity_changes_with_every_field)
{
    sb_input in = make_row("niah_multikey", 1024, 3);
    char     was[65];
    memcpy(was, in.sha256, sizeof was);
    in.row = 99;
    ck_assert_int_eq(sb_input_seal(&in), SB_OK);
    ck_assert_str_eq(in.sha256, was);
#define CHANGES(lvalue)                                                                            \
    do {                                                                                           \
        (lvalue)++;                                                                                \
        ck_assert_int_eq(sb_input_seal(&in), SB_OK);                                               \
        ck_assert_str_ne(in.sha256, was);                                                          \
        (lvalue)--;                                                                                \
        ck_assert_int_eq(sb_input_seal(&in), SB_OK);                                               \
        ck_assert_str_eq(in.sha256, was);                                                          \
    } while (0)
    CHANGES(in.ids[0]);
    CHANGES(in.ids[in.n_tokens - 1]);
    CHANGES(in.n_context);
    CHANGES(in.spans[0].tok_begin);
    CHANGES(in.spans[1].tok_end);
    CHANGES(in.spans[2].ref);
    CHANGES(in.refs[0][0]);
    CHANGES(in.script[0].b);
    sb_input_fini(&in);
}
END_TEST

START_TEST(fini_is_safe_twice_and_on_nothing)
{
    sb_input in = make_row("vt", 1024, 0);
    sb_input_fini(&in);
    ck_assert_ptr_null(in.ids);
    ck_assert_int_eq(in.n_tokens, 0);
    sb_input_fini(&in);
    sb_input_fini(NULL);
}
END_TEST

START_TEST(span_kinds_have_names)
{
    ck_assert_str_eq(sb_span_kind_name(SB_SPAN_NEEDLE), "needle");
    ck_assert_str_eq(sb_span_kind_name(SB_SPAN_DISTRACTOR), "distractor");
    ck_assert_str_eq(sb_span_kind_name(SB_SPAN_QUERY), "query");
    ck_assert_str_eq(sb_span_kind_name(SB_SPAN_KIND_COUNT), "?");
}
END_TEST

static char *predict(const char *task, const int32_t *emitted, int64_t n)
{
    sb_input in   = make_row(task, 1024, 0);
    char    *text = NULL;
    ck_assert_int_eq(sb_prediction_text(sb_task_find("probe", task), &in, emitted, n, &text),
                     SB_OK);
    sb_input_fini(&in);
    return text;
}

START_TEST(predictions_are_grouped)
{
    const int32_t three[]  = {SB_TOK_LEAD + 7, SB_TOK_VAL + 1, SB_TOK_VAL + 2};
    const int32_t values[] = {SB_TOK_LEAD + 0, SB_TOK_LEAD + 1, SB_TOK_LEAD + 2, SB_TOK_LEAD + 3,
                              SB_TOK_VAL + 10, SB_TOK_VAL + 11, SB_TOK_VAL + 20, SB_TOK_VAL + 21,
                              SB_TOK_VAL + 30, SB_TOK_VAL + 31, SB_TOK_VAL + 40, SB_TOK_VAL + 41};
    char         *text     = predict("niah_single", three, 3);
    ck_assert_str_eq(text, "LEAD7 VAL1 VAL2");
    free(text);
    text = predict("niah_single", three, 1); /* decoding was cut off */
    ck_assert_str_eq(text, "LEAD7");
    free(text);
    text = predict("niah_multivalue", values, 12);
    ck_assert_str_eq(text, "LEAD0 VAL10 VAL11; LEAD1 VAL20 VAL21; LEAD2 VAL30 VAL31; "
                           "LEAD3 VAL40 VAL41");
    free(text);
    text = predict("niah_multivalue", values, 7);
    ck_assert_str_eq(text, "LEAD0 VAL10 VAL11; LEAD1 VAL20; LEAD2; LEAD3");
    free(text);
    text = predict("vt", NULL, 0);
    ck_assert_str_eq(text, "; ; ; ; ");
    free(text);
    const int32_t odd[] = {-7, 1, INT32_MAX};
    text                = predict("niah_single", odd, 3);
    ck_assert_str_eq(text, "?-7 ?1 ?2147483647");
    free(text);
}
END_TEST

START_TEST(too_many_emitted_tokens_are_refused)
{
    int32_t  emitted[4] = {0};
    char    *text       = NULL;
    sb_input in         = make_row("niah_single", 1024, 0);
    ck_assert_int_eq(
        sb_prediction_text(sb_task_find("probe", "niah_single"), &in, emitted, 4, &text),
        SB_ERR_INTERNAL);
    ck_assert_ptr_null(text);
    sb_input_fini(&in);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("input");
    TCase *t = tcase_create("input");
    tcase_add_loop_test(t, scripts_that_cannot_be_replayed_are_refused, 0,
                        (int)(sizeof refusals / sizeof refusals[0]));
    tcase_add_test(t, seal_counts);
    tcase_add_test(t, identity_changes_with_every_field);
    tcase_add_test(t, fini_is_safe_twice_and_on_nothing);
    tcase_add_test(t, span_kinds_have_names);
    tcase_add_test(t, predictions_are_grouped);
    tcase_add_test(t, too_many_emitted_tokens_are_refused);
    suite_add_tcase(s, t);
    return run_suite(s);
}
