/* Where a look finds rows and what works on them: host memory and the CPU, or the device where the
 * layer lies (sb_layer_view.there), of which a few rows alone are fetched. */
#include "harness/run/quality_source.h"

#include <stdlib.h>
#include <string.h>

#include "harness/run/quality.h"
#include "kernels/exec/not_finite.h"
#include "kernels/exec/rows_cpu.h"
#include "kernels/exec/top_mass.h"

const sb_look_ops *sb_quality_look_ops(const sb_backend *b)
{
#if defined(SB_HAVE_CUDA)
    return b == &sb_backend_cuda ? &sb_look_cuda : NULL;
#else
    (void)b;
    return NULL;
#endif
}

static sb_ctx on_device(const sb_layer_view *v)
{
    sb_ctx c   = *v->ctx;
    c.backend  = v->there->backend;
    c.phases   = NULL; /* nobody is timing */
    c.timeline = NULL;
    c.step     = NULL;
    return c;
}

static const sb_tensor *side_of(const sb_layer_view *v, sbi_side side)
{
    const sb_tensor *here[]  = {v->q, v->k, v->o};
    const sb_tensor *there[] = {NULL, NULL, NULL};
    if (v->there != NULL) {
        there[SBI_Q] = v->there->q;
        there[SBI_K] = v->there->k;
        there[SBI_O] = v->there->o;
    }
    return v->there != NULL ? there[side] : here[side];
}

/* How many of the rows from i on follow each other. */
static int64_t in_a_row(const int64_t *local, int64_t i, int64_t n)
{
    int64_t m = 1;
    while (i + m < n && local[i + m] == local[i] + m)
        m++;
    return m;
}

sb_status sbi_take_rows(const sb_layer_view *v, sbi_side side, const int64_t *local, int64_t n,
                        sb_tensor *to)
{
    const sb_tensor *t   = side_of(v, side);
    size_t           row = (size_t)t->dim * sizeof(sb_bf16);
    void     *data = aligned_alloc(SB_ARENA_ALIGN, ((size_t)(t->heads * n) * row + SB_ARENA_ALIGN) /
                                                       SB_ARENA_ALIGN * SB_ARENA_ALIGN);
    sb_status st   = SB_OK;
    *to            = (sb_tensor){.data        = data,
                                 .dtype       = SB_BF16,
                                 .heads       = t->heads,
                                 .tokens      = n,
                                 .dim         = t->dim,
                                 .head_stride = n * t->dim};
    if (data == NULL)
        return sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld rows of %lld heads", (long long)n,
                       (long long)t->heads);
    for (int64_t i = 0, m; st == SB_OK && i < n; i += m) {
        m = in_a_row(local, i, n);
        if (v->there != NULL)
            st = v->there->backend->copy_rows(
                sb_tensor_bf16(to, 0, i), (size_t)to->head_stride * sizeof(sb_bf16),
                sb_tensor_bf16(t, 0, local[i]), (size_t)t->head_stride * sizeof(sb_bf16),
                (size_t)m * row, (size_t)t->heads, SB_COPY_TO_HOST, v->ctx->stream);
        else
            for (int64_t h = 0; h < t->heads; h++)
                memcpy(sb_tensor_bf16(to, h, i), sb_tensor_bf16(t, h, local[i]), (size_t)m * row);
    }
    sb_status done = v->there != NULL ? v->there->backend->sync(v->ctx->stream) : SB_OK;
    return st == SB_OK ? done : st;
}

sb_status sbi_take_lse(const sb_layer_view *v, const int64_t *local, int64_t n, float *to)
{
    int64_t      heads = v->shape->heads, rows = side_of(v, SBI_O)->tokens;
    const float *from = v->there != NULL ? v->there->lse : v->lse;
    sb_status    st   = SB_OK;
    for (int64_t i = 0, m; st == SB_OK && i < n; i += m) {
        m = in_a_row(local, i, n);
        if (v->there != NULL)
            st = v->there->backend->copy_rows(to + i, (size_t)n * sizeof *to, from + local[i],
                                              (size_t)rows * sizeof *to, (size_t)m * sizeof *to,
                                              (size_t)heads, SB_COPY_TO_HOST, v->ctx->stream);
        else
            for (int64_t h = 0; h < heads; h++)
                memcpy(to + h * n + i, from + h * rows + local[i], (size_t)m * sizeof *to);
    }
    sb_status done = v->there != NULL ? v->there->backend->sync(v->ctx->stream) : SB_OK;
    return st == SB_OK ? done : st;
}

sb_status sbi_dense_rows(const sb_layer_view *v, const sb_tensor *q, const int64_t *gid,
                         sb_tensor *o, float *lse)
{
    if (v->there == NULL)
        return sb_dense_rows_cpu(v->ctx, q, gid, v->k, v->v, v->scale, o, lse);
    sb_ctx c = on_device(v);
    return v->there->ops->dense_rows(&c, q, gid, v->there->k, v->there->v, v->scale, o, lse);
}

sb_status sbi_top_mass(const sb_layer_view *v, const sb_tensor *q, const int64_t *gid,
                       const float *lse, const int64_t *keep, double *mass)
{
    if (v->there == NULL)
        return sb_top_mass_cpu(v->ctx, q, gid, v->k, v->scale, lse, keep, mass);
    sb_ctx c = on_device(v);
    return v->there->ops->top_mass(&c, q, gid, v->there->k, v->scale, lse, keep, mass);
}

sb_status sbi_not_finite(const sb_layer_view *v, sb_not_finite *out)
{
    *out = (sb_not_finite){0};
    if (v->there != NULL) {
        sb_ctx c = on_device(v);
        return v->there->ops->not_finite(&c, v->there->o, out);
    }
    if (v->o != NULL && v->o->data != NULL) /* else rows on a device, which nobody compares */
        sb_not_finite_cpu(v->ctx, v->o, out);
    return SB_OK;
}
