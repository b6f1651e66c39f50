/* Where a look finds rows and what works on them: host memory and the CPU, or the device where the
 * layer lies (sb_layer_view.there), of which a few rows alone are fetched. */
#include "harness/run/quality_source.h"

#include <stdlib.h>

#include "harness/run/quality.h"
#include "kernels/exec/not_finite.h"
#include "kernels/exec/rows_cpu.h"
#include "kernels/exec/top_mass.h"

const sb_look_ops *sb_quality_look_ops(sb_quality_mode mode, const sb_backend *b)
{
#if defined(SB_HAVE_CUDA)
    return mode == SB_QUALITY_SAMPLED && b == &sb_backend_cuda ? &sb_look_cuda : NULL;
#else
    (void)mode;
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
    const sb_look_there *t = v->there;
    switch (side) {
    case SBI_Q:
        return t != NULL ? t->q : v->q;
    case SBI_K:
        return t != NULL ? t->k : v->k;
    default:
        return t != NULL ? t->o : v->o;
    }
}

/* Rows local[0 .. n - 1] of `from`, packed. Of a host's those that follow each other are one copy.
 */
static sb_status take(const sb_layer_view *v, const sb_look_rows *from, const int64_t *local,
                      int64_t n, char *to)
{
    const sb_backend *b    = &sb_backend_cpu;
    size_t            row  = (size_t)from->row_bytes;
    const char       *data = from->data;
    sb_status         st   = SB_OK;
    if (v->there != NULL) {
        sb_ctx c = on_device(v);
        return v->there->ops->take_rows(&c, from, local, n, to);
    }
    for (int64_t i = 0, m; st == SB_OK && i < n; i += m) {
        for (m = 1; i + m < n && local[i + m] == local[i] + m;)
            m++;
        st = b->copy_rows(to + (size_t)i * row, (size_t)n * row, data + (size_t)local[i] * row,
                          (size_t)from->apart * row, (size_t)m * row, (size_t)from->heads,
                          SB_COPY_TO_HOST, v->ctx->stream);
    }
    return st;
}

sb_status sbi_take_rows(const sb_layer_view *v, sbi_side side, const int64_t *local, int64_t n,
                        sb_tensor *to)
{
    const sb_tensor   *t     = side_of(v, side);
    const sb_look_rows from  = {.data      = t->data,
                                .row_bytes = t->dim * (int64_t)sizeof(sb_bf16),
                                .heads     = t->heads,
                                .apart     = t->head_stride / t->dim};
    size_t             bytes = (size_t)(t->heads * n * from.row_bytes);
    *to                    = (sb_tensor){
                           .data        = aligned_alloc(SB_ARENA_ALIGN, (bytes / SB_ARENA_ALIGN + 1) * SB_ARENA_ALIGN),
                           .dtype       = SB_BF16,
                           .heads       = t->heads,
                           .tokens      = n,
                           .dim         = t->dim,
                           .head_stride = n * t->dim};
    if (to->data == NULL)
        return sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld rows of %lld heads", (long long)n,
                       (long long)t->heads);
    return take(v, &from, local, n, to->data);
}

sb_status sbi_take_lse(const sb_layer_view *v, const int64_t *local, int64_t n, float *to)
{
    const sb_look_rows from = {.data      = v->there != NULL ? v->there->lse : v->lse,
                               .row_bytes = sizeof(float),
                               .heads     = v->shape->heads,
                               .apart     = side_of(v, SBI_O)->tokens};
    return take(v, &from, local, n, (char *)to);
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
