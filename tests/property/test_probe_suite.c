/* Generators and model together [probe_model 14.1]: dense attention answers every task of suite
 * `probe`, each question a self-contained input. The harness' own forward pass is not used here, so
 * that a fault of it and one of the probe are told apart. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/harness/model/probe_rig.h"
#include "workloads/registry.h"

#define LENGTH 1024

static sb_corpus *corpus;

static void setup(void) { ck_assert_int_eq(sb_corpus_open("zipf", &corpus), SB_OK); }
static void teardown(void) { sb_corpus_close(corpus); }

static void play(rig *r, const sb_input *in, int32_t *emitted)
{
    int64_t n = 0, first = 0, row = in->n_tokens - 1;
    int64_t mark_filled = r->filled, mark_row = row;
    float   kept[SB_PROBE_ROW_VALUES], now[SB_PROBE_ROW_VALUES];
    sb_model_probe.row(r->model, row, now);
    memcpy(kept, now, sizeof now);
    for (int64_t i = 0; i < in->n_script; i++) {
        const sb_script_op *op = &in->script[i];
        switch (op->kind) {
        case SB_SCRIPT_EMIT:
            emitted[n] =
                sb_model_probe.argmax(r->model, now, op->a, op->b, emitted + first, n - first);
            n++;
            break;
        case SB_SCRIPT_FEED:
        case SB_SCRIPT_FEED_EMIT:
            rig_feed(r, op->kind == SB_SCRIPT_FEED ? op->a : emitted[op->a]);
            row = -1;
            sb_model_probe.row(r->model, row, now);
            first = n;
            break;
        case SB_SCRIPT_MARK:
            mark_filled = r->filled;
            mark_row    = row;
            memcpy(kept, now, sizeof now);
            break;
        case SB_SCRIPT_ROLLBACK:
            r->filled = mark_filled;
            row       = mark_row;
            memcpy(now, kept, sizeof now);
            first = n;
            break;
        default:
            ck_abort_msg("step %d", (int)op->kind);
        }
    }
    ck_assert_int_eq(n, in->n_emit);
}

static double answer(const sb_task *t, const char *const *settings, int64_t row)
{
    void     *params = calloc(1, t->params_bytes);
    sb_input  in     = {0};
    sb_score  score  = {0};
    char     *text   = NULL;
    int32_t  *emitted;
    sb_status st;
    rig       r;
    ck_assert_ptr_nonnull(params);
    ck_assert_int_eq(sb_params_default(t->params, params), SB_OK);
    st = t->generate(t, &(sb_gen_req){42, row, LENGTH, params, corpus}, &in);
    ck_assert_msg(st == SB_OK, "%s: %s", t->name, sb_error_text());
    emitted = calloc((size_t)in.n_emit, sizeof *emitted);
    ck_assert_ptr_nonnull(emitted);
    rig_open(&r, settings, &in, in.n_feed);
    rig_prefill(&r, in.n_tokens - 1);
    play(&r, &in, emitted);
    ck_assert_int_eq(sb_prediction_text(t, &in, emitted, in.n_emit, &text), SB_OK);
    ck_assert_int_eq(t->metric->score(text, &in, &score), SB_OK);
    rig_close(&r);
    sb_input_fini(&in);
    free(text);
    free(emitted);
    free(params);
    return score.value;
}

static const char *const names[] = {
    "niah_single", "niah_multikey", "niah_multivalue", "niah_multiquery", "vt", "qa_2hop", "cwe",
    "fwe"};
enum { TASKS = 8 };

static const sb_task *task(int i)
{
    const sb_task *t = sb_task_find("probe", names[i]);
    ck_assert_msg(t != NULL, "no task %s", names[i]);
    return t;
}

START_TEST(dense_answers_the_suite)
{
    static const char *const easy[] = {"preset=easy", NULL}, *const hard[] = {"preset=hard", NULL};
    static const char *const *const presets[] = {NULL, easy, hard};
    for (int64_t row = 0; row < 3; row++) {
        double score = answer(task(_i), presets[row], row);
        ck_assert_msg(score == 1.0, "%s, row %d: %g", names[_i], (int)row, score);
    }
}
END_TEST

START_TEST(negative_controls_bring_the_suite_to_chance)
{
    static const char *const permute[] = {"ablate=permute_v", NULL};
    static const char *const readout[] = {"ablate=readout_seed", NULL};
    double                   sum = answer(task(_i), permute, 0) + answer(task(_i), readout, 1);
    ck_assert_msg(sum / 2 <= 0.25, "%s: mean %g", names[_i], sum / 2);
}
END_TEST

int main(void)
{
    Suite   *s  = suite_create("probe suite under dense attention");
    TCase   *tc = tcase_create("tasks");
    SRunner *sr;
    int      failed;
    tcase_set_timeout(tc, 300);
    tcase_add_unchecked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, dense_answers_the_suite, 0, TASKS);
    tcase_add_loop_test(tc, negative_controls_bring_the_suite_to_chance, 0, TASKS);
    suite_add_tcase(s, tc);
    sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
