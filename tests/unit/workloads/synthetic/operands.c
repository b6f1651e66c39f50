#include "tests/unit/workloads/synthetic/operands.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

sb_status operands_try(const char *distribution, const char *params, sb_draw draw,
                       sb_operands **out)
{
    _Alignas(16) unsigned char room[128];
    char                       text[256], *save = NULL;
    const sb_distribution     *d = sb_distribution_find(distribution);
    ck_assert_ptr_nonnull(d);
    ck_assert_uint_le(d->params_bytes, sizeof room);
    ck_assert_int_eq(sb_params_default(d->params, room), SB_OK);
    (void)snprintf(text, sizeof text, "%s", params);
    for (char *w = strtok_r(text, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save)) {
        char *eq = strchr(w, '=');
        ck_assert_ptr_nonnull(eq);
        *eq               = '\0';
        const sb_param *p = sb_params_find(d->params, w);
        ck_assert_ptr_nonnull(p);
        ck_assert_msg(sb_param_set(p, room, eq + 1) == SB_OK, "%s", sb_error_text());
    }
    draw.params = room;
    return d->create(d, &draw, out);
}

sb_operands *operands_make(const char *distribution, const char *params, sb_draw draw)
{
    sb_operands *o = NULL;
    ck_assert_msg(operands_try(distribution, params, draw, &o) == SB_OK, "%s", sb_error_text());
    return o;
}

sb_tensor operands_rows(const sb_operands *o, sb_operand part, int64_t first, int64_t n,
                        int64_t step)
{
    int64_t   heads = part == SB_OPERAND_Q ? o->shape.heads : o->shape.kv_heads;
    sb_tensor t     = {.dtype       = SB_BF16,
                       .heads       = heads,
                       .tokens      = n,
                       .dim         = o->shape.head_dim,
                       .head_stride = n * o->shape.head_dim};
    t.data          = malloc((size_t)(heads * t.head_stride) * sizeof(sb_bf16) + 1);
    ck_assert_ptr_nonnull(t.data);
    memset(t.data, 0xff, (size_t)(heads * t.head_stride) * sizeof(sb_bf16));
    for (int64_t h = 0; h < o->shape.kv_heads; h++)
        for (int64_t i = 0; i < n; i += step)
            ck_assert_int_eq(
                o->ops->fill(o, part, h, first + i, n - i < step ? n - i : step, i, &t), SB_OK);
    return t;
}
