/* What the points of a sweep need at hand: the model, the corpus, the input of a row. Neighbouring
 * points share the first two. */
#ifndef SB_HARNESS_RUN_SOURCE_H
#define SB_HARNESS_RUN_SOURCE_H

#include "harness/config/sweep.h"
#include "harness/model/model.h"

typedef struct sb_source {
    sb_comm   *comm;
    int32_t    threads;
    sb_model  *model;  /* of the last point asked for */
    sb_corpus *corpus; /* likewise */
    char      *model_json, *corpus_spec;
} sb_source;

void sb_source_fini(sb_source *s);

/* Make row `row` of the point on every rank and see that all made the same. Collective. Errors:
 * those of model, corpus and generator, with the point in front; SB_ERR_USAGE when a rank's corpus
 * differs. Free the input with sb_input_fini. */
sb_status sb_source_input(sb_source *s, const sb_point *p, int64_t row, sb_input *in);

#endif
