#include "tests/oracle/predicates.h"

int see_all(int64_t q, int64_t k, const void *none)
{
    (void)none;
    return k <= q;
}

int see_window(int64_t q, int64_t k, const void *rule)
{
    const window_rule *r = rule;
    return k <= q && (q - k < r->window || k < r->sink);
}

int see_power(int64_t q, int64_t k, const void *rule)
{
    const block_rule *r = rule;
    int64_t           d = q / r->b - k / r->b;
    return k <= q && (d < r->w || (d & (d - 1)) == 0 || k < r->s * r->b);
}

int see_sliding(int64_t q, int64_t k, const void *rule)
{
    const block_rule *r = rule;
    return k <= q && (q / r->b - k / r->b < r->w || k < r->s * r->b);
}

int see_stride(int64_t q, int64_t k, const void *rule)
{
    const block_rule *r = rule;
    int64_t           d = q / r->b - k / r->b;
    return k <= q && (d < r->w || k < r->s * r->b || d % r->r == 0);
}

int see_dilated(int64_t q, int64_t k, const void *rule)
{
    const block_rule *r = rule;
    int64_t           d = q / r->b - k / r->b;
    return k <= q && ((d % r->x == 0 && d < r->w) || k < r->s * r->b);
}

int see_longnet(int64_t q, int64_t k, const void *rule)
{
    const block_rule *r  = rule;
    int64_t           qb = q / r->b, kb = k / r->b;
    int               in = k < r->s * r->b;
    for (int64_t m = 0; m < r->levels; m++)
        in |= (qb ^ kb) < (r->w << m) && qb % (INT64_C(1) << m) == 0 && kb % (INT64_C(1) << m) == 0;
    return k <= q && in;
}
