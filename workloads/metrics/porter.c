/* The Porter stemmer with NLTK's extensions (its default mode), which rouge_score uses. Rules are
 * rows of a table: the first whose ending fits decides, whether its condition holds or not. */
#include <string.h>

#include "workloads/metrics/rouge.h"

static int is_vowel(char c) { return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u'; }

/* y is a consonant where the letter before it is none. */
static int is_consonant(const char *w, int64_t i)
{
    int other = 0;
    if (is_vowel(w[i]))
        return 0;
    if (w[i] != 'y')
        return 1;
    while (i > 0 && w[i] == 'y') {
        other = !other;
        i--;
    }
    return is_vowel(w[i]) == other;
}

/* How often a vowel is followed by a consonant; *vowel is 1 when there is a vowel at all. */
static int64_t measure(const char *w, int64_t n, int *vowel)
{
    int64_t m      = 0;
    int     before = 0; /* was the letter before a vowel? */
    *vowel         = 0;
    for (int64_t i = 0; i < n; i++) {
        int consonant = w[i] == 'y' ? i == 0 || before : !is_vowel(w[i]);
        m += consonant && before;
        *vowel |= !consonant;
        before = !consonant;
    }
    return m;
}

static int64_t m_of(const char *w, int64_t n)
{
    int vowel;
    return measure(w, n, &vowel);
}

static int has_vowel(const char *w, int64_t n)
{
    int vowel;
    measure(w, n, &vowel);
    return vowel;
}

static int ends_cvc(const char *w, int64_t n)
{
    if (n == 2)
        return !is_consonant(w, 0) && is_consonant(w, 1);
    return n >= 3 && is_consonant(w, n - 3) && !is_consonant(w, n - 2) && is_consonant(w, n - 1) &&
           strchr("wxy", w[n - 1]) == NULL;
}

static int ends(const char *w, int64_t n, const char *with)
{
    int64_t k = (int64_t)strlen(with);
    return n >= k && memcmp(w + n - k, with, (size_t)k) == 0;
}

typedef struct rule {
    const char *from, *to;
} rule;

/* The stem before the ending must measure more than `above`. Letters of the ending that count as
 * stem, and a letter the stem must end with, are the two special cases. */
static int64_t apply(char *w, int64_t n, const rule *rules, int64_t above)
{
    for (const rule *r = rules; r->from != NULL; r++) {
        int64_t stem = n - (int64_t)strlen(r->from), k = (int64_t)strlen(r->to), counted = stem;
        if (!ends(w, n, r->from))
            continue;
        if (strcmp(r->from, "logi") == 0)
            counted++;
        if (m_of(w, counted) <= above ||
            (strcmp(r->from, "ion") == 0 && w[stem - 1] != 's' && w[stem - 1] != 't'))
            return n;
        memcpy(w + stem, r->to, (size_t)k);
        return stem + k;
    }
    return n;
}

static int64_t step_1a(char *w, int64_t n)
{
    if (ends(w, n, "ies"))
        return n == 4 ? n - 1 : n - 2;
    if (ends(w, n, "sses"))
        return n - 2;
    return ends(w, n, "s") && !ends(w, n, "ss") ? n - 1 : n;
}

static int64_t step_1b(char *w, int64_t n)
{
    int64_t stem = n;
    if (ends(w, n, "ied"))
        return n == 4 ? n - 1 : n - 2;
    if (ends(w, n, "eed"))
        return m_of(w, n - 3) > 0 ? n - 1 : n;
    if (ends(w, n, "ed") && has_vowel(w, n - 2))
        stem = n - 2;
    else if (ends(w, n, "ing") && has_vowel(w, n - 3))
        stem = n - 3;
    if (stem == n)
        return n;
    if (ends(w, stem, "at") || ends(w, stem, "bl") || ends(w, stem, "iz")) {
        w[stem] = 'e';
        return stem + 1;
    }
    if (stem >= 2 && w[stem - 1] == w[stem - 2] && is_consonant(w, stem - 1))
        return strchr("lsz", w[stem - 1]) == NULL ? stem - 1 : stem;
    if (m_of(w, stem) == 1 && ends_cvc(w, stem)) {
        w[stem] = 'e';
        return stem + 1;
    }
    return stem;
}

static int64_t step_5(char *w, int64_t n)
{
    if (ends(w, n, "e")) {
        int64_t m = m_of(w, n - 1);
        if (m > 1 || (m == 1 && !ends_cvc(w, n - 1)))
            n--;
    }
    return ends(w, n, "ll") && m_of(w, n - 1) > 1 ? n - 1 : n;
}

static const rule irregular[] = {
    {"sky", "sky"},        {"skies", "sky"},       {"dying", "die"},        {"lying", "lie"},
    {"tying", "tie"},      {"news", "news"},       {"innings", "inning"},   {"inning", "inning"},
    {"outings", "outing"}, {"outing", "outing"},   {"cannings", "canning"}, {"canning", "canning"},
    {"howe", "howe"},      {"proceed", "proceed"}, {"exceed", "exceed"},    {"succeed", "succeed"},
    {NULL, NULL}};
static const rule step_2[] = {
    {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"},
    {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"}, {"eli", "e"},     {"ousli", "ous"},
    {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},  {"alism", "al"},  {"iveness", "ive"},
    {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},  {"iviti", "ive"}, {"biliti", "ble"},
    {"fulli", "ful"},   {"logi", "log"},    {NULL, NULL}};
static const rule step_3[] = {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"},
                              {"ical", "ic"},  {"ful", ""},   {"ness", ""},    {NULL, NULL}};
static const rule step_4[] = {
    {"al", ""},  {"ance", ""},  {"ence", ""}, {"er", ""},  {"ic", ""},  {"able", ""}, {"ible", ""},
    {"ant", ""}, {"ement", ""}, {"ment", ""}, {"ent", ""}, {"ion", ""}, {"ou", ""},   {"ism", ""},
    {"ate", ""}, {"iti", ""},   {"ous", ""},  {"ive", ""}, {"ize", ""}, {NULL, NULL}};

int64_t sbi_porter(char *w, int64_t n)
{
    for (const rule *r = irregular; r->from != NULL; r++) {
        if ((int64_t)strlen(r->from) == n && memcmp(w, r->from, (size_t)n) == 0) {
            int64_t k = (int64_t)strlen(r->to);
            memcpy(w, r->to, (size_t)k);
            return k;
        }
    }
    if (n <= 2)
        return n;
    n = step_1a(w, n);
    n = step_1b(w, n);
    if (n > 2 && w[n - 1] == 'y' && is_consonant(w, n - 2)) /* happy, but neither enjoy nor by */
        w[n - 1] = 'i';
    while (ends(w, n, "alli") && m_of(w, n - 4) > 0) /* done first, then the step once more */
        n -= 2;
    n = apply(w, n, step_2, 0);
    n = apply(w, n, step_3, 0);
    n = apply(w, n, step_4, 1);
    return step_5(w, n);
}
