/* See grid.h. */
#include "results/report/grid.h"

#include <stdlib.h>
#include <string.h>

#include "results/report/text.h"

enum { GAP = 2, LONGEST_WORD = 24, SHORTEST_WORD = 6, SHORTEST_HEADING = 3 };

/* Bytes of the n-th letter's beginning. */
static size_t bytes_of(const char *text, int64_t letters)
{
    size_t at = 0;
    while (letters > 0 && text[at] != '\0') {
        do
            at++;
        while (((unsigned char)text[at] & 0xc0) == 0x80);
        letters--;
    }
    return at;
}

/* Bytes of the first line of at most `width` letters: whole words, or a part of one that is longer.
 * The line after it begins at *next. */
static size_t first_line(const char *text, int64_t width, size_t *next)
{
    size_t most = bytes_of(text, width), n = most;
    if (text[most] != '\0')
        while (n > 0 && text[n] != ' ')
            n--;
    if (n == 0)
        n = most;
    *next = n + (text[n] == ' ');
    return n;
}

static int64_t longest_word(const char *text)
{
    int64_t most = 0;
    while (*text != '\0') {
        int64_t n = 0;
        for (; *text != '\0' && *text != ' '; text++)
            n += ((unsigned char)*text & 0xc0) != 0x80;
        most = n > most ? n : most;
        text += *text == ' ';
    }
    return most;
}

typedef enum fit { HEADINGS_WHOLE, HEADINGS_WRAPPED, ALL_WRAPPED } fit;

/* The least that a column takes, from a row on. */
static int64_t least(const sbi_grid *g, int k, int64_t from, fit how)
{
    int64_t w = 1;
    for (int64_t i = from; i < g->n_rows; i++) {
        const char *t    = g->text[i * g->n + k];
        int         wrap = i == 0 ? how != HEADINGS_WHOLE : how == ALL_WRAPPED && !g->right[k];
        int64_t     n    = wrap ? longest_word(t) : sbi_width(t);
        w                = n > w ? n : w;
    }
    return w;
}

static int64_t total(const sbi_grid *g, const int64_t *w)
{
    int64_t sum = GAP - g->gap;
    for (int k = 0; k < g->n; k++)
        sum += g->gap + w[k];
    return sum;
}

static int fits(const sbi_grid *g, fit how, int64_t width, int64_t *w)
{
    for (int k = 0; k < g->n; k++)
        w[k] = least(g, k, 0, how);
    return width == 0 || total(g, w) <= width;
}

/* The widest column that is wider than its lower bound gives way, until all fit or none can. */
static void give_way(const sbi_grid *g, int64_t width, const int64_t *lower, int64_t *w)
{
    while (total(g, w) > width) {
        int widest = -1;
        for (int k = 0; k < g->n; k++)
            if (w[k] > lower[k] && (widest < 0 || w[k] > w[widest]))
                widest = k;
        if (widest < 0)
            return;
        w[widest]--;
    }
}

/* What a column takes when words of its heading are broken into parts of at least `part` letters.
 */
static int64_t broken_heading(const sbi_grid *g, int k, int64_t part)
{
    int64_t rows = least(g, k, 1, ALL_WRAPPED), heading = longest_word(g->text[k]);
    if (heading > part)
        heading = part;
    return rows > heading ? rows : heading;
}

/* Texts are wrapped between words; where that is not enough columns stand closer, then words of
 * headings are broken, then those of texts; at last headings down to a letter a line. */
static void wrap(sbi_grid *g, int64_t width, int64_t *w)
{
    int64_t lower[SBI_MAX_COLUMNS];
    int     enough = fits(g, ALL_WRAPPED, width, lower);
    for (int k = 0; k < g->n; k++)
        if (!g->right[k] && lower[k] > LONGEST_WORD)
            lower[k] = LONGEST_WORD;
    if (!enough)
        g->gap = 1;
    (void)fits(g, HEADINGS_WRAPPED, width, w);
    give_way(g, width, lower, w);
    for (int k = 0; k < g->n; k++)
        lower[k] = broken_heading(g, k, SHORTEST_HEADING);
    give_way(g, width, lower, w);
    for (int k = 0; k < g->n; k++)
        if (!g->right[k] && lower[k] > SHORTEST_WORD)
            lower[k] = SHORTEST_WORD;
    give_way(g, width, lower, w);
    for (int k = 0; k < g->n; k++)
        if (g->right[k] || lower[k] < SHORTEST_WORD)
            lower[k] = broken_heading(g, k, 1);
    give_way(g, width, lower, w);
}

static sb_status values_only(sbi_grid *g)
{
    for (int64_t i = g->n; i < g->n_rows * g->n; i++) {
        if (!g->name[i % g->n])
            continue;
        char *text = sbi_bare_values(g->text[i]);
        if (text == NULL)
            return sb_fail(SB_ERR_NOMEM, "report: no memory for a table");
        free(g->text[i]);
        g->text[i] = text;
    }
    return SB_OK;
}

static void put_row(const sbi_grid *g, int64_t row, const int64_t *w, FILE *out)
{
    const char *rest[SBI_MAX_COLUMNS];
    for (int k = 0; k < g->n; k++)
        rest[k] = g->text[row * g->n + k];
    for (int more = 1; more;) {
        int64_t blanks = 0; /* owed: a line ends behind its last letter */
        more           = 0;
        for (int k = 0; k < g->n; k++) {
            size_t  next = 0, n = first_line(rest[k], w[k], &next);
            int64_t pad = w[k];
            for (size_t b = 0; b < n; b++)
                pad -= ((unsigned char)rest[k][b] & 0xc0) != 0x80;
            blanks += (k == 0 ? GAP : g->gap) + (g->right[k] ? pad : 0);
            if (n > 0) {
                (void)fprintf(out, "%*s%.*s", (int)blanks, "", (int)n, rest[k]);
                blanks = 0;
            }
            blanks += g->right[k] ? 0 : pad;
            rest[k] += next;
            more |= *rest[k] != '\0';
        }
        (void)fputc('\n', out);
    }
}

sb_status sbi_grid_print(sbi_grid *g, int width, FILE *out)
{
    int64_t w[SBI_MAX_COLUMNS];
    g->gap = GAP;
    if (!fits(g, HEADINGS_WHOLE, width, w) && !fits(g, HEADINGS_WRAPPED, width, w)) {
        sb_status st = values_only(g);
        if (st != SB_OK)
            return st;
        if (!fits(g, HEADINGS_WRAPPED, width, w))
            wrap(g, width, w);
    }
    for (int64_t i = 0; i < g->n_rows; i++)
        put_row(g, i, w, out);
    return SB_OK;
}

void sbi_grid_fini(sbi_grid *g)
{
    for (int64_t i = 0; g->text != NULL && i < g->n_rows * g->n; i++)
        free(g->text[i]);
    free(g->text);
    *g = (sbi_grid){0};
}

void sbi_put_wrapped(FILE *out, const char *text, int width)
{
    int most = width == 0 ? INT32_MAX : width < LONGEST_WORD ? LONGEST_WORD : width - GAP;
    do {
        size_t next = 0, n = first_line(text, most, &next);
        (void)fprintf(out, "%*s%.*s\n", GAP, "", (int)n, text);
        text += next;
    } while (*text != '\0');
}
