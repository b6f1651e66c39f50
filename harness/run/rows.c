#include "harness/run/rows.h"

#include <stdlib.h>

#include "kernels/base/rng.h"

static int64_t min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

/* Distinct rows of [begin, end): draws are put in order as they come, so that more draws add to
 * fewer. */
static void draw(int64_t begin, int64_t end, int64_t n, uint64_t seed, int64_t *row)
{
    sb_rng rng = {seed};
    for (int64_t have = 0; have < n;) {
        int64_t x  = begin + (int64_t)sb_rng_below(&rng, (uint64_t)(end - begin));
        int64_t at = have;
        while (at > 0 && row[at - 1] > x)
            at--;
        if (at > 0 && row[at - 1] == x) /* taken: without replacement */
            continue;
        for (int64_t j = have++; j > at; j--)
            row[j] = row[j - 1];
        row[at] = x;
    }
}

sb_status sb_rows_draw(int64_t n_tokens, uint64_t seed, int64_t stratum_rows, sb_rows *out)
{
    sb_rows r      = {.n_tokens = n_tokens, .stratum_rows = stratum_rows};
    int64_t census = min_i64(SB_CENSUS_ROWS, n_tokens), sampled = n_tokens - census;
    for (int64_t s = 0; s <= SB_STRATA; s++) {
        sb_stratum *t = &r.stratum[s];
        t->begin      = s < SB_STRATA ? s * sampled / SB_STRATA : sampled;
        t->end        = s < SB_STRATA ? (s + 1) * sampled / SB_STRATA : n_tokens;
        t->first      = r.n;
        t->n_drawn    = t->end - t->begin;
        if (s < SB_STRATA && stratum_rows > 0)
            t->n_drawn = min_i64(t->n_drawn, stratum_rows);
        r.n += t->n_drawn;
    }
    if ((r.row = malloc((size_t)(r.n + 1) * sizeof *r.row)) == NULL)
        return sb_fail(SB_ERR_NOMEM, "quality: no memory for %lld rows", (long long)r.n);
    for (int64_t s = 0; s <= SB_STRATA; s++) {
        const sb_stratum *t = &r.stratum[s];
        if (t->n_drawn < t->end - t->begin)
            draw(t->begin, t->end, t->n_drawn, sb_mix(sb_mix(seed) + (uint64_t)s),
                 r.row + t->first);
        else
            for (int64_t i = 0; i < t->n_drawn; i++)
                r.row[t->first + i] = t->begin + i;
    }
    *out = r;
    return SB_OK;
}

void sb_rows_fini(sb_rows *r)
{
    free(r->row);
    *r = (sb_rows){0};
}
