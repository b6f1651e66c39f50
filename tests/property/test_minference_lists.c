/* minference 3.4 and its properties in section 10, by brute force over key sets; and the top-k
 * under it. */
#include <check.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/top_k.h"
#include "kernels/minference/row_lists.h"
#include "tests/oracle/predicates.h"

enum { MAX_N = 200 };

typedef struct lists {
    int32_t       tile[MAX_N], token[MAX_N];
    sbi_row_lists l;
} lists;

static void row_lists(lists *x, int64_t row, int64_t block, const int32_t *v, int64_t nv,
                      const int32_t *s, int64_t ns)
{
    sbi_row_lists count = {0};
    x->l                = (sbi_row_lists){.tile = x->tile, .token = x->token};
    sbi_minference_row(row, block, v, nv, s, ns, &count);
    sbi_minference_row(row, block, v, nv, s, ns, &x->l);
    ck_assert(count.n_tiles == x->l.n_tiles && count.n_tokens == x->l.n_tokens);
}

/* 10.3, to the digit. */
START_TEST(worked_example)
{
    static const int32_t v[] = {1, 6, 9}, s[] = {0, 7};
    static const struct {
        int64_t n_tiles, n_tokens;
        int32_t tile[2], token[2];
    } want[4] = {
        {1, 0, {0}, {0}}, {2, 0, {0, 4}, {0}}, {2, 1, {1, 8}, {6}}, {2, 2, {5, 12}, {1, 9}}};
    for (int64_t row = 0; row < 4; row++) {
        lists x;
        row_lists(&x, row, 4, v, 3, s, 2);
        ck_assert_int_eq(x.l.n_tiles, want[row].n_tiles);
        ck_assert_int_eq(x.l.n_tokens, want[row].n_tokens);
        ck_assert_mem_eq(x.tile, want[row].tile, (size_t)x.l.n_tiles * 4);
        ck_assert_mem_eq(x.token, want[row].token, (size_t)x.l.n_tokens * 4);
    }
}
END_TEST

/* A random subset of [0, n) with about `n_want` members, ascending; holds 0 when first is 1. */
static int64_t subset(sb_rng *r, int64_t n, int64_t n_want, int first, int32_t *out)
{
    int64_t m = 0;
    for (int64_t i = 0; i < n; i++)
        if ((first && i == 0) || (int64_t)sb_rng_below(r, (uint64_t)n) < n_want)
            out[m++] = (int32_t)i;
    return m;
}

/* 10.2: 3000 random inputs, block 4: every chosen (q, c) and (q, q - delta) with k <= q is there,
 * no key twice, every single key before the row block; and no key without a cause: it is chosen, or
 * less than two blocks from a diagonal's range. */
START_TEST(lists_cover_and_do_not_repeat)
{
    sb_rng r = {11};
    for (int trial = 0; trial < 3000; trial++) {
        int32_t v[MAX_N], s[MAX_N];
        int64_t n = 1 + (int64_t)sb_rng_below(&r, 60), b = 4;
        int64_t nv = subset(&r, n, (int64_t)sb_rng_below(&r, 20), 0, v);
        int64_t ns = subset(&r, n, (int64_t)sb_rng_below(&r, 12), 1, s);
        for (int64_t row = 0; row * b < n; row++) {
            int   times[MAX_N + 8] = {0}, chosen[MAX_N] = {0}, bad = 0;
            lists x;
            row_lists(&x, row, b, v, nv, s, ns);
            bad |= x.l.n_tiles > (ns < row + 1 ? ns : row + 1);
            bad |= x.l.n_tokens > (nv < row * b ? nv : row * b);
            for (int64_t i = 0; i < x.l.n_tiles; i++) {
                bad |= i > 0 && x.tile[i] < x.tile[i - 1] + b;
                for (int64_t k = 0; k < b; k++)
                    times[x.tile[i] + k]++;
            }
            for (int64_t i = 0; i < x.l.n_tokens; i++) {
                bad |= (i > 0 && x.token[i] <= x.token[i - 1]) || x.token[i] >= row * b;
                times[x.token[i]]++;
                chosen[x.token[i]] = 1;
                int is_column      = 0;
                for (int64_t j = 0; j < nv; j++)
                    is_column |= v[j] == x.token[i];
                bad |= !is_column;
            }
            for (int64_t q = row * b; q < n && q < (row + 1) * b; q++) {
                for (int64_t j = 0; j < nv; j++)
                    bad |= v[j] <= q && times[v[j]] == 0;
                for (int64_t j = 0; j < ns; j++)
                    bad |= s[j] <= q && times[q - s[j]] == 0;
            }
            for (int64_t k = 0; k < MAX_N; k++) {
                int near = chosen[k];
                for (int64_t j = 0; j < ns; j++) /* range [row b - delta, (row + 1) b - delta),
                                                    moved into the sequence, and a block after it */
                    if (s[j] < (row + 1) * b) {
                        int64_t begin = row * b - s[j] > 0 ? row * b - s[j] : 0;
                        near |= k >= begin && k < begin + 2 * b - 1;
                    }
                bad |= times[k] > 1 || (times[k] == 1 && !near);
            }
            ck_assert_msg(!bad, "trial %d, row %lld of %lld tokens", trial, (long long)row,
                          (long long)n);
        }
    }
}
END_TEST

/* 10.5: sinks as columns and a window as diagonals hold the A-shape, and at most 63 keys more. */
START_TEST(contains_a_shape)
{
    enum { N = 640, SINKS = 40 };
    static const int64_t windows[] = {1, 63, 64, 65, 200, 300};
    int32_t              v[N], s[N], tile[N], token[N];
    for (int32_t i = 0; i < N; i++)
        v[i] = s[i] = i;
    for (int64_t row = 0; row < N / 64; row++) {
        sbi_row_lists l = {.tile = tile, .token = token};
        window_rule   a = {SINKS, windows[_i]};
        sbi_minference_row(row, 64, v, SINKS, s, a.window, &l);
        for (int64_t q = row * 64; q < row * 64 + 64; q++) {
            int seen[N + 64] = {0}, extra = 0, missing = 0;
            for (int64_t i = 0; i < l.n_tiles; i++)
                for (int64_t k = tile[i]; k < tile[i] + 64; k++)
                    seen[k] = 1;
            for (int64_t i = 0; i < l.n_tokens; i++)
                seen[token[i]] = 1;
            for (int64_t k = 0; k <= q; k++) {
                missing += !seen[k] && see_window(q, k, &a);
                extra += seen[k] && !see_window(q, k, &a);
            }
            if (missing != 0 || extra > 63)
                ck_abort_msg("row %lld: %d missing, %d more", (long long)q, missing, extra);
        }
    }
}
END_TEST

START_TEST(top_k_takes_the_smaller_index_of_equals)
{
    sb_rng r = {5};
    for (int trial = 0; trial < 2000; trial++) {
        uint64_t score[40];
        int32_t  got[40];
        int64_t  n = (int64_t)sb_rng_below(&r, 41), k = (int64_t)sb_rng_below(&r, 44), m = 0;
        int      wide = trial % 2;
        for (int64_t i = 0; i < n; i++)
            score[i] = wide ? (sb_rng_below(&r, 3) << 60) + (sb_rng_below(&r, 2) << 20) +
                                  (sb_rng_below(&r, 9) == 0 ? UINT64_MAX >> 2 : 0)
                            : sb_rng_below(&r, 600);
        ck_assert_int_eq(sbi_top_k(score, n, k, wide ? 64 : 16, got), k < n ? k : n);
        for (int64_t i = 0; i < n; i++) {
            int64_t before = 0; /* rank by (larger, then smaller index) */
            for (int64_t j = 0; j < n; j++)
                before += score[j] > score[i] || (score[j] == score[i] && j < i);
            if (before < k && got[m++] != i)
                ck_abort_msg("trial %d: %lld is missing", trial, (long long)i);
        }
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("minference lists");
    TCase *t = tcase_create("lists");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, worked_example);
    tcase_add_test(t, lists_cover_and_do_not_repeat);
    tcase_add_loop_test(t, contains_a_shape, 0, 6);
    tcase_add_test(t, top_k_takes_the_smaller_index_of_equals);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
