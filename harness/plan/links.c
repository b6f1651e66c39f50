/* What a scheme moves and how long that takes [sharding 5, 10]: seconds = rounds * latency + bytes
 * / bandwidth, over hosts of ranks_per_host ranks. */
#include <math.h>
#include <string.h>

#include "harness/plan/parts.h"
#include "kernels/exec/linear_scan.h"

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

static int64_t row_bytes(const sb_plan_case *c)
{
    return 2 * c->kv_heads * c->head_dim * (int64_t)sizeof(sb_bf16);
}

/* One gather a head of K and of V, and one a run where runs are few (shard/gather.c). In groups of
 * heads all but the first travel while the one before is attended to [4a]. */
static void gather(const sb_machine *m, const sb_plan_case *c, sb_scheme_use use, const sb_map *map,
                   sbi_traffic *out)
{
    net     t    = net_of(m, c->ranks);
    int64_t runs = most_runs(map), groups = 2 * c->kv_heads;
    if (use.heads_at_once > 0)
        groups = (c->kv_heads + use.heads_at_once - 1) / use.heads_at_once;
    else
        groups *= runs > 4 ? 1 : runs;
    out->rounds         = groups * (int64_t)log2_up(c->ranks);
    out->received_bytes = (c->n_tokens - fewest_tokens(map)) * row_bytes(c);
    out->seconds        = gather_s(&t, (double)(c->n_tokens * row_bytes(c)), (double)out->rounds);
    out->first_s        = use.heads_at_once > 0 ? out->seconds / (double)groups : out->seconds;
}

/* Plans on devices that look at the sequence's last queries: each rank has them in the end. */
static void last_queries(const sb_machine *m, const sb_plan_case *c, const sb_map *map,
                         sbi_traffic *out)
{
    net      t     = net_of(m, c->ranks);
    sb_shape shape = {.n_keys      = c->n_tokens,
                      .heads       = c->heads,
                      .kv_heads    = c->kv_heads,
                      .head_dim    = c->head_dim,
                      .all_queries = c->n_queries};
    int64_t  rows = c->method->plan_last_queries(c->params, &shape), most = 0;
    int64_t  row = c->heads * c->head_dim * (int64_t)sizeof(sb_bf16);
    if (c->n_queries < c->n_tokens) /* none is looked at then */
        return;
    rows = rows < c->n_tokens ? rows : c->n_tokens;
    for (int32_t r = 0; r < map->ranks; r++) {
        int64_t own = 0;
        for (int32_t i = map->run_first[r]; i < map->run_first[r + 1]; i++) {
            int64_t end = map->run[i].start + map->run[i].len, first = c->n_tokens - rows;
            int64_t begin = map->run[i].start > first ? map->run[i].start : first;
            own += end > begin ? end - begin : 0;
        }
        most = rows - own > most ? rows - own : most;
    }
    double s = gather_s(&t, (double)(rows * row), 0); /* with the first group of keys */
    out->received_bytes += most * row;
    out->seconds += s;
    out->first_s += s;
}

/* Keys of other ranks that the windows of a rank's queries reach: of each gap between its runs the
 * end that the next query sees, and the sinks. */
static int64_t halo(const sb_plan_case *c, const sb_map *map, int32_t rank, const sbi_lanes *l)
{
    int64_t first = c->n_tokens - c->n_queries, need = 0, query = -1;
    for (int32_t i = map->run_first[rank + 1] - 1; i >= map->run_first[rank]; i--) {
        sb_run  run   = map->run[i];
        int64_t begin = i > map->run_first[rank] ? map->run[i - 1].start + map->run[i - 1].len : 0;
        if (run.start + run.len > first)
            query = run.start > first ? run.start : first;
        if (query < 0)
            continue;
        int64_t near  = query - l->window_tokens + 1; /* the first key of the window */
        int64_t sinks = l->sink_tokens < run.start ? l->sink_tokens : run.start;
        near          = near > begin ? near : begin;
        near          = near < run.start ? near : run.start;
        sinks         = sinks < near ? sinks : near;
        need += run.start - near + (sinks > begin ? sinks - begin : 0);
    }
    return need;
}

/* Windows need what they reach; power attention in one piece powers of two, a shard's worth for
 * each doubling of the distance, nearest ones inside the host; others need all keys [7.1]. */
static void fetch(const sb_machine *m, const sb_plan_case *c, const sb_map *map,
                  const sbi_lanes *lanes, sbi_traffic *out)
{
    net     t   = net_of(m, c->ranks);
    double  own = (double)fewest_tokens(map), all = (double)c->n_tokens - own;
    double  near = 0, far = all, row = (double)row_bytes(c), some = 1;
    int64_t most = 0, sum = 0;
    for (int32_t r = 0; lanes->window && r < map->ranks; r++) {
        int64_t n = halo(c, map, r, lanes);
        most      = n > most ? n : most;
        sum += n;
    }
    if (lanes->window) {
        near = t.hosts > 1 ? 0 : (double)most;
        far  = t.hosts > 1 ? (double)most : 0;
        some = (double)sum / ((double)(map->ranks - 1) * (double)c->n_tokens);
    } else if (map->kind == SB_LAYOUT_CONTIGUOUS &&
               strcmp(c->method->name, "power_attention") == 0) {
        near = own * log2_up(t.here);
        far  = own * (log2_up(c->ranks) - log2_up(t.here));
        some = (near + far) / all;
    }
    if (some >= 0.6) { /* then all are gathered [7.3] */
        gather(m, c, (sb_scheme_use){0}, map, out);
        return;
    }
    out->rounds         = 2; /* the bitmaps, then the blocks */
    out->received_bytes = (int64_t)((near + far) * row);
    out->seconds        = out->first_s =
        2 * (t.hosts > 1 ? m->between : m->inside).latency_s +
        fmax(near * row / m->inside.bytes_per_s, far * row / m->between.bytes_per_s);
}

/* `steps` passes of what one of the ring's ranks has to the next. span: how far apart they stand.
 */
static void ring(const sb_machine *m, const sb_plan_case *c, double step_bytes, int64_t ring_ranks,
                 sbi_traffic *out)
{
    int64_t             span = c->ranks / ring_ranks;
    const sb_link_cost *l    = ring_ranks * span > m->ranks_per_host ? &m->between : &m->inside;
    out->rounds += ring_ranks - 1;
    out->received_bytes += (int64_t)((double)(ring_ranks - 1) * step_bytes);
    out->seconds += (l->latency_s + step_bytes / l->bytes_per_s) * (double)(ring_ranks - 1);
}

/* The first step writes o in fp32, not bf16; every later one reads and writes it and its lse; in
 * the end it is rounded (shard/ring.c). A rank of a team has the rows of all and a part of the
 * heads. */
static void merges(const sb_plan_case *c, const sb_map *map, int64_t ring_ranks, sbi_traffic *out)
{
    double share = (double)c->n_queries / (double)c->n_tokens;
    double rows  = (double)most_tokens(map) * share * (double)c->heads;
    double o = (double)c->head_dim * sizeof(float), lse = sizeof(float), bf16 = o / 2;
    out->set_bytes   = rows * (o - bf16);
    out->merge_bytes = rows * 2 * (o + lse);
    out->merged_bytes =
        out->set_bytes + out->merge_bytes * (double)(ring_ranks - 1) + rows * (o + lse + bf16);
}

/* Q, K, V to the ranks that have their heads, O back [4c]. */
static void ulysses(const sb_machine *m, const sb_plan_case *c, int64_t u, sbi_traffic *out)
{
    net     t     = net_of(m, u);
    int64_t kv    = c->kv_heads > u ? c->kv_heads : u;
    double  row   = (double)c->head_dim * sizeof(sb_bf16) * (2 * (double)c->heads + 2 * (double)kv);
    double  local = (double)c->n_tokens / (double)c->ranks;
    double  s     = exchange_s(&t, local * row, (double)(2 * (u - 1)));
    out->rounds += 2 * (u - 1);
    out->received_bytes += (int64_t)(local * row * (double)(u - 1) / (double)u);
    out->seconds += s;
    out->first_s += s; /* nothing can be attended to before, and O goes after */
}

/* A record of every head from every rank before [8]: the last rank has most to receive, the first
 * to send, a batch of ranks at a time. */
static void state(const sb_machine *m, const sb_plan_case *c, sbi_traffic *out)
{
    net      t          = net_of(m, c->ranks);
    sb_shape s          = {.heads = c->heads, .kv_heads = c->kv_heads, .head_dim = c->head_dim};
    double   each       = (double)c->method->record_bytes(c->params, &s);
    out->rounds         = (c->ranks - 1 + SB_SCAN_BATCH - 1) / SB_SCAN_BATCH;
    out->received_bytes = (int64_t)(each * (double)(c->ranks - 1));
    out->seconds = out->first_s = exchange_s(&t, each * (double)c->ranks, (double)out->rounds);
}

static int64_t queries_of(const sb_plan_case *c, const sb_map *map, int32_t rank)
{
    int64_t n = 0, first = c->n_tokens - c->n_queries;
    for (int32_t i = map->run_first[rank]; i < map->run_first[rank + 1]; i++) {
        int64_t end = map->run[i].start + map->run[i].len;
        int64_t at  = map->run[i].start > first ? map->run[i].start : first;
        n += end > at ? end - at : 0;
    }
    return n;
}

/* Queries go round, partial outputs and their lse come back at once [4e]. In memory every step
 * writes o in fp32, not bf16, of as many rows as one rank has on the whole; the end reads a partial
 * of the own rows from each rank (shard/pass_q.c). */
static void pass_q(const sb_machine *m, const sb_plan_case *c, const sb_map *map, sbi_traffic *out)
{
    net     t   = net_of(m, c->ranks);
    int64_t all = c->n_queries, most = 0, received = 0, R = c->ranks;
    int64_t row  = c->heads * c->head_dim * (int64_t)sizeof(sb_bf16);
    int64_t part = c->heads * (c->head_dim + 1) * (int64_t)sizeof(float);
    for (int32_t r = 0; r < map->ranks; r++) {
        int64_t own = queries_of(c, map, r), n = (all - own) * row + (R - 1) * own * part;
        most     = own > most ? own : most;
        received = n > received ? n : received;
    }
    ring(m, c, (double)(most * row), R, out);
    double s = exchange_s(&t, (double)(most * part * R), 1);
    out->rounds++;
    out->received_bytes = received;
    out->seconds += s;
    out->first_s += s;
    out->set_bytes = out->merge_bytes = (double)all / (double)R * (double)c->heads *
                                        (double)c->head_dim *
                                        (double)(sizeof(float) - sizeof(sb_bf16));
    out->merged_bytes =
        out->set_bytes * (double)R +
        (double)most * ((double)(part * R + row) + (double)c->heads * sizeof(float));
}

int sbi_all_ranks_probe(const sb_machine *m, const sb_plan_case *c)
{
    return m->backend != SB_CPU && c->ranks > 1 && c->scheme == SB_SCHEME_ALLGATHER &&
           c->method->plan_last_queries != NULL;
}

void sbi_traffic_of(const sb_machine *m, const sb_plan_case *c, sb_scheme_use use,
                    const sb_map *map, const sbi_lanes *lanes, sbi_traffic *out)
{
    int64_t u    = use.team > 1 ? use.team : 1;
    int64_t kv   = c->kv_heads >= u ? c->kv_heads / u : 1;
    double  step = 2.0 * (double)(most_tokens(map) * u * kv * c->head_dim) * sizeof(sb_bf16);
    *out         = (sbi_traffic){0};
    if (c->ranks == 1)
        return;
    if (use.team > 0) {
        if (u > 1)
            ulysses(m, c, u, out);
        if (c->ranks > u) {
            ring(m, c, step, c->ranks / u, out);
            merges(c, map, c->ranks / u, out);
        }
    } else if (c->scheme == SB_SCHEME_STATE) {
        state(m, c, out);
    } else if (use.ring) {
        ring(m, c, step, c->ranks, out);
        merges(c, map, c->ranks, out);
    } else if (use.pass_q) {
        pass_q(m, c, map, out);
    } else if (use.fetch) {
        fetch(m, c, map, lanes, out);
    } else {
        gather(m, c, use, map, out);
        if (sbi_all_ranks_probe(m, c))
            last_queries(m, c, map, out);
    }
}
