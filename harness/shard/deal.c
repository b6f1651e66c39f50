#include "harness/shard/deal.h"

#include <stdlib.h>
#include <string.h>

enum { FINEST = 16, COARSEST = 128 }; /* rows that one expectation stands for */

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

/* ---- what a stripe is expected to cost ---- */

static sb_status too_much(void)
{
    return sb_fail(SB_ERR_USAGE, "layout lpt: found more than 2^63 lanes of expected work");
}

/* *sum += rows * lanes. */
static sb_status add(int64_t rows, int64_t lanes, int64_t *sum)
{
    if (lanes > 0 && rows > (INT64_MAX - *sum) / lanes)
        return too_much();
    *sum += rows * lanes;
    return SB_OK;
}

static int64_t lanes_of(const sb_method *m, const void *params, const sb_shape *shape, int64_t row)
{
    return m != NULL && m->row_lanes != NULL ? m->row_lanes(params, shape, row) : row + 1;
}

sb_status sb_deal_expect(const sb_method *m, const void *params, const sb_shape *shape,
                         int64_t first_query, int64_t quantum_tokens, int64_t *work)
{
    int64_t stripe = sb_map_stripe_tokens(quantum_tokens), n = shape->n_keys;
    int64_t step = min_i64(max_i64(quantum_tokens, FINEST), COARSEST);
    for (int64_t i = 0; i * stripe < n; i++) {
        int64_t end = min_i64((i + 1) * stripe, n);
        work[i]     = 0;
        for (int64_t a = i * stripe, b; a < end; a = b) {
            b             = min_i64(a + step, end);
            int64_t first = max_i64(a, first_query), rows = max_i64(b - first, 0);
            if (rows == 0)
                continue;
            /* the middle one for all of them */
            sb_status st = add(rows, lanes_of(m, params, shape, first + rows / 2), &work[i]);
            if (st != SB_OK)
                return st;
        }
    }
    return SB_OK;
}

/* ---- the deal ---- */

typedef struct item {
    int64_t work, stripe;
} item;

static int longest_first(const void *a, const void *b)
{
    const item *x = a, *y = b;
    if (x->work != y->work)
        return x->work < y->work ? 1 : -1;
    return (x->stripe > y->stripe) - (x->stripe < y->stripe);
}

typedef struct hand { /* what the ranks have so far */
    int64_t *load, *stripes;
    int32_t  ranks;
    int64_t  most;
} hand;

/* Who takes a stripe: has least work, or, of one without work, fewest stripes. */
static int32_t taker(const hand *h, int by_work)
{
    int32_t best = -1;
    for (int32_t r = 0; r < h->ranks; r++) {
        if (h->stripes[r] >= h->most)
            continue;
        int64_t less = best < 0 || !by_work ? 0 : h->load[best] - h->load[r];
        if (less == 0 && best >= 0)
            less = h->stripes[best] - h->stripes[r];
        if (best < 0 || less > 0)
            best = r;
    }
    return best;
}

static sb_status deal(const item *it, int64_t n, const hand *h, int32_t *owner)
{
    int64_t all = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t   r  = taker(h, it[i].work > 0);
        sb_status st = add(1, it[i].work, &all);
        if (st != SB_OK)
            return st;
        h->load[r] += it[i].work;
        h->stripes[r]++;
        if (owner != NULL)
            owner[it[i].stripe] = r;
    }
    return SB_OK;
}

int64_t sb_deal_most(int64_t n, int32_t ranks) { return (5 * n + 4 * ranks - 1) / (4 * ranks); }

sb_status sb_deal(const int64_t *work, int64_t n, int32_t ranks, int64_t most, int32_t *owner,
                  int64_t *load)
{
    hand      h  = {.load    = load,
                    .stripes = calloc((size_t)ranks, sizeof *h.stripes),
                    .ranks   = ranks,
                    .most    = most};
    item     *it = malloc((size_t)n * sizeof *it);
    sb_status st;
    memset(load, 0, (size_t)ranks * sizeof *load);
    if (h.stripes == NULL || it == NULL) {
        st = sb_fail(SB_ERR_NOMEM, "layout lpt: no memory for %lld stripes over %d ranks",
                     (long long)n, (int)ranks);
    } else {
        for (int64_t i = 0; i < n; i++)
            it[i] = (item){work[i], i};
        qsort(it, (size_t)n, sizeof *it, longest_first);
        st = deal(it, n, &h, owner);
    }
    free(h.stripes);
    free(it);
    return st;
}

sb_status sb_map_create_for(sb_layout_kind kind, const sb_method *m, const void *params,
                            const sb_shape *shape, int64_t first_query, int64_t quantum_tokens,
                            int32_t ranks, sb_map *out)
{
    if (kind != SB_LAYOUT_LPT)
        return sb_map_create(kind, shape->n_keys, quantum_tokens, ranks, out);
    int64_t  *work = calloc((size_t)sb_map_stripes(shape->n_keys, quantum_tokens), sizeof *work);
    sb_status st;
    if (work == NULL)
        return sb_fail(SB_ERR_NOMEM, "layout lpt: no memory for %lld tokens",
                       (long long)shape->n_keys);
    st = sb_deal_expect(m, params, shape, first_query, quantum_tokens, work);
    if (st == SB_OK)
        st = sb_map_create_dealt(shape->n_keys, quantum_tokens, ranks, work, out);
    free(work);
    return st;
}
