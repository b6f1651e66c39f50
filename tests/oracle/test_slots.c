/* Plans with slots: keys named in another order (plan.h, slots.h). A permutation and lists made up
 * at random, against a predicate that knows the map alone; every consumer of a plan: attention in
 * all tilings and shardings, sampled rows, counts. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/backend/cpu_isa.h"
#include "kernels/base/rng.h"
#include "kernels/exec/attend.h"
#include "kernels/exec/index_stats.h"
#include "kernels/exec/rows_cpu.h"
#include "kernels/exec/slots.h"
#include "tests/oracle/case.h"
#include "tests/tolerance.h"

enum { N = 451, H = 4, D = 32, ROWS_MAX = N };

/* row blocks, tiles and segments of any sizes; share of tiles; as TOKENS too; one list, one map */
typedef struct form {
    int64_t row_tokens, width, segment;
    int     percent, tokens, one_list, one_map, own;
} form;

static const form forms[] = {
    {128, 128, 256, 50, 0, 0, 0, 1}, /* PBS-Attn: own segment whole */
    {64, 64, 64, 40, 0, 0, 0, 1},    /* segments of one tile */
    {16, 16, 48, 30, 0, 0, 0, 1},
    {16, 8, 40, 50, 0, 0, 0, 0},  /* own segments in part: some rows see nothing of theirs */
    {100, 7, 21, 30, 0, 0, 0, 0}, /* row blocks of several segments, tiles cut by their ends */
    {32, 8, 64, 20, 1, 0, 0, 0},  /* tiles and single slots */
    {32, 1, 451, 15, 1, 1, 0, 0}, /* one segment */
    {50, 10, 100, 60, 0, 1, 1, 0},
};
enum { N_FORMS = sizeof forms / sizeof *forms };

typedef struct plan_of {
    sb_plan  plan;
    form     f;
    char    *keep; /* [list][row block][slot] */
    int32_t *slot; /* [map][token] */
} plan_of;

static void list(sb_csr *c, plan_of *p, sb_rng *r, int64_t width, int percent)
{
    int64_t heads = p->f.one_list ? 1 : H, rows = p->plan.n_rows;
    *c         = (sb_csr){.n_heads      = heads,
                          .capacity     = heads * rows * N,
                          .unit_tokens  = width,
                          .width_tokens = width};
    c->row_ptr = calloc((size_t)(heads * rows + 1), sizeof *c->row_ptr);
    c->id      = malloc((size_t)c->capacity * sizeof *c->id);
    for (int64_t at = 0; at < heads * rows; at++) {
        int64_t row = at % rows, n = c->row_ptr[at];
        int64_t last = (row + 1) * p->f.row_tokens - 1;
        int64_t end  = sb_slots_end(&p->plan.slots, last < N ? last : N - 1);
        int64_t own  = row * p->f.row_tokens / p->f.segment * p->f.segment;
        for (int64_t t = 0; t * width < end; t++)
            if ((p->f.own && t * width >= own) || (int)sb_rng_below(r, 100) < percent) {
                c->id[n++] = (int32_t)t;
                for (int64_t s = t * width; s < (t + 1) * width && s < N; s++)
                    p->keep[at * N + s] = 1;
            }
        c->row_ptr[at + 1] = n;
    }
}

static plan_of make(int i)
{
    sb_rng  r           = {(uint64_t)i + 77};
    plan_of p           = {.f = forms[i]};
    int64_t maps        = p.f.one_map ? 1 : H;
    p.plan              = (sb_plan){.parts      = SB_PART_TILES | (p.f.tokens ? SB_PART_TOKENS : 0u),
                                    .row_tokens = p.f.row_tokens,
                                    .n_rows     = (N + p.f.row_tokens - 1) / p.f.row_tokens,
                                    .slots = {.n_heads = maps, .n_slots = N, .segment_tokens = p.f.segment}};
    p.plan.row_id       = malloc((size_t)p.plan.n_rows * sizeof *p.plan.row_id);
    p.plan.slots.offset = malloc((size_t)(maps * N) * sizeof *p.plan.slots.offset);
    p.keep              = calloc((size_t)(H * p.plan.n_rows * N), 1);
    p.slot              = malloc((size_t)(maps * N) * sizeof *p.slot);
    for (int64_t b = 0; b < p.plan.n_rows; b++)
        p.plan.row_id[b] = (int32_t)b;
    for (int64_t h = 0; h < maps; h++)
        for (int64_t g = 0; g < N; g += p.f.segment) {
            int64_t   n  = N - g < p.f.segment ? N - g : p.f.segment;
            uint16_t *of = p.plan.slots.offset + h * N + g;
            for (int64_t s = 0; s < n; s++)
                of[s] = (uint16_t)s;
            for (int64_t s = n - 1; s > 0; s--) {
                int64_t  other = (int64_t)sb_rng_below(&r, (uint64_t)s + 1);
                uint16_t x     = of[s];
                of[s]          = of[other];
                of[other]      = x;
            }
            for (int64_t s = 0; s < n; s++)
                p.slot[h * N + g + of[s]] = (int32_t)(g + s);
        }
    list(&p.plan.tiles, &p, &r, p.f.width, p.f.percent);
    if (p.f.tokens)
        list(&p.plan.tokens, &p, &r, 1, 10);
    return p;
}

static void drop(plan_of *p)
{
    free(p->plan.row_id);
    free(p->plan.slots.offset);
    free(p->plan.tiles.row_ptr);
    free(p->plan.tiles.id);
    free(p->plan.tokens.row_ptr);
    free(p->plan.tokens.id);
    free(p->keep);
    free(p->slot);
}

typedef struct view {
    const plan_of *p;
    int64_t        head;
} view;

static int see(int64_t q, int64_t k, const void *rule)
{
    const view    *v    = rule;
    const plan_of *p    = v->p;
    int64_t        slot = p->slot[(p->f.one_map ? 0 : v->head) * N + k];
    int64_t        list = p->f.one_list ? 0 : v->head;
    return k <= q && p->keep[(list * p->plan.n_rows + q / p->f.row_tokens) * N + slot];
}

typedef struct result {
    sb_tensor o;
    float    *lse;
} result;

static result attend(const sb_case *c, const plan_of *p, const sb_tensor *q, const sb_tensor *k,
                     const sb_tensor *v, int32_t threads)
{
    result      r   = {sb_case_tensor(SB_F32, H, q->tokens, D),
                       malloc((size_t)(H * q->tokens + 1) * sizeof(float))};
    sb_ctx      ctx = {.backend = &sb_backend_cpu, .threads = threads};
    sb_attn_in  in  = {.q = q, .k = k, .v = v, .scale = c->scale};
    sb_attn_out out = {.o = &r.o, .lse = r.lse};
    ck_assert_msg(sb_attend_block_csr_cpu(&ctx, NULL, &in, &p->plan, NULL, &out) == SB_OK, "%s",
                  sb_error_text());
    return r;
}

static void result_drop(result *r)
{
    free(r->o.data);
    free(r->lse);
}

static void ck_judge(const sb_case *c, const plan_of *p, const result *r)
{
    double num = 0, den = 0;
    for (int64_t h = 0; h < H; h++)
        for (int64_t i = h; i < N; i += 3) {
            view   v = {p, h};
            double o[D], lse, got = (double)r->lse[h * N + i];
            judge_row(&c->q, &c->k, &c->v, c->scale, see, &v, h, i, o, &lse);
            if (got != lse) /* -inf where nothing is seen */
                ck_assert_double_le(fabs(got - lse), SB_LSE_ABS);
            for (int64_t x = 0; x < D; x++) {
                double e = (double)sb_tensor_f32(&r->o, h, i)[x] - o[x];
                num += e * e;
                den += o[x] * o[x];
            }
        }
    ck_assert_double_le(num / den, SB_NMSE_F32);
}

START_TEST(attention_matches_judge)
{
    plan_of  p = make(_i);
    sb_case *c = sb_case_random((sb_case_shape){N, N, H, 2, D}, 5);
    for (int isa = 0; isa < SB_CPU_ISA_COUNT; isa++) {
        if (!sb_cpu_isa_available((sb_cpu_isa)isa))
            continue;
        ck_assert_int_eq(setenv("SPAN_CPU_KERNEL", sb_cpu_isa_name((sb_cpu_isa)isa), 1), 0);
        result r = attend(c, &p, &c->q, &c->k, &c->v, 2);
        ck_judge(c, &p, &r);
        result_drop(&r);
    }
    unsetenv("SPAN_CPU_KERNEL");
    drop(&p);
    sb_case_destroy(c);
}
END_TEST

/* Threads, shards of the queries and runs of the keys at hand change no bit; nor do sampled rows.
 */
START_TEST(every_row_keeps_its_bits)
{
    static const int64_t ids[] = {0, 1, 47, 48, 127, 128, 129, 255, 256, 300, 449, 450};
    enum { S = sizeof ids / sizeof *ids };
    plan_of  p   = make(_i);
    sb_case *c   = sb_case_random((sb_case_shape){N, N, H, 2, D}, 6);
    result   all = attend(c, &p, &c->q, &c->k, &c->v, 2);
    for (int64_t ranks = 1; ranks <= 3; ranks++)
        for (int64_t rank = 0; rank < ranks; rank++) {
            sb_run    run[2], keys[4] = {{0, 77}, {77, 3}, {80, 297}, {377, 74}};
            sb_gid    g = sb_case_zigzag(run, 0, N, 1, rank, ranks);
            sb_tensor q = sb_case_take(&c->q, 0, &g), k = c->k, v = c->v;
            k.gid = v.gid = (sb_gid){keys, 4, N};
            result r      = attend(c, &p, &q, &k, &v, (int32_t)ranks);
            for (int64_t h = 0; h < H; h++)
                for (int64_t i = 0; i < g.n_tokens; i++) {
                    int64_t id = judge_gid(&g, i);
                    ck_assert_mem_eq(sb_tensor_f32(&r.o, h, i), sb_tensor_f32(&all.o, h, id),
                                     D * sizeof(float));
                    ck_assert_mem_eq(&r.lse[h * g.n_tokens + i], &all.lse[h * N + id],
                                     sizeof(float));
                }
            result_drop(&r);
            free(q.data);
        }
    sb_tensor q = sb_case_tensor(SB_BF16, H, S, D), o = sb_case_tensor(SB_F32, H, S, D);
    float     lse[H * S];
    sb_ctx    ctx = {.backend = &sb_backend_cpu, .threads = 2};
    for (int64_t h = 0; h < H; h++)
        for (int64_t i = 0; i < S; i++)
            memcpy(sb_tensor_bf16(&q, h, i), sb_tensor_bf16(&c->q, h, ids[i]), D * 2);
    ck_assert_int_eq(sb_plan_rows_cpu(&ctx, &p.plan, &q, ids, &c->k, &c->v, c->scale, &o, lse),
                     SB_OK);
    for (int64_t h = 0; h < H; h++)
        for (int64_t i = 0; i < S; i++) {
            ck_assert_mem_eq(sb_tensor_f32(&o, h, i), sb_tensor_f32(&all.o, h, ids[i]),
                             D * sizeof(float));
            ck_assert_mem_eq(&lse[h * S + i], &all.lse[h * N + ids[i]], sizeof(float));
        }
    free(q.data);
    free(o.data);
    result_drop(&all);
    drop(&p);
    sb_case_destroy(c);
}
END_TEST

/* Keys in three shards of two runs each, merged into one running partial [sharding 3]. */
START_TEST(key_shards_merge_to_the_whole)
{
    plan_of  p = make(_i);
    sb_case *c = sb_case_random((sb_case_shape){N, N, H, 2, D}, 7);
    result   r = {sb_case_tensor(SB_F32, H, N, D), malloc(H * N * sizeof(float))};
    memset(r.o.data, 0xff, H * N * D * sizeof(float));
    for (int i = 0; i < H * N; i++)
        r.lse[i] = -INFINITY;
    for (int part = 0; part < 3; part++) {
        sb_run      run[2];
        sb_gid      g = sb_case_zigzag(run, 0, N, 1, part, 3);
        sb_tensor   k = sb_case_take(&c->k, 0, &g), v = sb_case_take(&c->v, 0, &g);
        sb_ctx      ctx = {.backend = &sb_backend_cpu, .threads = 2};
        sb_attn_in  in  = {.q = &c->q, .k = &k, .v = &v, .scale = c->scale};
        sb_attn_out out = {.o = &r.o, .lse = r.lse, .mode = SB_OUT_MERGE};
        ck_assert_int_eq(sb_attend_block_csr_cpu(&ctx, NULL, &in, &p.plan, NULL, &out), SB_OK);
        free(k.data);
        free(v.data);
    }
    for (int64_t h = 0; h < H; h++) /* a partial that saw nothing leaves o as it was */
        for (int64_t i = 0; i < N; i++)
            if (r.lse[h * N + i] == -INFINITY)
                memset(sb_tensor_f32(&r.o, h, i), 0, D * sizeof(float));
    ck_judge(c, &p, &r);
    result_drop(&r);
    drop(&p);
    sb_case_destroy(c);
}
END_TEST

static sb_index_stats count(const plan_of *p, sb_gid g, int64_t head)
{
    sb_shape       shape = {.q_gid = g, .n_keys = N, .heads = H, .kv_heads = 2, .head_dim = D};
    sb_index_stats s;
    ck_assert_msg(sb_index_stats_count(&p->plan, &shape, head, &s) == SB_OK, "%s", sb_error_text());
    return s;
}

/* Pairs are those of the predicate. Lanes: 64 rows a tile, and the slots that its row block lists
 * up to the end of the segment of its last row, 64 together. */
START_TEST(counts_equal_brute_force)
{
    plan_of p   = make(_i);
    sb_run  all = {0, N};
    for (int64_t h = 0; h < H; h++) {
        view           v     = {&p, h};
        sb_index_stats s     = count(&p, (sb_gid){&all, 1, N}, h);
        int64_t        pairs = 0, lanes = 0, list = p.f.one_list ? 0 : h;
        for (int64_t q = 0; q < N; q++)
            for (int64_t k = 0; k <= q; k++)
                pairs += see(q, k, &v);
        for (int64_t q = 0, end; q < N; q = end) {
            int64_t b = q / p.f.row_tokens, keys = 0;
            end = (q / 64 + 1) * 64 < (b + 1) * p.f.row_tokens ? (q / 64 + 1) * 64
                                                               : (b + 1) * p.f.row_tokens;
            end = end < N ? end : N;
            for (int64_t slot = 0; slot < sb_slots_end(&p.plan.slots, end - 1); slot++)
                keys += p.keep[(list * p.plan.n_rows + b) * N + slot];
            lanes += 64 * ((keys + 63) / 64 * 64);
        }
        ck_assert_int_eq(s.rho_num, pairs);
        ck_assert_int_eq(s.rho_den, N * (N + 1) / 2);
        ck_assert_int_eq(s.tile_lanes, lanes);
    }
    drop(&p);
}
END_TEST

/* The digest adds up over ranks that hold whole row blocks; it knows lists, order, segments. */
START_TEST(digest_knows_the_order)
{
    plan_of        p   = make(_i);
    sb_run         all = {0, N};
    sb_gid         g   = {&all, 1, N};
    sb_index_stats one = count(&p, g, 1);
    uint16_t      *of  = sb_slots_of(&p.plan.slots, 1);
    int64_t        at  = N / p.f.segment * p.f.segment / 2 / p.f.segment * p.f.segment;
    uint16_t       x   = of[at];
    of[at]             = of[at + 1];
    of[at + 1]         = x;
    ck_assert(count(&p, g, 1).digest != one.digest);
    of[at + 1] = of[at];
    of[at]     = x;
    ck_assert(count(&p, g, 1).digest == one.digest);
    p.plan.slots.segment_tokens += p.f.segment;
    ck_assert(count(&p, g, 1).digest != one.digest);
    p.plan.slots.segment_tokens = p.f.segment;
    p.plan.slots.n_heads        = 0;
    ck_assert(count(&p, g, 1).digest != one.digest);
    drop(&p);
}
END_TEST

START_TEST(slots_beside_a_window_are_refused)
{
    plan_of        p     = make(0);
    sb_case       *c     = sb_case_random((sb_case_shape){N, N, H, 2, D}, 5);
    sb_index_stats s     = {.digest = 5};
    sb_tensor      o     = sb_case_tensor(SB_F32, H, N, D);
    float         *lse   = malloc(H * N * sizeof *lse);
    sb_ctx         ctx   = {.backend = &sb_backend_cpu, .threads = 1};
    sb_attn_in     in    = {.q = &c->q, .k = &c->k, .v = &c->v, .scale = c->scale};
    sb_attn_out    out   = {.o = &o, .lse = lse};
    sb_shape       shape = {.q_gid = c->q.gid, .n_keys = N, .heads = H, .kv_heads = 2};
    for (int i = 0; i < 2; i++) {
        sb_plan bad = p.plan;
        if (i == 0)
            bad.parts |= SB_PART_WINDOW;
        else
            bad.slots.segment_tokens = 65537;
        ck_assert_int_eq(sb_attend_block_csr_cpu(&ctx, NULL, &in, &bad, NULL, &out),
                         SB_ERR_INTERNAL);
        ck_assert_ptr_nonnull(strstr(sb_error_text(), i == 0 ? "slots and a window" : "65537"));
        ck_assert_int_eq(sb_index_stats_count(&bad, &shape, 0, &s), SB_ERR_INTERNAL);
        ck_assert_uint_eq(s.digest, 5);
    }
    free(o.data);
    free(lse);
    drop(&p);
    sb_case_destroy(c);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("slots");
    TCase *t = tcase_create("slots");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, attention_matches_judge, 0, N_FORMS);
    tcase_add_loop_test(t, every_row_keeps_its_bits, 0, N_FORMS);
    tcase_add_loop_test(t, key_shards_merge_to_the_whole, 0, N_FORMS);
    tcase_add_loop_test(t, counts_equal_brute_force, 0, N_FORMS);
    tcase_add_loop_test(t, digest_knows_the_order, 0, N_FORMS);
    tcase_add_test(t, slots_beside_a_window_are_refused);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_ENV);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed != 0;
}
