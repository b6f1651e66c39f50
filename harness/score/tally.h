/* Scores by suite, task, length and metric, and which rows were there already. */
#ifndef SB_HARNESS_SCORE_TALLY_H
#define SB_HARNESS_SCORE_TALLY_H

#include "harness/score/metrics.h"
#include "workloads/base/text_suite.h"

typedef struct sbi_group {
    char                *suite, *task;
    int64_t              length_tokens;
    int32_t              choice; /* which --metric asked for it */
    const sb_scorer     *scorer;
    const sb_text_suite *known; /* NULL: no suite of ours */
    double              *values;
    uint32_t            *members; /* [n] of the suite's groups */
    int64_t              n, room;
    int32_t              is_binary; /* all values could only be 0 or 1 */
    int64_t              n_empty, n_null, n_unscored;
    char                *reason; /* of the first that was not scored */
} sbi_group;

typedef struct sbi_seen {
    char    sha256[65];
    int32_t file;
    int64_t line;
} sbi_seen;

typedef struct sbi_tally {
    sbi_group *groups;
    int64_t    n_groups;
    sbi_seen  *seen; /* open addressing; an empty sha256 is free */
    int64_t    n_seen, seen_room;
} sbi_tally;

void sbi_tally_fini(sbi_tally *t);

/* *before: where a row of this hash stands already, or NULL, and then it is noted. */
sb_status sbi_tally_note(sbi_tally *t, const char *sha256, int32_t file, int64_t line,
                         const sbi_seen **before);

/* The group, made where it is new; valid until the next call. */
sb_status sbi_tally_group(sbi_tally *t, const sbi_prediction *p, int32_t choice,
                          const sb_scorer *scorer, sbi_group **out);
sb_status sbi_group_add(sbi_group *g, const sb_text_score *score, int64_t n_refs, uint32_t members);
/* The thread's error text is the reason. */
sb_status sbi_group_unscored(sbi_group *g);

/* Which of its suite's groups a row belongs to; 0 where the suite has none. SB_ERR_USAGE: its meta
 * does not say. */
sb_status sbi_members_of(const sbi_row_source *s, const sbi_prediction *p, uint32_t *members);

#endif
