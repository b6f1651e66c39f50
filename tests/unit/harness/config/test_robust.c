/* Random damage to good files, and memory that runs out at every place: an answer or a proper
 * error, never a crash, a leak or a hang. Same damage in every run (fixed seed); built with
 * sanitizers this looks behind every path. */
#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness/config/pool.h"
#include "tests/unit/harness/config/fakes.h"

static const char good[] = "# a comment\n"
                           "sweep: wide\n"
                           "experiment: task\n"
                           "backend: cpu\n"
                           "model: {name: probe, gain: 12}\n"
                           "workloads:\n"
                           "  - suite: probe\n"
                           "    tasks: [vt, cwe]\n"
                           "    lengths: [1K, 4096]\n"
                           "    samples: 7\n"
                           "    seed: [5, 6]\n"
                           "    corpus: {path: /tmp}\n"
                           "    needles: 2\n"
                           "methods:\n"
                           "  - a_shape\n"
                           "  - {name: flexprefill, gamma: [0.9, 0.95], budget_tokens: [64, 128]}\n"
                           "  - dense\n"
                           "sharding: [{name: allgather, layout: [zigzag, contiguous]}]\n"
                           "decode: dense\n"
                           "quality: {mode: exact, detail: per_head}\n"
                           "timing: {warmup: 0, repetitions: \"9\"}\n"
                           "exclude:\n"
                           "  - {method: flexprefill, gamma: 0.9, length: [4K]}\n";

static const char operator_alone[] =
    "# a comment\n"
    "sweep: wide\n"
    "experiment: attention\n"
    "inputs:\n"
    "  - {distribution: [random, structured], heads: [8, 4], kv_heads: 2, lengths: [1K]}\n"
    "  - {distribution: needle, needles: 2, head_dim: 64, lengths: 2048, seed: [1, 2]}\n"
    "  - {tensors: tests/fixtures/tensors/small.safetensors, q: q, scale: 0.25}\n"
    "methods: [dense, {name: flexprefill, gamma: 0.95}]\n"
    "timing: {warmup: 0, repetitions: 9}\n"
    "exclude:\n"
    "  - {distribution: random, heads: 4}\n"
    "dump: {dir: ~/out, what: [index, o, lse]}\n";

static const struct {
    const char *text;
    size_t      bytes;
} texts[] = {{good, sizeof good - 1}, {operator_alone, sizeof operator_alone - 1}};
enum { N_TEXTS = sizeof texts / sizeof *texts };

static uint64_t state = 0x9e3779b97f4a7c15u;

static uint32_t draw(uint32_t below)
{
    state ^= state << 13; /* xorshift64 */
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 33) % below;
}

/* One to eight small changes; structure characters more often than chance would have them. */
static size_t damage(char *text, size_t n, size_t capacity)
{
    static const char marks[] = "[]{}:,-&*!|>'\"#%@`?\n \t~<\\";
    for (uint32_t left = draw(draw(8) + 1) + 1; left > 0; left--) {
        size_t at = draw((uint32_t)n), len = draw(12) + 1, to = draw((uint32_t)n);
        char   c = draw(3) == 0 ? (char)draw(256) : marks[draw(sizeof marks - 1)];
        switch (draw(5)) {
        case 0:
            text[at] = c;
            break;
        case 1: /* insert */
            if (n < capacity) {
                memmove(text + at + 1, text + at, n - at);
                text[at] = c;
                n++;
            }
            break;
        case 2: /* cut */
            if (at + len < n) {
                memmove(text + at, text + at + len, n - at - len);
                n -= len;
            }
            break;
        case 3: /* copy a piece over another */
            if (at + len < n && to + len < n)
                memmove(text + to, text + at, len);
            break;
        default:
            text[at] = (char)(text[at] ^ (1 << draw(8)));
            break;
        }
    }
    return n;
}

/* Each line must be `PATH[:LINE:COL]: KEY: found ..., allowed ...` without control characters. */
static void check_errors(const char *errors, const char *text)
{
    ck_assert_str_ne(errors, "");
    for (const char *line = errors; *line != '\0'; line = strchr(line, '\n') + 1) {
        const char *end = strchr(line, '\n'), *found = strstr(line, ": found "),
                   *allowed = strstr(line, ", allowed ");
        ck_assert_msg(end != NULL && strncmp(line, "bad.yaml:", 9) == 0, "%s\n%s", line, text);
        ck_assert_msg(found != NULL && found < end && allowed != NULL && allowed < end, "%s\n%s",
                      line, text);
        for (const char *s = line; s < end; s++)
            ck_assert_msg((unsigned char)*s >= 0x20 && *s != 0x7f, "%s\n%s", line, text);
    }
}

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

START_TEST(damaged_files_are_fine_or_refused)
{
    enum { CAPACITY = 4096, ROUNDS = 6000 };
    char         text[CAPACITY + 1];
    int          fine = 0, refused = 0;
    const double start = seconds();
    for (int i = 0; i < ROUNDS && (i < 500 || seconds() - start < 2); i++) {
        char     *errors = NULL;
        sb_sweep *s      = NULL;
        memcpy(text, texts[i % N_TEXTS].text, texts[i % N_TEXTS].bytes);
        size_t n     = damage(text, texts[i % N_TEXTS].bytes, CAPACITY);
        text[n]      = '\0';
        sb_status st = fake_load("bad.yaml", text, n, NULL, 0, &errors, &s);
        if (st == SB_OK) {
            ck_assert_str_eq(errors, "");
            ck_assert_int_gt(s->n_points, 0);
            fine++;
        } else {
            ck_assert_msg(st == SB_ERR_USAGE, "%s: %s", sb_status_name(st), sb_error_text());
            ck_assert_ptr_null(s);
            check_errors(errors, text);
            refused++;
        }
        sb_sweep_free(s);
        free(errors);
    }
    ck_assert_int_gt(fine, 0); /* damage in comments and names */
    ck_assert_int_gt(refused, fine);
}
END_TEST

START_TEST(damaged_sets_are_fine_or_refused)
{
    char         path[128], value[256];
    const double start = seconds();
    for (int i = 0; i < 3000 && (i < 200 || seconds() - start < 1); i++) {
        char     *errors = NULL;
        sb_sweep *s      = NULL;
        (void)strcpy(path, "methods[1].gamma[0]");
        (void)strcpy(value, "{name: flexprefill, gamma: [0.9, 0.95]}");
        path[damage(path, strlen(path), sizeof path - 1)]     = '\0';
        value[damage(value, strlen(value), sizeof value - 1)] = '\0';
        sb_set    set                                         = {path, value};
        sb_status st = fake_load("bad.yaml", good, sizeof good - 1, &set, 1, &errors, &s);
        ck_assert_int_eq(st == SB_OK, s != NULL);
        ck_assert(st == SB_OK || st == SB_ERR_USAGE);
        sb_sweep_free(s);
        free(errors);
    }
}
END_TEST

START_TEST(no_memory_in_the_pool_is_a_status)
{
    static const sb_set set    = {"timing.repetitions", "2"};
    char               *errors = NULL;
    sb_sweep           *s      = NULL;
    sb_status           st     = SB_ERR_NOMEM;
    int64_t             k      = 0;
    for (; st != SB_OK && k < 100000; k++) {
        sbi_pool_limit_calls = k;
        st = fake_load("good.yaml", texts[_i].text, texts[_i].bytes, &set, 1, &errors, &s);
        sbi_pool_limit_calls = INT64_MAX;
        ck_assert_msg(st == SB_OK || st == SB_ERR_NOMEM, "at %ld: %s: %s%s", (long)k,
                      sb_status_name(st), sb_error_text(), errors);
        ck_assert_int_eq(st == SB_OK, s != NULL);
        ck_assert_str_eq(errors, "");
        free(errors);
    }
    ck_assert_int_eq(st, SB_OK);
    ck_assert_int_gt(k, 200);
    for (int64_t i = 0, anchor = -1; i < 8; i++) { /* and the same for an anchor */
        sbi_pool_limit_calls = i;
        st                   = sb_sweep_anchor(s, 0, &anchor);
        sbi_pool_limit_calls = INT64_MAX;
        ck_assert(st == SB_OK || st == SB_ERR_NOMEM);
        ck_assert_int_eq(st == SB_OK, anchor == 0);
    }
    sb_sweep_free(s);
}
END_TEST

static int64_t json_left;

static void *json_alloc(size_t n)
{
    if (json_left == 0)
        return NULL;
    json_left--;
    return malloc(n);
}

START_TEST(no_memory_for_json_is_a_status_and_never_another_hash)
{
    static const char small[] =
        "sweep: t\nexperiment: task\nmodel: {name: probe, gain: 0.5}\nworkloads:\n"
        "  - {suite: probe, tasks: [vt], lengths: [1K], corpus: {path: /tmp}}\n"
        "methods: [dense, {name: flexprefill, gamma: 0.95}]\n";
    static const char small_operator[] =
        "sweep: t\nexperiment: attention\ninputs:\n  - {distribution: needle, lengths: 2048}\n"
        "  - {tensors: tests/fixtures/tensors/small.safetensors, scale: 0.25}\nmethods: [dense]\n";
    const char *text   = _i == 0 ? small : small_operator;
    char       *errors = NULL;
    sb_sweep   *s = NULL, *want = fake_load_good(text, NULL, 0);
    sb_status   st = SB_ERR_NOMEM;
    json_set_alloc_funcs(json_alloc, free);
    for (int64_t k = 0; st != SB_OK && k < 100000; k++) {
        json_left = k;
        st        = fake_load("good.yaml", text, strlen(text), NULL, 0, &errors, &s);
        ck_assert_msg(st == SB_OK || st == SB_ERR_NOMEM, "at %ld: %s: %s", (long)k,
                      sb_status_name(st), sb_error_text());
        free(errors);
    }
    ck_assert_int_eq(st, SB_OK);
    ck_assert_str_eq(s->points[0].hash, want->points[0].hash);
    sb_sweep_free(s);
    sb_sweep_free(want);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("robust sweeps");
    TCase *t = tcase_create("damage");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, damaged_files_are_fine_or_refused);
    tcase_add_test(t, damaged_sets_are_fine_or_refused);
    tcase_add_loop_test(t, no_memory_in_the_pool_is_a_status, 0, N_TEXTS);
    tcase_add_loop_test(t, no_memory_for_json_is_a_status_and_never_another_hash, 0, 2);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
