/* Good sweep files: defaults, axes, order, cells, exclude, --set, identity, anchors, --point. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/registry.h"
#include "tests/unit/harness/config/fakes.h"

static const char minimal[] = "sweep: tiny\n"
                              "experiment: task\n"
                              "model: {name: probe}\n"
                              "workloads:\n"
                              "  - {suite: probe, tasks: [niah_single], lengths: [1024]}\n"
                              "methods: [dense]\n";

/* 2 tasks x 2 lengths x (1 + 1 + 2 x 2) methods x 2 layouts */
static const char wide[] = "sweep: wide\n"
                           "experiment: task\n"
                           "backend: cpu\n"
                           "model: {name: probe, gain: 12}\n"
                           "workloads:\n"
                           "  - suite: probe\n"
                           "    tasks: [vt, cwe]\n"
                           "    lengths: [1K, 4096]\n"
                           "    samples: 7\n"
                           "    seed: 5\n"
                           "    corpus: zipf\n"
                           "    needles: 2\n"
                           "methods:\n"
                           "  - a_shape\n"
                           "  - {name: flexprefill, gamma: [0.9, 0.95], budget_tokens: [64, 128]}\n"
                           "  - dense\n"
                           "sharding: [{name: allgather, layout: [zigzag, contiguous]}]\n"
                           "decode: dense\n"
                           "quality: {mode: exact, detail: per_head}\n"
                           "timing: {warmup: 0, repetitions: 9}\n";

START_TEST(defaults_fill_what_the_file_leaves_out)
{
    sb_sweep       *s = fake_load_good(minimal, NULL, 0);
    const sb_point *p = s->points;
    ck_assert_str_eq(s->name, "tiny");
    ck_assert_str_eq(s->text, minimal);
    ck_assert_int_eq(s->n_points, 1);
    ck_assert_str_eq(p->experiment, "task");
    ck_assert_str_eq(p->model, "probe");
    ck_assert_str_eq(p->model_json, "{\"gain\":10.0,\"seed\":1}");
    ck_assert_double_eq(*(const double *)p->model_params, 10);
    ck_assert_str_eq(p->task->name, "niah_single");
    ck_assert_str_eq(p->task->suite, "probe");
    ck_assert_str_eq(p->task_json, "{\"corpus\":\"default\",\"needles\":1}");
    ck_assert_int_eq(*(const int64_t *)p->task_params, 1);
    ck_assert_str_eq(p->corpus, "default");
    ck_assert_int_eq(p->length_tokens, 1024);
    ck_assert_uint_eq(p->seed, 42);
    ck_assert_str_eq(p->method->name, "dense");
    ck_assert_str_eq(p->method_json, "{}");
    ck_assert_int_eq(p->scheme, SB_SCHEME_ALLGATHER);
    ck_assert_int_eq(p->layout, SB_LAYOUT_ZIGZAG);
    ck_assert_int_eq(p->decode, SB_DECODE_METHOD);
    ck_assert_int_eq(p->backend, SB_CPU);
    ck_assert_int_eq(p->ranks, 2);
    ck_assert_int_eq(p->samples, 20);
    ck_assert_int_eq(p->warmup, 1);
    ck_assert_int_eq(p->repetitions, 3);
    ck_assert_int_eq(p->quality, SB_QUALITY_SAMPLED);
    ck_assert_int_eq(p->detail, SB_DETAIL_SUMMARY);
    ck_assert_int_eq(p->graphs, SB_GRAPHS_AUTO);
    ck_assert_int_eq(p->anchor_only, 0);
    ck_assert_int_eq(p->cell, 0);
    sb_sweep_free(s);
}
END_TEST

/* sha256sum over the identity text, and over the point's hash with its newline, taken outside this
 * program. */
START_TEST(identity_and_hashes_are_golden)
{
    sb_sweep *s = fake_load_good(minimal, NULL, 0);
    ck_assert_str_eq(
        s->points[0].identity_json,
        "{\"backend\":\"cpu\",\"decode\":\"method\",\"dtype\":\"bf16\",\"experiment\":\"task\","
        "\"layout\":\"zigzag\",\"length\":1024,\"method\":\"dense\","
        "\"model\":{\"name\":\"probe\",\"params\":{\"gain\":10.0,\"seed\":1}},\"params\":{},"
        "\"ranks\":2,\"seed\":42,\"sharding\":\"allgather\",\"suite\":\"probe\","
        "\"task\":\"niah_single\",\"task_params\":{\"corpus\":\"default\",\"needles\":1}}");
    ck_assert_str_eq(s->points[0].hash,
                     "d07346909afb9e764cb4ea336d8b217d8b8eeb586393d87eb0581da0c1b4d9ba");
    ck_assert_str_eq(s->hash, "169b47f67e9e739093f1e31952f1da2f8686a2a145a572a9ca2a7f679fa09a00");
    sb_sweep_free(s);
}
END_TEST

START_TEST(hash_ignores_spelling_and_what_is_not_identity)
{
    /* comments, key order, block style, quotes, defaults written out, other samples, timing,
     * quality, graphs and name */
    static const char other[] = "# the same point\n"
                                "methods:\n"
                                "- name: 'dense'\n"
                                "timing: {repetitions: 5, warmup: 0}\n"
                                "quality: none\n"
                                "graphs: off\n"
                                "decode: [method]\n"
                                "sharding: {name: allgather, layout: zigzag}\n"
                                "workloads:\n"
                                "- samples: 3\n"
                                "  needles: 1\n"
                                "  corpus: default\n"
                                "  seed: 42\n"
                                "  lengths: 1K\n"
                                "  tasks: niah_single\n"
                                "  suite: probe\n"
                                "model: {seed: 1, gain: 1e1, name: probe}\n"
                                "backend: auto\n"
                                "experiment: task\n"
                                "sweep: another-name_1.0\n";
    sb_sweep         *a = fake_load_good(minimal, NULL, 0), *b = fake_load_good(other, NULL, 0);
    ck_assert_str_eq(a->points[0].hash, b->points[0].hash);
    ck_assert_str_eq(a->hash, b->hash);
    ck_assert_int_eq(b->points[0].samples, 3);
    ck_assert_int_eq(b->points[0].quality, SB_QUALITY_NONE);
    ck_assert_int_eq(b->points[0].graphs, SB_GRAPHS_OFF);
    sb_sweep_free(a);
    sb_sweep_free(b);
}
END_TEST

static const sb_set changes[] = {
    {"model.gain", "10.5"},
    {"model.seed", "2"},
    {"workloads[0].tasks", "cwe"},
    {"workloads[0].lengths", "1025"},
    {"workloads[0].seed", "43"},
    {"workloads[0].corpus", "zipf"},
    {"workloads[0].needles", "2"},
    {"methods", "a_shape"},
    {"methods[0]", "{name: flexprefill, gamma: 0.1}"},
    {"methods[0]", "{name: flexprefill, gamma: 0.10000000000000002}"},
    {"sharding", "{name: allgather, layout: block_striped}"},
    {"decode", "dense"},
    {"backend", "cuda"},
};

START_TEST(hash_changes_with_every_part_of_the_identity)
{
    enum { N = sizeof changes / sizeof *changes };
    sb_sweep *s[N + 1];
    for (int i = 0; i < N; i++)
        s[i] = fake_load_good(minimal, &changes[i], 1);
    s[N] = fake_load_good(minimal, NULL, 0);
    for (int i = 0; i <= N; i++)
        for (int j = 0; j < i; j++)
            ck_assert_str_ne(s[i]->points[0].hash, s[j]->points[0].hash);
    for (int i = 0; i <= N; i++)
        sb_sweep_free(s[i]);
}
END_TEST

START_TEST(reals_print_as_written)
{
    sb_set    set = {"methods",
                     "[{name: flexprefill, gamma: [0.9, 0.95, 1e-5, 0.30000000000000004]}]"};
    sb_sweep *s   = fake_load_good(minimal, &set, 1);
    ck_assert_int_eq(s->n_points, 4);
    ck_assert_str_eq(s->points[0].method_json,
                     "{\"budget_tokens\":1024,\"gamma\":0.9,\"pattern\":\"power\"}");
    ck_assert_str_eq(s->points[1].method_json,
                     "{\"budget_tokens\":1024,\"gamma\":0.95,\"pattern\":\"power\"}");
    ck_assert_str_eq(s->points[2].method_json,
                     "{\"budget_tokens\":1024,\"gamma\":1e-5,\"pattern\":\"power\"}");
    ck_assert_str_eq(
        s->points[3].method_json,
        "{\"budget_tokens\":1024,\"gamma\":0.30000000000000004,\"pattern\":\"power\"}");
    sb_sweep_free(s);
}
END_TEST

START_TEST(axes_multiply_cells_stay_together_dense_leads)
{
    static const char *const order[]  = {"dense",       "a_shape",     "flexprefill",
                                         "flexprefill", "flexprefill", "flexprefill"};
    static const double      gamma[]  = {0.9, 0.9, 0.95, 0.95};
    static const int64_t     budget[] = {64, 128, 64, 128};
    static const char *const task[]   = {"vt", "cwe"};
    sb_sweep                *s        = fake_load_good(wide, NULL, 0);
    ck_assert_int_eq(s->n_points, 2 * 2 * 2 * 6);
    for (int64_t i = 0; i < s->n_points; i++) {
        const sb_point *p = &s->points[i];
        int64_t         m = i % 6, cell = i / 6;
        ck_assert_int_eq(p->cell, cell);
        ck_assert_str_eq(p->method->name, order[m]);
        ck_assert_int_eq(p->layout, cell % 2 == 0 ? SB_LAYOUT_ZIGZAG : SB_LAYOUT_CONTIGUOUS);
        ck_assert_int_eq(p->length_tokens, cell / 2 % 2 == 0 ? 1024 : 4096);
        ck_assert_str_eq(p->task->name, task[cell / 4]);
        ck_assert_int_eq(p->decode, SB_DECODE_DENSE);
        ck_assert_int_eq(p->samples, 7);
        ck_assert_uint_eq(p->seed, 5);
        ck_assert_str_eq(p->corpus, "zipf");
        ck_assert_str_eq(p->task_json, "{\"corpus\":\"zipf\",\"needles\":2}");
        ck_assert_str_eq(p->model_json, "{\"gain\":12.0,\"seed\":1}");
        ck_assert_int_eq(p->quality, SB_QUALITY_EXACT);
        ck_assert_int_eq(p->detail, SB_DETAIL_PER_HEAD);
        ck_assert_int_eq(p->warmup, 0);
        ck_assert_int_eq(p->repetitions, 9);
        if (m >= 2) {
            ck_assert_double_eq(*(const double *)p->method_params, gamma[m - 2]);
            ck_assert_int_eq(((const int64_t *)p->method_params)[1], budget[m - 2]);
        }
        for (int64_t j = 0; j < i; j++)
            ck_assert_str_ne(p->hash, s->points[j].hash);
    }
    sb_sweep_free(s);
}
END_TEST

START_TEST(model_seed_and_suite_parameters_are_axes_too)
{
    static const sb_set sets[] = {{"model.gain", "[5, 6]"},
                                  {"workloads[0].seed", "[1, 2, 3]"},
                                  {"workloads[0].needles", "[1, 4]"}};
    sb_sweep           *s      = fake_load_good(minimal, sets, 3);
    ck_assert_int_eq(s->n_points, 12);
    ck_assert_int_eq(s->points[11].cell, 11);
    ck_assert_str_eq(s->points[11].model_json, "{\"gain\":6.0,\"seed\":1}");
    ck_assert_str_eq(s->points[11].task_json, "{\"corpus\":\"default\",\"needles\":4}");
    ck_assert_uint_eq(s->points[11].seed, 3);
    sb_sweep_free(s);
}
END_TEST

START_TEST(decode_is_part_of_the_cell)
{
    static const sb_set sets[] = {{"decode", "[method, dense]"}, {"methods[1]", "a_shape"}};
    sb_sweep           *s      = fake_load_good(minimal, sets, 2);
    ck_assert_int_eq(s->n_points, 4);
    for (int64_t i = 0; i < 4; i++) {
        ck_assert_int_eq(s->points[i].cell, i / 2);
        ck_assert_int_eq(s->points[i].decode, i / 2);
    }
    sb_sweep_free(s);
}
END_TEST

typedef struct exclusion {
    const char *entries;
    int64_t     left; /* of 48 */
} exclusion;

static const exclusion exclusions[] = {
    {"[]", 48},
    {"[{method: flexprefill, gamma: 0.90}]", 32},
    {"[{method: [flexprefill], gamma: 0.9, budget_tokens: 64, length: 1K, task: vt, suite: probe, "
     "seed: 5, "
     "sharding: allgather, layout: zigzag, decode: dense}]",
     47},
    {"[{length: [1024, 4096], task: vt}]", 24},
    {"[{task: vt}, {layout: zigzag}, {method: [a_shape, flexprefill]}]", 2},
    {"{length: 4096}", 24},
};

START_TEST(exclude_takes_out_what_all_keys_match)
{
    const exclusion *e   = &exclusions[_i];
    sb_set           set = {"exclude", e->entries};
    sb_sweep        *s   = fake_load_good(wide, &set, 1);
    ck_assert_int_eq(s->n_points, e->left);
    for (int64_t i = 1; i < s->n_points; i++) /* cells are counted without gaps */
        ck_assert(s->points[i].cell == s->points[i - 1].cell ||
                  s->points[i].cell == s->points[i - 1].cell + 1);
    ck_assert_int_eq(s->points[0].cell, 0);
    sb_sweep_free(s);
}
END_TEST

START_TEST(corpus_path_expands_home_but_identity_keeps_what_was_written)
{
    sb_set set = {"workloads[0].corpus.path", "~/."};
    ck_assert_int_eq(setenv("HOME", "/usr", 1), 0);
    sb_sweep *s = fake_load_good(minimal, &set, 1);
    ck_assert_str_eq(s->points[0].corpus, "/usr/.");
    ck_assert_str_eq(s->points[0].task_json, "{\"corpus\":{\"path\":\"~/.\"},\"needles\":1}");
    sb_sweep_free(s);
    ck_assert_int_eq(unsetenv("HOME"), 0);
    char *errors = fake_load_bad(minimal, &set, 1);
    ck_assert_str_eq(errors, "--set workloads[0].corpus.path: found `~/.`, allowed a path without "
                             "`~` (HOME is not set)\n");
    free(errors);
}
END_TEST

START_TEST(byte_order_mark_and_windows_line_ends_are_fine)
{
    char   text[2048] = "\xef\xbb\xbf";
    size_t n          = 3;
    for (const char *s = minimal; *s != '\0'; s++) {
        if (*s == '\n')
            text[n++] = '\r';
        text[n++] = *s;
    }
    sb_sweep *a = fake_load_good(minimal, NULL, 0), *b = fake_load_good(text, NULL, 0);
    ck_assert_str_eq(a->hash, b->hash);
    sb_sweep_free(a);
    sb_sweep_free(b);
}
END_TEST

START_TEST(set_overrides_and_adds)
{
    static const sb_set sets[] = {
        {"sweep", "renamed"},
        {"workloads[0].samples", "2"},
        {"workloads[0].lengths[1]", "2K"},
        {"timing.repetitions", "1"},
        {"methods[1]", "flexprefill"},
        {"methods[1].gamma", "[0.9,0.95]"},
        {"methods[0].name", "a_shape"},
        {"quality.detail", "per_head"},
        {"sharding[0].name", "allgather"},
        {"sharding[0].layout", "zigzag"},
        {"backend", "cpu"},
        {"timing.repetitions", "4"},
    };
    sb_sweep *s = fake_load_good(minimal, sets, sizeof sets / sizeof *sets);
    ck_assert_str_eq(s->name, "renamed");
    ck_assert_str_eq(s->text, minimal);
    ck_assert_int_eq(s->n_points, 2 * 3);
    ck_assert_str_eq(s->points[0].method->name, "a_shape");
    ck_assert_str_eq(s->points[5].method->name, "flexprefill");
    ck_assert_double_eq(*(const double *)s->points[5].method_params, 0.95);
    ck_assert_int_eq(s->points[5].length_tokens, 2048);
    ck_assert_int_eq(s->points[5].samples, 2);
    ck_assert_int_eq(s->points[5].repetitions, 4); /* the later one wins */
    ck_assert_int_eq(s->points[5].warmup, 1);
    ck_assert_int_eq(s->points[5].detail, SB_DETAIL_PER_HEAD);
    ck_assert_int_eq(s->points[5].quality, SB_QUALITY_SAMPLED);
    ck_assert_int_eq(s->points[5].layout, SB_LAYOUT_ZIGZAG);
    sb_sweep_free(s);
}
END_TEST

START_TEST(set_mends_a_file_that_is_wrong)
{
    sb_set set = {"backend", "cpu"};
    char   text[512];
    (void)snprintf(text, sizeof text, "%sbackend: gpu\n", minimal);
    sb_sweep *s = fake_load_good(text, &set, 1);
    ck_assert_int_eq(s->points[0].backend, SB_CPU);
    sb_sweep_free(s);
}
END_TEST

START_TEST(auto_backend_and_ranks_come_from_the_launch)
{
    sb_sweep_env env   = {.ranks = 8, .auto_backend = SB_CUDA, .models = fake_models};
    char         dir[] = "/tmp/sweep_XXXXXX", path[64];
    sb_sweep    *s     = NULL;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/a.yaml", dir);
    FILE *f = fopen(path, "w");
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fputs(minimal, f), 0);
    ck_assert_int_eq(fclose(f), 0);
    ck_assert_int_eq(sb_sweep_load(path, NULL, 0, &env, NULL, &s), SB_OK);
    ck_assert_int_eq(s->points[0].backend, SB_CUDA);
    ck_assert_int_eq(s->points[0].ranks, 8);
    ck_assert_ptr_nonnull(strstr(s->points[0].identity_json, "\"backend\":\"cuda\""));
    ck_assert_ptr_nonnull(strstr(s->points[0].identity_json, "\"ranks\":8"));
    ck_assert_str_eq(s->path, path);
    sb_sweep_free(s);
    ck_assert_int_eq(remove(path), 0);
    ck_assert_int_eq(remove(dir), 0);
}
END_TEST

START_TEST(anchor_is_the_dense_point_of_the_cell)
{
    int64_t   anchor = -1;
    sb_sweep *s      = fake_load_good(wide, NULL, 0);
    for (int64_t i = 0; i < 48; i++) {
        ck_assert_int_eq(sb_sweep_anchor(s, i, &anchor), SB_OK);
        ck_assert_int_eq(anchor, i / 12 * 12); /* in zigzag, of both layouts */
    }
    ck_assert_int_eq(s->n_points, 48);
    sb_sweep_free(s);
}
END_TEST

START_TEST(no_anchor_is_added_where_no_dense_time_is_wanted)
{
    sb_set    set[]  = {{"exclude", "[{method: dense}]"}, {"timing.dense", "none"}};
    int64_t   anchor = -1;
    sb_sweep *s      = fake_load_good(wide, set, 2);
    for (int64_t i = 0; i < 40; i++) {
        ck_assert_int_eq(sb_sweep_anchor(s, i, &anchor), SB_OK);
        ck_assert_int_eq(anchor, i);
    }
    ck_assert_int_eq(s->n_points, 40);
    sb_sweep_free(s);
}
END_TEST

START_TEST(anchor_is_added_once_where_the_file_has_none)
{
    sb_set    set    = {"exclude", "[{method: dense}]"};
    int64_t   anchor = -1;
    sb_sweep *s = fake_load_good(wide, &set, 1), *full = fake_load_good(wide, NULL, 0);
    char      hash[65];
    memcpy(hash, s->hash, sizeof hash);
    ck_assert_int_eq(s->n_points, 40);
    for (int64_t i = 0; i < 40; i++) {
        int64_t cell = i / 10 * 2; /* zigzag, and contiguous behind it */
        ck_assert_int_eq(sb_sweep_anchor(s, i, &anchor), SB_OK);
        ck_assert_int_eq(anchor, 40 + cell / 2);
        const sb_point *p = &s->points[anchor], *want = &full->points[cell * 6];
        ck_assert_str_eq(p->hash, want->hash);
        ck_assert_str_eq(p->identity_json, want->identity_json);
        ck_assert_str_eq(p->method->name, "dense");
        ck_assert_int_eq(p->anchor_only, 1);
        ck_assert_int_eq(p->cell, cell);
        ck_assert_int_eq(p->samples, 7);
    }
    ck_assert_int_eq(s->n_points, 44);
    ck_assert_str_eq(s->hash, hash);
    ck_assert_int_eq(sb_sweep_anchor(s, 43, &anchor), SB_OK); /* an anchor is its own */
    ck_assert_int_eq(anchor, 43);
    anchor = -1;
    ck_assert_int_ne(sb_sweep_anchor(s, 44, &anchor), SB_OK);
    ck_assert_int_ne(sb_sweep_anchor(s, -1, &anchor), SB_OK);
    ck_assert_int_eq(anchor, -1);
    sb_sweep_free(s);
    sb_sweep_free(full);
}
END_TEST

START_TEST(select_by_place_range_and_hash)
{
    int64_t   first = -1, last = -1;
    char      prefix[65];
    sb_sweep *s = fake_load_good(wide, NULL, 0);
    ck_assert_int_eq(sb_sweep_select(s, "7", &first, &last), SB_OK);
    ck_assert(first == 7 && last == 7);
    ck_assert_int_eq(sb_sweep_select(s, "0-47", &first, &last), SB_OK);
    ck_assert(first == 0 && last == 47);
    ck_assert_int_eq(sb_sweep_select(s, "3-12", &first, &last), SB_OK);
    ck_assert(first == 3 && last == 12);
    for (int64_t i = 0; i < s->n_points; i++) {
        (void)snprintf(prefix, sizeof prefix, "%.*s", i % 2 == 0 ? 12 : 64, s->points[i].hash);
        ck_assert_int_eq(sb_sweep_select(s, prefix, &first, &last), SB_OK);
        ck_assert(first == i && last == i);
    }
    sb_sweep_free(s);
}
END_TEST

static const char *const bad_selections[] = {
    "",
    "48",
    "-1",
    "7-",
    "7-3",
    "0-48",
    "7,8",
    "abcde",
    "zzzzzz",
    "ffffffffff",
    "7 ",
    " 7",
    "99999999999999999999",
    "0x7",
    "1-99999999999999999999",
    "ABCDEF",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
};

START_TEST(select_refuses_the_rest)
{
    int64_t   first = -5, last = -6;
    sb_sweep *s = fake_load_good(wide, NULL, 0);
    ck_assert_int_eq(sb_sweep_select(s, bad_selections[_i], &first, &last), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "--point: found "));
    ck_assert(first == -5 && last == -6);
    sb_sweep_free(s);
}
END_TEST

START_TEST(select_says_when_a_prefix_is_not_unique)
{
    int64_t   first, last;
    sb_sweep *s = fake_load_good(wide, NULL, 0);
    memcpy(s->points[1].hash, s->points[0].hash, 10); /* a collision of ten digits, made by hand */
    s->points[0].hash[10] = 'a';
    s->points[1].hash[10] = 'b';
    char prefix[12];
    (void)snprintf(prefix, sizeof prefix, "%.10s", s->points[0].hash);
    ck_assert_int_eq(sb_sweep_select(s, prefix, &first, &last), SB_ERR_USAGE);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "found 2 points"));
    (void)snprintf(prefix, sizeof prefix, "%.11s", s->points[1].hash);
    ck_assert_int_eq(sb_sweep_select(s, prefix, &first, &last), SB_OK);
    ck_assert_int_eq(first, 1);
    sb_sweep_free(s);
}
END_TEST

START_TEST(names_of_enums)
{
    ck_assert_str_eq(sb_layout_name(SB_LAYOUT_CONTIGUOUS), "contiguous");
    ck_assert_str_eq(sb_layout_name(SB_LAYOUT_ZIGZAG), "zigzag");
    ck_assert_str_eq(sb_layout_name(SB_LAYOUT_BLOCK_STRIPED), "block_striped");
    ck_assert_str_eq(sb_layout_name(SB_LAYOUT_LPT), "lpt");
    ck_assert_str_eq(sb_scheme_name(SB_SCHEME_ALLGATHER), "allgather");
    ck_assert_str_eq(sb_decode_name(SB_DECODE_METHOD), "method");
    ck_assert_str_eq(sb_decode_name(SB_DECODE_DENSE), "dense");
    ck_assert_str_eq(sb_decode_name(SB_DECODE_COUNT), "unknown");
    sb_sweep_free(NULL);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("sweep");
    TCase *t = tcase_create("good files");
    tcase_add_test(t, defaults_fill_what_the_file_leaves_out);
    tcase_add_test(t, identity_and_hashes_are_golden);
    tcase_add_test(t, hash_ignores_spelling_and_what_is_not_identity);
    tcase_add_test(t, hash_changes_with_every_part_of_the_identity);
    tcase_add_test(t, reals_print_as_written);
    tcase_add_test(t, axes_multiply_cells_stay_together_dense_leads);
    tcase_add_test(t, model_seed_and_suite_parameters_are_axes_too);
    tcase_add_test(t, decode_is_part_of_the_cell);
    tcase_add_loop_test(t, exclude_takes_out_what_all_keys_match, 0,
                        sizeof exclusions / sizeof *exclusions);
    tcase_add_test(t, corpus_path_expands_home_but_identity_keeps_what_was_written);
    tcase_add_test(t, byte_order_mark_and_windows_line_ends_are_fine);
    tcase_add_test(t, set_overrides_and_adds);
    tcase_add_test(t, set_mends_a_file_that_is_wrong);
    tcase_add_test(t, auto_backend_and_ranks_come_from_the_launch);
    tcase_add_test(t, anchor_is_the_dense_point_of_the_cell);
    tcase_add_test(t, anchor_is_added_once_where_the_file_has_none);
    tcase_add_test(t, no_anchor_is_added_where_no_dense_time_is_wanted);
    tcase_add_test(t, select_by_place_range_and_hash);
    tcase_add_loop_test(t, select_refuses_the_rest, 0,
                        sizeof bad_selections / sizeof *bad_selections);
    tcase_add_test(t, select_says_when_a_prefix_is_not_unique);
    tcase_add_test(t, names_of_enums);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
