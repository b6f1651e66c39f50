/* The host's part of scans on devices: which calls run there over how many ranks, and that the room
 * counted from a shape holds what a call of any number of ranks takes, records in place. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/linear_scan_device.h"

static const sb_scan scans[] = {
    {.rule = SB_SCAN_DECAY, .form = SB_SCAN_CHUNKED, .per_query_head = 1, .chunk_tokens = 64},
    {.rule = SB_SCAN_DECAY, .map = SB_SCAN_ELU1, .normalize = 1, .chunk_tokens = 64},
    {.rule = SB_SCAN_GATE, .chunk_tokens = 64},
    {.rule = SB_SCAN_DELTA, .unit_rows = 1, .chunk_tokens = 64},
    {.rule = SB_SCAN_MEAN, .per_query_head = 1, .chunk_tokens = 64},
};
enum { N_SCANS = sizeof scans / sizeof *scans };

static const int64_t heads[][2] = {{32, 8}, {6, 3}, {5, 5}, {7, 1}}; /* query, KV */
enum { N_HEADS = sizeof heads / sizeof *heads };

/* The room of a call, laid out on the host as sb_scan_layout does for a device. */
static sbi_scan_room *open_room(const sb_scan *scan, const sb_shape *shape, int32_t ranks,
                                void **memory)
{
    sb_arena a;
    sb_plan  plan;
    sb_comm  comm = {.size = ranks};
    sb_ctx   ctx  = {.backend = &(sb_backend){.id = SB_CUDA}, .comm = &comm, .arena = &a};
    sb_arena_init_count(&a);
    ck_assert_int_eq(sb_scan_layout(&ctx, scan, shape, &plan), SB_OK);
    size_t bytes = a.high_water_bytes;
    *memory      = aligned_alloc(64, (bytes + 63) / 64 * 64);
    sb_arena_init(&a, *memory, bytes, SB_ARENA_PLAIN);
    ck_assert_int_eq(sb_scan_layout(&ctx, scan, shape, &plan), SB_OK);
    return plan.method_data;
}

static sb_shape shape_of(int which, int64_t dim, sb_run *run, int64_t n, int32_t is_decode)
{
    *run = (sb_run){is_decode ? n : 0, is_decode ? 1 : n};
    return (sb_shape){.q_gid     = {run, 1, run->len},
                      .n_keys    = run->start + run->len,
                      .heads     = heads[which][0],
                      .kv_heads  = heads[which][1],
                      .head_dim  = dim,
                      .is_decode = is_decode};
}

START_TEST(every_rule_runs_over_ranks)
{
    for (int32_t ranks = 1; ranks <= 8; ranks++)
        for (int i = 0; i < N_SCANS; i++) {
            sb_run         run;
            void          *memory;
            sb_shape       shape = shape_of(_i, 64, &run, 700, 0);
            sbi_scan_room *r     = open_room(&scans[i], &shape, ranks, &memory);
            ck_assert_int_eq(r->ranks, ranks);
            ck_assert_msg(sbi_scan_device_check(r) == SB_OK, "%s", sb_error_text());
            ck_assert_int_eq(r->query != NULL, ranks > 1 && r->scan.rule == SB_SCAN_MEAN);
            r->is_decode = 1; /* which layout says of no call over ranks */
            ck_assert_int_eq(sbi_scan_device_check(r), ranks > 1 ? SB_ERR_UNSUPPORTED : SB_OK);
            if (ranks > 1)
                ck_assert_ptr_nonnull(strstr(sb_error_text(), "found a decode step on"));
            free(memory);
        }
}
END_TEST

static int aligned(const void *p, size_t bytes) { return (uintptr_t)p % bytes == 0; }

/* n rows of a call; the room of the shape holds it, and kernels find records where they read whole
 * vectors. */
static void lay_out(const sb_scan *scan, const sb_shape *shape, int32_t ranks)
{
    void                *memory;
    sb_arena             a;
    sbi_scan_device_room d;
    sbi_scan_room       *r     = open_room(scan, shape, ranks, &memory);
    size_t               bytes = (size_t)sb_scan_device_bytes(scan, shape);
    void                *block = aligned_alloc(64, (bytes + 63) / 64 * 64);
    sb_arena_init(&a, block, bytes, SB_ARENA_PLAIN);
    ck_assert_msg(sbi_scan_device_layout(&a, r, shape->q_gid.n_tokens, &d) == SB_OK, "%s",
                  sb_error_text());
    ck_assert_int_eq(d.record != NULL, ranks > 1 && !shape->is_decode);
    ck_assert_int_eq(d.others != NULL, d.record != NULL);
    if (d.record != NULL) {
        ck_assert_int_eq(r->records_floats * (int64_t)sizeof(float),
                         sb_scan_record_bytes(scan, shape));
        ck_assert_int_eq(r->records_floats % 16, 0);
        ck_assert(aligned(d.record, 16) && aligned(d.others, 16));
        if (scan->rule == SB_SCAN_GATE) /* sums of a head, fp64 */
            ck_assert(aligned(d.record + r->record_floats + r->d * r->d, sizeof(double)));
        if (scan->rule == SB_SCAN_DELTA) /* A, by four numbers */
            ck_assert(aligned(d.record + r->record_floats + r->d * r->d, 16));
        memset(d.record, 1, (size_t)r->records_floats * sizeof(float));
        memset(d.others, 1, (size_t)(SB_SCAN_BATCH * r->records_floats) * sizeof(float));
    }
    free(block);
    free(memory);
}

START_TEST(the_room_of_a_shape_holds_any_call)
{
    static const int64_t lengths[] = {1, 64, 511, 513, 9001};
    for (int i = 0; i < N_SCANS; i++)
        for (int n = 0; n < 5; n++)
            for (int32_t ranks = 1; ranks <= 8; ranks++)
                for (int t = 0; t < 4; t++) {
                    sb_run   run;
                    sb_shape s = shape_of(_i, t % 2 == 0 ? 64 : 128, &run, lengths[n], t / 2);
                    lay_out(&scans[i], &s, ranks);
                }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("scans on devices, the host's part");
    TCase *t = tcase_create("room");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_rule_runs_over_ranks, 0, N_HEADS);
    tcase_add_loop_test(t, the_room_of_a_shape_holds_any_call, 0, N_HEADS);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
