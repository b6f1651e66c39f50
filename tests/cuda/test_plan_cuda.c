/* Plans made on the device beside plans made by the CPU, the oracle: the same keys for every query
 * but for ties and last bits of products, the same output where the keys are the same. Without a
 * device: skipped (77). */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/antidiagonal_device.h"
#include "kernels/exec/plan_bits_device.h"
#include "tests/cuda/device_main.h"
#include "tests/cuda/device_plan.h"
#include "tests/tolerance.h"

/* One line a configuration; methods whose plan runs on the device have some. */
static const plan_spec specs[] = {
    {"random_blocks", "", "random", 4, 2, 128, 1000},
    {"random_blocks", "density=.3 block_tokens=64 sink_blocks=2", "random", 8, 1, 64, 3333},
    {"random_blocks", "density=1", "random", 2, 2, 64, 130},
    {"pbs_attn", "", "structured", 8, 2, 128, 8192},
    {"pbs_attn", "", "random", 8, 2, 128, 5000},
    {"pbs_attn", "block_tokens=64 segment_tokens=512 tau=.6", "structured", 4, 1, 64, 3333},
    {"pbs_attn", "block_tokens=64 segment_tokens=64 tau=.5", "structured", 4, 4, 128, 2047},
    {"pbs_attn", "block_tokens=256 segment_tokens=1024 tau=.7 query_pool=max key_pool=max",
     "structured", 4, 2, 64, 7000},
    {"pbs_attn", "block_tokens=24 segment_tokens=72 pool_div_valid=on force_first_block=off",
     "structured", 4, 2, 128, 1500},
    {"pbs_attn", "tau=1", "random", 4, 2, 128, 1000},
    {"pbs_attn", "", "random", 4, 2, 128, 256},
    {"hip", "", "structured", 8, 2, 128, 8192},
    {"hip", "", "random", 8, 2, 128, 5001},
    {"hip", "align=0", "structured", 4, 1, 64, 9000},
    {"hip", "top_k_tokens=2048 window_tokens=1024", "structured", 4, 1, 128, 16384},
    {"hip",
     "block_q_tokens=32 stride_q_tokens=4 block_k_tokens=8 stride_k_tokens=2 "
     "top_k_tokens=264 window_tokens=64",
     "structured", 4, 2, 128, 3001},
    {"hip",
     "block_q_tokens=24 stride_q_tokens=3 block_k_tokens=3 stride_k_tokens=1 "
     "top_k_tokens=96 window_tokens=48 sink_tokens=0",
     "random", 4, 4, 64, 2000},
    {"hip", "", "random", 4, 2, 128, 700},
    {"pbs_attn", "", "structured", 4, 1, 128, 32768},
    {"hip", "", "structured", 4, 1, 128, 32768},
    {"flexprefill", "", "random", 4, 2, 128, 900}, /* dense by its own rule */
    {"flexprefill", "gamma=.9", "structured", 4, 2, 128, 4096},
    {"flexprefill", "gamma=.8 tau=0 min_budget_tokens=256", "structured", 4, 1, 64, 4001},
    {"flexprefill", "gamma=.7 tau=.9 min_budget_tokens=128", "clustered", 4, 4, 128, 3333},
    {"flexprefill", "gamma=.6 tau=.9 min_budget_tokens=100 block_tokens=32", "random", 4, 2, 64,
     1111},
    {"flexprefill", "gamma=.9 block_tokens=64 min_budget_tokens=128 slash_cover=2", "structured", 8,
     2, 128, 5000},
    {"flexprefill", "gamma=.8 compat=official min_budget_tokens=128", "structured", 4, 2, 128,
     4000},
    {"flexprefill", "gamma=.9 tau=.9 compat=official min_budget_tokens=128", "clustered", 4, 2, 64,
     2500},
    {"minference", "vertical_tokens=100 slash_tokens=400", "structured", 4, 2, 128, 4096},
    {"minference", "vertical_tokens=60 slash_tokens=150", "clustered", 4, 1, 64, 3001},
    {"minference", "vertical_tokens=500 slash_tokens=50", "random", 2, 2, 128, 999},
    {"minference", "vertical_tokens=0 slash_tokens=9999", "random", 2, 2, 64, 50},
    {"minference", "pattern=block_sparse top_k_blocks=7", "clustered", 4, 2, 128, 3333},
    {"minference", "pattern=block_sparse top_k_blocks=20", "structured", 4, 1, 64, 4096},
    {"minference", "pattern=a_shape sink_tokens=100 window_tokens=300", "random", 4, 2, 128, 2000},
    {"flexprefill", "gamma=.99 max_budget_tokens=512 min_budget_tokens=128", "structured", 4, 2,
     128, 8192},
    {"xattention", "", "structured", 8, 2, 128, 4096},
    {"xattention", "tau=0.7", "random", 4, 4, 64, 2000},
    {"xattention", "stride_tokens=8 tau=0.95", "clustered", 4, 1, 128, 1777},
    {"xattention", "stride_tokens=4", "structured", 4, 2, 64, 1500},
    {"xattention", "block_tokens=64 stride_tokens=8 compat=official tau=0.8", "structured", 4, 2,
     128, 6000},
    {"xattention", "tau=1", "random", 2, 1, 128, 1100},
    {"xattention", "tau=0", "random", 2, 1, 128, 1100},
    {"xattention", "", "random", 2, 1, 128, 200},
    {"anchor_attention", "", "structured", 8, 2, 128, 8192},
    {"anchor_attention", "theta=2", "random", 4, 4, 64, 7000},
    {"anchor_attention", "theta=5 compat=official", "clustered", 8, 1, 128, 6200},
    {"anchor_attention", "step_blocks=32 theta=3", "structured", 4, 2, 64, 12400},
    {"anchor_attention", "theta=1e9", "random", 2, 1, 128, 6144},
};

START_TEST(device_and_host_select_the_same)
{
    const plan_spec *s = &specs[_i];
    plan_apart       r = device_plan_compare(s);
    (void)printf("%s %s, %s, %lld tokens: density %.3f, differ %.2e, recall %.4f and %.4f, "
                 "nmse %.1e, lse %.1e\n",
                 s->method, s->params, s->operands, (long long)s->n_tokens, r.density, r.share,
                 r.recall[0], r.recall[1], r.nmse, r.lse_abs);
    device_plan_hold(s, &r);
    ck_assert_int_gt(r.equal_rows, r.rows / 2);
    ck_assert_msg(isfinite(r.nmse) && r.nmse <= SB_NMSE_PO_BF16 + SB_NMSE_BF16, "%s %s: nmse %g",
                  s->method, s->params, r.nmse);
    ck_assert_msg(r.lse_abs <= SB_LSE_DEVICE_ABS, "%s %s: lse %g", s->method, s->params, r.lse_abs);
    ck_assert_int_gt(r.estimate_flops[0], -1);
    /* minference's probe takes two passes over the keys there, three on the CPU */
    int fewer =
        strcmp(s->method, "minference") == 0 && 3 * r.estimate_flops[1] == 2 * r.estimate_flops[0];
    ck_assert_msg(r.estimate_flops[0] == r.estimate_flops[1] || r.differ > 0 || fewer,
                  "%s %s: estimate %lld and %lld FLOP", s->method, s->params,
                  (long long)r.estimate_flops[0], (long long)r.estimate_flops[1]);
}
END_TEST

/* ---- antidiagonal scores in batches ---- */

START_TEST(batches_change_nothing)
{
    const plan_spec s    = {"xattention", "", "structured", 4, 2, 128, 9000};
    int64_t         kept = sbi_antidiagonal_batch_bytes;
    plan_apart      r[2];
    for (int i = 0; i < 2; i++) {
        sbi_antidiagonal_batch_bytes = i == 0 ? kept : 4 * 128 * 128 * 4;
        r[i]                         = device_plan_compare(&s);
        device_plan_hold(&s, &r[i]);
    }
    ck_assert_int_eq(r[0].differ, r[1].differ);
    sbi_antidiagonal_batch_bytes = kept;
}
END_TEST

/* ---- what the device does not plan ---- */

static const struct {
    plan_spec   spec;
    const char *says;
} refused[] = {
    {{"xattention", "stride_tokens=32", "random", 2, 1, 128, 1000}, "found 4 groups"},
    {{"xattention", "", "random", 2, 1, 32, 1000}, "found head_dim 32"},
    {{"anchor_attention", "windows=released", "random", 2, 1, 128, 5000}, "windows released"},
    {{"anchor_attention", "block_tokens=64", "random", 2, 1, 128, 5000}, "blocks of 64 tokens"},
    {{"anchor_attention", "step_blocks=8", "random", 2, 1, 128, 5000}, "found 8 blocks"},
};

START_TEST(what_it_does_not_plan_it_names)
{
    plan_apart r = device_plan_compare(&refused[_i].spec);
    ck_assert_int_eq(r.status, SB_ERR_UNSUPPORTED);
    ck_assert_msg(strstr(sb_error_text(), refused[_i].says) != NULL, "%s", sb_error_text());
}
END_TEST

/* ---- tile lists from bits ---- */

enum { LISTS = 301, TILES = 1000, WORDS = (TILES + 31) / 32 };

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

START_TEST(lists_hold_the_bits_that_are_set)
{
    static uint32_t   word[LISTS * WORDS];
    static int32_t    want[LISTS * TILES], got[LISTS * TILES];
    int64_t           ptr[LISTS + 1], n = 0;
    const sb_backend *b = &sb_backend_cuda;
    sb_plan_bits      bits;
    sb_csr            csr = {.capacity = LISTS * TILES};
    sb_arena          a;
    void             *room = NULL;
    sb_ctx            ctx  = {.backend = b, .arena = &a};
    srand(7);
    for (int l = 0; l < LISTS; l++) /* from none to all */
        for (int t = 0; t < TILES; t++)
            if (rand() % (LISTS - 1) < l) {
                word[l * WORDS + t / 32] |= 1u << t % 32;
                want[n++] = t;
            }
    sb_arena_init_count(&a);
    must(sb_plan_bits_layout(&bits, &ctx, LISTS, TILES));
    must(b->alloc(a.high_water_bytes, &room));
    sb_arena_init(&a, room, a.high_water_bytes, SB_ARENA_PLAIN);
    must(sb_plan_bits_layout(&bits, &ctx, LISTS, TILES));
    must(b->alloc(sizeof ptr, (void **)&csr.row_ptr));
    must(b->alloc(sizeof got, (void **)&csr.id));
    must(b->copy(bits.word, word, sizeof word, SB_COPY_TO_DEVICE, NULL));
    must(sb_plan_bits_list(&bits, &csr, NULL));
    must(b->copy(ptr, csr.row_ptr, sizeof ptr, SB_COPY_TO_HOST, NULL));
    must(b->copy(got, csr.id, sizeof got, SB_COPY_TO_HOST, NULL));
    must(b->sync(NULL));
    ck_assert_int_eq(ptr[0], 0);
    ck_assert_int_eq(ptr[LISTS], n);
    for (int l = 0; l < LISTS; l++) {
        int64_t set = 0;
        for (int w = 0; w < WORDS; w++)
            set += __builtin_popcount(word[l * WORDS + w]);
        ck_assert_int_eq(ptr[l + 1] - ptr[l], set);
    }
    ck_assert_int_eq(memcmp(got, want, (size_t)n * sizeof *want), 0);
    must(sb_plan_bits_clear(&bits, NULL));
    must(sb_plan_bits_list(&bits, &csr, NULL));
    must(b->copy(ptr, csr.row_ptr, sizeof ptr, SB_COPY_TO_HOST, NULL));
    must(b->sync(NULL));
    for (int l = 0; l <= LISTS; l++)
        ck_assert_int_eq(ptr[l], 0);
    b->free(csr.row_ptr);
    b->free(csr.id);
    b->free(room);
}
END_TEST

/* ---- phases of queued work ---- */

START_TEST(timeline_adds_what_was_queued_in_each_phase)
{
    const sb_backend *b    = &sb_backend_cuda;
    sb_timeline      *t    = NULL;
    void             *room = NULL;
    sb_phase_times    times;
    size_t            bytes = (size_t)1 << 30;
    must(b->alloc(bytes, &room));
    must(b->timeline_open(&t));
    for (int again = 0; again < 2; again++) { /* events are used again */
        times = (sb_phase_times){0};
        must(t->enter(t, SB_PHASE_ESTIMATE, NULL));
        must(b->fill(room, 1, bytes, NULL));
        must(t->enter(t, SB_PHASE_ESTIMATE, NULL)); /* goes on */
        must(b->fill(room, 2, bytes, NULL));
        must(t->enter(t, SB_PHASE_SELECT, NULL));
        must(t->enter(t, SB_PHASE_COMPUTE, NULL));
        must(b->fill(room, 3, bytes, NULL));
        must(t->read(t, NULL, &times));
        /* 1 GiB is written in some .4 ms, an empty phase takes microseconds */
        ck_assert_int_gt(times.ns[SB_PHASE_COMPUTE], 100000);
        ck_assert_int_gt(times.ns[SB_PHASE_ESTIMATE], times.ns[SB_PHASE_COMPUTE] * 3 / 2);
        ck_assert_int_lt(times.ns[SB_PHASE_SELECT], times.ns[SB_PHASE_COMPUTE] / 4);
        ck_assert_int_eq(times.ns[SB_PHASE_PERMUTE], 0);
    }
    must(t->read(t, NULL, &times)); /* nothing was entered: waits, adds nothing */
    must(t->enter(t, SB_PHASE_SELECT, NULL));
    t->close(t);
    b->free(room);
}
END_TEST

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("plan cuda");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 120);
    tcase_add_test(t, lists_hold_the_bits_that_are_set);
    tcase_add_test(t, timeline_adds_what_was_queued_in_each_phase);
    tcase_add_test(t, batches_change_nothing);
    tcase_add_loop_test(t, what_it_does_not_plan_it_names, 0, sizeof refused / sizeof *refused);
    tcase_add_loop_test(t, device_and_host_select_the_same, 0, sizeof specs / sizeof *specs);
    suite_add_tcase(s, t);
    return device_run(s);
}
