/* split_v1: our own sentence splitter, for the texts of mode native [workloads 4]. Deterministic
 * and the same everywhere; any change of its decisions gets another name.
 *
 * A sentence ends behind [.!?] and any closing " ' ) ] or typographic closing quotes, where a blank
 * and then an upper-case letter, a digit or an opening quote or bracket follow; not where
 *   - nothing of the sentence so far is a letter ("1." "(2)."),
 *   - a single "." ends an abbreviation of the list or a single letter ("J. Smith", "e.g. This"),
 * and a dot behind a closing quote always counts. */
#ifndef SB_WORKLOADS_RULER_SPLIT_H
#define SB_WORKLOADS_RULER_SPLIT_H

#include "workloads/ruler/punkt.h"

#define SB_SPLIT_NAME "split_v1"

/* text: UTF-8 whose only white space is single blanks, neither at its start nor at its end. *out:
 * its sentences, malloc'd, in order, without the blanks between them; n_bytes 0 has none. */
sb_status sb_split_v1(const char *text, int64_t n_bytes, sb_range **out, int64_t *n_out);

#endif
