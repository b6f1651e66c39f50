/* The KV cache's bookkeeping: runs merge, a mark can be returned to again and again, full is an
 * error. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/cache.h"

enum { HEADS = 2, DIM = 8, CAPACITY = 20, RUNS = 4, ROOM = 1 << 14 };

static unsigned char *mem;
static sb_arena       arena;
static sb_cache       c;

static void setup(void)
{
    mem = aligned_alloc(SB_ARENA_ALIGN, ROOM);
    ck_assert_ptr_nonnull(mem);
    sb_arena_init(&arena, mem, ROOM, SB_ARENA_GUARD);
    ck_assert_int_eq(sb_cache_layout(&c, &arena, HEADS, DIM, CAPACITY, RUNS), SB_OK);
    sb_cache_reset(&c);
}

static void teardown(void)
{
    ck_assert(sb_arena_canaries_intact(&arena));
    free(mem);
}

static int64_t extend(int64_t start, int64_t len)
{
    int64_t slot = -1;
    ck_assert_msg(sb_cache_extend(&c, start, len, &slot) == SB_OK, "%s", sb_error_text());
    ck_assert_int_ge(slot, 0);
    return slot;
}

/* The whole state in words: "3 tokens: 0+2 10+1". */
static const char *state(void)
{
    static char s[256];
    int         n = snprintf(s, sizeof s, "%lld tokens:", (long long)c.k.gid.n_tokens);
    for (int32_t i = 0; i < c.k.gid.n_runs; i++)
        n += snprintf(s + n, sizeof s - (size_t)n, " %lld+%lld", (long long)c.k.gid.run[i].start,
                      (long long)c.k.gid.run[i].len);
    ck_assert_int_eq(c.k.tokens, c.k.gid.n_tokens);
    ck_assert_int_eq(c.v.tokens, c.k.tokens);
    ck_assert_int_eq(c.v.gid.n_runs, c.k.gid.n_runs);
    ck_assert_ptr_eq(c.v.gid.run, c.k.gid.run);
    return s;
}

/* Zeros after a reset, saved by mark, and restored by every rollback. */
START_TEST(method_state_follows_mark_and_rollback)
{
    ck_assert_int_eq(sb_cache_layout_state(&c, &arena, 3), SB_OK);
    sb_cache_reset(&c);
    ck_assert_int_eq(memcmp(c.state, "\0\0\0", 3), 0);
    memcpy(c.state, "abc", 3);
    sb_cache_mark(&c);
    for (int i = 0; i < 2; i++) {
        memcpy(c.state, "xyz", 3);
        sb_cache_rollback(&c);
        ck_assert_int_eq(memcmp(c.state, "abc", 3), 0);
    }
    sb_cache_reset(&c);
    ck_assert_int_eq(memcmp(c.state, "\0\0\0", 3), 0);
    ck_assert_int_eq(sb_cache_layout_state(&c, &arena, 0), SB_OK);
    ck_assert_ptr_null(c.state);
}
END_TEST

START_TEST(layout_counts_what_it_uses)
{
    sb_arena count;
    sb_cache unused;
    sb_arena_init_count(&count);
    ck_assert_int_eq(sb_cache_layout(&unused, &count, HEADS, DIM, CAPACITY, RUNS), SB_OK);
    ck_assert_uint_eq(count.used_bytes, arena.used_bytes);
    ck_assert_ptr_null(unused.k.data);
    ck_assert_int_eq(c.k.head_stride,
                     CAPACITY *
                         DIM); /* [kv_heads][capacity][dim]: heads do not move as tokens arrive */
    memset(c.k.data, 1, HEADS * CAPACITY * DIM * 2);
    memset(c.v.data, 2, HEADS * CAPACITY * DIM * 2);
    memset(c.runs, 3, RUNS * sizeof(sb_run));
    ck_assert(sb_arena_canaries_intact(&arena));
    ck_assert_int_eq(((unsigned char *)c.k.data)[HEADS * CAPACITY * DIM * 2 - 1], 1);
}
END_TEST

START_TEST(a_small_arena_is_an_error)
{
    sb_arena small;
    sb_arena_init(&small, mem, 1000, SB_ARENA_PLAIN);
    ck_assert_int_eq(sb_cache_layout(&c, &small, HEADS, DIM, CAPACITY, RUNS), SB_ERR_NOMEM);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "cache"));
    sb_arena_init(&arena, mem, ROOM, SB_ARENA_GUARD); /* for teardown */
}
END_TEST

START_TEST(neighbours_merge_and_gaps_do_not)
{
    ck_assert_str_eq(state(), "0 tokens:");
    ck_assert_int_eq(extend(5, 3), 0);
    ck_assert_int_eq(extend(8, 2), 3);
    ck_assert_str_eq(state(), "5 tokens: 5+5");
    ck_assert_int_eq(extend(12, 1), 5);
    ck_assert_str_eq(state(), "6 tokens: 5+5 12+1");
    ck_assert_int_eq(extend(13, 4), 6);
    ck_assert_str_eq(state(), "10 tokens: 5+5 12+5");
    ck_assert_int_eq(extend(99, 0), 10); /* nothing is announced: nothing changes */
    ck_assert_str_eq(state(), "10 tokens: 5+5 12+5");
}
END_TEST

START_TEST(ids_must_ascend)
{
    int64_t slot = -7;
    extend(5, 3);
    for (int64_t start = 0; start < 8; start++) {
        ck_assert_int_eq(sb_cache_extend(&c, start, 1, &slot), SB_ERR_INTERNAL);
        ck_assert_int_eq(slot, -7);
        ck_assert_str_eq(state(), "3 tokens: 5+3");
    }
}
END_TEST

START_TEST(full_of_tokens)
{
    int64_t slot = -7;
    extend(0, CAPACITY - 1);
    ck_assert_int_eq(sb_cache_extend(&c, CAPACITY - 1, 2, &slot), SB_ERR_NOMEM);
    ck_assert_int_eq(slot, -7);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "19 of 20"));
    ck_assert_int_eq(extend(CAPACITY - 1, 1), CAPACITY - 1);
    ck_assert_int_eq(sb_cache_extend(&c, CAPACITY, 1, &slot), SB_ERR_NOMEM);
    ck_assert_str_eq(state(), "20 tokens: 0+20");
}
END_TEST

START_TEST(full_of_runs)
{
    int64_t slot = -7;
    for (int64_t i = 0; i < RUNS; i++)
        extend(10 * i, 1);
    ck_assert_int_eq(sb_cache_extend(&c, 100, 1, &slot), SB_ERR_NOMEM);
    ck_assert_int_eq(slot, -7);
    ck_assert_str_eq(state(), "4 tokens: 0+1 10+1 20+1 30+1");
    ck_assert_int_eq(extend(31, 2), 4); /* the last run may still grow */
    ck_assert_str_eq(state(), "6 tokens: 0+1 10+1 20+1 30+3");
}
END_TEST

START_TEST(rollback_returns_to_the_mark_again_and_again)
{
    extend(0, 4);
    extend(8, 2);
    c.n_global = 10;
    sb_cache_mark(&c);
    for (int64_t branch = 0; branch < 3; branch++) {
        ck_assert_int_eq(extend(10, 1 + branch), 6); /* grows the run that was last at the mark */
        extend(20 + branch, 1);                      /* and adds one */
        c.n_global = 21 + branch;
        sb_cache_rollback(&c);
        ck_assert_str_eq(state(), "6 tokens: 0+4 8+2");
        ck_assert_int_eq(c.n_global, 10);
        sb_cache_rollback(&c); /* twice is no harm */
        ck_assert_str_eq(state(), "6 tokens: 0+4 8+2");
    }
    extend(10, 1);
    sb_cache_mark(&c); /* a later mark replaces it */
    extend(11, 1);
    sb_cache_rollback(&c);
    ck_assert_str_eq(state(), "7 tokens: 0+4 8+3");
}
END_TEST

START_TEST(mark_of_the_empty_cache)
{
    sb_cache_mark(&c);
    extend(3, 5);
    c.n_global = 8;
    sb_cache_rollback(&c);
    ck_assert_str_eq(state(), "0 tokens:");
    ck_assert_int_eq(c.n_global, 0);
    ck_assert_int_eq(extend(0, 1), 0);
}
END_TEST

START_TEST(reset_forgets_the_mark_too)
{
    extend(0, 4);
    c.n_global = 4;
    sb_cache_mark(&c);
    sb_cache_reset(&c);
    ck_assert_str_eq(state(), "0 tokens:");
    extend(0, 2);
    sb_cache_rollback(&c);
    ck_assert_str_eq(state(), "0 tokens:");
    ck_assert_int_eq(c.n_global, 0);
}
END_TEST

START_TEST(offsets_past_32_bits)
{
    int64_t far = (int64_t)1 << 40;
    ck_assert_int_eq(extend(far, 3), 0);
    ck_assert_int_eq(extend(far + 3, 1), 3);
    ck_assert_int_eq(c.runs[0].start + c.runs[0].len, far + 4);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("cache");
    TCase *t = tcase_create("cache");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, method_state_follows_mark_and_rollback);
    tcase_add_test(t, layout_counts_what_it_uses);
    tcase_add_test(t, a_small_arena_is_an_error);
    tcase_add_test(t, neighbours_merge_and_gaps_do_not);
    tcase_add_test(t, ids_must_ascend);
    tcase_add_test(t, full_of_tokens);
    tcase_add_test(t, full_of_runs);
    tcase_add_test(t, rollback_returns_to_the_mark_again_and_again);
    tcase_add_test(t, mark_of_the_empty_cache);
    tcase_add_test(t, reset_forgets_the_mark_too);
    tcase_add_test(t, offsets_past_32_bits);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
