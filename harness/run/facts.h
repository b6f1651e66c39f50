/* From the harness's own records to the plain records of the store. */
#ifndef SB_HARNESS_RUN_FACTS_H
#define SB_HARNESS_RUN_FACTS_H

#include "harness/config/sweep.h"
#include "harness/run/run.h"
#include "results/store/store.h"

/* Each writes one row (or finds it) and returns its id. corpus: NULL where the point has none.
 * text_facts: of questions as text, what their set was made from (JSON); else NULL. */
sb_status sb_facts_put_point(sb_store *s, const sb_point *p, int64_t *id);
sb_status sb_facts_put_input(sb_store *s, const sb_point *p, const sb_corpus *corpus,
                             const char *text_facts, const sb_input *in, int64_t *id);

/* Collective: gathers host names and core counts, and writes the run row on rank 0 (s NULL
 * elsewhere). */
sb_status sb_facts_begin_run(sb_store *s, const sb_sweep *sweep, const sb_run_options *o,
                             const sb_backend *backend, int64_t *id);

/* 1: ranks x threads exceed the cores of some host. Collective. */
sb_status sb_facts_oversubscribed(sb_comm *comm, int32_t threads, int32_t *oversubscribed);

#endif
