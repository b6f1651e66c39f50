/* Which points a sweep makes of methods that carry a state: one each, under state, whatever the
 * file's sharding says; their dense anchor; and what is refused. Over the real registries. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/config/sweep.h"
#include "harness/model/model.h"
#include "kernels/registry.h"

static const char head[] = "sweep: state\n"
                           "experiment: task\n"
                           "backend: cpu\n"
                           "model: {name: probe}\n"
                           "workloads:\n"
                           "  - {suite: probe, tasks: [niah_single, vt], lengths: [1024]}\n";

/* SB_OK and *out, or the errors (static buffer). */
static sb_status load_on(const char *rest, int32_t ranks, sb_sweep **out, const char **errors)
{
    static char   text[4096];
    char          name[] = "/tmp/test_state_XXXXXX", *written = NULL;
    sb_model_desc models[8] = {{0}};
    size_t        n         = 0;
    int           file      = mkstemp(name);
    FILE         *e         = open_memstream(&written, &n);
    ck_assert(file >= 0 && e != NULL);
    ck_assert_int_eq(write(file, head, strlen(head)), (ssize_t)strlen(head));
    ck_assert_int_eq(write(file, rest, strlen(rest)), (ssize_t)strlen(rest));
    close(file);
    for (int i = 0; i < 7 && sb_models[i] != NULL; i++)
        models[i] = sb_model_describe(sb_models[i]);
    sb_sweep_env env = {.ranks = ranks, .auto_backend = SB_CPU, .models = models};
    sb_status    st  = sb_sweep_load(name, NULL, 0, &env, e, out);
    (void)fclose(e);
    (void)snprintf(text, sizeof text, "%s", written);
    *errors = text;
    free(written);
    unlink(name);
    return st;
}

static sb_status load(const char *rest, sb_sweep **out, const char **errors)
{
    return load_on(rest, 3, out, errors);
}

static sb_sweep *on_ranks(const char *rest, int32_t ranks)
{
    sb_sweep   *s = NULL;
    const char *errors;
    ck_assert_msg(load_on(rest, ranks, &s, &errors) == SB_OK, "%s", errors);
    return s;
}

static sb_sweep *good(const char *rest) { return on_ranks(rest, 3); }

static int carries(const sb_point *p) { return (p->method->caps & SB_CAP_STATE) != 0; }

static const char *const lists[] = {"",
                                    "sharding: [allgather]\n",
                                    "sharding: [{name: allgather, layout: [zigzag, contiguous]}]\n",
                                    "sharding: state\n",
                                    "sharding: [state, allgather]\n",
                                    "sharding: [{name: state, layout: contiguous}]\n"};
enum { N_LISTS = sizeof lists / sizeof *lists };

START_TEST(a_state_makes_one_point_under_state)
{
    static const int cells[] = {1, 1, 2, 1, 2, 1}; /* of dense: one a layout */
    char             rest[512], hash[2][65] = {{0}};
    (void)snprintf(rest, sizeof rest,
                   "methods: [lightning, {name: linear, kind: [gla, retnet]}, dense]\n"
                   "decode: [method, dense]\n%s",
                   lists[_i]);
    sb_sweep *s = good(rest), *alone = good("methods: [lightning]\n");
    int64_t   states = 0, dense = 0;
    for (int64_t i = 0; i < s->n_points; i++) {
        const sb_point *p = &s->points[i];
        if (carries(p)) {
            ck_assert_int_eq(p->scheme, SB_SCHEME_STATE);
            ck_assert_int_eq(p->layout, SB_LAYOUT_CONTIGUOUS);
            for (int64_t j = 0; j < i; j++) /* cells of their own, one for each decode */
                ck_assert(s->points[j].cell != p->cell ||
                          (carries(&s->points[j]) && s->points[j].decode == p->decode));
        }
        states += carries(p);
        dense += !carries(p);
    }
    ck_assert_int_eq(states, 2 * 2 * 3); /* tasks, decodes, methods */
    ck_assert_int_eq(dense, 2 * 2 * cells[_i]);
    /* the same point as in any other file */
    memcpy(hash[0], alone->points[0].hash, 65);
    for (int64_t i = 0; i < s->n_points; i++)
        if (strcmp(s->points[i].hash, hash[0]) == 0)
            memcpy(hash[1], hash[0], 65);
    ck_assert_str_eq(hash[0], hash[1]);
    ck_assert_ptr_nonnull(strstr(alone->points[0].identity_json, "\"sharding\":\"state\""));
    sb_sweep_free(s);
    sb_sweep_free(alone);
}
END_TEST

START_TEST(other_methods_keep_their_places)
{
    sb_sweep *with    = good("methods: [dense, lightning, a_shape]\n"),
             *without = good("methods: [dense, a_shape]\n");
    ck_assert_int_eq(with->n_points, 6);
    for (int64_t i = 0; i < 2; i++) /* first task: dense, a_shape, and the state behind them */
        ck_assert_str_eq(with->points[i].hash, without->points[i].hash);
    ck_assert_str_eq(with->points[2].method->name, "lightning");
    ck_assert_str_eq(with->points[3].hash, without->points[2].hash);
    sb_sweep_free(with);
    sb_sweep_free(without);
}
END_TEST

START_TEST(the_anchor_is_dense_as_it_runs_by_default)
{
    int64_t   anchor = -1;
    sb_sweep *s      = good("methods: [lightning]\nsharding: state\n");
    ck_assert_int_eq(s->n_points, 2);
    ck_assert_int_eq(sb_sweep_anchor(s, 1, &anchor), SB_OK);
    ck_assert_int_eq(anchor, 2); /* appended */
    ck_assert_str_eq(s->points[2].method->name, "dense");
    ck_assert_int_eq(s->points[2].scheme, SB_SCHEME_ALLGATHER);
    ck_assert_int_eq(s->points[2].layout, SB_LAYOUT_ZIGZAG);
    ck_assert_int_eq(s->points[2].anchor_only, 1);
    ck_assert_ptr_eq(s->points[2].task, s->points[1].task);
    sb_sweep_free(s);
    s = good("methods: [lightning, dense]\n"); /* asked for: found in its own cell */
    for (int64_t i = 0; i < 4; i++) {
        ck_assert_int_eq(sb_sweep_anchor(s, i, &anchor), SB_OK);
        ck_assert_int_eq(s->points[anchor].anchor_only, 0);
        ck_assert_ptr_eq(s->points[anchor].task, s->points[i].task);
        ck_assert_str_eq(s->points[anchor].method->name, "dense");
    }
    ck_assert_int_eq(s->n_points, 4);
    sb_sweep_free(s);
}
END_TEST

/* On several ranks dense runs in its own best layout beside any other, once for all of them; on one
 * rank in the method's, which is as good. */
START_TEST(the_anchor_has_the_best_layout_of_dense)
{
    static const struct {
        const char    *sharding;
        int64_t        anchors; /* added: one a task */
        sb_layout_kind layout;
    } cases[] = {
        {"{name: allgather, layout: [contiguous, block_striped, lpt]}", 2, SB_LAYOUT_ZIGZAG},
        {"{name: ring, layout: contiguous}", 2, SB_LAYOUT_ZIGZAG},
        {"{name: ulysses, layout: [zigzag, lpt]}", 2, SB_LAYOUT_CONTIGUOUS},
        {"{name: usp, ulysses: 2, layout: contiguous}", 2, SB_LAYOUT_ZIGZAG},
        {"fetch", 2, SB_LAYOUT_ZIGZAG},
        {"pass_q", 0, SB_LAYOUT_ZIGZAG},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int32_t ranks = 1; ranks <= 4; ranks += 3) {
            char text[160];
            (void)snprintf(text, sizeof text, "methods: [dense, a_shape]\nsharding: [%s]\n",
                           cases[i].sharding);
            sb_sweep *s = on_ranks(text, ranks);
            int64_t   n = s->n_points, anchor = -1;
            int32_t   last = s->points[n - 1].cell;
            for (int64_t p = 0; p < n; p++) {
                ck_assert_int_eq(sb_sweep_anchor(s, p, &anchor), SB_OK);
                const sb_point *d = &s->points[anchor];
                ck_assert_str_eq(d->method->name, "dense");
                ck_assert_int_eq(d->scheme, s->points[p].scheme);
                ck_assert_int_eq(d->layout, ranks == 1 ? s->points[p].layout : cases[i].layout);
                ck_assert_int_eq(d->anchor_only, anchor >= n);
                /* a cell of its own: what ran there is no time of this layout */
                ck_assert(anchor >= n ? d->cell > last : d->cell == s->points[p].cell);
            }
            ck_assert_int_eq(s->n_points - n, ranks == 1 ? 0 : cases[i].anchors);
            sb_sweep_free(s);
        }
}
END_TEST

START_TEST(excluding_names_what_the_point_has)
{
    sb_sweep *s = good("methods: [lightning, dense]\nexclude: [{method: lightning, sharding: "
                       "state, task: vt}]\n");
    ck_assert_int_eq(s->n_points, 3);
    sb_sweep_free(s);
}
END_TEST

/* Keys of some heads at a time: points of their own, by name and hash; those of all heads keep
 * theirs. */
START_TEST(heads_at_once_are_an_axis)
{
    static const char *const    want[]    = {"allgather", "allgather:1", "allgather:4", "fetch",
                                             "pass_q"};
    static const sb_layout_kind layouts[] = {SB_LAYOUT_ZIGZAG, SB_LAYOUT_ZIGZAG, SB_LAYOUT_ZIGZAG,
                                             SB_LAYOUT_CONTIGUOUS, SB_LAYOUT_ZIGZAG};
    sb_sweep *s = good("methods: [dense]\nsharding: [allgather, {name: allgather, heads_at_once: "
                       "[1, 4]}, fetch, pass_q]\n"),
             *alone = good("methods: [dense]\n");
    ck_assert_int_eq(s->n_points, 2 * 5); /* tasks */
    for (int i = 0; i < 5; i++) {
        char buf[SB_SHARDING_BYTES], json[64];
        ck_assert_str_eq(sb_point_sharding(&s->points[i], buf), want[i]);
        (void)snprintf(json, sizeof json, "\"sharding\":\"%s\"", want[i]);
        ck_assert_ptr_nonnull(strstr(s->points[i].identity_json, json));
        ck_assert_int_eq(s->points[i].layout, layouts[i]);
    }
    ck_assert_str_eq(s->points[0].hash, alone->points[0].hash);
    sb_sweep_free(s);
    sb_sweep_free(alone);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    static const struct {
        const char *rest, *want;
    } bad[] = {
        {"methods: [lightning]\nsharding: [{name: state, layout: zigzag}]\n",
         "sharding[0].layout: found `zigzag`, allowed contiguous"},
        {"methods: [lightning]\nexclude: [{method: lightning, sharding: allgather}]\n",
         "found an entry that matches no point"},
        {"methods: [lightning, lightning]\n", "found a point that `methods[0]`"},
        {"methods: [dense]\nsharding: [state, state]\n", "sharding[1]: found a point that"},
        {"methods: [dense]\nsharding: [{name: allgather, heads_at_once: 0}]\n",
         "sharding[0].heads_at_once: found `0`"},
        {"methods: [dense]\nsharding: [{name: ring, heads_at_once: 1}]\n",
         "sharding[0].heads_at_once: found an unknown key"},
    };
    sb_sweep   *s = NULL;
    const char *errors;
    ck_assert_int_eq(load(bad[_i].rest, &s, &errors), SB_ERR_USAGE);
    ck_assert_msg(strstr(errors, bad[_i].want) != NULL, "%s", errors);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("state sharding");
    TCase *t = tcase_create("points");
    tcase_add_loop_test(t, a_state_makes_one_point_under_state, 0, N_LISTS);
    tcase_add_test(t, other_methods_keep_their_places);
    tcase_add_test(t, the_anchor_is_dense_as_it_runs_by_default);
    tcase_add_test(t, the_anchor_has_the_best_layout_of_dense);
    tcase_add_test(t, excluding_names_what_the_point_has);
    tcase_add_test(t, heads_at_once_are_an_axis);
    tcase_add_loop_test(t, what_cannot_be_is_refused, 0, 6);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
