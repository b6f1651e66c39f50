/* Blocks of 64 lanes against their contract, key by key: random plans of all parts, keys at hand in
 * several runs, tiles of a few rows. */
#include <check.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/exec/key_blocks.h"

enum { N = 700, B = 50, ROWS = N / B, CAPACITY = ROWS * N };

typedef struct random_plan {
    sb_plan plan;
    int32_t row_id[ROWS], tile[CAPACITY], token[CAPACITY];
    int64_t tile_ptr[ROWS + 1], token_ptr[ROWS + 1];
    char    listed[ROWS][N]; /* the same, key by key */
} random_plan;

/* Forms that pack: single tokens, 2-key tiles, 64-key tiles anywhere; and one that does not. */
static const int64_t forms[][2] = {{1, 1}, {2, 2}, {1, 64}, {3, 70}, {64, 64}, {64, 128}};
enum { FORMS = sizeof forms / sizeof *forms };

static void list_keys(random_plan *p, int64_t b)
{
    const sb_csr *t = &p->plan.tiles;
    for (int64_t i = p->tile_ptr[b]; (p->plan.parts & SB_PART_TILES) && i < p->tile_ptr[b + 1]; i++)
        for (int64_t k = 0; k < t->width_tokens; k++)
            if (p->tile[i] * t->unit_tokens + k < N)
                p->listed[b][p->tile[i] * t->unit_tokens + k] = 1;
    for (int64_t i = p->token_ptr[b]; (p->plan.parts & SB_PART_TOKENS) && i < p->token_ptr[b + 1];
         i++)
        p->listed[b][p->token[i]] = 1;
}

static void fill(random_plan *p, uint64_t seed)
{
    sb_rng         r    = {seed};
    const int64_t *form = forms[seed % FORMS];
    int64_t        gap  = 1 + (int64_t)sb_rng_below(&r, 2 + (uint64_t)(100 / form[0]));
    int64_t        far  = 1 + (int64_t)sb_rng_below(&r, 60);
    memset(p, 0, sizeof *p);
    for (int b = 0; b < ROWS; b++) {
        p->row_id[b]        = b;
        p->tile_ptr[b + 1]  = p->tile_ptr[b];
        p->token_ptr[b + 1] = p->token_ptr[b];
        for (int64_t t = (int64_t)sb_rng_below(&r, 3); t * form[0] < N;
             t += 1 + (int64_t)sb_rng_below(&r, (uint64_t)gap))
            p->tile[p->tile_ptr[b + 1]++] = (int32_t)t;
        for (int64_t t = (int64_t)sb_rng_below(&r, 9); t < N;
             t += 1 + (int64_t)sb_rng_below(&r, (uint64_t)far))
            p->token[p->token_ptr[b + 1]++] = (int32_t)t;
    }
    p->plan = (sb_plan){.parts         = 1u + (uint32_t)(seed / FORMS) % 7u,
                        .row_tokens    = B,
                        .n_rows        = ROWS,
                        .row_id        = p->row_id,
                        .sink_tokens   = (int64_t)sb_rng_below(&r, 90),
                        .window_tokens = 1 + (int64_t)sb_rng_below(&r, 150),
                        .tiles         = {1, p->tile_ptr, p->tile, CAPACITY, form[0], form[1]},
                        .tokens        = {1, p->token_ptr, p->token, CAPACITY, 1, 1}};
    for (int b = 0; b < ROWS; b++)
        list_keys(p, b);
}

static int is_windowed(const random_plan *p, int64_t q, int64_t k)
{
    return (p->plan.parts & SB_PART_WINDOW) &&
           (q - k < p->plan.window_tokens || k < p->plan.sink_tokens);
}

/* What one walk over the blocks of a tile gave. */
typedef struct walk {
    int64_t n_blocks, n_packed;
    int64_t lane[N];    /* of each key: 64 * packed block + lane, or its lane alone, or -1 */
    char    sees[B][N]; /* row first + i sees the key */
} walk;

static void run(const random_plan *p, const sb_gid *hand, int64_t first, int64_t last, walk *w)
{
    sb_key_blocks it;
    sb_key_block  b;
    memset(w, 0, sizeof *w);
    memset(w->lane, -1, sizeof w->lane);
    memset(&b, 0xee, sizeof b);
    sb_key_blocks_begin(&it, &p->plan, 0, sb_plan_row(&p->plan, first), first, last, hand);
    int wrong = 0; /* one check a walk: each costs a system call */
    while (sb_key_blocks_next(&it, &b)) {
        uint64_t used = b.listed | b.window;
        wrong |= used == 0 || (b.listed & b.window) != 0;
        for (int lane = 0; lane < 64; lane++)
            if (used >> lane & 1) {
                int64_t id = b.id[lane], at = b.local[lane], r = 0;
                if (id < 0 || id >= N)
                    ck_abort_msg("key %lld", (long long)id);
                wrong |= w->lane[id] >= 0;
                wrong |= b.base >= 0 && (id != b.base + lane || b.base % 64 != 0);
                w->lane[id] = b.base < 0 ? 64 * w->n_packed + lane : lane;
                for (; at >= hand->run[r].len; r++)
                    at -= hand->run[r].len;
                wrong |= hand->run[r].start + at != id;
            }
        for (int64_t q = first; q <= last; q++) {
            uint64_t sees = sb_key_block_visible(&b, sb_plan_row_window(&p->plan, 0, q), q);
            wrong |= (sees & ~used) != 0;
            for (int lane = 0; lane < 64; lane++)
                if (sees >> lane & 1)
                    w->sees[q - first][b.id[lane]] = 1;
        }
        w->n_blocks++;
        w->n_packed += b.base < 0;
    }
    ck_assert(!wrong);
    ck_assert_int_eq(sb_key_blocks_next(&it, &b), 0);
}

static const sb_run  hands[][4] = {{{0, N}, {0}, {0}, {0}},
                                   {{0, 64}, {70, 1}, {71, 300}, {500, 200}},
                                   {{90, 3}, {333, 90}, {0}, {0}}};
static const int32_t n_hands[]  = {1, 4, 2};

static sb_gid hand_of(int i)
{
    sb_gid g = {hands[i], n_hands[i], 0};
    for (int32_t r = 0; r < g.n_runs; r++)
        g.n_tokens += hands[i][r].len;
    return g;
}

static int at_hand(const sb_gid *g, int64_t k)
{
    for (int32_t r = 0; r < g->n_runs; r++)
        if (k >= g->run[r].start && k < g->run[r].start + g->run[r].len)
            return 1;
    return 0;
}

/* Each row sees exactly its visible keys at hand, each once; packed blocks are full but for the
 * last, so their number follows the list; the others touch what they hold. */
START_TEST(blocks_hold_what_rows_see)
{
    static random_plan p;
    static walk        w;
    fill(&p, (uint64_t)_i);
    int packs = sb_plan_packs(&p.plan);
    ck_assert_int_eq(packs, (p.plan.parts & SB_PART_TOKENS) ||
                                ((p.plan.parts & SB_PART_TILES) && forms[_i % FORMS][0] != 64));
    for (int h = 0; h < 3; h++)
        for (int64_t first = 0; first < N; first += 37) {
            sb_gid  g      = hand_of(h);
            int64_t last   = first + _i % 20;
            int64_t listed = 0, touched = 0, was = -1;
            last = last < first / B * B + B - 1 ? last : first / B * B + B - 1;
            run(&p, &g, first, last, &w);
            for (int64_t k = 0; k <= last; k++) {
                int any = 0, list = p.listed[first / B][k];
                for (int64_t q = first; q <= last; q++) {
                    int want = at_hand(&g, k) && k <= q && (list || is_windowed(&p, q, k));
                    if (w.sees[q - first][k] != want)
                        ck_abort_msg("row %lld, key %lld", (long long)q, (long long)k);
                    any |= want;
                }
                listed += any && list && packs;
                if (any && !(list && packs)) {
                    touched += k / 64 != was;
                    was = k / 64;
                }
            }
            ck_assert_int_eq(w.n_packed, (listed + 63) / 64);
            ck_assert_int_eq(w.n_blocks - w.n_packed, touched);
        }
}
END_TEST

/* A row's keys keep their lanes in every tile that holds the row: its sums keep their order. */
START_TEST(lanes_do_not_depend_on_the_tile)
{
    static random_plan p;
    static walk        whole, part;
    fill(&p, (uint64_t)_i);
    for (int h = 0; h < 3; h++)
        for (int64_t block = 0; block < ROWS; block++) {
            sb_gid  g    = hand_of(h);
            int64_t from = block * B;
            run(&p, &g, from, from + B - 1, &whole);
            for (int64_t q = from; q < from + B; q += 7) {
                run(&p, &g, q, q + 1 < from + B ? q + 1 : q, &part);
                for (int64_t k = 0; k <= q; k++)
                    if (part.sees[0][k] != whole.sees[q - from][k] ||
                        (part.sees[0][k] && part.lane[k] != whole.lane[k]))
                        ck_abort_msg("row %lld, key %lld", (long long)q, (long long)k);
            }
        }
}
END_TEST

/* The causal test reads ids, not lanes: packed keys need not ascend. */
START_TEST(ids_in_any_order)
{
    sb_key_block b = {.base = -1, .listed = 7, .last = 90, .id = {90, 10, 40}};
    ck_assert_uint_eq(sb_key_block_visible(&b, (sb_row_window){0, 0, 1}, 9), 0);
    ck_assert_uint_eq(sb_key_block_visible(&b, (sb_row_window){0, 0, 1}, 10), 2);
    ck_assert_uint_eq(sb_key_block_visible(&b, (sb_row_window){0, 0, 1}, 89), 6);
    ck_assert_uint_eq(sb_key_block_visible(&b, (sb_row_window){0, 0, 1}, 90), 7);
}
END_TEST

START_TEST(nothing_at_hand)
{
    sb_gid        none = {0};
    sb_key_blocks it;
    sb_key_block  b;
    sb_key_blocks_begin(&it, NULL, 0, 0, 0, 99, &none);
    ck_assert_int_eq(sb_key_blocks_next(&it, &b), 0);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("key_blocks");
    TCase *t = tcase_create("blocks");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, blocks_hold_what_rows_see, 0, 7 * FORMS);
    tcase_add_loop_test(t, lanes_do_not_depend_on_the_tile, 0, 7 * FORMS);
    tcase_add_test(t, ids_in_any_order);
    tcase_add_test(t, nothing_at_hand);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
