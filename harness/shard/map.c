/* Token maps. A map is its chunks: chunk g covers tokens [g * chunk_tokens, ...) and owner_of says
 * whose it is; runs, owners and decode owners all follow from these two. */
#include "harness/shard/deal.h"

#include <stdlib.h>
#include <string.h>

enum { STRIPE_TOKENS = 128 }; /* block_striped: smaller stripes only add runs [sharding 2] */

static const int64_t max_tokens = (int64_t)1 << 40; /* sums and products below stay in 64 bits */

static int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static int64_t round_up(int64_t a, int64_t unit) { return ceil_div(a, unit) * unit; }
static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

int64_t sb_map_stripe_tokens(int64_t quantum_tokens)
{
    return round_up(STRIPE_TOKENS, quantum_tokens);
}

int64_t sb_map_stripes(int64_t n_tokens, int64_t quantum_tokens)
{
    return ceil_div(n_tokens, sb_map_stripe_tokens(quantum_tokens));
}

static int64_t chunk_size(sb_layout_kind kind, int64_t n, int64_t quantum, int64_t ranks)
{
    switch (kind) {
    case SB_LAYOUT_CONTIGUOUS:
        return round_up(ceil_div(n, ranks), quantum);
    case SB_LAYOUT_ZIGZAG:
        return round_up(ceil_div(n, 2 * ranks), quantum);
    default:
        return sb_map_stripe_tokens(quantum);
    }
}

static int32_t owner_of(const sb_map *m, int64_t chunk)
{
    int64_t r = m->ranks;
    switch (m->kind) {
    case SB_LAYOUT_CONTIGUOUS:
        return (int32_t)chunk;
    case SB_LAYOUT_ZIGZAG:
        return (int32_t)(chunk < r ? chunk : 2 * r - 1 - chunk);
    case SB_LAYOUT_LPT:
        return m->owner[chunk];
    default:
        return (int32_t)(chunk % r);
    }
}

/* Walk the chunks in order. Twice over the same code: with run NULL it only counts the runs of each
 * rank into n_runs; else it writes them, rank by rank, from run_first on. */
static void walk(const sb_map *m, int64_t *n_runs, int64_t *end)
{
    int64_t c = m->chunk_tokens;
    memset(n_runs, 0, (size_t)m->ranks * sizeof *n_runs);
    for (int32_t r = 0; r < m->ranks; r++)
        end[r] = -1;
    for (int64_t start = 0, chunk = 0; start < m->n_tokens; start += c, chunk++) {
        int32_t r    = owner_of(m, chunk);
        int64_t len  = min_i64(c, m->n_tokens - start);
        int     grow = end[r] == start;
        if (!grow)
            n_runs[r]++;
        end[r] = start + len;
        if (m->run != NULL) {
            sb_run *run = &m->run[m->run_first[r] + n_runs[r] - 1];
            *run        = grow ? (sb_run){run->start, run->len + len} : (sb_run){start, len};
            m->rank_tokens[r] += len;
        }
    }
}

static sb_status fill(sb_map *m, int64_t *n_runs, int64_t *end)
{
    int64_t total = 0;
    walk(m, n_runs, end);
    for (int32_t r = 0; r < m->ranks; r++) {
        m->run_first[r] = (int32_t)total;
        total += n_runs[r];
        if (total > INT32_MAX)
            return sb_fail(SB_ERR_USAGE, "token map: more than %d runs", INT32_MAX);
    }
    m->run_first[m->ranks] = (int32_t)total;
    m->run                 = calloc((size_t)total, sizeof *m->run);
    if (m->run == NULL)
        return sb_fail(SB_ERR_NOMEM, "token map: no memory for %lld runs", (long long)total);
    walk(m, n_runs, end);
    return SB_OK;
}

/* Whose each chunk is; work NULL: that of dense causal attention. */
static sb_status deal(sb_map *m, const int64_t *work)
{
    sb_shape  shape = {.n_keys = m->n_tokens};
    int64_t   n     = ceil_div(m->n_tokens, m->chunk_tokens);
    int64_t  *dense = calloc((size_t)(work == NULL ? n : 1), sizeof *dense);
    int64_t  *load  = calloc((size_t)m->ranks, sizeof *load);
    sb_status st    = SB_OK;
    m->owner        = calloc((size_t)n, sizeof *m->owner);
    if (dense == NULL || load == NULL || m->owner == NULL)
        st = sb_fail(SB_ERR_NOMEM, "token map: no memory for %lld stripes", (long long)n);
    if (st == SB_OK && work == NULL)
        st = sb_deal_expect(NULL, NULL, &shape, 0, m->quantum_tokens, dense);
    if (st == SB_OK)
        st = sb_deal(work == NULL ? dense : work, n, m->ranks, sb_deal_most(n, m->ranks), m->owner,
                     load);
    free(dense);
    free(load);
    return st;
}

static sb_status create(sb_layout_kind kind, int64_t n_tokens, int64_t quantum_tokens,
                        int32_t ranks, const int64_t *work, sb_map *out)
{
    if ((unsigned)kind >= SB_LAYOUT_COUNT)
        return sb_fail(SB_ERR_USAGE, "token map: unknown layout %d", (int)kind);
    if (n_tokens < 1 || n_tokens > max_tokens)
        return sb_fail(SB_ERR_USAGE, "token map: found %lld tokens, allowed 1..2^40",
                       (long long)n_tokens);
    if (quantum_tokens < 1 || quantum_tokens > max_tokens)
        return sb_fail(SB_ERR_USAGE, "token map: found a quantum of %lld tokens, allowed 1..2^40",
                       (long long)quantum_tokens);
    if (ranks < 1)
        return sb_fail(SB_ERR_USAGE, "token map: found %d ranks, allowed 1 or more", ranks);

    sb_map    m = {.n_tokens       = n_tokens,
                   .quantum_tokens = quantum_tokens,
                   .chunk_tokens   = chunk_size(kind, n_tokens, quantum_tokens, ranks),
                   .ranks          = ranks,
                   .kind           = kind};
    sb_status st;
    int64_t  *n_runs = calloc((size_t)ranks, sizeof *n_runs);
    int64_t  *end    = calloc((size_t)ranks, sizeof *end);
    m.run_first      = calloc((size_t)ranks + 1, sizeof *m.run_first);
    m.rank_tokens    = calloc((size_t)ranks, sizeof *m.rank_tokens);
    if (n_runs == NULL || end == NULL || m.run_first == NULL || m.rank_tokens == NULL)
        st = sb_fail(SB_ERR_NOMEM, "token map: no memory for %d ranks", ranks);
    else
        st = kind == SB_LAYOUT_LPT ? deal(&m, work) : SB_OK;
    if (st == SB_OK)
        st = fill(&m, n_runs, end);
    free(n_runs);
    free(end);
    if (st != SB_OK)
        sb_map_fini(&m);
    else
        *out = m;
    return st;
}

sb_status sb_map_create(sb_layout_kind kind, int64_t n_tokens, int64_t quantum_tokens,
                        int32_t ranks, sb_map *out)
{
    return create(kind, n_tokens, quantum_tokens, ranks, NULL, out);
}

sb_status sb_map_create_dealt(int64_t n_tokens, int64_t quantum_tokens, int32_t ranks,
                              const int64_t *work, sb_map *out)
{
    return create(SB_LAYOUT_LPT, n_tokens, quantum_tokens, ranks, work, out);
}

void sb_map_fini(sb_map *m)
{
    free(m->owner);
    free(m->run);
    free(m->run_first);
    free(m->rank_tokens);
    *m = (sb_map){0};
}

sb_gid sb_map_gid(const sb_map *m, int32_t rank)
{
    int32_t first = m->run_first[rank];
    return (sb_gid){.run      = m->run + first,
                    .n_runs   = m->run_first[rank + 1] - first,
                    .n_tokens = m->rank_tokens[rank]};
}

sb_gid sb_map_gid_from(const sb_map *m, int32_t rank, int64_t first, sb_run *run)
{
    sb_gid all = sb_map_gid(m, rank), out = {.run = run};
    for (int32_t i = 0; i < all.n_runs; i++) {
        int64_t end = all.run[i].start + all.run[i].len;
        int64_t at  = all.run[i].start > first ? all.run[i].start : first;
        if (at >= end)
            continue;
        run[out.n_runs++] = (sb_run){at, end - at};
        out.n_tokens += end - at;
    }
    return out;
}

int32_t sb_map_owner(const sb_map *m, int64_t token)
{
    return owner_of(m, token / m->chunk_tokens);
}

int32_t sb_map_decode_owner(const sb_map *m, int64_t token)
{
    int64_t last  = (m->n_tokens - 1) / m->quantum_tokens; /* block of the last prefill token */
    int64_t block = m->decode_stays ? last : token / m->quantum_tokens;
    return (int32_t)((sb_map_owner(m, m->n_tokens - 1) + (block - last)) % m->ranks);
}
