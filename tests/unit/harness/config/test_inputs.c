/* Good sweeps of experiment: attention: defaults, axes, order, identity, files, exclude, --set,
 * dump. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/harness/config/fakes.h"

#define SMALL "tests/fixtures/tensors/small.safetensors"

static const char minimal[] = "sweep: tiny\n"
                              "experiment: attention\n"
                              "inputs:\n"
                              "  - {distribution: random, lengths: [1024]}\n"
                              "methods: [dense]\n";

/* 2 heads x 2 head_dims x 2 lengths x 2 seeds of 2 distributions, 3 parameters of another, a file
 */
static const char wide[] = "sweep: wide\n"
                           "experiment: attention\n"
                           "backend: cpu\n"
                           "inputs:\n"
                           "  - distribution: [random, structured]\n"
                           "    heads: [8, 4]\n"
                           "    kv_heads: 2\n"
                           "    head_dim: [64, 128]\n"
                           "    lengths: [2K, 1K]\n"
                           "    seed: [1, 2]\n"
                           "    samples: 3\n"
                           "  - {distribution: needle, needles: [1, 2, 4], lengths: 4K}\n"
                           "  - {tensors: " SMALL ", scale: 0.5}\n"
                           "methods: [a_shape, dense]\n"
                           "sharding: [{name: allgather, layout: zigzag}]\n"
                           "quality: exact\n"
                           "timing: {warmup: 1, repetitions: 7}\n"
                           "dump: {dir: out/here, what: [lse, index]}\n";

START_TEST(defaults_fill_what_the_file_leaves_out)
{
    sb_sweep       *s = fake_load_good(minimal, NULL, 0);
    const sb_point *p = s->points;
    ck_assert_int_eq(s->n_points, 1);
    ck_assert_ptr_null(s->dump_dir);
    ck_assert_uint_eq(s->dump_what, 0);
    ck_assert_str_eq(p->experiment, "attention");
    ck_assert_ptr_null(p->task);
    ck_assert_str_eq(p->suite, "synthetic");
    ck_assert_str_eq(p->task_name, "random");
    ck_assert_str_eq(p->task_json, "{}");
    ck_assert_str_eq(p->model, "none");
    ck_assert_str_eq(p->model_json, "{\"head_dim\":128,\"heads\":32,\"kv_heads\":8}");
    ck_assert_str_eq(p->input->distribution->name, "random");
    ck_assert_int_eq(p->input->heads, 32);
    ck_assert_int_eq(p->input->kv_heads, 8);
    ck_assert_int_eq(p->input->head_dim, 128);
    ck_assert_int_eq(p->input->n_queries, 1024);
    ck_assert_int_eq(p->length_tokens, 1024);
    ck_assert_uint_eq(p->seed, 42);
    ck_assert_int_eq(p->decode, SB_DECODE_NONE);
    ck_assert_int_eq(p->samples, 1);
    ck_assert_int_eq(p->warmup, 5); /* [quality_metrics B5] */
    ck_assert_int_eq(p->repetitions, 20);
    ck_assert_int_eq(p->quality, SB_QUALITY_SAMPLED);
    sb_sweep_free(s);
}
END_TEST

/* sha256sum over the text, taken outside this program. */
START_TEST(identity_is_golden)
{
    sb_sweep *s = fake_load_good(minimal, NULL, 0);
    ck_assert_str_eq(
        s->points[0].identity_json,
        "{\"backend\":\"cpu\",\"decode\":\"none\",\"dtype\":\"bf16\",\"experiment\":\"attention\","
        "\"layout\":\"zigzag\",\"length\":1024,\"method\":\"dense\","
        "\"model\":{\"name\":\"none\",\"params\":{\"head_dim\":128,\"heads\":32,\"kv_heads\":8}},"
        "\"params\":{},\"ranks\":2,\"seed\":42,\"sharding\":\"allgather\",\"suite\":\"synthetic\","
        "\"task\":\"random\",\"task_params\":{}}");
    ck_assert_str_eq(s->points[0].hash,
                     "dd6183328ff07da3a8da21d2ecf2d09af5f5bdded29ca24fc6ab7881805a61d3");
    sb_sweep_free(s);
}
END_TEST

static const sb_set changes[] = {
    {"inputs[0].distribution", "structured"},
    {"inputs[0].heads", "16"},
    {"inputs[0].kv_heads", "16"},
    {"inputs[0].head_dim", "64"},
    {"inputs[0].lengths", "1025"},
    {"inputs[0].seed", "43"},
    {"inputs[0]", "{distribution: needle, lengths: 1K}"},
    {"inputs[0]", "{distribution: needle, needles: 2, lengths: 1K}"},
    {"inputs[0]", "{tensors: " SMALL "}"},
    {"inputs[0]", "{tensors: " SMALL ", scale: 0.125}"},
    {"inputs[0]", "{tensors: " SMALL ", k: v}"},
    {"methods", "a_shape"},
    {"sharding", "{name: allgather, layout: block_striped}"},
    {"backend", "cuda"},
};
enum { N_CHANGES = sizeof changes / sizeof *changes };

START_TEST(hash_changes_with_every_part_of_the_identity)
{
    sb_sweep *s[N_CHANGES + 1];
    s[N_CHANGES] = fake_load_good(minimal, NULL, 0);
    for (int i = 0; i < N_CHANGES; i++)
        s[i] = fake_load_good(minimal, &changes[i], 1);
    for (int i = 0; i <= N_CHANGES; i++)
        for (int j = 0; j < i; j++)
            ck_assert_msg(strcmp(s[i]->points[0].hash, s[j]->points[0].hash) != 0, "%s",
                          changes[j].value);
    for (int i = 0; i <= N_CHANGES; i++)
        sb_sweep_free(s[i]);
}
END_TEST

START_TEST(hash_ignores_what_is_not_identity)
{
    static const sb_set sets[] = {{"inputs[0].samples", "5"}, {"timing", "{repetitions: 1}"},
                                  {"quality", "none"},        {"dump", "{dir: x, what: o}"},
                                  {"sweep", "other"},         {"inputs[0].heads", "32"}};
    sb_sweep           *a = fake_load_good(minimal, NULL, 0), *b = fake_load_good(minimal, sets, 6);
    ck_assert_str_eq(a->hash, b->hash);
    ck_assert_str_eq(b->dump_dir, "x");
    ck_assert_uint_eq(b->dump_what, SB_DUMP_O);
    ck_assert_int_eq(b->points[0].warmup, 5);
    ck_assert_int_eq(b->points[0].repetitions, 1);
    sb_sweep_free(a);
    sb_sweep_free(b);
}
END_TEST

/* Every method but dense, up to the length; none of it is identity. */
START_TEST(anchors_stand_beside_methods)
{
    static const sb_set sets[] = {{"timing", "{repetitions: 7, anchor: native, anchor_up_to: 1K}"}};
    sb_sweep           *a = fake_load_good(wide, NULL, 0), *b = fake_load_good(wide, sets, 1);
    ck_assert_str_eq(a->hash, b->hash);
    for (int64_t i = 0; i < b->n_points; i++) {
        const sb_point *p    = &b->points[i];
        int             want = strcmp(p->method->name, "dense") != 0 && p->length_tokens <= 1024;
        int64_t         dense;
        ck_assert_int_eq(p->anchor != NULL, want);
        ck_assert_ptr_null(a->points[i].anchor);
        if (!want)
            continue;
        ck_assert_str_eq(p->anchor->name, "dense");
        ck_assert_ptr_nonnull(p->anchor_params);
        ck_assert_int_eq(sb_sweep_anchor(b, i, &dense), SB_OK);
        ck_assert_ptr_null(b->points[dense].anchor);
    }
    sb_sweep_free(a);
    sb_sweep_free(b);
}
END_TEST

START_TEST(axes_multiply_the_last_fastest_dense_leads)
{
    sb_sweep *s = fake_load_good(wide, NULL, 0);
    ck_assert_int_eq(s->n_points, 2 * (2 * 16 + 3 + 1));
    for (int64_t i = 0; i < s->n_points; i++) {
        const sb_point *p = &s->points[i];
        ck_assert_int_eq(p->cell, i / 2);
        ck_assert_str_eq(p->method->name, i % 2 == 0 ? "dense" : "a_shape");
        ck_assert_int_eq(p->samples, i < 64 ? 3 : 1);
        ck_assert_int_eq(p->quality, SB_QUALITY_EXACT);
        ck_assert_int_eq(p->layout, SB_LAYOUT_ZIGZAG);
        ck_assert_int_eq(p->repetitions, 7);
        for (int64_t j = 0; j < i; j++)
            ck_assert_str_ne(p->hash, s->points[j].hash);
    }
    for (int64_t c = 0; c < 32; c++) {
        const sb_point *p = &s->points[2 * c];
        ck_assert_str_eq(p->task_name, c < 16 ? "random" : "structured");
        ck_assert_int_eq(p->input->heads, c / 8 % 2 == 0 ? 8 : 4);
        ck_assert_int_eq(p->input->kv_heads, 2);
        ck_assert_int_eq(p->input->head_dim, c / 4 % 2 == 0 ? 64 : 128);
        ck_assert_int_eq(p->length_tokens, c / 2 % 2 == 0 ? 2048 : 1024);
        ck_assert_int_eq(p->input->n_queries, p->length_tokens);
        ck_assert_uint_eq(p->seed, c % 2 == 0 ? 1 : 2);
    }
    for (int64_t c = 0; c < 3; c++) {
        const sb_point *p = &s->points[64 + 2 * c];
        ck_assert_int_eq(*(const int64_t *)p->input->params, 1 << c);
        ck_assert_int_eq(p->input->heads, 32);
    }
    ck_assert_str_eq(s->dump_dir, "out/here");
    ck_assert_uint_eq(s->dump_what, SB_DUMP_INDEX | SB_DUMP_LSE);
    sb_sweep_free(s);
}
END_TEST

START_TEST(a_file_gives_shape_name_and_content)
{
    sb_sweep             *s  = fake_load_good(wide, NULL, 0);
    const sb_point       *p  = &s->points[s->n_points - 1];
    const sb_point_input *in = p->input;
    ck_assert_ptr_null(in->distribution);
    ck_assert_str_eq(p->suite, "tensors");
    ck_assert_str_eq(p->task_name, "small.safetensors");
    ck_assert_str_eq(in->path, SMALL);
    ck_assert_int_eq(p->length_tokens, 4);
    ck_assert_int_eq(in->n_queries, 4);
    ck_assert_int_eq(in->heads, 2);
    ck_assert_int_eq(in->kv_heads, 1);
    ck_assert_int_eq(in->head_dim, 16);
    ck_assert_double_eq(in->scale, 0.5);
    ck_assert_str_eq(p->model_json, "{\"head_dim\":16,\"heads\":2,\"kv_heads\":1,\"scale\":0.5}");
    ck_assert_ptr_nonnull(strstr(p->task_json, in->seen.sha256));
    ck_assert_ptr_nonnull(strstr(p->task_json, "\"file\":\"small.safetensors\""));
    sb_sweep_free(s);
}
END_TEST

static void copy_file(const char *from, const char *to, long flip)
{
    FILE *a = fopen(from, "rb"), *b = fopen(to, "wb");
    ck_assert(a != NULL && b != NULL);
    for (int ch; (ch = fgetc(a)) != EOF; flip--)
        (void)fputc(flip == 0 ? ch ^ 1 : ch, b);
    ck_assert_int_eq(fclose(a) | fclose(b), 0);
}

START_TEST(a_copy_elsewhere_is_the_same_point_a_changed_file_another)
{
    char      dir[] = "/tmp/inputs_XXXXXX", path[64], value[128];
    sb_set    set   = {"inputs[0]", value};
    sb_set    here  = {"inputs[0]", "{tensors: " SMALL "}"};
    sb_sweep *want  = fake_load_good(minimal, &here, 1), *s;
    ck_assert_ptr_nonnull(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/small.safetensors", dir);
    (void)snprintf(value, sizeof value, "{tensors: %s}", path);
    copy_file(SMALL, path, -1);
    s = fake_load_good(minimal, &set, 1);
    ck_assert_str_eq(s->points[0].hash, want->points[0].hash);
    sb_sweep_free(s);
    copy_file(SMALL, path, 737 - 9);
    s = fake_load_good(minimal, &set, 1);
    ck_assert_str_ne(s->points[0].hash, want->points[0].hash);
    sb_sweep_free(s);
    sb_sweep_free(want);
    ck_assert_int_eq(unlink(path) | rmdir(dir), 0);
}
END_TEST

typedef struct exclusion {
    const char *entries;
    int64_t     left; /* of 72 */
} exclusion;

static const exclusion exclusions[] = {
    {"[{distribution: random}]", 40},
    {"[{distribution: random, heads: 8, head_dim: 64, length: 1K, seed: 2, method: a_shape}]", 71},
    {"[{kv_heads: [2, 8]}]", 2},
    {"[{tensors: " SMALL "}]", 70},
    {"[{distribution: needle, layout: zigzag, sharding: allgather}, {length: 4}]", 64},
};

START_TEST(exclude_takes_out_what_all_keys_match)
{
    sb_set    set = {"exclude", exclusions[_i].entries};
    sb_sweep *s   = fake_load_good(wide, &set, 1);
    ck_assert_int_eq(s->n_points, exclusions[_i].left);
    sb_sweep_free(s);
}
END_TEST

START_TEST(anchor_is_the_dense_point_of_the_input)
{
    sb_set    set    = {"exclude", "[{method: dense}]"};
    int64_t   anchor = -1;
    sb_sweep *s = fake_load_good(wide, &set, 1), *full = fake_load_good(wide, NULL, 0);
    ck_assert_int_eq(s->n_points, 36);
    for (int64_t i = 0; i < 36; i++) {
        ck_assert_int_eq(sb_sweep_anchor(s, i, &anchor), SB_OK);
        ck_assert_int_eq(anchor, 36 + i);
        ck_assert_str_eq(s->points[anchor].hash, full->points[2 * i].hash);
        ck_assert_int_eq(s->points[anchor].anchor_only, 1);
        ck_assert_ptr_eq(s->points[anchor].input, s->points[i].input);
    }
    sb_sweep_free(s);
    sb_sweep_free(full);
}
END_TEST

START_TEST(home_is_expanded_in_paths)
{
    static const sb_set sets[] = {{"dump", "{dir: ~/d, what: o}"},
                                  {"inputs[0]", "{tensors: ~/small.safetensors}"}};
    ck_assert_int_eq(setenv("HOME", "tests/fixtures/tensors", 1), 0);
    sb_sweep *s = fake_load_good(minimal, sets, 2);
    ck_assert_str_eq(s->dump_dir, "tests/fixtures/tensors/d");
    ck_assert_str_eq(s->points[0].input->path, SMALL);
    ck_assert_str_eq(s->points[0].input->written, "~/small.safetensors");
    sb_sweep_free(s);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("inputs");
    TCase *t = tcase_create("good files");
    tcase_add_test(t, defaults_fill_what_the_file_leaves_out);
    tcase_add_test(t, identity_is_golden);
    tcase_add_test(t, hash_changes_with_every_part_of_the_identity);
    tcase_add_test(t, hash_ignores_what_is_not_identity);
    tcase_add_test(t, anchors_stand_beside_methods);
    tcase_add_test(t, axes_multiply_the_last_fastest_dense_leads);
    tcase_add_test(t, a_file_gives_shape_name_and_content);
    tcase_add_test(t, a_copy_elsewhere_is_the_same_point_a_changed_file_another);
    tcase_add_loop_test(t, exclude_takes_out_what_all_keys_match, 0,
                        sizeof exclusions / sizeof *exclusions);
    tcase_add_test(t, anchor_is_the_dense_point_of_the_input);
    tcase_add_test(t, home_is_expanded_in_paths);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
