/* Seeded mutations of sound files of texts and wrappers through the fuzzer's entry: nothing
 * crashes, leaks or hangs, and what still opens makes whole rows. SPAN_FUZZ_ROUNDS: how many a
 * seed. */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/common.h"
#include "tests/unit/workloads/ruler/common.h"
#include "workloads/ruler/file.h"

static const char *const seed_file[] = {
    "configs/templates/ruler.json", "configs/templates/chat.json", OFFICIAL_TEXTS, OFFICIAL_CHAT};

/* A copy of exactly its size, so that the sanitizer sees one byte too many. */
static void feed(const char *data, int64_t n)
{
    char *own = malloc(n > 0 ? (size_t)n : 1);
    ck_assert_ptr_nonnull(own);
    if (n > 0)
        memcpy(own, data, (size_t)n);
    ck_assert_int_eq(LLVMFuzzerTestOneInput((const uint8_t *)own, (size_t)n), 0);
    free(own);
}

START_TEST(bytes)
{
    char     *seed   = NULL, sha256[65];
    int64_t   n      = 0;
    sb_rng    g      = {(uint64_t)_i};
    const int rounds = fuzz_rounds(500);
    ck_assert_int_eq(sbi_file_text(seed_file[_i], &seed, &n, sha256), SB_OK);
    feed(seed, n);
    for (int r = 0; r < rounds; r++) {
        sbi_text t = {0};
        sbi_text_put(&t, seed, n);
        for (uint64_t k = 1 + sb_rng_below(&g, 3); k > 0; k--)
            mutate(&t, &g);
        feed(sbi_text_str(&t), t.n);
        sbi_text_fini(&t);
    }
    for (int64_t cut = 0; cut < n; cut += 41)
        feed(seed, cut);
    free(seed);
}
END_TEST

/* Strings of the file get placeholders, braces, blanks and letters where they hurt. */
static void change_strings(json_t *v, sb_rng *g)
{
    static const char *const bits[] = {
        "{context}", "{query}", "{shot}",  "{",     "}",
        "{{",        "}}",      "{num_v}", "{key}", "are all",
        " are ",     "\n",      " ",       "VAR",   "{task_template}"};
    const char *key;
    json_t     *kid;
    void       *next;
    json_object_foreach_safe(v, next, key, kid)
    {
        if (json_is_object(kid)) {
            change_strings(kid, g);
        } else if (json_is_string(kid) && sb_rng_below(g, 6) == 0) {
            const char *s = json_string_value(kid);
            int64_t     n = (int64_t)strlen(s), at = (int64_t)sb_rng_below(g, (uint64_t)n + 1);
            sbi_text    t = {0};
            sbi_text_put(&t, s, at);
            sbi_text_puts(&t, bits[sb_rng_below(g, sizeof bits / sizeof *bits)]);
            if (sb_rng_below(g, 3) > 0)
                at += (int64_t)sb_rng_below(g, (uint64_t)(n - at) + 1);
            sbi_text_puts(&t, s + at);
            (void)json_object_set_new(v, key, json_string(sbi_text_str(&t)));
            sbi_text_fini(&t);
        } else if (json_is_integer(kid) && sb_rng_below(g, 6) == 0) {
            (void)json_object_set_new(v, key, json_integer((json_int_t)sb_rng_below(g, 3000) - 2));
        }
    }
}

START_TEST(values)
{
    json_error_t e;
    json_t      *seed   = json_load_file(seed_file[_i], 0, &e);
    sb_rng       g      = {100 + (uint64_t)_i};
    const int    rounds = fuzz_rounds(300);
    ck_assert_ptr_nonnull(seed);
    for (int r = 0; r < rounds; r++) {
        json_t *v = json_deep_copy(seed);
        char   *text;
        change_strings(v, &g);
        text = json_dumps(v, JSON_COMPACT);
        ck_assert_ptr_nonnull(text);
        feed(text, (int64_t)strlen(text));
        free(text);
        json_decref(v);
    }
    json_decref(seed);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("fuzz");
    tcase_add_loop_test(t, bytes, 0, 4);
    tcase_add_loop_test(t, values, 0, 4);
    return run_suite_of("template_fuzz", t);
}
