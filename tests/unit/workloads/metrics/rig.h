/* One call that scores, for the tests of workloads/metrics. */
#ifndef SB_TESTS_METRICS_RIG_H
#define SB_TESTS_METRICS_RIG_H

#include <check.h>
#include <string.h>

#include "workloads/metrics/scorer.h"

#define TEXTS_MOST 16

typedef struct ask {
    const char *name, *pred;
    const char *refs[TEXTS_MOST]; /* up to the first NULL */
    const char *classes[TEXTS_MOST];
    const char *preds[TEXTS_MOST]; /* instead of pred; "" and n_preds 0 is the empty list */
    const char *question, *task, *prefix;
    int64_t     relevance[TEXTS_MOST];
    int32_t     drop_first;
} ask;

/* A name, a prediction, references. */
#define Q(name_, pred_, ...)                                                                       \
    {                                                                                              \
        .name = name_, .pred = pred_, .refs = { __VA_ARGS__ }                                      \
    }

static inline int64_t texts_of(const char *const *from, sb_text *to)
{
    int64_t n = 0;
    for (; n < TEXTS_MOST && from[n] != NULL; n++)
        to[n] = sb_text_of(from[n]);
    return n;
}

static inline sb_status try_score(const ask *a, const sb_jieba *j, sb_text_score *out)
{
    sb_text          preds[TEXTS_MOST], refs[TEXTS_MOST], classes[TEXTS_MOST];
    const sb_scorer *s   = sb_scorer_find(a->name);
    sb_score_req     req = {.preds      = preds,
                            .refs       = refs,
                            .classes    = classes,
                            .question   = sb_text_of(a->question),
                            .task       = a->task,
                            .prefix     = a->prefix,
                            .relevance  = a->relevance,
                            .drop_first = a->drop_first,
                            .jieba      = j};
    ck_assert_msg(s != NULL, "no scorer is called %s", a->name);
    req.n_preds = texts_of(a->preds, preds);
    if (a->pred != NULL) {
        preds[0]    = sb_text_of(a->pred);
        req.n_preds = 1;
    }
    req.n_refs    = texts_of(a->refs, refs);
    req.n_classes = texts_of(a->classes, classes);
    return sb_scorer_score(s, &req, out);
}

#endif
