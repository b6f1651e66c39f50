#include "tests/property/hip_case.h"

#include <check.h>
#include <math.h>
#include <string.h>

#include "kernels/base/rng.h"
#include "kernels/registry.h"

void hip_attend(sb_case *c, const char *method, const char *params)
{
    ck_assert_msg(sb_case_attend(c, sb_method_find(method), params, SB_F32) == SB_OK, "%s",
                  sb_error_text());
}

int64_t hip_list(const sb_plan *p, int64_t head, int64_t row, const int32_t **ids)
{
    const int64_t *ptr = p->tiles.row_ptr + head * p->n_rows + row;
    *ids               = p->tiles.id + ptr[0];
    return ptr[1] - ptr[0];
}

void hip_fill_eighths(sb_tensor *t, uint64_t seed)
{
    for (int64_t i = 0; i < t->heads * t->head_stride; i++)
        ((sb_bf16 *)t->data)[i] =
            sb_bf16_from_f32((float)((int)(sb_mix(seed + (uint64_t)i) % 49) - 24) / 8);
}

sb_case *hip_exact_case(sb_case_shape s, uint64_t seed)
{
    sb_case *c = sb_case_random(s, seed);
    hip_fill_eighths(&c->q, sb_mix(seed));
    hip_fill_eighths(&c->k, sb_mix(~seed));
    return c;
}

sb_case *hip_scored_case(int64_t n, const double *x)
{
    sb_case *c = sb_case_random((sb_case_shape){n, n, 1, 1, 16}, 1);
    memset(c->q.data, 0, (size_t)n * 16 * sizeof(sb_bf16));
    memset(c->k.data, 0, (size_t)n * 16 * sizeof(sb_bf16));
    for (int64_t t = 0; t < n; t++) { /* whole and rest: exact up to 2^16 in steps of 1/16 */
        double high                    = floor(x[t] / 128) * 128;
        sb_tensor_bf16(&c->q, 0, t)[0] = sb_tensor_bf16(&c->q, 0, t)[1] = sb_bf16_from_f32(1);
        sb_tensor_bf16(&c->k, 0, t)[0] = sb_bf16_from_f32((float)high);
        sb_tensor_bf16(&c->k, 0, t)[1] = sb_bf16_from_f32((float)(x[t] - high));
    }
    return c;
}
