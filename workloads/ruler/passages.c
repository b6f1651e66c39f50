#include "workloads/ruler/passages.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/base/corpus.h"
#include "workloads/base/pytext.h"
#include "workloads/base/sha256.h"
#include "workloads/base/text_files.h"

enum {
    PASSAGE_WORDS = 100,
    LONGEST_WORDS = 400 /* tables and code know no sentences: such a stretch is cut */
};

int64_t sbi_passages_max_bytes = INT64_C(2) << 30;

typedef struct builder {
    sb_ruler_passages *p;
    sbi_text           text, paragraph;
    int64_t            cap_sentences, cap_passages, n_words; /* words of the open passage */
    int64_t            not_utf8;
} builder;

static sb_status no_memory(void) { return sb_fail(SB_ERR_NOMEM, "no memory for its sentences"); }

static int grow(void **v, int64_t n, int64_t *cap, size_t item_bytes)
{
    int64_t want = *cap > 0 ? 2 * *cap : 256;
    void   *more;
    if (n < *cap)
        return 1;
    if ((more = realloc(*v, (size_t)want * item_bytes)) == NULL)
        return 0;
    *v   = more;
    *cap = want;
    return 1;
}

static sb_status begin_passage(builder *b)
{
    void *v = b->p->first;
    if (!grow(&v, b->p->n_passages, &b->cap_passages, sizeof *b->p->first))
        return no_memory();
    b->p->first                     = v;
    b->p->first[b->p->n_passages++] = b->p->n_sentences;
    b->n_words                      = 0;
    return SB_OK;
}

/* Words of a sentence; 0 when no letter is in it: rules, numbers of pages. */
static int64_t words_of(const char *s, int64_t n)
{
    int64_t words  = 1;
    int     letter = 0;
    for (int64_t i = 0; i < n;) {
        uint32_t c = sbi_py_next(s, &i);
        words += c == ' ';
        letter |= c != '_' && sbi_py_isalpha(c);
    }
    return letter ? words : 0;
}

static sb_status add_sentence(builder *b, const char *s, int64_t n)
{
    int64_t words = words_of(s, n);
    void   *v     = b->p->sentences;
    if (words == 0)
        return SB_OK;
    if (b->n_words < 0 || b->n_words >= PASSAGE_WORDS) {
        sb_status st = begin_passage(b);
        if (st != SB_OK)
            return st;
    }
    if (!grow(&v, b->p->n_sentences, &b->cap_sentences, sizeof *b->p->sentences))
        return no_memory();
    b->p->sentences                      = v;
    b->p->sentences[b->p->n_sentences++] = (sb_range){b->text.n, b->text.n + n};
    b->n_words += words;
    sbi_text_put(&b->text, s, n);
    sbi_text_putc(&b->text, '\n');
    return sbi_text_status(&b->text);
}

/* A sentence, or several of LONGEST_WORDS words. */
static sb_status add_stretch(builder *b, const char *s, int64_t n)
{
    int64_t   begin = 0, words = 0;
    sb_status st = SB_OK;
    for (int64_t i = 0; i < n && st == SB_OK; i++) {
        if (s[i] != ' ' || ++words < LONGEST_WORDS)
            continue;
        st    = add_sentence(b, s + begin, i - begin);
        begin = i + 1;
        words = 0;
    }
    return st == SB_OK && begin < n ? add_sentence(b, s + begin, n - begin) : st;
}

static sb_status end_paragraph(builder *b)
{
    sb_range *v  = NULL;
    int64_t   n  = 0;
    sb_status st = sbi_text_status(&b->paragraph);
    if (st == SB_OK && b->paragraph.n > 0)
        st = sb_split_v1(b->paragraph.p, b->paragraph.n, &v, &n);
    for (int64_t i = 0; st == SB_OK && i < n; i++)
        st = add_stretch(b, b->paragraph.p + v[i].begin, v[i].end - v[i].begin);
    free(v);
    sbi_text_reset(&b->paragraph);
    return st;
}

/* Runs of white space become a blank; two line feeds with nothing between them end a paragraph. */
static sb_status add_file(void *ctx, const char *path, char *text, size_t bytes)
{
    builder  *b     = ctx;
    int64_t   n     = (int64_t)bytes;
    int       feeds = 0, space = 0;
    sb_status st = SB_OK;
    (void)path;
    if (memchr(text, '\0', bytes) != NULL || sbi_utf8_check(text, n) >= 0) {
        b->not_utf8++;
        return SB_OK;
    }
    b->n_words = -1; /* a passage does not go on in the next file */
    for (int64_t i = 0; i < n && st == SB_OK;) {
        int64_t  at = i;
        uint32_t c  = sbi_py_next(text, &i);
        if (sbi_py_isspace(c)) {
            feeds += c == '\n';
            space = 1;
            continue;
        }
        if (feeds >= 2)
            st = end_paragraph(b);
        else if (space && b->paragraph.n > 0)
            sbi_text_putc(&b->paragraph, ' ');
        sbi_text_put(&b->paragraph, text + at, i - at);
        feeds = space = 0;
    }
    return st == SB_OK ? end_paragraph(b) : st;
}

static sb_status load(sb_ruler_passages *p)
{
    builder        b = {.p = p};
    sbi_text_files w = {.take = add_file, .ctx = &b, .max_bytes = sbi_passages_max_bytes};
    sbi_sha256     h;
    sb_status      st = sbi_text_files_walk(p->path, &w);
    p->n_files        = w.n_files - b.not_utf8;
    p->skipped_files  = w.skipped_files + b.not_utf8;
    if (st == SB_OK && p->n_sentences == 0)
        st = sb_fail(SB_ERR_USAGE,
                     "no text in it (%" PRId64
                     " files passed over: empty, binary, compressed or not UTF-8)",
                     p->skipped_files);
    if (st == SB_OK && (st = begin_passage(&b)) == SB_OK) /* where the last one ends */
        p->n_passages--;
    if (st == SB_OK) {
        sbi_sha256_init(&h);
        sbi_sha256_put(&h, b.text.p, (size_t)b.text.n);
        for (int64_t i = 0; i <= p->n_passages; i++)
            sbi_sha256_put_i64(&h, p->first[i]);
        st      = sbi_sha256_hex(&h, p->sha256);
        p->text = sbi_text_take(&b.text);
    }
    sbi_text_fini(&b.text);
    sbi_text_fini(&b.paragraph);
    return st;
}

sb_status sb_ruler_passages_open(const char *path, sb_ruler_passages **out)
{
    sb_ruler_passages *p = calloc(1, sizeof *p);
    sb_status          st;
    if (p == NULL)
        return sb_fail(SB_ERR_NOMEM, "no memory for a corpus");
    p->path = strdup(path != NULL ? path : SB_CORPUS_DEFAULT_PATH);
    st      = p->path != NULL ? load(p) : no_memory();
    if (st != SB_OK) {
        sb_wrap(st, "corpus %s", path != NULL ? path : SB_CORPUS_DEFAULT_PATH);
        sb_ruler_passages_close(p);
        return st;
    }
    *out = p;
    return SB_OK;
}

void sb_ruler_passages_close(sb_ruler_passages *p)
{
    if (p == NULL)
        return;
    free(p->text);
    free(p->sentences);
    free(p->first);
    free(p->path);
    free(p);
}
