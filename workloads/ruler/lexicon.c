#include "workloads/ruler/lexicon.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "workloads/base/sha256.h"
#include "workloads/ruler/file.h"
#include "workloads/ruler/words.h"

enum { SHORTEST = 3, LONGEST = 12, FEWEST = 16, COINED_LETTERS = 6 };

/* Coined words: consonant, vowel, closing consonant, twice. All as long as each other, so none
 * stands inside another. */
static const char onset[] = "bdfghjklmnprstvz", vowel[] = "aeiou", coda[] = "klmnprst";
enum { N_ONSET = 16, N_VOWEL = 5, N_CODA = 8, N_SYLLABLE = N_ONSET * N_VOWEL * N_CODA };

typedef struct list {
    char   *text; /* words ended by zeros */
    char  **word; /* sorted, each once; the built-in ones in their own order */
    int64_t n;
} list;

struct sb_ruler_lexicon {
    list            first, second, both; /* both: WordNet's two lists, sorted */
    sb_ruler_words *wonderwords;         /* instead of them */
    int             coined;
    char            name[64], sha256[65];
};

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "no memory for words"); }

static void list_fini(list *l)
{
    free(l->text);
    free(l->word);
}

void sb_ruler_lexicon_close(sb_ruler_lexicon *l)
{
    if (l == NULL)
        return;
    list_fini(&l->first);
    list_fini(&l->second);
    list_fini(&l->both);
    sb_ruler_words_close(l->wonderwords);
    free(l);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sort, each word once. */
static void sort_unique(list *l)
{
    int64_t kept = 0;
    qsort(l->word, (size_t)l->n, sizeof *l->word, by_text);
    for (int64_t i = 0; i < l->n; i++)
        if (kept == 0 || strcmp(l->word[kept - 1], l->word[i]) != 0)
            l->word[kept++] = l->word[i];
    l->n = kept;
}

/* The words of a text that stand at the start of a line, or anywhere (blanks between them); what is
 * no word of its own is passed over. The text is the list's from then on. */
static sb_status take_words(list *l, char *text, int64_t n_bytes, int at_line_starts)
{
    int64_t cap = 1, at = 0;
    for (int64_t i = 0; i < n_bytes; i++)
        cap += text[i] == (at_line_starts ? '\n' : ' ');
    l->text = text;
    l->word = malloc((size_t)cap * sizeof *l->word);
    if (l->word == NULL)
        return no_memory();
    while (at < n_bytes) {
        int64_t next = (int64_t)strcspn(text + at, at_line_starts ? "\n" : " "),
                len  = (int64_t)strspn(text + at, "abcdefghijklmnopqrstuvwxyz");
        char after   = text[at + len];
        if (len >= SHORTEST && len <= LONGEST && (len == next || after == ' ' || after == '\r')) {
            l->word[l->n++] = text + at;
            text[at + len]  = '\0';
        }
        at += next + 1;
    }
    return SB_OK;
}

static sb_status take_file(list *l, const char *path)
{
    char     *text = NULL, sha256[65];
    int64_t   n    = 0;
    sb_status st   = sbi_file_text(path, &text, &n, sha256);
    if (st != SB_OK || (st = take_words(l, text, n, 1)) != SB_OK)
        return st;
    sort_unique(l);
    return l->n >= FEWEST
               ? SB_OK
               : sb_fail(SB_ERR_USAGE,
                         "%s: %" PRId64
                         " words of %d to %d letters a-z at the start of lines; at least %d needed",
                         path, l->n, SHORTEST, LONGEST, FEWEST);
}

static sb_status take_builtin(list *l, const char *words)
{
    char *text = strdup(words);
    return text != NULL ? take_words(l, text, (int64_t)strlen(text), 0) : no_memory();
}

static sb_status merge(const list *a, const list *b, list *out)
{
    out->word = malloc((size_t)(a->n + b->n) * sizeof *out->word);
    if (out->word == NULL)
        return no_memory();
    memcpy(out->word, a->word, (size_t)a->n * sizeof *a->word);
    memcpy(out->word + a->n, b->word, (size_t)b->n * sizeof *b->word);
    out->n = a->n + b->n;
    sort_unique(out);
    return SB_OK;
}

/* WordNet's pair of files in a folder; *found 0: they are not there. */
static sb_status open_wordnet(sb_ruler_lexicon *l, const char *dir, int *found)
{
    sbi_text  adj = {0}, noun = {0};
    sb_status st = SB_OK;
    sbi_text_puts(&adj, dir);
    sbi_text_puts(&adj, "/index.adj");
    sbi_text_puts(&noun, dir);
    sbi_text_puts(&noun, "/index.noun");
    if (adj.failed || noun.failed)
        st = no_memory();
    *found = st == SB_OK && access(adj.p, F_OK) == 0 && access(noun.p, F_OK) == 0;
    if (*found && (st = take_file(&l->first, adj.p)) == SB_OK &&
        (st = take_file(&l->second, noun.p)) == SB_OK)
        st = merge(&l->first, &l->second, &l->both);
    sbi_text_fini(&adj);
    sbi_text_fini(&noun);
    strcpy(l->name, "wordnet");
    return st;
}

static sb_status open_path(sb_ruler_lexicon *l, const char *path)
{
    struct stat info;
    int         found = 0;
    sb_status   st;
    if (stat(path, &info) != 0)
        return sb_fail(SB_ERR_IO, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(info.st_mode)) {
        strcpy(l->name, "words");
        return take_file(&l->first, path);
    }
    if ((st = open_wordnet(l, path, &found)) != SB_OK || found)
        return st;
    if ((st = sb_ruler_words_open(path, NULL, NULL, &l->wonderwords)) != SB_OK)
        return sb_wrap(st, "words: neither WordNet's index.adj and index.noun nor wonderwords");
    strcpy(l->name, "wonderwords ");
    strncat(l->name, sb_ruler_words_version(l->wonderwords), 32);
    return SB_OK;
}

static void put_list(sbi_sha256 *h, const list *l)
{
    sbi_sha256_put_i64(h, l->n);
    for (int64_t i = 0; i < l->n; i++)
        sbi_sha256_put(h, l->word[i], strlen(l->word[i]) + 1);
}

static sb_status identify(sb_ruler_lexicon *l)
{
    sbi_sha256 h;
    if (l->wonderwords != NULL) {
        memcpy(l->sha256, sb_ruler_words_identity(l->wonderwords), sizeof l->sha256);
        return SB_OK;
    }
    sbi_sha256_init(&h);
    put_list(&h, &l->first);
    put_list(&h, &l->second);
    sbi_sha256_put_i64(&h, l->coined);
    if (l->coined) {
        sbi_sha256_put(&h, onset, sizeof onset);
        sbi_sha256_put(&h, vowel, sizeof vowel);
        sbi_sha256_put(&h, coda, sizeof coda);
    }
    return sbi_sha256_hex(&h, l->sha256);
}

sb_status sb_ruler_lexicon_open(const char *path, sb_ruler_lexicon **out)
{
    sb_ruler_lexicon *l = calloc(1, sizeof *l);
    sb_status         st;
    if (l == NULL)
        return no_memory();
    if (path != NULL) {
        st = open_path(l, path);
    } else {
        strcpy(l->name, "builtin@1");
        l->coined = 1;
        if ((st = take_builtin(&l->first, sbi_lexicon_adjectives)) == SB_OK)
            st = take_builtin(&l->second, sbi_lexicon_nouns);
    }
    if (st == SB_OK)
        st = identify(l);
    if (st != SB_OK) {
        sb_ruler_lexicon_close(l);
        return st;
    }
    *out = l;
    return SB_OK;
}

const char *sb_ruler_lexicon_name(const sb_ruler_lexicon *l) { return l->name; }
const char *sb_ruler_lexicon_sha256(const sb_ruler_lexicon *l) { return l->sha256; }

/* The list that stands second in keys: a file's words stand in both places. */
static const list *second_of(const sb_ruler_lexicon *l)
{
    return l->second.n > 0 ? &l->second : &l->first;
}

int64_t sb_ruler_lexicon_n_keys(const sb_ruler_lexicon *l)
{
    return l->wonderwords != NULL ? sb_ruler_words_n_pairs(l->wonderwords)
                                  : l->first.n * second_of(l)->n;
}

void sb_ruler_lexicon_key(const sb_ruler_lexicon *l, int64_t i, sbi_text *out)
{
    const list *second = second_of(l);
    const char *a, *b;
    if (l->wonderwords != NULL) {
        sb_ruler_words_pair(l->wonderwords, i, &a, &b);
    } else {
        a = l->first.word[i / second->n];
        b = second->word[i % second->n];
    }
    sbi_text_puts(out, a);
    sbi_text_putc(out, '-');
    sbi_text_puts(out, b);
}

int64_t sb_ruler_lexicon_n_words(const sb_ruler_lexicon *l)
{
    if (l->wonderwords != NULL)
        return sb_ruler_words_n_all(l->wonderwords);
    if (l->coined)
        return (int64_t)N_SYLLABLE * N_SYLLABLE;
    return l->both.n > 0 ? l->both.n : l->first.n;
}

void sb_ruler_lexicon_word(const sb_ruler_lexicon *l, int64_t i, sbi_text *out)
{
    if (l->wonderwords != NULL) {
        sbi_text_puts(out, sb_ruler_words_all(l->wonderwords)[i]);
        return;
    }
    if (!l->coined) {
        sbi_text_puts(out, (l->both.n > 0 ? &l->both : &l->first)->word[i]);
        return;
    }
    for (int64_t half = 0, rest = i; half < 2; half++, rest /= N_SYLLABLE) {
        int64_t s = rest % N_SYLLABLE;
        sbi_text_putc(out, onset[s % N_ONSET]);
        sbi_text_putc(out, vowel[s / N_ONSET % N_VOWEL]);
        sbi_text_putc(out, coda[s / (N_ONSET * N_VOWEL)]);
    }
}
