/* How much more the same number of keys could have kept [quality_metrics B2, oracle_gap]. Looking
 * for the likeliest keys costs more than attention of the row, so a part of the sampled rows must
 * do: one of each stratum and every 8th of the census; of exact passes every 8th row. */
#include <stdlib.h>

#include "harness/run/quality_parts.h"
#include "harness/run/quality_source.h"
#include "kernels/base/rng.h"
#include "kernels/exec/row_support.h"

enum { EVERY = 8 };

/* Chosen rows, and how many rows of the sequence each of them stands for. */
typedef struct chosen {
    int64_t *index; /* among the sampled rows, ascending */
    double  *weight;
    int64_t  n;
} chosen;

static void chosen_fini(chosen *c)
{
    free(c->index);
    free(c->weight);
}

static sb_status chosen_init(chosen *c, const sb_rows *rows, uint64_t seed)
{
    *c        = (chosen){.index  = malloc((size_t)(rows->n + 1) * sizeof *c->index),
                         .weight = malloc((size_t)(rows->n + 1) * sizeof *c->weight)};
    int every = rows->n == rows->n_tokens;
    if (c->index == NULL || c->weight == NULL)
        return sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld rows", (long long)rows->n);
    for (int64_t l = 0; l <= SB_STRATA; l++) {
        const sb_stratum *t     = &rows->stratum[l];
        int64_t           first = c->n;
        for (int64_t i = t->first; i < t->first + t->n_drawn; i++)
            if (every || l == SB_STRATA
                    ? (rows->n - 1 - i) % EVERY == 0
                    : i == t->first + (int64_t)(sb_mix(seed + (uint64_t)l) % (uint64_t)t->n_drawn))
                c->index[c->n++] = i;
        for (int64_t i = first; i < c->n; i++)
            c->weight[i] = every ? 1 : (double)(t->end - t->begin) / (double)(c->n - first);
    }
    return SB_OK;
}

/* The rows of this rank, packed. */
typedef struct packed {
    sb_tensor q;
    int64_t  *gid, *local, *place; /* token id; row here; place among the chosen rows */
    int64_t  *keep;        /* [heads][n] size of the support */
    float    *lse;         /* [heads][n] */
    double   *mass;        /* [heads][n] */
    int64_t   n;
} packed;

static void packed_fini(packed *p)
{
    free(p->q.data);
    free(p->gid);
    free(p->local);
    free(p->place);
    free(p->keep);
    free(p->lse);
    free(p->mass);
}

static sb_status packed_init(packed *p, const sb_shape *s, int64_t rows)
{
    size_t n  = (size_t)(rows * s->heads + 1);
    *p        = (packed){0};
    p->gid    = malloc((size_t)(rows + 1) * sizeof *p->gid);
    p->local  = malloc((size_t)(rows + 1) * sizeof *p->local);
    p->place  = malloc((size_t)(rows + 1) * sizeof *p->place);
    p->keep   = malloc(n * sizeof *p->keep);
    p->lse    = malloc(n * sizeof *p->lse);
    p->mass   = malloc(n * sizeof *p->mass);
    if (p->gid == NULL || p->local == NULL || p->place == NULL || p->keep == NULL ||
        p->lse == NULL || p->mass == NULL)
        return sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld rows", (long long)rows);
    return SB_OK;
}

/* Support sizes are counted row by row: sampled rows seldom share a row block. */
static sb_status pack(packed *p, const sb_layer_view *v, const sb_rows *rows, const chosen *c,
                      const sbi_row_value *values)
{
    int64_t heads = v->shape->heads;
    int64_t all = sbi_all_heads(v), first = v->shape->first_head;
    for (int64_t i = 0; i < c->n; i++) {
        int64_t local = sbi_local_row(&v->shape->q_gid, rows->row[c->index[i]]);
        if (local >= 0) {
            p->gid[p->n]     = rows->row[c->index[i]];
            p->local[p->n]   = local;
            p->place[p->n++] = i;
        }
    }
    sb_status st = sbi_take_rows(v, SBI_Q, p->local, p->n, &p->q);
    if (st != SB_OK)
        return st;
#pragma omp parallel for schedule(dynamic, 1) num_threads(sbi_threads(v))
    for (int64_t at = 0; at < heads * p->n; at++) {
        int64_t h = at / p->n, i = at % p->n;
        p->lse[at]  = (float)values[c->index[p->place[i]] * all + first + h].lse;
        p->keep[at] = sb_row_support_count(v->plan, h, p->gid[i]);
    }
    for (int64_t at = 0; at < heads * p->n; at++)
        if (p->keep[at] < 0)
            return sb_fail(SB_ERR_INTERNAL, "quality: the plan has no list for row %lld",
                           (long long)p->gid[at % p->n]);
    return SB_OK;
}

/* gap [chosen][all heads] of the local rows and heads. */
static sb_status local_gaps(const sb_layer_view *v, const sb_rows *rows, const chosen *c,
                            const sbi_row_value *values, double *gap)
{
    int64_t   heads = v->shape->heads, all = sbi_all_heads(v), own = v->shape->first_head;
    packed    p;
    sb_status st = packed_init(&p, v->shape, c->n);
    if (st == SB_OK)
        st = pack(&p, v, rows, c, values);
    if (st == SB_OK)
        st = sbi_top_mass(v, &p.q, p.gid, p.lse, p.keep, p.mass);
    for (int64_t h = 0; st == SB_OK && h < heads; h++)
        for (int64_t i = 0; i < p.n; i++)
            gap[p.place[i] * all + own + h] =
                p.mass[h * p.n + i] - values[c->index[p.place[i]] * all + own + h].recall;
    packed_fini(&p);
    return st;
}

sb_status sbi_oracle_gap(const sb_layer_view *v, const sb_rows *rows, const sbi_row_value *values,
                         uint64_t seed, double *gap)
{
    int64_t   heads = sbi_all_heads(v);
    chosen    c;
    double   *of_row = NULL;
    sb_status st     = chosen_init(&c, rows, seed);
    if (st == SB_OK && (of_row = calloc((size_t)(c.n * heads) + 1, sizeof *of_row)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld rows", (long long)c.n);
    if (st == SB_OK)
        st = local_gaps(v, rows, &c, values, of_row);
    if ((st = sb_comm_agree(v->ctx->comm, st)) == SB_OK)
        st = sbi_share(v->ctx->comm, of_row, c.n * heads);
    for (int64_t h = 0; st == SB_OK && h < heads; h++) {
        double sum = 0, weight = 0;
        for (int64_t i = 0; i < c.n; i++) {
            sum += c.weight[i] * of_row[i * heads + h];
            weight += c.weight[i];
        }
        gap[h] = sum / weight;
    }
    chosen_fini(&c);
    free(of_row);
    return st;
}
