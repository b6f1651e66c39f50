#include "harness/run/pace.h"

#include <math.h>

static int bin_of(double work)
{
    int b = work >= 1 ? ilogb(work) : 0;
    return b < SB_PACE_BINS ? b : SB_PACE_BINS - 1;
}

void sb_pace_add(sb_pace *p, double work, double seconds)
{
    int b = bin_of(work);
    if (seconds > p->seconds[b]) {
        p->seconds[b] = seconds;
        p->work[b]    = work;
    }
}

double sb_pace_s(const sb_pace *p, double work)
{
    for (int b = bin_of(work); b >= 0; b--)
        if (p->seconds[b] > 0)
            return p->seconds[b] * fmax(1, work / p->work[b]);
    for (int b = bin_of(work); b < SB_PACE_BINS; b++)
        if (p->seconds[b] > 0)
            return p->seconds[b];
    return 0;
}
