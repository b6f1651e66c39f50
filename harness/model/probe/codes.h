/* The probe's codes: what a token looks like inside the residual [probe_model 3]. */
#ifndef SB_HARNESS_MODEL_PROBE_CODES_H
#define SB_HARNESS_MODEL_PROBE_CODES_H

#include <stdint.h>

#include "kernels/base/bf16.h"
#include "kernels/base/status.h"

#define SB_PROBE_SALIENCE 64 /* [sK 32 | sQ 32] */

typedef struct sb_probe_codes {
    sb_bf16 *content;  /* [SB_TOK_VOCAB][128], +-1; the row of BOS is 0, so id 0 also serves as "no
                          token of that class" */
    sb_bf16 *salience; /* [2][SB_TOK_VOCAB][64]: in the context, in the question segment (the
                          segment bit) */
} sb_probe_codes;

/* Both tables from a seed, 17 MB. Errors: SB_ERR_NOMEM. */
sb_status sb_probe_codes_init(sb_probe_codes *c, int64_t seed);
void      sb_probe_codes_fini(sb_probe_codes *c); /* safe on a zeroed struct */

#endif
