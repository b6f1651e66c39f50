/* An input while it is being made: the context is laid first with blanks where filler goes, then
 * the question, then filler.
 *
 *   BOS  ~~~ item ~~~~~~ item ~~~ ... ~~~ | ~~~~ ASK alias.. ~~~~~~~~ suffix     ~ filler, | start
 * of the question block 0                                     n_context                  n_tokens
 *
 * The lists below are small and bounded by the grammar, so they live inside the draft. */
#ifndef SB_WORKLOADS_PROBE_DRAFT_H
#define SB_WORKLOADS_PROBE_DRAFT_H

#include "kernels/base/rng.h"
#include "workloads/base/task.h"
#include "workloads/probe/probe.h"

#define SB_DRAFT_ALIASES 12 /* multiquery: 4 keys of 3 tokens */
#define SB_DRAFT_SUFFIX 3
#define SB_DRAFT_OPS 48 /* multiquery needs 35 */
#define SB_DRAFT_SPANS                                                                             \
    16 /* a needle, 8 distractors, the question; or 9 statements and the question */
#define SB_DRAFT_REFS 10
#define SB_DRAFT_REF_TOKENS 3

typedef struct sb_draft {
    const sb_probe_task_params *params;
    sb_rng     rng; /* items, their places, the question; filler has its own stream */
    int32_t   *ids; /* [n_tokens] */
    int64_t    n_tokens, n_context;
    sb_profile profile;

    int32_t      alias[SB_DRAFT_ALIASES], suffix[SB_DRAFT_SUFFIX];
    int32_t      n_alias, n_suffix;
    sb_script_op op[SB_DRAFT_OPS];
    int32_t      n_op, n_emit;
    sb_span      span[SB_DRAFT_SPANS];
    int32_t      n_span;
    int32_t      ref[SB_DRAFT_REFS][SB_DRAFT_REF_TOKENS], ref_tokens[SB_DRAFT_REFS];
    int32_t      n_ref;
} sb_draft;

/* Lay the context (every place of [0, n_context) a token or SB_PROBE_BLANK) and add question,
 * script, spans and references. */
typedef sb_status (*sb_draft_build)(sb_draft *d);

/* Make one input: seed, build, question block, filler, seal. Errors: SB_ERR_USAGE "context too
 * small", SB_ERR_NOMEM. */
sb_status sb_probe_generate(const sb_task *t, const sb_gen_req *req, sb_draft_build build,
                            sb_input *out);

/* SB_ERR_USAGE with the whole length that would do. */
sb_status sb_draft_too_small(const sb_draft *d, int64_t need_context_tokens);

void sb_draft_alias(sb_draft *d, int32_t id);  /* a token of ASK's list */
void sb_draft_suffix(sb_draft *d, int32_t id); /* the last tokens of the input */
void sb_draft_span(sb_draft *d, sb_span_kind kind, int64_t begin, int64_t tokens, int32_t ref);
void sb_draft_ref(sb_draft *d, const int32_t *ids,
                  int32_t n); /* references are numbered in this order */

/* The script. emit returns the number that feed_emit takes. */
int32_t sb_draft_emit(sb_draft *d, int32_t class_first, int32_t class_count, int32_t group);
void    sb_draft_feed(sb_draft *d, int32_t id);
void    sb_draft_feed_emit(sb_draft *d, int32_t emit);
void    sb_draft_mark(sb_draft *d);
void    sb_draft_rollback(sb_draft *d);

#endif
