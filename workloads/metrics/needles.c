/* Short answers found in a prediction: RULER and its variants, NIAH's key phrase, BABILong. */
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "workloads/metrics/request.h"
#include "workloads/metrics/ruler.h"
#include "workloads/metrics/suites.h"

/* ---- RULER ---- */

static sb_status hits_of(sbi_req *r, sbi_str pred, sb_text_score *out, int64_t *hits)
{
    sb_status st = sbi_lower(&r->pool, pred, &pred);
    *hits        = 0;
    for (int64_t i = 0; st == SB_OK && i < r->refs.n; i++) {
        int     yes = 0;
        sbi_str ref;
        if ((st = sbi_lower(&r->pool, r->refs.s[i], &ref)) == SB_OK)
            st = sbi_contains(&r->pool, pred, ref, &yes);
        if (yes && *hits == 0)
            out->best_ref = i;
        *hits += yes;
        if (r->in->hit != NULL)
            r->in->hit[i] = (uint8_t)yes;
    }
    out->n_hits = *hits;
    return st;
}

/* Control characters become line breaks, or vanish; white space goes at both ends before and
 * after. */
static sb_status cleaned(sbi_pool *p, sbi_str s, int vanish, sbi_str *out)
{
    int32_t  *to;
    int64_t   n = 0;
    sb_status st;
    s = sbi_strip(s);
    if ((st = sbi_pool_get(p, s.n, sizeof *to, &to)) != SB_OK)
        return st;
    for (int64_t i = 0; i < s.n; i++)
        if (s.c[i] >= 0x20 || !vanish)
            to[n++] = s.c[i] < 0x20 ? '\n' : s.c[i];
    *out = sbi_strip((sbi_str){to, n});
    return SB_OK;
}

sb_status sb_ruler_clean(sb_text pred, char **out)
{
    sbi_pool  pool  = {0};
    uint32_t  flags = 0;
    int64_t   n     = 0;
    sbi_str   s;
    char     *text = NULL;
    sb_status st   = sbi_decode(&pool, pred, &s, &flags);
    if (st == SB_OK)
        st = cleaned(&pool, s, 0, &s);
    if (st == SB_OK && (text = malloc(4 * (size_t)s.n + 1)) == NULL)
        st = sb_fail(SB_ERR_NOMEM, "a cleaned prediction: no memory");
    if (st == SB_OK) {
        for (int64_t i = 0; i < s.n; i++)
            n += utf8proc_encode_char(s.c[i], (utf8proc_uint8_t *)text + n);
        text[n] = '\0';
        *out    = text;
    }
    sbi_pool_free(&pool);
    return st;
}

static sb_status match(sbi_req *r, int vanish, int part, sb_text_score *out)
{
    sbi_str   s;
    int64_t   hits;
    sb_status st;
    if ((st = cleaned(&r->pool, r->pred, vanish, &s)) != SB_OK ||
        (st = hits_of(r, s, out, &hits)) != SB_OK)
        return st;
    if (s.n == 0)
        r->flags |= SB_SCORE_NULL;
    out->value = part ? (double)(hits > 0) : (double)hits / (double)r->refs.n;
    return SB_OK;
}

static sb_status ruler_all(sbi_req *r, sb_text_score *out) { return match(r, 0, 0, out); }

static sb_status ruler_part(sbi_req *r, sb_text_score *out) { return match(r, 0, 1, out); }

static sb_status kvpress_all(sbi_req *r, sb_text_score *out) { return match(r, 1, 0, out); }

static sb_status kvpress_part(sbi_req *r, sb_text_score *out) { return match(r, 1, 1, out); }

/* HELMET's recall takes the prediction as it is. */
static sb_status helmet_recall(sbi_req *r, sb_text_score *out)
{
    int64_t   hits;
    sb_status st = hits_of(r, r->pred, out, &hits);
    out->value   = (double)hits / (double)r->refs.n;
    return st;
}

/* ---- NIAH ---- */

static sb_status plain(sbi_pool *p, sbi_str s, sbi_str *out)
{
    sbi_strs  words;
    sb_status st;
    if ((st = sbi_lower(p, s, &s)) != SB_OK || (st = sbi_split_space(p, s, &words)) != SB_OK)
        return st;
    return sbi_join(p, words, ' ', out);
}

static sb_status key_phrase_one(sbi_req *r, const void *made, sbi_str ref, double *value)
{
    int       yes = 0;
    sb_status st  = plain(&r->pool, ref, &ref);
    if (st == SB_OK && ref.n == 0)
        return sb_fail(SB_ERR_USAGE, "the key phrase is empty");
    if (st == SB_OK)
        st = sbi_contains(&r->pool, *(const sbi_str *)made, ref, &yes);
    *value = yes;
    return st;
}

static sb_status key_phrase(sbi_req *r, sb_text_score *out)
{
    sbi_str   s;
    sb_status st = plain(&r->pool, r->pred, &s);
    return st == SB_OK ? sbi_best(r, key_phrase_one, &s, out) : st;
}

/* ---- BABILong ---- */

#define PLACES "bathroom", "bedroom", "garden", "hallway", "kitchen", "office"
#define LABELS_MOST 12

static const char *const labels[20][LABELS_MOST + 1] = {
    {PLACES},
    {PLACES},
    {PLACES},
    {PLACES},
    {"bill", "fred", "jeff", "mary", "apple", "football", "milk"},
    {"no", "yes"},
    {"none", "one", "three", "two"},
    {"apple", "football", "milk", "nothing"},
    {"no", "yes"},
    {"maybe", "no", "yes"},
    {PLACES},
    {PLACES},
    {PLACES},
    {"bedroom", "cinema", "kitchen", "office", "park", "school"},
    {"cat", "mouse", "sheep", "wolf"},
    {"gray", "green", "white", "yellow"},
    {"no", "yes"},
    {"no", "yes"},
    {"e,e", "e,n", "e,s", "n,e", "n,n", "n,w", "s,e", "s,s", "s,w", "w,n", "w,s", "w,w"},
    {"bedroom", "bored", "garden", "hungry", "kitchen", "thirsty", "tired"},
};

static sb_status task_labels(const char *task, const char *const **out)
{
    char *end = NULL;
    long  n   = 0;
    if (strncmp(task, "qa", 2) == 0 && task[2] >= '1' && task[2] <= '9')
        n = strtol(task + 2, &end, 10);
    if (n < 1 || n > 20 || *end != '\0')
        return sb_fail(SB_ERR_USAGE, "BABILong has the tasks qa1 to qa20, not \"%s\"", task);
    *out = labels[n - 1];
    return SB_OK;
}

/* Lower case, then up to the first of ".", "<context>", "<example>". (The original also cuts at
 * "Question", which no lower-case text holds.) */
static sb_status answer_part(sbi_pool *p, sbi_str s, sbi_str *out)
{
    static const char *const ends[] = {"<context>", "<example>", NULL};
    sb_status                st     = sbi_lower(p, s, &s);
    if (st != SB_OK)
        return st;
    s = sbi_until(s, '.');
    for (const char *const *e = ends; *e != NULL; e++) {
        sbi_str mark;
        int64_t at;
        if ((st = sbi_ascii(p, *e, &mark)) != SB_OK ||
            (st = sbi_str_find(p, s, mark, &at)) != SB_OK)
            return st;
        if (at >= 0)
            s = sbi_slice(s, 0, at);
    }
    *out = s;
    return SB_OK;
}

static int64_t among(const sbi_strs *found, sbi_str label)
{
    for (int64_t i = 0; i < found->n; i++)
        if (sbi_equal(found->s[i], label))
            return i;
    return -1;
}

static sb_status babilong(sbi_req *r, sb_text_score *out)
{
    const char *const *label = NULL;
    sbi_str            question, target, answer, space[LABELS_MOST];
    sbi_strs           found = {.s = space}, parts = {.n = 1, .s = &target};
    sb_status          st;
    if ((st = task_labels(r->in->task, &label)) != SB_OK ||
        (st = sbi_decode(&r->pool, r->in->question, &question, &r->flags)) != SB_OK ||
        (st = sbi_lower(&r->pool, question, &question)) != SB_OK ||
        (st = sbi_lower(&r->pool, r->refs.s[0], &target)) != SB_OK ||
        (st = answer_part(&r->pool, r->pred, &answer)) != SB_OK)
        return st;
    for (; *label != NULL; label++) {
        sbi_str l;
        int     asked, named;
        if ((st = sbi_ascii(&r->pool, *label, &l)) != SB_OK ||
            (st = sbi_contains(&r->pool, question, l, &asked)) != SB_OK ||
            (st = sbi_contains(&r->pool, answer, l, &named)) != SB_OK)
            return st;
        if (named && !asked)
            found.s[found.n++] = l;
    }
    if (found.n == 0)
        r->flags |= SB_SCORE_NULL;
    /* "n,e" is one label, "apple,milk" is two */
    if (target.n > 3 && (st = sbi_split_char(&r->pool, target, ',', &parts)) != SB_OK)
        return st;
    out->value = found.n == parts.n;
    for (int64_t i = 0; i < parts.n; i++)
        if (among(&found, parts.s[i]) < 0)
            out->value = 0;
    if (out->value > 0)
        out->best_ref = 0;
    return SB_OK;
}

#define RULER "NVIDIA/RULER scripts/eval"
#define KVPRESS "NVIDIA/kvpress evaluation/benchmarks/ruler/calculate_metrics.py"
#define LIST SB_NEED_REF_LIST
#define HITS SB_GIVES_HITS

SBI_SCORER(ruler_all, "ruler_all@1", RULER " string_match_all", 0, LIST | HITS, 0, ruler_all)
SBI_SCORER(ruler_part, "ruler_part@1", RULER " string_match_part", 1, HITS, 0, ruler_part)
SBI_SCORER(kvpress_all, "kvpress_all@1", KVPRESS, 0, LIST | HITS, 0, kvpress_all)
SBI_SCORER(kvpress_part, "kvpress_part@1", KVPRESS, 1, HITS, 0, kvpress_part)
SBI_SCORER(lmeval_part, "lmeval_part@1",
           "EleutherAI/lm-evaluation-harness lm_eval/tasks/ruler string_match_part", 0, LIST | HITS,
           0, ruler_all)
SBI_SCORER(helmet_recall, "helmet_recall@1", "princeton-nlp/HELMET@4526dfb data.py load_ruler", 0,
           LIST | HITS, 0, helmet_recall)
SBI_SCORER(key_phrase, "key_phrase@1", "own: gkamradt's NIAH asks a language model", 1, 0, 0,
           key_phrase)
SBI_SCORER(babilong, "babilong@1", "booydar/babilong@7a6efee babilong/metrics.py", 1,
           SB_NEED_TASK | LIST, 0, babilong)
