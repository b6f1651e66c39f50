/* LongBench v1's metrics and v2's answer. */
#include "workloads/metrics/longbench.h"

#include <math.h>
#include <string.h>

#include "workloads/metrics/jieba.h"
#include "workloads/metrics/ratio.h"
#include "workloads/metrics/request.h"
#include "workloads/metrics/rouge.h"
#include "workloads/metrics/suites.h"

/* ---- token F1 ---- */

static sb_status normal_words(sbi_pool *p, sbi_str s, sbi_strs *out)
{
    sb_status st = sbi_normalise(p, s, &s);
    return st == SB_OK ? sbi_split_space(p, s, out) : st;
}

static sb_status qa_f1_one(sbi_req *r, const void *made, sbi_str ref, double *value)
{
    sbi_strs  words;
    sb_status st = normal_words(&r->pool, ref, &words);
    return st == SB_OK ? sbi_bag_f1(&r->pool, *(const sbi_strs *)made, words, value) : st;
}

static sb_status qa_f1(sbi_req *r, sb_text_score *out)
{
    sbi_strs  words;
    sb_status st = normal_words(&r->pool, r->pred, &words);
    return st == SB_OK ? sbi_best(r, qa_f1_one, &words, out) : st;
}

/* Segments first, then each one normalised for itself: a blank segment vanishes. */
static sb_status zh_words(sbi_req *r, sbi_str s, sbi_strs *out)
{
    sbi_strs  words;
    int64_t   n  = 0;
    sb_status st = sbi_jieba_cut(r->in->jieba, &r->pool, s, &words);
    for (int64_t i = 0; st == SB_OK && i < words.n; i++) {
        st = sbi_normalise_zh(&r->pool, words.s[i], &words.s[n]);
        if (st == SB_OK)
            n += words.s[n].n > 0;
    }
    words.n = n;
    *out    = words;
    return st;
}

static sb_status qa_f1_zh_one(sbi_req *r, const void *made, sbi_str ref, double *value)
{
    sbi_strs  words;
    sb_status st = zh_words(r, ref, &words);
    return st == SB_OK ? sbi_bag_f1(&r->pool, *(const sbi_strs *)made, words, value) : st;
}

static sb_status qa_f1_zh(sbi_req *r, sb_text_score *out)
{
    sbi_strs  words;
    sb_status st = zh_words(r, r->pred, &words);
    return st == SB_OK ? sbi_best(r, qa_f1_zh_one, &words, out) : st;
}

/* ---- ROUGE-L ---- */

/* Frames above the package: the module, scorer() and rouge_score(); rouge_zh_score() is one more.
 */
enum { FRAMES_EN = 3, FRAMES_ZH = 4 };

static sb_status rouge_one(sbi_req *r, const void *made, sbi_str ref, double *value)
{
    int raises;
    (void)made;
    sb_status st = sbi_rouge_l(&r->pool, r->pred, ref, FRAMES_EN, value, &raises);
    if (st == SB_OK && raises)
        r->flags |= SB_SCORE_RAISES;
    return st;
}

static sb_status rouge_l(sbi_req *r, sb_text_score *out)
{
    return sbi_best(r, rouge_one, NULL, out);
}

static sb_status segments(sbi_req *r, sbi_str s, sbi_str *out)
{
    sbi_strs  words;
    sb_status st = sbi_jieba_cut(r->in->jieba, &r->pool, s, &words);
    return st == SB_OK ? sbi_join(&r->pool, words, ' ', out) : st;
}

static sb_status rouge_zh_one(sbi_req *r, const void *made, sbi_str ref, double *value)
{
    int       raises;
    sb_status st = segments(r, ref, &ref);
    if (st == SB_OK)
        st = sbi_rouge_l(&r->pool, *(const sbi_str *)made, ref, FRAMES_ZH, value, &raises);
    if (st == SB_OK && raises)
        r->flags |= SB_SCORE_RAISES;
    return st;
}

static sb_status rouge_zh(sbi_req *r, sb_text_score *out)
{
    sbi_str   parted;
    sb_status st = segments(r, r->pred, &parted);
    return st == SB_OK ? sbi_best(r, rouge_zh_one, &parted, out) : st;
}

/* ---- classification ---- */

typedef struct matches {
    sbi_strs classes;
    sbi_strs found; /* the classes that stand in the prediction */
} matches;

static sb_status classification_one(sbi_req *r, const void *made, sbi_str ref, double *value)
{
    const matches *m    = made;
    sbi_strs       left = {.n = m->found.n};
    int            yes;
    sb_status      st = sbi_pool_get(&r->pool, left.n, sizeof *left.s, &left.s);
    if (st != SB_OK)
        return st;
    for (int64_t i = 0; i < left.n; i++)
        left.s[i] = m->found.s[i];
    /* The original removes from the list that it walks: the entry behind a removed one is not
     * looked at, and what goes is the first equal entry. */
    for (int64_t i = 0; i < left.n; i++) {
        int64_t first = 0;
        if (sbi_equal(left.s[i], ref))
            continue;
        if ((st = sbi_contains(&r->pool, ref, left.s[i], &yes)) != SB_OK)
            return st;
        if (!yes)
            continue;
        while (!sbi_equal(left.s[first], left.s[i]))
            first++;
        memmove(left.s + first, left.s + first + 1, (size_t)(left.n - first - 1) * sizeof *left.s);
        left.n--;
    }
    *value = 0;
    for (int64_t i = 0; i < left.n; i++)
        if (sbi_equal(left.s[i], ref))
            *value = 1.0 / (double)left.n;
    return SB_OK;
}

static sb_status classification(sbi_req *r, sb_text_score *out)
{
    matches   m = {.found = {.n = 0}};
    int       yes;
    sb_status st;
    if ((st = sbi_decode_all(&r->pool, r->in->classes, r->in->n_classes, &m.classes, &r->flags)) !=
            SB_OK ||
        (st = sbi_pool_get(&r->pool, m.classes.n, sizeof *m.found.s, &m.found.s)) != SB_OK)
        return st;
    for (int64_t i = 0; i < m.classes.n; i++) {
        if ((st = sbi_contains(&r->pool, r->pred, m.classes.s[i], &yes)) != SB_OK)
            return st;
        if (yes)
            m.found.s[m.found.n++] = m.classes.s[i];
    }
    if (m.found.n == 0)
        r->flags |= SB_SCORE_NULL;
    return sbi_best(r, classification_one, &m, out);
}

/* ---- numbers ---- */

static double share_of(const sbi_strs *numbers, sbi_str id)
{
    int64_t right = 0;
    for (int64_t i = 0; i < numbers->n; i++)
        right += sbi_equal(numbers->s[i], id);
    return numbers->n == 0 ? 0 : (double)right / (double)numbers->n;
}

/* The digits behind the first "Paragraph " that has some. */
static sb_status paragraph_of(sbi_pool *p, sbi_str ref, sbi_str word, sbi_str *id)
{
    for (sbi_str rest = ref;;) {
        int64_t   at, n = 0;
        sb_status st = sbi_str_find(p, rest, word, &at);
        if (st != SB_OK)
            return st;
        if (at < 0)
            return sb_fail(SB_ERR_USAGE, "the reference names no paragraph: there is no number "
                                         "behind \"Paragraph \" (Chinese: its word for it)");
        rest = sbi_slice(rest, at + word.n, rest.n);
        while (n < rest.n && sbi_is_decimal(rest.c[n]))
            n++;
        *id = sbi_slice(rest, 0, n);
        if (n > 0)
            return SB_OK;
    }
}

typedef struct numbers {
    sbi_strs runs;
    sbi_str  word; /* empty: the reference is the number */
} numbers;

static sb_status number_one(sbi_req *r, const void *made, sbi_str ref, double *value)
{
    const numbers *n  = made;
    sb_status      st = SB_OK;
    if (n->word.n > 0)
        st = paragraph_of(&r->pool, ref, n->word, &ref);
    if (st == SB_OK)
        *value = share_of(&n->runs, ref);
    return st;
}

static sb_status number_body(sbi_req *r, const char *word, sb_text_score *out)
{
    numbers   n;
    uint32_t  none = 0;
    sb_status st;
    if ((st = sbi_decode(&r->pool, sb_text_of(word), &n.word, &none)) != SB_OK ||
        (st = sbi_digit_runs(&r->pool, r->pred, 0, &n.runs)) != SB_OK)
        return st;
    if (n.runs.n == 0)
        r->flags |= SB_SCORE_NULL;
    return sbi_best(r, number_one, &n, out);
}

static sb_status count(sbi_req *r, sb_text_score *out) { return number_body(r, "", out); }

static sb_status retrieval(sbi_req *r, sb_text_score *out)
{
    return number_body(r, "Paragraph ", out);
}

static sb_status retrieval_zh(sbi_req *r, sb_text_score *out)
{
    return number_body(r, "\xe6\xae\xb5\xe8\x90\xbd", out); /* U+6BB5 U+843D */
}

/* ---- code ---- */

/* The first line that is no comment and no fence, empty when every one is. */
static sbi_str code_line(sbi_str pred)
{
    sbi_str rest = sbi_lstrip_char(pred, '\n');
    for (;;) {
        sbi_str line  = sbi_until(rest, '\n');
        int     plain = sbi_index_of(line, '`') < 0 && sbi_index_of(line, '#') < 0;
        for (int64_t i = 0; plain && i + 1 < line.n; i++)
            plain = line.c[i] != '/' || line.c[i + 1] != '/';
        if (plain)
            return line;
        if (line.n == rest.n)
            return sbi_slice(rest, 0, 0);
        rest = sbi_slice(rest, line.n + 1, rest.n);
    }
}

typedef sb_status (*ratio_fn)(sbi_pool *p, sbi_str a, sbi_str b, double *ratio);

/* fuzzywuzzy rounds to a whole number of percent, halves to even. */
static sb_status fuzz(sbi_req *r, sbi_str line, sbi_str ref, ratio_fn ratio, double *value)
{
    double    q  = 0;
    sb_status st = SB_OK;
    if (sbi_equal(line, ref))
        q = 1;
    else if (line.n > 0 && ref.n > 0)
        st = ratio(&r->pool, line, ref, &q);
    *value = nearbyint(100 * q) / 100;
    return st;
}

static sb_status code_body(sbi_req *r, sbi_pair_score one, sb_text_score *out)
{
    sbi_str line = code_line(r->pred);
    return sbi_best(r, one, &line, out);
}

static sb_status code_sim_one(sbi_req *r, const void *made, sbi_str ref, double *value)
{
    return fuzz(r, *(const sbi_str *)made, ref, sbi_ratio_difflib, value);
}

static sb_status code_sim(sbi_req *r, sb_text_score *out)
{
    return code_body(r, code_sim_one, out);
}

static sb_status ratio_quotient(sbi_pool *p, sbi_str a, sbi_str b, double *ratio)
{
    int64_t   same;
    sb_status st = sbi_common_chars(p, a, b, &same);
    if (st == SB_OK)
        *ratio = (double)(2 * same) / (double)(a.n + b.n);
    return st;
}

/* The same number, rounded otherwise: it decides at halves, which then go up or down. */
static sb_status ratio_distance(sbi_pool *p, sbi_str a, sbi_str b, double *ratio)
{
    int64_t   same;
    sb_status st = sbi_common_chars(p, a, b, &same);
    if (st == SB_OK)
        *ratio = 1.0 - (double)(a.n + b.n - 2 * same) / (double)(a.n + b.n);
    return st;
}

static sb_status code_sim_indel_one(sbi_req *r, const void *made, sbi_str ref, double *value)
{
    return fuzz(r, *(const sbi_str *)made, ref, ratio_quotient, value);
}

static sb_status code_sim_rapidfuzz_one(sbi_req *r, const void *made, sbi_str ref, double *value)
{
    return fuzz(r, *(const sbi_str *)made, ref, ratio_distance, value);
}

static sb_status code_sim_indel(sbi_req *r, sb_text_score *out)
{
    return code_body(r, code_sim_indel_one, out);
}

static sb_status code_sim_rapidfuzz(sbi_req *r, sb_text_score *out)
{
    return code_body(r, code_sim_rapidfuzz_one, out);
}

/* ---- v2 ---- */

static sb_status v2_body(sbi_req *r, double unanswered, sb_text_score *out)
{
    char c = r->preds.n > 0 ? sb_longbench_v2_answer(r->in->preds[0]) : 0;
    if (c == 0) {
        r->flags |= SB_SCORE_NULL;
        out->value = unanswered;
        return SB_OK;
    }
    for (int64_t i = 0; i < r->refs.n && out->value == 0; i++) {
        if (r->refs.s[i].n == 1 && r->refs.s[i].c[0] == c) {
            out->value    = 1;
            out->best_ref = i;
        }
    }
    return SB_OK;
}

static sb_status v2(sbi_req *r, sb_text_score *out) { return v2_body(r, 0, out); }

static sb_status v2_compensated(sbi_req *r, sb_text_score *out) { return v2_body(r, 0.25, out); }

#define LB "THUDM/LongBench@2e00731 LongBench/metrics.py"
#define LB2 "THUDM/LongBench@2e00731 pred.py, result.py"

SBI_SCORER(qa_f1, "qa_f1@1", LB, 0, 0, 0, qa_f1)
SBI_SCORER(qa_f1_zh, "qa_f1_zh@1", LB ", jieba 0.42.1", 0, SB_NEED_JIEBA, 0, qa_f1_zh)
SBI_SCORER(rouge_l, "rouge_l@1", LB ", rouge 1.0.1", 0, 0, 0, rouge_l)
SBI_SCORER(rouge_zh, "rouge_zh@1", LB ", rouge 1.0.1, jieba 0.42.1", 0, SB_NEED_JIEBA, 0, rouge_zh)
SBI_SCORER(classification, "classification@1", LB, 0, SB_NEED_CLASSES, 0, classification)
SBI_SCORER(retrieval, "retrieval@1", LB, 0, 0, 0, retrieval)
SBI_SCORER(retrieval_zh, "retrieval_zh@1", LB, 0, 0, 0, retrieval_zh)
SBI_SCORER(count, "count@1", LB, 0, 0, 0, count)
SBI_SCORER(code_sim, "code_sim@1", LB ", fuzzywuzzy 0.18.0 with difflib", 0, 0, 0, code_sim)
SBI_SCORER(code_sim_indel, "code_sim_indel@1",
           LB ", fuzzywuzzy 0.18.0 with python-Levenshtein 0.12", 0, 0, 0, code_sim_indel)
SBI_SCORER(code_sim_rapidfuzz, "code_sim_rapidfuzz@1",
           LB ", fuzzywuzzy 0.18.0 with Levenshtein 0.27 (rapidfuzz)", 0, 0, 0, code_sim_rapidfuzz)
SBI_SCORER(longbench_v2, "longbench_v2@1", LB2, 1, 0, 0, v2)
SBI_SCORER(longbench_v2_compensated, "longbench_v2_compensated@1", LB2, 0, 0, 0, v2_compensated)
