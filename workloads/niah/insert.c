#include "workloads/niah/insert.h"

#include <inttypes.h>
#include <math.h>

/* numpy's linspace(0, 100, n)[i] */
static double line(int64_t i, int64_t n)
{
    if (n == 1)
        return 0;
    return i == n - 1 ? 100 : (double)i * (100.0 / (double)(n - 1));
}

double sbi_niah_depth(sbi_depths kind, int64_t i, int64_t n)
{
    double x = line(i, n);
    if (kind == SBI_DEPTHS_LINEAR)
        return rint(x);
    if (x == 0 || x == 100)
        return x;
    return rint(100 * (1 / (1 + exp(-(-.1 * (x - 50))))) * 1000) / 1000;
}

sb_status sbi_niah_keep(int64_t n_context, int64_t n_needle, int64_t room, int64_t *keep)
{
    if (n_needle > room)
        return sb_fail(SB_ERR_NO_FIT,
                       "the needle has %" PRId64 " tokens, the text may have %" PRId64, n_needle,
                       room);
    *keep = n_context + n_needle > room ? room - n_needle : n_context;
    return SB_OK;
}

int64_t sbi_niah_place(const int32_t *context, int64_t n_context, sbi_ids period,
                       double depth_percent)
{
    if (depth_percent == 100)
        return n_context;
    return sbi_haystack_sentence(context, (int64_t)((double)n_context * (depth_percent / 100)),
                                 period);
}
