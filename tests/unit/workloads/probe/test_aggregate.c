/* cwe and fwe: the words asked for are the most frequent ones, by the counts of spec probe_model 6;
 * bursts are bursts. */
#include "tests/unit/workloads/case.h"

#include <stdio.h>
#include <string.h>

static int64_t seen[SB_TOK_AGG_N];

static void count_words(const sb_input *in)
{
    int64_t filler = 0, other = 0; /* one assertion at the end: a million of them take seconds */
    memset(seen, 0, sizeof seen);
    ck_assert_int_eq(in->ids[0], SB_TOK_BOS);
    for (int64_t i = 1; i < in->n_context; i++) {
        if (in_class(in->ids[i], SB_TOK_AGG, SB_TOK_AGG_N))
            seen[in->ids[i] - SB_TOK_AGG]++;
        else if (is_filler(in->ids[i]))
            filler++;
        else
            other++;
    }
    ck_assert_int_eq(other, 0);
    ck_assert_int_lt(filler, 128 + 118); /* what whole counts leave over */
}

static int64_t
take(const char *ref) /* count of the word a reference names, which is then out of the race */
{
    int     w;
    int64_t n;
    ck_assert_int_eq(sscanf(ref, "AGG%d", &w), 1);
    ck_assert_int_ge(seen[w], 0);
    n       = seen[w];
    seen[w] = -1;
    return n;
}

static int64_t most_left(void)
{
    int64_t most = -1;
    for (int w = 0; w < SB_TOK_AGG_N; w++)
        most = seen[w] > most ? seen[w] : most;
    return most;
}

static const int64_t lengths[] = {1000, 1024, 4096, 4097, 16384, 100001};
#define N_LENGTHS 6

START_TEST(cwe_words_are_the_common_ones)
{
    static const double ratios[] = {1.001, 1.1, 1.5, 3, 10};
    for (int k = 0; k < 5; k++) {
        request r          = request_of("cwe", lengths[_i], k);
        r.params.cwe_ratio = ratios[k];
        sb_input in        = make(&r);
        int64_t  common    = 0;
        count_words(&in);
        ck_assert_int_eq(in.n_refs, 10);
        for (int i = 0; i < 10; i++) {
            int64_t n = take(in.refs[i]);
            common    = i == 0 ? n : common;
            ck_assert_int_eq(n, common); /* all alike */
        }
        int64_t other = most_left();
        ck_assert_int_gt(common, other);
        for (int w = 0; w < SB_TOK_AGG_N; w++)
            ck_assert(seen[w] == -1 || seen[w] == other);
        if (other > 20)
            ck_assert_double_eq_tol((double)common / (double)other, ratios[k], 0.1 * ratios[k]);
        sb_input_fini(&in);
    }
}
END_TEST

START_TEST(fwe_words_are_ranks_1_to_3)
{
    for (int64_t row = 0; row < 3; row++) {
        sb_input in = make_row("fwe", lengths[_i], row);
        count_words(&in);
        ck_assert_int_eq(in.n_refs, 3);
        int64_t a = take(in.refs[0]), b = take(in.refs[1]), c = take(in.refs[2]);
        ck_assert_int_gt(a, b);
        ck_assert_int_gt(b, c);
        ck_assert_int_gt(c, most_left());
        ck_assert_double_eq_tol((double)a / (double)b, 4, 0.1); /* rank^-2 */
        ck_assert_double_eq_tol((double)a / (double)c, 9, 0.4);
        sb_input_fini(&in);
    }
}
END_TEST

/* From the floor on, every length separates the ranks (floor(n/z/9) > floor(n/z/16) is not monotone
 * below it). */
START_TEST(short_contexts_still_separate)
{
    for (int64_t n = 95; n < 700; n += n < 260 ? 1 : 7) {
        sb_input in = make_row("fwe", n, 0);
        count_words(&in);
        int64_t a = take(in.refs[0]), b = take(in.refs[1]), c = take(in.refs[2]);
        ck_assert(a > b && b > c && c > most_left());
        sb_input_fini(&in);
        if (n < 243)
            continue;
        in             = make_row("cwe", n, 0);
        int64_t common = INT64_MAX;
        count_words(&in);
        for (int i = 0; i < 10; i++) {
            int64_t k = take(in.refs[i]);
            common    = k < common ? k : common;
        }
        ck_assert_int_gt(common, most_left());
        ck_assert_int_ge(most_left(), 1);
        sb_input_fini(&in);
    }
}
END_TEST

/* Which words are common, and the order of all, changes with the row. */
START_TEST(words_change_with_the_row)
{
    int same = 0;
    for (int64_t row = 0; row < 20; row++) {
        sb_input a = make_row("fwe", 1024, row), b = make_row("fwe", 1024, row + 1);
        same += strcmp(a.refs[0], b.refs[0]) == 0;
        sb_input_fini(&a);
        sb_input_fini(&b);
    }
    ck_assert_int_le(same, 3);
}
END_TEST

static double words_a_window(int64_t burst)
{
    request r             = request_of("cwe", 65536 + 64 + 1, 4);
    r.params.burst_tokens = burst;
    sb_input in           = make(&r);
    int64_t  distinct = 0, windows = 0;
    for (int64_t s = 1; s + 512 <= in.n_context; s += 512, windows++) {
        char has[SB_TOK_AGG_N] = {0};
        for (int64_t i = s; i < s + 512; i++)
            if (!is_filler(in.ids[i]))
                has[in.ids[i] - SB_TOK_AGG] = 1;
        for (int w = 0; w < SB_TOK_AGG_N; w++)
            distinct += has[w];
    }
    sb_input_fini(&in);
    return (double)distinct / (double)windows;
}

/* 512 draws of 128 words show nearly all of them; 64 bursts of 8 show 1 - exp(-64/128) of them; few
 * long bursts show few. */
START_TEST(bursts_gather_words)
{
    double one = words_a_window(1), eight = words_a_window(8), whole = words_a_window(INT64_MAX);
    ck_assert_double_gt(one, 120);
    ck_assert_double_eq_tol(eight, 128 * 0.39, 6);
    ck_assert_double_lt(whole, 4);
}
END_TEST

/* No needles: the only span is the question. */
START_TEST(records)
{
    for (int k = 0; k < 2; k++) {
        sb_input in = make_row(k == 0 ? "cwe" : "fwe", 1024, 0);
        int64_t  n  = k == 0 ? 10 : 3;
        ck_assert_int_eq(in.n_spans, 1);
        ck_assert_int_eq(in.spans[0].kind, SB_SPAN_QUERY);
        ck_assert_int_eq(in.profile, SB_PROFILE_AGG);
        ck_assert_int_eq(in.n_script, n);
        ck_assert_int_eq(in.n_groups, n);
        ck_assert_int_eq(in.n_feed, 0);
        for (int i = 0; i < n; i++) {
            ck_assert_int_eq(in.script[i].kind, SB_SCRIPT_EMIT);
            ck_assert_int_eq(in.script[i].a, SB_TOK_AGG);
            ck_assert_int_eq(in.script[i].b, SB_TOK_AGG + SB_TOK_AGG_N);
            ck_assert_int_eq(in.script[i].c, i);
        }
        ck_assert_int_eq(in.ids[in.n_tokens - 9], SB_TOK_ASK); /* then 8 filler and no suffix */
        for (int64_t i = in.n_context; i < in.n_tokens; i++)
            ck_assert(is_filler(in.ids[i]) || i == in.n_tokens - 9);
        sb_input_fini(&in);
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("aggregate");
    TCase *t = tcase_create("aggregate");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, cwe_words_are_the_common_ones, 0, N_LENGTHS);
    tcase_add_loop_test(t, fwe_words_are_ranks_1_to_3, 0, N_LENGTHS);
    tcase_add_test(t, short_contexts_still_separate);
    tcase_add_test(t, words_change_with_the_row);
    tcase_add_test(t, bursts_gather_words);
    tcase_add_test(t, records);
    suite_add_tcase(s, t);
    return run_suite(s);
}
