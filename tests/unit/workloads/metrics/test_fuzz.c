/* Every scorer takes any bytes, and a megabyte of them in bounded time. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "kernels/base/rng.h"
#include "tests/unit/results/main.h"
#include "tests/unit/workloads/metrics/jieba_data.h"
#include "workloads/metrics/jieba.h"
#include "workloads/metrics/ratio.h"

#if defined(__SANITIZE_ADDRESS__)
#define BIG_BYTES ((size_t)128 * 1024)
#define ROUNDS 300
#else
#define BIG_BYTES ((size_t)1024 * 1024)
#define ROUNDS 1000
#endif
#define SECONDS_MOST 120 /* processor time of one request; measured ones are far below */

static int n_scorers(void)
{
    int n = 0;
    while (sb_scorers[n] != NULL)
        n++;
    return n;
}

static sb_jieba *open_data(void)
{
    sb_jieba *j;
    jieba_data_make();
    jieba_data_write(jieba_data_good);
    ck_assert_msg(sb_jieba_open(jieba_data_folder, &j) == SB_OK, "%s", sb_error_text());
    jieba_data_remove();
    return j;
}

/* Bytes that mean something to some scorer come up more often than chance has it. */
static sb_text noise(sb_rng *r, char *to, size_t most)
{
    static const char *const bits[] = {"The correct answer is (A)",
                                       "answer is:",
                                       "Paragraph 7",
                                       "a",
                                       "the",
                                       "\xff",
                                       "\xe4\xb8",
                                       "\xf4\x90\x80\x80",
                                       "\xed\xa0\x80",
                                       "\xc0\x80",
                                       A,
                                       B C,
                                       "\xce\xa3",
                                       "\xcc\x81",
                                       "\r\n",
                                       "> 3",
                                       "1_0",
                                       "-",
                                       ".",
                                       "\n"};
    size_t                   n = 0, want = (size_t)sb_rng_below(r, most);
    while (n < want) {
        if (sb_rng_below(r, 3) == 0) {
            const char *s = bits[sb_rng_below(r, sizeof bits / sizeof *bits)];
            size_t      k = strlen(s) < want - n ? strlen(s) : want - n;
            memcpy(to + n, s, k);
            n += k;
        } else {
            to[n++] = (char)(sb_rng_below(r, 4) == 0 ? 0 : sb_rng_below(r, 256));
        }
    }
    return (sb_text){to, n};
}

static int is_form_error(sb_status st) { return st == SB_ERR_USAGE || st == SB_ERR_UNSUPPORTED; }

START_TEST(any_bytes)
{
    enum { TEXTS = 6, BYTES = 160 };
    const sb_scorer     *s                = sb_scorers[_i];
    sb_rng               r                = {sb_mix(0xF022 + (uint64_t)_i)};
    sb_jieba            *j                = (s->needs & SB_NEED_JIEBA) ? open_data() : NULL;
    static const int64_t relevance[TEXTS] = {3, 0, -1, INT64_MAX, INT64_MIN, 1};
    for (int k = 0; k < ROUNDS; k++) {
        /* each text in memory of its own size: the sanitizer sees a byte too far */
        char   *memory[3 * TEXTS + 1], scratch[BYTES];
        sb_text text[3 * TEXTS + 1];
        for (int t = 0; t < 3 * TEXTS + 1; t++) {
            sb_text made = noise(&r, scratch, sb_rng_below(&r, 4) == 0 ? 4 : BYTES);
            memory[t]    = malloc(made.bytes + (made.bytes == 0));
            ck_assert_ptr_nonnull(memory[t]);
            memcpy(memory[t], scratch, made.bytes);
            text[t] = (sb_text){memory[t], made.bytes};
        }
        sb_score_req req = {
            .preds      = text,
            .n_preds    = (s->needs & SB_NEED_PRED_LIST) ? (int64_t)sb_rng_below(&r, TEXTS) : 1,
            .refs       = text + TEXTS,
            .n_refs     = 1 + (int64_t)sb_rng_below(&r, TEXTS),
            .classes    = text + 2 * TEXTS,
            .n_classes  = 1 + (int64_t)sb_rng_below(&r, TEXTS),
            .question   = text[3 * TEXTS],
            .relevance  = relevance,
            .task       = "qa5",
            .drop_first = k & 1,
            .jieba      = j};
        sb_text_score score = {.value = -1};
        sb_status     st    = sb_scorer_score(s, &req, &score);
        if (st == SB_OK)
            ck_assert_msg(score.value >= 0 && score.value <= 1, "%s round %d: %g", s->name, k,
                          score.value);
        else
            ck_assert_msg(is_form_error(st), "%s round %d: %s", s->name, k, sb_error_text());
        for (int t = 0; t < 3 * TEXTS + 1; t++)
            free(memory[t]);
    }
    sb_jieba_close(j);
}
END_TEST

/* ---- a megabyte ---- */

static const struct {
    const char *name, *pattern;
} bigs[] = {
    {"one letter", "a"},
    {"two words", "a b "},
    {"short sentences", "a. b. c. "},
    {"lines", "x y\n"},
    {"digits", "1234567890"},
    {"numbers", "1 > 2 > "},
    {"marks in falling order", "\xcc\x81\xcc\xa7"},
    {"Han", A D B},
    {"zeros", "\0"},
    {"broken", "\xe4\xb8"},
    {"sigmas", "\xce\xa3'"},
    {"brackets", "The correct answer is (*"},
    {"mixed", NULL},
};

static char *big_text(int kind, size_t bytes)
{
    char  *s = malloc(bytes);
    sb_rng r = {42};
    size_t n = bigs[kind].pattern == NULL
                   ? 0
                   : strlen(bigs[kind].pattern) + (bigs[kind].pattern[0] == '\0');
    ck_assert_ptr_nonnull(s);
    for (size_t i = 0; i < bytes; i++)
        s[i] = n > 0 ? bigs[kind].pattern[i % n] : "abcdefgh .\n 123"[sb_rng_below(&r, 15)];
    return s;
}

/* One character of the text at every other place and nothing else that matches: the most matches,
 * each found by a search of its own. Below 200, where every character may start one. */
static sb_text thin_line(char of, char to[199])
{
    for (int i = 0; i < 199; i++)
        to[i] = (char)(i % 2 == 0 ? of : 'A' + i % 26);
    return (sb_text){to, 199};
}

START_TEST(megabyte)
{
    const sb_scorer *s   = sb_scorers[_i];
    sb_jieba        *j   = (s->needs & SB_NEED_JIEBA) ? open_data() : NULL;
    int64_t          rel = 1;
    char             thin[199];
    int              loud = getenv("SB_METRICS_TIMES") != NULL;
    for (int kind = 0; kind < (int)(sizeof bigs / sizeof *bigs); kind++) {
        char *big = big_text(kind, BIG_BYTES);
        for (int both = 0; both < 3; both++) { /* a digit, a large text, a line for difflib */
            sb_text       pred = {big, BIG_BYTES}, ref[2] = {sb_text_of("7"), sb_text_of("A")};
            sb_text       classes[2] = {sb_text_of("a b"), {big, BIG_BYTES / 2}};
            sb_score_req  req        = {.preds     = &pred,
                                        .n_preds   = 1,
                                        .refs      = ref,
                                        .n_refs    = 2,
                                        .classes   = classes,
                                        .n_classes = 2,
                                        .question  = {big, BIG_BYTES},
                                        .relevance = (int64_t[]){rel, rel},
                                        .task      = "qa1",
                                        .jieba     = j};
            sb_text_score score      = {.value = -1};
            clock_t       start      = clock();
            if (both == 2 && strncmp(s->name, "code_sim", 8) != 0)
                continue;
            if (both == 2) {
                pred.bytes = BIG_BYTES / 4;
                ref[0]     = thin_line(big[0], thin);
            }
            if (both ==
                1) { /* a shift: equal texts take a short way; an eighth, for it is a square */
                pred.bytes = BIG_BYTES / 8;
                ref[0]     = (sb_text){big + 1, BIG_BYTES / 8};
            }
            sb_status st      = sb_scorer_score(s, &req, &score);
            double    seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
            if (loud && seconds > 0.5)
                printf("%s, %s, %s: %.1f s, %s %g\n", s->name, bigs[kind].name,
                       both == 1 ? "both" : "prediction", seconds, sb_status_name(st), score.value);
            ck_assert_msg(seconds < SECONDS_MOST, "%s, %s: %.0f s", s->name, bigs[kind].name,
                          seconds);
            ck_assert_msg(st == SB_OK || is_form_error(st), "%s", sb_error_text());
        }
        free(big);
    }
    sb_jieba_close(j);
}
END_TEST

/* A budget that is too small is an error that says so. */
START_TEST(difflib_budget)
{
    sb_text          pred = sb_text_of("abcabcabcabc"), ref = sb_text_of("bcabcabca");
    sb_score_req     req   = {.preds = &pred, .n_preds = 1, .refs = &ref, .n_refs = 1};
    sb_text_score    score = {.value = -1};
    int64_t          most  = sbi_ratio_steps_most;
    const sb_scorer *s     = sb_scorer_find("code_sim@1");
    sbi_ratio_steps_most   = 10;
    ck_assert_int_eq(sb_scorer_score(s, &req, &score), SB_ERR_UNSUPPORTED);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "12 and 9 characters"));
    ck_assert_double_eq(score.value, -1);
    sbi_ratio_steps_most = most;
    ck_assert_int_eq(sb_scorer_score(s, &req, &score), SB_OK);
}
END_TEST

/* Damaged data files load or are refused, and never more. */
START_TEST(damaged_jieba)
{
    sb_rng r = {7};
    jieba_data_make();
    for (int k = 0; k < ROUNDS; k++) {
        const char *text[4];
        char        copy[512];
        int         which = (int)sb_rng_below(&r, 4);
        sb_jieba   *j     = NULL;
        memcpy(text, jieba_data_good, sizeof text);
        (void)snprintf(copy, sizeof copy, "%s", text[which]);
        for (uint64_t n = 1 + sb_rng_below(&r, 4); n > 0; n--)
            copy[sb_rng_below(&r, strlen(copy) + 1)] =
                "{}':,-.0e \\u\n\xff\0P"[sb_rng_below(&r, 16)];
        text[which] = copy;
        jieba_data_write(text);
        sb_status st = sb_jieba_open(jieba_data_folder, &j);
        ck_assert_msg(st == SB_OK || st == SB_ERR_USAGE, "%s", sb_error_text());
        sb_jieba_close(j);
    }
    jieba_data_remove();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("fuzz");
    TCase *t     = tcase_create("fuzz");
    tcase_set_timeout(t, 1800);
    tcase_add_loop_test(t, any_bytes, 0, n_scorers());
    tcase_add_test(t, damaged_jieba);
    tcase_add_test(t, difflib_budget);
    tcase_add_loop_test(t, megabyte, 0, n_scorers());
    suite_add_tcase(suite, t);
    return run_suite(suite);
}
