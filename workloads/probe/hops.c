/* Questions that need more than one item.
 *   vt       ASK val: every name of the chain that starts at val, all from one row
 *   qa_2hop  FACT e r1 gives an entity; it is fed back as FACT entity r2, which gives the second
 * answer */
#include "workloads/probe/haystack.h"
#include "workloads/probe/tasks.h"
#include "workloads/probe/vocab.h"

sb_status sb_probe_build_vt(sb_draft *d)
{
    sb_haystack h;
    sb_status   st;
    d->profile = SB_PROFILE_VT;
    if ((st = sb_haystack_init(&h, d)) != SB_OK)
        return st;
    const sb_item *it   = &h.item[h.chain];
    int32_t        root = it->tok[3];
    sb_draft_alias(d, root - SB_TOK_VAL + SB_TOK_VAL2);
    sb_draft_suffix(d, SB_TOK_ASK);
    sb_draft_suffix(d, root);
    for (int32_t i = 0; i <= (int32_t)d->params->hops; i++) {
        sb_draft_span(d, SB_SPAN_NEEDLE, it[i].begin, it[i].n, i);
        sb_draft_ref(d, &it[i].tok[1], 1);
        (void)sb_draft_emit(d, SB_TOK_NAME, SB_TOK_NAME_N, i);
    }
    sb_haystack_fini(&h);
    return SB_OK;
}

static const sb_item *doc_of(const sb_haystack *h, int32_t entity)
{
    const sb_item *doc = &h->item[h->doc];
    while (sb_haystack_fact(doc, 0)[1] !=
           entity) /* every object that is an entity has a document */
        doc++;
    return doc;
}

static void ask_facts(sb_draft *d, const int32_t *first, const int32_t *second)
{
    const int32_t answer[2] = {first[3], second[3]};
    int           is_ent    = answer[1] >= SB_TOK_ENT && answer[1] < SB_TOK_ENT + SB_TOK_ENT_N;
    sb_draft_alias(d, first[1] - SB_TOK_ENT + SB_TOK_EAL);
    sb_draft_alias(d, first[2] - SB_TOK_REL + SB_TOK_RAL);
    sb_draft_alias(d, second[2] - SB_TOK_REL + SB_TOK_RAL);
    for (int i = 0; i < 3; i++) /* FACT e r1 */
        sb_draft_suffix(d, first[i]);
    sb_draft_ref(d, answer, 2);

    int32_t entity = sb_draft_emit(d, SB_TOK_ENT, SB_TOK_ENT_N, 0);
    sb_draft_feed(d, SB_TOK_SEP);
    sb_draft_feed(d, SB_TOK_FACT);
    sb_draft_feed_emit(d, entity);
    sb_draft_feed(d, second[2]);
    if (is_ent)
        (void)sb_draft_emit(d, SB_TOK_ENT, SB_TOK_ENT_N, 0);
    else
        (void)sb_draft_emit(d, SB_TOK_VAL, SB_TOK_VAL_N, 0);
}

sb_status sb_probe_build_qa_2hop(sb_draft *d)
{
    sb_haystack h;
    sb_status   st;
    d->profile = SB_PROFILE_RET;
    if ((st = sb_haystack_init(&h, d)) != SB_OK)
        return st;
    /* Documents are alike, but their facts stand in order: which fact is asked must be drawn. */
    int64_t        f1    = (int64_t)sb_rng_below(&d->rng, SB_HAYSTACK_DOC_LINKS);
    int64_t        f2    = (int64_t)sb_rng_below(&d->rng, SB_HAYSTACK_DOC_FACTS);
    const sb_item *from  = &h.item[h.doc];
    const int32_t *first = sb_haystack_fact(from, f1);
    const sb_item *to    = doc_of(&h, first[3]);
    ask_facts(d, first, sb_haystack_fact(to, f2));
    sb_draft_span(d, SB_SPAN_NEEDLE, sb_haystack_fact_begin(from, f1), SB_HAYSTACK_FACT_TOKENS, 0);
    sb_draft_span(d, SB_SPAN_NEEDLE, sb_haystack_fact_begin(to, f2), SB_HAYSTACK_FACT_TOKENS, 0);
    sb_haystack_fini(&h);
    return SB_OK;
}
