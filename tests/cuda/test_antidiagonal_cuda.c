/* XAttention's plans of queries in one run and in several, as ranks of zigzag and striped layouts
 * have them: to the last id those rows of the device's plan of all queries, beside the CPU's plan
 * of the same queries as near as other plans are, and its FLOP. Without a device: skipped (77). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/exec/antidiagonal_device.h"
#include "kernels/xattention/xattention.h"
#include "tests/cuda/device_main.h"
#include "tests/oracle/case.h"

enum { RUNS = 128, PARTS = 4, SMALL = 1 /* byte of sums: a set a batch */ };

/* Chunks of chunk_tokens, every step-th one from `first` on, no more than `most`. */
typedef struct part {
    int64_t first, chunk_tokens, step, most;
} part;

typedef struct runs_case {
    const char   *params;
    sb_case_shape shape;
    int64_t       batch_bytes; /* 0: as ever */
    part          parts[PARTS];
} runs_case;

static const runs_case cases[] = {
    /* a zigzag of two, whose last block is short: 23 tokens beyond whole groups */
    {"tau: 0.8", {8007, 8007, 2, 1, 128}, 0, {{0, 2048, 3, 2}, {2048, 2048, 1, 2}}},
    {"tau: 0.8", {8007, 8007, 2, 1, 128}, SMALL, {{0, 2048, 3, 2}, {2048, 2048, 1, 2}}},
    /* stripes of one block over three ranks */
    {"tau: 0.7, stride_tokens: 8",
     {7001, 7001, 2, 2, 64},
     0,
     {{0, 128, 3, RUNS}, {128, 128, 3, RUNS}, {256, 128, 3, RUNS}}},
    {"tau: 0.7, stride_tokens: 8",
     {7001, 7001, 2, 2, 64},
     SMALL,
     {{0, 128, 3, RUNS}, {128, 128, 3, RUNS}, {256, 128, 3, RUNS}}},
    {"tau: 0.7", {4200, 4200, 4, 2, 64}, 0, {{0, 128, 2, RUNS}, {128, 128, 2, RUNS}}},
    /* sets of 512 tokens: more than one turn of 8 sets; ranks far from each other's rows */
    {"tau: 0.9, stride_tokens: 4",
     {9100, 9100, 2, 1, 64},
     0,
     {{0, 128, 2, RUNS}, {512, 1024, 5, 2}, {128, 4096, 1, 1}, {5120, 128, 4, RUNS}}},
    /* the first chunk of the released code, 8192 tokens here, ends between the rows of a rank */
    {"block_tokens: 64, stride_tokens: 8, compat: official, tau: 0.8",
     {16500, 16500, 2, 1, 64},
     0,
     {{0, 64, 5, RUNS}, {4096, 4096, 2, 2}, {1920, 128, 7, RUNS}}},
    /* one run: whole blocks, one that begins and ends within groups, the last tokens, one token */
    {"tau: 0.8",
     {5003, 5003, 4, 1, 128},
     0,
     {{1152, 2048, 1, 1}, {1001, 1717, 1, 1}, {2999, 9999, 1, 1}, {4095, 1, 1, 1}}},
    {"tau: 0.8, stride_tokens: 8",
     {5003, 5003, 4, 1, 128},
     SMALL,
     {{1152, 2048, 1, 1}, {1001, 1717, 1, 1}, {2999, 9999, 1, 1}, {4095, 1, 1, 1}}},
};

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

static sb_gid runs_of(const part *p, int64_t n, sb_run *run)
{
    sb_gid gid = {.run = run};
    for (int64_t at = p->first; at < n && gid.n_runs < p->most; at += p->step * p->chunk_tokens) {
        int64_t len = n - at < p->chunk_tokens ? n - at : p->chunk_tokens;
        ck_assert_int_lt(gid.n_runs, RUNS);
        run[gid.n_runs++] = (sb_run){at, len};
        gid.n_tokens += len;
    }
    return gid;
}

/* A plan made on the device, in host memory. */
typedef struct there {
    int64_t  n_rows, flops;
    int32_t *row_id, *id;
    int64_t *row_ptr;
} there;

static void *upload(const sb_tensor *t, sb_tensor *out)
{
    size_t bytes = (size_t)(t->heads * t->head_stride) * sizeof(sb_bf16);
    *out         = *t;
    must(sb_backend_cuda.alloc(bytes, &out->data));
    must(sb_backend_cuda.copy(out->data, t->data, bytes, SB_COPY_TO_DEVICE, NULL));
    return out->data;
}

static void *fetch(const void *from, int64_t n, size_t size)
{
    void *to = malloc((size_t)(n + 1) * size);
    ck_assert_ptr_nonnull(to);
    must(sb_backend_cuda.copy(to, from, (size_t)n * size, SB_COPY_TO_HOST, NULL));
    must(sb_backend_cuda.sync(NULL));
    return to;
}

/* Planned twice: the second time rooms have been used. */
static there plan_there(const sb_case *c, const sb_tensor *own)
{
    const sb_method  *m     = &sb_xattention;
    const sb_backend *b     = &sb_backend_cuda;
    sb_shape          shape = c->seen;
    sb_arena          device, host;
    sb_plan           plan = {0};
    sb_tensor         q, k;
    void             *room = NULL, *block;
    sb_ctx ctx  = {.backend = b, .arena = &device, .host = &host, .threads = 1, .n_layers = 1};
    shape.q_gid = own->gid;
    upload(own, &q);
    upload(&c->k, &k);
    sb_arena_init_count(&device);
    sb_arena_init_count(&host);
    must(m->layout_device(&ctx, c->params, &shape, &plan, NULL));
    must(b->alloc(device.high_water_bytes, &room));
    block = aligned_alloc(SB_ARENA_ALIGN, (host.high_water_bytes + 63) / 64 * 64);
    ck_assert_ptr_nonnull(block);
    must(b->fill(room, 0xFF, device.high_water_bytes, NULL));
    sb_arena_init(&device, room, device.high_water_bytes, SB_ARENA_PLAIN);
    sb_arena_init(&host, block, host.high_water_bytes, SB_ARENA_PLAIN);
    must(m->layout_device(&ctx, c->params, &shape, &plan, NULL));
    ctx.arena = ctx.host = NULL;
    for (int i = 0; i < 2; i++)
        must(m->plan[SB_CUDA](&ctx, c->params, &shape, &q, &k, NULL, &plan));
    int64_t lists = shape.heads * plan.n_rows;
    there   t     = {.n_rows = plan.n_rows, .flops = plan.estimate_flops};
    t.row_id      = fetch(plan.row_id, plan.n_rows, sizeof *t.row_id);
    t.row_ptr     = fetch(plan.tiles.row_ptr, lists + 1, sizeof *t.row_ptr);
    ck_assert_int_le(t.row_ptr[lists], plan.tiles.capacity);
    t.id = fetch(plan.tiles.id, t.row_ptr[lists], sizeof *t.id);
    b->free(q.data);
    b->free(k.data);
    b->free(room);
    free(block);
    return t;
}

static void close_there(there *t)
{
    free(t->row_id);
    free(t->row_ptr);
    free(t->id);
}

/* 1: all of the row block's queries are among these. */
static int is_whole(const sb_gid *q, int64_t first, int64_t end)
{
    for (int32_t i = 0; i < q->n_runs; i++)
        if (q->run[i].start <= first && q->run[i].start + q->run[i].len >= end)
            return 1;
    return 0;
}

/* Lists of whole rows are those of the plan of all rows. Rows compared. */
static int64_t same_lists(const there *t, const there *all, const sb_case *c, const sb_gid *q)
{
    int64_t rows = 0, block = c->plan.row_tokens;
    for (int64_t h = 0; h < c->shape.heads; h++)
        for (int64_t r = 0; r < t->n_rows; r++) {
            int64_t row = t->row_id[r], end = (row + 1) * block, n, a, b;
            if (!is_whole(q, row * block, end < c->shape.n_k ? end : c->shape.n_k))
                continue;
            a = t->row_ptr[h * t->n_rows + r];
            n = t->row_ptr[h * t->n_rows + r + 1] - a;
            b = all->row_ptr[h * all->n_rows + row];
            ck_assert_int_eq(n, all->row_ptr[h * all->n_rows + row + 1] - b);
            ck_assert_msg(memcmp(t->id + a, all->id + b, (size_t)n * sizeof *t->id) == 0,
                          "head %lld, row block %lld: other ids", (long long)h, (long long)row);
            rows++;
        }
    return rows;
}

/* Ids of one list only, of the device's and the CPU's; both ascend. */
static int64_t apart(const int32_t *a, int64_t n, const int32_t *b, int64_t m)
{
    int64_t i = 0, j = 0, both = 0;
    while (i < n && j < m) {
        both += a[i] == b[j];
        if (a[i] == b[j])
            i++, j++;
        else if (a[i] < b[j])
            i++;
        else
            j++;
    }
    return n + m - 2 * both;
}

static void beside_the_cpu(const there *t, const sb_plan *cpu, int64_t *differ, int64_t *listed)
{
    ck_assert_int_eq(t->n_rows, cpu->n_rows);
    ck_assert_int_eq(memcmp(t->row_id, cpu->row_id, (size_t)t->n_rows * sizeof *t->row_id), 0);
    ck_assert_int_eq(t->flops, cpu->estimate_flops);
    for (int64_t l = 0; l < cpu->tiles.n_heads * t->n_rows; l++) {
        int64_t a = t->row_ptr[l], b = cpu->tiles.row_ptr[l];
        *differ += apart(t->id + a, t->row_ptr[l + 1] - a, cpu->tiles.id + b,
                         cpu->tiles.row_ptr[l + 1] - b);
        *listed += cpu->tiles.row_ptr[l + 1] - b;
    }
}

START_TEST(rows_in_several_runs_get_their_lists_of_all_rows)
{
    const runs_case *r    = &cases[_i];
    sb_case         *c    = sb_case_random(r->shape, 3);
    int64_t          kept = sbi_antidiagonal_batch_bytes, rows = 0, listed = 0;
    int64_t          differ = 0;
    static sb_run    run[RUNS];
    c->threads = 16;
    must(sb_case_attend(c, &sb_xattention, r->params, SB_F32));
    there all = plan_there(c, &c->q);
    beside_the_cpu(&all, &c->plan, &differ, &listed);
    if (r->batch_bytes > 0)
        sbi_antidiagonal_batch_bytes = r->batch_bytes;
    for (int i = 0; i < PARTS && r->parts[i].most > 0; i++) {
        sb_gid    q   = runs_of(&r->parts[i], r->shape.n_k, run);
        sb_tensor own = sb_case_take(&c->q, 0, &q);
        must(sb_case_attend_on(c, &sb_xattention, r->params, SB_F32, &own, NULL, NULL));
        there t = plan_there(c, &own);
        rows += same_lists(&t, &all, c, &q);
        beside_the_cpu(&t, &c->plan, &differ, &listed);
        close_there(&t);
        free(own.data);
    }
    sbi_antidiagonal_batch_bytes = kept;
    (void)printf("xattention %s: %lld rows alike, %lld of %lld tiles differ from the CPU's\n",
                 r->params, (long long)rows, (long long)differ, (long long)listed);
    ck_assert_int_gt(rows, 0);
    ck_assert_msg((double)differ <= 2e-3 * (double)listed, "%lld of %lld tiles differ",
                  (long long)differ, (long long)listed);
    close_there(&all);
    sb_case_destroy(c);
}
END_TEST

START_TEST(several_runs_that_are_no_whole_blocks_are_refused)
{
    static const sb_run runs[][2] = {{{0, 100}, {256, 128}}, {{128, 128}, {500, 12}}};
    for (int i = 0; i < 2; i++) {
        sb_case *c = sb_case_random((sb_case_shape){2000, 2000, 2, 1, 64}, 3);
        sb_arena device, host;
        sb_plan  plan  = {0};
        sb_gid   q     = {runs[i], 2, runs[i][0].len + runs[i][1].len};
        sb_shape shape = {.q_gid = q, .n_keys = 2000, .heads = 2, .kv_heads = 1, .head_dim = 64};
        sb_ctx ctx = {.backend = &sb_backend_cuda, .arena = &device, .host = &host, .n_layers = 1};
        sb_case_params(c, &sb_xattention, "");
        sb_arena_init_count(&device);
        sb_arena_init_count(&host);
        ck_assert_int_eq(sb_xattention.layout_device(&ctx, c->params, &shape, &plan, NULL),
                         SB_ERR_UNSUPPORTED);
        ck_assert_msg(strstr(sb_error_text(), "allowed whole blocks of 128") != NULL, "%s",
                      sb_error_text());
        sb_case_destroy(c);
    }
}
END_TEST

int main(void)
{
    int missing = device_missing(0);
    if (missing != 0)
        return missing;
    Suite *s = suite_create("antidiagonal cuda");
    TCase *t = tcase_create("device");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, rows_in_several_runs_get_their_lists_of_all_rows, 0,
                        sizeof cases / sizeof *cases);
    tcase_add_test(t, several_runs_that_are_no_whole_blocks_are_refused);
    suite_add_tcase(s, t);
    return device_run(s);
}
