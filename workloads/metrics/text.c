#include "workloads/metrics/text.h"

#include <string.h>
#include <utf8proc.h>
#include <xxhash.h>

/* ---- characters ---- */

static int category(int32_t c) { return utf8proc_category(c); }

int sbi_is_space(int32_t c)
{
    const utf8proc_property_t *prop;
    if (c < 128)
        return (c >= 9 && c <= 13) || (c >= 28 && c <= 32);
    prop = utf8proc_get_property(c);
    return prop->category == UTF8PROC_CATEGORY_ZS || prop->bidi_class == UTF8PROC_BIDI_CLASS_WS ||
           prop->bidi_class == UTF8PROC_BIDI_CLASS_B || prop->bidi_class == UTF8PROC_BIDI_CLASS_S;
}

int sbi_is_word(int32_t c)
{
    int cat;
    if (c < 128)
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               c == '_';
    cat = category(c);
    return (cat >= UTF8PROC_CATEGORY_LU && cat <= UTF8PROC_CATEGORY_LO) ||
           (cat >= UTF8PROC_CATEGORY_ND && cat <= UTF8PROC_CATEGORY_NO);
}

int sbi_is_decimal(int32_t c)
{
    if (c < 128)
        return c >= '0' && c <= '9';
    return category(c) == UTF8PROC_CATEGORY_ND;
}

/* Every script's ten digits stand in a row, but nothing says where a row starts that touches
 * another one: the mathematical digits are five rows, the only case, from U+1D7CE on. */
int sbi_decimal_value(int32_t c)
{
    int32_t zero = c;
    if (c >= 0x1D7CE && c <= 0x1D7FF)
        return (c - 0x1D7CE) % 10;
    while (c - zero < 9 && sbi_is_decimal(zero - 1))
        zero--;
    return c - zero;
}

int sbi_is_ascii_punct(int32_t c)
{
    return (c >= 33 && c <= 47) || (c >= 58 && c <= 64) || (c >= 91 && c <= 96) ||
           (c >= 123 && c <= 126);
}

typedef struct range {
    int32_t first, last;
} range;

static int in_ranges(const range *r, size_t n, int32_t c)
{
    for (size_t i = 0; i < n; i++)
        if (c >= r[i].first && c <= r[i].last)
            return 1;
    return 0;
}

#define IN(table, c) in_ranges(table, sizeof(table) / sizeof *(table), c)

/* Not in it, though one would think so: U+3008, U+3009, U+300A, U+FF0E. */
int sbi_is_zh_punct(int32_t c)
{
    static const range punct[] = {
        {0x002e, 0x002e}, {0x2013, 0x2014}, {0x2018, 0x2019}, {0x201b, 0x201f},
        {0x2026, 0x2027}, {0x3001, 0x3003}, {0x300b, 0x3011}, {0x3014, 0x301f},
        {0x3030, 0x3030}, {0x303e, 0x303f}, {0xfe4f, 0xfe4f}, {0xff01, 0xff0d},
        {0xff0f, 0xff0f}, {0xff1a, 0xff20}, {0xff3b, 0xff40}, {0xff5b, 0xff64}};
    return IN(punct, c);
}

/* ---- from and to other forms ---- */

/* The length of the sequence at s, and its code point or -1: then the length is that of the
 * longest beginning of a sequence that could have become one. */
static int decode_one(const unsigned char *s, size_t left, int32_t *c)
{
    int           need = 0;
    unsigned char low = 0x80, high = 0xBF; /* of the second byte */
    int32_t       v;
    *c = -1;
    if (s[0] < 0x80) {
        *c = s[0];
        return 1;
    }
    if (s[0] >= 0xC2 && s[0] <= 0xDF) {
        need = 1;
        v    = s[0] & 0x1F;
    } else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        need = 2;
        v    = s[0] & 0x0F;
        low  = s[0] == 0xE0 ? 0xA0 : 0x80;
        high = s[0] == 0xED ? 0x9F : 0xBF; /* no surrogates */
    } else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        need = 3;
        v    = s[0] & 0x07;
        low  = s[0] == 0xF0 ? 0x90 : 0x80;
        high = s[0] == 0xF4 ? 0x8F : 0xBF;
    } else {
        return 1;
    }
    for (int i = 1; i <= need; i++) {
        if ((size_t)i >= left || s[i] < low || s[i] > high)
            return i;
        v    = (v << 6) | (s[i] & 0x3F);
        low  = 0x80;
        high = 0xBF;
    }
    *c = v;
    return need + 1;
}

sb_status sbi_decode(sbi_pool *p, sb_text text, sbi_str *out, uint32_t *flags)
{
    const unsigned char *s = (const unsigned char *)text.data;
    int32_t             *to;
    int64_t              n  = 0;
    sb_status            st = sbi_pool_get(p, (int64_t)text.bytes, sizeof *to, &to);
    if (st != SB_OK)
        return st;
    for (size_t at = 0; at < text.bytes;) {
        int32_t c;
        at += (size_t)decode_one(s + at, text.bytes - at, &c);
        if (c < 0) {
            c = 0xFFFD;
            *flags |= SB_SCORE_BAD_UTF8;
        }
        to[n++] = c;
    }
    *out = (sbi_str){to, n};
    return SB_OK;
}

sb_status sbi_decode_all(sbi_pool *p, const sb_text *texts, int64_t n, sbi_strs *out,
                         uint32_t *flags)
{
    sbi_strs  all = {.n = n};
    sb_status st  = sbi_pool_get(p, n, sizeof *all.s, &all.s);
    for (int64_t i = 0; st == SB_OK && i < n; i++)
        st = sbi_decode(p, texts[i], &all.s[i], flags);
    if (st == SB_OK)
        *out = all;
    return st;
}

sb_status sbi_ascii(sbi_pool *p, const char *text, sbi_str *out)
{
    uint32_t none = 0;
    return sbi_decode(p, sb_text_of(text), out, &none);
}

/* Cased and Case_Ignorable of the Unicode standard, as far as the rule of the final sigma sees
 * them: what is both counts as ignorable there, so the cased modifier letters need no place. */
static int is_case_ignorable(int32_t c)
{
    static const range marks[] = {
        {0x27, 0x27},     {0x2e, 0x2e},     {0x3a, 0x3a},     {0xb7, 0xb7},
        {0x387, 0x387},   {0x55f, 0x55f},   {0x5f4, 0x5f4},   {0x2018, 0x2019},
        {0x2024, 0x2024}, {0x2027, 0x2027}, {0xfe13, 0xfe13}, {0xfe52, 0xfe52},
        {0xfe55, 0xfe55}, {0xff07, 0xff07}, {0xff0e, 0xff0e}, {0xff1a, 0xff1a}};
    int cat = category(c);
    return cat == UTF8PROC_CATEGORY_MN || cat == UTF8PROC_CATEGORY_ME ||
           cat == UTF8PROC_CATEGORY_CF || cat == UTF8PROC_CATEGORY_LM ||
           cat == UTF8PROC_CATEGORY_SK || IN(marks, c);
}

static int is_cased(int32_t c)
{
    static const range others[] = {{0xaa, 0xaa},      {0xba, 0xba},       {0x2160, 0x217f},
                                   {0x24b6, 0x24e9},  {0x1f130, 0x1f149}, {0x1f150, 0x1f169},
                                   {0x1f170, 0x1f189}};
    int                cat      = category(c);
    return cat == UTF8PROC_CATEGORY_LU || cat == UTF8PROC_CATEGORY_LL ||
           cat == UTF8PROC_CATEGORY_LT || IN(others, c);
}

/* Is the capital sigma at i the last letter of a word? */
static int sigma_is_final(sbi_str s, int64_t i)
{
    int64_t j = i - 1;
    while (j >= 0 && is_case_ignorable(s.c[j]))
        j--;
    if (j < 0 || !is_cased(s.c[j]))
        return 0;
    j = i + 1;
    while (j < s.n && is_case_ignorable(s.c[j]))
        j++;
    return j == s.n || !is_cased(s.c[j]);
}

sb_status sbi_lower(sbi_pool *p, sbi_str s, sbi_str *out)
{
    int32_t  *to;
    int64_t   n = 0, more = 0;
    sb_status st;
    for (int64_t i = 0; i < s.n; i++)
        more += s.c[i] == 0x130;
    if ((st = sbi_pool_get(p, s.n + more, sizeof *to, &to)) != SB_OK)
        return st;
    for (int64_t i = 0; i < s.n; i++) {
        int32_t c = s.c[i];
        if (c < 128) {
            to[n++] = c >= 'A' && c <= 'Z' ? c + 32 : c;
        } else if (c == 0x130) { /* the one letter whose small form is two characters */
            to[n++] = 'i';
            to[n++] = 0x307;
        } else if (c == 0x3A3) {
            to[n++] = sigma_is_final(s, i) ? 0x3C2 : 0x3C3;
        } else {
            to[n++] = utf8proc_tolower(c);
        }
    }
    *out = (sbi_str){to, n};
    return SB_OK;
}

/* The full capital form: utf8proc knows it only through case folding. A capital letter keeps
 * itself, also where its folding is longer (U+1E9E, U+0130). */
static int upper_one(int32_t c, int32_t to[4])
{
    utf8proc_int32_t folded[4];
    int              boundclass = 0;
    utf8proc_ssize_t n;
    if (c < 128) {
        to[0] = c >= 'a' && c <= 'z' ? c - 32 : c;
        return 1;
    }
    n = category(c) == UTF8PROC_CATEGORY_LU
            ? 1
            : utf8proc_decompose_char(c, folded, 4, UTF8PROC_CASEFOLD, &boundclass);
    if (n < 2 || n > 4) {
        to[0] = utf8proc_toupper(c);
        return 1;
    }
    for (utf8proc_ssize_t i = 0; i < n; i++)
        to[i] = utf8proc_toupper(folded[i]);
    return (int)n;
}

sb_status sbi_upper(sbi_pool *p, sbi_str s, sbi_str *out)
{
    int32_t  *to, one[4];
    int64_t   n = 0, at = 0;
    sb_status st;
    for (int64_t i = 0; i < s.n; i++)
        n += upper_one(s.c[i], one);
    if ((st = sbi_pool_get(p, n, sizeof *to, &to)) != SB_OK)
        return st;
    for (int64_t i = 0; i < s.n; i++) {
        int k = upper_one(s.c[i], one);
        memcpy(to + at, one, (size_t)k * sizeof *to);
        at += k;
    }
    *out = (sbi_str){to, n};
    return SB_OK;
}

/* Marks in the order of their combining class, equal ones as they stood: a counting sort of each
 * run, because a run may be the whole text. */
static sb_status order_marks(sbi_pool *p, int32_t *c, int64_t n)
{
    int32_t  *from;
    sb_status st = SB_OK;
    for (int64_t i = 0; st == SB_OK && i < n;) {
        int64_t       count[257] = {0}, end = i;
        sbi_pool_mark mark = sbi_pool_here(p);
        int           last = 0, sorted = 1;
        while (end < n) {
            int ccc = c[end] < 128 ? 0 : utf8proc_get_property(c[end])->combining_class;
            if (ccc == 0)
                break;
            sorted &= ccc >= last;
            last = ccc;
            count[ccc + 1]++;
            end++;
        }
        if (!sorted) {
            if ((st = sbi_pool_get(p, end - i, sizeof *from, &from)) != SB_OK)
                break;
            memcpy(from, c + i, (size_t)(end - i) * sizeof *from);
            for (int k = 1; k < 257; k++)
                count[k] += count[k - 1];
            for (int64_t j = 0; j < end - i; j++)
                c[i + count[utf8proc_get_property(from[j])->combining_class]++] = from[j];
            sbi_pool_back(p, mark);
        }
        i = end + 1;
    }
    return st;
}

sb_status sbi_nfd(sbi_pool *p, sbi_str s, sbi_str *out)
{
    utf8proc_int32_t one[8]; /* the longest canonical decomposition has four */
    int32_t         *to;
    int64_t          n          = 0;
    int              boundclass = 0;
    sb_status        st;
    for (int64_t i = 0; i < s.n; i++)
        n += s.c[i] < 128
                 ? 1
                 : utf8proc_decompose_char(s.c[i], one, 8, UTF8PROC_DECOMPOSE, &boundclass);
    if ((st = sbi_pool_get(p, n, sizeof *to, &to)) != SB_OK)
        return st;
    n = 0;
    for (int64_t i = 0; i < s.n; i++) {
        utf8proc_ssize_t k = 1;
        one[0]             = s.c[i];
        if (s.c[i] >= 128)
            k = utf8proc_decompose_char(s.c[i], one, 8, UTF8PROC_DECOMPOSE, &boundclass);
        memcpy(to + n, one, (size_t)k * sizeof *to);
        n += k;
    }
    *out = (sbi_str){to, n};
    return order_marks(p, to, n);
}

/* ---- slices ---- */

sbi_str sbi_slice(sbi_str s, int64_t begin, int64_t end)
{
    return (sbi_str){s.c + begin, end - begin};
}

sbi_str sbi_strip(sbi_str s)
{
    while (s.n > 0 && sbi_is_space(s.c[s.n - 1]))
        s.n--;
    while (s.n > 0 && sbi_is_space(s.c[0])) {
        s.c++;
        s.n--;
    }
    return s;
}

sbi_str sbi_lstrip_char(sbi_str s, int32_t c)
{
    while (s.n > 0 && s.c[0] == c) {
        s.c++;
        s.n--;
    }
    return s;
}

int64_t sbi_index_of(sbi_str s, int32_t c)
{
    for (int64_t i = 0; i < s.n; i++)
        if (s.c[i] == c)
            return i;
    return -1;
}

sbi_str sbi_until(sbi_str s, int32_t c)
{
    int64_t at = sbi_index_of(s, c);
    return at < 0 ? s : sbi_slice(s, 0, at);
}

int sbi_equal(sbi_str a, sbi_str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.c, b.c, (size_t)a.n * sizeof *a.c) == 0);
}

int sbi_starts(sbi_str s, sbi_str with)
{
    return s.n >= with.n && sbi_equal(sbi_slice(s, 0, with.n), with);
}

sb_status sbi_str_find(sbi_pool *p, sbi_str s, sbi_str part, int64_t *at)
{
    sbi_pool_mark mark = sbi_pool_here(p);
    int64_t      *border, k = 0;
    sb_status     st;
    *at = part.n == 0 ? 0 : -1;
    if (part.n == 0 || part.n > s.n)
        return SB_OK;
    if ((st = sbi_pool_get(p, part.n, sizeof *border, &border)) != SB_OK)
        return st;
    border[0] = 0; /* length of the longest proper prefix that is also a suffix of part[0..i] */
    for (int64_t i = 1; i < part.n; i++) {
        while (k > 0 && part.c[i] != part.c[k])
            k = border[k - 1];
        k += part.c[i] == part.c[k];
        border[i] = k;
    }
    k = 0;
    for (int64_t i = 0; i < s.n && *at < 0; i++) {
        while (k > 0 && s.c[i] != part.c[k])
            k = border[k - 1];
        k += s.c[i] == part.c[k];
        if (k == part.n)
            *at = i + 1 - part.n;
    }
    sbi_pool_back(p, mark);
    return SB_OK;
}

sb_status sbi_contains(sbi_pool *p, sbi_str s, sbi_str part, int *yes)
{
    int64_t   at;
    sb_status st = sbi_str_find(p, s, part, &at);
    if (st == SB_OK)
        *yes = at >= 0;
    return st;
}

/* ---- lists ---- */

/* Cuts s into the runs of characters for which in(c) holds. */
static sb_status runs_of(sbi_pool *p, sbi_str s, int (*in)(int32_t), int want, sbi_strs *out)
{
    sbi_strs  r  = {0};
    int64_t   n  = 0;
    sb_status st = SB_OK;
    for (int64_t i = 0; i < s.n; i++)
        n += in(s.c[i]) == want && (i == 0 || in(s.c[i - 1]) != want);
    if ((st = sbi_pool_get(p, n, sizeof *r.s, &r.s)) != SB_OK)
        return st;
    for (int64_t i = 0; i < s.n;) {
        int64_t begin = i;
        while (i < s.n && in(s.c[i]) == want)
            i++;
        if (i > begin)
            r.s[r.n++] = sbi_slice(s, begin, i);
        else
            i++;
    }
    *out = r;
    return SB_OK;
}

sb_status sbi_split_space(sbi_pool *p, sbi_str s, sbi_strs *out)
{
    return runs_of(p, s, sbi_is_space, 0, out);
}

static int is_ascii_digit(int32_t c) { return c >= '0' && c <= '9'; }

sb_status sbi_digit_runs(sbi_pool *p, sbi_str s, int ascii_only, sbi_strs *out)
{
    return runs_of(p, s, ascii_only ? is_ascii_digit : sbi_is_decimal, 1, out);
}

sb_status sbi_split_char(sbi_pool *p, sbi_str s, int32_t c, sbi_strs *out)
{
    sbi_strs  r = {0};
    int64_t   n = 1;
    sb_status st;
    for (int64_t i = 0; i < s.n; i++)
        n += s.c[i] == c;
    if ((st = sbi_pool_get(p, n, sizeof *r.s, &r.s)) != SB_OK)
        return st;
    for (int64_t i = 0, begin = 0; i <= s.n; i++) {
        if (i == s.n || s.c[i] == c) {
            r.s[r.n++] = sbi_slice(s, begin, i);
            begin      = i + 1;
        }
    }
    *out = r;
    return SB_OK;
}

sb_status sbi_join(sbi_pool *p, sbi_strs words, int32_t between, sbi_str *out)
{
    int32_t  *to;
    int64_t   n = 0;
    sb_status st;
    for (int64_t i = 0; i < words.n; i++)
        n += words.s[i].n + (i > 0 && between >= 0);
    if ((st = sbi_pool_get(p, n, sizeof *to, &to)) != SB_OK)
        return st;
    n = 0;
    for (int64_t i = 0; i < words.n; i++) {
        if (i > 0 && between >= 0)
            to[n++] = between;
        if (words.s[i].n > 0)
            memcpy(to + n, words.s[i].c, (size_t)words.s[i].n * sizeof *to);
        n += words.s[i].n;
    }
    *out = (sbi_str){to, n};
    return SB_OK;
}

sb_status sbi_blank_out(sbi_pool *p, sbi_str s, const char *set, sbi_str *out)
{
    int32_t  *to;
    sb_status st = sbi_pool_get(p, s.n, sizeof *to, &to);
    if (st != SB_OK)
        return st;
    for (int64_t i = 0; i < s.n; i++)
        to[i] = s.c[i] > 0 && s.c[i] < 128 && strchr(set, (int)s.c[i]) != NULL ? ' ' : s.c[i];
    *out = (sbi_str){to, s.n};
    return SB_OK;
}

sb_status sbi_chars(sbi_pool *p, sbi_str s, sbi_strs *out)
{
    sbi_strs  r  = {.n = s.n};
    sb_status st = sbi_pool_get(p, s.n, sizeof *r.s, &r.s);
    if (st != SB_OK)
        return st;
    for (int64_t i = 0; i < s.n; i++)
        r.s[i] = sbi_slice(s, i, i + 1);
    *out = r;
    return SB_OK;
}

/* ---- normalisations ---- */

static sb_status delete_if(sbi_pool *p, sbi_str s, int (*drop)(int32_t), sbi_str *out)
{
    int32_t  *to;
    int64_t   n  = 0;
    sb_status st = sbi_pool_get(p, s.n, sizeof *to, &to);
    if (st != SB_OK)
        return st;
    for (int64_t i = 0; i < s.n; i++)
        if (!drop(s.c[i]))
            to[n++] = s.c[i];
    *out = (sbi_str){to, n};
    return SB_OK;
}

/* Length of the article at i, standing as a whole word; 0: none. */
static int64_t article_at(sbi_str s, int64_t i)
{
    static const char *const articles[] = {"a", "an", "the"};
    if ((s.c[i] != 'a' && s.c[i] != 't') || (i > 0 && sbi_is_word(s.c[i - 1])))
        return 0;
    for (size_t k = 0; k < 3; k++) {
        int64_t n = 0;
        while (articles[k][n] != '\0' && i + n < s.n && s.c[i + n] == articles[k][n])
            n++;
        if (articles[k][n] == '\0' && (i + n == s.n || !sbi_is_word(s.c[i + n])))
            return n;
    }
    return 0;
}

sb_status sbi_normalise(sbi_pool *p, sbi_str s, sbi_str *out)
{
    sbi_str   t;
    sbi_strs  words;
    int32_t  *to;
    int64_t   n = 0;
    sb_status st;
    if ((st = sbi_lower(p, s, &t)) != SB_OK ||
        (st = delete_if(p, t, sbi_is_ascii_punct, &t)) != SB_OK ||
        (st = sbi_pool_get(p, t.n, sizeof *to, &to)) != SB_OK)
        return st;
    for (int64_t i = 0; i < t.n;) {
        int64_t skip = article_at(t, i);
        to[n++]      = skip > 0 ? ' ' : t.c[i];
        i += skip > 0 ? skip : 1;
    }
    if ((st = sbi_split_space(p, (sbi_str){to, n}, &words)) != SB_OK)
        return st;
    return sbi_join(p, words, ' ', out);
}

static int not_in_zh(int32_t c)
{
    return sbi_is_ascii_punct(c) || sbi_is_zh_punct(c) || sbi_is_space(c);
}

sb_status sbi_normalise_zh(sbi_pool *p, sbi_str s, sbi_str *out)
{
    sb_status st = sbi_lower(p, s, &s);
    return st == SB_OK ? delete_if(p, s, not_in_zh, out) : st;
}

/* ---- words as numbers ---- */

sb_status sbi_words_init(sbi_pool *p, int64_t most, sbi_words *out)
{
    sbi_words w = {.n_slots = 16, .most = most};
    sb_status st;
    if (most >= INT32_MAX)
        return sb_fail(SB_ERR_UNSUPPORTED, "a text of %lld words is too long to score",
                       (long long)most);
    while (w.n_slots < 2 * most)
        w.n_slots *= 2;
    if ((st = sbi_pool_zero(p, w.n_slots, sizeof *w.slot, &w.slot)) != SB_OK ||
        (st = sbi_pool_get(p, most, sizeof *w.word, &w.word)) != SB_OK)
        return st;
    *out = w;
    return SB_OK;
}

int32_t sbi_words_number(sbi_words *w, sbi_str s)
{
    uint64_t hash = XXH3_64bits(s.c, (size_t)s.n * sizeof *s.c);
    int64_t  mask = w->n_slots - 1;
    int64_t  at   = (int64_t)(hash & (uint64_t)mask);
    while (w->slot[at] != 0) {
        if (sbi_equal(w->word[w->slot[at] - 1], s))
            return w->slot[at] - 1;
        at = (at + 1) & mask;
    }
    w->word[w->n] = s;
    w->slot[at]   = (int32_t)(w->n + 1);
    return (int32_t)w->n++;
}

sb_status sbi_words_map(sbi_pool *p, sbi_words *w, sbi_strs words, int32_t **out)
{
    sb_status st = sbi_pool_get(p, words.n, sizeof **out, out);
    for (int64_t i = 0; st == SB_OK && i < words.n; i++)
        (*out)[i] = sbi_words_number(w, words.s[i]);
    return st;
}

sb_status sbi_bag_f1(sbi_pool *p, sbi_strs pred, sbi_strs ref, double *f1)
{
    sbi_words w;
    int32_t  *a, *b, *count;
    int64_t   same = 0;
    sb_status st;
    if ((st = sbi_words_init(p, pred.n + ref.n, &w)) != SB_OK ||
        (st = sbi_words_map(p, &w, pred, &a)) != SB_OK ||
        (st = sbi_words_map(p, &w, ref, &b)) != SB_OK ||
        (st = sbi_pool_zero(p, w.n, sizeof *count, &count)) != SB_OK)
        return st;
    for (int64_t i = 0; i < pred.n; i++)
        count[a[i]]++;
    for (int64_t i = 0; i < ref.n; i++)
        same += count[b[i]]-- > 0;
    if (same == 0) {
        *f1 = 0;
    } else {
        double precision = (double)same / (double)pred.n;
        double recall    = (double)same / (double)ref.n;
        *f1              = (2 * precision * recall) / (precision + recall);
    }
    return SB_OK;
}
