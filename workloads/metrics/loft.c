/* LOFT: the prediction is the list of answers that the model's output held. */
#include "workloads/metrics/request.h"
#include "workloads/metrics/suites.h"

static sb_status normalise_all(sbi_pool *p, const sbi_strs *in, sbi_strs *out)
{
    sb_status st = sbi_pool_get(p, in->n, sizeof *out->s, &out->s);
    out->n       = in->n;
    for (int64_t i = 0; st == SB_OK && i < in->n; i++)
        if ((st = sbi_nfd(p, in->s[i], &out->s[i])) == SB_OK)
            st = sbi_normalise(p, out->s[i], &out->s[i]);
    return st;
}

typedef struct answers {
    sbi_strs pred, gold;
} answers;

static sb_status read_answers(sbi_req *r, answers *out)
{
    sb_status st = normalise_all(&r->pool, &r->preds, &out->pred);
    if (st == SB_OK)
        st = normalise_all(&r->pool, &r->refs, &out->gold);
    if (r->preds.n == 0)
        r->flags |= SB_SCORE_NULL;
    return st;
}

/* ---- one answer: the first one ---- */

typedef sb_status (*one_fn)(sbi_pool *p, sbi_str gold, sbi_str pred, double *value);

static sb_status same(sbi_pool *p, sbi_str gold, sbi_str pred, double *value)
{
    (void)p;
    *value = sbi_equal(gold, pred);
    return SB_OK;
}

static sb_status inside(sbi_pool *p, sbi_str gold, sbi_str pred, double *value)
{
    int       yes = 0;
    sb_status st  = sbi_contains(p, pred, gold, &yes);
    *value        = yes;
    return st;
}

/* The original normalises what is normalised already once more. */
static sb_status token_f1(sbi_pool *p, sbi_str gold, sbi_str pred, double *value)
{
    sbi_str   text[2] = {pred, gold};
    sbi_strs  words[2], one = {.n = 1};
    sb_status st = SB_OK;
    for (int i = 0; st == SB_OK && i < 2; i++) {
        one.s = &text[i];
        st    = normalise_all(p, &one, &words[i]);
        if (st == SB_OK)
            st = sbi_split_space(p, words[i].s[0], &words[i]);
    }
    return st == SB_OK ? sbi_bag_f1(p, words[0], words[1], value) : st;
}

static sb_status first_answer(sbi_req *r, one_fn one, sb_text_score *out)
{
    answers   a;
    sb_status st = read_answers(r, &a);
    for (int64_t i = 0; st == SB_OK && a.pred.n > 0 && i < a.gold.n; i++) {
        double v = 0;
        st       = one(&r->pool, a.gold.s[i], a.pred.s[0], &v);
        if (v > out->value) {
            out->value    = v;
            out->best_ref = i;
        }
    }
    return st;
}

static sb_status loft_em(sbi_req *r, sb_text_score *out) { return first_answer(r, same, out); }

static sb_status loft_subspan_em(sbi_req *r, sb_text_score *out)
{
    return first_answer(r, inside, out);
}

static sb_status loft_f1(sbi_req *r, sb_text_score *out) { return first_answer(r, token_f1, out); }

/* ---- several answers ---- */

/* How many different texts the lists have, and share. */
static sb_status compare_sets(sbi_pool *p, const sbi_strs *a, const sbi_strs *b,
                              int64_t distinct[2], int64_t *shared)
{
    const sbi_strs *list[2] = {a, b};
    sbi_words       w;
    uint8_t        *in;
    sb_status       st;
    distinct[0] = distinct[1] = *shared = 0;
    if ((st = sbi_words_init(p, a->n + b->n, &w)) != SB_OK ||
        (st = sbi_pool_zero(p, a->n + b->n, 1, &in)) != SB_OK)
        return st;
    for (int side = 0; side < 2; side++) {
        for (int64_t i = 0; i < list[side]->n; i++) {
            uint8_t *at = &in[sbi_words_number(&w, list[side]->s[i])];
            if ((*at & (1 << side)) == 0) {
                *at |= (uint8_t)(1 << side);
                distinct[side]++;
                *shared += *at == 3;
            }
        }
    }
    return SB_OK;
}

static sb_status loft_multi_em(sbi_req *r, sb_text_score *out)
{
    answers   a;
    int64_t   distinct[2], shared;
    sb_status st;
    if ((st = read_answers(r, &a)) != SB_OK ||
        (st = compare_sets(&r->pool, &a.pred, &a.gold, distinct, &shared)) != SB_OK)
        return st;
    out->value = a.pred.n > 0 && distinct[0] == shared && distinct[1] == shared;
    return SB_OK;
}

static sb_status loft_multi_coverage(sbi_req *r, sb_text_score *out)
{
    answers   a;
    int64_t   distinct[2], shared;
    sb_status st;
    if ((st = read_answers(r, &a)) != SB_OK ||
        (st = compare_sets(&r->pool, &a.pred, &a.gold, distinct, &shared)) != SB_OK)
        return st;
    out->value = (double)shared / (double)a.gold.n;
    return SB_OK;
}

typedef struct pairing {
    int64_t  n_gold, n_pred;
    uint8_t *fits;      /* [gold][pred] */
    int64_t *gold_of;   /* [pred] its partner, -1 */
    int64_t *came_from; /* [pred] the gold that the search reached it from, -1 not yet reached */
    int64_t *queue;     /* [gold] */
} pairing;

/* Find gold g a partner, others may change theirs: breadth first along alternating paths. */
static int pair_up(pairing *m, int64_t g)
{
    int64_t n_queue = 0;
    for (int64_t j = 0; j < m->n_pred; j++)
        m->came_from[j] = -1;
    m->queue[n_queue++] = g;
    for (int64_t k = 0; k < n_queue; k++) {
        for (int64_t j = 0; j < m->n_pred; j++) {
            if (!m->fits[m->queue[k] * m->n_pred + j] || m->came_from[j] >= 0)
                continue;
            m->came_from[j] = m->queue[k];
            if (m->gold_of[j] >= 0) {
                m->queue[n_queue++] = m->gold_of[j];
                continue;
            }
            while (j >= 0) { /* turn the path around, from its free end */
                int64_t gold = m->came_from[j], before = -1;
                for (int64_t q = 0; gold != g && q < m->n_pred && before < 0; q++)
                    if (m->gold_of[q] == gold)
                        before = q;
                m->gold_of[j] = gold;
                j             = before;
            }
            return 1;
        }
    }
    return 0;
}

/* 1 when every gold answer gets a predicted one of its own that holds it, or that it holds. */
static sb_status loft_multi_subspan_em(sbi_req *r, sb_text_score *out)
{
    answers   a;
    pairing   m = {0};
    sb_status st;
    if ((st = read_answers(r, &a)) != SB_OK)
        return st;
    m.n_gold = a.gold.n;
    m.n_pred = a.pred.n;
    if (m.n_pred < m.n_gold)
        return SB_OK;
    if (m.n_pred > ((int64_t)1 << 28) / m.n_gold)
        return sb_fail(SB_ERR_UNSUPPORTED, "%lld answers against %lld are too many to pair",
                       (long long)m.n_pred, (long long)m.n_gold);
    if ((st = sbi_pool_zero(&r->pool, m.n_gold * m.n_pred, 1, &m.fits)) != SB_OK ||
        (st = sbi_pool_get(&r->pool, m.n_pred, sizeof *m.gold_of, &m.gold_of)) != SB_OK ||
        (st = sbi_pool_get(&r->pool, m.n_pred, sizeof *m.came_from, &m.came_from)) != SB_OK ||
        (st = sbi_pool_get(&r->pool, m.n_gold, sizeof *m.queue, &m.queue)) != SB_OK)
        return st;
    for (int64_t g = 0; g < m.n_gold; g++) {
        for (int64_t j = 0; j < m.n_pred; j++) {
            int ab, ba;
            if ((st = sbi_contains(&r->pool, a.pred.s[j], a.gold.s[g], &ab)) != SB_OK ||
                (st = sbi_contains(&r->pool, a.gold.s[g], a.pred.s[j], &ba)) != SB_OK)
                return st;
            m.fits[g * m.n_pred + j] = (uint8_t)(ab || ba);
        }
    }
    for (int64_t j = 0; j < m.n_pred; j++)
        m.gold_of[j] = -1;
    out->value = 1;
    for (int64_t g = 0; g < m.n_gold && out->value > 0; g++)
        out->value = pair_up(&m, g);
    return SB_OK;
}

/* ---- retrieval: passage ids ---- */

static sb_status stripped(sbi_pool *p, const sbi_strs *in, int64_t n, sbi_strs *out)
{
    sb_status st = sbi_pool_get(p, n, sizeof *out->s, &out->s);
    out->n       = n;
    for (int64_t i = 0; st == SB_OK && i < n; i++)
        out->s[i] = sbi_strip(in->s[i]);
    return st;
}

/* Relevant ones among the first k predicted. */
static sb_status relevant_in_k(sbi_req *r, int64_t *n)
{
    int64_t   k = r->preds.n < r->self->k ? r->preds.n : r->self->k, distinct[2];
    sbi_strs  pred, gold;
    sb_status st;
    if (r->preds.n == 0)
        r->flags |= SB_SCORE_NULL;
    if ((st = stripped(&r->pool, &r->preds, k, &pred)) != SB_OK ||
        (st = stripped(&r->pool, &r->refs, r->refs.n, &gold)) != SB_OK)
        return st;
    return compare_sets(&r->pool, &pred, &gold, distinct, n);
}

static sb_status recall(sbi_req *r, sb_text_score *out)
{
    int64_t   n;
    sb_status st = relevant_in_k(r, &n);
    if (st == SB_OK)
        out->value = (double)n / (double)r->refs.n;
    return st;
}

static sb_status capped_recall(sbi_req *r, sb_text_score *out)
{
    int64_t   n, most = r->refs.n > r->self->k ? r->self->k : r->refs.n;
    sb_status st = relevant_in_k(r, &n);
    if (st == SB_OK)
        out->value = (double)n / (double)most;
    return st;
}

/* All of them, or as many as k leaves room for. */
static sb_status mrecall(sbi_req *r, sb_text_score *out)
{
    int64_t   n, most = r->refs.n > r->self->k ? r->self->k : r->refs.n;
    sb_status st = relevant_in_k(r, &n);
    if (st == SB_OK)
        out->value = r->preds.n > 0 && n == most;
    return st;
}

#define LOFT "google-deepmind/loft@219f68e evaluation/"
#define ONE SB_NEED_PRED_LIST
#define LIST (SB_NEED_PRED_LIST | SB_NEED_REF_LIST)

SBI_SCORER(loft_em, "loft_em@1", LOFT "rag.py, icl.py", 1, ONE, 0, loft_em)
SBI_SCORER(loft_subspan_em, "loft_subspan_em@1", LOFT "rag.py", 1, ONE, 0, loft_subspan_em)
SBI_SCORER(loft_f1, "loft_f1@1", LOFT "rag.py", 0, ONE, 0, loft_f1)
SBI_SCORER(loft_multi_em, "loft_multi_em@1", LOFT "rag.py", 1, LIST, 0, loft_multi_em)
SBI_SCORER(loft_multi_coverage, "loft_multi_coverage@1", LOFT "rag.py", 0, LIST, 0,
           loft_multi_coverage)
SBI_SCORER(loft_multi_subspan_em, "loft_multi_subspan_em@1", LOFT "rag.py", 1, LIST, 0,
           loft_multi_subspan_em)
SBI_SCORER(loft_recall_1, "loft_recall_1@1", LOFT "retrieval.py", 0, LIST, 1, recall)
SBI_SCORER(loft_recall_2, "loft_recall_2@1", LOFT "retrieval.py", 0, LIST, 2, recall)
SBI_SCORER(loft_recall_3, "loft_recall_3@1", LOFT "retrieval.py", 0, LIST, 3, recall)
SBI_SCORER(loft_recall_5, "loft_recall_5@1", LOFT "retrieval.py", 0, LIST, 5, recall)
SBI_SCORER(loft_mrecall_1, "loft_mrecall_1@1", LOFT "retrieval.py", 1, LIST, 1, mrecall)
SBI_SCORER(loft_mrecall_2, "loft_mrecall_2@1", LOFT "retrieval.py", 1, LIST, 2, mrecall)
SBI_SCORER(loft_mrecall_3, "loft_mrecall_3@1", LOFT "retrieval.py", 1, LIST, 3, mrecall)
SBI_SCORER(loft_mrecall_5, "loft_mrecall_5@1", LOFT "retrieval.py", 1, LIST, 5, mrecall)
SBI_SCORER(loft_capped_recall_1, "loft_capped_recall_1@1", LOFT "retrieval.py", 0, LIST, 1,
           capped_recall)
