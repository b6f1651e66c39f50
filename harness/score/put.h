/* Scored predictions as rows of a results database: data set (mode import), input, references,
 * point, sample, scores, hits. What the database says already is not written again. */
#ifndef SB_HARNESS_SCORE_PUT_H
#define SB_HARNESS_SCORE_PUT_H

#include "harness/score/score.h"
#include "harness/score/tally.h"

typedef struct sbi_put sbi_put;

/* files_json: what was scored, an array; kept with the run. Begins the transaction. */
sb_status sbi_put_open(const sb_score_options *o, const char *files_json, sbi_put **out);

/* file_sha256: what the data set is, for its rows are places in it. One row with all its scores;
 * hits [n_refs] or NULL; unscored: why no metric could score it, NULL when there are scores.
 * *was_new: 1 it was stored, 0 the database had it. */
sb_status sbi_put_row(sbi_put *p, const char *format, const char *file_sha256,
                      const sbi_prediction *row, const sb_score_facts *scores, int64_t n,
                      const uint8_t *hits, const char *unscored, int *was_new);

/* Commits when st is SB_OK, then makes the intervals anew; else rolls back. Gives *p back. */
sb_status sbi_put_close(sbi_put *p, sb_status st);

#endif
