#include "kernels/exec/merge_lse.h"

#include <math.h>

enum { COLUMNS = 64 }; /* accumulated together, on the stack */

static void merge_row(const sb_partials *p, int64_t row, sb_dtype dtype, void *o, float *lse)
{
    const float *l = p->lse + row * p->lse_row_stride;
    float        m = -INFINITY, sum = 0.0f;
    for (int64_t i = 0; i < p->n_parts; i++)
        m = l[i * p->lse_part_stride] > m ? l[i * p->lse_part_stride] : m;
    for (int64_t i = 0; m != -INFINITY && i < p->n_parts; i++)
        sum += expf(l[i * p->lse_part_stride] - m);
    if (lse != NULL)
        lse[row] = m == -INFINITY ? -INFINITY : m + logf(sum);
    for (int64_t x = 0; x < p->dim; x += COLUMNS) {
        float   acc[COLUMNS] = {0};
        int64_t n            = p->dim - x < COLUMNS ? p->dim - x : COLUMNS;
        for (int64_t i = 0; m != -INFINITY && i < p->n_parts; i++) {
            float        w   = expf(l[i * p->lse_part_stride] - m);
            const float *src = p->o + i * p->o_part_stride + row * p->o_row_stride + x;
            if (w == 0.0f)
                continue; /* an empty part's o is never read as a number */
            for (int64_t c = 0; c < n; c++)
                acc[c] += w * src[c];
        }
        for (int64_t c = 0; c < n; c++) {
            float y = m == -INFINITY ? 0.0f : acc[c] / sum;
            if (dtype == SB_BF16)
                ((sb_bf16 *)o)[row * p->dim + x + c] = sb_bf16_from_f32(y);
            else
                ((float *)o)[row * p->dim + x + c] = y;
        }
    }
}

void sb_merge_lse(const sb_partials *p, sb_dtype dtype, void *o, float *lse)
{
    for (int64_t row = 0; row < p->rows; row++)
        merge_row(p, row, dtype, o, lse);
}
