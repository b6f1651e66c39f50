/* The host's part of plans on devices: room for the queries of a rank, in one run of ids or in
 * several, is what the CPU lays out for them, and the tables that kernels read say which rows these
 * are. No device is needed: its memory is the host's here. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "harness/shard/shard.h"
#include "kernels/anchor_attention/plan_cuda.h"
#include "kernels/exec/need_sm90.h"
#include "kernels/minference/device.h"
#include "kernels/registry.h"
#include "tests/text_params.h"

enum { PARAMS = 4096 };

static const struct {
    const char *method, *params;
} methods[] = {
    {"minference", "vertical_tokens=100 slash_tokens=400"},
    {"minference", "pattern=block_sparse top_k_blocks=7"},
    {"anchor_attention", "step_blocks=16"},
    {"anchor_attention", "step_blocks=32"},
};
enum { N_METHODS = sizeof methods / sizeof *methods };

static sb_status copy(void *to, const void *from, size_t bytes, sb_copy_kind kind, void *stream)
{
    (void)kind, (void)stream;
    memcpy(to, from, bytes);
    return SB_OK;
}

static sb_status wait_for_nothing(void *stream)
{
    (void)stream;
    return SB_OK;
}

static const sb_backend there = {
    .name = "there", .id = SB_CUDA, .copy = copy, .sync = wait_for_nothing};

/* One rank's queries under one method, laid out for both. */
typedef struct call {
    const sb_method *m;
    int              is_anchor;
    _Alignas(16) unsigned char params[PARAMS];
    sb_shape shape;
    sb_plan  host, dev; /* host: counted alone */
    void    *memory[2];
} call;

static void must(sb_status st) { ck_assert_msg(st == SB_OK, "%s", sb_error_text()); }

static void describe(call *c, int which, int64_t n_keys, sb_gid q)
{
    *c           = (call){.m = sb_method_find(methods[which].method)};
    c->is_anchor = which >= 2;
    must(text_params(c->m, methods[which].params, c->params));
    c->shape = (sb_shape){.q_gid       = q,
                          .n_keys      = n_keys,
                          .heads       = 4,
                          .kv_heads    = 2,
                          .head_dim    = 64,
                          .all_queries = c->m->plan_last_queries != NULL ? n_keys : 0};
}

static sb_status count(call *c, sb_arena *device, sb_arena *host)
{
    sb_ctx ctx = {.backend = &there, .arena = device, .host = host, .n_layers = 1};
    sb_arena_init_count(device);
    sb_arena_init_count(host);
    return c->m->layout_device(&ctx, c->params, &c->shape, &c->dev, NULL);
}

static void lay_out(call *c)
{
    sb_arena  arena[2];
    sb_ctx    ctx = {.backend = &there, .arena = &arena[0], .host = &arena[1], .n_layers = 1};
    sb_shape  own = c->shape;
    sb_ctx    cpu = {.backend = &sb_backend_cpu, .arena = &arena[0], .threads = 1, .n_layers = 1};
    sb_arena *a   = arena;
    sb_arena_init_count(a);
    own.all_queries = 0;
    must(c->m->layout(&cpu, c->params, &own, &c->host, NULL));
    must(count(c, &arena[0], &arena[1]));
    for (int i = 0; i < 2; i++) {
        size_t bytes = (a[i].high_water_bytes + 63) / 64 * 64;
        c->memory[i] = aligned_alloc(64, bytes > 0 ? bytes : 64);
        ck_assert_ptr_nonnull(c->memory[i]);
        sb_arena_init(&a[i], c->memory[i], bytes, SB_ARENA_PLAIN);
    }
    must(c->m->layout_device(&ctx, c->params, &c->shape, &c->dev, NULL));
}

static void fini(call *c)
{
    free(c->memory[0]);
    free(c->memory[1]);
}

/* Id of local query `at`. */
static int64_t id_of(const sb_gid *q, int64_t at)
{
    for (int32_t i = 0; i < q->n_runs; at -= q->run[i++].len)
        if (at < q->run[i].len)
            return q->run[i].start + at;
    return -1;
}

/* The local queries [*begin, *end) of a row block; they lie side by side. */
static void queries_of(const sb_gid *q, int64_t row, int64_t row_tokens, int64_t *begin,
                       int64_t *end)
{
    *begin = *end = -1;
    for (int64_t at = 0; at < q->n_tokens; at++)
        if (id_of(q, at) / row_tokens == row) {
            *begin = *begin < 0 ? at : *begin;
            *end   = at + 1;
        }
}

static void check_rows(const call *c)
{
    const sb_plan *p = &c->dev;
    ck_assert_int_eq(p->row_tokens, c->host.row_tokens);
    ck_assert_int_eq(p->n_rows, c->host.n_rows);
    ck_assert_int_eq(p->tiles.capacity, c->host.tiles.capacity);
    ck_assert_int_eq(p->tokens.capacity, c->host.tokens.capacity);
    int64_t row = -1, n = 0;
    for (int64_t at = 0; at < c->shape.q_gid.n_tokens; at++) {
        int64_t id = id_of(&c->shape.q_gid, at) / p->row_tokens;
        if (id != row)
            ck_assert_int_eq(p->row_id[n++], id);
        row = id;
    }
    ck_assert_int_eq(n, p->n_rows);
}

/* Rows of 64 local queries each, one after the other. */
static void check_minference(const call *c)
{
    const sbi_minference_device *r = c->dev.method_data;
    ck_assert_int_eq(r->n_rows, c->dev.n_rows);
    ck_assert_ptr_eq(r->row_id, c->dev.row_id);
    for (int64_t i = 0; i < r->n_rows; i++)
        ck_assert_int_eq(id_of(&c->shape.q_gid, i * c->dev.row_tokens),
                         r->row_id[i] * c->dev.row_tokens);
}

/* Rows with candidates: all whole ones but the first of the sequence; their queries and ids. */
static void check_anchor(const call *c)
{
    const struct sbi_anchor_device *a = c->dev.method_data;
    int64_t                         t = c->dev.row_tokens, n = 0, begin, end;
    for (int64_t i = 0; i < c->dev.n_rows; i++) {
        queries_of(&c->shape.q_gid, c->dev.row_id[i], t, &begin, &end);
        if (c->dev.row_id[i] == 0 || end - begin < t)
            continue;
        ck_assert_int_eq(a->first_row + n, i);
        ck_assert_int_eq(a->super_id[n], c->dev.row_id[i]);
        ck_assert_int_eq(a->slot + n * t, begin);
        n++;
    }
    ck_assert_int_eq(a->n_rows, n);
    if (n > 0)
        ck_assert_int_eq(a->last_super, a->super_id[n - 1]);
}

static void check_call(int which, int64_t n_keys, sb_gid q)
{
    call c;
    describe(&c, which, n_keys, q);
    if (c.is_anchor && sbi_need_sm90("anchor_attention") != SB_OK)
        return; /* a device that it does not plan on */
    lay_out(&c);
    check_rows(&c);
    if (c.is_anchor)
        check_anchor(&c);
    else
        check_minference(&c);
    fini(&c);
}

static int64_t quantum_of(int which)
{
    call c;
    describe(&c, which, 64, (sb_gid){0});
    return c.m->quantum_tokens(c.params);
}

/* Every rank of every layout: pieces, two runs, stripes of one row block; with a short last one. */
START_TEST(every_layout_names_its_rows)
{
    int64_t quantum = quantum_of(_i);
    for (int kind = 0; kind < SB_LAYOUT_COUNT; kind++)
        for (int32_t ranks = 1; ranks <= 4; ranks++)
            for (int tail = 0; tail < 2; tail++) {
                int64_t n = 13 * quantum - (tail ? 50 : 0);
                sb_map  map;
                must(sb_map_create((sb_layout_kind)kind, n, quantum, ranks, &map));
                for (int32_t r = 0; r < ranks; r++)
                    if (map.rank_tokens[r] > 0)
                        check_call(_i, n, sb_map_gid(&map, r));
                sb_map_fini(&map);
            }
}
END_TEST

/* anchor_attention alone: what a chunk of queries leaves of the first super-block, in one run and
 * before others. */
START_TEST(a_chunk_begins_inside_a_super_block)
{
    int64_t      t         = quantum_of(_i);
    const sb_run runs[][3] = {{{t + 100, 4 * t - 300}},
                              {{100, 3 * t - 100}},
                              {{2 * t, 3 * t}},
                              {{t + 1, t - 1}, {3 * t, 2 * t}, {6 * t, 70}},
                              {{5, t - 5}, {2 * t, t}, {4 * t, 2 * t}},
                              {{3 * t + 9, 2 * t - 9}, {6 * t, t}},
                              {{6 * t + 9, 50}}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        sb_gid q = {.run = runs[i]};
        for (; q.n_runs < 3 && runs[i][q.n_runs].len > 0; q.n_runs++)
            q.n_tokens += runs[i][q.n_runs].len;
        check_call(_i, 7 * t, q);
    }
}
END_TEST

START_TEST(rows_in_pieces_are_refused)
{
    int64_t      t         = quantum_of(_i);
    const sb_run runs[][3] = {{{0, t}, {2 * t, t + 9}, {5 * t, t}},
                              {{0, t}, {2 * t + 9, t - 9}},
                              {{t, t / 2}, {t + t / 2, t / 2}}};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        call     c;
        sb_arena device, host;
        sb_gid   q = {.run = runs[i]};
        for (; q.n_runs < 3 && runs[i][q.n_runs].len > 0; q.n_runs++)
            q.n_tokens += runs[i][q.n_runs].len;
        describe(&c, _i, 7 * t, q);
        ck_assert_int_eq(count(&c, &device, &host), SB_ERR_UNSUPPORTED);
        ck_assert_msg(strstr(sb_error_text(), "allowed whole") != NULL, "%s", sb_error_text());
    }
}
END_TEST

int main(void)
{
    Suite *s = suite_create("layout of runs");
    TCase *t = tcase_create("runs");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, every_layout_names_its_rows, 0, N_METHODS);
    tcase_add_loop_test(t, a_chunk_begins_inside_a_super_block, 2, N_METHODS);
    tcase_add_loop_test(t, rows_in_pieces_are_refused, 0, N_METHODS);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
