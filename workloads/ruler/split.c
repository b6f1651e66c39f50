#include "workloads/ruler/split.h"

#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"

/* Lower case, without the last dot. */
static const char *const abbreviations[] = {
    "a.m",  "approx", "apr", "assn",  "aug",  "ave",  "bros", "ca",   "capt",   "cf",   "ch",
    "cmdr", "co",     "col", "corp",  "dec",  "dept", "dr",   "e.g",  "ed",     "eds",  "eq",
    "esp",  "est",    "etc", "feb",   "fig",  "figs", "fri",  "gen",  "gov",    "hon",  "i.e",
    "inc",  "jan",    "jr",  "jul",   "jun",  "lt",   "ltd",  "maj",  "messrs", "mon",  "mr",
    "mrs",  "ms",     "mt",  "nos",   "nov",  "oct",  "op",   "p.m",  "pp",     "prof", "pt",
    "rep",  "rev",    "sec", "sen",   "sep",  "sept", "sgt",  "sr",   "st",     "thu",  "tue",
    "u.k",  "u.n",    "u.s", "u.s.a", "univ", "viz",  "vol",  "vols", "vs"};

enum { LONGEST = 8 };

static int by_text(const void *a, const void *b) { return strcmp(a, *(const char *const *)b); }

static int is_abbreviation(const char *text, int64_t begin, int64_t dot)
{
    char    word[LONGEST + 1];
    int64_t at = dot, n, i = 0;
    while (at > begin && text[at - 1] != ' ')
        at--;
    while (at < dot && strchr("\"'([", text[at]) != NULL)
        at++;
    n = dot - at;
    if (n == 0)
        return 0;
    if (i = at, (void)sbi_py_next(text, &i), i == dot) { /* one character */
        i = at;
        return sbi_py_isalpha(sbi_py_next(text, &i));
    }
    if (n > LONGEST)
        return 0;
    for (i = 0; i < n; i++) {
        char c  = text[at + i];
        word[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    word[n] = '\0';
    return bsearch(word, abbreviations, sizeof abbreviations / sizeof *abbreviations,
                   sizeof *abbreviations, by_text) != NULL;
}

static int closes(uint32_t c)
{
    return c == '"' || c == '\'' || c == ')' || c == ']' || c == 0x2019 || c == 0x201D || c == 0xBB;
}

static int starts(uint32_t c)
{
    return sbi_py_isupper(c) || sbi_py_isdigit(c) || c == '"' || c == '\'' || c == '(' ||
           c == '[' || c == 0x2018 || c == 0x201C || c == 0xAB;
}

/* The end of the sentence whose mark stands at `mark`, -1 when none ends here. */
static int64_t end_at(const char *text, int64_t n, int64_t begin, int64_t mark)
{
    int64_t  end    = mark + 1, next;
    uint32_t c      = 0;
    int      closed = 0;
    while (end < n) {
        next = end;
        c    = sbi_py_next(text, &next);
        if (!closes(c))
            break;
        closed = 1;
        end    = next;
    }
    if (end + 1 >= n || text[end] != ' ')
        return -1;
    next = end + 1;
    if (!starts(sbi_py_next(text, &next)))
        return -1;
    if (text[mark] == '.' && !closed && is_abbreviation(text, begin, mark))
        return -1;
    return end;
}

sb_status sb_split_v1(const char *text, int64_t n_bytes, sb_range **out, int64_t *n_out)
{
    sb_range *v = NULL;
    int64_t   n = 0, cap = 0, begin = 0;
    int       words = 0; /* a letter was seen in this sentence */
    for (int64_t i = 0; i <= n_bytes && begin < n_bytes;) {
        int64_t end = -1, at = i;
        if (i == n_bytes) {
            end = n_bytes;
        } else {
            uint32_t c = sbi_py_next(text, &i);
            words |= c != '_' && sbi_py_isalpha(c);
            if ((c == '.' || c == '!' || c == '?') && words)
                end = end_at(text, n_bytes, begin, at);
        }
        if (end < 0)
            continue;
        if (n == cap) {
            int64_t   want = cap > 0 ? 2 * cap : 64;
            sb_range *more = realloc(v, (size_t)want * sizeof *v);
            if (more == NULL) {
                free(v);
                return sb_fail(SB_ERR_NOMEM, "no memory for sentences");
            }
            v   = more;
            cap = want;
        }
        v[n++] = (sb_range){begin, end};
        begin = i = end + 1;
        words     = 0;
    }
    *out   = v;
    *n_out = n;
    return SB_OK;
}
