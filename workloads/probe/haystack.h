/* The context of the retrieval tasks: items of every kind, set into filler at seeded places
 * [probe_model 6].
 *
 *   chain       VAR n EQ r       hops + 1 statements; r is a VAL, then the name before; they keep
 * their order single      k1 k2 k3 v1 v2 v3 multikey    a single, followed by `distractors` items
 * that share two of its three key tokens multivalue  four singles with one key and distinct v1
 *   document    DOC, 5 x (FACT e r o, 5 filler); o of the first two facts is another document's
 * entity
 *
 * Every context holds all of them, so tasks differ in the question only. Items of a kind are alike
 * and placed at random: the question may take the first of its kind. Packing grows with the
 * context, in steps, up to 8192 tokens; documents grow on. */
#ifndef SB_WORKLOADS_PROBE_HAYSTACK_H
#define SB_WORKLOADS_PROBE_HAYSTACK_H

#include "workloads/probe/draft.h"

#define SB_HAYSTACK_KEY_TOKENS 3
#define SB_HAYSTACK_ITEM_TOKENS 6 /* key and value */
#define SB_HAYSTACK_VAR_TOKENS 4
#define SB_HAYSTACK_GROUP 4 /* values of a multivalue key, keys of a multiquery question */
#define SB_HAYSTACK_DOC_FACTS 5
#define SB_HAYSTACK_DOC_LINKS 2 /* facts whose object is an entity */
#define SB_HAYSTACK_FACT_TOKENS 4
#define SB_HAYSTACK_FACT_STRIDE 9
#define SB_HAYSTACK_DOC_TOKENS (1 + SB_HAYSTACK_DOC_FACTS * SB_HAYSTACK_FACT_STRIDE)
#define SB_HAYSTACK_SEPARATION                                                                     \
    24 /* filler between items at least: overlapping halos unbalance multi-answer shares */

typedef struct sb_item {
    int64_t  begin; /* place in the context */
    int32_t *tok;   /* into the pool; SB_PROBE_BLANK where filler goes */
    int32_t  n;
    int32_t  chain; /* items of one chain keep their order; -1: free */
} sb_item;

typedef struct sb_haystack {
    sb_item *item;
    int32_t *pool;
    int64_t  n_items, n_docs;
    int64_t  chain, single, multikey, multivalue, doc; /* the first item of each kind */
} sb_haystack;

/* Draw the items, place them, and write the context into d->ids. Errors: SB_ERR_USAGE context too
 * small, SB_ERR_NOMEM. */
sb_status sb_haystack_init(sb_haystack *h, sb_draft *d);
void      sb_haystack_fini(sb_haystack *h);

/* Tokens of fact f of a document, and where it stands. */
const int32_t *sb_haystack_fact(const sb_item *doc, int64_t f);
int64_t        sb_haystack_fact_begin(const sb_item *doc, int64_t f);

#endif
