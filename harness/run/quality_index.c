/* The index of a layer over all ranks, counted exactly [quality_metrics B1, B4]. */
#include <stdlib.h>

#include "harness/run/quality_parts.h"
#include "kernels/base/first_error.h"
#include "kernels/base/rng.h"
#include "kernels/exec/index_blocks.h"
#include "kernels/exec/index_stats.h"

enum { FIELDS = sizeof(sbi_head_index) / sizeof(int64_t) };

static sb_status count_head(const sb_layer_view *v, int64_t head, sbi_head_index *out)
{
    sb_index_stats  s  = {0};
    sb_index_blocks b  = {0};
    sb_status       st = sb_index_stats_count(v->plan, v->shape, head, &s);
    if (st == SB_OK)
        st = sb_index_blocks_count(v->plan, v->shape, head, &b);
    *out = (sbi_head_index){.rho_num          = s.rho_num,
                            .rho_den          = s.rho_den,
                            .tile_lanes       = s.tile_lanes,
                            .tile_lanes_dense = s.tile_lanes_dense,
                            .block_rows       = b.executed,
                            .block_rows_dense = b.dense,
                            .digest           = (int64_t)s.digest};
    return st;
}

/* The local heads side by side: a million tokens can list a billion ids, and every tile of rows
 * walks its list. */
static sb_status count_heads(const sb_layer_view *v, sbi_head_index *head)
{
    sb_first_error first = {0};
#pragma omp parallel for schedule(dynamic, 1) num_threads(v->ctx->threads)
    for (int64_t h = 0; h < v->shape->heads; h++) {
        sb_status st = count_head(v, h, &head[v->shape->first_head + h]);
        if (st != SB_OK) {
#pragma omp critical
            sb_first_error_note(&first, st);
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
