/* Packing draws ids without repetition (keys, values of items, names, entities), so that every
 * answer is the only one; placing draws sorted uniform offsets, whose gaps are the exponential gaps
 * of spec probe_model 6 without a logarithm: integer arithmetic gives the same context on every
 * machine. */
#include "workloads/probe/haystack.h"

#include <stdlib.h>
#include <string.h>

#include "workloads/probe/filler.h"
#include "workloads/probe/tasks.h"
#include "workloads/probe/vocab.h"

#define HEAD_TOKENS 4 /* BOS and three filler */
#define TOKENS_A_DOC 512
#define MIN_DOCS 2
#define DECK_MAX 4096

/* ---- how much goes in ---- */

typedef struct packing {
    int64_t chains, statements, singles, multikeys, distractors, multivalues, docs;
} packing;

/* n: tokens of context. */
static packing packing_of(const sb_probe_task_params *params, int64_t n)
{
    int64_t dense = n >= 8192 ? 4 : n >= 4096 ? 2 : 1;
    int64_t docs  = n / TOKENS_A_DOC;
    packing p     = {.chains      = n < 2048 ? 1 : 2 * dense,
                     .statements  = params->hops + 1,
                     .singles     = 4 * dense,
                     .multikeys   = 2 * dense,
                     .distractors = params->distractors,
                     .multivalues = dense,
                     .docs        = docs < MIN_DOCS ? MIN_DOCS : docs};
    if (p.docs > SB_TOK_ENT_N)
        p.docs = SB_TOK_ENT_N;
    return p;
}

static int64_t packing_items(const packing *p)
{
    return p->chains * p->statements + p->singles + p->multikeys * (1 + p->distractors) +
           p->multivalues * SB_HAYSTACK_GROUP + p->docs;
}

static int64_t packing_tokens(const packing *p)
{
    int64_t keyed =
        p->singles + p->multikeys * (1 + p->distractors) + p->multivalues * SB_HAYSTACK_GROUP;
    return p->chains * p->statements * SB_HAYSTACK_VAR_TOKENS + keyed * SB_HAYSTACK_ITEM_TOKENS +
           p->docs * SB_HAYSTACK_DOC_TOKENS;
}

static int64_t packing_need(const packing *p)
{
    return HEAD_TOKENS + packing_tokens(p) + SB_HAYSTACK_SEPARATION * (packing_items(p) + 1);
}

/* The least packing decides: where it steps up, the context has grown by more than the step takes,
 * at any parameters. */
int64_t sb_probe_need_haystack(const sb_probe_task_params *p)
{
    packing least = packing_of(p, 0);
    return packing_need(&least);
}

/* ---- drawing ids ---- */

typedef struct deck { /* offsets into a class, shuffled: drawn without repetition, then round again
                         from `start` */
    int16_t card[DECK_MAX];
    int32_t n, next, start;
} deck;

static void deck_shuffle(deck *k, sb_rng *rng, int32_t n)
{
    k->n    = n;
    k->next = k->start = 0;
    for (int32_t i = 0; i < n; i++)
        k->card[i] = (int16_t)i;
    for (int32_t i = n - 1; i > 0; i--) {
        int32_t j  = (int32_t)sb_rng_below(rng, (uint64_t)i + 1);
        int16_t t  = k->card[i];
        k->card[i] = k->card[j];
        k->card[j] = t;
    }
}

static int32_t deck_draw(deck *k)
{
    if (k->next == k->n)
        k->next = k->start;
    return k->card[k->next++];
}

typedef struct packer {
    sb_haystack *h;
    sb_rng      *rng;
    int32_t     *pool_end;
    deck         key, val, name, ent;
} packer;

static sb_item *add_item(packer *p, int32_t tokens, int32_t chain)
{
    sb_item *it = &p->h->item[p->h->n_items++];
    *it         = (sb_item){.tok = p->pool_end, .n = tokens, .chain = chain};
    p->pool_end += tokens;
    return it;
}

static void draw_key(packer *p, int32_t key[SB_HAYSTACK_KEY_TOKENS])
{
    for (int i = 0; i < SB_HAYSTACK_KEY_TOKENS; i++)
        key[i] = SB_TOK_KEY + deck_draw(&p->key);
}

static int32_t draw_lead(packer *p)
{
    return SB_TOK_LEAD + (int32_t)sb_rng_below(p->rng, SB_TOK_LEAD_N);
}

static void add_keyed(packer *p, const int32_t key[SB_HAYSTACK_KEY_TOKENS], int32_t lead)
{
    int32_t *t = add_item(p, SB_HAYSTACK_ITEM_TOKENS, -1)->tok;
    memcpy(t, key, SB_HAYSTACK_KEY_TOKENS * sizeof *t);
    t[3] = lead;
    t[4] = SB_TOK_VAL + deck_draw(&p->val);
    t[5] = SB_TOK_VAL + deck_draw(&p->val);
}

/* ---- the kinds ---- */

static void add_chain(packer *p, int64_t statements, int32_t chain)
{
    int32_t root = SB_TOK_VAL + deck_draw(&p->val);
    for (int64_t i = 0; i < statements; i++) {
        int32_t *t = add_item(p, SB_HAYSTACK_VAR_TOKENS, chain)->tok;
        t[0]       = SB_TOK_VAR;
        t[1]       = SB_TOK_NAME + deck_draw(&p->name);
        t[2]       = SB_TOK_EQ;
        t[3]       = root;
        root       = t[1];
    }
}

static void add_multikey(packer *p, int64_t distractors)
{
    static const int slot[SB_HAYSTACK_KEY_TOKENS] = {2, 0,
                                                     1}; /* the key token that differs, in turn */
    int32_t          key[SB_HAYSTACK_KEY_TOKENS], near[SB_HAYSTACK_KEY_TOKENS];
    draw_key(p, key);
    add_keyed(p, key, draw_lead(p));
    for (int64_t i = 0; i < distractors; i++) {
        memcpy(near, key, sizeof near);
        near[slot[i % SB_HAYSTACK_KEY_TOKENS]] = SB_TOK_KEY + deck_draw(&p->key);
        add_keyed(p, near, draw_lead(p));
    }
}

static void add_multivalue(packer *p)
{
    int32_t key[SB_HAYSTACK_KEY_TOKENS];
    deck    lead;
    deck_shuffle(&lead, p->rng, SB_TOK_LEAD_N); /* one row answers all four: leads must differ */
    draw_key(p, key);
    for (int i = 0; i < SB_HAYSTACK_GROUP; i++)
        add_keyed(p, key, SB_TOK_LEAD + deck_draw(&lead));
}

static void add_doc(packer *p, int64_t doc, int64_t docs)
{
    int32_t *t = add_item(p, SB_HAYSTACK_DOC_TOKENS, -1)->tok;
    deck     rel;
    deck_shuffle(&rel, p->rng, SB_TOK_REL_N);
    *t++ = SB_TOK_DOC;
    for (int f = 0; f < SB_HAYSTACK_DOC_FACTS; f++) {
        t[0] = SB_TOK_FACT;
        t[1] = SB_TOK_ENT + p->ent.card[doc];
        t[2] = SB_TOK_REL + deck_draw(&rel);
        if (f < SB_HAYSTACK_DOC_LINKS) {
            int64_t other = (int64_t)sb_rng_below(p->rng, (uint64_t)(docs - 1));
            t[3]          = SB_TOK_ENT + p->ent.card[other + (other >= doc)];
        } else {
            t[3] = SB_TOK_VAL + deck_draw(&p->val);
        }
        for (int i = SB_HAYSTACK_FACT_TOKENS; i < SB_HAYSTACK_FACT_STRIDE; i++)
            t[i] = SB_PROBE_BLANK;
        t += SB_HAYSTACK_FACT_STRIDE;
    }
}

static void pack(packer *p, const packing *what)
{
    sb_haystack *h = p->h;
    deck_shuffle(&p->key, p->rng, SB_TOK_KEY_N);
    deck_shuffle(&p->val, p->rng, SB_TOK_VAL_N);
    deck_shuffle(&p->name, p->rng, SB_TOK_NAME_N);
    deck_shuffle(&p->ent, p->rng, SB_TOK_ENT_N);
    h->chain = h->n_items;
    for (int64_t i = 0; i < what->chains; i++)
        add_chain(p, what->statements, (int32_t)i);
    h->single = h->n_items;
    for (int64_t i = 0; i < what->singles; i++) {
        int32_t key[SB_HAYSTACK_KEY_TOKENS];
        draw_key(p, key);
        add_keyed(p, key, draw_lead(p));
    }
    h->multikey = h->n_items;
    for (int64_t i = 0; i < what->multikeys; i++)
        add_multikey(p, what->distractors);
    h->multivalue = h->n_items;
    for (int64_t i = 0; i < what->multivalues; i++)
        add_multivalue(p);
    /* Long contexts have more facts than there are VALs: documents go round among those that no
     * item uses. */
    p->val.start = p->val.next;
    h->doc       = h->n_items;
    h->n_docs    = what->docs;
    for (int64_t i = 0; i < what->docs; i++)
        add_doc(p, i, what->docs);
}

/* ---- placing ---- */

static int by_value(const void *a, const void *b)
{
    int64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static void shuffle_order(int64_t *order, int64_t n, sb_rng *rng)
{
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = (int64_t)sb_rng_below(rng, (uint64_t)i + 1);
        int64_t t = order[i];
        order[i]  = order[j];
        order[j]  = t;
    }
}

/* Give the members of each chain the places they have as a set, but in order. Chains are the first
 * items: what follows `single` is free. next[c]: the member of chain c that stands next. */
static sb_status order_chains(const sb_haystack *h, int64_t *order, int64_t statements)
{
    int64_t  chains = (h->single - h->chain) / statements;
    int64_t *next   = calloc((size_t)chains, sizeof *next);
    if (next == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory to order %lld chains", (long long)chains);
    for (int64_t i = 0; i < h->n_items; i++) {
        int32_t c = h->item[order[i]].chain;
        if (c >= 0)
            order[i] = h->chain + c * statements + next[c]++;
    }
    free(next);
    return SB_OK;
}

static void write_context(const sb_haystack *h, sb_draft *d)
{
    for (int64_t i = 1; i < d->n_context; i++)
        d->ids[i] = SB_PROBE_BLANK;
    d->ids[0] = SB_TOK_BOS;
    for (int64_t i = 0; i < h->n_items; i++)
        memcpy(d->ids + h->item[i].begin, h->item[i].tok, (size_t)h->item[i].n * sizeof *d->ids);
}

/* spare: filler beyond what separation needs; each item stands after a random share of it. */
static sb_status place(sb_haystack *h, sb_draft *d, int64_t spare)
{
    int64_t   n     = h->n_items;
    int64_t  *order = malloc(2 * (size_t)n * sizeof *order);
    int64_t   at    = HEAD_TOKENS;
    sb_status st;
    if (order == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory to place %lld items", (long long)n);
    int64_t *share = order + n;
    shuffle_order(order, n, &d->rng);
    st = order_chains(h, order, d->params->hops + 1);
    for (int64_t i = 0; i < n; i++)
        share[i] = (int64_t)sb_rng_below(&d->rng, (uint64_t)spare + 1);
    qsort(share, (size_t)n, sizeof *share, by_value);
    for (int64_t i = 0; st == SB_OK && i < n; i++) {
        sb_item *it = &h->item[order[i]];
        at += SB_HAYSTACK_SEPARATION;
        it->begin = at + share[i];
        at += it->n;
    }
    free(order);
    return st;
}

/* ---- */

sb_status sb_haystack_init(sb_haystack *h, sb_draft *d)
{
    packing   what  = packing_of(d->params, d->n_context);
    int64_t   items = packing_items(&what), tokens = packing_tokens(&what);
    int64_t   need = packing_need(&what);
    packer    p    = {.h = h, .rng = &d->rng};
    sb_status st;
    memset(h, 0, sizeof *h);
    if (d->n_context < need)
        return sb_draft_too_small(d, need);
    h->item = calloc((size_t)items, sizeof *h->item);
    h->pool = malloc((size_t)tokens * sizeof *h->pool);
    if (h->item == NULL || h->pool == NULL) {
        sb_haystack_fini(h);
        return sb_fail(SB_ERR_NOMEM, "no memory for %lld items", (long long)items);
    }
    p.pool_end = h->pool;
    pack(&p, &what);
    st = place(h, d, d->n_context - need);
    if (st != SB_OK) {
        sb_haystack_fini(h);
        return st;
    }
    write_context(h, d);
    return SB_OK;
}

void sb_haystack_fini(sb_haystack *h)
{
    free(h->item);
    free(h->pool);
    memset(h, 0, sizeof *h);
}

const int32_t *sb_haystack_fact(const sb_item *doc, int64_t f)
{
    return doc->tok + 1 + f * SB_HAYSTACK_FACT_STRIDE;
}

int64_t sb_haystack_fact_begin(const sb_item *doc, int64_t f)
{
    return doc->begin + 1 + f * SB_HAYSTACK_FACT_STRIDE;
}
