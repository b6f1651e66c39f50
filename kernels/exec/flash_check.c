/* What a job must satisfy before its first byte is written. */
#include "kernels/exec/flash_cpu.h"
#include "kernels/exec/segments.h"
#include "kernels/exec/slots.h"
#include "kernels/exec/tiles.h"

static sb_status check_tensor(const sb_tensor *t, const char *what, sb_dtype dtype, int64_t heads,
                              int64_t dim)
{
    if (t->dtype != dtype || t->heads != heads || t->dim != dim || t->tokens < 0 ||
        (heads > 1 && t->head_stride < t->tokens * dim))
        return sb_fail(SB_ERR_INTERNAL,
                       "attend: %s is [%lld][%lld][%lld] of dtype %d, stride %lld; wanted "
                       "[%lld][.][%lld], dtype %d",
                       what, (long long)t->heads, (long long)t->tokens, (long long)t->dim,
                       (int)t->dtype, (long long)t->head_stride, (long long)heads, (long long)dim,
                       (int)dtype);
    return SB_OK;
}

static sb_status check_gid(const sb_tensor *t, const char *what)
{
    int64_t n = 0, end = 0;
    for (int32_t i = 0; i < t->gid.n_runs; i++) {
        sb_run r = t->gid.run[i];
        if (r.start < end || r.len < 0)
            return sb_fail(SB_ERR_INTERNAL, "attend: run %d of %s starts at %lld, before %lld",
                           (int)i, what, (long long)r.start, (long long)end);
        n += r.len;
        end = r.start + r.len;
    }
    if (n != t->tokens)
        return sb_fail(SB_ERR_INTERNAL, "attend: %s holds %lld tokens, its runs %lld", what,
                       (long long)t->tokens, (long long)n);
    return SB_OK;
}

sb_status sbi_flash_check_tensors(const sbi_flash_job *j)
{
    const sb_tensor *q = j->in->q, *k = j->in->k, *v = j->in->v;
    sb_status        st;
    if (q->dim < 16 || q->dim > SB_TILE_DIM_MAX || q->dim % 16 != 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "attend: head_dim %lld; the cpu kernels take multiples of 16 up to %d",
                       (long long)q->dim, (int)SB_TILE_DIM_MAX);
    if (k->heads < 1 || q->heads % k->heads != 0)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "attend: %lld query heads are no multiple of %lld KV heads",
                       (long long)q->heads, (long long)k->heads);
    if ((st = check_tensor(q, "q", SB_BF16, q->heads, q->dim)) != SB_OK ||
        (st = check_tensor(k, "k", SB_BF16, k->heads, q->dim)) != SB_OK ||
        (st = check_tensor(v, "v", SB_BF16, k->heads, q->dim)) != SB_OK ||
        (st = check_gid(k, "k")) != SB_OK)
        return st;
    if (v->tokens != k->tokens)
        return sb_fail(SB_ERR_INTERNAL, "attend: %lld keys, %lld values", (long long)k->tokens,
                       (long long)v->tokens);
    if (j->row_gid == NULL && (st = check_gid(q, "q")) != SB_OK)
        return st;
    for (int64_t i = 1; j->row_gid != NULL && i < q->tokens; i++)
        if (j->row_gid[i] < j->row_gid[i - 1])
            return sb_fail(SB_ERR_INTERNAL, "attend: row ids descend at %lld", (long long)i);
    if (j->o != NULL) {
        if ((st = check_tensor(j->o, "o", j->o->dtype, q->heads, q->dim)) != SB_OK)
            return st;
        if (j->o->tokens != q->tokens || (j->mode == SB_OUT_MERGE && j->o->dtype != SB_F32))
            return sb_fail(SB_ERR_INTERNAL,
                           "attend: o has %lld rows for %lld queries, dtype %d; merging needs fp32",
                           (long long)j->o->tokens, (long long)q->tokens, (int)j->o->dtype);
    }
    return SB_OK;
}

/* A list for every row: one binary search a row block. */
static sb_status plan_rows_present(const sbi_flash_job *j)
{
    const sb_plan *p = j->plan;
    if (p == NULL || !(p->parts & (SB_PART_TILES | SB_PART_TOKENS)))
        return SB_OK;
    if (p->row_tokens < 1)
        return sb_fail(SB_ERR_INTERNAL, "attend: row blocks of %lld tokens",
                       (long long)p->row_tokens);
    int32_t n_runs = j->row_gid != NULL ? 0 : j->in->q->gid.n_runs;
    for (int32_t r = 0; r < n_runs; r++) {
        sb_run run = j->in->q->gid.run[r];
        for (int64_t b = run.start / p->row_tokens; b * p->row_tokens < run.start + run.len; b++)
            if (sb_plan_row(p, b * p->row_tokens) < 0)
                return sb_fail(SB_ERR_INTERNAL, "attend: the plan has no list for row block %lld",
                               (long long)b);
    }
    for (int64_t i = 0; j->row_gid != NULL && i < j->in->q->tokens; i++)
        if (sb_plan_row(p, j->row_gid[i]) < 0)
            return sb_fail(SB_ERR_INTERNAL, "attend: the plan has no list for row %lld",
                           (long long)j->row_gid[i]);
    return SB_OK;
}

sb_status sbi_flash_check(const sbi_flash_job *job)
{
    sb_status st = sbi_flash_check_tensors(job);
    if (st != SB_OK || (st = sb_slots_check(job->plan)) != SB_OK)
        return st;
    return plan_rows_present(job);
}
