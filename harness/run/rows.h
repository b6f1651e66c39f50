/* Which query rows a quality pass looks at [quality_metrics C].
 *
 *   rows 0 .............................. N-128 | N-128 .. N-1
 *        64 equal strata, 7 rows each           | census: all of the last 128 (the question rows)
 *
 * The rows depend on the input and the layer only, never on method, ranks or layout: methods are
 * compared on the same rows. Twice as many rows of a stratum contain the half as many. */
#ifndef SB_HARNESS_RUN_ROWS_H
#define SB_HARNESS_RUN_ROWS_H

#include <stdint.h>

#include "kernels/base/status.h"

enum { SB_STRATA = 64, SB_STRATUM_ROWS = 7, SB_CENSUS_ROWS = 128 };

/* A part of the sequence, and which of the sampled rows lie in it. */
typedef struct sb_stratum {
    int64_t begin, end;     /* token ids */
    int64_t first, n_drawn; /* rows->row[first, first + n_drawn) */
} sb_stratum;

typedef struct sb_rows {
    int64_t   *row; /* ascending token ids */
    int64_t    n, n_tokens;
    int64_t    stratum_rows;           /* asked for; 0: every row */
    sb_stratum stratum[SB_STRATA + 1]; /* the last one is the census */
} sb_rows;

/* stratum_rows of each stratum, fewer where it has fewer; 0: every row. Draws without replacement,
 * counter based from seed, a stream for each stratum. Errors: SB_ERR_NOMEM. */
sb_status sb_rows_draw(int64_t n_tokens, uint64_t seed, int64_t stratum_rows, sb_rows *out);
void      sb_rows_fini(sb_rows *r);

#endif
