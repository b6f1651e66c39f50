/* What a selection keeps and loses: density from the index, recall and output error against dense
 * attention on the same q, k, v, what of the needles it keeps (spec quality_metrics B, C). Runs as
 * a look at each layer in a pass that is never timed. */
#ifndef SB_HARNESS_RUN_QUALITY_H
#define SB_HARNESS_RUN_QUALITY_H

#include "harness/config/sweep.h"
#include "harness/model/forward.h"
#include "results/store/store.h"

/* Of quality_metrics B. Rows of schema 1 have the same version: they lack columns, but what they
 * have means the same. */
#define SB_QUALITY_DEF_VERSION 1

/* Up to here `quality: sampled` takes every row, 8192 on the CPU: it costs what dense attention
 * does. Tests turn it down. */
extern int64_t sb_quality_exact_tokens;

typedef struct sb_quality {
    sb_quality_mode   mode; /* NONE: index counts only */
    sb_quality_detail detail;
    uint64_t          seed;  /* of the input: rows are the same for every method */
    const sb_input   *input; /* borrowed: needles and question; NULL: none */
    sb_quality_facts *facts; /* one a layer (and one a head): on all ranks, filled alike */
    int64_t           n_facts, capacity;
    sb_needle_facts  *needles; /* one a layer and needle span */
    int64_t           n_needles, needle_capacity;
    sb_balance_facts *balance; /* one a layer, with several ranks */
    int64_t           n_balance, balance_capacity;
    uint64_t          digest;   /* of all layers' selections; does not depend on ranks */
    int32_t           has_index; /* 0: the method selects nothing, digest means nothing */
    int32_t           fallback;  /* 1: the method ran dense by its own rule in some layer */
} sb_quality;

void sb_quality_init(sb_quality *q, sb_quality_mode mode, sb_quality_detail detail,
                     const char *input_sha256, const sb_input *input);
void sb_quality_fini(sb_quality *q);

/* What looks of this mode work with on backend b; NULL: the CPU's, over host memory. `exact`
 * compares with the CPU's dense attention wherever the method ran. */
const sb_look_ops *sb_quality_look_ops(sb_quality_mode mode, const sb_backend *b);

/* An sb_layer_fn; arg is the sb_quality. Collective. Cost of a sampled layer: dense attention of
 * 576 rows (1024 where the error hangs on few of them), and a third of that for 80 rows' best
 * selections; independent of the method. Where the view has the layer on a device, its dense
 * attention is the reference (look.h). An output that is not finite is an error. */
sb_status sb_quality_look(void *arg, const sb_layer_view *view);

#endif
