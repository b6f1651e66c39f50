/* Common words among rarer ones, and the most frequent of coded words [workloads 1.6, 1.7]. */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "workloads/ruler/generate.h"

enum { N_COMMON = 10, SHORT_TOKENS = 4096, LETTERS = 6, N_FREQUENT = 3 };

static sb_status no_memory(int64_t n)
{
    return sb_fail(SB_ERR_NOMEM, "ruler: no memory for %" PRId64 " words", n);
}

/* ---- cwe ---- */

sb_status sbi_cwe_open(sbi_gen *g)
{
    int64_t n    = sb_ruler_words_n_all(g->spec.words);
    g->cwe_order = malloc((size_t)n * sizeof *g->cwe_order);
    if (g->cwe_order == NULL)
        return no_memory(n);
    for (int64_t i = 0; i < n; i++)
        g->cwe_order[i] = i;
    sbi_seeded_shuffle(g, g->cwe_order, n, sizeof *g->cwe_order);
    return SB_OK;
}

/* n words without doubles, from the lists or, where they do not reach, from the big list; NULL with
 * *st or *raises set. */
static const char **draw_words(sbi_gen *g, int64_t n, const char **raises, sb_status *st)
{
    const sb_ruler_words *w     = g->spec.words;
    int                   big   = n > sb_ruler_words_n_all(w);
    int64_t               n_all = big ? sb_ruler_words_n_english(w) : sb_ruler_words_n_all(w);
    int64_t              *at;
    const char          **out;
    *st = SB_OK;
    if (n_all == 0) {
        *st = sb_fail(SB_ERR_UNSUPPORTED,
                      "cwe needs %" PRId64 " words here, the word lists have %" PRId64
                      ": give RULER's english_words.json",
                      n, sb_ruler_words_n_all(w));
        return NULL;
    }
    if (n > n_all) {
        *raises = "more words than english_words.json has";
        return NULL;
    }
    at  = malloc((size_t)n * sizeof *at);
    out = malloc((size_t)n * sizeof *out);
    if (at == NULL || out == NULL)
        *st = no_memory(n);
    else
        *st = sb_mt_sample(&g->py, n_all, n, at);
    for (int64_t i = 0; *st == SB_OK && i < n; i++)
        out[i] =
            big ? sb_ruler_words_english(w)[at[i]] : sb_ruler_words_all(w)[g->cwe_order[at[i]]];
    free(at);
    if (*st != SB_OK) {
        free((void *)out);
        return NULL;
    }
    return out;
}

/* The numbered list into d->context; *words: the words drawn, the common ones first. */
static sb_status put_list(sbi_gen *g, int64_t n, int common, int rare, sbi_draft *d,
                          const char ***words)
{
    int64_t n_common = n < N_COMMON ? n : N_COMMON,
            total = n_common * common + (n - n_common) * rare, at = 0;
    sb_status st;
    int32_t  *list;
    sbi_text_reset(&d->context);
    *words = draw_words(g, n, &d->raises, &st);
    if (*words == NULL)
        return st;
    list = malloc((size_t)total * sizeof *list);
    if (list == NULL)
        return no_memory(total);
    for (int64_t i = 0; i < total; i++)
        list[i] =
            (int32_t)(i < n_common * common ? i % n_common
                                            : n_common + (i - n_common * common) % (n - n_common));
    sbi_seeded_shuffle(g, list, total, sizeof *list);
    for (int64_t i = 0; i < total; i++) {
        if (i > 0)
            sbi_text_putc(&d->context, ' ');
        sbi_text_put_i64(&d->context, i + 1);
        sbi_text_puts(&d->context, ". ");
        at = d->context.n;
        sbi_text_puts(&d->context, (*words)[list[i]]);
        if (list[i] < n_common)
            sbi_draft_span(d, SB_RULER_SPAN_NEEDLE, list[i], at, d->context.n);
    }
    free(list);
    return SB_OK;
}

static sb_status put_prompt(const sbi_gen *g, sbi_draft *d)
{
    sbi_field fields[3] = {{"context", sbi_text_str(&d->context), d->context.n, -1},
                           {"num_cw", "10", 2, -1},
                           {"query", "", 0, -1}};
    return sbi_draft_format(d, g->prompt, fields, 3);
}

sb_status sbi_cwe_make(sbi_gen *g, int64_t units, sbi_draft *d)
{
    int          is_short = g->spec.length_tokens < SHORT_TOKENS;
    const char **shot = NULL, **real = NULL;
    int64_t      n_shot = 0;
    sb_status st = put_list(g, is_short ? 20 : 40, is_short ? 3 : 10, is_short ? 1 : 3, d, &shot);
    if (st == SB_OK && d->raises == NULL && (st = put_prompt(g, d)) == SB_OK) {
        for (int i = 0; i < N_COMMON; i++) {
            sbi_text_putc(&d->text, ' ');
            sbi_text_put_i64(&d->text, i + 1);
            sbi_text_puts(&d->text, ". ");
            sbi_text_puts(&d->text, shot[i]);
        }
        n_shot     = d->text.n;
        d->n_spans = 0;
        sbi_text_putc(&d->text, '\n');
        st = put_list(g, units, is_short ? 6 : 30, is_short ? 1 : 3, d, &real);
    }
    if (st == SB_OK && d->raises == NULL && (st = put_prompt(g, d)) == SB_OK) {
        for (int64_t i = 0; i < N_COMMON && i < units; i++)
            sbi_draft_answer(d, real[i], (int64_t)strlen(real[i]));
        sbi_draft_span(d, SB_RULER_SPAN_SHOT, -1, 0, n_shot);
    }
    free((void *)shot);
    free((void *)real);
    return st;
}

/* ---- fwe ---- */

struct sbi_coded {
    int64_t n;
    char    word[][LETTERS + 1]; /* in order of rank; the first is noise */
};

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

/* Sort; move the distinct ones to the front; how many these are. */
static int64_t sort_distinct(char (*word)[LETTERS + 1], int64_t n)
{
    int64_t kept = 0;
    qsort(word, (size_t)n, sizeof *word, by_text);
    for (int64_t i = 0; i < n; i++)
        if (kept == 0 || strcmp(word[kept - 1], word[i]) != 0)
            memmove(word[kept++], word[i], sizeof *word);
    return kept;
}

sb_status sbi_fwe_vocabulary(sbi_gen *g, int64_t n_words, sbi_coded **out)
{
    sbi_coded *c    = malloc(sizeof *c + (size_t)n_words * sizeof *c->word);
    int64_t    have = 0;
    if (c == NULL)
        return no_memory(n_words);
    while (have < n_words) { /* as many draws as the original makes: what is missing is exactly what
                                it draws further */
        int64_t at = have;
        for (; at < n_words; at++) {
            for (int i = 0; i < LETTERS; i++)
                c->word[at][i] = (char)('a' + sb_mt_choices(&g->py, 26));
            c->word[at][LETTERS] = '\0';
        }
        have = sort_distinct(c->word, n_words);
    }
    c->n = n_words;
    sbi_seeded_shuffle(g, c->word, n_words, sizeof *c->word);
    memcpy(c->word[0], "...", 4);
    *out = c;
    return SB_OK;
}

void sbi_fwe_close(sbi_coded *c) { free(c); }

/* How often the word of rank k = i + 1 stands among n_words: zeta(2) in binary64, in the original's
 * order of operations. */
static int64_t count_of(int64_t n_words, int64_t i)
{
    double c = (double)n_words * pow((double)(i + 1), -2.0) / 1.6449340668482264;
    return c > 0 ? (int64_t)c : 0;
}

sb_status sbi_fwe_make(sbi_gen *g, const sbi_coded *c, int64_t n_words, sbi_draft *d)
{
    int64_t   total = 0, at = 0;
    int32_t  *list;
    sbi_field fields[2];
    for (int64_t i = 0; i < c->n; i++)
        total += count_of(n_words, i);
    list = malloc((size_t)(total + 1) * sizeof *list);
    if (list == NULL)
        return no_memory(total);
    for (int64_t i = 0; i < c->n; i++)
        for (int64_t j = count_of(n_words, i); j > 0; j--)
            list[at++] = (int32_t)i;
    sbi_seeded_shuffle(g, list, total, sizeof *list);
    for (int64_t i = 0; i < total; i++) {
        if (i > 0)
            sbi_text_putc(&d->context, ' ');
        at = d->context.n;
        sbi_text_puts(&d->context, c->word[list[i]]);
        if (list[i] >= 1 && list[i] <= N_FREQUENT)
            sbi_draft_span(d, SB_RULER_SPAN_NEEDLE, list[i] - 1, at, d->context.n);
    }
    free(list);
    for (int i = 1; i <= N_FREQUENT && i < c->n; i++)
        sbi_draft_answer(d, c->word[i], (int64_t)strlen(c->word[i]));
    fields[0] = (sbi_field){"context", sbi_text_str(&d->context), d->context.n, -1};
    fields[1] = (sbi_field){"query", "", 0, -1};
    return sbi_draft_format(d, g->prompt, fields, 2);
}
