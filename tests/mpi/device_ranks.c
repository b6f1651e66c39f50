/* Several ranks on devices against one rank on one: prefill of the operator under every sharding
 * that runs there, a model's prefill and decode, and what is refused, with its reason. Under
 * mpirun.
 *
 *   test_ranks_device [auto|mpi_host|nccl [TOKENS]]   on a device that is none
 *   test_ranks_cuda [auto|mpi_host|nccl [TOKENS]]     on GPUs, the ranks' own or one for all
 *
 * TOKENS: cases of up to so many tokens alone.
 * A line a case on rank 0, then "N passed, N failed"; 77: no device. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/comm/comms.h"
#include "harness/comm/links.h"
#include "harness/run/operator.h"
#include "harness/run/quality.h"
#include "harness/shard/bind.h"
#include "harness/shard/fetch_rows.h"
#include "kernels/exec/row_support.h"
#include "kernels/registry.h"
#include "tests/cut_operands.h"
#include "tests/mpi/device_ranks.h"
#include "tests/text_params.h"
#include "tests/tolerance.h"
#include "workloads/registry.h"

static sb_comm *world;
static sb_link *linked;
static int      passed, failed;

/* ---- all ranks say the same ---- */

typedef struct verdict {
    char why[256]; /* of this rank; "": fine */
} verdict;

#define EXPECT(v, ok, ...)                                                                         \
    do {                                                                                           \
        if (!(ok) && (v)->why[0] == '\0')                                                          \
            (void)snprintf((v)->why, sizeof(v)->why, __VA_ARGS__);                                 \
    } while (0)

static void judge(const char *name, const verdict *v)
{
    int64_t bad = v->why[0] != '\0';
    if (bad)
        (void)fprintf(stderr, "rank %d: %s: %s\n", world->rank, name, v->why);
    if (sb_comm_allreduce_i64(world, &bad, 1, SB_REDUCE_SUM) != SB_OK)
        sb_mpi_abort(3);
    passed += bad == 0;
    failed += bad != 0;
    if (world->rank == 0) {
        (void)printf("%s  %s\n", bad == 0 ? "ok    " : "FAILED", name);
        (void)fflush(stdout);
    }
}

/* ---- the operator ---- */

typedef struct op_case {
    const char    *distribution, *method, *params;
    sb_scheme      scheme;
    int32_t        asked;
    sb_layout_kind layout;
    int64_t        n_tokens, n_queries;
    const char    *refused; /* the reason on several ranks; NULL: it runs */
} op_case;

enum { HEADS = 8, KV_HEADS = 4, DIM = 64 };

#define RULES "sharding: found "
static const op_case cases[] = {
    {"random", "dense", "", SB_SCHEME_ULYSSES, 0, SB_LAYOUT_CONTIGUOUS, 1000, 1000, NULL},
    {"random", "dense", "", SB_SCHEME_ULYSSES, 0, SB_LAYOUT_ZIGZAG, 1000, 300, NULL},
    {"random", "dense", "", SB_SCHEME_ULYSSES, 0, SB_LAYOUT_BLOCK_STRIPED, 1500, 1500, NULL},
    {"needle", "a_shape", "sink_tokens=8 window_tokens=100", SB_SCHEME_ULYSSES, 0,
     SB_LAYOUT_CONTIGUOUS, 900, 900, NULL},
    {"clustered", "power_attention", "block_tokens=64", SB_SCHEME_ULYSSES, 0, SB_LAYOUT_CONTIGUOUS,
     1200, 1200, NULL},
    {"structured", "flexprefill", "gamma=0.7 min_budget_tokens=128", SB_SCHEME_ULYSSES, 0,
     SB_LAYOUT_CONTIGUOUS, 2200, 2200, NULL},
    {"clustered", "pbs_attn", "segment_tokens=256 tau=0.6", SB_SCHEME_ULYSSES, 0,
     SB_LAYOUT_CONTIGUOUS, 2200, 2200, NULL},
    {"clustered", "hip", "top_k_tokens=256 window_tokens=128", SB_SCHEME_ULYSSES, 0,
     SB_LAYOUT_CONTIGUOUS, 1900, 1900, NULL},
    {"clustered", "xattention", "stride_tokens=8 tau=0.8", SB_SCHEME_ULYSSES, 0,
     SB_LAYOUT_CONTIGUOUS, 2000, 2000, NULL},
    {"clustered", "anchor_attention", "theta=4", SB_SCHEME_ULYSSES, 0, SB_LAYOUT_CONTIGUOUS, 4200,
     4200, NULL},
    {"structured", "minference", "vertical_tokens=100 slash_tokens=300", SB_SCHEME_ULYSSES, 0,
     SB_LAYOUT_CONTIGUOUS, 1500, 1500, NULL},
    {"clustered", "random_blocks", "density=0.3", SB_SCHEME_ULYSSES, 0, SB_LAYOUT_CONTIGUOUS, 2000,
     2000, NULL},

    {"random", "dense", "", SB_SCHEME_ALLGATHER, 0, SB_LAYOUT_CONTIGUOUS, 1000, 1000, NULL},
    {"random", "dense", "", SB_SCHEME_ALLGATHER, 0, SB_LAYOUT_ZIGZAG, 1000, 1000, NULL},
    {"random", "dense", "", SB_SCHEME_ALLGATHER, 0, SB_LAYOUT_BLOCK_STRIPED, 1500, 1500, NULL},
    {"random", "dense", "", SB_SCHEME_ALLGATHER, 1, SB_LAYOUT_ZIGZAG, 1000, 700, NULL},
    {"random", "dense", "", SB_SCHEME_ALLGATHER, 3, SB_LAYOUT_BLOCK_STRIPED, 1700, 1700, NULL},
    {"random", "dense", "", SB_SCHEME_ALLGATHER, 0, SB_LAYOUT_CONTIGUOUS, 100, 1, NULL},
    {"needle", "a_shape", "sink_tokens=8 window_tokens=100", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_ZIGZAG, 900, 900, NULL},
    {"needle", "streaming_llm", "sink_tokens=4 window_tokens=65", SB_SCHEME_ALLGATHER, 2,
     SB_LAYOUT_CONTIGUOUS, 900, 900, NULL},
    {"clustered", "power_attention", "block_tokens=128", SB_SCHEME_ALLGATHER, 1, SB_LAYOUT_ZIGZAG,
     2000, 2000, NULL},
    {"clustered", "power_attention", "pattern=moa alpha_tokens=100", SB_SCHEME_ALLGATHER, 1,
     SB_LAYOUT_CONTIGUOUS, 900, 900, NULL},
    {"clustered", "hip", "top_k_tokens=256 window_tokens=128", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_CONTIGUOUS, 1900, 1900, NULL},
    {"clustered", "hip", "top_k_tokens=256 window_tokens=128", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_CONTIGUOUS, 100, 100, NULL},
    {"clustered", "xattention", "stride_tokens=8 tau=0.8", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_CONTIGUOUS, 2000, 2000, NULL},
    {"clustered", "anchor_attention", "theta=4", SB_SCHEME_ALLGATHER, 0, SB_LAYOUT_CONTIGUOUS, 4200,
     4200, NULL},
    {"clustered", "random_blocks", "density=0.3", SB_SCHEME_ALLGATHER, 0, SB_LAYOUT_CONTIGUOUS,
     2000, 2000, NULL},

    /* plans that look at the last queries: of one rank, or of several */
    {"structured", "minference", "vertical_tokens=100 slash_tokens=300", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_CONTIGUOUS, 1500, 1500, NULL},
    {"clustered", "minference", "vertical_tokens=40 slash_tokens=60", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_CONTIGUOUS, 130, 130, NULL},
    {"random", "minference", "vertical_tokens=30 slash_tokens=50", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_CONTIGUOUS, 40, 40, NULL},
    {"clustered", "minference", "pattern=block_sparse top_k_blocks=5", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_CONTIGUOUS, 1900, 1900, NULL},
    {"random", "minference", "pattern=a_shape sink_tokens=10 window_tokens=100",
     SB_SCHEME_ALLGATHER, 0, SB_LAYOUT_CONTIGUOUS, 900, 900, NULL},
    {"random", "minference", "vertical_tokens=30 slash_tokens=50", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_CONTIGUOUS, 1000, 300, NULL}, /* dense: queries of a part of the sequence */
    {"structured", "flexprefill", "gamma=0.7 tau=0 min_budget_tokens=128", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_CONTIGUOUS, 2200, 2200, NULL},
    {"clustered", "flexprefill", "gamma=0.7 tau=0.9 min_budget_tokens=128", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_CONTIGUOUS, 2000, 2000, NULL},
    {"clustered", "flexprefill", "gamma=0.8 tau=0.3 min_budget_tokens=64 block_tokens=64",
     SB_SCHEME_ALLGATHER, 0, SB_LAYOUT_CONTIGUOUS, 900, 900, NULL},
    {"random", "flexprefill", "", SB_SCHEME_ALLGATHER, 0, SB_LAYOUT_CONTIGUOUS, 600, 600, NULL},
    {"clustered", "pbs_attn", "segment_tokens=256 tau=0.6", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_CONTIGUOUS, 2200, 2200, NULL},
    {"clustered", "pbs_attn", "block_tokens=64 segment_tokens=128 tau=0.5", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_CONTIGUOUS, 530, 530, NULL},

    /* plans for queries in two runs, or in many */
    {"clustered", "hip", "top_k_tokens=256 window_tokens=128", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_ZIGZAG, 2500, 2500, NULL},
    {"clustered", "hip", "top_k_tokens=256 window_tokens=128", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_BLOCK_STRIPED, 2900, 2900, NULL},
    {"clustered", "xattention", "stride_tokens=8 tau=0.8", SB_SCHEME_ALLGATHER, 0, SB_LAYOUT_ZIGZAG,
     2000, 2000, NULL},
    {"clustered", "xattention", "stride_tokens=16 tau=0.8", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_BLOCK_STRIPED, 2900, 2900, NULL},
    /* the released code's first chunk follows from the length of the whole sequence */
    {"clustered", "xattention", "compat=official stride_tokens=16 tau=0.8", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_CONTIGUOUS, 20000, 20000, NULL},
    {"clustered", "anchor_attention", "theta=4", SB_SCHEME_ALLGATHER, 0, SB_LAYOUT_ZIGZAG, 9000,
     9000, NULL},
    {"clustered", "anchor_attention", "theta=4", SB_SCHEME_ALLGATHER, 0, SB_LAYOUT_BLOCK_STRIPED,
     9000, 9000, NULL},
    {"clustered", "random_blocks", "density=0.3", SB_SCHEME_ALLGATHER, 0, SB_LAYOUT_ZIGZAG, 2000,
     2000, NULL},
    {"structured", "minference", "vertical_tokens=100 slash_tokens=300", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_ZIGZAG, 1500, 1500, NULL},
    {"clustered", "minference", "vertical_tokens=40 slash_tokens=60", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_BLOCK_STRIPED, 2930, 2930, NULL},
    {"clustered", "minference", "pattern=block_sparse top_k_blocks=5", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_BLOCK_STRIPED, 1900, 1900, NULL},
    {"structured", "flexprefill", "gamma=0.7 tau=0 min_budget_tokens=128", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_ZIGZAG, 2200, 2200, NULL},
    {"clustered", "flexprefill", "gamma=0.7 tau=0.9 min_budget_tokens=128", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_ZIGZAG, 2000, 2000, NULL},
    {"clustered", "flexprefill", "gamma=0.7 tau=0.9 min_budget_tokens=128", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_BLOCK_STRIPED, 2900, 2900, NULL},
    {"clustered", "pbs_attn", "segment_tokens=256 tau=0.6", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_ZIGZAG, 2200, 2200, NULL},
    {"clustered", "pbs_attn", "segment_tokens=128 tau=0.5", SB_SCHEME_ALLGATHER, 0,
     SB_LAYOUT_BLOCK_STRIPED, 2900, 2900, NULL},

    {"random", "dense", "", SB_SCHEME_RING, 0, SB_LAYOUT_CONTIGUOUS, 1000, 1000, NULL},
    {"random", "dense", "", SB_SCHEME_RING, 0, SB_LAYOUT_ZIGZAG, 1100, 1100, NULL},
    {"random", "dense", "", SB_SCHEME_RING, 0, SB_LAYOUT_ZIGZAG, 1500, 700, NULL},
    {"needle", "a_shape", "sink_tokens=8 window_tokens=100", SB_SCHEME_RING, 0,
     SB_LAYOUT_CONTIGUOUS, 900, 900, NULL},
    {"clustered", "power_attention", "block_tokens=128", SB_SCHEME_RING, 0, SB_LAYOUT_ZIGZAG, 2000,
     2000, NULL},

    {"clustered", "random_blocks", "density=0.3", SB_SCHEME_RING, 0, SB_LAYOUT_ZIGZAG, 1900, 1900,
     NULL},

    /* few runs, many runs, and what comes to a gather */
    {"random", "dense", "", SB_SCHEME_FETCH, 0, SB_LAYOUT_CONTIGUOUS, 1000, 1000, NULL},
    {"random", "dense", "", SB_SCHEME_FETCH, 0, SB_LAYOUT_ZIGZAG, 1000, 1000, NULL},
    {"random", "dense", "", SB_SCHEME_FETCH, 0, SB_LAYOUT_BLOCK_STRIPED, 1000, 1000, NULL},
    {"random", "dense", "", SB_SCHEME_FETCH, 0, SB_LAYOUT_ZIGZAG, 1000, 300, NULL},
    {"random", "dense", "", SB_SCHEME_FETCH, 0, SB_LAYOUT_CONTIGUOUS, 3, 3, NULL},
    {"needle", "a_shape", "sink_tokens=8 window_tokens=100", SB_SCHEME_FETCH, 0,
     SB_LAYOUT_CONTIGUOUS, 900, 900, NULL},
    {"needle", "a_shape", "sink_tokens=8 window_tokens=33", SB_SCHEME_FETCH, 0,
     SB_LAYOUT_BLOCK_STRIPED, 2300, 2300, NULL},
    {"needle", "a_shape", "sink_tokens=8 window_tokens=20", SB_SCHEME_FETCH, 0,
     SB_LAYOUT_BLOCK_STRIPED, 1000, 1000, NULL},
    {"needle", "a_shape", "sink_tokens=8 window_tokens=100", SB_SCHEME_FETCH, 0,
     SB_LAYOUT_CONTIGUOUS, 900, 130, NULL},
    {"needle", "streaming_llm", "sink_tokens=4 window_tokens=65", SB_SCHEME_FETCH, 0,
     SB_LAYOUT_ZIGZAG, 900, 900, NULL},
    {"needle", "streaming_llm", "sink_tokens=4 window_tokens=65", SB_SCHEME_FETCH, 0,
     SB_LAYOUT_CONTIGUOUS, 1000, 1000, NULL},
    {"clustered", "power_attention", "block_tokens=64", SB_SCHEME_FETCH, 0, SB_LAYOUT_CONTIGUOUS,
     1000, 1000, NULL},
    {"clustered", "power_attention", "block_tokens=64", SB_SCHEME_FETCH, 0, SB_LAYOUT_BLOCK_STRIPED,
     2000, 2000, NULL},
    {"clustered", "power_attention", "pattern=moa beta=0.2 max_new_tokens=100", SB_SCHEME_FETCH, 0,
     SB_LAYOUT_CONTIGUOUS, 900, 900, NULL},
    {"clustered", "power_attention", "pattern=longnet block_tokens=16 window_blocks=4 levels=3",
     SB_SCHEME_FETCH, 0, SB_LAYOUT_ZIGZAG, 900, 900, NULL},

    /* queries of all ranks, of one alone, fewer than ranks, and shards without keys */
    {"random", "dense", "", SB_SCHEME_PASS_Q, 0, SB_LAYOUT_CONTIGUOUS, 1000, 1000, NULL},
    {"random", "dense", "", SB_SCHEME_PASS_Q, 0, SB_LAYOUT_ZIGZAG, 1000, 100, NULL},
    {"random", "dense", "", SB_SCHEME_PASS_Q, 0, SB_LAYOUT_CONTIGUOUS, 1000, 1, NULL},
    {"random", "dense", "", SB_SCHEME_PASS_Q, 0, SB_LAYOUT_CONTIGUOUS, 3, 2, NULL},
    {"random", "dense", "", SB_SCHEME_PASS_Q, 0, SB_LAYOUT_BLOCK_STRIPED, 1500, 333, NULL},
    {"needle", "a_shape", "sink_tokens=8 window_tokens=100", SB_SCHEME_PASS_Q, 0, SB_LAYOUT_ZIGZAG,
     900, 900, NULL},
    {"needle", "a_shape", "sink_tokens=8 window_tokens=100", SB_SCHEME_PASS_Q, 0,
     SB_LAYOUT_CONTIGUOUS, 900, 150, NULL},
    {"needle", "streaming_llm", "sink_tokens=4 window_tokens=65", SB_SCHEME_PASS_Q, 0,
     SB_LAYOUT_CONTIGUOUS, 900, 900, NULL},
    {"needle", "streaming_llm", "sink_tokens=4 window_tokens=65", SB_SCHEME_PASS_Q, 0,
     SB_LAYOUT_ZIGZAG, 900, 77, NULL},
    {"clustered", "power_attention", "block_tokens=64", SB_SCHEME_PASS_Q, 0, SB_LAYOUT_CONTIGUOUS,
     900, 900, NULL},
    {"clustered", "power_attention", "block_tokens=128", SB_SCHEME_PASS_Q, 0, SB_LAYOUT_ZIGZAG,
     2000, 500, NULL},
    {"clustered", "power_attention", "pattern=moa alpha_tokens=100", SB_SCHEME_PASS_Q, 0,
     SB_LAYOUT_ZIGZAG, 900, 300, NULL},

    {"random", "lightning", "", SB_SCHEME_STATE, 0, SB_LAYOUT_CONTIGUOUS, 1000, 1000, NULL},
    {"random", "lightning", "slope_heads=kv act=identity", SB_SCHEME_STATE, 0, SB_LAYOUT_CONTIGUOUS,
     300, 300, NULL},
    {"clustered", "linear", "kind=retnet", SB_SCHEME_STATE, 0, SB_LAYOUT_CONTIGUOUS, 1300, 1300,
     NULL},
    {"clustered", "linear", "kind=elu1", SB_SCHEME_STATE, 0, SB_LAYOUT_CONTIGUOUS, 50, 50, NULL},
    {"random", "linear", "kind=gla gate=-0.01", SB_SCHEME_STATE, 0, SB_LAYOUT_CONTIGUOUS, 1000,
     1000, NULL},
    {"clustered", "linear", "kind=gla gate=-0.003 force_mode=recurrent", SB_SCHEME_STATE, 0,
     SB_LAYOUT_CONTIGUOUS, 300, 300, NULL},
    {"random", "linear", "kind=gated_delta gate=-0.01", SB_SCHEME_STATE, 0, SB_LAYOUT_CONTIGUOUS,
     1000, 1000, NULL},
    {"clustered", "linear", "kind=gated_delta beta=0.3", SB_SCHEME_STATE, 0, SB_LAYOUT_CONTIGUOUS,
     1300, 1300, NULL},
    {"random", "linear", "kind=gated_delta gate=-0.05", SB_SCHEME_STATE, 0, SB_LAYOUT_CONTIGUOUS,
     50, 50, NULL},
    {"random", "linear", "kind=aaren", SB_SCHEME_STATE, 0, SB_LAYOUT_CONTIGUOUS, 1000, 1000, NULL},
    {"clustered", "linear", "kind=aaren scale=1", SB_SCHEME_STATE, 0, SB_LAYOUT_CONTIGUOUS, 1300,
     1300, NULL},
    {"random", "linear", "kind=aaren", SB_SCHEME_STATE, 0, SB_LAYOUT_CONTIGUOUS, 2, 2, NULL},

    {"clustered", "pbs_attn", "segment_tokens=256", SB_SCHEME_ALLGATHER, 2, SB_LAYOUT_CONTIGUOUS,
     2200, 2200, "found heads_at_once 2"},
    {"structured", "minference", "", SB_SCHEME_RING, 0, SB_LAYOUT_CONTIGUOUS, 1500, 1500, "ring"},
    {"clustered", "xattention", "stride_tokens=8 tau=0.8", SB_SCHEME_FETCH, 0, SB_LAYOUT_CONTIGUOUS,
     2000, 2000, RULES "fetch"},
    {"clustered", "random_blocks", "density=0.3", SB_SCHEME_PASS_Q, 0, SB_LAYOUT_CONTIGUOUS, 1000,
     100, RULES "pass_q"},
};
enum { N_CASES = sizeof cases / sizeof *cases };

/* Teams: of 4 ranks there are several, of 2 there is one; queries and tokens of some teams alone.
 * The first of them with one KV head, too. */
static const op_case team_cases[] = {
    {"random", "dense", "", SB_SCHEME_USP, 2, SB_LAYOUT_CONTIGUOUS, 1000, 1000, NULL},
    {"random", "dense", "", SB_SCHEME_USP, 2, SB_LAYOUT_ZIGZAG, 1100, 1100, NULL},
    {"random", "dense", "", SB_SCHEME_USP, 2, SB_LAYOUT_BLOCK_STRIPED, 1000, 1000, NULL},
    {"random", "dense", "", SB_SCHEME_USP, 2, SB_LAYOUT_ZIGZAG, 900, 300, NULL},
    {"random", "dense", "", SB_SCHEME_USP, 2, SB_LAYOUT_CONTIGUOUS, 1000, 100, NULL},
    {"random", "dense", "", SB_SCHEME_USP, 2, SB_LAYOUT_BLOCK_STRIPED, 100, 100, NULL},
    {"random", "dense", "", SB_SCHEME_USP, 1, SB_LAYOUT_ZIGZAG, 700, 700, NULL},
    {"needle", "a_shape", "sink_tokens=8 window_tokens=100", SB_SCHEME_USP, 2, SB_LAYOUT_CONTIGUOUS,
     900, 900, NULL},
    {"clustered", "power_attention", "block_tokens=64", SB_SCHEME_USP, 2, SB_LAYOUT_ZIGZAG, 1000,
     1000, NULL},
    {"needle", "a_shape", "sink_tokens=8 window_tokens=100", SB_SCHEME_USP, 2,
     SB_LAYOUT_BLOCK_STRIPED, 2900, 2900, NULL}, /* many runs: through the stage */
    {"needle", "streaming_llm", "sink_tokens=4 window_tokens=65", SB_SCHEME_USP, 2,
     SB_LAYOUT_ZIGZAG, 900, 900, NULL},
    {"clustered", "power_attention", "pattern=moa alpha_tokens=100", SB_SCHEME_USP, 2,
     SB_LAYOUT_CONTIGUOUS, 900, 900, NULL},
    {"clustered", "power_attention", "block_tokens=128", SB_SCHEME_USP, 2, SB_LAYOUT_BLOCK_STRIPED,
     1000, 1000, NULL},
    {"clustered", "random_blocks", "density=0.3", SB_SCHEME_USP, 2, SB_LAYOUT_CONTIGUOUS, 1000,
     1000, NULL},
    {"clustered", "random_blocks", "density=0.3 block_tokens=64", SB_SCHEME_USP, 2,
     SB_LAYOUT_ZIGZAG, 1000, 400, NULL},
    {"clustered", "flexprefill", "gamma=0.7 min_budget_tokens=128", SB_SCHEME_USP, 2,
     SB_LAYOUT_CONTIGUOUS, 900, 900, "teams of 2"},
    {"clustered", "hip", "", SB_SCHEME_USP, 2, SB_LAYOUT_ZIGZAG, 900, 900, "teams of 2"},
};
enum { N_TEAM_CASES = sizeof team_cases / sizeof *team_cases, N_ONE_KV_HEAD = 9 };

static int64_t kv_heads = KV_HEADS; /* of the cases that run now */

typedef struct op_side {
    sb_operands       *whole;
    sb_operands        cut;
    sb_operator_config cfg;
    sb_forward_room    room;
    void              *block;
    sb_operator       *op;
    _Alignas(16) unsigned char params[4096], drawn[128];
} op_side;

static sb_status side_open_on(const op_case *c, const sb_method *m, const sb_backend *backend,
                              sb_comm *comm, sb_link *link, op_side *s)
{
    const sb_distribution *d  = sb_distribution_find(c->distribution);
    sb_draw                dr = {.heads         = HEADS,
                                 .kv_heads      = kv_heads,
                                 .head_dim      = DIM,
                                 .length_tokens = c->n_tokens,
                                 .seed          = 11,
                                 .params        = s->drawn};
    sb_scheme_use          use;
    sb_status              st;
    *s = (op_side){0};
    if ((st = sb_params_default(d->params, s->drawn)) != SB_OK ||
        (st = text_params(m, c->params, s->params)) != SB_OK ||
        (st = d->create(d, &dr, &s->whole)) != SB_OK)
        return st;
    s->cut = cut_operands(s->whole, c->n_queries);
    use    = sb_scheme_used(c->scheme, c->asked, comm->size, comm->size, HEADS, kv_heads);
    s->cfg = (sb_operator_config){.operands    = &s->cut,
                                  .method      = m,
                                  .params      = s->params,
                                  .backend     = backend,
                                  .comm        = comm,
                                  .layout      = c->layout,
                                  .use         = comm->size > 1 ? use : (sb_scheme_use){0},
                                  .link        = comm->size > 1 ? link : NULL,
                                  .threads     = 1,
                                  .compares    = 1,
                                  .arena_flags = SB_ARENA_GUARD};
    if ((st = sb_operator_bytes(&s->cfg, &s->room)) != SB_OK)
        return st;
    s->block = aligned_alloc(SB_ARENA_ALIGN, (s->room.host_bytes + 63) / 64 * 64);
    if (s->block == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for a case");
    return sb_operator_create(&s->cfg, s->block, s->room.host_bytes, &s->op);
}

static sb_status side_open(const op_case *c, const sb_method *m, sb_comm *comm, op_side *s)
{
    return side_open_on(c, m, ranks_backend(), comm, linked, s);
}

static void side_close(op_side *s)
{
    sb_operator_destroy(s->op);
    sb_operands_destroy(s->whole);
    free(s->block);
}

/* What a look leaves: rows of some heads, and what each selected, as a digest. */
typedef struct rows {
    int64_t   n, heads, first_head, *gid;
    sb_bf16  *o;      /* [head][row][DIM] */
    float    *lse;    /* [head][row] */
    uint64_t *picked; /* [head][row] */
} rows;

static uint64_t digest(const uint8_t *sees, int64_t n)
{
    uint64_t h = 1469598103934665603u;
    for (int64_t i = 0; i < n; i++)
        h = (h ^ (uint64_t)(sees[i] != 0)) * 1099511628211u;
    return h;
}

static void *room(int64_t n, size_t bytes)
{
    void *p = calloc((size_t)n + 1, bytes);
    if (p == NULL)
        abort();
    return p;
}

static sb_status take(void *arg, const sb_layer_view *v)
{
    rows    *r    = arg;
    int64_t  keys = v->shape->n_keys, at = 0, every = keys > 500 ? 29 : 1; /* every block */
    int64_t *id   = room(keys, sizeof *id);
    uint8_t *sees = room(keys, 1);
    *r = (rows){.n = v->q->tokens, .heads = v->shape->heads, .first_head = v->shape->first_head};
    r->gid    = room(r->n, sizeof *r->gid);
    r->o      = room(r->heads * r->n * DIM, sizeof *r->o);
    r->lse    = room(r->heads * r->n, sizeof *r->lse);
    r->picked = room(r->heads * r->n, sizeof *r->picked);
    for (int64_t i = 0; i < keys; i++)
        id[i] = i;
    for (int32_t i = 0; i < v->shape->q_gid.n_runs; i++)
        for (int64_t k = 0; k < v->shape->q_gid.run[i].len; k++)
            r->gid[at++] = v->shape->q_gid.run[i].start + k;
    for (int64_t h = 0; h < r->heads; h++) {
        memcpy(r->o + h * r->n * DIM, sb_tensor_bf16(v->o, h, 0),
               (size_t)(r->n * DIM) * sizeof *r->o);
        for (int64_t i = 0; i < r->n && (v->method->caps & SB_CAP_NO_INDEX) == 0; i++) {
            if (r->gid[i] % every != 0)
                continue;
            sb_row_support_of(v->plan, h, r->gid[i], id, r->gid[i] + 1, sees);
            r->picked[h * r->n + i] = digest(sees, r->gid[i] + 1);
        }
    }
    memcpy(r->lse, v->lse, (size_t)(r->heads * r->n) * sizeof *r->lse);
    free(id);
    free(sees);
    return SB_OK;
}

static void rows_free(rows *r)
{
    free(r->gid);
    free(r->o);
    free(r->lse);
    free(r->picked);
}

static void compare(verdict *v, const sb_method *m, const rows *part, const rows *all)
{
    double  num = 0, den = 0, worst = 0;
    int64_t other = 0;
    for (int64_t h = 0; h < part->heads; h++)
        for (int64_t i = 0; i < part->n; i++) {
            int64_t a = h * part->n + i,
                    b = (part->first_head + h) * all->n + part->gid[i] - all->gid[0];
            other += part->picked[a] != all->picked[b];
            if (part->lse[a] != all->lse[b]) /* -inf is equal to itself */
                worst = fmax(worst, fabs((double)part->lse[a] - (double)all->lse[b]));
            for (int64_t x = 0; x < DIM; x++) {
                double got  = (double)sb_bf16_to_f32(part->o[a * DIM + x]),
                       want = (double)sb_bf16_to_f32(all->o[b * DIM + x]);
                num += (got - want) * (got - want);
                den += want * want;
            }
        }
    EXPECT(v, other == 0, "%lld of %lld rows selected other keys", (long long)other,
           (long long)(part->heads * part->n));
    EXPECT(v, isfinite(num) && num <= ranks_nmse(m) * den, "outputs: nmse %g", num / den);
    EXPECT(v, worst <= SB_SHARD_LSE_ABS, "lse: %g", worst);
}

/* Counts and recall of all ranks together are one rank's. */
static void compare_quality(verdict *v, sb_operator *shard, sb_operator *whole)
{
    sb_quality a, b;
    sb_quality_init(&a, SB_QUALITY_SAMPLED, SB_DETAIL_PER_HEAD, "0123456789abcdef", NULL);
    sb_quality_init(&b, SB_QUALITY_SAMPLED, SB_DETAIL_PER_HEAD, "0123456789abcdef", NULL);
    sb_status st = sb_operator_look(shard, sb_quality_look, &a);
    EXPECT(v, st == SB_OK, "quality: %s", sb_error_text());
    st = sb_operator_look(whole, sb_quality_look, &b);
    EXPECT(v, st == SB_OK, "quality of one rank: %s", sb_error_text());
    EXPECT(v, a.n_facts == b.n_facts, "quality: %lld facts, one rank %lld", (long long)a.n_facts,
           (long long)b.n_facts);
    for (int64_t i = 0; i < a.n_facts && i < b.n_facts; i++) {
        const sb_quality_facts *x = &a.facts[i], *y = &b.facts[i];
        EXPECT(v, x->rho_num == y->rho_num && x->rho_den == y->rho_den,
               "head %d keeps %lld of %lld, on one rank %lld of %lld", (int)x->head,
               (long long)x->rho_num, (long long)x->rho_den, (long long)y->rho_num,
               (long long)y->rho_den);
        EXPECT(v, fabs(x->recall_mean - y->recall_mean) <= 1e-6,
               "head %d: recall %.17g, one rank %.17g", (int)x->head, x->recall_mean,
               y->recall_mean);
    }
    sb_quality_fini(&a);
    sb_quality_fini(&b);
}

/* Queries of other ranks came here, and a partial of the own ones from each: no more on a device
 * than in host memory. */
static void count_visits(verdict *v, const op_side *s, int64_t own)
{
    int64_t R = world->size, others = s->cut.shape.n_queries - own;
    int64_t want = HEADS * (others * DIM * (int64_t)sizeof(sb_bf16) +
                            (R - 1) * own * (DIM + 1) * (int64_t)sizeof(float));
    EXPECT(v, linked->received_bytes == want, "received %lld bytes, wanted %lld",
           (long long)linked->received_bytes, (long long)want);
    EXPECT(v, linked->groups == R, "%lld groups of transfers, wanted %lld",
           (long long)linked->groups, (long long)R);
}

static void one_pass(verdict *v, op_side *shard, const rows *all)
{
    rows           part  = {0};
    sb_phase_times times = {.kernel = NULL};
    sb_status      st    = sb_operator_pass(shard->op, &times);
    EXPECT(v, st == SB_OK, "%s", sb_error_text());
    EXPECT(v,
           times.ns[SB_PHASE_ATTENTION] > 0 &&
               times.ns[SB_PHASE_COMMUNICATE] <= times.ns[SB_PHASE_ATTENTION],
           "phases");
    if (sb_comm_agree(world, st) == SB_OK && sb_operator_look(shard->op, take, &part) == SB_OK) {
        compare(v, shard->cfg.method, &part, all);
        if (shard->cfg.use.pass_q)
            count_visits(v, shard, part.n);
    } else
        EXPECT(v, st != SB_OK, "look: %s", sb_error_text());
    rows_free(&part);
}

/* Bytes of a pass, all ranks. */
static sb_status moved(op_side *s, int64_t bytes[2])
{
    sb_comm_stats before = world->stats;
    sb_status     st     = sb_operator_pass(s->op, NULL);
    bytes[0]             = world->stats.received_bytes - before.received_bytes;
    bytes[1]             = world->stats.sent_bytes - before.sent_bytes;
    return st;
}

/* What is fetched, and so what was decided, is the same in host memory: byte for byte. So is what
 * teams move. */
static void compare_traffic(verdict *v, const op_case *c, op_side *shard)
{
    op_side   host     = {0};
    sb_link  *link     = NULL;
    int64_t   there[2] = {0, 0}, here[2] = {0, 0};
    sb_status st = sb_link_mpi_create(world, &link);
    if (st == SB_OK)
        st = sb_comm_agree(
            world, side_open_on(c, sb_method_find(c->method), &sb_backend_cpu, world, link, &host));
    if (st == SB_OK)
        st = moved(&host, here);
    if (st == SB_OK)
        st = moved(shard, there);
    EXPECT(v, st == SB_OK, "traffic: %s", sb_error_text());
    EXPECT(v, here[0] == there[0] && here[1] == there[1],
           "received %lld, sent %lld bytes; in host memory %lld, %lld", (long long)there[0],
           (long long)there[1], (long long)here[0], (long long)here[1]);
    side_close(&host);
    sb_link_destroy(link);
}

static void case_name(const op_case *c, char *out, size_t bytes)
{
    int n = kv_heads == KV_HEADS ? 0 : snprintf(out, bytes, "%lld KV head ", (long long)kv_heads);
    out += n;
    bytes -= (size_t)n;
    (void)snprintf(out, bytes, "%s(%s) %s%s%.0d %s %lld%s%.0lld", c->method, c->params,
                   sb_scheme_name(c->scheme), c->asked > 0 ? ":" : "", c->asked,
                   sb_layout_name(c->layout), (long long)c->n_tokens,
                   c->n_queries < c->n_tokens ? " last " : "",
                   c->n_queries < c->n_tokens ? (long long)c->n_queries : 0LL);
}

static int64_t most_tokens = INT64_MAX;

static int takes_ranks(const op_case *c)
{
    if (c->scheme == SB_SCHEME_USP)
        return world->size == 1 || world->size % c->asked == 0;
    if (c->n_tokens > most_tokens)
        return 0;
    return c->scheme != SB_SCHEME_ULYSSES ||
           (HEADS % world->size == 0 &&
            (KV_HEADS % world->size == 0 || world->size % KV_HEADS == 0));
}

static int is_refused(const op_case *c)
{
    return c->refused != NULL && world->size > (c->scheme == SB_SCHEME_USP ? c->asked : 1);
}

static void run_case(const op_case *c)
{
    char      name[256];
    verdict   v = {""};
    sb_method m;
    op_side   shard = {0}, whole = {0};
    rows      all  = {0};
    sb_comm  *self = NULL;
    case_name(c, name, sizeof name);
    ranks_method(sb_method_find(c->method), 0, &m);
    sb_status st = side_open(c, &m, world, &shard);
    if (is_refused(c)) {
        EXPECT(&v, st == SB_ERR_UNSUPPORTED && strstr(sb_error_text(), c->refused) != NULL,
               "found `%s`, wanted `%s`", st == SB_OK ? "" : sb_error_text(), c->refused);
    } else {
        EXPECT(&v, st == SB_OK, "%s", sb_error_text());
        if ((st = sb_comm_agree(world, st)) == SB_OK)
            st = sb_comm_self_create(&self);
        if (st == SB_OK)
            st = side_open(c, &m, self, &whole);
        if (st == SB_OK)
            st = sb_operator_pass(whole.op, NULL);
        if (st == SB_OK)
            st = sb_operator_look(whole.op, take, &all);
        EXPECT(&v, st == SB_OK, "one rank: %s", sb_error_text());
        for (int i = 0; i < 2 && (st = sb_comm_agree(world, st)) == SB_OK; i++)
            one_pass(&v, &shard, &all);
        if (st == SB_OK && (m.caps & SB_CAP_NO_INDEX) == 0 && c->n_tokens <= 1000 &&
            (world->size < 3 || c->scheme == SB_SCHEME_USP))
            compare_quality(&v, shard.op, whole.op);
        if (st == SB_OK && world->size > 1 &&
            (c->scheme == SB_SCHEME_FETCH || c->scheme == SB_SCHEME_USP))
            compare_traffic(&v, c, &shard);
        EXPECT(&v, shard.op == NULL || sb_operator_canaries_intact(shard.op), "wrote outside");
        EXPECT(&v,
               shard.op == NULL || sb_operator_device_bytes(shard.op) <= shard.room.device_bytes,
               "%zu bytes on the device, predicted %zu", sb_operator_device_bytes(shard.op),
               shard.room.device_bytes);
    }
    side_close(&shard);
    side_close(&whole);
    sb_comm_destroy(self);
    rows_free(&all);
    EXPECT(&v, ranks_device_is_empty(), "device memory stays taken");
    judge(name, &v);
}

/* A rank that fails in the middle does not leave the others behind. call: of its backend; NULL: its
 * attend. */
static void run_failure(const op_case *c, const char *call)
{
    char      name[256];
    verdict   v = {""};
    sb_method m;
    op_side   shard = {0};
    int       mine  = world->rank == world->size - 1;
    (void)snprintf(name, sizeof name,
                   "%s fails on the last rank: ", call != NULL ? call : "attend");
    case_name(c, name + strlen(name), sizeof name - strlen(name));
    ranks_method(sb_method_find(c->method), mine && call == NULL, &m);
    sb_status st = sb_comm_agree(world, side_open(c, &m, world, &shard));
    EXPECT(&v, st == SB_OK, "%s", sb_error_text());
    if (st == SB_OK) {
        ranks_fail_call(mine ? call : NULL);
        st = sb_operator_pass(shard.op, NULL);
        ranks_fail_call(NULL);
        EXPECT(&v, st == (mine ? SB_ERR_DEVICE : SB_ERR_PEER), "%s: %s", sb_status_name(st),
               sb_error_text());
    }
    side_close(&shard);
    judge(name, &v);
}

static sb_status open_link(const char *asked)
{
    const sb_nccl_options o    = {.max_ctas = 8, .timeout_s = 60};
    sb_link_kind          kind = SB_LINK_AUTO;
    char                  why[160];
    if (strcmp(asked, "mpi_host") == 0)
        kind = SB_LINK_MPI_HOST;
    if (strcmp(asked, "nccl") == 0)
        kind = SB_LINK_NCCL;
    sb_status st = sb_link_choose(world, ranks_backend(), kind, &o, &linked, why, sizeof why);
    if (world->rank == 0)
        (void)printf("%d ranks, link: %s\n", world->size, st == SB_OK ? why : sb_error_text());
    return st;
}

static void run_cases(const op_case *c, int n)
{
    for (int i = 0; i < n; i++)
        if (takes_ranks(&c[i]))
            run_case(&c[i]);
}

static int last_rank_attends(const op_case *c)
{
    return c->layout != SB_LAYOUT_BLOCK_STRIPED || c->n_tokens > 128 * (world->size - 1);
}

/* On a device whose kernels fail; where a fetch clears room first, on one that cannot. */
static void run_failures(const op_case *c, int n)
{
    for (int i = 0; i < n && ranks_can_fail() && world->size > 1; i++) {
        if (!takes_ranks(&c[i]) || c[i].refused != NULL || !last_rank_attends(&c[i]))
            continue;
        if (strcmp(c[i].method, "dense") == 0)
            run_failure(&c[i], NULL);
        if (c[i].scheme == SB_SCHEME_FETCH && strcmp(c[i].method, "a_shape") == 0)
            run_failure(&c[i], "fill");
    }
}

int main(int argc, char **argv)
{
    if (sb_mpi_init(&argc, &argv) != SB_OK || sb_comm_mpi_create(&world) != SB_OK) {
        (void)fprintf(stderr, "device_ranks: %s\n", sb_error_text());
        sb_mpi_abort(1);
    }
    sb_status st = ranks_backend()->available();
    if (st == SB_OK)
        st = sb_device_bind(world, ranks_backend());
    if (sb_comm_agree(world, st) != SB_OK) {
        if (world->rank == 0)
            (void)printf("skipped: %s\n", sb_error_text());
        sb_comm_destroy(world);
        sb_mpi_fini();
        return 77;
    }
    if (open_link(argc > 1 ? argv[1] : "auto") != SB_OK)
        sb_mpi_abort(2);
    if (argc > 2)
        most_tokens = strtoll(argv[2], NULL, 10);
    sbi_fetch_runs_at_once = 3; /* short sequences have few */
    run_cases(cases, N_CASES);
    run_cases(team_cases, N_TEAM_CASES);
    kv_heads = 1;
    run_cases(team_cases, N_ONE_KV_HEAD);
    kv_heads = KV_HEADS;
    run_failures(cases, N_CASES);
    run_failures(team_cases, N_TEAM_CASES);
    if (world->rank == 0)
        (void)printf("%d passed, %d failed\n", passed, failed);
    sb_link_destroy(linked);
    sb_comm_destroy(world);
    sb_mpi_fini();
    return failed != 0;
}
