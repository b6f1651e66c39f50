/* Stripes dealt out longest first: cases for a pencil, the bounds of [sharding 7.5], and maps made
 * from them. */
#include <check.h>
#include <stdlib.h>

#include "harness/shard/deal.h"
#include "kernels/base/rng.h"
#include "kernels/registry.h"

enum { MANY = 1000 };

static int64_t most_of(const int64_t *load, int32_t ranks)
{
    int64_t most = 0;
    for (int32_t r = 0; r < ranks; r++)
        most = load[r] > most ? load[r] : most;
    return most;
}

/* 7 | 6; 5 to 6, 4 to 7; 3 to either of the elevens, which have two each: the first. */
START_TEST(by_hand)
{
    static const int64_t work[] = {3, 7, 5, 4, 6};
    static const int32_t want[] = {0, 0, 1, 0, 1};
    int32_t              owner[5];
    int64_t              load[5];
    ck_assert_int_eq(sb_deal(work, 5, 2, 5, owner, load), SB_OK);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(owner[i], want[i]);
    ck_assert(load[0] == 14 && load[1] == 11);
    ck_assert_int_eq(sb_deal(work, 5, 5, 1, NULL, load), SB_OK);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(load[i], 7 - i);
}
END_TEST

/* One stripe outweighs all others; still nobody has more than the quarter over the even share, and
 * what has no work goes where fewest are. */
START_TEST(nobody_gets_all_the_tokens)
{
    int64_t work[16] = {[5] = 1000}, load[2], n[2] = {0, 0};
    int32_t owner[16];
    for (int i = 6; i < 16; i++)
        work[i] = 1;
    ck_assert_int_eq(sb_deal_most(16, 2), 10);
    ck_assert_int_eq(sb_deal(work, 16, 2, 10, owner, load), SB_OK);
    for (int i = 0; i < 16; i++)
        n[owner[i]]++;
    ck_assert(load[0] == 1000 && load[1] == 10);
    ck_assert(n[0] == 6 && n[1] == 10); /* the ten ones fill the other rank */
    ck_assert_int_eq(sb_deal(work, 16, 2, 16, owner, load), SB_OK);
    ck_assert(load[0] == 1000 && load[1] == 10); /* 5 without work to the first: 6 and 10 */
    ck_assert_int_eq(sb_deal_most(5, 4), 2);
    ck_assert_int_eq(sb_deal_most(3, 8), 1);
}
END_TEST

/* <= (4/3 - 1/(3R)) of what any deal could reach, of which max(mean, longest) is a lower bound
 * [7.5] reached here by construction: R ranks of equal sums, each cut into pieces at random. */
START_TEST(within_four_thirds)
{
    static int64_t work[MANY];
    int32_t        owner[MANY], R = _i % 8 + 1;
    int64_t        load[8], n = 0, sum = 5040;
    sb_rng         rng = {.state = (uint64_t)_i};
    for (int32_t r = 0; r < R; r++)
        for (int64_t left = sum; left > 0; n++) {
            work[n] = 1 + (int64_t)sb_rng_below(&rng, 1 + (uint64_t)sum / 3);
            work[n] = work[n] < left ? work[n] : left;
            left -= work[n];
        }
    ck_assert_int_eq(sb_deal(work, n, R, n, owner, load), SB_OK);
    ck_assert_int_le(3 * R * most_of(load, R), (4 * R - 1) * sum);
    int64_t again[8] = {0};
    for (int64_t i = 0; i < n; i++)
        again[owner[i]] += work[i];
    for (int32_t r = 0; r < R; r++)
        ck_assert_int_eq(again[r], load[r]);
}
END_TEST

START_TEST(sums_stay_in_64_bits)
{
    int64_t work[2] = {INT64_MAX, 1}, load[2];
    ck_assert_int_eq(sb_deal(work, 2, 2, 2, NULL, load), SB_ERR_USAGE);
    ck_assert_str_eq(sb_error_text(), "layout lpt: found more than 2^63 lanes of expected work");
    sb_shape shape = {.n_keys = INT64_C(1) << 33, .heads = 1};
    sb_map   m     = {.n_tokens = 77};
    ck_assert_int_eq(sb_map_create_for(SB_LAYOUT_LPT, sb_method_find("dense"), NULL, &shape, 0,
                                       INT64_C(1) << 33, 1, &m),
                     SB_ERR_USAGE);
    ck_assert_int_eq(m.n_tokens, 77);
}
END_TEST

/* ---- maps ---- */

/* 8 stripes of causal work: 15 13 | 11 9 | ... half blocks, a zigzag. */
START_TEST(dense_is_a_zigzag_of_stripes)
{
    static const int32_t want[] = {0, 1, 1, 0, 0, 1, 1, 0};
    sb_map               m;
    ck_assert_int_eq(sb_map_create(SB_LAYOUT_LPT, 8 * 128, 1, 2, &m), SB_OK);
    for (int64_t t = 0; t < 8 * 128; t++)
        ck_assert_int_eq(sb_map_owner(&m, t), want[t / 128]);
    ck_assert_int_eq(m.rank_tokens[0], m.rank_tokens[1]);
    sb_map_fini(&m);
}
END_TEST

static sb_map map_for(const char *method, int64_t n, int64_t first, int64_t quantum, int32_t ranks)
{
    static _Alignas(16) unsigned char params[4096];
    const sb_method                  *m     = sb_method_find(method);
    sb_shape                          shape = {.n_keys = n, .heads = 8, .kv_heads = 2};
    sb_map                            map;
    ck_assert_int_eq(sb_params_default(m->params, params), SB_OK);
    ck_assert_msg(
        sb_map_create_for(SB_LAYOUT_LPT, m, params, &shape, first, quantum, ranks, &map) == SB_OK,
        "%s", sb_error_text());
    return map;
}

/* Every method: each token once, shares of tokens within the quarter, and rows of even work. */
START_TEST(every_method_has_a_map)
{
    enum { N_STRIPES = 150, R = 5 };
    const sb_method                  *m       = sb_methods[_i];
    int64_t                           quantum = 64, n = N_STRIPES * 128 - 77, seen = 0;
    sb_map                            map   = map_for(m->name, n, 0, quantum, R);
    sb_shape                          shape = {.n_keys = n, .heads = 8, .kv_heads = 2};
    int64_t                           work[N_STRIPES], load[R] = {0}, sum = 0, longest = 0;
    static _Alignas(16) unsigned char params[4096];
    ck_assert_int_eq(sb_params_default(m->params, params), SB_OK);
    ck_assert_int_eq(sb_map_stripes(n, quantum), N_STRIPES);
    ck_assert_int_eq(sb_deal_expect(m, params, &shape, 0, quantum, work), SB_OK);
    for (int64_t i = 0; i < N_STRIPES; i++) {
        load[sb_map_owner(&map, i * 128)] += work[i];
        sum += work[i];
        longest = work[i] > longest ? work[i] : longest;
    }
    for (int32_t r = 0; r < R; r++) {
        sb_gid gid = sb_map_gid(&map, r);
        for (int32_t j = 0; j < gid.n_runs; j++)
            for (int64_t t = gid.run[j].start; t < gid.run[j].start + gid.run[j].len; t++, seen++)
                if (sb_map_owner(&map, t) != r)
                    ck_abort_msg("token %lld", (long long)t);
        ck_assert_int_le(map.rank_tokens[r], sb_deal_most(N_STRIPES, R) * 128);
    }
    ck_assert_int_eq(seen, n);
    ck_assert_int_le(most_of(load, R), sum / R + longest); /* [7.5] */
    ck_assert_int_le(100 * most_of(load, R), 102 * sum / R);
    sb_map_fini(&map);
}
END_TEST

/* 3 of 12 stripes have queries, one of them half of its rows; the keys of the others are shared out
 * evenly. */
START_TEST(rows_without_queries_cost_nothing)
{
    int64_t  n = 12 * 128, first = 9 * 128 + 64, work[12];
    sb_shape shape = {.n_keys = n, .heads = 8};
    sb_map   map   = map_for("dense", n, first, 1, 3);
    ck_assert_int_eq(sb_deal_expect(NULL, NULL, &shape, first, 1, work), SB_OK);
    for (int i = 0; i < 9; i++)
        ck_assert_int_eq(work[i], 0);
    ck_assert_int_eq(work[9], 64 * (9 * 128 + 96) + 64); /* half a key a row over the truth */
    ck_assert_int_gt(work[11], work[10]);
    ck_assert_int_eq(sb_map_owner(&map, 11 * 128), 0);
    ck_assert_int_eq(sb_map_owner(&map, 10 * 128), 1);
    ck_assert_int_eq(sb_map_owner(&map, 9 * 128), 2);
    for (int32_t r = 0; r < 3; r++)
        ck_assert_int_eq(map.rank_tokens[r], 4 * 128);
    sb_map_fini(&map);
}
END_TEST

/* Other layouts are what they were. */
START_TEST(other_layouts_mind_no_work)
{
    sb_shape shape = {.n_keys = 5000, .heads = 2};
    for (int k = 0; k < SB_LAYOUT_LPT; k++) {
        sb_map a, b;
        ck_assert_int_eq(sb_map_create_for((sb_layout_kind)k, sb_method_find("dense"), NULL, &shape,
                                           100, 64, 3, &a),
                         SB_OK);
        ck_assert_int_eq(sb_map_create((sb_layout_kind)k, 5000, 64, 3, &b), SB_OK);
        for (int64_t t = 0; t < 5000; t++)
            if (sb_map_owner(&a, t) != sb_map_owner(&b, t))
                ck_abort_msg("layout %d, token %lld", k, (long long)t);
        ck_assert_ptr_null(a.owner);
        sb_map_fini(&a);
        sb_map_fini(&b);
    }
}
END_TEST

int main(void)
{
    int    n_methods = 0;
    Suite *s         = suite_create("deal");
    TCase *tc        = tcase_create("deal");
    while (sb_methods[n_methods] != NULL)
        n_methods++;
    tcase_add_test(tc, by_hand);
    tcase_add_test(tc, nobody_gets_all_the_tokens);
    tcase_add_loop_test(tc, within_four_thirds, 0, 64);
    tcase_add_test(tc, sums_stay_in_64_bits);
    tcase_add_test(tc, dense_is_a_zigzag_of_stripes);
    tcase_add_loop_test(tc, every_method_has_a_map, 0, n_methods);
    tcase_add_test(tc, rows_without_queries_cost_nothing);
    tcase_add_test(tc, other_layouts_mind_no_work);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
