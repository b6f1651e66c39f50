/* The text is cut into stretches of Han characters, ASCII letters, digits and +#&._%- ; white space
 * and everything else is a segment a character (a CR LF pair is one). In a stretch the most
 * probable path through the dictionary's words is taken, from the end; runs of single characters on
 * it that are no word go to the hidden Markov model. Where two choices are equally probable the
 * package compares what stands next in a tuple: the later end, the greater state letter. */
#include "workloads/metrics/jieba.h"

#include <math.h>
#include <string.h>

static int is_han(int32_t c) { return c >= SBI_HAN_FIRST && c <= SBI_HAN_LAST; }

static int is_alnum(int32_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static int in_stretch(int32_t c)
{
    return is_han(c) || is_alnum(c) || (c > 0 && c < 128 && strchr("+#&._%-", (int)c) != NULL);
}

/* Each array has room for the whole text. */
typedef struct cut {
    const sb_jieba *j;
    sbi_strs        out;
    double         *best; /* log probability from a character to its stretch's end */
    int64_t        *end;  /* of the word that starts at a character on the best path */
    uint8_t (*from)[SBI_HMM_COUNT];
} cut;

static void put(cut *k, sbi_str s) { k->out.s[k->out.n++] = s; }

/* Which states may stand before a state, in falling order of their letters. */
static const sbi_hmm_state before[SBI_HMM_COUNT][2] = {
    [SBI_HMM_B] = {SBI_HMM_S, SBI_HMM_E},
    [SBI_HMM_M] = {SBI_HMM_M, SBI_HMM_B},
    [SBI_HMM_S] = {SBI_HMM_S, SBI_HMM_E},
    [SBI_HMM_E] = {SBI_HMM_M, SBI_HMM_B},
};

/* Viterbi over a run of Han characters, then words from begin to end states. */
static void cut_han(cut *k, sbi_str s)
{
    const sb_jieba *j             = k->j;
    uint8_t(*from)[SBI_HMM_COUNT] = k->from, state;
    double  v[SBI_HMM_COUNT], w[SBI_HMM_COUNT];
    int64_t begin = 0, next = 0;
    memset(from[0], 0, sizeof from[0]);
    for (int y = 0; y < SBI_HMM_COUNT; y++)
        v[y] = j->start[y] + j->emit[y][s.c[0] - SBI_HAN_FIRST];
    for (int64_t t = 1; t < s.n; t++) {
        for (int y = 0; y < SBI_HMM_COUNT; y++) {
            double        emit = j->emit[y][s.c[t] - SBI_HAN_FIRST];
            sbi_hmm_state a = before[y][0], b = before[y][1];
            double        via_a = v[a] + j->trans[a][y] + emit;
            double        via_b = v[b] + j->trans[b][y] + emit;
            w[y]                = via_b > via_a ? via_b : via_a;
            from[t][y]          = (uint8_t)(via_b > via_a ? b : a);
        }
        memcpy(v, w, sizeof v);
    }
    state = (uint8_t)(v[SBI_HMM_E] > v[SBI_HMM_S] ? SBI_HMM_E : SBI_HMM_S);
    for (int64_t t = s.n - 1; t >= 0; t--) { /* from[t][0] becomes the state at t */
        uint8_t prev = from[t][state];
        from[t][0]   = state;
        state        = prev;
    }
    for (int64_t t = 0; t < s.n; t++) {
        if (from[t][0] == SBI_HMM_B) {
            begin = t;
        } else if (from[t][0] == SBI_HMM_E) {
            put(k, sbi_slice(s, begin, t + 1));
            next = t + 1;
        } else if (from[t][0] == SBI_HMM_S) {
            put(k, sbi_slice(s, t, t + 1));
            next = t + 1;
        }
    }
    if (next < s.n)
        put(k, sbi_slice(s, next, s.n));
}

/* [a-zA-Z0-9]+(?:\.\d+)?%? at i; its length, 0: none. */
static int64_t latin_at(sbi_str s, int64_t i)
{
    int64_t e = i;
    while (e < s.n && is_alnum(s.c[e]))
        e++;
    if (e == i)
        return 0;
    if (e + 1 < s.n && s.c[e] == '.' && sbi_is_decimal(s.c[e + 1])) {
        e += 2;
        while (e < s.n && sbi_is_decimal(s.c[e]))
            e++;
    }
    return e + (e < s.n && s.c[e] == '%') - i;
}

/* A run of single characters that is no word: Han by the model, the rest by its form. */
static void cut_unknown(cut *k, sbi_str s)
{
    for (int64_t i = 0, end; i < s.n; i = end) {
        end = i;
        while (end < s.n && is_han(s.c[end]) == is_han(s.c[i]))
            end++;
        if (is_han(s.c[i])) {
            cut_han(k, sbi_slice(s, i, end));
            continue;
        }
        for (int64_t a = i, plain = i; a <= end;) {
            int64_t n = a < end ? latin_at(sbi_slice(s, 0, end), a) : 0;
            if ((n > 0 || a == end) && a > plain)
                put(k, sbi_slice(s, plain, a));
            if (n > 0)
                put(k, sbi_slice(s, a, a + n));
            plain = n > 0 ? a + n : plain;
            a += n > 0 ? n : 1;
        }
    }
}

static int is_word(const sb_jieba *j, sbi_str s)
{
    int64_t node = 0;
    for (int64_t i = 0; i < s.n; i++)
        if ((node = sbi_trie_child(&j->trie, node, s.c[i])) == 0)
            return 0;
    return j->trie.freq[node] > 0;
}

static void cut_run(cut *k, sbi_str s)
{
    if (s.n > 1 && !is_word(k->j, s))
        cut_unknown(k, s);
    else
        for (int64_t i = 0; i < s.n; i++)
            put(k, sbi_slice(s, i, i + 1));
}

static void cut_stretch(cut *k, sbi_str s)
{
    const sb_jieba *j         = k->j;
    double          log_total = log((double)j->total), *best = k->best;
    int64_t        *end = k->end, run = 0;
    best[s.n] = 0;
    for (int64_t i = s.n - 1; i >= 0; i--) { /* from the end */
        int64_t node = 0;
        end[i]       = 0;
        for (int64_t e = i; e < s.n; e++) {
            double via;
            if ((node = sbi_trie_child(&j->trie, node, s.c[e])) == 0)
                break;
            if (j->trie.freq[node] == 0)
                continue;
            via = j->weight[node] - log_total + best[e + 1];
            if (end[i] == 0 || via >= best[i]) {
                best[i] = via;
                end[i]  = e + 1;
            }
        }
        if (end[i] == 0) { /* no word starts here: the character alone, once in the corpus */
            best[i] = 0.0 - log_total + best[i + 1];
            end[i]  = i + 1;
        }
    }
    for (int64_t i = 0; i < s.n; i = end[i]) {
        if (end[i] - i == 1)
            continue;
        cut_run(k, sbi_slice(s, run, i));
        put(k, sbi_slice(s, i, end[i]));
        run = end[i];
    }
    cut_run(k, sbi_slice(s, run, s.n));
}

sb_status sbi_jieba_cut(const sb_jieba *j, sbi_pool *p, sbi_str s, sbi_strs *out)
{
    cut       k = {.j = j};
    sb_status st;
    if ((st = sbi_pool_get(p, s.n, sizeof *k.out.s, &k.out.s)) != SB_OK ||
        (st = sbi_pool_get(p, s.n + 1, sizeof *k.best, &k.best)) != SB_OK ||
        (st = sbi_pool_get(p, s.n, sizeof *k.end, &k.end)) != SB_OK ||
        (st = sbi_pool_get(p, s.n, sizeof *k.from, &k.from)) != SB_OK)
        return st;
    for (int64_t i = 0, end; i < s.n; i = end) {
        end = i;
        while (end < s.n && in_stretch(s.c[end]))
            end++;
        if (end > i) {
            cut_stretch(&k, sbi_slice(s, i, end));
        } else {
            end = i + 1 + (s.c[i] == '\r' && i + 1 < s.n && s.c[i + 1] == '\n');
            put(&k, sbi_slice(s, i, end));
        }
    }
    *out = k.out;
    return SB_OK;
}
