#include "harness/shard/balance.h"

#include <stdlib.h>
#include <string.h>

#include "harness/shard/deal.h"
#include "harness/shard/need.h"
#include "kernels/exec/segments.h"
#include "kernels/exec/slots.h"

enum { B = 128 };

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* A call being counted, on one rank. */
typedef struct count {
    const sb_plan  *plan;
    const sb_shape *shape;
    const sb_map   *map;
    int32_t         rank; /* in the map */
    sb_balance_by   by;
    int64_t         n_blocks, stripe_tokens, n_stripes;
    int64_t        *owned; /* [ranks][n_blocks + 1]: keys of a rank in the blocks before */
    int64_t        *step;  /* [ranks]: work on what comes by in a step of a ring */
    int64_t        *load;  /* [ranks]: work by the keys of a rank */
    int64_t        *share; /* [n_stripes]: work of a stripe's rows */
    int32_t        *edge;  /* [n_keys + 1] */
    uint64_t       *bits;
    int64_t         keys[2]; /* needed, foreign */
} count;

static sb_status room(count *c)
{
    size_t  ranks = (size_t)c->map->ranks;
    int64_t n     = c->shape->n_keys;
    c->n_blocks      = (n + B - 1) / B;
    c->stripe_tokens = sb_map_stripe_tokens(c->map->quantum_tokens);
    c->n_stripes     = sb_map_stripes(n, c->map->quantum_tokens);
    c->owned     = calloc(ranks * (size_t)(c->n_blocks + 1), sizeof *c->owned);
    c->step      = calloc(ranks, sizeof *c->step);
    c->load      = calloc(ranks, sizeof *c->load);
    c->share     = calloc((size_t)c->n_stripes, sizeof *c->share);
    c->edge      = calloc((size_t)n + 1, sizeof *c->edge);
    c->bits      = calloc((size_t)sbi_need_words(n), sizeof *c->bits);
    if (c->owned == NULL || c->step == NULL || c->load == NULL || c->share == NULL ||
        c->edge == NULL || c->bits == NULL)
        return sb_fail(SB_ERR_NOMEM, "balance: no memory for %lld keys over %d ranks", (long long)n,
                       c->map->ranks);
    return SB_OK;
}

static void fini(count *c)
{
    free(c->owned);
    free(c->step);
    free(c->load);
    free(c->share);
    free(c->edge);
    free(c->bits);
}

static void fill_owned(count *c)
{
    for (int32_t r = 0; r < c->map->ranks; r++) {
        sb_gid   gid = sb_map_gid(c->map, r);
        int64_t *own = c->owned + r * (c->n_blocks + 1);
        for (int32_t i = 0; i < gid.n_runs; i++) {
            int64_t end = gid.run[i].start + gid.run[i].len;
            for (int64_t a = gid.run[i].start, b; a < end; a = b) {
                b = min_i64((a / B + 1) * B, end);
                own[a / B + 1] += b - a;
            }
        }
        for (int64_t b = 0; b < c->n_blocks; b++)
            own[b + 1] += own[b];
    }
}

/* `weight` for each key of blocks [a, b). */
static void add_blocks(count *c, int64_t stripe, int64_t a, int64_t b, int64_t weight)
{
    int32_t ranks = c->map->ranks;
    c->share[stripe] += weight * (min_i64(b * B, c->shape->n_keys) - a * B);
    for (int32_t r = 0; r < ranks; r++) {
        const int64_t *own  = c->owned + r * (c->n_blocks + 1);
        int64_t        work = weight * (own[b] - own[a]);
        /* keys of r are here after that many steps, or rows of this rank there */
        int32_t at = c->by == SB_BALANCE_BY_ROWS ? c->rank - r : r - c->rank;
        c->step[(at + ranks) % ranks] += work;
        c->load[r] += work;
    }
}

/* Rows [begin, end) of one stripe, judged as rows [first, last] of one block and row block are: so
 * no rank's cut changes what counts. */
static sb_status add_rows(count *c, int64_t head, int64_t begin, int64_t end, int64_t first,
                          int64_t last, int64_t heads)
{
    sb_segments it;
    sb_segment  s;
    int64_t     next = 0, weight = heads * (end - begin), row = sb_plan_row(c->plan, begin);
    int64_t     stripe = begin / c->stripe_tokens;
    if (row < 0)
        return sb_fail(SB_ERR_INTERNAL, "index: the plan has no list for row %lld",
                       (long long)begin);
    sb_segments_begin(&it, c->plan, head, row, first, last);
    while (sb_segments_next(&it, &s)) {
        int64_t a = max_i64(s.begin / B, next), b = min_i64((s.end - 1) / B + 1, c->n_blocks);
        if (a < b)
            add_blocks(c, stripe, a, b, 2 * weight);
        next = max_i64(next, b);
    }
    if (!sb_plan_has_slots(c->plan) && next == begin / B + 1)
        add_blocks(c, stripe, next - 1, next, -weight);
    return SB_OK;
}

/* heads: query heads that this one stands for. */
static sb_status count_head(count *c, int64_t head, int64_t heads)
{
    const sb_gid *q     = &c->shape->q_gid;
    int           lists = (c->plan->parts & (SB_PART_TILES | SB_PART_TOKENS)) != 0;
    sb_status     st    = SB_OK;
    for (int32_t r = 0; r < q->n_runs; r++) {
        int64_t end = q->run[r].start + q->run[r].len;
        for (int64_t a = q->run[r].start, b; st == SB_OK && a < end; a = b) {
            int64_t first = a / B * B, last = first + B;
            if (lists) {
                first = max_i64(first, a / c->plan->row_tokens * c->plan->row_tokens);
                last  = min_i64(last, (a / c->plan->row_tokens + 1) * c->plan->row_tokens);
            }
            last = min_i64(last, c->shape->n_keys);
            b    = min_i64(min_i64(last, end), (a / c->stripe_tokens + 1) * c->stripe_tokens);
            st   = add_rows(c, head, a, b, first, last - 1, heads);
        }
    }
    return st;
}

static sb_status count_keys(count *c)
{
    sb_gid    own = sb_map_gid(c->map, c->rank);
    sb_run    all = {0, c->shape->n_keys};
    sb_gid    any = {.run = &all, .n_runs = 1, .n_tokens = all.len};
    sb_status st  = SB_OK;
    for (int64_t h = 0; st == SB_OK && h < c->shape->kv_heads; h++) {
        if (h == 0 || sbi_plan_heads_differ(c->plan))
            st = sbi_need_find(c->plan, c->shape, h, c->edge, c->bits);
        if (st == SB_OK)
            c->keys[0] += sbi_need_count(c->bits, &any) - sbi_need_count(c->bits, &own);
        c->keys[1] += c->shape->n_keys - own.n_tokens;
    }
    return st;
}

static sb_status count_index(count *c)
{
    int       differ = sbi_plan_heads_differ(c->plan);
    sb_status st     = SB_OK;
    fill_owned(c);
    for (int64_t h = 0; st == SB_OK && h < (differ ? c->shape->heads : 1); h++)
        st = count_head(c, h, differ ? 1 : c->shape->heads);
    return st == SB_OK ? count_keys(c) : st;
}

/* Work goes by rows where no index says more. */
static void count_rows(count *c)
{
    const sb_gid *q = &c->shape->q_gid;
    for (int32_t r = 0; r < q->n_runs; r++)
        for (int64_t t = q->run[r].start; t < q->run[r].start + q->run[r].len; t++)
            c->share[t / c->stripe_tokens] += c->shape->heads;
    for (int64_t i = 0; i < c->n_stripes; i++)
        c->step[0] += c->share[i];
    c->load[c->rank] = c->step[0];
}

/* What the busiest rank has when they are dealt out by their true work. */
static sb_status deal(const count *c, int32_t ranks, int64_t *most)
{
    int64_t  *load = calloc((size_t)ranks, sizeof *load);
    sb_status st;
    if (load == NULL)
        return sb_fail(SB_ERR_NOMEM, "balance: no memory for %d ranks", ranks);
    st    = sb_deal(c->share, c->n_stripes, ranks, c->n_stripes, NULL, load);
    *most = 0;
    for (int32_t r = 0; r < ranks; r++)
        *most = max_i64(*most, load[r]);
    free(load);
    return st;
}

/* This rank's counts become everybody's. */
static sb_status meet(count *c, sb_comm *comm, sb_balance *out)
{
    int64_t   own = 0, most, sum[3], step = 0;
    sb_status st;
    for (int64_t i = 0; i < c->n_stripes; i++)
        own += c->share[i];
    most   = own;
    sum[0] = own;
    sum[1] = c->keys[0];
    sum[2] = c->keys[1];
    if ((st = sb_comm_allreduce_i64(comm, &most, 1, SB_REDUCE_MAX)) != SB_OK ||
        (st = sb_comm_allreduce_i64(comm, sum, 3, SB_REDUCE_SUM)) != SB_OK ||
        (st = sb_comm_allreduce_i64(comm, c->step, c->map->ranks, SB_REDUCE_MAX)) != SB_OK ||
        (st = sb_comm_allreduce_i64(comm, c->load, c->map->ranks, SB_REDUCE_SUM)) != SB_OK ||
        (st = sb_comm_allreduce_i64(comm, c->share, c->n_stripes, SB_REDUCE_SUM)) != SB_OK)
        return st;
    for (int32_t r = 0; r < c->map->ranks; r++)
        step += c->step[r];
    for (int32_t r = 0; c->by == SB_BALANCE_BY_KEYS && r < c->map->ranks; r++)
        most = max_i64(r > 0 ? most : 0, c->load[r]);
    *out = (sb_balance){.work_max     = most,
                        .work_sum     = sum[0],
                        .step_work    = step,
                        .keys_needed  = c->plan != NULL ? sum[1] : -1,
                        .keys_foreign = c->plan != NULL ? sum[2] : -1};
    return deal(c, comm->size, &out->lpt_max);
}

sb_status sb_balance_count(const sb_plan *plan, const sb_shape *shape, const sb_map *map,
                           int32_t place, sb_balance_by by, sb_comm *comm, sb_balance *out)
{
    count     c  = {.plan = plan, .shape = shape, .map = map, .rank = place, .by = by};
    sb_status st = room(&c);
    if (st == SB_OK && plan != NULL)
        st = count_index(&c);
    else if (st == SB_OK)
        count_rows(&c);
    if ((st = sb_comm_agree(comm, st)) == SB_OK)
        st = sb_comm_agree(comm, meet(&c, comm, out));
    fini(&c);
    return st;
}
