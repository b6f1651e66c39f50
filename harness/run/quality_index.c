/* The index of a layer over all ranks, counted exactly [quality_metrics B1, B4]. */
#include <stdlib.h>

#include "harness/run/quality_parts.h"
#include "kernels/base/first_error.h"
#include "kernels/base/rng.h"
#include "kernels/exec/index_blocks.h"
#include "kernels/exec/index_stats.h"

enum { FIELDS = sizeof(sbi_head_index) / sizeof(int64_t) };

static sb_status count_part(const sb_layer_view *v, int64_t head, int64_t part, int64_t n_parts,
                            sbi_head_index *out)
{
    sb_index_stats  s  = {0};
    sb_index_blocks b  = {0};
    sb_status       st = sb_index_stats_count_part(v->plan, v->shape, head, part, n_parts, &s);
    if (st == SB_OK)
        st = sb_index_blocks_count_part(v->plan, v->shape, head, part, n_parts, &b);
    *out = (sbi_head_index){.rho_num          = s.rho_num,
                            .rho_den          = s.rho_den,
                            .tile_lanes       = s.tile_lanes,
                            .tile_lanes_dense = s.tile_lanes_dense,
                            .block_rows       = b.executed,
                            .block_rows_dense = b.dense,
                            .digest           = (int64_t)s.digest};
    return st;
}

/* All fields add up; the digest wraps. */
static void add(sbi_head_index *sum, const sbi_head_index *x)
{
    sum->rho_num += x->rho_num;
    sum->rho_den += x->rho_den;
    sum->tile_lanes += x->tile_lanes;
    sum->tile_lanes_dense += x->tile_lanes_dense;
    sum->block_rows += x->block_rows;
    sum->block_rows_dense += x->block_rows_dense;
    sum->digest = (int64_t)((uint64_t)sum->digest + (uint64_t)x->digest);
}

/* The local heads and shares of their rows side by side: a million tokens can list a billion ids,
 * and every tile of rows walks its list. */
static sb_status count_heads(const sb_layer_view *v, sbi_head_index *head)
{
    sb_first_error first   = {0};
    int64_t        heads   = v->shape->heads;
    int64_t        n_parts = (4 * v->ctx->threads + heads - 1) / heads; /* tasks of unequal size */
#pragma omp parallel for schedule(dynamic, 1) num_threads(v->ctx->threads)
    for (int64_t t = 0; t < heads * n_parts; t++) {
        sbi_head_index x  = {0};
        sb_status      st = count_part(v, t % heads, t / heads, n_parts, &x);
#pragma omp critical
        {
            if (st != SB_OK)
                sb_first_error_note(&first, st);
            else
                add(&head[v->shape->first_head + t % heads], &x);
        }
    }
    return sb_first_error_raise(&first);
}

/* Pairs of the local rows and the keys up to each: what dense attention works on, index or none. */
static int64_t causal_pairs(const sb_gid *gid)
{
    int64_t n = 0;
    for (int32_t r = 0; r < gid->n_runs; r++) {
        int64_t a = gid->run[r].start, len = gid->run[r].len;
        n += len * a + len * (len + 1) / 2;
    }
    return n;
}

/* Local rows and heads only: ranks add up. The digest is a wrapping sum as well. */
sb_status sbi_index_count(const sb_layer_view *v, sbi_index *out)
{
    int64_t         n = sbi_all_heads(v), here = v->shape->heads;
    int64_t         flat[3] = {causal_pairs(&v->shape->q_gid) * here, v->plan->estimate_flops,
                               v->plan->attend_flops};
    sb_status       st      = SB_OK;
    sbi_head_index *head    = calloc((size_t)n, sizeof *head);
    if (head == NULL)
        st = sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld heads", (long long)n);
    if (st == SB_OK && sbi_has_index(v))
        st = count_heads(v, head);
    if ((st = sb_comm_agree(v->ctx->comm, st)) == SB_OK &&
        (st = sb_comm_allreduce_i64(v->ctx->comm, (int64_t *)(void *)head, FIELDS * n,
                                    SB_REDUCE_SUM)) == SB_OK)
        st = sb_comm_allreduce_i64(v->ctx->comm, flat, 3, SB_REDUCE_SUM);
    if (st != SB_OK) {
        free(head);
        return st;
    }
    *out = (sbi_index){
        .head = head, .pairs = flat[0] / n, .estimate_flops = flat[1], .attend_flops = flat[2]};
    return SB_OK;
}

void sbi_index_fini(sbi_index *x)
{
    free(x->head);
    *x = (sbi_index){0};
}

uint64_t sbi_index_digest(const sb_layer_view *v, const sbi_index *x)
{
    uint64_t sum = 0;
    int64_t  n   = sbi_all_heads(v);
    for (int64_t h = 0; sbi_has_index(v) && h < n; h++)
        sum += sb_mix((uint64_t)x->head[h].digest + sb_mix((uint64_t)(v->layer * n + h)));
    return sum;
}
