/* Operands with fewer queries than keys: the rows of the whole, the last n_queries asked. */
#ifndef SB_TESTS_CUT_OPERANDS_H
#define SB_TESTS_CUT_OPERANDS_H

#include "workloads/base/operands.h"

static inline sb_status cut_fill(const sb_operands *o, sb_operand part, int64_t kv_head,
                                 int64_t first, int64_t n, int64_t slot, const sb_tensor *out)
{
    const sb_operands *whole = o->impl;
    return whole->ops->fill(whole, part, kv_head, first, n, slot, out);
}

/* Lives as long as `whole`, and is not destroyed. */
static inline sb_operands cut_operands(sb_operands *whole, int64_t n_queries)
{
    static const sb_operands_ops ops = {cut_fill, NULL};
    sb_operands                  cut = *whole;
    cut.ops                          = &ops;
    cut.impl                         = whole;
    cut.shape.n_queries              = n_queries;
    return cut;
}

#endif
