#include "workloads/ruler/words.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workloads/base/pytext.h"
#include "workloads/base/sha256.h"
#include "workloads/ruler/file.h"

typedef struct pair {
    int32_t adjective, noun;
} pair;

/* Strings that stand together: one adjective with every noun, or a family, whose pairs are listed.
 */
typedef struct run {
    int64_t first;     /* rank of its first string */
    int32_t adjective; /* of a run of one */
    int64_t pair;      /* first of a family's pairs; -1: no family */
} run;

typedef struct list {
    char   *text; /* the file; its lines are cut by zeros */
    char  **word;
    int64_t n;
    char    sha256[65];
} list;

struct sb_ruler_words {
    list        lists[SB_RULER_LISTS];
    char      **noun, **adjective; /* sorted, without doubles; borrowed from the lists */
    int64_t     n_nouns, n_adjectives;
    run        *runs;
    int64_t     n_runs, n_pairs; /* n_pairs: strings of niah's list */
    pair       *pairs;           /* of families */
    char      **all;
    int64_t     n_all;
    json_t     *english_root;
    char      **english;
    int64_t     n_english;
    char        english_sha256[65], identity[65];
    const char *version;
};

static const char *const list_files[SB_RULER_LISTS] = {"nounlist.txt", "adjectivelist.txt",
                                                       "verblist.txt"};

/* 3.0.0 and 3.0.1 ship the same lists. */
static const struct release {
    const char *version, *sha256[SB_RULER_LISTS];
} releases[] = {
    {"2.2.0",
     {"0778f51872f2aa89e0745c0cc37471a13e3d2161a79fcfdc03b6390b10604a55",
      "66814d46b7e292c83e839d12fe2fa083c8f66779b14b294e1be4e1342c5d4131",
      "9fbf5e4e69b8869aebd88e6d545312ff9f878a747327ede5f6dbbba5c27b08ad"}},
    {"3.0.0",
     {"8d88b3ebc2e2969ed92ebe49cdb0c8a87c2ad3b27493d7afdff608f2e51c5bc9",
      "66814d46b7e292c83e839d12fe2fa083c8f66779b14b294e1be4e1342c5d4131",
      "9fbf5e4e69b8869aebd88e6d545312ff9f878a747327ede5f6dbbba5c27b08ad"}},
};

void sb_ruler_words_close(sb_ruler_words *w)
{
    if (w == NULL)
        return;
    for (int i = 0; i < SB_RULER_LISTS; i++) {
        free(w->lists[i].text);
        free(w->lists[i].word);
    }
    free(w->noun);
    free(w->adjective);
    free(w->runs);
    free(w->pairs);
    free(w->all);
    free(w->english);
    json_decref(w->english_root);
    free(w);
}

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "word lists: no memory"); }

/* Lines as Python's text mode reads them (\n, \r\n and \r end one), without white space at their
 * ends. */
static sb_status cut_lines(const char *path, list *l, int64_t n_bytes)
{
    char   *s     = l->text;
    int64_t lines = 1, at = 0;
    for (int64_t i = 0; i < n_bytes; i++)
        lines += s[i] == '\n' || s[i] == '\r';
    l->word = malloc((size_t)lines * sizeof *l->word);
    if (l->word == NULL)
        return no_memory();
    while (at < n_bytes) {
        int64_t n = (int64_t)strcspn(s + at, "\r\n"), begin = at, end = at + n, next = at + n;
        if (next < n_bytes)
            next += s[next] == '\r' && s[next + 1] == '\n' ? 2 : 1;
        sbi_py_strip(s, &begin, &end); /* rstrip: only the end is taken */
        s[end]          = '\0';
        l->word[l->n++] = s + at;
        at              = next;
    }
    return l->n > 0 ? SB_OK : sb_fail(SB_ERR_USAGE, "%s: no words in it", path);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int64_t sort_unique(char **v, int64_t n)
{
    int64_t kept = 0;
    qsort(v, (size_t)n, sizeof *v, by_text);
    for (int64_t i = 0; i < n; i++)
        if (kept == 0 || strcmp(v[kept - 1], v[i]) != 0)
            v[kept++] = v[i];
    return kept;
}

static sb_status unique_of(const list *const *from, int n_lists, char ***out, int64_t *n_out)
{
    int64_t n = 0;
    char  **v;
    for (int i = 0; i < n_lists; i++)
        n += from[i]->n;
    v = malloc((size_t)n * sizeof *v);
    if (v == NULL)
        return no_memory();
    n = 0;
    for (int i = 0; i < n_lists; i++) {
        memcpy(v + n, from[i]->word, (size_t)from[i]->n * sizeof *v);
        n += from[i]->n;
    }
    *n_out = sort_unique(v, n);
    *out   = v;
    return SB_OK;
}

/* "a-" before "b-": the order of the adjectives' strings, families apart. */
static int by_key(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    int         p, q;
    while (*x != '\0' && *x == *y) {
        x++;
        y++;
    }
    p = *x != '\0' ? (unsigned char)*x : '-';
    q = *y != '\0' ? (unsigned char)*y : '-';
    if (p != q)
        return p < q ? -1 : 1;
    return (*x != '\0') - (*y != '\0'); /* "old-" is a beginning of "old-fashioned-" */
}

/* Does "root-" start "a-"? */
static int is_family(const char *root, const char *a)
{
    size_t n = strlen(root);
    return strncmp(a, root, n) == 0 && a[n] == '-';
}

/* Character i of "adjective-noun". */
typedef struct cursor {
    const char *at, *noun;
} cursor;

static int cursor_next(cursor *c)
{
    if (*c->at == '\0' && c->noun != NULL) {
        c->at   = c->noun;
        c->noun = NULL;
        return '-';
    }
    return *c->at != '\0' ? (unsigned char)*c->at++ : 0;
}

static int by_pair(const void *a, const void *b, void *words)
{
    const sb_ruler_words *w = words;
    const pair           *p = a, *q = b;
    cursor                x = {w->adjective[p->adjective], w->noun[p->noun]};
    cursor                y = {w->adjective[q->adjective], w->noun[q->noun]};
    int                   c, d;
    do {
        c = cursor_next(&x);
        d = cursor_next(&y);
    } while (c == d && c != 0);
    return c - d;
}

/* Merge the strings of adjectives [first, last) behind the pairs already listed. */
static sb_status merge_family(sb_ruler_words *w, int64_t first, int64_t last, int64_t *n_listed,
                              int64_t *n_kept)
{
    int64_t n = (last - first) * w->n_nouns, kept = 0, i = 0;
    pair   *more = realloc(w->pairs, (size_t)(*n_listed + n) * sizeof *more), *p;
    if (more == NULL)
        return no_memory();
    w->pairs = more;
    p        = more + *n_listed;
    for (int64_t a = first; a < last; a++)
        for (int64_t j = 0; j < w->n_nouns; j++)
            p[i++] = (pair){(int32_t)a, (int32_t)j};
    qsort_r(p, (size_t)n, sizeof *p, by_pair, w);
    for (i = 0; i < n; i++)
        if (kept == 0 || by_pair(&p[kept - 1], &p[i], w) != 0)
            p[kept++] = p[i];
    *n_listed += kept;
    *n_kept = kept;
    return SB_OK;
}

static sb_status build_runs(sb_ruler_words *w)
{
    int64_t listed = 0;
    w->runs        = malloc((size_t)w->n_adjectives * sizeof *w->runs);
    if (w->runs == NULL)
        return no_memory();
    qsort(w->adjective, (size_t)w->n_adjectives, sizeof *w->adjective, by_key);
    for (int64_t a = 0, next; a < w->n_adjectives; a = next) {
        run    *r    = &w->runs[w->n_runs++];
        int64_t kept = w->n_nouns;
        for (next = a + 1;
             next < w->n_adjectives && is_family(w->adjective[a], w->adjective[next]);)
            next++;
        *r = (run){w->n_pairs, (int32_t)a, -1};
        if (next > a + 1) {
            sb_status st;
            r->pair = listed;
            if ((st = merge_family(w, a, next, &listed, &kept)) != SB_OK)
                return st;
        }
        w->n_pairs += kept;
    }
    return SB_OK;
}

static sb_status load_english(sb_ruler_words *w, const char *path)
{
    const char *key;
    json_t     *v;
    sb_status   st = sbi_file_json(path, &w->english_root, w->english_sha256);
    if (st != SB_OK)
        return st;
    if (!json_is_object(w->english_root) || json_object_size(w->english_root) == 0)
        return sb_fail(SB_ERR_USAGE, "%s: %s, not an object of words", path,
                       sbi_json_kind(w->english_root));
    w->english = malloc(json_object_size(w->english_root) * sizeof *w->english);
    if (w->english == NULL)
        return no_memory();
    json_object_foreach(w->english_root, key, v)
    {
        if (!json_is_string(v))
            return sb_fail(SB_ERR_USAGE, "%s: %.40s: %s, not a word", path, key, sbi_json_kind(v));
        w->english[w->n_english++] = (char *)(uintptr_t)json_string_value(v);
    }
    return SB_OK;
}

static sb_status load_lists(sb_ruler_words *w, const char *dir)
{
    static const char *const below[] = {"", "/assets", "/wonderwords/assets"};
    sbi_text                 path    = {0};
    sb_status                st      = SB_OK;
    int                      at      = 0;
    for (int i = 0; i < 3; i++) { /* the folder that has the first list */
        sbi_text_reset(&path);
        sbi_text_puts(&path, dir);
        sbi_text_puts(&path, below[i]);
        sbi_text_puts(&path, "/");
        sbi_text_puts(&path, list_files[0]);
        if (access(sbi_text_str(&path), R_OK) == 0) {
            at = i;
            break;
        }
    }
    for (int i = 0; i < SB_RULER_LISTS && st == SB_OK; i++) {
        int64_t n = 0;
        list   *l = &w->lists[i];
        sbi_text_reset(&path);
        sbi_text_puts(&path, dir);
        sbi_text_puts(&path, below[at]);
        sbi_text_puts(&path, "/");
        sbi_text_puts(&path, list_files[i]);
        if ((st = sbi_text_status(&path)) == SB_OK)
            st = sbi_file_text(path.p, &l->text, &n, l->sha256);
        if (st == SB_OK)
            st = cut_lines(path.p, l, n);
    }
    sbi_text_fini(&path);
    return st == SB_OK ? SB_OK : sb_wrap(st, "word lists of RULER (wonderwords)");
}

static sb_status check_version(sb_ruler_words *w, const char *dir, const char *version)
{
    const size_t n = sizeof releases / sizeof *releases;
    w->version     = "unknown";
    for (size_t r = 0; r < n; r++) {
        int same = 1;
        for (int i = 0; i < SB_RULER_LISTS; i++)
            same &= strcmp(w->lists[i].sha256, releases[r].sha256[i]) == 0;
        if (same)
            w->version = releases[r].version;
    }
    for (size_t r = 0; version != NULL && r < n; r++) {
        if (strcmp(releases[r].version, version) != 0)
            continue;
        for (int i = 0; i < SB_RULER_LISTS; i++)
            if (strcmp(w->lists[i].sha256, releases[r].sha256[i]) != 0)
                return sb_fail(
                    SB_ERR_USAGE, "%s: %s has sha256 %.16s..., that of wonderwords %s is %.16s...",
                    dir, list_files[i], w->lists[i].sha256, version, releases[r].sha256[i]);
        return SB_OK;
    }
    return version == NULL
               ? SB_OK
               : sb_fail(SB_ERR_USAGE, "wonderwords %s: only 2.2.0 and 3.0.0 are known", version);
}

static sb_status identify(sb_ruler_words *w)
{
    sbi_sha256 h;
    sbi_sha256_init(&h);
    for (int i = 0; i < SB_RULER_LISTS; i++)
        sbi_sha256_put(&h, w->lists[i].sha256, 64);
    sbi_sha256_put(&h, w->english_sha256, strlen(w->english_sha256));
    return sbi_sha256_hex(&h, w->identity);
}

sb_status sb_ruler_words_open(const char *dir, const char *english_words, const char *version,
                              sb_ruler_words **out)
{
    sb_ruler_words *w = calloc(1, sizeof *w);
    const list     *nouns, *adjectives, *every[SB_RULER_LISTS];
    sb_status       st;
    if (w == NULL)
        return no_memory();
    nouns      = &w->lists[SB_RULER_NOUNS];
    adjectives = &w->lists[SB_RULER_ADJECTIVES];
    for (int i = 0; i < SB_RULER_LISTS; i++)
        every[i] = &w->lists[i];
    if ((st = load_lists(w, dir)) == SB_OK && (st = check_version(w, dir, version)) == SB_OK &&
        (st = unique_of(&nouns, 1, &w->noun, &w->n_nouns)) == SB_OK &&
        (st = unique_of(&adjectives, 1, &w->adjective, &w->n_adjectives)) == SB_OK &&
        (st = build_runs(w)) == SB_OK &&
        (st = unique_of(every, SB_RULER_LISTS, &w->all, &w->n_all)) == SB_OK &&
        (english_words == NULL || (st = load_english(w, english_words)) == SB_OK))
        st = identify(w);
    if (st != SB_OK) {
        sb_ruler_words_close(w);
        return st;
    }
    *out = w;
    return SB_OK;
}

const char *sb_ruler_words_version(const sb_ruler_words *w) { return w->version; }
const char *sb_ruler_words_sha256(const sb_ruler_words *w, sb_ruler_list l)
{
    return w->lists[l].sha256;
}
const char *sb_ruler_words_english_sha256(const sb_ruler_words *w) { return w->english_sha256; }
const char *sb_ruler_words_identity(const sb_ruler_words *w) { return w->identity; }
int64_t     sb_ruler_words_n_pairs(const sb_ruler_words *w) { return w->n_pairs; }

void sb_ruler_words_pair(const sb_ruler_words *w, int64_t i, const char **adjective,
                         const char **noun)
{
    int64_t    low = 0, high = w->n_runs;
    const run *r;
    pair       p;
    assert(i >= 0 && i < w->n_pairs);
    while (high - low > 1) {
        int64_t mid = (low + high) / 2;
        if (w->runs[mid].first <= i)
            low = mid;
        else
            high = mid;
    }
    r          = &w->runs[low];
    p          = r->pair >= 0 ? w->pairs[r->pair + i - r->first]
                              : (pair){r->adjective, (int32_t)(i - r->first)};
    *adjective = w->adjective[p.adjective];
    *noun      = w->noun[p.noun];
}

int64_t            sb_ruler_words_n_all(const sb_ruler_words *w) { return w->n_all; }
const char *const *sb_ruler_words_all(const sb_ruler_words *w)
{
    return (const char *const *)w->all;
}
int64_t            sb_ruler_words_n_english(const sb_ruler_words *w) { return w->n_english; }
const char *const *sb_ruler_words_english(const sb_ruler_words *w)
{
    return (const char *const *)w->english;
}
