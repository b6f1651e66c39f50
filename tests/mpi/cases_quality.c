/* The quality pass of a sharded layer gives the figures of the whole one, bit for bit: the same
 * rows, the same values, summed in the same order [quality_metrics C, sharding 1]. */
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/run/quality.h"
#include "tests/mpi/ranks.h"
#include "tests/mpi/shard_case.h"

enum { N = 641 }; /* strata of 8 rows: 7 are drawn */

static sb_span spans[] = {{12, 18, 0.1, SB_SPAN_NEEDLE, 0},
                          {400, 406, 0.5, SB_SPAN_NEEDLE, 1},
                          {N - 64, N, 1, SB_SPAN_QUERY, -1}};

static const sb_input input = {.n_tokens = N, .n_context = N - 64, .spans = spans, .n_spans = 3};

static sb_status look(span_seq *s, sb_quality *q)
{
    sb_shape      shape = {.q_gid    = s->gid,
                           .n_keys   = s->spec.n_tokens,
                           .heads    = s->spec.heads,
                           .kv_heads = s->spec.kv_heads,
                           .head_dim = s->spec.head_dim};
    sb_layer_view view  = {.n_layers = 1,
                           .method   = s->method,
                           .shape    = &shape,
                           .plan     = &s->shard.plan,
                           .q        = &s->q,
                           .k        = &s->shard.k_all,
                           .v        = &s->shard.v_all,
                           .o        = &s->o,
                           .lse      = s->lse,
                           .ctx      = &s->ctx,
                           .scale    = 0.25f};
    sb_quality_init(q, SB_QUALITY_SAMPLED, SB_DETAIL_PER_HEAD, "0123456789abcdef", &input);
    return sb_quality_look(q, &view);
}

/* Every field, exactly; padding between them means nothing. */
static void print_fact(const sb_quality_facts *f, char *text, size_t bytes)
{
    (void)snprintf(
        text, bytes,
        "%d %d %d %lld/%lld %lld/%lld %a/%lld %lld %lld %lld %a %a %a %a %a %a %a %a %d %a %a %a "
        "%a %a %a %d %a %a %a %a %lld %lld",
        f->layer, f->head, f->def_version, (long long)f->rho_num, (long long)f->rho_den,
        (long long)f->tile_lanes, (long long)f->tile_lanes_dense, f->blocks_exec,
        (long long)f->blocks_dense, (long long)f->f_est, (long long)f->f_exec,
        (long long)f->f_dense, f->recall_mean, f->recall_se, f->recall_lo, f->recall_hi,
        f->recall_tail, f->recall_p05, f->recall_min, f->recall_w, f->recall_overflow,
        f->oracle_gap, f->needle_block_recall, f->needle_mass, f->needle_mass_kept, f->rel_l2,
        f->rel_l2_se, f->rel_l2_unreliable, f->rel_l2_p99, f->rel_l1, f->cos_row, f->floor,
        (long long)f->rows_sampled, (long long)f->rows_total);
}

static void compare(span_rank *r, const span_seq_spec *spec, const sb_quality *a,
                    const sb_quality *b)
{
    char x[1024], y[1024];
    SPAN_EXPECT(r, a->digest == b->digest && a->n_facts == b->n_facts, "%s %s: digest, records",
                spec->method, spec->params);
    for (int64_t i = 0; i < a->n_facts && i < b->n_facts; i++) {
        print_fact(&a->facts[i], x, sizeof x);
        print_fact(&b->facts[i], y, sizeof y);
        size_t at = 0;
        while (x[at] != '\0' && x[at] == y[at])
            at++;
        SPAN_EXPECT(r, strcmp(x, y) == 0, "%s %s, layout %d: record %lld at %zu: %.60s | %.60s",
                    spec->method, spec->params, (int)spec->kind, (long long)i, at, x + at, y + at);
    }
    SPAN_EXPECT(r, a->n_needles == 2 && b->n_needles == 2, "%lld needles", (long long)a->n_needles);
    for (int64_t i = 0; i < a->n_needles && i < b->n_needles; i++) {
        const sb_needle_facts *m = &a->needles[i], *n = &b->needles[i];
        SPAN_EXPECT(r,
                    m->span_no == n->span_no && m->key_recall == n->key_recall &&
                        m->mass == n->mass && m->mass_kept == n->mass_kept,
                    "%s %s: needle %lld", spec->method, spec->params, (long long)i);
    }
}

static void quality(span_rank *r, const span_seq_spec *spec)
{
    sb_comm   *self;
    span_seq   shard, whole;
    sb_quality a = {0}, b = {0};
    sb_status  st = sb_comm_self_create(&self);
    if (st == SB_OK)
        st = span_seq_open(spec, r->comm, &shard);
    if (st == SB_OK)
        st = span_seq_open(spec, self, &whole);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    if (sb_comm_agree(r->comm, st) != SB_OK)
        return;
    st = span_seq_prefill(&shard);
    SPAN_EXPECT(r, st == SB_OK && span_seq_prefill(&whole) == SB_OK, "%s", sb_error_text());
    st = look(&shard, &a);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    SPAN_EXPECT(r, look(&whole, &b) == SB_OK, "%s", sb_error_text());
    compare(r, spec, &a, &b);
    sb_quality_fini(&a);
    sb_quality_fini(&b);
    span_seq_close(&shard);
    span_seq_close(&whole);
    sb_comm_destroy(self);
}

static const struct {
    const char *method, *params;
} methods[] = {
    {"dense", ""},
    {"a_shape", "sink_tokens=5 window_tokens=100"},
    {"power_attention", "block_tokens=16 window_blocks=4"},
    {"minference", "vertical_tokens=50 slash_tokens=130"},
    {"xattention", "block_tokens=32 stride_tokens=8 tau=0.7"},
    {"anchor_attention", "block_tokens=16 step_blocks=2 theta=2.2"},
    {"pbs_attn", "block_tokens=16 segment_tokens=32 tau=0.6"},
    {"flexprefill", "block_tokens=32 min_budget_tokens=64 gamma=0.5 tau=0"},
    {"hip", "top_k_tokens=64 window_tokens=32 sink_tokens=16 block_q_tokens=32"},
};
enum { N_METHODS = sizeof methods / sizeof *methods, WINDOW = 1, XATTENTION = 4, PBS_ATTN = 6 };

static void run(span_rank *r, int m, sb_layout_kind kind)
{
    quality(r, &(span_seq_spec){methods[m].method, methods[m].params, kind, N, 1, 4, 2, 16});
}

static void every_row_equals_one_rank(span_rank *r)
{
    for (int m = 0; m < N_METHODS; m++)
        run(r, m, (sb_layout_kind)(m % SB_LAYOUT_COUNT));
}

/* Threads share the variable: one of them writes it, between barriers. */
static void set_limit(const span_rank *r, int64_t tokens)
{
    if (r->comm->rank == 0 || strcmp(r->comm->ops->name, "threads") != 0)
        sb_quality_exact_tokens = tokens;
}

static void sampled_rows_equal_one_rank(span_rank *r)
{
    SPAN_EXPECT(r, sb_comm_barrier(r->comm) == SB_OK, "%s", sb_error_text());
    set_limit(r, 0);
    SPAN_EXPECT(r, sb_comm_barrier(r->comm) == SB_OK, "%s", sb_error_text());
    for (int kind = 0; kind < SB_LAYOUT_COUNT; kind++)
        run(r, kind == 0 ? XATTENTION : kind == 1 ? PBS_ATTN : WINDOW, (sb_layout_kind)kind);
    SPAN_EXPECT(r, sb_comm_barrier(r->comm) == SB_OK, "%s", sb_error_text());
    set_limit(r, 8192);
    SPAN_EXPECT(r, sb_comm_barrier(r->comm) == SB_OK, "%s", sb_error_text());
}

const span_case span_quality_cases[] = {
    {"every_row_equals_one_rank", every_row_equals_one_rank},
    {"sampled_rows_equal_one_rank", sampled_rows_equal_one_rank},
    {0},
};
