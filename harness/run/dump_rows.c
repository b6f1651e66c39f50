#include <stdlib.h>
#include <string.h>

#include "harness/run/dump_parts.h"

sb_status sbi_gathered_init(sbi_gathered *g, sb_comm *comm)
{
    *g             = (sbi_gathered){.comm = comm};
    g->count_bytes = calloc((size_t)comm->size, sizeof *g->count_bytes);
    g->displ_bytes = calloc((size_t)comm->size, sizeof *g->displ_bytes);
    sb_status st   = SB_OK;
    if (g->count_bytes == NULL || g->displ_bytes == NULL)
        st = sb_fail(SB_ERR_NOMEM, "dump: no memory for %d ranks", comm->size);
    return sb_comm_agree(comm, st);
}

void sbi_gathered_fini(sbi_gathered *g)
{
    free(g->count_bytes);
    free(g->displ_bytes);
    free(g->all);
    *g = (sbi_gathered){0};
}

sb_status sbi_gather_bytes(sbi_gathered *g, const void *send, int64_t bytes)
{
    int32_t  n     = g->comm->size;
    int64_t  total = 0;
    int64_t *count = g->count_bytes;
    for (int32_t r = 0; r < n; r++)
        count[r] = r == g->comm->rank ? bytes : 0;
    sb_status st = sb_comm_allreduce_i64(g->comm, count, n, SB_REDUCE_SUM);
    if (st != SB_OK)
        return st;
    for (int32_t r = 0; r < n; r++) {
        g->displ_bytes[r] = total;
        total += count[r];
    }
    if (total > g->capacity_bytes || g->all == NULL) {
        free(g->all);
        g->all            = malloc((size_t)total + 1);
        g->capacity_bytes = total;
        if (g->all == NULL)
            st = sb_fail(SB_ERR_NOMEM, "dump: no memory for %lld bytes", (long long)total);
    }
    if ((st = sb_comm_agree(g->comm, st)) != SB_OK)
        return st;
    return sb_comm_allgatherv(g->comm, send, g->all, count, g->displ_bytes);
}

/* Where the rows of a run lie among the rows of all ranks, rank by rank. */
typedef struct placed_run {
    sb_run  run;
    int64_t place;
} placed_run;

static int by_start(const void *pa, const void *pb)
{
    const placed_run *a = pa, *b = pb;
    return (a->run.start > b->run.start) - (a->run.start < b->run.start);
}

/* All ranks' runs of queries, ascending. */
static sb_status gather_runs(const sb_layer_view *v, sbi_gathered *g, placed_run **out, int64_t *n)
{
    const sb_gid *gid = &v->shape->q_gid;
    sb_status     st  = sbi_gather_bytes(g, gid->run, gid->n_runs * (int64_t)sizeof *gid->run);
    if (st != SB_OK)
        return st;
    int32_t       last = g->comm->size - 1;
    const sb_run *run  = g->all;
    *n                 = (g->displ_bytes[last] + g->count_bytes[last]) / (int64_t)sizeof *run;
    *out               = calloc((size_t)*n + 1, sizeof **out);
    if (*out == NULL)
        st = sb_fail(SB_ERR_NOMEM, "dump: no memory for %lld runs", (long long)*n);
    if ((st = sb_comm_agree(g->comm, st)) != SB_OK)
        return st;
    for (int64_t i = 0, at = 0; i < *n; at += run[i++].len)
        (*out)[i] = (placed_run){run[i], at};
    qsort(*out, (size_t)*n, sizeof **out, by_start);
    return SB_OK;
}

sb_status sbi_dump_rows(sb_safetensors_out *out, const sb_layer_view *v, const void *rows,
                        int64_t heads, int64_t head_stride_bytes, int64_t row_bytes)
{
    sbi_gathered g;
    placed_run  *runs = NULL;
    int64_t      n    = 0;
    sb_status    st   = sbi_gathered_init(&g, v->ctx->comm);
    if (st == SB_OK)
        st = gather_runs(v, &g, &runs, &n);
    for (int64_t h = 0; st == SB_OK && h < heads; h++) {
        st = sbi_gather_bytes(&g, (const char *)rows + h * head_stride_bytes,
                              v->shape->q_gid.n_tokens * row_bytes);
        for (int64_t i = 0; out != NULL && st == SB_OK && i < n; i++)
            st = sb_safetensors_write(out, (const char *)g.all + runs[i].place * row_bytes,
                                      runs[i].run.len * row_bytes);
        st = sb_comm_agree(v->ctx->comm, st);
    }
    free(runs);
    sbi_gathered_fini(&g);
    return st;
}
