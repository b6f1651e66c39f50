/* Variable tracking: one chain of assignments between noise sentences [workloads 1.5]. While the
 * example is made (g->shot NULL) names have 3 letters, the value is 12345 and the prompt has no
 * chat wrapper. */
#include <stdlib.h>
#include <string.h>

#include "workloads/ruler/generate.h"

enum { HOPS = 4, NAMES = HOPS + 1, MAX_LETTERS = 5, MAX_DRAWS = 64 };

static const char example_value[] = "12345";

static void draw_name(sbi_gen *g, int64_t letters, char *out)
{
    for (int64_t i = 0; i < letters; i++)
        out[i] = (char)('A' + sb_mt_choices(&g->py, 26));
    out[letters] = '\0';
}

/* The chain's names; 0 when the original fails: it draws on until enough are distinct, cuts the
 * list into chains of NAMES, draws a value for each and falls over the last, short one. */
static int draw_names(sbi_gen *g, char name[NAMES][MAX_LETTERS + 1], int *n_extra)
{
    char all[MAX_DRAWS][MAX_LETTERS + 1];
    int  n = 0, distinct = 0;
    while (n < NAMES || (distinct < NAMES && n < MAX_DRAWS)) {
        int seen = 0;
        draw_name(g, g->shot != NULL ? 5 : 3, all[n]);
        for (int i = 0; i < n; i++)
            seen |= strcmp(all[i], all[n]) == 0;
        distinct += !seen;
        n++;
    }
    memcpy(name, all, sizeof all[0] * NAMES);
    *n_extra = n - NAMES;
    return n == NAMES;
}

static int64_t draw_value(sbi_gen *g) { return sb_mt_numpy_randint(&g->np, 10000, 99999); }

static void put_line(sbi_text *out, char name[NAMES][MAX_LETTERS + 1], int j, const char *value)
{
    sbi_text_puts(out, "VAR ");
    sbi_text_puts(out, name[j]);
    sbi_text_puts(out, j == 0 ? " = " : " = VAR ");
    sbi_text_puts(out, j == 0 ? value : name[j - 1]);
    if (j > 0)
        sbi_text_putc(out, ' ');
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static sb_status put_context(sbi_gen *g, char name[NAMES][MAX_LETTERS + 1], const char *value,
                             int64_t units, sbi_draft *d)
{
    const char *noise = g->spec.templates->haystack_noise;
    int64_t     n     = (int64_t)strlen(noise), places[NAMES];
    int         line  = 0;
    sb_status   st;
    if (units < NAMES) {
        d->raises = "fewer haystack sentences than lines of the chain";
        return SB_OK;
    }
    if ((st = sb_mt_sample(&g->py, units, NAMES, places)) != SB_OK)
        return st;
    qsort(places, NAMES, sizeof *places, by_value);
    for (int64_t i = 0; i < units; i++) {
        if (line < NAMES && places[line] == i) {
            int64_t at = d->context.n;
            put_line(&d->context, name, line, value);
            sbi_draft_span(d, SB_RULER_SPAN_NEEDLE, line, at, d->context.n);
            sbi_text_putc(&d->context, '\n');
            line++;
        }
        sbi_text_put(&d->context, noise, n);
        if (i + 1 < units)
            sbi_text_putc(&d->context, '\n');
    }
    return SB_OK;
}

sb_status sbi_vt_make(sbi_gen *g, int64_t units, sbi_draft *d)
{
    const sb_ruler_text *t = &g->spec.templates->text[SB_RULER_VT];
    char                 name[NAMES][MAX_LETTERS + 1];
    sbi_text             value = {0}, bare = {0};
    int                  n_extra, ok       = draw_names(g, name, &n_extra);
    sb_status            st;
    if (g->shot == NULL)
        sbi_text_puts(&value, example_value);
    else
        sbi_text_put_i64(&value, draw_value(g));
    if (!ok) {
        if (g->shot != NULL)
            for (int i = 0; i < n_extra; i += NAMES)
                (void)draw_value(g);
        d->raises = "a variable was drawn twice";
        sbi_text_fini(&value);
        return SB_OK;
    }
    if ((st = sbi_text_status(&value)) == SB_OK)
        st = put_context(g, name, value.p, units, d);
    if (g->shot == NULL) { /* the example has no wrapper */
        sbi_text_puts(&bare, t->task);
        sbi_text_puts(&bare, t->answer_prefix);
    }
    for (int i = 0; i < NAMES; i++)
        sbi_draft_answer(d, name[i], (int64_t)strlen(name[i]));
    if (st == SB_OK && d->raises == NULL && (st = sbi_text_status(&bare)) == SB_OK) {
        sbi_field fields[3] = {{"context", sbi_text_str(&d->context), d->context.n, -1},
                               {"query", value.p, value.n, -1},
                               {"num_v", "5", 1, -1}};
        st                  = sbi_draft_format(d, g->shot == NULL ? bare.p : g->prompt, fields, 3);
    }
    sbi_text_fini(&bare);
    sbi_text_fini(&value);
    return st;
}

/* The last NAMES words of the example, in order. */
static void last_words(const char *s, char word[NAMES][MAX_LETTERS + 1])
{
    int64_t end = (int64_t)strlen(s), begin = 0;
    sbi_py_strip(s, &begin, &end);
    for (int i = NAMES - 1; i >= 0; i--) {
        int64_t from = end;
        while (from > 0 && s[from - 1] >= 'A' && s[from - 1] <= 'Z' && end - from < MAX_LETTERS)
            from--;
        memcpy(word[i], s + from, (size_t)(end - from));
        word[i][end - from] = '\0';
        end                 = from > 0 ? from - 1 : 0; /* the blank before it */
    }
}

sb_status sbi_vt_insert_shot(sbi_gen *g, sbi_draft *d)
{
    const char *task = g->spec.templates->text[SB_RULER_VT].task;
    char        word[NAMES][MAX_LETTERS + 1], fresh[MAX_LETTERS + 1];
    int64_t     cut = sbi_utf8_prefix(task, (int64_t)strlen(task), 20),
            at      = sbi_text_find(d->text.p, d->text.n, task, cut);
    sbi_text  shot = {0}, text = {0}, value = {0};
    sb_status st;
    if (at < 0)
        return sb_fail(SB_ERR_USAGE, "ruler: the start of vt's template is not in the prompt");
    sbi_text_puts(&shot, g->shot);
    last_words(g->shot, word);
    for (int i = 0; i < NAMES; i++) {
        draw_name(g, (int64_t)strlen(word[i]), fresh);
        sbi_py_replace(&shot, word[i], fresh);
    }
    sbi_text_put_i64(&value, draw_value(g));
    sbi_py_replace(&shot, example_value, sbi_text_str(&value));
    sbi_text_put(&text, d->text.p, at);
    sbi_text_put(&text, sbi_text_str(&shot), shot.n);
    sbi_text_putc(&text, '\n');
    sbi_text_put(&text, d->text.p + at, d->text.n - at);
    for (int64_t i = 0; i < d->n_spans; i++) {
        d->spans[i].byte_begin += shot.n + 1;
        d->spans[i].byte_end += shot.n + 1;
    }
    sbi_draft_span(d, SB_RULER_SPAN_SHOT, -1, at, at + shot.n);
    if (value.failed || shot.failed)
        text.failed = 1;
    sbi_text_fini(&d->text);
    d->text = text;
    st      = sbi_draft_status(d);
    sbi_text_fini(&shot);
    sbi_text_fini(&value);
    return st;
}
