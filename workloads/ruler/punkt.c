/* A candidate is a '.', '?' or '!' with punctuation, or blanks and a word, behind it. The word
 * before it, the mark and what follows are cut into tokens; a token that ends in a period is a
 * sentence break unless it is a known abbreviation, and the token behind it may change that:
 * collocations, letter case seen in training, frequent sentence starters, initials and numbers.
 * Closing punctuation that would start a sentence goes back to the one before. */
#include "workloads/ruler/punkt.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/pytext.h"
#include "workloads/base/sha256.h"
#include "workloads/ruler/file.h"

/* Letter case of a word type in training, NLTK's numbers. */
enum {
    BEGIN_UPPER   = 2,
    MID_UPPER     = 4,
    UNKNOWN_UPPER = 8,
    BEGIN_LOWER   = 16,
    MID_LOWER     = 32,
    UNKNOWN_LOWER = 64,
    ANY_UPPER     = BEGIN_UPPER | MID_UPPER | UNKNOWN_UPPER,
    ANY_LOWER     = BEGIN_LOWER | MID_LOWER | UNKNOWN_LOWER
};

typedef struct entry {
    const char *key;
    int         value;
} entry;

/* A file's lines, sorted. */
typedef struct table {
    char   *text;
    entry  *entries;
    int64_t n;
} table;

enum { ABBREVIATIONS, COLLOCATIONS, STARTERS, CASES, N_TABLES };

struct sb_punkt {
    table          tables[N_TABLES];
    sb_punkt_rules rules;
    char           sha256[65], name[96];
};

static const char *const table_files[N_TABLES] = {"abbrev_types.txt", "collocations.tab",
                                                  "sent_starters.txt", "ortho_context.tab"};

void sb_punkt_close(sb_punkt *p)
{
    if (p == NULL)
        return;
    for (int i = 0; i < N_TABLES; i++) {
        free(p->tables[i].text);
        free(p->tables[i].entries);
    }
    free(p);
}

const char *sb_punkt_sha256(const sb_punkt *p) { return p->sha256; }
const char *sb_punkt_name(const sb_punkt *p) { return p->name; }

static int by_key(const void *a, const void *b)
{
    return strcmp(((const entry *)a)->key, ((const entry *)b)->key);
}

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "sentence splitter: no memory"); }

/* One line into *e; a line of the table of cases is "type TAB number". */
static sb_status take_line(const char *path, int64_t number, int which, char *line, entry *e)
{
    char *tab = strchr(line, '\t'), *end = NULL;
    *e = (entry){line, 1};
    if (which == COLLOCATIONS && (tab == NULL || strchr(tab + 1, '\t') != NULL))
        return sb_fail(SB_ERR_USAGE, "%s: line %" PRId64 ": not two words with a tab between", path,
                       number);
    if (which != CASES)
        return SB_OK;
    if (tab != NULL) {
        *tab     = '\0';
        e->value = (int)strtol(tab + 1, &end, 10);
    }
    if (tab == NULL || end == tab + 1 || *end != '\0' || e->value < 0 || e->value > 127)
        return sb_fail(SB_ERR_USAGE,
                       "%s: line %" PRId64 ": not a word, a tab and a number up to 127", path,
                       number);
    return SB_OK;
}

static sb_status load_table(const char *path, int which, table *t, char sha256[65])
{
    int64_t   n_bytes = 0, cap = 1, number = 0;
    sb_status st = sbi_file_text(path, &t->text, &n_bytes, sha256);
    if (st != SB_OK)
        return st;
    for (int64_t i = 0; i < n_bytes; i++)
        cap += t->text[i] == '\n';
    t->entries = malloc((size_t)cap * sizeof *t->entries);
    if (t->entries == NULL)
        return no_memory();
    for (char *line = t->text, *next; line < t->text + n_bytes; line = next) {
        size_t n = strcspn(line, "\n");
        next     = line + n + 1;
        line[n]  = '\0';
        if ((st = take_line(path, ++number, which, line, &t->entries[t->n])) != SB_OK)
            return st;
        t->n++;
    }
    qsort(t->entries, (size_t)t->n, sizeof *t->entries, by_key);
    return t->n > 0 ? SB_OK : sb_fail(SB_ERR_USAGE, "%s: empty", path);
}

sb_status sb_punkt_open(const char *dir, sb_punkt_rules rules, sb_punkt **out)
{
    sb_punkt  *p    = calloc(1, sizeof *p);
    sbi_text   path = {0};
    sb_status  st   = p != NULL ? SB_OK : no_memory();
    sbi_sha256 h;
    if (st != SB_OK)
        return st;
    p->rules = rules;
    sbi_sha256_init(&h);
    for (int i = 0; i < N_TABLES && st == SB_OK; i++) {
        char sha256[65] = "";
        sbi_text_reset(&path);
        sbi_text_puts(&path, dir);
        sbi_text_puts(&path, "/");
        sbi_text_puts(&path, table_files[i]);
        if ((st = sbi_text_status(&path)) == SB_OK)
            st = load_table(path.p, i, &p->tables[i], sha256);
        sbi_sha256_put(&h, sha256, sizeof sha256);
    }
    sbi_text_fini(&path);
    sbi_sha256_put_i64(&h, rules);
    if (st != SB_OK) {
        (void)sbi_sha256_hex(&h, p->sha256); /* frees its context; the error told is the first */
        sb_punkt_close(p);
        return sb_wrap(st, "NLTK's Punkt data");
    }
    if ((st = sbi_sha256_hex(&h, p->sha256)) != SB_OK) {
        sb_punkt_close(p);
        return st;
    }
    (void)snprintf(p->name, sizeof p->name, "punkt %s %s",
                   rules == SB_PUNKT_NLTK_3_9 ? "nltk-3.9" : "nltk-3.10", p->sha256);
    *out = p;
    return SB_OK;
}

static int look_up(const table *t, const char *key)
{
    entry        want  = {key, 0};
    const entry *found = bsearch(&want, t->entries, (size_t)t->n, sizeof *t->entries, by_key);
    return found != NULL ? found->value : 0;
}

/* ---- characters ---- */

/* Typographic quotes and guillemets of the newer rules: bytes at s, 0 when none. */
static int64_t quote(const sb_punkt *p, const char *s, int64_t left)
{
    const unsigned char *u = (const unsigned char *)s;
    if (p->rules != SB_PUNKT_NLTK_3_10)
        return 0;
    if (left >= 2 && u[0] == 0xc2 && (u[1] == 0xab || u[1] == 0xbb))
        return 2;
    if (left >= 3 && u[0] == 0xe2 && u[1] == 0x80 &&
        (u[2] == 0x98 || u[2] == 0x99 || u[2] == 0x9c || u[2] == 0x9d))
        return 3;
    return 0;
}

/* Punctuation that ends a word, and stands behind a mark: its bytes, 0 when none. */
static int64_t non_word(const sb_punkt *p, const char *s, int64_t left)
{
    if (left <= 0)
        return 0;
    return strchr(")\";}]*:@'({[?!", *s) != NULL && *s != '\0' ? 1 : quote(p, s, left);
}

static int64_t closing(const sb_punkt *p, const char *s, int64_t left)
{
    if (left <= 0)
        return 0;
    return strchr("\"')]}", *s) != NULL && *s != '\0' ? 1 : quote(p, s, left);
}

/* Hyphens, periods, or periods with blanks between: the bytes of the longest run, 0 when none. */
static int64_t multi(const char *s, int64_t left)
{
    int64_t n = 0;
    if (left < 2)
        return 0;
    if (*s == '-' || *s == '.') {
        while (n < left && s[n] == *s)
            n++;
        if (n >= 2)
            return n;
    }
    if (*s != '.')
        return 0;
    for (n = 0; n + 1 < left && s[n] == '.' && s[n + 1] == ' ';)
        n += 2;
    if (n < left && s[n] == '.' && n >= 4)
        return n + 1;
    return n >= 6 ? n - 1 : 0; /* the last ". " gives its period as the end */
}

static int starts_word(char c) { return c != '\0' && strchr("(\"`{[:;&#*@)}]-, ", c) == NULL; }

static int64_t code_point(const char *s)
{
    int64_t at = 0;
    (void)sbi_py_next(s, &at);
    return at;
}

/* ---- tokens of a context ---- */

typedef struct token {
    sbi_text text, lower, type; /* type: lower, or "##number##" */
    int      is_break, is_abbreviation, is_ellipsis;
} token;

static void token_fini(token *t)
{
    sbi_text_fini(&t->text);
    sbi_text_fini(&t->lower);
    sbi_text_fini(&t->type);
}

/* Bytes of the token at s, which is no blank. */
static int64_t token_bytes(const sb_punkt *p, const char *s, int64_t left)
{
    int64_t n = multi(s, left);
    if (n > 0)
        return n;
    if (!starts_word(*s))
        return code_point(s);
    for (n = code_point(s); n < left; n += code_point(s + n)) {
        const char *q = s + n;
        if (*q == ' ' || non_word(p, q, left - n) > 0 || multi(q, left - n) > 0)
            break;
        if (*q == ',' && (n + 1 == left || q[1] == ' ' || non_word(p, q + 1, left - n - 1) > 0 ||
                          multi(q + 1, left - n - 1) > 0))
            break;
    }
    return n;
}

/* ^-?[\.,]?\d[\d,\.-]*\.?$ */
static int is_number(const char *s, int64_t n)
{
    int64_t i = 0;
    if (i < n && s[i] == '-')
        i++;
    if (i < n && (s[i] == '.' || s[i] == ','))
        i++;
    if (i == n || !sbi_py_isdigit(sbi_py_next(s, &i)))
        return 0;
    while (i < n)
        if (!sbi_py_isdigit(sbi_py_next(s, &i)) && strchr(",.-", s[i - 1]) == NULL)
            return 0;
    return 1;
}

static int ends_in(const sbi_text *t, const char *what)
{
    int64_t n = (int64_t)strlen(what);
    return t->n >= n && memcmp(t->p + t->n - n, what, (size_t)n) == 0;
}

static int is_initial(const sbi_text *t)
{
    int64_t at = 0;
    return sbi_py_isalpha(sbi_py_next(t->p, &at)) && at + 1 == t->n && t->p[at] == '.';
}

/* The word without its period: a known abbreviation, or its last part behind a hyphen is one. */
static int is_known(const sb_punkt *p, sbi_text *lower)
{
    const char *hyphen;
    int         known;
    lower->p[lower->n - 1] = '\0';
    hyphen                 = strrchr(lower->p, '-');
    known                  = look_up(&p->tables[ABBREVIATIONS], lower->p) ||
            (hyphen != NULL && look_up(&p->tables[ABBREVIATIONS], hyphen + 1));
    lower->p[lower->n - 1] = '.';
    return known;
}

/* Decisions on the token alone. */
static sb_status token_set(const sb_punkt *p, const char *s, int64_t n, token *t)
{
    int dots = 0;
    sbi_text_reset(&t->text);
    sbi_text_reset(&t->lower);
    sbi_text_reset(&t->type);
    sbi_text_put(&t->text, s, n);
    sbi_py_lower(&t->lower, s, n);
    if (t->lower.failed || t->text.failed)
        return no_memory();
    if (is_number(t->lower.p, t->lower.n))
        sbi_text_puts(&t->type, "##number##");
    else
        sbi_text_put(&t->type, t->lower.p, t->lower.n);
    if (t->type.failed)
        return no_memory();
    t->is_break = t->is_abbreviation = t->is_ellipsis = 0;
    while (dots < n && s[dots] == '.')
        dots++;
    if (n == 1 && strchr(".?!", *s) != NULL) {
        t->is_break = 1;
    } else if (dots >= 2 && dots == n) {
        t->is_ellipsis = 1;
    } else if (ends_in(&t->text, ".") && !ends_in(&t->text, "..")) {
        t->is_abbreviation = is_known(p, &t->lower);
        t->is_break        = !t->is_abbreviation;
    }
    return SB_OK;
}

/* What one split works in; memory is kept from token to token. */
typedef struct work {
    token    pair[2];
    sbi_text type, key, both;
} work;

static void work_fini(work *w)
{
    token_fini(&w->pair[0]);
    token_fini(&w->pair[1]);
    sbi_text_fini(&w->type);
    sbi_text_fini(&w->key);
    sbi_text_fini(&w->both);
}

typedef enum starter { NO, YES, UNKNOWN } starter;

/* The type, without its period on demand: the key for the tables. */
static const char *type_key(const token *t, int drop_period, sbi_text *scratch)
{
    int64_t n = t->type.n;
    if (drop_period && n > 1 && t->type.p[n - 1] == '.')
        n--;
    sbi_text_reset(scratch);
    sbi_text_put(scratch, t->type.p, n);
    return sbi_text_str(scratch);
}

static starter starts_sentence(const sb_punkt *p, const token *t, const char *key, int upper,
                               int lower)
{
    int seen;
    if (t->text.n == 1 && strchr(";:,.!?", t->text.p[0]) != NULL)
        return NO;
    seen = look_up(&p->tables[CASES], key);
    if (upper && (seen & ANY_LOWER) != 0 && (seen & MID_UPPER) == 0)
        return YES;
    if (lower && ((seen & ANY_UPPER) != 0 || (seen & BEGIN_LOWER) == 0))
        return NO;
    return UNKNOWN;
}

/* Decisions that the next token may change; only words ending in a period are asked. */
static sb_status token_revise(const sb_punkt *p, work *w, token *t, const token *next)
{
    const char *type = type_key(t, 1, &w->type), *key = type_key(next, next->is_break, &w->key);
    int64_t     at    = 0;
    uint32_t    first = sbi_py_next(next->text.p, &at);
    int         upper = sbi_py_isupper(first), lower = sbi_py_islower(first),
        initial = is_initial(&t->text);
    starter begins;
    sbi_text_reset(&w->both);
    sbi_text_puts(&w->both, type);
    sbi_text_putc(&w->both, '\t');
    sbi_text_puts(&w->both, key);
    if (w->type.failed || w->key.failed || w->both.failed)
        return no_memory();
    begins = starts_sentence(p, next, key, upper, lower);
    if (look_up(&p->tables[COLLOCATIONS], w->both.p)) {
        t->is_break        = 0;
        t->is_abbreviation = 1;
    } else if ((t->is_abbreviation || t->is_ellipsis) && !initial &&
               (begins == YES || (upper && look_up(&p->tables[STARTERS], key)))) {
        t->is_break = 1;
    } else if (initial || strcmp(type, "##number##") == 0) {
        if (begins == NO || (begins == UNKNOWN && initial && upper &&
                             (look_up(&p->tables[CASES], key) & ANY_LOWER) == 0)) {
            t->is_break        = 0;
            t->is_abbreviation = 1;
        }
    }
    return SB_OK;
}

/* Is there a sentence break in the context, with a token behind it? */
static sb_status has_break(const sb_punkt *p, const char *s, int64_t n, work *w, int *found)
{
    int64_t i    = 0;
    int     have = 0, which = 0;
    *found = 0;
    while (i < n) {
        int64_t   bytes;
        sb_status st;
        if (s[i] == ' ') {
            i++;
            continue;
        }
        bytes = token_bytes(p, s + i, n - i);
        if ((st = token_set(p, s + i, bytes, &w->pair[which])) != SB_OK)
            return st;
        i += bytes;
        if (have) {
            token *before = &w->pair[1 - which];
            if (ends_in(&before->text, ".") &&
                (st = token_revise(p, w, before, &w->pair[which])) != SB_OK)
                return st;
            if (before->is_break) {
                *found = 1;
                return SB_OK;
            }
        }
        have  = 1;
        which = 1 - which;
    }
    return SB_OK;
}

/* ---- sentences ---- */

typedef struct ranges {
    sb_range *v;
    int64_t   n, cap;
} ranges;

static sb_status push(ranges *r, int64_t begin, int64_t end)
{
    if (r->n == r->cap) {
        int64_t   want = r->cap > 0 ? 2 * r->cap : 256;
        sb_range *more = realloc(r->v, (size_t)want * sizeof *more);
        if (more == NULL)
            return no_memory();
        r->v   = more;
        r->cap = want;
    }
    r->v[r->n++] = (sb_range){begin, end > begin ? end : begin};
    return SB_OK;
}

/* A mark that may end a sentence. */
typedef struct candidate {
    int64_t word, mark; /* where the word before it starts, and the mark */
    int64_t after;      /* end of the context: the punctuation or word behind it */
    int64_t next;       /* start of the next word; -1 when punctuation follows */
} candidate;

/* The next mark from *at on that has something behind it. */
static int next_mark(const sb_punkt *p, const char *s, int64_t n, int64_t *at, candidate *c)
{
    for (; *at < n; (*at)++) {
        int64_t i = *at, j = i + 1;
        if (s[i] != '.' && s[i] != '?' && s[i] != '!')
            continue;
        if (non_word(p, s + j, n - j) > 0) {
            *c = (candidate){0, i, j + non_word(p, s + j, n - j), -1};
        } else {
            while (j < n && s[j] == ' ')
                j++;
            if (j == i + 1 || j == n)
                continue;
            *c = (candidate){0, i, j, j};
            while (c->after < n && s[c->after] != ' ')
                c->after++;
        }
        (*at)++;
        return 1;
    }
    return 0;
}

/* Where the word before the mark starts: behind the last blank since the mark before. A blank right
 * at that place does not count, as in NLTK, where 0 stands for "none". */
static int64_t word_start(const char *s, const candidate *before, int64_t mark)
{
    int64_t from = before->mark;
    for (int64_t i = mark - 1; i > from; i--)
        if (s[i] == ' ')
            return i + 1;
    return before->word;
}

static sb_status consider(const sb_punkt *p, const char *s, const candidate *c, work *w,
                          int64_t *last, ranges *out)
{
    int       found;
    sb_status st = has_break(p, s + c->word, c->after - c->word, w, &found);
    if (st != SB_OK || !found)
        return st;
    st    = push(out, *last, c->mark + 1);
    *last = c->next >= 0 ? c->next : c->mark + 1;
    return st;
}

/* Pieces before closing punctuation is put back. */
static sb_status cut(const sb_punkt *p, const char *s, int64_t n, ranges *out)
{
    work      w      = {0};
    candidate before = {0, 0, 0, -1}, c;
    int64_t   at = 0, last = 0, end = n;
    int       have = 0;
    sb_status st   = SB_OK;
    while (st == SB_OK && next_mark(p, s, n, &at, &c)) {
        c.word = word_start(s, &before, c.mark);
        /* the same word goes on: only its last mark is a candidate */
        if (have && before.mark <= c.word)
            st = consider(p, s, &before, &w, &last, out);
        before = c;
        have   = 1;
    }
    if (st == SB_OK && have)
        st = consider(p, s, &before, &w, &last, out);
    while (end > 0 && s[end - 1] == ' ')
        end--;
    if (st == SB_OK)
        st = push(out, last, end);
    work_fini(&w);
    return st;
}

/* Closing punctuation at the start of [begin, end), with the blanks behind it: *n_all bytes,
 * *n_bare without the blanks; 0 when it does not close anything. */
static int64_t match_closing(const sb_punkt *p, const char *s, int64_t begin, int64_t end,
                             int64_t *n_bare)
{
    int64_t i = begin, step;
    while ((step = closing(p, s + i, end - i)) > 0) {
        int64_t j = i += step;
        while (j < end && s[j] == ' ')
            j++;
        if (j > i || i == end || (end - i >= 2 && s[i] == '-' && s[i + 1] == '-')) {
            *n_bare = i - begin;
            return j - begin;
        }
    }
    return 0;
}

static sb_status realign(const sb_punkt *p, const char *s, const ranges *pieces, ranges *out)
{
    int64_t   shift = 0;
    sb_status st    = SB_OK;
    for (int64_t i = 0; i < pieces->n && st == SB_OK; i++) {
        int64_t begin = pieces->v[i].begin + shift, end = pieces->v[i].end, bare = 0, all = 0;
        if (i + 1 < pieces->n)
            all = match_closing(p, s, pieces->v[i + 1].begin, pieces->v[i + 1].end, &bare);
        shift = all;
        if (all > 0)
            st = push(out, begin, pieces->v[i + 1].begin + bare);
        else if (end > begin)
            st = push(out, begin, end);
    }
    return st;
}

sb_status sb_punkt_split(const sb_punkt *p, const char *text, int64_t n_bytes, sb_range **out,
                         int64_t *n_out)
{
    ranges    pieces = {0}, sentences = {0};
    sb_status st = cut(p, text, n_bytes, &pieces);
    if (st == SB_OK)
        st = realign(p, text, &pieces, &sentences);
    free(pieces.v);
    if (st != SB_OK) {
        free(sentences.v);
        return st;
    }
    *out   = sentences.v;
    *n_out = sentences.n;
    return SB_OK;
}
