/* From work, lanes and traffic to seconds of each phase on the slowest rank [sharding 10]. */
#include <math.h>
#include <string.h>

#include "harness/plan/parts.h"
#include "harness/shard/deal.h"
#include "kernels/registry.h"

enum {
    MAX_PARTS   = 16,
    FEW_RUNS    = 4,
    MAX_RING    = 4096,
    TILE        = 64,
    KERNEL_RUNS = 8 /* Q_RUNS of kernels/exec/sm90_cuda.cu */
};

typedef struct part { /* seconds that rest on one constant */
    double  s;
    int32_t source;
} part;

typedef struct guess {
    const sb_machine   *m;
    const sb_plan_case *c;
    sb_scheme_use       use;
    sb_map              map;
    sbi_lanes           lanes;
    double              x[SB_PHASE_COUNT]; /* see sbi_phase_work */
    double              busiest;           /* share of all pairs that the busiest rank has */
    sbi_traffic         traffic;
    part                parts[MAX_PARTS];
    int                 n_parts;
    int                 foreign; /* a rate of other methods was used for compute */
} guess;

/* ---- constants ---- */

static const sb_cost *cost_of(const guess *g, sb_phase phase)
{
    const sb_cost *best  = NULL;
    int64_t        score = -1;
    for (int64_t i = 0; i < g->m->n_costs; i++) {
        const sb_cost *k = &g->m->costs[i];
        if (k->phase != (int32_t)phase || (k->method != NULL && k->method != g->c->method) ||
            !sbi_wanted_match(&k->params, g->c->params))
            continue;
        int64_t s = (k->method != NULL ? 1 : 0) + k->params.n;
        if (s > score) {
            best  = k;
            score = s;
        }
    }
    return best;
}

static void note_part(guess *g, double s, int32_t source)
{
    if (g->n_parts < MAX_PARTS)
        g->parts[g->n_parts++] = (part){s, source};
}

/* x: work of one layer on one rank over its threads. Phases without an entry cost nothing, but for
 * those that `must` have one. */
static sb_status phase_s(guess *g, sb_phase phase, int must, double *out)
{
    const sb_cost *k = cost_of(g, phase);
    double         x = g->x[phase];
    *out             = 0;
    if (k == NULL && must)
        return sb_fail(SB_ERR_USAGE, "machine %s: found no cost of phase %s for method %s or any",
                       g->m->name, sb_phase_name(phase), g->c->method->name);
    if (k == NULL || (x <= 0 && phase != SB_PHASE_ATTENTION))
        return SB_OK;
    *out = k->start_s + (k->rate > 0 ? x / k->rate : 0);
    g->foreign |= phase == SB_PHASE_COMPUTE && k->method == NULL;
    note_part(g, *out, k->origin.source);
    return SB_OK;
}

/* ---- who does how much ---- */

/* 1: every rank has all tokens of its heads. */
static int whole(const guess *g) { return g->use.team > 1 && g->use.team == g->c->ranks; }

/* 1: attention goes in steps, while keys or queries of other ranks come. */
static int goes_round(const guess *g)
{
    return g->c->ranks > 1 && !whole(g) && (g->use.ring || g->use.pass_q || g->use.team > 0);
}

typedef struct shares {
    double rows, pairs; /* of the busiest rank; 1 / ranks where work is even */
} shares;

static sb_run queries_of(const sb_plan_case *c, sb_run r)
{
    int64_t first = c->n_tokens - c->n_queries, cut = first > r.start ? first - r.start : 0;
    return cut >= r.len ? (sb_run){first, 0} : (sb_run){r.start + cut, r.len - cut};
}

/* Pairs of some queries with some keys. Sinks are far from most rows, so they count apart, in whole
 * tiles as the lanes do. */
static double pairs_between(const guess *g, sb_run q, sb_run k)
{
    int64_t sinks = g->lanes.window ? (g->lanes.sink_tokens + TILE - 1) / TILE * TILE : 0;
    double  near = g->lanes.keys - (double)sinks, pairs = sbi_pairs_between(q, k, near);
    sb_run  first = {k.start, sinks - k.start < k.len ? sinks - k.start : k.len};
    if (first.len > 0)
        pairs += sbi_pairs_between(q, first, INFINITY) - sbi_pairs_between(q, first, near);
    return pairs;
}

/* Queries go round: a rank computes what its keys get. */
static double key_pairs(const guess *g, int32_t rank)
{
    sb_run all   = {g->c->n_tokens - g->c->n_queries, g->c->n_queries};
    double pairs = 0;
    for (int32_t i = g->map.run_first[rank]; i < g->map.run_first[rank + 1]; i++)
        pairs += pairs_between(g, all, g->map.run[i]);
    return pairs;
}

static double rank_pairs(const guess *g, int32_t rank, double *rows)
{
    double pairs = 0;
    *rows        = 0;
    for (int32_t i = g->map.run_first[rank]; i < g->map.run_first[rank + 1]; i++) {
        sb_run q = queries_of(g->c, g->map.run[i]);
        pairs += q.len > 0 ? sbi_pairs(q, g->lanes.keys) : 0;
        *rows += (double)q.len;
    }
    if (g->use.pass_q && g->c->ranks > 1)
        return key_pairs(g, rank);
    return pairs;
}

static shares shares_of(const guess *g)
{
    double most_rows = 0, most_pairs = 0, all_pairs = 0, rows;
    for (int32_t r = 0; r < g->map.ranks; r++) {
        double pairs = rank_pairs(g, r, &rows);
        all_pairs += pairs;
        most_pairs = fmax(most_pairs, pairs);
        most_rows  = fmax(most_rows, rows);
    }
    return (shares){most_rows / (double)g->c->n_queries,
                    all_pairs > 0 ? most_pairs / all_pairs : 1};
}

/* ---- schemes ---- */

/* Pairs of the busiest rank in step s of a ring. */
static double step_pairs(const guess *g, int32_t step)
{
    const sb_map *m    = &g->map;
    double        most = 0;
    for (int32_t r = 0; r < m->ranks; r++) {
        int32_t src   = (r - step + m->ranks) % m->ranks;
        double  pairs = 0;
        for (int32_t i = m->run_first[r]; i < m->run_first[r + 1]; i++)
            for (int32_t j = m->run_first[src]; j < m->run_first[src + 1]; j++) {
                sb_run q = queries_of(g->c, m->run[i]);
                pairs += q.len > 0 ? pairs_between(g, q, m->run[j]) : 0;
            }
        most = fmax(most, pairs);
    }
    return most;
}

static double all_pairs_of(const guess *g)
{
    double all = 0, rows;
    for (int32_t r = 0; r < g->map.ranks; r++)
        all += rank_pairs(g, r, &rows);
    return all;
}

/* Of bytes that partial outputs take in memory. */
static double merge_s(const guess *g, double bytes)
{
    double threads = g->m->backend == SB_CPU ? fmax(g->c->threads, 1) : 1;
    double rate    = g->m->merge.bytes_per_s * threads;
    return rate > 0 ? bytes / rate : 0;
}

/* Steps of attention and passes of keys side by side: *compute, and what of the traffic shows.
 * total_s: what the busiest rank would take in one call. */
static void ring(const guess *g, double total_s, double *compute, double *exposed)
{
    const sbi_traffic *t    = &g->traffic;
    int32_t            team = g->use.team > 1 ? g->use.team : 1, R = g->map.ranks / team;
    double             start = cost_of(g, SB_PHASE_COMPUTE)->start_s, work = total_s - start;
    double pass = (t->seconds - t->first_s) / fmax(R - 1, 1), own = all_pairs_of(g) * g->busiest;
    int    few = team == 1 && g->map.run_first[R] <= FEW_RUNS * R && R <= MAX_RING;
    double             set = merge_s(g, t->set_bytes), merge = merge_s(g, t->merge_bytes);
    *compute   = merge_s(g, t->merged_bytes) - set - merge * (R - 1); /* the end */
    *exposed   = t->first_s;
    for (int32_t s = 0; s < R; s++) { /* many runs: every step is as long as another */
        double step =
            start + (s == 0 ? set : merge) + work * (few ? step_pairs(g, s) / own : 1.0 / R);
        *compute += step;
        if (s + 1 < R)
            *exposed += fmax(pass - step, 0);
    }
}

/* ---- the parts together ---- */

static int32_t weakest(const guess *g)
{
    double  all  = 0;
    int32_t weak = SB_SOURCE_MEASURED;
    for (int i = 0; i < g->n_parts; i++)
        all += g->parts[i].s;
    for (int i = 0; i < g->n_parts; i++)
        if (g->parts[i].s > 0.05 * all && g->parts[i].source > weak)
            weak = g->parts[i].source;
    return weak;
}

static void weigh(guess *g, sb_prediction *p)
{
    const sb_plan_case *c      = g->c;
    sbi_work            w      = sbi_work_of(c);
    double              layers = c->n_layers, even = 1.0 / c->ranks;
    double              threads = g->m->backend == SB_CPU ? fmax(c->threads, 1) : 1, *x = g->x;
    double tokens = (double)c->n_tokens * even, row = (double)c->head_dim * sizeof(sb_bf16);
    double kv = 2 * (double)c->kv_heads * row, q = (double)c->heads * row;
    g->lanes =
        w.has_lanes ? sbi_lanes_of(g->m, c) : (sbi_lanes){.share = 1, .keys = INFINITY, .known = 1};
    sbi_traffic_of(g->m, c, g->use, &g->map, &g->lanes, &g->traffic);
    /* heads are shared out, not tokens */
    shares own       = whole(g) ? (shares){even, even} : shares_of(g);
    double share     = w.has_lanes ? g->lanes.share * own.pairs : own.rows;
    double est       = w.estimate_is_triangle ? own.pairs : own.rows;
    if (!w.estimate_is_triangle && sbi_all_ranks_probe(g->m, c))
        est = 1;
    x[SB_PHASE_LOAD] = c->is_model ? tokens * row : tokens * kv + (double)c->n_queries * even * q;
    x[SB_PHASE_ESTIMATE]     = w.estimate_flops * est / threads;
    x[SB_PHASE_SELECT]       = w.select_entries * est / threads;
    x[SB_PHASE_PERMUTE]      = w.permute_bytes * est / threads;
    x[SB_PHASE_COMPUTE]      = w.compute_flops * share / threads;
    x[SB_PHASE_PREFILL]      = c->is_model ? tokens * layers / threads : 0;
    x[SB_PHASE_DECODE_TOKEN] = c->is_model ? tokens * kv * layers / threads : 0;
    g->busiest               = own.pairs;
    p->compute_flops         = w.compute_flops * share * layers;
    p->estimate_flops        = w.estimate_flops * est * layers;
    p->imbalance             = (w.has_lanes ? own.pairs : own.rows) * c->ranks;
    p->density               = w.has_lanes ? g->lanes.share : NAN;
    p->received_bytes        = g->traffic.received_bytes * c->n_layers;
    p->rounds                = g->traffic.rounds * c->n_layers;
}

static sb_status attention(guess *g, sb_prediction *p)
{
    const sb_plan_case *c      = g->c;
    const sbi_traffic  *t      = &g->traffic;
    double              layers = c->n_layers, *s = p->seconds, beside;
    sb_status           st = SB_OK;
    for (int ph = SB_PHASE_ESTIMATE; st == SB_OK && ph <= SB_PHASE_COMPUTE; ph++)
        st = phase_s(g, (sb_phase)ph, ph == SB_PHASE_COMPUTE, &s[ph]);
    if (st != SB_OK || (st = phase_s(g, SB_PHASE_ATTENTION, 0, &beside)) != SB_OK)
        return st;
    double exposed = t->seconds;
    if (goes_round(g)) {
        ring(g, s[SB_PHASE_COMPUTE], &s[SB_PHASE_COMPUTE], &exposed);
        note_part(g, merge_s(g, t->merged_bytes), g->m->merge.origin.source);
    } else if (t->first_s < t->seconds) {
        /* groups of heads: each is gathered while the one before is attended to */
        double rest = t->seconds - t->first_s;
        exposed     = t->first_s + fmax(rest - s[SB_PHASE_COMPUTE] * rest / t->seconds, 0);
    }
    s[SB_PHASE_COMMUNICATE] = exposed;
    note_part(g, exposed,
              (c->ranks > g->m->ranks_per_host ? g->m->between : g->m->inside).origin.source);
    p->hidden_s = (t->seconds - exposed) * layers;
    for (int ph = SB_PHASE_ESTIMATE; ph <= SB_PHASE_COMMUNICATE; ph++) {
        s[ph] *= layers;
        s[SB_PHASE_ATTENTION] += s[ph];
    }
    s[SB_PHASE_ATTENTION] += beside * layers;
    return SB_OK;
}

/* Products of a checkpoint on one rank, at the rate of those of dense attention. */
static sb_status products_s(guess *g, double flops, double *out)
{
    const sb_method    *dense   = sb_method_find("dense");
    const sb_cost      *best    = NULL;
    double              threads = g->m->backend == SB_CPU ? fmax(g->c->threads, 1) : 1;
    for (int64_t i = 0; i < g->m->n_costs; i++) {
        const sb_cost *k = &g->m->costs[i];
        if (k->phase == SB_PHASE_COMPUTE && k->rate > 0 &&
            (k->method == dense || k->method == NULL) && k->params.n == 0 &&
            (best == NULL || best->method == NULL))
            best = k;
    }
    if (best == NULL)
        return sb_fail(SB_ERR_USAGE, "machine %s: found no cost of phase compute for method dense",
                       g->m->name);
    *out = flops / (threads * best->rate);
    note_part(g, *out, SB_SOURCE_SEED); /* nobody measured them */
    return SB_OK;
}

/* A token alone reads every weight once: bf16 on devices, fp32 on the CPU. Each rank reads all. */
static double weight_bytes(const guess *g)
{
    double each = g->m->backend == SB_CPU ? sizeof(float) : sizeof(sb_bf16);
    return (g->c->token_flops + g->c->head_flops) / 2 * each;
}

/* One token through the layers: the cache, and its products or, where these take longer, the bytes
 * of the weights. */
static sb_status token_s(guess *g, double products, double *out)
{
    double         threads = g->m->backend == SB_CPU ? fmax(g->c->threads, 1) : 1;
    const sb_cost *bytes   = cost_of(g, SB_PHASE_DECODE_TOKEN);
    sb_status      st      = phase_s(g, SB_PHASE_DECODE_TOKEN, 1, out);
    if (st == SB_OK && bytes->rate > 0)
        products = fmax(products, weight_bytes(g) / threads / bytes->rate);
    if (st == SB_OK && g->c->token_flops > 0)
        *out += products;
    return st;
}

/* What comes before the first repetition, and a model's own work. */
static sb_status around(guess *g, sb_prediction *p)
{
    const sb_plan_case *c = g->c;
    double             *s = p->seconds, rest = 0, head = 0;
    sb_status           st = phase_s(g, SB_PHASE_LOAD, 0, &s[SB_PHASE_LOAD]);
    if (st != SB_OK || !c->is_model)
        return st;
    if (c->token_flops > 0) {
        st = products_s(g, (double)c->n_tokens * c->token_flops / c->ranks, &rest);
        if (st == SB_OK)
            st = products_s(g, c->head_flops, &head);
    } else {
        st = phase_s(g, SB_PHASE_PREFILL, 1, &rest);
    }
    if (st != SB_OK)
        return st;
    s[SB_PHASE_PREFILL] = s[SB_PHASE_ATTENTION] + rest + head; /* of the last token alone */
    if (c->decode_tokens == 0)
        return SB_OK;
    /* every rank runs all layers on the one token */
    st = token_s(g, rest * c->ranks / (double)c->n_tokens + head, &s[SB_PHASE_DECODE_TOKEN]);
    if (st != SB_OK)
        return st;
    if (c->ranks > 1) /* one gather of partials a layer [9] */
        s[SB_PHASE_DECODE_TOKEN] +=
            c->n_layers * ceil(log2(c->ranks)) *
            (c->ranks > g->m->ranks_per_host ? g->m->between : g->m->inside).latency_s;
    return SB_OK;
}

/* 1: the fast kernels of a device do not take the queries of some rank. */
static int many_runs(const guess *g)
{
    int many = 0;
    for (int32_t r = 0; r < g->map.ranks; r++)
        many |= g->map.run_first[r + 1] - g->map.run_first[r] > KERNEL_RUNS;
    return many && g->m->backend != SB_CPU && !whole(g);
}

static sb_status run(guess *g, sb_prediction *out)
{
    sb_prediction p = {.imbalance = 1};
    weigh(g, &p);
    sb_status st = attention(g, &p);
    if (st == SB_OK)
        st = around(g, &p);
    if (st != SB_OK)
        return st;
    if (!isnan(p.density))
        note_part(g, p.seconds[SB_PHASE_COMPUTE], g->lanes.origin.source);
    p.weakest = weakest(g);
    (void)snprintf(p.note, sizeof p.note, "%s",
                   many_runs(g) ? "queries in more than 8 runs a rank: by a slower kernel than here"
                   : g->lanes.note != NULL ? g->lanes.note
                   : g->foreign            ? "compute at the rate of other methods"
                                           : "");
    *out = p;
    return SB_OK;
}

sb_status sb_plan_map(const sb_plan_case *c, sb_map *out)
{
    sb_shape whole = {
        .n_keys = c->n_tokens, .heads = c->heads, .kv_heads = c->kv_heads, .head_dim = c->head_dim};
    return sb_map_create_for(c->layout, c->method, c->params, &whole, c->n_tokens - c->n_queries,
                             c->method->quantum_tokens(c->params), c->ranks, out);
}

static sb_status start(guess *g, const sb_machine *m, const sb_plan_case *c)
{
    int32_t   here = c->ranks < m->ranks_per_host ? c->ranks : (int32_t)m->ranks_per_host;
    sb_status st;
    *g     = (guess){.m = m, .c = c};
    g->use = sb_scheme_used(c->scheme, c->asked, c->ranks, here, c->heads, c->kv_heads);
    st     = sb_scheme_check(c->scheme, g->use, c->method, c->ranks, c->heads, c->kv_heads);
    if (st != SB_OK)
        return st;
    return sb_plan_map(c, &g->map);
}

sb_status sb_plan_predict(const sb_machine *m, const sb_plan_case *c, sb_prediction *out)
{
    guess     g;
    sb_status st = start(&g, m, c);
    if (st == SB_OK)
        st = run(&g, out);
    sb_map_fini(&g.map);
    return st;
}

sb_status sbi_phase_work(const sb_machine *m, const sb_plan_case *c, double x[SB_PHASE_COUNT],
                         sbi_traffic *traffic)
{
    guess         g;
    sb_prediction p;
    sb_status     st = start(&g, m, c);
    if (st == SB_OK) {
        weigh(&g, &p);
        memcpy(x, g.x, sizeof g.x);
        if (traffic != NULL)
            *traffic = g.traffic;
    }
    sb_map_fini(&g.map);
    return st;
}

/* ---- what follows from a prediction ---- */

void sb_plan_fit_memory(const sb_machine *m, int32_t ranks, int64_t host_bytes,
                        int64_t device_bytes, sb_prediction *p, char *why, size_t why_bytes)
{
    int64_t here    = ranks < m->ranks_per_host ? ranks : m->ranks_per_host;
    double  host    = (double)host_bytes * (double)here / 0x1p30;
    double  device  = (double)device_bytes / 0x1p30;
    p->host_bytes   = host_bytes;
    p->device_bytes = device_bytes;
    p->fits         = host <= m->host_gib && (device_bytes == 0 || device <= m->device_gib);
    why[0]          = '\0';
    if (host > m->host_gib)
        (void)snprintf(why, why_bytes, "needs %.2f GiB for the %lld ranks of a host, %s has %g",
                       host, (long long)here, m->name, m->host_gib);
    else if (!p->fits)
        (void)snprintf(why, why_bytes, "needs %.2f GiB on the device, %s has %g", device, m->name,
                       m->device_gib);
}

double sb_plan_repetition_s(const sb_plan_case *c, const sb_prediction *p)
{
    return p->seconds[c->is_model ? SB_PHASE_PREFILL : SB_PHASE_ATTENTION];
}

double sb_plan_deadline_s(const sb_prediction *p, sb_phase phase)
{
    return fmax(60, 5 * p->seconds[phase]);
}

double sb_plan_time_limit_s(double seconds) { return 1.5 * seconds + 120; }
