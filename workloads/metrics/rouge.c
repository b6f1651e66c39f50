/* Both packages walk one table a pair of sentences; what they make of the walk differs. A pair
 * without a common word gives nothing, equal sentences give the same, and rouge 1.0.1 cannot find
 * more than the words that both texts have: with these three most pairs of long texts need no
 * table. What still would not end soon is refused. */
#include "workloads/metrics/rouge.h"

#include <string.h>

#include "workloads/metrics/lcs.h"

static const int64_t pair_steps_most = (int64_t)20 * 1000 * 1000 * 1000;

#define PAIR_STEPS 16 /* what a pair costs besides its rows, in the same unit */

typedef struct sentence {
    int32_t *w;
    int64_t  n;
} sentence;

typedef struct text {
    sentence *s;
    int64_t   n;       /* sentences */
    int64_t   n_words; /* all of them together */
} text;

/* Sentences as numbers, and the arrays that an LCS over the whole vocabulary needs. */
typedef struct pair {
    text     pred, ref;
    int64_t  vocabulary;
    int32_t *head, *dense;
} pair;

static sb_status number_text(sbi_pool *p, sbi_words *w, const sbi_strs *s, int64_t n, text *out)
{
    text      t  = {.n = n};
    sb_status st = sbi_pool_get(p, n, sizeof *t.s, &t.s);
    for (int64_t i = 0; st == SB_OK && i < n; i++) {
        t.s[i].n = s[i].n;
        t.n_words += s[i].n;
        st = sbi_words_map(p, w, s[i], &t.s[i].w);
    }
    if (st == SB_OK)
        *out = t;
    return st;
}

static sb_status number_pair(sbi_pool *p, const sbi_strs *pred, int64_t n_pred, const sbi_strs *ref,
                             int64_t n_ref, pair *out)
{
    sbi_words w;
    int64_t   most = 0;
    sb_status st;
    for (int64_t i = 0; i < n_pred; i++)
        most += pred[i].n;
    for (int64_t i = 0; i < n_ref; i++)
        most += ref[i].n;
    if ((st = sbi_words_init(p, most, &w)) != SB_OK ||
        (st = number_text(p, &w, pred, n_pred, &out->pred)) != SB_OK ||
        (st = number_text(p, &w, ref, n_ref, &out->ref)) != SB_OK ||
        (st = sbi_pool_get(p, w.n, sizeof *out->head, &out->head)) != SB_OK ||
        (st = sbi_pool_get(p, w.n, sizeof *out->dense, &out->dense)) != SB_OK)
        return st;
    out->vocabulary = w.n;
    for (int64_t i = 0; i < w.n; i++)
        out->head[i] = out->dense[i] = -1;
    return SB_OK;
}

/* first[i]: the first sentence equal to sentence i, itself when it is new. */
static sb_status first_of(sbi_pool *p, const text *t, int64_t **first)
{
    sbi_words w;
    sb_status st;
    int64_t  *place;
    if ((st = sbi_words_init(p, t->n, &w)) != SB_OK ||
        (st = sbi_pool_get(p, t->n, sizeof *place, &place)) != SB_OK ||
        (st = sbi_pool_get(p, t->n, sizeof **first, first)) != SB_OK)
        return st;
    for (int64_t i = 0; i < t->n; i++) {
        int64_t known  = w.n;
        int32_t number = sbi_words_number(&w, (sbi_str){t->s[i].w, t->s[i].n});
        if (w.n > known)
            place[number] = i;
        (*first)[i] = place[number];
    }
    return SB_OK;
}

/* Which sentences of t hold a word, equal ones and repeated words once: with[start[w] .. start[w +
 * 1]). */
typedef struct holders {
    int64_t *start;
    int64_t *with;
    int64_t *seen;  /* [sentences] the last sentence of the other text that met it, -1 */
    int64_t *asked; /* [vocabulary] the last one that asked for the word, -1 */
} holders;

static sb_status holders_of(sbi_pool *p, const text *t, const int64_t *first, int64_t vocabulary,
                            holders *out)
{
    holders   h;
    sb_status st;
    if ((st = sbi_pool_zero(p, vocabulary + 2, sizeof *h.start, &h.start)) != SB_OK ||
        (st = sbi_pool_get(p, t->n_words, sizeof *h.with, &h.with)) != SB_OK ||
        (st = sbi_pool_get(p, t->n, sizeof *h.seen, &h.seen)) != SB_OK ||
        (st = sbi_pool_get(p, vocabulary, sizeof *h.asked, &h.asked)) != SB_OK)
        return st;
    for (int pass = 0; pass < 2; pass++) { /* count, then fill */
        for (int64_t w = 0; w < vocabulary; w++)
            h.asked[w] = -1;
        for (int64_t i = 0; i < t->n; i++) {
            h.seen[i] = -1;
            for (int64_t k = 0; first[i] == i && k < t->s[i].n; k++) {
                int32_t w = t->s[i].w[k];
                if (h.asked[w] == i)
                    continue;
                h.asked[w] = i;
                if (pass == 0)
                    h.start[w + 2]++;
                else
                    h.with[h.start[w + 1]++] = i;
            }
        }
        for (int64_t w = 2; pass == 0 && w < vocabulary + 2; w++)
            h.start[w] += h.start[w - 1];
    }
    for (int64_t w = 0; w < vocabulary; w++)
        h.asked[w] = -1;
    *out = h;
    return SB_OK;
}

/* Is this the first time that sentence i asks for the word? */
static int asks_first(holders *h, int32_t word, int64_t i)
{
    int first      = h->asked[word] != i;
    h->asked[word] = i;
    return first;
}

static sb_status spend(int64_t *left, int64_t steps)
{
    if (steps >= *left)
        return sb_fail(SB_ERR_UNSUPPORTED,
                       "the texts have too many long sentences for ROUGE-L: more than %lld steps",
                       (long long)pair_steps_most);
    *left -= steps;
    return SB_OK;
}

/* ---- rouge 1.0.1 ---- */

/* Pieces between full stops, empty ones dropped, white space collapsed; a blank piece has one
 * word, the empty one. */
static sb_status dot_sentences(sbi_pool *p, sbi_str s, sbi_strs **out, int64_t *n)
{
    sbi_strs  pieces;
    sb_status st = sbi_split_char(p, s, '.', &pieces);
    *n           = 0;
    if (st == SB_OK)
        st = sbi_pool_get(p, pieces.n, sizeof **out, out);
    for (int64_t i = 0; st == SB_OK && i < pieces.n; i++) {
        sbi_strs *words = &(*out)[*n];
        if (pieces.s[i].n == 0)
            continue;
        st = sbi_split_space(p, pieces.s[i], words);
        if (st == SB_OK && words->n == 0) {
            st = sbi_pool_get(p, 1, sizeof *words->s, &words->s);
            if (st == SB_OK)
                words->s[0] = sbi_slice(pieces.s[i], 0, 0);
            words->n = 1;
        }
        ++*n;
    }
    return st;
}

static int64_t mark_words(const text *t, uint8_t *has, uint8_t bit)
{
    int64_t distinct = 0;
    for (int64_t i = 0; i < t->n; i++) {
        for (int64_t k = 0; k < t->s[i].n; k++) {
            distinct += (has[t->s[i].w[k]] & bit) == 0;
            has[t->s[i].w[k]] |= bit;
        }
    }
    return distinct;
}

typedef struct union_walk {
    pair    *pr;
    uint8_t *has; /* [vocabulary] 1 in pred, 2 in ref, 4 in the union */
    int64_t  found, common;
    int64_t  max_steps, steps_left;
    int      raises;
} union_walk;

static sb_status walk_pair(sbi_pool *p, union_walk *u, sbi_lcs *l, const sentence *r)
{
    sbi_pool_mark mark = sbi_pool_here(p);
    uint8_t      *taken;
    int64_t       steps;
    sb_status     st;
    if ((st = spend(&u->steps_left, PAIR_STEPS + sbi_lcs_cost(l, r->n))) != SB_OK ||
        (st = sbi_pool_zero(p, r->n, 1, &taken)) != SB_OK ||
        (st = sbi_lcs_trace(p, l, r->w, r->n, u->max_steps, taken, NULL, &steps)) != SB_OK)
        return st;
    u->raises = steps < 0;
    for (int64_t i = 0; i < r->n && !u->raises; i++) {
        if (taken[i] && (u->has[r->w[i]] & 4) == 0) {
            u->has[r->w[i]] |= 4;
            u->found++;
        }
    }
    sbi_pool_back(p, mark);
    return SB_OK;
}

/* One sentence of the prediction against all of the reference. */
static sb_status walk_sentence(sbi_pool *p, union_walk *u, int64_t e, const int64_t *first_ref,
                               holders *h, int64_t longest_ref)
{
    const sentence *s    = &u->pr->pred.s[e];
    const text     *ref  = &u->pr->ref;
    sbi_pool_mark   mark = sbi_pool_here(p);
    int             risk = s->n + longest_ref > u->max_steps; /* might the recursion end here? */
    sbi_lcs         l;
    sb_status       st = SB_OK;
    if (!risk && u->found == u->common)
        return SB_OK;
    if ((st = sbi_lcs_begin(p, s->w, s->n, u->pr->head, u->pr->dense, &l)) != SB_OK)
        return st;
    for (int64_t i = 0; risk && st == SB_OK && !u->raises && i < ref->n; i++)
        if (first_ref[i] == i)
            st = walk_pair(p, u, &l, &ref->s[i]);
    for (int64_t k = 0; !risk && st == SB_OK && u->found < u->common && k < s->n; k++) {
        if (!asks_first(h, s->w[k], e))
            continue;
        for (int64_t at = h->start[s->w[k]]; st == SB_OK && at < h->start[s->w[k] + 1]; at++) {
            int64_t i = h->with[at];
            if (h->seen[i] == e)
                continue;
            h->seen[i] = e;
            st         = walk_pair(p, u, &l, &ref->s[i]);
        }
    }
    sbi_lcs_end(&l);
    sbi_pool_back(p, mark);
    return st;
}

sb_status sbi_rouge_l(sbi_pool *p, sbi_str pred, sbi_str ref, int64_t frames, double *f,
                      int *raises)
{
    /* 1000 frames: the caller's, six of the package from get_scores to the last one that does not
     * recurse, the rest for the walk, whose last frame makes no move. */
    union_walk u = {.max_steps = 1000 - frames - 6 - 1, .steps_left = pair_steps_most};
    sbi_strs  *e, *r;
    pair       pr;
    int64_t    n_e, n_r, m, n, *first_pred, *first_ref, longest_ref = 0;
    holders    h;
    double     precision, recall;
    sb_status  st;
    *f      = 0;
    *raises = 0;
    if ((st = dot_sentences(p, pred, &e, &n_e)) != SB_OK ||
        (st = dot_sentences(p, ref, &r, &n_r)) != SB_OK)
        return st;
    if (n_e == 0 || n_r == 0) {
        *raises = 1;
        return SB_OK;
    }
    if ((st = number_pair(p, e, n_e, r, n_r, &pr)) != SB_OK ||
        (st = first_of(p, &pr.pred, &first_pred)) != SB_OK ||
        (st = first_of(p, &pr.ref, &first_ref)) != SB_OK ||
        (st = holders_of(p, &pr.ref, first_ref, pr.vocabulary, &h)) != SB_OK ||
        (st = sbi_pool_zero(p, pr.vocabulary, 1, &u.has)) != SB_OK)
        return st;
    u.pr = &pr;
    n    = mark_words(&pr.pred, u.has, 1);
    m    = mark_words(&pr.ref, u.has, 2);
    for (int64_t w = 0; w < pr.vocabulary; w++)
        u.common += u.has[w] == 3;
    for (int64_t i = 0; i < pr.ref.n; i++)
        longest_ref = pr.ref.s[i].n > longest_ref ? pr.ref.s[i].n : longest_ref;
    for (int64_t i = 0; i < pr.pred.n && !u.raises; i++)
        if (first_pred[i] == i &&
            (st = walk_sentence(p, &u, i, first_ref, &h, longest_ref)) != SB_OK)
            return st;
    if (u.raises) {
        *raises = 1;
        return SB_OK;
    }
    recall    = (double)u.found / (double)m;
    precision = (double)u.found / (double)n;
    *f        = 2.0 * ((precision * recall) / (precision + recall + 1e-8));
    return SB_OK;
}

/* ---- rouge_score ---- */

static int is_token_char(int32_t c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/* Lower case, runs of a-z and 0-9; those longer than 3 stemmed when asked for. */
static sb_status tokens_of(sbi_pool *p, sbi_str s, int stem, sbi_strs *out)
{
    sbi_strs  t = {0};
    int32_t  *to;
    char     *w;
    int64_t   used = 0;
    sb_status st;
    if ((st = sbi_lower(p, s, &s)) != SB_OK ||
        (st = sbi_pool_get(p, s.n / 2 + 1, sizeof *t.s, &t.s)) != SB_OK ||
        (st = sbi_pool_get(p, s.n, sizeof *to, &to)) != SB_OK ||
        (st = sbi_pool_get(p, s.n + 1, 1, &w)) != SB_OK)
        return st;
    for (int64_t i = 0; i < s.n;) {
        int64_t n = 0;
        while (i < s.n && is_token_char(s.c[i]))
            w[n++] = (char)s.c[i++];
        if (n == 0) {
            i++;
            continue;
        }
        if (stem && n > 3)
            n = sbi_porter(w, n);
        for (int64_t k = 0; k < n; k++)
            to[used + k] = w[k];
        if (n > 0)
            t.s[t.n++] = (sbi_str){to + used, n};
        used += n;
    }
    *out = t;
    return SB_OK;
}

static sbi_prf prf_of(int64_t hits, int64_t n_pred, int64_t n_ref)
{
    sbi_prf r = {.precision = (double)hits / (double)n_pred,
                 .recall    = (double)hits / (double)n_ref};
    if (r.precision + r.recall > 0)
        r.f = 2 * r.precision * r.recall / (r.precision + r.recall);
    return r;
}

sb_status sbi_rouge_score_l(sbi_pool *p, sbi_str pred, sbi_str ref, int stem, sbi_prf *out)
{
    sbi_strs  a, b;
    pair      pr;
    sbi_lcs   l;
    int64_t   length, left = pair_steps_most;
    sb_status st;
    if ((st = tokens_of(p, pred, stem, &a)) != SB_OK || (st = tokens_of(p, ref, stem, &b)) != SB_OK)
        return st;
    *out = (sbi_prf){0};
    if (a.n == 0 || b.n == 0)
        return SB_OK;
    if ((st = number_pair(p, &a, 1, &b, 1, &pr)) != SB_OK ||
        (st = sbi_lcs_begin(p, pr.pred.s[0].w, a.n, pr.head, pr.dense, &l)) != SB_OK ||
        (st = spend(&left, sbi_lcs_cost(&l, b.n))) != SB_OK ||
        (st = sbi_lcs_length(p, &l, pr.ref.s[0].w, b.n, &length)) != SB_OK)
        return st;
    *out = prf_of(length, a.n, b.n);
    return SB_OK;
}

static sb_status line_tokens(sbi_pool *p, sbi_str s, int stem, sbi_strs **out, int64_t *n)
{
    sbi_strs  lines;
    sb_status st = sbi_split_char(p, s, '\n', &lines);
    *n           = 0;
    if (st == SB_OK)
        st = sbi_pool_get(p, lines.n, sizeof **out, out);
    for (int64_t i = 0; st == SB_OK && i < lines.n; i++)
        if (lines.s[i].n > 0)
            st = tokens_of(p, lines.s[i], stem, &(*out)[(*n)++]);
    return st;
}

/* taken[k] = 1 where word k of reference line i is in a walk with some line of the prediction. The
 * package's walk prefers up where ours prefers left, so rows and columns change places. */
static sb_status union_line(sbi_pool *p, pair *pr, int64_t i, holders *h, int64_t *steps_left,
                            uint8_t *taken)
{
    const sentence *r = &pr->ref.s[i];
    sbi_lcs         l;
    sb_status       st = sbi_lcs_begin(p, r->w, r->n, pr->head, pr->dense, &l);
    if (st != SB_OK)
        return st;
    for (int64_t k = 0; st == SB_OK && k < r->n; k++) {
        if (!asks_first(h, r->w[k], i))
            continue;
        for (int64_t at = h->start[r->w[k]]; st == SB_OK && at < h->start[r->w[k] + 1]; at++) {
            int64_t       e    = h->with[at], steps;
            sbi_pool_mark mark = sbi_pool_here(p);
            if (h->seen[e] == i)
                continue;
            h->seen[e] = i;
            st         = spend(steps_left, PAIR_STEPS + 2 * sbi_lcs_cost(&l, pr->pred.s[e].n));
            if (st == SB_OK)
                st = sbi_lcs_trace(p, &l, pr->pred.s[e].w, pr->pred.s[e].n, INT64_MAX, NULL, taken,
                                   &steps);
            sbi_pool_back(p, mark);
        }
    }
    sbi_lcs_end(&l);
    return st;
}

sb_status sbi_rouge_score_lsum(sbi_pool *p, sbi_str pred, sbi_str ref, int stem, sbi_prf *out)
{
    sbi_strs *a, *b;
    int64_t   n_a, n_b, *first_pred, *left_pred, *left_ref, hits = 0, steps = pair_steps_most;
    pair      pr;
    holders   h;
    sb_status st;
    if ((st = line_tokens(p, pred, stem, &a, &n_a)) != SB_OK ||
        (st = line_tokens(p, ref, stem, &b, &n_b)) != SB_OK ||
        (st = number_pair(p, a, n_a, b, n_b, &pr)) != SB_OK)
        return st;
    *out = (sbi_prf){0};
    if (pr.pred.n_words == 0 || pr.ref.n_words == 0)
        return SB_OK;
    if ((st = first_of(p, &pr.pred, &first_pred)) != SB_OK ||
        (st = holders_of(p, &pr.pred, first_pred, pr.vocabulary, &h)) != SB_OK ||
        (st = sbi_pool_zero(p, pr.vocabulary, sizeof *left_pred, &left_pred)) != SB_OK ||
        (st = sbi_pool_zero(p, pr.vocabulary, sizeof *left_ref, &left_ref)) != SB_OK)
        return st;
    for (int64_t i = 0; i < pr.pred.n; i++)
        for (int64_t k = 0; k < pr.pred.s[i].n; k++)
            left_pred[pr.pred.s[i].w[k]]++;
    for (int64_t i = 0; i < pr.ref.n; i++)
        for (int64_t k = 0; k < pr.ref.s[i].n; k++)
            left_ref[pr.ref.s[i].w[k]]++;
    for (int64_t i = 0; i < pr.ref.n; i++) {
        sbi_pool_mark mark = sbi_pool_here(p);
        uint8_t      *taken;
        if ((st = sbi_pool_zero(p, pr.ref.s[i].n, 1, &taken)) != SB_OK ||
            (st = union_line(p, &pr, i, &h, &steps, taken)) != SB_OK)
            return st;
        for (int64_t k = 0; k < pr.ref.s[i].n; k++) {
            int32_t w = pr.ref.s[i].w[k];
            if (taken[k] && left_pred[w] > 0 && left_ref[w] > 0) { /* no word counts twice */
                hits++;
                left_pred[w]--;
                left_ref[w]--;
            }
        }
        sbi_pool_back(p, mark);
    }
    *out = prf_of(hits, pr.pred.n_words, pr.ref.n_words);
    return SB_OK;
}
