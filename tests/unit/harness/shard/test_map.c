/* Token maps: spec sharding 2 (layouts, work balance) and 9 (decode owners), 12 (layouts). */
#include <check.h>
#include <stdlib.h>

#include "harness/shard/shard.h"

static const int64_t lengths[] = {1, 2, 5, 63, 64, 65, 127, 1000, 1023, 4096, 5000, 12345};
static const int64_t quanta[]  = {1, 16, 64, 100, 128, 256};

enum { N_LENGTHS = 12, N_QUANTA = 6, MOST_RANKS = 8 };
enum { N_KINDS = SB_LAYOUT_COUNT * MOST_RANKS, PER_KIND = N_LENGTHS * N_QUANTA };

static sb_map map_of(sb_layout_kind kind, int64_t n, int64_t quantum, int32_t ranks)
{
    sb_map m;
    ck_assert_msg(sb_map_create(kind, n, quantum, ranks, &m) == SB_OK, "%s", sb_error_text());
    return m;
}

/* Map number i of a kind (layout and ranks): all lengths and quanta. */
static sb_map map_number(int kind, int i)
{
    return map_of((sb_layout_kind)(kind / MOST_RANKS), lengths[i / N_QUANTA], quanta[i % N_QUANTA],
                  kind % MOST_RANKS + 1);
}

static void check_owners(const sb_map *m)
{
    int32_t *seen = calloc((size_t)m->n_tokens, sizeof *seen);
    for (int32_t r = 0; r < m->ranks; r++) {
        sb_gid  g = sb_map_gid(m, r);
        int64_t n = 0;
        for (int32_t j = 0; j < g.n_runs; j++)
            for (int64_t t = g.run[j].start; t < g.run[j].start + g.run[j].len; t++, n++) {
                if (t < 0 || t >= m->n_tokens || sb_map_owner(m, t) != r) /* no call a token */
                    ck_abort_msg("token %lld is in the shard of %d", (long long)t, r);
                seen[t]++;
            }
        ck_assert_int_eq(n, g.n_tokens);
        ck_assert_int_eq(n, m->rank_tokens[r]);
    }
    for (int64_t t = 0; t < m->n_tokens; t++)
        if (seen[t] != 1)
            ck_abort_msg("token %lld is owned %d times", (long long)t, seen[t]);
    free(seen);
}

START_TEST(every_token_has_one_owner)
{
    for (int i = 0; i < PER_KIND; i++) {
        sb_map m = map_number(_i, i);
        check_owners(&m);
        sb_map_fini(&m);
    }
}
END_TEST

static void check_runs(const sb_map *m)
{
    for (int32_t r = 0; r < m->ranks; r++) {
        sb_gid  g   = sb_map_gid(m, r);
        int64_t end = -1;
        for (int32_t j = 0; j < g.n_runs; j++) {
            ck_assert_int_gt(g.run[j].len, 0);
            ck_assert_int_gt(g.run[j].start, end); /* ascending, and touching runs are merged */
            end = g.run[j].start + g.run[j].len;
            ck_assert_int_eq(g.run[j].start % m->quantum_tokens, 0);
            ck_assert(g.run[j].len % m->quantum_tokens == 0 || end == m->n_tokens);
        }
        if (m->kind == SB_LAYOUT_CONTIGUOUS || m->kind == SB_LAYOUT_ZIGZAG)
            ck_assert_int_le(g.n_runs, 2);
    }
}

START_TEST(runs_keep_the_quantum_and_do_not_touch)
{
    for (int i = 0; i < PER_KIND; i++) {
        sb_map m = map_number(_i, i);
        check_runs(&m);
        sb_map_fini(&m);
    }
}
END_TEST

START_TEST(layouts_are_the_table)
{
    /* N = 16 of quantum 1, R = 4: contiguous 4 each, zigzag chunks of 2. */
    static const int32_t contiguous[16] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    static const int32_t zigzag[16]     = {0, 0, 1, 1, 2, 2, 3, 3, 3, 3, 2, 2, 1, 1, 0, 0};
    sb_map               c              = map_of(SB_LAYOUT_CONTIGUOUS, 16, 1, 4);
    sb_map               z              = map_of(SB_LAYOUT_ZIGZAG, 16, 1, 4);
    sb_map               b              = map_of(SB_LAYOUT_BLOCK_STRIPED, 16 * 128, 1, 4);
    for (int t = 0; t < 16; t++) {
        ck_assert_int_eq(sb_map_owner(&c, t), contiguous[t]);
        ck_assert_int_eq(sb_map_owner(&z, t), zigzag[t]);
        ck_assert_int_eq(sb_map_owner(&b, t * 128 + 127), t % 4);
    }
    sb_map_fini(&c);
    sb_map_fini(&z);
    sb_map_fini(&b);
    b = map_of(SB_LAYOUT_BLOCK_STRIPED, 5000, 96, 3); /* stripes: 128, up to a multiple of 96 */
    ck_assert_int_eq(b.chunk_tokens, 192);
    sb_map_fini(&b);
}
END_TEST

/* max over ranks / mean of the pairs of a dense causal prefill: token t sees t + 1 keys. */
static double imbalance(const sb_map *m)
{
    double most = 0, all = 0;
    for (int32_t r = 0; r < m->ranks; r++) {
        sb_gid g     = sb_map_gid(m, r);
        double pairs = 0;
        for (int32_t j = 0; j < g.n_runs; j++) {
            double a = (double)g.run[j].start, l = (double)g.run[j].len;
            pairs += l * a + l * (l + 1) / 2;
        }
        most = pairs > most ? pairs : most;
        all += pairs;
    }
    return most / (all / m->ranks);
}

START_TEST(pair_counts_equal_the_table)
{
    int32_t r = _i + 1;
    int64_t n = 840 * 16 * 128; /* a multiple of everything */
    double  R = r, per_token = R / (double)n;
    sb_map  m = map_of(SB_LAYOUT_CONTIGUOUS, n, 128, r);
    ck_assert_double_eq_tol(imbalance(&m), 2 - 1 / R, per_token);
    sb_map_fini(&m);
    m = map_of(SB_LAYOUT_ZIGZAG, n, 128, r);
    ck_assert_double_eq(imbalance(&m), 1);
    sb_map_fini(&m);
    m = map_of(SB_LAYOUT_BLOCK_STRIPED, n, 128, r);
    ck_assert_double_eq_tol(imbalance(&m), 1 + (R - 1) / (double)(n / 128), per_token);
    sb_map_fini(&m);
    m = map_of(SB_LAYOUT_LPT, n, 128, r);
    ck_assert_double_eq(imbalance(&m), 1);
    sb_map_fini(&m);
}
END_TEST

START_TEST(short_sequences_leave_ranks_empty)
{
    sb_map m = map_of(SB_LAYOUT_ZIGZAG, 3, 64, 8);
    ck_assert_int_eq(sb_map_gid(&m, 0).n_tokens, 3);
    for (int32_t r = 1; r < 8; r++) {
        ck_assert_int_eq(sb_map_gid(&m, r).n_tokens, 0);
        ck_assert_int_eq(sb_map_gid(&m, r).n_runs, 0);
    }
    sb_map_fini(&m);
}
END_TEST

static void check_decode_owners(const sb_map *m)
{
    int64_t got[MOST_RANKS] = {0}, least = INT64_MAX, most = 0, q = m->quantum_tokens;
    int64_t first = (m->n_tokens + q - 1) / q * q; /* first block without prefill tokens */
    for (int64_t t = m->n_tokens; t < first; t++)
        if (sb_map_decode_owner(m, t) != sb_map_owner(m, m->n_tokens - 1))
            ck_abort_msg("decode token %lld splits a block", (long long)t);
    for (int64_t b = 0; b < 3 * m->ranks + 1; b++) {
        int32_t r = sb_map_decode_owner(m, first + b * q);
        ck_assert(r >= 0 && r < m->ranks);
        ck_assert_int_eq(sb_map_decode_owner(m, first + b * q + q - 1), r);
        got[r] += q;
    }
    for (int32_t r = 0; r < m->ranks; r++) {
        least = got[r] < least ? got[r] : least;
        most  = got[r] > most ? got[r] : most;
    }
    ck_assert_int_le(most - least, q);
}

START_TEST(decode_never_splits_a_block_and_keeps_shards_equal)
{
    for (int i = 0; i < PER_KIND; i++) {
        sb_map m = map_number(_i, i);
        check_decode_owners(&m);
        sb_map_fini(&m);
    }
}
END_TEST

/* The state of a sequence lives with its last token, and so do the tokens that follow. */
START_TEST(decode_stays_where_the_state_is)
{
    for (int i = 0; i < PER_KIND; i++) {
        sb_map m       = map_number(_i, i);
        m.decode_stays = 1;
        for (int64_t t = m.n_tokens; t < m.n_tokens + 3 * m.quantum_tokens * m.ranks + 5; t += 3)
            ck_assert_int_eq(sb_map_decode_owner(&m, t), sb_map_owner(&m, m.n_tokens - 1));
        sb_map_fini(&m);
    }
}
END_TEST

START_TEST(bad_arguments_are_named)
{
    sb_map m = {.n_tokens = 77};
    ck_assert_int_eq(sb_map_create(SB_LAYOUT_ZIGZAG, 0, 1, 1, &m), SB_ERR_USAGE);
    ck_assert_str_eq(sb_error_text(), "token map: found 0 tokens, allowed 1..2^40");
    ck_assert_int_eq(sb_map_create(SB_LAYOUT_ZIGZAG, INT64_MAX, 1, 1, &m), SB_ERR_USAGE);
    ck_assert_int_eq(sb_map_create(SB_LAYOUT_ZIGZAG, 1, 0, 1, &m), SB_ERR_USAGE);
    ck_assert_str_eq(sb_error_text(), "token map: found a quantum of 0 tokens, allowed 1..2^40");
    ck_assert_int_eq(sb_map_create(SB_LAYOUT_ZIGZAG, 1, 1, 0, &m), SB_ERR_USAGE);
    ck_assert_int_eq(sb_map_create(SB_LAYOUT_COUNT, 1, 1, 1, &m), SB_ERR_USAGE);
    ck_assert_int_eq(m.n_tokens, 77); /* outputs change on success only */
}
END_TEST

START_TEST(a_million_million_tokens_stay_in_64_bits)
{
    int64_t n   = ((int64_t)1 << 40) - 1;
    sb_map  m   = map_of(SB_LAYOUT_ZIGZAG, n, 4096, 7);
    int64_t all = 0;
    for (int32_t r = 0; r < 7; r++)
        all += sb_map_gid(&m, r).n_tokens;
    ck_assert_int_eq(all, n);
    ck_assert_int_eq(sb_map_owner(&m, n - 1), 0);
    sb_map_fini(&m);
}
END_TEST

int main(void)
{
    Suite *s  = suite_create("shard map");
    TCase *tc = tcase_create("map");
    tcase_add_loop_test(tc, every_token_has_one_owner, 0, N_KINDS);
    tcase_add_loop_test(tc, runs_keep_the_quantum_and_do_not_touch, 0, N_KINDS);
    tcase_add_test(tc, layouts_are_the_table);
    tcase_add_loop_test(tc, pair_counts_equal_the_table, 0, MOST_RANKS);
    tcase_add_test(tc, short_sequences_leave_ranks_empty);
    tcase_add_loop_test(tc, decode_never_splits_a_block_and_keeps_shards_equal, 0, N_KINDS);
    tcase_add_loop_test(tc, decode_stays_where_the_state_is, 0, N_KINDS);
    tcase_add_test(tc, bad_arguments_are_named);
    tcase_add_test(tc, a_million_million_tokens_stay_in_64_bits);
    suite_add_tcase(s, tc);
    SRunner *sr = srunner_create(s);
    srunner_run_all(sr, CK_ENV);
    int failed = srunner_ntests_failed(sr);
    srunner_free(sr);
    return failed != 0;
}
