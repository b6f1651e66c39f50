/* What the points of a sweep need at hand: the model, the corpus, the input of a row; of the
 * operator alone, its operands. Neighbouring points share the first two. */
#ifndef SB_HARNESS_RUN_SOURCE_H
#define SB_HARNESS_RUN_SOURCE_H

#include "harness/config/sweep.h"
#include "harness/model/model.h"
#include "harness/run/questions.h"

typedef struct sb_source {
    sb_comm   *comm;
    int32_t    threads;
    sb_model  *model;  /* of the last point asked for */
    sb_corpus *corpus; /* likewise */
    char      *model_json, *corpus_spec;
    sb_questions questions; /* likewise, of models that read text */
    sb_operands *operands; /* of the last input asked for; experiment: attention only */
} sb_source;

void sb_source_fini(sb_source *s);

/* Make row `row` of the point on every rank and see that all made the same. Collective. Errors:
 * those of model, corpus and generator, with the point in front; SB_ERR_USAGE when a rank's corpus
 * or captured file differs. Of questions as text a row that cannot be made is an
 * input that is refused, and one behind the last of a file has no sha256 (questions.h). Of the
 * operator alone the input has no tokens, but length, spans and identity; s->operands makes its
 * rows until the next call. Free the input with sb_input_fini. */
sb_status sb_source_input(sb_source *s, const sb_point *p, int64_t row, sb_input *in);

/* Make s->operands those of `in`, an input of the point that was made before, when they are another
 * one's by now. Nothing to do in experiment: task. Collective. */
sb_status sb_source_operands(sb_source *s, const sb_point *p, const sb_input *in);

#endif
