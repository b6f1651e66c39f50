/* What a scheme moves and how long that takes [sharding 5, 10]: seconds = rounds * latency + bytes
 * / bandwidth, over hosts of ranks_per_host ranks. */
#include <math.h>

#include "harness/plan/parts.h"

typedef struct net {
    const sb_machine *m;
    int64_t           ranks, hosts, here; /* ranks of a host, at most */
} net;

static net net_of(const sb_machine *m, int64_t ranks)
{
    int64_t here = ranks < m->ranks_per_host ? ranks : m->ranks_per_host;
    return (net){m, ranks, (ranks + here - 1) / here, here};
}

static double log2_up(int64_t n) { return ceil(log2((double)n)); }

/* Every rank gets `bytes` that all ranks together hold, its own part excepted. Between hosts the
 * ranks of a host share the work: each receives a part, and they pass it on inside. */
static double gather_s(const net *t, double bytes, double rounds)
{
    const sb_machine *m    = t->m;
    double            part = bytes * (double)(t->ranks - 1) / (double)t->ranks;
    double            in   = part / m->inside.bytes_per_s;
    if (t->hosts == 1)
        return rounds * m->inside.latency_s + in;
    double out = bytes * (1 - 1 / (double)t->hosts) / ((double)t->here * m->between.bytes_per_s);
    return rounds * m->between.latency_s + fmax(in, out);
}

/* Every rank sends each other one its share of `bytes`, the rank's own data. */
static double exchange_s(const net *t, double bytes, double rounds)
{
    const sb_machine *m      = t->m;
    double            to_one = bytes / (double)t->ranks;
    double            in     = to_one * (double)(t->here - 1) / m->inside.bytes_per_s;
    double            out    = to_one * (double)(t->ranks - t->here) / m->between.bytes_per_s;
    return rounds * (t->hosts > 1 ? m->between : m->inside).latency_s + fmax(in, out);
}

static int64_t most_runs(const sb_map *map)
{
    int64_t most = 1;
    for (int32_t r = 0; r < map->ranks; r++) {
        int64_t n = map->run_first[r + 1] - map->run_first[r];
        most      = n > most ? n : most;
    }
    return most;
}

static int64_t most_tokens(const sb_map *map)
{
    int64_t most = 0;
    for (int32_t r = 0; r < map->ranks; r++)
        most = map->rank_tokens[r] > most ? map->rank_tokens[r] : most;
    return most;
}

static int64_t fewest_tokens(const sb_map *map)
{
    int64_t least = map->n_tokens;
    for (int32_t r = 0; r < map->ranks; r++)
        least = map->rank_tokens[r] < least ? map->rank_tokens[r] : least;
    return least;
}

/* One gather a head of K and of V, and one a run where runs are few (shard/gather.c). */
static void gather(const sb_machine *m, const sb_plan_case *c, const sb_map *map, sbi_traffic *out)
{
    net     t    = net_of(m, c->ranks);
    int64_t row  = 2 * c->kv_heads * c->head_dim * (int64_t)sizeof(sb_bf16);
    int64_t runs = most_runs(map);
    out->rounds =
        (int64_t)(2 * (double)c->kv_heads * (double)(runs > 4 ? 1 : runs) * log2_up(c->ranks));
    out->received_bytes = (c->n_tokens - fewest_tokens(map)) * row;
    out->seconds        = gather_s(&t, (double)(c->n_tokens * row), (double)out->rounds);
    out->first_s =
        m->gather == SB_GATHER_OVERLAPPED ? out->seconds / (double)c->kv_heads : out->seconds;
}

/* `steps` passes of the keys of one of the ring's ranks to the next. */
static void ring(const sb_machine *m, const sb_plan_case *c, int64_t tokens, int64_t kv_heads,
                 int64_t ring_ranks, sbi_traffic *out)
{
    double              row  = 2 * (double)kv_heads * (double)c->head_dim * sizeof(sb_bf16);
    int64_t             span = c->ranks / ring_ranks; /* how far apart neighbours stand */
    const sb_link_cost *l =
        c->ranks > m->ranks_per_host || span > m->ranks_per_host ? &m->between : &m->inside;
    double step = l->latency_s + (double)tokens * row / l->bytes_per_s;
    out->rounds += ring_ranks - 1;
    out->received_bytes += (int64_t)((double)((ring_ranks - 1) * tokens) * row);
    out->seconds += step * (double)(ring_ranks - 1);
}

/* Q, K, V to the ranks that have their heads, O back [4c]. */
static sb_status ulysses(const sb_machine *m, const sb_plan_case *c, int64_t u, sbi_traffic *out)
{
    net     t  = net_of(m, u);
    int64_t kv = c->kv_heads > u ? c->kv_heads : u;
    if (c->heads % u != 0 || (c->kv_heads >= u ? c->kv_heads % u : u % c->kv_heads) != 0)
        return sb_fail(
            SB_ERR_UNSUPPORTED,
            "ulysses: found %lld ranks, %lld heads and %lld KV heads, allowed ranks that "
            "divide the heads and divide the KV heads or are a multiple of them",
            (long long)u, (long long)c->heads, (long long)c->kv_heads);
    double row   = (double)c->head_dim * sizeof(sb_bf16) * (2 * (double)c->heads + 2 * (double)kv);
    double local = (double)c->n_tokens / (double)c->ranks;
    out->rounds += 2 * (u - 1);
    out->received_bytes += (int64_t)(local * row * (double)(u - 1) / (double)u);
    double s = exchange_s(&t, local * row, (double)(2 * (u - 1)));
    out->seconds += s;
    out->first_s += s; /* nothing can be attended to before, and O goes after */
    return SB_OK;
}

/* A state of every head from every rank [8]. */
static void state(const sb_machine *m, const sb_plan_case *c, sbi_traffic *out)
{
    net    t    = net_of(m, c->ranks);
    double each = (double)c->heads * (double)c->head_dim * (double)c->head_dim * sizeof(float);
    out->rounds = (int64_t)log2_up(c->ranks);
    out->received_bytes = (int64_t)(each * (double)(c->ranks - 1));
    out->seconds = out->first_s = gather_s(&t, each * (double)c->ranks, (double)out->rounds);
}

sb_status sbi_traffic_of(const sb_machine *m, const sb_plan_case *c, const sb_map *map,
                         sbi_traffic *out)
{
    int64_t   u  = c->ulysses > 1 ? c->ulysses : 1;
    sb_status st = SB_OK;
    *out         = (sbi_traffic){0};
    if (c->ranks == 1)
        return SB_OK;
    if (c->ranks % u != 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "ulysses: found groups of %lld ranks, allowed a divisor of %d", (long long)u,
                       c->ranks);
    if (c->scheme == SB_SCHEME_STATE) {
        state(m, c, out);
        return SB_OK;
    }
    if (u > 1 && (st = ulysses(m, c, u, out)) != SB_OK)
        return st;
    if (c->scheme == SB_SCHEME_RING && c->ranks > u) {
        int64_t kv = c->kv_heads >= u ? c->kv_heads / u : 1;
        ring(m, c, most_tokens(map) * u, kv, c->ranks / u, out);
    } else if (u == 1) {
        gather(m, c, map, out);
    }
    return SB_OK;
}
