/* HELMET: each score is computed on the prediction and on what its format puts behind a prefix;
 * the larger one counts. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "workloads/metrics/request.h"
#include "workloads/metrics/rouge.h"
#include "workloads/metrics/suites.h"

/* Equal as re.IGNORECASE has it, for an ASCII letter of the prefix: two foreign letters count. */
static int same_letter(int32_t prefix, int32_t c)
{
    if (prefix >= 'A' && prefix <= 'Z')
        prefix += 32;
    if (c >= 'A' && c <= 'Z')
        c += 32;
    return c == prefix || (prefix == 'i' && (c == 0x130 || c == 0x131)) ||
           (prefix == 's' && c == 0x17F) || (prefix == 'k' && c == 0x212A);
}

static int starts_like(sbi_str s, sbi_str prefix)
{
    if (s.n < prefix.n)
        return 0;
    for (int64_t i = 0; i < prefix.n; i++)
        if (!same_letter(prefix.c[i], s.c[i]))
            return 0;
    return 1;
}

/* The line behind the first prefix, else the first line; stripped, and without a prefix that the
 * model repeats. */
static sb_status parse_output(sbi_req *r, const char *default_prefix, sbi_str *out)
{
    const char *text = r->in->prefix != NULL ? r->in->prefix : default_prefix;
    sbi_str     s    = r->pred, prefix;
    sb_status   st   = sbi_ascii(&r->pool, text, &prefix);
    if (st != SB_OK)
        return st;
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c >= 128)
            return sb_fail(SB_ERR_USAGE, "the prefix \"%s\" is not ASCII", text);
    for (int64_t i = 0; i <= s.n; i++) {
        if (starts_like(sbi_slice(s, i, s.n), prefix)) {
            s = sbi_slice(s, i + prefix.n, s.n);
            break;
        }
    }
    s = sbi_strip(sbi_until(s, '\n'));
    if (starts_like(s, prefix))
        s = sbi_slice(s, prefix.n, s.n);
    *out = sbi_strip(s);
    return SB_OK;
}

/* One score of one prediction text against one reference. */
typedef sb_status (*pair_fn)(sbi_pool *p, sbi_str pred, sbi_str ref, double *value);

static sb_status em(sbi_pool *p, sbi_str pred, sbi_str ref, double *value)
{
    sb_status st = sbi_normalise(p, pred, &pred);
    if (st == SB_OK)
        st = sbi_normalise(p, ref, &ref);
    *value = st == SB_OK && sbi_equal(pred, ref);
    return st;
}

static sb_status sub_em(sbi_pool *p, sbi_str pred, sbi_str ref, double *value)
{
    int       yes = 0;
    sb_status st  = sbi_normalise(p, pred, &pred);
    if (st == SB_OK)
        st = sbi_normalise(p, ref, &ref);
    if (st == SB_OK)
        st = sbi_contains(p, pred, ref, &yes);
    *value = yes;
    return st;
}

static sb_status is_closed(sbi_pool *p, sbi_str s, int *yes)
{
    static const char *const closed[] = {"yes", "no", "noanswer"};
    *yes                              = 0;
    for (size_t i = 0; i < 3; i++) {
        sbi_str   w;
        sb_status st = sbi_ascii(p, closed[i], &w);
        if (st != SB_OK)
            return st;
        *yes |= sbi_equal(s, w);
    }
    return SB_OK;
}

/* Token F1, but yes, no and noanswer are right or wrong as a whole. */
static sb_status f1(sbi_pool *p, sbi_str pred, sbi_str ref, double *value)
{
    sbi_strs  a, b;
    int       closed_pred, closed_ref;
    sb_status st;
    *value = 0;
    if ((st = sbi_normalise(p, pred, &pred)) != SB_OK ||
        (st = sbi_normalise(p, ref, &ref)) != SB_OK ||
        (st = is_closed(p, pred, &closed_pred)) != SB_OK ||
        (st = is_closed(p, ref, &closed_ref)) != SB_OK)
        return st;
    if ((closed_pred || closed_ref) && !sbi_equal(pred, ref))
        return SB_OK;
    if ((st = sbi_split_space(p, pred, &a)) != SB_OK || (st = sbi_split_space(p, ref, &b)) != SB_OK)
        return st;
    return sbi_bag_f1(p, a, b, value);
}

static sb_status rouge(sbi_pool *p, sbi_str pred, sbi_str ref, int sum, int recall, double *value)
{
    sbi_prf   f;
    sb_status st =
        sum ? sbi_rouge_score_lsum(p, pred, ref, 1, &f) : sbi_rouge_score_l(p, pred, ref, 1, &f);
    if (st == SB_OK)
        *value = recall ? f.recall : f.f;
    return st;
}

static sb_status rouge_l_f1(sbi_pool *p, sbi_str pred, sbi_str ref, double *value)
{
    return rouge(p, pred, ref, 0, 0, value);
}

static sb_status rouge_l_recall(sbi_pool *p, sbi_str pred, sbi_str ref, double *value)
{
    return rouge(p, pred, ref, 0, 1, value);
}

static sb_status rouge_lsum_f1(sbi_pool *p, sbi_str pred, sbi_str ref, double *value)
{
    return rouge(p, pred, ref, 1, 0, value);
}

static sb_status rouge_lsum_recall(sbi_pool *p, sbi_str pred, sbi_str ref, double *value)
{
    return rouge(p, pred, ref, 1, 1, value);
}

typedef struct task {
    pair_fn score;
    sbi_str pred[2];
    int     n_preds;
} task;

static sb_status best_of(sbi_req *r, const void *made, sbi_str ref, double *value)
{
    const task *t = made;
    for (int i = 0; i < t->n_preds; i++) {
        double    v  = 0;
        sb_status st = t->score(&r->pool, t->pred[i], ref, &v);
        if (st != SB_OK)
            return st;
        if (v > *value)
            *value = v;
    }
    return SB_OK;
}

static sb_status both(sbi_req *r, pair_fn score, sb_text_score *out)
{
    task      t  = {.score = score, .pred = {r->pred}, .n_preds = 2};
    sb_status st = parse_output(r, "Answer:", &t.pred[1]);
    return st == SB_OK ? sbi_best(r, best_of, &t, out) : st;
}

static sb_status helmet_em(sbi_req *r, sb_text_score *out) { return both(r, em, out); }

static sb_status helmet_sub_em(sbi_req *r, sb_text_score *out) { return both(r, sub_em, out); }

static sb_status helmet_f1(sbi_req *r, sb_text_score *out) { return both(r, f1, out); }

static sb_status helmet_l_f1(sbi_req *r, sb_text_score *out) { return both(r, rouge_l_f1, out); }

static sb_status helmet_l_recall(sbi_req *r, sb_text_score *out)
{
    return both(r, rouge_l_recall, out);
}

static sb_status helmet_lsum_f1(sbi_req *r, sb_text_score *out)
{
    return both(r, rouge_lsum_f1, out);
}

static sb_status helmet_lsum_recall(sbi_req *r, sb_text_score *out)
{
    return both(r, rouge_lsum_recall, out);
}

/* In-context learning: only what stands behind "label:". */
static sb_status helmet_label_em(sbi_req *r, sb_text_score *out)
{
    task      t  = {.score = em, .n_preds = 1};
    sb_status st = parse_output(r, "label:", &t.pred[0]);
    return st == SB_OK ? sbi_best(r, best_of, &t, out) : st;
}

/* References: the letter, and letter and text of the option ("B. the text"): exact, or the latter
 * anywhere in the prediction. */
static sb_status helmet_choice_em(sbi_req *r, sb_text_score *out)
{
    sbi_str   option, pred;
    int       yes;
    sb_status st;
    if (r->refs.n < 2)
        return sb_fail(SB_ERR_USAGE, "needs two references: the letter, and the whole option");
    if ((st = helmet_em(r, out)) != SB_OK ||
        (st = sbi_lower(&r->pool, r->refs.s[1], &option)) != SB_OK ||
        (st = sbi_lower(&r->pool, r->pred, &pred)) != SB_OK ||
        (st = sbi_contains(&r->pool, pred, option, &yes)) != SB_OK)
        return st;
    if (yes && out->value == 0) {
        out->value    = 1;
        out->best_ref = 1;
    }
    return SB_OK;
}

/* ---- ranking ---- */

static int is_bracket(int32_t c) { return c == '[' || c == ']' || c == ':'; }

/* The text without [ ] :, in lower case, without "id". */
static sb_status ranking_text(sbi_pool *p, sbi_str s, sbi_str *out)
{
    int32_t  *to;
    int64_t   n = 0, m = 0;
    sb_status st = sbi_pool_get(p, s.n, sizeof *to, &to);
    if (st != SB_OK)
        return st;
    for (int64_t i = 0; i < s.n; i++)
        if (!is_bracket(s.c[i]))
            to[n++] = s.c[i];
    if ((st = sbi_lower(p, (sbi_str){to, n}, &s)) != SB_OK ||
        (st = sbi_pool_get(p, s.n, sizeof *to, &to)) != SB_OK)
        return st;
    for (int64_t i = 0; i < s.n;) {
        if (i + 1 < s.n && s.c[i] == 'i' && s.c[i + 1] == 'd')
            i += 2;
        else
            to[m++] = s.c[i++];
    }
    *out = (sbi_str){to, m};
    return SB_OK;
}

static int64_t skip_while(sbi_str s, int64_t i, int (*in)(int32_t))
{
    while (i < s.n && in(s.c[i]))
        i++;
    return i;
}

/* The longest, first chain of numbers parted by ">", as its numbers; without one the whole text. */
static sb_status ranking_of(sbi_pool *p, sbi_str s, sbi_strs *out)
{
    sbi_str   chain = {NULL, 0};
    sb_status st;
    for (int64_t i = 0; i < s.n;) {
        int64_t end = skip_while(s, i, sbi_is_decimal), next;
        if (end == i) {
            i++;
            continue;
        }
        for (;;) {
            next = skip_while(s, end, sbi_is_space);
            if (next >= s.n || s.c[next] != '>')
                break;
            next = skip_while(s, next + 1, sbi_is_space);
            if (next >= s.n || !sbi_is_decimal(s.c[next]))
                break;
            end = skip_while(s, next, sbi_is_decimal);
        }
        if (end - i > chain.n)
            chain = sbi_slice(s, i, end);
        i = end;
    }
    if (chain.n == 0) {
        out->n = 1;
        st     = sbi_pool_get(p, 1, sizeof *out->s, &out->s);
        if (st == SB_OK)
            out->s[0] = s;
        return st;
    }
    st = sbi_split_char(p, chain, '>', out);
    for (int64_t i = 0; st == SB_OK && i < out->n; i++)
        out->s[i] = sbi_strip(out->s[i]);
    return st;
}

static int by_gain(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* trec_eval's ndcg_cut: gain is the relevance, the i-th place from 0 divided by log2(i + 2); then
 * rounded to five places, as HELMET does for each sample. */
static sb_status helmet_ndcg_10(sbi_req *r, sb_text_score *out)
{
    enum { CUT = 10 };
    sbi_words w;
    sbi_str   text;
    sbi_strs  ranking;
    int64_t  *ideal, *gain, place = 0;
    uint8_t  *seen;
    double    sum = 0, best = 0;
    char      rounded[32];
    sb_status st;
    if ((st = ranking_text(&r->pool, r->pred, &text)) != SB_OK ||
        (st = ranking_of(&r->pool, text, &ranking)) != SB_OK ||
        (st = sbi_words_init(&r->pool, ranking.n + r->refs.n, &w)) != SB_OK ||
        (st = sbi_pool_zero(&r->pool, ranking.n + r->refs.n, sizeof *gain, &gain)) != SB_OK ||
        (st = sbi_pool_zero(&r->pool, ranking.n + r->refs.n, 1, &seen)) != SB_OK ||
        (st = sbi_pool_get(&r->pool, r->refs.n, sizeof *ideal, &ideal)) != SB_OK)
        return st;
    for (int64_t i = 0; i < r->refs.n; i++) /* an id that comes twice has its last relevance */
        gain[sbi_words_number(&w, r->refs.s[i])] = r->in->relevance[i];
    for (int64_t i = 0; i < w.n; i++)
        ideal[i] = gain[i];
    qsort(ideal, (size_t)w.n, sizeof *ideal, by_gain);
    for (int64_t i = 0; i < w.n && i < CUT && ideal[i] > 0; i++)
        best += (double)ideal[i] / log2((double)(i + 2));
    for (int64_t i = 0; i < ranking.n && place < CUT; i++) {
        int32_t id = sbi_words_number(&w, ranking.s[i]);
        if (seen[id])
            continue;
        seen[id] = 1;
        if (gain[id] > 0)
            sum += (double)gain[id] / log2((double)(place + 2));
        place++;
    }
    if (best > 0)
        sum /= best;
    (void)snprintf(rounded, sizeof rounded, "%.5f", sum);
    out->value = strtod(rounded, NULL);
    return SB_OK;
}

#define HM "princeton-nlp/HELMET@4526dfb utils.py, data.py"
#define HMR HM ", rouge_score 0.1.2 with NLTK's Porter stemmer"

SBI_SCORER(helmet_em, "helmet_em@1", HM, 1, 0, 0, helmet_em)
SBI_SCORER(helmet_sub_em, "helmet_sub_em@1", HM, 1, 0, 0, helmet_sub_em)
SBI_SCORER(helmet_f1, "helmet_f1@1", HM, 0, 0, 0, helmet_f1)
SBI_SCORER(helmet_choice_em, "helmet_choice_em@1", HM, 1, SB_NEED_REF_LIST, 0, helmet_choice_em)
SBI_SCORER(helmet_label_em, "helmet_label_em@1", HM, 1, 0, 0, helmet_label_em)
SBI_SCORER(helmet_rouge_l_f1, "helmet_rouge_l_f1@1", HMR, 0, 0, 0, helmet_l_f1)
SBI_SCORER(helmet_rouge_l_recall, "helmet_rouge_l_recall@1", HMR, 0, 0, 0, helmet_l_recall)
SBI_SCORER(helmet_rouge_lsum_f1, "helmet_rouge_lsum_f1@1", HMR, 0, 0, 0, helmet_lsum_f1)
SBI_SCORER(helmet_rouge_lsum_recall, "helmet_rouge_lsum_recall@1", HMR, 0, 0, 0, helmet_lsum_recall)
SBI_SCORER(helmet_ndcg_10, "helmet_ndcg_10@1", HM ", trec_eval's ndcg_cut", 0,
           SB_NEED_RELEVANCE | SB_NEED_REF_LIST, 10, helmet_ndcg_10)
