/* Shardings that share heads out: layouts unless named, teams as an axis, identities, and what is
 * refused. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/config/sweep.h"

static const char head[] =
    "sweep: heads\n"
    "experiment: attention\n"
    "backend: cpu\n"
    "inputs: [{distribution: structured, heads: 8, kv_heads: 4, head_dim: 32, "
    "lengths: 2048}]\n";

static sb_status load(const char *rest, sb_sweep **out, char errors[1024])
{
    char          name[] = "/tmp/test_heads_XXXXXX", *written = NULL;
    sb_model_desc none[1] = {{0}};
    size_t        n       = 0;
    int           file    = mkstemp(name);
    FILE         *e       = open_memstream(&written, &n);
    ck_assert(file >= 0 && e != NULL);
    ck_assert_int_eq(write(file, head, strlen(head)), (ssize_t)strlen(head));
    ck_assert_int_eq(write(file, rest, strlen(rest)), (ssize_t)strlen(rest));
    close(file);
    sb_sweep_env env = {.ranks = 4, .auto_backend = SB_CPU, .models = none};
    sb_status    st  = sb_sweep_load(name, NULL, 0, &env, e, out);
    (void)fclose(e);
    (void)snprintf(errors, 1024, "%s", written);
    free(written);
    unlink(name);
    return st;
}

static sb_sweep *good(const char *rest)
{
    sb_sweep *s = NULL;
    char      errors[1024];
    ck_assert_msg(load(rest, &s, errors) == SB_OK, "%s", errors);
    return s;
}

START_TEST(layouts_unless_named)
{
    char      buf[SB_SHARDING_BYTES];
    sb_sweep *s = good("methods: [dense]\nsharding: [ulysses, usp, {name: usp, ulysses: 2}]\n");
    ck_assert_int_eq(s->n_points, 3);
    ck_assert_int_eq(s->points[0].scheme, SB_SCHEME_ULYSSES);
    ck_assert_int_eq(s->points[0].layout, SB_LAYOUT_CONTIGUOUS);
    ck_assert_int_eq(s->points[1].scheme, SB_SCHEME_USP);
    ck_assert_int_eq(s->points[1].layout, SB_LAYOUT_ZIGZAG);
    ck_assert_int_eq(s->points[1].team, 0);
    ck_assert_int_eq(s->points[2].team, 2);
    ck_assert_str_eq(sb_point_sharding(&s->points[0], buf), "ulysses");
    ck_assert_str_eq(sb_point_sharding(&s->points[1], buf), "usp");
    ck_assert_str_eq(sb_point_sharding(&s->points[2], buf), "usp:2");
    ck_assert_ptr_nonnull(strstr(s->points[0].identity_json, "\"sharding\":\"ulysses\""));
    ck_assert_ptr_nonnull(strstr(s->points[1].identity_json, "\"sharding\":\"usp\""));
    ck_assert_ptr_nonnull(strstr(s->points[2].identity_json, "\"sharding\":\"usp:2\""));
    sb_sweep_free(s);
}
END_TEST

START_TEST(teams_and_layouts_are_axes)
{
    sb_sweep *s =
        good("methods: [dense, lightning]\nsharding: [{name: usp, ulysses: [2, 4], layout: "
             "[zigzag, contiguous]}]\nexclude: [{sharding: usp, layout: contiguous}]\n");
    ck_assert_int_eq(s->n_points, 3); /* two teams, and the state beside them */
    ck_assert_int_eq(s->points[0].team, 2);
    ck_assert_int_eq(s->points[1].team, 4);
    ck_assert_int_ne(s->points[0].cell, s->points[1].cell); /* anchors are those of the sharding */
    ck_assert_int_eq(s->points[2].scheme, SB_SCHEME_STATE);
    ck_assert_int_eq(s->points[2].team, 0);
    sb_sweep_free(s);
}
END_TEST

START_TEST(what_cannot_be_is_refused)
{
    static const struct {
        const char *rest, *want;
    } bad[] = {
        {"methods: [dense]\nsharding: [{name: ulysses, ulysses: 2}]\n", "sharding[0]"},
        {"methods: [dense]\nsharding: [{name: ring, ulysses: 2}]\n", "sharding[0]"},
        {"methods: [dense]\nsharding: [{name: usp, ulysses: 0}]\n",
         "sharding[0].ulysses: found `0`, allowed"},
        {"methods: [dense]\nsharding: [{name: usp, ulysses: two}]\n",
         "sharding[0].ulysses: found `two`, allowed"},
        {"methods: [dense]\nsharding: [{name: usp, ulysses: [2, 2]}]\n", "sharding[0].ulysses"},
        {"methods: [dense]\nsharding: [{name: usp, layout: diagonal}]\n",
         "sharding[0].layout: found `diagonal`, allowed"},
        {"methods: [dense]\nsharding: [usp, {name: usp, layout: zigzag}]\n",
         "sharding[1]: found a point that"},
        {"methods: [dense]\nsharding: [allgather, ulysses]\ndump: {dir: out, what: o}\n",
         "dump: found beside sharding ulysses, allowed beside those whose ranks have all heads"},
        {"methods: [dense]\nsharding: heads\n",
         "found `heads`, allowed one of allgather, state, ring, ulysses, usp"},
    };
    sb_sweep *s = NULL;
    char      errors[1024];
    ck_assert_int_eq(_i < (int)(sizeof bad / sizeof *bad), 1);
    ck_assert_int_eq(load(bad[_i].rest, &s, errors), SB_ERR_USAGE);
    ck_assert_msg(strstr(errors, bad[_i].want) != NULL, "%s", errors);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("heads sharding");
    TCase *t = tcase_create("points");
    tcase_add_test(t, layouts_unless_named);
    tcase_add_test(t, teams_and_layouts_are_axes);
    tcase_add_loop_test(t, what_cannot_be_is_refused, 0, 9);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
