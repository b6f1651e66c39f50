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

/* A row at the end of its stretch of b tokens sees w keys; the others of the stretch see the same
 * ones, up to themselves. */
int see_moa(int64_t q, int64_t k, const void *rule)
{
    const block_rule *r   = rule;
    int64_t           end = q;
    while ((end + 1) % r->b != 0)
        end++;
    return k <= q && (k < r->s || end - k < r->w);
}

/* The reference mask of NATTEN, causal, as [other_seed_methods] prints it. */
int see_neighborhood(int64_t q, int64_t k, const void *rule)
{
    const block_rule *r = rule;
    int64_t           i = q / r->x, j = k / r->x, length = (r->b - q % r->x + r->x - 1) / r->x;
    int64_t           wl = r->w / 2, wr = r->w / 2 + (r->w % 2) - 1;
    int64_t           g = (i / r->r) * r->r + r->r - 1;
    g                   = g < length - 1 ? g : length - 1;
    int64_t start = g - wl - wr > 0 ? g - wl - wr : 0, end = i + 1;
    return q % r->x == k % r->x && j >= start && j < end;
}

/* Block of a token: 0 instruction, 1.. documents, -1 query. */
static int64_t block_of(const blockrank_rule *r, int64_t token)
{
    if (token < r->instruction)
        return 0;
    if (token >= r->n - r->query)
        return -1;
    return 1 + (token - r->instruction) / r->each;
}

int see_blockrank(int64_t q, int64_t k, const void *rule)
{
    int64_t a = block_of(rule, q), b = block_of(rule, k);
    return k <= q && (a == -1 || b == 0 || a == b);
}
