/* One question put to a model: token ids, where the needles are, what is expected, and how to decode.
 *
 * An input is self-contained (its own context) and a pure function of (suite, task, parameters, length, seed, row): it does
 * not depend on how many rows, ranks or threads make it. The decode script is data, so any model and any method replays it. */
#ifndef SB_WORKLOADS_BASE_INPUT_H
#define SB_WORKLOADS_BASE_INPUT_H

#include <stdint.h>

#include "kernels/base/status.h"

struct sb_text_row; /* text_suite.h */

typedef enum sb_span_kind { SB_SPAN_NEEDLE, SB_SPAN_DISTRACTOR, SB_SPAN_QUERY, SB_SPAN_KIND_COUNT } sb_span_kind;
const char *sb_span_kind_name(sb_span_kind k); /* "needle", "distractor", "query" */

typedef struct sb_span {
    int64_t      tok_begin, tok_end; /* [begin, end) token offsets */
    double       depth;              /* tok_begin / n_context, 0 = start */
    sb_span_kind kind;
    int32_t      ref; /* the reference it supports, -1 none */
} sb_span;

/* Greedy decoding as a small program. The model stands on the last token of the input; `emit` reads the row it stands on. */
typedef enum sb_script_kind {
    SB_SCRIPT_EMIT,      /* argmax over ids [a, b), without ids already emitted from this same row; goes to answer group c */
    SB_SCRIPT_FEED,      /* append token a: one decode step */
    SB_SCRIPT_FEED_EMIT, /* append the a-th emitted token (0-based, over the whole script) */
    SB_SCRIPT_MARK,      /* remember this place (cache and row) */
    SB_SCRIPT_ROLLBACK,  /* return to the mark */
    SB_SCRIPT_COUNT
} sb_script_kind;

typedef struct sb_script_op {
    sb_script_kind kind;
    int32_t        a, b, c;
} sb_script_op;

/* What the probe needs beyond tokens: which layers answer this task (spec probe_model 2). */
typedef enum sb_profile { SB_PROFILE_AGG, SB_PROFILE_RET, SB_PROFILE_VT, SB_PROFILE_COUNT } sb_profile;

typedef struct sb_input {
    int32_t      *ids;
    int64_t       n_tokens;  /* context and question */
    int64_t       n_context; /* tokens before the question block */
    sb_span      *spans;
    int64_t       n_spans;
    char        **refs; /* expected answers, rendered as text */
    int64_t       n_refs;
    sb_script_op *script;
    int64_t       n_script;
    /* Of texts: emitting one of stops ends the script; one of late_stops too, but not as the first
     * emission. What ended it counts as emitted; emissions that were left out are -1. */
    int32_t      *stops, *late_stops;
    int64_t       n_stops, n_late_stops;
    int64_t       n_emit, n_feed; /* in the script; n_feed decode steps */
    int64_t       n_groups;       /* answer groups: one piece of the prediction each */
    sb_profile    profile;
    int32_t       hops;
    int64_t       row;
    struct sb_text_row *text; /* of texts: the row it was made from, which says how to score; owned.
                                 NULL: of no text */
    sb_status refused; /* not SB_OK: this row cannot be made. It has an identity, but no tokens */
    char     *refusal; /* then: why */
    char          sha256[65]; /* hex over n_context, ids, spans, refs, script: the input's identity; not the row */
} sb_input;

void sb_input_fini(sb_input *in); /* frees what it owns, zeroes it; safe on a zeroed input */

/* Fill n_emit, n_feed, n_groups and sha256 from the rest. SB_ERR_INTERNAL when the script cannot be replayed: a fed emit that
 * has not happened, a rollback without a mark, an empty class, answer groups not opened in the order 0, 1, 2... */
sb_status sb_input_seal(sb_input *in);

#endif
