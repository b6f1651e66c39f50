/* One prompt through a checkpoint: prefill by a method, greedy decoding, logits. */
#ifndef SB_HARNESS_RUN_GENERATE_H
#define SB_HARNESS_RUN_GENERATE_H

#include "harness/config/sweep.h"
#include "harness/model/checkpoint/prompt.h"
#include "kernels/base/comm.h"
#include "kernels/base/link.h"
#include "kernels/base/method.h"

typedef enum sb_logits_rows { SB_LOGITS_NONE, SB_LOGITS_LAST, SB_LOGITS_ALL } sb_logits_rows;

typedef struct sb_generate {
    sb_comm         *comm;
    int32_t          threads;
    sb_link          *link;    /* of several ranks and a method that carries a state */
    const sb_backend *backend; /* one rank, where it is no cpu */
    sb_checkpoint   *checkpoint;
    sb_prompter     *prompter;
    const sb_input  *input; /* of the prompter */
    const sb_method *method;
    const void      *method_params;
    int32_t          extrapolate;
    sb_graphs_mode    graphs;
    sb_logits_rows   rows;
    const char      *logits_path; /* written by rank 0 */
} sb_generate;

typedef struct sb_generated {
    int32_t *ids; /* [n], the stop left out; malloc'd */
    int64_t  n;
    char    *text;           /* malloc'd */
    double   prefill_s;      /* to the first new token's logits, slowest rank */
    double   decode_token_s; /* mean of the steps; 0: there was none */
    int64_t  steps, graph_steps; /* all, and those that a graph ran */
    char     graph_reason[240];  /* why no further ones; "": nothing was in the way */
    size_t   room_bytes;    /* of a rank, where the model is, beside the weights */
    size_t   weights_bytes; /* there: on the cpu those of the files */
} sb_generated;

/* Collective; the same result on all ranks. SB_ERR_NO_FIT names what the run needs (weights once a
 * host, rows and caches a rank; on a device all of it) and what is available, before any weight is
 * read. Other errors as of the forward pass; SB_ERR_UNSUPPORTED also several ranks on a device;
 * SB_ERR_IO the logits cannot be written.
 * The file: tensors `ids` I32 [tokens], `logits` F32 [rows][vocabulary] (the last token's row, or
 * all). */
sb_status sb_generate_run(const sb_generate *g, sb_generated *out);
void      sb_generated_fini(sb_generated *g); /* safe on a zeroed struct */

#endif
