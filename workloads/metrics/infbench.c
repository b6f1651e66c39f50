/* InfiniteBench's scores. Where the original raises outside any handler, the value is 0 and
 * SB_SCORE_RAISES says so. */
#include "workloads/metrics/infbench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/metrics/request.h"
#include "workloads/metrics/rouge.h"
#include "workloads/metrics/suites.h"

const sb_infbench sb_infbench_tasks[] = {
    {"passkey", "infbench_first_int@1", 6},
    {"number_string", "infbench_first_int@1", 12},
    {"kv_retrieval", "infbench_kv_retrieval@1", 50},
    {"longbook_sum_eng", "infbench_rouge_lsum@1", 1200},
    {"longbook_choice_eng", "infbench_book_choice@1", 40},
    {"longbook_qa_eng", "qa_f1@1", 40},
    {"longbook_qa_chn", "infbench_f1_chars_zh@1", 40},
    {"longdialogue_qa_eng", "infbench_dialogue_qa@1", 40},
    {"math_find", "infbench_math_find@1", 3},
    {"math_calc", "infbench_math_calc@1", 30000},
    {"code_run", "infbench_code_run@1", 5},
    {"code_debug", "infbench_code_debug@1", 5},
    {NULL, NULL, 0},
};

const sb_infbench *sb_infbench_find(const char *task)
{
    for (const sb_infbench *t = sb_infbench_tasks; t->name != NULL; t++)
        if (strcmp(t->name, task) == 0)
            return t;
    return NULL;
}

static sb_status found(sb_text_score *out, int64_t ref)
{
    out->value    = 1;
    out->best_ref = ref;
    return SB_OK;
}

static int64_t word_in(const sbi_strs *words, sbi_str w)
{
    for (int64_t i = 0; i < words->n; i++)
        if (sbi_equal(words->s[i], w))
            return i;
    return -1;
}

/* The first run of 0-9 against the first reference, as text: 007 is not 7. */
static sb_status first_int(sbi_req *r, sb_text_score *out)
{
    sbi_strs  runs;
    sbi_str   first = {NULL, 0};
    sb_status st    = sbi_digit_runs(&r->pool, r->pred, 1, &runs);
    if (st != SB_OK)
        return st;
    if (runs.n > 0)
        first = runs.s[0];
    else
        r->flags |= SB_SCORE_NULL;
    return sbi_equal(first, r->refs.s[0]) ? found(out, 0) : SB_OK;
}

#define WORD_MARKS "\n:\"'.,?!{}"

static sb_status kv_retrieval(sbi_req *r, sb_text_score *out)
{
    sbi_str   s;
    sbi_strs  words;
    sb_status st;
    if ((st = sbi_blank_out(&r->pool, r->pred, WORD_MARKS, &s)) != SB_OK ||
        (st = sbi_split_space(&r->pool, s, &words)) != SB_OK)
        return st;
    return word_in(&words, r->refs.s[0]) >= 0 ? found(out, 0) : SB_OK;
}

/* The prediction's words in capitals; the reference as it is, which must be in capitals too. */
static sb_status dialogue_qa(sbi_req *r, sb_text_score *out)
{
    sbi_str   s;
    sbi_strs  words;
    sb_status st;
    if ((st = sbi_blank_out(&r->pool, sbi_strip(r->pred), WORD_MARKS, &s)) != SB_OK ||
        (st = sbi_split_space(&r->pool, s, &words)) != SB_OK)
        return st;
    for (int64_t i = 0; i < words.n; i++)
        if ((st = sbi_upper(&r->pool, words.s[i], &words.s[i])) != SB_OK)
            return st;
    return word_in(&words, r->refs.s[0]) >= 0 ? found(out, 0) : SB_OK;
}

/* Runs of blanks become one; other white space stays. */
static sb_status one_blank(sbi_pool *p, sbi_str s, sbi_str *out)
{
    int32_t  *to;
    int64_t   n  = 0;
    sb_status st = sbi_pool_get(p, s.n, sizeof *to, &to);
    if (st != SB_OK)
        return st;
    for (int64_t i = 0; i < s.n; i++)
        if (s.c[i] != ' ' || n == 0 || to[n - 1] != ' ')
            to[n++] = s.c[i];
    *out = (sbi_str){to, n};
    return SB_OK;
}

/* What stands one character behind the first prefix, in the list's order, that occurs at all.
 * *there: 0 no prefix occurs, 1 one does, -1 one does and the text ends with it. */
static sb_status behind_prefix(sbi_pool *p, sbi_str s, const char *const *prefixes, sbi_str *rest,
                               int *there)
{
    *there = 0;
    for (; *prefixes != NULL && *there == 0; prefixes++) {
        sbi_str   prefix;
        int64_t   at;
        sb_status st;
        if ((st = sbi_ascii(p, *prefixes, &prefix)) != SB_OK ||
            (st = sbi_str_find(p, s, prefix, &at)) != SB_OK)
            return st;
        if (at < 0)
            continue;
        *there = s.n < at + prefix.n + 1 ? -1 : 1;
        if (*there > 0)
            *rest = sbi_slice(s, at + prefix.n + 1, s.n);
    }
    return SB_OK;
}

/* The reference that `rest` starts with, -1: none. */
static int64_t starting(const sbi_strs *refs, sbi_str rest)
{
    for (int64_t i = 0; i < refs->n; i++)
        if (sbi_starts(rest, refs->s[i]))
            return i;
    return -1;
}

/* Is the word a piece of "ABCD"? */
static int in_abcd(sbi_str w)
{
    if (w.n < 1 || w.n > 4)
        return 0;
    for (int64_t i = 0; i < w.n; i++)
        if (w.c[i] < 'A' || w.c[i] > 'D' || (i > 0 && w.c[i] != w.c[i - 1] + 1))
            return 0;
    return 1;
}

/* References: the answer's text and its letter. */
static sb_status book_choice(sbi_req *r, sb_text_score *out)
{
    static const char *const prefixes[] = {"answer is:", "answer:", "answer is", "option is", NULL};
    sbi_str                  s          = sbi_strip(r->pred), rest;
    sbi_strs                 words;
    int64_t                  ref = -1;
    int                      there;
    sb_status                st;
    if (s.n == 0) {
        r->flags |= SB_SCORE_NULL;
        return SB_OK;
    }
    if (s.c[0] >= 'A' && s.c[0] <= 'D') {
        ref = word_in(&r->refs, sbi_slice(s, 0, 1));
        return ref >= 0 ? found(out, ref) : SB_OK;
    }
    if ((ref = word_in(&r->refs, s)) >= 0)
        return found(out, ref);
    if ((st = sbi_blank_out(&r->pool, s, "\n\"'.,?!{}", &s)) != SB_OK ||
        (st = one_blank(&r->pool, s, &s)) != SB_OK ||
        (st = behind_prefix(&r->pool, s, prefixes, &rest, &there)) != SB_OK)
        return st;
    if (there > 0)
        ref = starting(&r->refs, rest);
    if (there == 0) {
        if ((st = sbi_split_space(&r->pool, s, &words)) != SB_OK)
            return st;
        for (int64_t i = 0; i < words.n; i++) {
            if (in_abcd(words.s[i])) {
                ref = word_in(&r->refs, words.s[i]);
                return ref >= 0 ? found(out, ref) : SB_OK;
            }
        }
        r->flags |= SB_SCORE_NULL;
    }
    return ref >= 0 ? found(out, ref) : SB_OK;
}

/* Every `word` becomes one blank. */
static sb_status blank_word(sbi_pool *p, sbi_str s, const char *word, sbi_str *out)
{
    int32_t  *to;
    int64_t   n = 0;
    sbi_str   w;
    sb_status st;
    if ((st = sbi_ascii(p, word, &w)) != SB_OK ||
        (st = sbi_pool_get(p, s.n, sizeof *to, &to)) != SB_OK)
        return st;
    for (int64_t i = 0; i < s.n;) {
        int there = sbi_starts(sbi_slice(s, i, s.n), w);
        to[n++]   = there ? ' ' : s.c[i];
        i += there ? w.n : 1;
    }
    *out = (sbi_str){to, n};
    return SB_OK;
}

/* References: the function's name and its letter. */
static sb_status code_debug(sbi_req *r, sb_text_score *out)
{
    static const char *const prefixes[] = {
        "answer is:", "is:", "answer:", "correct option is:", NULL};
    sbi_str   s = sbi_strip(r->pred), rest, letter;
    int       there;
    sb_status st;
    if (r->refs.n < 2)
        return sb_fail(SB_ERR_USAGE, "needs two references: the function's name and its letter");
    letter = r->refs.s[1];
    if (sbi_starts(s, letter) && (s.n >= 2 ? 2 : s.n) == letter.n + 1 &&
        (s.c[letter.n] == '.' || s.c[letter.n] == ':'))
        return found(out, 1);
    if ((st = sbi_blank_out(&r->pool, s, "\n`'\"-*", &s)) != SB_OK ||
        (st = blank_word(&r->pool, s, "Option", &s)) != SB_OK ||
        (st = blank_word(&r->pool, s, "option", &s)) != SB_OK ||
        (st = one_blank(&r->pool, s, &s)) != SB_OK ||
        (st = behind_prefix(&r->pool, s, prefixes, &rest, &there)) != SB_OK)
        return st;
    if (there == 0)
        r->flags |= SB_SCORE_NULL;
    if (there > 0 && sbi_starts(rest, letter))
        return found(out, 1);
    return there > 0 && sbi_starts(rest, r->refs.s[0]) ? found(out, 0) : SB_OK;
}

/* ---- numbers ---- */

#define INT_DIGITS_MOST 4300 /* CPython refuses to read longer ones */

/* A Python int: sign, and its digits as 0-9 without leading zeros; zero has none. */
typedef struct number {
    int     negative;
    sbi_str digits;
} number;

/* int(s); *ok is 0 where that raises. */
static sb_status read_int(sbi_pool *p, sbi_str s, number *out, int *ok)
{
    int32_t  *to;
    int64_t   n = 0, digits = 0;
    sb_status st = sbi_pool_get(p, s.n, sizeof *to, &to);
    if (st != SB_OK)
        return st;
    s             = sbi_strip(s);
    *ok           = 0;
    out->negative = 0;
    if (s.n > 0 && (s.c[0] == '+' || s.c[0] == '-')) {
        out->negative = s.c[0] == '-';
        s             = sbi_slice(s, 1, s.n);
    }
    for (int64_t i = 0; i < s.n; i++) {
        if (s.c[i] == '_' && i > 0 && s.c[i - 1] != '_' && i + 1 < s.n)
            continue;
        if (!sbi_is_decimal(s.c[i]))
            return SB_OK;
        digits++;
        if (n > 0 || sbi_decimal_value(s.c[i]) != 0)
            to[n++] = '0' + sbi_decimal_value(s.c[i]);
    }
    *ok         = digits > 0 && digits <= INT_DIGITS_MOST;
    out->digits = (sbi_str){to, n};
    out->negative &= n > 0;
    return SB_OK;
}

static int same_number(const number *a, const number *b)
{
    return a->negative == b->negative && sbi_equal(a->digits, b->digits);
}

static sb_status ref_int(sbi_req *r, int64_t i, number *out)
{
    int       ok;
    sb_status st = read_int(&r->pool, r->refs.s[i], out, &ok);
    if (st == SB_OK && !ok)
        st = sb_fail(SB_ERR_USAGE, "reference %lld is no whole number", (long long)i);
    return st;
}

static sb_status code_run(sbi_req *r, sb_text_score *out)
{
    sbi_str   s;
    sbi_strs  words;
    number    want, got = {0};
    int       ok = 0;
    sb_status st;
    if ((st = ref_int(r, 0, &want)) != SB_OK ||
        (st = sbi_blank_out(&r->pool, sbi_strip(r->pred), "\n.`'\":", &s)) != SB_OK ||
        (st = sbi_split_space(&r->pool, s, &words)) != SB_OK)
        return st;
    if (words.n > 0 && (st = read_int(&r->pool, words.s[words.n - 1], &got, &ok)) != SB_OK)
        return st;
    if (!ok)
        r->flags |= SB_SCORE_NULL;
    return ok && same_number(&want, &got) ? found(out, 0) : SB_OK;
}

/* float(s) of digits, a point, and in references a sign and an exponent too. */
static sb_status read_float(sbi_pool *p, sbi_str s, double *v, int *ok)
{
    char     *text, *end;
    sb_status st = sbi_pool_get(p, s.n + 1, 1, &text);
    if (st != SB_OK)
        return st;
    *ok = s.n > 0;
    for (int64_t i = 0; i < s.n; i++) {
        int32_t c = sbi_is_decimal(s.c[i]) ? '0' + sbi_decimal_value(s.c[i]) : s.c[i];
        *ok &= c > 0 && c < 128 && strchr("0123456789.+-eE", (int)c) != NULL;
        text[i] = (char)(c & 127);
    }
    text[s.n] = '\0';
    if (*ok) {
        *v  = strtod(text, &end);
        *ok = end == text + s.n;
    }
    return SB_OK;
}

static sb_status math_find(sbi_req *r, sb_text_score *out)
{
    sbi_str   first = {NULL, 0}, ref = sbi_strip(r->refs.s[0]);
    number    want, got;
    double    want_float = 0, got_float = 0;
    int       is_int, ok;
    int64_t   from = 0, to, fraction = 0;
    sb_status st = read_int(&r->pool, ref, &want, &is_int);
    if (st == SB_OK && !is_int) {
        st = read_float(&r->pool, ref, &want_float, &ok);
        if (st == SB_OK && !ok)
            st = sb_fail(SB_ERR_USAGE, "reference 0 is no number");
    }
    if (st != SB_OK)
        return st;
    while (from < r->pred.n && !sbi_is_decimal(r->pred.c[from]))
        from++;
    to = from;
    while (to < r->pred.n && sbi_is_decimal(r->pred.c[to]))
        to++;
    if (from == to) {
        r->flags |= SB_SCORE_NULL;
        return SB_OK;
    }
    while (to + 1 + fraction < r->pred.n && r->pred.c[to] == '.' &&
           sbi_is_decimal(r->pred.c[to + 1 + fraction]))
        fraction++;
    first = sbi_slice(r->pred, from, fraction > 0 ? to + 1 + fraction : to);
    if (!is_int) {
        st = read_float(&r->pool, first, &got_float, &ok);
        return st == SB_OK && ok && got_float == want_float ? found(out, 0) : st;
    }
    if ((st = read_int(&r->pool, first, &got, &ok)) != SB_OK)
        return st;
    if (!ok) /* int("3.5"): the original stops here */
        r->flags |= SB_SCORE_RAISES;
    return ok && same_number(&want, &got) ? found(out, 0) : SB_OK;
}

/* References: the numbers in order. The score is how many of them the prediction starts with. */
static sb_status math_calc(sbi_req *r, sb_text_score *out)
{
    sbi_strs  runs;
    int64_t   right = 0, skip = r->in->drop_first != 0;
    sb_status st = sbi_digit_runs(&r->pool, r->pred, 1, &runs);
    if (st != SB_OK)
        return st;
    for (int64_t i = 0; i < runs.n; i++) {
        if (runs.s[i].n > INT_DIGITS_MOST) {
            r->flags |= SB_SCORE_RAISES;
            return SB_OK;
        }
    }
    if (runs.n <= skip)
        r->flags |= SB_SCORE_NULL;
    for (; right < r->refs.n && right + skip < runs.n; right++) {
        number want, got;
        int    ok;
        if ((st = ref_int(r, right, &want)) != SB_OK ||
            (st = read_int(&r->pool, runs.s[right + skip], &got, &ok)) != SB_OK)
            return st;
        if (!same_number(&want, &got))
            break;
    }
    out->value = (double)right / (double)r->refs.n;
    return SB_OK;
}

/* ---- texts ---- */

static sb_status f1_chars_one(sbi_req *r, const void *made, sbi_str ref, double *value)
{
    sbi_strs  chars;
    sb_status st;
    if ((st = sbi_normalise_zh(&r->pool, ref, &ref)) != SB_OK ||
        (st = sbi_chars(&r->pool, ref, &chars)) != SB_OK)
        return st;
    return sbi_bag_f1(&r->pool, *(const sbi_strs *)made, chars, value);
}

static sb_status f1_chars(sbi_req *r, sb_text_score *out)
{
    sbi_str   s;
    sbi_strs  chars;
    sb_status st;
    if ((st = sbi_normalise_zh(&r->pool, r->pred, &s)) != SB_OK ||
        (st = sbi_chars(&r->pool, s, &chars)) != SB_OK)
        return st;
    return sbi_best(r, f1_chars_one, &chars, out);
}

static sb_status rouge_lsum_one(sbi_req *r, const void *made, sbi_str ref, double *value)
{
    sbi_prf   f;
    sb_status st = sbi_rouge_score_lsum(&r->pool, r->pred, ref, 0, &f);
    (void)made;
    *value = st == SB_OK ? f.f : 0;
    return st;
}

static sb_status rouge_lsum(sbi_req *r, sb_text_score *out)
{
    return sbi_best(r, rouge_lsum_one, NULL, out);
}

#define IB "OpenBMB/InfiniteBench@88b3daa src/compute_scores.py"
#define LIST SB_NEED_REF_LIST

SBI_SCORER(infbench_first_int, "infbench_first_int@1", IB, 1, LIST, 0, first_int)
SBI_SCORER(infbench_kv_retrieval, "infbench_kv_retrieval@1", IB, 1, LIST, 0, kv_retrieval)
SBI_SCORER(infbench_book_choice, "infbench_book_choice@1", IB, 1, LIST, 0, book_choice)
SBI_SCORER(infbench_dialogue_qa, "infbench_dialogue_qa@1", IB, 1, LIST, 0, dialogue_qa)
SBI_SCORER(infbench_f1_chars_zh, "infbench_f1_chars_zh@1", IB, 0, 0, 0, f1_chars)
SBI_SCORER(infbench_rouge_lsum, "infbench_rouge_lsum@1",
           IB ", rougeLsum of evaluate (rouge_score 0.1.2, no stemmer)", 0, 0, 0, rouge_lsum)
SBI_SCORER(infbench_math_find, "infbench_math_find@1", IB, 1, LIST, 0, math_find)
SBI_SCORER(infbench_math_calc, "infbench_math_calc@1", IB, 0, LIST, 0, math_calc)
SBI_SCORER(infbench_code_run, "infbench_code_run@1", IB, 1, LIST, 0, code_run)
SBI_SCORER(infbench_code_debug, "infbench_code_debug@1", IB, 1, LIST, 0, code_debug)
