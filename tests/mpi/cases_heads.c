/* Heads over ranks [sharding 4c, 4d]: what a look sees and what quality makes of it, chunks of
 * queries behind earlier tokens, memory, and ranks that fail. That outputs and selections are those
 * of one rank is the matrix's business. */
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/run/operator.h"
#include "harness/run/quality.h"
#include "kernels/registry.h"
#include "tests/cut_operands.h"
#include "tests/mpi/ranks.h"
#include "tests/mpi/shard_case.h"
#include "tests/text_params.h"
#include "workloads/registry.h"

enum { HEADS = 8, KV_HEADS = 2, DIM = 32, N = 1100 };

typedef struct heads_spec {
    const char    *method, *params;
    sb_layout_kind layout;
    int64_t        n_tokens, n_queries;
    int32_t        team; /* 0: all ranks; else only where they come in such teams */
} heads_spec;

static int runs_here(const heads_spec *s, const sb_comm *c, int32_t *team)
{
    *team = s->team > 0 ? s->team : c->size;
    return c->size % *team == 0 && c->size >= *team && HEADS % *team == 0;
}

/* An operator on operands of its own. */
typedef struct op {
    sb_operands       *whole;
    sb_operands        cut;
    sb_operator_config cfg;
    size_t             bytes;
    void              *block;
    sb_operator       *op;
    _Alignas(16) unsigned char params[4096], drawn[128];
} op;

static sb_status op_open(const heads_spec *s, sb_comm *comm, int32_t team, sb_link *link,
                         int compares, op *c)
{
    const sb_distribution *d = sb_distribution_find("structured");
    const sb_method       *m = sb_method_find(s->method);
    *c                       = (op){0};
    sb_status       st       = sb_params_default(d->params, c->drawn);
    sb_draw         draw     = {.heads         = HEADS,
                                .kv_heads      = KV_HEADS,
                                .head_dim      = DIM,
                                .length_tokens = s->n_tokens,
                                .seed          = 5,
                                .params        = c->drawn};
    sb_forward_room room     = {0};
    if (st != SB_OK || (st = text_params(m, s->params, c->params)) != SB_OK ||
        (st = d->create(d, &draw, &c->whole)) != SB_OK)
        return st;
    c->cut = cut_operands(c->whole, s->n_queries);
    c->cfg = (sb_operator_config){.operands    = &c->cut,
                                  .method      = m,
                                  .params      = c->params,
                                  .backend     = &sb_backend_cpu,
                                  .comm        = comm,
                                  .layout      = s->layout,
                                  .use         = {.team = team},
                                  .link        = link,
                                  .threads     = 1,
                                  .arena_flags = SB_ARENA_GUARD,
                                  .compares    = compares};
    if ((st = sb_operator_bytes(&c->cfg, &room)) != SB_OK)
        return st;
    c->bytes = room.host_bytes;
    c->block = aligned_alloc(SB_ARENA_ALIGN, (c->bytes + 63) / 64 * 64);
    if (c->block == NULL)
        abort();
    return sb_operator_create(&c->cfg, c->block, c->bytes, &c->op);
}

static void op_close(op *c)
{
    sb_operator_destroy(c->op);
    sb_operands_destroy(c->whole);
    free(c->block);
}

/* ---- quality ---- */

static sb_span spans[] = {{12, 18, 0.1, SB_SPAN_NEEDLE, 0},
                          {600, 606, 0.5, SB_SPAN_NEEDLE, 1},
                          {N - 64, N, 1, SB_SPAN_QUERY, -1}};

static const sb_input input = {.n_tokens = N, .n_context = N - 64, .spans = spans, .n_spans = 3};

static sb_status look(op *c, sb_quality *q)
{
    sb_quality_init(q, SB_QUALITY_SAMPLED, SB_DETAIL_PER_HEAD, "0123456789abcdef", &input);
    sb_status st = sb_operator_pass(c->op, NULL);
    return st == SB_OK ? sb_operator_look(c->op, sb_quality_look, q) : st;
}

static void print_fact(const sb_quality_facts *f, int exact, char *text, size_t bytes)
{
    int n = snprintf(text, bytes, "%d %lld/%lld %lld/%lld %a/%lld %lld %lld %lld", f->head,
                     (long long)f->rho_num, (long long)f->rho_den, (long long)f->tile_lanes,
                     (long long)f->tile_lanes_dense, f->blocks_exec, (long long)f->blocks_dense,
                     (long long)f->f_exec, (long long)f->f_dense, (long long)f->rows_total);
    if (exact) /* sums of a ring come in another order */
        (void)snprintf(text + n, bytes - (size_t)n, " %lld %a %a %a %a %a %a %a %a %a %a %a %a",
                       (long long)f->f_est, f->recall_mean, f->recall_lo, f->recall_p05,
                       f->recall_min, f->oracle_gap, f->needle_block_recall, f->needle_mass,
                       f->needle_mass_kept, f->rel_l2, f->rel_l2_p99, f->cos_row, f->floor);
}

static void quality_is_that_of_one_rank(span_rank *r)
{
    static const heads_spec specs[] = {
        {"dense", "", SB_LAYOUT_ZIGZAG, N, N, 0},
        {"flexprefill", "block_tokens=32 min_budget_tokens=1 gamma=0.6 tau=1", SB_LAYOUT_CONTIGUOUS,
         N, N, 0},
        {"pbs_attn", "block_tokens=16 segment_tokens=64 tau=0.5", SB_LAYOUT_BLOCK_STRIPED, N, N, 0},
        {"random_blocks", "block_tokens=32 density=.3", SB_LAYOUT_CONTIGUOUS, N, N, 0},
        {"random_blocks", "block_tokens=32 density=.3", SB_LAYOUT_ZIGZAG, N, N, 2},
        {"dense", "", SB_LAYOUT_BLOCK_STRIPED, N, N, 2},
    };
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        char       x[1024], y[1024];
        int32_t    team;
        op         shard, whole;
        sb_quality a = {0}, b = {0};
        sb_comm   *self = NULL;
        if (!runs_here(&specs[i], r->comm, &team))
            continue;
        sb_link  *link = span_link(r->comm);
        sb_status st   = sb_comm_self_create(&self);
        if (st == SB_OK)
            st = op_open(&specs[i], r->comm, team, link, 1, &shard);
        if (st == SB_OK)
            st = op_open(&specs[i], self, 0, NULL, 1, &whole);
        SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
        if (sb_comm_agree(r->comm, st) == SB_OK) {
            st = look(&shard, &a);
            SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
            SPAN_EXPECT(r, look(&whole, &b) == SB_OK, "%s", sb_error_text());
            SPAN_EXPECT(r, a.digest == b.digest && a.n_facts == b.n_facts && a.n_needles == 2,
                        "%s: digest, records", specs[i].method);
            for (int64_t k = 0; k < a.n_facts && k < b.n_facts; k++) {
                print_fact(&a.facts[k], team == r->comm->size, x, sizeof x);
                print_fact(&b.facts[k], team == r->comm->size, y, sizeof y);
                /* what planning does to a KV head is done on each rank that has it */
                SPAN_EXPECT(r, strcmp(x, y) == 0 || team > KV_HEADS, "%s: %.60s | %.60s",
                            specs[i].method, x, y);
            }
            for (int64_t k = 0; k < a.n_needles && team == r->comm->size; k++)
                SPAN_EXPECT(r,
                            a.needles[k].key_recall == b.needles[k].key_recall &&
                                a.needles[k].mass == b.needles[k].mass &&
                                a.needles[k].mass_kept == b.needles[k].mass_kept,
                            "%s: needle %lld", specs[i].method, (long long)k);
            SPAN_EXPECT(r, sb_operator_canaries_intact(shard.op), "written outside");
        }
        sb_quality_fini(&a);
        sb_quality_fini(&b);
        op_close(&shard);
        op_close(&whole);
        sb_link_destroy(link);
        sb_comm_destroy(self);
    }
}

/* ---- rows ---- */

typedef struct seen {
    sb_shape shape;
    sb_run   runs[64];
    sb_bf16 *o; /* [heads][rows][dim] */
} seen;

static sb_status take(void *arg, const sb_layer_view *v)
{
    seen  *s = arg;
    size_t n = (size_t)(v->o->heads * v->o->tokens * v->o->dim);
    s->shape = *v->shape;
    if (v->shape->q_gid.n_runs > 64)
        return sb_fail(SB_ERR_INTERNAL, "more runs than the case has room for");
    for (int32_t j = 0; j < v->shape->q_gid.n_runs; j++)
        s->runs[j] = v->shape->q_gid.run[j];
    s->shape.q_gid.run = s->runs;
    s->o               = malloc(n * sizeof *s->o + 1);
    if (s->o == NULL)
        abort();
    memcpy(s->o, v->o->data, n * sizeof *s->o);
    return SB_OK;
}

/* The rows and heads of `part` are those of `whole`, bit for bit. */
static int same_rows(const seen *part, const seen *whole)
{
    int64_t rows = part->shape.q_gid.n_tokens, all = whole->shape.q_gid.n_tokens, slot = 0;
    int64_t first = whole->shape.q_gid.run[0].start;
    for (int32_t j = 0; j < part->shape.q_gid.n_runs; j++)
        for (int64_t i = 0; i < part->runs[j].len; i++, slot++)
            for (int64_t h = 0; h < part->shape.heads; h++)
                if (memcmp(part->o + (h * rows + slot) * DIM,
                           whole->o + ((part->shape.first_head + h) * all + part->runs[j].start +
                                       i - first) *
                                          DIM,
                           DIM * sizeof *part->o) != 0)
                    return 0;
    return slot == rows;
}

static void chunks_and_memory(span_rank *r)
{
    static const heads_spec specs[] = {
        {"dense", "", SB_LAYOUT_ZIGZAG, 1100, 300, 0},        /* ranks without queries */
        {"dense", "", SB_LAYOUT_BLOCK_STRIPED, 1500, 400, 0}, /* many runs: through the stage */
        {"xattention", "block_tokens=32 stride_tokens=8 tau=.7", SB_LAYOUT_CONTIGUOUS, 1100, 1100,
         0},
    };
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        int32_t  team;
        op       shard, whole;
        seen     a = {0}, b = {0};
        sb_comm *self = NULL;
        if (!runs_here(&specs[i], r->comm, &team))
            continue;
        sb_link  *link = span_link(r->comm);
        sb_status st   = sb_comm_self_create(&self);
        if (st == SB_OK)
            st = op_open(&specs[i], r->comm, team, link, 0, &shard);
        if (st == SB_OK)
            st = op_open(&specs[i], self, 0, NULL, 0, &whole);
        SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
        if (sb_comm_agree(r->comm, st) == SB_OK) {
            sb_phase_times t = {0};
            for (int k = 0; st == SB_OK && k < 2; k++)
                st = sb_operator_pass(shard.op, &t);
            SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
            SPAN_EXPECT(r, (t.ns[SB_PHASE_COMMUNICATE] > 0) == (r->comm->size > 1), "communicate");
            if (st == SB_OK)
                st = sb_operator_look(shard.op, take, &a);
            if (st == SB_OK && (st = sb_operator_pass(whole.op, NULL)) == SB_OK)
                st = sb_operator_look(whole.op, take, &b);
            SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
            SPAN_EXPECT(r, st == SB_OK && same_rows(&a, &b), "%s, %lld queries of %lld",
                        specs[i].method, (long long)specs[i].n_queries,
                        (long long)specs[i].n_tokens);
            SPAN_EXPECT(r, sb_operator_high_water(shard.op) == shard.bytes,
                        "%s: used %zu bytes, predicted %zu", specs[i].method,
                        sb_operator_high_water(shard.op), shard.bytes);
            SPAN_EXPECT(r, sb_operator_canaries_intact(shard.op), "written outside");
        }
        free(a.o);
        free(b.o);
        op_close(&shard);
        op_close(&whole);
        sb_link_destroy(link);
        sb_comm_destroy(self);
    }
}

/* ---- faults ---- */

/* Threads: set alike by all, between barriers. */
static int32_t          bad_rank;
static const sb_method *intact;

static sb_status bad_layout(sb_ctx *ctx, const void *params, const sb_shape *shape, sb_plan *plan,
                            sb_cache *cache)
{
    if (shape->first_head == bad_rank * shape->heads && !shape->is_decode)
        return sb_fail(SB_ERR_NOMEM, "layout broke");
    return intact->layout(ctx, params, shape, plan, cache);
}

static sb_status bad_plan(sb_ctx *ctx, const void *params, const sb_shape *shape,
                          const sb_tensor *q, const sb_tensor *k, sb_cache *cache, sb_plan *plan)
{
    if (shape->first_head == bad_rank * shape->heads && !shape->is_decode)
        return sb_fail(SB_ERR_DEVICE, "plan broke");
    return intact->plan[SB_CPU](ctx, params, shape, q, k, cache, plan);
}

static void one_ranks_failure_ends_the_call_on_all(span_rank *r)
{
    span_seq_spec spec = {"dense", "", SB_LAYOUT_ZIGZAG, 300, 2, HEADS, KV_HEADS, DIM};
    span_how      how  = {.use = {.team = r->comm->size}};
    span_seq      s;
    if (r->comm->size == 1 || HEADS % r->comm->size != 0)
        return;
    how.link     = span_link(r->comm);
    sb_status st = span_seq_open_as(&spec, &how, r->comm, &s);
    SPAN_EXPECT(r, st == SB_OK, "%s", sb_error_text());
    const sb_method *method = s.method;
    for (int32_t bad = 0; sb_comm_agree(r->comm, st) == SB_OK && bad < r->comm->size; bad++)
        for (int where = 0; where < 2; where++) {
            sb_method m    = *method;
            sb_status want = where == 0 ? SB_ERR_NOMEM : SB_ERR_DEVICE;
            if (where == 0)
                m.layout = bad_layout;
            else
                m.plan[SB_CPU] = bad_plan;
            SPAN_EXPECT(r, sb_comm_barrier(r->comm) == SB_OK, "%s", sb_error_text());
            if (r->comm->rank == 0 || strcmp(r->comm->ops->name, "threads") != 0) {
                bad_rank = bad;
                intact   = method;
            }
            SPAN_EXPECT(r, sb_comm_barrier(r->comm) == SB_OK, "%s", sb_error_text());
            s.method     = &m;
            sb_status ps = span_seq_prefill(&s);
            SPAN_EXPECT(r, ps == (r->comm->rank == bad ? want : SB_ERR_PEER), "status %s",
                        sb_status_name(ps));
            s.method = method;
            SPAN_EXPECT(r, span_seq_prefill(&s) == SB_OK, "the next call: %s", sb_error_text());
        }
    s.cache.k.tokens = 0; /* one more: wrong arguments are named before anything travels */
    sb_status ws     = span_seq_prefill(&s);
    SPAN_EXPECT(r, ws == (s.gid.n_tokens > 0 ? SB_ERR_INTERNAL : SB_ERR_PEER), "status %s",
                sb_status_name(ws));
    span_seq_close(&s);
    sb_link_destroy(how.link);
}

const span_case span_heads_cases[] = {
    {"quality_is_that_of_one_rank", quality_is_that_of_one_rank},
    {"chunks_and_memory", chunks_and_memory},
    {"heads: one_ranks_failure_ends_the_call_on_all", one_ranks_failure_ends_the_call_on_all},
    {0},
};
