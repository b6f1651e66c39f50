/* Questions about keyed items k1 k2 k3 v1 v2 v3: the suffix repeats the key, the answer follows
 * token by token. Each emitted token is fed back, so the next one is found by an n-gram that ends
 * in it (spec probe_model 5, FINAL n-gram). */
#include "workloads/probe/haystack.h"
#include "workloads/probe/tasks.h"
#include "workloads/probe/vocab.h"

static void ask_key(sb_draft *d, const sb_item *it)
{
    for (int i = 0; i < SB_HAYSTACK_KEY_TOKENS; i++)
        sb_draft_alias(d, it->tok[i] - SB_TOK_KEY + SB_TOK_KAL);
}

static void end_with_key(sb_draft *d, const sb_item *it)
{
    for (int i = 0; i < SB_HAYSTACK_KEY_TOKENS; i++)
        sb_draft_suffix(d, it->tok[i]);
}

/* The item is the needle of the next reference. */
static void expect(sb_draft *d, const sb_item *it)
{
    sb_draft_span(d, SB_SPAN_NEEDLE, it->begin, it->n, d->n_ref);
    sb_draft_ref(d, it->tok + SB_HAYSTACK_KEY_TOKENS, it->n - SB_HAYSTACK_KEY_TOKENS);
}

static int32_t emit_lead(sb_draft *d, int32_t group)
{
    return sb_draft_emit(d, SB_TOK_LEAD, SB_TOK_LEAD_N, group);
}

/* v2 v3 after the lead, which is still to be fed. */
static void emit_tail(sb_draft *d, int32_t lead, int32_t group)
{
    sb_draft_feed_emit(d, lead);
    int32_t v2 = sb_draft_emit(d, SB_TOK_VAL, SB_TOK_VAL_N, group);
    sb_draft_feed_emit(d, v2);
    (void)sb_draft_emit(d, SB_TOK_VAL, SB_TOK_VAL_N, group);
}

static void one_needle(sb_draft *d, const sb_item *it)
{
    ask_key(d, it);
    end_with_key(d, it);
    expect(d, it);
    emit_tail(d, emit_lead(d, 0), 0);
}

static sb_status begin(sb_haystack *h, sb_draft *d)
{
    d->profile = SB_PROFILE_RET;
    return sb_haystack_init(h, d);
}

sb_status sb_probe_build_niah_single(sb_draft *d)
{
    sb_haystack h;
    sb_status   st = begin(&h, d);
    if (st != SB_OK)
        return st;
    one_needle(d, &h.item[h.single]);
    sb_haystack_fini(&h);
    return SB_OK;
}

sb_status sb_probe_build_niah_multikey(sb_draft *d)
{
    sb_haystack h;
    sb_status   st = begin(&h, d);
    if (st != SB_OK)
        return st;
    const sb_item *it = &h.item[h.multikey];
    one_needle(d, it);
    for (int64_t i = 1; i <= d->params->distractors; i++)
        sb_draft_span(d, SB_SPAN_DISTRACTOR, it[i].begin, it[i].n, -1);
    sb_haystack_fini(&h);
    return SB_OK;
}

/* One row shows all four leads; each is then followed from the same place. */
sb_status sb_probe_build_niah_multivalue(sb_draft *d)
{
    sb_haystack h;
    int32_t     lead[SB_HAYSTACK_GROUP];
    sb_status   st = begin(&h, d);
    if (st != SB_OK)
        return st;
    const sb_item *it = &h.item[h.multivalue];
    ask_key(d, it);
    end_with_key(d, it);
    sb_draft_mark(d);
    for (int32_t j = 0; j < SB_HAYSTACK_GROUP; j++) {
        expect(d, &it[j]);
        lead[j] = emit_lead(d, j);
    }
    for (int32_t j = 0; j < SB_HAYSTACK_GROUP; j++) {
        sb_draft_rollback(d);
        emit_tail(d, lead[j], j);
    }
    sb_haystack_fini(&h);
    return SB_OK;
}

/* All keys are mentioned in the question; the first ends it, the others are fed one after the
 * other. */
sb_status sb_probe_build_niah_multiquery(sb_draft *d)
{
    sb_haystack h;
    sb_status   st = begin(&h, d);
    if (st != SB_OK)
        return st;
    const sb_item *it = &h.item[h.single];
    end_with_key(d, it);
    for (int32_t j = 0; j < SB_HAYSTACK_GROUP; j++) {
        ask_key(d, &it[j]);
        expect(d, &it[j]);
        if (j > 0) {
            sb_draft_feed(d, SB_TOK_SEP);
            for (int i = 0; i < SB_HAYSTACK_KEY_TOKENS; i++)
                sb_draft_feed(d, it[j].tok[i]);
        }
        emit_tail(d, emit_lead(d, j), j);
    }
    sb_haystack_fini(&h);
    return SB_OK;
}
