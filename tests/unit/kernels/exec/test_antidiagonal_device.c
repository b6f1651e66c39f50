/* The host's part of scores on a device: which rows lie in which set, batches, FLOP; by the rows
 * that the CPU's plan has. No device is asked for. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/antidiagonal.h"
#include "kernels/exec/antidiagonal_device.h"

enum { RUNS = 600, KEYS = 300000, HEADS = 4, DIM = 64 };

/* Queries: chunks of chunk_tokens, every step-th one from the first on, as far as `end` and no more
 * than `most`; or one run. */
typedef struct rows_case {
    int64_t first, chunk_tokens, step, end, most;
    int64_t stride_tokens, groups;
} rows_case;

static const rows_case cases[] = {
    {0, KEYS, 1, KEYS, 1, 16, 8},      {131072, 5000, 1, KEYS, 1, 16, 8},
    {4096, 1, 1, KEYS, 1, 16, 8},      {77, 40000, 1, KEYS, 1, 16, 8},
    {77, 40000, 1, KEYS, 1, 4, 32},    {10000, 0, 1, KEYS, 1, 16, 8}, /* none */
    {512, 512, 4, KEYS, RUNS, 16, 8},                                 /* stripes */
    {128, 128, 5, KEYS, RUNS, 8, 16},                                 /* of one block */
    {96, 128, 4, KEYS, RUNS, 4, 8},                                   /* of blocks of 32 */
    {256, 128, 3, 4000, RUNS, 16, 8},  /* not up to the end of the keys */
    {384, 128, 4, KEYS, RUNS, 16, 8},  /* the last one is short */
    {1280, 1280, 181, KEYS, 2, 8, 16}, /* zigzag */
    {1280, 1280, 232, KEYS, 2, 16, 8}, /* its last block is short */
    {4096, 4096, 70, KEYS, 2, 4, 32},
};

typedef struct rows_here {
    sb_run                 run[RUNS];
    sb_gid                 gid;
    sb_antidiagonal_device a;
    sb_row_blocks          blocks;
    sb_plan                plan;
    void                  *memory;
} rows_here;

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

static sb_gid runs_of(const rows_case *c, sb_run *run)
{
    sb_gid gid = {.run = run};
    for (int64_t at = c->first; at < c->end && gid.n_runs < c->most;
         at += c->step * c->chunk_tokens) {
        int64_t len       = c->end - at < c->chunk_tokens ? c->end - at : c->chunk_tokens;
        run[gid.n_runs++] = (sb_run){at, len};
        gid.n_tokens += len;
    }
    return gid;
}

static void open_rows(rows_here *r, const rows_case *c)
{
    int64_t  block = c->stride_tokens * c->groups;
    sb_arena a;
    *r             = (rows_here){0};
    r->gid         = runs_of(c, r->run);
    sb_shape shape = {.q_gid = r->gid, .n_keys = KEYS, .heads = 1, .kv_heads = 1, .head_dim = DIM};
    sb_arena_init_count(&a);
    must(sb_row_blocks_layout(&r->blocks, &a, &shape, block, 1, &r->plan));
    r->memory = aligned_alloc(SB_ARENA_ALIGN, (a.high_water_bytes + 63) / 64 * 64);
    ck_assert_ptr_nonnull(r->memory);
    sb_arena_init(&a, r->memory, a.high_water_bytes, SB_ARENA_PLAIN);
    must(sb_row_blocks_layout(&r->blocks, &a, &shape, block, 1, &r->plan));
    sb_row_blocks_name(&r->blocks, &shape, &r->plan);
    r->a = (sb_antidiagonal_device){.stride_tokens = c->stride_tokens,
                                    .groups        = c->groups,
                                    .heads         = HEADS,
                                    .dim           = DIM,
                                    .n_keys        = KEYS};
    must(sbi_antidiagonal_rows(&r->a, &r->gid));
    r->a.set_id = malloc((size_t)(sbi_antidiagonal_sets(&r->a) + 1) * sizeof *r->a.set_id);
    ck_assert_ptr_nonnull(r->a.set_id);
    r->a.set_id[sbi_antidiagonal_sets(&r->a)] = -77;
    sbi_antidiagonal_name(&r->a, &r->gid, r->a.set_id);
    ck_assert_int_eq(r->a.set_id[sbi_antidiagonal_sets(&r->a)], -77);
}

static void close_rows(rows_here *r)
{
    free(r->a.set_id);
    free(r->memory);
}

START_TEST(rows_and_sets_are_those_of_the_plan)
{
    static rows_here r;
    open_rows(&r, &cases[_i]);
    const sb_antidiagonal_device *a       = &r.a;
    int64_t                       block   = a->groups * a->stride_tokens;
    int64_t                       per_set = SB_ANTIDIAGONAL_ROWS / a->groups;
    ck_assert_int_eq(a->n_rows, r.plan.n_rows);
    ck_assert_int_eq(sbi_antidiagonal_sets(a), (a->n_rows + per_set - 1) / per_set);
    for (int64_t s = 0; s < sbi_antidiagonal_sets(a); s++) {
        int64_t last = (s + 1) * per_set < a->n_rows ? (s + 1) * per_set : a->n_rows;
        ck_assert_int_eq(a->set_id[s], r.plan.row_id[last - 1]);
    }
    ck_assert_int_eq(a->q.len, r.gid.n_tokens);
    if (a->n_rows > 0)
        ck_assert_int_eq(a->first_id, r.plan.row_id[0]);
    for (int64_t i = 0; i < a->n_rows; i++) { /* where a row's queries lie */
        const sb_row_block *row = &r.blocks.row[i];
        int64_t             at  = a->q.start + row->slot;
        ck_assert_int_eq(at / block, i);
        ck_assert_int_eq((at + row->n_tokens - 1) / block, i);
        if (r.gid.n_runs == 1)
            ck_assert_int_eq(r.plan.row_id[i], a->first_id + i);
    }
    close_rows(&r);
}
END_TEST

START_TEST(flops_are_the_cpus)
{
    static rows_here r;
    open_rows(&r, &cases[_i]);
    sb_antidiagonal g =
        sb_antidiagonal_of(&r.blocks, r.a.stride_tokens, HEADS, SB_ANTIDIAGONAL_CAUSAL);
    ck_assert_int_eq(sb_antidiagonal_device_flops(&r.a),
                     HEADS * sb_antidiagonal_flops(&g, &r.plan, DIM));
    close_rows(&r);
}
END_TEST

START_TEST(batches_hold_every_set_of_rows_once)
{
    static const int64_t bytes[] = {1, INT64_C(1) << 26, INT64_C(1) << 40};
    static rows_here     r;
    int64_t              kept = sbi_antidiagonal_batch_bytes;
    open_rows(&r, &cases[_i]);
    const sb_antidiagonal_device *a = &r.a;
    for (int i = 0; i < 3; i++) {
        sb_antidiagonal_batch b = {0};
        int64_t               n = 0, end = 0;
        sbi_antidiagonal_batch_bytes = bytes[i];
        for (; sb_antidiagonal_device_next(a, &b); n++) {
            ck_assert_int_eq(b.first_group, end);
            ck_assert_int_gt(b.n_groups, 0);
            ck_assert_int_eq(b.n_groups % SB_ANTIDIAGONAL_ROWS, 0);
            end          = b.first_group + b.n_groups;
            int64_t last = end / a->groups < a->n_rows ? end / a->groups : a->n_rows;
            int64_t see  = ((int64_t)r.plan.row_id[last - 1] + 1) * a->groups;
            ck_assert_int_ge(b.n_tiles * SB_ANTIDIAGONAL_TILE, see);
            ck_assert_int_lt((b.n_tiles - 1) * SB_ANTIDIAGONAL_TILE, see);
            ck_assert_int_eq(b.n_blocks, b.n_tiles * SB_ANTIDIAGONAL_TILE / a->groups);
            ck_assert(b.n_groups == SB_ANTIDIAGONAL_ROWS ||
                      4 * a->heads * b.n_groups * b.n_blocks <= bytes[i]);
        }
        ck_assert_int_eq(end, sbi_antidiagonal_sets(a) * SB_ANTIDIAGONAL_ROWS);
        if (i == 0)
            ck_assert_int_eq(n, sbi_antidiagonal_sets(a));
        if (i == 2)
            ck_assert_int_eq(n, a->n_rows > 0);
    }
    sbi_antidiagonal_batch_bytes = kept;
    close_rows(&r);
}
END_TEST

START_TEST(runs_that_are_no_whole_blocks_are_refused)
{
    static const sb_run runs[][2] = {
        {{0, 100}, {256, 128}},    /* ends within a block */
        {{128, 128}, {500, 12}},   /* begins within one */
        {{128, 128}, {1024, 100}}, /* short, not at the end of the keys */
    };
    sb_antidiagonal_device a = {.stride_tokens = 16, .groups = 8, .n_keys = 2000};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        sb_gid q = {.run = runs[i], .n_runs = 2, .n_tokens = runs[i][0].len + runs[i][1].len};
        ck_assert_int_eq(sbi_antidiagonal_rows(&a, &q), SB_ERR_UNSUPPORTED);
        ck_assert_msg(strstr(sb_error_text(), "allowed whole blocks of 128") != NULL, "%s",
                      sb_error_text());
    }
    sb_run at_the_end[2] = {{128, 128}, {1920, 80}};
    sb_gid q             = {.run = at_the_end, .n_runs = 2, .n_tokens = 208};
    must(sbi_antidiagonal_rows(&a, &q));
    ck_assert_int_eq(a.n_rows, 2);
}
END_TEST

int main(void)
{
    int    n = sizeof cases / sizeof *cases;
    Suite *s = suite_create("antidiagonal_device");
    TCase *t = tcase_create("host");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, rows_and_sets_are_those_of_the_plan, 0, n);
    tcase_add_loop_test(t, flops_are_the_cpus, 0, n);
    tcase_add_loop_test(t, batches_hold_every_set_of_rows_once, 0, n);
    tcase_add_test(t, runs_that_are_no_whole_blocks_are_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
