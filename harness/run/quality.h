/* What a selection keeps and loses: density from the index, recall and output error against dense
 * attention on the same q, k, v (spec quality_metrics B1-B3). Runs as a look at each layer in a
 * pass that is never timed. */
#ifndef SB_HARNESS_RUN_QUALITY_H
#define SB_HARNESS_RUN_QUALITY_H

#include "harness/config/sweep.h"
#include "harness/model/forward.h"
#include "results/store/store.h"

#define SB_QUALITY_DEF_VERSION 1

typedef struct sb_quality {
    sb_quality_mode   mode; /* NONE: index counts only */
    sb_quality_detail detail;
    uint64_t          seed;  /* of the input: rows are the same for every method */
    sb_quality_facts *facts; /* one a layer (and one a head): on all ranks, filled alike */
    int64_t           n_facts, capacity;
    uint64_t          digest;   /* of all layers' selections; does not depend on ranks */
    int32_t           fallback; /* 1: the method ran dense by its own rule in some layer */
} sb_quality;

void sb_quality_init(sb_quality *q, sb_quality_mode mode, sb_quality_detail detail,
                     const char *input_sha256);
void sb_quality_fini(sb_quality *q);

/* An sb_layer_fn; arg is the sb_quality. Collective. */
sb_status sb_quality_look(void *arg, const sb_layer_view *view);

#endif
