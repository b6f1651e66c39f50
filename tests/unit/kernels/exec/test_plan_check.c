/* sb_plan_check: a sound plan of all parts passes, each broken rule is named; and what
 * sb_plan_place makes of a plan, on the backend whose memory a test can read. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/base/backend.h"
#include "kernels/exec/plan_check.h"
#include "kernels/exec/plan_fetch.h"
#include "kernels/exec/plan_place.h"
#include "kernels/exec/row_blocks_device.h"

enum { HEADS = 2, KEYS = 20, ROWS = 2 };

typedef struct sound {
    sb_plan        plan;
    int32_t        row_id[ROWS], tile[8], token[8];
    int64_t        tile_ptr[HEADS * ROWS + 1], token_ptr[ROWS + 1];
    sb_head_window head[HEADS];
    sb_window_span span[2];
    uint16_t       offset[KEYS];
} sound;

static sound s;

static void reset(void)
{
    s = (sound){.row_id    = {0, 1},
                .tile      = {0, 2, 1, 3, 4, 0},
                .tile_ptr  = {0, 2, 2, 5, 6},
                .token     = {19, 0, 7},
                .token_ptr = {0, 1, 3},
                .head      = {{1, 2}, {3, 4}},
                .span      = {{0, 0}, {10, 5}}};
    for (int i = 0; i < KEYS; i++)
        s.offset[i] = (uint16_t)(i < 16 ? 7 - i % 8 : i % 8);
    s.plan = (sb_plan){.parts      = SB_PART_TILES | SB_PART_TOKENS | SB_PART_WINDOW,
                       .row_tokens = 10,
                       .n_rows     = ROWS,
                       .row_id     = s.row_id,
                       .form   = {.head = s.head, .n_heads = HEADS, .span = s.span, .n_spans = 2},
                       .tiles  = {HEADS, s.tile_ptr, s.tile, 8, 4, 4},
                       .tokens = {1, s.token_ptr, s.token, 8, 1, 1}};
}

static void slots_instead(void)
{
    s.plan.parts = SB_PART_TILES;
    s.plan.slots = (sb_slots){1, KEYS, 8, s.offset};
}

static void refused(const char *text)
{
    ck_assert_int_eq(sb_plan_check(&s.plan, NULL, HEADS, KEYS), SB_ERR_INTERNAL);
    ck_assert_msg(strstr(sb_error_text(), text) != NULL, "%s", sb_error_text());
    reset();
}

START_TEST(sound_plans_pass)
{
    ck_assert_msg(sb_plan_check(&s.plan, NULL, HEADS, KEYS) == SB_OK, "%s", sb_error_text());
    slots_instead();
    ck_assert_msg(sb_plan_check(&s.plan, NULL, HEADS, KEYS) == SB_OK, "%s", sb_error_text());
    s.plan = (sb_plan){.parts = SB_PART_WINDOW, .window_tokens = SB_WINDOW_ALL};
    ck_assert_int_eq(sb_plan_check(&s.plan, NULL, HEADS, KEYS), SB_OK);
}
END_TEST

START_TEST(each_broken_rule_is_named)
{
    s.tile[3] = 1;
    refused("tiles list 2 holds id 1 after 1");
    s.tile[4] = 5;
    refused("holds id 5 after 3, allowed ascending ids below 5");
    s.tile[0] = -1;
    refused("tiles list 0 holds id -1");
    s.token[0] = KEYS;
    refused("tokens list 0 holds id 20");
    s.tile_ptr[4] = 9;
    refused("tiles pointers go from 0 to 9, allowed 0 to 8");
    s.tile_ptr[0] = 1;
    refused("tiles pointers go from 1");
    s.token_ptr[1] = 4;
    refused("tokens pointer 1 falls from 4 to 3");
    s.tile_ptr[1] = 3; /* below the last pointer */
    refused("tiles pointer 1 falls from 3 to 2");
    s.plan.tiles.n_heads = 3;
    refused("tiles of 3 heads, allowed 1 or 2");
    s.plan.tiles.width_tokens = 0;
    refused("tiles of 0 keys");
    s.row_id[1] = 0;
    refused("row block 1 has number 0");
    s.plan.row_tokens = 0;
    refused("row blocks of 0 tokens");
    s.plan.form.n_heads = 1;
    refused("windows of 1 heads for 2");
    s.span[1].first = 11;
    refused("span 1 starts at row 10 and key 11");
    s.span[0].row = 1;
    refused("span 0 starts at row 1");
    s.plan.slots = (sb_slots){1, KEYS, 8, s.offset};
    refused("slots and a window");
    slots_instead();
    s.offset[17] = 4; /* the last segment has four slots */
    refused("slot 17 stands for offset 4 of a segment of 4");
    slots_instead();
    s.plan.slots.n_slots = KEYS - 1;
    refused("19 slots for 20 keys");
}
END_TEST

START_TEST(every_row_block_of_the_queries_has_a_list)
{
    sb_run q[2] = {{3, 4}, {12, 8}};
    sb_gid gid  = {q, 2, 12};
    ck_assert_msg(sb_plan_check(&s.plan, &gid, HEADS, KEYS) == SB_OK, "%s", sb_error_text());
    s.row_id[1] = 2;
    ck_assert_int_eq(sb_plan_check(&s.plan, &gid, HEADS, KEYS), SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "no list for row block 1"));
    q[1].len = 0;
    ck_assert_int_eq(sb_plan_check(&s.plan, &gid, HEADS, KEYS), SB_OK);
}
END_TEST

START_TEST(a_placed_plan_says_the_same)
{
    _Alignas(64) static unsigned char room[8192];
    for (int slots = 0; slots < 2; slots++) {
        sb_plan  placed;
        sb_arena a;
        if (slots)
            slots_instead();
        sb_arena_init_count(&a);
        ck_assert_int_eq(
            sb_plan_place(&sb_backend_cpu, NULL, &a, &s.plan, NULL, HEADS, KEYS, &placed), SB_OK);
        size_t bytes = a.high_water_bytes;
        sb_arena_init(&a, room, bytes, SB_ARENA_PLAIN);
        ck_assert_int_eq(
            sb_plan_place(&sb_backend_cpu, NULL, &a, &s.plan, NULL, HEADS, KEYS, &placed), SB_OK);
        ck_assert_uint_eq(a.high_water_bytes, bytes);
        sb_plan was = s.plan;
        ck_assert_int_eq(memcmp(placed.row_id, was.row_id, sizeof s.row_id), 0);
        ck_assert_int_eq(memcmp(placed.tiles.row_ptr, s.tile_ptr, sizeof s.tile_ptr), 0);
        ck_assert_int_eq(memcmp(placed.tiles.id, s.tile, 6 * sizeof *s.tile), 0);
        ck_assert_int_eq(placed.tiles.capacity, 6);
        memset(s.tile, 0x55, sizeof s.tile); /* nothing points back */
        memset(s.token, 0x55, sizeof s.token);
        memset(s.head, 0x55, sizeof s.head);
        memset(s.span, 0x55, sizeof s.span);
        memset(s.offset, 0x55, sizeof s.offset);
        ck_assert_msg(sb_plan_check(&placed, NULL, HEADS, KEYS) == SB_OK, "%s", sb_error_text());
        reset();
    }
    s.tile[1] = 0;
    sb_arena a;
    sb_plan  placed = {.n_rows = -3};
    sb_arena_init_count(&a);
    ck_assert_int_eq(sb_plan_place(&sb_backend_cpu, NULL, &a, &s.plan, NULL, HEADS, KEYS, &placed),
                     SB_ERR_INTERNAL);
    ck_assert_int_eq(placed.n_rows, -3);
    reset();
    sb_arena_init(&a, room, 256, SB_ARENA_PLAIN);
    ck_assert_int_eq(sb_plan_place(&sb_backend_cpu, NULL, &a, &s.plan, NULL, HEADS, KEYS, &placed),
                     SB_ERR_NOMEM);
}
END_TEST

START_TEST(a_fetched_plan_says_the_same)
{
    sb_fetched_plan f = {0};
    for (int slots = 0; slots < 2; slots++) {
        int64_t more = 100;
        if (slots)
            slots_instead();
        s.plan.estimate_flops      = 7;
        s.plan.estimate_flops_more = &more;
        ck_assert_msg(sb_plan_fetch(&sb_backend_cpu, NULL, &s.plan, NULL, HEADS, KEYS, &f) == SB_OK,
                      "%s", sb_error_text());
        ck_assert_int_eq(f.plan.estimate_flops, 107);
        ck_assert_ptr_null(f.plan.estimate_flops_more);
        ck_assert_int_eq(memcmp(f.plan.tiles.row_ptr, s.tile_ptr, sizeof s.tile_ptr), 0);
        ck_assert_int_eq(memcmp(f.plan.tiles.id, s.tile, 6 * sizeof *s.tile), 0);
        memset(s.tile, 0x55, sizeof s.tile); /* nothing points back */
        memset(s.token, 0x55, sizeof s.token);
        memset(s.head, 0x55, sizeof s.head);
        memset(s.span, 0x55, sizeof s.span);
        memset(s.offset, 0x55, sizeof s.offset);
        memset(s.row_id, 0x55, sizeof s.row_id);
        ck_assert_msg(sb_plan_check(&f.plan, NULL, HEADS, KEYS) == SB_OK, "%s", sb_error_text());
        reset();
    }
    s.tile_ptr[4] = 9; /* more than there is room for: never followed */
    ck_assert_int_eq(sb_plan_fetch(&sb_backend_cpu, NULL, &s.plan, NULL, HEADS, KEYS, &f),
                     SB_ERR_INTERNAL);
    ck_assert_ptr_nonnull(strstr(sb_error_text(), "9 ids in room for 8"));
    reset();
    s.tile[1] = 0; /* a planner at fault */
    ck_assert_int_eq(sb_plan_fetch(&sb_backend_cpu, NULL, &s.plan, NULL, HEADS, KEYS, &f),
                     SB_ERR_INTERNAL);
    ck_assert_ptr_null(f.plan.row_id);
    sb_fetched_plan_fini(&f);
}
END_TEST

START_TEST(row_blocks_of_a_device_are_those_of_the_host)
{
    _Alignas(64) static unsigned char here[8192], there[8192];
    sb_run   run[2] = {{64, 64}, {160, 100}}; /* blocks 2, 3 | 5, 6, 7, 8 */
    sb_shape shape  = {
         .q_gid = {run, 2, 164}, .n_keys = 300, .heads = 4, .kv_heads = 2, .head_dim = 64};
    sb_arena             a;
    sb_ctx               ctx = {.backend = &sb_backend_cpu, .arena = &a};
    sb_row_blocks        host;
    sb_row_blocks_device dev;
    sb_plan              want, got;
    sb_arena_init(&a, here, sizeof here, SB_ARENA_PLAIN);
    ck_assert_int_eq(sb_row_blocks_layout(&host, &a, &shape, 32, 1, &want), SB_OK);
    sb_row_blocks_name(&host, &shape, &want);
    sb_arena_init_count(&a);
    ck_assert_int_eq(sb_row_blocks_device_layout(&dev, &ctx, &shape, 32, 16, 1, &got), SB_OK);
    size_t bytes = a.high_water_bytes;
    sb_arena_init(&a, there, bytes, SB_ARENA_PLAIN);
    ck_assert_int_eq(sb_row_blocks_device_layout(&dev, &ctx, &shape, 32, 16, 1, &got), SB_OK);
    ck_assert_uint_eq(a.high_water_bytes, bytes);
    ck_assert_int_eq(dev.n_rows, 6);
    ck_assert_int_eq(got.n_rows, want.n_rows);
    ck_assert_int_eq(memcmp(got.row_id, want.row_id, 6 * sizeof *want.row_id), 0);
    ck_assert_int_eq(memcmp(dev.row, host.row, 6 * sizeof *host.row), 0);
    ck_assert_int_eq(dev.ids_per_head, 2 * host.ids_per_head); /* two tiles a block */
    ck_assert_int_eq(got.tiles.capacity, 4 * dev.ids_per_head);
    ck_assert_int_eq(got.tiles.width_tokens, 16);
    ck_assert_int_eq(got.row_tokens, 32);
    sb_arena_init(&a, there, bytes - 64, SB_ARENA_PLAIN);
    ck_assert_int_eq(sb_row_blocks_device_layout(&dev, &ctx, &shape, 32, 16, 1, &got),
                     SB_ERR_NOMEM);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan check");
    TCase *t     = tcase_create("plan");
    tcase_add_checked_fixture(t, reset, NULL);
    tcase_add_test(t, sound_plans_pass);
    tcase_add_test(t, each_broken_rule_is_named);
    tcase_add_test(t, every_row_block_of_the_queries_has_a_list);
    tcase_add_test(t, a_placed_plan_says_the_same);
    tcase_add_test(t, a_fetched_plan_says_the_same);
    tcase_add_test(t, row_blocks_of_a_device_are_those_of_the_host);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_run_all(r, CK_ENV);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    return failures != 0;
}
