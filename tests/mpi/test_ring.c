/* Keys in a ring against gathered keys, under mpirun: the same rows but for the order of sums, the
 * same traffic as the formula says, and a failing rank takes nobody along. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/comm/links.h"
#include "harness/run/operator.h"
#include "harness/shard/ring.h"
#include "kernels/registry.h"
#include "tests/cut_operands.h"
#include "tests/text_params.h"
#include "workloads/registry.h"

enum { HEADS = 4, KV_HEADS = 2, DIM = 32 };

static sb_comm *world;

#define EVERYWHERE(ok, ...)                                                                        \
    do {                                                                                           \
        int64_t bad_ = !(ok);                                                                      \
        if (bad_) {                                                                                \
            fprintf(stderr, "rank %d: ", world->rank);                                             \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, ": %s\n", sb_error_text());                                            \
        }                                                                                          \
        ck_assert(sb_comm_allreduce_i64(world, &bad_, 1, SB_REDUCE_SUM) == SB_OK);                 \
        ck_assert_msg(bad_ == 0, "on %lld ranks", (long long)bad_);                                \
    } while (0)

typedef struct ring_spec {
    const char    *method, *params;
    sb_layout_kind layout;
    int64_t        n_tokens, n_queries;
} ring_spec;

static const ring_spec specs[] = {
    {"dense", "", SB_LAYOUT_CONTIGUOUS, 700, 700},
    {"dense", "", SB_LAYOUT_ZIGZAG, 701, 701},
    {"dense", "", SB_LAYOUT_BLOCK_STRIPED, 1100, 1100},
    {"dense", "", SB_LAYOUT_ZIGZAG, 900, 300},
    {"dense", "", SB_LAYOUT_CONTIGUOUS, 3, 3}, /* ranks without tokens */
    {"a_shape", "sink_tokens=8 window_tokens=150", SB_LAYOUT_ZIGZAG, 800, 800},
    {"streaming_llm", "sink_tokens=4 window_tokens=65", SB_LAYOUT_CONTIGUOUS, 700, 700},
    {"power_attention", "block_tokens=64", SB_LAYOUT_BLOCK_STRIPED, 1400, 1400},
    {"power_attention", "block_tokens=64 window_blocks=2", SB_LAYOUT_CONTIGUOUS, 1000, 1000},
    {"power_attention", "pattern=moa alpha_tokens=100", SB_LAYOUT_ZIGZAG, 900, 900},
    {"random_blocks", "block_tokens=32 density=.3", SB_LAYOUT_ZIGZAG, 900, 900},
};
enum { N_SPECS = sizeof specs / sizeof *specs };

typedef struct result {
    int64_t        rows;
    sb_bf16       *o;
    float         *lse;
    int            keys_whole; /* K and V of all tokens are there for the look */
    sb_phase_times times;
} result;

static sb_status take(void *arg, const sb_layer_view *v)
{
    result *r = arg;
    size_t  n = (size_t)(v->o->heads * v->o->tokens);
    r->rows   = v->o->tokens;
    r->o      = malloc(n * DIM * sizeof *r->o + 1);
    r->lse    = malloc(n * sizeof *r->lse + 1);
    ck_assert(r->o != NULL && r->lse != NULL);
    memcpy(r->o, v->o->data, n * DIM * sizeof *r->o);
    memcpy(r->lse, v->lse, n * sizeof *r->lse);
    r->keys_whole = v->k->tokens == v->shape->n_keys && v->v->tokens == v->shape->n_keys;
    return SB_OK;
}

static sb_status run(const ring_spec *s, const sb_method *m, sb_link *link, int ring, result *out)
{
    _Alignas(16) unsigned char params[4096], drawn[128];
    const sb_distribution     *d     = sb_distribution_find("clustered");
    sb_operands               *whole = NULL, cut;
    sb_operator               *op    = NULL;
    sb_forward_room            room;
    *out                             = (result){0};
    ck_assert_msg(text_params(m, s->params, params) == SB_OK, "%s", sb_error_text());
    ck_assert_int_eq(sb_params_default(d->params, drawn), SB_OK);
    sb_draw draw = {.heads         = HEADS,
                    .kv_heads      = KV_HEADS,
                    .head_dim      = DIM,
                    .length_tokens = s->n_tokens,
                    .seed          = 3,
                    .params        = drawn};
    ck_assert_int_eq(d->create(d, &draw, &whole), SB_OK);
    cut                    = cut_operands(whole, s->n_queries);
    sb_operator_config cfg = {.operands    = &cut,
                              .method      = m,
                              .params      = params,
                              .backend     = &sb_backend_cpu,
                              .comm        = world,
                              .layout      = s->layout,
                              .use         = {.ring = ring},
                              .link        = ring ? link : NULL,
                              .threads     = 1,
                              .arena_flags = SB_ARENA_GUARD,
                              .compares    = 1};
    ck_assert_int_eq(sb_operator_bytes(&cfg, &room), SB_OK);
    size_t bytes = room.host_bytes;
    void  *block = aligned_alloc(SB_ARENA_ALIGN, (bytes + 63) / 64 * 64);
    ck_assert_ptr_nonnull(block);
    sb_status st = sb_operator_create(&cfg, block, bytes, &op);
    for (int i = 0; st == SB_OK && i < 2; i++) {
        out->times = (sb_phase_times){0};
        if (link != NULL)
            link->received_bytes = link->sent_bytes = 0;
        st = sb_operator_pass(op, &out->times);
    }
    if (st == SB_OK)
        st = sb_operator_look(op, take, out);
    if (st == SB_OK)
        ck_assert(sb_operator_canaries_intact(op));
    sb_operator_destroy(op);
    free(block);
    sb_operands_destroy(whole);
    return st;
}

static void fini(result *r)
{
    free(r->o);
    free(r->lse);
}

/* [sharding 1] asks for |dO| <= 2e-3 max|O| before rounding; both sides are rounded to bf16, where
 * one step is up to 2^-7 of a number. |dLSE| <= 1e-4. */
static int same(const result *a, const result *b)
{
    double top = 0, worst = 0, lse = 0;
    for (int64_t i = 0; i < HEADS * a->rows * DIM; i++) {
        double x = (double)sb_bf16_to_f32(a->o[i]), y = (double)sb_bf16_to_f32(b->o[i]);
        top   = fmax(top, fabs(x));
        worst = fmax(worst, fabs(x - y));
    }
    for (int64_t i = 0; i < HEADS * a->rows; i++)
        lse = fmax(lse, fabs((double)a->lse[i] - (double)b->lse[i]));
    double step = a->rows > 0 ? ldexp(1, ilogb(top) - 7) : 0;
    int    ok   = a->rows == b->rows && isfinite(worst) && worst <= step && lse <= 1e-4;
    if (!ok)
        (void)sb_fail(SB_ERR_INTERNAL, "o differs by %g of %g, lse by %g", worst, top, lse);
    return ok;
}

START_TEST(ring_equals_gathered_keys)
{
    const ring_spec *s    = &specs[_i];
    const sb_method *m    = sb_method_find(s->method);
    sb_link         *link = NULL;
    result           gathered, ring;
    char             why[128];
    sb_nccl_options  o = {0};
    EVERYWHERE(sb_link_choose(world, &sb_backend_cpu, SB_LINK_AUTO, &o, &link, why, sizeof why) ==
                   SB_OK,
               "link");
    EVERYWHERE(run(s, m, NULL, 0, &gathered) == SB_OK, "%s gathered", s->method);
    EVERYWHERE(run(s, m, link, 1, &ring) == SB_OK, "%s in a ring", s->method);
    EVERYWHERE(same(&gathered, &ring), "%s %s", s->method, s->params);
    EVERYWHERE(ring.keys_whole, "keys for the look");
    if (link != NULL) { /* every foreign key and value comes by once [sharding 5] */
        sb_map map;
        ck_assert_int_eq(sb_map_create(s->layout, s->n_tokens, 1, world->size, &map), SB_OK);
        int64_t all = 0, row = 2 * KV_HEADS * DIM * (int64_t)sizeof(sb_bf16);
        all = link->received_bytes;
        EVERYWHERE(all % row == 0, "received %lld bytes", (long long)all);
        EVERYWHERE(sb_comm_allreduce_i64(world, &all, 1, SB_REDUCE_SUM) == SB_OK, "sum");
        EVERYWHERE(all == (world->size - 1) * s->n_tokens * row, "received %lld bytes in all",
                   (long long)all);
        EVERYWHERE(ring.times.ns[SB_PHASE_COMMUNICATE] > 0, "communicate");
        sb_map_fini(&map);
    }
    fini(&gathered);
    fini(&ring);
    sb_link_destroy(link);
}
END_TEST

/* ---- a rank that fails ---- */

static int32_t fails_on, fails_at, calls;

static sb_status fails(sb_ctx *ctx, const void *params, const sb_attn_in *in, const sb_plan *plan,
                       sb_cache *cache, sb_attn_out *out)
{
    if (world->rank == fails_on && calls++ == fails_at)
        return sb_fail(SB_ERR_NOMEM, "made to fail");
    return sb_method_find("dense")->attend[SB_CPU](ctx, params, in, plan, cache, out);
}

START_TEST(a_rank_that_fails_does_not_stop_the_ring)
{
    const ring_spec s    = {"dense", "", SB_LAYOUT_ZIGZAG, 500, 500};
    sb_method       m    = *sb_method_find("dense");
    sb_link        *link = NULL;
    result          r;
    if (world->size == 1)
        return;
    m.attend[SB_CPU] = fails;
    fails_on         = world->size - 1;
    fails_at         = _i;
    calls            = 0;
    EVERYWHERE(sb_link_mpi_create(world, &link) == SB_OK, "link");
    sb_status st = run(&s, &m, link, 1, &r);
    EVERYWHERE(st == (world->rank == fails_on ? SB_ERR_NOMEM : SB_ERR_PEER), "status %d", (int)st);
    fails_on = -1;
    EVERYWHERE(run(&s, &m, link, 1, &r) == SB_OK, "the next call is whole");
    fini(&r);
    sb_link_destroy(link);
}
END_TEST

START_TEST(what_cannot_go_round_is_told)
{
    for (const sb_method *const *m = sb_methods; *m != NULL; m++) {
        sb_status st = sb_ring_check(*m);
        if (strcmp((*m)->name, "dense") == 0)
            ck_assert_int_eq(st, SB_OK);
        if (strcmp((*m)->name, "flexprefill") == 0) {
            ck_assert_int_eq(st, SB_ERR_UNSUPPORTED);
            ck_assert_ptr_nonnull(strstr(sb_error_text(), "looks at all keys"));
        }
        if (strcmp((*m)->name, "lightning") == 0) {
            ck_assert_int_eq(st, SB_ERR_UNSUPPORTED);
            ck_assert_ptr_nonnull(strstr(sb_error_text(), "no keys"));
        }
    }
}
END_TEST

int main(int argc, char **argv)
{
    if (sb_mpi_init(&argc, &argv) != SB_OK || sb_comm_mpi_create(&world) != SB_OK)
        return 2;
    Suite *suite = suite_create("ring");
    TCase *t     = tcase_create("ranks");
    tcase_set_timeout(t, 120);
    tcase_add_loop_test(t, ring_equals_gathered_keys, 0, N_SPECS);
    tcase_add_loop_test(t, a_rank_that_fails_does_not_stop_the_ring, 0, 2);
    tcase_add_test(t, what_cannot_go_round_is_told);
    suite_add_tcase(suite, t);
    SRunner *r = srunner_create(suite);
    srunner_set_fork_status(r, CK_NOFORK);
    srunner_run_all(r, world->rank == 0 ? CK_NORMAL : CK_SILENT);
    int failures = srunner_ntests_failed(r);
    srunner_free(r);
    sb_comm_destroy(world);
    sb_mpi_fini();
    return failures != 0;
}
